"""What an operator's act makes necessary: it is booked once, or refused with a sentence; never something in between.

Owns what an act means for the books as they are, and when it must not be booked: when it can not be exact, when orders
work whose terms it would change, when the venue's figure is another one than the operator has seen. Pure, like
`oms.decide`: the venue's last snapshot of the account is in the state already.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace
from signalbox.messages import (
    Act,
    AdoptCash,
    AdoptPosition,
    BookInterest,
    BooksActRefused,
    BooksAdjusted,
    ChangeKind,
    ClaimOrder,
    CorrectCash,
    CorrectPosition,
    OrderStatus,
    PayDividend,
    PositionChange,
    PositionHeld,
    RenameSymbol,
    SplitPosition,
    SwitchScope,
    SwitchTrading,
    VenueSnapshot,
)
from signalbox.subjects import ACTS, is_name

from oms.books import holding_at
from oms.claims import claimed, why_unclaimed
from oms.outcome import Outcome, carried
from oms.positions import DIGITS, FLAT, ZERO, changed, multiply, plain, subtract
from oms.snapshots import is_missing_executions
from oms.state import AccountBook, State, SymbolBook

LATER = 2**62
"""A sequence in TRADE behind any other: where the act will stand, among what happened at its time."""


class ActError(Exception):
    """The act must not be booked; the text says why and what to do."""


class Booked(Struct, frozen=True):
    """What an act does."""

    changes: tuple[PositionChange, ...] = ()
    cash: dict[str, Decimal] = field(default_factory=dict)
    left_orders: tuple[str, ...] = ()


def decide_act(state: State, act: Act) -> Outcome:
    """One event: what the act has done, or why it has done nothing; none for one that has been answered."""
    book = state.accounts.get((act.venue, act.account))
    if book is not None and act.id in book.acts:
        return Outcome()
    # FILLED: this is no order, and a reader who counts what works must not count it.
    common = carried(state, (act.venue, act.account, ACTS), OrderStatus.FILLED, act.at, act.id)
    try:
        if isinstance(act, ClaimOrder):
            _known(book, act)
            if why := why_unclaimed(state, act):
                raise ActError(why)
            return Outcome(events=(claimed(state, act),))
        booked = _booked(state, book, act)
    except ActError as error:
        return Outcome(events=(BooksActRefused(**common, act=act, reason=str(error)),))
    event = BooksAdjusted(**common, act=act, changes=booked.changes, cash=booked.cash, left_orders=booked.left_orders)
    return Outcome(events=(event,))


def _booked(state: State, book: AccountBook | None, act: Act) -> Booked:
    kind: Callable[[State, AccountBook, Any], Booked] = _KINDS[type(act)]
    return kind(state, _known(book, act), act)


def _known(book: AccountBook | None, act: Act) -> AccountBook:
    """The books that the act is about, which somebody named has given a reason for."""
    if not act.reason.strip() or not act.by:
        raise ActError("it says no reason, or nobody knows who sent it: say why with --reason")
    if book is None or not book.adopted:
        raise ActError(
            f"the desk has no books of {act.account} at {act.venue} yet: they begin with the venue's first snapshot"
        )
    return book


# -------------------------------------------------------------------------------------------------- corporate actions


def _split(state: State, book: AccountBook, act: SplitPosition) -> Booked:
    held = _symbol(book, act.symbol)
    _above_zero(act.numerator, "the ratio")
    _above_zero(act.denominator, "the ratio")
    if held.settled_place is not None and act.effective_at <= held.settled_place[0]:
        raise ActError(
            f"too many fills of {act.symbol} were traded since {act.effective_at:%Y-%m-%d %H:%M} to fold them again: "
            "adopt the venue's position instead (`signalbox books adopt`)"
        )
    if act.effective_at > act.at:
        raise ActError(f"it takes effect at {act.effective_at:%Y-%m-%d %H:%M}, which is not yet: book it then")
    change = _change(
        held, act.symbol, ChangeKind.SPLIT, act, at=act.effective_at,
        numerator=act.numerator, denominator=act.denominator,
    )  # fmt: skip
    before = holding_at(book, act.symbol, (act.effective_at, LATER))
    after = changed(before, change)
    if multiply(after.quantity, act.denominator) != multiply(before.quantity, act.numerator):
        raise ActError(
            f"{plain(before.quantity)} {act.symbol}, {plain(act.numerator)} for {plain(act.denominator)}, is no number "
            "with an end: correct the position to a quantity that has one first (`signalbox books correct`)"
        )
    left = _left_orders(state, act, act.symbol, keep=act.keep_orders)
    return Booked((replace(change, moved=subtract(after.quantity, before.quantity)),), left_orders=left)


def _dividend(state: State, book: AccountBook, act: PayDividend) -> Booked:
    held = _symbol(book, act.symbol)
    _above_zero(act.amount_per_share, "a dividend")
    quantity = held.holding.quantity if act.quantity is None else act.quantity
    if not quantity:
        raise ActError(f"nothing is held of {act.symbol}: say with --quantity what was, below 0 for a short position")
    amount = multiply(multiply(quantity, held.multiplier), act.amount_per_share)
    return Booked(cash={_currency(act.currency or held.currency): amount})


def _rename(state: State, book: AccountBook, act: RenameSymbol) -> Booked:
    held, known = _symbol(book, act.symbol), book.symbols.get(act.new_symbol)
    holding = held.holding
    if not act.new_symbol.strip() or not is_name(act.new_symbol) or act.new_symbol == act.symbol:
        raise ActError(f"{act.new_symbol[:60]!r} is no other name than {act.symbol}")
    if known is not None and (known.currency, known.multiplier) != (held.currency, held.multiplier):
        raise ActError(
            f"{act.new_symbol} is in {known.currency} with the multiplier {plain(known.multiplier)}, {act.symbol} in "
            f"{held.currency} with {plain(held.multiplier)}: it is another thing"
        )
    if held.is_late or not holding.quantity:
        raise ActError(
            f"nothing is held of {act.symbol}, or its cost is being folded again: there is nothing to rename"
        )
    gone, come = DIGITS.minus(holding.quantity), holding.quantity
    changes = (
        _change(held, act.symbol, ChangeKind.TRADE, act, moved=gone, quantity=gone, cost=DIGITS.minus(holding.cost)),
        _change(held, act.new_symbol, ChangeKind.TRADE, act, moved=come, quantity=come, cost=holding.cost),
    )
    return Booked(changes, left_orders=_left_orders(state, act, act.symbol, keep=act.keep_orders))


def _left_orders(state: State, act: Act, symbol: str, *, keep: bool) -> tuple[str, ...]:
    """The orders of the symbol that work: their quantities and prices are in units that are no more."""
    working = sorted(
        order.order_id
        for order in (state.orders[key] for key in state.working)
        if (order.venue, order.account) == (act.venue, act.account)
        and order.order is not None
        and order.order.symbol == symbol
    )
    if working and not keep:
        raise ActError(
            f"{len(working)} orders work in {symbol} ({', '.join(working[:5])}): cancel them first (`signalbox cancel "
            f"--all --symbol {symbol}`), or say --keep-orders where the venue adjusts them"
        )
    return tuple(working)


# ----------------------------------------------------------------------------------- the venue's word, or a person's


def _adopt_position(state: State, book: AccountBook, act: AdoptPosition) -> Booked:
    snapshot = _snapshot(state, book, act)
    if act.symbol in snapshot.unread:
        raise ActError(f"the venue's figures of {act.symbol} make no sense: its gateway has said so")
    theirs = next((held for held in snapshot.positions if held.symbol == act.symbol), None)
    held = book.symbols.get(act.symbol)
    if theirs is None and held is None:
        raise ActError(f"neither the venue nor the desk holds {act.symbol}")
    if theirs is None:
        assert held is not None
        theirs = PositionHeld(
            symbol=act.symbol, quantity=ZERO, average_price=ZERO, currency=held.currency, multiplier=held.multiplier
        )
    if held is not None and (held.currency, held.multiplier) != (theirs.currency, theirs.multiplier):
        raise ActError(f"{act.symbol} is in other money, or of another multiplier, at the venue: it is another thing")
    if theirs.quantity != act.expected:
        raise ActError(
            f"the venue holds {plain(theirs.quantity)} {act.symbol}, and not {plain(act.expected)}: look again"
        )
    if held is not None and held.settled_place is not None and snapshot.at <= held.settled_place[0]:
        raise ActError(f"too many fills of {act.symbol} were traded since the venue's snapshot: wait for the next one")
    before = holding_at(book, act.symbol, (snapshot.at, LATER)) if held is not None else FLAT
    change = PositionChange(
        symbol=act.symbol,
        currency=theirs.currency,
        multiplier=theirs.multiplier,
        kind=ChangeKind.SET,
        at=snapshot.at,
        moved=subtract(theirs.quantity, before.quantity),
        quantity=theirs.quantity,
        cost=multiply(theirs.quantity, theirs.average_price),
    )
    return Booked((change,))


def _adopt_cash(state: State, book: AccountBook, act: AdoptCash) -> Booked:
    snapshot, currency = _snapshot(state, book, act), _currency(act.currency)
    if currency != snapshot.currency and snapshot.other_cash is None:
        raise ActError(f"{act.venue} says one figure of cash alone, in {snapshot.currency}")
    if snapshot.funding_awaited or book.changed_at > snapshot.at:
        raise ActError("the books have changed since the venue's snapshot: wait for the next one")
    theirs = ({**(snapshot.other_cash or {}), snapshot.currency: snapshot.cash}).get(currency, ZERO)
    if theirs != act.expected:
        raise ActError(f"the venue has {plain(theirs)} {currency}, and not {plain(act.expected)}: look again")
    return Booked(cash={currency: subtract(theirs, book.cash.get(currency, ZERO))})


def _snapshot(state: State, book: AccountBook, act: Act) -> VenueSnapshot:
    snapshot = state.snapshots.get((act.venue, act.account))
    if snapshot is None:
        raise ActError(f"{act.venue} has not said what it holds: there is no snapshot to adopt")
    if is_missing_executions(book, snapshot):
        raise ActError("the venue has executions that are still to be booked: wait until they are")
    return snapshot


def _correct_position(state: State, book: AccountBook, act: CorrectPosition) -> Booked:
    held = book.symbols.get(act.symbol)
    if held is None:
        instrument = state.instruments.get((act.venue, act.symbol))
        if instrument is None:
            raise ActError(f"nobody has said what {act.symbol} is at {act.venue}: its currency is not known")
        held = SymbolBook(instrument.currency, instrument.multiplier)
    if not act.quantity:
        raise ActError("a correction of 0 corrects nothing")
    value = multiply(act.quantity, act.price)
    change = _change(held, act.symbol, ChangeKind.TRADE, act, moved=act.quantity, quantity=act.quantity, cost=value)
    paid = DIGITS.minus(multiply(value, held.multiplier))
    return Booked((change,), {held.currency: paid} if act.moves_cash and paid else {})


def _correct_cash(state: State, book: AccountBook, act: CorrectCash) -> Booked:
    return Booked(cash={_currency(act.currency): _some(act.amount)})


def _interest(state: State, book: AccountBook, act: BookInterest) -> Booked:
    if act.symbol:
        _symbol(book, act.symbol)
    return Booked(cash={_currency(act.currency): _some(act.amount)})


def _switch(state: State, book: AccountBook, act: SwitchTrading) -> Booked:
    """It books nothing: risk goes by it from its place in TRADE on."""
    if act.scope is SwitchScope.DESK:
        raise ActError("it is for the whole desk, which is switched with `signalbox halt` and `signalbox resume`")
    for scope, name in ((SwitchScope.SYMBOL, act.symbol), (SwitchScope.STRATEGY, act.strategy)):
        if act.scope is scope and not name.strip():
            raise ActError(
                f"it names no {scope}: the whole desk is switched with `signalbox halt` and `signalbox resume`"
            )
        if act.scope is not scope and name:
            raise ActError(f"it is for one {act.scope}, and names a {scope}, too: one switch is for one thing")
    return Booked()


_KINDS: dict[type[Act], Callable[[State, AccountBook, Any], Booked]] = {
    SplitPosition: _split,
    PayDividend: _dividend,
    RenameSymbol: _rename,
    AdoptPosition: _adopt_position,
    AdoptCash: _adopt_cash,
    CorrectPosition: _correct_position,
    CorrectCash: _correct_cash,
    BookInterest: _interest,
    SwitchTrading: _switch,
}

# ------------------------------------------------------------------------------------------------------------- parts


def _symbol(book: AccountBook, name: str) -> SymbolBook:
    found = book.symbols.get(name)
    if found is None:
        raise ActError(f"the desk has never held {name} in {book.account}: is that its name? (`signalbox positions`)")
    return found


def _currency(text: str) -> str:
    if len(text) not in (3, 4) or not text.isascii() or not text.isalpha() or not text.isupper():
        raise ActError(f"{text[:20]!r} is no currency, such as USD")
    return text


def _above_zero(number: Decimal, what: str) -> None:
    if number <= 0:
        raise ActError(f"{what} is above 0, not {plain(number)}")


def _some(amount: Decimal) -> Decimal:
    if not amount:
        raise ActError("an amount of 0 changes nothing")
    return amount


def _change(held: SymbolBook, symbol: str, kind: ChangeKind, act: Act, **figures: Any) -> PositionChange:
    given: dict[str, Any] = {"at": act.at, "moved": ZERO} | figures
    return PositionChange(symbol=symbol, currency=held.currency, multiplier=held.multiplier, kind=kind, **given)
