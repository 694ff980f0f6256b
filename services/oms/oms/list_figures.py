"""What lists are, for who looks at them from outside: in which phase each is, and how long it was unprotected. Pure.

Owns the words. It must not know how they are shown (`oms.metrics`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from signalbox.order_lists import WITH_ENTRY

from oms.figures import oldest_seconds
from oms.state import AccountKey, ListState, State


class ListPhase(StrEnum):
    """Of a list that is not over; the first that fits."""

    UNPROTECTED = "UNPROTECTED"
    """It has not the stop that it was promised, for all of what has filled."""
    LEAVING = "LEAVING"
    """Somebody has asked for its end."""
    ENTERING = "ENTERING"
    """Its entry has filled nothing yet."""
    WORKING = "WORKING"


def phase_of(known: ListState) -> ListPhase:
    """In which state a list is that is not over."""
    if known.unprotected_since is not None:
        return ListPhase.UNPROTECTED
    if known.cancel_cause:
        return ListPhase.LEAVING
    if known.intent.contingency in WITH_ENTRY and not known.entry_value:
        return ListPhase.ENTERING
    return ListPhase.WORKING


def lists_of(state: State, account: AccountKey) -> Iterator[ListState]:
    """The account's lists that are not over. A copy of the names is made at once: another thread may ask."""
    for name in tuple(state.lists):
        known = state.lists.get(name)
        if known is not None and (known.venue, known.account) == account and name not in state.lists_over:
            yield known


def unprotected_in_all_seconds(known: ListState, now: datetime) -> float:
    """For how long a list has been without the stop that it was promised, every time that it was."""
    since = known.unprotected_since
    return known.unprotected_seconds + oldest_seconds([since] if since is not None else [], now)
