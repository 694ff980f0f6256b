"""Every metric the risk service exports. Labels are check names, verdicts and what the desk file lists: bounded."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram
from signalbox.messages import Decision, IntentApproved, OrderIntent, TradingMode

from risk.decide import failed_checks
from risk.state import RiskState, Verdict

READ, UNREADABLE, ALREADY_DECIDED = "read", "unreadable", "already decided"

INTENTS = Counter(
    "signalbox_risk_intents_total",
    "Intents taken from the bus: read, unreadable, or delivered again after their decision.",
    ("outcome",),
)
DECISIONS = Counter("signalbox_risk_decisions_total", "Decisions stored, by verdict.", ("verdict", "kind"))
DENIALS = Counter("signalbox_risk_denials_total", "Denied intents, by the first check that failed.", ("check",))
DECISION_LATENCY_SECONDS = Histogram(
    "signalbox_risk_decision_latency_seconds",
    "Wall time from an intent's arrival to its decision being stored.",
    buckets=(0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0),
)
DECIDE_SECONDS = Histogram(
    "signalbox_risk_decide_seconds",
    "Wall time of the decision itself, without the bus.",
    buckets=(0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01),
)
UNREADABLE_OBSERVATIONS = Counter(
    "signalbox_risk_unreadable_observations_total",
    "Quotes, heartbeats, accounts, instruments, trading states and order events that could not be read.",
    ("kind",),
)
TRADING_MODE = Gauge("signalbox_risk_trading_mode", "1 for the trading state in force.", ("mode",))
LINK_READY = Gauge("signalbox_risk_link_ready", "1 while a gateway is heard and READY.", ("venue", "account"))
EXPOSURE = Gauge(
    "signalbox_risk_exposure",
    "Worst value of positions and working orders, in the account's currency; compare signalbox_risk_limit.",
    ("venue", "account"),
)
WORKING_ORDERS = Gauge("signalbox_risk_working_orders", "Orders that may still fill.", ("venue", "account"))
UNVALUED_SYMBOLS = Gauge(
    "signalbox_risk_unvalued_symbols",
    "Symbols held or worked that no price or rate is known for.",
    ("venue", "account"),
)
APPROVALS = Gauge(
    "signalbox_risk_approvals_last_minute",
    "Orders let through in the minute before the last one.",
    ("venue", "account"),
)
LIMIT = Gauge("signalbox_risk_limit", "The limits of the desk file.", ("limit",))


def count_decision(decision: Decision) -> None:
    """Count a stored decision by verdict, and a denial by its first failed check."""
    kind = (
        "unreadable" if decision.intent is None else "order" if isinstance(decision.intent, OrderIntent) else "cancel"
    )
    approved = isinstance(decision, IntentApproved)
    DECISIONS.labels(Verdict.APPROVED if approved else Verdict.DENIED, kind).inc()
    failed = failed_checks(decision)
    if failed:
        DENIALS.labels(failed[0].name).inc()


def show_limits(state: RiskState) -> None:
    """Show the desk file's limits, once."""
    limits = state.desk.limits
    for name in limits.__struct_fields__:
        LIMIT.labels(name).set(float(getattr(limits, name)))


def show_state(state: RiskState) -> None:
    """Show what the limits are held against now."""
    mode = state.trading_state.message.mode if state.trading_state is not None else TradingMode.HALTED
    for word in TradingMode:
        TRADING_MODE.labels(word).set(1 if word is mode else 0)
    for (venue, account), books in state.books.items():
        EXPOSURE.labels(venue, account).set(float(books.worst_value))
        WORKING_ORDERS.labels(venue, account).set(books.working_orders)
        UNVALUED_SYMBOLS.labels(venue, account).set(len(books.unvalued))
        APPROVALS.labels(venue, account).set(len(books.approvals))
