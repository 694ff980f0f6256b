"""The venues that have a gateway, a row each: what the rest of the desk has to know of one.

Owns the table. Its subjects, streams, users, permissions, seals, rules of the desk file and choices on the command line
come of the rows, so a new venue is a row here, a gateway and a simulator (docs/adding-a-venue.md). It must not know how
anything is said to a venue: that is its gateway's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from signalbox.errors import SymbolError
from signalbox.instruments import Symbol, dydx_ticker, ibkr_contract
from signalbox.messages import MarketDataType
from signalbox.sessions import ALWAYS
from signalbox.subaccounts import parse_subaccount

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


def _account_of_one_word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError("an account is up to 32 letters, digits, - and _")
    return text


def gateway_of(venue: str) -> str:
    """What the service is called that speaks to a venue, whether there is one or not."""
    return f"gateway-{venue}"


@dataclass(frozen=True, kw_only=True)
class VenueRow:
    """One venue. `name` is its word in subjects, in the desk file and behind `gateway-`."""

    name: str
    translate: Callable[[Symbol], object]
    """What it calls a symbol; `SymbolError` = it does not trade it, and why."""
    read_account: Callable[[str], object]
    """Reads an account's name; `ValueError` with the rest of a sentence = it is none."""
    paper_accounts_begin: str = ""
    """With what the names of its paper accounts begin, and of no others; "" = a name does not say which it is."""
    market_data_types: frozenset[MarketDataType] = frozenset({MarketDataType.LIVE})
    names_exchanges: bool = False
    """A symbol has several markets there: an instrument may say `exchange` and `currency`."""
    day_calendar: str = ALWAYS
    """By whose sessions the days of its accounts begin: one lasts from an opening (pre_open) to the next."""
    pays_funding: bool = False
    """It trades perpetuals: its gateway publishes funding rates."""

    @property
    def gateway(self) -> str:
        """The service that speaks to it."""
        return gateway_of(self.name)

    def trades(self, symbol: Symbol) -> bool:
        """Whether it has such an instrument."""
        try:
            self.translate(symbol)
        except SymbolError:
            return False
        return True


VENUES: tuple[VenueRow, ...] = (
    VenueRow(
        name="ibkr",
        translate=ibkr_contract,
        read_account=_account_of_one_word,
        paper_accounts_begin="D",  # the one sign of which is which that a file can have
        market_data_types=frozenset(MarketDataType),
        names_exchanges=True,
        day_calendar="XNYS",
    ),
    VenueRow(name="dydx", translate=dydx_ticker, read_account=parse_subaccount, pays_funding=True),
)
"""In the order in which they are shown, and asked whose a symbol is."""


def venue_names() -> tuple[str, ...]:
    """Their names, in that order."""
    return tuple(row.name for row in VENUES)


def venue(name: str) -> VenueRow:
    """The row of a venue; `KeyError` if none is called so."""
    for row in VENUES:
        if row.name == name:
            return row
    raise KeyError(name)
