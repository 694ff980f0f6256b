"""Runs the IB Gateway simulator: `python -m simulators.tws --port 4002`, or `signalbox simulate ibkr`.

Owns the options of this front and its opening. It must not know the protocol.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import AsyncExitStack

from simulators import command_line
from simulators.command_line import OpenFront, Simulator, add_stock_arguments, add_world_arguments, listen, port
from simulators.listings import IBKR
from simulators.tws.commands import TwsControl
from simulators.tws.gateway import Gateway
from simulators.tws.server import TwsServer
from simulators.world import World

DEFAULT_PORT = 4002
SYMBOLS = "SPY,AAPL,0700.HK"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this simulator's options to a parser."""
    add_front_arguments(parser)
    add_world_arguments(parser, SYMBOLS)


def add_front_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this front alone."""
    add = parser.add_argument
    add("--port", type=port, default=DEFAULT_PORT, help="port of the API, 0 = any free one (default: %(default)s)")
    add_stock_arguments(parser)


async def open_front(world: World, args: argparse.Namespace, stack: AsyncExitStack) -> OpenFront:
    """Open the gateway. Raises ConfigurationError when its port is taken."""
    server = TwsServer(Gateway(world), args.host, args.port)
    await listen(stack, server, args.port, "--port")
    return OpenFront(venue=IBKR, told=f"API on {args.host}:{server.port}", commands=TwsControl(server).commands())


def run(args: argparse.Namespace) -> int:
    """Run until a signal, the `shutdown` command or a mistake; return the exit status."""
    return command_line.run(SIMULATOR, args)


SIMULATOR = Simulator(
    program="signalbox simulate ibkr", title="IB Gateway simulator", fronts=(open_front,), venues=(IBKR,)
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulators.tws", description="An IB Gateway to develop against.")
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
