"""The accounts in nats-server's words: deploy/nats/accounts.conf, and a person's lines of deploy/nats/people.conf.

Owns how the table of `signalbox.accounts` becomes imports, exports and permissions. It must not know a password, nor a
server. `python -m signalbox.accounts_file` prints the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from signalbox.accounts import (
    ACCOUNTS,
    BOOTSTRAP,
    BOOTSTRAP_PUBLISHES,
    CONNECTIONS_MAX,
    CONTROLS,
    DESK,
    FIRST_PEOPLE,
    HEARD_BY_PEOPLE,
    JETSTREAM,
    JETSTREAM_OF_DESK,
    MESSAGE_BYTES_MAX,
    NEXT,
    RELOAD,
    SERVER_ID,
    SERVERS,
    SUBSCRIPTIONS_MAX,
    Account,
    Person,
    Role,
    password_variable,
)
from signalbox.services import SERVICES
from signalbox.subjects import (
    ALL_QUERIES,
    ALL_WHAT_IFS,
    DISCOVERY_VERBS,
    QUERY,
    WHAT_IF,
    discovery,
    stored_intents,
)


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
    answered = {QUERY: "recorder"} | ({WHAT_IF: "risk"} if may else {})
    asked = [*answered, *(f"status.{service}" for service in SERVICES)]
    imports = [
        *_heard(HEARD_BY_PEOPLE),
        *(_service_import(DESK, stored_intents(person.name), local) for local in sorted(may)),
        *(_service_import(DESK, stored.format(name=person.name), local) for local, stored in controls.items()),
        *(_service_import(service, f"{subject}.{person.name}", subject) for subject, service in answered.items()),
        *(_service_import(service, f"status.{service}") for service in SERVICES),
        *(_service_import(service, subject) for service in SERVICES for subject in _discovery(service)),
        _service_import("$SYS", SERVER_ID),
    ]
    discovery = dict.fromkeys(subject for service in SERVICES for subject in _discovery(service))
    publishes = [*sorted(may), *controls, *asked, *discovery, SERVER_ID]
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
        '{ service: "$KV.CONTROL.books.*.*.*.*", account_token_position: 7 }',
        '{ service: "$KV.CONTROL.limits.*", account_token_position: 4 }',
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
    serves = served(account)
    imports = [
        *_heard(account.hears, but=account.name),
        *(_service_import(DESK, subject) for subject in (*account.stores, *asked)),
        *(_service_import(DESK, f"{JETSTREAM_OF_DESK}.{ask}", f"{JETSTREAM}.{ask}") for ask in asks),
        *([_service_import("$SYS", SERVERS)] if account.asks_servers else []),
    ]
    exports = [
        *(f"{{ stream: {_quoted(subject)} }}" for subject in account.told),
        *(_served(subject) for subject in serves),
    ]
    publishes = [*account.stores, *account.tells, *asked, *(f"{JETSTREAM}.{ask}" for ask in asks)]
    publishes += [SERVERS] if account.asks_servers else []
    publishes += ["_R_.>"] if account.serves else []  # answers to who asked from another account
    return [
        f"{_quoted(account.name)}: {{",
        *_list("exports", exports),
        *_list("imports", imports),
        *_user(account.name, publishes, (f"_INBOX.{account.name}.>", *account.hears, *serves)),
        "}",
    ]


def served(account: Account) -> tuple[str, ...]:
    """What an account answers, to people alone: its own questions, and who it is."""
    return (*account.serves, *_discovery(account.name)) if account.serves else ()


def _discovery(service: str) -> list[str]:
    """Where a service is asked who it is: with all others, by its name, and one process of it."""
    return [discovery(verb, *narrower) for verb in DISCOVERY_VERBS for narrower in ((), (service,), (service, "*"))]


def _served(subject: str) -> str:
    """A service that people ask. Where a question's subject ends in their name, it is that of the account that asks."""
    if subject in (ALL_QUERIES, ALL_WHAT_IFS):
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
