"""What opening a position binds, by IBKR's answer to orders that are not placed (what-if): as a part of its value.

Owns what is asked, and what of an answer is a rate. Pure. An order that only makes a position smaller binds nothing,
and one that turns it round frees what it bound before: so each side is asked with as much as first closes what is held
there, and the change is held against what it opens. What makes no sense is no rate: all of the value counts then.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from msgspec import Struct
from signalbox.messages import Instrument, MarginRate, Side

from gateway_ibkr.facts import MarginSeen, OrderTerms
from gateway_ibkr.translate import money_of

AGE_MAX = timedelta(minutes=30)
"""After so long without an answer a rate is told no more."""
AGAIN_AFTER = timedelta(minutes=10)
OPENED_VALUE = Decimal(10_000)
"""About so much is asked about, in the instrument's currency: of one cheap share the venue's cents say too little."""
STEP = Decimal("0.0001")
ONE, ZERO = Decimal(1), Decimal(0)


class MarginTold(Struct, frozen=True):
    """What the venue has said of opening in one symbol; None = it says nothing that is a rate."""

    symbol: str
    rate: MarginRate | None


class Asked(Struct, frozen=True):
    """One side: the order, and the value that it opens, in the instrument's currency."""

    terms: OrderTerms
    opened: Decimal


def asked(account: str, side: Side, held: Decimal, instrument: Instrument, price: Decimal) -> Asked:
    """The order that is asked about where the account holds `held` (signed)."""
    lot = instrument.lot_size
    lots = max(ONE, (OPENED_VALUE / (price * instrument.multiplier * lot)).to_integral_value(ROUND_CEILING))
    opened = lots * lot
    closed = 2 * max(
        ZERO, -held * side.sign
    )  # it is flat after half of that, and has as much on the other side after all
    terms = OrderTerms(
        action=side.value,
        quantity=float(opened + closed),
        order_type="MKT",
        time_in_force="DAY",
        account=account,
        reference="",
    )
    return Asked(terms, opened * price * instrument.multiplier)


def part(change: str, opened: Decimal) -> Decimal | None:
    """The part of the value opened that the venue's change of margin is, rounded up; all of it at most."""
    amount = money_of(change)
    if amount is None or amount <= 0 or opened <= 0:
        return None
    return min(ONE, (amount / opened).quantize(STEP, ROUND_CEILING))


def rate_of(
    symbol: str, bought: MarginSeen, sold: MarginSeen, opened: tuple[Decimal, Decimal], at: datetime
) -> MarginRate | None:
    """The rate of a symbol by the answers to both sides, `opened` being in the account's currency."""
    buying, selling = part(bought.initial_change, opened[0]), part(sold.initial_change, opened[1])
    if buying is None or selling is None:
        return None
    return MarginRate(
        symbol=symbol,
        said_at=at,
        initial_buying=buying,
        initial_selling=selling,
        maintenance_buying=part(bought.maintenance_change, opened[0]),
        maintenance_selling=part(sold.maintenance_change, opened[1]),
    )
