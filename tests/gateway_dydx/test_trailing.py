"""Trailing stops on the chain: where they lie, and when they may be moved."""

from __future__ import annotations

from decimal import Decimal

import pytest
from gateway_dydx import moving
from gateway_dydx.facts import OrderSeen
from gateway_dydx.pacing import BlockBudget
from gateway_dydx.plans import kept
from gateway_dydx.trail_prices import beginning, has_begun, is_nearer, placed_at, stop_behind, stops_beside
from gateway_dydx.trailing import has_room, may_trail, revision_of
from gateway_dydx.versions import FIRST_REVISION
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace
from signalbox.errors import TranslationError
from signalbox.gateway.reports import triggered
from signalbox.gateway.state import OpenChange, Standing, fold_report
from signalbox.messages import ListPart, Order, OrderType, Side, VenueReplaced, VenueReplaceRejected
from signalbox.order_terms import contradiction, is_reached

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


@pytest.mark.parametrize(("side", "limit"), [(Side.SELL, 88), (Side.BUY, 92)])
def test_with_a_limit_it_keeps_a_stop_with_one(side: Side, limit: int) -> None:
    trails = replace(TRAIL, order_type=OrderType.TRAILING_STOP_LIMIT, limit_offset=Decimal(2), side=side)
    plain = kept(trails, Decimal(90))
    assert (plain.order_type, plain.stop_price, plain.limit_price) == (OrderType.STOP_LIMIT, 90, limit)
    assert contradiction(plain) == ""
    assert kept(replace(trails, stop_price=Decimal(91)), Decimal(90)).limit_price == limit + 1


def test_one_with_a_limit_is_moved_by_another_once_it_is_gone() -> None:
    trails = replace(TRAIL, order_type=OrderType.TRAILING_STOP_LIMIT, limit_offset=Decimal(2), reduce_only=False)
    world = World(trails, replace(trails, stop_price=Decimal(95)), revision=FIRST_REVISION + 1)
    world.tracked.own.stop_price = Decimal(90)
    world.begin()
    world.send_first()
    world.settle()
    assert (world.works_max, [kept.id for kept in world.working]) == (1, ["v-2"])
    assert (world.tracked.own.stop_price, world.tracked.order) == (95, trails)


def test_what_it_fills_at_its_limit_while_it_is_moved_leaves_the_rest_to_be_placed() -> None:
    trails = replace(TRAIL, order_type=OrderType.TRAILING_STOP_LIMIT, limit_offset=Decimal(2), reduce_only=False)
    world = World(trails, replace(trails, stop_price=Decimal(95)), revision=FIRST_REVISION + 1)
    world.tracked.own.stop_price = Decimal(90)
    world.begin()
    world.send_first()
    world.fill(4)
    world.settle()
    assert [(kept.id, kept.size) for kept in world.working] == [("v-2", 6)]
    assert not world.tracked.done


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
    world.tracked.own.stop_price, world.revision = Decimal(90), FIRST_REVISION + 1
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


# ------------------------------------------------------------------------------ beside others, and in their place


@pytest.mark.parametrize(
    ("side", "beside", "told", "lies"),
    [
        (Side.SELL, [], None, "95"),
        (Side.SELL, ["97"], None, "97"),
        (Side.SELL, ["93"], None, "95"),
        (Side.SELL, ["93"], "96", "96"),
        (Side.BUY, ["103"], None, "103"),
        (Side.BUY, ["107"], "104", "104"),
    ],
)
def test_it_begins_no_farther_from_the_market_than_what_it_takes_the_place_of(
    side: Side, beside: list[str], told: str | None, lies: str
) -> None:
    order = replace(TRAIL, side=side, trail_stop_price=None if told is None else Decimal(told))
    assert beginning(order, Decimal(100), TICK, [Decimal(each) for each in beside]) == Decimal(lies)


def exit_of(leg: str, group: int, **changes: object) -> Order:
    return stop(part=ListPart(list_id="b", leg=leg, group=group, quantity=Decimal(10)), **changes)


def test_it_stands_beside_what_works_of_its_leg_in_its_group_alone() -> None:
    world = World(exit_of("stop", 1), exit_of("stop", 1))
    world.tracked.own.stop_price = Decimal(97)
    triggered_ones: set[str] = set()

    def beside(order: Order) -> list[Decimal]:
        orders, price = world.state.orders.values(), Decimal("99.93")
        return stops_beside(order, price, TICK, orders, triggered_ones.__contains__)

    assert beside(exit_of("stop", 1)) == [97]
    for order in (exit_of("stop", 2), exit_of("target", 1), stop()):
        assert beside(order) == []
    world.tracked.standing = Standing.OVER
    assert beside(exit_of("stop", 1)) == []
    triggered_ones.add("o-1")
    assert beside(exit_of("stop", 1)) == [100], "what it has left is to trade at once"
    assert beside(exit_of("stop", 1, side=Side.BUY)) == [Decimal("99.9")]


def becomes(first: str = "heard") -> World:
    """A stop at 90 that the OMS has asked to trail, 5 % behind a market at 100."""
    world = World(stop(), stop(order_type=OrderType.TRAILING_STOP, stop_price=None, trail_percent=Decimal(5)))
    world.after = replace(world.after, trail_stop_price=Decimal(90))
    world.begin()
    move = world.tracked.own.move
    assert move is not None
    move.after = replace(move.after, stop_price=Decimal(95))
    world.send_first(first)
    world.settle()
    return world


def test_a_stop_is_made_to_trail_by_another_in_its_place() -> None:
    world = becomes()
    [report] = world.stored
    assert isinstance(report, VenueReplaced)
    assert (report.revision, report.stop_price, report.venue_order_id) == (1, None, "v-2")
    assert (world.tracked.own.stop_price, may_trail(world.state, world.tracked)) == (95, True)
    for _ in range(2):
        now = world.tracked.order
        assert (now.order_type, now.trail_percent, now.stop_price) == (OrderType.TRAILING_STOP, 5, None)
        world.die()
    assert [kept.id for kept in world.working] == ["v-2"]
    assert world.works_max == 2, "none is missing for an instant"


def test_a_process_that_finds_it_made_trails_once_it_has_been_shown_where_it_lies() -> None:
    world = becomes("death")
    assert (world.kinds(), world.tracked.order.order_type) == (["VenueReplaced"], OrderType.TRAILING_STOP)
    assert not may_trail(world.state, world.tracked)
    world.tracked.own.stop_price = Decimal(95)
    assert may_trail(world.state, world.tracked)


def test_what_the_chain_refuses_stays_a_stop_and_is_told() -> None:
    for first in ("lost", "refused"):
        world = becomes(first)
        [report] = world.stored
        assert isinstance(report, VenueReplaceRejected)
        assert (world.tracked.order, [kept.id for kept in world.working]) == (stop(), ["v-1"])


def test_where_one_stop_takes_the_place_of_another_is_what_the_venue_shows() -> None:
    world = World(stop(), TRAIL)
    world.begin()
    world.send_first("death")
    seen = OrderSeen(id="v-2", status="UNTRIGGERED", trigger_price=Decimal(96))
    moving.on_order(world.tracked, seen, is_open=True)
    world.settle()
    assert (world.kinds(), world.tracked.own.stop_price) == (["VenueReplaced"], 96)


def test_an_entry_that_is_made_to_trail_is_put_back_as_it_was() -> None:
    before = stop(reduce_only=False)
    trails = replace(TRAIL, reduce_only=False)
    assert moving.begun(World(before, before).tracked, trails, 2, 3, str).before == before
    assert moving.begun(World(trails, trails).tracked, trails, 2, 3, str).before == trails


# ------------------------------------------------------------------------------------------------ an activation price


@pytest.mark.parametrize(
    ("side", "activation", "price", "lies"),
    [
        (Side.SELL, "110", "100", "0.2"),  # 110 / 1000, to a tick
        (Side.SELL, "110", "110", "104.5"),
        (Side.SELL, "110", "120", "114"),
        (Side.BUY, "90", "100", "90000"),
        (Side.BUY, "90", "90", "94.5"),
        (Side.SELL, None, "100", "95"),
    ],
)
def test_it_stands_where_nothing_triggers_it_until_the_market_has_been_there(
    side: Side, activation: str | None, price: str, lies: str
) -> None:
    order = replace(TRAIL, side=side, activation_price=None if activation is None else Decimal(activation))
    stop = placed_at(order, Decimal(price), TICK)
    assert stop == Decimal(lies)
    assert has_begun(order, stop, TICK) is is_reached(order, side, Decimal(price))


def test_what_would_trail_at_once_wherever_it_stands_is_refused() -> None:
    order = replace(TRAIL, trail_percent=Decimal("99.9"), activation_price=Decimal(110))
    with pytest.raises(TranslationError, match="never begins"):
        placed_at(order, Decimal(100), TICK)


def test_the_chain_knows_of_no_activation_price() -> None:
    assert kept(replace(TRAIL, activation_price=Decimal(110)), Decimal(1)).activation_price is None


def test_a_process_that_goes_on_places_it_where_the_desk_said_that_it_lies() -> None:
    before = stop(reduce_only=False)
    world = World(before, replace(TRAIL, reduce_only=False, trail_stop_price=Decimal(90)))
    world.begin()
    world.die()
    move = world.tracked.own.move
    assert move is not None
    assert (move.after.stop_price, move.before) == (90, before)


def test_complete_answers_show_where_it_lies() -> None:
    world = World(stop(), TRAIL)
    world.begin()
    world.send_first("death")
    seen = {key: OrderSeen(id=key, status="OPEN", trigger_price=Decimal(at)) for key, at in (("v-1", 90), ("v-2", 96))}
    shown = moving.Shown(seen, frozenset({"v-3"}), {}, 10**9)
    moving.take(world.state, world.tracked, shown, world.now, 0.0, 30.0)
    move = world.tracked.own.move
    assert move is not None
    assert move.new.stop_price == 96


def test_a_report_of_another_change_says_nothing_of_how_it_trails() -> None:
    world = World(stop(), TRAIL)
    world.begin()
    for revision, kind in ((7, OrderType.STOP), (1, OrderType.TRAILING_STOP)):
        report = VenueReplaced(
            id=f"r-{revision}", at=world.now, venue="dydx", account="a-0", order_id="o-1", venue_order_id="v-1",
            quantity=Decimal(10), revision=revision,
        )  # fmt: skip
        fold_report(world.state, report)
        assert world.tracked.order.order_type is kind
