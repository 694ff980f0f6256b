"""Average-cost position maths, exact in Decimal.

Owns what a sequence of fills makes of a holding: open, add, reduce, close, reverse; and what an operator's acts do in
between: a split, shares that come at a cost, a figure that is set. It must not know orders, accounts or currencies;
the books of the OMS, its offline audit and the limits on losses of risk all stand on it: the desk has one PnL.

The theory. A holding keeps three totals, all in price x quantity, without the contract multiplier:

    quantity   signed: what is held; long > 0, short < 0
    cost       what the open quantity cost, signed like it; average price = cost / quantity
    proceeds   all that selling brought in less all that buying paid, ever

Realised PnL is not accumulated, it follows: `proceeds + cost`. (Everything paid and received, plus the part of it that
is still open.) So only `cost` can ever need rounding, and only where a part of a position with an average such as 4/3
is closed; when a position is flat or has just reversed, cost is exact again and so is its realised PnL.
All figures exclude commission, which is not a price.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

from msgspec import Struct

from signalbox.messages import ChangeKind, PositionChange, Side

ZERO = Decimal(0)
_BUY = Side.BUY  # Python 3.11 takes ten times as long to find a member in its enumeration

DIGITS = Context(
    prec=80, rounding=ROUND_HALF_EVEN, Emax=999_999, Emin=-999_999, traps=[InvalidOperation, DivisionByZero, Overflow]
)
"""Sums of products of any figures a venue sends fit 80 digits exactly; Python's own 28 would round them silently."""
add, subtract, multiply, divide = DIGITS.add, DIGITS.subtract, DIGITS.multiply, DIGITS.divide
"""Found once: a context makes its methods anew each time that it is asked for one."""


class Holding(Struct, frozen=True, gc=False):
    """What is held of one symbol, and what it has brought."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    proceeds: Decimal = ZERO

    def average_price(self) -> Decimal:
        """What a unit of the open quantity cost; 0 when flat."""
        return divide(self.cost, self.quantity) if self.quantity else ZERO

    def realized_pnl(self, multiplier: Decimal) -> Decimal:
        """What the closed part has earned, in money, before commission."""
        return multiply(add(self.proceeds, self.cost), multiplier)

    def unrealized_pnl(self, mark_price: Decimal, multiplier: Decimal) -> Decimal:
        """What closing the open part at `mark_price` would earn, in money, before commission."""
        return multiply(subtract(multiply(self.quantity, mark_price), self.cost), multiplier)


FLAT = Holding()


def opening(quantity: Decimal, average_price: Decimal) -> Holding:
    """A position taken over as it stands: nothing of it realised yet."""
    cost = multiply(quantity, average_price)
    return Holding(quantity, cost, DIGITS.minus(cost))


def signed(quantity: Decimal, side: Side) -> Decimal:
    """What a fill does to a position: > 0 bought, < 0 sold. Exact, where `*` would round to 28 digits."""
    return quantity if side is _BUY else quantity.copy_negate()


def trade(holding: Holding, signed_quantity: Decimal, price: Decimal) -> Holding:
    """Apply one fill: `signed_quantity` > 0 bought, < 0 sold, at `price` a unit."""
    value = multiply(signed_quantity, price)
    held = holding.quantity
    quantity = add(held, signed_quantity)
    if held.is_signed() == signed_quantity.is_signed():  # open or add
        cost = add(holding.cost, value)
    elif not quantity:  # close
        cost = ZERO
    elif quantity.is_signed() == held.is_signed():  # reduce: the average stays; multiply first, divide once
        cost = divide(multiply(holding.cost, quantity), held)
    else:  # reverse, or sell from flat: all of the old is closed, what is over was opened at this price
        cost = multiply(quantity, price)
    return Holding(quantity, cost, subtract(holding.proceeds, value))


def changed(holding: Holding, change: PositionChange) -> Holding:
    """Apply what an act does to a holding. None of them realises anything but TRADE, which does as a fill does."""
    match change.kind:
        case ChangeKind.SPLIT:
            quantity = divide(multiply(holding.quantity, change.numerator), change.denominator)
            return Holding(quantity, holding.cost, holding.proceeds)
        case ChangeKind.SET:
            realized = add(holding.proceeds, holding.cost)
            return Holding(change.quantity, change.cost, subtract(realized, change.cost))
        case _:
            return _exchange(holding, change.quantity, change.cost)


def _exchange(holding: Holding, signed_quantity: Decimal, value: Decimal) -> Holding:
    """As `trade`, of which not a price is known but the whole value: 4/3 a unit has no end, 4 for three has."""
    held = holding.quantity
    quantity = add(held, signed_quantity)
    if held.is_signed() == signed_quantity.is_signed():
        cost = add(holding.cost, value)
    elif not quantity:
        cost = ZERO
    elif quantity.is_signed() == held.is_signed():
        cost = divide(multiply(holding.cost, quantity), held)
    else:
        cost = divide(multiply(value, quantity), signed_quantity)
    return Holding(quantity, cost, subtract(holding.proceeds, value))
