"""Frames: the same ones however the bytes come in, and whatever publishers wrote between the sizes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ProtocolError
from signalbox.bus.wire import FRAME_BYTES_MAX, LINE_BYTES_MAX, Delivery, Frames, Said

NO_SEPARATORS = st.binary(min_size=1, max_size=30).map(lambda data: data.translate(None, b" \t\r\n") or b"x")


def message(delivery: Delivery) -> bytes:
    reply = delivery.reply + b" " if delivery.reply else b""
    if delivery.headers:
        sizes = b"%d %d" % (len(delivery.headers), len(delivery.headers) + len(delivery.payload))
        begin = b"HMSG %s %d %s%s\r\n" % (delivery.subject, delivery.sid, reply, sizes)
    else:
        begin = b"MSG %s %d %s%d\r\n" % (delivery.subject, delivery.sid, reply, len(delivery.payload))
    return begin + delivery.headers + delivery.payload + b"\r\n"


deliveries = st.builds(
    Delivery,
    st.integers(1, 300),
    NO_SEPARATORS,
    st.just(b"") | NO_SEPARATORS,
    st.binary(max_size=40) | st.sampled_from([b"NATS/1.0\r\nStatus: 100\r\n\r\n", b"MSG a 1 5\r\n"]),
    st.binary(max_size=40) | st.sampled_from([b"", b"\r\n", b"MSG a 1 5\r\n", b"PING\r\n"]),
)
said = st.sampled_from([Said(b"PING", b""), Said(b"-ERR", b"'odd \xff'"), Said(b"INFO", b'{"a": 1}')])


def on_the_wire(frame: Delivery | Said) -> bytes:
    if isinstance(frame, Delivery):
        return message(frame)
    return (frame.word + b" " + frame.rest).strip() + b"\r\n"


def read(chunks: list[bytes]) -> list[Delivery | Said]:
    frames = Frames()
    return [frame for chunk in chunks for frame in frames.feed(chunk)]


@given(frames=st.lists(deliveries | said, max_size=12), cuts=st.lists(st.integers(0, 900), max_size=8))
def test_any_bytes_of_a_publisher_come_through_any_cut(frames: list[Delivery | Said], cuts: list[int]) -> None:
    data = b"".join(map(on_the_wire, frames))
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert read([data[a:b] for a, b in pairwise(places)]) == frames


@given(frame=deliveries | said)
def test_a_frame_that_is_split_at_each_byte_is_the_same(frame: Delivery | Said) -> None:
    data = on_the_wire(frame)
    for cut in range(len(data) + 1):
        assert read([data[:cut], data[cut:], b"PING\r\n"]) == [frame, Said(b"PING", b"")]
    assert read([data[at : at + 1] for at in range(len(data))]) == [frame]


@pytest.mark.parametrize(
    "data",
    [
        b"MSG a\r\n",
        b"MSG a 1 many\r\n",
        b"MSG a 1 -1\r\n",
        b"MSG a one 1\r\n",
        b"MSG a b c d 1\r\n",
        b"MSG a 1 1_0\r\n",
        b"MSG a 1 3\r\nabcde\r\n",
        b"HMSG a 1 5\r\n",
        b"HMSG a 1 5 3\r\nabcde\r\n",
        b"MSG a 1 %d\r\n" % (FRAME_BYTES_MAX + 1),
        b"MSG a 1 99999999999999999999\r\n",
        b"x" * (LINE_BYTES_MAX + 2),
        b"NOISE\r\n",
        b"\r\n",
    ],
)
def test_bytes_that_are_not_the_protocol_are_an_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read([data])


@given(data=st.binary(max_size=200))
def test_garbage_is_a_protocol_error_or_nothing_whole(data: bytes) -> None:
    try:
        frames = read([data])
    except ProtocolError:
        return
    assert all(isinstance(frame, Delivery | Said) for frame in frames)
