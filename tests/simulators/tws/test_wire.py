"""Frames and fields: what is written can be read, however it is cut; garbage is an error, never a crash."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulators.tws.wire import (
    FRAME_BYTES_MAX,
    UNSET_DOUBLE,
    UNSET_INTEGER,
    FieldError,
    FieldReader,
    FrameSplitter,
    WireError,
    decode_fields,
    encode_frame,
    flag_of,
    integer_of,
    number_of,
    text_of,
)

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"))
FIELDS = st.lists(TEXT, min_size=1, max_size=20)


@given(FIELDS)
def test_what_is_encoded_is_decoded(fields: list[str]) -> None:
    assert decode_fields(encode_frame(fields)[4:]) == fields


@given(st.lists(FIELDS, max_size=5), st.integers(1, 50))
def test_frames_are_found_however_the_stream_is_cut(messages: list[list[str]], size: int) -> None:
    stream = b"".join(encode_frame(fields) for fields in messages)
    splitter = FrameSplitter()
    found = [payload for at in range(0, len(stream), size) for payload in splitter.feed(stream[at : at + size])]
    assert [decode_fields(payload) for payload in found] == messages
    assert len(splitter) == 0


@given(st.decimals(-(10**12), 10**12, places=6))
def test_decimals_come_back_equal_and_plain(value: Decimal) -> None:
    text = text_of(value)
    assert "E" not in text
    assert number_of("price", text) == value


@given(st.integers(-(2**31), 2**31 - 2))
def test_integers_come_back_equal(value: int) -> None:
    assert integer_of("id", text_of(value)) == value


@given(st.booleans())
def test_flags_come_back_equal(value: bool) -> None:
    assert flag_of("snapshot", text_of(value)) is value


@given(st.binary(max_size=200))
def test_any_bytes_split_or_are_refused(data: bytes) -> None:
    try:
        payloads = FrameSplitter().feed(data)
    except WireError:
        return
    assert sum(len(payload) + 4 for payload in payloads) <= len(data)


@pytest.mark.parametrize("length", [0, FRAME_BYTES_MAX + 1, 2**32 - 1])
def test_an_impossible_length_is_garbage(length: int) -> None:
    with pytest.raises(WireError):
        FrameSplitter().feed(length.to_bytes(4, "big") + b"x")


def test_a_field_that_is_not_ended_is_garbage() -> None:
    with pytest.raises(WireError):
        decode_fields(b"1\x002")


def test_a_nul_inside_a_text_can_not_split_the_field() -> None:
    assert decode_fields(encode_frame(["a\0b", "c"])[4:]) == ["a b", "c"]


def test_bytes_that_are_no_utf8_stay_visible() -> None:
    assert decode_fields(b"caf\xe9\0") == ["caf\\xe9"]


@pytest.mark.parametrize("text", ["", UNSET_DOUBLE, "1.7976931348623157e+308", "1.7976931348623157E308"])
def test_unset_numbers_are_none(text: str) -> None:
    assert number_of("price", text) is None


@pytest.mark.parametrize("text", ["", UNSET_INTEGER])
def test_unset_integers_are_none(text: str) -> None:
    assert integer_of("id", text) is None


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-Infinity", "1e999", "abc", "1,5", "٣", "1_0", "0x10", " 1x", "9" * 99]
)
def test_a_number_that_is_none_is_refused_in_javas_words(text: str) -> None:
    with pytest.raises(FieldError, match="NumberFormatException"):
        number_of("price", text)


@pytest.mark.parametrize("text", ["1.0", "abc", "--1", "٣", "1_0", "9" * 30, "Side.BUY"])
def test_an_integer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="NumberFormatException"):
        integer_of("id", text)


@pytest.mark.parametrize("text", ["True", "true", "2", "yes"])
def test_a_flag_is_one_or_zero(text: str) -> None:
    with pytest.raises(FieldError):
        flag_of("snapshot", text)


def test_a_message_that_ends_early_names_the_missing_field() -> None:
    reader = FieldReader(["1"], 178)
    reader.integer("id")
    with pytest.raises(FieldError, match="the message ends before price"):
        reader.number("price")


def test_fields_that_are_left_over_are_refused() -> None:
    with pytest.raises(FieldError, match="1 fields more"):
        FieldReader(["1"], 178).end()
