"""Which hours' funding the indexer has listed, and which it owes: the chain pays at once, the rows come later.

A sub-account's USDC has a payment from the first block after the full hour on; the row that tells of it comes up to a
minute later, and hours later when the indexer is behind with its books. So rows are asked for from the last hour on up
to which all are there, and what USDC is compared with waits for those that are normally late. Pure. It must not know
what is reported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from signalbox.messages import VenueFunding

from gateway_dydx.facts import PositionSeen

HOUR = timedelta(hours=1)
LATE = timedelta(minutes=2)
"""So late rows are as they should be: a minute, and as much again."""
FUNDING_SHOWN = timedelta(seconds=10)
"""So long after the hour a payment is in a block and in the indexer."""
OVERLAP = 2 * HOUR
OWED_MAX = timedelta(days=2)
"""What is later than this is not asked for any more: the indexer lost it, or there was nothing to pay."""


@dataclass(slots=True)
class Owed:
    """One market's rows: all are there up to the hour `until`, and those of `later`. `flat_at` = seen flat then."""

    until: datetime
    later: set[datetime] = field(default_factory=set)
    flat_at: datetime | None = None


def hour_of(at: datetime) -> datetime:
    """The full hour at or before a time: it names the payment that was made in the first block after it."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def shown_hour(at: datetime) -> datetime:
    """The last full hour whose payments are shown at that time."""
    return hour_of(at - FUNDING_SHOWN)


def note_row(rows: dict[str, Owed], ticker: str, at: datetime) -> None:
    """A row is there."""
    owed, hour = rows.get(ticker), hour_of(at)
    if owed is None:
        return
    if hour > owed.until:
        owed.later.add(hour)
    while owed.until + HOUR in owed.later:
        owed.until += HOUR
        owed.later.discard(owed.until)


def note_held(rows: dict[str, Owed], held: Collection[str], at: datetime) -> None:
    """Take which markets are held at `at`. One that is flat is owed nothing any more once its last hour is listed."""
    for ticker in held:
        rows.setdefault(ticker, Owed(hour_of(at))).flat_at = None
    for ticker, owed in [*rows.items()]:
        if owed.until < at - OWED_MAX:
            owed.until = hour_of(at - OWED_MAX)
            owed.later = {hour for hour in owed.later if hour > owed.until}
        if ticker not in held:
            owed.flat_at = owed.flat_at or at
            if owed.until >= hour_of(owed.flat_at) or owed.flat_at < at - OWED_MAX:
                del rows[ticker]


def ask_from(rows: dict[str, Owed], complete_at: datetime | None, now: datetime) -> datetime:
    """From when on rows are worth asking for: those that are owed, and a little of what was there at the last look."""
    looked_at = (complete_at or now) - OVERLAP
    return min([looked_at, *(owed.until for owed in rows.values())])


def is_awaited(
    positions: Iterable[PositionSeen], traded: Collection[str], payments: Iterable[VenueFunding], at: datetime
) -> bool:
    """Whether USDC has payments, as of a block at `at`, whose rows are normally not there yet.

    `traded` are markets with fills since the hour: what was held at the hour may be flat now.
    """
    hour = hour_of(at)
    if at - hour >= LATE:
        return False
    held = {each.ticker for each in positions if each.size and (each.created_at is None or each.created_at <= hour)}
    listed = {payment.symbol for payment in payments if hour_of(payment.at) == hour}
    return not listed >= (held | set(traded))
