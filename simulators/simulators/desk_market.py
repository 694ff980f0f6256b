"""The market of a desk file: its symbols, its accounts, and a deposit for each address at dYdX.

Owns the refusal to stand beside a desk that keeps the wall's time, as every desk against a real venue does: two sources
of time and two venues of one name would be worse than none. It must not know how the world runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from signalbox.desk import ClockSource, load_desk
from signalbox.errors import ConfigurationError
from signalbox.subaccounts import parse_subaccount

from simulators.listings import DYDX, IBKR

DEPOSIT_USDC = Decimal(1_000_000)


def add_desk_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the desk file."""
    parser.add_argument(
        "--desk",
        type=Path,
        metavar="DESK.toml",
        help="take symbols and accounts from this desk file, whose clock must be simulated, and give sub-account 0 "
        f"of each address at dYdX {DEPOSIT_USDC:f} USDC, once ever",
    )


def follow_desk(args: argparse.Namespace, venues: Sequence[str]) -> None:
    """Fill in what the desk file says of `venues`. Raises ConfigurationError for a desk on the wall's clock."""
    if args.desk is None:
        return
    desk = load_desk(args.desk)
    if desk.clock is not ClockSource.SIMULATED:
        raise ConfigurationError(
            [
                f'{args.desk} says clock = "{desk.clock}": such a desk trades at real venues, and is not simulated. '
                'Run it without the simulators, or say clock = "simulated"'
            ]
        )
    args.symbols = ",".join(each.symbol for each in desk.instruments if each.venue in venues)
    if IBKR in venues and IBKR in desk.venues:
        args.accounts = ",".join(desk.venues[IBKR].accounts)
    if DYDX in venues and DYDX in desk.venues:
        given = {address for address, _ in args.fund}
        addresses = dict.fromkeys(parse_subaccount(account).address for account in desk.venues[DYDX].accounts)
        args.fund += [(address, DEPOSIT_USDC) for address in addresses if address not in given]
