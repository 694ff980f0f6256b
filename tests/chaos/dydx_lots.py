"""What a campaign against dYdX draws its faults from, how they are mended, and the settings of its desk. Only data."""

from __future__ import annotations

from typing import Any

from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet

MNEMONIC = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
"""The test words of BIP-39: everybody's, and so nobody's."""
ADDRESS = Wallet(KeyPair.from_mnemonic(MNEMONIC), 0, 0).address
ACCOUNT, SYMBOL, VENUE = f"{ADDRESS}-0", "BTC-USD", "dydx"
SUBACCOUNTS = {"channel": "v4_subaccounts"}

FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
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
    ("cut_websockets", {}),
    ("half_open", {}),
    ("delay_updates_ms", {"milliseconds": 700}),
    ("delay_updates_ms", {"milliseconds": 0}),
    ("drop_updates", {"count": 4, **SUBACCOUNTS}),
    ("drop_updates", {"count": 6}),
    ("duplicate_updates", {"count": 6, **SUBACCOUNTS}),
    ("reorder_updates", {"count": 3, **SUBACCOUNTS}),
    ("refuse_rest", {"count": 4, "status": 503}),
    ("refuse_rest", {"count": 2, "status": 429}),
    ("refuse_rest", {"count": 3, "status": 404}),
    ("indexer_behind", {"blocks": 8}),
    ("indexer_behind", {"blocks": 30}),
    ("indexer_behind", {"blocks": 0}),
    ("fee_tier", {"address": ADDRESS, "tier": "9"}),
    ("never_expire", {"on": True}),
    ("never_expire", {"on": False}),
)
MENDING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("clear_node", {}),
    ("delay_updates_ms", {"milliseconds": 0}),
    ("drop_updates", {"count": 0}),
    ("duplicate_updates", {"count": 0}),
    ("reorder_updates", {"count": 0}),
    ("refuse_rest", {"count": 0}),
    ("indexer_behind", {"blocks": 0}),
    ("never_expire", {"on": False}),
    ("cut_websockets", {}),
)

DESK_FILE = f"""
name = "chaos"
clock = "simulated"

[venues.dydx]
accounts = ["{ACCOUNT}"]

[[instruments]]
venue = "dydx"
symbol = "{SYMBOL}"

[limits]
order_quantity_max = "1000000000"
order_notional_max = "1000000000"
position_quantity_max = "1000000000"
position_notional_max = "1000000000"
gross_exposure_max = "1000000000"
price_collar_fraction = "0.5"
price_age_seconds_max = 60
account_age_seconds_max = 300
intent_age_seconds_max = 60
intents_per_minute_max = 600
open_orders_max = 20
"""

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
