"""What a campaign against dYdX draws its faults from, how they are mended, and the settings of its desk. Only data."""

from __future__ import annotations

from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet

from tests.chaos.side import Lot

MNEMONIC = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
"""The test words of BIP-39: everybody's, and so nobody's."""
ADDRESS = Wallet(KeyPair.from_mnemonic(MNEMONIC), 0, 0).address
ACCOUNT = f"{ADDRESS}-0"
PRICES = {"BTC-USD": 100_000, "ETH-USD": 3_500}
SUBACCOUNTS, BOOK, MARKETS = (
    {"channel": "v4_subaccounts"},
    {"channel": "v4_orderbook"},
    {"channel": "v4_markets"},
)
BTC, ETH = {"symbol": "BTC-USD"}, {"symbol": "ETH-USD"}
MORE_MARKETS = 34
"""More than one websocket carries."""

NODE: tuple[Lot, ...] = (
    ("lose_reply", {}),
    ("lose_reply", {"count": 2}),
    ("drop_broadcast", {}),
    ("duplicate_broadcast", {}),
    ("refuse_sequence", {}),
    ("rate_limit", {}),
    ("rate_limit", {"grpc": True}),
    ("rate_limit", {"count": 3}),
    ("refuse_next", {"codespace": "sdk", "code": 20}),
    ("delay_broadcast", {"milliseconds": 300}),
    ("delay_broadcast", {"milliseconds": 900}),
    ("delay_broadcast", {"milliseconds": 0}),
)
WEBSOCKETS: tuple[Lot, ...] = (
    ("cut_websockets", {}),
    ("cut_websockets", ETH),
    ("half_open", {}),
    ("half_open", {**BTC, "next_connections": 1}),
    ("delay_updates_ms", {"milliseconds": 700}),
    ("delay_updates_ms", {"milliseconds": 0}),
    ("drop_updates", {"count": 4, **SUBACCOUNTS}),
    ("drop_updates", {"count": 6}),
    ("lose_messages", {"count": 3, **SUBACCOUNTS}),
    ("lose_messages", {"count": 2, **BOOK}),
    ("lose_messages", {"count": 2, **MARKETS}),
    ("duplicate_updates", {"count": 6, **SUBACCOUNTS}),
    ("duplicate_updates", {"count": 6, **BOOK}),
    ("reorder_updates", {"count": 3, **SUBACCOUNTS}),
    ("refuse_subscriptions", {"count": 2}),
    ("refuse_subscriptions", {"count": 1, **SUBACCOUNTS}),
)
INDEXER: tuple[Lot, ...] = (
    ("refuse_rest", {"count": 4, "status": 503}),
    ("refuse_rest", {"count": 2, "status": 429}),
    ("refuse_rest", {"count": 3, "status": 404}),
    ("indexer_behind", {"blocks": 8}),
    ("indexer_behind", {"blocks": 30}),
    ("indexer_behind", {"blocks": 0}),
    ("never_expire", {"on": True}),
    ("never_expire", {"on": False}),
    ("late_funding", {"seconds": 40}),
    ("late_funding", {"seconds": 600, **BTC}),
)
NONSENSE: tuple[Lot, ...] = (
    ("garble", {"field": "oraclePrice", "value": "0", **ETH, "count": 20}),
    ("garble", {"field": "oraclePrice", **BTC, "count": 20}),
    ("garble", {"field": "price", "value": "nonsense", "count": 1}),
    ("garble", {"field": "size", "value": "-1", "count": 1}),
    ("garble", {"field": "createdAt", "value": "yesterday", "count": 2}),
    ("garble", {"field": "status", "value": "UPSIDE_DOWN", "count": 2}),
    ("garble", {"field": "fee", "value": "NaN", "count": 2}),
    ("garble", {"field": "payment", "value": "much", "count": 2}),
    ("garble", {"field": "quoteBalance", "count": 1}),
    ("lose_removal", {**BTC, "side": "BUY", "price": "100001", "size": "1"}),
    ("lose_removal", {**ETH, "side": "SELL", "price": "3499", "size": "1"}),
    ("crossed_book", BTC),
    ("crossed_book", {**BTC, "on": False}),
    ("withhold_oracle_price", BTC),
    ("withhold_oracle_price", {**BTC, "on": False}),
)
CHAIN: tuple[Lot, ...] = (
    ("market", {**ETH, "status": "PAUSED"}),
    ("market", {**BTC, "status": "CANCEL_ONLY"}),
    ("market", {**BTC, "status": "POST_ONLY"}),
    *(("market", {**BTC, "status": "ACTIVE"}),) * 4,
    *(("market", {**ETH, "status": "ACTIVE", "type": "CROSS"}),) * 2,
    ("market", {**ETH, "type": "ISOLATED"}),
    ("market", {**ETH, "type": "CROSS"}),
    ("book_apart", {**BTC, "ticks": 40}),
    ("book_apart", {**BTC, "ticks": 0}),
    ("open_interest", {**BTC, "lower_cap": "2000000", "upper_cap": "5000000", "others": "45"}),
    ("open_interest", {**BTC, "lower_cap": "0", "upper_cap": "0"}),
    ("leverage", {**BTC, "account": ACCOUNT, "leverage": "2"}),
    ("leverage", {**BTC, "account": ACCOUNT, "leverage": "0"}),
    ("fee_tier", {"address": ADDRESS, "tier": "9"}),
)
FAULTS = (*NODE, *NODE, *WEBSOCKETS, *INDEXER, *NONSENSE, *CHAIN)

MENDING: tuple[Lot, ...] = (
    ("clear_node", {}),
    *(
        (name, {"count": 0})
        for name in ("drop_updates", "lose_messages", "duplicate_updates", "reorder_updates", "refuse_subscriptions")
    ),
    ("delay_updates_ms", {"milliseconds": 0}),
    ("refuse_rest", {"count": 0}),
    ("indexer_behind", {"blocks": 0}),
    ("never_expire", {"on": False}),
    ("late_funding", {"seconds": 0}),
    ("ungarble", {}),
    ("crossed_book", {**BTC, "on": False}),
    ("withhold_oracle_price", {**BTC, "on": False}),
    *(("market", {"symbol": symbol, "status": "ACTIVE", "type": "CROSS"}) for symbol in PRICES),
    ("book_apart", {**BTC, "ticks": 0}),
    ("open_interest", {**BTC, "lower_cap": "0", "upper_cap": "0"}),
    ("leverage", {**BTC, "account": ACCOUNT, "leverage": "0"}),
    ("cut_websockets", {}),
)

GATEWAY_SETTINGS = {
    "SIGNALBOX_DYDX_NETWORK": "local",
    "SIGNALBOX_DYDX_MNEMONIC": MNEMONIC,
    "SIGNALBOX_CONNECT_SECONDS_MAX": "3",
    "SIGNALBOX_ANSWER_SECONDS_MAX": "1",
    "SIGNALBOX_BROADCAST_SECONDS_MAX": "0.5",
    "SIGNALBOX_RETRY_DELAY_SECONDS": "0.05",
    "SIGNALBOX_RETRY_DELAY_SECONDS_MAX": "0.2",
    "SIGNALBOX_STREAM_SILENCE_SECONDS_MAX": "1",
    "SIGNALBOX_HEIGHT_INTERVAL_SECONDS": "0.05",
    "SIGNALBOX_STANDSTILL_SECONDS_MAX": "1",
    "SIGNALBOX_INDEXER_LAG_BLOCKS_MAX": "20",
    "SIGNALBOX_RECONCILE_SECONDS": "2",
    "SIGNALBOX_ASK_SECONDS": "0.2",
    "SIGNALBOX_SEQUENCE_SECONDS": "4",
    "SIGNALBOX_CANCEL_WAIT_SECONDS_MAX": "2",
}
"""The gateway's waits, as short as the blocks are."""
PATIENCE = {
    "SIGNALBOX_CONNECT_SECONDS_MAX": "15",
    "SIGNALBOX_ANSWER_SECONDS_MAX": "10",
    "SIGNALBOX_BROADCAST_SECONDS_MAX": "5",
    "SIGNALBOX_STREAM_SILENCE_SECONDS_MAX": "10",
    "SIGNALBOX_STANDSTILL_SECONDS_MAX": "10",
}
"""More of them where a simulator has many markets."""
