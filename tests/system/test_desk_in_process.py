"""The demo's day in process: what the services made of it is what the desk in process makes of what was recorded.

Recorded is what came from outside: the intents as the decisions have them, what the venues reported, the timers, and
what risk was told beside TRADE, heard here as risk hears it. A decision says what it was made on, so it is known which
of that risk had heard, and how far it had followed TRADE: the services do not wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from desk_in_process.desk import DeskInProcess
from msgspec.structs import fields, replace
from oms.outcome import Rules
from oms.settings import Settings
from oms.state import Keep
from oms.statements import Mark, book_message, position_message
from risk.facts import Request
from risk.looking import look
from risk.state import LinkLost, Seen
from risk.step import RoomLost
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.desk import load_desk
from signalbox.messages import (
    AccountState,
    Act,
    Bar,
    Basis,
    Book,
    Decision,
    Instrument,
    OrderEvents,
    OrderIntent,
    OrderStatus,
    Position,
    Quote,
    Report,
    Ruling,
    TimerFired,
    TradingState,
    VenueLink,
)
from signalbox.room import StreamRoom
from signalbox_cli.demo_stories import PERPETUAL_RESTS, SHARES_REST, tell_perpetual, tell_shares
from signalbox_cli.demo_trader import Story, Trader, Watch

from tests.running_desk import RunningDesk

WAIT_SECONDS_MAX, POLL_SECONDS = 30.0, 0.1
HEARD = {
    subjects.ALL_QUOTES: (Quote, "quote"),
    subjects.ALL_LINKS: (VenueLink, "link"),
    subjects.ALL_ACCOUNTS: (AccountState, "account"),
}


class Heard:
    """What the gateways have told live: by the name that a decision gives it; and the quotes of each venue, in order.

    Risk takes each kind in its order, and the kinds in any.
    """

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}
        self.quotes: dict[str, list[Quote]] = {"ibkr": [], "dydx": []}

    async def listen(self, bus: Bus) -> None:
        for pattern, (kind, word) in HEARD.items():

            async def hear(received: Received, kind: Any = kind, word: str = word) -> None:
                message = messages.decode(received.payload, kind)
                self.told[f"{word}:{message.id}"] = message
                if kind is Quote:
                    self.quotes[message.venue].append(message)

            await bus.subscribe(pattern, hear)

    def enough(self) -> bool:
        """Whether whatever risk looks at from now on has been heard here too."""
        quoted = {quote.symbol for quotes in self.quotes.values() for quote in quotes}
        heard = {(message.venue, type(message)) for message in self.told.values()}
        kinds = {(venue, kind) for venue in self.quotes for kind, _ in HEARD.values()}
        return quoted >= {"SPY", "AAPL", "BTC-USD"} and heard >= kinds


class Again:
    """The day once more. `unheard` has the intents that could not be judged again, and what of it nobody has heard."""

    def __init__(self, running: RunningDesk, heard: Heard) -> None:
        desk = load_desk(running.folder / "desk.toml")
        stated = {setting.name: setting.default for setting in fields(Settings)}
        rules = Rules(
            submit_window=timedelta(seconds=stated["submit_window_seconds"]),
            unknown_grace=timedelta(seconds=stated["unknown_grace_seconds"]),
            venues=frozenset(desk.venues),
        )
        self.desk = DeskInProcess(desk, rules, Keep())
        self._heard, self._next = heard, dict.fromkeys(heard.quotes, 0)
        self._causes: dict[str, Any] = {}
        self._instruments: dict[tuple[str, str], Instrument] = {}
        self._switches: dict[str, TradingState] = {}
        self._at: dict[int, datetime] = {}
        """When each order event of TRADE was made."""
        self.unheard: dict[str, list[str]] = {}

    async def go_on(self, auditor: Bus) -> None:
        """Take what TRADE has that was not taken yet, and hold it against what is made of it here."""
        # TRADE first: what its messages were made of is in the other streams by then
        stored = [each async for each in auditor.read("TRADE", from_sequence=len(self.desk.trade.stored) + 1)]
        async for each in auditor.read("REPORTS"):
            self._cause(messages.decode(each.payload, Report))
        async for each in auditor.read("TIMERS", "timer.fired.>"):
            self._cause(messages.decode(each.payload, TimerFired))
        async for each in auditor.read("KV_CONTROL", subjects.ALL_TRADING_STATES):
            switch = messages.decode(each.payload, TradingState)
            by = subjects.operator_of(each.subject) or switch.by
            self._switches[f"KV_CONTROL:{each.sequence}"] = replace(switch, by=by)
        async for each in auditor.read("KV_CONTROL", subjects.ALL_BOOKS_ACTS):
            self._cause(replace(messages.decode(each.payload, Act), by=subjects.operator_of_act(each.subject)))
        async for each in auditor.read("STATE", subjects.ALL_INSTRUMENTS):
            instrument = messages.decode(each.payload, Instrument)
            self._instruments[instrument.venue, instrument.symbol] = instrument
            self.desk.observe(Seen(instrument, f"STATE:{each.sequence}"))
        for each in stored:
            if subjects.first_word(each.subject) != subjects.DECISION:
                self._at[each.sequence] = messages.decode(each.payload, OrderEvents).at
        for each in stored:
            if each.sequence > len(self.desk.trade.stored):  # of one message there may be several events
                self._take(each)
            made = messages.encode(self.desk.trade.stored[each.sequence - 1])
            assert made == each.payload, f"TRADE:{each.sequence} is made anew as {made!r}, and was {each.payload!r}"

    def _cause(self, message: Any) -> None:
        self._causes[message.id] = message

    def _take(self, received: Received) -> None:
        if subjects.first_word(received.subject) == subjects.DECISION and not subjects.is_decision(received.subject):
            self.desk.decided(messages.decode(received.payload, Ruling))
            return
        if subjects.first_word(received.subject) == subjects.DECISION:
            decision: Decision = messages.decode(received.payload, Decision)
            self._cause(decision)
            self._decide(decision)
            return
        event = messages.decode(received.payload, OrderEvents)

        def then() -> datetime:  # of one message there may be several events, and each has its time
            return self._at.get(len(self.desk.trade.stored) + 1, event.at)

        self.desk.take(self._causes[event.cause], event.at, then)

    def _decide(self, decision: Decision) -> None:
        basis, intent = decision.basis, decision.intent
        assert basis is not None
        unheard = self._observe(basis, intent) if isinstance(intent, OrderIntent) else self._unheard(basis)
        if unheard:
            self.desk.decided(decision)  # of a test before this one: nobody has heard what risk was told then
            self.unheard[decision.cause] = unheard
            return
        request = Request(
            sequence=decision.intent_sequence,
            stored_at=decision.intent_stored_at,
            intent=intent,
            by=decision.by,
            error="" if intent is not None else decision.reason,
            message_id="" if intent is not None else decision.cause,
            clock_is_stale=basis.clock_is_stale,
        )
        self.desk.follow(basis.trade_sequence)
        if isinstance(intent, OrderIntent):
            self._hear_until(decision, request, intent)
        self.desk.decide(request, decision.at, basis.trade_sequence)

    def _observe(self, basis: Basis, intent: OrderIntent) -> list[str]:
        """Observe what the decision names, unless something of it came before anybody listened here: the names."""
        unheard = self._unheard(basis)
        if unheard:
            return unheard
        for name in _named(basis):
            told = self._heard.told[name]
            if isinstance(told, Quote):
                self._hear(intent.venue, self._heard.quotes[intent.venue].index(told) + 1)
            else:
                self.desk.observe(Seen(told, name) if isinstance(told, AccountState) else told)
        if basis.instrument is not None:
            self.desk.observe(Seen(self._instruments[intent.venue, intent.symbol], basis.instrument.source))
        if basis.switch is not None:
            self.desk.observe(Seen(self._switches[basis.switch.source], basis.switch.source))
        room = basis.room
        self.desk.observe(
            Seen(StreamRoom(room.stream, room.bytes, room.bytes_max), "") if room is not None else RoomLost()
        )
        if basis.link is None:
            self.desk.observe(LinkLost(venue=intent.venue, account=intent.account))
        return []

    def _unheard(self, basis: Basis) -> list[str]:
        """What the decision names and came before anybody listened here."""
        return [name for name in _named(basis) if name not in self._heard.told]

    def _hear(self, venue: str, up_to: int) -> None:
        for quote in self._heard.quotes[venue][self._next[venue] : up_to]:
            self.desk.observe(quote)
        self._next[venue] = max(self._next[venue], up_to)

    def _hear_until(self, decision: Decision, request: Request, intent: OrderIntent) -> None:
        """Of symbols that are held beside the order's a decision keeps the sum: hear on until that is the same."""
        quotes = self._heard.quotes.get(intent.venue, [])
        while look(self.desk.risk, request, intent, decision.at) != decision.basis:
            place = self._next.get(intent.venue, 0)
            if place == len(quotes) or quotes[place].symbol == intent.symbol:
                return  # it is not the same: whoever holds the decisions against each other will say so
            self._hear(intent.venue, place + 1)


def _named(basis: Basis) -> list[str]:
    """What a decision was made by that nobody stores."""
    names = [f"quote:{basis.quote.id}"] if basis.quote is not None else []
    names += [f"link:{basis.link.id}"] if basis.link is not None else []
    return names + ([basis.account.source] if basis.account is not None else [])


async def test_the_demos_day_in_process_is_what_the_services_made_of_it(
    desk: RunningDesk, connect: Callable[[str], Awaitable[Bus]]
) -> None:
    user, operator, auditor = await connect("user"), await connect("operator"), await connect("auditor")
    heard = Heard()
    await heard.listen(await connect("risk"))
    watch, story = Watch(user), Story()
    await watch.listen()
    shares, perpetual = Trader(watch, "ibkr", "SPY"), Trader(watch, "dydx", "BTC-USD")
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not heard.enough():
            await asyncio.sleep(POLL_SECONDS)
    await tell_shares(shares, operator, story)
    await tell_perpetual(perpetual, story)
    for trader, order in ((shares, SHARES_REST), (perpetual, PERPETUAL_RESTS)):
        await trader.cancel(order)
        await trader.status(order, OrderStatus.CANCELED)

    again = Again(desk, heard)
    await again.go_on(auditor)
    assert not {name: why for name, why in again.unheard.items() if name.startswith("demo-")}
    assert {each.intent.venue for each in again.desk.trade.stored if isinstance(each, Decision) and each.intent} >= {
        "ibkr",
        "dydx",
    }
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while await _books(auditor, again.desk) != await _stated(auditor):
            await asyncio.sleep(POLL_SECONDS)
            await again.go_on(auditor)
    commands = {each.subject: each.payload for each in await _stored(auditor, "COMMANDS", ">")}
    assert {name: messages.encode(command) for name, command in again.desk.orders.commands.items()} == commands


async def _stored(bus: Bus, stream: str, pattern: str) -> list[Received]:
    return [each async for each in bus.read(stream, pattern)]


async def _stated(auditor: Bus) -> dict[str, bytes]:
    """What the OMS has told of its positions and books."""
    patterns = (subjects.ALL_POSITIONS, subjects.ALL_BOOKS)
    return {each.subject: each.payload for pattern in patterns for each in await _stored(auditor, "STATE", pattern)}


async def _books(auditor: Bus, desk: DeskInProcess) -> dict[str, bytes]:
    """What the desk in process tells of its own, each position at the price that the OMS had last valued it at."""
    bars = [each.payload for each in await _stored(auditor, "BARS", ">")]
    made = {}
    for subject, payload in (await _stated(auditor)).items():
        if subjects.first_word(subject) == subjects.first_word(subjects.ALL_BOOKS):
            book = messages.decode(payload, Book)
            ours = book_message(desk.orders.state.accounts[book.venue, book.account])
            made[subject] = messages.encode(ours)
            continue
        position = messages.decode(payload, Position)
        bar_id = position.id.split("/", 5)[5]
        [bar] = [messages.decode(bar, Bar) for bar in bars if f'"id":"{bar_id}"'.encode() in bar] or [None]
        mark = Mark(bar.close, bar.at, bar.id) if bar is not None else None
        account = desk.orders.state.accounts[position.venue, position.account]
        made[subject] = messages.encode(position_message(account, position.symbol, mark))
    return made
