"""The simulated dYdX wired together: the chain, its node and the indexer, and the pace of blocks.

Owns the opening of the parts and when a block is due: by the wall clock, whatever the desk's clock does. It must not
know what a block does.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from signalbox.errors import ConfigurationError

from simulators.control import Command
from simulators.dydx.authenticator_commands import AuthenticatorControl
from simulators.dydx.chain import Chain
from simulators.dydx.commands import ChainControl
from simulators.dydx.faults import Faults
from simulators.dydx.indexer import Indexer, IndexerOptions
from simulators.dydx.margin_commands import MarginControl
from simulators.dydx.node import Node
from simulators.dydx.options import DydxOptions
from simulators.dydx.transactions import is_address
from simulators.world import World


class DydxVenue:
    """One dYdX over a world. Use as an async context manager; the ports are known inside."""

    def __init__(self, world: World, options: DydxOptions) -> None:
        self._options, self._faults = options, Faults()
        self.chain = Chain(world, options.chain_id, options.chain_file)
        self._node = Node(self.chain, self._faults, options.host, options.grpc_port)
        self._begin()
        self._indexer = Indexer(
            self.chain,
            world,
            IndexerOptions(host=options.host, http_port=options.http_port, rest_limit=options.rest_limit),
        )
        self._control = ChainControl(self.chain, self._faults)
        self._stack = AsyncExitStack()
        self.port = options.grpc_port

    @property
    def grpc_port(self) -> int:
        """The port of the node."""
        return self._node.port

    @property
    def http_port(self) -> int:
        """The port of the indexer and the faucet."""
        return self._indexer.http_port

    def commands(self) -> list[Command]:
        """The control port's commands about the chain, the node and the indexer."""
        more = (MarginControl(self.chain), AuthenticatorControl(self.chain))
        return [
            *self._control.commands(),
            *(command for each in more for command in each.commands()),
            *self._indexer.commands(),
        ]

    async def __aenter__(self) -> DydxVenue:
        """Listen on both ports. Raises OSError when one is taken."""
        async with AsyncExitStack() as stack:
            stack.callback(self.chain.close)
            await stack.enter_async_context(self._node)
            await stack.enter_async_context(self._indexer)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def run(self) -> None:
        """Make a block whenever one is due, until cancelled; without a block time only the control port makes them."""
        loop, seconds = asyncio.get_running_loop(), self._options.block_ms / 1000
        if not seconds:
            await asyncio.Event().wait()
        due = loop.time() + seconds
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._faults.running.wait()
            self.chain.produce_block()
            due += seconds
            if due <= loop.time():  # a late block is not made up for: the chain never hurries
                due = loop.time() + seconds

    def _begin(self) -> None:
        """Make the first block of a chain that has none, with the deposits asked for. Raises ConfigurationError."""
        if self.chain.is_new:
            fund, used = self._options.fund, self._options.used
            for address, _ in (*fund, *used):
                if not is_address(address):
                    raise ConfigurationError([f"{address} is not a dYdX address that could be funded"])
            for deposit, deposits in ((self.chain.deposit, fund), (self.chain.make_used, used)):
                for address, amount in deposits:
                    deposit(address, 0, amount)
            self.chain.produce_block()
