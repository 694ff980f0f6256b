"""Every metric that the gateway exports. Labels are bounded: connections, symbols of the desk, kinds, classes."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram
from signalbox.messages import LinkStatus

LINK = Gauge("signalbox_gateway_link", "1 for the link's present status, 0 for the others.", ["venue", "status"])
SESSION_UP = Gauge("signalbox_gateway_session_up", "1 while the API session is open.", ["connection"])
RECONNECTS = Counter("signalbox_gateway_reconnects_total", "API sessions begun after the first.", ["connection"])
MESSAGES = Counter("signalbox_gateway_messages_total", "API messages.", ["connection", "direction"])
MESSAGES_LEFT = Gauge("signalbox_gateway_messages_left", "Messages that may still be sent this second.", ["connection"])
UNDECODABLE = Counter("signalbox_gateway_undecodable_total", "API messages that could not be read.", ["connection"])
VENUE_ERRORS = Counter(
    "signalbox_gateway_venue_errors_total", "Errors of the venue by treatment.", ["connection", "treatment"]
)

ORDERS_SENT = Counter("signalbox_gateway_orders_sent_total", "Orders written on the socket.")
ORDERS_REFUSED = Counter("signalbox_gateway_orders_refused_total", "Orders that the gateway itself refused.")
ORDER_SEND_SECONDS = Histogram(
    "signalbox_gateway_order_send_seconds",
    "From the command's receipt to the order's bytes on the socket.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0),
)
REPORTS = Counter("signalbox_gateway_reports_total", "Execution reports published.", ["kind"])
REPORTS_WAITING = Gauge("signalbox_gateway_reports_waiting", "Execution reports not yet stored.")
FILLS = Counter("signalbox_gateway_fills_total", "Executions reported, corrections too.")
UNRESOLVED = Gauge("signalbox_gateway_unresolved_orders", "Orders that the venue is being asked about.")
STRANDED = Gauge(
    "signalbox_gateway_stranded_orders",
    "UNKNOWN orders older than the venue's memory: an operator must resolve them (runbook unknown-order).",
)
INQUIRIES = Counter("signalbox_gateway_inquiries_total", "Times the venue was asked for its orders.", ["outcome"])

BARS = Counter("signalbox_gateway_bars_total", "Bars published.", ["symbol", "timeframe", "source"])
GAPS = Counter("signalbox_gateway_gaps_total", "Gaps asked for as history, by outcome.", ["outcome"])
RESUBSCRIPTIONS = Counter("signalbox_gateway_resubscriptions_total", "Bar subscriptions made anew.", ["symbol"])
QUOTES = Counter("signalbox_gateway_quotes_total", "Quotes sent.", ["symbol"])
LAST_MESSAGE_AGE_SECONDS = Gauge(
    "signalbox_gateway_last_message_age_seconds",
    "Wall seconds since the subscription's last message.",
    ["symbol", "data"],
)
BAR_LATENESS_SECONDS = Gauge(
    "signalbox_gateway_bar_lateness_seconds", "Desk seconds from a live bar's end to its publication.", ["symbol"]
)


def show_link(venue: str, status: LinkStatus) -> None:
    """Set the link's status; every other status is 0."""
    for each in LinkStatus:
        LINK.labels(venue, each.value).set(1 if each is status else 0)
