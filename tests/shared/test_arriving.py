"""What comes off the socket: messages to who listens, the server's own lines and the end to nats-py."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox import subjects
from signalbox.bus import Received
from signalbox.bus.arriving import NO_PROTOCOL, Arriving
from signalbox.bus.client import FrameParser
from signalbox.bus.wire import Delivery, Frames, Said

WAIT_SECONDS_MAX = 60.0
LINES = b"PING\r\n", b"+OK\r\n", b"-ERR 'odd \xff'\r\n", b"PONG\r\n"
MESSAGES = b"MSG a.b 3 8\r\nPING\r\n\r\n\r\n", b"HMSG a.\xff 4 r.1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
WIRE = LINES[0] + MESSAGES[0] + LINES[1] + MESSAGES[1] + LINES[2] + LINES[3]


class Stream:
    """Notes what nats-py's side is told."""

    def __init__(self) -> None:
        self.data = b""
        self.told: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool | None:
        self.told.append("end")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


def arrived(chunks: list[bytes]) -> tuple[list[Delivery], Stream]:
    delivered: list[Delivery] = []
    stream = Stream()
    arriving = Arriving(delivered.append, stream)
    for chunk in chunks:
        arriving.data_received(chunk)
    return delivered, stream


@given(cuts=st.lists(st.integers(0, len(WIRE)), max_size=8))
def test_messages_go_to_who_listens_and_the_servers_words_to_nats_py(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(WIRE)]
    delivered, stream = arrived([WIRE[a:b] for a, b in pairwise(places)])
    frames = list(Frames().feed(WIRE))
    assert delivered == [frame for frame in frames if isinstance(frame, Delivery)]
    assert list(Frames().feed(stream.data)) == [frame for frame in frames if isinstance(frame, Said)]


def test_what_is_not_the_protocol_ends_the_connection_and_nothing_after_it_counts() -> None:
    delivered, stream = arrived([b"MSG a 1 1\r\nx\r\nHELLO\r\nMSG a 1 1\r\ny\r\n", b"MSG a 1 1\r\nz\r\n"])
    assert [delivery.payload for delivery in delivered] == [b"x"]
    assert stream.data == NO_PROTOCOL


def test_the_end_and_a_pause_are_passed_on() -> None:
    stream, lost = Stream(), ConnectionResetError()
    arriving = Arriving(lambda delivery: None, stream)
    arriving.pause_writing()
    arriving.resume_writing()
    assert arriving.eof_received() is True
    arriving.connection_lost(lost)
    assert stream.told == ["pause", "resume", "end", lost]


async def test_messages_go_past_nats_pys_task_on_each_connection(
    nats_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    parse = FrameParser.parse

    async def noted(self: FrameParser, data: bytes = b"") -> None:
        read.append(data)
        await parse(self, data)

    monkeypatch.setattr(FrameParser, "parse", noted)
    risk, gateway = await nats_server.connect("risk"), await nats_server.connect("gateway-ibkr")
    heard: asyncio.Queue[Received] = asyncio.Queue()
    again = asyncio.Event()

    async def reconnected() -> None:
        again.set()

    await risk.subscribe(subjects.ALL_QUOTES, heard.put)
    risk.on_reconnect(reconnected)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await risk.raw_publish("decision.denied.ibkr.DU1", b"{}", {"Nats-Msg-Id": "d"})  # so the server knows both
        await gateway._client.publish(subjects.quote("ibkr", "SPY"), b"before")
        assert (await heard.get()).payload == b"before"
        nats_server.restart()
        await again.wait()
        after = await nats_server.connect("gateway-ibkr")
        await risk._client.flush()
        await after._client.publish(subjects.quote("ibkr", "SPY"), b"after")
        assert (await heard.get()).payload == b"after"
    assert read
    assert not any(b"MSG " in data for data in read)
