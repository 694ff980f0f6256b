"""`signalbox limits`: what holds, of which scope, set by whom and why; and setting it while the desk trades."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.desk import Desk
from signalbox.errors import ConfigurationError
from signalbox.limits import LIMITS, Scope, as_toml, changes, load_limits, loosened, mistakes, tables, words
from signalbox.messages import LimitsByScope, LimitsProposed, LimitsRefused, LimitsRuling, LimitsSet

from signalbox_cli import argument_types
from signalbox_cli.commands import EXIT_DENIED, EXIT_NO_ANSWER, EXIT_USAGE, add_command
from signalbox_cli.connection import ask_status, desk_bus, desk_time
from signalbox_cli.limit_versions import desk_of, in_force, named, rulings
from signalbox_cli.output import complain, printable, show, show_json

ANSWER_SECONDS_MAX = 10.0
STATUS_SECONDS_MAX, STATUS_QUIET_SECONDS_MAX = 1.0, 0.3
TAKEN_OUT = "none"


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    limits = add_command(
        commands,
        "limits",
        "the limits that hold, by scope and version: show, set, load, compare, and what of each is used",
        """
        A limit is stated for the desk, a venue, an account, an asset class, a strategy or a symbol; of those that an
        order is in the tightest holds, and a limit that none states denies. A new set takes the place of the version
        that it was made from, and of no other; it holds from the next intent on. docs/limits.md has all of them.

        SCOPE is desk, venue:NAME, account:NAME, asset_class:STOCK, strategy:NAME or symbol:NAME.

        Exit status: 0 it is done, 3 it was refused, 4 no answer in time (it may be set yet), 2 nothing was sent.

        Examples:
          signalbox limits show
          signalbox limits set symbol:SPY order_quantity_max=50 order_notional_max=25000 --reason "earnings today"
          signalbox limits set strategy:momentum order_quantity_max=none --reason "as any" --loosen
          signalbox limits load profiles/conservative.toml --reason "on holiday"
          signalbox limits diff 3                    version 3 beside what holds
          signalbox limits diff profiles/aggressive.toml
          signalbox limits history
          signalbox limits use
        """,
    )
    whats = limits.add_subparsers(dest="what", required=True, metavar="WHAT")
    showing = _what(whats, "show", "what each scope states, of what holds now or of a version", _show)
    showing.add_argument("--version", default="", metavar="N", help="of this version, or of a limits file")
    showing.add_argument("--toml", action="store_true", help="as a limits file that states the same")
    setting = _what(whats, "set", "change some limits of one scope", _set, proposes=True)
    setting.add_argument("scope", type=_scope, metavar="SCOPE", help="desk, venue:ibkr, symbol:SPY, ...")
    setting.add_argument("limits", type=_limit, nargs="+", metavar="LIMIT=VALUE", help="none takes it out of the scope")
    loading = _what(whats, "load", "have a limits file take the place of what holds, whole", _load, proposes=True)
    loading.add_argument("file", type=Path, metavar="FILE.toml")
    agreeing = _what(whats, "agree", "be the second operator to want a looser set", _agree)
    agreeing.add_argument("id", metavar="ID", help="of the proposal, as it was refused to the first one")
    comparing = _what(whats, "diff", "what is another one between two versions, or limits files", _diff)
    comparing.add_argument("one", metavar="ONE", help="the number of a version (0 = the desk file), or a file")
    comparing.add_argument("other", nargs="?", default="", metavar="OTHER", help="likewise (default: what holds now)")
    past = _what(whats, "history", "who proposed what, why, and what risk said", _history)
    past.add_argument("--last", type=argument_types.count, default=20, metavar="N", help="how many (default 20)")
    _what(whats, "use", "how much of each limit is used now, account by account", _use)


def _what(whats: Any, name: str, about: str, run: object, *, proposes: bool = False) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = whats.add_parser(name, help=about)
    parser.add_argument("--desk", type=Path, metavar="DESK.toml", help="the desk file (default: the desk's own)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    if proposes:
        parser.add_argument("--reason", required=True, help="why, for the record")
        parser.add_argument("--loosen", action="store_true", help="it may let more through than before: do not ask")
    parser.set_defaults(run=run)
    return parser


def _scope(text: str) -> tuple[Scope, str]:
    word, colon, name = text.partition(":")
    if word not in Scope.__members__.values() or (word == Scope.DESK) == bool(colon) or (colon and not name):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no scope: write desk, venue:ibkr, account:DU1234567, asset_class:STOCK, strategy:NAME or "
            "symbol:SPY"
        )
    scope = Scope(word)
    return scope, argument_types.symbol(name) if scope is Scope.SYMBOL else name


def _limit(text: str) -> tuple[str, Decimal | None]:
    name, _, value = text.partition("=")
    if name not in LIMITS or not value:
        raise argparse.ArgumentTypeError(f"{text!r} is no limit: write order_quantity_max=50 (docs/limits.md has all)")
    return name, None if value == TAKEN_OUT else argument_types.decimal_number(value)


def with_changes(
    limits: LimitsByScope, scope: Scope, name: str, wanted: Sequence[tuple[str, Decimal | None]]
) -> LimitsByScope:
    """A set with some limits of one scope changed; a scope that states nothing any more is not there."""
    stated: Mapping[str, Decimal] = limits.desk if scope is Scope.DESK else getattr(limits, scope).get(name, {})
    merged: dict[str, Decimal | None] = {**stated, **dict(wanted)}
    left = {limit: value for limit, value in merged.items() if value is not None}
    if scope is Scope.DESK:
        return msgspec.structs.replace(limits, desk=left)
    of_scope = {other: states for other, states in getattr(limits, scope).items() if other != name}
    return msgspec.structs.replace(limits, **{scope.value: of_scope | ({name: left} if left else {})})


# ------------------------------------------------------------------------------------------------------- looking


async def _show(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, found):
        desk = desk_of(arguments.desk, found.desk_file)
        if arguments.version:
            head, limits = f"version {arguments.version}", await named(bus, arguments.version, desk)
        else:
            number, limits, made = await in_force(bus, desk)
            head = _told(number, made)
    if arguments.toml:
        print(f"# {printable(head)}\n{as_toml(limits)}", end="")
        return 0
    if not arguments.json:
        print(printable(head))
    rows = [
        (words(scope, name), limit, value) for scope, name, stated in tables(limits) for limit, value in stated.items()
    ]
    show(("scope", "limit", "is"), rows, as_json=arguments.json, empty="no scope states a limit: every order is denied")
    return 0


def _told(number: int, made: LimitsSet | None) -> str:
    if made is None:
        return f"version {number}: those of the desk file"
    second = f", agreed with {made.agreed_with}" if made.agreed_with else ""
    return f"version {number}, set by {made.by}{second} at {made.at:%Y-%m-%d %H:%M:%S} UTC: {made.reason}"


async def _diff(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, found):
        desk = desk_of(arguments.desk, found.desk_file)
        one = await named(bus, arguments.one, desk)
        is_file = not arguments.one.isdigit()
        other = await named(bus, arguments.other, desk) if arguments.other else (await in_force(bus, desk))[1]
    before, after = (other, one) if is_file and not arguments.other else (one, other)
    rows = [
        (each.where, each.limit, each.before, each.after, "looser" if each.is_looser else "tighter")
        for each in changes(before, after)
    ]
    show(("scope", "limit", "before", "after", "is then"), rows, as_json=arguments.json, empty="nothing is another one")
    return 0


async def _history(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, _):
        found = await rulings(bus, refused=True, last=arguments.last)
    rows = [
        (each.version, "set" if isinstance(each, LimitsSet) else "refused", each.at, each.by, each.cause, _why(each))
        for each in found
    ]
    columns = ("version", "said", "at", "by", "proposal", "why")
    show(columns, rows, as_json=arguments.json, empty="nobody has proposed limits: those of the desk file hold")
    return 0


def _why(ruling: LimitsRuling) -> str:
    looser = f" (looser: {', '.join(ruling.loosened)})" if isinstance(ruling, LimitsSet) and ruling.loosened else ""
    return ruling.reason + looser


async def _use(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, _):
        told = await ask_status(bus, "risk", STATUS_SECONDS_MAX, STATUS_QUIET_SECONDS_MAX)
    works = next((each for each in told if each.active), None)
    if works is None:
        complain("no process of risk decides now: `signalbox status` says what it waits for")
        return EXIT_NO_ANSWER
    if not arguments.json:
        print(printable(f"limits version {works.details.get('limits_version', '')}"))
    rows = [
        (name.removeprefix(USE), *part.split(" ", 1))
        for name, text in works.details.items()
        if name.startswith(USE)
        for part in text.split(", ")
    ]
    show(("account", "limit", "used"), rows, as_json=arguments.json, empty="risk has not said it yet")
    return 0


USE = "limit use "
"""How the details of risk begin that tell of an account."""

# ------------------------------------------------------------------------------------------------------- setting


@dataclass(frozen=True)
class _Wanted:
    """A set to propose, and what it takes the place of."""

    limits: LimitsByScope
    replaces: int
    before: LimitsByScope


async def _set(arguments: argparse.Namespace) -> int:
    scope, name = arguments.scope
    return await _propose(arguments, lambda before, desk: with_changes(before, scope, name, arguments.limits))


async def _load(arguments: argparse.Namespace) -> int:
    return await _propose(arguments, lambda before, desk: load_limits(arguments.file, desk))


async def _propose(arguments: argparse.Namespace, make: Any) -> int:
    async with desk_bus(operator=True) as (bus, found):
        desk = desk_of(arguments.desk, found.desk_file)
        number, before, _ = await in_force(bus, desk)
        wanted = _Wanted(make(before, desk), number, before)
        loosens = _may_be_sent(wanted, desk, arguments.loosen)
        if loosens is None:
            return EXIT_USAGE
        proposed = await _proposal(bus, found.user, wanted, arguments.reason, loosens)
        answer = await _published(bus, proposed)
    return _tell(answer, proposed.id, wanted, as_json=arguments.json)


def _may_be_sent(wanted: _Wanted, desk: Desk | None, loosen: bool) -> bool | None:
    """Whether it is to be sent as what loosens; None = it is not to be sent. Raises `ConfigurationError`."""
    if wrong := mistakes(wanted.limits, desk):
        raise ConfigurationError(wrong)
    looser = loosened(wanted.before, wanted.limits)
    if not looser or loosen:
        return loosen
    complain(*(printable(f"looser: {each}") for each in looser))
    if not sys.stdin.isatty():
        complain("it lets more through than before: say --loosen if it is meant to")
        return None
    print("it lets more through than before; to set it write yes: ", end="", flush=True)
    return True if sys.stdin.readline().strip() == "yes" else None


async def _proposal(
    bus: Bus, user: str, wanted: _Wanted, reason: str, loosens: bool, agrees: str = ""
) -> LimitsProposed:
    at = await desk_time(bus)
    return LimitsProposed(
        id=f"l-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
        at=at,
        limits=wanted.limits,
        replaces=wanted.replaces,
        reason=reason,
        by=user,
        loosens=loosens,
        agrees=agrees,
    )


async def _agree(arguments: argparse.Namespace) -> int:
    async with desk_bus(operator=True) as (bus, found):
        desk = desk_of(arguments.desk, found.desk_file)
        said = await rulings(bus, refused=True, last=100)
        waits = next((each for each in said if each.cause == arguments.id), None)
        if not isinstance(waits, LimitsRefused) or waits.waiting is None:
            complain(f"no proposal {arguments.id!r} waits for a second operator (`signalbox limits history`)")
            return EXIT_DENIED
        number, before, _ = await in_force(bus, desk)
        wanted = _Wanted(waits.waiting, number, before)
        reason = f"with {waits.by}: {waits.cause}"
        proposed = await _proposal(bus, found.user, wanted, reason, loosens=True, agrees=waits.cause)
        answer = await _published(bus, proposed)
    return _tell(answer, proposed.id, wanted, as_json=arguments.json)


async def _published(bus: Bus, proposed: LimitsProposed) -> LimitsRuling | None:
    """What risk says to a proposal; None = nothing in time."""
    answered: asyncio.Future[LimitsRuling] = asyncio.get_running_loop().create_future()

    async def said(received: Received) -> None:
        ruling: LimitsRuling = messages.decode(received.payload, LimitsRuling)
        if ruling.cause == proposed.id and not answered.done():
            answered.set_result(ruling)

    for subject in (subjects.LIMITS_SET, subjects.LIMITS_REFUSED):
        await bus.subscribe(subject, said)
    await bus.publish(subjects.LIMITS_PROPOSED, proposed)
    try:
        return await asyncio.wait_for(answered, ANSWER_SECONDS_MAX)
    except TimeoutError:
        return None


def _tell(answer: LimitsRuling | None, name: str, wanted: _Wanted, *, as_json: bool) -> int:
    if answer is None:
        complain(
            f"the proposal {name} is stored, but risk has not answered within {ANSWER_SECONDS_MAX:g} s: it may be set "
            "yet, within five minutes of now (`signalbox status`, `signalbox limits history`)"
        )
        return EXIT_NO_ANSWER
    if as_json:
        show_json(json.loads(messages.encode(answer)))
    elif isinstance(answer, LimitsSet):
        for each in changes(wanted.before, answer.limits):
            print(printable(str(each)))
        print(printable(f"version {answer.version} holds from the next intent on, set by {answer.by}"))
        missing = [limit for limit in LIMITS if limit not in answer.limits.desk and limit in wanted.before.desk]
        if missing:
            print(printable(f"the desk itself states no {', '.join(missing)}: what no other scope states is denied"))
    else:
        complain(printable(f"refused: {answer.reason}"))
    return 0 if isinstance(answer, LimitsSet) else EXIT_DENIED
