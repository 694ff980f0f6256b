"""Bytes of a TWS connection as they come, cut into lines; nothing that comes ends the tap."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from signalbox_cli.sessions.pseudonyms import Pseudonyms
from signalbox_cli.sessions.session_file import Line, Said
from signalbox_cli.sessions.tws_redaction import TwsRedaction
from signalbox_cli.sessions.tws_wiretap import Wiretap
from simulators.tws.wire import encode_frame

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
FROM_GATEWAY = b"API\0" + b"".join(map(encode_frame, (("v157..178",), ("71", "2", "11", ""), ("49", "1"))))
FROM_VENUE = b"".join(map(encode_frame, (("178", "20240305 15:00:00 UTC"), ("9", "1", "5"), ("49", "1", "1709650800"))))


def tap(words: tuple[str, ...] = ()) -> Wiretap:
    return Wiretap(3, TwsRedaction(Pseudonyms(words)))


def told(lines: list[Line]) -> list[tuple[str, ...]]:
    return [line.fields for line in lines]


@given(st.lists(st.integers(0, len(FROM_GATEWAY)), max_size=8), st.lists(st.integers(0, len(FROM_VENUE)), max_size=8))
def test_messages_are_the_same_however_the_bytes_come(cuts: list[int], cuts_of_venue: list[int]) -> None:
    wire = tap()
    lines: list[Line] = []
    for at, until in pairwise(sorted([0, *cuts, len(FROM_GATEWAY)])):
        lines += wire.feed("gateway", FROM_GATEWAY[at:until], AT)
    for at, until in pairwise(sorted([0, *cuts_of_venue, len(FROM_VENUE)])):
        lines += wire.feed("venue", FROM_VENUE[at:until], AT)
    assert told(lines) == [
        ("hello", "v157..178"), ("71", "2", "11"), ("49", "1"),
        ("hello", "178", "20240305 15:00:00 UTC"), ("9", "1", "5"), ("49", "1", "1709650800"),
    ]  # fmt: skip
    assert {line.link for line in lines} == {3}


@given(st.lists(st.tuples(st.sampled_from(("gateway", "venue")), st.binary(max_size=60)), max_size=8))
def test_any_bytes_end_nothing(said: list[tuple[str, bytes]]) -> None:
    wire = tap()
    for by, data in said:
        list(wire.feed(by, data, AT))  # type: ignore[arg-type]


def test_what_is_no_message_is_said_once_and_the_other_side_is_read_on() -> None:
    wire = tap()
    garbage = [*wire.feed("gateway", b"GET / HTTP/1.1\r\n", AT), *wire.feed("gateway", b"Host: secret\r\n", AT)]
    assert [line.what for line in garbage] == [Said.UNREADABLE]
    assert "secret" not in garbage[0].note
    assert len(list(wire.feed("venue", FROM_VENUE, AT))) == 3


def test_a_name_in_another_encoding_is_found() -> None:
    wire = tap(("Müller",))
    list(wire.feed("venue", FROM_VENUE, AT))
    payload = "4\x002\x00-1\x00201\x00Herr Müller ist besetzt\x00\x00".encode("latin-1")
    [line] = wire.feed("venue", len(payload).to_bytes(4, "big") + payload, AT)
    assert line.fields[4] == "Herr word-1 ist besetzt"


def test_of_protocol_buffers_only_the_length_is_kept() -> None:
    wire = tap()
    lines = list(wire.feed("venue", encode_frame(("203", "20240305 15:00:00 UTC")) + encode_frame(("9", "1", "5")), AT))
    assert [(line.what, line.fields, line.note) for line in lines[1:]] == [(Said.WITHHELD, (), "6 bytes")]


def test_of_the_venues_first_words_version_and_time_are_kept() -> None:
    [line] = tap().feed("venue", encode_frame(("178", "Wilhelmina's machine")), AT)
    assert line.fields == ("hello", "178", "")
