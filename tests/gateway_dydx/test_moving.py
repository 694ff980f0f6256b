"""Changes of orders that the chain keeps: in which order what is sent, and what follows from what the chain shows."""

from __future__ import annotations

from decimal import Decimal

import pytest
from gateway_dydx import moving
from gateway_dydx.decide import decide
from gateway_dydx.facts import FillSeen, OrderSeen
from gateway_dydx.state import filled_by
from gateway_dydx.versions import Stage
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace
from signalbox.gateway.actions import Ask
from signalbox.messages import Liquidity, Order, OrderType, Side, VenueCanceled, VenueReplaced, VenueReplaceRejected

from .chain_of_moves import AT, DEADLINE_SECONDS, SEQUENCE_SECONDS, World, stop, terms

LIMIT = (terms(), terms(quantity=Decimal(6), limit_price=Decimal(95)))
STOP = (stop(), stop(stop_price=Decimal(95)))


def world(pair: tuple[Order, Order]) -> World:
    made = World(*pair)
    made.begin()
    return made


def last(made: World) -> object:
    return [report for report in made.stored if type(report).__name__ != "VenueFill"][-1]


def test_of_what_only_closes_another_is_placed_and_the_first_is_cancelled_once_that_one_stands() -> None:
    made = world(STOP)
    made.send_first()
    assert [(key, order is None) for _, key, order in made.pending] == [("v-2", False)]
    made.go_on()
    assert len(made.pending) == 1, "nobody has seen it yet"
    made.block()
    made.ask()
    assert (len(made.working), made.kinds()) == (2, [])
    made.go_on()
    assert [(key, order is None) for _, key, order in made.pending] == [("v-1", True)]
    made.block()
    made.ask()
    report = last(made)
    assert isinstance(report, VenueReplaced)
    assert (report.venue_order_id, report.stop_price, report.revision) == ("v-2", 95, 1)
    assert (made.tracked.number, made.tracked.venue_order_id, made.tracked.own.move) == (2, "v-2", None)
    assert [kept.id for kept in made.working] == ["v-2"]


def test_of_what_could_open_there_never_are_two() -> None:
    made = world(LIMIT)
    made.send_first()
    made.go_on()
    assert {(key, order is None) for _, key, order in made.pending} == {("v-1", True)}
    made.fill(4)
    made.block()
    made.ask()
    made.go_on()
    [(_, key, order)] = made.pending
    assert (key, order.quantity if order else None) == ("v-2", 2)
    made.settle()
    assert (made.kinds(), made.works_max) == (["VenueReplaced"], 1)


def test_what_fills_before_it_is_gone_counts() -> None:
    made = world(LIMIT)
    made.send_first()
    made.fill(4)
    made.settle()
    assert made.chain["v-2"].size == 2
    made.fill(99)
    made.fill(99)
    assert made.filled == 6 == made.after.quantity


def test_what_has_filled_the_new_total_is_not_placed_again() -> None:
    made = world(LIMIT)
    made.send_first()
    made.fill(7)
    made.settle()
    assert ("v-2" in made.chain, made.kinds(), made.filled) == (False, ["VenueReplaced"], 7)
    assert made.tracked.done


def test_while_a_fill_is_missing_nothing_is_concluded_of_an_end() -> None:
    made = world(LIMIT)
    made.send_first()
    made.fill(4)
    made.block()
    missing, made.fills = made.fills, []
    made.ask()
    made.go_on()
    assert "v-2" not in {key for _, key, _ in made.pending}
    made.fills = missing
    made.settle()
    assert made.chain["v-2"].size == 2


def test_a_fill_of_one_version_is_none_of_another() -> None:
    made = world(LIMIT)
    made.send_first()
    made.fill(4)
    made.settle()
    made.fill(1)
    made.ask()
    assert (filled_by(made.tracked, "v-1"), filled_by(made.tracked, "v-2")) == (4, 1)
    moving.resume(made.state, 0.0)
    assert made.tracked.filled_at_venue == made.tracked.filled == 5


@pytest.mark.parametrize("pair", [LIMIT, STOP], ids=["limit", "stop"])
def test_what_the_chain_refuses_leaves_the_order_as_it_was(pair: tuple[Order, Order]) -> None:
    made = world(pair)
    if moving.places_first(made.before):
        made.send_first("refused")
    else:
        made.send_first()
        made.block()
        made.ask()
        made.go_on("refused")
    made.settle()
    report = last(made)
    assert isinstance(report, VenueReplaceRejected)
    assert "refused" in report.reason
    [kept] = made.working
    assert (kept.size, made.tracked.order, made.tracked.venue_order_id) == (10, made.before, kept.id)
    assert kept.id == ("v-1" if moving.places_first(made.before) else "v-3")


def test_what_can_not_be_put_back_is_over_and_says_why() -> None:
    made = world(LIMIT)
    made.send_first()
    made.block()
    made.ask()
    made.go_on("refused")
    made.go_on("refused")
    made.settle()
    report = last(made)
    assert isinstance(report, VenueCanceled)
    assert moving.GONE in report.reason
    assert made.working == []


def test_what_was_placed_and_never_came_is_nothing_once_it_can_come_no_more() -> None:
    made = world(STOP)
    made.send_first("lost")
    made.pass_(SEQUENCE_SECONDS)
    made.ask()
    assert made.kinds() == [], "it may still come"
    made.pass_(1)
    made.ask()
    assert (made.kinds(), made.tracked.own.move) == (["VenueReplaceRejected"], None)


def test_what_was_placed_of_what_could_open_is_not_placed_again_while_it_may_come() -> None:
    made = world(LIMIT)
    made.send_first()
    made.block()
    made.ask()
    made.go_on("lost")
    for _ in range(SEQUENCE_SECONDS // 2):
        made.pass_(2)
        made.ask()
        made.go_on()
    assert (made.pending, made.working) == ([], [])
    made.settle()
    assert [kept.id for kept in made.working] == ["v-3"]
    assert made.kinds() == ["VenueReplaceRejected"]


def test_a_first_one_that_can_not_be_taken_off_by_the_deadline_stays() -> None:
    made = world(LIMIT)
    made.send_first("lost")
    made.pass_(DEADLINE_SECONDS)
    made.go_on()
    assert made.pending == [], "what can come afterwards would take it off"
    made.ask()
    assert (made.kinds(), [kept.id for kept in made.working]) == (["VenueReplaceRejected"], ["v-1"])


def test_what_is_gone_after_the_deadline_is_put_back_as_it_was() -> None:
    made = world(LIMIT)
    made.send_first()
    made.block()
    made.pass_(DEADLINE_SECONDS)
    made.settle()
    assert (made.kinds(), [kept.id for kept in made.working]) == (["VenueReplaceRejected"], ["v-3"])
    assert "deadline" in getattr(last(made), "reason", "")


def test_a_cancel_takes_whatever_works_of_it() -> None:
    made = world(STOP)
    made.send_first()
    made.cancels, made.tracked.cancel_command = True, "command/o-1/2"
    made.settle()
    assert (made.working, made.kinds()) == ([], ["VenueCanceled"])


def test_a_cancel_while_the_first_is_leaving_places_nothing() -> None:
    made = world(LIMIT)
    made.send_first()
    made.tracked.cancel_command = "command/o-1/2"
    made.settle()
    assert (list(made.chain), made.working, made.kinds()) == (["v-1"], [], ["VenueCanceled"])


def test_where_the_first_has_filled_all_the_other_goes() -> None:
    made = world(STOP)
    made.send_first()
    made.block()
    made.fill(10)
    made.settle()
    assert (made.working, made.filled, made.kinds()) == ([], 10, ["VenueReplaceRejected"])


def test_a_stop_of_an_entry_that_was_triggered_is_not_placed_again() -> None:
    entry = stop(reduce_only=False)
    made = world((entry, replace(entry, stop_price=Decimal(95))))
    assert not moving.places_first(made.before)
    made.send_first()
    made.fill(4)
    made.settle()
    assert (list(made.chain), made.kinds()) == (["v-1"], ["VenueReplaceRejected"])
    assert moving.WENT_OFF in getattr(last(made), "reason", "")


def test_one_of_which_the_other_has_filled_something_is_the_new_one() -> None:
    made = world((stop(), stop(quantity=Decimal(6))))
    made.send_first()
    made.block()
    made.chain["v-1"], first = made.chain["v-2"], made.chain["v-1"]
    made.fill(99)
    made.chain["v-1"], made.chain["v-2"] = first, made.chain["v-1"]
    made.settle()
    assert (made.filled, made.working, made.kinds()) == (6, [], ["VenueReplaced"])


def test_what_the_stream_shows_is_a_hint_and_an_end_is_asked() -> None:
    made = world(STOP)
    made.send_first()
    move = made.tracked.own.move
    assert move is not None
    assert moving.on_order(made.tracked, OrderSeen(id="v-2", status="UNTRIGGERED"), is_open=True) == []
    assert move.new.stage is Stage.WORKS
    [ask] = moving.on_order(made.tracked, OrderSeen(id="v-1", status="CANCELED"), is_open=False)
    assert move.first.stage is Stage.WORKS, ask


def test_a_limit_that_waits_for_its_trigger_may_stand_twice_only_if_it_closes() -> None:
    kinds = {kind: moving.places_first(stop(order_type=kind)) for kind in (OrderType.STOP, OrderType.MARKET_IF_TOUCHED)}
    assert all(kinds.values())
    assert not moving.places_first(stop(reduce_only=False))


def test_a_cancel_is_sent_again_some_blocks_later() -> None:
    made = world(LIMIT)
    made.send_first("lost")
    assert moving.next_step(made.state, made.tracked, made.now) is None
    made.go_on()
    assert [key for _, key, _ in made.pending] == ["v-1"]


def test_what_was_surely_not_taken_is_placed_again_at_another_block() -> None:
    made = world(LIMIT)
    made.send_first()
    made.block()
    made.ask()
    move = made.tracked.own.move
    assert move is not None
    move.new.tried_at = made.state.own.height
    assert moving.next_step(made.state, made.tracked, made.now) is None
    made.state.own.height += 1
    assert moving.next_step(made.state, made.tracked, made.now) is not None


def test_what_is_cancelled_between_two_looks_is_not_placed() -> None:
    made = world(LIMIT)
    made.send_first()
    made.block()
    made.ask()
    made.tracked.cancel_command = "command/o-1/2"
    made.go_on()
    assert made.pending == []


def test_what_is_full_is_not_put_back() -> None:
    made = world((terms(), terms(quantity=Decimal(12))))
    made.send_first()
    made.fill(10)
    made.block()
    made.ask()
    made.pass_(DEADLINE_SECONDS)
    made.go_on()
    assert made.pending == []
    made.settle()
    assert (made.kinds(), made.tracked.done) == (["VenueReplaceRejected"], True)


def test_what_has_filled_too_much_is_taken_off_before_it_counts_as_changed() -> None:
    made = world(LIMIT)
    made.send_first("lost")
    made.fill(7)
    made.ask()
    assert (made.kinds(), len(made.working)) == ([], 1)
    made.settle()
    assert (made.kinds(), made.working, made.filled) == (["VenueReplaced"], [], 7)


def test_a_cancelled_order_has_not_ended_while_something_of_it_works() -> None:
    made = world(STOP)
    made.send_first()
    made.block()
    made.tracked.cancel_command = "command/o-1/2"
    made.ask()
    assert (made.kinds(), len(made.working)) == ([], 2)


@pytest.mark.parametrize("dies", ["", "before it is full", "when it is full"])
@pytest.mark.parametrize("pair", [STOP, (stop(), stop(quantity=Decimal(12)))], ids=["moved", "larger"])
def test_of_a_stop_that_is_full_by_the_fills_of_both_no_rest_stays(pair: tuple[Order, Order], dies: str) -> None:
    made = world(pair)
    made.send_first()
    made.block()
    made.fill(4)
    made.ask()
    made.settle()
    assert (made.kinds(), made.tracked.own.move) == (["VenueReplaced"], None)
    assert (made.tracked.filled, made.chain["v-2"].size) == (4, made.after.quantity), "placed before the first filled"
    if dies == "before it is full":
        made.die()
        made.ask()
    made.fill(int(made.after.quantity) - 4)
    made.ask()
    assert (made.tracked.done, [kept.id for kept in made.working]) == (True, ["v-2"])
    if dies == "when it is full":
        made.die()
    made.settle()
    assert (made.working, made.kinds(), made.filled) == ([], ["VenueReplaced"], made.after.quantity)
    assert moving.question(made.tracked) == ""


def asked_at_fill(made: World, name: str, size: int) -> list[Ask]:
    """What is to be asked when the stream tells of a fill of the new one."""
    fact = FillSeen(
        id=name, order_id="v-2", ticker="BTC-USD", side=Side.SELL, size=Decimal(size), price=Decimal(90), height=200,
        at=AT, fee=Decimal(0), liquidity=Liquidity.TAKER, type="LIMIT",
    )  # fmt: skip
    return [each for each in decide(made.state, fact, AT) if isinstance(each, Ask)]


def test_a_fill_that_makes_it_full_beside_that_of_another_is_asked_about_at_once() -> None:
    made = world(STOP)
    made.send_first()
    made.block()
    made.fill(4)
    made.settle()
    assert asked_at_fill(made, "s-1", 5) == []
    [ask] = asked_at_fill(made, "s-2", 1)
    assert ask.urgent
    assert moving.question(made.tracked) == ask.reason != ""


def test_what_fills_as_one_leaves_no_question() -> None:
    made = world(STOP)
    made.send_first()
    made.settle()
    assert asked_at_fill(made, "s-1", 6) + asked_at_fill(made, "s-2", 4) == []
    assert (made.tracked.done, moving.question(made.tracked)) == (True, "")


def test_of_what_could_open_no_rest_can_stay_and_none_is_asked_for() -> None:
    made = world(LIMIT)
    made.send_first()
    made.fill(4)
    made.settle()
    assert asked_at_fill(made, "s-1", 2) == []
    assert (len({*made.tracked.own.version_of.values()}), made.tracked.done) == (2, True)
    assert moving.question(made.tracked) == ""


def test_what_comes_late_of_one_that_is_over_brings_it_not_back() -> None:
    made = world(STOP)
    made.send_first()
    move = made.tracked.own.move
    assert move is not None
    move.first.stage = Stage.OVER
    moving.on_order(made.tracked, OrderSeen(id="v-1", status="OPEN"), is_open=True)
    assert move.first.stage is Stage.OVER


def test_a_deadline_takes_nothing_back_that_may_still_come() -> None:
    made = world(LIMIT)
    made.pass_(DEADLINE_SECONDS - 1)
    made.send_first()
    made.pass_(1)
    made.ask()
    assert made.kinds() == []
    made.settle()
    assert (made.kinds(), [kept.id for kept in made.working]) == (["VenueReplaceRejected"], ["v-3"])


def test_what_the_chain_takes_and_turns_away_is_put_back() -> None:
    made = world(LIMIT)
    made.send_first()
    made.block()
    made.ask()
    made.go_on()
    made.block()
    made.chain["v-2"].works = False
    crossed = OrderSeen(id="v-2", status="CANCELED", removal_reason="POST_ONLY_WOULD_CROSS_MAKER_ORDER")
    [ask] = moving.on_order(made.tracked, crossed, is_open=False)
    assert getattr(ask, "urgent", False)
    made.settle()
    assert (made.kinds(), [kept.id for kept in made.working]) == (["VenueReplaceRejected"], ["v-3"])
    assert "post-only" in getattr(last(made), "reason", "")


def test_who_comes_after_a_death_before_anything_was_sent_waits_for_nothing() -> None:
    made = world(LIMIT)
    made.die()
    made.ask()
    made.go_on()
    made.block()
    made.ask()
    made.go_on()
    assert [(key, order is None) for _, key, order in made.pending] == [("v-2", False)]


def test_who_comes_after_it_was_done_has_nothing_to_do() -> None:
    made = world(STOP)
    made.send_first()
    made.settle()
    made.fill(3)
    made.ask()
    made.die()
    assert (made.tracked.number, made.tracked.venue_order_id) == (2, "v-2")
    assert made.state.highest_number == 3
    assert moving.question(made.tracked)
    made.ask()
    assert (made.tracked.own.move, moving.question(made.tracked)) == (None, "")
    assert (made.tracked.order, made.tracked.venue_order_id) == (made.after, "v-2")


def test_a_late_fill_of_the_first_says_nothing_of_which_one_counts() -> None:
    made = world(LIMIT)
    made.send_first()
    made.fill(4)
    made.settle()
    made.stored = [each for each in made.stored if isinstance(each, VenueReplaced)] + [
        each for each in made.stored if not isinstance(each, VenueReplaced)
    ]
    made.die()
    assert made.tracked.venue_order_id == "v-2"


@pytest.mark.parametrize("pair", [LIMIT, STOP], ids=["limit", "stop"])
@pytest.mark.parametrize("dies_at", range(6))
def test_a_process_that_dies_anywhere_is_followed_by_one_that_goes_on(pair: tuple[Order, Order], dies_at: int) -> None:
    made = world(pair)
    for number in range(6):
        fate = "death" if number == dies_at else "heard"
        if number == 0:
            made.send_first(fate)
        elif moving.next_step(made.state, made.tracked, made.now) is not None:
            made.go_on(fate)
        else:
            made.block()
            made.ask()
            if fate == "death":
                made.die()
    made.settle()
    [kept] = made.working
    stands = made.after if "VenueReplaced" in made.kinds() else made.before
    assert len(made.kinds()) == 1
    assert (kept.id, kept.size) == (made.tracked.venue_order_id, stands.quantity)
    assert made.tracked.order == stands
    if not moving.places_first(made.before):
        assert made.works_max == 1


FATES = some.sampled_from(["heard", "heard", "lost", "refused", "death", "unheard"])
HAPPENS = some.one_of(
    some.tuples(some.just("block"), some.just(0)),
    some.tuples(some.just("ask"), some.just(0)),
    some.tuples(some.just("go on"), FATES),
    some.tuples(some.just("fill"), some.integers(1, 12)),
    some.tuples(some.just("pass"), some.integers(1, 40)),
    some.tuples(some.just("die"), some.just(0)),
    some.tuples(some.just("cancel"), some.just(0)),
)


@settings(max_examples=400, deadline=None)
@given(
    some.sampled_from(["limit", "stop"]), some.integers(1, 15), some.sampled_from(["heard", "lost", "death"]),
    some.lists(HAPPENS, max_size=25),
)  # fmt: skip
def test_whatever_happens_the_total_is_kept_and_it_settles(
    kind: str, total: int, first: str, happenings: list[tuple[str, object]]
) -> None:
    before = terms() if kind == "limit" else stop()
    made = World(before, replace(before, quantity=Decimal(total)))
    made.begin()
    made.send_first(first)
    for what, how in happenings:
        match what:
            case "block":
                made.block()
            case "ask":
                made.ask()
            case "go on":
                made.go_on(str(how))
            case "fill":
                made.fill(int(str(how)))
            case "pass":
                made.pass_(int(str(how)))
            case "die":
                made.die()
            case "cancel" if not made.tracked.done:
                made.cancels, made.tracked.cancel_command = True, "command/o-1/2"
    made.settle()
    made.ask()
    over = made.tracked.done or made.tracked.standing.value == "OVER"
    assert len(made.working) <= (0 if over else 1)
    assert made.kinds().count("VenueReplaced") + made.kinds().count("VenueReplaceRejected") <= 1
    if kind == "limit":
        assert made.works_max <= 1
        ready = made.filled
        for _ in range(3):
            made.fill(99)
        assert made.filled <= max(ready, made.tracked.order.quantity)
        assert made.filled <= max(before.quantity, Decimal(total))
