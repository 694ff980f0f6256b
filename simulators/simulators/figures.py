"""What an account and its positions are worth, as a venue's front shows them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct
from signalbox.exchange.books import AccountBook, PositionBook, worth
from signalbox.exchange.listing import Listing
from signalbox.messages import PositionHeld


class AccountFigures(Struct, frozen=True, kw_only=True):
    """An account in its base currency; other currencies are converted at the simulator's fixed rates."""

    account: str
    currency: str
    cash: Mapping[str, Decimal]
    total_cash: Decimal
    gross_position_value: Decimal
    net_liquidation: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    available_funds: Decimal
    buying_power: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    daily_pnl: Decimal


class PositionFigures(Struct, frozen=True, kw_only=True):
    """A position revalued at the last price, in the contract's currency; PnL figures exclude commission."""

    held: PositionHeld
    mark_price: Decimal
    market_value: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    daily_pnl: Decimal


def account_figures(book: AccountBook, marks: Mapping[str, Decimal], listings: Mapping[str, Listing]) -> AccountFigures:
    """Value an account at `marks`."""
    value = worth(book, marks, listings)
    return AccountFigures(
        account=book.account,
        currency=book.base_currency,
        cash=dict(book.cash),
        total_cash=value.total_cash,
        gross_position_value=value.gross_position_value,
        net_liquidation=value.net_liquidation,
        initial_margin=value.initial_margin,
        maintenance_margin=value.maintenance_margin,
        available_funds=value.available_funds,
        buying_power=value.buying_power,
        unrealized_pnl=value.unrealized_pnl,
        realized_pnl=value.realized_pnl,
        daily_pnl=value.daily_pnl,
    )


def position_figures(held: PositionBook, mark: Decimal) -> PositionFigures:
    """Value a position at `mark`."""
    return PositionFigures(
        held=PositionHeld(
            symbol=held.symbol,
            quantity=held.quantity,
            average_price=held.average_price,
            currency=held.currency,
            multiplier=held.multiplier,
        ),
        mark_price=mark,
        market_value=held.quantity * mark * held.multiplier,
        unrealized_pnl=held.unrealized_pnl(mark),
        realized_pnl=held.realized_pnl,
        daily_pnl=held.daily_pnl(mark),
    )


def own_books(books: Mapping[str, AccountBook]) -> dict[str, dict[str, dict[str, str]]]:
    """Return account -> {"cash": currency -> amount, "positions": symbol -> quantity}, as plain decimal strings."""
    return {
        account: {
            "cash": {currency: _plain(amount) for currency, amount in book.cash.items()},
            "positions": {symbol: _plain(held.quantity) for symbol, held in book.positions.items() if held.quantity},
        }
        for account, book in books.items()
    }


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
