"""How an option leaves the books without an order: exercised, assigned, or expired worthless.

Owns the trades that come of it: the option at 0, and if it is exercised the underlying at the strike. Pure. It must not
know when that happens, nor accounts' money.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from signalbox.exchange.listing import Listing
from signalbox.exchange.orders import Filled, OrderTerms, VenueOrder, VenueOrderStatus
from signalbox.instruments import OptionRight
from signalbox.messages import OrderType, Side

SETTLEMENT = "settlement"
"""The tag of what nobody ordered."""

Trade = tuple[str, Side, Decimal, Decimal]
"""Symbol, side, quantity, price."""


def trades(listing: Listing, held: Decimal, quantity: Decimal, *, exercised: bool) -> tuple[Trade, ...]:
    """The trades by which `quantity` of the options held (below 0: sold) are settled. Nothing is charged.

    Raises ValueError for what is no option, and for more than is held.
    """
    terms = listing.option
    if terms is None:
        raise ValueError(f"{listing.key} is no option")
    if not 0 < quantity <= abs(held):
        raise ValueError(f"there are {abs(held)} of {listing.key}, not {quantity}")
    out: Trade = (listing.key, Side.SELL if held > 0 else Side.BUY, quantity, Decimal(0))
    if not exercised:
        return (out,)
    buys = (held > 0) is (terms.right is OptionRight.CALL)
    side = Side.BUY if buys else Side.SELL
    return out, (listing.underlying, side, quantity * listing.multiplier, terms.strike)


def unordered(number: int, account: str, trade: Trade, at: datetime) -> tuple[Filled, VenueOrder]:
    """The event and the order, about to be filled, that a trade nobody ordered is booked as."""
    symbol, side, quantity, price = trade
    terms = OrderTerms(
        account=account,
        symbol=symbol,
        side=side,
        quantity=quantity,
        order_type=OrderType.MARKET,
        client_tag=SETTLEMENT,
    )
    order = VenueOrder(number=number, terms=terms, status=VenueOrderStatus.WORKING, submitted_at=at, updated_at=at)
    event = Filled(
        number=number,
        at=at,
        execution_id=f"{number:08x}.0001",
        quantity=quantity,
        price=price,
        cumulative=quantity,
        leaves=Decimal(0),
        average_price=price,
    )
    return event, order
