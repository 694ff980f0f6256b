"""What an order's OCA group has left of it, and whether all of its executions are known.

Pure. TWS says Filled of an order of a group when all is filled that the group has left it, whatever it was for.
"""

from __future__ import annotations

from datetime import datetime

from signalbox.gateway import reports
from signalbox.gateway.actions import Action

from gateway_ibkr.state import State, Tracked


def is_missing_some(tracked: Tracked) -> bool:
    """Whether the venue has filled more of the order than its executions tell."""
    return tracked.filled_at_venue > tracked.filled + tracked.own.taken_back


def rest_is_gone(state: State, tracked: Tracked, at: datetime) -> list[Action]:
    """An order of a group is filled for the venue when all is that the group has left it: what is not has ended."""
    part = tracked.order.part
    if part is None or part.contingency is None or not tracked.own.whole or tracked.done or is_missing_some(tracked):
        return []
    return [*reports.canceled(state, tracked, at, "the rest of it went with the fills of its OCA group")]
