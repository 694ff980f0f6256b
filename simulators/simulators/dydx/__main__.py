"""Runs the dYdX simulator: `python -m simulators.dydx --grpc-port 9090 --http-port 3002`, or `signalbox simulate dydx`.

Owns the options of this front and its opening. It must not know the protocol.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

from simulators import command_line
from simulators.command_line import OpenFront, Simulator, add_world_arguments, amount, listen, port
from simulators.dydx.options import DEFAULT_BLOCK_MS, DEFAULT_CHAIN_ID, DEFAULT_REST_LIMIT, DydxOptions
from simulators.dydx.venue import DydxVenue
from simulators.listings import DYDX, PERPETUALS
from simulators.world import World

DEFAULT_GRPC_PORT, DEFAULT_HTTP_PORT = 9090, 3002
MARKETS_MAX = 1_000
SYMBOLS = ",".join(listing.key for listing in PERPETUALS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this simulator's options to a parser."""
    add_front_arguments(parser)
    add_world_arguments(parser, SYMBOLS)


def add_front_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this front alone."""
    add = parser.add_argument
    add("--grpc-port", type=port, default=DEFAULT_GRPC_PORT, help="port of the node, 0 = any (default: %(default)s)")
    add(
        "--http-port",
        type=port,
        default=DEFAULT_HTTP_PORT,
        help="port of the indexer's REST (/v4), websocket (/v4/ws) and the faucet (POST /faucet/tokens; there "
        '"history": true makes the subaccount look used), 0 = any (default: %(default)s)',
    )
    add(
        "--block-ms",
        type=_milliseconds,
        default=DEFAULT_BLOCK_MS,
        help="milliseconds from block to block, by the wall; 0 = only on command (default: %(default)s)",
    )
    add(
        "--rest-limit",
        type=_requests,
        default=DEFAULT_REST_LIMIT,
        help="REST requests of one address in 10 s, 0 = no limit (default: %(default)s, the public indexer's)",
    )
    add(
        "--markets",
        type=_markets,
        default=0,
        help=f"so many markets, {MARKETS_MAX} at most: {SYMBOLS}, then made-up ones (M1-USD, M2-USD ...)",
    )
    add("--chain-id", default=DEFAULT_CHAIN_ID, help="what transactions are signed for (default: %(default)s)")
    add(
        "--fund",
        action="append",
        default=[],
        type=_deposit,
        metavar="ADDRESS=USDC",
        help="give subaccount 0 of an address this much, once ever; repeatable",
    )
    add(
        "--used",
        action="append",
        default=[],
        type=_deposit,
        metavar="ADDRESS=USDC",
        help="the same, and have it look used: with orders, fills, funding and transfers; repeatable",
    )


async def open_front(world: World, args: argparse.Namespace, stack: AsyncExitStack) -> OpenFront:
    """Open the node and the indexer. Raises ConfigurationError when a port is taken."""
    venue = DydxVenue(world, options_of(args))
    await listen(stack, venue, args.grpc_port, "--grpc-port or --http-port")
    told = f"gRPC on {args.host}:{venue.grpc_port}, REST and websocket on {args.host}:{venue.http_port}"
    return OpenFront(venue=DYDX, told=told, commands=venue.commands(), runs=(venue.run,))


def options_of(args: argparse.Namespace) -> DydxOptions:
    """Make the front's options of the command line; the chain's file lies beside the books."""
    return DydxOptions(
        host=args.host,
        grpc_port=args.grpc_port,
        http_port=args.http_port,
        block_ms=args.block_ms,
        chain_id=args.chain_id,
        rest_limit=args.rest_limit,
        fund=tuple(args.fund),
        used=tuple(args.used),
        chain_file=None if args.books is None else Path(f"{args.books}.chain"),
    )


def _milliseconds(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a block time: 0 or more milliseconds")
    return number


def _requests(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a limit: 0 or more requests")
    return number


def _markets(text: str) -> int:
    number = int(text)
    if not 0 <= number <= MARKETS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not a number of markets: 0 to {MARKETS_MAX}")
    return number


def _deposit(text: str) -> tuple[str, Decimal]:
    address, separator, number = text.partition("=")
    if not separator or not address:
        raise argparse.ArgumentTypeError(f"{text} is not a deposit such as dydx1...=10000")
    return address, amount(number)


def run(args: argparse.Namespace) -> int:
    """Run until a signal, the `shutdown` command or a mistake; return the exit status."""
    return command_line.run(SIMULATOR, args)


SIMULATOR = Simulator(program="signalbox simulate dydx", title="dYdX simulator", fronts=(open_front,), venues=(DYDX,))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.dydx", description="A dYdX chain and indexer to develop against."
    )
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
