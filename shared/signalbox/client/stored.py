"""Everything that is said on a subject, none left out, each once, in order: for a program that may be away meanwhile.

Core NATS says a thing once, to whoever listens just then. Here the record is read, from a place on, and what is heard
is but a reason to look: so a connection that was lost, or a program that was away for an hour, misses nothing. The
price is that it comes up to a second later. Owns places, and when to look; it must not know what a message means.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import msgspec

from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.client.record import query, rows, sql_text
from signalbox.errors import BusUnavailableError, ConfigurationError, QueryFailedError
from signalbox.registry import REGISTRY
from signalbox.streams import RECORDED_STREAMS

PAGE_ROWS = 500
HEARD_SECONDS, LOOKS_AFTER_HEARD = 0.3, 6
"""The record is a second behind at most: so often it is looked at after something was heard."""
SILENT_SECONDS = 5.0
"""Between two looks where nothing is heard: that may be lost."""
BEGINNING = "0.0"
BARS, _ = subjects.ALL_BARS.split("*", 1)
_PLACE = re.compile(r"[0-9]{1,9}\.[0-9]{1,18}")


class Stored(NamedTuple):
    """A message of the record. `place` is where it stands: begin after it the next time.

    `message` is None where `payload` can not be read as what its subject should have, or is so long (16 KiB) that the
    record has its beginning only.
    """

    place: str
    subject: str
    message: Any
    payload: str


class Place(NamedTuple):
    """Which stream of its name, and which message of it."""

    generation: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.generation}.{self.sequence}"


async def stored_from(bus: Bus, subject: str, after: str) -> AsyncGenerator[Stored, None]:
    """What `Desk.follow` gives. Raises `ConfigurationError` with a sentence for what can not be followed from there."""
    stream = _stream(subject)
    heard = asyncio.Event()

    async def hear(_: Received) -> None:
        heard.set()

    listening = await bus.subscribe(subject, hear)  # before it looks: nothing falls between
    try:
        newest = await _newest(bus, stream)
        seen = _place(after) if after else newest
        if seen > newest:
            raise ConfigurationError(
                [f"The record of {stream} ends at {newest}, before the place {after!r}: is that of another desk?"]
            )
        looks = 0
        while True:
            if newest > seen:
                page, seen = await _page(bus, stream, subject, seen, newest)
                looks = LOOKS_AFTER_HEARD if page else looks  # there may be more that was heard
                for each in page:
                    yield each
            else:
                looks = await _until_worth_a_look(heard, looks)
                newest = await _newest(bus, stream)
    finally:
        await listening.stop()


def _stream(subject: str) -> str:
    """The stream that has all of a subject."""
    found = [stream.name for stream in RECORDED_STREAMS if any(_meet(subject, stored) for stored in stream.subjects)]
    if len(found) != 1:
        what = f"Of {subject!r} some is in each of {', '.join(found)}" if found else f"Nothing on {subject!r} is stored"
        raise ConfigurationError([f"{what}: follow what one stream has, for example 'order.>' or 'decision.>'."])
    return found[0]


def _meet(one: str, other: str) -> bool:
    """Whether a subject can be of both patterns."""
    both = one.split("."), other.split(".")
    for first, second in zip(*both, strict=False):
        if ">" in (first, second):
            return True
        if first != second and "*" not in (first, second):
            return False
    return len(both[0]) == len(both[1])


def _place(text: str) -> Place:
    if not _PLACE.fullmatch(text):
        raise ConfigurationError([f"{text!r} is no place: give the one of the last message, or {BEGINNING!r} for all."])
    generation, _, sequence = text.partition(".")
    return Place(int(generation), int(sequence))


async def _until_worth_a_look(heard: asyncio.Event, looks: int) -> int:
    """Pause; the looks that are left for what was heard and is not in the record yet."""
    if not looks:
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                await heard.wait()
        except TimeoutError:
            return 0
        heard.clear()
        looks = LOOKS_AFTER_HEARD
    await asyncio.sleep(HEARD_SECONDS)
    return looks - 1


async def _ask(bus: Bus, sql: str) -> list[dict[str, Any]]:
    """The rows, as far as one answer has room; while the record is away, or has too much to do, it is waited for."""
    while True:
        try:
            return rows(await query(bus, sql, PAGE_ROWS))
        except (BusUnavailableError, QueryFailedError):
            await asyncio.sleep(SILENT_SECONDS)


async def _newest(bus: Bus, stream: str) -> Place:
    """Up to where the record has a stream."""
    found = await _ask(
        bus,
        f"SELECT generation, last_sequence FROM watermarks WHERE stream = {sql_text(stream)} "
        "ORDER BY generation DESC LIMIT 1",
    )
    return Place(int(found[0]["generation"]), int(found[0]["last_sequence"])) if found else Place(0, 0)


async def _page(bus: Bus, stream: str, subject: str, seen: Place, newest: Place) -> tuple[list[Stored], Place]:
    """The next messages of a subject after a place, and how far that has been looked through."""
    found = await _ask(
        bus,
        "SELECT generation, sequence, subject, payload, payload_md5 IS NULL AS is_whole FROM messages "
        f"WHERE stream = {sql_text(stream)} AND {_after(seen)} "
        f"AND regexp_full_match(subject, {sql_text(_pattern(_as_stored(subject)))}) "
        f"ORDER BY generation, sequence LIMIT {PAGE_ROWS}",
    )
    if not found:
        return [], newest
    page = [_stored(row) for row in found]
    return page, _place(page[-1].place)


def _as_stored(subject: str) -> str:
    """BARS puts a partition into the subject of a bar."""
    rest = subject.removeprefix(BARS)
    return f"{BARS}*.{rest}" if rest not in (subject, ">") else subject


def _as_published(subject: str) -> str:
    return BARS + subject.removeprefix(BARS).partition(".")[2] if subject.startswith(BARS) else subject


def _after(place: Place) -> str:
    same = f"generation = {place.generation} AND sequence > {place.sequence}"
    return f"(generation > {place.generation} OR ({same}))"


def _pattern(subject: str) -> str:
    """The regular expression of a subject with NATS's wildcards."""
    wild = {"*": "[^.]+", ">": ".+"}
    return r"\.".join(wild.get(token) or re.escape(token) for token in subject.split("."))


def _stored(row: dict[str, Any]) -> Stored:
    payload = row["payload"] or ""
    subject = _as_published(row["subject"])
    message = _message(subject, payload) if row["is_whole"] else None
    return Stored(str(Place(int(row["generation"]), int(row["sequence"]))), subject, message, payload)


def _message(subject: str, payload: str) -> Any:
    for declared in REGISTRY:
        if re.fullmatch(_pattern(declared.pattern), subject):
            try:
                return messages.decode(payload.encode(), declared.message)
            except msgspec.MsgspecError:
                return None
    return None
