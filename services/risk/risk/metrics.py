"""Every metric the risk service exports. Labels are check names, verdicts and what the desk file lists: bounded."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from math import nan

from prometheus_client import Counter, Gauge, Histogram
from signalbox.limits import LIMITS, Scope, tables
from signalbox.messages import (
    Decision,
    FlattenEnded,
    IntentApproved,
    OrderIntent,
    OrderListIntent,
    PositionIntent,
    TradingMode,
    WouldBe,
)
from signalbox.metrics import ORDER_HOP_SECONDS, Hop
from signalbox.room import NEEDED_BY_ORDERS, StreamRoom

from risk.decide import failed_checks
from risk.figures import account_age_seconds, approvals_lately, equity, figure_ages_seconds, quote_age_seconds
from risk.known import Verdict
from risk.limits import limit_use
from risk.pulling import CAUSES
from risk.state import RiskState, account_keys
from risk.switches import in_words, switches_of

OPTIONAL = frozenset(name for name, term in LIMITS.items() if term.is_optional)
FLAT, LEFT = "flat", "left"
SET, REFUSED = "set", "refused"
READ, UNREADABLE, ALREADY_DECIDED, GONE = "read", "unreadable", "already decided", "gone"
ORDER, CANCEL = "order", "cancel"

INTENTS = Counter(
    "signalbox_risk_intents_total",
    "Intents taken from the bus: read, unreadable, delivered again after their decision, or gone (too old) before it.",
    ("outcome",),
)
DECISIONS = Counter("signalbox_risk_decisions_total", "Decisions stored, by verdict.", ("venue", "verdict", "kind"))
DENIALS = Counter("signalbox_risk_denials_total", "Denied intents, by the first check that failed.", ("venue", "check"))
WHAT_IFS = Counter(
    "signalbox_risk_what_ifs_total",
    "Questions what would become of an intent, by the answer: approved, denied, waiting, or unknown (none was given).",
    ("would_be",),
)
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
WAITING = Gauge("signalbox_risk_intents_waiting", "Intents that wait to be decided, by who sent them.", ("name",))
HELD_BACK = Gauge(
    "signalbox_risk_name_held_back",
    "1 while a name has used up its decisions (half of them, while streams are almost full): what else it sends waits, "
    "and then is refused at the door.",
    ("name",),
)
BATCH_MESSAGES = Histogram(
    "signalbox_risk_batch_messages",
    "Decisions stored at once: 1 while nothing waits.",
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
UNREADABLE_OBSERVATIONS = Counter(
    "signalbox_risk_unreadable_observations_total",
    "Quotes, heartbeats, accounts, instruments, trading states and order events that could not be read.",
    ("kind",),
)
TRADING_MODE = Gauge("signalbox_risk_trading_mode", "1 for the trading state in force.", ("mode",))
SWITCHED_SCOPE = Gauge(
    "signalbox_risk_trading_state",
    "1 for a scope that is HALTED, 2 for one that is REDUCING, beside the desk's main switch; not there while ACTIVE.",
    ("scope", "name"),
)
PULLED = Gauge(
    "signalbox_risk_switches_pulled",
    "Scopes that risk has switched by itself and nobody has armed again, by what pulled.",
    ("cause",),
)
SWITCHED = Counter(
    "signalbox_risk_switched_total",
    "Switches that risk has made by itself, by what pulled; ACTIVE = the desk was armed again by an operator.",
    ("cause", "mode"),
)
LOOKS_FAILED = Counter(
    "signalbox_risk_switch_looks_failed_total",
    "Looks whether risk has to switch trading by itself that failed, for a fault of the desk's own.",
)
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
    "Orders let through in the last minute of desk time.",
    ("venue", "account"),
)
LIMIT = Gauge("signalbox_risk_limit", "The limits of the scope desk; 0 = it states none.", ("limit",))
LIMITS_VERSION = Gauge(
    "signalbox_risk_limits_version",
    "Which version of the limits holds, of those that operators set; 0 = those of the desk file.",
)
LIMITS_SCOPES = Gauge("signalbox_risk_limits_scopes", "Scopes that state a limit, beside the desk itself.")
LIMITS_FILE_CHANGED = Gauge(
    "signalbox_risk_limits_file_changed",
    "1 while the desk file has other limits than when operators set theirs: both hold, the tighter of the two.",
)
LIMITS_PROPOSED = Counter(
    "signalbox_risk_limits_proposed_total",
    "Limits that operators proposed, by what risk said: set or refused.",
    ("outcome",),
)
LIMIT_USE = Gauge(
    "signalbox_risk_limit_use",
    "Used share of each limit that accumulates, 1 = all of it; of a position limit the worst symbol's; NaN = unknown.",
    ("venue", "account", "limit"),
)
ACCOUNT_EQUITY = Gauge(
    "signalbox_risk_account_equity",
    "What the venue last said that the account is worth, in its currency; not there before it has.",
    ("venue", "account"),
)
ACCOUNT_AGE_SECONDS = Gauge(
    "signalbox_risk_account_age_seconds",
    "Desk time since the venue last said the oldest of the account's figures that a check goes by; not there before "
    "the first.",
    ("venue", "account"),
)
ACCOUNT_FIGURE_AGE_SECONDS = Gauge(
    "signalbox_risk_account_figure_age_seconds",
    "Desk time since the venue last said a figure of the account, by the figure's name in AccountState.",
    ("venue", "account", "figure"),
)
QUOTE_AGE_SECONDS = Gauge(
    "signalbox_risk_quote_age_seconds",
    "Desk time since the last quote of a symbol, by the venue's time; not there before the first.",
    ("venue", "symbol"),
)
FLATTENS = Gauge("signalbox_risk_flattens", "Flattens that are under way.")
OLDEST_FLATTEN_SECONDS = Gauge(
    "signalbox_risk_oldest_flatten_seconds",
    "Desk time since the oldest flatten that is under way was approved; 0 = none is.",
)
FLATTENS_ENDED = Counter(
    "signalbox_risk_flattens_ended_total",
    "Flattens that are over: flat, or with something left when their time was over.",
    ("outcome",),
)
STORE_ROOM_USED = Gauge(
    "signalbox_risk_store_room_used",
    "Used part of the room of a stream that an order needs, 1 = all of it; NaN = NATS has not said it lately.",
    ("stream",),
)


def show_room(rooms: Sequence[StreamRoom]) -> None:
    """Show how full the streams are that an order needs; of one that several servers hold, the fullest copy."""
    for stream in NEEDED_BY_ORDERS:
        used = [room.used for room in rooms if room.stream == stream]
        STORE_ROOM_USED.labels(stream).set(max(used, default=nan))


def begin_counts(state: RiskState) -> None:
    """Begin at 0: what a counter first shows is no increase to Prometheus."""
    for would_be in WouldBe:
        WHAT_IFS.labels(would_be.lower())
    for cause in CAUSES:
        SWITCHED.labels(cause.name, cause.mode)
    for outcome in (SET, REFUSED):
        LIMITS_PROPOSED.labels(outcome)
    for outcome in (FLAT, LEFT):
        FLATTENS_ENDED.labels(outcome)
    for venue in state.desk.venues:
        ORDER_HOP_SECONDS.labels(venue, Hop.INTENT_TO_DECISION)
        for verdict in Verdict:
            for kind in (ORDER, CANCEL):
                DECISIONS.labels(venue, verdict, kind)


def count_decision(decision: Decision, venue: str) -> None:
    """Count a stored decision by verdict, and a denial by its first failed check. `venue` is the desk's own or ""."""
    kind = (
        UNREADABLE
        if decision.intent is None
        else ORDER
        if isinstance(decision.intent, OrderIntent | PositionIntent | OrderListIntent)
        else CANCEL
    )
    approved = isinstance(decision, IntentApproved)
    DECISIONS.labels(venue, Verdict.APPROVED if approved else Verdict.DENIED, kind).inc()
    failed = failed_checks(decision)
    if failed:
        DENIALS.labels(venue, failed[0].name).inc()


def count_flatten_ended(ended: FlattenEnded) -> None:
    """Count a flatten that is over."""
    FLATTENS_ENDED.labels(FLAT if ended.is_flat else LEFT).inc()


def show_flattens(state: RiskState, now: datetime) -> None:
    """Show what is being flattened."""
    begun = [flatten.began for flatten in state.flattens.values()]
    FLATTENS.set(len(begun))
    OLDEST_FLATTEN_SECONDS.set(max((now - min(begun)).total_seconds(), 0.0) if begun else 0.0)


def show_limits(state: RiskState) -> None:
    """Show the desk's limits, and which version holds: at the start, and when they are set."""
    limits = state.rules.limits_for("", "", "", "").limits
    stated = {name: getattr(limits, name) for name in limits.__struct_fields__}
    stated["intents_per_minute_per_name_max"] = limits.name_intents_per_minute_max
    LIMITS_VERSION.set(state.rules.limits_version)
    LIMITS_SCOPES.set(sum(scope is not Scope.DESK for scope, _, _ in tables(state.rules.stated)))
    LIMITS_FILE_CHANGED.set(state.rules.is_file_changed)
    for name, limit in stated.items():
        LIMIT.labels(name).set(float(limit or 0))


def show_intake(waiting: dict[str, int], held_back: set[str]) -> None:
    """Show what waits, by name: the server's accounts, so there are few."""
    for name, messages in waiting.items():
        WAITING.labels(name).set(messages)
        HELD_BACK.labels(name).set(1 if name in held_back else 0)


def show_mode(state: RiskState) -> None:
    """Show the trading state in force."""
    mode = state.trading_state.message.mode if state.trading_state is not None else TradingMode.HALTED
    for word in TradingMode:
        TRADING_MODE.labels(word).set(1 if word is mode else 0)


def show_switches(state: RiskState) -> None:
    """Show what is not ACTIVE beside the main switch: the strictest of each scope, and what pulled by itself."""
    strictest: dict[tuple[str, str], int] = {}
    for scope, switch in switches_of(state):
        kind, _, name = in_words(scope).partition(":")
        value = 1 if switch.mode is TradingMode.HALTED else 2
        strictest[kind, name] = min(value, strictest.get((kind, name), 2))
    SWITCHED_SCOPE.clear()
    for labels, value in strictest.items():
        SWITCHED_SCOPE.labels(*labels).set(value)
    pulled = [name for _, name in state.pulls.pulled]
    for cause in CAUSES:
        PULLED.labels(cause.name).set(pulled.count(cause.name))


def show_state(state: RiskState, now: datetime) -> None:
    """Show what orders are held against at desk time `now`."""
    show_mode(state)
    show_switches(state)
    show_flattens(state, now)
    for venue, account in account_keys(state.desk):
        books = state.books[venue, account]
        EXPOSURE.labels(venue, account).set(float(books.worst_value))
        WORKING_ORDERS.labels(venue, account).set(books.working_orders)
        UNVALUED_SYMBOLS.labels(venue, account).set(len(books.unvalued))
        APPROVALS.labels(venue, account).set(approvals_lately(books, now))
        used = limit_use(state, (venue, account), now)
        for limit, share in used.items():
            LIMIT_USE.labels(venue, account, limit).set(share)
        for limit in OPTIONAL - used.keys():  # it was stated, and is no more
            with contextlib.suppress(KeyError):
                LIMIT_USE.remove(venue, account, limit)
        if (venue, account) in state.accounts:
            ACCOUNT_EQUITY.labels(venue, account).set(equity(state, (venue, account)))
            ACCOUNT_AGE_SECONDS.labels(venue, account).set(account_age_seconds(state, (venue, account), now))
            for figure, age_seconds in figure_ages_seconds(state, (venue, account), now).items():
                ACCOUNT_FIGURE_AGE_SECONDS.labels(venue, account, figure).set(age_seconds)
    for venue, symbol in state.allowed & state.quotes.keys():
        QUOTE_AGE_SECONDS.labels(venue, symbol).set(quote_age_seconds(state, (venue, symbol), now))
