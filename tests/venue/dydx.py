"""The venue cases' bench for dYdX: the chain and its indexer simulated, each behind a wire that can fail."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet
from signalbox.messages import Side, TimeInForce
from simulators.control import ControlServer, WorldControl
from simulators.dydx.commands import EXTERNAL_CLIENT_ID_MIN
from simulators.dydx.options import DydxOptions
from simulators.dydx.records import SHORT_TERM, ChainOrder, ChainOrderStatus
from simulators.dydx.venue import DydxVenue
from simulators.world import World, WorldOptions

from .bench import NEW_MARKET, Executed, Market, Placed
from .wire import Way, Wire

MNEMONIC = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
"""The test words of BIP-39: everybody's, and so nobody's."""
ADDRESS = Wallet(KeyPair.from_mnemonic(MNEMONIC), 0, 0).address
BLOCK_MS = 100
FUNDS = Decimal(20_000_000)
SHORT_LIFE_BLOCKS = 45
STATEFUL_BLOCKS, STATEFUL_ROOM = 100, 8
"""A case may place so many orders that stay, of the 20 that the chain takes in a hundred blocks."""
WORKING = frozenset({ChainOrderStatus.BEST_EFFORT_OPENED, ChainOrderStatus.OPEN, ChainOrderStatus.UNTRIGGERED})
ACCOUNT_CHANNEL = "v4_subaccounts"
BOOK_CHANNEL = "v4_orderbook"
MANY = 1000


class DydxBench(Market):
    """See `bench.VenueBench`."""

    name = venue = "dydx"
    account = f"{ADDRESS}-0"
    other_account = f"{ADDRESS}-1"
    service = "gateway-dydx"
    module = "gateway_dydx"
    symbol, other_symbol, unlisted = "BTC-USD", "ETH-USD", "SOL-USD"
    small, large, odd_quantity = Decimal("0.01"), Decimal(20), Decimal("0.00001")
    burst = 30
    lasting = TimeInForce.GTC
    spare_seconds = 2 * BLOCK_MS / 1000
    insists_on_cancels = True
    tells_its_order_ids = False
    tells_of_others = True
    desk_file = f"""
[venues.dydx]
accounts = ["{ADDRESS}-0"]

[[instruments]]
venue = "dydx"
symbol = "BTC-USD"

[[instruments]]
venue = "dydx"
symbol = "ETH-USD"
"""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._claimed: dict[str, set[str]] = {}

    async def open(self, start: datetime | None) -> None:
        begins = start or datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
        options = WorldOptions(
            symbols=(self.symbol, self.other_symbol),
            speed=0.0,
            start=begins,
            listed=begins - NEW_MARKET,
            seed=7,
            prices=((self.symbol, Decimal(100_000)), (self.other_symbol, Decimal(4_000))),
            accounts=(),
        )
        self.world = World(options)
        self._running = asyncio.create_task(self.world.run())
        dydx_options = DydxOptions(block_ms=BLOCK_MS, fund=((ADDRESS, FUNDS),))
        self._dydx = await self._stack.enter_async_context(DydxVenue(self.world, dydx_options))
        self.chain = self._dydx.chain
        self._blocks = asyncio.create_task(self._dydx.run())
        self.node = await self._stack.enter_async_context(Wire(self._dydx.grpc_port))
        self.indexer = await self._stack.enter_async_context(Wire(self._dydx.http_port))
        commands = [*WorldControl(self.world, self.world.stop).commands(), *self._dydx.commands()]
        self.control = ControlServer(commands, "127.0.0.1", 0)
        await self.do("rest_rate_limit", requests=0)
        await self.trade()

    async def close(self) -> None:
        self._blocks.cancel()
        await asyncio.gather(self._blocks, return_exceptions=True)
        await self._stack.aclose()
        self.world.stop()
        await self._running

    def environment(self, folder: Path) -> dict[str, str]:
        return {
            "SIGNALBOX_DYDX_NETWORK": "local",
            "SIGNALBOX_DYDX_NODE_URL": f"127.0.0.1:{self.node.port}",
            "SIGNALBOX_DYDX_INDEXER_URL": f"http://127.0.0.1:{self.indexer.port}",
            "SIGNALBOX_DYDX_WEBSOCKET_URL": f"ws://127.0.0.1:{self.indexer.port}/v4/ws",
            "SIGNALBOX_DYDX_MNEMONIC": MNEMONIC,
            "SIGNALBOX_CONNECT_SECONDS_MAX": "3",
            "SIGNALBOX_ANSWER_SECONDS_MAX": "2",
            "SIGNALBOX_BROADCAST_SECONDS_MAX": "2",
            "SIGNALBOX_RETRY_DELAY_SECONDS": "0.05",
            "SIGNALBOX_RETRY_DELAY_SECONDS_MAX": "0.2",
            "SIGNALBOX_STREAM_SILENCE_SECONDS_MAX": "1",
            "SIGNALBOX_HEIGHT_INTERVAL_SECONDS": "0.05",
            "SIGNALBOX_STANDSTILL_SECONDS_MAX": "1",
            "SIGNALBOX_INDEXER_LAG_BLOCKS_MAX": "60",
            "SIGNALBOX_RECONCILE_SECONDS": "2",
            "SIGNALBOX_ASK_SECONDS": "0.2",
            "SIGNALBOX_SEQUENCE_SECONDS": "2",
            "SIGNALBOX_TRAIL_INTERVAL_SECONDS": "0.01",
            "SIGNALBOX_CANCEL_WAIT_SECONDS_MAX": "60",
        }

    async def begin(self) -> None:
        await super().begin()
        while self._lately() > STATEFUL_ROOM:  # a block ends it
            await asyncio.sleep(BLOCK_MS / 1000)

    def _lately(self) -> int:
        since = self.chain.height - STATEFUL_BLOCKS
        return sum(order.order_flags != SHORT_TERM and order.created_at_height > since for order in self.chain.orders)

    # ------------------------------------------------------------------------------------------ what the venue has

    def learn(self, order_id: str, venue_order_id: str) -> None:
        self._claimed.setdefault(order_id, set()).add(venue_order_id)

    def placed(self, order_id: str) -> list[Placed]:
        claimed = self._claimed.get(order_id, set())
        return [self._placed(order) for order in self.chain.orders if order.id in claimed]

    def _placed(self, order: ChainOrder) -> Placed:
        """A renewal may be of what is left: then the chain has begun to count anew."""
        filled = sum((fill.size for fill in self.chain.fills if fill.order_id == order.id), Decimal(0))
        return Placed(
            number=order.id,
            quantity=order.size + filled - order.total_filled,
            filled=filled,
            working=order.status in WORKING,
            limit_price=order.price,
        )

    def unexplained(self) -> list[str]:
        claimed = {name for names in self._claimed.values() for name in names}
        ours = [each for each in self.chain.orders if each.client_id < EXTERNAL_CLIENT_ID_MIN]
        return [order.id for order in ours if order.id not in claimed]

    def executions(self) -> list[Executed]:
        return [
            Executed(
                execution_id=fill.id,
                symbol=fill.ticker,
                side=fill.side,
                quantity=fill.size,
                price=fill.price,
                commission=fill.fee,
            )
            for fill in self.chain.fills
            if f"{fill.address}-{fill.subaccount_number}" == self.account
        ]

    def position(self, symbol: str) -> Decimal:
        held = self.chain.subaccount(ADDRESS, 0)
        assert held is not None
        return sum((each.size for each in held.positions if each.ticker == symbol), Decimal(0))

    def cash(self) -> Decimal:
        held = self.chain.subaccount(ADDRESS, 0)
        assert held is not None
        return held.usdc

    # --------------------------------------------------------------------------------------------- what others do

    async def place_by_hand(self, side: Side, quantity: Decimal, limit_price: Decimal | None) -> str:
        price = self.crossing_price(side) if limit_price is None else limit_price
        kind = {"kind": "SHORT_TERM", "time_in_force": "IOC"} if limit_price is None else {"kind": "LONG_TERM"}
        placing = {"account": self.account, "symbol": self.symbol, "side": side.value}
        reply = await self.do("place_external", quantity=str(quantity), price=str(price), **placing, **kind)
        while not any(order.id == reply["id"] for order in self.chain.orders):  # the next block has it
            await asyncio.sleep(BLOCK_MS / 1000)
        return str(reply["id"])

    async def cancel_by_hand(self, order_id: str) -> None:
        numbers = [placed.number for placed in self.placed(order_id)] or [order_id]
        await self.do("cancel_external", id=numbers[0])
        while any(order.id == numbers[0] and order.status in WORKING for order in self.chain.orders):  # the next block
            await asyncio.sleep(BLOCK_MS / 1000)

    async def renewal(self, order_id: str) -> None:
        before = self._last_block(order_id)
        ends = self.chain.height + SHORT_LIFE_BLOCKS
        while self._last_block(order_id) == before:
            assert self.chain.height < ends, f"{order_id} was not renewed"
            await asyncio.sleep(BLOCK_MS / 1000)

    def _last_block(self, order_id: str) -> int:
        return max(order.good_til_block for order in self.chain.orders if order.id in self._claimed[order_id])

    async def outlive(self, order_id: str) -> None:
        await self._pass(SHORT_LIFE_BLOCKS)

    async def settle(self) -> None:
        await self._pass(2)  # an order that stays is in the book one block after it is on the chain

    async def _pass(self, blocks: int) -> None:
        until = self.chain.height + blocks
        while self.chain.height < until:
            await asyncio.sleep(BLOCK_MS / 1000)

    # -------------------------------------------------------------------------------------------- faults of the wire

    def cut(self) -> None:
        self.node.cut()
        self.indexer.cut()

    def refuse(self) -> None:
        self.node.refuse()
        self.indexer.refuse()

    def half_open(self) -> None:
        self.node.lose(Way.TO_VENUE, Way.FROM_VENUE)
        self.indexer.lose(Way.TO_VENUE, Way.FROM_VENUE)

    def lose_replies(self) -> None:
        self.node.lose(Way.FROM_VENUE)

    def lose_orders(self) -> None:
        self.node.lose(Way.TO_VENUE)

    def has_lost_orders(self) -> bool:
        return self.node.has_lost

    def hold_news(self) -> None:
        self.indexer.hold(Way.FROM_VENUE)

    async def mend(self) -> bool:
        await self.do("clear_node")
        await self.do("refuse_rest", count=0)
        for command in ("drop_updates", "duplicate_updates", "reorder_updates"):
            await self.do(command, count=0)
        await self.do("withhold_oracle_price", symbol=self.symbol, on=False)
        await self.do("late_funding", seconds=0)
        node, indexer = await self.node.mend(), await self.indexer.mend()
        return node or indexer

    # ------------------------------------------------------------------------------------------- faults of the venue

    async def reject_next(self, orders: int = 1) -> str:
        await self.do("rate_limit", count=3 * orders)  # the gateway tries such a refusal again, twice
        return "rate limit"

    async def refuse_change_of_type(self) -> None:
        await self.do("refuse_next", codespace="clob", code=2003, text="no such luck")

    async def freeze(self) -> None:
        await self.do("node_frozen", frozen=True)

    async def go_on_silently(self) -> None:
        await self.do("node_frozen", frozen=False)

    async def silence_quotes(self) -> None:
        await self.do("drop_updates", count=3, channel=BOOK_CHANNEL)

    async def end_feeds(self) -> None:
        await self.do("cut_websockets")

    async def pay_makers(self, paid: bool) -> None:
        await self.do("fee_tier", address=ADDRESS, tier="9" if paid else "")

    async def duplicate_news(self) -> None:
        await self.do("duplicate_updates", count=6, channel=ACCOUNT_CHANNEL)

    async def reorder_news(self) -> None:
        await self.do("reorder_updates", count=3, channel=ACCOUNT_CHANNEL)

    async def lose_news(self) -> None:
        await self.do("drop_updates", count=3, channel=ACCOUNT_CHANNEL)

    async def late_funding(self, seconds: int) -> None:
        await self.do("late_funding", seconds=seconds)

    async def withhold_figure(self) -> str:
        await self.do("withhold_oracle_price", symbol=self.symbol)
        return "net_liquidation"

    async def hold_next(self) -> None:
        raise AssertionError("nothing is held there")

    async def release_held(self) -> None:
        raise AssertionError("nothing is held there")

    async def correct_to_nonsense(self) -> None:
        raise AssertionError("nothing is corrected there")

    async def correct_to_sense(self) -> None:
        raise AssertionError("nothing is corrected there")

    async def leave_unanswered(self) -> None:
        await self.do("refuse_rest", count=MANY, status=503)
