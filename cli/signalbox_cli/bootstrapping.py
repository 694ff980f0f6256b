"""The command that makes what a desk needs on a NATS server of one's own: bootstrap."""

from __future__ import annotations

import argparse
import asyncio

from signalbox.bus.bootstrap import bootstrap_server
from signalbox.desk import ClockSource, load_desk
from signalbox.errors import BusError
from signalbox.messages import TradingMode

from signalbox_cli import argument_types
from signalbox_cli.commands import add_command
from signalbox_cli.settings import bootstrap_seals, ca_file, desk_file, server_address

AGAIN_SECONDS = 1.0


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    bootstrap = add_command(
        commands,
        "bootstrap",
        "make or update every stream, consumer and bucket on a NATS server of your own",
        """
        Needs SIGNALBOX_NATS_URL and the password of the user `bootstrap` in SIGNALBOX_NATS_PASSWORD or
        SIGNALBOX_NATS_PASSWORD_FILE, and its key in SIGNALBOX_SEALS or SIGNALBOX_SEALS_FILE. It may be run again at any
        time, and deletes nothing. Where there is no trading state yet it writes HALTED: `signalbox resume` lets orders
        through. (`signalbox up` does all this by itself.)

        Examples:
          signalbox bootstrap
          signalbox bootstrap --store 8GB      on a disk too small for what nats.conf says (DESK_STORE_MAX)
          signalbox bootstrap --replicas 3     on a cluster of three servers: each of them holds every stream
        """,
    )
    bootstrap.add_argument(
        "--replicas",
        type=int,
        choices=(1, 3, 5),
        help="how many servers of a cluster hold each stream (default: as many as now, at first 1)",
    )
    bootstrap.add_argument(
        "--store",
        type=argument_types.size,
        metavar="SIZE",
        help="what one copy of all streams may take, 8GB say; each has a part of it that no other can take "
        "(default: all that NATS lets the desk store)",
    )
    bootstrap.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="try for so long while the server or its cluster does not answer yet (default 0)",
    )
    bootstrap.add_argument(
        "--active-if-simulated",
        action="store_true",
        help="the first trading state is ACTIVE where the desk file (SIGNALBOX_DESK_FILE) says clock = simulated",
    )
    bootstrap.add_argument(
        "--believe-unsealed",
        action="store_true",
        help="let a history stand that was stored before messages bore seals (docs/nats.md, Seals, says when)",
    )
    bootstrap.set_defaults(run=_bootstrap)


async def _bootstrap(arguments: argparse.Namespace) -> int:
    url, password = server_address()
    seals = bootstrap_seals()
    mode = _first_mode(arguments)
    deadline = asyncio.get_running_loop().time() + arguments.wait
    told = ""
    while True:
        try:
            notes = await bootstrap_server(
                *(url, password.reveal(), mode, seals, arguments.replicas, ca_file(), arguments.store),
                believe_unsealed=arguments.believe_unsealed,
            )
            break
        except BusError as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise
            if str(error) != told:
                print(f"not yet: {error}", flush=True)
            told = str(error)
        await asyncio.sleep(AGAIN_SECONDS)
    more = "" if mode is TradingMode.ACTIVE else "; `signalbox resume` lets orders through"
    for note in (*notes, f"every stream, consumer and bucket is there on {url}{more}"):
        print(note, flush=True)
    return 0


def _first_mode(arguments: argparse.Namespace) -> TradingMode:
    """Only a desk that no real venue can serve may begin without a person's word: its clock is a simulator's."""
    if arguments.active_if_simulated and load_desk(desk_file()).clock is ClockSource.SIMULATED:
        return TradingMode.ACTIVE
    return TradingMode.HALTED
