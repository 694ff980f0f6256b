"""What one decision is about: everything that the checks compare, worked out once.

Owns the worst case an order would lead to. It judges nothing: what is missing here is None, and the check that needs
it fails. The checks read nothing beside it, so that what is kept of it (`Basis`) is enough to decide again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct, structs
from signalbox.desk import Desk, Limits
from signalbox.errors import SymbolError
from signalbox.instruments import parse_symbol
from signalbox.messages import NEVER, Basis, CancelIntent, Intent, OrderIntent

from risk.prices import market_price, worst_price
from risk.rules import Rules
from risk.state import (
    BUY,
    ONE,
    ZERO,
    conversion_rate,
    funds_of_writing,
    is_flat,
    margin_fraction,
    short_margin,
    values,
    worst_quantity,
)

INTENT, DESK_FILE, CLOCK = "intent", "desk-file", "clock"
"""Where a check's figures come from (`Check.source`), if from no stored message."""

MICROSECOND = timedelta(microseconds=1)
AGE_MIN = timedelta(seconds=-30)
"""How far a message's time may lie ahead of the desk clock: clocks differ a little, and more in a fast simulation."""


class Request(Struct, frozen=True, kw_only=True):
    """An intent as it stands in INTENTS. `error` says why it could not be read; `intent` is None then.

    `sequence` and `stored_at` name it for ever. `by` is who sent it, by the server's word. `message_id` is what the
    sender called the message on the bus: all there is to name an unreadable one by. `brief` = a denial is told no
    basis: its sender has sent a great deal. `clock_is_stale` = the desk clock stands still meanwhile.
    """

    sequence: int
    intent: Intent | None
    stored_at: datetime = NEVER
    by: str = ""
    error: str = ""
    message_id: str = ""
    brief: bool = False
    clock_is_stale: bool = False

    @property
    def decision_id(self) -> str:
        """The same for the same message of INTENTS, and another for any other, of a stream made anew as well."""
        return f"decision-{self.sequence}-{(self.stored_at - NEVER) // MICROSECOND}"


class WorstCase(Struct, frozen=True, kw_only=True):
    """What the account would look like if this order and all working ones of its side filled at their worst.

    Values are in the account's currency. `needed_funds` is what the account's working orders and this one would take of
    its funds. `reduces` = the position shrinks whatever fills; None = it is not known.
    """

    order_value: Decimal | None
    position_quantity: Decimal
    position_value: Decimal | None
    account_value: Decimal | None
    needed_funds: Decimal | None
    reduces: bool | None


class IntentFacts(Struct, kw_only=True):
    """What the checks of any intent look at. `intent` is normalised: canonical symbol, account filled in."""

    intent: Intent
    rules: Rules
    basis: Basis


class CancelFacts(IntentFacts, kw_only=True):
    """What the checks of a cancel look at."""

    intent: CancelIntent


class OrderFacts(IntentFacts, kw_only=True):
    """What the checks of an order look at: what is kept of it (`basis`), and what follows from that."""

    intent: OrderIntent
    by: str
    now: datetime
    symbol_error: str
    limits: Limits
    market_price: Decimal | None
    worst: WorstCase


def normalised(rules: Rules, intent: Intent) -> tuple[Intent, str]:
    """The intent with its canonical symbol and its account, and why the symbol has no canonical form ("" = it has)."""
    is_canonical = (intent.venue, intent.symbol) in rules.allowed
    if is_canonical and intent.account:
        return intent, ""
    account = intent.account or only_account(rules.desk, intent.venue)
    symbol, error = intent.symbol, ""
    if not is_canonical:
        try:
            symbol = parse_symbol(symbol).canonical
        except SymbolError as problem:
            error = str(problem)
    if (symbol, account) == (intent.symbol, intent.account):
        return intent, error
    return structs.replace(intent, symbol=symbol, account=account), error


def only_account(desk: Desk, venue: str) -> str:
    """The desk's account at a venue where it has just one, else the empty text."""
    known = desk.venues.get(venue)
    return known.accounts[0] if known is not None and len(known.accounts) == 1 else ""


def gather(rules: Rules, basis: Basis, intent: OrderIntent, symbol_error: str, by: str, at: datetime) -> OrderFacts:
    """Work out what follows for a normalised order intent."""
    limits, quote = rules.desk.limits, basis.quote
    market = market_price(quote, intent.side) if quote is not None else None
    return OrderFacts(
        intent=intent,
        rules=rules,
        basis=basis,
        by=by,
        now=at,
        symbol_error=symbol_error,
        limits=limits,
        market_price=market,
        worst=_worst_case(rules.desk, basis, intent, worst_price(intent, market, limits.price_collar_fraction)),
    )


def _worst_case(desk: Desk, basis: Basis, intent: OrderIntent, price: Decimal | None) -> WorstCase:
    instrument, books, position = basis.instrument, basis.books, basis.position
    quantity = worst_quantity(position, intent.side, intent.quantity)
    rate = rate_of(desk, basis)
    order_value = (
        intent.quantity * price * instrument.multiplier * rate
        if price is not None and instrument is not None and rate is not None
        else None
    )
    before: Decimal | None
    after: Decimal | None
    held = ZERO
    if is_flat(position):
        before, after = ZERO, order_value
    else:
        before, held = values(position)
        bought, sold = (order_value, ZERO) if intent.side is BUY else (ZERO, order_value)
        after = values(position, bought or ZERO, sold or ZERO)[0] if order_value is not None else None
    fraction = margin_fraction(instrument) if instrument is not None else ONE
    needed = ((after or ZERO) - held) * fraction
    if instrument is not None and (margin := short_margin(instrument)):
        selling = ZERO if intent.side is BUY else intent.quantity
        needed = max(needed, funds_of_writing(position, margin, selling))
    added = needed - position.needed_funds
    unknown = after is None or before is None or books.is_unvalued
    return WorstCase(
        order_value=order_value,
        position_quantity=quantity,
        position_value=after,
        account_value=None if unknown else books.worst_value - (before or ZERO) + (after or ZERO),
        needed_funds=None if unknown else books.needed_funds + added,
        reduces=_reduces(intent, quantity) if books.source else None,
    )


def rate_of(desk: Desk, basis: Basis) -> Decimal | None:
    """What one unit of the instrument's currency is worth in the account's; None = it is not known."""
    instrument = basis.instrument
    if instrument is None:
        return None
    return conversion_rate(desk, basis.books.currency, instrument.currency, instrument.rate)


def _reduces(intent: OrderIntent, quantity: Decimal) -> bool:
    """An order reduces when the position, with all working orders of its side filled, does not pass zero."""
    return quantity <= 0 if intent.side is BUY else quantity >= 0
