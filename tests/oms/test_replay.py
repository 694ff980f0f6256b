"""What must hold whatever comes, in whatever order, however often, and wherever the process dies."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oms.evolve import evolve
from oms.state import AccountBook
from signalbox.messages import (
    Message,
    OrderStatus,
    Side,
    TimerFired,
    VenueCanceled,
    VenueCancelRejected,
    VenueExpired,
    VenueRejected,
    VenueTriggered,
    VenueUnknown,
)

QUANTITIES = st.integers(1, 50)
PRICES = st.decimals(min_value=1, max_value=20, places=2)
SYMBOLS = st.sampled_from(["AAPL", "0700.HK", "AAPL 240119C00190000"])


@st.composite
def executions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Executions of two known orders and some placed elsewhere: some revised, some with fees, each at its own time."""
    found = []
    for number in range(draw(st.integers(0, 8))):
        symbol = draw(SYMBOLS)
        revisions = [(draw(QUANTITIES), draw(PRICES)) for _ in range(draw(st.integers(1, 3)))]
        found.append(
            {
                "execution_id": f"e{number}",
                "order_id": draw(st.sampled_from(["o-1", "o-2", ""])) if symbol == "AAPL" else "",
                "venue_order_id": draw(st.sampled_from(["1", "2"])) + symbol,
                "symbol": symbol,
                "side": draw(st.sampled_from(Side)),
                "seconds": 10 + number,
                "revisions": revisions,
                "fee": draw(st.none() | st.decimals(min_value=-3, max_value=3, places=2)),
            }
        )
    return found


def reports_of(make: Any, found: list[dict[str, Any]]) -> list[Message]:
    reports: list[Message] = []
    for given_fields in found:
        fields = {name: value for name, value in given_fields.items() if name not in ("revisions", "fee")}
        for revision, (quantity, price) in enumerate(given_fields["revisions"], start=1):
            reports.append(make.fill(str(quantity), str(price), revision=revision, **fields))
        if given_fields["fee"] is not None:
            reports.append(make.commission(str(given_fields["fee"]), execution_id=given_fields["execution_id"]))
    return reports


@st.composite
def payments(draw: st.DrawFn, make: Any) -> list[Message]:
    """Funding of some hours and symbols, paid or received."""
    found: list[Message] = []
    for hour in range(10, 10 + draw(st.integers(0, 5))):
        amount = draw(st.decimals(min_value=-3, max_value=3, places=6))
        symbol = draw(SYMBOLS)
        currency = "HKD" if symbol == "0700.HK" else "USD"
        found.append(make.funding(str(amount), hour=hour, symbol=symbol, currency=currency))
    return found


def figures(book: AccountBook) -> dict[str, Any]:
    """The books without when and by what message they came about."""
    return {
        "cash": {currency: cash for currency, cash in book.cash.items() if cash},
        "commission": {currency: fee for currency, fee in book.commission.items() if fee},
        "funding": {currency: amount for currency, amount in book.funding.items() if amount},
        "payments": {name: (paid.symbol, paid.amount, paid.currency) for name, paid in book.funding_payments.items()},
        "symbols": {
            name: (held.holding, held.commission, held.funding, held.multiplier) for name, held in book.symbols.items()
        },
        "executions": {name: execution.fill for name, execution in book.executions.items()},
    }


@given(data=st.data(), found=executions(), adopted=st.booleans())
@settings(max_examples=300)
def test_any_order_and_repetition_of_reports_gives_the_same_books(
    make: Any, data: st.DataObject, found: list[dict[str, Any]], adopted: bool
) -> None:
    paid = data.draw(payments(make))
    baseline = make.snapshot(
        cash=Decimal(1000),
        positions=(make.held("7", "9"),),
        execution_ids=("e0",) if adopted else (),
        funding_ids=tuple(report.funding_id for report in paid[:1]) if adopted else (),
    )
    reports = [baseline, *reports_of(make, found), *paid]
    in_order = make.desk().run(make.approved(), make.approved("o-2", 2), *reports)
    shuffled = data.draw(st.permutations(reports + data.draw(st.lists(st.sampled_from(reports), max_size=5))))
    other = make.desk().run(make.approved(), make.approved("o-2", 2), *shuffled)
    key = ("ibkr", "DU1")
    assert figures(other.state.accounts[key]) == figures(in_order.state.accounts[key])


@given(data=st.data(), found=executions())
def test_a_position_is_the_sum_of_its_fills_and_cash_what_they_moved(
    make: Any, data: st.DataObject, found: list[dict[str, Any]]
) -> None:
    paid = data.draw(payments(make))
    desk = make.desk().run(make.approved(), make.approved("o-2", 2), *reports_of(make, found), *paid)
    money = {"AAPL": ("USD", 1), "0700.HK": ("HKD", 1), "AAPL 240119C00190000": ("USD", 100)}
    quantities: dict[str, int] = {}
    cash: dict[str, Decimal] = {"USD": Decimal(0), "HKD": Decimal(0)}
    for execution in found:
        (quantity, price), (currency, multiplier) = execution["revisions"][-1], money[execution["symbol"]]
        sign = execution["side"].sign
        quantities[execution["symbol"]] = quantities.get(execution["symbol"], 0) + sign * quantity
        cash[currency] -= sign * quantity * price * multiplier
        cash["USD"] -= execution["fee"] or 0
    for payment in paid:
        cash[payment.currency] += payment.amount
    book = desk.state.accounts.get(("ibkr", "DU1"), AccountBook("ibkr", "DU1"))
    assert {name: held.holding.quantity for name, held in book.symbols.items()} == quantities
    assert {currency: book.cash.get(currency, 0) for currency in cash} == cash


# ------------------------------------------------------------------------------------------- anything in any order

ORDER_REPORTS = st.sampled_from(
    [
        (VenueTriggered, {}),
        (VenueCanceled, {"reason": "x"}),
        (VenueRejected, {"code": "201", "reason": "x"}),
        (VenueExpired, {"reason": "x"}),
        (VenueCancelRejected, {"code": "", "reason": "x"}),
        (VenueUnknown, {"reason": "x"}),
    ]
)


@st.composite
def anything(draw: st.DrawFn, make: Any) -> list[Message]:
    """A story in which nothing need make sense."""
    incoming: list[Message] = [make.approved()]
    for number in range(draw(st.integers(0, 15))):
        match draw(st.integers(0, 7)):
            case 0:
                incoming.append(make.accepted(venue_order_id=draw(st.sampled_from(["9001", "9002"]))))
            case 1:
                execution_id, revision = f"e{draw(st.integers(0, 3))}", draw(st.integers(1, 3))
                quantity = str(draw(st.integers(0, 60)))
                incoming.append(make.fill(quantity, execution_id=execution_id, revision=revision, seconds=number))
            case 2:
                kind, fields = draw(ORDER_REPORTS)
                incoming.append(make.report(kind, key=str(draw(st.integers(0, 1))), seconds=number, **fields))
            case 3:
                incoming.append(make.cancel(number=50 + draw(st.integers(0, 2))))
            case 4:
                incoming.append(make.snapshot(number))
            case 5:
                incoming.append(make.commission(execution_id=f"e{draw(st.integers(0, 3))}"))
            case 6:
                incoming.append(make.funding(hour=16 + draw(st.integers(0, 2))))
            case _:
                incoming.append(TimerFired(id="timer/o-1", at=make.at, due=make.at, order_id="o-1"))
    return incoming


@given(data=st.data())
@settings(max_examples=300)
def test_replaying_the_log_gives_the_live_state_twice(make: Any, data: st.DataObject) -> None:
    desk = make.desk().run(*data.draw(anything(make)))
    first, second = desk.restart().state, desk.restart().state
    for state in (first, second):
        state.instruments = desk.state.instruments
        assert state == desk.state


@given(data=st.data())
def test_an_event_that_is_folded_twice_counts_once(make: Any, data: st.DataObject) -> None:
    desk = make.desk().run(*data.draw(anything(make)))
    state = desk.restart().state
    state.instruments = desk.state.instruments
    for sequence, event in enumerate(desk.log, start=1):
        evolve(state, event, sequence)
    assert state == desk.state


@given(data=st.data())
def test_every_event_of_an_order_is_the_next_of_its_journal(make: Any, data: st.DataObject) -> None:
    desk = make.desk().run(*data.draw(anything(make)))
    numbers: dict[str, int] = {}
    for event in desk.log:
        key, _, number = event.id.rpartition("/")
        numbers[key] = numbers.get(key, 0) + 1
        assert int(number) == numbers[key]


@given(data=st.data())
@settings(max_examples=200)
def test_a_message_delivered_again_at_once_changes_nothing(make: Any, data: st.DataObject) -> None:
    desk = make.desk()
    for message in data.draw(anything(make)):
        desk.take(message)
        events, commands = len(desk.log), dict(desk.commands)
        again = desk.restart()
        again.take(message)
        assert (len(again.log), again.commands) == (events, commands)


# ------------------------------------------------------------------------------------------- it dies on this line


def story(make: Any) -> list[Message]:
    return [
        make.snapshot(positions=(make.held("5", "9"),)),
        make.approved(),
        make.accepted(),
        make.fill("40", execution_id="e1"),
        make.commission("1", execution_id="e2"),
        make.cancel(),
        make.fill("10", execution_id="e2", seconds=4),
        make.fill("9", execution_id="e2", revision=2, seconds=4),
        make.report(VenueCanceled, reason="by request", seconds=5),
        make.funding(),
        make.fill("3", order_id="", execution_id="e3", venue_order_id="777", seconds=6),
        make.denied("o-2", 3),
        make.approved("o-3", 4),
        make.report(VenueRejected, "o-3", code="201", reason="margin"),
    ]


@pytest.mark.parametrize("deaths", [1, 2, 3])
def test_wherever_it_dies_the_log_ends_the_same(make: Any, deaths: int) -> None:
    whole = make.desk().run(*story(make))
    lines = len(whole.log) + len(whole.commands) + len(whole.timers) + len(story(make))
    for line in range(lines + 1):
        desk, waiting = make.desk(), story(make)
        desk.lines_left, left = line, deaths
        while waiting:
            try:
                desk.take(waiting[0])
            except make.died:
                left -= 1
                desk = desk.restart()
                desk.lines_left = line % 3 if left else None
            else:
                waiting.pop(0)
        assert desk.log == whole.log
        assert (desk.commands, desk.timers) == (whole.commands, whole.timers)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=500)
def test_three_consumers_and_any_deaths_submit_and_book_everything_once(make: Any, seed: int) -> None:
    """Decisions, reports and timers each in their order, interleaved anyhow; a report follows its command."""
    decisions = [make.approved(f"o-{number}", number) for number in range(3)]
    reports = {
        f"o-{n}": [make.accepted(f"o-{n}"), make.fill("100", order_id=f"o-{n}", execution_id=f"e{n}")] for n in range(3)
    }
    chance = random.Random(seed)
    desk, snapshots = make.desk(), [make.snapshot(0), make.snapshot(50), make.snapshot(60)]
    finishes = False  # a process begins with the decision that the one before had in hand: the command may be there
    while decisions or any(reports.values()):
        desk.lines_left = chance.choice([None, 0, 1, 2, 3])
        # a venue only reports on what it has been commanded; a snapshot may come at any time
        ready = [queue for name, queue in reports.items() if queue and f"command.ibkr.{name}.0" in desk.commands]
        timers = [list(desk.timers.values())[-1:]] if desk.timers else []
        queue = decisions if finishes else chance.choice([q for q in (decisions, snapshots, *timers, *ready) if q])
        try:
            desk.take(queue[0], at=make.at.replace(year=2025))
        except make.died:
            desk = desk.restart()
            finishes = queue is decisions
        else:
            queue.pop(0)
            finishes = False
    assert sorted(desk.commands) == [f"command.ibkr.o-{number}.0" for number in range(3)]
    assert {order.status for order in desk.state.orders.values()} == {OrderStatus.FILLED}
    assert desk.state.accounts["ibkr", "DU1"].symbols["AAPL"].holding.quantity == 300
