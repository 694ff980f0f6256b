"""What the deciders cost in process, each beside the least that such work takes, in the same run.

- `indicators.advance` and a rule, and `indicators.step` (a bar in, its score out), beside the formulas alone.
- An order's life in the OMS (created, accepted, filled: `oms.step` and the fold of what it says), beside decoding the
  three messages and encoding the three events, which the service does too and the desk in process does not; and beside
  the same order's life in NautilusTrader (`benchmarks.nautilus_orders` says what differs).
- All of it: a bar a minute goes through the indicators and a rule, and each hundredth one makes an order that risk
  decides, the OMS tracks and a venue fills; beside the formulas alone.
- An order through all of that after 1,000 orders and after 100,000: memories end, so it takes as long.

Processor time, the best of a few turns; of a life the median, each with messages that have just been read, as the
service has them. The goals are for a quiet machine of 2026; read the ratios elsewhere.

    python -m benchmarks.in_process
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from time import perf_counter, process_time
from typing import Any

from desk_in_process.simulated import SimulatedDesk
from desk_in_process.venue import VenueInProcess
from indicators.days import TradingDays
from indicators.formulas.indicator_set import EMPTY, Memory
from indicators.formulas.indicator_set import step as formulas
from indicators.state import Rules as IndicatorRules
from indicators.state import Series, parameters_of
from indicators.step import advance, step
from oms.evolve import evolve
from oms.outcome import Rules
from oms.state import State
from oms.step import step as step_of_oms
from signalbox import messages
from signalbox.desk import Desk, DeskInstrument, IndicatorParameters, Limits, Venue
from signalbox.exchange.quoting import MarketQuote
from signalbox.messages import (
    Bar,
    Decision,
    Fill,
    IntentApproved,
    OrderEvent,
    OrderIntent,
    OrderType,
    Report,
    Side,
    VenueAccepted,
    VenueFill,
)
from simulators.listings import listing_of

from benchmarks.nautilus_orders import Nautilus

VENUE, ACCOUNT, SYMBOL = "dydx", "dydx1-0", "BTC-USD"
AT, MINUTE = datetime(2024, 3, 4, tzinfo=UTC), timedelta(minutes=1)
BARS, BARS_AT_ONCE, LIVES, LIVES_AT_A_STRETCH, TURNS = 60_000, 2_000, 10_000, 100, 5
ORDERS, WINDOW, BARS_AN_ORDER = 100_000, 1_000, 100
ADVANCE_MIN, STEP_MIN, LIFE_US_MAX, DAY_MIN, FLAT_MIN = 800_000, 250_000, 30.0, 200_000, 0.8
PARAMETERS = parameters_of(IndicatorParameters())
RULES = Rules(submit_window=timedelta(seconds=30), unknown_grace=timedelta(seconds=15), venues=frozenset({VENUE}))
MANY, MUCH = 1_000_000, Decimal(10**9)
LIMITS = Limits(
    order_quantity_max=MUCH,
    order_notional_max=MUCH,
    position_quantity_max=MUCH,
    position_notional_max=MUCH,
    gross_exposure_max=MUCH,
    price_collar_fraction=Decimal("0.05"),
    price_age_seconds_max=60,
    account_age_seconds_max=60,
    intent_age_seconds_max=60,
    intents_per_minute_max=MANY,
    open_orders_max=MANY,
)

Prices = tuple[datetime, float, float, float]
"""Start of a bar, high, low, close."""


def seconds(work: Callable[[], object]) -> float:
    began = process_time()
    work()
    return process_time() - began


def best(work: Callable[[], object], turns: int = TURNS) -> float:
    return min(seconds(work) for _ in range(turns))


def prices(count: int) -> list[Prices]:
    """A seeded walk, a bar a minute around the clock."""
    walk, close, rows = random.Random(1), 100_000.0, []
    for number in range(count):
        before, close = close, close + round(walk.gauss(0, 20))
        high, low = max(before, close) + walk.randrange(9), min(before, close) - walk.randrange(9)
        rows.append((AT + MINUTE * number, high, low, close))
    return rows


def is_wanted(memory: Memory) -> bool:
    """A rule: the trend has just turned, and the close is a new high."""
    return abs(memory[9]) == 1 and memory[13] > 0


# ------------------------------------------------------------------------------------------------- indicators


def formulas_alone(rows: list[Prices]) -> float:
    """Bars a second."""

    def work() -> None:
        memory = EMPTY
        for _, high, low, close in rows:
            memory = formulas(memory, PARAMETERS, 1, high, low, close)

    return len(rows) / best(work)


def advancing(rows: list[Prices]) -> float:
    def work() -> None:
        memory, days = EMPTY, TradingDays("24/7")
        for start, high, low, close in rows:
            memory = advance(memory, PARAMETERS, days, start, high, low, close)
            is_wanted(memory)

    return len(rows) / best(work)


def stepping(rows: list[Prices]) -> float:
    """Of so many bars as a processor keeps at hand: live ones have just been decoded."""
    bars = [
        Bar(
            id=f"bar/{VENUE}/{SYMBOL}/1m/{start.isoformat()}",
            at=start + MINUTE,
            venue=VENUE,
            symbol=SYMBOL,
            timeframe="1m",
            start=start,
            open=Decimal(close),
            high=Decimal(high),
            low=Decimal(low),
            close=Decimal(close),
            volume=Decimal(1),
        )
        for start, high, low, close in rows[:BARS_AT_ONCE]
    ]
    rules = IndicatorRules(parameters=PARAMETERS, timeframes=frozenset({"1m"}))

    def work() -> None:
        series = Series()
        for bar in bars:
            series, _ = step(series, bar, rules)

    return len(bars) / best(work)


# -------------------------------------------------------------------------------------------- an order's life


def a_life(number: int) -> tuple[Decision, Report, Report]:
    order_id, at = f"order-{number}-9f1c77ab", AT + timedelta(seconds=number)
    intent = OrderIntent(
        id=order_id, at=at, venue=VENUE, symbol=SYMBOL, account=ACCOUNT, side=Side.BUY if number % 2 else Side.SELL,
        quantity=Decimal("0.1"), order_type=OrderType.MARKET,
    )  # fmt: skip
    decision = IntentApproved(
        id=f"decision-{number}", at=at, cause=order_id, intent_sequence=number, intent=intent, order_id=order_id,
        checks=(), reference_price=Decimal(100_000),
    )  # fmt: skip
    fill = Fill(
        execution_id=f"{number:08x}.0001", revision=1, order_id=order_id, symbol=SYMBOL, side=intent.side,
        quantity=intent.quantity, price=Decimal(100_000), at=at,
    )  # fmt: skip
    name, told = f"report/{VENUE}/{ACCOUNT}", {"at": at, "venue": VENUE, "account": ACCOUNT}
    venue_order_id = str(1_000_001 + number)
    accepted = VenueAccepted(
        id=f"{name}/accepted/{order_id}", order_id=order_id, venue_order_id=venue_order_id,
        **told,  # type: ignore[arg-type]
    )  # fmt: skip
    filled = VenueFill(
        id=f"{name}/fill/{fill.execution_id}.1", fill=fill, venue_order_id=venue_order_id,
        **told,  # type: ignore[arg-type]
    )  # fmt: skip
    return decision, accepted, filled


def lives() -> tuple[float, float, float]:
    """Microseconds of a life; of reading its messages and writing its events; of a life in NautilusTrader."""
    venue, state, stored = a_venue(), State(), 0
    for instrument in venue.instruments(AT):
        state.instruments[VENUE, instrument.symbol] = instrument

    def take(message: Decision | Report) -> tuple[OrderEvent, ...]:
        nonlocal stored
        outcome = step_of_oms(state, message, AT, RULES)
        for event in outcome.events:
            stored += 1
            evolve(state, event, stored)
        return outcome.events

    take(venue.snapshot(AT))
    nautilus = Nautilus()
    lived: list[float] = []
    wired: list[float] = []
    theirs: list[float] = []
    life: list[Decision | Report]
    for number in range(LIVES):
        decision, accepted, filled = map(messages.encode, a_life(number))
        began = perf_counter()
        life = [messages.decode(decision, Decision), messages.decode(accepted, Report), messages.decode(filled, Report)]
        read = perf_counter()
        events = [event for each in life for event in take(each)]
        done = perf_counter()
        for event in events:
            messages.encode(event)
        wired.append(perf_counter() - done + read - began)
        lived.append(done - read)
        assert len(events) == 3
        if number % LIVES_AT_A_STRETCH == 0:
            theirs += [nautilus.order()[1] for _ in range(LIVES_AT_A_STRETCH // 5)]
    return median(lived) * 1e6, median(wired) * 1e6, median(theirs)


# ------------------------------------------------------------------------------------------------ all of the desk


def a_venue() -> VenueInProcess:
    return VenueInProcess(VENUE, ACCOUNT, [listing_of(SYMBOL)], "USD", Decimal(10**7))


class Day:
    """A desk in process, and whoever trades on it."""

    def __init__(self) -> None:
        venues = {VENUE: Venue(accounts=(ACCOUNT,))}
        desk = Desk(
            name="bench", venues=venues, instruments=(DeskInstrument(venue=VENUE, symbol=SYMBOL),), limits=LIMITS
        )
        self.desk, self.number = SimulatedDesk(desk, RULES, [a_venue()], AT), 0
        self.size = Decimal("0.1")

    def order(self, at: datetime, close: float) -> None:
        """Buy or sell some at the market."""
        self.number += 1
        price, size, tick = Decimal(round(close)), Decimal(10), Decimal(1)
        quote = MarketQuote(
            SYMBOL, at, price - tick, price, size, size, price, size, size, price, price, price, price
        )  # fmt: skip
        self.desk.see(VENUE, quote)
        intent = OrderIntent(
            id=f"order-{self.number}-9f1c77ab", at=at, venue=VENUE, symbol=SYMBOL, quantity=self.size,
            side=Side.BUY if self.number % 2 else Side.SELL, order_type=OrderType.MARKET,
        )  # fmt: skip
        decision = self.desk.want(intent, at)
        self.desk.pass_time(at)
        assert isinstance(decision, IntentApproved), decision


def day_of_bars(rows: list[Prices]) -> float:
    """Bars a second, with an order each hundred."""
    day = Day()

    def work() -> None:
        memory, days, wanted = EMPTY, TradingDays("24/7"), 0
        for number, (start, high, low, close) in enumerate(rows, 1):
            memory = advance(memory, PARAMETERS, days, start, high, low, close)
            wanted += is_wanted(memory)
            if not number % BARS_AN_ORDER:
                day.order(start + MINUTE, close)

    taken = seconds(work)
    assert len(day.desk.orders.state.working) == 0
    return len(rows) / taken


def orders_in_a_row() -> tuple[float, float]:
    """Microseconds of an order after a thousand of them, and after a hundred thousand: the best of a few windows."""
    day, at = Day(), AT
    windows: list[float] = []

    def window() -> None:
        nonlocal at
        for _ in range(WINDOW):
            at += timedelta(seconds=1)
            day.order(at, 100_000.0)

    for _ in range(ORDERS // WINDOW + TURNS):
        windows.append(seconds(window) / WINDOW * 1e6)
    return min(windows[1 : 1 + TURNS]), min(windows[-TURNS:])


def _row(name: str, value: float, unit: str, reference: float, goal: str, met: bool | None) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 1) if value < 1000 else round(value),
        "unit": unit,
        "reference": round(reference, 1) if reference < 1000 else round(reference),
        "ratio": round(value / reference, 3),
        "goal": goal,
        "met": met,
    }


def run() -> list[dict[str, Any]]:
    """Measure."""
    rows = prices(BARS)
    alone = formulas_alone(rows)
    advanced, stepped, (life, wire, theirs) = advancing(rows), stepping(rows), lives()
    day, (early, late) = day_of_bars(rows), orders_in_a_row()
    flat = early / late
    return [
        _row("advance and a rule", advanced, "bars/s", alone, f"value >= {ADVANCE_MIN}", advanced >= ADVANCE_MIN),
        _row("bar in, score out", stepped, "bars/s", alone, f"value >= {STEP_MIN}", stepped >= STEP_MIN),
        _row("OMS: created, accepted, filled", life, "us", wire, f"value <= {LIFE_US_MAX:g}", life <= LIFE_US_MAX),
        _row("the same, beside NautilusTrader", life, "us", theirs, "", None),
        _row("desk in process, order each 100", day, "bars/s", alone, f"value >= {DAY_MIN}", day >= DAY_MIN),
        _row(f"order in process after {ORDERS:,}", late, "us", early, f"ratio <= {1 / FLAT_MIN:g}", flat >= FLAT_MIN),
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
