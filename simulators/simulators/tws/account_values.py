"""An account's figures under TWS's tags.

Owns the tags and how TWS rounds. Pure. It must not know who asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from signalbox.exchange.books import rate

from simulators.figures import AccountFigures

Tagged = tuple[str, str, str]
"""Tag, value, currency (empty for what has none)."""

_CENT = Decimal("0.01")


def cents(amount: Decimal) -> str:
    return format(amount.quantize(_CENT, ROUND_HALF_UP), "f")


def figures_by_tag(figures: AccountFigures) -> dict[str, str]:
    """TWS's tags of money in the account's base currency. Everything is in the securities segment."""
    loan_value = figures.net_liquidation
    excess = loan_value - figures.maintenance_margin
    return {
        "NetLiquidation": cents(figures.net_liquidation),
        "TotalCashValue": cents(figures.total_cash),
        "SettledCash": cents(figures.total_cash),
        "AccruedCash": "0.00",
        "BuyingPower": cents(figures.buying_power),
        "EquityWithLoanValue": cents(loan_value),
        "PreviousDayEquityWithLoanValue": cents(loan_value - figures.daily_pnl),
        "GrossPositionValue": cents(figures.gross_position_value),
        "RegTEquity": cents(loan_value),
        "RegTMargin": cents(figures.initial_margin),
        "SMA": cents(figures.available_funds),
        "InitMarginReq": cents(figures.initial_margin),
        "MaintMarginReq": cents(figures.maintenance_margin),
        "AvailableFunds": cents(figures.available_funds),
        "ExcessLiquidity": cents(excess),
        "FullInitMarginReq": cents(figures.initial_margin),
        "FullMaintMarginReq": cents(figures.maintenance_margin),
        "FullAvailableFunds": cents(figures.available_funds),
        "FullExcessLiquidity": cents(excess),
        "LookAheadInitMarginReq": cents(figures.initial_margin),
        "LookAheadMaintMarginReq": cents(figures.maintenance_margin),
        "LookAheadAvailableFunds": cents(figures.available_funds),
        "LookAheadExcessLiquidity": cents(excess),
    }


def _plain_tags(figures: AccountFigures) -> dict[str, str]:
    net = figures.net_liquidation
    cushion = (net - figures.maintenance_margin) / net if net > 0 else Decimal(0)
    leverage = figures.gross_position_value / net if net > 0 else Decimal(0)
    return {
        "AccountType": "INDIVIDUAL",
        "Cushion": f"{cushion:.6f}",
        "Leverage": cents(leverage),
        "DayTradesRemaining": "-1",
        "LookAheadNextChange": "0",
        "HighestSeverity": "",
    }


def ledger(figures: AccountFigures, currency: str = "") -> Iterator[Tagged]:
    """The cash ledger: one block a currency, and BASE for all together."""
    amounts: dict[str, tuple[Decimal, Decimal]] = {
        held: (cash, rate(held, figures.currency)) for held, cash in figures.cash.items()
    }
    amounts["BASE"] = (figures.total_cash, Decimal(1))
    for held, (cash, fx) in amounts.items():
        if currency in ("", held):
            yield ("CashBalance", cents(cash), held)
            yield ("TotalCashBalance", cents(cash), held)
            yield ("ExchangeRate", format(fx, ".7f"), held)
            yield ("RealCurrency", held, held)
    if currency in ("", "BASE"):
        yield ("NetLiquidationByCurrency", cents(figures.net_liquidation), "BASE")
        yield ("UnrealizedPnL", cents(figures.unrealized_pnl), "BASE")
        yield ("RealizedPnL", cents(figures.realized_pnl), "BASE")


def values(figures: AccountFigures) -> Iterator[Tagged]:
    """Everything that an account download has."""
    yield ("AccountCode", figures.account, "")
    yield ("AccountReady", "true", "")
    yield ("Currency", figures.currency, figures.currency)
    for tag, value in _plain_tags(figures).items():
        yield (tag, value, "")
    for tag, value in figures_by_tag(figures).items():
        yield (tag, value, figures.currency)
    yield from ledger(figures)


def summary_values(figures: AccountFigures, tags: str) -> Iterator[Tagged]:
    """What an account summary has of `tags`: comma separated, `$LEDGER[:USD|:ALL]` among them, unknown ones ignored."""
    money, plain = figures_by_tag(figures), _plain_tags(figures)
    for tag in (each.strip() for each in tags.split(",")):
        if tag in money:
            yield (tag, money[tag], figures.currency)
        elif tag in plain:
            yield (tag, plain[tag], "")
        elif tag.startswith("$LEDGER"):
            currency = tag.partition(":")[2]
            yield from ledger(figures, "" if currency == "ALL" else currency or "BASE")
