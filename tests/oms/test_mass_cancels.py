"""One intent cancels many orders: each that works, was approved before it and has what it names, once, and no other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from oms import cancels
from oms.outcome import NOTHING
from oms.recall import NOTHING_WANTED, wanted_by_message
from signalbox.messages import (
    CancelOrder,
    FlattenIntent,
    OrderPendingCancel,
    OrderStatus,
    VenueCanceled,
    VenueCancelRejected,
    VenueRejected,
    VenueUnknown,
)

PENDING_CANCEL, UNKNOWN = OrderStatus.PENDING_CANCEL, OrderStatus.UNKNOWN


def asked(desk: Any, cause: str = "decision-90") -> list[str]:
    """The orders that were asked to cancel, each as often as it was."""
    return [event.order_id for event in desk.log if isinstance(event, OrderPendingCancel) and event.cause == cause]


def cancel_commands(desk: Any) -> dict[str, str]:
    """By subject, what made each command to cancel necessary."""
    return {name: command.cause for name, command in desk.commands.items() if isinstance(command, CancelOrder)}


def test_each_working_order_is_asked_as_a_cancel_of_one_asks(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.accepted(), make.cancel(), make.approved("o-2", 2))
    outcome = desk.take(desk.decided(make.mass_cancel()))
    assert [(event.order_id, event.status, event.id) for event in outcome.events] == [
        ("o-1", PENDING_CANCEL, "o-1/4"),  # asked again, the venue is too
        ("o-2", PENDING_CANCEL, "o-2/2"),
    ]
    assert [(revision, command.id, command.venue_order_id) for revision, command in outcome.commands] == [
        (2, "command/o-1/2", "9001"),
        (1, "command/o-2/1", ""),
    ]
    assert cancel_commands(desk) == {
        "command.ibkr.o-1.1": "decision-50",
        "command.ibkr.o-1.2": "decision-90",
        "command.ibkr.o-2.1": "decision-90",
    }


def test_orders_that_have_ended_or_never_were_are_left_alone(make: Any) -> None:
    desk = make.desk().run(
        make.approved(),
        make.fill("100"),
        make.approved("o-2", 2),
        make.report(VenueRejected, "o-2", code="201", reason="margin"),
        make.denied("o-3", 3),
    )
    assert desk.take(desk.decided(make.mass_cancel())) == NOTHING


def test_an_order_that_is_unknown_is_asked_and_stays_unknown(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.report(VenueUnknown, reason="no answer"))
    outcome = desk.take(desk.decided(make.mass_cancel()))
    assert ([event.status for event in outcome.events], len(outcome.commands)) == ([UNKNOWN], 1)


def test_an_order_whose_cancel_was_refused_is_not_asked_again_by_the_same_intent(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.accepted())
    mass_cancel = desk.decided(make.mass_cancel())
    desk.run(mass_cancel, make.report(VenueCancelRejected, code="10148", reason="can not be cancelled"))
    assert desk.take(mass_cancel) == NOTHING
    assert desk.take(desk.decided(make.mass_cancel(91))).commands[0][0] == 2  # by another one it is


@pytest.mark.parametrize(
    ("named", "covered"),
    [
        ({}, ["o-1", "o-2", "o-3", "o-4"]),
        ({"venue": "ibkr"}, ["o-1", "o-2", "o-3"]),
        ({"account": "DU2"}, ["o-2", "o-4"]),
        ({"symbol": "MSFT"}, ["o-3"]),
        ({"strategy": "trend"}, ["o-1", "o-3"]),
        ({"venue": "ibkr", "account": "DU1", "symbol": "AAPL", "strategy": "trend"}, ["o-1"]),
        ({"venue": "dydx", "strategy": "trend"}, []),
        ({"strategy": "Trend"}, []),
        ({"account": "nobody's"}, []),
    ],
)
def test_what_is_named_is_what_the_order_has(make: Any, named: dict[str, str], covered: list[str]) -> None:
    desk = two_venues(make)
    desk.run(
        make.approved("o-1", 1, strategy="trend"),
        make.approved("o-2", 2, account="DU2"),
        make.approved("o-3", 3, symbol="MSFT", strategy="trend"),
        make.approved("o-4", 4, venue="dydx", account="DU2"),
    )
    desk.take(desk.decided(make.mass_cancel(**named)))
    assert asked(desk) == covered


def two_venues(make: Any) -> Any:
    desk = make.desk()
    known = desk.state.instruments["ibkr", "AAPL"]
    for venue in ("ibkr", "dydx"):
        for symbol in ("AAPL", "MSFT"):
            desk.state.instruments[venue, symbol] = replace(known, venue=venue, symbol=symbol)
    return desk


# ------------------------------------------------------------------------------------------------- by TRADE's order


def test_an_order_that_was_approved_after_it_is_not_covered_whenever_it_is_delivered_again(make: Any) -> None:
    desk = make.desk()
    before, mass_cancel = desk.decided(make.approved("before", 1)), desk.decided(make.mass_cancel())
    after = desk.decided(make.approved("after", 2))
    desk.run(before, mass_cancel, after)
    for again in (desk, desk.restart()):
        assert again.take(mass_cancel) == NOTHING
        assert asked(again) == ["before"]


def test_an_order_that_was_approved_before_it_and_is_created_after_it_is_covered(make: Any) -> None:
    """The approval could not be handled when its turn came; whatever comes after it is delivered again, too."""
    desk = make.desk()
    before, mass_cancel = desk.decided(make.approved("before", 1)), desk.decided(make.mass_cancel())
    after = desk.decided(make.approved("after", 2))
    desk.run(mass_cancel, after, before)
    assert asked(desk) == []
    desk.take(mass_cancel)
    assert asked(desk) == ["before"]


def test_an_order_of_before_there_were_places_of_approvals_began_at_its_first_event(make: Any) -> None:
    desk = make.desk().run(make.approved("old", 1))
    mass_cancel = desk.decided(make.mass_cancel())
    desk.run(make.approved("young", 2), mass_cancel)
    assert asked(desk) == ["old"]


def test_without_its_place_in_trade_nothing_is_guessed(make: Any) -> None:
    desk = make.desk().run(make.approved())
    with pytest.raises(AssertionError, match="place in TRADE"):
        desk.decide(make.mass_cancel())


def test_nothing_is_looked_up_for_it_as_what_works_is_in_memory(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill("100"))
    assert wanted_by_message(desk.state, make.mass_cancel()) == NOTHING_WANTED


# ---------------------------------------------------------------------------------------------------- many, and deaths


def many(make: Any, count: int) -> Any:
    return make.desk().run(*(make.approved(f"o-{number}", number) for number in range(1, count + 1)))


def test_many_are_asked_in_parts_the_oldest_first(make: Any) -> None:
    count = 2 * cancels.ORDERS_AT_ONCE + 7
    desk = many(make, count)
    mass_cancel = desk.decided(make.mass_cancel())
    parts = []
    while not parts or parts[-1].more:
        parts.append(desk.decide(mass_cancel))
        for revision, command in parts[-1].commands:
            desk.command(revision, command)
        for event in parts[-1].events:
            desk.store(event)
    assert [len(part.events) for part in parts] == [cancels.ORDERS_AT_ONCE, cancels.ORDERS_AT_ONCE, 7]
    assert asked(desk) == [f"o-{number}" for number in range(1, count + 1)]
    assert desk.decide(mass_cancel) == NOTHING


def test_orders_that_began_together_are_asked_in_the_same_order_by_every_process(make: Any) -> None:
    """As the legs of a list do. Which of the working ones comes first in a set, each process throws dice for."""
    desk = many(make, 5)
    mass_cancel = desk.decided(make.mass_cancel())
    together = {key: replace(order, begun_at_sequence=1) for key, order in desk.state.orders.items()}
    desk.state.orders.update(together)
    found = []
    for keys in (sorted(desk.state.working), sorted(desk.state.working, reverse=True)):
        desk.state.working = dict.fromkeys(keys)
        found.append(desk.decide(mass_cancel))
    assert [event.order_id for event in found[0].events] == [f"o-{number}" for number in range(1, 6)]
    assert found[0] == found[1]


def test_wherever_it_dies_each_order_is_asked_once_and_by_one_command(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancels, "ORDERS_AT_ONCE", 2)
    whole = many(make, 5)
    whole.take(whole.decided(make.mass_cancel()))
    assert len(cancel_commands(whole)) == 5
    for line in range(11):
        for then in range(3):
            desk = many(make, 5)
            mass_cancel, taken = desk.decided(make.mass_cancel()), False
            desk.lines_left, deaths = line, 2
            while not taken:
                try:
                    desk.take(mass_cancel)
                except make.died:
                    deaths -= 1
                    desk = desk.restart()
                    desk.lines_left = then if deaths else None
                else:
                    taken = True
            assert sorted(event.id for event in desk.log) == sorted(event.id for event in whole.log)
            assert asked(desk) == asked(whole)
            assert desk.commands == whole.commands


def test_what_ends_between_two_parts_is_not_asked(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancels, "ORDERS_AT_ONCE", 1)
    desk = many(make, 3)
    mass_cancel = desk.decided(make.mass_cancel())
    first = desk._take_part(mass_cancel, make.at)
    assert first.more
    desk.run(make.fill("100", order_id="o-2"), make.report(VenueCanceled, "o-1", reason="by request"))
    desk.take(mass_cancel)
    assert asked(desk) == ["o-1", "o-3"]


NAMES = st.sampled_from(["", "trend", "pairs"])
ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["ibkr", "dydx"]),
        st.sampled_from(["DU1", "DU2"]),
        st.sampled_from(["AAPL", "MSFT"]),
        NAMES,
        st.sampled_from(["new", "accepted", "filled in part", "filled", "canceled", "unknown", "cancelling"]),
        st.booleans(),
    ),
    max_size=12,
)


@given(
    orders=ORDERS,
    venue=st.sampled_from(["", "ibkr", "dydx"]),
    account=st.sampled_from(["", "DU1", "DU2"]),
    symbol=st.sampled_from(["", "AAPL", "MSFT"]),
    strategy=NAMES,
    at_once=st.integers(1, 4),
    line=st.none() | st.integers(0, 12),
)
@settings(max_examples=300, deadline=None)
def test_each_covered_order_is_asked_once_and_no_other_is(
    make: Any, orders: list[Any], at_once: int, line: int | None, **named: str
) -> None:
    desk, covered, mass_cancel = two_venues(make), [], make.mass_cancel(**named)
    approvals = []
    for number, (venue, account, symbol, strategy, _, is_before) in enumerate(orders):
        facts = {"venue": venue, "account": account, "symbol": symbol, "strategy": strategy}
        approvals.append((is_before, make.approved(f"o-{number}", number, **facts)))
    for _, approval in [each for each in approvals if each[0]]:
        desk.decided(approval)
    desk.decided(mass_cancel)
    for _, approval in [each for each in approvals if not each[0]]:
        desk.decided(approval)
    for number, (venue, account, symbol, strategy, life, is_before) in enumerate(orders):
        name = f"o-{number}"
        desk.take(approvals[number][1])
        live(make, desk, name, life, venue, account, symbol)
        wanted = [(named["venue"], venue), (named["account"], account), (named["symbol"], symbol)]
        wanted.append((named["strategy"], strategy))
        if is_before and life not in ("filled", "canceled") and all(want in ("", has) for want, has in wanted):
            covered.append(name)
    commands = cancel_commands(desk)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cancels, "ORDERS_AT_ONCE", at_once)
        desk.lines_left = line
        try:
            desk.take(mass_cancel)
        except make.died:
            desk = desk.restart()
            desk.lines_left = None
            desk.take(mass_cancel)
        desk.lines_left = None
        desk.restart().take(mass_cancel)
    assert sorted(asked(desk)) == sorted(covered)
    made = {name: cause for name, cause in cancel_commands(desk).items() if name not in commands}
    assert sorted(name.split(".")[2] for name in made) == sorted(covered)
    assert set(made.values()) <= {"decision-90"}


def live(make: Any, desk: Any, name: str, life: str, venue: str, account: str, symbol: str) -> None:
    """Have an order come to a point of its life."""

    def told(report: Any) -> Any:
        return replace(report, id=f"{report.id}/{name}", venue=venue, account=account)

    fill = make.fill("40", order_id=name, execution_id=f"e-{name}", symbol=symbol)
    ways: dict[str, list[Any]] = {
        "new": [],
        "accepted": [make.accepted(name)],
        "filled in part": [fill],
        "filled": [replace(fill, fill=replace(fill.fill, quantity=Decimal(100)))],
        "canceled": [make.report(VenueCanceled, name, reason="by hand")],
        "unknown": [make.report(VenueUnknown, name, reason="no answer")],
    }
    for report in ways.get(life, ()):
        desk.take(told(report))
    if life == "cancelling":
        cancel = make.cancel(name, 1000 + len(desk.log), account)
        desk.take(replace(cancel, intent=replace(cancel.intent, venue=venue)))


def test_a_flatten_cancels_what_it_names_and_closes_nothing_by_itself(make: Any) -> None:
    """What is held risk closes, by orders of their own."""
    desk = make.desk().run(make.approved(), make.approved("o-2", 2, symbol="0700.HK"))
    home = FlattenIntent(id="home", at=make.at, venue="ibkr", symbol="AAPL")
    flatten = desk.decided(replace(make.mass_cancel(), intent=home))
    assert [event.order_id for event in desk.take(flatten).events] == ["o-1"]
    assert desk.take(flatten) == NOTHING


def test_the_order_of_a_flatten_has_one_name_in_the_whole_desk(make: Any) -> None:
    """Its timer knows it by that alone."""
    desk = make.desk()
    [timer] = desk.take(make.approved("home.1")).timers
    assert list(desk.state.orders) == ["home.1"]
    [unknown] = desk.take(timer, at=timer.due).events
    assert (unknown.order_id, unknown.id) == ("home.1", "home.1/2")
