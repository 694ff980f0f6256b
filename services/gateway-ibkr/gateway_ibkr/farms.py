"""What TWS says of the farms behind it, which give market data, history and definitions.

Pure. Owns which of them are down, and that one which comes back may have lost what was subscribed to: in the field a
farm that was gone for three seconds left bars dead for hours, without another word (nautilus_trader #3968).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

DOWN = frozenset({2103, 2105, 2157})
"""Market data, history, definitions."""
IDLE = frozenset({2107, 2108})
"""The farm has been put to sleep; TWS wakes it when something is asked of it."""
UP = frozenset({2104, 2106, 2158})
MARKET_DATA, HISTORY = frozenset({2103, 2108}), frozenset({2105, 2107})


class Change(Enum):
    """What a farm's state means for what is asked of it."""

    NOTHING = auto()
    DATA_SUSPECT = auto()
    """A market data farm is back, or asleep: what came from it may have ended."""
    HISTORY_IS_BACK = auto()


@dataclass
class Farms:
    """The farms that are not up, by name, with the code that said so."""

    down: dict[str, int] = field(default_factory=dict)

    def changed(self, code: int, text: str) -> Change:
        """Take a code, and return what follows from it."""
        farm = text.rpartition(":")[2].strip()
        if code in DOWN | IDLE:
            news = self.down.get(farm) != code
            self.down[farm] = code
            return Change.DATA_SUSPECT if news and code in MARKET_DATA & IDLE else Change.NOTHING
        before = self.down.pop(farm, 0) if code in UP else 0
        if before in MARKET_DATA:
            return Change.DATA_SUSPECT
        return Change.HISTORY_IS_BACK if before in HISTORY else Change.NOTHING
