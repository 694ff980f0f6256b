"""A venue that says again what one said: the recorded session, played to whatever gateway connects.

Owns the listening socket, the place in the script, and what waits for what. Orders and money stand in a strict order:
the venue's next word is not said before the gateway has asked or placed what stood before it. Reference data is
answered whenever it is asked for. Heartbeats are answered by the clock of the script. It must not know how a gateway
is made to place an order (`Trader`), nor what becomes of the answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from simulators.tws.kinds import Inbound, Outbound
from simulators.tws.times import epoch, stamp
from simulators.tws.wire import FrameSplitter, WireError, decode_fields, encode_frame

from signalbox_cli.sessions.play_clock import DepartedError, Differences, PlayClock
from signalbox_cli.sessions.session_file import Said
from signalbox_cli.sessions.tws_messages import (
    ORDERS,
    REFERENCE_DATA,
    UNHURRIED,
    Fields,
    differing_terms,
    kind_in,
    number_in,
    question,
    request_in,
    request_out,
    translated,
)
from signalbox_cli.sessions.tws_script import HEARTBEAT, START, Script, Step
from signalbox_cli.sessions.tws_wiretap import GREETING
from signalbox_cli.simulated_venues import VenuePorts

PATIENCE_SECONDS = 30.0
"""How long a gateway may take to ask what the recorded one asked: longer than it waits for any answer."""
UNHURRIED_SECONDS = 2.0
READ_BYTES = 65_536
ASKED_MAX = 10_000
UNANSWERED = "Historical Market Data Service error message:the recorded session has no such question"


class Trader(Protocol):
    """Has the gateway place and cancel what it did in the script."""

    async def place(self, recorded: Fields) -> None: ...

    async def cancel(self, recorded: Fields) -> None: ...

    async def refusals(self) -> str:
        """What the gateway said of the order instead of placing it; "" = nothing."""
        ...


class _Link:
    """A connection of the gateway that plays the part of a recorded one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.client_id = ""
        self.recorded = 0
        """The number of the recorded connection; 0 = none yet."""
        self.asked: list[Fields] = []
        self.requests: dict[str, str] = {}
        self.deaf = False
        self.over = False


class RecordedVenue:
    """Listens on loopback. `play` goes through the script; `now` is the desk time that it has come to."""

    def __init__(
        self,
        script: Script,
        trader: Trader,
        wall: Callable[[], float],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._script, self._trader = script, trader
        self._clock = PlayClock(script.steps[0].at, wall)
        self._patience_seconds = patience_seconds
        self._server: asyncio.Server | None = None
        self._links: list[_Link] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._place = 0
        self._played: set[int] = set()
        self._numbers: dict[str, str] = {}
        self.port = 0
        self._differences = Differences()

    async def __aenter__(self) -> RecordedVenue:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for link in self._links:
            link.writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def now(self) -> datetime:
        """Desk time, as far as the script has come."""
        return self._clock.now()

    @property
    def ports(self) -> VenuePorts:
        return VenuePorts(ibkr=self.port, dydx_node=0, dydx_indexer=0)

    @property
    def differences(self) -> list[str]:
        return self._differences.told

    # ----------------------------------------------------------------------------------------------------- playing

    async def play(self) -> None:
        """Go through the script; raises `DepartedError`."""
        for place, step in enumerate(self._script.steps):
            self._place = place
            if place in self._played:
                continue
            self._clock.reach(step.at)
            if step.what is Said.CLOSED:
                await self._close(step)
            elif step.by == "venue":
                await self._say(step)
            else:
                await self._hear(place, step)
        self._place = len(self._script.steps)

    def _link(self, step: Step) -> _Link | None:
        return next((link for link in self._links if link.recorded == step.link and not link.over), None)

    async def _say(self, step: Step) -> None:
        link = self._link(step)
        if link is None and any(each.recorded == step.link for each in self._links):
            raise DepartedError(
                f"the gateway ended connection {step.link} at {step.at:%H:%M:%S}, the recorded one did not"
            )
        if link is None or kind_in(step.fields) == Outbound.CURRENT_TIME:
            return
        client = self._script.clients[step.link], link.client_id
        told = translated(step.fields, link.requests, self._numbers, client)
        if told is not None:
            await self._write(link, told)

    async def _write(self, link: _Link, fields: Fields) -> None:
        with suppress(OSError):
            link.writer.write(encode_frame(fields))
            await link.writer.drain()

    async def _close(self, step: Step) -> None:
        link = self._link(step)
        if link is None:
            return
        if step.by == "gateway" and not await self._clock.until(lambda: link.over, self._patience_seconds):
            self._differences.note(f"connection {step.link}: the recorded gateway ended it, this one does not")
        link.over = True
        link.writer.transport.abort()

    async def _hear(self, place: int, step: Step) -> None:
        if step.fields[:1] == (START,):
            await self._begin(step)
            return
        link = self._link(step)
        if link is None or step.fields[:1] == (HEARTBEAT,):
            if link is not None and self._script.deaf.get(step.link) == place:
                link.deaf = True
            return
        kind = kind_in(step.fields)
        if kind in ORDERS:
            await self._hear_order(link, step)
            return
        if kind in REFERENCE_DATA:
            answered = await self._clock.until(lambda: place in self._played or link.over, self._patience_seconds)
            if not answered:
                self._differences.note(f"the recorded gateway asked {_words(step.fields)}, this one does not")
            return
        seconds = UNHURRIED_SECONDS if kind in UNHURRIED else self._patience_seconds
        asked = await self._asked(link, lambda fields: question(fields) == question(step.fields), seconds)
        if asked is not None:
            link.requests[request_in(step.fields)] = request_in(asked)
        elif kind not in UNHURRIED:
            self._differences.note(f"the recorded gateway asked {_words(step.fields)}, this one does not")

    async def _begin(self, step: Step) -> None:
        """Wait for a connection of the same client."""
        client_id = self._script.now_called[self._script.clients[step.link]]

        def waiting() -> _Link | None:
            mine = (link for link in self._links if link.client_id == client_id and not link.recorded and not link.over)
            return next(mine, None)

        if not await self._clock.until(lambda: waiting() is not None, self._patience_seconds):
            self._differences.note(f"client {client_id} does not connect, as the recorded one did ({step.at:%H:%M:%S})")
            return
        link = waiting()
        assert link is not None
        link.recorded = step.link

    async def _hear_order(self, link: _Link, step: Step) -> None:
        """Have the gateway place or cancel it, and let nothing be said before it has."""
        number = number_in(step.fields)
        placing = kind_in(step.fields) == Inbound.PLACE_ORDER
        if placing:
            await self._trader.place(step.fields)
        elif number in self._numbers:
            await self._trader.cancel(step.fields)
        else:
            return  # of an order that was placed before the session began

        def same(fields: Fields) -> bool:
            return fields[0] == step.fields[0] and (placing or number_in(fields) == self._numbers[number])

        asked = await self._asked(link, same, self._patience_seconds)
        what = "placed" if placing else "cancelled"
        if asked is None:
            reason = await self._trader.refusals() or "it says nothing of it"
            raise DepartedError(f"order {number} of the session is not {what} by this gateway: {reason}")
        if not placing:
            return
        self._numbers[number] = number_in(asked)
        if different := differing_terms(step.fields, asked):
            raise DepartedError(f"order {number} of the session is placed otherwise: {'; '.join(different)}")

    # ----------------------------------------------------------------------------------------------------- waiting

    async def _asked(self, link: _Link, same: Callable[[Fields], bool], seconds_max: float) -> Fields | None:
        found: list[Fields] = []

        def there() -> bool:
            found.extend(fields for fields in link.asked if same(fields) and not found)
            return bool(found) or link.over

        await self._clock.until(there, seconds_max)
        if not found:
            return None
        link.asked.remove(found[0])
        return found[0]

    def unplayed(self) -> list[str]:
        """What the gateway asked and the recorded one did not."""
        return [_words(fields) for link in self._links for fields in link.asked if kind_in(fields) not in UNHURRIED]

    # --------------------------------------------------------------------------------------------------- listening

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(reader, writer)
        self._links.append(link)
        task = asyncio.get_running_loop().create_task(self._serve(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, link: _Link) -> None:
        frames = FrameSplitter()
        try:
            if await link.reader.readexactly(len(GREETING)) != GREETING:
                return
            length = int.from_bytes(await link.reader.readexactly(4), "big")
            await link.reader.readexactly(min(length, READ_BYTES))
            await self._write(link, (self._script.version, stamp(self.now())))
            while data := await link.reader.read(READ_BYTES):
                for payload in frames.feed(data):
                    await self._take(link, tuple(decode_fields(payload)))
        except (OSError, WireError, asyncio.IncompleteReadError):
            pass  # the gateway has gone, or what came is none
        finally:
            link.over = True
            link.writer.close()

    async def _take(self, link: _Link, fields: Fields) -> None:
        if not link.client_id:
            link.client_id = fields[2] if fields[:1] == (START,) and len(fields) > 2 else "?"
        elif fields[:1] == (HEARTBEAT,):
            if not link.deaf:
                await self._write(link, (str(int(Outbound.CURRENT_TIME)), "1", epoch(self.now())))
        elif kind_in(fields) not in REFERENCE_DATA or not await self._answered_ahead(link, fields):
            if len(link.asked) < ASKED_MAX:
                link.asked.append(fields)
            if kind_in(fields) == Inbound.REQ_HISTORICAL_DATA:  # a gap that stays; an empty answer would be a statement
                about = (str(int(Outbound.ERROR)), "2", request_in(fields), "162", UNANSWERED, "")
                await self._write(link, about)

    async def _answered_ahead(self, link: _Link, fields: Fields) -> bool:
        """Answer reference data at once, out of its place; False = this connection has no such question any more."""
        asked = question(fields)
        steps = self._script.steps
        for place in range(self._place, len(steps)):
            step = steps[place]
            if place in self._played or step.link != link.recorded or step.by != "gateway":
                continue
            if step.what is Said.SAID and question(step.fields) == asked:
                break
        else:
            return False
        self._played.add(place)
        link.requests[request_in(steps[place].fields)] = request_in(fields)
        for later in range(place, len(steps)):
            step = steps[later]
            answers = step.link == link.recorded and step.by == "venue" and step.what is Said.SAID
            if answers and request_out(step.fields) == request_in(steps[place].fields):
                self._played.add(later)
                await self._say(step)
        return True


def _words(fields: Fields) -> str:
    kind = kind_in(fields)
    name = Inbound(kind).name if kind in set(Inbound) else str(kind)
    about = " ".join(field for field in question(fields)[1:] if field)
    return f"{name} {about}".strip()[:200]
