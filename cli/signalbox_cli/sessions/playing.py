"""A recorded session played to the real gateway: a nats-server, the gateway's process, and a venue that says it again.

Owns what stands around the gateway: its desk file, the desk's time, the commands that made the recorded one place and
cancel orders, and what the gateway publishes. It must not know the venue's wire (`tws_venue`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec
from gateway_ibkr.facts import VenueContract
from gateway_ibkr.translate import canonical_symbol, time_of
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.errors import ConfigurationError
from signalbox.messages import (
    CancelOrder,
    ClockTick,
    Order,
    OrderType,
    Report,
    Side,
    SubmitOrder,
    TimeInForce,
    VenueCancelRejected,
    VenueRejected,
)
from signalbox.venues import gateway_of

from signalbox_cli.local_desk import DeskPlan, LocalDesk
from signalbox_cli.sessions.session_file import Header, Session
from signalbox_cli.sessions.tws_messages import Fields, number_in
from signalbox_cli.sessions.tws_redaction import REFERENCE_IN
from signalbox_cli.sessions.tws_script import Script, script_of
from signalbox_cli.sessions.tws_venue import DepartedError, RecordedVenue
from signalbox_cli.simulated_venues import IBKR, VenuePorts

TICK_SECONDS = 0.05
QUIET_SECONDS = 2.0
QUIET_SECONDS_MAX = 30.0
DEADLINE = timedelta(days=1)
"""A command's, by the recorded clock: whether one would be late is not what is played."""
PUBLISHED = ("REPORTS", "BARS", "STATE", "DEAD")

_CONTRACT = {"symbol": 3, "security_type": 4, "exchange": 9, "currency": 11, "local_symbol": 12}
_ORDER_TYPES = {"MKT": "MARKET", "LMT": "LIMIT", "STP": "STOP", "MOC": "MARKET_ON_CLOSE"}
_ACTION, _QUANTITY, _ORDER_TYPE, _LIMIT, _STOP, _TIME_IN_FORCE, _OUTSIDE_HOURS, _GOOD_TILL = (
    16,
    17,
    18,
    19,
    20,
    21,
    33,
    38,
)


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
        lines += [f"exchange = {json.dumps(instrument.exchange)}", f"currency = {json.dumps(instrument.currency)}"]
    amounts = ("order_quantity", "order_notional", "position_quantity", "position_notional")
    lines += ["[limits]", *(f'{name}_max = "1000000000"' for name in amounts)]
    lines += ['gross_exposure_max = "1000000000"', 'price_collar_fraction = "1"', "price_age_seconds_max = 3600"]
    lines += ["account_age_seconds_max = 3600", "intent_age_seconds_max = 3600", "intents_per_minute_max = 100000"]
    return "\n".join([*lines, "open_orders_max = 100000", ""])


class Commands:
    """Has the gateway place and cancel orders, as the OMS does. A `tws_venue.Trader`."""

    def __init__(self, header: Header, oms: Bus, recorder: Bus, now: Callable[[], datetime]) -> None:
        self._header, self._oms, self._recorder, self._now = header, oms, recorder, now
        self._orders: dict[str, str] = {}
        self._revisions: dict[str, int] = {}
        self._last = ""

    async def place(self, recorded: Fields) -> None:
        order = order_of(self._header, recorded)
        self._orders[number_in(recorded)] = self._last = order.order_id
        command = SubmitOrder(
            id=f"command/{order.order_id}/0", at=self._now(), order=order, deadline=self._now() + DEADLINE
        )
        await self._oms.publish(subjects.command(IBKR, order.order_id, 0), command)

    async def cancel(self, recorded: Fields) -> None:
        order_id = self._last = self._orders[number_in(recorded)]
        revision = self._revisions[order_id] = self._revisions.get(order_id, 0) + 1
        command = CancelOrder(
            id=f"command/{order_id}/{revision}",
            at=self._now(),
            venue=IBKR,
            account=self._header.account,
            order_id=order_id,
            venue_order_id="",
        )
        await self._oms.publish(subjects.command(IBKR, order_id, revision), command)

    async def refusals(self) -> str:
        said = []
        async for received in self._recorder.read("REPORTS"):
            report: Report = messages.decode(received.payload, Report)
            if isinstance(report, VenueRejected | VenueCancelRejected) and report.order_id == self._last:
                said.append(report.reason)
        return "; ".join(said)


def order_of(header: Header, placed: Fields) -> Order:
    """The desk's order of which a recorded message was made. Raises `ConfigurationError` for none of the desk's."""

    def text(place: int) -> str:
        return placed[place] if place < len(placed) else ""

    try:
        order_type = OrderType(_ORDER_TYPES[text(_ORDER_TYPE)])
        time_in_force = TimeInForce(text(_TIME_IN_FORCE))
        return Order(
            order_id=text(REFERENCE_IN),
            intent_id=text(REFERENCE_IN),
            venue=IBKR,
            account=header.account,
            symbol=canonical_symbol(msgspec.convert({name: text(at) for name, at in _CONTRACT.items()}, VenueContract)),
            side=Side(text(_ACTION)),
            quantity=Decimal(text(_QUANTITY)),
            order_type=order_type,
            limit_price=Decimal(text(_LIMIT)) if order_type is OrderType.LIMIT else None,
            stop_price=Decimal(text(_STOP)) if order_type is OrderType.STOP else None,
            time_in_force=time_in_force,
            good_till=time_of(text(_GOOD_TILL)) if time_in_force is TimeInForce.GTD else None,
            outside_regular_hours=text(_OUTSIDE_HOURS) == "1",
        )
    except (KeyError, ValueError, InvalidOperation) as error:
        raise ConfigurationError(
            [f"order {number_in(placed)} of the session is none that this desk places: {error!r}"]
        ) from None


async def play(session: Session, folder: Path, say: Callable[[str], None]) -> Played:
    """Play it. Raises `ConfigurationError` when it can not be played at all."""
    script = script_of(session)
    desk_file = _desk_file(session.header, folder)
    desk = LocalDesk(DeskPlan(directory=folder, desk_file=desk_file), say)
    try:
        await desk.start_nats()
        async with _buses(desk, "oms", "recorder", "simulator") as (oms, recorder, teller):
            return await _play(session.header, script, desk, oms, recorder, teller)
    finally:
        await desk.close()


def _desk_file(header: Header, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "desk.toml"
    file.write_text(desk_text(header))
    return file


async def _play(header: Header, script: Script, desk: LocalDesk, oms: Bus, recorder: Bus, teller: Bus) -> Played:
    trader = Commands(header, oms, recorder, lambda: venue.now())
    venue = RecordedVenue(script, trader, time.monotonic)
    async with venue:
        desk.gateway_ports = VenuePorts(ibkr=venue.port, dydx_node=0, dydx_indexer=0)
        telling = asyncio.create_task(_tell_time(teller, venue))
        departed = ""
        try:
            await desk.run_service(gateway_of(IBKR))
            await venue.play()
        except DepartedError as error:
            departed = str(error)
        published = await _settled(recorder)
        await desk.stop(gateway_of(IBKR))
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
