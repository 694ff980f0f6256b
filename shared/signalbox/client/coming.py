"""What comes next on a subject, and bars of which nothing is left out between the record and now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.client.record import query, rows, sql_text
from signalbox.messages import Bar

PAGE_ROWS, WAITING_MAX = 500, 10_000
_M = TypeVar("_M", bound=msgspec.Struct)


async def live(bus: Bus, subject: str, kind: type[_M]) -> AsyncGenerator[_M, None]:
    """What is said on a subject from now on. Who reads too slowly for WAITING_MAX misses the oldest."""
    waiting: asyncio.Queue[_M] = asyncio.Queue(WAITING_MAX)

    async def take(received: Received) -> None:
        if waiting.full():
            waiting.get_nowait()
        waiting.put_nowait(messages.decode(received.payload, kind))

    listening = await bus.subscribe(subject, take)
    try:
        while True:
            yield await waiting.get()
    finally:
        await listening.stop()


async def bars_since(
    bus: Bus, venue: str, symbol: str, timeframe: str, since: datetime | None
) -> AsyncGenerator[Bar, None]:
    """Bars as `Desk.bars` gives them; `since` None = live ones alone."""
    last = since - timedelta(microseconds=1) if since is not None else None
    lively = live(bus, subjects.bar(venue, symbol, timeframe), Bar)
    coming = asyncio.ensure_future(anext(lively))  # listens before it asks: nothing falls between
    try:
        if last is not None:
            for bar in await _recorded(bus, venue, symbol, timeframe, last):
                yield bar
                last = bar.start
        while True:
            newest = await coming
            coming = asyncio.ensure_future(anext(lively))
            if last is not None and newest.start <= last:
                continue
            if last is not None:
                for bar in await _recorded(bus, venue, symbol, timeframe, last):
                    if bar.start < newest.start:
                        yield bar
            yield newest
            last = newest.start
    finally:
        coming.cancel()
        await asyncio.wait([coming])
        await lively.aclose()


async def _recorded(bus: Bus, venue: str, symbol: str, timeframe: str, after: datetime) -> list[Bar]:
    """The bars that the record has after a time, in pages: each answer has a bound."""
    found: list[Bar] = []
    while True:
        page = rows(
            await query(
                bus,
                "SELECT payload FROM bars JOIN messages m USING (generation, sequence) "
                f"WHERE m.stream = 'BARS' AND venue = {sql_text(venue)} AND symbol = {sql_text(symbol)} "
                f"AND timeframe = {sql_text(timeframe)} AND start > TIMESTAMPTZ {sql_text(after.isoformat())} "
                f"ORDER BY start LIMIT {PAGE_ROWS}",
            )
        )
        found += [messages.decode(row["payload"].encode(), Bar) for row in page]
        if len(page) < PAGE_ROWS:
            return found
        after = found[-1].start
