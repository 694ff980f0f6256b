"""Header blocks are whatever somebody wrote: reading one never raises, and finds what nats-server would find."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.bus.headers import VALUE_BYTES_MAX, printable, read_header


@pytest.mark.parametrize(
    ("block", "value"),
    [
        (b"NATS/1.0\r\nName: here\r\n\r\n", "here"),
        (b"NATS/1.0\r\nName:here\r\n\r\n", "here"),
        (b"NATS/1.0\r\nOther: x\r\nName:  here \t\r\n\r\n", "here"),
        (b"NATS/1.0\r\nName: first\r\nName: second\r\n\r\n", "first"),
        (b"NATS/1.0\r\nname: here\r\n\r\n", ""),
        (b"NATS/1.0\r\nXName: here\r\n\r\n", ""),
        (b"NATS/1.0\r\nName: \xff\xfe\r\n\r\n", ""),
        (b"NATS/1.0\r\nName: a\nb\r\n\r\n", ""),
        (b"NATS/1.0\r\nName: a\x00b\r\n\r\n", ""),
        (b"NATS/1.0\r\nName: " + b"x" * (VALUE_BYTES_MAX + 1) + b"\r\n\r\n", ""),
        (b"NATS/1.0\r\nName: without an end", ""),
        (b"NATS/1.0\r\nName", ""),
        (b"Name: in the first line\r\n\r\n", ""),
        (b"", ""),
    ],
)
def test_the_first_printable_value_is_read_and_nonsense_is_none(block: bytes, value: str) -> None:
    assert read_header(block, "Name") == value


@given(block=st.binary(max_size=200))
def test_any_block_can_be_read(block: bytes) -> None:
    value = read_header(b"NATS/1.0\r\nName:" + block, "Name")
    assert value.isprintable()
    assert len(value.encode()) <= VALUE_BYTES_MAX


@given(one=st.binary(max_size=20), other=st.binary(max_size=20))
def test_bytes_shown_as_text_are_printable_and_stay_apart(one: bytes, other: bytes) -> None:
    assert printable(one).isprintable()
    assert printable(one).isascii()
    assert (printable(one) == printable(other)) == (one == other)
