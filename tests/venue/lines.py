"""The venue cases' bench for the line broker, the tiny third venue: it is in the tests only, in the place of IBKR.

That a venue is a row and a translation is shown by it: its gateway (`lines_gateway`) brings words, and has everything
else from `signalbox.gateway`.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

from signalbox.exchange.orders import OrderTerms
from signalbox.messages import OrderType, Side
from simulators.control import ControlServer, WorldControl
from simulators.world import World, WorldOptions

from .ibkr import IbkrBench
from .line_broker import LineBroker
from .numbered import Cannot
from .wire import Wire

NEWS = 3
FINAL = Cannot("its executions are final", "nothing: a fill has one revision")
NOT_HELD = Cannot("it holds nothing back: it takes an order or refuses it", "nothing is held there")

CHANGED_LISTS = ("VS3", "VS4", "VS6")
NO_CHANGES = {
    f"V3{number}": Cannot("its broker changes no orders", "the change is refused, with the reason")
    for number in "0156789ABCGHIJKLMN"
} | {
    number: Cannot("its broker changes no orders", "the change is refused, with the reason") for number in CHANGED_LISTS
}


NOT_ATTACHED = {
    f"VG{number}": Cannot("its broker attaches no order to another", "exits are sent when their entry has filled")
    for number in "456789AEFG"
}


TRAILS = ("VGJ", "VGK", "VGL")


class LinesBench(IbkrBench):
    """See `bench.VenueBench`. What the simulated market does is the same as in IBKR's place."""

    name = "lines"
    module = "lines_gateway"
    attaches: ClassVar[bool] = False
    tells_of_others = False
    cannot: ClassVar[dict[str, Cannot]] = (
        {
            "V64": FINAL,
            "V65": FINAL,
            "VE0": FINAL,
            "VE1": NOT_HELD,
            "VE2": NOT_HELD,
            "VS7": Cannot(
                "its broker changes no orders: a part that no exit can grow by has exits of its own",
                "all that is held has its exits, but more of them than the case lets be (10)",
            ),
            "VGB": Cannot("its broker changes no orders", "the stop stays where it is, and an alarm says so"),
        }
        | {number: Cannot("its broker changes no orders", "an alarm says so, and the stop stays") for number in TRAILS}
        | NO_CHANGES
        | NOT_ATTACHED
    )

    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    async def open(self, start: datetime | None) -> None:
        options = WorldOptions(
            symbols=(self.symbol, self.other_symbol),
            speed=0.0,
            start=start or datetime(2024, 3, 5, 15, 0, tzinfo=UTC),
            seed=7,
            starting_cash=Decimal(50_000_000),
        )
        self.world = World(options)
        running = asyncio.create_task(self.world.run())
        self.broker = await self._stack.enter_async_context(LineBroker(self.world, self.account))
        self.wire = await self._stack.enter_async_context(Wire(self.broker.port))
        self.control = ControlServer(WorldControl(self.world, self.world.stop).commands(), "127.0.0.1", 0)
        await self.trade()
        self._running = running

    def environment(self, folder: Path) -> dict[str, str]:
        return {"SIGNALBOX_IBKR_PORT": str(self.wire.port), "SIGNALBOX_CANCEL_WAIT_SECONDS_MAX": "15"}

    async def place_by_hand(self, side: Side, quantity: Decimal, limit_price: Decimal | None) -> str:
        kind = OrderType.MARKET if limit_price is None else OrderType.LIMIT
        terms = OrderTerms(
            account=self.account, symbol=self.symbol, side=side, quantity=quantity, order_type=kind,
            limit_price=limit_price,
        )  # fmt: skip
        return str(self.world.submit(terms).number)

    async def cancel_by_hand(self, order_id: str) -> None:
        numbers = [placed.number for placed in self.placed(order_id)] or [order_id]
        self.world.cancel(int(numbers[0]))

    async def mend(self) -> bool:
        broker = self.broker
        broker.frozen = broker.reject_reason = ""
        broker.rejected = broker.unanswered = broker.doubled = broker.displaced = broker.lost = 0
        broker.withheld = ""
        return await self.wire.mend()

    async def reject_next(self, orders: int = 1) -> str:
        self.broker.reject_reason, self.broker.rejected = "no such luck", orders
        return "no such luck"

    async def freeze(self) -> None:
        self.broker.frozen = "the broker's market stands still"

    async def go_on_silently(self) -> None:
        self.broker.frozen = ""

    async def silence_quotes(self) -> None:
        self.broker.quotes_lost = 3

    async def end_feeds(self) -> None:
        self.wire.cut()

    async def duplicate_news(self) -> None:
        self.broker.doubled = NEWS

    async def reorder_news(self) -> None:
        self.broker.displaced = NEWS

    async def lose_news(self) -> None:
        self.broker.lost = NEWS

    async def withhold_figure(self) -> str:
        self.broker.withheld = "net_liquidation"
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
        self.broker.unanswered = 2
