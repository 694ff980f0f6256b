"""What TWS says of the farms behind it, which give market data, history and definitions.

Pure. Owns which of them are down, and that one which comes back may have lost what was subscribed to: in the field a
farm that was gone for three seconds left bars dead for hours, without another word (nautilus_trader #3968).
"""

from __future__ import annotations

from dataclasses import dataclass, field

DOWN = frozenset({2103, 2105, 2157})
"""Market data, history, definitions."""
IDLE = frozenset({2107, 2108})
"""The farm has been put to sleep; TWS wakes it when something is asked of it."""
UP = frozenset({2104, 2106, 2158})
MARKET_DATA = frozenset({2103, 2104, 2108})


@dataclass
class Farms:
    """The farms that are not up, by name, with the code that said so."""

    down: dict[str, int] = field(default_factory=dict)

    def changed(self, code: int, text: str) -> bool:
        """Take a code; True = a market data farm is back, or asleep, so that what came from it may have ended."""
        farm = text.rpartition(":")[2].strip()
        if code in DOWN | IDLE:
            news = self.down.get(farm) != code
            self.down[farm] = code
            return news and code in MARKET_DATA & IDLE
        if code not in UP:
            return False
        return self.down.pop(farm, 0) in MARKET_DATA
