"""How much a client may ask: messages a second (wall time), history and bars (desk time).

Owns the counting. Pure but for its own counters: times come in with each call. It must not know what is asked for.
Limits: IBKR's "historical data limitations" and "message limits" pages, and what was seen in the field.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from enum import Enum, auto

MESSAGES_PER_SECOND_MAX = 50
VIOLATIONS_MAX = 3
"""TWS ends the connection at the third second with too many messages."""

IDENTICAL_SECONDS_MIN = 15
SAME_CONTRACT_SECONDS = 2
SAME_CONTRACT_MAX = 5
SMALL_BARS_SECONDS_MAX = 30
SMALL_BARS_WINDOW_SECONDS = 600
SMALL_BARS_MAX = 60
LIVE_BARS_WINDOW_SECONDS = 600
LIVE_BARS_MAX = 60
HISTORY_OPEN_MAX = 50
MARKET_DATA_LINES_MAX = 100
ACCOUNT_SUMMARIES_MAX = 2
WORKING_ORDERS_MAX = 20
"""Working orders of one contract, side and account."""


class Pace(Enum):
    FINE = auto()
    TOO_FAST = auto()
    DISCONNECT = auto()


class MessagePacing:
    """Count one client's messages in windows of a second."""

    def __init__(self) -> None:
        self._window_began = 0.0
        self._violated = False
        self.received = 0
        self.violations = 0

    def message(self, now: float, late_seconds: float = 0.0) -> Pace:
        """Count a message read at `now`. `late_seconds` is how long we ourselves have not been reading.

        What piled up meanwhile is not the client's haste, so the limit grows by as much. Each window that goes over
        the limit is told once; the messages themselves are taken, as TWS takes them.
        """
        if now - self._window_began >= 1.0:
            self._window_began, self._violated, self.received = now, False, 0
        self.received += 1
        if self._violated or self.received <= MESSAGES_PER_SECOND_MAX * (1.0 + late_seconds):
            return Pace.FINE
        self._violated = True
        self.violations += 1
        return Pace.DISCONNECT if self.violations >= VIOLATIONS_MAX else Pace.TOO_FAST

    def text(self) -> str:
        """TWS's words for the last violation."""
        counts = f"max={MESSAGES_PER_SECOND_MAX} rec={self.received} ({self.violations})"
        return f"Max rate of messages per second has been exceeded:{counts}"


class HistoryPacing:
    """Count one client's requests for past bars in desk time."""

    def __init__(self) -> None:
        self._requests: deque[tuple[datetime, str, str, int]] = deque()
        self._live_bars: deque[datetime] = deque()

    def history(self, now: datetime, contract: str, request: str, bar_seconds: int) -> bool:
        """Count a request; `contract` names contract, exchange and tick type, `request` all of it. False = refused.

        A refused request counts too, as TWS counts it: who hammers stays refused.
        """
        _forget(self._requests, now - timedelta(seconds=SMALL_BARS_WINDOW_SECONDS))
        identical_after = now - timedelta(seconds=IDENTICAL_SECONDS_MIN)
        same_after = now - timedelta(seconds=SAME_CONTRACT_SECONDS)
        identical = any(at > identical_after and other == request for at, _, other, _ in self._requests)
        same = sum(1 for at, other, _, _ in self._requests if at > same_after and other == contract)
        small = sum(1 for _, _, _, seconds in self._requests if seconds <= SMALL_BARS_SECONDS_MAX)
        self._requests.append((now, contract, request, bar_seconds))
        too_many_small = bar_seconds <= SMALL_BARS_SECONDS_MAX and small >= SMALL_BARS_MAX
        return not (identical or same >= SAME_CONTRACT_MAX or too_many_small)

    def live_bars(self, now: datetime) -> bool:
        """Count a new request for 5-second bars. False = refused."""
        while self._live_bars and self._live_bars[0] <= now - timedelta(seconds=LIVE_BARS_WINDOW_SECONDS):
            self._live_bars.popleft()
        self._live_bars.append(now)
        return len(self._live_bars) <= LIVE_BARS_MAX


def _forget(requests: deque[tuple[datetime, str, str, int]], before: datetime) -> None:
    while requests and requests[0][0] <= before:
        requests.popleft()
