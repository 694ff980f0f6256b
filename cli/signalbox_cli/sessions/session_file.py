"""The file of a recorded session: one JSON object a line, the first says what it is, the last that it is whole.

Owns the format (docs/recorded-sessions.md) and its bounds. It must not know what the fields of a message mean, nor
what was hidden in them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec
from msgspec import Struct
from signalbox.errors import ConfigurationError

FORMAT: Final = "signalbox-session"
VERSION = 1
FILE_BYTES_MAX = 512 * 1024 * 1024
LINE_BYTES_MAX = 32 * 1024 * 1024
ROOM_FOR_THE_END_BYTES = 4_096


class Said(StrEnum):
    """What a line is about."""

    OPENED = "opened"
    REFUSED = "refused"
    """The venue did not take the connection."""
    CLOSED = "closed"
    SAID = "said"
    WITHHELD = "withheld"
    """A message of a kind that no gateway needs: that it was there is kept, not what was in it."""
    UNREADABLE = "unreadable"
    """From here on, this side's bytes could not be cut into messages."""
    ENDED = "ended"
    """The last line; a file without it was cut off."""


class Instrument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One instrument of the desk file at the recorded venue."""

    symbol: str
    exchange: str = "SMART"
    currency: str = ""


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line: what the rest is, and what a gateway must be told to be asked the same."""

    format: Literal["signalbox-session"]
    version: int
    venue: str
    started: datetime
    account: str
    """The account's name in this file, which is not its own."""
    clock: str
    market_data_type: str
    timeframes: tuple[str, ...]
    instruments: tuple[Instrument, ...]


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Any other line. `link` numbers the connections from 1; `fields` are a message's, as they were sent."""

    at: datetime
    link: int
    by: Literal["gateway", "venue", "recorder"]
    what: Said = Said.SAID
    fields: tuple[str, ...] = ()
    note: str = ""


class Session(Struct, frozen=True):
    """A file as it was read. `cut` = "" when it is whole, else a sentence that says where it was cut off."""

    header: Header
    lines: tuple[Line, ...]
    cut: str = ""


class SessionWriter:
    """Writes a new file, which only its user can read. Raises `ConfigurationError` when there is one already."""

    def __init__(self, path: Path, header: Header, bytes_max: int = FILE_BYTES_MAX) -> None:
        try:
            self._file: BinaryIO = open(path, "xb", opener=_ours_alone)  # noqa: SIM115 (closed by `close`)
        except OSError as error:
            raise ConfigurationError([f"{path} can not be written: {error.strerror}: name a new file"]) from None
        self.path = path
        self._encoder, self._bytes_max, self._bytes = msgspec.json.Encoder(), bytes_max, 0
        self.lines = 0
        self.full = False
        """Whether something was left out, because the file is as long as it may be, or the disk is full."""
        self._put(header)

    def write(self, line: Line) -> None:
        """Add a line. What does not fit is left out, and so is all that follows: a hole would look like silence."""
        if self.full or self._file.closed:
            return
        try:
            self._put(line)
        except OSError:
            self.full = True

    def close(self, at: datetime) -> None:
        """Write the last line, if everything before it stands."""
        if self._file.closed:
            return
        try:
            if not self.full:
                self._bytes_max += ROOM_FOR_THE_END_BYTES
                self._put(Line(at=at, link=0, by="recorder", what=Said.ENDED, note=str(self.lines)))
            self._file.close()
        except OSError:
            self.full = True

    def discard(self) -> None:
        """Take the file away again: nothing was recorded."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _put(self, value: Header | Line) -> None:
        data = self._encoder.encode(value) + b"\n"
        if self._bytes + len(data) > self._bytes_max:
            self.full = True
            return
        self._file.write(data)
        self._file.flush()  # a recorder that is killed has written what it has seen
        self._bytes += len(data)
        self.lines += isinstance(value, Line) and value.what is not Said.ENDED


def _ours_alone(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def read_session(path: Path) -> Session:
    """Read a file. Raises `ConfigurationError` with a sentence when it is no session, or is damaged."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX + ROOM_FOR_THE_END_BYTES:
            raise ConfigurationError([f"{path} is longer than any recorded session ({FILE_BYTES_MAX} bytes)"])
        with path.open("rb") as file:
            rows = _rows(path, file)
            header = _header(path, next(rows, b""))
            return _whole(path, header, rows)
    except OSError as error:
        raise ConfigurationError([f"{path} can not be read: {error.strerror}"]) from None


def _rows(path: Path, file: BinaryIO) -> Iterator[bytes]:
    while row := file.readline(LINE_BYTES_MAX):
        if len(row) == LINE_BYTES_MAX and not row.endswith(b"\n"):
            raise ConfigurationError([f"{path} has a line that is longer than any of a recorded session"])
        yield row


def _header(path: Path, row: bytes) -> Header:
    foreign = f"{path} is no recorded session: `signalbox record --help` says how to make one"
    try:
        about = msgspec.json.decode(row)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise ConfigurationError([foreign]) from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ConfigurationError([foreign])
    if about.get("version") != VERSION:
        told = str(about.get("version"))[:20]
        raise ConfigurationError(
            [f"{path} has version {told} of the format, this program reads version {VERSION}: use the one that made it"]
        )
    try:
        return msgspec.convert(about, Header)
    except msgspec.ValidationError as error:
        raise ConfigurationError([f"{path} is damaged: its first line: {error}"]) from None


def _whole(path: Path, header: Header, rows: Iterator[bytes]) -> Session:
    decoder = msgspec.json.Decoder(Line)
    lines: list[Line] = []
    damage = ""
    for number, row in enumerate(rows, 2):
        if damage:
            raise ConfigurationError([f"{path} is damaged: {damage}"])
        try:
            line = decoder.decode(row)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            damage = f"line {number}: {error}"
            continue
        if lines and line.at < lines[-1].at:
            raise ConfigurationError([f"{path} is damaged: line {number} is older than the one before it"])
        if line.what is Said.ENDED:
            if line.note != str(len(lines)):
                raise ConfigurationError(
                    [f"{path} is damaged: it has {len(lines)} lines and says that it had {line.note[:20]}"]
                )
            if next(rows, None) is not None:
                raise ConfigurationError([f"{path} is damaged: something follows its last line"])
            return Session(header, tuple(lines))
        lines.append(line)
    return Session(
        header, tuple(lines), f"{path} was cut off after line {len(lines) + 1}: what stands before it counts"
    )
