"""Every subject of the desk: built and parsed here, and nowhere else.

Subjects run from wide to narrow, in lower case whole words. What comes from outside (symbols, accounts, order ids) is
one token each, encoded so that `BRK B`, `0700.HK` or `>` can not break a subject: everything but `A-Z a-z 0-9 - _`
becomes `%XX` of its UTF-8 bytes.
"""

from __future__ import annotations

import re
from hashlib import sha256
from urllib.parse import unquote

from signalbox.messages import (
    Decision,
    FlattenEnded,
    Intent,
    IntentApproved,
    LimitsRuling,
    LimitsSet,
    Report,
    TradingSwitched,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueCommission,
    VenueExpired,
    VenueFill,
    VenueFunding,
    VenueHeld,
    VenueNoted,
    VenueOrderFound,
    VenueRejected,
    VenueReleased,
    VenueReplaced,
    VenueReplaceRejected,
    VenueReplaceUnknown,
    VenueSnapshot,
    VenueTriggered,
    VenueUnknown,
)

BASELINE = "_baseline"
"""The reserved order id under which an account's opening figures are written (no intent id starts with `_`)."""

ACTS = "_acts"
"""The reserved order id under which operators' acts on an account's books are booked, or refused."""

FUNDING = "_funding"
"""The reserved order id under which an account's funding payments are booked."""

EXTERNAL_PREFIX = "external-"
"""Order ids of orders placed elsewhere (in TWS by hand, by another program): the prefix and the venue's own id."""

NAME_CHARACTERS_MAX = 512
"""Of what a venue calls something, in the form that it has in a subject: NATS closes a connection over a few more."""

INTENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
ORDER_ID = re.compile(INTENT_ID.pattern + r"(?:\.(?:[a-z][a-z0-9-]{0,23}|[0-9]{1,6}))?")
"""Of an order of the desk's own: its intent's id; `<list>.<leg>` of one that a list has; `<flatten>.<number>` of one
that closes what is held. No intent that is sent may have such an id."""

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def encode_token(text: str) -> str:
    """Make one subject token of any text, reversibly; the empty text is `%`."""
    if not text:
        return "%"
    if _PLAIN.issuperset(text):
        return text
    return "".join(
        char if char in _PLAIN else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
        for char in text
    )


def decode_token(token: str) -> str:
    """The text that `encode_token` was given."""
    return "" if token == "%" else unquote(token, errors="replace")


DECISION = "decision"
"""The first word of the subjects of decisions."""


def is_replaced_soon(subject: str) -> bool:
    """Whether a newer message follows by itself, so that one which can not be stored in time is worth little."""
    return subject.startswith(("md.bar.", "md.funding.", "account."))


def first_word(subject: str) -> str:
    """What kind of message is on a subject."""
    return subject.partition(".")[0]


def quote(venue: str, symbol: str) -> str:
    return f"md.quote.{venue}.{encode_token(symbol)}"


def bar(venue: str, symbol: str, timeframe: str) -> str:
    return f"md.bar.{venue}.{encode_token(symbol)}.{timeframe}"


def stored_bar(venue: str, symbol: str, timeframe: str, partition: int) -> str:
    """Where BARS stores a bar: see `partitioned_bar`."""
    return f"md.bar.{partition}.{venue}.{encode_token(symbol)}.{timeframe}"


def partitioned_bar(partition: str) -> str:
    """The destination of BARS' subject transform: where a bar is stored, given NATS' word for its partition."""
    return f"md.bar.{partition}.{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}.{{{{wildcard(3)}}}}"


def bars_of_partition(partition: int) -> str:
    """Every bar that is stored in one partition of BARS."""
    return f"md.bar.{partition}.>"


def instrument(venue: str, symbol: str) -> str:
    return f"md.instrument.{venue}.{encode_token(symbol)}"


def funding(venue: str, symbol: str) -> str:
    return f"md.funding.{venue}.{encode_token(symbol)}"


def score(venue: str, symbol: str, timeframe: str) -> str:
    return f"ind.score.{venue}.{encode_token(symbol)}.{timeframe}"


def is_score(subject: str) -> bool:
    """Whether it is a score that SCORES has under `subject`; levels stand there too."""
    return subject.startswith("ind.score.")


def levels(venue: str, symbol: str, timeframe: str) -> str:
    return f"ind.levels.{venue}.{encode_token(symbol)}.{timeframe}"


def intent(message: Intent) -> str:
    """Where a sender publishes it; any venue, any symbol: `%`. The server puts his name behind the first word."""
    return intent_for(message.venue, message.symbol)


def stored_intents(name: str) -> str:
    """Under which subjects the server stores the intents of `name`, who publishes them without it."""
    return f"intent.{name}.*.*"


def intent_for(venue: str, symbol: str) -> str:
    """Where an intent goes whatever its bytes are."""
    return f"intent.{encode_token(venue)}.{encode_token(symbol)}"


def intent_of(name: str, message: Intent) -> str:
    """Where the desk has it from `name`, before INTENTS stores it by name alone."""
    return f"intent.{encode_token(name)}.{encode_token(message.venue)}.{encode_token(message.symbol)}"


def sender_of_intent(subject: str) -> str:
    """Who sent the intent that INTENTS has under `subject`: its second word, which the server wrote."""
    return decode_token(subject.split(".")[1])


def decision(message: Decision, account: str, venue: str) -> str:
    """`venue` and `account` of an intent that could not be read are empty."""
    verdict = "approved" if isinstance(message, IntentApproved) else "denied"
    return f"decision.{verdict}.{encode_token(venue)}.{encode_token(account)}"


def flatten_ended(message: FlattenEnded) -> str:
    """Among the decisions, since risk alone writes there; where the flatten named no venue or account, of any: `%`."""
    return f"decision.ended.{encode_token(message.venue)}.{encode_token(message.account)}"


def limits_ruled(message: LimitsRuling) -> str:
    """Among the decisions as well: what risk says to what an operator wants the limits to be."""
    return LIMITS_SET if isinstance(message, LimitsSet) else LIMITS_REFUSED


def switched(message: TradingSwitched) -> str:
    """Among the decisions as well: what risk has switched by itself; of any venue or account: `%`."""
    return f"decision.switched.{encode_token(message.venue)}.{encode_token(message.account)}"


def is_decision(subject: str) -> bool:
    """Whether a decision on an intent stands on a subject of risk's, and not another word of its own."""
    return subject.startswith(("decision.approved.", "decision.denied."))


def order(venue: str, account: str, order_id: str) -> str:
    return f"order.{venue}.{encode_token(account)}.{encode_token(order_id)}"


def is_name(text: str) -> bool:
    """Whether what a venue calls something can be a word of a subject."""
    return len(encode_token(text)) <= NAME_CHARACTERS_MAX


def external_order(name: str) -> str:
    """The id of an order placed elsewhere, of what the venue calls it; of a name that is too long, of its SHA-256."""
    if not is_name(name):
        name = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return EXTERNAL_PREFIX + name


def orders_of(venue: str, account: str) -> str:
    """Every order event of one account."""
    return f"order.{venue}.{encode_token(account)}.*"


def order_of(subject: str) -> tuple[str, str, str]:
    """Venue, account and order id of an order event's subject."""
    _, venue, account, order_id = subject.split(".")
    return venue, decode_token(account), decode_token(order_id)


def checkpoint_part(service: str, slot: int, number: int) -> str:
    """Where a service writes one part of a checkpoint (`signalbox.checkpoints`)."""
    return f"checkpoint.{service}.{slot}.{number}"


def checkpoint_manifest(service: str, slot: int) -> str:
    """Where it writes, last of all, what the parts must be."""
    return f"checkpoint.{service}.{slot}.manifest"


def command(venue: str, order_id: str, revision: int) -> str:
    """Revision 0 submits; each later one changes the order (modify, cancel)."""
    return f"command.{venue}.{encode_token(order_id)}.{revision}"


def commands_to(venue: str) -> str:
    """Every command to one venue."""
    return f"command.{venue}.>"


def ledger(venue: str, order_id: str) -> str:
    return f"ledger.{venue}.{encode_token(order_id)}"


def ledger_change(venue: str, order_id: str, revision: int) -> str:
    """Where the change that a command of that revision asks for is claimed."""
    return ledger(venue, f"{order_id}/{revision}")


def ledger_of(venue: str) -> str:
    """Everything in one venue's submission ledger."""
    return f"ledger.{venue}.>"


_REPORT_KINDS: dict[type[Report], str] = {
    VenueAccepted: "accepted",
    VenueTriggered: "triggered",
    VenueHeld: "held",
    VenueReleased: "released",
    VenueNoted: "noted",
    VenueFill: "fill",
    VenueCommission: "commission",
    VenueFunding: "funding",
    VenueCanceled: "canceled",
    VenueRejected: "rejected",
    VenueExpired: "expired",
    VenueCancelRejected: "cancel_rejected",
    VenueReplaced: "replaced",
    VenueReplaceRejected: "replace_rejected",
    VenueReplaceUnknown: "replace_unknown",
    VenueUnknown: "unknown",
    VenueOrderFound: "found",
    VenueSnapshot: "snapshot",
}


def report(message: Report) -> str:
    return f"report.{message.venue}.{encode_token(message.account)}.{_REPORT_KINDS[type(message)]}"


def reports_of(venue: str, account: str) -> str:
    """Every report on one account."""
    return f"report.{venue}.{encode_token(account)}.>"


def position(venue: str, account: str, symbol: str) -> str:
    return f"position.{venue}.{encode_token(account)}.{encode_token(symbol)}"


def book(venue: str, account: str) -> str:
    return f"book.{venue}.{encode_token(account)}"


def compared(venue: str, account: str) -> str:
    """Where it is told what a venue's snapshot and the books differ in."""
    return f"compared.{venue}.{encode_token(account)}"


def account(venue: str, account: str) -> str:
    return f"account.{venue}.{encode_token(account)}"


def link(venue: str, account: str) -> str:
    return f"link.{venue}.{encode_token(account)}"


def lease(venue: str, account: str) -> str:
    return f"$KV.LEASES.{venue}.{encode_token(account)}"


def service_lease(service: str) -> str:
    """Beside the accounts' leases: no venue is called `service`."""
    return f"$KV.LEASES.service.{service}"


def timer_schedule(order_id: str) -> str:
    return f"timer.schedule.{encode_token(order_id)}"


def timer_fired(order_id: str) -> str:
    return f"timer.fired.{encode_token(order_id)}"


def dead(stream: str, service: str) -> str:
    return f"dead.{stream.lower()}.{service}"


def trading_state(name: str) -> str:
    """Where the trading state that somebody has set is stored; the newest one counts, whoever set it."""
    return f"{TRADING_STATE}.{name}"


def operator_of(subject: str) -> str:
    """Who has set the trading state that is stored or told on `subject`: the server wrote it; "" = nobody knows."""
    return subject.removeprefix(f"{TRADING_STATE}.") if subject.startswith(f"{TRADING_STATE}.") else ""


def status(service: str) -> str:
    return f"status.{service}"


def discovery(verb: str, service: str = "", instance: str = "") -> str:
    """Where NATS's micro protocol asks all services, those of one name, or one process of it."""
    return ".".join(part for part in ("$SRV", verb, service, instance) if part)


def is_discovery(subject: str) -> bool:
    """Whether it is one of `discovery`'s."""
    return subject.startswith("$SRV.")


def set_aside(service: str, stream: str, sequence: int) -> str:
    """Where it is said that a service goes on without a message."""
    return f"$KV.CONTROL.skip.{encode_token(service)}.{encode_token(stream)}.{sequence}"


def books_act(venue: str, account: str, act_id: str) -> str:
    """Where an operator publishes an act on the books; the server stores it with his name behind."""
    return f"$KV.CONTROL.books.{encode_token(venue)}.{encode_token(account)}.{encode_token(act_id)}"


def operator_of_act(subject: str) -> str:
    """Who sent the act that is stored on `subject`: its last word, which the server wrote."""
    return decode_token(subject.rpartition(".")[2])


def operator_of_limits(subject: str) -> str:
    """Who proposed the limits that are stored on `subject`: the server wrote it; "" = nobody knows."""
    return subject.removeprefix(f"{LIMITS_PROPOSED}.") if subject.startswith(f"{LIMITS_PROPOSED}.") else ""


def snapshots_of(venue: str, account: str) -> str:
    """Where the venue's snapshots of an account are reported."""
    return f"report.{venue}.{encode_token(account)}.snapshot"


def all_set_aside(service: str) -> str:
    """All that a service goes on without."""
    return f"$KV.CONTROL.skip.{encode_token(service)}.>"


ALL_ORDERS, ALL_POSITIONS, ALL_INSTRUMENTS = "order.*.*.*", "position.*.*.*", "md.instrument.*.*"
ALL_MINUTE_BARS, ALL_APPROVALS = "md.bar.*.*.1m", "decision.approved.*.*"
ALL_BOOKS_ACTS = "$KV.CONTROL.books.*.*.*.*"
LIMITS_PROPOSED = "$KV.CONTROL.limits"
"""Where an operator publishes what the limits are to be; the server stores it under his name."""
ALL_LIMITS_PROPOSED = f"{LIMITS_PROPOSED}.*"
ALL_COMPARED = "compared.*.*"
ALL_SWITCHED = "decision.switched.*.*"
LIMITS_SET, LIMITS_REFUSED = "decision.limits.%.%", "decision.limits-refused.%.%"
ALL_DENIALS, ALL_FLATTENS_ENDED = "decision.denied.*.*", "decision.ended.*.*"
ALL_QUOTES, ALL_LINKS, ALL_ACCOUNTS, ALL_DECISIONS = "md.quote.*.*", "link.*.*", "account.*.*", "decision.*.*.*"
ALL_BARS, ALL_SCORES, ALL_BOOKS = "md.bar.*.*.*", "ind.score.*.*.*", "book.*.*"
"""Patterns to read or subscribe to. In BARS itself a bar's subject has a partition in front of the venue."""

DISCOVERY_VERBS = ("PING", "INFO", "STATS")
"""What may be asked of any service by the protocol that `nats micro` speaks (decision 37)."""

CLOCK = "clock.desk"
QUERY = "query.sql"
ALL_QUERIES = "query.sql.*"
"""The question and, added by the server, who asks."""
WHAT_IF = "whatif.intent"
ALL_WHAT_IFS = "whatif.intent.*"
"""The intent that is asked about and, added by the server, who asks."""
TRADING_STATE_BUCKET, TRADING_STATE_KEY = "CONTROL", "trading-state"
TRADING_STATE = f"$KV.{TRADING_STATE_BUCKET}.{TRADING_STATE_KEY}"
"""What an operator publishes; the server stores it under his name (`trading_state`)."""
ALL_TRADING_STATES = f"{TRADING_STATE}.*"


def is_trading_state(subject: str) -> bool:
    """Whether a trading state is on a subject: as an operator publishes it, or as it is stored."""
    return subject == TRADING_STATE or subject.startswith(f"{TRADING_STATE}.")
