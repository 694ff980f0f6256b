"""Rows of the indexer that make no sense at present, and the markets that depend on them.

Owns what stands unread and for which symbols nothing is sent meanwhile; it is told once, and shown by `status`. Nothing
is guessed from such a row, and the rows beside it count. It must not know what a row means (`reading`), nor what else
follows from one that is missing (`reconcile`, `feeds`).

A row stands under its kind and key until a later one of the same can be read, or a complete answer does not have it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from signalbox.metrics import VENUE_UNDECODABLE

from gateway_dydx.facts import Unreadable
from gateway_dydx.translate import VENUE

log = logging.getLogger(__name__)

STANDING_MAX = 500
"""More are counted, and not kept: somebody should look long before."""


class Unread:
    """What stands unread of everything that the indexer says."""

    def __init__(self) -> None:
        self._standing: dict[tuple[str, str], Unreadable] = {}

    def park(self, row: Unreadable, connection: str, *, stands: bool = True) -> None:
        """Set a row aside; one that does not stand says nothing of what is now (a candle, a trade)."""
        VENUE_UNDECODABLE.labels(VENUE, connection).inc()
        place = row.kind, row.key
        known = self._standing.get(place)
        if known is None or known.reason != row.reason:
            told = {"kind": row.kind, "key": row.key, "symbol": row.symbol, "reason": row.reason, "text": row.text}
            log.error("a row of the indexer makes no sense: it is set aside", extra=told)
        if stands and (known is not None or len(self._standing) < STANDING_MAX):
            self._standing[place] = row

    def read(self, kind: str, key: str) -> None:
        """The row can be read now."""
        if self._standing:
            self._standing.pop((kind, key), None)

    def answered(self, kinds: Collection[str], rows: Iterable[Unreadable], connection: str) -> None:
        """A complete answer has come: of its kinds only what is unreadable in it stands."""
        rows = tuple(rows)
        still = {(row.kind, row.key) for row in rows}
        for place in [*self._standing]:
            if place[0] in kinds and place not in still:
                del self._standing[place]
        for row in rows:
            self.park(row, connection)

    @property
    def symbols(self) -> dict[str, str]:
        """The markets that nothing is sent for, and why."""
        return {row.symbol: f"{row.kind}: {row.reason}" for row in self._standing.values() if row.symbol}

    def why(self, symbol: str) -> str:
        """Why nothing is sent for a market; "" = nothing of it stands unread."""
        return self.symbols.get(symbol, "") if self._standing else ""

    def described(self) -> str:
        """What stands unread, for a person."""
        return "; ".join(
            f"{row.kind} {row.key}{f' of {row.symbol}' * (row.symbol not in ('', row.key))}: {row.reason}"
            for row in self._standing.values()
        )
