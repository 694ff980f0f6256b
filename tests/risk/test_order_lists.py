"""A list is decided as one: each leg by the rows of an order, what excludes each other once, all legs or none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from risk.decide import explain
from risk.state import order_key
from signalbox import messages
from signalbox.messages import (
    Contingency,
    Decision,
    IntentApproved,
    IntentDenied,
    ListLeg,
    ListPart,
    OffsetUnit,
    OrderListIntent,
    OrderType,
    PriceOffset,
    Side,
)


def leg(name: str, side: str, kind: str, **terms: Any) -> ListLeg:
    values = {key: Decimal(value) if isinstance(value, str) else value for key, value in terms.items()}
    return ListLeg(name=name, side=Side(side), order_type=OrderType(kind), **values)


def of(w: Any, contingency: str, *legs: ListLeg, **changes: Any) -> OrderListIntent:
    w.serial += 1
    values: dict[str, Any] = {"id": f"l{w.serial}", "at": w.now, "venue": w.venue, "symbol": "SPY"}
    return OrderListIntent(**{**values, "contingency": Contingency(contingency), "legs": legs, **changes})


def bracket(w: Any, quantity: str = "100", stop: str = "98", *targets: ListLeg, **changes: Any) -> OrderListIntent:
    legs = targets or (leg("target", "SELL", "LIMIT", limit_price="110"),)
    return of(
        w,
        changes.pop("contingency", "BRACKET"),
        leg("entry", "BUY", "MARKET", quantity=quantity),
        leg("stop", "SELL", "STOP", stop_price=stop),
        *legs,
        **changes,
    )


def why(decision: Decision) -> str:
    assert isinstance(decision, IntentDenied), decision
    return decision.reason


def created(
    w: Any, intent: OrderListIntent, name: str, quantity: str, *, group: int = 1, part: ListPart | None = None
) -> Any:
    """An order of a leg, as the OMS announces it; what it would be by itself."""
    found = next(each for each in intent.legs if each.name == name)
    order = w.order(found.side, quantity, None, id=f"{intent.id}.{name}", order_type=found.order_type)
    if part is None:
        words = {"group": group, "quantity": Decimal(quantity), "contingency": Contingency.OUO}
        part = ListPart(list_id=intent.id, leg=name, **words)
    w.created(order, order_type=found.order_type, limit_price=found.limit_price, stop_price=found.stop_price, part=part)
    return order


def holding(w: Any) -> Any:
    return w.state.books[w.venue, w.account_name].holdings["SPY"]


def test_a_bracket_is_approved_and_its_entry_reserved(world: Any) -> None:
    w = world().ready()
    intent = bracket(w)
    decision = w.decide(intent)
    assert isinstance(decision, IntentApproved), decision
    assert (decision.order_id, decision.reference_price) == (intent.id, Decimal(100))
    assert list(w.state.orders) == [f"{intent.id}.entry"]
    assert (holding(w).buying_quantity, holding(w).selling_quantity) == (100, 0)
    told = explain(w.state.rules, decision)
    assert len(told) == decision.passed
    assert {check.observed.partition(":")[0] for check in told if check.name == "tick_size"} == {
        "entry", "stop", "target",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stop", "target", "reason"),
    [
        ("98.001", "110", "leg stop: the price 98.001 is not a multiple of the tick size 0.01"),
        ("101", "110", "leg stop: the stop 101 would be triggered at once: the market is at 99.99"),
        ("98", "80", "leg target: the limit 80 is more than 5.00% through the market"),
    ],
)
def test_a_denial_names_the_leg(world: Any, stop: str, target: str, reason: str) -> None:
    w = world().ready()
    decision = w.decide(bracket(w, "100", stop, leg("target", "SELL", "LIMIT", limit_price=target)))
    assert why(decision).startswith(reason)
    assert not w.state.orders, "all legs or none"


def test_what_follows_an_entry_is_judged_where_the_entry_would_fill(world: Any) -> None:
    w = world().ready()
    entry = leg("entry", "BUY", "LIMIT", quantity="10", limit_price="90")
    target = leg("target", "SELL", "LIMIT", limit_price="95")
    high = w.decide(of(w, "BRACKET", entry, leg("stop", "SELL", "STOP", stop_price="91"), target))
    assert why(high) == "leg stop: the stop 91 would be triggered at once: the market is at 90"
    assert isinstance(
        w.decide(of(w, "BRACKET", entry, leg("stop", "SELL", "STOP", stop_price="89"), target)), IntentApproved
    )


def trail(side: str = "SELL", **terms: Any) -> ListLeg:
    return leg("stop", side, "TRAILING_STOP", **(terms or {"trail_percent": "2"}))


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"trail_percent": "2"}, ""),
        ({"trail_amount": "2"}, ""),
        ({"trail_amount": "0.005"}, "leg stop: the trail_amount 0.005 is not a multiple of the tick size 0.01"),
        ({"trail_amount": "95"}, "leg stop: the trail would start at -5, which is no price: the market is at 90"),
    ],
)
def test_a_stop_that_trails_is_judged_where_the_entry_would_fill(
    world: Any, terms: dict[str, str], reason: str
) -> None:
    w = world().ready()
    entry = leg("entry", "BUY", "LIMIT", quantity="10", limit_price="90")
    decision = w.decide(of(w, "BRACKET", entry, trail(**terms), leg("target", "SELL", "LIMIT", limit_price="95")))
    assert (why(decision) if reason else "") == reason
    assert isinstance(decision, IntentDenied if reason else IntentApproved)


@pytest.mark.parametrize(("percent", "is_let_through"), [("4", True), ("40", False)])
def test_a_purchase_that_trails_counts_at_its_stop_of_now(world: Any, percent: str, is_let_through: bool) -> None:
    """A short sale of 100 at 100: bought back at the market of now and 4 % beyond it is at most 10,920."""
    w = world(limits={"order_notional_max": Decimal(11_500)}).ready()
    w.quote("SPY", "99.99", "100")
    entry = leg("entry", "SELL", "LIMIT", quantity="100", limit_price="100")
    decision = w.decide(of(w, "BRACKET", entry, trail("BUY", trail_percent=percent)))
    assert isinstance(decision, IntentApproved) is is_let_through, decision


def test_a_stop_that_the_oms_makes_trail_is_one_of_which_nobody_changes_the_price(world: Any) -> None:
    w = world().ready()
    intent = bracket(w)
    w.decide(intent)
    stop = created(w, intent, "stop", "100")
    w.accepted(stop)
    trails = replace(stop, order_type=OrderType.TRAILING_STOP, stop_price=None, trail_percent=Decimal(2))
    w.pending_replace(trails, cause="oms/step/1").replaced(trails)
    terms = w.state.orders[stop.id].terms
    assert (terms.order_type, terms.trail_percent, terms.stop_price) == (OrderType.TRAILING_STOP, 2, None)
    assert "the stop of a trailing order moves with the market" in why(w.decide(w.modify(stop.id, stop=Decimal(99))))


@pytest.mark.parametrize(("side", "price"), [("BUY", "102"), ("SELL", "100")])
def test_an_exit_that_trails_counts_at_its_stop_of_now_or_the_market(world: Any, side: str, price: str) -> None:
    w = world().ready().quote("SPY", "100", "100")
    exit_order = w.order(side, "10", None, id="l.stop", order_type=OrderType.TRAILING_STOP)
    part = ListPart(list_id="l", leg="stop", group=1, quantity=Decimal(10))
    w.created(exit_order, trail_percent=Decimal(2), part=part)
    assert w.state.orders["l.stop"].price == Decimal(price)


def test_exits_close_what_the_entry_opens_and_are_no_position_of_their_own(world: Any) -> None:
    w = world(limits={"position_quantity_max": Decimal(100), "position_notional_max": Decimal(12_000)}).ready()
    assert isinstance(w.decide(bracket(w, "100")), IntentApproved)
    assert "could become 101" in why(
        world(limits={"position_quantity_max": Decimal(100)}).ready().decide(bracket(w, "101"))
    )


def test_exits_of_an_entry_that_closes_a_position_are_judged_as_what_they_open(world: Any) -> None:
    w = world(limits={"position_quantity_max": Decimal(150)})
    w.ready(positions=(w.held("SPY", "-200"),))
    reason = why(w.decide(bracket(w, "100")))
    assert reason.startswith("leg stop: with all working orders filled the position in SPY could become -200")


def test_each_set_of_exits_counts_once(world: Any) -> None:
    w = world(limits={"position_quantity_max": Decimal(100)}).ready()
    halves = [leg(name, "SELL", "LIMIT", limit_price="110", share="0.5") for name in ("one", "two")]
    assert isinstance(w.decide(bracket(w, "100", "98", *halves)), IntentApproved)


def test_the_working_orders_of_a_list_are_counted_with_it(world: Any) -> None:
    w = world(limits={"open_orders_max": 2}).ready()
    assert why(w.decide(bracket(w))) == "leg target: this would be working order 3 of the account; 2 are allowed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"contingency": Contingency.OCO}, "leg stop needs a quantity, and has no share"),
        ({"legs": ()}, "a list has 2 to 10 legs, this one has 0"),
        ({"id": "a.b"}, "the id 'a.b' can not be used"),
        ({"symbol": "QQQ"}, "leg entry: QQQ at 'ibkr' is not among the desk file's instruments"),
    ],
)
def test_what_is_no_list_is_denied(world: Any, changes: dict[str, Any], reason: str) -> None:
    w = world().ready()
    assert why(w.decide(bracket(w, **changes))).startswith(reason)


def test_its_id_is_used_once(world: Any) -> None:
    w = world().ready()
    intent = bracket(w)
    w.decide(intent)
    assert why(w.decide(intent)).startswith("duplicate intent id")


def test_an_offset_is_judged_by_what_it_comes_to(world: Any) -> None:
    w = world().ready()
    far = PriceOffset(amount=Decimal("-100"), unit=OffsetUnit.PERCENT)
    legs = (leg("entry", "BUY", "MARKET", quantity="10"), leg("stop", "SELL", "STOP", stop_offset=far))
    target = leg("target", "SELL", "LIMIT", limit_offset=PriceOffset(amount=Decimal(2), unit=OffsetUnit.R))
    assert why(w.decide(of(w, "BRACKET", *legs, target))).startswith("leg stop: the price 0 is not above zero")


def test_a_stop_and_its_target_are_not_two_sales(world: Any) -> None:
    w = world().ready()
    intent = bracket(w)
    w.decide(intent)
    entry = w.order("BUY", "100", None, id=f"{intent.id}.entry")
    w.fill(entry, "100", "0")
    stop, target = created(w, intent, "stop", "100"), created(w, intent, "target", "100")
    assert (holding(w).quantity, holding(w).selling_quantity, holding(w).selling_value) == (100, 100, 11_000)
    w.fill(target, "40", "60", "110")
    assert (holding(w).quantity, holding(w).selling_quantity) == (60, 60), "the stop is for 60, too"
    w.canceled(target)
    assert (holding(w).selling_quantity, holding(w).selling_value) == (60, 60 * 98)
    w.canceled(stop)
    assert (holding(w).selling_quantity, w.state.groups, w.state.lists) == (0, {}, {})


def test_a_list_without_an_entry_is_reserved_once(world: Any) -> None:
    w = world().ready(positions=(world().held("SPY", "100"),))
    legs = (
        leg("high", "SELL", "LIMIT", limit_price="110", quantity="100"),
        leg("low", "SELL", "STOP", stop_price="90", quantity="100"),
    )
    assert isinstance(w.decide(of(w, "OCO", *legs)), IntentApproved)
    assert holding(w).selling_quantity == 100
    assert isinstance(w.decide(w.order("BUY", "1")), IntentApproved)


def test_a_list_that_the_oms_refuses_is_free_again(world: Any) -> None:
    w = world().ready()
    intent = bracket(w)
    w.decide(intent)
    for order_id in (intent.id, f"{intent.id}.entry"):
        of_it = w._of(order_id, messages.OrderStatus.DENIED)
        w.event(messages.OrderDenied(**of_it, reason="unknown"))
    assert (w.state.orders, holding(w).buying_quantity) == ({}, 0)


def test_a_list_is_cancelled_by_its_id_while_anything_of_it_works(world: Any) -> None:
    w = world().ready()
    intent = bracket(w)
    w.decide(intent)
    assert isinstance(w.decide(w.cancel(intent.id)), IntentApproved)
    assert isinstance(w.decide(w.cancel(f"{intent.id}.entry")), IntentApproved)
    assert "is for SPY at" in why(w.decide(w.cancel(intent.id, symbol="AAPL")))
    w.canceled(w.order(id=f"{intent.id}.entry"))
    assert why(w.decide(w.cancel(intent.id))) == f"nothing of {intent.id} works: there is nothing left to cancel"
    assert order_key("ibkr", "a", f"{intent.id}.entry") == f"{intent.id}.entry"


def test_what_a_checkpoint_has_of_groups_is_what_was_folded(world: Any) -> None:
    from risk.checkpoint import StateLoader, capture
    from risk.state import RiskState

    w = world().ready()
    intent = bracket(w)
    w.decide(intent)
    w.fill(w.order("BUY", "100", None, id=f"{intent.id}.entry"), "100", "0")
    created(w, intent, "stop", "100")
    target = created(w, intent, "target", "100")
    w.fill(target, "40", "60", "110")
    loader = StateLoader()
    for frame in capture(w.state, 0, 0):
        loader.take(frame)
    again = RiskState(w.state.rules, instruments=w.state.instruments, quotes=w.state.quotes, accounts=w.state.accounts)
    loader.restore(again)
    assert (again.groups, again.lists) == (w.state.groups, w.state.lists)
    assert again.books == w.state.books


def test_a_lists_own_events_end_nothing(world: Any) -> None:
    w = world().ready()
    intent = bracket(w)
    w.decide(intent)
    of_it = w._of(intent.id, messages.OrderStatus.FILLED)
    w.event(
        messages.ListCreated(
            **of_it, intent=intent, decision_sequence=1, tick_size=Decimal("0.01"), lot_size=Decimal(1)
        )
    )
    assert w.state.known.finished(intent.id) is None
    assert list(w.state.orders) == [f"{intent.id}.entry"]


def test_an_entry_whose_events_came_before_the_decision_counts_once(world: Any) -> None:
    w = world().ready()
    intent = bracket(w)
    decision = w.decide(intent)
    other = world().ready()
    created(other, intent, "entry", "100", group=0)
    other.take(decision)
    assert holding(other).buying_quantity == 100


def test_what_one_set_may_close_counts_for_the_next(world: Any) -> None:
    w = world(limits={"position_quantity_max": Decimal(175)})
    w.ready(positions=(w.held("SPY", "-200"),))
    halves = [leg(name, "SELL", "LIMIT", limit_price="110", share="0.5") for name in ("one", "two")]
    assert "could become -200" in why(w.decide(bracket(w, "100", "98", *halves)))


def test_the_price_of_an_exit_can_be_changed_as_that_of_any_order(world: Any) -> None:
    w = world().ready()
    intent = bracket(w)
    assert isinstance(w.decide(intent), IntentApproved)
    stop = created(w, intent, "stop", "100")
    w.accepted(stop)
    moved = w.decide(w.modify(stop.id, stop="99"))
    assert isinstance(moved, IntentApproved), moved
    target = created(w, intent, "target", "100")
    w.accepted(target)
    assert "tick" in why(w.decide(w.modify(target.id, limit="110.001")))


def test_no_list_begins_where_a_flatten_is_under_way(world: Any) -> None:
    w = world().ready(positions=(world().held("SPY", "100"),))
    name = w.decide(w.flatten(symbol="SPY")).cause
    assert why(w.decide(bracket(w))).startswith(f"leg entry: SPY is being flattened ({name})")


def test_what_joins_a_group_counts_with_it(world: Any) -> None:
    w = world().ready()
    intent = bracket(w)
    w.decide(intent)
    w.fill(w.order("BUY", "100", None, id=f"{intent.id}.entry"), "100", "0")
    stop, target = created(w, intent, "stop", "60"), created(w, intent, "target", "60")
    assert holding(w).selling_quantity == 60
    w.pending_replace(stop, "100")
    assert holding(w).selling_quantity == 100, "a change that is under way counts as made"
    w.replaced(stop, "100")
    w.pending_replace(target, "100").replaced(target, "100")
    assert holding(w).selling_quantity == 100


def test_an_order_for_the_sum_counts_with_its_group(world: Any) -> None:
    w = world().ready()
    intent = bracket(w)
    w.decide(intent)
    w.fill(w.order("BUY", "100", None, id=f"{intent.id}.entry"), "100", "0")
    created(w, intent, "stop", "60")
    target = created(w, intent, "target", "100")
    assert holding(w).selling_quantity == 100
    w.fill(target, "100", "0", "110")
    assert holding(w).selling_quantity == 0


def test_exits_that_were_sent_with_their_entry_count_for_what_of_it_has_filled(world: Any) -> None:
    """Until then they are no sales: what is held beside them can be sold."""
    w = world().ready()
    intent = bracket(w)
    assert isinstance(w.decide(intent), IntentApproved)
    entry = created(
        w, intent, "entry", "100", part=ListPart(list_id=intent.id, leg="entry", attaches=("target", "stop"))
    )
    exits = {"group": 1, "quantity": Decimal(100), "contingency": Contingency.OUO, "attached_to": f"{intent.id}.entry"}
    for name in ("target", "stop"):
        created(w, intent, name, "100", part=ListPart(list_id=intent.id, leg=name, **exits))
    assert (holding(w).buying_quantity, holding(w).selling_quantity) == (100, 0)
    w.fill(entry, "40", "60")
    assert (holding(w).buying_quantity, holding(w).selling_quantity) == (60, 40)
    w.fill(entry, "60", "0")
    assert (holding(w).quantity, holding(w).buying_quantity, holding(w).selling_quantity) == (100, 0, 100)


def test_several_groups_that_were_sent_with_their_entry_each_count_for_what_has_filled_up_to_their_part(
    world: Any,
) -> None:
    """The venue may work each whole from the first fill on: until the OMS has given them their parts that counts."""
    w = world().ready()
    intent = bracket(w)
    assert isinstance(w.decide(intent), IntentApproved)
    attaches = ("target", "stop", "stop-2")
    entry = created(w, intent, "entry", "100", part=ListPart(list_id=intent.id, leg="entry", attaches=attaches))
    words = {"contingency": Contingency.OUO, "attached_to": f"{intent.id}.entry"}
    first = {"group": 1, "quantity": Decimal(30)} | words
    target = created(w, intent, "target", "30", part=ListPart(list_id=intent.id, leg="target", **first))
    created(w, intent, "stop", "30", part=ListPart(list_id=intent.id, leg="stop", **first))
    rest = {"list_id": intent.id, "group": 2, "set": 1, "quantity": Decimal(70), "attached_to": f"{intent.id}.entry"}
    stop = next(each for each in intent.legs if each.name == "stop")
    second = w.order("SELL", "70", None, id=f"{intent.id}.stop-2", order_type=stop.order_type)
    w.created(second, order_type=stop.order_type, stop_price=stop.stop_price, part=ListPart(leg="stop", **rest))
    assert holding(w).selling_quantity == 0
    w.fill(entry, "20", "80")
    assert holding(w).selling_quantity == 40
    w.fill(entry, "30", "50")
    assert (holding(w).selling_quantity, holding(w).buying_quantity) == (30 + 50, 50)
    w.fill(entry, "50", "0")
    assert holding(w).selling_quantity == 100
    w.fill(target, "10", "20")
    assert (holding(w).quantity, holding(w).selling_quantity) == (90, 90)


def test_a_schedule_that_could_not_be_kept_is_denied_with_the_list(world: Any) -> None:
    w = world().ready()
    later, past = (messages.TimedStep(action=messages.TimedAction.BREAK_EVEN, **when) for when in (
        {"after_seconds": 1_800}, {"at": w.now},
    ))  # fmt: skip
    assert isinstance(w.decide(bracket(w, timed=(later,))), IntentApproved)
    denied = w.decide(bracket(w, timed=(later, past)))
    assert why(denied).startswith("step 2 (BREAK_EVEN) is due at ")
    assert [check.name for check in denied.checks] == ["list_schedule"]


def test_a_step_trails_by_whole_ticks(world: Any) -> None:
    w = world().ready()
    step = messages.TimedStep(action=messages.TimedAction.TRAIL_STOP, after_seconds=60, trail_amount=Decimal("0.015"))
    assert why(w.decide(bracket(w, timed=(step,)))) == (
        "step 1 (TRAIL_STOP) trails 0.015 behind: distances there are multiples of 0.01"
    )
    whole = replace(step, trail_amount=Decimal("0.02"))
    assert isinstance(w.decide(bracket(w, timed=(whole,))), IntentApproved)


def test_a_step_goes_to_a_price_that_is_one(world: Any) -> None:
    w = world().ready()
    step = messages.TimedStep(action=messages.TimedAction.MOVE_STOP, after_seconds=60, stop_price=Decimal("99.001"))
    assert why(w.decide(bracket(w, timed=(step,)))) == (
        "step 1 (MOVE_STOP) goes to 99.001: prices there are multiples of 0.01"
    )
