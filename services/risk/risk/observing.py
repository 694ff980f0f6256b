"""Listens to what decisions look at beside TRADE: quotes, heartbeats, accounts, instruments, the trading state.

Owns when something counts as heard. Quotes and heartbeats live on core NATS only; instruments and accounts are stored
in STATE, read at the start and after each reconnect, and followed live. What can not be read is counted and leaves
what was known to grow stale, so that it denies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec
from signalbox import belonging, messages, subjects
from signalbox.bus import Bus, Received
from signalbox.clock import DeskClock
from signalbox.decimals import can_be_reckoned_with
from signalbox.errors import BusError
from signalbox.messages import (
    AccountState,
    BooksCompared,
    Instrument,
    LinkStatus,
    Message,
    Quote,
    TradingState,
    VenueLink,
)
from signalbox.room import fullest
from signalbox.telemetry import Health

from risk import metrics
from risk.facts import AGE_MIN
from risk.settings import Settings
from risk.state import AccountKey, AccountLost, LinkLost, RiskState, Seen, SymbolKey, account_keys
from risk.step import LossesLooked, Observed, RoomLost, TradingStateLost, step

log = logging.getLogger(__name__)

S = TypeVar("S", bound=Message)

HEARD = "heard prices and heartbeats"
LOOK_SECONDS = 0.5
ROOM_LOOK_SECONDS = 2.0
SETTLE_LOOK_SECONDS = 0.1
REASON_CHARACTERS_MAX = 300


class Observing:
    """Folds observations into `state` from `start()` on. `monotonic` gives seconds of wall time."""

    def __init__(
        self,
        bus: Bus,
        state: RiskState,
        health: Health,
        settings: Settings,
        clock: DeskClock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus, self._state, self._health, self._settings = bus, state, health, settings
        self._clock, self._monotonic = clock, monotonic
        self._heard: dict[AccountKey, float] = {}
        self._listening_since = 0.0
        self._room_heard, self._room_is_short = 0.0, False
        self._something_heard = asyncio.Event()
        self._accounts = tuple(account_keys(state.desk))
        self._desk_since: datetime | None = None
        self._heard_enough = False

    async def start(self) -> None:
        """Subscribe first, then read what is stored: nothing falls between."""
        self._listening_since = self._monotonic()
        self._health.require("trading state")
        for venue, account in account_keys(self._state.desk):
            self._health.require(f"link {venue}/{account}")
        await self._bus.subscribe(subjects.ALL_QUOTES, self._quote)
        await self._bus.subscribe(subjects.ALL_LINKS, self._link)
        await self._bus.subscribe(subjects.ALL_ACCOUNTS, self._account)
        await self._bus.subscribe(subjects.ALL_INSTRUMENTS, self._instrument)
        await self._bus.subscribe(subjects.ALL_COMPARED, self._compared)
        await self.read_stored()
        await self.look_at_room()
        self._bus.on_reconnect(self.read_stored)
        await self._bus.watch(subjects.TRADING_STATE_BUCKET, f"{subjects.TRADING_STATE_KEY}.*", self._trading_state)

    async def read_stored(self) -> None:
        """Take in the last word on every instrument and account."""
        async for received in self._bus.read("STATE", subjects.ALL_INSTRUMENTS):
            await self._instrument(received)
        async for received in self._bus.read("STATE", subjects.ALL_ACCOUNTS):
            await self._account(received)

    async def settle(self) -> None:
        """Wait, within bounds, for what only comes live (clock, heartbeats, prices); then decide with what is there.

        A process that has stood by has listened meanwhile, and need not wait.
        """
        deadline = self._listening_since + self._settings.settle_seconds_max
        while not self._settled() and self._monotonic() < deadline:
            self._something_heard.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._something_heard.wait(), SETTLE_LOOK_SECONDS)
        self._enough_heard()

    def _settled(self) -> bool:
        return not self._unheard()

    def _unheard(self) -> list[str]:
        """What has not been heard yet, by name."""
        unheard = [f"a heartbeat of {'/'.join(key)}" for key in self._accounts if key not in self._heard]
        unheard += [f"a price of {symbol} at {venue}" for venue, symbol in sorted(self._unpriced())]
        unheard += [] if self._state.room is not None else ["how full the streams are"]
        return [*unheard, *(["the clock"] if self._clock.is_stale() else [])]

    def _unpriced(self) -> frozenset[SymbolKey]:
        return self._state.allowed - self._state.quotes.keys()

    def hear(self) -> None:
        """Say what has to be heard before this process could decide as well as one that has listened for long.

        A market that is closed sends no price, and a gateway that is gone no heartbeat. After `price_age_seconds_max`
        of desk time nobody else knows a price either that is fresh enough to trade on, and after
        `link_silence_seconds_max` no heartbeat: then to wait would change nothing.
        """
        listened_seconds = self._monotonic() - self._listening_since
        desk_seconds = 0.0
        if not self._clock.is_stale():
            self._desk_since = self._desk_since or self._clock.now()
            desk_seconds = (self._clock.now() - self._desk_since).total_seconds()
        waits = self._unheard() if listened_seconds < self._settings.link_silence_seconds_max else []
        if max(listened_seconds, desk_seconds) < self._state.desk.limits.price_age_seconds_max and self._unpriced():
            waits = self._unheard()
        if waits:
            self._health.unmet(HEARD, f"not yet {', '.join(waits)}"[:REASON_CHARACTERS_MAX])
        else:
            self._enough_heard()

    def _enough_heard(self) -> None:
        self._heard_enough = True
        self._health.met(HEARD)

    async def look_at_room(self) -> None:
        """Ask NATS how full the streams are that an order needs; what it does not say grows old."""
        try:
            servers = await self._bus.servers()
        except BusError as error:
            log.warning("NATS does not say how full its streams are", extra={"error": str(error)})
            return
        rooms = [room for server in servers for room in server.rooms]
        found = fullest(rooms)
        if found is None:
            return
        self._room_heard = self._monotonic()
        self._take(Seen(found, f"nats-server:{found.stream}"))
        metrics.show_room(rooms)
        is_short = found.bytes > self._state.desk.nats.room_used_fraction_max * found.bytes_max > 0
        if is_short and not self._room_is_short:
            log.error("a stream is nearly full: orders are denied", extra={"stream": found.stream, "used": found.used})
        self._room_is_short = is_short

    async def watch_room(self) -> None:
        """Look at the room, for ever."""
        while True:
            await asyncio.sleep(ROOM_LOOK_SECONDS)
            await self.look_at_room()

    def lose_what_is_silent(self) -> None:
        """Forget what has not been heard for too long: the status of gateways, and how full the streams are."""
        self.lose_silent_links()
        silence_seconds = self._monotonic() - self._room_heard
        if self._state.room is not None and silence_seconds > self._settings.room_silence_seconds_max:
            self._take(RoomLost())
            metrics.show_room(())
            log.warning("it is not known how full the streams are: orders are denied")

    def lose_silent_links(self) -> None:
        """Forget the status of every gateway that has been silent for too long."""
        now = self._monotonic()
        for key, heard in self._heard.items():
            if now - heard > self._settings.link_silence_seconds_max and self._state.links.get(key) is not None:
                venue, account = key
                self._take(LinkLost(venue=venue, account=account))
                self._health.unmet(f"link {venue}/{account}", "no heartbeat")
                metrics.LINK_READY.labels(venue, account).set(0)
                log.warning("a gateway is silent", extra={"venue": venue, "account": account})

    async def listen(self) -> None:
        """Notice what has been heard, and silence, for ever; also while standing by."""
        while True:
            if not self._heard_enough:
                self.hear()
            self.lose_what_is_silent()
            await asyncio.sleep(LOOK_SECONDS)

    async def show(self) -> None:
        """Look how the accounts stand, and show the figures, for ever: once all of TRADE is folded."""
        while True:
            step(self._state, LossesLooked(), self._clock.now())
            metrics.show_state(self._state, self._clock.now())
            await asyncio.sleep(LOOK_SECONDS)

    # ------------------------------------------------------------------------------------------- what is heard

    def _take(self, observed: Observed) -> None:
        step(self._state, observed)

    async def _quote(self, received: Received) -> None:
        quote = _read(received, Quote)
        if quote is not None:
            self._take(quote)
            self._something_heard.set()

    async def _instrument(self, received: Received) -> None:
        instrument = _read(received, Instrument)
        if instrument is not None:
            self._take(Seen(instrument, _source(received, instrument.id)))

    async def _compared(self, received: Received) -> None:
        compared = _read(received, BooksCompared)
        if compared is not None and (compared.venue, compared.account) in self._accounts:
            self._take(compared)

    async def _account(self, received: Received) -> None:
        account = _read(received, AccountState)
        if account is None or (key := (account.venue, account.account)) not in self._accounts:
            return
        known = self._state.accounts.get(key)
        if known is not None and self._clock.now() - known.message.at < AGE_MIN:
            self._take(AccountLost(venue=account.venue, account=account.account))  # else no later one would count
        self._take(Seen(account, _source(received, account.id)))

    async def _link(self, received: Received) -> None:
        link = _read(received, VenueLink)
        if link is None or (link.venue, link.account) not in self._accounts:
            return
        key = (link.venue, link.account)
        self._heard[key] = self._monotonic()
        self._take(link)
        self._something_heard.set()
        self._health.met(f"link {link.venue}/{link.account}")
        metrics.LINK_READY.labels(*key).set(1 if link.status is LinkStatus.READY else 0)

    async def _trading_state(self, received: Received | None) -> None:
        """Absent, deleted or unreadable all mean halted."""
        found = _read(received, TradingState) if received is not None else None
        if received is not None and found is not None:
            name = subjects.operator_of(received.subject)  # what the sender says of himself is not believed
            found = msgspec.structs.replace(found, by=name or found.by)
        source = f"{received.stream}:{received.sequence}" if received is not None else ""
        self._take(Seen(found, source) if found is not None else TradingStateLost())
        metrics.show_mode(self._state)
        if found is None:
            self._health.unmet("trading state", "it is not set, or can not be read: trading is halted")
            log.error("no trading state: trading is halted")
            return
        self._health.met("trading state")
        log.info("trading state", extra={"mode": found.mode, "by": found.by, "reason": found.reason, "source": source})


def _read(received: Received, kind: type[S]) -> S | None:
    try:
        message: S = messages.decode(received.payload, kind)
    except msgspec.MsgspecError as error:
        metrics.UNREADABLE_OBSERVATIONS.labels(kind.__name__).inc()
        log.warning("an observation can not be read", extra={"subject": received.subject, "error": str(error)})
        return None
    problem = "" if belonging.belongs(message, received.subject) else "speaks of something else than its subject"
    if not can_be_reckoned_with(message):
        problem = "holds a number that can not be reckoned with"
    if problem:
        metrics.UNREADABLE_OBSERVATIONS.labels(kind.__name__).inc()
        log.warning(f"an observation {problem}", extra={"subject": received.subject})
        return None
    return message


def _source(received: Received, message_id: str) -> str:
    """Where it is stored; what was only heard live goes by its id, under which STATE has it too."""
    if received.stream:
        return f"{received.stream}:{received.sequence}"
    return f"{subjects.first_word(received.subject)}:{message_id}"
