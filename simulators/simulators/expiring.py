"""Which options leave the books because they have expired, and which of them are exercised.

Owns when that is: once the late hours of an option's last day are over; and the rule: in the money by a cent or more at
the underlying's close (OCC Rule 805). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from signalbox.exchange.books import AccountBook
from signalbox.exchange.listing import Listing
from signalbox.exchange.option_pricing import intrinsic

from simulators.market import Market

EXERCISED_FROM = Decimal("0.01")
SETTLES_AFTER = timedelta(hours=4)


class Expired(NamedTuple):
    """So many of an option, of one account."""

    account: str
    symbol: str
    quantity: Decimal
    exercised: bool


def expired(
    listings: Sequence[Listing], markets: Mapping[str, Market], books: Mapping[str, AccountBook], at: datetime
) -> Iterator[Expired]:
    """What has expired by `at` and is in the books still."""
    for listing in listings:
        if listing.option is None or listing.last_trade_at is None:
            continue
        if at < listing.last_trade_at + SETTLES_AFTER:
            continue
        for account, book in tuple(books.items()):
            held = book.positions.get(listing.key)
            if held is not None and held.quantity:
                spot = markets[listing.underlying].last_before(listing.last_trade_at)
                exercised = intrinsic(listing.option, spot) >= EXERCISED_FROM
                yield Expired(account, listing.key, abs(held.quantity), exercised)
