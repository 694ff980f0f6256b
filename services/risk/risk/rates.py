"""What one currency is worth in another: as the venue has said, else as the desk file does. Pure."""

from __future__ import annotations

from decimal import Decimal

from signalbox.desk import Desk

ONE = Decimal(1)


def conversion_rate(desk: Desk, account_currency: str, currency: str, said: Decimal | None = None) -> Decimal | None:
    """What one unit of `currency` is worth in the account's: as the venue has `said`, else as the desk file does.

    None when nobody has said.
    """
    if currency == account_currency:
        return ONE if currency else None
    if not currency or not account_currency:
        return None
    return usable_rate(said) or usable_rate(desk.fx_rates.get(currency))


def usable_rate(rate: Decimal | None) -> Decimal | None:
    """A rate that is one."""
    return rate if rate is not None and rate.is_finite() and rate > 0 else None
