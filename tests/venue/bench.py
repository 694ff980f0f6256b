"""What a venue must offer to be put through the numbered cases: one implementation for each venue.

Owns the words that the cases share. A bench is a real simulator behind real sockets, with its control commands, and
everything that only this venue's bench can know: which of its orders are ours, what it holds, how it is made to err.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from pathlib import Path
from typing import Any, ClassVar, Protocol

from msgspec import Struct
from signalbox.exchange.quoting import MarketQuote
from signalbox.messages import Liquidity, Side, TimeInForce
from simulators.control import ControlServer
from simulators.world import World

from .numbered import Cannot

AWAY = Decimal("0.1")
"""How far from the market a price rests, and how far beyond it one crosses, as a fraction of the price."""
NEW_MARKET = timedelta(minutes=10)
"""How old the markets are when a bench opens: nobody looks at bars of the day before here."""
DRIFT_MAX = Decimal("0.02")
"""How far from its beginning the market may be when a case begins."""


class Placed(Struct, frozen=True, kw_only=True):
    """An order as the venue itself has it."""

    number: str
    quantity: Decimal
    filled: Decimal
    working: bool
    limit_price: Decimal | None = None


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

    name: str
    """Under which its cases run."""
    venue: str
    insists_on_cancels: bool
    """A cancel's command counts as taken only once the venue has answered."""
    cannot: ClassVar[dict[str, Cannot]]
    """By case: what it can not do, beside what its venue can not."""
    account: str
    service: str
    """The gateway's name: its NATS user and its consumer."""
    module: str
    """The gateway's package."""
    attaches: ClassVar[bool]
    """Whether it takes orders that are attached to another one, where the venue that it stands for does."""
    symbol: str
    other_symbol: str
    small: Decimal
    """A quantity that any quote fills at once."""
    large: Decimal
    """A quantity that no quote fills at once."""
    desk_file: str
    """The part of a desk file that names the venue and its instruments."""
    tells_of_others: bool
    """Its gateway is told of orders that others have placed."""
    tells_its_order_ids: bool
    """Its orders bear the desk's order id; else only the ledger tells whose they are."""
    lasting: TimeInForce
    """The time in force of an order that works on while no gateway is there."""
    world: World
    spare_seconds: float
    """Wall time that the venue takes to tell what has happened in one step of its market."""
    unlisted: str
    """A symbol that the desk's file does not name."""
    other_account: str
    burst: int
    """More orders than the venue takes in its unit of time."""
    odd_quantity: Decimal
    """A quantity that the venue does not take: below its minimum, or off its step."""

    async def open(self, start: datetime | None) -> None: ...

    async def close(self) -> None: ...

    def environment(self, folder: Path) -> dict[str, str]:
        """The gateway's settings."""
        ...

    # what the venue has

    def placed(self, order_id: str) -> list[Placed]:
        """Every order that the venue ever took under the desk's order id."""
        ...

    def learn(self, order_id: str, venue_order_id: str) -> None:
        """The gateway has claimed the order, under that id of the venue."""
        ...

    def unexplained(self) -> list[str]:
        """Orders that the gateway has placed there and no claim explains."""
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

    async def settle(self) -> None:
        """Let an order that the venue has taken come to rest in its book."""
        ...

    async def renewal(self, order_id: str) -> None:
        """Wait until the gateway has made the order's life longer."""
        ...

    async def outlive(self, order_id: str) -> None:
        """Let pass more time than the venue lets an order live that nobody renews."""
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

    def has_lost_orders(self) -> bool:
        """Whether it has sent something that never arrives."""
        ...

    def hold_news(self) -> None:
        """What the venue has to say of orders comes later: at `mend`."""
        ...

    async def mend(self) -> bool:
        """End every fault; True = the gateway loses a connection by it."""
        ...

    # faults of the venue

    async def reject_next(self, orders: int = 1) -> str:
        """The venue refuses the next orders, so many; a part of the words that it refuses them with."""
        ...

    async def refuse_change_of_type(self) -> None:
        """The venue does not make the next stop one that trails."""
        ...

    async def freeze(self) -> None:
        """What stands behind the connection stands still; the connection stays."""
        ...

    async def go_on_silently(self) -> None:
        """End `freeze`, and say nothing of it."""
        ...

    async def silence_quotes(self) -> None:
        """The quotes of `symbol` are lost without a word, until they are asked for again or a few have been lost."""
        ...

    async def end_feeds(self) -> None:
        """What the gateway is subscribed to ends, as the venue ends it."""
        ...

    async def pay_makers(self, paid: bool) -> None:
        """Put the account in a fee tier with rebates, or back in its own."""
        ...

    async def duplicate_news(self) -> None: ...

    async def reorder_news(self) -> None: ...

    async def lose_news(self) -> None:
        """The venue's next messages about orders and fills never come."""
        ...

    async def late_funding(self, seconds: int) -> None:
        """The venue lists funding so long after it paid it; its figures of the account have it at once."""
        ...

    async def withhold_figure(self) -> str:
        """The venue says one figure of the account to nobody any more, and all others as before; its name."""
        ...

    async def hold_next(self) -> None:
        """The venue takes the next order and does not work it yet, since shares are to be located."""
        ...

    async def release_held(self) -> None:
        """It works what it has held."""
        ...

    async def correct_to_nonsense(self) -> None:
        """The venue corrects its last execution to a price that there can not be."""
        ...

    async def correct_to_sense(self) -> None:
        """It corrects that again, to what is true."""
        ...

    async def leave_unanswered(self) -> None:
        """The venue stays connected, and leaves one part of what a gateway asks at its start without an end."""
        ...


class Market:
    """What every bench does with the simulated market, which stands still unless it is told to go on."""

    symbol: str
    world: World
    control: ControlServer
    cannot: ClassVar[dict[str, Cannot]] = {}
    attaches: ClassVar[bool] = True

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

    def price(self, factor: str) -> Decimal:
        """The last price times `factor`, on the tick."""
        return self._price(Decimal(factor))

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

    def move(self, factor: str) -> None:
        """Let the market jump to a multiple of its price, at once, and go on from there."""
        self.world.set_price(self.symbol, self.price(factor))

    async def begin(self) -> None:
        """Have a fresh quote, which nobody has taken from, near where the market began."""
        last = self.quote().last
        self._began = getattr(self, "_began", last)
        if abs(last / self._began - 1) > DRIFT_MAX:
            self.world.set_price(self.symbol, self._began)
        await self.trade()

    async def trade(self, seconds: float = 5) -> None:
        """Let the market go on for so much of its time, at once; then it stands still again."""
        await self.do("run_until", time=(self.world.now() + timedelta(seconds=seconds)).isoformat())
