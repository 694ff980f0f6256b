"""Each of the desk's orders becomes the one kind on the chain that keeps its meaning; what has none is refused."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from gateway_dydx.plans import (
    GOOD_TIL_CANCELED,
    SHORT_BLOCK_WINDOW,
    ChainTimeInForce,
    Condition,
    OrderFlags,
    OrderPlan,
    PriceBounds,
    Subaccount,
    cancel_plan,
    order_end,
    order_plan,
    renewed,
    subaccount_of,
    subaccount_uuid,
)
from gateway_dydx.translate import MarketTerms, price_of
from hypothesis import given
from hypothesis import strategies as st
from signalbox.errors import TranslationError
from signalbox.messages import Order, OrderType, Side, TimeInForce

ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
ACCOUNT = Subaccount(ADDRESS, 0)
AT = datetime(2026, 3, 2, 15, 30, 0, 250_000, tzinfo=UTC)
HEIGHT = 1000
MIDNIGHT = datetime(2026, 3, 3, tzinfo=UTC)
BTC = MarketTerms(
    ticker="BTC-USD",
    clob_pair_id=0,
    atomic_resolution=-10,
    quantum_conversion_exponent=-9,
    step_base_quantums=1_000_000,
    subticks_per_tick=100_000,
    step_size=Decimal("0.0001"),
    tick_size=Decimal(1),
)
BOUNDS = PriceBounds(
    market_slippage_fraction=Decimal("0.02"),
    stop_slippage_fraction=Decimal("0.05"),
    reference_price=Decimal(50_001),
)
NO_PRICE = PriceBounds(market_slippage_fraction=Decimal(0), stop_slippage_fraction=Decimal(0))


def order(order_type: OrderType, **terms: Any) -> Order:
    values: dict[str, Any] = {
        "order_id": "a-1",
        "intent_id": "a-1",
        "venue": "dydx",
        "account": ACCOUNT.account,
        "symbol": "BTC-USD",
        "side": Side.BUY,
        "quantity": Decimal("0.0123"),
    }
    return Order(**(values | {"order_type": order_type} | terms))


def plan(of: Order, client_id: int = 7, bounds: PriceBounds = BOUNDS) -> OrderPlan:
    return order_plan(of, BTC, ACCOUNT, client_id, bounds, HEIGHT, AT)


def test_a_market_order_is_immediate_with_a_bound_and_a_near_end() -> None:
    made = plan(order(OrderType.MARKET, reduce_only=True))
    assert made.identity.flags is OrderFlags.SHORT_TERM
    assert made.time_in_force is ChainTimeInForce.IMMEDIATE_OR_CANCEL
    assert made.good_til_block == HEIGHT + 10
    assert made.good_til_time is None
    assert made.kept_until is None
    assert made.reduce_only
    assert made.quantums == 123_000_000
    assert price_of(made.subticks, BTC) == 51_001  # 51001.02 down to the tick


def test_a_selling_market_order_is_bounded_from_below() -> None:
    assert price_of(plan(order(OrderType.MARKET, side=Side.SELL)).subticks, BTC) == 49_001  # 49000.98 up to the tick


def test_a_market_order_without_any_price_is_refused() -> None:
    with pytest.raises(TranslationError, match="no price of BTC-USD"):
        plan(order(OrderType.MARKET), bounds=NO_PRICE)


@given(st.decimals("100", "1000000", places=2), st.decimals("0", "0.5", places=3), st.sampled_from(Side))
def test_a_market_order_is_never_worse_than_its_bound(price: Decimal, fraction: Decimal, side: Side) -> None:
    bounds = PriceBounds(market_slippage_fraction=fraction, stop_slippage_fraction=Decimal(0), reference_price=price)
    worst = price_of(plan(order(OrderType.MARKET, side=side), bounds=bounds).subticks, BTC)
    assert (price * (1 + side.sign * fraction) - worst) * side.sign >= 0


def test_a_days_limit_order_is_short_term_and_kept_until_the_utc_day_ends() -> None:
    made = plan(order(OrderType.LIMIT, limit_price=Decimal(49_000)))
    assert made.identity.flags is OrderFlags.SHORT_TERM
    assert made.time_in_force is ChainTimeInForce.UNSPECIFIED
    assert made.good_til_block == HEIGHT + 20
    assert made.kept_until == MIDNIGHT
    assert price_of(made.subticks, BTC) == 49_000


def test_a_dated_limit_order_is_kept_until_its_date() -> None:
    end = AT + timedelta(minutes=5)
    made = plan(order(OrderType.LIMIT, limit_price=Decimal(1), time_in_force=TimeInForce.GTD, good_till=end))
    assert (made.identity.flags, made.kept_until) == (OrderFlags.SHORT_TERM, end)


def test_a_limit_order_until_canceled_is_long_term() -> None:
    made = plan(order(OrderType.LIMIT, limit_price=Decimal(1), time_in_force=TimeInForce.GTC))
    assert made.identity.flags is OrderFlags.LONG_TERM
    assert made.is_stateful
    assert made.good_til_block == 0
    assert made.good_til_time == (AT + GOOD_TIL_CANCELED).replace(microsecond=0)
    assert made.kept_until is None


def test_an_immediate_limit_order_takes_at_its_limit_and_is_not_kept() -> None:
    terms = {"limit_price": Decimal(49_000), "time_in_force": TimeInForce.IOC, "reduce_only": True}
    made = plan(order(OrderType.LIMIT, **terms), bounds=NO_PRICE)
    assert made.identity.flags is OrderFlags.SHORT_TERM
    assert made.time_in_force is ChainTimeInForce.IMMEDIATE_OR_CANCEL
    assert (made.good_til_block, made.good_til_time, made.kept_until) == (HEIGHT + 10, None, None)
    assert price_of(made.subticks, BTC) == 49_000
    assert made.reduce_only
    assert order_end(order(OrderType.LIMIT, **terms), AT) is None


def test_a_stop_with_a_limit_is_conditional_and_rests_at_its_limit() -> None:
    prices = {"stop_price": Decimal(40_000), "limit_price": Decimal(39_900)}
    made = plan(order(OrderType.STOP_LIMIT, side=Side.SELL, time_in_force=TimeInForce.GTC, **prices), bounds=NO_PRICE)
    assert (made.identity.flags, made.condition) == (OrderFlags.CONDITIONAL, Condition.STOP_LOSS)
    assert made.time_in_force is ChainTimeInForce.UNSPECIFIED
    assert (price_of(made.trigger_subticks, BTC), price_of(made.subticks, BTC)) == (40_000, 39_900)
    assert made.good_til_time == (AT + GOOD_TIL_CANCELED).replace(microsecond=0)


def test_an_order_to_be_touched_is_a_take_profit() -> None:
    touched = {"side": Side.SELL, "stop_price": Decimal(60_000)}
    made = plan(order(OrderType.MARKET_IF_TOUCHED, reduce_only=True, **touched))
    assert (made.identity.flags, made.condition) == (OrderFlags.CONDITIONAL, Condition.TAKE_PROFIT)
    assert made.time_in_force is ChainTimeInForce.IMMEDIATE_OR_CANCEL
    assert (price_of(made.trigger_subticks, BTC), price_of(made.subticks, BTC)) == (60_000, 57_000)
    made = plan(order(OrderType.LIMIT_IF_TOUCHED, limit_price=Decimal(59_900), **touched))
    assert (made.condition, made.time_in_force) == (Condition.TAKE_PROFIT, ChainTimeInForce.UNSPECIFIED)
    assert (price_of(made.trigger_subticks, BTC), price_of(made.subticks, BTC)) == (60_000, 59_900)


@pytest.mark.parametrize("validity", [TimeInForce.DAY, TimeInForce.GTC])
def test_a_post_only_order_is_so_on_the_chain_and_in_every_version(validity: TimeInForce) -> None:
    made = plan(order(OrderType.LIMIT, limit_price=Decimal(49_000), time_in_force=validity, post_only=True))
    assert made.time_in_force is ChainTimeInForce.POST_ONLY
    if not made.is_stateful:
        assert renewed(made, made.good_til_block + 1).time_in_force is ChainTimeInForce.POST_ONLY


@pytest.mark.parametrize(
    ("terms", "end"),
    [
        ({}, MIDNIGHT),
        ({"time_in_force": TimeInForce.GTC}, (AT + GOOD_TIL_CANCELED).replace(microsecond=0)),
        ({"time_in_force": TimeInForce.GTD, "good_till": AT + timedelta(hours=1)}, AT.replace(hour=16, microsecond=0)),
    ],
)
def test_a_stop_is_conditional_with_its_own_end_and_bound(terms: dict[str, Any], end: datetime) -> None:
    made = plan(order(OrderType.STOP, side=Side.SELL, stop_price=Decimal(40_000), reduce_only=True, **terms))
    assert made.identity.flags is OrderFlags.CONDITIONAL
    assert made.condition is Condition.STOP_LOSS
    assert made.time_in_force is ChainTimeInForce.IMMEDIATE_OR_CANCEL
    assert price_of(made.trigger_subticks, BTC) == 40_000
    assert price_of(made.subticks, BTC) == 38_000
    assert made.good_til_time == end
    assert made.reduce_only


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (order(OrderType.MARKET_ON_CLOSE), "no plan of a MARKET_ON_CLOSE order"),
        (order(OrderType.LIMIT), "needs limit_price"),
        (order(OrderType.STOP), "needs stop_price"),
        (order(OrderType.LIMIT, limit_price=Decimal("1.5")), "no multiple of BTC-USD's tick"),
        (order(OrderType.STOP, stop_price=Decimal("1.5")), "no multiple of BTC-USD's tick"),
        (order(OrderType.MARKET, quantity=Decimal("0.00001")), "below the smallest size"),
        (order(OrderType.LIMIT, limit_price=Decimal(1), time_in_force=TimeInForce.GTD), "needs its date"),
        (
            order(OrderType.LIMIT, limit_price=Decimal(1), time_in_force=TimeInForce.GTD, good_till=AT),
            "has passed",
        ),
        (
            order(
                OrderType.STOP,
                stop_price=Decimal(1),
                time_in_force=TimeInForce.GTD,
                good_till=AT + timedelta(days=96),
            ),
            "95 days at most",
        ),
    ],
)
def test_what_the_venue_can_not_express_is_refused_with_the_reason(refused: Order, words: str) -> None:
    with pytest.raises(TranslationError) as caught:
        plan(refused)
    assert words in str(caught.value)


def test_a_client_id_has_32_bits() -> None:
    with pytest.raises(TranslationError, match="32 bits"):
        plan(order(OrderType.MARKET), client_id=2**32)


def test_a_days_order_of_the_last_moment_still_ends_at_midnight() -> None:
    assert order_end(order(OrderType.STOP), MIDNIGHT - timedelta(microseconds=1)) == MIDNIGHT
    assert order_end(order(OrderType.STOP), MIDNIGHT) == MIDNIGHT + timedelta(days=1)


def test_a_renewal_changes_only_the_good_til_block() -> None:
    first = plan(order(OrderType.LIMIT, limit_price=Decimal(49_000)))
    again = renewed(first, first.good_til_block + 12)
    assert again.identity == first.identity
    assert again.good_til_block == HEIGHT + 32
    assert (again.quantums, again.subticks, again.side) == (first.quantums, first.subticks, first.side)


@pytest.mark.parametrize("block", [HEIGHT, HEIGHT + 20])
def test_a_renewal_must_be_later(block: int) -> None:
    with pytest.raises(TranslationError):
        renewed(plan(order(OrderType.LIMIT, limit_price=Decimal(1))), block)


def test_a_stateful_order_is_not_renewed() -> None:
    with pytest.raises(TranslationError):
        renewed(plan(order(OrderType.STOP, stop_price=Decimal(1))), HEIGHT + 99)


def test_a_short_term_cancel_reaches_whatever_is_on_its_way() -> None:
    made = plan(order(OrderType.LIMIT, limit_price=Decimal(1)))
    assert cancel_plan(made, HEIGHT).good_til_block == made.good_til_block
    later = cancel_plan(made, HEIGHT + 15)
    assert later.good_til_block == HEIGHT + 15 + 20 <= HEIGHT + 15 + 1 + SHORT_BLOCK_WINDOW


def test_a_stateful_cancel_has_the_orders_own_end() -> None:
    made = plan(order(OrderType.STOP, stop_price=Decimal(1)))
    cancel = cancel_plan(made, HEIGHT)
    assert (cancel.identity, cancel.good_til_time, cancel.good_til_block) == (made.identity, made.good_til_time, 0)


def test_an_order_has_the_indexers_id_before_it_is_sent() -> None:
    namespace = uuid.UUID("0f9da948-a6fb-4c45-9edc-4685c3f3317d")
    inner = uuid.uuid5(namespace, f"{ADDRESS}-0")
    assert subaccount_uuid(ADDRESS, 0) == str(inner)
    assert plan(order(OrderType.MARKET)).identity.venue_order_id == str(uuid.uuid5(namespace, f"{inner}-7-0-0"))


@given(st.integers(0, 128_000))
def test_an_account_name_comes_back(number: int) -> None:
    made = Subaccount(ADDRESS, number)
    assert subaccount_of(made.account) == made


@pytest.mark.parametrize("account", ["DU123", ADDRESS, f"{ADDRESS}-", f"{ADDRESS}-x", f"{ADDRESS}-01", f"{ADDRESS}-²"])
def test_an_account_of_another_form_is_refused(account: str) -> None:
    with pytest.raises(TranslationError):
        subaccount_of(account)
