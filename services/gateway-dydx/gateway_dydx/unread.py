"""Rows of the indexer that make no sense, handed to the gateway's parking, which owns what stands and what follows.

Owns how a row becomes a parked fact, and that each is counted under the connection that it came over. It must not know
what a row means (`reading`), nor what else follows from one that is missing (`reconcile`, `feeds`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from signalbox.gateway.actions import Park
from signalbox.gateway.parking import Parking, parked
from signalbox.metrics import VENUE_UNDECODABLE

from gateway_dydx.facts import Unreadable
from gateway_dydx.translate import VENUE


class Unread:
    """What stands unread of everything that the indexer says."""

    def __init__(self, parking: Parking) -> None:
        self._parking = parking

    def park(self, row: Unreadable, connection: str, *, stands: bool = True) -> None:
        """Set a row aside; one that does not stand says nothing of what is now (a candle, a trade)."""
        VENUE_UNDECODABLE.labels(VENUE, connection).inc()
        self._parking.park(_parked(row, stands=stands))

    def read(self, kind: str, key: str) -> None:
        """The row can be read now."""
        self._parking.read(kind, key)

    def answered(self, kinds: Collection[str], rows: Iterable[Unreadable], connection: str) -> None:
        """A complete answer has come: of its kinds only what is unreadable in it stands."""
        rows = tuple(rows)
        self._parking.answered(kinds, [_parked(row) for row in rows])
        for row in rows:
            self.park(row, connection)


def _parked(row: Unreadable, *, stands: bool = True) -> Park:
    return parked(row.kind, row.key, row.reason, row.text, symbol=row.symbol, passes=not stands)
