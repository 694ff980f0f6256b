"""1100 that no 1101 or 1102 follows: what IBKR's servers say ends it, what TWS says by itself does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from gateway_ibkr import freeze
from msgspec.structs import replace
from signalbox.messages import LinkStatus
from simulators.world import WorldOptions

LOST = {"code": 1100, "text": "Connectivity between IBKR and Trader Workstation has been lost."}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeze, "ASK_SECONDS", 0.5)
    monkeypatch.setattr(freeze, "ASK_APART_SECONDS", 0.5)
    monkeypatch.setattr(freeze, "SETTLED_SECONDS", 0.3)


async def frozen(desk: Any) -> None:
    await desk.eventually(lambda: desk.status is LinkStatus.FROZEN, "FROZEN")


async def ready_again(desk: Any) -> None:
    """READY, and what was read before it."""
    before = len(desk.links)
    await desk.eventually(lambda: desk.status is LinkStatus.READY, f"READY; {desk.links[-3:]}")
    told = [link for link in desk.links[max(0, before - 5) :] if link.status is LinkStatus.RECONCILING]
    assert "IBKR's servers answer" in told[-1].reason


@pytest.mark.parametrize("times", [1, 3])
async def test_ticks_that_go_on_end_a_loss_that_tws_does_not_take_back(desk: Any, times: int) -> None:
    await desk.start()
    await desk.ready()
    for _ in range(times):
        await desk.venue.do("error", **LOST)
        await frozen(desk)
        await ready_again(desk)
    await desk.submit("after-1")
    await desk.has("after-1", "VenueFill")


async def test_a_loss_that_lasts_stays_frozen_and_what_filled_meanwhile_is_read_once_it_is_over(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("link_lost")
    await frozen(desk)
    await desk.submit("waits-1")
    await desk.eventually(lambda: "in vain" in desk.links[-1].reason, "the servers were asked")
    await desk.venue.do("link_lost")
    asked = desk.links[-1].reason
    await desk.eventually(lambda: desk.links[-1].reason not in ("", asked), "they were asked again")
    assert desk.status is LinkStatus.FROZEN
    assert not desk.venue.orders_of("waits-1")
    await desk.venue.do("link_restored", silent=True)
    await ready_again(desk)
    await desk.has("waits-1", "VenueFill")


async def test_a_session_that_begins_while_tws_has_no_ibkr_is_frozen_until_it_has(desk: Any) -> None:
    await desk.venue.do("link_lost")
    await desk.start()
    await frozen(desk)
    await desk.venue.do("link_restored", silent=True)
    await ready_again(desk)


async def test_a_port_that_tws_leaves_is_told_as_long_as_nothing_listens_there(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    text = (
        "TWS socket port has been reset and this connection is being dropped. Please reconnect on the new port - 7500"
    )
    await desk.venue.do("error", code=1300, text=text)
    desk.mark = len(desk.links)
    await desk.venue.do("drop_link", refuse_seconds=1)
    await desk.eventually(
        lambda: any("nothing listens" in link.reason and "new port - 7500" in link.reason for link in desk.links),
        "both are told",
    )
    assert "set SIGNALBOX_IBKR_PORT to the new one" in next(
        link.reason for link in desk.links[desk.mark :] if "7500" in link.reason
    )
    await desk.ready()
    await desk.venue.do("drop_link")
    desk.mark = len(desk.links)
    await desk.ready()
    assert not any("7500" in link.reason for link in desk.links[desk.mark :])


class TestAtNight:
    @pytest.fixture
    def world_options(self, world_options: WorldOptions) -> WorldOptions:
        return replace(world_options, speed=0.0, start=datetime(2024, 3, 5, 21, 30, tzinfo=UTC))

    async def test_history_ends_it_when_no_market_speaks(self, desk: Any) -> None:
        await desk.start()
        await desk.ready()
        await desk.venue.do("error", **LOST)
        await frozen(desk)
        await ready_again(desk)
