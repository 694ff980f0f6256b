"""The arithmetic of renewals, against a chain that forgets: whatever is filled when, an order never fills too much."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from gateway_dydx.plans import SHORT_BLOCK_WINDOW
from gateway_dydx.renewal import is_due, may_be_renewed, renewal
from gateway_dydx.state import OwnState, State, Tracked, state_of
from hypothesis import example, given
from hypothesis import strategies as some
from msgspec.structs import replace
from signalbox.gateway.state import OpenChange, Standing, track
from signalbox.messages import Fill, LedgerClaimed, Order, OrderType, Side, TimeInForce

AT = datetime(2024, 3, 5, tzinfo=UTC)


def resting(
    state: State, quantity: int = 10, good_til_block: int = 120, validity: TimeInForce = TimeInForce.DAY
) -> Tracked:
    order = Order(
        order_id="o-1", intent_id="o-1", venue="dydx", account="a-0", symbol="BTC-USD", side=Side.BUY,
        quantity=Decimal(quantity), order_type=OrderType.LIMIT, limit_price=Decimal(1),
        time_in_force=validity,
    )  # fmt: skip
    claim = LedgerClaimed(
        id="c", at=AT, venue="dydx", order=order, attempt_id="1", venue_order_id="u", good_til_block=good_til_block
    )
    tracked = track(state, claim, 1)
    tracked.standing, tracked.own.watched, tracked.own.works_until = Standing.SENT, True, good_til_block
    return tracked


def book(tracked: Tracked, size: int, height: int) -> None:
    name = f"fill-{len(tracked.fills)}"
    tracked.fills[name] = Fill(
        execution_id=name, revision=0, order_id="o-1", symbol="BTC-USD", side=Side.BUY, quantity=Decimal(size),
        price=Decimal(1), at=AT,
    )  # fmt: skip
    tracked.own.fill_height = max(tracked.own.fill_height, height)


class Chain:
    """What v4-chain does with one short-term order: the latest version, its fills, and when they are forgotten."""

    def __init__(self, quantity: int, good_til_block: int) -> None:
        self.quantity, self.good_til_block = quantity, good_til_block
        self.remembered, self.forgets_at = 0, 0
        self.fills: list[tuple[int, int]] = []

    def block(self, height: int, wanted: int) -> None:
        """Fill up to `wanted` in a block, then forget what is due."""
        size = min(wanted, max(0, self.quantity - self.remembered))
        if size and height <= self.good_til_block:
            self.remembered += size
            self.forgets_at = max(self.forgets_at, self.good_til_block + SHORT_BLOCK_WINDOW)
            self.fills.append((height, size))
        if self.forgets_at == height:
            self.remembered, self.forgets_at = 0, 0

    def place(self, quantity: int, good_til_block: int, height: int) -> bool:
        works = height <= self.good_til_block
        taken = quantity > self.remembered and good_til_block > height
        if taken and (not works or good_til_block > self.good_til_block):
            self.quantity, self.good_til_block = quantity, good_til_block
        return taken


WANTED = some.lists(some.tuples(some.integers(0, 160), some.integers(1, 9)), max_size=12)


@given(WANTED, some.integers(0, 60), some.sets(some.integers(100, 300), max_size=60))
@example([(1, 9), (61, 9)], 60, set())
def test_an_order_renewed_for_ever_never_fills_more_than_its_quantity(
    wanted: list[tuple[int, int]], late_blocks: int, lost: set[int]
) -> None:
    """`late_blocks`: the indexer's lag; `lost`: heights at which a renewal's reply, or the renewal itself, is lost."""
    state, chain = state_of("a-0", OwnState(height=100)), Chain(10, 120)
    tracked = resting(state)
    hits = {100 + offset: size for offset, size in wanted}
    for height in range(101, 300):
        chain.block(height, hits.get(height, 0))
        state.own.height, state.own.complete_height = height, height - late_blocks
        known = {fill for fill in chain.fills if fill[0] <= state.own.complete_height}
        for number, (at_height, size) in enumerate(chain.fills):
            if (at_height, size) in known and number >= len(tracked.fills):
                book(tracked, size, at_height)
        if tracked.filled >= 10 or not may_be_renewed(tracked) or not is_due(tracked, height):
            continue
        tracked.own.tried_at = height
        version = renewal(state, tracked)
        if version is None:
            continue
        tracked.own.continues = version.quantity < 10
        tracked.own.good_til_block = version.good_til_block
        if height in lost and height % 2:
            continue
        taken = chain.place(int(version.quantity), version.good_til_block, height)
        if taken and height not in lost:
            tracked.own.works_until = version.good_til_block
    assert sum(size for _, size in chain.fills) <= 10


CHANGES = some.dictionaries(some.integers(101, 290), some.integers(1, 20), max_size=6)


@given(WANTED, some.integers(0, 60), some.sets(some.integers(100, 300), max_size=30), CHANGES)
def test_an_order_that_is_changed_never_fills_more_than_the_largest_it_was_to_be(
    wanted: list[tuple[int, int]], late_blocks: int, lost: set[int], changes: dict[int, int]
) -> None:
    """As above; of a change whose reply is lost nobody knows, until a version with the terms of before has gone."""
    state, chain = state_of("a-0", OwnState(height=100)), Chain(10, 120)
    tracked, largest = resting(state), 10
    hits = {100 + offset: size for offset, size in wanted}
    for height in range(101, 300):
        chain.block(height, hits.get(height, 0))
        state.own.height, state.own.complete_height = height, height - late_blocks
        known = {fill for fill in chain.fills if fill[0] <= state.own.complete_height}
        for number, (at_height, size) in enumerate(chain.fills):
            if (at_height, size) in known and number >= len(tracked.fills):
                book(tracked, size, at_height)
        total = changes.get(height, 0)
        order = replace(tracked.order, quantity=Decimal(total)) if total > tracked.filled else None
        if tracked.done or not may_be_renewed(tracked):
            continue
        if order is None and not is_due(tracked, height):
            continue
        if order is not None and tracked.change is not None:
            continue
        tracked.own.tried_at = height
        version = renewal(state, tracked, order)
        if version is None or version.quantity <= 0:
            continue
        tracked.own.continues = tracked.own.continues or version.quantity < (order or tracked.order).quantity
        tracked.own.good_til_block = version.good_til_block
        if order is not None:
            tracked.change, largest = OpenChange(order, 1), max(largest, total)
        taken = (height not in lost or height % 2 == 0) and chain.place(
            int(version.quantity), version.good_til_block, height
        )
        if height in lost:
            continue
        if taken:
            tracked.own.works_until = version.good_til_block
        if order is None and taken:
            tracked.change = None  # what was not heard of is undone
        elif order is not None:
            tracked.order, tracked.change = (order, None) if taken else (tracked.order, None)
    assert sum(size for _, size in chain.fills) <= largest


def test_an_order_without_fills_is_renewed_at_its_whole_size() -> None:
    state = state_of("a-0", OwnState(height=111, complete_height=108))
    version = renewal(state, resting(state))
    assert version is not None
    assert (version.good_til_block, version.quantity) == (131, 10)


def test_an_order_goes_on_with_what_is_left_once_the_chain_might_forget_what_it_has_filled() -> None:
    state = state_of("a-0", OwnState(height=111, complete_height=111))
    tracked = resting(state)
    book(tracked, 4, 92)
    first = renewal(state, tracked)
    book(tracked, 0, 91)
    assert first is not None
    assert (first.good_til_block, first.quantity) == (131, 10)
    state.own.height = state.own.complete_height = 122
    tracked.own.good_til_block = 131
    later = renewal(state, tracked)
    assert later is not None
    assert (later.good_til_block, later.quantity) == (142, 6)


def test_a_renewal_reaches_no_further_than_what_is_known_of_fills_allows() -> None:
    state = state_of("a-0", OwnState(height=150, complete_height=100))
    tracked = resting(state)
    version = renewal(state, tracked)
    assert version is not None
    assert version.good_til_block == 139


def test_an_order_that_is_cancelled_doubtful_or_not_wholly_known_is_not_renewed() -> None:
    state = state_of("a-0", OwnState(height=111))
    tracked = resting(state)
    assert may_be_renewed(tracked)
    for of, name, value in (
        (tracked, "cancel_command", "c"),
        (tracked, "doubt", "why"),
        (tracked, "filled_at_venue", Decimal(3)),
        (tracked, "standing", Standing.CLAIMED),
        (tracked.own, "watched", False),
        (tracked.own, "not_renewed", "gone"),
    ):
        before = getattr(of, name)
        setattr(of, name, value)
        assert not may_be_renewed(tracked), name
        setattr(of, name, before)


def test_an_order_that_takes_at_once_is_never_renewed() -> None:
    state = state_of("a-0", OwnState(height=111))
    assert not may_be_renewed(resting(state, validity=TimeInForce.IOC))


def test_an_order_is_renewed_before_its_end_and_not_brought_back_after_it() -> None:
    state = state_of("a-0", OwnState())
    tracked = resting(state)
    assert [is_due(tracked, height) for height in (109, 110, 119, 120)] == [False, True, True, False]
