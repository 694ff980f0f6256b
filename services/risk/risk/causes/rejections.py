"""A storm of rejections: more orders of an account refused by the venue within a minute than the desk lets pass.

What the desk itself refuses, and what the venue has no room for just now, does not count, nor what came before the last
pull that was ended. It switches the account.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from risk.causes.found import Found
from risk.state import RiskState

NAME = "rejections"
MINUTE = timedelta(minutes=1)


def reached(state: RiskState, at: datetime) -> Iterator[Found]:
    limit = state.desk.switches.rejections_per_minute_max
    if limit is None:
        return
    for (venue, account), times in state.pulls.rejections.items():
        scope = (venue, account, "", "")
        ended = state.pulls.ended_at((scope, NAME))
        lately = [each for each in times if at - each < MINUTE and each > ended]
        if len(lately) > limit:
            yield Found(
                scope,
                max(lately),
                f"{venue} has refused {len(lately)} orders of {account} within a minute; {limit} are let pass",
            )
