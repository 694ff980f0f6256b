"""A chain over a market that stands still, and its node, driven by the real client: blocks come when a test says so.

The client's calls block, so they are made in a thread of their own while the node answers in the test's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.network import NodeConfig
from dydx_v4_client.node.builder import Builder
from dydx_v4_client.node.client import NodeClient
from dydx_v4_client.node.message import order, order_id
from dydx_v4_client.wallet import Wallet
from simulators.dydx.accounts import USDC_DENOM
from simulators.dydx.authenticator_commands import AuthenticatorControl
from simulators.dydx.chain import Chain
from simulators.dydx.commands import ChainControl
from simulators.dydx.faults import Faults
from simulators.dydx.node import Node
from simulators.dydx.orders import quantums_of, subticks_of
from simulators.dydx.records import SHORT_TERM, ChainOrder, ChainSubaccount
from simulators.world import World, WorldOptions
from v4_proto.dydxprotocol.clob.order_pb2 import Order

CHAIN_ID = "localdydxprotocol"
START = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
MNEMONIC = "abandon " * 11 + "about"
FUNDS = Decimal(100_000)
IOC, POST_ONLY = Order.TimeInForce.TIME_IN_FORCE_IOC, Order.TimeInForce.TIME_IN_FORCE_POST_ONLY


@dataclass
class Bench:
    """One chain and its node. BTC-USD stands at 100000 until a test sets another price."""

    world: World
    chain: Chain
    faults: Faults
    control: dict[str, Callable[[Any], Any]]
    client: NodeClient
    wallet: Wallet
    port: int = 0

    @property
    def address(self) -> str:
        return self.wallet.address

    @property
    def now(self) -> int:
        return int(self.chain.block_time.timestamp())

    @property
    def subaccount(self) -> ChainSubaccount:
        found = self.chain.subaccount(self.address, 0)
        assert found is not None
        return found

    def blocks(self, count: int = 1) -> None:
        for _ in range(count):
            self.chain.produce_block()

    def order_id(self, client_id: int, flags: int = SHORT_TERM, pair: int = 0, number: int = 0) -> Any:
        return order_id(self.address, number, client_id, pair, flags)

    def order(self, client_id: int, size: str = "0.1", price: str = "101000", **changes: Any) -> Any:
        """Make a protocol order: a short-term buy of BTC-USD, good for ten blocks, unless told otherwise."""
        flags = changes.pop("flags", SHORT_TERM)
        pair = changes.pop("pair", 0)
        market = self.chain.book.market(pair) or self.chain.markets[0]
        terms: dict[str, Any] = {
            "side": Order.Side.SIDE_SELL if changes.pop("sells", False) else Order.Side.SIDE_BUY,
            "quantums": quantums_of(Decimal(size), market),
            "subticks": subticks_of(Decimal(price), market),
            "time_in_force": Order.TimeInForce.TIME_IN_FORCE_UNSPECIFIED,
            "reduce_only": False,
        }
        if flags == SHORT_TERM:
            terms["good_til_block"] = self.chain.height + 10
        else:
            terms["good_til_block_time"] = self.now + 3600
        if "trigger" in changes:
            trigger = Decimal(changes.pop("trigger"))
            terms["conditional_order_trigger_subticks"] = subticks_of(trigger, market)
            terms["condition_type"] = Order.ConditionType.CONDITION_TYPE_STOP_LOSS
        return order(self.order_id(client_id, flags, pair, changes.pop("number", 0)), **terms | changes)

    async def call(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Make one of the client's calls in a thread."""
        return await asyncio.to_thread(lambda: asyncio.run(make()))

    async def place(self, message: Any, wallet: Wallet | None = None) -> Any:
        """Place an order; return the node's answer to the transaction."""
        response = await self.call(lambda: self.client.place_order(wallet or self.wallet, message))
        return response.tx_response

    async def cancel(self, identity: Any, **good_til: int) -> Any:
        """Cancel an order; return the node's answer to the transaction."""
        response = await self.call(lambda: self.client.cancel_order(self.wallet, identity, **good_til))
        return response.tx_response

    async def broadcast(self, *messages: Any, sequence: int = 0, chain_id: str = CHAIN_ID) -> Any:
        """Broadcast messages signed with any sequence and chain id."""
        builder = Builder(chain_id, USDC_DENOM)
        wallet = Wallet(self.wallet.key, self.wallet.account_number, sequence)
        packed = [builder.build(wallet, each).body.messages[0] for each in messages]
        transaction = builder.build_transaction(wallet, packed, builder.fee(1_000_000, builder.coin(5_000)))
        return (await self.call(lambda: self.client.broadcast(transaction))).tx_response

    def chain_order(self, client_id: int) -> ChainOrder:
        return next(each for each in self.chain.orders if each.client_id == client_id)

    def cash_and_positions(self, number: int = 0) -> tuple[Decimal, dict[str, Decimal]]:
        """Read the world's own books of a subaccount."""
        book = self.world.snapshot()[f"{self.address}-{number}"]
        positions = {symbol: Decimal(size) for symbol, size in book["positions"].items()}
        return Decimal(book["cash"]["USD"]), positions


@pytest.fixture
def world_of() -> Callable[..., World]:
    def make(**changes: Any) -> World:
        options: dict[str, Any] = {
            "symbols": ("BTC-USD", "ETH-USD", "DOGE-USD", "PEPE-USD"),
            "accounts": (),
            "start": START,
            "speed": 0,
            "prices": (("BTC-USD", Decimal(100_000)),),
        }
        return World(WorldOptions(**options | changes))

    return make


@pytest.fixture
async def bench(world_of: Callable[..., World], tmp_path: Path) -> AsyncIterator[Bench]:
    world = world_of(books_file=tmp_path / "books")
    chain, faults = Chain(world, CHAIN_ID, tmp_path / "books.chain"), Faults()
    key = KeyPair.from_mnemonic(MNEMONIC)
    chain.deposit(Wallet(key, 0, 0).address, 0, FUNDS)
    chain.produce_block()
    commands = (*ChainControl(chain, faults).commands(), *AuthenticatorControl(chain).commands())
    control = {each.name: each.run for each in commands}
    async with Node(chain, faults, "127.0.0.1", 0) as node:
        with grpc.insecure_channel(f"127.0.0.1:{node.port}") as channel:
            client = await NodeClient.connect(NodeConfig(CHAIN_ID, "adv4tnt", USDC_DENOM, channel))
            yield Bench(world, chain, faults, control, client, Wallet(key, 0, 0), node.port)
    chain.close()
    world.close()
