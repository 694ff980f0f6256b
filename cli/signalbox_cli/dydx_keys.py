"""The command with which a wallet's owner lets a key trade, and takes that back: dydx-key.

Owns its words, the file of the key, and what it prints. It is run by the owner, on a machine of his own: the wallet's
words are read from a file or from standard input, and go nowhere else.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway_dydx.keys import KeyOwner, KeySource, source_of
from gateway_dydx.permissions import LEVERAGE, Held, read, told
from gateway_dydx.plans import subaccount_of
from gateway_dydx.settings import Endpoints, Network, chain_at
from gateway_dydx.venue_key import wallet_address
from gateway_dydx.venue_node import Node
from gateway_dydx.venue_owner import Owner
from gateway_dydx.venue_permission import held_by, permission_of
from signalbox.errors import TranslationError
from signalbox.settings import Secret, read_secret_file

from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.output import complain, show

SECONDS_MAX = 10.0
COLUMNS = ("id", "allows")
STANDARD_INPUT = Path("-")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "let a key of its own trade for a dYdX wallet, and do nothing else"
    parts = add_command(commands, "dydx-key", about, "").add_subparsers(dest="what", required=True, metavar="WHAT")
    create = add_command(
        parts,
        "create",
        "make a trading key and let it place and cancel orders for one sub-account",
        """
        Run it once, on a machine of your own. A new key is written to KEYFILE (mode 600); one that is there is used.
        Then the wallet signs one transaction, which costs a little gas: an authenticator that lets that key place and
        cancel orders of that sub-account, and nothing else: no transfer, no withdrawal, no other authenticator. What
        has been done already is not done again.

        Give KEYFILE to the gateway as SIGNALBOX_DYDX_TRADING_KEY_FILE, in place of the wallet's words: step by step in
        docs/dydx-keys.md.

        Examples:
          signalbox dydx-key create trading-key --owner words.txt
          signalbox dydx-key create trading-key --owner - --network mainnet --subaccount 3 < words.txt
          signalbox dydx-key create trading-key --owner words.txt --clob-pair 0 --clob-pair 1     BTC-USD and ETH-USD
        """,
    )
    create.add_argument("key", type=Path, metavar="KEYFILE")
    create.add_argument("--subaccount", type=int, default=0, metavar="NUMBER", help="the one it trades (default 0)")
    create.add_argument(
        "--clob-pair",
        type=int,
        action="append",
        default=[],
        metavar="ID",
        help="only in this market, as the indexer numbers it (clobPairId); may be said again (default: in all)",
    )
    create.add_argument(
        "--leverage", action="store_true", help="let it set the leverage of markets too (of every sub-account)"
    )
    _add_owner(create)
    create.set_defaults(run=_create)
    shown = add_command(
        parts, "list", "show what keys a wallet lets sign for it", "No key is needed: everybody may read it."
    )
    shown.add_argument("address", metavar="ADDRESS", help="the wallet, dydx1...")
    shown.add_argument("--json", action="store_true", help="one JSON object a line")
    add_chain(shown)
    shown.set_defaults(run=_list)
    remove = add_command(
        parts,
        "remove",
        "let a key sign no more",
        """
        From the next block on the chain refuses what it signs, and its short-term orders can not fill any more. Its
        stops and long-term orders stay: cancel them first, or with the wallet's own key.
        """,
    )
    remove.add_argument("id", type=int, metavar="ID", help="of the authenticator, see `signalbox dydx-key list`")
    _add_owner(remove)
    remove.set_defaults(run=_remove)


def _add_owner(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--owner",
        type=Path,
        required=True,
        metavar="FILE",
        help="the wallet's words, or its private key in hex digits: a file of mode 600; - = standard input",
    )
    add_chain(parser)


def add_chain(parser: argparse.ArgumentParser) -> None:
    """Where the chain is."""
    parser.add_argument(
        "--network",
        type=Network,
        choices=list(Network),
        default=Network.TESTNET,
        help="testnet (default), mainnet, or local",
    )
    parser.add_argument("--node", default="", metavar="HOST:PORT", help="a node (default: the network's public one)")


async def _create(arguments: argparse.Namespace) -> int:
    wallet, endpoints = wallet_in(arguments.owner), chain_at(arguments.network, arguments.node)
    address = wallet_address(wallet)
    subaccount = subaccount_of(f"{address}-{arguments.subaccount}")
    source = _trading_key(arguments.key)
    async with node_at(endpoints, source, address) as node:
        key = node.public_key
        found = await permission_of(node, subaccount, key, SECONDS_MAX)
        if found.id is None:
            owner = Owner(node, wallet, address, endpoints, SECONDS_MAX)
            await owner.let_trade(key, subaccount.number, arguments.clob_pair, [LEVERAGE] * arguments.leverage)
            found = await permission_of(node, subaccount, key, SECONDS_MAX)
    if found.id is None:
        complain(f"the chain took it, and yet: {found.text}")
        return EXIT_FAILED
    print(f"{found.text}, for {address} on {arguments.network.value}")
    print(f"the gateway signs with it: SIGNALBOX_DYDX_TRADING_KEY_FILE={arguments.key}, and no words of the wallet")
    return 0


async def _list(arguments: argparse.Namespace) -> int:
    endpoints = chain_at(arguments.network, arguments.node)
    async with node_at(endpoints, nobodys_key(), arguments.address) as node:
        held = await held_by(node, arguments.address, SECONDS_MAX)
    rows = [(each.id, _told(each)) for each in held]
    if arguments.json:
        show(COLUMNS, rows, as_json=True, empty="")
    elif not rows:
        print("none but the wallet's own key")
    for id_, text in () if arguments.json else rows:
        print(f"{id_:>6}  {text}")
    return 0


async def _remove(arguments: argparse.Namespace) -> int:
    wallet, endpoints = wallet_in(arguments.owner), chain_at(arguments.network, arguments.node)
    address = wallet_address(wallet)
    async with node_at(endpoints, wallet, address) as node:
        await Owner(node, wallet, address, endpoints, SECONDS_MAX).remove(arguments.id)
    print(f"authenticator {arguments.id} of {address} is gone: what its key signs is refused from now on")
    return 0


@asynccontextmanager
async def node_at(endpoints: Endpoints, source: KeySource, address: str) -> AsyncIterator[Node]:
    """A connection to a node for one key and account. Raises `ConfigurationError` or `VenueError`."""
    node = Node(
        endpoints,
        source,
        address,
        connect_seconds_max=SECONDS_MAX,
        answer_seconds_max=SECONDS_MAX,
        broadcast_seconds_max=SECONDS_MAX,
    )
    try:
        await node.connect()
        yield node
    finally:
        await node.close()


def _told(held: Held) -> str:
    try:
        return told(read(held.type, held.config))
    except TranslationError as error:
        return f"it can not be read: {error}"


def wallet_in(path: Path) -> KeySource:
    """The wallet's own key, from a file or from standard input. Raises `ConfigurationError`."""
    secret = Secret(sys.stdin.readline()) if path == STANDARD_INPUT else read_secret_file(path)
    return source_of("what --owner names", secret, KeyOwner.WALLET)


def _trading_key(path: Path) -> KeySource:
    """The key in a file, which is made if it is not there: what is registered must not be lost."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with open(descriptor, "w") as file:
            file.write(f"{_new_digits()}\n")
            file.flush()
            os.fsync(file.fileno())
    return source_of(str(path), read_secret_file(path), KeyOwner.TRADER)


def _new_digits() -> str:
    """32 random bytes: all but one in 10^38 of them are a key of the curve, and that one would be refused."""
    return secrets.token_hex(32)


def nobodys_key() -> KeySource:
    """A node is asked by who has a key; what everybody may read needs none in particular."""
    return source_of("a random key", Secret(_new_digits()), KeyOwner.TRADER)
