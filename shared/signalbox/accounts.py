"""Who may say and hear what on NATS: one account a service, one a person.

Owns the table of what services may and the roles of people; `signalbox.accounts_file` writes it in nats-server's words.
It must not know a password, nor a server.

Why an account each: permissions of NATS do not cover the reply subject of a request, so within one account whoever may
ask the server anything can have the answer, or a stored message of his choice, appear on a subject of somebody else's.
Between accounts a message crosses only by an import that stands here, and an answer only comes back to who asked. The
streams are in the account DESK, in which nobody lives but `bootstrap`.

    stores   published, and kept by a stream: crosses into DESK, the acknowledgement comes back
    tells    published for whoever hears it now; what is stored is told as well
    hears    subscribed to: imported from every account that tells it
    pulls    durable consumers: their messages come here, acknowledgements go back
    reads    stored messages that may be asked for
    asks     of JetStream: how streams and consumers are
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from signalbox.services import SERVICES
from signalbox.streams import BAR_PARTITIONS
from signalbox.venues import VENUES, VenueRow

DESK = "DESK"
BOOTSTRAP, SIMULATOR, AUDITOR = "bootstrap", "simulator", "auditor"
SERVERS = "$SYS.REQ.SERVER.PING.JSZ"
"""What each server says of its JetStream. An answer is so dear to the server that no person may ask."""
SERVER_ID = "$SYS.REQ.SERVER.PING.IDZ"
"""Which server it is: the cheapest question that crosses. Who is answered has been let in."""
RELOAD = "$SYS.REQ.SERVER.*.RELOAD"
"""Has a server read its configuration again: how a person is let in or out without a restart."""

JETSTREAM, JETSTREAM_OF_DESK = "$JS.desk.API", "$JS.API"
"""Under which words an account asks JetStream of DESK, and DESK itself: `$JS.API` is answered in every account."""
NEXT = "$JS.API.CONSUMER.MSG.NEXT"

CONNECTIONS_MAX, SUBSCRIPTIONS_MAX = 32, 2_000
MESSAGE_BYTES_MAX = 131_072
"""Of a person's: what is longer (a query may have 20,000 characters) ends his connection, and reaches nothing."""
"""Of one person: each connection that does not read costs the server `max_pending` at most."""

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
"""A person's name: one word of a subject, and the name of his account."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """What one service may do. All are subject patterns, but `pulls` (stream, consumer)."""

    name: str
    stores: tuple[str, ...] = ()
    tells: tuple[str, ...] = ()
    hears: tuple[str, ...] = ()
    pulls: tuple[tuple[str, str], ...] = ()
    reads: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    asks_servers: bool = False

    @property
    def told(self) -> tuple[str, ...]:
        """What others may hear from here: all that is told, and all that is stored but what is only for itself."""
        private = ("$KV.LEASES.", "ledger.", "command.", "timer.", "checkpoint.")
        return (*self.tells, *(subject for subject in self.stores if not subject.startswith(private)))


def _gateway(row: VenueRow) -> Account:
    venue, gateway = row.name, row.gateway
    stored = (
        f"md.bar.{venue}.*.*",
        f"md.instrument.{venue}.*",
        *((f"md.funding.{venue}.*",) if row.pays_funding else ()),
        f"account.{venue}.*",
        f"report.{venue}.*.*",
        f"ledger.{venue}.*",
        f"dead.*.{gateway}",
        f"$KV.LEASES.{venue}.*",
    )
    return Account(
        name=gateway,
        stores=stored,
        tells=(f"md.quote.{venue}.*", f"link.{venue}.*"),
        hears=("clock.desk", "$KV.CONTROL.>"),
        pulls=(("COMMANDS", gateway),),
        reads=(
            *("LEDGER", f"LEDGER.ledger.{venue}.*", f"KV_LEASES.$KV.LEASES.{venue}.*"),
            *("BARS", "BARS.>", "KV_CONTROL", "STATE", "STATE.>"),
            *("COMMANDS", f"COMMANDS.command.{venue}.>", "REPORTS", f"REPORTS.report.{venue}.>"),
            "KV_CONTROL.$KV.CONTROL.trading-state.*",
        ),
        serves=(f"status.{gateway}",),
    )


def _leased(service: str) -> tuple[str, str]:
    """The subject of a service's lease, and what it reads of it."""
    subject = f"$KV.LEASES.service.{service}"
    return subject, f"KV_LEASES.{subject}"


_RISK_LEASE, _READS_RISK_LEASE = _leased("risk")
_OMS_LEASE, _READS_OMS_LEASE = _leased("oms")
_RECORDER_LEASE, _READS_RECORDER_LEASE = _leased("recorder")

ACCOUNTS: tuple[Account, ...] = (
    Account(name=SIMULATOR, tells=("clock.desk",)),
    *map(_gateway, VENUES),
    Account(
        name="indicators",
        stores=("ind.score.*.*.*", "ind.levels.*.*.*", "dead.*.indicators"),
        hears=("clock.desk",),
        pulls=tuple(("BARS", f"indicators-{partition}") for partition in range(BAR_PARTITIONS)),
        reads=("KV_CONTROL", "BARS", "SCORES", "SCORES.ind.score.*.*.*", "SCORES.ind.levels.*.*.*"),
        serves=("status.indicators",),
    ),
    Account(
        name="risk",
        stores=("decision.*.*.*", "dead.*.risk", "checkpoint.risk.*.*", _RISK_LEASE),
        hears=(
            *("clock.desk", "md.quote.>", "md.instrument.>", "md.funding.>", "account.>", "link.>"),
            *("compared.>", "$KV.CONTROL.>"),
        ),
        pulls=(("INTENTS", "risk"), ("TRADE", "risk"), ("KV_CONTROL", "risk")),
        reads=(
            _READS_RISK_LEASE,
            "CHECKPOINTS.checkpoint.risk.*.*",
            *("INTENTS", "TRADE", "TRADE.>", "STATE", "STATE.>", "KV_CONTROL", "KV_CONTROL.>", "DEAD", "DEAD.>"),
        ),
        serves=("whatif.intent.*", "status.risk"),
        asks_servers=True,
    ),
    Account(
        name="oms",
        tells=("compared.*.*",),
        stores=(
            *("order.*.*.*", "command.*.*.*", "position.*.*.*", "book.*.*", "timer.schedule.*", "dead.*.oms"),
            *("checkpoint.oms.*.*", _OMS_LEASE),
        ),
        hears=("clock.desk", "md.bar.>", "md.instrument.>", "account.>"),
        pulls=(("TRADE", "oms"), ("TRADE", "oms-denied"), ("REPORTS", "oms"), ("TIMERS", "oms"), ("KV_CONTROL", "oms")),
        reads=(
            *(_READS_OMS_LEASE, "CHECKPOINTS.checkpoint.oms.*.*"),
            *("KV_CONTROL", "KV_CONTROL.$KV.CONTROL.books.>", "TRADE", "TRADE.>", "COMMANDS", "COMMANDS.>"),
            *("REPORTS", "REPORTS.>"),
            *("STATE", "STATE.>", "TIMERS", "TIMERS.>"),
        ),
        serves=("status.oms",),
    ),
    Account(
        name="recorder",
        stores=("dead.*.recorder", _RECORDER_LEASE),
        hears=("clock.desk",),
        pulls=(("*", "recorder"),),
        reads=(">",),
        asks=(*("INFO", "STREAM.INFO.*", "CONSUMER.INFO.*.*", "CONSUMER.RESET.*.recorder"),),
        serves=("query.sql.*", "status.recorder"),
    ),
    # Reads every stream, to check the desk, which runs without it.
    Account(name=AUDITOR, reads=(">",), asks=("STREAM.INFO.*", "CONSUMER.INFO.*.*"), asks_servers=True),
)

BOOTSTRAP_PUBLISHES = (
    *("$JS.API.INFO", "$JS.API.STREAM.*.*", "$JS.SNAPSHOT.RESTORE.>", "$JS.SNAPSHOT.ACK.>"),
    *(f"$JS.API.CONSUMER.{what}.*.*" for what in ("CREATE", "RESET", "INFO")),
    *("$KV.CONTROL.trading-state.bootstrap", RELOAD, SERVERS),
)
"""Makes, copies and restores streams and consumers, and lets people in. It is not needed while the desk runs."""


class Role(StrEnum):
    """What a person, or a person's program, may do; each may hear all that concerns trading, and ask."""

    VIEWER = "viewer"
    STRATEGY = "strategy"
    TRADER = "trader"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Person:
    """Somebody with an account. `password` is a word of nats-server's configuration: a quoted text or a $VARIABLE."""

    name: str
    role: Role
    password: str


FIRST_PEOPLE = (
    Person("user", Role.TRADER, "$NATS_PASSWORD_USER"),
    Person("operator", Role.OPERATOR, "$NATS_PASSWORD_OPERATOR"),
)
"""There from the start; `signalbox people` adds others, each with a name of his own."""

HEARD_BY_PEOPLE = (
    *("clock.desk", "md.>", "ind.>", "decision.>", "order.>", "report.>", "position.>", "book.>", "account.>"),
    *("link.>", "dead.>", "$KV.CONTROL.>"),
)

CONTROLS = {
    "$KV.CONTROL.trading-state": "$KV.CONTROL.trading-state.{name}",
    "$KV.CONTROL.skip.*.*.*": "$KV.CONTROL.skip.*.*.*.{name}",
    "$KV.CONTROL.books.*.*.*": "$KV.CONTROL.books.*.*.*.{name}",
    "$KV.CONTROL.limits": "$KV.CONTROL.limits.{name}",
}
"""What an operator publishes, and as what it is stored."""


def user_names() -> tuple[str, ...]:
    """Every user whose password nats-server takes from its environment."""
    return (BOOTSTRAP, SIMULATOR, *SERVICES, AUDITOR, *(person.name for person in FIRST_PEOPLE))


def password_variable(user: str) -> str:
    """The environment variable that deploy/nats/accounts.conf takes a user's password from."""
    return "NATS_PASSWORD_" + user.upper().replace("-", "_")
