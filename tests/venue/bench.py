"""What a venue must offer to be put through the numbered cases: one implementation for each venue.

Owns the words that the cases share. A bench is a real simulator behind real sockets, with its control commands, and
everything that only this venue's bench can know: which of its orders are ours, what it holds, how it is made to err.
"""

from __future__ import annotations

import json
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct
from signalbox.messages import Liquidity, OrderType, Side, TimeInForce
from simulators.control import ControlServer
from simulators.quoting import MarketQuote
from simulators.world import World

AWAY = Decimal("0.1")
"""How far from the market a price rests, and how far beyond it one crosses, as a fraction of the price."""


class Placed(Struct, frozen=True, kw_only=True):
    """An order as the venue itself has it."""

    number: str
    quantity: Decimal
    filled: Decimal
    working: bool


class Executed(Struct, frozen=True, kw_only=True):
    """An execution as the venue itself has it; `liquidity` only where the venue tells it."""

    execution_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal
    liquidity: Liquidity = Liquidity.UNSTATED


class VenueBench(Protocol):
    """One venue, simulated. Faults last until `mend`."""

    venue: str
    account: str
    service: str
    """The gateway's name: its NATS user and its consumer."""
    module: str
    """The gateway's package."""
    symbol: str
    other_symbol: str
    small: Decimal
    """A quantity that any quote fills at once."""
    desk_file: str
    """The part of a desk file that names the venue and its instruments."""
    lasting: TimeInForce
    """The time in force of an order that works on while no gateway is there."""
    world: World
    spare_seconds: float
    """Wall time that the venue takes to have done what it was asked."""

    async def open(self, start: datetime | None) -> None: ...

    async def close(self) -> None: ...

    def environment(self, folder: Path) -> dict[str, str]:
        """The gateway's settings."""
        ...

    # what the venue has

    def placed(self, order_id: str) -> list[Placed]:
        """Every order that the venue ever took under the desk's order id."""
        ...

    def executions(self) -> list[Executed]: ...

    def position(self, symbol: str) -> Decimal: ...

    def cash(self) -> Decimal: ...

    # what others do there

    async def place_by_hand(self, side: Side, quantity: Decimal, limit_price: Decimal | None) -> str:
        """An order of another program in the same account; the venue's own id of it."""
        ...

    async def cancel_by_hand(self, order_id: str) -> None:
        """Another program cancels the desk's order."""
        ...

    # faults of the wire

    def cut(self) -> None: ...

    def refuse(self) -> None:
        """Cut, and let nobody in."""
        ...

    def half_open(self) -> None:
        """Connections stay open, and nothing arrives in either direction."""
        ...

    def lose_replies(self) -> None:
        """What the gateway sends arrives; no answer to it comes back."""
        ...

    def lose_orders(self) -> None:
        """What the gateway sends never arrives."""
        ...

    def hold_news(self) -> None:
        """What the venue has to say of orders comes later: at `mend`."""
        ...

    async def mend(self) -> None: ...

    # faults of the venue

    async def reject_next(self) -> str:
        """The venue refuses the next order; a part of the words that it refuses it with."""
        ...

    async def duplicate_news(self) -> None: ...

    async def reorder_news(self) -> None: ...

    async def lose_news(self) -> None:
        """The venue's next messages about orders and fills never come."""
        ...

    async def leave_unanswered(self) -> None:
        """The venue stays connected, and leaves one part of what a gateway asks at its start without an end."""
        ...


class Market:
    """What every bench does with the simulated market, which stands still unless it is told to go on."""

    symbol: str
    world: World
    control: ControlServer

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Run a control command, which must succeed."""
        reply = await self.control.answer(json.dumps({"do": command, **arguments}, default=str).encode())
        assert reply["ok"], reply
        return reply

    def quote(self) -> MarketQuote:
        quote = self.world.quote(self.symbol)
        assert quote is not None
        return quote

    def tick_size(self) -> Decimal:
        return next(each.tick for each in self.world.listings if each.key == self.symbol)

    def resting_price(self, side: Side) -> Decimal:
        """A price that does not trade."""
        return self._price(Decimal(1) - AWAY if side is Side.BUY else Decimal(1) + AWAY)

    def crossing_price(self, side: Side) -> Decimal:
        """A price that trades at once, and goes on trading wherever the market may drift to."""
        return self._price(Decimal(1) + AWAY if side is Side.BUY else Decimal(1) - AWAY)

    def _price(self, factor: Decimal) -> Decimal:
        tick, quote = self.tick_size(), self.quote()
        rounding = ROUND_DOWN if factor < 1 else ROUND_UP
        return (quote.last * factor / tick).to_integral_value(rounding) * tick

    def beyond_the_book(self, side: Side) -> Decimal:
        """A quantity that the present quote fills only partly."""
        quote = self.quote()
        return (quote.ask_size if side is Side.BUY else quote.bid_size) * 2

    async def trade(self, seconds: float = 5) -> None:
        """Let the market go on for so much of its time, at once; then it stands still again."""
        await self.do("run_until", time=_later(self.world.now(), seconds).isoformat())


def _later(at: datetime, seconds: float) -> datetime:
    from datetime import timedelta

    return at + timedelta(seconds=seconds)


def terms(order_type: OrderType, side: Side, quantity: Decimal, **rest: Any) -> dict[str, Any]:
    """The terms of an intent."""
    return {"order_type": order_type, "side": side, "quantity": quantity} | rest
