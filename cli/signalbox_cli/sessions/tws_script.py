"""A recorded TWS session as a script: what the venue says, and what must have been asked before it does.

Pure. Owns the order of what is played, whose connection a line belongs to, and what a script can not be played for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from gateway_ibkr.settings import Settings
from gateway_ibkr.translate import time_of
from msgspec import Struct, structs
from signalbox.errors import ConfigurationError
from simulators.tws.kinds import Inbound, Outbound

from signalbox_cli.sessions.desk_time import SIMULATED, DeskTime
from signalbox_cli.sessions.session_file import Line, Said, Session
from signalbox_cli.sessions.tws_messages import kind_in
from signalbox_cli.sessions.tws_wiretap import HELLO, TEXT_VERSION_MAX

START = str(int(Inbound.START_API))
HEARTBEAT = str(int(Inbound.REQ_CURRENT_TIME))


class Step(Struct, frozen=True):
    """One thing that happens, at a desk time."""

    at: datetime
    link: int
    by: str
    what: Said
    fields: tuple[str, ...]


class Script(Struct, frozen=True):
    """`clients`: the client id of each recorded connection. `now_called`: which a gateway has today in its place."""

    steps: tuple[Step, ...]
    version: str
    clients: Mapping[int, str]
    now_called: Mapping[str, str]
    deaf: Mapping[int, int]
    """The step from which on the venue answered no heartbeat any more, by connection."""


def script_of(session: Session) -> Script:
    """Raises `ConfigurationError` for a session that can not be played, with the reason."""
    lines = session.lines
    version = _version(lines)
    unreadable = next((line for line in lines if line.what is Said.UNREADABLE), None)
    if unreadable is not None:
        raise ConfigurationError(
            [f"connection {unreadable.link} of the session is none with TWS ({unreadable.note}): was it the API port?"]
        )
    time = DeskTime(_told_times(lines) if session.header.clock == SIMULATED else [])
    steps = tuple(
        Step(time.of(line.at), line.link, line.by, line.what, line.fields)
        for line in lines
        if line.what in (Said.CLOSED, Said.SAID) and line.fields[:1] != (HELLO,)
    )
    clients = {step.link: step.fields[2] for step in steps if step.fields[:1] == (START,) and len(step.fields) > 2}
    if not clients:
        raise ConfigurationError(["nobody began a session with TWS in this file: there is nothing to play"])
    return Script(steps, version, clients, _now_called(steps, clients), _deaf(steps))


def _version(lines: Sequence[Line]) -> str:
    told = {line.fields[1] for line in lines if line.by == "venue" and line.fields[:1] == (HELLO,)}
    if len(told) > 1:
        raise ConfigurationError([f"the session has several server versions ({', '.join(sorted(told))})"])
    version = next(iter(told), "0")
    if not version.isdigit() or int(version) > TEXT_VERSION_MAX:
        raise ConfigurationError(
            [
                f"the session was recorded at server version {version}, whose messages are protocol buffers: no "
                "gateway of this desk speaks it. Record the link of gateway-ibkr, not that of another program"
            ]
        )
    return version


def _now_called(steps: Sequence[Step], clients: Mapping[int, str]) -> dict[str, str]:
    """The client id that a gateway of the default settings has for each recorded one, by what it asked there."""
    asked: dict[str, set[int]] = {client: set() for client in clients.values()}
    for step in steps:
        if step.by == "gateway" and step.link in clients:
            asked[clients[step.link]].add(kind_in(step.fields))
    own = {each.name: str(each.default) for each in structs.fields(Settings)}
    roles = {
        own["ibkr_orders_client_id"]: Inbound.REQ_ALL_OPEN_ORDERS,
        own["ibkr_data_client_id"]: Inbound.REQ_MARKET_DATA_TYPE,
    }
    called = {client: client for client in asked}
    for name, sign in roles.items():
        called |= {client: name for client, kinds in asked.items() if sign in kinds}
    return called


def _deaf(steps: Sequence[Step]) -> dict[int, int]:
    """Where each connection has the first heartbeat that was not answered before it ended by the gateway's hand."""
    waiting: dict[int, int] = {}
    found: dict[int, int] = {}
    for at, step in enumerate(steps):
        if step.by == "gateway" and step.fields[:1] == (HEARTBEAT,):
            waiting.setdefault(step.link, at)
        elif step.by == "venue" and step.fields[:1] == (str(int(Outbound.CURRENT_TIME)),):
            waiting.pop(step.link, None)
        elif step.what is Said.CLOSED and step.by == "gateway" and step.link in waiting:
            found[step.link] = waiting[step.link]
    return found


def _told_times(lines: Sequence[Line]) -> list[tuple[datetime, datetime]]:
    """When the venue said which time it was: in whole seconds, of which half a one is left out on the average."""
    half = timedelta(seconds=0.5)
    heartbeats = [
        (line.at, datetime.fromtimestamp(int(line.fields[2]), UTC) + half)
        for line in lines
        if line.by == "venue"
        and line.fields[:1] == (str(int(Outbound.CURRENT_TIME)),)
        and len(line.fields) > 2
        and line.fields[2].isdigit()
        and len(line.fields[2]) <= 11
    ]
    hellos = [
        (line.at, said + half)
        for line in lines
        if line.by == "venue"
        and line.fields[:1] == (HELLO,)
        and len(line.fields) > 2
        and (said := time_of(line.fields[2])) is not None
    ]
    return sorted(hellos + heartbeats)
