"""The gateway to the line broker put together, and the life of its session."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from secrets import token_hex

from lines_gateway import decide
from lines_gateway.decide import State, state_of
from lines_gateway.facts import VENUE, Beat, Everything, Fact, FiguresSeen, Listed, QuoteSeen
from lines_gateway.orders import VISIBLE_SECONDS, Figures, Venue
from lines_gateway.session import Session
from signalbox.clock import DeskClock
from signalbox.errors import VenueError
from signalbox.gateway import state as house
from signalbox.gateway.asking import Pace
from signalbox.gateway.ending import until_one_ends
from signalbox.gateway.quotes import Quotes
from signalbox.gateway.rebuilding import rebuild
from signalbox.gateway.retrying import Backoff
from signalbox.gateway.running import Gateway, take_account, until_it_runs
from signalbox.gateway.state import new_to
from signalbox.gateway.submission import Submission
from signalbox.instruments import parse_symbol
from signalbox.messages import Instrument, LinkStatus, Quote
from signalbox.process import Runtime
from signalbox.settings import Port, ServiceSettings
from signalbox.venue_figures import ConnectionShown, begin_at_zero

LOOK_SECONDS = 1.0


class Settings(ServiceSettings, frozen=True, kw_only=True):
    ibkr_port: Port
    cancel_wait_seconds_max: float = 15.0


class Life:
    """One session at a time."""

    def __init__(
        self, port: int, clock: DeskClock, state: State, gateway: Gateway[Listed], venue: Venue, submission: Submission
    ) -> None:
        self._port, self._clock, self._state, self._gateway = port, clock, state, gateway
        self._venue, self._submission = venue, submission
        self._quote: dict[str, QuoteSeen] = {}
        self._frozen, self._changed = "", asyncio.Event()
        self._process = token_hex(4)  # the desk's clock may stand still from one process to the next
        self.quotes: Quotes

    async def run(self) -> None:
        """Keep a session, for ever."""
        backoff, shown = Backoff(0.05, 0.2), ConnectionShown(VENUE, "orders")
        while True:
            session = Session(self._on_fact)
            try:
                reader = await session.open(self._port)
                self._venue.session = session
                shown.up()
                await until_one_ends(session.read(reader), self._work(backoff))
            except VenueError as error:
                self._gateway.link.become(LinkStatus.DOWN, str(error))
            finally:
                session.close()
            self._venue.session = None
            self._gateway.account.forget()
            shown.down()
            await asyncio.sleep(backoff.next_seconds())

    async def _work(self, backoff: Backoff) -> None:
        """While the broker's market is there, hold everything against its answer, and be ready; for ever."""
        link, outbox = self._gateway.link, self._gateway.outbox
        while True:
            self._changed.clear()
            if self._frozen:
                link.become(LinkStatus.FROZEN, self._frozen)
            else:
                if link.status is not LinkStatus.READY:
                    link.become(LinkStatus.RECONCILING)
                answer = (await self._submission.asking.inquire()).told
                await self._offer(answer)
                self._gateway.account.on_fact(answer.figures)
                statement = decide.snapshot(self._state, answer, self._clock.now(), self._process)
                if new_to(self._state, statement):
                    outbox.put(statement)
                await outbox.drained()
                if not self._changed.is_set():
                    link.become(LinkStatus.READY)
                    backoff.reset()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._changed.wait()

    async def _offer(self, answer: Everything) -> None:
        instruments, listed = self._gateway.instruments, {each.symbol: each for each in answer.listed}
        for wanted in instruments.wanted:
            symbol = parse_symbol(wanted.symbol)
            there = listed.get(symbol.canonical)
            if there is None:
                instruments.leave_out(wanted.symbol, f"the broker does not list {symbol.canonical}")
            elif symbol.canonical not in instruments.offered:
                at = self._clock.now()
                made = Instrument(
                    id=f"instrument/{VENUE}/{there.symbol}/{at.isoformat()}", at=at, venue=VENUE, symbol=there.symbol,
                    kind=there.kind, currency=there.currency, exchange="LINES", calendar=there.calendar,
                    tick_size=there.tick, lot_size=there.lot, minimum_quantity=there.lot,
                )  # fmt: skip
                await instruments.offer(wanted.symbol, made, there)

    def _on_fact(self, fact: Fact) -> None:
        match fact:
            case Beat():
                if fact.frozen != self._frozen:
                    self._frozen = fact.frozen
                    if fact.frozen and self._gateway.link.status is LinkStatus.READY:
                        self._gateway.link.become(LinkStatus.FROZEN, fact.frozen)
                    self._changed.set()
            case FiguresSeen():
                self._gateway.account.on_fact(fact)
            case QuoteSeen():
                self._quote[fact.symbol] = fact
                self.quotes.changed(fact.symbol)
            case Everything():
                return
            case _:
                self._submission.act(decide.decide(self._state, fact, self._clock.now()))

    def quote(self, symbol: str, at: datetime, received_at: datetime) -> Quote:
        seen = self._quote[symbol]
        told = {name: getattr(seen, name) for name in QuoteSeen.__struct_fields__}
        return Quote(id=f"quote/{VENUE}/{symbol}/{at.isoformat()}", at=at, venue=VENUE, received_at=received_at, **told)


async def start(settings: Settings, runtime: Runtime) -> None:
    """Start everything; returns once the gateway runs."""
    account_id, clock = runtime.desk.only_account(VENUE), runtime.clock
    await until_it_runs(clock)
    lease = await take_account(runtime, VENUE, account_id)
    begin_at_zero(VENUE, "orders")
    state = state_of(account_id)
    await rebuild(runtime.bus, state, house.fold_report)
    gateway = Gateway[Listed](runtime, state, lease, Figures(account_id), 60, 0.05)
    venue = Venue(clock, state, gateway.link, gateway.instruments)
    pace = Pace(ask_seconds=VISIBLE_SECONDS, ask_seconds_max=60.0, commission_asks_max=1)
    submission = gateway.submission(venue, venue, pace, settings.cancel_wait_seconds_max)
    life = Life(settings.ibkr_port, clock, state, gateway, venue, submission)
    life.quotes = Quotes(runtime.bus, clock, VENUE, 0.02, life.quote)
    runtime.details = gateway.details
    await gateway.run(submission, {"session": life.run(), "quotes": life.quotes.run()})
