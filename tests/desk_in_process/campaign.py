"""Campaigns in process, by the hundred: a desk at both venues, whatever anybody wants, and whatever goes wrong.

`python -m tests.desk_in_process.campaign --seeds 1000` prints what happened and what was wrong. Owns what happens next,
drawn by a seed, and the rest at the end, at which every promise is looked at (`promises`). What real processes add to
that, and the protocols of the venues, has `tests.chaos`.
"""

from __future__ import annotations

import argparse
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from oms.outcome import Rules
from oms.state import Keep
from risk.state import Seen
from signalbox.desk import Desk, DeskInstrument, Limits, Venue
from signalbox.exchange.quoting import MarketQuote, Phase
from signalbox.messages import (
    FINAL_STATUSES,
    Command,
    FlattenIntent,
    IntentApproved,
    LinkStatus,
    MassCancelIntent,
    SubmitOrder,
    TradingMode,
    TradingState,
)
from signalbox.order_terms import TRIGGERED, WITH_LIMIT
from signalbox.room import StreamRoom
from signalbox.sessions import next_session, session_at
from simulators.listings import listing_of

from tests.desk_in_process.faulty_venue import FaultyVenue
from tests.desk_in_process.mortal_desk import MortalDesk
from tests.desk_in_process.promises import AtVenues, Record, broken
from tests.desk_in_process.wishes import Known, Market, Wishes

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
STEPS = 200
ACCOUNTS = {"ibkr": "DU1234567", "dydx": "dydx1-0"}
MARKETS = (
    Market("ibkr", "SPY", Decimal("0.01"), Decimal(1), (1, 7, 10, 30, 100, 300)),
    Market("ibkr", "AAPL", Decimal("0.01"), Decimal(1), (1, 10, 300)),
    Market("dydx", "BTC-USD", Decimal(1), Decimal("0.0001"), (1, 70, 300, 1000, 3000)),
)
LIMITS = Limits(
    order_quantity_max=Decimal(5_000),
    order_notional_max=Decimal(2_000_000),
    position_quantity_max=Decimal(20_000),
    position_notional_max=Decimal(8_000_000),
    gross_exposure_max=Decimal(20_000_000),
    price_collar_fraction=Decimal("0.2"),
    price_age_seconds_max=600,
    account_age_seconds_max=300,
    intent_age_seconds_max=600,
    intents_per_minute_max=1_000,
    intents_per_minute_per_name_max=1_000,
    open_orders_max=60,
)
CASH = Decimal(10_000_000)
SMALL_MEMORY = Keep(ended_orders=3, executions=4, funding_payments=1, at_once=1, ended_lists=2)
REST_STEPS_MAX = 2_000
COUNTED = (
    "kills", "faults", "orders", "lists", "modifies", "cancels", "flattens", "positions", "fills", "losses", "doubles",
)  # fmt: skip


class Campaign:
    """One desk, and the lot that decides what happens to it. `counts` and `story` say what has."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        self.now = AT
        self.counts: Counter[str] = Counter()
        self.story: list[str] = []
        self.venues = {
            name: FaultyVenue(
                name, account, [listing_of(each.symbol) for each in MARKETS if each.venue == name], "USD", CASH
            )
            for name, account in ACCOUNTS.items()
        }
        self.venues["ibkr"].exchange.children.in_parts = chance.random() < 0.5
        desk = Desk(
            name="campaign",
            venues={name: Venue(accounts=(account,)) for name, account in ACCOUNTS.items()},
            instruments=tuple(DeskInstrument(venue=each.venue, symbol=each.symbol) for each in MARKETS),
            limits=LIMITS,
        )
        rules = Rules(
            submit_window=timedelta(seconds=30), unknown_grace=timedelta(seconds=15), venues=frozenset(ACCOUNTS)
        )
        self.desk = MortalDesk(desk, rules, chance.choice((Keep(), SMALL_MEMORY)), self._send)
        self.prices = {each: listing_of(each.symbol).reference_price for each in MARKETS}
        self.wishes = Wishes(chance, MARKETS, self.prices.__getitem__, self._working)
        self._begin()

    def _begin(self) -> None:
        switch = TradingState(id="on", at=self.now, mode=TradingMode.ACTIVE, reason="campaign", by="")
        self.desk.observe(Seen(switch, "campaign"))
        self.desk.observe(Seen(StreamRoom("TRADE", 0, 1), "campaign"))
        for venue in self.venues.values():
            for instrument in venue.instruments(self.now):
                self.desk.observe(Seen(instrument, "campaign"))
            self.desk.reports.append(venue.snapshot(self.now))
        for market in MARKETS:
            self._price(market, self.prices[market], Decimal(1000))
        self._rest()

    def _send(self, command: Command) -> None:
        order = command.order if isinstance(command, SubmitOrder) else command
        self.venues[order.venue].waiting.append(command)

    def _working(self) -> Sequence[Known]:
        """What works as the OMS knows it, and so a person."""
        state = self.desk.orders.state
        markets = {(each.venue, each.symbol): each for each in MARKETS}
        found = []
        for key in sorted(state.working):
            order = state.orders[key]
            assert order.order is not None
            kind, market = order.order.order_type, markets[order.venue, order.order.symbol]
            has_limit, has_stop = kind in WITH_LIMIT, order.order.stop_price is not None and kind in TRIGGERED
            found.append(Known(order.order_id, market, order.order.quantity, has_limit, has_stop))
        return found

    # ----------------------------------------------------------------------------------------------- what happens

    def run(self, steps: int = STEPS) -> None:
        """Let so many things happen."""
        actions: dict[Callable[[], None], int] = {
            self._wish: 14,
            self._move: 14,
            self._go_on: 40,
            self._all_go_on: 6,
            self._fault: 5,
            self._cut: 3,
            self._kill_oms: 3,
            self._kill_risk: 1,
            self._wait: 3,
        }
        for _ in range(steps):
            self.now += timedelta(milliseconds=self.chance.choice((1, 100, 1000)))
            self.chance.choices([*actions], [*actions.values()])[0]()

    def _wish(self) -> None:
        kind, intent = self.wishes.next(self.now)
        names = {"order": "orders", "list": "lists", "change": "modifies", "position": "positions"}
        self._tell(names.get(kind, "flattens" if kind == "flatten" else "cancels"), f"{intent}")
        self.desk.want(intent, self.now, "alice")

    def _move(self) -> None:
        market = self.chance.choice(MARKETS)
        by = self.chance.choice((-30, -8, -2, -1, 0, 1, 2, 8, 30))
        size = self.chance.choice((0, 1, 5, 40, 1000)) * self.chance.choice(market.sizes) * market.lot
        first = listing_of(market.symbol).reference_price
        price = min(max(self.prices[market] * (1000 + by) / 1000, first * 9 / 10), first * 11 / 10)
        self._price(market, price, size)

    def _price(self, market: Market, price: Decimal, size: Decimal) -> None:
        last = (price / market.tick).to_integral_value() * market.tick
        self.prices[market] = last
        figures = (last - market.tick, last, size, size, last, Decimal(1), Decimal(1), last, last, last, last)
        is_open = session_at(listing_of(market.symbol).calendar, self.now) is not None
        phase = Phase.REGULAR if is_open else Phase.CLOSED
        venue = self.venues[market.venue]
        self.story.append(f"{self.now:%H:%M:%S.%f} {market.symbol} {last}, {size} there")
        venue.said.extend(venue.see(MarketQuote(market.symbol, self.now, *figures), phase))

    def _go_on(self) -> None:
        """One part does one thing."""
        venue = self.chance.choice([*self.venues.values()])
        self.chance.choice(
            (
                self._judge,
                lambda: self.desk.take_decision(self.now),
                lambda: venue.work(self.now),
                lambda: venue.work(self.now),
                lambda: self._store_report(venue),
                lambda: self._store_report(venue),
                lambda: self.desk.take_report(self.now),
                lambda: self.desk.take_report(self.now),
                lambda: self.desk.take_timers(self.now),
                self._flattens_go_on,
            )
        )()

    def _all_go_on(self) -> None:
        """All that is under way arrives, as it does nearly always."""
        for _ in range(REST_STEPS_MAX):
            venues = [*self.venues.values()]
            moved = [self._judge(), self.desk.take_decision(self.now), *(venue.work(self.now) for venue in venues)]
            moved += [*(self._store_report(venue) for venue in venues), self.desk.take_report(self.now)]
            if not any([*moved, self.desk.take_timers(self.now), self._flattens_go_on()]):
                return
        raise AssertionError("the desk does not come to rest")

    def _judge(self) -> bool:
        """Risk decides, by what it is told just then; it may be behind TRADE."""
        if not self.desk.intents:
            return False
        intent = self.desk.intents[0].intent
        self._look(getattr(intent, "symbol", ""))
        return self.desk.judge(self.now, behind=self.chance.choice((0, 0, 0, 1, 3)))

    def _look(self, symbol: str) -> None:
        for venue in self.venues.values():
            link = venue.link(self.now)
            if venue.is_away:
                link = type(link)(
                    id=link.id, at=link.at, venue=link.venue, account=link.account, status=LinkStatus.DOWN
                )
            self.desk.observe(link)
            self.desk.observe(Seen(venue.account_state(self.now), "campaign"))
            for name in {symbol, *venue.exchange.books[venue.account].positions} & {*venue.listings}:
                quote = venue.quote(name)
                if quote is not None:
                    self.desk.observe(quote)

    def _flattens_go_on(self) -> bool:
        if not self.desk.risk.flattens:
            return False
        for market in MARKETS:
            self._look(market.symbol)
        return bool(self.desk.go_on(self.now))

    def _store_report(self, venue: FaultyVenue) -> bool:
        report = venue.tell(self.chance.choice((0, 0, 1, 2)))
        if report is not None:
            self.desk.reports.append(report)
        return report is not None

    def _wait(self) -> None:
        """Nothing happens for a while; prices go on being told."""
        self._later(timedelta(seconds=self.chance.choice((5, 40, 60, 400))))

    def _later(self, time: timedelta) -> None:
        self.now += time
        for venue in self.venues.values():
            venue.said.extend(venue.expire(self.now))
        for market in MARKETS:
            size = self.venues[market.venue].quotes[market.symbol].bid_size
            self._price(market, self.prices[market], size)

    # ---------------------------------------------------------------------------------------------- what goes wrong

    def _tell(self, what: str, text: str) -> None:
        self.counts[what] += 1
        self.story.append(f"{self.now:%H:%M:%S.%f} {text}")

    def _fault(self) -> None:
        venue = self.chance.choice([*self.venues.values()])
        what = self.chance.choice(("orders", "cancels", "changes", "take away"))
        if what != "take away":
            self._tell("faults", f"{venue.venue} refuses the next of {what}")
            venue.refuses[what] += self.chance.choice((1, 1, 3))
            return
        standing = sorted(venue.standing())
        if standing:
            name = self.chance.choice(standing)
            self._tell("faults", f"{venue.venue} cancels {name}")
            venue.take_away(name, self.now)

    def _cut(self) -> None:
        """The gateway is gone, or comes again."""
        away = [venue for venue in self.venues.values() if venue.is_away]
        venue = self.chance.choice(away or [*self.venues.values()])
        venue.is_away = not venue.is_away
        self._tell(*(("kills", f"gateway-{venue.venue} dies") if venue.is_away else ("begins", "and comes again")))

    def _kill_oms(self) -> None:
        """At once, or in the middle of what it does next."""
        self._tell("kills", "the OMS dies")
        if self.chance.random() < 0.3:
            self.desk.restart_oms(self.now)
        else:
            self.desk.orders.steps_left = self.chance.randrange(6)

    def _kill_risk(self) -> None:
        self._tell("kills", "risk dies")
        self.desk.restart_risk()

    # -------------------------------------------------------------------------------------------------- the rest

    def _rest(self) -> None:
        """Nothing goes wrong any more, and all that is under way arrives; flattens come to their end."""
        self.desk.orders.steps_left = None
        for venue in self.venues.values():
            venue.is_away = False
            venue.refuses.clear()
        for _ in range(40):
            self._all_go_on()
            self._later(timedelta(seconds=20))
            self._all_go_on()
            if not self.desk.risk.flattens:
                return
        self.desk.wrong.append(f"flattens that do not end: {self.desk.risk.flattens}")

    def settle(self) -> list[str]:
        """What is wrong at rest; then all is cancelled and closed, and what is wrong after that."""
        self._rest()
        wrong = self.wrong()
        if wrong:
            return wrong
        if session_at("XNYS", self.now) is None:
            self._later(next_session("XNYS", self.now).open + timedelta(minutes=30) - self.now)
        for market in MARKETS:
            self._price(market, self.prices[market], Decimal(100_000))
        self.story.append("all is cancelled, then all is closed")
        for end in (MassCancelIntent(id="end-cancel", at=self.now), FlattenIntent(id="end-flat", at=self.now)):
            self.desk.want(end, self.now, "alice")
            self._rest()
        decided = {each.intent.id for each in self.desk.trade.stored if isinstance(each, IntentApproved)}
        wrong = self.wrong()
        wrong += [f"{name} was denied" for name in ("end-cancel", "end-flat") if name not in decided]
        wrong += [f"{name} works still" for venue in self.venues.values() for name in venue.standing()]
        held = {each.symbol: self.venues[each.venue].held(each.symbol) for each in MARKETS}
        return wrong + [f"{quantity} of {symbol} are held still" for symbol, quantity in held.items() if quantity]

    def wrong(self) -> list[str]:
        """What is wrong now, by the venues' books and TRADE, and in what OMS and risk differ from them."""
        there = AtVenues(
            standing={name: each for venue in self.venues.values() for name, each in venue.standing().items()},
            executions=[each for venue in self.venues.values() for each in venue.exchange.executions],
            placed={name: times for venue in self.venues.values() for name, times in venue.placed.items()},
        )
        found = broken(Record(self.desk.trade.stored), there)
        self.counts["fills"] = len(there.executions)
        self.counts["losses"] = sum(each.startswith("loss") for each in found)
        self.counts["doubles"] = sum(each.startswith("double") for each in found)
        return [*self.desk.wrong, *found, *self._books()]

    def _books(self) -> list[str]:
        self.desk.follow()
        wrong = []
        for venue in self.venues.values():
            theirs = venue.exchange.books[venue.account]
            ours = self.desk.orders.state.accounts[venue.venue, venue.account]
            held = {name: each.quantity for name, each in theirs.positions.items() if each.quantity}
            of_oms = {name: each.holding.quantity for name, each in ours.symbols.items() if each.holding.quantity}
            holdings = self.desk.risk.books[venue.venue, venue.account].holdings
            of_risk = {name: each.quantity for name, each in holdings.items() if each.quantity}
            if not held == of_oms == of_risk:
                wrong.append(f"positions at {venue.venue}: {held}, of the OMS {of_oms}, of risk {of_risk}")
            if theirs.cash != ours.cash:
                wrong.append(f"cash at {venue.venue}: {theirs.cash}, of the OMS {ours.cash}")
            working = {name for name, order in self.desk.risk.orders.items() if order.venue == venue.venue}
            if working != set(venue.standing()):
                wrong.append(f"working at {venue.venue}: {set(venue.standing())}, of risk {working}")
        state = self.desk.orders.state
        return wrong + [
            f"{key} has ended, and works" for key in state.working if state.orders[key].status in FINAL_STATUSES
        ]


def one(seed: int, steps: int = STEPS) -> tuple[Campaign, list[str]]:
    """Run a campaign; what was wrong after it."""
    campaign = Campaign(seed)
    try:
        campaign.run(steps)
        wrong = campaign.settle()
    except Exception:  # whatever it was, the next seed has its turn
        wrong = [traceback.format_exc()]
    return campaign, wrong


def said(counts: Counter[str]) -> str:
    """The counts as a person reads them."""
    return ", ".join(f"{counts[name]} {name}" for name in COUNTED)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.desk_in_process.campaign", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, default=1, help="the same seed draws the same (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="how many things happen (default: %(default)s)")
    parser.add_argument("--story", action="store_true", help="tell what happened, where something was wrong")
    args = parser.parse_args()
    total: Counter[str] = Counter()
    failed = []
    for seed in range(args.first, args.first + args.seeds):
        campaign, wrong = one(seed, args.steps)
        total += campaign.counts
        if wrong:
            failed.append(seed)
            sys.stdout.write("\n".join([f"seed {seed}:", *(campaign.story if args.story else ()), *wrong, ""]))
    sys.stdout.write(f"{args.seeds} seeds: {said(total)}\n")
    sys.stdout.write(f"failed: {', '.join(map(str, failed))}\n" if failed else "every promise is kept, always\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
