"""A consumer that is put back stays there, whatever the server still reads of the copy that it came from."""

from __future__ import annotations

import json
from typing import Any

import pytest
from signalbox.bus import snapshots
from signalbox.bus.wire import Delivery
from signalbox.errors import BusError


class Server:
    """Answers as JetStream does of one consumer; after each reset it takes in a late state, while there is one."""

    def __init__(self, *late: tuple[int, int, int], looks: int = 0) -> None:
        self.late, self.looks_until_late = list(late), looks
        self.standing = (7, 7, 0)
        self.resets = self.looks = 0

    async def ask(self, subject: str, payload: bytes, seconds_max: float) -> Delivery:
        if subject == "$JS.API.CONSUMER.RESET.TRADE.risk":
            place = json.loads(payload)["seq"] - 1
            self.standing, self.resets, self.looks = (place, place, 0), self.resets + 1, 0
        else:
            assert subject == "$JS.API.CONSUMER.INFO.TRADE.risk"
            if self.late and self.looks == self.looks_until_late:
                self.standing = self.late.pop(0)
            self.looks += 1
        delivered, floor, under_way = self.standing
        info = {
            "delivered": {"consumer_seq": 0, "stream_seq": delivered},
            "ack_floor": {"consumer_seq": 0, "stream_seq": floor},
            "num_ack_pending": under_way,
        }
        return Delivery(sid=1, subject=b"_INBOX", reply=b"", headers=b"", payload=json.dumps(info).encode())


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "LOOK_SECONDS", 0.0)


@pytest.mark.parametrize("late", [(7, 7, 0), (3, 2, 1)], ids=["taken", "under way"])
@pytest.mark.parametrize("looks", [0, 2])
async def test_a_state_that_is_read_late_is_put_back_again(late: tuple[int, int, int], looks: int) -> None:
    server: Any = Server(late, late, looks=looks)
    await snapshots.set_consumer_place(server, "TRADE", "risk", 2)
    assert (server.standing, server.resets) == ((2, 2, 0), 3)


async def test_one_that_stays_is_put_back_once() -> None:
    server: Any = Server()
    await snapshots.set_consumer_place(server, "TRADE", "risk", 2)
    assert (server.standing, server.resets, server.looks) == ((2, 2, 0), 1, snapshots.LOOKS)


async def test_one_that_never_stays_is_told() -> None:
    server: Any = Server(*[(7, 7, 0)] * 1_000)
    with pytest.raises(BusError, match="the consumer risk of TRADE does not stay where it was put"):
        await snapshots.set_consumer_place(server, "TRADE", "risk", 2)
