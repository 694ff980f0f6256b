"""The gaps in bars that are asked for now, and those that stay.

Plain state. Owns what is said of them: since when, how often they were asked for, and the venue's last reason. When one
is asked for again is the venue's (its `feeds`).
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from functools import partial

from signalbox.gateway.minutes import MINUTE, Gap
from signalbox.venue_figures import watch_open_gap

STAYING_MAX = 20
"""Gaps that stay are told, the latest of them; the log has all."""


@dataclass
class OpenGap:
    """One that is being asked for."""

    gap: Gap
    since_seconds: float
    asked: int = 0
    reason: str = ""


class Gaps:
    """One at most is open of each symbol, because nothing overtakes it."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._open: dict[str, OpenGap] = {}
        self._staying: deque[tuple[str, Gap, str]] = deque(maxlen=STAYING_MAX)

    def watch(self, symbol: str) -> None:
        """Show for how long the symbol's bars have waited."""
        watch_open_gap(self._venue, symbol, partial(self.open_seconds, symbol))

    def open(self, symbol: str, gap: Gap) -> None:
        """It is asked for from now on."""
        self._open[symbol] = OpenGap(gap, time.monotonic())

    def failed(self, symbol: str, reason: str) -> OpenGap:
        """A question has had no answer."""
        gap = self._open[symbol]
        gap.asked, gap.reason = gap.asked + 1, reason
        return gap

    def close(self, symbol: str) -> OpenGap:
        """It is filled, or known to be empty."""
        return self._open.pop(symbol)

    def stays(self, symbol: str) -> OpenGap:
        """The venue will not tell: bars go on across it."""
        gap = self._open.pop(symbol)
        self._staying.append((symbol, gap.gap, gap.reason))
        return gap

    def open_seconds(self, symbol: str) -> float:
        """Wall seconds for which bars of a symbol wait for history; 0 = they do not."""
        gap = self._open.get(symbol)
        return time.monotonic() - gap.since_seconds if gap is not None else 0.0

    def described(self) -> dict[str, str]:
        """By symbol, what is asked for in vain, for a person."""
        return {
            symbol: f"{span(each.gap)}, asked for {each.asked} times: {each.reason}"
            for symbol, each in sorted(self._open.copy().items())
            if each.asked
        }

    def described_staying(self) -> dict[str, str]:
        """By symbol, what the venue will not tell, for a person."""
        told: dict[str, str] = {}
        for symbol, gap, reason in tuple(self._staying):
            told[symbol] = "; ".join(filter(None, (told.get(symbol, ""), f"{span(gap)}: {reason}")))
        return told


def span(gap: Gap) -> str:
    """A gap in words."""
    minutes = (gap.end - gap.start) // MINUTE
    return f"{minutes} minutes from {gap.start:%Y-%m-%d %H:%M}"
