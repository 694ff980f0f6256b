"""What an account wins and loses, followed: by fills and acts, by prices, day by day; and what a decision sees of it.

Owns the one meaning of profit and loss of risk: realised and unrealised, since the desk took the books over, by average
cost (`signalbox.average_cost`, as the OMS reckons), before commissions and funding, each position at the last price
that risk has seen. And what of it lasts: the PnL at the opening of the day, the lowest that a decision of the day has
seen, the highest of all. These are fixed by decisions, which have them in their basis, so that every process that folds
TRADE has the same; what prices alone did between two decisions nobody remembers. It must not know what a limit means
(`risk.checks.losses`).

The day of an account is its venue's: from one opening (pre-open of `day_calendar`) to the next, UTC's where it trades
round the clock. The process that works looks several times a second, and so is there when a day begins. Of one that was
not there (the desk was down), the opening is the PnL of the last decision, or that of now where it is higher; while
nothing is held there is but one.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct
from signalbox import average_cost
from signalbox.average_cost import add, multiply, subtract
from signalbox.errors import CalendarError
from signalbox.messages import (
    NEVER,
    Decision,
    Fill,
    LossesSeen,
    OrderEvent,
    PositionChange,
    PositionHeld,
    Quote,
)
from signalbox.order_terms import IF_TOUCHED, TRAILING, WITH_STOP
from signalbox.sessions import ALWAYS, last_opening, session_at
from signalbox.venues import venue, venue_names

from risk.state import ONE, ZERO, AccountBooks, AccountKey, Holding, RiskState, WorkingOrder
from risk.traded import Losses, Traded, Watched
from risk.wording import seconds

LOOKED_GAP_MAX = timedelta(minutes=5)
"""A process that has looked no longer ago than this was there when the day began."""
LOOK_EVERY, NOTHING = timedelta(milliseconds=100), timedelta(0)
_STOPS = (WITH_STOP - IF_TOUCHED) | TRAILING
_CALENDARS = {name: venue(name).day_calendar for name in venue_names()}


# -------------------------------------------------------------------------------------------- fills, acts and prices


def move(
    state: RiskState, books: AccountBooks, event: OrderEvent, fill: Fill, signed_quantity: Decimal, holding: Holding
) -> None:
    """A fill has moved a position by that much, in units of now; what it cost stays what it was."""
    if not signed_quantity:
        return
    price = fill.price
    if abs(signed_quantity) != fill.quantity:  # traded before a split
        price = average_cost.divide(multiply(fill.quantity, fill.price), abs(signed_quantity))
    _note_flat(books, event)
    books.losses.moved_at = event.at
    traded = _traded(books, fill.symbol)
    traded.held = average_cost.trade(traded.held, signed_quantity, price)
    _follow(state, books, event.venue, fill.symbol, holding)


def _note_flat(books: AccountBooks, event: OrderEvent) -> None:
    """While nothing is held TRADE alone says what was won: so a day that begins then has its opening of it."""
    losses = books.losses
    if losses.marks.is_empty and not losses.unvalued and books.adopted_source:
        with contextlib.suppress(CalendarError):
            day = last_opening(day_calendar(event.venue), event.at)
            if losses.day is None or day > losses.day:
                losses.day, losses.opening, losses.lowest = day, losses.pnl, losses.pnl
        losses.peak = losses.pnl if losses.peak is None else max(losses.peak, losses.pnl)
        losses.last = losses.pnl


def take_over(state: RiskState, books: AccountBooks, venue_name: str, held: PositionHeld, holding: Holding) -> None:
    """A position that the account had before: nothing of it is won or lost yet but from its average price on."""
    if not held.quantity:
        return
    traded = _traded(books, held.symbol)
    traded.held = average_cost.trade(traded.held, held.quantity, held.average_price)
    _follow(state, books, venue_name, held.symbol, holding)


def change(state: RiskState, books: AccountBooks, venue_name: str, told: PositionChange, holding: Holding) -> None:
    """An operator's act has changed a position. What that has won or lost is no trade's."""
    traded = _traded(books, told.symbol)
    before = traded.realised
    traded.held = average_cost.changed(traded.held, told)
    traded.begun = add(traded.begun, subtract(traded.realised, before))
    _follow(state, books, venue_name, told.symbol, holding)


def close(books: AccountBooks, event: OrderEvent, fill: Fill, before: Decimal, order: WorkingOrder | None) -> None:
    """A fill that was booked once may have closed something of a position of `before`: a stop, a loss in a row."""
    traded = books.losses.traded.get(fill.symbol)
    if traded is None or not before or before.is_signed() is (fill.side.sign < 0) or not fill.quantity:
        return
    if order is not None and order.terms is not None and order.terms.order_type in _STOPS:
        traded.stopped_at = max(event.at, traded.stopped_at or event.at)
    after = traded.held.quantity
    if after and after.is_signed() is before.is_signed():
        return
    result = subtract(traded.realised, traded.begun)
    traded.begun = traded.realised
    losses = books.losses
    if result < 0:
        losses.in_a_row = _in_a_row(losses, event.venue, event.at) + 1
    elif result:
        losses.in_a_row = 0
    losses.closed_at = event.at


def correct(books: AccountBooks, symbol: str) -> None:
    """A fill was revised: what was counted in a row stands, and what is held now began before."""
    traded = books.losses.traded.get(symbol)
    if traded is not None:
        _begin_anew(traded)


def settle(books: AccountBooks, symbol: str, holding: Holding) -> None:
    """Bring the sum up to date with a symbol's price, rate and multiplier."""
    traded = books.losses.traded.get(symbol)
    if traded is None:
        return
    losses, worth = books.losses, _worth(traded, holding)
    if worth is None:
        losses.unvalued.add(symbol)
        worth = ZERO
    else:
        losses.unvalued.discard(symbol)
    if worth != traded.worth:
        losses.pnl = add(losses.pnl, subtract(worth, traded.worth))
        traded.worth = worth


def note_price(state: RiskState, books: AccountBooks, quote: Quote) -> None:
    """What is held of a symbol is valued at a quote from now on."""
    traded = books.losses.traded.get(quote.symbol)
    if traded is not None and traded.held.quantity:
        books.losses.marks.note(quote.symbol, quote.at, _calendar_of(state, quote.venue, quote.symbol))


def watch_all(state: RiskState, books: AccountBooks, venue_name: str) -> None:
    """Know how old the price is of each position of an account that was restored."""
    for symbol in books.losses.traded:
        _watch(state, books, venue_name, symbol, books.holdings[symbol])


def _traded(books: AccountBooks, symbol: str) -> Traded:
    traded = books.losses.traded.get(symbol)
    if traded is None:
        traded = books.losses.traded[symbol] = Traded()
    return traded


def _follow(state: RiskState, books: AccountBooks, venue_name: str, symbol: str, holding: Holding) -> None:
    settle(books, symbol, holding)
    _watch(state, books, venue_name, symbol, holding)


def _watch(state: RiskState, books: AccountBooks, venue_name: str, symbol: str, holding: Holding) -> None:
    if not books.losses.traded[symbol].held.quantity:
        books.losses.marks.drop(symbol)
        return
    quote = state.quotes.get((venue_name, symbol))
    if quote is None or (holding.rescaled and quote.message.at <= holding.rescaled[-1][0]):  # of units of before
        books.losses.marks.note(symbol, NEVER, ALWAYS)
    else:
        note_price(state, books, quote.message)


def _begin_anew(traded: Traded) -> None:
    """What is realised while nothing is held is not the next position's."""
    if not traded.held.quantity:
        traded.begun = traded.realised


def _worth(traded: Traded, holding: Holding) -> Decimal | None:
    """Realised and unrealised in the account's currency; None = a price or a rate is missing."""
    held = traded.held
    if not held.quantity and not held.proceeds:
        return ZERO
    if holding.rate is None or (holding.mark is None and held.quantity):
        return None
    total = add(held.proceeds, multiply(held.quantity, holding.mark)) if holding.mark is not None else held.proceeds
    return multiply(multiply(total, holding.multiplier), holding.rate)


def _calendar_of(state: RiskState, venue_name: str, symbol: str) -> str:
    found = state.instruments.get((venue_name, symbol))
    return found.message.calendar if found is not None else ALWAYS


# --------------------------------------------------------------------------------------------------- days and decisions


class Standing(Struct, frozen=True, kw_only=True, gc=False):
    """How an account stands, as `LossesSeen` has it."""

    since: datetime | None
    pnl: Decimal | None
    unknown: str
    opening: Decimal
    lowest: Decimal
    peak: Decimal


def standing(state: RiskState, key: AccountKey, at: datetime) -> Standing:
    """How an account stands at desk time `at`. The state is only read."""
    losses = state.books[key].losses
    since: datetime | None = None
    unknown = _unknown(state, key, at)
    try:
        since = last_opening(day_calendar(key[0]), at)
    except CalendarError as error:
        unknown = unknown or str(error)
    pnl = losses.pnl if not unknown else None
    opening, lowest, peak, watched = losses.opening, losses.lowest, losses.peak, losses.watched
    if pnl is not None and since is not None:
        if losses.day is not None and since <= losses.day:
            since, lowest = losses.day, min(lowest, pnl)  # a clock that goes back lets nothing go
        else:
            opening, lowest = _opening(losses, since, pnl, at), pnl
        peak = max(each for each in (pnl, peak, watched.peak if watched is not None else None) if each is not None)
    return Standing(since=since, pnl=pnl, unknown=unknown, opening=opening, lowest=lowest, peak=peak or ZERO)


def _opening(losses: Losses, since: datetime, pnl: Decimal, at: datetime) -> Decimal:
    """What the PnL was when a day began of which there is no decision yet."""
    watched = losses.watched
    if watched is not None and watched.day >= since:
        return watched.opening
    if losses.marks.is_empty and (losses.moved_at is None or losses.moved_at < since):
        return pnl  # nothing has been held since before it began
    was_there = watched is not None and at - watched.at <= LOOKED_GAP_MAX
    return pnl if was_there or losses.last is None else max(pnl, losses.last)


def seen(state: RiskState, key: AccountKey, symbol: str, at: datetime) -> LossesSeen:
    """What a decision about a symbol of an account keeps of what it has won and lost."""
    found, losses = standing(state, key, at), state.books[key].losses
    traded, told = losses.traded.get(symbol), state.accounts.get(key)
    return LossesSeen(
        since=found.since,
        pnl=found.pnl,
        unknown=found.unknown,
        opening=found.opening or _DEFAULT,
        lowest=found.lowest or _DEFAULT,
        peak=found.peak or _DEFAULT,
        net_liquidation=told.message.net_liquidation if told is not None else None,
        losses_in_a_row=_in_a_row(losses, key[0], at),
        stopped_at=traded.stopped_at if traded is not None else None,
    )


_DEFAULT = LossesSeen().opening
"""The very default: what is at its default is left out of a message."""


def note_decision(state: RiskState, decision: Decision) -> None:
    """Take in what a decision of TRADE has seen: the day's opening is fixed, a limit that was reached stays so."""
    basis, intent = decision.basis, decision.intent
    if basis is None or intent is None:
        return
    if basis.books.losses is not None:
        _take(state, (intent.venue, intent.account), basis.books.losses)
    for member in basis.members:
        if member.books.losses is not None:
            _take(state, (intent.venue, member.name), member.books.losses)


def _take(state: RiskState, key: AccountKey, told: LossesSeen) -> None:
    books = state.books.get(key)
    if books is None or told.pnl is None or told.since is None:
        return
    losses = books.losses
    if losses.day is None or told.since > losses.day:
        losses.day, losses.opening, losses.lowest = told.since, told.opening, told.lowest
    elif told.since == losses.day:
        losses.opening, losses.lowest = told.opening, min(losses.lowest, told.lowest)
    losses.peak = told.peak if losses.peak is None else max(losses.peak, told.peak)
    losses.last = told.pnl


def look(state: RiskState, at: datetime) -> None:
    """Look how each account stands: where a day begins, what it has won until now is its opening; and its peak.

    What is seen is this process's alone, until a decision has it in its basis.
    """
    for key, books in state.books.items():
        watched = books.losses.watched
        if watched is not None and NOTHING <= at - watched.at < LOOK_EVERY:
            continue
        found = standing(state, key, at)
        if found.pnl is not None and found.since is not None:
            books.losses.watched = Watched(at, found.since, found.opening, found.peak)


def drawdown(pnl: Decimal | None, peak: Decimal, net_liquidation: Decimal | None) -> Decimal | None:
    """What was lost since the peak, as a part of what the account would be worth without that loss; None = unknown."""
    if pnl is None or net_liquidation is None or not net_liquidation.is_finite():
        return None
    lost = peak - pnl
    whole = net_liquidation + lost
    if lost <= 0:
        return ZERO
    return min(lost / whole, ONE) if whole > 0 else ONE


def losses_in_a_row(state: RiskState, key: AccountKey, at: datetime) -> int:
    """Positions of an account closed at a loss in the day of `at`, since the last one that was not."""
    return _in_a_row(state.books[key].losses, key[0], at)


class Reached(Struct, frozen=True, kw_only=True, gc=False):
    """A limit on what an account may lose that is reached: as long as it is, nothing that opens is let through."""

    venue: str
    account: str
    limit: str
    bound: Decimal
    observed: Decimal


def reached(state: RiskState, at: datetime) -> tuple[Reached, ...]:
    """Each limit on the loss of a day, or from the peak, that an account has gone beyond at desk time `at`."""
    return tuple(
        Reached(venue=key[0], account=key[1], limit=name, bound=bound, observed=observed)
        for key in state.books
        for name, bound, observed in _held_against(state, key, at)
        if bound is not None and observed is not None and observed > bound
    )


def _held_against(
    state: RiskState, key: AccountKey, at: datetime
) -> tuple[tuple[str, Decimal | None, Decimal | None], ...]:
    limits, found, told = state.rules.limits_for(*key, "", "").limits, standing(state, key, at), state.accounts.get(key)
    lost = found.opening - found.lowest if found.pnl is not None else None
    fraction = drawdown(found.pnl, found.peak, told.message.net_liquidation if told is not None else None)
    return (
        ("daily_loss_max", limits.daily_loss_max, lost),
        ("drawdown_max_fraction", limits.drawdown_max_fraction, fraction),
    )


def day_calendar(venue_name: str) -> str:
    """By whose sessions the days of a venue's accounts begin."""
    return _CALENDARS.get(venue_name, ALWAYS)


def _in_a_row(losses: Losses, venue_name: str, at: datetime) -> int:
    """Losses in a row of the day of `at`."""
    if not losses.in_a_row or losses.closed_at is None:
        return 0
    try:
        return losses.in_a_row if losses.closed_at >= last_opening(day_calendar(venue_name), at) else 0
    except CalendarError:
        return losses.in_a_row


def _unknown(state: RiskState, key: AccountKey, at: datetime) -> str:
    """Why nobody can say what an account has won or lost; "" = it is known."""
    books, (venue_name, account) = state.books[key], key
    if not books.adopted_source or state.unread_event:
        return f"what account {account} holds is not known"
    if books.losses.unvalued:
        return f"{min(books.losses.unvalued)} can not be valued: a price or rate is missing"
    for calendar in books.losses.marks.calendars:
        oldest = books.losses.marks.oldest(calendar)
        if oldest is None or not _is_trading(calendar, at):
            continue
        (of, symbol), age = oldest, at - oldest[0]
        if of == NEVER:
            return f"{symbol} is held, and {venue_name} has sent no price of it"
        if age > state.rules.limits_for(venue_name, account, symbol, "").price_age_max:
            return f"{symbol} is held, and its price is {seconds(age)} s old"
    return ""


def _is_trading(calendar: str, at: datetime) -> bool:
    """Whether new prices are to be had; outside regular hours the last one stands."""
    try:
        session = session_at(calendar, at)
    except CalendarError:
        return True
    return session is not None and session.is_regular(at)
