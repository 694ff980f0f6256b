"""What borrowed shares cost by the day: a stated yearly rate on what they are worth.

Pure. It must not know a venue's own way of valuing them: whose statement says another figure, that one is booked.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

DAYS_A_YEAR = 360
"""As money markets, and IBKR's borrow fees, count them."""
CENT = Decimal("0.01")


def borrow_interest(borrowed: Decimal, price: Decimal, yearly_rate: Decimal, days: int) -> Decimal:
    """What so many borrowed shares cost in so many days, as what the account receives: 0 or below, to the cent.

    `yearly_rate` "0.125" is 12.5 %. Of whoever has borrowed nothing (`borrowed` <= 0) nothing is asked.
    """
    if borrowed <= 0:
        return Decimal(0)
    cost = borrowed * price * yearly_rate * days / DAYS_A_YEAR
    return -cost.quantize(CENT, ROUND_HALF_EVEN)
