"""Every metric that the gateway exports. Labels are bounded: symbols of the desk, kinds, outcomes."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram
from signalbox.messages import LinkStatus

# ------------------------------------------------------------------------------------------------- link and orders

LINK = Gauge("signalbox_dydx_link", "1 for the link's present status, 0 for the others.", ["venue", "status"])
LEASE_EPOCH = Gauge("signalbox_dydx_lease_epoch", "How many processes have held the account, this one included.")
LEASE_WAITED_SECONDS = Gauge("signalbox_dydx_lease_waited_seconds", "How long this process waited for the account.")
STREAM_RECONNECTS = Counter("signalbox_dydx_stream_reconnects_total", "Websocket connections begun after the first.")
HEIGHT = Gauge("signalbox_dydx_height", "The chain's height.")
INDEXER_LAG = Gauge("signalbox_dydx_indexer_lag_blocks", "Blocks that the chain has and the indexer has not processed.")
UNDECODABLE = Counter("signalbox_dydx_undecodable_total", "Messages of the indexer that could not be read.")
RECONCILIATIONS = Counter("signalbox_dydx_reconciliations_total", "Complete questions over REST.", ["outcome"])

ORDERS_SENT = Counter("signalbox_dydx_orders_sent_total", "Orders that the node has taken.")
ORDERS_REFUSED = Counter("signalbox_dydx_orders_refused_total", "Orders refused, by whom.", ["by"])
ORDERS_UNKNOWN = Counter("signalbox_dydx_orders_unknown_total", "Broadcasts whose outcome was not known.")
BROADCAST_SECONDS = Histogram(
    "signalbox_dydx_broadcast_seconds",
    "From the broadcast to the node's verdict.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
ORDER_SEND_SECONDS = Histogram(
    "signalbox_dydx_order_send_seconds",
    "From the command's receipt to the node's verdict.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
RENEWALS = Counter("signalbox_dydx_renewals_total", "Resting orders given a later good-til-block.", ["outcome"])
REPORTS = Counter("signalbox_dydx_reports_total", "Execution reports published.", ["kind"])
REPORTS_WAITING = Gauge("signalbox_dydx_reports_waiting", "Execution reports not yet stored.")
FILLS = Counter("signalbox_dydx_fills_total", "Fills reported.")
FUNDING_PAYMENTS = Counter("signalbox_dydx_funding_payments_total", "Funding payments reported.")
UNRESOLVED = Gauge("signalbox_dydx_unresolved_orders", "Orders whose fate the venue is being asked about.")
OLDEST_UNKNOWN_SECONDS = Gauge(
    "signalbox_dydx_oldest_unknown_seconds",
    "Wall seconds since the oldest order that may or may not be there was claimed.",
)
STRANDED = Gauge(
    "signalbox_dydx_stranded_orders",
    "Orders that the venue has shown and does not know any more (runbook unknown-order).",
)


# ---------------------------------------------------------------------------------------------------- market data

DATA_UP = Gauge("signalbox_dydx_data_up", "1 while the market data's websocket is up and every subscription confirmed.")
DATA_RECONNECTS = Counter("signalbox_dydx_data_reconnects_total", "Market data connections lost or not come about.")
DATA_HEIGHT = Gauge("signalbox_dydx_data_height", "The indexer's height as the market data's websocket says it.")
DATA_UNDECODABLE = Counter("signalbox_dydx_data_undecodable_total", "Market data messages that could not be read.")
DATA_RECONCILIATIONS = Counter(
    "signalbox_dydx_data_reconciliations_total", "Questions for markets and books over REST.", ["outcome"]
)
BARS = Counter("signalbox_dydx_bars_total", "Bars published.", ["symbol", "timeframe", "source"])
BAR_LATENESS_SECONDS = Gauge(
    "signalbox_dydx_bar_lateness_seconds", "Desk seconds from a live bar's end to its publication.", ["symbol"]
)
GAPS = Counter("signalbox_dydx_gaps_total", "Gaps asked for over REST, by outcome.", ["outcome"])
QUOTES = Counter("signalbox_dydx_quotes_total", "Quotes sent.", ["symbol"])
BOOK_CROSSINGS = Gauge("signalbox_dydx_book_crossings", "Stale levels that the uncross rule has removed.", ["symbol"])
BOOK_RESYNCS = Counter("signalbox_dydx_book_resyncs_total", "Books asked for anew, by reason.", ["symbol", "reason"])
LAST_MESSAGE_AGE_SECONDS = Gauge(
    "signalbox_dydx_last_message_age_seconds", "Wall seconds since the market's last message.", ["symbol", "data"]
)


def show_link(venue: str, status: LinkStatus) -> None:
    """Set the link's status; every other status is 0."""
    for each in LinkStatus:
        LINK.labels(venue, each.value).set(1 if each is status else 0)
