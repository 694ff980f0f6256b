"""How many REST requests an address on the network may make, as the indexer counts them.

Owns the windows and the headers. It must not know what is asked for.

Source: `indexer/services/comlink/src/{lib/rate-limit.ts,config.ts}` of dydxprotocol/v4-chain: 100 points in 10 s for
each of the groups, 1000 for candles; `Retry-After` is in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

WINDOW_SECONDS = 10.0
_FACTORS = {"candles": 10}
WINDOWS_KEPT_MAX = 10_000


class Verdict(Struct, frozen=True):
    """Whether a request may pass, and the headers that say so."""

    passes: bool
    headers: dict[str, str]


class RestLimits:
    """Counts requests in fixed windows. `points` 0 = no limit."""

    def __init__(self, points: int, monotonic: Callable[[], float], wall: Callable[[], float]) -> None:
        self.points = points
        self._monotonic, self._wall = monotonic, wall
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def take(self, remote: str, group: str) -> Verdict:
        """Count one request of a group from a network address."""
        if not self.points:
            return Verdict(True, {})
        now, allowed = self._monotonic(), self.points * _FACTORS.get(group, 1)
        since, count = self._windows.get((remote, group), (now, 0))
        if now - since >= WINDOW_SECONDS:
            since, count = now, 0
        count += 1
        if len(self._windows) >= WINDOWS_KEPT_MAX:
            self._windows.clear()
        self._windows[remote, group] = (since, count)
        left_ms = round((since + WINDOW_SECONDS - now) * 1000)
        headers = {
            "RateLimit-Remaining": str(max(allowed - count, 0)),
            "RateLimit-Reset": str(round(self._wall() * 1000) + left_ms),
            "RateLimit-Limit": str(allowed),
        }
        if count <= allowed:
            return Verdict(True, headers)
        return Verdict(False, {**headers, "Retry-After": str(left_ms)})
