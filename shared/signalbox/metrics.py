"""Metrics that several services export, each declared once: every service's own, an order's path by hop, a gateway's.

Owns their names, labels and buckets, and what takes a line or two to show one truthfully. What one service alone
exports is in its own `metrics.py`. It must not know any service. Every metric here has labels, so that a service which
does not fill one shows no sample of it, and not a 0.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from math import nan

from prometheus_client import Counter, Gauge, Histogram

from signalbox.clock import DeskClock
from signalbox.messages import NEVER

# --------------------------------------------------------------------------------------------------- every service

BUILD_INFO = Gauge("signalbox_build_info", "Always 1; the label says which version runs.", ("service", "version"))
ACTIVE = Gauge("signalbox_active", "1 = this process works, 0 = it stands by while another one does.", ["service"])
DESK_TIME_SECONDS = Gauge(
    "signalbox_desk_time_seconds",
    "The desk clock as this service sees it, seconds since 1970; NaN before its first tick.",
    ("service",),
)
BUS_CONNECTED = Gauge("signalbox_bus_connected", "1 while the connection to NATS stands.", ("service",))
BUS_RECONNECTS = Counter("signalbox_bus_reconnects_total", "Times the connection to NATS was made anew.", ("service",))
BUS_PUBLISH_SECONDS = Histogram(
    "signalbox_bus_publish_seconds",
    "Wall time until JetStream has stored a message, all attempts together.",
    ("service",),
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)
BUS_SLOW_CONSUMERS = Counter(
    "signalbox_bus_slow_consumers_total",
    "Messages that were dropped because this process took them too slowly.",
    ("service",),
)
BUS_UNSEALED = Counter(
    "signalbox_bus_unsealed_total",
    "Messages this process has not acted upon, each time it met one, for they bear no genuine seal, by stream.",
    ("service", "stream"),
)
BUS_DEAD_LETTERS = Counter(
    "signalbox_bus_dead_letters_total",
    "Messages this process parked, by the stream they stand in.",
    ("service", "stream"),
)
BUS_WAITING_FOR_ROOM = Gauge(
    "signalbox_bus_waiting_for_room",
    "Messages that wait because a stream is full, or does not answer: its disk may be full.",
    ("service", "stream"),
)
BUS_DROPPED = Counter(
    "signalbox_bus_dropped_total",
    "Bars, funding rates and account figures dropped after a minute without room: newer ones follow.",
    ("service", "stream"),
)
CHECKPOINT_SEQUENCE = Gauge(
    "signalbox_checkpoint_trade_sequence",
    "How far in TRADE the checkpoint goes that this process wrote last, or began with.",
    ("service",),
)
CHECKPOINT_BYTES = Gauge(
    "signalbox_checkpoint_bytes", "How large the checkpoint is that this process wrote last.", ("service",)
)
CHECKPOINT_SLICE_SECONDS = Histogram(
    "signalbox_checkpoint_slice_seconds",
    "How long writing one part of a checkpoint has kept the process from anything else.",
    ("service",),
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
CHECKPOINTS_IGNORED = Counter(
    "signalbox_checkpoints_ignored_total",
    "Checkpoints that were not used, or could not be written, by why: a start then folds TRADE from further back.",
    ("service", "reason"),
)


def show_build(service: str) -> None:
    """Show which version runs, and that this process works: one that stands by says so itself."""
    BUILD_INFO.labels(service, version("signalbox")).set(1)
    ACTIVE.labels(service).set(1)


def show_desk_time(service: str, clock: DeskClock) -> None:
    """Have the clock looked at when it is scraped (in another thread)."""

    def now_seconds() -> float:
        now = clock.now()
        return now.timestamp() if now > NEVER else nan

    DESK_TIME_SECONDS.labels(service).set_function(now_seconds)


def show_bus(service: str, connected: Callable[[], bool]) -> None:
    """Have the connection looked at when it is scraped (in another thread); begin what is counted of it at 0."""
    BUS_CONNECTED.labels(service).set_function(lambda: 1.0 if connected() else 0.0)
    BUS_RECONNECTS.labels(service)
    BUS_SLOW_CONSUMERS.labels(service)


# -------------------------------------------------------------------------------------------------- the order's path


class Hop(StrEnum):
    """The way of an order, from stored message to stored message; who is named observes it."""

    INTENT_TO_DECISION = "intent_to_decision"
    """risk: intent stored -> decision stored."""
    DECISION_TO_COMMAND = "decision_to_command"
    """oms: decision stored -> command stored."""
    COMMAND_TO_VENUE = "command_to_venue"
    """gateways: command stored -> bytes written on the socket, or the broadcast accepted."""
    VENUE_TO_REPORT = "venue_to_report"
    """gateways: that instant -> the first report of the order stored."""
    REPORT_TO_EVENT = "report_to_event"
    """oms: report stored -> order event stored."""


ORDER_HOP_SECONDS = Histogram(
    "signalbox_order_hop_seconds",
    "Wall time of one hop of an order's way: intent, decision, command, venue, report, order event.",
    ("venue", "hop"),
    buckets=(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30),
)


def show_hop(venue: str, hop: Hop, begun_at: datetime) -> None:
    """Observe a hop that ends now and began when JetStream stored a message (`Received.stored_at`)."""
    # Two machines' clocks: a hop that seems to end before it began took next to no time
    ORDER_HOP_SECONDS.labels(venue, hop).observe(max(0.0, (datetime.now(UTC) - begun_at).total_seconds()))


# ------------------------------------------------------------------------------------------------------- gateways
# `signalbox.venue_figures` fills most of them.

VENUE_LINK = Gauge("signalbox_venue_link", "1 for the link's present status, 0 for the others.", ("venue", "status"))
GATEWAY_TRADING_STATE = Gauge(
    "signalbox_gateway_trading_state", "1 for the trading state that the gateway obeys by itself.", ("venue", "mode")
)
VENUE_SESSION_UP = Gauge(
    "signalbox_venue_session_up", "1 while the connection to the venue can be used.", ("venue", "connection")
)
VENUE_RECONNECTS = Counter(
    "signalbox_venue_reconnects_total",
    "Connections that came about after the first of this process.",
    ("venue", "connection"),
)
VENUE_MESSAGES = Counter(
    "signalbox_venue_messages_total", "Messages to and from the venue.", ("venue", "connection", "direction")
)
VENUE_MARKET_STATE = Gauge(
    "signalbox_venue_market_state",
    "1 for the state a symbol's market is in at its venue: which orders it takes now.",
    ("venue", "symbol", "state"),
)
VENUE_UNDECODABLE = Counter(
    "signalbox_venue_undecodable_total", "Messages of the venue that could not be read.", ("venue", "connection")
)
VENUE_FACTS_PARKED = Counter(
    "signalbox_venue_facts_parked_total", "Facts of the venue that made no sense and were set aside.", ("venue", "kind")
)
VENUE_FACTS_UNREAD = Gauge(
    "signalbox_venue_facts_unread", "Facts that were set aside and that no later one has put right yet.", ("venue",)
)
VENUE_ERRORS = Counter(
    "signalbox_venue_errors_total",
    "Errors that the venue answered, or that asking it ended in, by how the gateway treats them.",
    ("venue", "connection", "treatment"),
)
VENUE_UNANSWERED = Counter(
    "signalbox_venue_unanswered_total",
    "Questions that the venue has not answered completely in time, by what was asked.",
    ("venue", "request"),
)
VENUE_BUDGET_LEFT = Gauge(
    "signalbox_venue_budget_left",
    "What the venue's pacing rules, as the gateway keeps them, still allow in the present window.",
    ("venue", "budget"),
)
VENUE_BUDGET_LIMIT = Gauge(
    "signalbox_venue_budget_limit", "The most that may be sent within a pacing window.", ("venue", "budget")
)
VENUE_CLOCK_OFFSET_SECONDS = Gauge(
    "signalbox_venue_clock_offset_seconds",
    "The venue's clock minus the desk's (this machine's, unless it is simulated); positive = the venue is ahead.",
    ("venue",),
)

VENUE_SUBSCRIPTION_OPEN = Gauge(
    "signalbox_venue_subscription_open",
    "1 while the symbol's market is in regular hours, so that its data should come; NaN = outside of the calendar.",
    ("venue", "symbol"),
)
VENUE_LAST_MESSAGE_AGE_SECONDS = Gauge(
    "signalbox_venue_last_message_age_seconds",
    "Wall seconds since the last sign of life of a symbol's quotes or bars, or since the market opened; NaN = closed.",
    ("venue", "symbol", "data"),
)
VENUE_BAR_LATENESS_SECONDS = Gauge(
    "signalbox_venue_bar_lateness_seconds",
    "Desk seconds from the last live minute's end to its publication.",
    ("venue", "symbol"),
)
VENUE_BARS = Counter("signalbox_venue_bars_total", "Bars published.", ("venue", "symbol", "timeframe", "source"))
VENUE_QUOTES = Counter("signalbox_venue_quotes_total", "Quotes sent.", ("venue", "symbol"))
VENUE_GAPS = Counter(
    "signalbox_venue_gaps_total",
    "Questions for the history of a gap: filled, no_data, given_up (it stays), or why it is asked again.",
    ("venue", "outcome"),
)
VENUE_OPEN_GAP_SECONDS = Gauge(
    "signalbox_venue_open_gap_seconds",
    "Wall seconds for which a symbol's bars have waited for the history of a gap; 0 = none is open.",
    ("venue", "symbol"),
)
VENUE_RESUBSCRIPTIONS = Counter(
    "signalbox_venue_resubscriptions_total",
    "Subscriptions made anew on a living connection, each time that they are asked for.",
    ("venue", "symbol", "data"),
)
VENUE_SUBSCRIPTIONS_LOST = Gauge(
    "signalbox_venue_subscriptions_lost",
    "Subscriptions that should be heard and are not: they are asked for again until they are.",
    ("venue", "data"),
)

VENUE_ORDERS_SENT = Counter("signalbox_venue_orders_sent_total", "Orders that left for the venue.", ("venue",))
VENUE_ORDERS_REFUSED = Counter(
    "signalbox_venue_orders_refused_total",
    "Orders that will never work: refused by the gateway, by the venue, or lost (claimed, and never found there).",
    ("venue", "by"),
)
VENUE_ORDERS_UNKNOWN = Counter(
    "signalbox_venue_orders_unknown_total", "Orders reported as UNKNOWN: sent or not, the venue is asked.", ("venue",)
)
VENUE_REPORTS = Counter("signalbox_venue_reports_total", "Reports of the gateway stored.", ("venue", "kind"))
VENUE_REPORTS_WAITING = Gauge("signalbox_venue_reports_waiting", "Reports not yet stored.", ("venue",))
VENUE_FILLS = Counter("signalbox_venue_fills_total", "Executions reported, corrections too.", ("venue",))
VENUE_RECONCILIATIONS = Counter(
    "signalbox_venue_reconciliations_total",
    "Times the venue was asked for all its orders and executions: answered completely, or failed.",
    ("venue", "outcome"),
)
VENUE_UNRESOLVED_ORDERS = Gauge(
    "signalbox_venue_unresolved_orders", "Orders whose fate the venue is being asked about.", ("venue",)
)
VENUE_OLDEST_UNRESOLVED_SECONDS = Gauge(
    "signalbox_venue_oldest_unresolved_seconds",
    "Wall seconds for which the oldest of the unresolved orders has been one, in this process; 0 = there is none.",
    ("venue",),
)
VENUE_STRANDED_ORDERS = Gauge(
    "signalbox_venue_stranded_orders",
    "Orders that the venue does not remember any more: an operator resolves them (runbook unknown-order).",
    ("venue",),
)
VENUE_LEASE_EPOCH = Gauge(
    "signalbox_venue_lease_epoch",
    "How many processes have held the account, this one included; 0 = this one never has.",
    ("venue", "account"),
)
VENUE_LEASE_HELD = Gauge(
    "signalbox_venue_lease_held", "1 while this process may trade the account.", ("venue", "account")
)
