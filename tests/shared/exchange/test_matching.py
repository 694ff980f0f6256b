"""The matching engine: given a book, when a quote or a wish comes, then these events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from signalbox.exchange import matching
from signalbox.exchange.matching import Step, SymbolBook
from signalbox.exchange.orders import (
    Accepted,
    Canceled,
    Expired,
    Filled,
    Modified,
    OrderTerms,
    Refusal,
    RefusalReason,
    Rejected,
    Triggered,
    VenueOrder,
    VenueOrderStatus,
)
from signalbox.exchange.quoting import MarketQuote, Phase
from signalbox.messages import Liquidity, OrderType, Side, TimeInForce, TriggerMethod
from signalbox.order_terms import AT_ONCE, IF_TOUCHED, WHY_OVER, WITH_LIMIT, WITH_STOP

NOON = datetime(2024, 1, 3, 17, tzinfo=UTC)
NUMBERS = count(1)


def quote(bid: str, ask: str, last: str | None = None, size: int = 300) -> MarketQuote:
    zero = Decimal(0)
    last_price = Decimal(last or bid)
    return MarketQuote(
        "X",
        NOON,
        Decimal(bid),
        Decimal(ask),
        Decimal(size),
        Decimal(size),
        last_price,
        Decimal(1),
        zero,
        zero,
        zero,
        zero,
        zero,
    )


def order(
    kind: OrderType,
    quantity: int = 100,
    side: Side = Side.BUY,
    limit: str | None = None,
    stop: str | None = None,
    outside: bool = False,
    expires_at: datetime | None = None,
    validity: TimeInForce = TimeInForce.DAY,
    post_only: bool = False,
    **more: Any,
) -> VenueOrder:
    terms = OrderTerms(
        account="DU1",
        symbol="X",
        side=side,
        quantity=Decimal(quantity),
        order_type=kind,
        limit_price=Decimal(limit) if limit else None,
        stop_price=Decimal(stop) if stop else None,
        time_in_force=validity,
        outside_regular_hours=outside,
        post_only=post_only,
        **more,
    )
    return VenueOrder(
        number=next(NUMBERS),
        terms=terms,
        status=VenueOrderStatus.WORKING,
        submitted_at=NOON,
        updated_at=NOON,
        expires_at=expires_at,
    )


def open_book(bid: str = "10.00", ask: str = "10.01", size: int = 300) -> SymbolBook:
    return matching.see_quote(SymbolBook(phase=Phase.REGULAR), quote(bid, ask, size=size)).book


def events(step: Step | Refusal) -> list[object]:
    assert isinstance(step, Step)
    return [event for event, _ in step.events]


def kinds(step: Step | Refusal) -> list[type]:
    return [type(event) for event in events(step)]


def fills(step: Step | Refusal) -> list[tuple[Decimal, Decimal]]:
    return [(event.quantity, event.price) for event in events(step) if isinstance(event, Filled)]


def test_a_market_order_takes_the_other_side() -> None:
    assert fills(matching.take(open_book(), order(OrderType.MARKET), NOON)) == [(100, Decimal("10.01"))]
    sell = order(OrderType.MARKET, side=Side.SELL)
    assert fills(matching.take(open_book(), sell, NOON)) == [(100, Decimal("10.00"))]


def test_a_big_order_fills_in_parts_as_quotes_bring_size() -> None:
    first = matching.take(open_book(), order(OrderType.MARKET, 700), NOON)
    second = matching.see_quote(first.book, quote("10.01", "10.02"))
    third = matching.see_quote(second.book, quote("10.02", "10.03"))
    assert [fills(step) for step in (first, second, third)] == [
        [(300, Decimal("10.01"))],
        [(300, Decimal("10.02"))],
        [(100, Decimal("10.03"))],
    ]
    assert third.events[-1][1].status is VenueOrderStatus.FILLED
    assert third.events[-1][1].average_price == Decimal(3003 + 3006 + 1003) / 700
    assert third.book.orders == ()


def test_the_size_of_a_quote_is_taken_once_oldest_order_first() -> None:
    book = matching.take(open_book(size=150), order(OrderType.MARKET, 100), NOON).book
    second = matching.take(book, order(OrderType.MARKET, 100), NOON)
    third = matching.take(second.book, order(OrderType.MARKET, 100), NOON)
    assert fills(second) == [(50, Decimal("10.01"))]
    assert fills(third) == []
    refreshed = matching.see_quote(third.book, quote("10.00", "10.01", size=100))
    assert [(event.number, order.filled) for event, order in refreshed.events] == [
        (second.events[0][0].number, 100),
        (third.events[0][0].number, 50),
    ]


def test_a_limit_order_rests_until_the_market_comes_to_it() -> None:
    rested = matching.take(open_book(), order(OrderType.LIMIT, limit="9.50"), NOON)
    assert kinds(rested) == [Accepted]
    assert fills(matching.see_quote(rested.book, quote("9.50", "9.51"))) == []
    assert fills(matching.see_quote(rested.book, quote("9.49", "9.50"))) == [(100, Decimal("9.50"))]


def test_a_marketable_limit_order_gets_the_better_price() -> None:
    assert fills(matching.take(open_book(), order(OrderType.LIMIT, limit="11"), NOON)) == [(100, Decimal("10.01"))]


def test_a_stop_triggers_on_the_last_trade_and_a_gap_fills_at_the_market() -> None:
    rested = matching.take(open_book(), order(OrderType.STOP, side=Side.SELL, stop="9.80"), NOON)
    assert kinds(rested) == [Accepted]
    assert kinds(matching.see_quote(rested.book, quote("9.79", "9.82", last="9.81"))) == []
    gapped = matching.see_quote(rested.book, quote("9.20", "9.21", last="9.20"))
    assert kinds(gapped) == [Triggered, Filled]
    assert fills(gapped) == [(100, Decimal("9.20"))]


def test_a_triggered_stop_goes_on_filling_after_the_price_came_back() -> None:
    rested = matching.take(open_book(), order(OrderType.STOP, 500, stop="10.50"), NOON)
    triggered = matching.see_quote(rested.book, quote("10.50", "10.51"))
    again = matching.see_quote(triggered.book, quote("10.50", "10.51", size=100))
    later = matching.see_quote(again.book, quote("10.00", "10.01"))
    assert [fills(step) for step in (triggered, again, later)] == [
        [(300, Decimal("10.51"))],
        [(100, Decimal("10.51"))],
        [(100, Decimal("10.01"))],
    ]
    assert kinds(again) == kinds(later) == [Filled]


def test_an_order_for_the_close_fills_whole_at_the_official_close() -> None:
    taken = matching.take(open_book(), order(OrderType.MARKET_ON_CLOSE, 5_000), NOON)
    assert kinds(matching.see_quote(taken.book, quote("9", "9.01"))) == []
    closed = matching.close_auction(taken.book, Decimal("10.37"), NOON)
    assert fills(closed) == [(5_000, Decimal("10.37"))]


def test_an_order_for_an_auction_fills_there_alone_and_within_its_limit() -> None:
    for hold, kind, other in (
        (matching.close_auction, OrderType.LIMIT_ON_CLOSE, OrderType.LIMIT_ON_OPEN),
        (matching.open_auction, OrderType.LIMIT_ON_OPEN, OrderType.LIMIT_ON_CLOSE),
    ):
        book = open_book()
        for wanted in (order(kind, 500, limit="10.37"), order(kind, limit="10.36"), order(other, limit="11")):
            taken = matching.take(book, wanted, NOON)
            assert kinds(taken) == [Accepted]  # whatever its limit: it waits for its auction
            book = matching.see_quote(taken.book, quote("10", "10.01")).book
        held = hold(book, Decimal("10.37"), NOON)
        assert fills(held) == [(500, Decimal("10.37"))]
        assert [left.terms.order_type for left in held.book.orders] == [kind, other]


def test_an_order_for_the_opening_fills_whole_at_its_official_price() -> None:
    taken = matching.take(open_book(), order(OrderType.MARKET_ON_OPEN, 5_000), NOON)
    assert kinds(matching.see_quote(taken.book, quote("9", "9.01"))) == []
    assert kinds(matching.close_auction(taken.book, Decimal("10.37"), NOON)) == []
    assert fills(matching.open_auction(taken.book, Decimal("10.37"), NOON)) == [(5_000, Decimal("10.37"))]


def test_what_the_first_fill_of_a_market_to_limit_order_leaves_rests_at_the_price_of_that_fill() -> None:
    book = matching.see_quote(SymbolBook(phase=Phase.REGULAR), quote("10", "10.01")).book
    taken = matching.take(book, order(OrderType.MARKET_TO_LIMIT, 500), NOON)
    assert kinds(taken) == [Accepted, Filled, Modified]
    (rests,) = taken.book.orders
    assert rests.terms.limit_price == Decimal("10.01")
    worse = matching.see_quote(taken.book, quote("10.01", "10.02"))
    assert kinds(worse) == []
    better = matching.see_quote(worse.book, quote("9.99", "10", size=50))
    assert kinds(better) == [Filled]
    assert fills(matching.see_quote(better.book, quote("10", "10.01"))) == [(150, Decimal("10.01"))]


def test_a_market_to_limit_order_that_is_filled_at_once_has_no_limit() -> None:
    book = matching.see_quote(SymbolBook(phase=Phase.REGULAR), quote("10", "10.01")).book
    assert kinds(matching.take(book, order(OrderType.MARKET_TO_LIMIT, 300), NOON)) == [Accepted, Filled]


def test_an_order_that_is_all_or_none_waits_until_the_quote_has_all_of_it() -> None:
    book = matching.see_quote(SymbolBook(phase=Phase.REGULAR), quote("10", "10.01")).book
    taken = matching.take(book, order(OrderType.LIMIT, 500, limit="10.02", all_or_none=True), NOON)
    assert kinds(taken) == [Accepted]
    other = matching.take(taken.book, order(OrderType.LIMIT, 300, limit="10.02"), NOON)
    assert fills(other) == [(300, Decimal("10.01"))]  # it is passed over
    assert fills(matching.see_quote(other.book, quote("10", "10.01", size=500))) == [(500, Decimal("10.01"))]


def test_of_an_order_that_shows_a_part_a_quote_takes_that_part_once_it_rests() -> None:
    book = matching.see_quote(SymbolBook(phase=Phase.REGULAR), quote("10", "10.01")).book
    iceberg = order(OrderType.LIMIT, 1_000, limit="10.01", display_quantity=Decimal(100))
    taken = matching.take(book, iceberg, NOON)
    assert fills(taken) == [(300, Decimal("10.01"))]  # what takes is not shown
    step = matching.see_quote(taken.book, quote("10", "10.01"))
    assert fills(step) == [(100, Decimal("10.01"))]
    assert fills(matching.see_quote(step.book, quote("10", "10.01", size=40))) == [(40, Decimal("10.01"))]


@pytest.mark.parametrize("kind", [OrderType.MARKET, OrderType.STOP])
def test_before_its_time_an_order_neither_trades_nor_triggers(kind: OrderType) -> None:
    begins = NOON + timedelta(minutes=1)
    wanted = order(kind, stop="9" if kind is OrderType.STOP else None, not_before=begins)
    taken = matching.take(open_book(), wanted, NOON)
    assert kinds(taken) == [Accepted]
    early = matching.see_quote(taken.book, quote("10", "10.01"))
    assert kinds(early) == []
    in_time = matching.see_quote(early.book, replace(quote("10", "10.01"), at=begins))
    assert kinds(in_time)[-1] is Filled


@pytest.mark.parametrize(
    ("trigger", "side", "kind", "price"),
    [
        (TriggerMethod.DEFAULT, Side.BUY, OrderType.STOP, "10.05"),
        (TriggerMethod.LAST, Side.SELL, OrderType.STOP, "10.05"),
        (TriggerMethod.BID_ASK, Side.BUY, OrderType.STOP, "10.00"),
        (TriggerMethod.BID_ASK, Side.SELL, OrderType.STOP, "10.10"),
        (TriggerMethod.BID_ASK, Side.BUY, OrderType.MARKET_IF_TOUCHED, "10.10"),
        (TriggerMethod.BID_ASK, Side.SELL, OrderType.MARKET_IF_TOUCHED, "10.00"),
        (TriggerMethod.MID, Side.BUY, OrderType.STOP, "10.05"),
    ],
)
def test_a_stop_goes_by_the_price_that_it_names(
    trigger: TriggerMethod, side: Side, kind: OrderType, price: str
) -> None:
    cent = Decimal("0.01")
    last = "10.05" if trigger is not TriggerMethod.MID else "10.07"
    at = quote("10.00", "10.10", last=last)
    rises = (side is Side.BUY) is (kind is OrderType.STOP)
    for stop, triggers in ((Decimal(price), True), (Decimal(price) + (cent if rises else -cent), False)):
        taken = matching.take(
            SymbolBook(phase=Phase.REGULAR), order(kind, side=side, stop=str(stop), trigger=trigger), NOON
        )
        assert (Triggered in kinds(matching.see_quote(taken.book, at))) is triggers


def moves(book: SymbolBook, *prices: str) -> tuple[SymbolBook, list[type]]:
    """The market goes through these prices, bid and last; the kinds of events at the last of them."""
    kinds_: list[type] = []
    for price in prices:
        step = matching.see_quote(book, quote(price, str(Decimal(price) + Decimal("0.01")), last=price))
        book, kinds_ = step.book, kinds(step)
    return book, kinds_


@pytest.mark.parametrize(
    "trail", [{"trail_amount": Decimal("0.50")}, {"trail_percent": Decimal(5)}], ids=["amount", "percent"]
)
def test_a_trailing_stop_follows_the_market_and_never_goes_back(trail: dict[str, Decimal]) -> None:
    sale = order(OrderType.TRAILING_STOP, side=Side.SELL, **trail)
    book = matching.take(SymbolBook(phase=Phase.REGULAR), sale, NOON).book
    book, _ = moves(book, "10.00", "10.40", "10.10")
    (order_,) = book.orders
    stop = Decimal("9.90") if "trail_amount" in trail else Decimal("9.88")
    assert order_.terms.stop_price == stop
    book, told = moves(book, str(stop + Decimal("0.01")))
    assert told == []
    _, told = moves(book, str(stop))
    assert told == [Triggered, Filled]


def test_a_trailing_stop_with_an_activation_price_is_triggered_by_nothing_before() -> None:
    trail = {"trail_amount": Decimal("0.50"), "activation_price": Decimal("10.40")}
    sale = order(OrderType.TRAILING_STOP, side=Side.SELL, **trail)
    book = matching.take(SymbolBook(phase=Phase.REGULAR), sale, NOON).book
    book, told = moves(book, "10.00", "10.30", "9.00")
    assert (told, book.orders[0].terms.stop_price) == ([], None)
    book, told = moves(book, "10.60", "10.20")  # a gap: it begins from where the market is
    assert book.orders[0].terms.stop_price == Decimal("10.10")
    assert moves(book, "10.10")[1] == [Triggered, Filled]


def test_a_trailing_stop_to_buy_comes_down_with_the_market() -> None:
    book = matching.take(
        SymbolBook(phase=Phase.REGULAR), order(OrderType.TRAILING_STOP, trail_amount=Decimal("0.50")), NOON
    ).book
    book, _ = moves(book, "10.00", "9.60", "9.90")
    assert [each.terms.stop_price for each in book.orders] == [Decimal("10.10")]
    assert moves(book, "10.09")[1] == []
    assert moves(book, "10.10")[1] == [Triggered, Filled]


def test_a_trailing_stop_with_a_limit_rests_at_its_limit_once_it_is_triggered_and_trails_no_more() -> None:
    trail = {"trail_amount": Decimal("0.50"), "limit_offset": Decimal("0.10")}
    sale = order(OrderType.TRAILING_STOP_LIMIT, side=Side.SELL, **trail)
    book = matching.take(SymbolBook(phase=Phase.REGULAR), sale, NOON).book
    book, told = moves(book, "10.00", "9.30")  # over stop and limit at once
    assert told == [Triggered]
    assert [(each.terms.stop_price, each.terms.limit_price) for each in book.orders] == [
        (Decimal("9.50"), Decimal("9.40"))
    ]
    assert moves(book, "9.39")[1] == []
    assert moves(book, "10.80")[1] == [Filled]


def test_a_trailing_stop_goes_by_the_price_that_it_names() -> None:
    sale = order(OrderType.TRAILING_STOP, side=Side.SELL, trail_amount=Decimal(1), trigger=TriggerMethod.MID)
    book = matching.take(SymbolBook(phase=Phase.REGULAR), sale, NOON).book
    step = matching.see_quote(book, quote("10.00", "10.10", last="20"))
    assert [each.terms.stop_price for each in step.book.orders] == [Decimal("9.05")]


def test_outside_regular_hours_only_orders_that_ask_for_it_trade() -> None:
    for phase, outside, expected in (
        (Phase.EXTENDED, False, 0),
        (Phase.EXTENDED, True, 1),
        (Phase.CLOSED, True, 0),
        (Phase.REGULAR, False, 1),
    ):
        book = matching.see_quote(SymbolBook(phase=phase), quote("10", "10.01")).book
        assert len(fills(matching.take(book, order(OrderType.MARKET, outside=outside), NOON))) == expected


def test_nobody_trades_on_the_quote_of_another_phase() -> None:
    book = matching.enter_phase(open_book(), Phase.EXTENDED).book
    taken = matching.take(book, order(OrderType.MARKET, outside=True), NOON)
    assert fills(taken) == []
    assert fills(matching.see_quote(taken.book, quote("11", "11.01"))) == [(100, Decimal("11.01"))]


def test_orders_expire_when_their_time_is_over() -> None:
    close = NOON + timedelta(hours=4)
    book = matching.take(open_book(), order(OrderType.LIMIT, limit="1", expires_at=close), NOON).book
    book = matching.take(book, order(OrderType.LIMIT, limit="1"), NOON).book
    assert kinds(matching.expire(book, close - timedelta(seconds=1))) == []
    step = matching.expire(book, close)
    assert kinds(step) == [Expired]
    assert len(step.book.orders) == 1


def test_a_cancel_takes_a_working_order_out_and_is_refused_for_a_done_one() -> None:
    wanted = order(OrderType.LIMIT, limit="1")
    book = matching.take(open_book(), wanted, NOON).book
    canceled = matching.cancel(book, wanted.number, NOON, "by the user")
    assert kinds(canceled) == [Canceled]
    assert isinstance(canceled, Step)
    refused = matching.cancel(canceled.book, wanted.number, NOON, "")
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.ORDER_IS_DONE


def test_a_modified_price_may_fill_at_once() -> None:
    wanted = order(OrderType.LIMIT, limit="1")
    book = matching.take(open_book(), wanted, NOON).book
    step = matching.modify(book, wanted.number, replace(wanted.terms, limit_price=Decimal("10.01")), NOON)
    assert kinds(step) == [Modified, Filled]


def test_a_quantity_can_not_become_less_than_what_was_filled() -> None:
    wanted = order(OrderType.LIMIT, 500, limit="10.01")
    book = matching.take(open_book(), wanted, NOON).book
    for quantity in (200, 300):
        refused = matching.modify(book, wanted.number, replace(wanted.terms, quantity=Decimal(quantity)), NOON)
        assert isinstance(refused, Refusal)
        assert refused.reason is RefusalReason.BAD_TERMS
    assert kinds(matching.modify(book, wanted.number, replace(wanted.terms, quantity=Decimal(400)), NOON)) == [Modified]


def test_only_an_order_that_becomes_smaller_keeps_its_place() -> None:
    first, second = order(OrderType.LIMIT, 200, limit="9"), order(OrderType.LIMIT, 200, limit="9")
    book = matching.take(matching.take(open_book(), first, NOON).book, second, NOON).book
    for quantity, leading in ((100, first), (300, second)):
        step = matching.modify(book, first.number, replace(first.terms, quantity=Decimal(quantity)), NOON)
        assert isinstance(step, Step)
        assert step.book.orders[0].number == leading.number


def at_once(validity: TimeInForce, quantity: int, limit: str = "10.01", **more: Any) -> VenueOrder:
    return order(OrderType.LIMIT, quantity, limit=limit, validity=validity, **more)


@pytest.mark.parametrize("validity", sorted(AT_ONCE))
def test_an_order_at_once_that_is_to_be_had_whole_is_filled(validity: TimeInForce) -> None:
    step = matching.take(open_book(size=300), at_once(validity, 300), NOON)
    assert fills(step) == [(300, Decimal("10.01"))]
    assert step.book.orders == ()


def test_an_immediate_order_takes_what_there_is_and_its_rest_is_over() -> None:
    step = matching.take(open_book(size=300), at_once(TimeInForce.IOC, 500), NOON)
    assert kinds(step) == [Accepted, Filled, Canceled]
    assert fills(step) == [(300, Decimal("10.01"))]
    event, after = step.events[-1]
    assert isinstance(event, Canceled)
    assert event.reason == WHY_OVER[TimeInForce.IOC]
    assert (after.status, after.filled, after.leaves) == (VenueOrderStatus.CANCELED, 300, 0)
    assert step.book.orders == ()


def test_a_fill_or_kill_order_that_is_not_to_be_had_whole_takes_nothing() -> None:
    step = matching.take(open_book(size=300), at_once(TimeInForce.FOK, 301), NOON)
    assert kinds(step) == [Accepted, Canceled]
    assert (step.book.orders, step.book.ask_left) == ((), 300)


def test_a_fill_or_kill_order_does_not_count_what_others_have_taken() -> None:
    book = matching.take(open_book(size=300), order(OrderType.MARKET, 100), NOON).book
    assert kinds(matching.take(book, at_once(TimeInForce.FOK, 201), NOON)) == [Accepted, Canceled]
    assert kinds(matching.take(book, at_once(TimeInForce.FOK, 200), NOON)) == [Accepted, Filled]


@pytest.mark.parametrize("validity", sorted(AT_ONCE))
@pytest.mark.parametrize("book", [SymbolBook(), SymbolBook(phase=Phase.REGULAR)], ids=["shut", "no quote"])
def test_an_order_at_once_waits_for_nothing(validity: TimeInForce, book: SymbolBook) -> None:
    step = matching.take(book, at_once(validity, 100), NOON)
    assert kinds(step) == [Accepted, Canceled]
    beyond = matching.take(open_book(), at_once(validity, 100, limit="10.00"), NOON)
    assert kinds(beyond) == [Accepted, Canceled]


def test_an_order_at_once_that_outlived_its_venue_ends_with_the_next_quote_and_takes_nothing() -> None:
    """The venue died between its fill and its end: what it found written down is an order that works."""
    rest = at_once(TimeInForce.IOC, 500)
    step = matching.see_quote(SymbolBook(phase=Phase.REGULAR, orders=(rest,)), quote("10.00", "10.01", size=300))
    assert kinds(step) == [Canceled]
    assert step.book.orders == ()


def test_a_post_only_order_that_would_take_is_rejected_and_one_that_would_not_rests() -> None:
    book = open_book()
    step = matching.take(book, order(OrderType.LIMIT, limit="10.01", post_only=True), NOON)
    assert kinds(step) == [Rejected]
    assert (step.book, step.events[0][1].status) == (book, VenueOrderStatus.REJECTED)
    rests = matching.take(book, order(OrderType.LIMIT, limit="10.00", post_only=True), NOON)
    assert kinds(rests) == [Accepted]
    assert fills(matching.see_quote(rests.book, quote("9.98", "9.99", last="9.99"))) != []


def test_a_post_only_order_is_not_changed_into_one_that_takes() -> None:
    rests = order(OrderType.LIMIT, limit="10.00", post_only=True)
    book = matching.take(open_book(), rests, NOON).book
    refused = matching.modify(book, rests.number, replace(rests.terms, limit_price=Decimal("10.01")), NOON)
    assert isinstance(refused, Refusal)
    moved = replace(rests.terms, limit_price=Decimal("9.99"))
    assert kinds(matching.modify(book, rests.number, moved, NOON)) == [Modified]


def test_a_stop_with_a_limit_rests_until_it_is_triggered_and_is_a_limit_order_from_then_on() -> None:
    wanted = order(OrderType.STOP_LIMIT, 500, stop="10.50", limit="10.52")
    book = matching.take(open_book(), wanted, NOON).book  # its limit is beyond the market: that alone trades nothing
    assert book.orders == (wanted,)
    triggered = matching.see_quote(book, quote("10.54", "10.55", last="10.50"))
    assert kinds(triggered) == [Triggered]  # the market has jumped over the limit
    filled = matching.see_quote(triggered.book, quote("10.51", "10.52", last="10.51", size=300))
    assert fills(filled) == [(300, Decimal("10.52"))]
    (rests,) = filled.book.orders
    assert (rests.status, rests.leaves) == (VenueOrderStatus.TRIGGERED, 200)


@pytest.mark.parametrize(
    ("side", "touch", "away", "there"), [(Side.SELL, "10.50", "10.49", "10.50"), (Side.BUY, "9.50", "9.51", "9.50")]
)
@pytest.mark.parametrize("kind", sorted(IF_TOUCHED))
def test_an_order_to_be_touched_is_triggered_where_its_owner_wins(
    kind: OrderType, side: Side, touch: str, away: str, there: str
) -> None:
    wanted = order(kind, 100, side, limit=touch if kind in WITH_LIMIT else None, stop=touch)
    book = matching.take(open_book(), wanted, NOON).book
    waits = matching.see_quote(book, quote(away, away, last=away))
    assert kinds(waits) == []
    assert kinds(matching.see_quote(waits.book, quote(there, there, last=there))) == [Triggered, Filled]


@pytest.mark.parametrize(
    ("ask", "liquidity"), [("10.51", Liquidity.TAKER), ("10.53", Liquidity.MAKER)], ids=["takes", "rests first"]
)
def test_a_stop_with_a_limit_takes_at_its_trigger_or_has_rested(ask: str, liquidity: Liquidity) -> None:
    wanted = order(OrderType.STOP_LIMIT, stop="10.50", limit="10.52")
    book = matching.take(replace(open_book(), tells_makers=True), wanted, NOON).book
    step = matching.see_quote(book, quote("10.50", ask, last="10.50"))
    if liquidity is Liquidity.MAKER:
        step = matching.see_quote(step.book, quote("10.50", "10.51", last="10.51"))
    assert [event.liquidity for event in events(step) if isinstance(event, Filled)] == [liquidity]


prices = st.integers(min_value=900, max_value=1100).map(lambda cents: Decimal(cents) / 100)


@st.composite
def wishes(draw: st.DrawFn) -> VenueOrder:
    kind = draw(st.sampled_from([OrderType.MARKET, OrderType.LIMIT, *sorted(WITH_STOP)]))
    side, quantity, price = draw(st.sampled_from(list(Side))), draw(st.integers(1, 2_000)), str(draw(prices))
    limit, stop = (price if kind in WITH_LIMIT else None), (str(draw(prices)) if kind in WITH_STOP else None)
    validity = draw(st.sampled_from(TimeInForce)) if kind is OrderType.LIMIT else TimeInForce.DAY
    return order(kind, quantity, side, limit, stop, validity=validity)


@given(st.lists(st.one_of(wishes(), st.tuples(prices, st.integers(1, 9))), max_size=40))
def test_fills_never_exceed_the_order_the_quote_or_the_limit(moves: list[VenueOrder | tuple[Decimal, int]]) -> None:
    book, wanted, filled, execution_ids = SymbolBook(phase=Phase.REGULAR), {}, {}, []
    taken = {Side.BUY: Decimal(0), Side.SELL: Decimal(0)}
    for move in moves:
        if isinstance(move, VenueOrder):
            wanted[move.number], filled[move.number] = move.terms, Decimal(0)
            step = matching.take(book, move, NOON)
        else:
            bid, lots = move
            taken = {Side.BUY: Decimal(0), Side.SELL: Decimal(0)}
            step = matching.see_quote(book, quote(str(bid), str(bid + Decimal("0.01")), size=lots * 100))
        book = step.book
        assert not any(each.terms.time_in_force in AT_ONCE for each in book.orders)
        for event, after in step.events:
            if after.terms.time_in_force is TimeInForce.FOK:
                assert after.filled in (0, after.terms.quantity)
            if not isinstance(event, Filled):
                continue
            terms = wanted[event.number]
            filled[event.number] += event.quantity
            taken[terms.side] += event.quantity
            execution_ids.append(event.execution_id)
            assert event.quantity > 0
            assert after.filled == event.cumulative == filled[event.number] <= terms.quantity
            assert event.leaves == terms.quantity - event.cumulative
            if terms.limit_price is not None:
                assert (event.price - terms.limit_price) * terms.side.sign <= 0
        if book.quote is not None:
            assert taken[Side.BUY] <= book.quote.ask_size
            assert taken[Side.SELL] <= book.quote.bid_size
    assert len(set(execution_ids)) == len(execution_ids)
