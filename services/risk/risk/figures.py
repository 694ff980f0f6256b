"""What risk's metrics show, worked out: how much of each limit is used, how old what decisions look at is.

Pure, and the one place where a Decimal becomes a float. The `*_used` are shares of the limit of that name, 1 = all of
it, by the figures that its check holds orders against (`risk.checks`), with no further order. It must not know what a
metric is. NaN = nobody can say, so that a check would deny: books not taken over, an order event that can not be read,
a symbol without price or rate.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from math import nan

from signalbox.desk import Limits
from signalbox.messages import NEVER, AccountState, Side

from risk.account_ages import oldest
from risk.losing import drawdown, losses_in_a_row, standing
from risk.state import RATE_WINDOW, ZERO, AccountBooks, AccountKey, Holding, RiskState, SymbolKey, worst_quantity

FIGURES = frozenset(AccountState.__struct_fields__)
"""The words that a figure may be shown under: what else a message names is left out."""


def position_quantity_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    """Of the worst symbol."""
    books = state.books[account]
    if not _are_known(state, books):
        return nan
    limits = ((_limits(state, account, symbol).position_quantity_max, held) for symbol, held in books.holdings.items())
    return max((_share(_worst_quantity(held), limit) for limit, held in limits), default=0.0)


def position_notional_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    """Of the worst symbol."""
    books = state.books[account]
    if not _are_known(state, books) or books.unvalued:
        return nan
    limits = ((_limits(state, account, symbol).position_notional_max, held) for symbol, held in books.holdings.items())
    return max((_share(held.worst_value, limit) for limit, held in limits), default=0.0)


def gross_exposure_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    books = state.books[account]
    if not _are_known(state, books) or books.unvalued:
        return nan
    return _share(books.worst_value, _limits(state, account).gross_exposure_max)


def open_orders_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    return _share(state.books[account].working_orders, _limits(state, account).open_orders_max)


def intents_per_minute_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    return _share(approvals_lately(state.books[account], now), _limits(state, account).intents_per_minute_max)


def intents_per_minute_per_name_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    """Of the name that has sent most."""
    by_name = (_lately(approvals, now) for approvals in state.books[account].approvals_by_name.values())
    return _share(max(by_name, default=0), _limits(state, account).name_intents_per_minute_max)


def account_age_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    limit = _limits(state, account).account_age_seconds_max
    return account_age_seconds(state, account, now) / limit if limit else nan


def daily_loss_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    limit, found = _limits(state, account).daily_loss_max, standing(state, account, now)
    if limit is None or found.pnl is None:
        return nan
    return _share(max(ZERO, found.opening - found.lowest), limit)


def drawdown_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    limit, found = _limits(state, account).drawdown_max_fraction, standing(state, account, now)
    told = state.accounts.get(account)
    if limit is None or told is None:
        return nan
    fraction = drawdown(found.pnl, found.peak, told.message.net_liquidation)
    return _share(fraction, limit) if fraction is not None else nan


def consecutive_losses_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    limit = _limits(state, account).consecutive_losses_max
    return _share(losses_in_a_row(state, account, now), limit) if limit is not None else nan


def open_positions_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    limit, books = _limits(state, account).open_positions_max, state.books[account]
    return _share(books.sums.positions, limit) if limit is not None and _are_known(state, books) else nan


def position_equity_fraction_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    """Of the worst symbol."""
    books, worth = state.books[account], _worth(state, account)
    if not _are_valued(state, books) or worth is None:
        return nan
    limits = (
        (_limits(state, account, symbol).position_equity_fraction_max, held) for symbol, held in books.holdings.items()
    )
    return max((_share(held.worst_value / worth, limit) for limit, held in limits if limit is not None), default=0.0)


def net_exposure_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    limit, books = _limits(state, account).net_exposure_max, state.books[account]
    if limit is None or not _are_valued(state, books):
        return nan
    return _share(max(books.sums.long_value, books.sums.short_value), limit)


def leverage_used(state: RiskState, account: AccountKey, now: datetime) -> float:
    limit, books, worth = _limits(state, account).leverage_max, state.books[account], _worth(state, account)
    if limit is None or not _are_valued(state, books) or worth is None:
        return nan
    return _share(books.worst_value / worth, limit)


def _are_valued(state: RiskState, books: AccountBooks) -> bool:
    return _are_known(state, books) and not books.unvalued


def _worth(state: RiskState, account: AccountKey) -> Decimal | None:
    """What the account is worth, where that can be divided by."""
    told = state.accounts.get(account)
    worth = told.message.net_liquidation if told is not None else None
    return worth if worth is not None and worth.is_finite() and worth > 0 else None


def _limits(state: RiskState, account: AccountKey, symbol: str = "") -> Limits:
    """What holds there whatever the strategy."""
    return state.rules.limits_for(*account, symbol, "").limits


def _share(used: Decimal | int, limit: Decimal | int) -> float:
    """NaN of what no scope states."""
    return float(used / limit) if limit else nan


def _are_known(state: RiskState, books: AccountBooks) -> bool:
    return bool(books.adopted_source) and not state.unread_event


def _worst_quantity(holding: Holding) -> Decimal:
    return max(abs(worst_quantity(holding, Side.BUY, ZERO)), abs(worst_quantity(holding, Side.SELL, ZERO)))


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
    """How long ago the venue said the oldest of the figures that count."""
    found = state.accounts.get(account)
    return _age_seconds(oldest(found.message)[1], now) if found is not None else nan


def figure_ages_seconds(state: RiskState, account: AccountKey, now: datetime) -> dict[str, float]:
    """How long ago the venue said each figure that its gateway tells a time of."""
    found = state.accounts.get(account)
    ages = found.message.said_at if found is not None else {}
    return {figure: _age_seconds(at, now) for figure, at in ages.items() if figure in FIGURES}


def quote_age_seconds(state: RiskState, symbol: SymbolKey, now: datetime) -> float:
    """How old the last quote of a symbol is."""
    found = state.quotes.get(symbol)
    return _age_seconds(found.message.at, now) if found is not None else nan


def _age_seconds(at: datetime, now: datetime) -> float:
    if now == NEVER:  # the desk clock has not begun
        return nan
    return max(0.0, (now - at).total_seconds())  # clocks differ a little
