"""The command that sets the leverage of markets at dYdX, and shows it: dydx-leverage.

Owns its words and what it prints. It is an act of the account's owner, signed by hand: no service sets leverage.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway_dydx.keys import KeyOwner, source_of
from gateway_dydx.margins import leverage_of, ppm_of
from gateway_dydx.plans import Subaccount, subaccount_of
from gateway_dydx.settings import chain_at
from gateway_dydx.venue_leverage import leverage, set_leverage
from gateway_dydx.venue_node import Node
from gateway_dydx.venue_permission import permission_of
from gateway_dydx.venue_perpetuals import Perpetual, listed
from signalbox.errors import ConfigurationError
from signalbox.settings import read_secret_file

from signalbox_cli import argument_types
from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.dydx_keys import SECONDS_MAX, add_chain, nobodys_key, node_at, wallet_in
from signalbox_cli.output import complain, show

COLUMNS = ("symbol", "leverage", "most")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "set and show how much leverage a dYdX account may use, market by market"
    parts = add_command(commands, "dydx-leverage", about, "").add_subparsers(dest="what", required=True, metavar="WHAT")
    shown = add_command(
        parts,
        "list",
        "show the leverage that the owner of an account has set, and the most that each market allows",
        "No key is needed. A market that is not named has the most that it allows.",
    )
    shown.add_argument("account", metavar="ACCOUNT", help="dydx1...-0")
    shown.add_argument("--all", action="store_true", help="every market, also where nothing is set")
    shown.add_argument("--json", action="store_true", help="one JSON object a line")
    add_chain(shown)
    shown.set_defaults(run=_list)
    chosen = add_command(
        parts,
        "set",
        "set the leverage of one market",
        """
        The chain then asks 1/LEVERAGE of a position's value as initial margin, at once, also of what is held. The
        desk's gateway reads it within 30 s and shows it (`signalbox status`), and risk counts with it. The chain
        refuses more than the market allows, and less than what is held could be carried with. There is no way back to
        "nothing set": set the most that the market allows.

        A trading key may do this if it was made so: `signalbox dydx-key create --leverage`.

        Examples:
          signalbox dydx-leverage set dydx1...-0 BTC-USD 5 --owner words.txt
          signalbox dydx-leverage set dydx1...-0 ETH-USD 3 --key trading-key --network mainnet
        """,
    )
    chosen.add_argument("account", metavar="ACCOUNT", help="dydx1...-0")
    chosen.add_argument("symbol", type=argument_types.symbol, metavar="SYMBOL")
    chosen.add_argument("leverage", type=argument_types.decimal_number, metavar="LEVERAGE", help="from 1 on")
    key = chosen.add_mutually_exclusive_group(required=True)
    key.add_argument("--owner", type=Path, metavar="FILE", help="the wallet's words or private key; - = standard input")
    key.add_argument("--key", type=Path, metavar="KEYFILE", help="a trading key")
    add_chain(chosen)
    chosen.set_defaults(run=_set)


async def _list(arguments: argparse.Namespace) -> int:
    subaccount = subaccount_of(arguments.account)
    async with node_at(chain_at(arguments.network, arguments.node), nobodys_key(), subaccount.address) as node:
        markets = await listed(node, SECONDS_MAX)
        chosen = await _chosen(node, subaccount, markets)
    rows = [
        (ticker, chosen.get(ticker), _shown(market.initial_margin_ppm))
        for ticker, market in sorted(markets.items())
        if arguments.all or ticker in chosen
    ]
    show(COLUMNS, rows, as_json=arguments.json, empty="nothing is set: each market has the most that it allows (--all)")
    return 0


async def _set(arguments: argparse.Namespace) -> int:
    subaccount, symbol = subaccount_of(arguments.account), arguments.symbol
    if arguments.leverage < 1:
        raise ConfigurationError([f"leverage {arguments.leverage} is below 1: a position binds no more than its value"])
    if arguments.owner is not None:
        source = wallet_in(arguments.owner)
    else:
        source = source_of(str(arguments.key), read_secret_file(arguments.key), KeyOwner.TRADER)
    async with node_at(chain_at(arguments.network, arguments.node), source, subaccount.address) as node:
        markets = await listed(node, SECONDS_MAX)
        if symbol not in markets:
            complain(f"the chain has no market {symbol}")
            return EXIT_FAILED
        if source.owner is KeyOwner.TRADER:
            node.permission = await permission_of(node, subaccount, node.public_key, SECONDS_MAX)
        before = (await _chosen(node, subaccount, markets)).get(symbol)
        ppm = {markets[symbol].clob_pair_id: ppm_of(arguments.leverage)}
        await set_leverage(node, subaccount, ppm, (await node.latest_block()).at)
        after = (await _chosen(node, subaccount, markets)).get(symbol)
    print(f"{symbol} in {subaccount.account}: leverage {after}, before {before or 'the most that the market allows'}")
    return 0


async def _chosen(node: Node, subaccount: Subaccount, markets: dict[str, Perpetual]) -> dict[str, str]:
    """The leverage that has been set, by symbol."""
    ppm = (await leverage(node, subaccount, SECONDS_MAX)).ppm_by_clob_pair
    shown = {ticker: _shown(ppm.get(market.clob_pair_id, 0)) for ticker, market in markets.items()}
    return {ticker: chosen for ticker, chosen in shown.items() if chosen is not None}


def _shown(ppm: int) -> str | None:
    return f"{leverage_of(ppm):f}" if ppm else None
