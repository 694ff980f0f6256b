"""An order for a group of accounts: one decision, all accounts or none, and what each gets by what it has."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk.checkpoint import StateLoader, capture
from risk.decide import explain, orders_of
from risk.state import opening_state
from signalbox import messages
from signalbox.account_groups import AccountGroup
from signalbox.desk import Venue
from signalbox.messages import (
    AllocationMethod,
    Decision,
    IntentApproved,
    IntentDenied,
    LinkStatus,
    OrderStatus,
    SwitchScope,
    SwitchTrading,
    TradingMode,
)

from tests.risk.conftest import NOON, VENUE, World

ACCOUNTS = ("DU1", "DU2", "DU3")
EQUAL, NET_LIQ, AVAILABLE, PCT = AllocationMethod


def desk_of(**limits: Any) -> World:
    """A desk with three accounts in the group `growth`, all that an order needs heard but for what each has."""
    groups = (AccountGroup(venue=VENUE, name="growth", accounts=ACCOUNTS),)
    return World(
        limits=limits, desk={"venues": {VENUE: Venue(accounts=ACCOUNTS)}, "groups": groups}, account_name=ACCOUNTS[0]
    )


def ready(w: World, worth: dict[str, str] | None = None, held: dict[str, str] | None = None) -> World:
    w.ready()
    for name in ACCOUNTS:
        w.account_name = name
        positions = (w.held("SPY", held[name]),) if held and name in held else ()
        if name != ACCOUNTS[0]:
            w.adopt(positions=positions)
        w.account(**_figures(worth, name)).link()
    w.account_name = ACCOUNTS[0]
    return w


def _figures(worth: dict[str, str] | None, name: str) -> dict[str, Decimal]:
    amount = Decimal(worth[name]) if worth else Decimal(1_000_000)
    return {"net_liquidation": amount, "available_funds": amount}


def order(w: World, quantity: str = "100", method: AllocationMethod = EQUAL, **changes: Any) -> Any:
    return w.order(changes.pop("side", "BUY"), quantity, id="X", group="growth", method=method, **changes)


def given_to(decision: Decision) -> dict[str, Decimal]:
    assert isinstance(decision, IntentApproved), decision
    return {part.intent.account: part.intent.quantity for part in decision.parts}  # type: ignore[union-attr]


def working(w: World) -> dict[str, tuple[str, Decimal]]:
    return {name: (each.account, each.open_quantity) for name, each in w.state.orders.items()}


def denied(decision: Decision) -> IntentDenied:
    assert isinstance(decision, IntentDenied)
    return decision


# ------------------------------------------------------------------------------------------------------ sharing out


def test_one_decision_is_an_order_in_each_account() -> None:
    w = ready(desk_of())
    decision = w.decide(order(w))
    assert given_to(decision) == {"DU1": 34, "DU2": 33, "DU3": 33}
    assert working(w) == {"X.1": ("DU1", 34), "X.2": ("DU2", 33), "X.3": ("DU3", 33)}
    assert (decision.order_id, decision.placed) == ("X", None)
    assert [placed.id for placed in decision.places] == ["X.1", "X.2", "X.3"]
    assert decision.intent.account == "", "it is in no one account"


def test_by_what_each_is_worth_and_by_what_it_has_free() -> None:
    w = ready(desk_of(), {"DU1": "100000", "DU2": "100000", "DU3": "200000"})
    assert given_to(w.decide(order(w, method=NET_LIQ))) == {"DU1": 25, "DU2": 25, "DU3": 50}
    w = ready(desk_of(), {"DU1": "1000000", "DU2": "0", "DU3": "1000000"})
    decision = w.decide(order(w, method=AVAILABLE))
    assert given_to(decision) == {"DU1": 50, "DU3": 50}
    assert list(working(w)) == ["X.1", "X.3"], "who gets nothing keeps its number"


def test_the_decision_states_what_it_was_shared_out_by() -> None:
    w = ready(desk_of(), {"DU1": "100000", "DU2": "100000", "DU3": "200000"})
    decision = w.decide(order(w, method=NET_LIQ))
    assert decision.basis is not None
    seen = {each.name: (each.number, each.net_liquidation, each.account.source) for each in decision.basis.members}
    assert seen == {
        "DU1": (1, 100000, "STATE:9"), "DU2": (2, 100000, "STATE:9"), "DU3": (3, 200000, "STATE:9")
    }  # fmt: skip
    told = {check.name: check.observed for check in explain(w.state.rules, decision) if check.name == "allocation"}
    assert told == {"allocation": "DU1 25, DU2 25, DU3 50"}
    assert len(explain(w.state.rules, decision)) == decision.passed


@pytest.mark.parametrize(
    ("side", "held", "percent", "parts"),
    [
        ("SELL", {"DU2": "100", "DU3": "33"}, "50", {"DU2": 50, "DU3": 16}),
        ("BUY", {"DU2": "100", "DU3": "40"}, "25", {"DU2": 25, "DU3": 10}),
        ("BUY", {"DU2": "-100", "DU3": "-40"}, "100", {"DU2": 100, "DU3": 40}),
    ],
)
def test_a_percentage_of_what_each_holds(side: str, held: dict[str, str], percent: str, parts: dict[str, int]) -> None:
    w = ready(desk_of(), held=held)
    decision = w.decide(order(w, "0", PCT, side=side, percent=Decimal(percent)))
    assert given_to(decision) == parts


@pytest.mark.parametrize(
    ("held", "wanted", "said"),
    [
        (
            {"DU2": "10", "DU3": "-10"},
            {"side": "SELL", "percent": "10"},
            "account DU2 is long SPY and account DU3 short",
        ),
        ({}, {"side": "SELL", "percent": "10"}, "no account of growth holds SPY"),
        ({"DU2": "10"}, {"side": "SELL", "percent": "101"}, "at most 100 % of a position can be closed"),
        ({"DU2": "10"}, {"side": "SELL", "percent": "9"}, "less than one lot of 1"),
        ({"DU2": "10"}, {"side": "SELL"}, "PctChange needs percent, above zero"),
        ({"DU2": "10"}, {"side": "SELL", "percent": "-5"}, "PctChange needs percent, above zero"),
        ({"DU2": "10"}, {"side": "SELL", "percent": "50", "quantity": "5"}, "PctChange has no quantity"),
        ({}, {"method": EQUAL, "percent": "5", "quantity": "5"}, "percent goes with PctChange"),
        ({}, {"method": EQUAL, "quantity": "10.5"}, "must be a number of lots of 1"),
        ({}, {"method": EQUAL, "quantity": "5", "group": "value"}, "no group 'value' at ibkr: it has growth"),
        ({}, {"method": EQUAL, "quantity": "5", "account": "DU1"}, "for an account or for a group"),
    ],
)
def test_what_can_not_be_shared_out_is_denied(held: dict[str, str], wanted: dict[str, Any], said: str) -> None:
    w = ready(desk_of(), held=held)
    asked = {**wanted, "percent": Decimal(wanted["percent"]) if "percent" in wanted else None}
    name = asked.pop("group", "growth")
    intent = w.order(asked.pop("side", "BUY"), asked.pop("quantity", "0"), group=name, **{"method": PCT, **asked})
    assert said in denied(w.decide(intent)).reason
    assert not w.state.orders


def test_a_second_percentage_closes_only_what_is_not_being_closed() -> None:
    w = ready(desk_of(), held={"DU2": "100"})
    assert given_to(w.decide(order(w, "0", PCT, side="SELL", percent=Decimal(60)))) == {"DU2": 60}
    again = w.order("SELL", "0", group="growth", method=PCT, percent=Decimal(60))
    said = denied(w.decide(again)).reason
    assert said == "account DU2 holds 100 SPY, of which 60 are being closed already: 60 more would turn it round"


def test_a_figure_that_is_missing_old_or_of_other_money_lets_nobody_trade() -> None:
    w = ready(desk_of(), {"DU1": "1", "DU2": "1", "DU3": "1"})
    w.account_name = "DU2"
    w.account(said_at={"net_liquidation": NOON - timedelta(hours=1)})
    said = denied(w.decide(order(w, method=NET_LIQ))).reason
    assert said.startswith("what ibkr has said of account DU2 is 3600 s old")
    w.account(currency="HKD")
    said = denied(w.decide(w.order(group="growth", method=NET_LIQ))).reason
    assert said.startswith("account DU2 is in HKD and account DU1 in USD")
    del w.state.accounts[VENUE, "DU2"]
    said = denied(w.decide(w.order(group="growth", method=NET_LIQ))).reason
    assert said.startswith("ibkr has not said what account DU2 has")


# -------------------------------------------------------------------------------------------------- all or none


def test_who_stands_in_the_way_is_said_and_nobody_trades() -> None:
    w = ready(desk_of(), {"DU1": "1000000", "DU2": "100", "DU3": "1000000"})
    decision = denied(w.decide(order(w)))
    assert decision.reason.startswith("account DU2: this order and those under way need 3,300.00 USD; 100.00 USD are")
    assert [check.observed for check in decision.checks] == ["DU2: 3300"]
    assert not w.state.orders
    assert len(explain(w.state.rules, decision)) == decision.passed + len(decision.checks)


def test_what_is_of_one_account_is_asked_of_each() -> None:
    w = ready(desk_of())
    w.account_name = "DU3"
    w.link(LinkStatus.DOWN, "its session is away")
    reason = "account DU3: the link to ibkr is DOWN, not READY: its session is away"
    assert denied(w.decide(order(w))).reason == reason
    w.link()
    w.event(w_switch(w, "DU2"))
    assert denied(w.decide(w.order(group="growth"))).reason.startswith("account DU2:")


def test_a_strategy_that_is_halted_trades_in_no_account_of_a_group() -> None:
    w = ready(desk_of())
    w.event(w_switch(w, "DU2", scope=SwitchScope.STRATEGY, strategy="trend", symbol=""))
    reason = "trading of strategy trend is halted by : it looks odd"
    assert denied(w.decide(order(w, strategy="trend"))).reason.endswith(reason)
    given_to(w.decide(w.order(group="growth", strategy="other")))


def w_switch(w: World, account: str, **changes: Any) -> Any:
    values = {"symbol": "SPY", "mode": TradingMode.HALTED, "reason": "it looks odd", **changes}
    act = SwitchTrading(id="act", at=w.now, venue=VENUE, account=account, **values)
    values = {"id": "a1", "at": w.now, "venue": VENUE, "account": account, "order_id": "_acts"}
    return messages.BooksAdjusted(**values, status=OrderStatus.FILLED, act=act)


def test_it_costs_its_sender_as_many_decisions_as_it_is_orders() -> None:
    w = ready(desk_of())
    assert orders_of(w.decide(order(w))) == 3
    assert orders_of(w.decide(w.order(quantity="100000", group="growth"))) == 0
    assert orders_of(w.decide(w.cancel("X"))) == 3
    assert orders_of(w.decide(w.mass_cancel())) == 3


def test_an_id_is_used_up_for_the_whole() -> None:
    w = ready(desk_of())
    given_to(w.decide(order(w)))
    assert "duplicate intent id" in denied(w.decide(order(w))).reason


def test_a_group_of_the_desks_only_account_is_one_order() -> None:
    groups = (AccountGroup(venue=VENUE, name="growth", accounts=("DU1",)),)
    w = World(desk={"venues": {VENUE: Venue(accounts=("DU1",))}, "groups": groups}, account_name="DU1").ready()
    assert given_to(w.decide(order(w))) == {"DU1": 100}
    assert isinstance(w.decide(w.cancel("X")), IntentApproved)


# ------------------------------------------------------------------------------------------- a cancel, and a change


def placed(**limits: Any) -> World:
    """A group's order that the venue has in each account."""
    w = ready(desk_of(**limits))
    decision = w.decide(order(w, "90"))
    assert isinstance(decision, IntentApproved)
    for part in decision.places:
        w.account_name = part.account
        w.created(part).accepted(part)
    return w


def test_a_cancel_of_it_is_one_of_each_that_works() -> None:
    w = placed()
    w.account_name = "DU2"
    w.canceled(w.order(id="X.2"))
    decision = w.decide(w.cancel("X"))
    assert isinstance(decision, IntentApproved)
    name = decision.cause
    asked = [(part.intent.id, part.intent.order_id, part.intent.account) for part in decision.parts]
    assert asked == [(f"{name}.1", "X.1", "DU1"), (f"{name}.3", "X.3", "DU3")]
    for name, account in (("X.1", "DU1"), ("X.3", "DU3")):
        w.account_name = account
        w.canceled(w.order(id=name))
    assert (
        denied(w.decide(w.cancel("X", account="DU1"))).reason == "nothing of X works: there is nothing left to cancel"
    )


def test_a_cancel_of_it_names_no_account_and_one_part_is_cancelled_by_its_own_name() -> None:
    w = placed()
    assert "it is the order of a group" in denied(w.decide(w.cancel("X", account="DU2"))).reason
    decision = w.decide(w.cancel("X.2", account="DU2"))
    assert isinstance(decision, IntentApproved)
    assert (decision.order_id, decision.parts) == ("X.2", ())


def test_another_symbol_is_a_mistake() -> None:
    assert denied(placed().decide(World().cancel("X", symbol="AAPL"))).reason.startswith("order X is for SPY")


def test_a_change_of_price_is_one_of_each() -> None:
    w = placed()
    decision = w.decide(w.modify("X", limit="99"))
    assert isinstance(decision, IntentApproved), decision
    assert [(part.intent.order_id, part.intent.account) for part in decision.parts] == [
        ("X.1", "DU1"),
        ("X.2", "DU2"),
        ("X.3", "DU3"),
    ]
    assert all(w.state.orders[f"X.{number}"].change for number in (1, 2, 3))


def test_another_quantity_is_shared_out_anew() -> None:
    w = placed()
    assert given_to(w.decide(w.modify("X", quantity="60"))) == {"DU1": 20, "DU2": 20, "DU3": 20}


def test_a_change_that_one_account_can_not_have_changes_nothing() -> None:
    w = placed()
    w.account_name = "DU3"
    w.fill(w.order("BUY", "30", id="X.3"), "25", "5")
    decision = denied(w.decide(w.modify("X", quantity="60")))
    assert decision.reason.startswith("account DU3: 25 of order X.3 have filled")
    assert not any(each.change for each in w.state.orders.values())


def test_a_quantity_is_not_shared_out_among_some_of_them() -> None:
    w = placed()
    w.account_name = "DU2"
    w.canceled(w.order(id="X.2"))
    said = denied(w.decide(w.modify("X", quantity="60"))).reason
    assert said.startswith("1 of the 3 orders of X have ended")
    assert "X.1, X.3" in said
    assert isinstance(w.decide(w.modify("X", limit="99")), IntentApproved)


# ---------------------------------------------------------------------------------------------- restart, properties


def test_whoever_restarts_knows_the_parts() -> None:
    w = placed()
    loader = StateLoader()
    for frame in capture(w.state, 7, 9):
        loader.take(frame)
    loader.finish()
    restored = opening_state(w.state.desk)
    loader.restore(restored)
    assert restored.lists == {"X": {"X.1", "X.2", "X.3"}}
    assert {each.parts for each in restored.orders.values()} == {3}


@settings(max_examples=60, deadline=None)
@given(
    worth=st.lists(st.integers(0, 300_000), min_size=3, max_size=3),
    quantity=st.integers(1, 1500),
    method=st.sampled_from([EQUAL, NET_LIQ, AVAILABLE]),
)
def test_parts_add_up_in_whole_lots_and_no_account_exceeds_its_funds_or_limits(
    worth: list[int], quantity: int, method: AllocationMethod
) -> None:
    figures = dict(zip(ACCOUNTS, map(str, worth), strict=True))
    w = ready(desk_of(order_quantity_max=Decimal(600), order_notional_max=Decimal(50_000)), figures)
    decision = w.decide(order(w, str(quantity), method))
    if isinstance(decision, IntentDenied):
        assert not w.state.orders
        return
    parts = given_to(decision)
    assert sum(parts.values()) == quantity
    for name, part in parts.items():
        assert part == part.to_integral_value() > 0
        assert part <= 600
        assert part * 100 <= min(50_000, int(figures[name]))
