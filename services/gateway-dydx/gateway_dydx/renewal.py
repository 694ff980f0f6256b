"""Until which block, and of what size, a resting short-term order may be renewed: the arithmetic that makes it safe.

Pure. A renewal is the chain's replacement: the same order id with a later good-til-block; earlier fills count for it.
They count as long as the chain remembers them, and it forgets all of an order's fills at one block: 40 after the
good-til-block that the order had when it last filled (v4-chain: x/clob/keeper/process_single_match.go; a replacement
alone moves nothing). An order that still works then starts anew with its whole size. So, with every fill up to block K
known, the last of them in block F, and the order's quantity Q of which S has filled:

    whole size       Q, until F + 39 at most: a fill in block F was of a version good until F at least, and is
                     remembered until F + 40 at least. Without fills there is nothing to forget.
    what is left     Q - S, whatever the chain remembers: should it forget the S, Q - S is what may still fill; while it
                     does not, the order only fills less. The chain may even refuse it as filled; it is tried again.
    either           until K + 39 at most: a fill that is not known yet is after K, and is remembered until K + 40.

It also reaches `QUOTE_ORDER_BLOCKS` ahead at most, so that an order which nobody watches soon ends; and a height known
here that is too old gives a block which has passed, which the chain refuses.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct
from signalbox.gateway.state import Standing
from signalbox.messages import Order

from gateway_dydx.changing import is_unheard, kept_alive
from gateway_dydx.plans import QUOTE_ORDER_BLOCKS, SHORT_BLOCK_WINDOW
from gateway_dydx.state import State, Tracked

RENEW_BLOCKS_BEFORE = QUOTE_ORDER_BLOCKS // 2
"""So many blocks before its end an order is renewed: it may fail some times and still come in time."""
KNOWN_BLOCKS_MAX = QUOTE_ORDER_BLOCKS // 2
"""Fills must be known completely up to a block that is at most so old."""
AGAIN_BLOCKS = 4
"""So many blocks apart a renewal is tried again."""


class Renewal(Struct, frozen=True):
    good_til_block: int
    quantity: Decimal


def may_be_renewed(tracked: Tracked) -> bool:
    """Whether this order is kept alive: never one that is being cancelled, doubtful, or not wholly known."""
    return (
        tracked.own.rests
        and tracked.own.watched
        and not tracked.done
        and not tracked.in_hand
        and not tracked.cancel_command
        and not tracked.own.not_renewed
        and not tracked.doubt
        and not (tracked.change is not None and tracked.change.in_hand)
        and tracked.standing is Standing.SENT
        and tracked.filled_at_venue <= tracked.filled
    )


def is_due(tracked: Tracked, height: int) -> bool:
    """Whether its end is near. What has ended is brought back only where it ended because of what it had filled."""
    if is_unheard(tracked):  # what is not known to be made is undone by the next version
        return height >= tracked.own.tried_at + AGAIN_BLOCKS
    if height < max(tracked.own.works_until - RENEW_BLOCKS_BEFORE, tracked.own.tried_at + AGAIN_BLOCKS):
        return False
    return height < tracked.own.works_until or tracked.own.continues


def knows_enough(state: State) -> bool:
    """Whether fills are known up to a block that is new enough to renew on."""
    return state.own.height - state.own.complete_height <= KNOWN_BLOCKS_MAX


def renewal(state: State, tracked: Tracked, order: Order | None = None) -> Renewal | None:
    """The order's next version, or its first with the terms of `order`, a change; None = there is none that reaches
    further than what may be there.

    Of a change the same holds: whichever of the versions fills, the chain counts it for the one order.
    """
    block = min(state.own.height + QUOTE_ORDER_BLOCKS, state.own.complete_height + SHORT_BLOCK_WINDOW - 1)
    if block <= tracked.own.good_til_block:
        return None
    quantity = (order or kept_alive(tracked)).quantity
    remembered = not tracked.fills or block < tracked.own.fill_height + SHORT_BLOCK_WINDOW
    if tracked.own.continues or not remembered:  # once it may have been forgotten, it is never counted on again
        quantity -= tracked.filled
    return Renewal(block, quantity)
