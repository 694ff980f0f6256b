"""Whether TWS has lost IBKR, and how it is noticed that it has not any more.

Pure: seconds are wall time (monotonic) and come in with each call. TWS says 1100 (2110) when it loses IBKR, again and
again while that lasts, and 1101 or 1102 when it is back; in the field those two are sometimes never sent. So what TWS
itself answers (the time, open orders, account figures) proves nothing, and what only IBKR's servers can say does: a
tick or a bar, or an answer to a question about history, `SETTLED_SECONDS` after the last 1100. Such a question is asked
after `ASK_SECONDS`, then twice as late each time.

    1100, then evidence        orders, executions and positions are read as after 1102, then READY
    1100, then 1100            the evidence of before counts no more; the questions go on at their own pace
    1100, no evidence          FROZEN
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SETTLED_SECONDS = 3.0
"""What TWS still had in hand when it lost IBKR has arrived by then."""
ASK_SECONDS = 5.0
ASK_SECONDS_MAX = 60.0
ASK_APART_SECONDS = 16.0


@dataclass
class Freeze:
    """What TWS has said of its own link to IBKR."""

    reason: str = ""
    """"" = it has IBKR, as far as it has said."""
    lost_seconds: float = -math.inf
    """When it last said that it has not."""
    asked: int = 0
    due_seconds: float = math.inf
    asked_ever: int = 0
    """Over all losses: no question is the same as the one before, which IBKR would refuse for pacing within 15 s."""

    def lost(self, reason: str, seconds: float) -> None:
        """TWS says that it has lost IBKR, for the first time or again."""
        if not self.reason:
            self.asked, self.due_seconds = 0, seconds + ASK_SECONDS
        self.reason, self.lost_seconds = reason, seconds

    def over(self) -> None:
        """TWS says that it is back, or it has been seen to be."""
        self.reason, self.due_seconds = "", math.inf

    def is_disproved(self, heard_seconds: float) -> bool:
        """Whether what was heard of IBKR's servers at `heard_seconds` proves that TWS has them."""
        return bool(self.reason) and heard_seconds >= self.lost_seconds + SETTLED_SECONDS

    def may_ask(self, seconds: float) -> bool:
        """Whether it is time for another question; the next one is later."""
        if not self.reason or seconds < self.due_seconds or seconds < self.lost_seconds + SETTLED_SECONDS:
            return False
        self.asked += 1
        self.asked_ever += 1
        self.due_seconds = seconds + min(ASK_APART_SECONDS * 2 ** min(self.asked - 1, 8), ASK_SECONDS_MAX)
        return True

    def described(self) -> str:
        """The reason, and what was tried, for a person."""
        if not self.reason or not self.asked:
            return self.reason
        times = "once" if self.asked == 1 else f"{self.asked} times"
        return f"{self.reason} IBKR's servers were asked {times} since, in vain."
