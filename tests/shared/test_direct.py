"""Messages past nats-py: the same messages, in the same order, however the bytes come in."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ProtocolError
from nats.protocol.parser import Parser
from signalbox.bus.direct import DirectParser

Frame = tuple[Any, ...]


class Client:
    """What nats-py's parser calls on its client, written down."""

    def __init__(self) -> None:
        self.seen: list[Frame] = []

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, payload: bytes, headers: bytes | None) -> None:
        self.seen.append((sid, subject, reply, headers or b"", payload))

    async def _process_ping(self) -> None:
        self.seen.append(("PING",))

    async def _process_pong(self) -> None:
        self.seen.append(("PONG",))

    async def _process_err(self, error: str) -> None:
        self.seen.append(("ERR", error))

    async def _process_info(self, info: dict[str, Any]) -> None:
        self.seen.append(("INFO", info))


def message(sid: int, reply: bytes, headers: bytes, payload: bytes) -> bytes:
    reply_token = reply + b" " if reply else b""
    if headers:
        sizes = b"%d %d" % (len(headers), len(headers) + len(payload))
        return b"HMSG a.b %d %s%s\r\n%s%s\r\n" % (sid, reply_token, sizes, headers, payload)
    return b"MSG a.b %d %s%d\r\n%s\r\n" % (sid, reply_token, len(payload), payload)


messages = st.builds(
    message,
    st.sampled_from([1, 2, 12]),
    st.sampled_from([b"", b"$JS.ACK.S.c.1.2.3.4.5"]),
    st.sampled_from([b"", b"NATS/1.0\r\nNats-Msg-Id: x\r\n\r\n", b"NATS/1.0 100 Idle Heartbeat\r\n\r\n"]),
    st.binary(max_size=40) | st.sampled_from([b"", b"\r\n", b"MSG a 1 5\r\n", b"PING\r\n"]),
)
others = st.sampled_from([b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b"-ERR 'odd'\r\n", b'INFO {"a": 1}\r\n'])


async def parsed(parser: Parser, chunks: list[bytes]) -> None:
    for chunk in chunks:
        await parser.parse(chunk)


def run(coroutine: Any) -> None:
    """Nothing here ever waits: run to the end without a loop."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


@given(frames=st.lists(messages | others, max_size=12), cuts=st.lists(st.integers(0, 600), max_size=8))
def test_any_cut_of_the_bytes_gives_what_nats_py_finds_in_order(frames: list[bytes], cuts: list[int]) -> None:
    data = b"".join(frames)
    plain, direct = Client(), Client()
    run(parsed(Parser(plain), [data]))
    parser = DirectParser(direct)  # type: ignore[arg-type]
    for sid in (1, 12):
        parser.takers[b"%d" % sid] = lambda subject, reply, headers, payload, sid=sid: direct.seen.append(
            (sid, subject, reply, headers, payload)
        )
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    run(parsed(parser, [data[a:b] for a, b in pairwise(places)]))
    assert direct.seen == plain.seen


def test_what_came_over_a_connection_that_is_gone_is_forgotten() -> None:
    client = Client()
    parser = DirectParser(client)  # type: ignore[arg-type]
    run(parsed(parser, [b"MSG a 1 50\r\nhalf"]))
    parser.reset()
    run(parsed(parser, [b"PING\r\n"]))
    assert client.seen == [("PING",)]


@pytest.mark.parametrize("data", [b"MSG a\r\n", b"MSG a 1 many\r\n", b"x" * 70_000, b"NOISE\r\n"])
def test_bytes_that_are_not_the_protocol_are_an_error(data: bytes) -> None:
    coroutine = DirectParser(Client()).parse(data)  # type: ignore[arg-type]
    with pytest.raises(ProtocolError):
        coroutine.send(None)
