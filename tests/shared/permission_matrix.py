"""Asks a real nats-server who may do what, and writes the answer as docs/nats-permissions.md: `make docs`.

Nothing is read from the configuration: each credential tries each subject, and an observer in every account, whom the
server lets hear and say everything there, tells what came of it. So the document is what the server does, and a test
that asks again fails when that changes. It must not know why anything is allowed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from signalbox.accounts import (
    ACCOUNTS,
    BOOTSTRAP,
    DESK,
    JETSTREAM,
    SERVER_ID,
    SERVERS,
    Role,
    password_variable,
    user_names,
)
from signalbox.accounts_file import served
from signalbox.bus.bootstrap import bootstrap_server, complete_seals, new_password
from signalbox.messages import TradingMode
from signalbox.registry import REGISTRY
from signalbox.seals import parse
from signalbox.services import LEASED_SERVICES, SERVICES
from signalbox.streams import STREAMS
from signalbox.subjects import DISCOVERY_VERBS, discovery
from signalbox.venues import venue_names
from signalbox_cli.people import roll
from signalbox_cli.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/nats-permissions.md"
OBSERVER, SYSTEM = "observer-of-", "$SYS"
NAMES = {Role.VIEWER: "vera", Role.STRATEGY: "stefan", Role.TRADER: "tina", Role.OPERATOR: "olga"}
OTHER = "tom"
START_SECONDS_MAX, ANSWER_SECONDS_MAX, NO_ANSWER_SECONDS_MAX = 20.0, 5.0, 0.5
WORDS = {"intent": ("intent.ibkr.SPY",), "query": ("query.sql",)}


def accounts() -> dict[str, str]:
    """Each credential's account."""
    services = {account.name: account.name for account in ACCOUNTS}
    return {BOOTSTRAP: DESK} | services | {name: name for name in (*NAMES.values(), OTHER)}


def columns() -> dict[str, str]:
    """The title of each column, and the credential that tries for it."""
    services = {account.name: account.name for account in ACCOUNTS}
    return services | {BOOTSTRAP: BOOTSTRAP} | {role.value: name for role, name in NAMES.items()}


def subjects() -> list[str]:
    """A subject of each kind, with words of its own: for each venue, as people say it, and as it is stored."""
    found: list[str] = []
    for declared in REGISTRY:
        words = declared.pattern.split(".")
        for venue in venue_names() if "*" in words and words[0] not in ("timer", "dead", "status", "$KV") else ("",):
            found.append(_concrete(words, venue))
    found += [f"dead.trade.{service}" for service in SERVICES]
    found += [f"status.{service}" for service in SERVICES]
    found += [f"$KV.LEASES.service.{service}" for service in LEASED_SERVICES]
    for verb in DISCOVERY_VERBS:
        found += [
            discovery(verb),
            *(discovery(verb, *of) for service in SERVICES for of in ((service,), (service, "a"))),
        ]
    found += ["$KV.LEASES.ibkr.A1", "$KV.LEASES.dydx.A1", "intent.ibkr.SPY", "query.sql", "query.sql.tina"]
    found += ["whatif.intent.tina", "whatif.intent.tom"]
    found += ["intent.tom.ibkr.SPY", "intent.tina.ibkr.SPY", "decision.denied.ibkr.A1"]
    found += [f"$KV.CONTROL.books.ibkr.A1.a{name}" for name in ("", ".tom", ".olga")]
    found += [f"$KV.CONTROL.limits{name}" for name in ("", ".tom", ".olga")]
    found += ["$KV.CONTROL.trading-state", "$KV.CONTROL.trading-state.tom", "$KV.CONTROL.trading-state.olga"]
    gone = {"dead.a.b", "status.a", "$KV.LEASES.a.b"}
    return sorted({subject for subject in found if subject not in gone} | set(_api()))


def _concrete(words: list[str], venue: str) -> str:
    """The pattern with its wildcards filled: the venue first, or behind a decision's verdict."""
    free = iter((["approved"] if words[0] == "decision" else []) + [venue or "a", "b", "c", "d"])
    return ".".join(next(free) if word == "*" else word for word in words)


def _api() -> list[str]:
    """What JetStream and the server are asked, as services ask it (JETSTREAM) and as DESK does."""
    found = [SERVERS, SERVER_ID, "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.DESK.CONNZ", "$SYS.REQ.SERVER.a.RELOAD"]
    for prefix in ("$JS.API", JETSTREAM):
        found += [f"{prefix}.INFO", f"{prefix}.STREAM.INFO.TRADE", f"{prefix}.CONSUMER.INFO.TRADE.risk"]
        found += [f"{prefix}.CONSUMER.RESET.TRADE.recorder", f"{prefix}.CONSUMER.RESET.TRADE.risk"]
        found += [f"{prefix}.STREAM.{what}.TRADE" for what in ("CREATE", "UPDATE", "DELETE", "PURGE", "SNAPSHOT")]
        found += [f"{prefix}.STREAM.MSG.{what}.TRADE" for what in ("GET", "DELETE")]
        found += [f"{prefix}.CONSUMER.CREATE.TRADE.mine", f"{prefix}.CONSUMER.DELETE.TRADE.risk"]
    for stream in STREAMS:
        found.append(f"$JS.API.DIRECT.GET.{stream.name}")
        for consumer in stream.consumers:
            if consumer.name[-2:-1] == "-" and not consumer.name.endswith("-0"):
                continue  # one of a service's partitions is like another
            found.append(f"$JS.API.CONSUMER.MSG.NEXT.{stream.name}.{consumer.name}")
            found.append(f"$JS.ACK.{stream.name}.{consumer.name}.1.1.1.1.1")
    return found


@dataclass
class Observed:
    """Whom the server lets hear and say everything in one account.

    `heard` is everything, by the subject that it shows; `arrived` are the subjects of the table on which something was
    delivered: a consumer's message shows the subject under which it is stored, wherever it is delivered.
    """

    client: Client
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    arrived: list[tuple[str, bytes]] = field(default_factory=list)

    async def listen(self) -> None:
        async def note(message: Msg) -> None:
            self.heard.append((message.subject, message.data))

        await self.client.subscribe(">", cb=note)
        for subject in subjects():
            await self._listen_to(subject)

    async def _listen_to(self, subject: str) -> None:
        async def note(message: Msg) -> None:
            self.arrived.append((subject, message.data))

        await self.client.subscribe(subject, cb=note)


async def _answer(message: Msg) -> None:
    """As a service does, but that it looks at no reply subject: where an answer goes is the server's affair here."""
    if message.reply:
        await message.respond(b"an answer")


class Court:
    """A server with the desk's own accounts, an observer in each, and a connection of each credential."""

    def __init__(self, url: str, passwords: dict[str, str]) -> None:
        self.url, self._passwords = url, passwords
        self.observers: dict[str, Observed] = {}
        self.clients: dict[str, Client] = {}

    def password(self, user: str) -> str:
        return self._passwords[user]

    async def connect(self) -> None:
        for account in {SYSTEM, *accounts().values()}:
            observed = Observed(await self._connected(_observer(account), "observer"))
            await observed.listen()
            self.observers[account] = observed
        for name in accounts():
            self.clients[name] = await self._connected(name, self._passwords[name])
        for account in ACCOUNTS:
            for subject in served(account):
                await self.clients[account.name].subscribe(subject, cb=_answer)
        await self.settled()

    async def _connected(self, user: str, password: str) -> Client:
        async def refused(_: Exception) -> None:
            """What is refused shows by what is not heard."""

        client = Client()
        await client.connect(
            self.url, user=user, password=password, inbox_prefix=f"_INBOX.{user}".encode(), error_cb=refused
        )
        return client

    async def settled(self) -> None:
        """Everything that was sent has been taken, and what came of it delivered: nats-py sends a ping in front of what
        waits to be written, so the second one is behind."""
        everybody = (*self.clients.values(), *(each.client for each in self.observers.values()))
        for _ in range(2):
            await asyncio.gather(*(client.flush(ANSWER_SECONDS_MAX) for client in everybody))

    def forget(self) -> None:
        for observed in self.observers.values():
            observed.heard.clear()
            observed.arrived.clear()

    def outside(self, name: str) -> list[Observed]:
        """The observers where `name` is not; `bootstrap` is where the streams are."""
        own = accounts()[name]
        return [each for account, each in self.observers.items() if account != own or name == BOOTSTRAP]

    async def close(self) -> None:
        for client in (*self.clients.values(), *(each.client for each in self.observers.values())):
            await client.close()


@asynccontextmanager
async def court(folder: Path, binary: str) -> AsyncIterator[Court]:
    """A court on a server without streams, which ends with it."""
    configuration = folder / "nats"
    shutil.copytree(ROOT / "deploy/nats", configuration)
    passwords = {user: new_password() for user in (*user_names(), *NAMES.values(), OTHER)}
    people = roll.Roll()
    for role, name in (*NAMES.items(), (Role.TRADER, OTHER)):
        people = people.add(name, role, passwords[name], datetime.now(UTC))
    (configuration / "people.conf").write_text(roll.conf_text(people))
    for name in ("accounts.conf", "people.conf"):
        path = configuration / name
        path.write_text(_with_observers(path.read_text()))
    port = free_port()
    arguments = ["-c", str(configuration / "nats.conf"), "-a", "127.0.0.1", "-p", str(port), "-sd", str(folder / "js")]
    environment = os.environ | {password_variable(user): password for user, password in passwords.items()}
    with (folder / "nats.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 (starting it does not wait)
            [binary, *arguments], env=environment, stdout=log, stderr=log
        )
    found = Court(f"nats://127.0.0.1:{port}", passwords)
    try:
        await _listening(port)
        await found.connect()
        yield found
        await found.close()
    finally:
        process.kill()
        process.wait()


def _observer(account: str) -> str:
    return OBSERVER + account.strip("$").lower()


def _with_observers(text: str) -> str:
    """The accounts, each with an observer more."""
    observer = '{{ user: "{}", password: "observer" }} '
    text = re.sub(
        r'users = \[ (\{ user: "([^"]+)")',
        lambda found: f"users = [ {observer.format(_observer(accounts().get(found[2], found[2])))}, {found[1]}",
        text,
    )
    return text.replace('"$SYS" {', f'"$SYS" {{\n  users = [ {observer.format(_observer(SYSTEM))}]', 1)


async def _listening(port: int) -> None:
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                return


# ------------------------------------------------------------------------------------------------------- the trials

Cells = dict[tuple[str, str], set[str]]


async def try_all(found: Court) -> Cells:
    """Each credential's letters for each subject. The second trial makes the streams that the last needs."""
    names = [name for name in columns().values() if name != BOOTSTRAP]
    may: dict[str, set[str]] = {name: await publishes(found, name) for name in (*names, BOOTSTRAP)}
    heard = await hears(found)
    # last who is where the streams are, and so has an answer to everything there
    arrived = {name: await answers_arrive(found, name, may[name]) for name in (*names, BOOTSTRAP)}
    cells: Cells = {}
    for name in (*names, BOOTSTRAP):
        for letter, there in (("p", may[name]), ("s", heard[name]), ("r", arrived[name])):
            for subject in there:
                cells.setdefault((subject, name), set()).add(letter)
    return cells


async def publishes(found: Court, name: str) -> set[str]:
    """The subjects on which `name` says something that is heard in another account, and as which it is heard there."""
    found.forget()
    marks = {f'{{"mark": {number}}}'.encode(): subject for number, subject in enumerate(subjects())}
    for mark, subject in marks.items():
        await found.clients[name].publish(subject, mark)
    await found.settled()
    elsewhere = found.outside(name)
    said = {marks[payload] for each in elsewhere for _, payload in each.heard if payload in marks}
    return said | {subject for each in elsewhere for subject, payload in each.arrived if payload in marks}


async def hears(found: Court) -> dict[str, set[str]]:
    """Which credential hears which subject of what is said in another account, stored, and told again by the server."""
    seals = parse(complete_seals({})[BOOTSTRAP])
    await bootstrap_server(found.url, found.password(BOOTSTRAP), TradingMode.ACTIVE, seals)
    own = accounts()
    heard: dict[str, set[str]] = {name: set() for name in columns().values()}
    mine: dict[str, list[tuple[str, bytes]]] = {name: [] for name in found.clients}
    for name, client in found.clients.items():

        async def note(message: Msg, name: str = name) -> None:
            mine[name].append((message.subject, message.data))

        for subject in subjects():
            await client.subscribe(subject, cb=note)
    await found.settled()
    for account, observed in found.observers.items():
        for subject in subjects():
            if account == DESK and subject.startswith("$JS.API"):
                continue  # would be done
            await observed.client.publish(subject, json.dumps({"from": account}).encode())
    await found.settled()
    await _until_told_again(found)
    for name in columns().values():
        for subject, payload in mine[name]:
            if payload[:7] == b'{"from"' and json.loads(payload)["from"] != own[name]:
                heard[name].add(subject)
    return heard


async def _until_told_again(found: Court) -> None:
    """What is stored is told once more after a while: until an observer has heard the last trading state."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        while not any(s.startswith("control.") and b'"from"' in payload for s, payload in found.observers[DESK].heard):
            await found.settled()
    await found.settled()


async def answers_arrive(found: Court, name: str, asked: set[str]) -> set[str]:
    """The subjects outside the account of `name` on which the answer to something that he may ask appears.

    Of each kind of question one is asked, with every subject as where the answer is to go.
    """
    client, arrived = found.clients[name], set[str]()
    questions = list({_kind(subject): subject for subject in sorted(asked) if _is_harmless(subject)}.values())
    found.forget()
    for question in questions:
        for subject in sorted(set(subjects()) - asked):
            await client.publish(question, _question(question), reply=subject)
    for question in (*questions, *questions):
        with suppress(NatsError, TimeoutError):  # the answer to this one comes behind the others
            await client.request(question, _question(question), timeout=NO_ANSWER_SECONDS_MAX)
    await found.settled()
    said = set(map(_question, questions))
    for each in found.outside(name):
        arrived |= {subject for subject, payload in each.arrived if payload not in said}
    return arrived - asked


def _kind(subject: str) -> str:
    words = subject.split(".")
    return (
        ".".join(words[:5] if subject.startswith("$JS.API.CONSUMER.MSG") else words[:4])
        if words[0][0] == "$"
        else words[0]
    )


def _is_harmless(subject: str) -> bool:
    """Whether asking changes nothing that the trials need."""
    return not any(word in subject for word in ("DELETE", "PURGE", "CREATE", "UPDATE", "RESET", "RELOAD", "SNAPSHOT"))


def _question(subject: str) -> bytes:
    return (
        b'{"seq":1}'
        if "DIRECT.GET" in subject
        else b'{"batch":1,"expires":50000000}'
        if "MSG.NEXT" in subject
        else b"{}"
    )


# ------------------------------------------------------------------------------------------------------ the document

HEAD = """\
# Who may say and hear what on NATS

Written by `make docs`, which asks a real nats-server with [deploy/nats](../deploy/nats): each credential tries each
subject, and observers in every account tell what came of it. A test asks again and fails when it is not this any more.
[nats.md](nats.md) says why, [decision 28](decisions/0028-an-account-for-each-service-and-each-person.md) what it stops.

- **p**: publishes, and it is heard in another account or stored. (Of `bootstrap`: heard where the streams are.)
- **s**: hears what others publish there.
- **r**: can not publish there, but can have an answer, of the server or of a service, appear there, outside its own
  account, by naming it as where the answer to a question of its own goes. There must be none, but for `bootstrap`,
  which administers the streams where they are; the seals stop what it could forge.

`user` is a trader, `operator` an operator. Of the people, the viewer is called vera, the strategy stefan, the trader
tina, the operator olga; tom is somebody else. Where a person publishes `intent.ibkr.SPY`, the server stores
`intent.<name>.ibkr.SPY`. What nobody
may say, nor hear, is named below the table.

"""


def document(cells: Cells) -> str:
    """docs/nats-permissions.md, whole."""
    titles = columns()
    used = [s for s in subjects() if any(cells.get((s, name), {"r"}) != {"r"} for name in titles.values())]
    lines = [f"| subject | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for subject in used:
        row = [
            "".join(letter for letter in "psr" if letter in cells.get((subject, name), ())) for name in titles.values()
        ]
        lines.append(f"| `{subject}` | {' | '.join(row)} |")
    unused = [subject for subject in subjects() if subject not in used]
    return HEAD + "\n".join(lines) + "\n\nNobody: " + ",\n".join(f"`{subject}`" for subject in unused) + ".\n"


async def asked(folder: Path, binary: str) -> str:
    """The document, as a server answers now."""
    async with court(folder, binary) as found:
        return document(await try_all(found))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        DOCUMENT.write_text(asyncio.run(asked(Path(place), str(Path(sys.executable).parent / "nats-server"))))
