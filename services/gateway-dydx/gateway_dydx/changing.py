"""What became of a change of a short-term order: by the blocks that follow the node's word.

Pure but for `state`, as `decide`. The node that takes a replacement has it at once; who makes the next block may not
have it yet, and match the version of before. So a change counts as made once blocks after it are known, with all fills:

    taken by the node, and `SETTLED_BLOCKS` later   it was made: what has filled since, of either version, counts for it
    filled beyond what the order was                it was made: the smaller order could not have
    not heard of (`OpenChange.own` is None)         nothing: the next version has the terms of before (`renewing`)
"""

from __future__ import annotations

from datetime import datetime

from signalbox.gateway import reports
from signalbox.gateway.actions import Action
from signalbox.messages import Order

from gateway_dydx.state import State, Tracked

SETTLED_BLOCKS = 2
"""The block under way when the node took it, and one that has it."""


def taken(state: State, tracked: Tracked) -> None:
    """The node has taken the open change, at the present height."""
    if tracked.change is not None:
        tracked.change.own = state.own.height


def is_taken(tracked: Tracked) -> bool:
    """Whether a change is open that the node has taken."""
    return tracked.change is not None and tracked.change.own is not None


def is_unheard(tracked: Tracked) -> bool:
    """Whether a change is open of which nobody knows whether the node has it."""
    return tracked.change is not None and tracked.change.own is None


def kept_alive(tracked: Tracked) -> Order:
    """The terms that the next version has."""
    return tracked.change.order if tracked.change is not None and is_taken(tracked) else tracked.order


def question(state: State, tracked: Tracked) -> str:
    """What there is to ask of an open change; "" = nothing yet."""
    change = tracked.change
    if change is None:
        return ""
    if change.in_hand:
        return "a change waits for what the order has filled"
    is_due = change.own is not None and state.own.indexer_height >= change.own + SETTLED_BLOCKS
    return "no word of the change" if is_due else ""


def settle(state: State, tracked: Tracked, height: int, at: datetime) -> list[Action]:
    """Take complete answers, of block `height`, all of their fills taken already."""
    change = tracked.change
    if change is None or change.in_hand or tracked.filled_at_venue > tracked.filled:
        return []
    is_settled = change.own is not None and height >= change.own + SETTLED_BLOCKS
    if is_settled or tracked.filled > tracked.order.quantity:
        return [*reports.replaced(state, tracked, at)]
    return []
