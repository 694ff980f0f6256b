"""What each trade did to its position: sizes, entry prices and earnings from flat to flat, as the indexer tells."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.messages import Side
from simulators.dydx.trade_history import trade_history


def trade(chain: Any, number: int, side: Side, size: str, price: str, fee: str = "1", **changes: Any) -> None:
    """Let one order fill alone in the next block."""
    fill = chain.fill(
        id=f"fill-{number}",
        order_id=f"order-{number}",
        side=side,
        size=Decimal(size),
        price=Decimal(price),
        fee=Decimal(fee),
        **changes,
    )
    chain.block(fills=(fill,))


def told(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


@pytest.fixture
async def traded(serve: Any) -> Any:
    async with serve(prepare=lambda chain: chain.account()) as indexer:
        yield indexer


async def test_a_position_is_told_from_flat_to_flat(traded: Any, address: str, conforms: Any) -> None:
    chain = traded.chain
    chain.block(orders=(chain.order(id="order-1", type="MARKET"),))
    trade(chain, 1, Side.BUY, "1", "100")
    trade(chain, 2, Side.BUY, "1", "110")
    trade(chain, 3, Side.SELL, "0.5", "125")
    trade(chain, 4, Side.SELL, "1.5", "95", fee="-0.25")
    trade(chain, 5, Side.SELL, "2", "90")
    answer = await traded.get("/tradeHistory", address=address, subaccountNumber=0)
    conforms("/tradeHistory", answer)
    rows = answer["tradeHistory"][::-1]
    names = ("action", "prevSize", "additionalSize", "entryPrice", "netFee", "netRealizedPnl")
    assert [told(row, *names) for row in rows] == [
        ("OPEN", "0", "1", "100", "1", "0"),
        ("EXTEND", "1", "1", "105", "2", "0"),
        ("PARTIAL_CLOSE", "2", "-0.5", "105", "3", "10"),
        ("CLOSE", "1.5", "-1.5", "105", "2.75", "-5"),
        ("OPEN", "0", "-2", "90", "1", "0"),
    ]
    assert [row["positionSide"] for row in rows] == ["LONG", "LONG", "LONG", None, "SHORT"]
    assert [row["orderType"] for row in rows[:2]] == ["MARKET", None]  # an order that is not known has no type
    assert rows[2]["netRealizedPnlPercent"] == "0.19047619047619047619"  # 10 of 52.5, as a fraction of 20 places
    assert rows[1]["netRealizedPnlPercent"] is None
    assert told(rows[0], "orderId", "marketId", "marginMode", "side", "value") == (
        "order-1", "BTC-USD", "CROSS", "BUY", "100",
    )  # fmt: skip
    assert (answer["pageSize"], answer["totalResults"], answer["offset"]) == (1000, 5, 0)


async def test_a_trade_that_turns_a_position_over_is_told_as_its_end_and_a_beginning(traded: Any, address: str) -> None:
    trade(traded.chain, 1, Side.BUY, "1", "100")
    trade(traded.chain, 2, Side.SELL, "4", "120", fee="2")
    begun, ended, _ = (await traded.get("/tradeHistory", address=address, subaccountNumber=0))["tradeHistory"]
    names = ("id", "action", "additionalSize", "entryPrice", "netFee", "netRealizedPnl", "positionSide", "value")
    assert told(ended, *names) == ("order-2:1002:close", "CLOSE", "-1", "100", "1.5", "20", None, "120")
    assert told(begun, *names) == ("order-2:1002:open", "OPEN", "-3", "120", "1.5", "0", "SHORT", "360")
    assert ended["netRealizedPnlPercent"] == "0.2"


async def test_what_one_order_filled_in_a_block_is_one_trade_at_its_average_price(traded: Any, address: str) -> None:
    chain = traded.chain
    parts = [("fill-1", "1", "100"), ("fill-2", "3", "104")]
    chain.block(fills=tuple(chain.fill(id=id_, size=Decimal(size), price=Decimal(price)) for id_, size, price in parts))
    chain.block(fills=(chain.fill(size=Decimal(1), price=Decimal(110)),))
    rows = (await traded.get("/tradeHistory", address=address, subaccountNumber=0))["tradeHistory"]
    assert [told(row, "action", "additionalSize", "executionPrice") for row in rows] == [
        ("EXTEND", "1", "110"),
        ("OPEN", "4", "103"),
    ]


async def test_a_liquidation_has_no_order(traded: Any, address: str, conforms: Any) -> None:
    chain = traded.chain
    trade(chain, 1, Side.BUY, "2", "100")
    chain.block(
        fills=tuple(
            chain.fill(id=f"fill-{number}", order_id="", side=Side.SELL, size=Decimal(1), type="LIQUIDATED")
            for number in (2, 3)
        )
    )
    answer = await traded.get("/tradeHistory", address=address, subaccountNumber=0)
    conforms("/tradeHistory", answer)
    rows = answer["tradeHistory"]
    assert [told(row, "id", "action", "orderId", "orderType") for row in rows[:2]] == [
        ("fill-3", "LIQUIDATION_CLOSE", None, None),
        ("fill-2", "LIQUIDATION_PARTIAL_CLOSE", None, None),
    ]


async def test_a_parents_children_have_positions_of_their_own(
    traded: Any, address: str, other_address: str, conforms: Any
) -> None:
    chain = traded.chain
    trade(chain, 1, Side.BUY, "1", "100")
    trade(chain, 2, Side.SELL, "1", "100", subaccount_number=128)
    trade(chain, 3, Side.BUY, "1", "100", subaccount_number=1)
    trade(chain, 4, Side.BUY, "1", "100", address=other_address)
    path = "/tradeHistory/parentSubaccountNumber"
    answer = await traded.get(path, address=address, parentSubaccountNumber=0)
    conforms(path, answer)
    assert [told(row, "subaccountNumber", "action") for row in answer["tradeHistory"]] == [(128, "OPEN"), (0, "OPEN")]


async def test_trades_are_chosen_by_market_and_come_in_pages(traded: Any, address: str) -> None:
    for number in range(3):
        trade(traded.chain, number, Side.BUY, "1", "100")
    trade(traded.chain, 3, Side.BUY, "1", "10", ticker="ETH-USD")

    async def ids(**parameters: Any) -> list[str]:
        answer = await traded.get("/tradeHistory", address=address, subaccountNumber=0, **parameters)
        return [row["orderId"] for row in answer["tradeHistory"]]

    assert await ids() == ["order-3", "order-2", "order-1", "order-0"]
    assert await ids(market="ETH-USD", marketType="PERPETUAL") == ["order-3"]
    assert await ids(limit=1) == ["order-3"]
    assert await ids(limit=3, page=2) == ["order-0"]
    missing = {"address": address, "subaccountNumber": 0, "market": "XYZ-USD", "marketType": "PERPETUAL"}
    answer = await traded.get("/tradeHistory", expected=404, **missing)
    assert answer == {"errors": [{"msg": "XYZ-USD not found in markets of type PERPETUAL"}]}


AMOUNTS = st.decimals("0.001", "1000", places=3)


@given(st.lists(st.tuples(st.sampled_from(Side), AMOUNTS, AMOUNTS, AMOUNTS), min_size=1, max_size=12))
def test_what_is_told_adds_up_to_the_cash_that_moved(
    scripted_chain: Any, trades: list[tuple[Side, Decimal, Decimal, Decimal]]
) -> None:
    fills = [
        scripted_chain.fill(
            id=f"fill-{height}", order_id=f"order-{height}", created_at_height=height,
            created_at=scripted_chain.block_time.replace(second=height),
            side=side, size=size, price=price, fee=fee,
        )
        for height, (side, size, price, fee) in enumerate(trades)
    ]  # fmt: skip
    rows = trade_history(fills, {})[::-1]
    signed = [fill.size if fill.side is Side.BUY else -fill.size for fill in fills]
    assert sum(Decimal(row["additionalSize"]) for row in rows) == sum(signed)
    ended = [row for row in rows if row["action"] == "CLOSE"] + ([rows[-1]] if rows[-1]["positionSide"] else [])
    assert sum(Decimal(row["netFee"]) for row in ended) == sum(fill.fee for fill in fills)
    open_value = sum(signed) * Decimal(rows[-1]["entryPrice"]) if rows[-1]["positionSide"] else Decimal(0)
    cash = -sum((size * fill.price for size, fill in zip(signed, fills, strict=True)), Decimal(0))
    earned = sum(Decimal(row["netRealizedPnl"]) for row in ended)
    assert abs(earned - (cash + open_value)) < Decimal("1e-9")
