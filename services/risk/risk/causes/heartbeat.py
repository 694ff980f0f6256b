"""The heartbeat of a gateway is lost for too long: nobody watches what works there.

Counted from when risk has missed it (a gateway that speaks, and says that its venue is away, is not lost). It switches
the account.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from risk.causes.found import Found
from risk.state import RiskState, account_keys

NAME = "heartbeat"


def reached(state: RiskState, at: datetime) -> Iterator[Found]:
    limit = state.desk.switches.heartbeat_silence_seconds_max
    if limit is None:
        return
    for (venue, account), since in state.pulls.silent_since.items():
        came = since + timedelta(seconds=limit)
        if at > came:
            yield Found(
                (venue, account, "", ""),
                came,
                f"the gateway to {venue} of {account} has been silent for more than {limit} s",
            )


def note_silence(state: RiskState, at: datetime) -> None:
    """Since when each gateway is missed."""
    before = state.pulls.silent_since
    state.pulls.silent_since = {
        key: before.get(key, at) for key in account_keys(state.desk) if state.links.get(key) is None
    }
