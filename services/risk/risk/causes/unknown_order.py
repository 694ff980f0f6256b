"""An order of which nobody knows what became of it, for too long: it may work, and may have filled.

Counted from the event that made it UNKNOWN until one says what it is. It switches the order's market.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from risk.causes.found import Found
from risk.state import RiskState

NAME = "unknown_order"


def reached(state: RiskState, at: datetime) -> Iterator[Found]:
    limit = state.desk.switches.unknown_order_seconds_max
    if limit is None:
        return
    for key, unknown in state.pulls.unknown.items():
        came = unknown.since + timedelta(seconds=limit)
        if at > came:
            yield Found(
                unknown.scope,
                came,
                f"order {key} has been UNKNOWN for more than {limit} s: what it has done is not known",
            )
