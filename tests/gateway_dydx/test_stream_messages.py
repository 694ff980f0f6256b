"""Websocket messages in every documented form, read into facts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from gateway_dydx import reading
from gateway_dydx.facts import (
    BookSnapshot,
    BookUpdate,
    CandleSeen,
    Height,
    Level,
    Market,
    MarketChanged,
    OraclePrice,
    StreamRefused,
    SubaccountChanged,
    SubaccountSnapshot,
    Trade,
    Unreadable,
)
from gateway_dydx.fields import decimal_of, time_of
from gateway_dydx.stream_messages import facts_of
from hypothesis import given
from hypothesis import strategies as st
from signalbox.errors import TranslationError
from signalbox.messages import Liquidity, Side

MARKET = {
    "clobPairId": "0",
    "ticker": "BTC-USD",
    "status": "ACTIVE",
    "oraclePrice": "100000.5",
    "priceChange24H": "-12.5",
    "volume24H": "1000000",
    "trades24H": 5000,
    "nextFundingRate": "0.00001236",
    "initialMarginFraction": "0.02",
    "maintenanceMarginFraction": "0.012",
    "openInterest": "500.25",
    "atomicResolution": -10,
    "quantumConversionExponent": -9,
    "tickSize": "1",
    "stepSize": "0.0001",
    "stepBaseQuantums": 1000000,
    "subticksPerTick": 100000,
    "marketType": "CROSS",
    "baseOpenInterest": "500.25",
    "somethingNew": {"nobody": "knows"},
}
CANDLE = {
    "startedAt": "2026-01-05T12:00:00.000Z",
    "ticker": "BTC-USD",
    "resolution": "1MIN",
    "low": "99990",
    "high": "100010",
    "open": "100000",
    "close": "100005",
    "baseTokenVolume": "1.5",
    "usdVolume": "150000",
    "trades": 7,
    "startingOpenInterest": "500",
    "orderbookMidPriceOpen": None,
    "id": "c",
}
TRADE = {"id": "t", "side": "SELL", "size": "0.1", "price": "100", "createdAt": "2026-01-05T12:00:00Z"}
ORDER = {
    "id": "64fe30a2-006d-5108-a156-cb0c8443546c",
    "subaccountId": "s",
    "clientId": "123",
    "clobPairId": "0",
    "side": "BUY",
    "size": "1",
    "totalFilled": "0.25",
    "price": "100000",
    "type": "LIMIT",
    "status": "BEST_EFFORT_CANCELED",
    "timeInForce": "IOC",
    "reduceOnly": False,
    "orderFlags": "0",
    "goodTilBlock": "61186",
    "goodTilBlockTime": None,
    "postOnly": False,
    "ticker": "BTC-USD",
    "removalReason": "USER_CANCELED",
    "clientMetadata": "0",
    "updatedAt": "2026-01-05T12:00:00.000Z",
    "updatedAtHeight": "61160",
}
FILL = {
    "id": "c5030bd3-cd85-5046-8f2a-518bbba6ec45",
    "subaccountId": "s",
    "side": "SELL",
    "liquidity": "MAKER",
    "type": "LIMIT",
    "clobPairId": "0",
    "orderId": "64fe30a2-006d-5108-a156-cb0c8443546c",
    "size": "0.25",
    "price": "100000",
    "quoteAmount": "25000",
    "eventId": {"type": "Buffer", "data": [0, 0]},
    "transactionHash": "AB",
    "createdAt": "2026-01-05T12:00:00.123Z",
    "createdAtHeight": "61161",
    "ticker": "BTC-USD",
    "fee": "-2.75",
}
POSITION = {
    "address": "dydx1",
    "subaccountNumber": 0,
    "positionId": "p",
    "market": "BTC-USD",
    "side": "SHORT",
    "status": "OPEN",
    "size": "-0.25",
    "maxSize": "-0.25",
    "netFunding": "0",
    "entryPrice": "100000",
    "exitPrice": None,
    "sumOpen": "0.25",
    "sumClose": "0",
    "realizedPnl": "-1.5",
    "unrealizedPnl": "0",
}
ASSET = {"address": "dydx1", "subaccountNumber": 0, "assetId": "0", "symbol": "USDC", "side": "SHORT", "size": "75000"}
TRANSFER = {
    "sender": {"address": "dydx1wallet"},
    "recipient": {"address": "dydx1", "subaccountNumber": 0},
    "symbol": "USDC",
    "size": "100",
    "type": "DEPOSIT",
    "transactionHash": "AB",
    "createdAt": "2026-01-05T12:00:00Z",
    "createdAtHeight": "5",
}
SUBACCOUNT = {
    "address": "dydx1",
    "subaccountNumber": 0,
    "equity": "100000",
    "freeCollateral": "99000",
    "openPerpetualPositions": {"BTC-USD": POSITION},
    "assetPositions": {"USDC": {"symbol": "USDC", "side": "LONG", "size": "125000", "assetId": "0"}},
    "marginEnabled": True,
    "updatedAtHeight": "7",
    "latestProcessedBlockHeight": "8",
}
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def message(kind: str, channel: str, contents: Any, id: str = "BTC-USD") -> dict[str, Any]:
    return {"type": kind, "connection_id": "c", "message_id": 1, "channel": channel, "id": id, "contents": contents}


def test_the_first_contents_of_heights_and_their_updates_have_other_names() -> None:
    first = message("subscribed", "v4_block_height", {"height": "5", "time": "2026-01-05T12:00:00.000Z"})
    update = message("channel_data", "v4_block_height", {"blockHeight": "6", "time": "2026-01-05T12:00:00Z"})
    batch = message("channel_batch_data", "v4_block_height", [{"blockHeight": "7"}, {"blockHeight": "8"}])
    assert facts_of(first) == (Height(height=5, at=NOON),)
    assert facts_of(update) == (Height(height=6, at=NOON),)
    assert facts_of(batch) == (Height(height=7), Height(height=8))


def test_markets() -> None:
    (market,) = facts_of(message("subscribed", "v4_markets", {"markets": {"BTC-USD": MARKET}}, "v4_markets"))
    assert isinstance(market, Market)
    assert market.next_funding_rate == Decimal("0.00001236")
    assert (market.atomic_resolution, market.step_base_quantums) == (-10, 1_000_000)
    contents = {
        "trading": {"BTC-USD": {"id": "0", "clobPairId": "0", "nextFundingRate": "-0.00002", "trades24H": 5}},
        "oraclePrices": {
            "ETH-USD": {"oraclePrice": "3000.5", "effectiveAt": "2026-01-05T12:00:00Z", "effectiveAtHeight": "9"}
        },
    }
    wanted = (
        MarketChanged(ticker="BTC-USD", next_funding_rate=Decimal("-0.00002")),
        OraclePrice(ticker="ETH-USD", price=Decimal("3000.5"), at=NOON, height=9),
    )
    assert facts_of(message("channel_data", "v4_markets", contents)) == wanted
    assert facts_of(message("channel_batch_data", "v4_markets", [contents, {}])) == wanted


@pytest.mark.parametrize(
    ("unreadable", "error"),
    [({"ticker": "ETH-USD"}, "clobPairId"), (MARKET | {"tickSize": "0"}, "tickSize"), ("delisted", "no object")],
)
def test_one_market_that_makes_no_sense_does_not_take_the_others_with_it(unreadable: Any, error: str) -> None:
    contents = {"markets": {"ETH-USD": unreadable, "BTC-USD": MARKET}}
    facts = facts_of(message("subscribed", "v4_markets", contents, "v4_markets"))
    assert facts[0] == reading.market(MARKET)
    (row,) = facts[1:]
    assert isinstance(row, Unreadable)
    assert (row.kind, row.key, row.symbol) == ("market", "ETH-USD", "ETH-USD")
    assert error in row.reason


@pytest.mark.parametrize(
    "contents",
    [
        {"trading": {"ETH-USD": {"id": "1", "tickSize": "x"}}},
        {"oraclePrices": {"ETH-USD": {"id": "1", "oraclePrice": "0"}}},
    ],
)
def test_what_is_unreadable_of_a_market_stands_under_its_ticker_whatever_number_the_row_has(contents: Any) -> None:
    (row,) = facts_of(message("channel_data", "v4_markets", contents, ""))
    assert isinstance(row, Unreadable)
    assert row.key == row.symbol == "ETH-USD"


@pytest.mark.parametrize(
    ("channel", "id", "contents", "read"),
    [
        ("v4_markets", "", {"oraclePrices": {"ETH-USD": {"oraclePrice": "0"}, "BTC-USD": {"oraclePrice": "5"}}}, 1),
        ("v4_markets", "", {"trading": {"ETH-USD": {"tickSize": "x"}, "BTC-USD": {"tickSize": "1"}}}, 1),
        ("v4_markets", "", {"trading": {"ETH-USD": "gone", "BTC-USD": {}}}, 1),
        ("v4_trades", "ETH-USD", {"trades": [TRADE | {"price": "0"}, TRADE]}, 1),
        ("v4_trades", "ETH-USD", {"trades": [None, TRADE, TRADE | {"createdAt": "soon"}]}, 1),
        ("v4_candles", "ETH-USD/1MIN", {"candles": [CANDLE | {"ticker": "ETH-USD", "low": "NaN"}, CANDLE]}, 1),
        ("v4_candles", "ETH-USD/1MIN", CANDLE | {"ticker": "ETH-USD", "trades": "1.5"}, 0),
    ],
)
def test_a_row_that_makes_no_sense_leaves_the_others(channel: str, id: str, contents: Any, read: int) -> None:
    facts = facts_of(message("channel_data", channel, contents, id))
    rows = [fact for fact in facts if isinstance(fact, Unreadable)]
    assert len(facts) - len(rows) == read
    assert rows
    assert {row.symbol for row in rows} == {"ETH-USD"}


@pytest.mark.parametrize(
    ("channel", "contents", "field"),
    [
        ("v4_candles", CANDLE | {"open": "abc"}, "open"),
        ("v4_candles", CANDLE | {"open": "NaN"}, "open"),
        ("v4_candles", CANDLE | {"startedAt": "yesterday"}, "startedAt"),
        ("v4_subaccounts", {"fills": [FILL | {"side": "UP"}]}, "side"),
        ("v4_subaccounts", {"fills": [{"id": "f"}]}, "side"),
    ],
)
def test_a_row_that_makes_no_sense_is_told_with_the_fields_name(channel: str, contents: Any, field: str) -> None:
    (fact,) = facts_of(message("channel_data", channel, contents, "BTC-USD/1MIN"))
    (row,) = fact.unreadable if isinstance(fact, SubaccountChanged) else (fact,)
    assert isinstance(row, Unreadable)
    assert field in row.reason


def test_rows_of_the_account_that_make_no_sense_leave_the_others() -> None:
    good = {"id": "a", "status": "OPEN", "ticker": "BTC-USD"}
    contents = {
        "orders": [good, {"status": "OPEN", "ticker": "ETH-USD"}, "?"],
        "fills": [{"id": "f", "ticker": "SOL-USD", "size": "-1"}],
        "perpetualPositions": [{"market": "ETH-USD", "side": "FLAT"}],
        "assetPositions": [{"symbol": "USDC", "side": "LONG", "size": "much"}],
    }
    (changed,) = facts_of(message("channel_data", "v4_subaccounts", contents, "address/0"))
    assert isinstance(changed, SubaccountChanged)
    assert [order.id for order in changed.orders] == ["a"]
    assert not changed.fills + changed.positions + changed.assets
    assert [(row.kind, row.key, row.symbol) for row in changed.unreadable] == [
        ("order", "ETH-USD", "ETH-USD"),
        ("order", "?", ""),
        ("fill", "f", "SOL-USD"),
        ("position", "ETH-USD", "ETH-USD"),
        ("asset", "USDC", ""),
    ]


def test_books() -> None:
    whole = {"bids": [{"price": "99", "size": "1.5"}], "asks": [{"price": "101", "size": "2"}]}
    assert facts_of(message("subscribed", "v4_orderbook", whole)) == (
        BookSnapshot(
            ticker="BTC-USD",
            bids=(Level(Decimal(99), Decimal("1.5")),),
            asks=(Level(Decimal(101), Decimal(2)),),
        ),
    )
    updates = [{"bids": [["99", "0"]]}, {"asks": [["101", "3"], ["102", "-1"]]}]
    assert facts_of(message("channel_batch_data", "v4_orderbook", updates)) == (
        BookUpdate(ticker="BTC-USD", bids=(Level(Decimal(99), Decimal(0)),)),
        BookUpdate(ticker="BTC-USD", asks=(Level(Decimal(101), Decimal(3)), Level(Decimal(102), Decimal(0)))),
    )


def test_trades_with_and_without_id_and_height() -> None:
    new = {"id": "t", "side": "SELL", "size": "0.1", "price": "100", "createdAt": "2026-01-05T12:00:00Z"}
    old = {"side": "BUY", "size": "0.1", "price": "100", "createdAt": "2026-01-05T12:00:00Z", "createdAtHeight": "9"}
    facts = facts_of(message("channel_batch_data", "v4_trades", [{"trades": [new, old]}]))
    assert facts == facts_of(message("subscribed", "v4_trades", {"trades": [new, old]}))
    assert [(fact.id, fact.height, fact.side) for fact in facts if isinstance(fact, Trade)] == [
        ("t", None, Side.SELL),
        ("", 9, Side.BUY),
    ]


def test_candles() -> None:
    first = facts_of(message("subscribed", "v4_candles", {"candles": [CANDLE]}, "BTC-USD/1MIN"))
    assert first == facts_of(message("channel_data", "v4_candles", CANDLE, "BTC-USD/1MIN"))
    assert first == facts_of(message("channel_batch_data", "v4_candles", [CANDLE], "BTC-USD/1MIN"))
    assert isinstance(first[0], CandleSeen)
    assert (first[0].started_at, first[0].volume, first[0].trades) == (NOON, Decimal("1.5"), 7)


def test_the_first_contents_of_a_subaccount() -> None:
    contents = {"subaccount": SUBACCOUNT, "orders": [ORDER], "blockHeight": "8"}
    (fact,) = facts_of(message("subscribed", "v4_subaccounts", contents, "dydx1/0"))
    assert isinstance(fact, SubaccountSnapshot)
    assert fact.subaccount is not None
    assert fact.subaccount.usdc == 125_000
    assert fact.subaccount.positions[0].size == Decimal("-0.25")
    assert fact.orders[0].client_id == 123
    assert fact.height == 8


def test_a_subaccount_that_never_held_anything_is_none_and_not_a_failure() -> None:
    contents = {"subaccount": {}, "orders": []}
    (fact,) = facts_of(message("subscribed", "v4_subaccounts", contents, "dydx1/0"))
    assert fact == SubaccountSnapshot(subaccount=None, orders=(), height=None)


def test_an_update_of_a_subaccount() -> None:
    contents = {
        "orders": [ORDER],
        "fills": [FILL],
        "perpetualPositions": [POSITION],
        "assetPositions": [ASSET],
        "transfers": TRANSFER,
        "tradingReward": {"tradingReward": "1"},
        "blockHeight": "61161",
    }
    single = facts_of(message("channel_data", "v4_subaccounts", contents, "dydx1/0"))
    assert single == facts_of(message("channel_batch_data", "v4_subaccounts", [contents], "dydx1/0"))
    (fact,) = single
    assert isinstance(fact, SubaccountChanged)
    assert fact.height == 61_161
    (order,), (fill,) = fact.orders, fact.fills
    assert (order.good_til_block, order.good_til_block_time, order.removal_reason) == (61_186, None, "USER_CANCELED")
    assert (fill.liquidity, fill.fee, fill.ticker) == (Liquidity.MAKER, Decimal("-2.75"), "BTC-USD")
    assert fact.assets[0].size == -75_000
    assert fact.transfers[0].sender_number is None


def test_a_transfer_of_an_amount_of_an_asset_is_read_too() -> None:
    recorded = {**TRANSFER, "amount": TRANSFER["size"], "asset": "USDC"}
    del recorded["size"], recorded["symbol"]
    assert reading.transfer(recorded) == reading.transfer(TRANSFER)
    with pytest.raises(TranslationError, match="size is missing"):
        reading.transfer({key: value for key, value in TRANSFER.items() if key != "size"})


def test_a_sparse_order_update_has_only_what_was_said() -> None:
    sparse = {"id": "o", "status": "BEST_EFFORT_CANCELED", "orderFlags": "0", "removalReason": "INDEXER_EXPIRED"}
    (fact,) = facts_of(message("channel_data", "v4_subaccounts", {"orders": [sparse]}))
    assert isinstance(fact, SubaccountChanged)
    assert (fact.orders[0].size, fact.orders[0].total_filled, fact.orders[0].ticker) == (None, None, "")


def test_an_error_is_a_fact() -> None:
    said = {"type": "error", "connection_id": "c", "message_id": 2, "message": "Invalid channel: v5"}
    assert facts_of(said) == (StreamRefused(text="Invalid channel: v5"),)


@pytest.mark.parametrize("kind", ["connected", "pong", "unsubscribed", "something_new"])
def test_other_kinds_say_nothing(kind: str) -> None:
    assert facts_of({"type": kind, "connection_id": "c", "message_id": 0}) == ()


def test_an_unknown_channel_says_nothing() -> None:
    assert facts_of(message("channel_data", "v5_secrets", {"a": 1})) == ()


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (message("channel_data", "v4_block_height", {"time": "2026-01-05T12:00:00Z"}), "blockHeight"),
        (message("channel_data", "v4_subaccounts", {"orders": "none"}), "orders"),
        (message("subscribed", "v4_orderbook", {"bids": []}), "asks"),
        (message("subscribed", "v4_trades", {}), "trades"),
        (message("channel_batch_data", "v4_trades", {"trades": []}), "contents"),
        (message("subscribed", "v4_markets", {"markets": None}), "markets"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_fields_name(said: dict[str, Any], field: str) -> None:
    with pytest.raises(TranslationError, match=field):
        facts_of(said)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_CHANNELS = st.sampled_from(
    ["v4_subaccounts", "v4_orderbook", "v4_trades", "v4_candles", "v4_markets", "v4_block_height"]
)


@given(st.sampled_from(["subscribed", "channel_data", "channel_batch_data", "error"]), _CHANNELS, _JSON)
def test_any_json_is_read_or_refused_and_nothing_else(kind: str, channel: str, contents: Any) -> None:
    try:
        facts_of(message(kind, channel, contents))
    except TranslationError:
        return


@given(st.sampled_from([MARKET, CANDLE, ORDER, FILL, POSITION, ASSET, TRANSFER, SUBACCOUNT]), st.data(), _JSON)
def test_a_broken_field_is_refused_by_name_or_does_not_matter(
    whole: dict[str, Any], data: st.DataObject, value: Any
) -> None:
    readers = (
        reading.market,
        reading.candle,
        reading.order,
        reading.fill,
        reading.position,
        reading.asset_position,
        reading.transfer,
        reading.subaccount,
    )
    reader = dict(
        zip(map(id, (MARKET, CANDLE, ORDER, FILL, POSITION, ASSET, TRANSFER, SUBACCOUNT)), readers, strict=True)
    )[id(whole)]
    name = data.draw(st.sampled_from(sorted(whole)))
    try:
        reader(whole | {name: value})
    except TranslationError:
        return


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=12))
def test_a_number_keeps_every_digit(number: Decimal) -> None:
    assert decimal_of(str(number)) == number


@pytest.mark.parametrize("text", ["", "abc", "NaN", "Infinity", "1_000", "1" * 100, "1e999999", None, True, [], {}])
def test_what_is_no_number_is_none(text: object) -> None:
    assert decimal_of(text) is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-05T12:00:00.000Z", NOON),
        ("2026-01-05T12:00:00Z", NOON),
        ("2026-01-05T13:00:00+01:00", NOON),
        ("2026-01-05T12:00:00", NOON),
        ("0001-01-01T00:00:00+14:00", None),
        ("noon", None),
        (5, None),
    ],
)
def test_times(text: object, at: datetime | None) -> None:
    assert time_of(text) == at
