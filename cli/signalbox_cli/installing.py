"""The commands of an installation whose services run on their own, in containers say: secrets, preflight, check.

Owns their words and what they print; what they find is found elsewhere.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from signalbox.desk import ClockSource, load_desk
from signalbox.errors import ConfigurationError

from signalbox_cli import secret_files
from signalbox_cli.auditing import SimulatedVenues, audit_books, audit_running
from signalbox_cli.commands import add_command
from signalbox_cli.connection import desk_bus
from signalbox_cli.output import complain, printable
from signalbox_cli.preflight import is_asked_for, mistakes_before_live
from signalbox_cli.settings import desk_file, environment


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "make and keep the secrets of an installation, a folder for each service"
    parts = add_command(commands, "secrets", about, "").add_subparsers(dest="what", required=True, metavar="WHAT")
    make = add_command(
        parts,
        "make",
        "write a random password for everyone who has none yet",
        """
        Files of mode 400: FOLDER/<service>/nats-password, FOLDER/people/{user,operator,auditor}, and
        FOLDER/nats/passwords with all of them for nats-server; FOLDER/nats-people/people.conf with nobody in it yet,
        and FOLDER/registrar for `signalbox people`. A desk on the simulated clock gets the test key of the simulated
        dYdX as well.
        What is there stays, everybody who was added too: it may be run at every start.
        """,
    )
    make.add_argument("folder", type=Path, metavar="FOLDER")
    make.add_argument("--desk", type=Path, metavar="DESK.toml", help="the desk file (default SIGNALBOX_DESK_FILE)")
    make.set_defaults(run=_make)
    put = add_command(
        parts,
        "put",
        "keep a secret that only you know, read from standard input",
        """
        Examples:
          signalbox secrets put FOLDER gateway-dydx/dydx-mnemonic < words.txt
          echo U1234567 | signalbox secrets put FOLDER gateway-ibkr/live-confirmation
        """,
    )
    put.add_argument("folder", type=Path, metavar="FOLDER")
    put.add_argument("name", metavar="SERVICE/NAME")
    put.set_defaults(run=_put)
    preflight = add_command(
        commands,
        "preflight",
        "may an installation start live: is its desk file one, with limits, and are its secrets there?",
        """
        It reads the desk file and asks each gateway's own settings whether they would start, with the files of
        FOLDER/<gateway>. Nothing is connected. Exit status 0: go; 2: every mistake, with what to do.
        """,
    )
    preflight.add_argument("folder", type=Path, metavar="FOLDER", help="of the secrets, see `signalbox secrets make`")
    preflight.add_argument(
        "--live-if",
        type=Path,
        metavar="FILE",
        help="look only if this file is there, which is then removed, or the desk file says live (default: look)",
    )
    preflight.set_defaults(run=_preflight)

    check = add_command(
        commands,
        "check",
        "does the desk add up: every intent decided once, every order settled, the database equal to the streams?",
        """
        Of the approved orders that were rejected it says who refused them: the venue, or the desk itself (the gateway
        that had no connection by the deadline, for instance). The desk's own refusals count as wrong: on a healthy desk
        there are none. After an outage that explains them, --accept-refusals only lists them.

        Of a desk against the simulated venues also: orders, fills, positions, funding and cash are those of the venues'
        own books. It is what `signalbox demo` does at its end, of a desk that goes on running; it needs the password of
        the user `auditor`. Exit status: 0 all adds up, 1 something is wrong (each thing in a line of its own).
        """,
    )
    check.add_argument(
        "--control",
        metavar="HOST:PORT",
        help="control port of the simulated venues (default SIGNALBOX_CONTROL, or that of `signalbox up`)",
    )
    check.add_argument(
        "--accept-refusals",
        action="store_true",
        help="the desk's own refusals of approved orders are known: list them, and do not count them as wrong",
    )
    check.set_defaults(run=_check)


def _make(arguments: argparse.Namespace) -> int:
    desk = load_desk(arguments.desk or desk_file())
    made = secret_files.make(arguments.folder, desk)
    print(f"made: {', '.join(made)}" if made else "every secret is there already")
    return 0


def _put(arguments: argparse.Namespace) -> int:
    path = secret_files.put(arguments.folder, arguments.name, sys.stdin.read())
    print(f"kept in {path}")
    return 0


def _preflight(arguments: argparse.Namespace) -> int:
    if arguments.live_if is not None and not is_asked_for(environment(), arguments.live_if):
        print("this is no live desk: there is nothing to look at")
        return 0
    mistakes = mistakes_before_live(environment(), arguments.folder)
    if mistakes:
        complain(*mistakes)
        return 2
    print("the desk file is a live one, its limits are stated, and every secret is there")
    return 0


async def _check(arguments: argparse.Namespace) -> int:
    async with desk_bus(auditor=True) as (auditor, found), desk_bus() as (user, _):
        venues = _simulated_venues(arguments.control or found.control, found.desk_file)
        if venues is None:
            print(_no_books(found.desk_file))
        try:
            wrong = await audit_books(venues, auditor)
        except OSError as error:
            raise ConfigurationError([f"the simulated venues do not answer: {error.strerror or error}"]) from None
        audit = await audit_running(auditor, user, wrong)
    if arguments.accept_refusals:
        for sentence in audit.refused:
            print(f"accepted: {printable(sentence)}")
        audit = replace(audit, refused=[])
    for sentence in (*audit.wrong, *audit.refused):
        print(f"WRONG: {printable(sentence)}")
    if audit.rejected:
        print(f"rejected orders: {audit.who_refused()}")
    print(audit.line())
    return 1 if audit.wrong or audit.refused else 0


def _no_books(file: Path | None) -> str:
    """Why the venues' own books are not looked at, and what would help."""
    without = "the venues' own books are not looked at"
    if file is None:
        return f"{without}: name the desk file with SIGNALBOX_DESK_FILE"
    if load_desk(file).clock is not ClockSource.SIMULATED:
        return f"{without}: they are not simulated ones"
    return f"{without}: name the simulators' control port with --control or SIGNALBOX_CONTROL"


def _simulated_venues(control: str, file: Path | None) -> SimulatedVenues | None:
    """Where the venues' books can be read, of a desk on a simulator's clock."""
    if file is None or (desk := load_desk(file)).clock is not ClockSource.SIMULATED or not control:
        return None
    host, separator, port = control.rpartition(":")
    if not separator or not port.isdigit():
        raise ConfigurationError([f"{control!r} is no HOST:PORT"])
    return SimulatedVenues(desk, int(port), host)
