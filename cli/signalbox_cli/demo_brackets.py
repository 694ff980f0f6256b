"""What the demo does with a bracket at each venue: an entry whose exits stand at the venue, a stop moved, home flat.

Owns the intents and what is expected of them, as `demo_stories` does for single orders.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import (
    Contingency,
    ListLeg,
    OffsetUnit,
    OrderListIntent,
    OrderReplaced,
    OrderStatus,
    OrderType,
    PriceOffset,
    Side,
    TimeInForce,
)
from signalbox.order_support import REDUCING

from signalbox_cli.demo_stories import CENT, approved, below
from signalbox_cli.demo_trader import Story, Trader

SHARES, PERPETUAL = "demo-bracket", "demo-perpetual-bracket"
HALF = Decimal("0.5")


async def tell_bracket(trader: Trader, story: Story, name: str, quantity: Decimal) -> None:
    """Bought at the market; a stop 2 % below the fill, half to be taken 2 % above it, half twice as far."""
    approved(await trader.wish(_bracket(trader, name, quantity)))
    await trader.status(f"{name}.entry", OrderStatus.FILLED)
    for exit_ in ("stop", "stop-2", "target1", "target2"):
        await trader.status(f"{name}.{exit_}", OrderStatus.NEW)
    story.say(
        f"{name}: BUY {quantity} {trader.symbol} with a stop 2 % below and two targets: approved as one, the entry "
        "FILLED, two halves of the stop and both targets stand at the venue"
    )


async def move_its_stop(trader: Trader, story: Story, name: str) -> None:
    """Nearer to the market."""
    nearer = below(await trader.quote(), "0.99", CENT)
    approved(await trader.move_stop(f"{name}.stop", nearer))
    await trader.watch.event(f"{name}.stop", OrderReplaced)
    story.say(f"{name}.stop: moved to {nearer}, and stands there")


async def go_home_flat(trader: Trader, story: Story, name: str, quantity: Decimal) -> None:
    """Cancel what is left of the bracket, then close what it has bought."""
    approved(await trader.cancel(name))
    for exit_ in ("stop", "stop-2", "target1", "target2"):
        await trader.status(f"{name}.{exit_}", OrderStatus.CANCELED)
    home = f"{name}-home"
    approved(await trader.send(home, side=Side.SELL, quantity=quantity, reduce_only=True))
    await trader.status(home, OrderStatus.FILLED)
    story.say(f"{name}: its exits CANCELED with the list, {quantity} SOLD at market: nothing of it is held any more")


def _bracket(trader: Trader, name: str, quantity: Decimal) -> OrderListIntent:
    touched = trader.venue in REDUCING
    two, four = (
        PriceOffset(amount=Decimal(2), unit=OffsetUnit.PERCENT),
        PriceOffset(amount=Decimal(2), unit=OffsetUnit.R),
    )

    def leg(which: str, kind: OrderType, offset: PriceOffset, share: Decimal | None = None) -> ListLeg:
        rests = kind is OrderType.LIMIT
        return ListLeg(
            name=which,
            side=Side.SELL,
            order_type=kind,
            share=share,
            limit_offset=offset if rests else None,
            stop_offset=None if rests else offset,
            time_in_force=TimeInForce.GTC,
        )

    target = OrderType.MARKET_IF_TOUCHED if touched else OrderType.LIMIT
    stop = PriceOffset(amount=-two.amount, unit=two.unit)
    return OrderListIntent(
        id=name,
        at=trader.watch.clock.now(),
        venue=trader.venue,
        symbol=trader.symbol,
        contingency=Contingency.BRACKET,
        legs=(
            ListLeg(name="entry", side=Side.BUY, order_type=OrderType.MARKET, quantity=quantity),
            leg("stop", OrderType.STOP, stop),
            leg("target1", target, two, HALF),
            leg("target2", target, four, HALF),
        ),
    )
