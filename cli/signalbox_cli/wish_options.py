"""Options that stand in several of the commands that wish something: an order, a bracket, a position.

It must not know what a command makes of them.
"""

from __future__ import annotations

import argparse

from signalbox.messages import TimeInForce

from signalbox_cli import argument_types


def add_limit(parser: argparse.ArgumentParser, what: str) -> None:
    """`--limit PRICE`; without it the order is one at the market."""
    price = argument_types.decimal_number
    parser.add_argument("--limit", type=price, metavar="PRICE", help=f"{what} (default: market)")


def add_validity(parser: argparse.ArgumentParser, what: str, *, dated: bool = False) -> None:
    """`--tif`; GTD alone where a date can be given (`dated`)."""
    choices = [tif.value for tif in TimeInForce if dated or tif is not TimeInForce.GTD]
    parser.add_argument("--tif", type=str.upper, choices=choices, default=TimeInForce.DAY.value, help=what)


def add_place(parser: argparse.ArgumentParser) -> None:
    """`--venue` and `--account`: where it is to trade."""
    parser.add_argument("--venue", default="", help="where to trade (default: perpetuals at dydx, the rest at ibkr)")
    parser.add_argument("--account", default="", help="default: the desk's only account at that venue")
