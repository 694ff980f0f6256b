"""The command that runs a simulated venue without a desk: simulate."""

from __future__ import annotations

import argparse

from simulators.dydx import __main__ as dydx
from simulators.tws import __main__ as tws

from signalbox_cli.commands import add_command
from simulators import __main__ as both


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    simulate = add_command(
        commands, "simulate", "run one simulated venue on its own, for any program that speaks its API", ""
    )
    venues = simulate.add_subparsers(dest="venue", required=True, metavar="VENUE")
    ibkr = add_command(
        venues,
        "ibkr",
        "an IB Gateway: the TWS socket protocol, server version 178",
        """
        Examples:
          signalbox simulate ibkr --port 4002 --symbols SPY,AAPL,0700.HK --speed 60
          signalbox simulate ibkr --control-port 4003      and then:  echo '{"do": "help"}' | nc 127.0.0.1 4003
        """,
    )
    tws.add_arguments(ibkr)
    ibkr.set_defaults(run=tws.run)
    chain = add_command(
        venues,
        "dydx",
        "a dYdX v4 chain: the node's gRPC, the indexer's REST and websocket, the faucet",
        """
        Anybody's account is made by a deposit: --fund dydx1...=10000 at the start, or the faucet at any time:
          curl http://127.0.0.1:3002/faucet/tokens -d '{"address": "dydx1...", "subaccountNumber": 0, "amount": 10000}'
        The public Python client finds it with
          make_local(node_url="127.0.0.1:9090", rest_indexer="http://127.0.0.1:3002",
                     websocket_indexer="ws://127.0.0.1:3002/v4/ws")
        Any key will do. Transactions are signed for the chain id localdydxprotocol, or that of --chain-id.

        Examples:
          signalbox simulate dydx --grpc-port 9090 --http-port 3002 --block-ms 600 --price BTC-USD=100000
          signalbox simulate dydx --control-port 3003      and then:  echo '{"do": "help"}' | nc 127.0.0.1 3003
        """,
    )
    dydx.add_arguments(chain)
    chain.set_defaults(run=dydx.run)
    pair = add_command(
        venues, "both", "the two of them over one market, as `signalbox up` and `signalbox demo` run them", ""
    )
    both.add_arguments(pair)
    pair.set_defaults(run=both.run)
