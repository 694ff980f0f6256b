"""What risk's metrics show, worked out: how much of each limit is used, how old what decisions look at is.

Pure, and the one place where a Decimal becomes a float. The figures are those that the checks hold orders against
(`risk.checks.limits`), with no further order. It must not know what a metric is. NaN = nobody can say, so that a check
would deny: books not taken over, an order event that can not be read, a symbol without price or rate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from decimal import Decimal
from math import nan

from signalbox.messages import NEVER, Side

from risk.state import RATE_WINDOW, ZERO, AccountBooks, AccountKey, RiskState, SymbolKey, worst_quantity


def limit_use(state: RiskState, account: AccountKey, now: datetime) -> dict[str, float]:
    """The used share of each limit that accumulates, by its name in the desk file; 1 = all of it."""
    limits, books = state.desk.limits, state.books[account]
    use = dict.fromkeys(("gross_exposure_max", "position_quantity_max", "position_notional_max"), nan)
    if books.adopted_source and not state.unread_event:
        use["position_quantity_max"] = float(max(_worst_quantities(books), default=ZERO) / limits.position_quantity_max)
        if not books.unvalued:
            worst = max((holding.worst_value for holding in books.holdings.values()), default=ZERO)
            use["position_notional_max"] = float(worst / limits.position_notional_max)
            use["gross_exposure_max"] = float(books.worst_value / limits.gross_exposure_max)
    use["open_orders_max"] = books.working_orders / limits.open_orders_max
    use["intents_per_minute_max"] = approvals_lately(books, now) / limits.intents_per_minute_max
    by_name = (_lately(approvals, now) for approvals in books.approvals_by_name.values())
    use["intents_per_minute_per_name_max"] = max(by_name, default=0) / limits.name_intents_per_minute_max
    use["account_age_seconds_max"] = account_age_seconds(state, account, now) / limits.account_age_seconds_max
    return use


def _worst_quantities(books: AccountBooks) -> Iterator[Decimal]:
    for holding in books.holdings.values():
        yield abs(worst_quantity(holding, Side.BUY, ZERO))
        yield abs(worst_quantity(holding, Side.SELL, ZERO))


def approvals_lately(books: AccountBooks, now: datetime) -> int:
    """Orders let through in the last minute of desk time."""
    return _lately(books.approvals, now)


def _lately(approvals: Collection[datetime], now: datetime) -> int:
    return sum(now - at < RATE_WINDOW for at in approvals)


def equity(state: RiskState, account: AccountKey) -> float:
    """What the venue last said that the account is worth, in its currency."""
    found = state.accounts.get(account)
    return float(found.message.net_liquidation) if found is not None else nan


def account_age_seconds(state: RiskState, account: AccountKey, now: datetime) -> float:
    """How long ago the venue said it."""
    found = state.accounts.get(account)
    return _age_seconds(found.message.at, now) if found is not None else nan


def quote_age_seconds(state: RiskState, symbol: SymbolKey, now: datetime) -> float:
    """How old the last quote of a symbol is."""
    found = state.quotes.get(symbol)
    return _age_seconds(found.message.at, now) if found is not None else nan


def _age_seconds(at: datetime, now: datetime) -> float:
    if now == NEVER:  # the desk clock has not begun
        return nan
    return max(0.0, (now - at).total_seconds())  # clocks differ a little
