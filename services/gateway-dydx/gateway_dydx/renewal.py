"""Until which block a resting short-term order may be renewed: the arithmetic that makes a replacement safe.

Pure. A renewal is the chain's replacement: the same order id with a later good-til-block. Nothing is filled twice by it
as long as the chain remembers what the order has filled. It forgets that at one block: 40 blocks after the
good-til-block that the order had when it last filled (v4-chain: x/clob/keeper/order_state.go; a replacement alone moves
nothing). An order that still works then starts anew with its whole size. So:

    a fill in block f was of a version good at least until f, and is remembered at least until f + 40;
    fills up to the block K are all known, and the latest of them is in block F (none: 0);
    one that is not known yet is in a block after K, and is remembered until after K + 40.

A renewal good until F + 39 at most, and if nothing is filled until K + 39, therefore ends before anything is forgotten.
It also reaches `QUOTE_ORDER_BLOCKS` ahead at most, so that an order which nobody watches soon ends; and a height known
here that is too old gives a block which has passed, which the chain refuses.
"""

from __future__ import annotations

from gateway_dydx.plans import QUOTE_ORDER_BLOCKS, SHORT_BLOCK_WINDOW
from gateway_dydx.state import Standing, State, Tracked

RENEW_BLOCKS_BEFORE = QUOTE_ORDER_BLOCKS // 2
"""So many blocks before its end an order is renewed: it may fail some times and still come in time."""
KNOWN_BLOCKS_MAX = QUOTE_ORDER_BLOCKS // 2
"""Fills must be known completely up to a block that is at most so old."""

FILLED_TOO_LONG_AGO = "it has filled in part, and the chain would forget what it has filled"
FILLS_NOT_DATED = "when it filled in part is not known since the gateway's restart"


def may_be_renewed(tracked: Tracked) -> bool:
    """Whether this order is kept alive: never one that is being cancelled, doubtful, or not wholly known."""
    return (
        tracked.rests
        and tracked.watched
        and not tracked.done
        and not tracked.in_hand
        and not tracked.cancel_command
        and not tracked.not_renewed
        and not tracked.doubt
        and tracked.standing is Standing.SENT
        and tracked.filled_at_venue <= tracked.filled
    )


def is_due(tracked: Tracked, height: int) -> bool:
    """Whether its end is near, and has not come: what has ended is not brought back."""
    return tracked.works_until - RENEW_BLOCKS_BEFORE <= height < tracked.works_until


def knows_enough(state: State) -> bool:
    """Whether fills are known up to a block that is new enough to renew on."""
    return state.height - state.complete_height <= KNOWN_BLOCKS_MAX


def renewal_block(state: State, tracked: Tracked) -> int:
    """The good-til-block of the next renewal; one that is no later than the present one means that there is none."""
    remembered = tracked.fill_height if tracked.fills else state.complete_height
    return min(state.height + QUOTE_ORDER_BLOCKS, remembered + SHORT_BLOCK_WINDOW - 1)
