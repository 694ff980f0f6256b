"""A limit on losses is reached: of a day, or from the peak. It switches the account.

The limit itself (`risk.losing`) denies what opens for as long as it is reached, and lets go by itself; pulled, it takes
a person to go on. A loss of a day comes with its day: after it was ended it does not pull again before the next one.
One from the peak comes when it is noticed, and again after it has been made good.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from signalbox.errors import CalendarError
from signalbox.sessions import last_opening

from risk.causes.found import Found
from risk.losing import Reached, day_calendar
from risk.losing import reached as limits_reached
from risk.state import RiskState
from risk.wording import plain

NAME = "losses"
OF_A_DAY = "daily_loss_max"


def reached(state: RiskState, at: datetime) -> Iterator[Found]:
    if not state.desk.switches.losses:
        return
    for each in limits_reached(state, at):
        scope = (each.venue, each.account, "", "")
        seen, bound = plain(each.observed), plain(each.bound)
        yield Found(
            scope,
            _came(each, state.pulls.lost_since.get((scope, each.limit), at), at),
            f"{each.limit} of {each.account} is reached: {seen} where {bound} is let pass",
        )


def note_losses(state: RiskState, at: datetime) -> None:
    """Since when each limit is reached."""
    before = state.pulls.lost_since
    found = [((each.venue, each.account, "", ""), each.limit) for each in limits_reached(state, at)]
    state.pulls.lost_since = {each: before.get(each, at) for each in found}


def _came(found: Reached, since: datetime, at: datetime) -> datetime:
    if found.limit != OF_A_DAY:
        return since
    try:
        return last_opening(day_calendar(found.venue), at)
    except CalendarError:
        return since
