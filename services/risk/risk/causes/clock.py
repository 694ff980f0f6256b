"""The desk clock stands still: nothing that depends on the time can be decided. It switches the desk.

The clock itself says that it is stale (it has not ticked for longer than it may), so the limit is whether that pulls.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from risk.causes.found import Found
from risk.pulls import DESK
from risk.state import RiskState

NAME = "clock"


def reached(state: RiskState, at: datetime) -> Iterator[Found]:
    since = state.pulls.clock_stale_since
    if state.desk.switches.stale_clock and since is not None:
        yield Found(DESK, since, f"the desk clock stands still, at {since:%Y-%m-%d %H:%M:%S} UTC")


def note_clock(state: RiskState, at: datetime, *, is_stale: bool) -> None:
    """Since when the clock stands still: it shows the same until it goes on."""
    state.pulls.clock_stale_since = at if is_stale else None
