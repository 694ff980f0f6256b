"""Gathers what one decision is about: everything the checks compare, looked up once.

Owns the worst case an order would lead to. It judges nothing: what is missing here is None, and the check that needs
it fails.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct, structs
from signalbox.desk import Limits
from signalbox.errors import SymbolError
from signalbox.instruments import parse_symbol
from signalbox.messages import (
    NEVER,
    AccountState,
    Instrument,
    Intent,
    OrderIntent,
    Quote,
    Side,
    TradingState,
    VenueLink,
)

from risk.prices import market_price, trigger_price, worst_price
from risk.state import ONE, ZERO, AccountBooks, Holding, RiskState, Seen, conversion_rate, margin_fraction

NO_BOOKS = AccountBooks()
NO_HOLDING = Holding()

INTENT, DESK_FILE, CLOCK = "intent", "desk-file", "clock"
"""Where a check's figures come from (`Check.source`), if from no stored message."""

MICROSECOND = timedelta(microseconds=1)
AHEAD_MAX = timedelta(seconds=30)
"""How far a message's time may lie ahead of the desk clock: clocks differ a little, and more in a fast simulation."""


class Request(Struct, frozen=True, kw_only=True):
    """An intent as it stands in INTENTS. `error` says why it could not be read; `intent` is None then.

    `sequence` and `stored_at` name it for ever. `by` is who sent it, by the server's word. `message_id` is what the
    sender called the message on the bus: all there is to name an unreadable one by. `brief` = a denial has only the
    checks that failed: its sender has sent a great deal. `clock_is_stale` = the desk clock stands still meanwhile.
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
    position_value_before: Decimal | None
    account_value: Decimal | None
    needed_funds: Decimal | None
    reduces: bool | None


class OrderFacts(Struct, frozen=True, kw_only=True):
    """All that the checks of an order look at. `intent` is normalised: canonical symbol, account filled in."""

    state: RiskState
    request: Request
    intent: OrderIntent
    limits: Limits
    now: datetime
    clock_is_stale: bool
    symbol_error: str
    instrument: Seen[Instrument] | None
    quote: Seen[Quote] | None
    account: Seen[AccountState] | None
    link: Seen[VenueLink] | None
    trading_state: Seen[TradingState] | None
    books: AccountBooks
    market_price: Decimal | None
    trigger_price: Decimal | None
    worst_price: Decimal | None
    worst: WorstCase


def normalised(state: RiskState, intent: Intent) -> tuple[Intent, str]:
    """The intent with its canonical symbol and its account, and why the symbol has no canonical form ("" = it has)."""
    account = intent.account or only_account(state, intent.venue)
    try:
        symbol, error = parse_symbol(intent.symbol).canonical, ""
    except SymbolError as problem:
        symbol, error = intent.symbol, str(problem)
    if (symbol, account) == (intent.symbol, intent.account):
        return intent, error
    return structs.replace(intent, symbol=symbol, account=account), error


def only_account(state: RiskState, venue: str) -> str:
    """The desk's account at a venue where it has just one, else the empty text."""
    known = state.desk.venues.get(venue)
    return known.accounts[0] if known is not None and len(known.accounts) == 1 else ""


def gather(state: RiskState, request: Request, intent: OrderIntent, error: str, at: datetime) -> OrderFacts:
    """Look up everything about a normalised order intent."""
    limits = state.desk.limits
    account_key, symbol_key = (intent.venue, intent.account), (intent.venue, intent.symbol)
    quote = state.quotes.get(symbol_key)
    instrument = state.instruments.get(symbol_key)
    books = state.books.get(account_key, NO_BOOKS)
    market = market_price(quote.message, intent.side) if quote is not None else None
    price = worst_price(intent, market, limits.price_collar_fraction)
    return OrderFacts(
        state=state,
        request=request,
        intent=intent,
        limits=limits,
        now=at,
        clock_is_stale=request.clock_is_stale,
        symbol_error=error,
        instrument=instrument,
        quote=quote,
        account=state.accounts.get(account_key),
        link=state.links.get(account_key),
        trading_state=state.trading_state,
        books=books,
        market_price=market,
        trigger_price=trigger_price(quote.message, intent.side) if quote is not None else None,
        worst_price=price,
        worst=_worst_case(state, intent, instrument, books, price),
    )


def _worst_case(
    state: RiskState,
    intent: OrderIntent,
    instrument: Seen[Instrument] | None,
    books: AccountBooks,
    price: Decimal | None,
) -> WorstCase:
    holding = books.holdings.get(intent.symbol, NO_HOLDING)
    quantity = holding.worst_quantity(intent.side, intent.quantity)
    rate = conversion_rate(state, books.currency, instrument.message.currency) if instrument is not None else None
    order_value = (
        intent.quantity * price * instrument.message.multiplier * rate
        if price is not None and instrument is not None and rate is not None
        else None
    )
    before: Decimal | None
    after: Decimal | None
    held = ZERO
    if holding.is_flat:
        before, after = ZERO, order_value
    else:
        before, held = holding.values()
        bought, sold = (order_value, ZERO) if intent.side is Side.BUY else (ZERO, order_value)
        after = holding.values(bought or ZERO, sold or ZERO)[0] if order_value is not None else None
    fraction = margin_fraction(instrument.message) if instrument is not None else ONE
    added = ((after or ZERO) - held) * fraction - holding.needed_funds
    unknown = after is None or before is None or books.unvalued
    return WorstCase(
        order_value=order_value,
        position_quantity=quantity,
        position_value=after,
        position_value_before=before,
        account_value=None if unknown else books.worst_value - (before or ZERO) + (after or ZERO),
        needed_funds=None if unknown else books.needed_funds + added,
        reduces=_reduces(intent, quantity) if books.adopted_source else None,
    )


def _reduces(intent: OrderIntent, worst_quantity: Decimal) -> bool:
    """An order reduces when the position, with all working orders of its side filled, does not pass zero."""
    return worst_quantity <= 0 if intent.side is Side.BUY else worst_quantity >= 0
