"""The venue's money: average cost, commissions, margin."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.exchange.books import AccountBook, begin_day, book_fill, lacks_margin, worth
from signalbox.exchange.fees import execution_fee, order_fee
from signalbox.exchange.orders import OrderTerms
from signalbox.messages import OrderType, Side
from simulators.listings import listing_of

SPY, TENCENT = listing_of("SPY"), listing_of("0700.HK")
LISTINGS = {"SPY": SPY, "0700.HK": TENCENT}
MARKS = {"SPY": Decimal(100), "0700.HK": Decimal(400)}


def account(cash: int = 1_000_000) -> AccountBook:
    return AccountBook(account="DU1", venue="ibkr", base_currency="USD", cash={"USD": Decimal(cash)})


def traded(*fills: tuple[int, str]) -> AccountBook:
    """An account after fills of SPY: (signed quantity, price), without commission."""
    book = account()
    for quantity, price in fills:
        side = Side.BUY if quantity > 0 else Side.SELL
        book = book_fill(book, SPY, side, Decimal(abs(quantity)), Decimal(price), Decimal(0)).book
    return book


def order(side: Side, quantity: int, limit: str | None = None, symbol: str = "SPY") -> OrderTerms:
    return OrderTerms(
        account="DU1",
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        order_type=OrderType.LIMIT if limit else OrderType.MARKET,
        limit_price=Decimal(limit) if limit else None,
    )


@pytest.mark.parametrize(
    ("fills", "quantity", "average", "realized"),
    [
        ([(100, "10")], 100, "10", "0"),
        ([(100, "10"), (100, "12")], 200, "11", "0"),
        ([(100, "10"), (100, "12"), (-50, "15")], 150, "11", "200"),
        ([(100, "10"), (-100, "9")], 0, "0", "-100"),
        ([(100, "10"), (-150, "12")], -50, "12", "200"),
        ([(-100, "10"), (150, "8")], 50, "8", "200"),
        ([(-100, "10"), (-100, "8"), (50, "7")], -150, "9", "100"),
    ],
    ids=["open", "add", "reduce", "close", "reverse to short", "reverse to long", "short"],
)
def test_position_is_kept_at_average_cost(
    fills: list[tuple[int, str]], quantity: int, average: str, realized: str
) -> None:
    position = traded(*fills).positions["SPY"]
    assert position.quantity == quantity
    assert position.average_price == Decimal(average)
    assert position.realized_pnl == Decimal(realized)


def test_the_multiplier_scales_cash_and_profit() -> None:
    option = replace(SPY, key="OPT", multiplier=Decimal(100))
    bought = book_fill(account(), option, Side.BUY, Decimal(2), Decimal("1.5"), Decimal(1)).book
    sold = book_fill(bought, option, Side.SELL, Decimal(2), Decimal("2.0"), Decimal(1))
    assert bought.cash["USD"] == Decimal(1_000_000 - 300 - 1)
    assert sold.realized_pnl == Decimal(100)


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=-500, max_value=500).filter(bool),
            st.decimals(min_value="0.01", max_value=1000, places=2),
        ),
        max_size=30,
    )
)
def test_cash_and_positions_are_the_sum_of_the_fills(fills: list[tuple[int, Decimal]]) -> None:
    book, fees = account(), Decimal(0)
    for quantity, price in fills:
        fee = order_fee(Decimal(abs(quantity)))
        fees += fee
        side = Side.BUY if quantity > 0 else Side.SELL
        book = book_fill(book, SPY, side, Decimal(abs(quantity)), price, fee).book
    paid = sum((quantity * price for quantity, price in fills), Decimal(0))
    assert book.cash["USD"] == 1_000_000 - paid - fees
    if fills:
        position, mark = book.positions["SPY"], Decimal(77)
        assert position.quantity == sum(quantity for quantity, _ in fills)
        profit = position.realized_pnl + position.unrealized_pnl(mark)
        assert abs(profit - (position.quantity * mark - paid)) < Decimal("1e-15")
        assert position.daily_pnl(mark) == position.quantity * mark - paid


@given(st.lists(st.integers(min_value=1, max_value=1000), min_size=1, max_size=20))
def test_the_shares_of_an_order_fee_add_up_to_it(quantities: list[int]) -> None:
    filled, charged = Decimal(0), []
    for quantity in quantities:
        charged.append(execution_fee(filled, Decimal(quantity)))
        filled += quantity
    assert sum(charged) == max(Decimal(1), Decimal("0.005") * filled)
    assert charged[0] >= 1
    assert all(fee >= 0 for fee in charged)


def test_a_fill_in_another_currency_leaves_the_base_cash_alone() -> None:
    book = book_fill(account(), TENCENT, Side.BUY, Decimal(100), Decimal(400), Decimal(1)).book
    assert book.cash == {"USD": Decimal(1_000_000), "HKD": Decimal(-40_001)}
    value = worth(book, MARKS)
    assert value.net_liquidation == Decimal(1_000_000) - Decimal("0.128")
    assert value.gross_position_value == Decimal(5120)


def test_worth_follows_the_marks() -> None:
    value = worth(traded((100, "90")), MARKS)
    assert value.net_liquidation == 1_001_000
    assert value.initial_margin == 5_000
    assert value.maintenance_margin == 2_500
    assert value.available_funds == 996_000
    assert value.unrealized_pnl == 1_000


def test_daily_profit_starts_anew_each_day() -> None:
    book = begin_day(traded((100, "90")), {"SPY": Decimal(95)})
    assert worth(book, MARKS).daily_pnl == 500
    assert worth(book, MARKS).unrealized_pnl == 1_000
    after = book_fill(book, SPY, Side.SELL, Decimal(100), Decimal(97), Decimal(1)).book
    assert worth(after, MARKS).daily_pnl == 200


def test_an_order_beyond_the_margin_is_not_affordable() -> None:
    assert not lacks_margin(account(), order(Side.BUY, 19_900), [], LISTINGS, MARKS)
    assert lacks_margin(account(), order(Side.BUY, 20_000), [], LISTINGS, MARKS)
    assert lacks_margin(account(), order(Side.SELL, 20_000), [], LISTINGS, MARKS)
    assert lacks_margin(account(), order(Side.BUY, 15_000, "150"), [], LISTINGS, MARKS)


def test_working_orders_bind_margin() -> None:
    working = [(order(Side.BUY, 15_000), Decimal(15_000))]
    assert lacks_margin(account(), order(Side.BUY, 10_000), working, LISTINGS, MARKS)
    assert not lacks_margin(account(), order(Side.SELL, 10_000), working, LISTINGS, MARKS)


def test_an_order_that_only_closes_is_always_affordable() -> None:
    ruined = book_fill(account(1_000), SPY, Side.BUY, Decimal(1_000), Decimal(100), Decimal(5)).book
    marks = {**MARKS, "SPY": Decimal(50)}
    assert lacks_margin(ruined, order(Side.BUY, 1), [], LISTINGS, marks)
    assert not lacks_margin(ruined, order(Side.SELL, 1_000), [], LISTINGS, marks)
