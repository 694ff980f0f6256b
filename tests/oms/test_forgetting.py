"""What has left memory is as if it were there: the same events, positions and money as of a desk that keeps all."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oms import books
from oms.state import AccountBook, Keep, State
from signalbox.messages import (
    Act,
    AdoptPosition,
    CorrectPosition,
    FillCorrected,
    Message,
    OrderStatus,
    PositionHeld,
    RenameSymbol,
    Side,
    SplitPosition,
    TimerFired,
    VenueAccepted,
    VenueCanceled,
    VenueExpired,
    VenueFill,
    VenueRejected,
    VenueSnapshot,
    VenueUnknown,
)

from tests.oms.forgetful import EVERYTHING, LITTLE, ForgetfulDesk, fold, settle_late

DU1 = ("ibkr", "DU1")


def forgetful(keep: Keep = LITTLE) -> ForgetfulDesk:
    return ForgetfulDesk(State(keep=keep))


def money(book: AccountBook) -> dict[str, Any]:
    """Everything that the desk says of an account."""
    return {
        "cash": {currency: amount for currency, amount in book.cash.items() if amount},
        "fees": {currency: amount for currency, amount in book.commission.items() if amount},
        "funding": {currency: amount for currency, amount in book.funding.items() if amount},
        "fills": book.fills,
        "positions": {
            name: (held.holding, held.commission, held.funding, held.trade_sequence, held.changed_by)
            for name, held in book.symbols.items()
        },
    }


ORDER_REPORTS = st.sampled_from(
    [
        (VenueAccepted, {"venue_order_id": "9"}),
        (VenueCanceled, {"reason": "x"}),
        (VenueRejected, {"code": "201", "reason": "x"}),
        (VenueExpired, {"reason": "x"}),
        (VenueUnknown, {"reason": "x"}),
    ]
)


@st.composite
def acts(draw: st.DrawFn, make: Any, number: int) -> Act:
    """What an operator does, after all fills were traded; later ones are told, and corrected, behind it."""
    at = make.at + timedelta(seconds=100 + number)
    common: dict[str, Any] = {"id": f"act-{number}", "at": at, "reason": "a test", "by": "anna", "symbol": "AAPL"}
    common |= {"venue": "ibkr", "account": "DU1"}
    match draw(st.integers(0, 3)):
        case 0:
            ratio = draw(st.sampled_from([(2, 1), (3, 2), (1, 4)]))
            terms = {"numerator": Decimal(ratio[0]), "denominator": Decimal(ratio[1])}
            return SplitPosition(**common, **terms, effective_at=at, keep_orders=True)
        case 1:
            return CorrectPosition(**common, quantity=Decimal(draw(st.integers(-9, 9))), price=Decimal(3))
        case 2:
            return AdoptPosition(**common, expected=Decimal(draw(st.integers(-9, 9))))
        case _:
            return RenameSymbol(**common, new_symbol="PEAR", keep_orders=True)


@st.composite
def histories(draw: st.DrawFn, make: Any, length_max: int = 40) -> list[Message]:
    """Many orders and executions in few symbols: late, twice, at the same time, corrected, busted, to another time."""
    incoming: list[Message] = []
    if draw(st.booleans()):
        incoming.append(make.snapshot(positions=(make.held("7", "9"),), execution_ids=("e0",)))
    for number in range(draw(st.integers(1, length_max))):
        order_id = f"o-{draw(st.integers(0, 7))}"
        match draw(st.integers(0, 10)):
            case 10:
                incoming.append(draw(acts(make, number)))
            case 0 | 1:
                incoming.append(make.approved(order_id, number))
            case 2 | 3 | 4 | 5:
                incoming.append(
                    make.fill(
                        str(draw(st.integers(0, 60))),
                        str(draw(st.integers(1, 5))),
                        order_id=draw(st.sampled_from([order_id, ""])),
                        execution_id=f"e{draw(st.integers(0, 9))}",
                        revision=draw(st.integers(1, 3)),
                        side=draw(st.sampled_from(Side)),
                        symbol=draw(st.sampled_from(["AAPL", "AAPL", "0700.HK"])),
                        seconds=draw(st.integers(0, 12)),
                        venue_order_id=draw(st.sampled_from(["1", "2"])),
                    )
                )
            case 6:
                kind, fields = draw(ORDER_REPORTS)
                incoming.append(make.report(kind, order_id, key=str(number % 3), seconds=number, **fields))
            case 7:
                fee = make.commission(
                    str(draw(st.integers(-2, 3))),
                    execution_id=f"e{draw(st.integers(0, 9))}",
                    revision=draw(st.integers(1, 2)),
                    order_id=draw(st.sampled_from([order_id, ""])),
                )
                incoming.append(fee)
            case 8:
                incoming.append(make.funding(str(number), hour=draw(st.integers(10, 14))))
            case _:
                incoming.append(draw(st.sampled_from([make.cancel(order_id, 500 + number), make.snapshot(number)])))
    if draw(st.booleans()):
        incoming.append(draw(st.sampled_from(incoming)))
    return incoming


def make_held(quantity: Decimal) -> PositionHeld:
    return PositionHeld(symbol="AAPL", quantity=quantity, average_price=Decimal(2))


def take_all(desk: ForgetfulDesk, incoming: list[Message]) -> None:
    for message in incoming:
        if isinstance(message, AdoptPosition):
            told = (make_held(message.expected),)
            desk.state.snapshots[DU1] = VenueSnapshot(
                id="told", at=message.at, venue="ibkr", account="DU1", currency="USD", cash=Decimal(0),
                positions=told, open_orders=(), execution_ids=(),
            )  # fmt: skip
        try:
            desk.take(message)
        except Exception as error:  # an illegal transition: the same ones with either memory
            desk.refused.append(f"{type(error).__name__} {error}")


@given(data=st.data(), keep=st.builds(Keep, st.integers(1, 3), st.integers(1, 4), st.integers(1, 2)))
@settings(max_examples=400)
def test_a_desk_that_forgets_says_the_same_as_one_that_keeps_all(make: Any, data: st.DataObject, keep: Keep) -> None:
    incoming = data.draw(histories(make))
    forgets, keeps = forgetful(keep), forgetful(EVERYTHING)
    for message in incoming:
        take_all(forgets, [message])
        take_all(keeps, [message])
        assert (forgets.log[-2:], forgets.refused) == (keeps.log[-2:], keeps.refused), message
    assert (forgets.commands, forgets.timers) == (keeps.commands, keeps.timers)
    forgets.settle()
    for account, book in keeps.state.accounts.items():
        assert money(forgets.state.accounts[account]) == money(book)
    assert (forgets.state.working, forgets.state.unprotected) == (keeps.state.working, keeps.state.unprotected)


@given(data=st.data())
@settings(max_examples=200)
def test_the_fold_of_the_log_is_the_live_memory(make: Any, data: st.DataObject) -> None:
    desk = forgetful()
    take_all(desk, data.draw(histories(make)))
    folded = fold(State(keep=LITTLE), desk.trade)
    for state_ in (desk.state, folded):
        settle_late(state_, desk.trade)
    for account, book in desk.state.accounts.items():
        assert money(folded.accounts[account]) == money(book)
    assert (folded.working, folded.orders_begun) == (desk.state.working, desk.state.orders_begun)


# ------------------------------------------------------------------------------------------------- one by one


def filled(make: Any, number: int, *, price: str = "10", seconds: float = 0, **fields: Any) -> list[Message]:
    order_id, when = f"o-{number}", seconds or number
    named = {"order_id": order_id, "execution_id": f"e{number}", "venue_order_id": str(number)}
    return [make.approved(order_id, number), make.fill("100", price, seconds=when, **named, **fields)]


def test_an_order_that_has_ended_leaves_and_is_found_again(make: Any) -> None:
    desk = forgetful().run(make.snapshot(), *filled(make, 1), *filled(make, 2))
    assert set(desk.state.orders) == {"o-2"}
    assert "o-1" not in desk.state.journals
    desk.take(make.report(VenueCanceled, "o-1", reason="late", seconds=9))
    assert desk.state.orders["o-1"].status is OrderStatus.FILLED
    desk.take(make.report(VenueCanceled, "o-1", reason="late", seconds=10))
    assert set(desk.state.orders) == {"o-1"}


def test_a_decision_on_an_order_that_has_left_makes_no_second_one(make: Any) -> None:
    desk = forgetful().run(make.snapshot(), *filled(make, 1), *filled(make, 2))
    events, commands = len(desk.log), dict(desk.commands)
    desk.take(make.approved("o-1", 1))
    desk.take(make.approved("o-1", 77))
    assert (len(desk.log), desk.commands) == (events, commands)


def test_a_fill_fee_and_payment_that_have_left_count_once(make: Any) -> None:
    story = [
        make.snapshot(),
        *filled(make, 1),
        make.commission("1", execution_id="e1"),
        make.funding(),
        make.funding(hour=17),
        *(message for number in range(2, 6) for message in filled(make, number)),
    ]
    desk = forgetful().run(*story)
    book = desk.state.accounts[DU1]
    assert "e1" not in book.executions
    assert "e1" not in book.fees
    events, before = len(desk.log), money(book)
    desk.run(*story[2:5])
    assert len(desk.log) == events
    assert money(book) == before


@pytest.mark.parametrize("told_with", ["o-8", ""], ids=["another order", "no order"])
def test_a_fee_that_came_before_its_fill_and_under_another_name_counts_once(make: Any, told_with: str) -> None:
    fee = make.commission("1", execution_id="e1", order_id=told_with)
    desk = forgetful().run(make.snapshot(), make.approved("o-8", 8), fee)
    desk.run(*(message for number in range(1, 6) for message in filled(make, number)))
    book = desk.state.accounts[DU1]
    assert "e1" not in book.executions
    events, before = len(desk.log), money(book)
    desk.take(fee)
    assert (len(desk.log), money(book)) == (events, before)
    desk.take(make.commission("3", execution_id="e1", revision=2, order_id=told_with))
    assert book.commission == {"USD": 3}
    assert "e1" not in book.fees  # it stands under its execution's order now


def test_what_is_corrected_to_a_later_time_comes_back_with_its_fee(make: Any) -> None:
    desk = forgetful().run(make.snapshot(), *filled(make, 1), make.commission("1", execution_id="e1", order_id="o-1"))
    desk.run(*(message for number in range(2, 6) for message in filled(make, number)))
    desk.take(make.fill("100", "10", order_id="o-1", execution_id="e1", revision=2, seconds=9))
    book = desk.state.accounts[DU1]
    assert "e1" in book.executions
    desk.take(make.commission("1", execution_id="e1", order_id="o-1"))
    assert isinstance(desk.log[-1], FillCorrected)
    desk.take(make.commission("3", execution_id="e1", revision=2, order_id="o-1"))
    assert book.commission == {"USD": 3}


def test_a_late_fill_among_those_that_are_here_reads_nothing(make: Any) -> None:
    desk = forgetful(Keep(executions=3, at_once=1)).run(
        make.snapshot(), *(m for n in (1, 2, 3, 4, 5) for m in filled(make, n))
    )
    desk.run(*filled(make, 9, price="20", seconds=3.5))
    assert not desk.state.accounts[DU1].symbols["AAPL"].is_late


def test_a_fill_that_is_older_than_all_that_are_here_counts_at_once_and_costs_later(make: Any) -> None:
    desk = forgetful().run(make.snapshot())
    for number, side in ((1, Side.BUY), (2, Side.BUY), (3, Side.SELL), (4, Side.SELL), (5, Side.BUY)):
        desk.run(*filled(make, number, price=str(10 + number), side=side))
    desk.run(*filled(make, 9, price="30", seconds=1.5))
    held = desk.state.accounts[DU1].symbols["AAPL"]
    assert held.is_late
    assert held.holding.quantity == 200
    assert desk.state.accounts[DU1].cash["USD"] == 100_000 - 100 * (11 + 30 + 12 - 13 - 14 + 15)
    desk.settle()
    # 300 at 11, 30, 12; two thirds sold: a third of 5,300 is left; 100 more at 15
    assert abs(held.holding.cost - (Decimal(5300) / 3 + 1500)) < Decimal("1e-20")
    assert not held.is_late


def test_fills_of_one_second_keep_their_order_when_one_is_corrected(make: Any) -> None:
    """Three of one second: 100 bought at 10, 100 sold at 12, 100 bought at 11; the sale is corrected to 12.45 less."""
    for keep in (EVERYTHING, Keep(executions=1, at_once=1)):
        desk = forgetful(keep).run(make.snapshot())
        for number, (side, price) in enumerate(((Side.BUY, "10"), (Side.SELL, "11"), (Side.BUY, "12")), start=1):
            desk.run(*filled(make, number, price=price, seconds=5, side=side))
        desk.take(make.fill("100", "11.45", order_id="o-2", execution_id="e2", revision=2, side=Side.SELL, seconds=5))
        desk.settle()
        held = desk.state.accounts[DU1].symbols["AAPL"]
        assert held.holding.realized_pnl(Decimal(1)) == 145
        assert (held.holding.quantity, held.holding.cost) == (100, 1200)


def test_a_position_is_folded_again_from_its_last_milestone_before_the_late_fill(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "MILESTONE_EXECUTIONS", 4)
    monkeypatch.setattr(books, "MILESTONES_MAX", 3)
    desk, keeps = forgetful(), forgetful(EVERYTHING)
    for number in range(1, 60):
        story = filled(make, number, price=str(number), side=Side.BUY if number % 3 else Side.SELL)
        desk.run(*(story if number > 1 else [make.snapshot(), *story]))
        keeps.run(*(story if number > 1 else [make.snapshot(), *story]))
    held = desk.state.accounts[DU1].symbols["AAPL"]
    assert 1 <= len(held.milestones) <= 3
    newest = held.milestones[-1]
    late = filled(make, 99, price="500", seconds=newest.place[0].second - 0.5)
    desk.run(*late)
    keeps.run(*late)
    assert newest not in held.milestones
    desk.settle()
    assert money(desk.state.accounts[DU1]) == money(keeps.state.accounts[DU1])


def test_what_is_corrected_after_it_has_left_moves_to_its_new_time(make: Any) -> None:
    desk, keeps = forgetful(), forgetful(EVERYTHING)
    story = [make.snapshot(), *(m for n in range(1, 9) for m in filled(make, n, price=str(n)))]
    moved = make.fill("30", "4", order_id="o-2", execution_id="e2", revision=2, seconds=7.5, side=Side.SELL)
    for each in (desk, keeps):
        each.run(*story, moved)
        each.settle()
    assert isinstance(desk.log[-1], FillCorrected)
    assert money(desk.state.accounts[DU1]) == money(keeps.state.accounts[DU1])


def test_nothing_leaves_an_account_before_its_baseline(make: Any) -> None:
    desk = forgetful().run(*(m for n in range(1, 6) for m in filled(make, n)))
    assert len(desk.state.accounts[DU1].executions) == 5
    desk.run(make.snapshot(execution_ids=("e2",)))
    book = desk.state.accounts[DU1]
    assert (len(book.executions), book.fills, book.symbols["AAPL"].holding.quantity) == (2, 4, 400)


def test_a_timer_of_an_order_that_has_left_says_nothing(make: Any) -> None:
    desk = forgetful().run(make.snapshot(), *filled(make, 1), *filled(make, 2))
    timer = TimerFired(id="timer/o-1", at=make.at, due=make.at, order_id="o-1")
    assert not desk.take(timer).events


def test_memory_does_not_grow_with_what_is_over(make: Any) -> None:
    desk = forgetful(Keep(ended_orders=5, executions=5, funding_payments=2, at_once=1)).run(make.snapshot())
    for number in range(1, 60):
        desk.run(*filled(make, number), make.commission(execution_id=f"e{number}"))
        desk.run(make.funding(hour=number % 24))
    book = desk.state.accounts[DU1]
    assert (len(desk.state.orders), len(desk.state.ended)) == (5, 5)
    assert len(desk.state.journals) <= 5 + 3
    assert (len(book.executions), len(book.fees), len(book.funding_payments)) == (5, 5, 2)
    assert len(book.symbols["AAPL"].execution_ids) == 5


def test_an_order_that_works_again_does_not_leave_and_one_that_is_heard_of_leaves_last(make: Any) -> None:
    desk = forgetful(Keep(ended_orders=2, executions=512, at_once=1)).run(make.snapshot(), make.approved("o-1", 1))
    desk.take(make.report(VenueRejected, "o-1", code="201", reason="no", seconds=1))
    assert list(desk.state.ended) == ["o-1"]
    desk.take(make.fill("40", order_id="o-1", venue_order_id="1"))  # it was not refused after all
    assert desk.state.orders["o-1"].status is OrderStatus.PARTIALLY_FILLED
    desk.run(*filled(make, 2), *filled(make, 3), make.report(VenueCanceled, "o-2", reason="late", seconds=9))
    desk.run(make.commission(execution_id="e2"))
    desk.run(*filled(make, 4))
    assert set(desk.state.orders) == {"o-1", "o-2", "o-4"}
    assert desk.state.working == {"o-1"}


def test_what_is_over_leaves_some_at_once(make: Any) -> None:
    desk = forgetful(Keep(ended_orders=5, executions=5, at_once=3)).run(make.snapshot())
    here = []
    for number in range(1, 14):
        desk.run(*filled(make, number))
        here.append((len(desk.state.ended), len(desk.state.accounts[DU1].executions)))
    assert here[4:] == [(5, 5), (6, 6), (7, 7)] * 3


def of_elsewhere(make: Any, number: int, quantity: str, price: str, seconds: float, revision: int = 1) -> VenueFill:
    fill: VenueFill = make.fill(
        quantity,
        price,
        order_id="",
        execution_id=f"e{number}",
        venue_order_id=f"v{number}",
        seconds=seconds,
        revision=revision,
    )
    return fill


@pytest.mark.parametrize("kind", ["split", "set"])
def test_a_fill_of_before_an_act_that_has_left_memory_is_in_old_shares(make: Any, kind: str) -> None:
    """What was corrected a split ago: 30 at 6 were 20, and so are 60 at 3; of what a figure was set for, nothing."""
    common: dict[str, Any] = {
        "id": "act-1",
        "at": make.at + timedelta(seconds=50),
        "venue": "ibkr",
        "account": "DU1",
        "symbol": "AAPL",
        "reason": "a test",
        "by": "anna",
    }
    said: Act = AdoptPosition(**common, expected=Decimal(77))
    if kind == "split":
        terms = {"numerator": Decimal(2), "denominator": Decimal(1), "effective_at": make.at + timedelta(seconds=40)}
        said = SplitPosition(**common, **terms)
    before = [make.snapshot(), *(of_elsewhere(make, number, "10", "6", number) for number in range(3, 6))]
    after = [of_elsewhere(make, number, "1", "3", 60 + number) for number in range(10, 20)]
    late = [of_elsewhere(make, 3, "30", "6", 3, revision=2), of_elsewhere(make, 30, "5", "6", 4.5)]
    forgets, keeps = forgetful(), forgetful(EVERYTHING)
    for desk in (forgets, keeps):
        take_all(desk, [*before, said, *after])
    book = forgets.state.accounts[DU1].symbols["AAPL"]
    assert len(book.execution_ids) < 5
    take_all(forgets, late)
    take_all(keeps, late)
    quantity = 2 * (30 + 20 + 5) + 10 if kind == "split" else 77 + 10
    assert book.holding.quantity == quantity
    assert book.is_late
    forgets.settle()
    held = keeps.state.accounts[DU1].symbols["AAPL"].holding
    assert (book.holding, held.quantity) == (held, quantity)
    cost = 55 * 6 + 10 * 3 if kind == "split" else 77 * 2 + 10 * 3
    assert held.cost == cost
