"""Trailing stops on the chain: where they lie, and when they may be moved."""

from __future__ import annotations

from decimal import Decimal

import pytest
from gateway_dydx import moving
from gateway_dydx.pacing import BlockBudget
from gateway_dydx.plans import kept
from gateway_dydx.trail_prices import is_nearer, stop_behind
from gateway_dydx.trailing import FIRST_REVISION, has_room, may_trail, revision_of
from hypothesis import given
from hypothesis import strategies as some
from signalbox.errors import TranslationError
from signalbox.gateway.reports import triggered
from signalbox.gateway.state import OpenChange, Standing
from signalbox.messages import OrderType, Side, VenueReplaced

from .chain_of_moves import World, stop

TRAIL = stop(order_type=OrderType.TRAILING_STOP, stop_price=None, trail_percent=Decimal(5))
TICK = Decimal("0.1")


@given(some.decimals("1", "100000", places=3), some.decimals("0.1", "90", places=1), some.sampled_from(Side))
def test_it_lies_on_the_tick_that_is_farther_from_the_market(price: Decimal, percent: Decimal, side: Side) -> None:
    order = stop(order_type=OrderType.TRAILING_STOP, stop_price=None, trail_percent=percent, side=side)
    exact = price * (1 + side.sign * percent / 100)
    if side is Side.SELL and exact < TICK:
        return
    lies = stop_behind(order, price, TICK)
    assert lies % TICK == 0
    assert 0 <= (lies - exact) * side.sign < TICK


def test_what_is_no_price_is_refused() -> None:
    with pytest.raises(TranslationError, match="would lie at"):
        stop_behind(
            stop(order_type=OrderType.TRAILING_STOP, stop_price=None, trail_amount=Decimal(9)), Decimal(9), TICK
        )


@pytest.mark.parametrize(("side", "nearer", "farther"), [(Side.SELL, 96, 94), (Side.BUY, 94, 96)])
def test_it_is_moved_nearer_to_the_market_by_a_step_and_never_back(side: Side, nearer: int, farther: int) -> None:
    now = Decimal(95)
    assert is_nearer(side, Decimal(nearer), now, Decimal(1))
    assert not is_nearer(side, Decimal(nearer), now, Decimal("1.1"))
    assert not is_nearer(side, Decimal(farther), now, Decimal(1))


def test_half_of_what_the_chain_takes_is_left_for_others() -> None:
    budget = BlockBudget(limits=((100, 4),))
    assert has_room(budget, 100)
    budget.note(100)
    assert has_room(budget, 100)
    budget.note(101)
    assert not has_room(budget, 101)
    assert has_room(budget, 201)


def test_the_chain_keeps_a_stop() -> None:
    plain = kept(TRAIL, Decimal(90))
    assert (plain.order_type, plain.stop_price, plain.trail_percent) == (OrderType.STOP, 90, None)
    assert kept(stop(order_type=OrderType.TRAILING_STOP, stop_price=Decimal(91)), Decimal(90)).stop_price == 91
    assert kept(stop(), Decimal(1)) == stop()


def standing() -> World:
    world = World(TRAIL, TRAIL)
    world.tracked.own.stop_price = Decimal(90)
    return world


def test_what_stands_alone_and_untriggered_trails() -> None:
    world = standing()
    assert may_trail(world.state, world.tracked)


@pytest.mark.parametrize(
    "why",
    [
        "plain",
        "claimed",
        "unseen",
        "over",
        "in hand",
        "cancelled",
        "doubt",
        "ended",
        "changing",
        "fill",
        "where",
        "went off",
        "moving",
    ],
)
def test_what_does_not_does_not(why: str) -> None:
    world = World(stop(), stop()) if why == "plain" else standing()
    tracked = world.tracked
    tracked.own.stop_price = None if why == "where" else Decimal(90)
    match why:
        case "claimed":
            tracked.standing = Standing.CLAIMED
        case "unseen":
            tracked.seen = False
        case "over":
            world.fill(10)
            world.ask()
        case "in hand":
            tracked.in_hand = True
        case "cancelled":
            tracked.cancel_command = "command/o-1/1"
        case "doubt":
            tracked.doubt = "why"
        case "ended":
            tracked.own.said_over = True
        case "changing":
            tracked.change = OpenChange(tracked.order, 1)
        case "fill":
            tracked.filled_at_venue = Decimal(1)
        case "went off":
            assert triggered(world.state, tracked, world.now)
        case "moving":
            world.begin()
            tracked.change = None
    assert not may_trail(world.state, tracked)


def moved(first: str = "heard") -> World:
    world = World(TRAIL, stop(order_type=OrderType.TRAILING_STOP, stop_price=Decimal(95), trail_percent=Decimal(5)))
    world.tracked.own.stop_price = Decimal(90)
    world.begin()
    world.send_first(first)
    world.settle()
    return world


def test_where_it_lies_is_the_gateways_and_the_desk_keeps_the_distance() -> None:
    world = moved()
    [report] = world.stored
    assert isinstance(report, VenueReplaced)
    assert (report.stop_price, report.venue_order_id, world.tracked.own.stop_price) == (None, "v-2", 95)
    assert world.tracked.order == TRAIL
    world.die()
    assert (world.tracked.order, world.tracked.venue_order_id) == (TRAIL, "v-2")


def test_a_move_that_never_came_is_told_to_nobody() -> None:
    world = moved("lost")
    assert (world.stored, world.tracked.change, world.tracked.own.stop_price) == ([], None, 90)
    assert [kept.id for kept in world.working] == ["v-1"]


def test_its_moves_have_numbers_that_no_command_has() -> None:
    world = standing()
    assert revision_of(world.tracked) == FIRST_REVISION + 1
    assert moving.places_first(TRAIL)
    world.begin()
    assert world.tracked.last_move is not None
    world.tracked.last_move = type(world.tracked.last_move)(
        id="m", at=world.now, venue="dydx", order=TRAIL, revision=FIRST_REVISION + 7
    )
    assert revision_of(world.tracked) == FIRST_REVISION + 8
