"""What of a list is to happen at a time of its own: a stop that is moved, an entry that is withdrawn, an end.

Owns the words. What of them can be, and when a step is due, is `signalbox.timed_steps`.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from signalbox.messages.offsets import PriceOffset
from signalbox.messages.words import Utc


class TimedAction(StrEnum):
    BREAK_EVEN = "BREAK_EVEN"
    """The stop goes to the average price at which the entry has filled, or `offset` beyond it."""
    MOVE_STOP = "MOVE_STOP"
    """The stop goes to `stop_price`, or `offset` away from that average."""
    TRAIL_STOP = "TRAIL_STOP"
    """The stop follows the market from then on, `trail_amount` or `trail_percent` behind, from where it lies."""
    CANCEL_ENTRY = "CANCEL_ENTRY"
    """What of the entry has not filled by then is cancelled."""
    CLOSE_POSITION = "CLOSE_POSITION"
    """The entry and the exits are cancelled, and what the list still holds is closed at the market."""


class StepResult(StrEnum):
    DONE = "DONE"
    SKIPPED = "SKIPPED"
    """It would have loosened a stop, or there was nothing that it could be done to."""


class TimedStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One step: what, and when, which is one of `at`, `after_seconds` and `after_bars` (of `timeframe`).

    The last two count from the entry's first fill, those of CANCEL_ENTRY from the list's beginning. `leg` names the
    stop that is moved; "" = the list's only one.
    """

    action: TimedAction
    at: Utc | None = None
    after_seconds: int | None = None
    after_bars: int | None = None
    timeframe: str = ""
    leg: str = ""
    stop_price: Decimal | None = None
    offset: PriceOffset | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
