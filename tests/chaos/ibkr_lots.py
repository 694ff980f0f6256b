"""What a campaign against IBKR draws its faults from, how they are mended, and its gateway's settings. Only data."""

from __future__ import annotations

from tests.chaos.side import Lot

ACCOUNT = "DU1234567"
ORDERS_CLIENT, OTHER_CLIENT = 11, 33
OURS = {"client": ORDERS_CLIENT}
PRICES = {"SPY": "450", "AAPL": "190", "0700.HK": "400"}

# Places on the wire of what is spoilt (simulators.tws.replies)
STATUS_FILLED = 3
EXECUTION_TIME, EXECUTION_SIDE, EXECUTION_QUANTITY, EXECUTION_PRICE = 15, 18, 19, 20
COMMISSION_AMOUNT, COMMISSION_CURRENCY = 3, 4
POSITION_QUANTITY = 14

LINKS: tuple[Lot, ...] = (
    ("drop_link", {}),
    ("drop_link", OURS),
    ("drop_link", {"refuse_seconds": "1"}),
    ("half_open", OURS),
    ("half_open", {**OURS, "next_connections": 1}),
    ("link_lost", {}),
    ("link_restored", {"data_lost": True}),
    ("link_restored", {"data_lost": False}),
    ("link_restored", {"silent": True}),
    ("farm_down", {"farm": "usfarm"}),
    ("farm_down", {"farm": "ushmds"}),
    ("farm_down", {"farm": "secdefil"}),
    ("farm_up", {"farm": "usfarm", "data_lost": True}),
    ("farm_up", {"farm": "ushmds"}),
    ("farm_up", {"farm": "secdefil"}),
    ("competing_session", {}),
    ("competing_session", {"over": True}),
    ("lose_subscriptions", {"data": "all"}),
    ("lose_subscriptions", {"data": "account"}),
    ("read_only", {}),
    *(("read_only", {"on": False}),) * 3,
    ("bust", {}),
    ("roll_back_order_ids", {**OURS, "order_id": 1}),
    ("not_subscribed", {"symbol": "SPY"}),
    ("subscribed", {"symbol": "SPY"}),
)
ORDERS: tuple[Lot, ...] = (
    ("reject_next", {"reason": "no such luck"}),
    ("hold_next", {}),
    ("hold_next", {"count": 2}),
    ("hold_next", {"reason": "The order is held until its owner has answered"}),
    ("error_next", {"code": 10268, "text": "The 'EtradeOnly' order attribute is not supported."}),
    ("error_next", {"code": 10311, "text": "This order will be directly routed to NYSE."}),
    ("slow_cancels", {}),
    ("slow_cancels", {"count": 3}),
    ("answer_cancels", {}),
    ("swallow_next", {}),
    ("swallow_next", {"count": 2}),
    ("preset_next", {}),
    ("execution_before_status", {"count": 3}),
    ("commission_before_execution", {"count": 3}),
    ("commission_not_reckoned", {"count": 2}),
)
MESSAGES: tuple[Lot, ...] = (
    *(
        lot
        for kind in ("orderStatus", "openOrder", "execDetails", "commissionReport")
        for lot in (
            ("omit", {"kind": kind, "count": 2, **OURS}),
            ("duplicate", {"kind": kind, "count": 3, **OURS}),
            ("reorder", {"kind": kind, "count": 1, **OURS}),
            ("delay", {"kind": kind, "milliseconds": 400, "count": 3, **OURS}),
        )
    ),
    ("omit", {"kind": "completedOrdersEnd", "count": 1, **OURS}),
    ("omit", {"kind": "execDetailsEnd", "count": 1, **OURS}),
    ("omit", {"kind": "positionEnd", "count": 1, **OURS}),
    ("delay", {"milliseconds": 150, "count": 20, **OURS}),
    ("withhold", {"tag": "NetLiquidation"}),
    ("withhold", {"tag": "NetLiquidation", "on": False}),
    ("withhold", {"tag": "AvailableFunds"}),
    ("withhold", {"tag": "AvailableFunds", "on": False}),
    ("error", {"code": 2110, "text": "Connectivity between TWS and server is broken."}),
    ("error", {"code": 1300, "text": "TWS socket port has been reset and this connection is being dropped."}),
)
NONSENSE: tuple[Lot, ...] = tuple(
    ("spoil", {"kind": kind, "field": place, "text": text, "count": 1, **OURS})
    for kind, place, texts in (
        ("execDetails", EXECUTION_PRICE, ("0", "-5", "", "nan")),
        ("execDetails", EXECUTION_QUANTITY, ("-3", "")),
        ("execDetails", EXECUTION_TIME, ("yesterday",)),
        ("execDetails", EXECUTION_SIDE, ("MAYBE",)),
        ("commissionReport", COMMISSION_AMOUNT, ("", "inf", "nan")),
        ("commissionReport", COMMISSION_CURRENCY, ("", "?!")),
        ("orderStatus", STATUS_FILLED, ("-2", "")),
        ("position", POSITION_QUANTITY, ("", "nan")),
    )
    for text in texts
)
FAULTS = (*LINKS, *ORDERS, *ORDERS, *MESSAGES, *NONSENSE)

MENDING: tuple[Lot, ...] = (
    ("clear", {}),
    ("link_restored", {"data_lost": True}),
    *(("farm_up", {"farm": farm}) for farm in ("usfarm", "ushmds", "secdefil")),
    ("competing_session", {"over": True}),
    ("answer_cancels", {}),
)

GATEWAY_SETTINGS = {
    "SIGNALBOX_CONNECT_SECONDS_MAX": "3",
    "SIGNALBOX_ANSWER_SECONDS_MAX": "2",
    "SIGNALBOX_HEARTBEAT_SECONDS": "0.5",
    "SIGNALBOX_HEARTBEAT_ANSWER_SECONDS_MAX": "2.5",
    "SIGNALBOX_RETRY_DELAY_SECONDS": "0.05",
    "SIGNALBOX_RETRY_DELAY_SECONDS_MAX": "0.2",
    "SIGNALBOX_ACKNOWLEDGE_SECONDS_MAX": "0.3",
    "SIGNALBOX_VISIBILITY_SECONDS": "0.3",
    "SIGNALBOX_CANCEL_WAIT_SECONDS_MAX": "2",
    "SIGNALBOX_SILENCE_WALL_SECONDS_MAX": "1",
    "SIGNALBOX_RESUBSCRIBE_DELAY_SECONDS": "0.2",
}
"""The gateway's waits, short."""
