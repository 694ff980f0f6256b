"""The books have drifted: for too long the venue's snapshots, one after the other, say another position than ours.

A fill that is under way differs for a moment: at least two snapshots have to. It switches the market.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from risk.causes.found import Found
from risk.state import RiskState
from risk.wording import plain

NAME = "drift"
SNAPSHOTS_MIN = 2


def reached(state: RiskState, at: datetime) -> Iterator[Found]:
    limit = state.desk.switches.drift_seconds_max
    if limit is None:
        return
    for scope, drifted in state.pulls.drifted.items():
        came = drifted.since + timedelta(seconds=limit)
        if at > came and drifted.snapshots >= SNAPSHOTS_MIN:
            venue, _, symbol, _ = scope
            yield Found(
                scope,
                came,
                f"{venue} has said for more than {limit} s that {plain(drifted.theirs)} {symbol} are held; the desk's "
                f"books have {plain(drifted.ours)}",
            )
