"""Runs an IB Gateway and a dYdX over one world: `python -m simulators`, which is what a local desk trades against.

Owns the putting together. It must not know the protocols.
"""

from __future__ import annotations

import argparse
import sys

from simulators import command_line
from simulators.command_line import Simulator, add_world_arguments
from simulators.dydx import __main__ as dydx
from simulators.listings import DYDX, IBKR
from simulators.tws import __main__ as tws

SIMULATOR = Simulator(
    program="signalbox simulate both",
    title="IB Gateway and dYdX simulator",
    fronts=(tws.open_front, dydx.open_front),
    venues=(IBKR, DYDX),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of both fronts, and of the world behind them, to a parser."""
    tws.add_front_arguments(parser)
    dydx.add_front_arguments(parser)
    add_world_arguments(parser, f"{tws.SYMBOLS},{dydx.SYMBOLS}")


def run(args: argparse.Namespace) -> int:
    """Run until a signal, the `shutdown` command or a mistake; return the exit status."""
    return command_line.run(SIMULATOR, args)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m simulators", description="An IB Gateway and a dYdX over one market, to develop against."
    )
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
