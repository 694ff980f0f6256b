"""What one decision is about: everything that the checks compare, worked out once.

Owns the worst case an order would lead to. It judges nothing: what is missing here is None, and the check that needs
it fails. The checks read nothing beside it, so that what is kept of it (`Basis`) is enough to decide again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct, structs
from signalbox.commissions import commission_of
from signalbox.desk import Desk, Limits
from signalbox.errors import SymbolError
from signalbox.instruments import parse_symbol
from signalbox.messages import (
    NEVER,
    Basis,
    CancelIntent,
    FlattenIntent,
    InstrumentSeen,
    Intent,
    Liquidity,
    MassCancelIntent,
    ModifyIntent,
    OrderIntent,
    OrderListIntent,
    OrderSeen,
    PositionIntent,
    PositionSeen,
    Side,
)
from signalbox.order_terms import as_wanted

from risk.positions import Sized
from risk.prices import market_price, worst_price
from risk.rates import conversion_rate
from risk.rules import Rules
from risk.scopes import LimitsInForce
from risk.sharing import Shared
from risk.state import (
    BUY,
    ZERO,
    funds_of_writing,
    is_flat,
    margin_fraction,
    short_margin,
    values,
    worst_quantity,
    worst_value,
)

INTENT, DESK_FILE, CLOCK = "intent", "desk-file", "clock"
"""Where a check's figures come from (`Check.source`), if from no stored message."""

DAY_SECONDS, SECOND_MICROSECONDS = 86_400, 1_000_000
MARGIN_AGE_MAX = timedelta(minutes=30)
"""How long what a venue has said of an order that was not placed holds."""
AGE_MIN = timedelta(seconds=-30)
"""How far a message's time may lie ahead of the desk clock: clocks differ a little, and more in a fast simulation."""


class Request(Struct, frozen=True, kw_only=True, gc=False):
    """An intent as it stands in INTENTS. `error` says why it could not be read; `intent` is None then.

    `sequence` and `stored_at` name it for ever. `by` is who sent it, by the server's word. `message_id` is what an
    unreadable one is named by: its id, where that could be read, else what the sender called the message on the bus.
    `brief` = a denial is told no basis: its sender has sent a great deal. `closes` = risk asks it of itself, for the
    flatten of that id, whose place and sender these are. `clock_is_stale` = the desk clock stands still meanwhile.
    """

    sequence: int
    intent: Intent | None
    stored_at: datetime = NEVER
    by: str = ""
    error: str = ""
    message_id: str = ""
    brief: bool = False
    clock_is_stale: bool = False
    closes: str = ""

    @property
    def decision_id(self) -> str:
        """The same for the same message of INTENTS, and another for any other, of a stream made anew as well."""
        since = self.stored_at - NEVER
        microseconds = (since.days * DAY_SECONDS + since.seconds) * SECOND_MICROSECONDS + since.microseconds
        leg = self.intent.id.removeprefix(self.closes) if self.intent is not None and self.closes else ""
        return f"decision-{self.sequence}-{microseconds}{leg}"


class IntentFacts(Struct, kw_only=True, gc=False):
    """What the checks of any intent look at. `intent` is normalised: canonical symbol, account filled in."""

    intent: Intent
    rules: Rules
    basis: Basis

    def scope_of(self, limit: str) -> str:
        """Whose limit it is that was held against; "" = the desk file's."""
        return ""

    @property
    def books_source(self) -> str:
        """Positions and working orders are a fold of TRADE up to here."""
        return f"TRADE:{self.basis.trade_sequence}"

    @property
    def unstated(self) -> frozenset[str]:
        """The limits that none has to state, and none has: nothing is asked about them."""
        return frozenset()


class CancelFacts(IntentFacts, kw_only=True):
    """What the checks of a cancel look at."""

    intent: CancelIntent


class MassCancelFacts(IntentFacts, kw_only=True):
    """What the checks of a cancel of many, or of a flatten, look at. `symbol_error`: why it has no canonical symbol."""

    intent: MassCancelIntent | FlattenIntent
    now: datetime
    symbol_error: str


class ChangeFacts(IntentFacts, kw_only=True):
    """What the checks of a change by itself look at; the order as it is to be has those of an order (`OrderFacts`)."""

    intent: ModifyIntent

    @property
    def filled(self) -> Decimal:
        """What of the order has filled."""
        order = self.basis.order
        return order.terms.quantity - order.open_quantity if order is not None and order.terms is not None else ZERO


class ListFacts(IntentFacts, kw_only=True):
    """What the checks of a list as a whole look at."""

    intent: OrderListIntent
    now: datetime


class PositionFacts(IntentFacts, kw_only=True):
    """What the checks of a wish for a position look at, beside those of the order that it comes to."""

    intent: PositionIntent
    sized: Sized


class GroupFacts(IntentFacts, kw_only=True):
    """What the checks of an intent about a group as a whole look at, beside those of what it comes to."""

    intent: OrderIntent | ModifyIntent | CancelIntent
    shared: Shared


class OrderFacts(IntentFacts, kw_only=True):
    """What the checks of an order look at: what is kept of it (`basis`), and what follows from that.

    `rate` is what one unit of the instrument's currency is worth in the account's. From `order_value` on: what the
    account would look like if this order and all working ones of its side filled at their worst, in its currency.
    `added_value` is what this one adds to what works already. `needed_funds` is what the account's working orders and
    this one would take of its funds, with what this one is estimated to cost (`commission`, in the instrument's
    currency; None = the desk file states no scheme, or no price is known). `reduces` = the position shrinks whatever
    fills. None = it is not known. Of the entry of a list `at_stop` is what is lost in the account's currency if it
    fills and its stops do; `has_stop` = they are for all of it.
    """

    intent: OrderIntent
    by: str
    now: datetime
    symbol_error: str
    in_force: LimitsInForce
    limits: Limits
    market_price: Decimal | None
    rate: Decimal | None
    order_value: Decimal | None
    position_quantity: Decimal
    position_value: Decimal | None
    account_value: Decimal | None
    added_value: Decimal | None
    needed_funds: Decimal | None
    commission: Decimal | None
    reduces: bool | None
    at_stop: Decimal | None = None
    has_stop: bool = False

    def scope_of(self, limit: str) -> str:
        return self.in_force.decided_by.get(limit, "")

    @property
    def unstated(self) -> frozenset[str]:
        return self.in_force.unstated


def normalised(rules: Rules, intent: Intent) -> tuple[Intent, str]:
    """The intent with its canonical symbol and its account, and why the symbol has no canonical form ("" = it has).

    What a cancel of many or a flatten leaves out is any, and stays so; a cancel of one is told by its order.
    """
    is_canonical = (intent.venue, intent.symbol) in rules.allowed
    if is_canonical and intent.account:
        return intent, ""
    names_many = isinstance(intent, MassCancelIntent | FlattenIntent)
    if names_many and not intent.symbol:
        return intent, ""
    account = intent.account
    if not account and not names_many and not (isinstance(intent, OrderIntent) and intent.group):
        account = only_account(rules.desk, intent.venue)
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
    return _gather(rules, basis, intent, symbol_error, by, at, None)


def gather_change(
    rules: Rules, basis: Basis, change: ModifyIntent, symbol_error: str, by: str, at: datetime
) -> OrderFacts:
    """Work out what follows for an order of which a change is wanted, and whose terms the basis has.

    It is held as a new order with the terms that it is to have, beside everything but itself. Until the venue has said
    which of the two stands, the larger may: of what may still fill, and of what that is worth.
    """
    assert basis.order is not None
    assert basis.order.terms is not None
    terms = as_wanted(basis.order.terms, change)
    wanted = structs.replace(terms, id=change.id, at=change.at, cause=change.cause, valid_until=None)
    return _gather(rules, basis, wanted, symbol_error if change.symbol else "", by, at, basis.order)


def _gather(
    rules: Rules,
    basis: Basis,
    intent: OrderIntent,
    symbol_error: str,
    by: str,
    at: datetime,
    replaced: OrderSeen | None,
) -> OrderFacts:
    in_force, side = rules.book.of(intent.venue, intent.account, intent.symbol, intent.strategy), intent.side
    limits = in_force.limits
    instrument, books, position, quote = _trusted(basis.instrument, at), basis.books, basis.position, basis.quote
    market = market_price(quote, side) if quote is not None else None
    price = worst_price(intent, market, limits.price_collar_fraction)
    rate = order_value = account_value = needed_funds = commission = None
    replaced_value = ZERO
    if instrument is not None:
        rate = conversion_rate(rules.desk, books.currency, instrument.currency, instrument.rate)
        if price is not None:
            value = intent.quantity * price * instrument.multiplier
            commission = estimated_commission(rules, intent, instrument, value)
            if rate is not None:
                order_value = value * rate
    opening, open_value = intent.quantity, order_value
    beside = position
    before, after, held = _with_order(position, side, order_value)
    if replaced is not None:
        beside = _without(position, replaced, side)
        opening, open_value = _larger(intent, price, replaced)
        if open_value is not None and instrument is not None and rate is not None:
            open_value *= instrument.multiplier * rate
            replaced_value = replaced.open_quantity * (replaced.price or ZERO) * instrument.multiplier * rate
        before = _with_order(position, side, None)[0]
        _, after, held = _with_order(beside, side, open_value if rate is not None else None)
    if instrument is not None and before is not None and after is not None and not books.is_unvalued:
        account_value = books.worst_value - before + after
        needed = _needed(instrument, beside, side, opening, after - held)
        needed_funds = books.needed_funds + (needed - position.needed_funds)
        if commission is not None and rate is not None:
            needed_funds += commission * rate
    quantity = worst_quantity(beside, side, opening)
    return OrderFacts(
        intent=intent,
        rules=rules,
        basis=basis,
        by=by,
        now=at,
        symbol_error=symbol_error,
        in_force=in_force,
        limits=limits,
        market_price=market,
        rate=rate,
        order_value=order_value,
        position_quantity=quantity,
        position_value=after,
        account_value=account_value,
        added_value=open_value - replaced_value if open_value is not None and rate is not None else None,
        needed_funds=needed_funds,
        commission=commission,
        reduces=_reduces(side, quantity) if books.source else None,
    )


def _trusted(instrument: InstrumentSeen | None, at: datetime) -> InstrumentSeen | None:
    """The instrument by what is recent: of a margin that was said too long ago all of the value counts."""
    said_at = instrument.margin_said_at if instrument is not None else None
    if instrument is None or said_at is None or AGE_MIN <= at - said_at <= MARGIN_AGE_MAX:
        return instrument
    return structs.replace(instrument, initial_margin=None)


def estimated_commission(
    rules: Rules, intent: OrderIntent, instrument: InstrumentSeen, value: Decimal
) -> Decimal | None:
    """What the order is estimated to cost if all of it fills at its worst price."""
    scheme = rules.commissions.get((intent.venue, instrument.kind))
    if scheme is None:
        return None
    return commission_of(scheme, intent.quantity, value, Liquidity.MAKER if intent.post_only else Liquidity.UNSTATED)


def _larger(wanted: OrderIntent, price: Decimal | None, replaced: OrderSeen) -> tuple[Decimal, Decimal | None]:
    """The most that may still fill of an order that is changed, and what that may be worth, without multiplier."""
    assert replaced.terms is not None
    filled = replaced.terms.quantity - replaced.open_quantity
    opening = max(ZERO, wanted.quantity - filled)
    if price is None or replaced.price is None:
        return max(opening, replaced.open_quantity), None
    return max(opening, replaced.open_quantity), max(opening * price, replaced.open_quantity * replaced.price)


def _without(position: PositionSeen, order: OrderSeen, side: Side) -> PositionSeen:
    """What is held and under way beside an order of that side."""
    quantity, value = order.open_quantity, order.open_quantity * order.price if order.price is not None else ZERO
    unpriced = position.unpriced_orders - (order.price is None)
    if side is BUY:
        return structs.replace(
            position,
            buying_quantity=position.buying_quantity - quantity,
            buying_value=position.buying_value - value,
            unpriced_orders=unpriced,
        )
    return structs.replace(
        position,
        selling_quantity=position.selling_quantity - quantity,
        selling_value=position.selling_value - value,
        unpriced_orders=unpriced,
    )


def _needed(
    instrument: InstrumentSeen, position: PositionSeen, side: Side, quantity: Decimal, opened: Decimal
) -> Decimal:
    """What the position, and what is under way in it with this order, takes of the funds."""
    needed = opened * margin_fraction(instrument)
    margin = short_margin(instrument)
    if margin:
        selling = ZERO if side is BUY else quantity
        needed = max(needed, funds_of_writing(position, margin, selling))
    return needed


def _with_order(
    position: PositionSeen, side: Side, order_value: Decimal | None
) -> tuple[Decimal | None, Decimal | None, Decimal]:
    """The worst value of a position before and after an order of that value, and its present one."""
    if is_flat(position):
        return ZERO, order_value, ZERO
    found = values(position)
    if found is None:
        return None, None, ZERO
    present, bought, sold = found
    before, held = worst_value(present, bought, sold), abs(present)
    if order_value is None:
        return before, None, held
    if side is BUY:
        return before, max(present + bought + order_value, sold - present), held
    return before, max(present + bought, sold + order_value - present), held


def _reduces(side: Side, quantity: Decimal) -> bool:
    """An order reduces when the position, with all working orders of its side filled, does not pass zero."""
    return quantity <= ZERO if side is BUY else quantity >= ZERO
