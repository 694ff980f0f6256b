"""A file of a session: what was written is read, and what is cut off, damaged or something else is told apart."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signalbox.errors import ConfigurationError
from signalbox_cli.sessions.session_file import Header, Instrument, Line, Said, Session, SessionWriter, read_session

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
HEADER = Header(
    format="signalbox-session",
    version=1,
    venue="ibkr",
    started=AT,
    account="DU0000001",
    clock="wall",
    market_data_type="LIVE",
    timeframes=("1m",),
    instruments=(Instrument(symbol="SPY"),),
)
LINES = tuple(
    Line(at=AT + timedelta(seconds=number), link=1, by="venue", fields=("1", str(number))) for number in range(3)
)


def written(path: Path, lines: tuple[Line, ...] = LINES, **options: int) -> SessionWriter:
    writer = SessionWriter(path, HEADER, **options)
    for line in lines:
        writer.write(line)
    writer.close(AT + timedelta(hours=1))
    return writer


def outcome(path: Path) -> tuple[Session | None, tuple[str, ...]]:
    try:
        return read_session(path), ()
    except ConfigurationError as error:
        return None, tuple(error.mistakes)


def mistake(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_session(path)
    [sentence] = caught.value.mistakes
    return sentence


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written(tmp_path / "s")
    session = read_session(tmp_path / "s")
    assert (session.header, session.lines, session.cut) == (HEADER, LINES, "")
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("somebody's")
    with pytest.raises(ConfigurationError, match="name a new file"):
        SessionWriter(tmp_path / "s", HEADER)
    assert (tmp_path / "s").read_text() == "somebody's"


def test_a_file_has_a_bound_and_no_hole(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole")
    assert not whole.full
    bound = len((tmp_path / "whole").read_bytes()) - 80
    long = Line(at=AT, link=1, by="venue", fields=("x" * 200,))
    short = written(tmp_path / "short", (LINES[0], long, LINES[1]), bytes_max=bound)
    assert short.full
    session = read_session(tmp_path / "short")
    assert session.lines == LINES[:1], "what comes after what was left out is left out too"
    assert "cut off" in session.cut


def test_a_recorder_that_was_killed_leaves_what_it_saw(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "s", HEADER)
    writer.write(LINES[0])
    session = read_session(tmp_path / "s")
    writer.close(AT)
    assert session.lines == LINES[:1]
    assert "was cut off after line 2" in session.cut


@given(at=st.integers(0, 10_000))
@settings(max_examples=60)
def test_a_file_that_ends_anywhere_is_read_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, at: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    written(folder / "s")
    data = (folder / "s").read_bytes()
    (folder / "s").write_bytes(data[: at % len(data)])
    session, mistakes = outcome(folder / "s")
    if session is None:
        assert "is no recorded session" in mistakes[0]
    else:
        assert session.lines == LINES[: len(session.lines)]
        assert session.cut or session.lines == LINES, "what is missing is said"


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(max_examples=60)
def test_a_damaged_byte_ends_nothing(tmp_path_factory: pytest.TempPathFactory, at: int, byte: int) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    written(folder / "s")
    data = bytearray((folder / "s").read_bytes())
    data[at % len(data)] = byte
    (folder / "s").write_bytes(data)
    session, mistakes = outcome(folder / "s")
    assert (session is None) == (len(mistakes) == 1)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01", b"ts,open,high\n", b'{"format":"other"}\n', b"[1,2]\n", b"[" * 9000]
)
def test_a_foreign_file_is_told_apart(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s").write_bytes(content)
    assert "is no recorded session" in mistake(tmp_path / "s")


def test_another_version_is_named(tmp_path: Path) -> None:
    written(tmp_path / "s")
    text = (tmp_path / "s").read_text()
    (tmp_path / "s").write_text(text.replace('"version":1', '"version":2'))
    assert "has version 2 of the format, this program reads version 1" in mistake(tmp_path / "s")


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    written(tmp_path / "s")
    rows = (tmp_path / "s").read_bytes().splitlines(keepends=True)
    (tmp_path / "s").write_bytes(b"".join([rows[0], rows[1], b'{"at":"no time"}\n', *rows[3:]]))
    assert "is damaged: line 3" in mistake(tmp_path / "s")


def test_a_line_that_is_missing_is_noticed(tmp_path: Path) -> None:
    written(tmp_path / "s")
    rows = (tmp_path / "s").read_bytes().splitlines(keepends=True)
    (tmp_path / "s").write_bytes(b"".join([*rows[:2], *rows[3:]]))
    assert "it has 2 lines and says that it had 3" in mistake(tmp_path / "s")


def test_lines_that_changed_places_are_noticed(tmp_path: Path) -> None:
    written(tmp_path / "s")
    rows = (tmp_path / "s").read_bytes().splitlines(keepends=True)
    (tmp_path / "s").write_bytes(b"".join([rows[0], rows[2], rows[1], *rows[3:]]))
    assert "line 3 is older than the one before it" in mistake(tmp_path / "s")


def test_something_behind_the_end_is_noticed(tmp_path: Path) -> None:
    written(tmp_path / "s")
    with (tmp_path / "s").open("ab") as file:
        file.write(b"{}\n")
    assert "something follows its last line" in mistake(tmp_path / "s")


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    assert "can not be read" in mistake(tmp_path / "none")
    assert Said.ENDED == "ended"
