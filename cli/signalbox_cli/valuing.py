"""Totals of several currencies or accounts under the tables that show them, in one currency.

Owns where the rates are asked for, and how a total is printed. Which rate holds is `signalbox_cli.totals`'.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from signalbox.bus import Bus
from signalbox.client.record import query
from signalbox.desk import load_desk
from signalbox.instruments import CURRENCIES

from signalbox_cli.connection import desk_time
from signalbox_cli.output import cell, show_json
from signalbox_cli.totals import Rate, Rates, Total, add_up

AGE_SECONDS_MAX = 300
"""Of a rate, where no desk file says how old an account's figures may be."""
TOLD = "SELECT venue, account, currency, rates, said_at FROM accounts ORDER BY venue, account"

Row = Mapping[str, Any]


def add_option(parser: argparse.ArgumentParser) -> None:
    """What currency the total is in."""
    parser.add_argument(
        "--in",
        dest="base",
        type=str.upper,
        choices=sorted(CURRENCIES),
        default="",
        metavar="CURRENCY",
        help="the total in this currency, with the rates that it is taken at (default: the first account's currency, "
        "where there is more than one row; with --json or --csv only where it is asked for)",
    )


async def show_total(
    bus: Bus, desk_file: Path | None, rows: Sequence[Row], columns: Sequence[str], arguments: argparse.Namespace
) -> None:
    """Print what the rows come to together, and at which rates; or why that is not known."""
    asked = bool(arguments.base)
    as_program = getattr(arguments, "json", False) or getattr(arguments, "csv", False)
    if arguments.csv or not rows or not (asked or (len(rows) > 1 and not as_program)):
        return
    total = as_data(add_up(rows, columns, await rates_now(bus, desk_file, arguments.base)))
    if as_program:
        show_json(total)
        return
    print("\n" + "\n".join(as_lines(total)))


async def rates_now(bus: Bus, desk_file: Path | None, base: str) -> Rates:
    """The rates that there are now for `base`; "" = the currency of the first account, in which limits are stated."""
    reply = await query(bus, TOLD)
    told = [dict(zip(reply.columns, row, strict=True)) for row in reply.rows]
    desk = load_desk(desk_file) if desk_file is not None else None
    seconds = desk.limits.account_age_seconds_max if desk is not None else AGE_SECONDS_MAX
    first = told[0]["currency"] if told else "USD"
    now, stated = await desk_time(bus), desk.fx_rates if desk is not None else {}
    return Rates(base or first, told, stated, first, now, timedelta(seconds=seconds))


def as_lines(total: Mapping[str, Any]) -> list[str]:
    """`as_data` for people: the sums, each rate in a line, and why there is no sum."""
    sums = {name: amount for name, amount in total.items() if name not in ("total_in", "rates", "missing")}
    known = [f"{name} {cell(amount)}" for name, amount in sums.items() if amount is not None]
    unknown = [name for name, amount in sums.items() if amount is None]
    lines = [f"in {total['total_in']}: {', '.join(known)}"] if known else []
    if unknown and not total["missing"]:
        lines.append(f"no total, as not all of it is known: {', '.join(unknown)}")
    for currency, rate in total["rates"].items():
        if currency != total["total_in"]:
            when = f", {datetime.fromisoformat(rate['at']):%Y-%m-%d %H:%M:%S} UTC" if rate["at"] else ""
            lines.append(f"1 {currency} = {cell(rate['rate'])} {total['total_in']}: {rate['source']}{when}")
    return lines + [f"no total: {reason}" for reason in total["missing"]]


def as_data(total: Total) -> dict[str, Any]:
    """For programs: null = not known, and `missing` says why."""
    rates = {
        currency: {
            "rate": _exactly(rate.rate),
            "source": rate.source,
            "at": rate.at.isoformat() if rate.at is not None else None,
        }
        for currency, rate in total.used.items()
        if isinstance(rate, Rate)
    }
    sums = {name: _exactly(amount) if amount is not None else None for name, amount in total.sums.items()}
    return {"total_in": total.base, **sums, "rates": rates, "missing": [*total.missing]}


def _exactly(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
