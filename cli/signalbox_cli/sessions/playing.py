"""A recorded session played to the real gateway: a nats-server, the gateway's process, and a venue that says it again.

Owns what stands around the gateway: its desk file, the desk's time, the commands that made the recorded one place and
cancel orders, and what the gateway publishes. It must not know any venue's wire (`tws_venue`, `dydx_venue`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.messages import (
    CancelOrder,
    ClockTick,
    Order,
    Report,
    SubmitOrder,
    VenueCancelRejected,
    VenueRejected,
)
from signalbox.venues import gateway_of

from signalbox_cli.local_desk import DeskPlan, LocalDesk
from signalbox_cli.sessions.play_clock import DepartedError
from signalbox_cli.sessions.session_file import Header, Session
from signalbox_cli.simulated_venues import DYDX, VenuePorts

TICK_SECONDS = 0.05
QUIET_SECONDS = 5.0
QUIET_SECONDS_MAX = 60.0
DEADLINE = timedelta(days=1)
"""A command's, by the recorded clock: whether one would be late is not what is played."""
PUBLISHED = ("REPORTS", "BARS", "STATE", "DEAD")


@dataclass(frozen=True)
class Published:
    """A message that the gateway has stored."""

    stream: str
    sequence: int
    subject: str
    payload: bytes


@dataclass(frozen=True)
class Played:
    """What came of it. `departed` = "" when the gateway did all that was recorded, with orders as they were."""

    published: tuple[Published, ...]
    differences: tuple[str, ...]
    unasked: tuple[str, ...]
    departed: str


def desk_text(header: Header) -> str:
    """The desk file of the gateway that is played to: risk does not run, so its limits limit nothing."""
    lines = ['name = "recorded"', 'mode = "paper"', 'clock = "simulated"']
    lines += [f"timeframes = {json.dumps(list(header.timeframes))}", f"[venues.{header.venue}]"]
    lines += [f"accounts = {json.dumps([header.account])}"]
    if header.market_data_type:
        lines += [f"market_data_type = {json.dumps(header.market_data_type)}"]
    for instrument in header.instruments:
        lines += ["[[instruments]]", f'venue = "{header.venue}"', f"symbol = {json.dumps(instrument.symbol)}"]
        said = {"exchange": instrument.exchange, "currency": instrument.currency}
        lines += [f"{name} = {json.dumps(text)}" for name, text in said.items() if text]
    amounts = ("order_quantity", "order_notional", "position_quantity", "position_notional")
    lines += ["[limits]", *(f'{name}_max = "1000000000"' for name in amounts)]
    lines += ['gross_exposure_max = "1000000000"', 'price_collar_fraction = "1"', "price_age_seconds_max = 3600"]
    lines += ["account_age_seconds_max = 3600", "intent_age_seconds_max = 3600", "intents_per_minute_max = 100000"]
    return "\n".join([*lines, "open_orders_max = 100000", ""])


class RecordedVenue(Protocol):
    """A venue that says a session again, as an async context manager; `play` raises `DepartedError`."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(self, *_: object) -> None: ...

    @property
    def ports(self) -> VenuePorts: ...

    @property
    def differences(self) -> list[str]: ...

    def now(self) -> datetime:
        """The desk time that it has come to."""
        ...

    async def play(self) -> None: ...

    def unplayed(self) -> list[str]:
        """What the gateway asked and the recorded one did not."""
        ...


class Commands:
    """Has the gateway place and cancel orders, as the OMS does. `now` is the desk's time."""

    def __init__(self, header: Header, oms: Bus, recorder: Bus) -> None:
        self._header, self._oms, self._recorder = header, oms, recorder
        self.now: Callable[[], datetime] = lambda: header.started
        self._revisions: dict[str, int] = {}
        self._last = ""

    async def place(self, order: Order) -> None:
        """Command an order."""
        self._last = order.order_id
        command = SubmitOrder(
            id=f"command/{order.order_id}/0", at=self.now(), order=order, deadline=self.now() + DEADLINE
        )
        await self._oms.publish(subjects.command(order.venue, order.order_id, 0), command)

    async def cancel(self, order_id: str) -> None:
        """Command that an order be cancelled."""
        self._last = order_id
        revision = self._revisions[order_id] = self._revisions.get(order_id, 0) + 1
        command = CancelOrder(
            id=f"command/{order_id}/{revision}",
            at=self.now(),
            venue=self._header.venue,
            account=self._header.account,
            order_id=order_id,
            venue_order_id="",
        )
        await self._oms.publish(subjects.command(self._header.venue, order_id, revision), command)

    async def refusals(self) -> str:
        """What the gateway said of the last order instead of doing it; "" = nothing."""
        said = []
        async for received in self._recorder.read("REPORTS"):
            report: Report = messages.decode(received.payload, Report)
            if isinstance(report, VenueRejected | VenueCancelRejected) and report.order_id == self._last:
                said.append(report.reason)
        return "; ".join(said)


async def play(session: Session, folder: Path, say: Callable[[str], None]) -> Played:
    """Play it. Raises `ConfigurationError` when it can not be played at all."""
    desk_file = _desk_file(session.header, folder)
    desk = LocalDesk(DeskPlan(directory=folder, desk_file=desk_file), say)
    try:
        await desk.start_nats()
        async with _buses(desk, "oms", "recorder", "simulator") as (oms, recorder, teller):
            commands = Commands(session.header, oms, recorder)
            venue = _venue(session, commands)
            commands.now = venue.now
            return await _play(session.header.venue, venue, desk, recorder, teller)
    finally:
        await desk.close()


def _venue(session: Session, commands: Commands) -> RecordedVenue:
    """Of each venue only what it needs is loaded."""
    if session.header.venue == DYDX:
        from signalbox_cli.sessions import dydx_playing

        return dydx_playing.venue_of(session, commands, time.monotonic)
    from signalbox_cli.sessions import tws_playing

    return tws_playing.venue_of(session, commands, time.monotonic)


def _desk_file(header: Header, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "desk.toml"
    file.write_text(desk_text(header))
    return file


async def _play(name: str, venue: RecordedVenue, desk: LocalDesk, recorder: Bus, teller: Bus) -> Played:
    async with venue:
        desk.gateway_ports = venue.ports
        telling = asyncio.create_task(_tell_time(teller, venue))
        departed = ""
        try:
            await desk.run_service(gateway_of(name))
            await venue.play()
        except DepartedError as error:
            departed = str(error)
        published = await _settled(recorder)
        await desk.stop(gateway_of(name))
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    return Played(tuple(published), tuple(venue.differences), tuple(venue.unplayed()), departed)


async def _tell_time(bus: Bus, venue: RecordedVenue) -> None:
    count = 0
    while True:
        count += 1
        at = venue.now()
        await bus.send(subjects.CLOCK, ClockTick(id=f"clock/{at.isoformat()}/{count}", at=at, speed=0.0))
        await asyncio.sleep(TICK_SECONDS)


async def _settled(recorder: Bus) -> list[Published]:
    """All that the gateway has stored, once nothing more comes."""
    ends = time.monotonic() + QUIET_SECONDS_MAX
    before: list[Published] = []
    while True:
        await asyncio.sleep(QUIET_SECONDS)
        stored = [
            Published(stream, received.sequence, received.subject, received.payload)
            for stream in PUBLISHED
            async for received in recorder.read(stream)
        ]
        lasting = [each for each in stored if each.stream in ("REPORTS", "BARS")]
        if lasting == before or time.monotonic() > ends:
            return stored
        before = lasting


@asynccontextmanager
async def _buses(desk: LocalDesk, *users: str) -> AsyncIterator[tuple[Bus, ...]]:
    opened: list[Bus] = []
    try:
        for user in users:
            opened.append(await Bus.connect(desk.bus_settings(user)))
        yield tuple(opened)
    finally:
        for bus in opened:
            await bus.drain()
