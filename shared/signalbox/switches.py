"""When risk switches trading by itself: the table `[switches]` of the desk file. All of it is off unless it is stated.

Owns the table's shape and its rules. What each limit looks at is risk's (`risk.causes`).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

REJECTIONS_COUNTED_MAX = 900
"""Of an account in a minute: risk remembers a few more."""


class Switches(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits, each of one cause (docs/limits.md); what is not stated pulls nothing."""

    unknown_order_seconds_max: int | None = None
    rejections_per_minute_max: int | None = None
    drift_seconds_max: int | None = None
    price_silence_seconds_max: int | None = None
    heartbeat_silence_seconds_max: int | None = None
    stale_clock: bool = False
    losses: bool = False

    @property
    def are_on(self) -> bool:
        """Whether anything can pull."""
        return self != Switches()


def switch_rule(path: str, name: str, value: object) -> Iterator[str]:
    """What is wrong with a number of the table, beside its shape."""
    if not isinstance(value, int) or isinstance(value, bool):
        return
    if value < 1:
        yield f"{path} is {value}: it must be at least 1, or be left out."
    if name == "rejections_per_minute_max" and value > REJECTIONS_COUNTED_MAX:
        yield f"{path} is {value}: more than {REJECTIONS_COUNTED_MAX} in a minute are not counted."
