"""When a contract ends by its name alone: an option's says the day.

Pure. It must not know what a venue says of the contract: that counts where it is told (`Instrument.last_trade_at`).
"""

from __future__ import annotations

from datetime import datetime

from signalbox.errors import CalendarError
from signalbox.instruments import Symbol
from signalbox.sessions import session_on


def end_of_trading(symbol: Symbol) -> datetime | None:
    """The end of regular hours on the day in an option's name; None for what does not end.

    Raises `CalendarError` where that is no trading day, or none that the calendar covers.
    """
    if symbol.option is None:
        return None
    day = symbol.option.expiry
    session = session_on(symbol.calendar, day)
    if session is None:
        raise CalendarError(f"{symbol.canonical} ends on {day}, which is no trading day of {symbol.calendar}")
    return session.close
