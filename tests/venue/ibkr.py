"""The venue cases' bench for Interactive Brokers: the IB Gateway simulator behind a wire that can fail."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from signalbox.messages import Side, TimeInForce
from simulators.control import ControlServer, WorldControl
from simulators.tws.commands import TwsControl
from simulators.tws.gateway import Gateway
from simulators.tws.server import TwsServer
from simulators.world import World, WorldOptions

from .bench import NEW_MARKET, Executed, Market, Placed
from .wire import Way, Wire

ORDERS_CLIENT = 11
NEWS = ("orderStatus", "openOrder", "execDetails", "commissionReport")
"""The messages in which TWS tells of orders and executions."""


class IbkrBench(Market):
    """See `bench.VenueBench`."""

    name = venue = "ibkr"
    account = "DU1234567"
    service = "gateway-ibkr"
    module = "gateway_ibkr"
    symbol, other_symbol = "SPY", "AAPL"
    small, large = Decimal(10), Decimal(2000)
    lasting = TimeInForce.GTC
    insists_on_cancels = False
    tells_its_order_ids = True
    tells_of_others = True
    spare_seconds = 0.02
    other_account = "DU7654321"
    burst = 60
    unlisted, odd_quantity = "MSFT", Decimal("10.5")
    desk_file = """
[venues.ibkr]
accounts = ["DU1234567"]

[[instruments]]
venue = "ibkr"
symbol = "SPY"

[[instruments]]
venue = "ibkr"
symbol = "AAPL"
"""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._frozen = False

    async def open(self, start: datetime | None) -> None:
        begins = start or datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
        options = WorldOptions(
            symbols=(self.symbol, self.other_symbol),
            speed=0.0,
            start=begins,
            listed=begins - NEW_MARKET,
            seed=7,
            starting_cash=Decimal(50_000_000),
        )
        self.world = World(options)
        running = asyncio.create_task(self.world.run())
        self._server = await self._stack.enter_async_context(TwsServer(Gateway(self.world), "127.0.0.1", 0))
        self.wire = await self._stack.enter_async_context(Wire(self._server.port))
        commands = [*WorldControl(self.world, self.world.stop).commands(), *TwsControl(self._server).commands()]
        self.control = ControlServer(commands, "127.0.0.1", 0)
        await self.trade()
        self._running = running

    async def close(self) -> None:
        await self._stack.aclose()
        self.world.stop()
        await self._running

    def environment(self, folder: Path) -> dict[str, str]:
        return {
            "SIGNALBOX_IBKR_PORT": str(self.wire.port),
            "SIGNALBOX_CONNECT_SECONDS_MAX": "3",
            "SIGNALBOX_ANSWER_SECONDS_MAX": "1",
            "SIGNALBOX_HEARTBEAT_SECONDS": "0.5",
            "SIGNALBOX_HEARTBEAT_ANSWER_SECONDS_MAX": "2.5",
            "SIGNALBOX_RETRY_DELAY_SECONDS": "0.05",
            "SIGNALBOX_RETRY_DELAY_SECONDS_MAX": "0.2",
            "SIGNALBOX_ACKNOWLEDGE_SECONDS_MAX": "0.3",
            "SIGNALBOX_VISIBILITY_SECONDS": "0.3",
            "SIGNALBOX_CANCEL_WAIT_SECONDS_MAX": "60",
            "SIGNALBOX_SILENCE_WALL_SECONDS_MAX": "1",
            "SIGNALBOX_RESUBSCRIBE_DELAY_SECONDS": "0.2",
            "SIGNALBOX_EXTERNAL_ORDERS_SECONDS": "1",
        }

    # ------------------------------------------------------------------------------------------ what the venue has

    def placed(self, order_id: str) -> list[Placed]:
        return [
            Placed(
                number=str(order.number),
                quantity=order.terms.quantity,
                filled=order.filled,
                working=order.leaves > 0,
                limit_price=order.terms.limit_price,
            )
            for order in self.world.orders()
            if order.terms.client_reference == order_id
        ]

    def learn(self, order_id: str, venue_order_id: str) -> None:
        pass

    def unexplained(self) -> list[str]:
        return []

    def executions(self) -> list[Executed]:
        return [
            Executed(
                execution_id=each.execution_id,
                symbol=each.symbol,
                side=each.side,
                quantity=each.quantity,
                price=each.price,
                commission=each.commission,
            )
            for each in self.world.executions(self.account)
        ]

    def position(self, symbol: str) -> Decimal:
        positions = self.world.snapshot()[self.account]["positions"]
        return Decimal(positions.get(symbol, "0"))

    def cash(self) -> Decimal:
        return Decimal(self.world.snapshot()[self.account]["cash"]["USD"])

    # --------------------------------------------------------------------------------------------- what others do

    async def place_by_hand(self, side: Side, quantity: Decimal, limit_price: Decimal | None) -> str:
        terms = {} if limit_price is None else {"limit_price": str(limit_price)}
        reply = await self.do("place_by_hand", symbol=self.symbol, side=side.value, quantity=str(quantity), **terms)
        return str(reply["number"])

    async def cancel_by_hand(self, order_id: str) -> None:
        numbers = [placed.number for placed in self.placed(order_id)] or [order_id]
        await self.do("cancel_by_hand", number=int(numbers[0]))

    # -------------------------------------------------------------------------------------------- faults of the wire

    def cut(self) -> None:
        self.wire.cut()

    def refuse(self) -> None:
        self.wire.refuse()

    def half_open(self) -> None:
        self.wire.lose(Way.TO_VENUE, Way.FROM_VENUE)

    def lose_replies(self) -> None:
        self.wire.lose(Way.FROM_VENUE)

    def lose_orders(self) -> None:
        self.wire.lose(Way.TO_VENUE)

    def has_lost_orders(self) -> bool:
        return self.wire.has_lost

    def hold_news(self) -> None:
        self.wire.hold(Way.FROM_VENUE)

    async def mend(self) -> bool:
        if self._frozen:
            await self.do("link_restored", data_lost=True)
            self._frozen = False
        await self.do("clear")
        return await self.wire.mend()

    # ------------------------------------------------------------------------------------------- faults of the venue

    async def reject_next(self, orders: int = 1) -> str:
        await self.do("reject_next", reason="no such luck", count=orders)
        return "no such luck"

    async def refuse_change_of_type(self) -> None:
        await self.do("keep_types")

    async def freeze(self) -> None:
        self._frozen = True
        await self.do("link_lost")

    async def go_on_silently(self) -> None:
        self._frozen = False
        await self.do("link_restored", silent=True)

    async def silence_quotes(self) -> None:
        await self.do("lose_subscriptions", data="quote", symbol=self.symbol)

    async def end_feeds(self) -> None:
        await self.do("link_lost")
        await self.do("link_restored", data_lost=True)

    async def pay_makers(self, paid: bool) -> None:
        raise AssertionError("nobody is paid there")

    async def duplicate_news(self) -> None:
        for kind in NEWS:
            await self.do("duplicate", kind=kind, client=ORDERS_CLIENT, count=3)

    async def reorder_news(self) -> None:
        await self.do("execution_before_status", count=3)
        await self.do("commission_before_execution", count=3)

    async def lose_news(self) -> None:
        for kind in NEWS:
            await self.do("omit", kind=kind, client=ORDERS_CLIENT, count=3)

    async def hold_next(self) -> None:
        await self.do("hold_next")

    async def release_held(self) -> None:
        for number in (await self.do("held"))["numbers"]:
            await self.do("release", number=number)

    async def correct_to_nonsense(self) -> None:
        self._last = self.world.executions(self.account)[-1]
        await self.do("correct_execution", execution_id=self._last.execution_id, price="0")

    async def correct_to_sense(self) -> None:
        await self.do("correct_execution", execution_id=self._last.execution_id, price=str(self._last.price))

    async def settle(self) -> None:
        pass

    async def renewal(self, order_id: str) -> None:
        raise AssertionError("orders are not renewed there")

    async def outlive(self, order_id: str) -> None:
        await self.trade(3600)

    async def late_funding(self, seconds: int) -> None:
        raise AssertionError("nothing is funded there")

    async def withhold_figure(self) -> str:
        await self.do("withhold", tag="NetLiquidation")
        return "net_liquidation"

    async def leave_unanswered(self) -> None:
        await self.do("omit", kind="completedOrdersEnd", client=ORDERS_CLIENT, count=2)
