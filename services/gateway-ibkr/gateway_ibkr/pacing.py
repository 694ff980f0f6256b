"""How much may be asked of the venue: IBKR's own limits (P11), counted before they are broken.

Pure: time comes in as seconds. Messages are counted in wall time, history in desk time (a venue that is simulated
faster than real counts in its own time).

    messages        50 a second for each client (kept to 45)
    history         no identical request within 15 s; fewer than 6 of one contract within 2 s; 6 open at once
    five-second     60 new requests in 10 minutes, for all contracts together
      bars
    lines           100 market data lines: a quote and a bar subscription each take one
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

MESSAGES_PER_SECOND_MAX = 45
IDENTICAL_HISTORY_SECONDS = 15.0
CONTRACT_HISTORY_SECONDS = 2.0
CONTRACT_HISTORY_MAX = 5
OPEN_HISTORY_MAX = 6
BAR_REQUESTS_MAX = 60
BAR_REQUESTS_SECONDS = 600.0
LINES_MAX = 100
LINES_PER_INSTRUMENT = 2


@dataclass
class MessageWindow:
    """The messages of the last second."""

    sent_at: deque[float] = field(default_factory=deque)

    def delay_seconds(self, now: float) -> float:
        """How long to wait before the next message; 0 = it may go."""
        while self.sent_at and now - self.sent_at[0] >= 1.0:
            self.sent_at.popleft()
        return 0.0 if len(self.sent_at) < MESSAGES_PER_SECOND_MAX else 1.0 - (now - self.sent_at[0])

    def note(self, now: float) -> None:
        """One message goes now."""
        self.sent_at.append(now)

    def left(self, now: float) -> int:
        """How many more may go at once. It changes nothing: another thread may ask."""
        return MESSAGES_PER_SECOND_MAX - sum(now - at < 1.0 for at in tuple(self.sent_at))


@dataclass
class HistoryWindow:
    """The history requests of the last seconds of desk time: (when, contract id, whole request)."""

    asked: deque[tuple[float, int, str]] = field(default_factory=deque)
    waiting: int = 0
    """Requests whose answer has not come."""

    def delay_seconds(self, now: float, con_id: int, request: str) -> float:
        """How long to wait, in desk time, before this request; 0 = it may go."""
        while self.asked and now - self.asked[0][0] >= IDENTICAL_HISTORY_SECONDS:
            self.asked.popleft()
        waits = [when + IDENTICAL_HISTORY_SECONDS - now for when, _, known in self.asked if known == request]
        same = [when for when, contract, _ in self.asked if contract == con_id]
        if len(same) >= CONTRACT_HISTORY_MAX:
            waits.append(same[-CONTRACT_HISTORY_MAX] + CONTRACT_HISTORY_SECONDS - now)
        return max([0.0, *waits])

    def note(self, now: float, con_id: int, request: str) -> None:
        """This request goes now."""
        self.asked.append((now, con_id, request))

    def left_of_one(self, now: float) -> int:
        """How many more may go at once for the contract that has been asked for most. It changes nothing."""
        lately = Counter(con_id for at, con_id, _ in tuple(self.asked) if now - at < CONTRACT_HISTORY_SECONDS)
        return CONTRACT_HISTORY_MAX - max(lately.values(), default=0)


@dataclass
class BarRequestWindow:
    """The requests for five-second bars of the last ten minutes of desk time. It outlives sessions, as the venue's."""

    asked_at: deque[float] = field(default_factory=deque)

    def delay_seconds(self, now: float) -> float:
        """How long to wait, in desk time, before the next one; 0 = it may go."""
        while self.asked_at and now - self.asked_at[0] >= BAR_REQUESTS_SECONDS:
            self.asked_at.popleft()
        return 0.0 if len(self.asked_at) < BAR_REQUESTS_MAX else self.asked_at[0] + BAR_REQUESTS_SECONDS - now

    def note(self, now: float) -> None:
        """One goes now."""
        self.asked_at.append(now)

    def left(self, now: float) -> int:
        """How many more may go at once. It changes nothing."""
        return BAR_REQUESTS_MAX - sum(now - at < BAR_REQUESTS_SECONDS for at in tuple(self.asked_at))


def instruments_max() -> int:
    """How many instruments the lines are enough for."""
    return LINES_MAX // LINES_PER_INSTRUMENT
