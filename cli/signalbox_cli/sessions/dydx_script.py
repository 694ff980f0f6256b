"""A recorded session with dYdX as a script: what comes when, which question has which answer, whose websocket it was.

Pure. Owns what makes two questions the same one, the role of a websocket, and what a script can not be played for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from signalbox.errors import ConfigurationError

from signalbox_cli.sessions.desk_time import SIMULATED, DeskTime
from signalbox_cli.sessions.dydx_node_messages import BROADCAST
from signalbox_cli.sessions.dydx_recording import ANSWER, ASK, CALL, TEXT, WEBSOCKETS
from signalbox_cli.sessions.dydx_redaction import PARAMETERS
from signalbox_cli.sessions.session_file import Line, Said, Session

HEIGHTS, MARKETS = "v4_block_height", "v4_markets"
ANSWERED = frozenset({"OK", "200", "404", "NOT_FOUND", "UNIMPLEMENTED"})
"""How an answer ends that says something; any other is a failure."""
_OF_THE_DAY = frozenset({"limit", "fromISO", "toISO", "afterOrAt"})
"""Parameters that are of the moment in which is asked."""

Role = tuple[str, str]
"""What a websocket is first subscribed to that not all of them are."""


class Step(Struct, frozen=True):
    """One thing that happens, at a desk time. `pause_seconds` = by the wall, since the step before."""

    at: datetime
    pause_seconds: float
    link: int
    by: str
    what: Said
    fields: tuple[str, ...]


class Exchange(Struct, frozen=True):
    """A question and its answer, by their places in the script; `answered` = -1: there was none."""

    key: str
    parameters: Mapping[str, str]
    asked: int
    answered: int
    status: str
    body: str

    @property
    def says_something(self) -> bool:
        return self.status in ANSWERED


class Script(Struct, frozen=True):
    """`by_key`: the exchanges of a question, in the order of their answers. `calls`: by the place of the question."""

    steps: tuple[Step, ...]
    by_key: Mapping[str, tuple[Exchange, ...]]
    calls: Mapping[int, Exchange]
    about_orders: Mapping[tuple[str, str], tuple[Exchange, ...]]
    """By `place` or `cancel` and the order's id: its transactions, the first and those that repeat or renew it."""
    roles: Mapping[int, Role]
    """By link: of every websocket that was subscribed to something."""


def script_of(session: Session) -> Script:
    """Raises `ConfigurationError` for a session that can not be played, with the reason."""
    lines = [line for line in session.lines if line.what not in (Said.WITHHELD, Said.UNREADABLE)]
    told = _told_times(lines) if session.header.clock == SIMULATED else []
    time = DeskTime(told)
    before = lines[0].at if lines else session.header.started
    steps = []
    for line in lines:
        pause_seconds = (line.at - before).total_seconds()
        steps.append(Step(time.of(line.at), pause_seconds, line.link, line.by, line.what, line.fields))
        before = line.at
    exchanges = _exchanges(steps)
    roles = _roles(steps)
    if not roles:
        raise ConfigurationError(["no websocket of a gateway is in this session: there is nothing to play"])
    by_key: dict[str, list[Exchange]] = {}
    for exchange in sorted(exchanges, key=lambda each: each.answered if each.answered >= 0 else each.asked):
        by_key.setdefault(exchange.key, []).append(exchange)
    return Script(
        tuple(steps),
        {key: tuple(found) for key, found in by_key.items()},
        {exchange.asked: exchange for exchange in exchanges},
        _about_orders(steps, exchanges),
        roles,
    )


def key_of_call(method: str, asked: Mapping[str, Any]) -> str:
    """What makes two calls of the node the same question."""
    return f"{method} {msgspec.json.encode(dict(sorted(asked.items()))).decode()}"


def key_of_question(path: str, query: str) -> tuple[str, dict[str, str]]:
    """What makes two questions over REST the same one; and all parameters that a file has."""
    parameters = {name: value for name, value in parse_qsl(query) if name in PARAMETERS}
    lasting = sorted((name, value) for name, value in parameters.items() if name not in _OF_THE_DAY)
    return " ".join([path, *(f"{name}={value}" for name, value in lasting)]), parameters


def subscription_of(message: Mapping[str, Any]) -> Role:
    """The channel and id of a message about a subscription."""
    channel = str(message.get("channel") or "")
    return channel, str(message.get("id") or channel)


def is_distinctive(role: Role) -> bool:
    """Whether not every websocket is subscribed to it."""
    return role[0] not in (HEIGHTS, MARKETS)


def text_in(fields: tuple[str, ...]) -> dict[str, Any]:
    """A websocket's message; {} = it is none."""
    if fields[:1] != (TEXT,) or len(fields) < 2:
        return {}
    try:
        message = msgspec.json.decode(fields[1])
    except msgspec.DecodeError:
        return {}
    return message if isinstance(message, dict) else {}


def _exchanges(steps: Sequence[Step]) -> list[Exchange]:
    open_: dict[str, int] = {}
    found = []
    for place, step in enumerate(steps):
        kind, number = (*step.fields, "", "")[:2]
        if kind in (CALL, ASK):
            open_[number] = place
        elif kind == ANSWER and number in open_:
            status, body = (*step.fields, "", "")[2:4]
            found.append(_exchange(steps, open_.pop(number), place, status, body))
    return found + [_exchange(steps, asked, -1, "", "") for asked in open_.values()]


def _exchange(steps: Sequence[Step], asked: int, answered: int, status: str, body: str) -> Exchange:
    kind, _, name, what = (*steps[asked].fields, "", "", "", "")[:4]
    if kind == ASK:
        key, parameters = key_of_question(name, what)
        return Exchange(key, parameters, asked, answered, status, body)
    content = _decoded(what) if name != BROADCAST else {}
    return Exchange(key_of_call(name, content), {}, asked, answered, status, body)


def _about_orders(steps: Sequence[Step], exchanges: Sequence[Exchange]) -> dict[tuple[str, str], tuple[Exchange, ...]]:
    found: dict[tuple[str, str], list[Exchange]] = {}
    for exchange in sorted(exchanges, key=lambda each: each.asked):
        kind, _, name, what = (*steps[exchange.asked].fields, "", "", "", "")[:4]
        if (kind, name) == (CALL, BROADCAST):
            for about, terms in _decoded(what).items():
                if about in ("place", "cancel"):
                    found.setdefault((about, terms["id"]), []).append(exchange)
    return {key: tuple(each) for key, each in found.items()}


def _decoded(text: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise ConfigurationError(["the session is damaged: a call of the node can not be read"]) from None
    return value if isinstance(value, dict) else {}


def _roles(steps: Sequence[Step]) -> dict[int, Role]:
    roles: dict[int, Role] = {}
    for step in steps:
        if step.link <= WEBSOCKETS or step.by != "gateway" or step.link in roles:
            continue
        message = text_in(step.fields)
        if message.get("type") == "subscribe" and is_distinctive(role := subscription_of(message)):
            roles[step.link] = role
    return roles


def _told_times(lines: Sequence[Line]) -> list[tuple[datetime, datetime]]:
    """When the indexer said which time a block had; later ones only, as several websockets tell of the same."""
    found: list[tuple[datetime, datetime]] = []
    for line in lines:
        if line.by != "venue" or line.link <= WEBSOCKETS or HEIGHTS not in "".join(line.fields[1:2])[:400]:
            continue
        message = text_in(line.fields)
        if message.get("channel") != HEIGHTS:
            continue
        contents = message.get("contents")
        latest = contents[-1] if isinstance(contents, list) and contents else contents
        said = _time(latest.get("time")) if isinstance(latest, dict) else None
        if said is not None and (not found or (line.at > found[-1][0] and said > found[-1][1])):
            found.append((line.at, said))
    return found


def _time(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
