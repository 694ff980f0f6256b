"""Who may say and hear what on NATS: one account a service, one a person, written as deploy/nats/accounts.conf.

Owns the table of services and the roles of people, and how both become nats-server's words. It must not know a
password, nor a server.

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

`python -m signalbox.accounts` prints the file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from signalbox.streams import BAR_PARTITIONS
from signalbox.subjects import SERVICES, stored_intents

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


def _gateway(venue: str, *, funding: bool = False) -> Account:
    stored = (
        f"md.bar.{venue}.*.*",
        f"md.instrument.{venue}.*",
        *((f"md.funding.{venue}.*",) if funding else ()),
        f"account.{venue}.*",
        f"report.{venue}.*.*",
        f"ledger.{venue}.*",
        f"dead.*.gateway-{venue}",
        f"$KV.LEASES.{venue}.*",
    )
    return Account(
        name=f"gateway-{venue}",
        stores=stored,
        tells=(f"md.quote.{venue}.*", f"link.{venue}.*"),
        hears=("clock.desk",),
        pulls=(("COMMANDS", f"gateway-{venue}"),),
        reads=(
            *("LEDGER", f"LEDGER.ledger.{venue}.*", f"KV_LEASES.$KV.LEASES.{venue}.*"),
            *("BARS", "BARS.>", "KV_CONTROL", "STATE", "STATE.>"),
            *("COMMANDS", f"COMMANDS.command.{venue}.>", "REPORTS", f"REPORTS.report.{venue}.>"),
        ),
        serves=(f"status.gateway-{venue}",),
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
    _gateway("ibkr"),
    _gateway("dydx", funding=True),
    Account(
        name="indicators",
        stores=("ind.score.*.*.*", "dead.*.indicators"),
        hears=("clock.desk",),
        pulls=tuple(("BARS", f"indicators-{partition}") for partition in range(BAR_PARTITIONS)),
        reads=("KV_CONTROL", "BARS", "SCORES", "SCORES.ind.score.*.*.*"),
        serves=("status.indicators",),
    ),
    Account(
        name="risk",
        stores=("decision.*.*.*", "dead.*.risk", "checkpoint.risk.*.*", _RISK_LEASE),
        hears=(
            *("clock.desk", "md.quote.>", "md.instrument.>", "md.funding.>", "account.>", "link.>"),
            "$KV.CONTROL.>",
        ),
        pulls=(("INTENTS", "risk"), ("TRADE", "risk")),
        reads=(
            _READS_RISK_LEASE,
            "CHECKPOINTS.checkpoint.risk.*.*",
            *("INTENTS", "TRADE", "TRADE.>", "STATE", "STATE.>", "KV_CONTROL", "KV_CONTROL.>", "DEAD", "DEAD.>"),
        ),
        serves=("status.risk",),
        asks_servers=True,
    ),
    Account(
        name="oms",
        stores=(
            *("order.*.*.*", "command.*.*.*", "position.*.*.*", "book.*.*", "timer.schedule.*", "dead.*.oms"),
            *("checkpoint.oms.*.*", _OMS_LEASE),
        ),
        hears=("clock.desk", "md.bar.>", "md.instrument.>", "account.>"),
        pulls=(("TRADE", "oms"), ("TRADE", "oms-denied"), ("REPORTS", "oms"), ("TIMERS", "oms")),
        reads=(
            *(_READS_OMS_LEASE, "CHECKPOINTS.checkpoint.oms.*.*"),
            *("KV_CONTROL", "TRADE", "TRADE.>", "COMMANDS", "COMMANDS.>", "REPORTS", "REPORTS.>"),
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
}
"""What an operator publishes, and as what it is stored."""


def user_names() -> tuple[str, ...]:
    """Every user whose password nats-server takes from its environment."""
    return (BOOTSTRAP, SIMULATOR, *SERVICES, AUDITOR, *(person.name for person in FIRST_PEOPLE))


def password_variable(user: str) -> str:
    """The environment variable that deploy/nats/accounts.conf takes a user's password from."""
    return "NATS_PASSWORD_" + user.upper().replace("-", "_")


# ------------------------------------------------------------------------------------------- nats-server's words


def configuration() -> str:
    """deploy/nats/accounts.conf, whole."""
    lines = [
        "# Written by `make docs` from signalbox/accounts.py, which says what each line is for. Do not edit.",
        *_system(),
        *_desk(),
    ]
    for account in ACCOUNTS:
        lines += _service(account)
    for person in FIRST_PEOPLE:
        lines += person_lines(person)
    return "\n".join(lines) + "\n"


def person_lines(person: Person) -> list[str]:
    """A person's account: his words cross under his name, which the server writes and he can not."""
    may = {"intent.*.*"} if person.role is not Role.VIEWER else set()
    controls = CONTROLS if person.role is Role.OPERATOR else {}
    asked = ["query.sql", *(f"status.{service}" for service in SERVICES)]
    imports = [
        *_heard(HEARD_BY_PEOPLE),
        *(_service_import(DESK, stored_intents(person.name), local) for local in sorted(may)),
        *(_service_import(DESK, stored.format(name=person.name), local) for local, stored in controls.items()),
        _service_import("recorder", f"query.sql.{person.name}", "query.sql"),
        *(_service_import(service, f"status.{service}") for service in SERVICES),
        _service_import("$SYS", SERVER_ID),
    ]
    publishes = [*sorted(may), *controls, *asked, SERVER_ID]
    return [
        f"{_quoted(person.name)}: {{  # {person.role}",
        f"  limits: {{ max_connections: {CONNECTIONS_MAX}, max_subscriptions: {SUBSCRIPTIONS_MAX}, "
        f"max_payload: {MESSAGE_BYTES_MAX} }}",
        *_list("imports", imports),
        f"  users = [ {{ user: {_quoted(person.name)}, password: {person.password}, permissions: {{",
        *_list("publish", map(_quoted, publishes), 4),
        "  } } ]",
        "}",
    ]


def _system() -> list[str]:
    exports = [
        f"{{ service: {_quoted(SERVERS)}, response: stream }}",
        f"{{ service: {_quoted(SERVER_ID)} }}",
        f"{{ service: {_quoted(RELOAD)}, accounts: [{DESK}] }}",
    ]
    return ['"$SYS" {', *_list("exports", exports), "}"]


def _desk() -> list[str]:
    """Where the streams are. What is exported as a service may be asked for, by who imports it below."""
    stored = sorted({subject for account in ACCOUNTS for subject in account.stores})
    exports = [
        *(f"{{ service: {_quoted(subject)} }}" for subject in stored),
        '{ service: "intent.*.*.*", account_token_position: 2 }',
        '{ service: "$KV.CONTROL.trading-state.*", account_token_position: 4 }',
        '{ service: "$KV.CONTROL.skip.*.*.*.*", account_token_position: 7 }',
        '{ stream: "control.>" }',
        f'{{ service: "{NEXT}.INTENTS.risk" }}',  # one message a request: see signalbox.bus.queueing
        *(
            f"{{ service: {_quoted(subject)}, response: stream }}"
            for subject in ("$JS.API.DIRECT.GET.>", f"{NEXT}.*.*")
        ),
        *(
            f"{{ service: {_quoted(subject)} }}"
            for subject in (
                *("$JS.ACK.>", "$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.INFO.*.*"),
                "$JS.API.CONSUMER.RESET.*.recorder",
            )
        ),
    ]
    imports = [_service_import("$SYS", SERVERS), _service_import("$SYS", RELOAD)]
    return [
        f"{DESK} {{",
        "  jetstream: enabled",  # the only account that has it: bounded by max_file_store of the server
        *_list("exports", exports),
        *_list("imports", imports),
        *_user(BOOTSTRAP, BOOTSTRAP_PUBLISHES, (f"_INBOX.{BOOTSTRAP}.>",)),
        "}",
    ]


def _service(account: Account) -> list[str]:
    asked, asks = [*_requests(account)], [*_asks(account)]
    imports = [
        *_heard(account.hears, but=account.name),
        *(_service_import(DESK, subject) for subject in (*account.stores, *asked)),
        *(_service_import(DESK, f"{JETSTREAM_OF_DESK}.{ask}", f"{JETSTREAM}.{ask}") for ask in asks),
        *([_service_import("$SYS", SERVERS)] if account.asks_servers else []),
    ]
    exports = [
        *(f"{{ stream: {_quoted(subject)} }}" for subject in account.told),
        *(_served(subject) for subject in account.serves),
    ]
    publishes = [*account.stores, *account.tells, *asked, *(f"{JETSTREAM}.{ask}" for ask in asks)]
    publishes += [SERVERS] if account.asks_servers else []
    publishes += ["_R_.>"] if account.serves else []  # answers to who asked from another account
    return [
        f"{_quoted(account.name)}: {{",
        *_list("exports", exports),
        *_list("imports", imports),
        *_user(account.name, publishes, (f"_INBOX.{account.name}.>", *account.hears, *account.serves)),
        "}",
    ]


def _served(subject: str) -> str:
    """A service that people ask. Where the subject ends in their name, it has to be that of the account that asks."""
    if subject.endswith(".*"):
        return f"{{ service: {_quoted(subject)}, account_token_position: {subject.count('.') + 1} }}"
    return f"{{ service: {_quoted(subject)}, response: stream }}"  # every process of the service answers


def _asks(account: Account) -> Iterator[str]:
    """What an account asks of JetStream: its own consumers it may always ask for."""
    yield from account.asks
    if "CONSUMER.INFO.*.*" not in account.asks:
        yield from (f"CONSUMER.INFO.{stream}.{consumer}" for stream, consumer in account.pulls)


def _requests(account: Account) -> Iterator[str]:
    """Where an account asks for messages, and acknowledges them."""
    for stream, consumer in account.pulls:
        yield f"{NEXT}.{stream}.{consumer}"
        yield f"$JS.ACK.{stream}.{consumer}.>"
    for read in account.reads:
        yield f"$JS.API.DIRECT.GET.{read}"


def _heard(patterns: Iterable[str], but: str = "") -> Iterator[str]:
    """Imports of what other accounts tell, as far as it is on one of these patterns."""
    wanted = tuple(patterns)
    for teller in ACCOUNTS:
        for subject in teller.told if teller.name != but else ():
            if any(overlap(subject, pattern) for pattern in wanted):
                yield f"{{ stream: {{ account: {_quoted(teller.name)}, subject: {_quoted(subject)} }} }}"
    if "$KV.CONTROL.>" in wanted:  # told again by the server once it is stored
        yield f'{{ stream: {{ account: {DESK}, subject: "control.>" }}, to: "$KV.CONTROL.>" }}'


def overlap(one: str, other: str) -> bool:
    """Whether a subject can fit both patterns."""
    left, right = one.split("."), other.split(".")
    for mine, theirs in zip(left, right, strict=False):
        if ">" in (mine, theirs):
            return True
        if "*" not in (mine, theirs) and mine != theirs:
            return False
    return len(left) == len(right)


def _service_import(account: str, subject: str, local: str = "") -> str:
    to = f", to: {_quoted(local)}" if local and local != subject else ""
    return f"{{ service: {{ account: {_quoted(account)}, subject: {_quoted(subject)} }}{to} }}"


def _user(name: str, publishes: Iterable[str], subscribes: Iterable[str]) -> list[str]:
    return [
        f"  users = [ {{ user: {_quoted(name)}, password: ${password_variable(name)}, permissions: {{",
        *_list("publish", map(_quoted, publishes), 4),
        *_list("subscribe", map(_quoted, subscribes), 4),
        "  } } ]",
    ]


def _list(word: str, items: Iterable[str], indent: int = 2) -> list[str]:
    before = " " * indent
    inside = [f"{before}  {item}" for item in items]
    return [f"{before}{word} = [", *inside, f"{before}]"] if inside else []


def _quoted(text: str) -> str:
    return f'"{text}"'


if __name__ == "__main__":
    sys.stdout.write(configuration())
