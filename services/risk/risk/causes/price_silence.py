"""No price of what is held or worked in, for too long while its session is open: nobody knows what it is worth.

Counted from the last quote, the opening of the session or the end of a break in it, or since something is held or
works there, whichever is last. Of a market that is closed, or that the venue has halted, no price is missed. It
switches the market of each account that is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from signalbox.errors import CalendarError
from signalbox.messages import MarketState
from signalbox.sessions import session_at

from risk.causes.found import Found
from risk.state import RiskState, is_flat

NAME = "price_silence"


def reached(state: RiskState, at: datetime) -> Iterator[Found]:
    limit = state.desk.switches.price_silence_seconds_max
    if limit is None:
        return
    for scope, watched_since in state.pulls.watched_since.items():
        venue, _, symbol, _ = scope
        opened = _open_since(state, (venue, symbol), at)
        if opened is None:
            continue
        quote = state.quotes.get((venue, symbol))
        last = max(watched_since, opened, quote.message.at if quote is not None else opened)
        came = last + timedelta(seconds=limit)
        if at > came:
            yield Found(
                scope, came, f"no price of {symbol} at {venue} for more than {limit} s while its session is open"
            )


def note_watched(state: RiskState, at: datetime) -> None:
    """Since when something is held, or works, in each market: positions are looked at, not orders."""
    before, now = state.pulls.watched_since, {}
    for (venue, account), books in state.books.items():
        for symbol, holding in books.holdings.items():
            if not is_flat(holding):
                scope = (venue, account, symbol, "")
                now[scope] = before.get(scope, at)
    state.pulls.watched_since = now


def _open_since(state: RiskState, symbol: tuple[str, str], at: datetime) -> datetime | None:
    """Since when the venue should tell prices; None = it should not, or nobody can say."""
    found = state.instruments.get(symbol)
    if found is None or found.message.market_state is not MarketState.OPEN:
        return None
    try:
        session = session_at(found.message.calendar, at)
    except CalendarError:
        return None
    if session is None or not session.is_regular(at):
        return None
    return max([session.open, *(end for _, end in session.breaks if end <= at)])
