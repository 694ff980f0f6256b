"""What opening a position takes of an account's funds, as a part of its value: by the instrument, or by its account.

Owns which of them holds. Pure; how old what an account was told may be is for the decision to say (`risk.facts`).
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import AccountState, MarginRate

from risk.state import ONE, ZERO, AccountBooks


def raised_margin(books: AccountBooks, symbol: str, fraction: Decimal) -> Decimal:
    """An instrument's margin fraction, or the one that the venue wants of this account now.

    That is more than the instrument says, or what the venue says where the instrument says nothing.
    """
    if fraction == ONE:
        said = stated_rate(books, symbol)
        fraction = said if said is not None else fraction
    raised = books.margin_fractions.get(symbol)
    return raised if raised is not None and raised.is_finite() and fraction < raised <= ONE else fraction


def rates_by_symbol(account: AccountState) -> dict[str, MarginRate]:
    """What the venue says that opening takes in this account."""
    return {rate.symbol: rate for rate in account.margin_rates}


def stated_rate(books: AccountBooks, symbol: str) -> Decimal | None:
    """What the venue says that opening takes in this account, where it says a part of the value."""
    rate = books.margin_rates.get(symbol)
    initial = rate.initial if rate is not None else None
    return initial if initial is not None and initial.is_finite() and ZERO < initial <= ONE else None
