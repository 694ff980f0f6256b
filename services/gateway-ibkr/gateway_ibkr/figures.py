"""The account's figures: what TWS says of an account, tag by tag, to the desk's state of it. Pure.

Owns under which tags each figure is, and how old it is. What makes no sense, or is missing, raises `TranslationError`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from signalbox.errors import TranslationError
from signalbox.messages import AccountState

from gateway_ibkr.facts import PnlSeen
from gateway_ibkr.translate import VENUE, decimal_of, money_of

CASH, RATE, BASE = "CashBalance", "ExchangeRate", "BASE"
"""Tags that are said of each currency; of BASE they are the total, in the account's currency."""
TAGS = {
    "cash": ("TotalCashValue", "TotalCashBalance", "CashBalance"),
    "net_liquidation": ("NetLiquidation",),
    "available_funds": ("AvailableFunds",),
    "buying_power": ("BuyingPower",),
    "initial_margin": ("InitMarginReq",),
    "maintenance_margin": ("MaintMarginReq",),
}
"""Under which of the venue's tags each figure of an account is, the first one that there is."""
PNL = ("PnL", "")
"""Profit and loss among those tags: it comes in a message of its own."""
FIGURE_TAGS = frozenset([RATE, *(tag for tags in TAGS.values() for tag in tags)])


def account_state(
    account: str,
    values: Mapping[tuple[str, str], str],
    pnl: PnlSeen | None,
    at: datetime,
    said_at: Mapping[tuple[str, str], datetime] | None = None,
) -> AccountState:
    """Make the account's state of its (tag, currency) -> text; the base currency is that of NetLiquidation.

    `said_at` has when each was said, and under `PNL` when profit and loss were; None = all of them at `at`.

    Raises TranslationError when a figure that risk needs is missing: no state is better than a guessed one.
    """
    currency = next((currency for tag, currency in values if tag == "NetLiquidation"), "")
    figures_at: dict[str, datetime] = {}

    def figure(name: str) -> Decimal:
        for key in ((tag, unit) for tag in TAGS[name] for unit in (currency, "BASE", "")):
            value = money_of(values.get(key, ""))
            if value is not None:
                figures_at[name] = said_at[key] if said_at is not None else at
                return value
        raise TranslationError(f"the venue has not said {TAGS[name][0]} of account {account}")

    def profit(name: str, value: float | None) -> Decimal | None:
        made = _profit(value)
        if made is not None:
            figures_at[name] = said_at[PNL] if said_at is not None else at
        return made

    rates = _rates(values, currency)
    if rates and said_at is not None:
        figures_at["rates"] = min(said_at[RATE, each] for each in rates)
    return AccountState(
        id=f"account/{VENUE}/{account}/{at.isoformat()}",
        at=at,
        venue=VENUE,
        account=account,
        currency=currency,
        cash=figure("cash"),
        net_liquidation=figure("net_liquidation"),
        available_funds=figure("available_funds"),
        buying_power=figure("buying_power"),
        initial_margin=figure("initial_margin"),
        maintenance_margin=figure("maintenance_margin"),
        daily_pnl=profit("daily_pnl", pnl.daily if pnl else None),
        unrealized_pnl=profit("unrealized_pnl", pnl.unrealized if pnl else None),
        realized_pnl=profit("realized_pnl", pnl.realized if pnl else None),
        said_at=figures_at,
        cash_by_currency=cash_by_currency(values),
        rates=rates,
    )


def cash_by_currency(values: Mapping[tuple[str, str], str]) -> dict[str, Decimal]:
    """What the account has in each currency, in that; {} = the venue says the total alone."""
    said = {currency: money_of(text) for (tag, currency), text in values.items() if tag == CASH}
    return {currency: amount for currency, amount in said.items() if amount is not None and currency not in ("", BASE)}


def _rates(values: Mapping[tuple[str, str], str], base: str) -> dict[str, Decimal]:
    """What one unit of each other currency is worth in the account's, by the venue."""
    said = {currency: money_of(text) for (tag, currency), text in values.items() if tag == RATE}
    return {
        currency: rate
        for currency, rate in said.items()
        if rate is not None and rate > 0 and currency not in ("", BASE, base)
    }


def _profit(value: float | None) -> Decimal | None:
    """A profit figure; the venue says "unset" until it has one."""
    if value is None or not math.isfinite(value) or abs(value) >= 1e15:
        return None
    return decimal_of(value)
