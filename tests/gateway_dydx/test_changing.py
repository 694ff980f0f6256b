"""What became of a change at dYdX: by the blocks that follow the node's word."""

from __future__ import annotations

from decimal import Decimal

from gateway_dydx.changing import SETTLED_BLOCKS, question, settle, taken
from gateway_dydx.renewal import is_due, may_be_renewed, renewal
from gateway_dydx.state import OwnState, State, Tracked, state_of
from msgspec.structs import replace
from signalbox.gateway.state import OpenChange
from signalbox.messages import VenueReplaced

from .test_renewal import AT, book, resting


def changing(*, node_has_it: bool, filled: int = 0) -> tuple[State, Tracked]:
    """An order of 10 that rests, of which 6 were asked for at height 100."""
    state = state_of("a-0", OwnState(height=100, complete_height=100))
    tracked = resting(state)
    if filled:
        book(tracked, filled, 100)
    tracked.change = OpenChange(replace(tracked.order, quantity=Decimal(6)), 1)
    if node_has_it:
        taken(state, tracked)
    return state, tracked


def test_what_the_node_has_taken_counts_once_blocks_after_it_are_known() -> None:
    state, tracked = changing(node_has_it=True)
    assert question(state, tracked) == ""
    assert settle(state, tracked, 100 + SETTLED_BLOCKS - 1, AT) == []
    state.own.indexer_height = 100 + SETTLED_BLOCKS
    assert question(state, tracked) == "no word of the change"
    [report] = settle(state, tracked, 100 + SETTLED_BLOCKS, AT)
    assert isinstance(report, VenueReplaced)
    assert (tracked.order.quantity, tracked.change) == (6, None)


def test_what_fills_meanwhile_must_be_known_first() -> None:
    state, tracked = changing(node_has_it=True)
    tracked.filled_at_venue = Decimal(3)
    assert settle(state, tracked, 200, AT) == []
    book(tracked, 3, 101)
    assert len(settle(state, tracked, 200, AT)) == 1


def test_the_version_before_may_fill_meanwhile_and_the_order_is_then_over() -> None:
    state, tracked = changing(node_has_it=True, filled=8)
    assert not tracked.done
    settle(state, tracked, 200, AT)
    assert (tracked.done, tracked.filled, tracked.order.quantity) == (True, 8, 6)


def test_what_nobody_has_heard_of_is_undone_by_the_next_version() -> None:
    state, tracked = changing(node_has_it=False)
    assert settle(state, tracked, 500, AT) == []
    state.own.height = state.own.complete_height = 102
    assert may_be_renewed(tracked)
    assert is_due(tracked, 102), "at once: until then nobody knows which version works"
    version = renewal(state, tracked)
    assert version is not None
    assert (version.quantity, version.good_til_block) == (10, 122)


def test_what_the_node_has_taken_is_kept_alive_in_its_new_terms() -> None:
    state, tracked = changing(node_has_it=True)
    assert not is_due(tracked, 101)
    state.own.height = state.own.complete_height = 118
    version = renewal(state, tracked)
    assert version is not None
    assert version.quantity == 6


def test_while_a_change_is_about_to_be_sent_nothing_is_renewed_and_nothing_concluded() -> None:
    state, tracked = changing(node_has_it=True)
    assert tracked.change is not None
    tracked.change.in_hand = True
    assert not may_be_renewed(tracked)
    assert settle(state, tracked, 500, AT) == []
    assert question(state, tracked) == "a change waits for what the order has filled"


def test_what_fills_beyond_what_it_was_was_changed() -> None:
    state, tracked = changing(node_has_it=False, filled=0)
    assert tracked.change is not None
    tracked.change.order = replace(tracked.order, quantity=Decimal(15))
    book(tracked, 11, 101)
    [report] = settle(state, tracked, 101, AT)
    assert (type(report), tracked.order.quantity) == (VenueReplaced, 15)
