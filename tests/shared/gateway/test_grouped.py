"""Orders of a group of which others have filled meanwhile: neither they nor changes of them are sent, on any way.

Every guard here was deleted once, and a test failed.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from signalbox.gateway import grouped
from signalbox.gateway.forgetting import forget
from signalbox.gateway.state import Standing, fold_ledger, remember_fill, track
from signalbox.messages import (
    Contingency,
    Fill,
    LinkStatus,
    ListPart,
    RefusedBy,
    Side,
    VenueRejected,
    VenueReplaceRejected,
)

from .orders import AT, change_of, claim_of, empty_state, order_of, submission
from .test_submission import House


def part(known: str | None, leg: str = "target", group: int = 1, contingency: Any = Contingency.OUO) -> ListPart:
    filled = None if known is None else Decimal(known)
    return ListPart(list_id="b", leg=leg, group=group, contingency=contingency, others_filled=filled)


def stop(
    state: Any, group: int = 1, number: int = 5, order_id: str = "b.stop", contingency: Any = Contingency.OUO
) -> Any:
    """The other one, which the venue has."""
    of = part("0", "stop", group, contingency)
    tracked = track(state, claim_of(number, order_id, part=of), number)
    tracked.standing = Standing.SENT
    return tracked


def fills(state: Any, quantity: str, order_id: str = "b.stop", execution_id: str = "1", revision: int = 1) -> None:
    fill = Fill(
        execution_id=execution_id,
        revision=revision,
        order_id=order_id,
        symbol="SPY",
        side=Side.SELL,
        quantity=Decimal(quantity),
        price=Decimal(9),
        at=AT,
    )
    remember_fill(state, fill)


def target(known: str | None, **fields: Any) -> Any:
    return submission("b.target", part=part(known, **fields))


# ----------------------------------------------------------------------------------------------------- what is known


def test_what_others_of_its_group_have_filled_is_the_sum_of_their_fills() -> None:
    state = empty_state()
    stop(state)
    stop(state, number=6, order_id="b.stop-2")
    stop(state, group=2, number=7, order_id="b.stop-3")
    stop(state, number=8, order_id="b.none", contingency=None)
    for execution_id, order_id in enumerate(("b.stop", "b.stop", "b.stop-2", "b.stop-3", "b.none")):
        fills(state, "2", order_id, str(execution_id))
    order = target("6").order
    assert grouped.filled_by_others(state, order) == 6
    assert grouped.why_outdated(state, order) == ""
    assert "have filled 6" in grouped.why_outdated(state, target("5").order)
    assert grouped.filled_by_others(state, order_of("b.stop-2", part=part("0"))) == 4, (
        "what it has filled itself is not"
    )


def test_a_fill_that_was_taken_back_is_none() -> None:
    state = empty_state()
    stop(state)
    fills(state, "5")
    fills(state, "0", revision=2)
    assert grouped.why_outdated(state, target("0").order) == ""


def test_of_what_does_not_say_what_it_knows_nothing_is_known() -> None:
    state = empty_state()
    stop(state)
    fills(state, "5")
    assert grouped.why_outdated(state, target(None).order) == ""
    assert grouped.why_outdated(state, order_of()) == ""


def test_a_new_process_knows_it_from_what_is_stored() -> None:
    state = empty_state()
    fold_ledger(state, claim_of(5, "b.stop", part=part("0", "stop")), 1)
    fills(state, "5")
    assert grouped.why_outdated(state, target("0").order) != ""


def test_what_is_over_for_long_is_forgotten() -> None:
    state = empty_state()
    for number, order_id in enumerate(("b.stop", "b.stop-2"), 5):
        stop(state, number=number, order_id=order_id)
    fills(state, "10", "b.stop")
    forget(state, AT + timedelta(days=9), {"b.stop-2"})
    assert state.orders_by_group == {"b.1": ["b.stop-2"]}
    assert grouped.why_outdated(state, target("0").order) == ""
    forget(state, AT + timedelta(days=9), ())
    state.orders["b.stop-2"].standing = Standing.OVER
    forget(state, AT + timedelta(days=9), ())
    assert state.orders_by_group == {}


@given(st.lists(st.tuples(st.sampled_from(["b.stop", "b.target"]), st.integers(1, 9)), max_size=9), st.integers(0, 30))
def test_it_goes_out_exactly_when_nothing_has_filled_that_it_does_not_know(
    filled: list[tuple[str, int]], known: int
) -> None:
    state = empty_state()
    for number, order_id in enumerate(("b.stop", "b.target"), 5):
        stop(state, number=number, order_id=order_id)
    for execution_id, (order_id, quantity) in enumerate(filled):
        fills(state, str(quantity), order_id, str(execution_id))
    others = sum(quantity for order_id, quantity in filled if order_id == "b.stop")
    assert (grouped.why_outdated(state, target(str(known)).order) == "") is (others <= known)


# ------------------------------------------------------------------------------------------------------------ an order


async def test_an_order_that_does_not_know_of_a_fill_is_refused_before_it_is_claimed(house: House) -> None:
    stop(house.state)
    fills(house.state, "4")
    await house.take(target("3"))
    [refusal] = await house.told()
    assert (type(refusal), refusal.refused_by, refusal.room_at) == (VenueRejected, RefusedBy.GATEWAY, AT)
    assert "sized anew" in refusal.reason
    assert (house.moon.placed, house.entries("b.target")) == ([], [])


async def test_an_order_that_knows_of_it_is_sent(house: House) -> None:
    stop(house.state)
    fills(house.state, "4")
    await house.take(target("4"))
    assert len(house.moon.placed) == 1


async def test_a_fill_that_comes_while_the_order_is_claimed_keeps_it_here(house: House) -> None:
    stop(house.state)
    house.moon.in_writing = lambda: fills(house.state, "4")
    await house.take(target("0"))
    [refusal] = await house.told()
    assert (type(refusal), refusal.room_at, house.moon.placed) == (VenueRejected, AT, [])
    assert house.state.orders["b.target"].standing is Standing.OVER


async def test_a_fill_that_comes_while_a_turn_is_waited_for_keeps_it_here(house: House) -> None:
    stop(house.state)
    house.moon.in_turn = lambda: fills(house.state, "4")
    await house.take(target("0"))
    assert ([type(each) for each in await house.told()], house.moon.placed) == ([VenueRejected], [])


# ------------------------------------------------------------------------------------------------------------ a change


def working(house: House) -> Any:
    tracked = stop(house.state)
    tracked.seen = True
    stop(house.state, number=6, order_id="b.target")
    return tracked


async def test_a_change_that_does_not_know_of_a_fill_is_refused(house: House) -> None:
    tracked = working(house)
    fills(house.state, "4", "b.target")
    await house.take(change_of("b.stop", part=part("3", "stop")))
    [refusal] = await house.told()
    assert (type(refusal), refusal.refused_by, refusal.room_at) == (VenueReplaceRejected, RefusedBy.GATEWAY, AT)
    assert (house.moon.changed, tracked.change) == ([], None)


async def test_a_change_that_knows_of_it_is_sent(house: House) -> None:
    working(house)
    fills(house.state, "4", "b.target")
    await house.take(change_of("b.stop", part=part("4", "stop")))
    assert len(house.moon.changed) == 1


async def test_a_fill_that_comes_while_a_turn_is_waited_for_keeps_the_change_here(house: House) -> None:
    tracked = working(house)
    house.moon.in_turn = lambda: fills(house.state, "4", "b.target")
    await house.take(change_of("b.stop", part=part("0", "stop")))
    [refusal] = await house.told()
    assert (type(refusal), refusal.room_at) == (VenueReplaceRejected, AT)
    assert (house.moon.changed, tracked.change) == ([], None)


async def test_the_link_comes_first(house: House) -> None:
    """While there is none, what is known of the group may be out of date."""
    stop(house.state)
    house.link.become(LinkStatus.DOWN)
    asyncio.get_running_loop().call_soon(house.link.become, LinkStatus.READY)
    fills(house.state, "4")
    await house.take(target("0"))
    assert [type(each) for each in await house.told()] == [VenueRejected]
