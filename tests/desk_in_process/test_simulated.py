"""A day in process: what an intent leads to, and that risk, OMS and the venues' own books never differ."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from desk_in_process.desk import DeskInProcess
from hypothesis import given, settings
from hypothesis import strategies as st
from oms.state import Keep
from risk.facts import Request
from risk.state import Seen
from signalbox import messages
from signalbox.exchange.quoting import SessionPhase
from signalbox.messages import (
    Decision,
    IntentDenied,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from signalbox.order_terms import AT_ONCE

LITTLE = Keep(ended_orders=1, executions=2, funding_payments=1, at_once=1)

PRICES = {"SPY": (430, 470), "AAPL": (180, 200), "BTC-USD": (95_000, 105_000)}
SYMBOL = st.sampled_from(sorted(PRICES))
SIDE = st.sampled_from(["BUY", "SELL"])
PART = st.integers(0, 20).map(lambda number: Decimal(number) / 20)
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("price"), SYMBOL, PART, st.sampled_from(["0", "3", "500"])),
        st.tuples(st.just("market"), SYMBOL, SIDE, st.integers(1, 30)),
        st.tuples(st.just("limit"), SYMBOL, SIDE, st.integers(1, 30), PART),
        st.tuples(st.just("trail"), SYMBOL, SIDE, st.integers(1, 30), st.sampled_from(["0.1", "1", "5"])),
        st.tuples(st.just("to limit"), SYMBOL, SIDE, st.integers(1, 700)),
        st.tuples(st.sampled_from(["LIMIT_ON_CLOSE", "LIMIT_ON_OPEN"]), SYMBOL, SIDE, st.integers(1, 30), PART),
        st.tuples(st.sampled_from([SessionPhase.OPEN, SessionPhase.CLOSE]), st.sampled_from(["SPY", "AAPL"]), PART),
        st.tuples(st.just("at once"), SYMBOL, SIDE, st.integers(1, 700), PART, st.sampled_from(sorted(AT_ONCE))),
        st.tuples(st.just("post"), SYMBOL, SIDE, st.integers(1, 30), PART),
        st.tuples(st.just("stop"), SYMBOL, SIDE, st.integers(1, 30), PART),
        st.tuples(st.just("STOP_LIMIT"), SYMBOL, SIDE, st.integers(1, 30), PART, PART),
        st.tuples(st.just("LIMIT_IF_TOUCHED"), SYMBOL, SIDE, st.integers(1, 30), PART, PART),
        st.tuples(st.just("touch"), SYMBOL, SIDE, st.integers(1, 30), PART),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("change"), st.integers(0, 30), st.integers(1, 30), st.none() | PART),
        st.tuples(st.just("all"), st.sampled_from(["", "ibkr", "dydx"]), st.sampled_from(["", *sorted(PRICES)])),
        st.tuples(st.just("target"), SYMBOL, st.integers(-30, 30)),
        st.tuples(st.just("reduce"), SYMBOL, st.sampled_from(["LONG", "SHORT"]), st.sampled_from(["0.3", "0.5", "1"])),
        st.tuples(st.just("flatten"), st.sampled_from(["", "ibkr", "dydx"]), st.sampled_from(["", *sorted(PRICES)])),
        st.tuples(st.just("later"), st.sampled_from([1, 60, 7 * 3600])),
    ),
    max_size=40,
)


def price_of(symbol: str, part: Decimal) -> Decimal:
    low, high = PRICES[symbol]
    return Decimal(low) + (part * (high - low)).to_integral_value()


def live(day: Any, happenings: list[Any], after_each: Any = lambda: None) -> None:
    orders: list[Any] = []
    for what, *about in happenings:
        if what == "price":
            symbol, part, size = about
            venue = "dydx" if symbol == "BTC-USD" else "ibkr"
            day.price(venue, symbol, str(price_of(symbol, part)), size)
        elif isinstance(what, SessionPhase):
            day.auction("ibkr", about[0], what, price_of(*about), day.now)
        elif what == "later":
            day.later(about[0])
        elif what == "all":
            cancel_many(day, *about)
        elif what == "flatten":
            flatten(day, *about)
        elif what in ("target", "reduce"):
            wish(day, what, *about)
        elif what == "cancel":
            if orders:
                day.cancel(orders[about[0] % len(orders)])
        elif what == "change":
            if orders:
                change(day, orders[about[0] % len(orders)], *about[1:])
        else:
            symbol, side, quantity, *part = about
            terms: dict[str, Any] = {"time_in_force": TimeInForce.GTC} if what != "market" else {}
            if what in ("limit", "at once", "post"):
                terms |= {"order_type": OrderType.LIMIT, "limit_price": price_of(symbol, part[0])}
                terms |= {"time_in_force": part[1]} if what == "at once" else {"post_only": what == "post"}
            elif what in ("STOP_LIMIT", "LIMIT_IF_TOUCHED"):
                prices = {"stop_price": price_of(symbol, part[0]), "limit_price": price_of(symbol, part[1])}
                terms |= {"order_type": OrderType(what), **prices}
            elif what in ("LIMIT_ON_CLOSE", "LIMIT_ON_OPEN"):
                terms = {"order_type": OrderType(what), "limit_price": price_of(symbol, part[0])}
            elif what == "trail":
                terms |= {"order_type": OrderType.TRAILING_STOP, "trail_percent": Decimal(part[0])}
            elif what == "to limit":
                terms = {"order_type": OrderType.MARKET_TO_LIMIT}
            elif what == "touch":
                terms |= {"order_type": OrderType.MARKET_IF_TOUCHED, "stop_price": price_of(symbol, part[0])}
            elif what == "stop":
                terms |= {"order_type": OrderType.STOP, "stop_price": price_of(symbol, part[0])}
            size = str(Decimal(quantity) / 100) if symbol == "BTC-USD" else str(quantity)
            orders.append(day.order(symbol, size, side, **terms))
        after_each()


def change(day: Any, order: Any, quantity: int, part: Decimal | None) -> None:
    """It is as it was asked for, at the venue too, or as it was."""

    def stands() -> Any:
        kept = day.orders.state.orders.get(order.id)
        return kept and kept.order and (kept.order.quantity, kept.order.limit_price, kept.change)

    total = Decimal(quantity) / 100 if order.symbol == "BTC-USD" else Decimal(quantity)
    price = price_of(order.symbol, part) if part is not None and order.limit_price is not None else None
    before = stands()
    decision = day.modify(order, quantity=total, limit_price=price)
    now = stands()
    if now is None or before is None:  # it is over, and gone from memory
        return
    assert now == before or now == (total, price or before[1], None)
    if isinstance(decision, IntentDenied):
        assert now == before


def cancel_many(day: Any, venue: str, symbol: str) -> None:
    """All that works there and has what is named ends, and nothing else does."""

    def works() -> dict[str, bool]:
        """Each order that works at a venue, and whether it has what is named."""
        return {
            order.terms.client_reference: venue in ("", at) and symbol in ("", order.terms.symbol)
            for at, traded in day.venues.items()
            for order in traded.exchange.orders.values()
            if order.leaves
        }

    before = works()
    decision = day.cancel_many(venue=venue, symbol=symbol)
    if isinstance(decision, IntentDenied):  # that venue does not trade that symbol
        assert venue == ("ibkr" if symbol == "BTC-USD" else "dydx")
    else:
        assert decision.basis.covered_orders == sum(before.values())
    assert list(works()) == [name for name, is_covered in before.items() if not is_covered]


def wish(day: Any, what: str, symbol: str, *about: Any) -> None:
    """What is approved and fills at once is held then; a reduction turns nothing round."""

    def held() -> Decimal:
        for venue in day.venues.values():
            found = venue.exchange.books[venue.account].positions.get(symbol)
            if found is not None:
                return Decimal(found.quantity)
        return Decimal(0)

    before, worked = held(), symbol in {order.symbol for order in day.risk.orders.values()}
    if what == "target":
        wanted = Decimal(about[0]) / (100 if symbol == "BTC-USD" else 1)
        decision = day.wish(symbol, "TARGET", quantity=wanted)
        order = None if isinstance(decision, IntentDenied) else decision.placed
        if order is not None and not worked and order.id not in day.risk.orders and day.filled(order.id):
            assert held() == wanted
    else:
        day.wish(symbol, f"REDUCE_{about[0]}", share=Decimal(about[1]))
        assert held() * before > 0 or not held()
        assert abs(held()) <= abs(before)


def flatten(day: Any, venue: str, symbol: str) -> None:
    """Once it is over and says that it is flat, nothing is held and nothing works of what it names; else it goes on."""
    decision = day.flatten(venue=venue, symbol=symbol)
    if isinstance(decision, IntentDenied):
        return
    day.later(2)
    for at, traded in day.venues.items():
        if venue not in ("", at) or day.risk.flattens:
            continue
        for name, position in traded.exchange.books[traded.account].positions.items():
            assert symbol not in ("", name) or not position.quantity
        assert not [
            order for order in traded.exchange.orders.values() if order.leaves and symbol in ("", order.terms.symbol)
        ]


def agree(day: Any) -> None:
    """The venue's own books, the OMS's and risk's are the same."""
    day.follow()
    for venue in day.venues.values():
        theirs = venue.exchange.books[venue.account]
        ours = day.orders.state.accounts[venue.venue, venue.account]
        held = {name: each.quantity for name, each in theirs.positions.items() if each.quantity}
        assert {name: each.holding.quantity for name, each in ours.symbols.items() if each.holding.quantity} == held
        assert ours.cash == theirs.cash
        holdings = day.risk.books[venue.venue, venue.account].holdings
        assert {name: each.quantity for name, each in holdings.items() if each.quantity} == held
        working = {
            order.terms.client_reference: order.leaves for order in venue.exchange.orders.values() if order.leaves
        }
        known = [order for order in day.risk.orders.items() if order[1].venue == venue.venue]
        assert {key: order.open_quantity for key, order in known} == working


def test_an_order_at_market_is_decided_sent_filled_and_booked_within_its_instant(day: Any) -> None:
    desk = day()
    before = len(desk.trade.stored)
    desk.order(quantity="100")
    assert desk.names()[before:] == [
        "IntentApproved", "OrderCreated", "OrderAccepted", "OrderFilled", "CommissionBooked",
    ]  # fmt: skip
    agree(desk)
    assert desk.orders.state.accounts["ibkr", "DU1234567"].cash["USD"] == 1_000_000 - 45_000 - 1


def statuses(day: Any) -> dict[str, OrderStatus]:
    return {order.order_id: order.status for order in day.orders.state.orders.values()}


def test_what_is_for_the_close_fills_in_its_auction_or_expires_with_the_day(day: Any) -> None:
    desk = day()
    within = desk.order(order_type=OrderType.LIMIT_ON_CLOSE, limit_price=Decimal(452))
    beyond = desk.order(order_type=OrderType.LIMIT_ON_CLOSE, limit_price=Decimal(440))
    desk.now = desk.now.replace(hour=21, minute=0, second=0)
    desk.auction("ibkr", "SPY", SessionPhase.CLOSE, Decimal(451), desk.now)
    desk.pass_time(desk.now)
    status = statuses(desk)
    assert (status[within.id], status[beyond.id]) == (OrderStatus.FILLED, OrderStatus.EXPIRED)
    agree(desk)


def test_a_trailing_stop_follows_the_market_up_and_sells_when_it_turns(day: Any) -> None:
    desk = day()
    desk.order(quantity="100")
    sale = desk.order(
        quantity="100",
        side="SELL",
        order_type=OrderType.TRAILING_STOP,
        trail_amount=Decimal(5),
        time_in_force=TimeInForce.GTC,
    )
    for price in ("452", "460", "456"):
        desk.price("ibkr", "SPY", price)
    assert statuses(desk)[sale.id] is OrderStatus.NEW
    desk.price("ibkr", "SPY", "455")
    assert statuses(desk)[sale.id] is OrderStatus.FILLED
    agree(desk)


def test_a_trailing_stop_follows_from_its_activation_price_on(day: Any) -> None:
    desk = day()
    desk.order(quantity="100")
    trail = {"trail_amount": Decimal(5), "activation_price": Decimal(460), "time_in_force": TimeInForce.GTC}
    sale = desk.order(quantity="100", side="SELL", order_type=OrderType.TRAILING_STOP, **trail)
    for price in ("452", "440", "461", "457"):
        desk.price("ibkr", "SPY", price)
    assert statuses(desk)[sale.id] is OrderStatus.NEW
    desk.price("ibkr", "SPY", "456")
    assert statuses(desk)[sale.id] is OrderStatus.FILLED
    agree(desk)


def test_the_rest_of_a_market_to_limit_order_works_at_its_first_price_and_that_is_told(day: Any) -> None:
    desk = day()
    before = len(desk.trade.stored)
    desk.price("ibkr", "SPY", "450", "30")
    order = desk.order(quantity="100", order_type=OrderType.MARKET_TO_LIMIT)
    noted = [each for each in desk.trade.stored[before:] if type(each).__name__ == "OrderNoted"]
    assert [each.reason for each in noted] == ["what its first fill has left works as a limit order at 450"]
    desk.price("ibkr", "SPY", "451")
    assert statuses(desk)[order.id] is OrderStatus.PARTIALLY_FILLED
    desk.price("ibkr", "SPY", "450")
    agree(desk)
    assert [order.leaves for order in desk.venues["ibkr"].exchange.orders.values()] == [0]


def test_an_order_that_is_too_large_is_denied_and_announced(day: Any) -> None:
    desk = day()
    before = len(desk.trade.stored)
    desk.order(quantity="1001")
    assert desk.names()[before:] == ["IntentDenied", "OrderDenied"]
    assert not desk.orders.commands


def test_what_rests_fills_when_the_market_comes_to_it_and_what_does_not_expires(day: Any) -> None:
    desk = day()
    first = desk.order(order_type=OrderType.LIMIT, limit_price=Decimal(440))
    second = desk.order(order_type=OrderType.LIMIT, limit_price=Decimal(430))
    desk.price("ibkr", "SPY", "440")
    desk.later(7 * 3600)
    state = desk.orders.state
    assert [state.orders[each.id].status for each in (first, second)] == [OrderStatus.FILLED, OrderStatus.EXPIRED]
    agree(desk)


def test_what_rests_is_cancelled_on_request(day: Any) -> None:
    desk = day()
    order = desk.order(order_type=OrderType.LIMIT, limit_price=Decimal(440))
    before = len(desk.trade.stored)
    desk.cancel(order)
    assert desk.names()[before:] == ["IntentApproved", "OrderPendingCancel", "OrderCanceled"]
    agree(desk)


def test_what_rests_is_changed_on_request_and_fills_at_its_new_price_for_its_new_total(day: Any) -> None:
    desk = day()
    order = desk.order(order_type=OrderType.LIMIT, limit_price=Decimal(440))
    before = len(desk.trade.stored)
    desk.modify(order, limit_price=Decimal(445), quantity=Decimal(30))
    assert desk.names()[before:] == ["IntentApproved", "OrderPendingReplace", "OrderReplaced"]
    agree(desk)
    desk.price("ibkr", "SPY", "445", size="20")
    assert desk.orders.state.orders[order.id].status is OrderStatus.PARTIALLY_FILLED
    desk.modify(order, quantity=Decimal(25))
    agree(desk)
    desk.price("ibkr", "SPY", "445")
    kept = desk.orders.state.orders[order.id]
    assert (kept.status, kept.filled_quantity) == (OrderStatus.FILLED, 25)
    agree(desk)


def test_a_change_that_the_venue_refuses_leaves_the_order_as_it_was(day: Any) -> None:
    desk = day()
    order = desk.order(order_type=OrderType.LIMIT, limit_price=Decimal(440))
    desk.venues["ibkr"].exchange.cancel(desk.venues["ibkr"]._numbers[order.id], desk.now, "by hand")
    before = len(desk.trade.stored)
    desk.modify(order, quantity=Decimal(5))
    assert desk.names()[before:] == [
        "IntentApproved", "OrderPendingReplace", "OrderReplaceRejected",
    ]  # fmt: skip
    assert desk.orders.state.orders[order.id].order.quantity == 10


def test_all_that_rests_at_both_venues_is_cancelled_by_one_intent_however_often_it_comes(day: Any) -> None:
    desk = day()
    for symbol, price, quantity in (("SPY", 440, "10"), ("AAPL", 180, "10"), ("BTC-USD", 99_000, "0.1")):
        for _ in range(6):
            desk.order(
                symbol, quantity, order_type=OrderType.LIMIT, limit_price=Decimal(price), time_in_force=TimeInForce.GTC
            )
    assert len(desk.orders.state.working) == 18
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("oms.cancels.ORDERS_AT_ONCE", 5)
        decision = desk.cancel_many()
    assert decision.basis.covered_orders == 18
    assert desk.orders.state.working == set()
    agree(desk)
    desk.order(order_type=OrderType.LIMIT, limit_price=Decimal(440))
    stored, commands = list(desk.trade.stored), dict(desk.orders.commands)
    desk.give(decision, desk.now)
    assert (desk.trade.stored, desk.orders.commands) == (stored, commands)


def test_a_cancel_of_what_is_filled_is_denied(day: Any) -> None:
    desk = day()
    desk.cancel(desk.order())
    assert isinstance(desk.trade.stored[-1], IntentDenied)


def test_an_order_that_nobody_answers_becomes_unknown_when_its_timer_fires(day: Any) -> None:
    desk = day()
    desk.venues["ibkr"].exchange.drain = list  # what the venue says is lost on its way
    order = desk.order()
    desk.later(44)
    assert desk.orders.state.orders[order.id].status is OrderStatus.PENDING_NEW
    desk.later(1)
    assert desk.orders.state.orders[order.id].status is OrderStatus.UNKNOWN
    assert not desk.orders.timers


def test_nothing_observed_means_every_order_is_denied(day: Any) -> None:
    full = day()
    empty = DeskInProcess(full.risk.desk, full.orders.rules)
    intent = full.order()
    decision = empty.decide(Request(sequence=1, intent=intent), full.now)
    assert isinstance(decision, IntentDenied)
    assert empty.take(decision, full.now).commands == ()


@given(HAPPENINGS)
@settings(max_examples=150, deadline=None)
def test_risk_oms_and_the_venues_agree_whatever_happens(day: Any, happenings: list[Any]) -> None:
    desk = day()
    live(desk, happenings, lambda: agree(desk))


@given(HAPPENINGS, st.sampled_from([LITTLE, None]))
@settings(max_examples=60, deadline=None)
def test_a_day_lived_twice_is_the_same_to_the_byte_however_little_is_remembered(
    day: Any, happenings: list[Any], keep: Keep | None
) -> None:
    first, second = day(), day(keep)
    for each in (first, second):
        live(each, happenings)
    assert list(map(messages.encode, first.trade.stored)) == list(map(messages.encode, second.trade.stored))
    assert first.orders.commands == second.orders.commands


def test_a_decision_that_was_made_before_risk_had_followed_is_made_so_again(day: Any) -> None:
    """As in a recorded day: the services do not wait for each other."""
    lived = day()
    lived.order(quantity="100")
    known = len(lived.trade.stored)
    lived.order(quantity="100")  # risk looks at it before it has heard of the first one's end
    late = day()
    late.order(quantity="100")
    intent = lived.trade.stored[known].intent
    venue = late.venues["ibkr"]
    for observed in (venue.link(lived.now), Seen(venue.account_state(lived.now), "in-process"), venue.quote("SPY")):
        late.observe(observed)
    behind = late.decide(Request(sequence=2, stored_at=lived.now, intent=intent, by="alice"), lived.now, known - 1)
    assert (lived.trade.stored[known].basis.trade_sequence, behind.basis.trade_sequence) == (known, known - 1)


@pytest.mark.parametrize("order_type", [OrderType.MARKET, OrderType.LIMIT])
def test_a_message_that_comes_again_changes_nothing(day: Any, order_type: OrderType) -> None:
    desk = day()
    price = {"limit_price": Decimal(440)} if order_type is OrderType.LIMIT else {}
    desk.order(order_type=order_type, **price)
    stored, commands = list(desk.trade.stored), dict(desk.orders.commands)
    for decision in stored:
        if isinstance(decision, Decision):
            desk.take(decision, desk.now)
    assert (desk.trade.stored, desk.orders.commands) == (stored, commands)


def test_a_flatten_cancels_closes_and_ends(day: Any) -> None:
    desk = day()
    desk.order(quantity="100")
    desk.order("BTC-USD", "0.01", "SELL")
    desk.order(quantity="100", side="SELL", order_type=OrderType.STOP, stop_price=Decimal(440))
    before = len(desk.trade.stored)
    desk.flatten()
    assert desk.names()[before:] == [
        "IntentApproved", "OrderPendingCancel", "OrderCanceled",
        "IntentApproved", "IntentApproved",
        "OrderCreated", "OrderAccepted", "OrderFilled", "CommissionBooked",
        "OrderCreated", "OrderAccepted", "OrderFilled", "CommissionBooked",
        "FlattenEnded",
    ]  # fmt: skip
    assert desk.trade.stored[-1].is_flat
    agree(desk)
    assert not desk.risk.orders
    assert not any(held.quantity for books in desk.risk.books.values() for held in books.holdings.values())


def test_what_the_accounts_have_won_is_looked_at_as_time_goes_by(day: Any) -> None:
    desk = day()
    for _ in range(2):
        desk.order(quantity="100")
        desk.order("BTC-USD", "0.01")
    assert all(books.losses.watched is not None for books in desk.risk.books.values())


def test_a_flatten_of_a_market_that_is_closed_goes_on_when_it_opens(day: Any) -> None:
    desk = day()
    desk.order(quantity="100")
    desk.later(7 * 3600)
    desk.price("ibkr", "SPY", "450")
    desk.flatten(valid_until=desk.now + timedelta(days=2))
    assert "FlattenEnded" not in desk.names()
    desk.later(18 * 3600)
    desk.price("ibkr", "SPY", "450")
    desk.later(1)
    assert desk.trade.stored[-1].is_flat
    agree(desk)
