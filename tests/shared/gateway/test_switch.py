"""The desk's switch at a gateway: what it stops, what it lets through, and what is no word of an operator.

Every guard here was deleted once, and a test failed.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox import messages, subjects
from signalbox.bus import Received
from signalbox.gateway.switch import NOT_SET, Switch
from signalbox.messages import RefusedBy, TradingMode, VenueRejected, VenueReplaceRejected

from .orders import AT, VENUE, cancel_of, change_of, submission, switched
from .test_submission import House

HALTED, REDUCING, ACTIVE = TradingMode.HALTED, TradingMode.REDUCING, TradingMode.ACTIVE


def working(house: House) -> Any:
    tracked = house.working()
    tracked.seen = True
    return tracked


def stored(payload: bytes, name: str = "olga") -> Received:
    return Received(subjects.trading_state(name), payload, "KV_CONTROL", 7, AT, "id", 0)


@pytest.mark.parametrize("mode", [HALTED, REDUCING])
async def test_an_order_that_was_approved_before_is_refused_with_who_and_why(house: House, mode: TradingMode) -> None:
    house.link.switch.state = switched(mode, "the feed is mad")
    await house.take(submission())
    assert (house.moon.composed, house.moon.placed, house.entries()) == ([], [], [])
    [report] = await house.told()
    assert (type(report), report.refused_by) == (VenueRejected, RefusedBy.GATEWAY)
    assert "olga: the feed is mad" in report.reason


@pytest.mark.parametrize("mode", [HALTED, REDUCING])
async def test_what_reduces_is_sent_and_what_works_is_cancelled(house: House, mode: TradingMode) -> None:
    house.link.switch.state = switched(mode)
    await house.take(replace(submission("o-2"), reduces=True))
    assert house.moon.placed == [1]
    house.working()
    await house.take(cancel_of())
    assert [number for number, _ in house.moon.cancelled] == [5]


async def test_an_order_that_was_refused_is_not_sent_once_trading_goes_on(house: House) -> None:
    house.link.switch.state = switched(HALTED)
    await house.take(submission())
    house.link.switch.state = switched(ACTIVE)
    await house.take(submission())
    assert (house.moon.placed, len(await house.told())) == ([], 1)


async def test_an_order_whose_command_comes_again_after_its_deadline_is_not_sent(house: House) -> None:
    house.clock.at = AT + timedelta(seconds=31)  # it lay while the desk was halted, and nobody took it
    await house.take(submission())
    assert house.moon.placed == []


async def test_a_halt_while_the_order_is_being_claimed_stops_it(house: House) -> None:
    def halt() -> None:
        house.link.switch.state = switched(HALTED)

    turns = house.moon.turns
    house.moon.in_writing = halt
    await house.take(submission())
    assert (house.moon.placed, house.moon.turns) == ([], turns)
    assert [type(each) for each in await house.told()] == [VenueRejected]


async def test_a_halt_while_the_order_waits_for_its_turn_stops_it(house: House) -> None:
    def halt() -> None:
        house.link.switch.state = switched(HALTED)

    house.moon.in_turn = halt
    await house.take(submission())
    assert house.moon.placed == []
    assert [type(each) for each in await house.told()] == [VenueRejected]


@pytest.mark.parametrize("more", [{"quantity": Decimal(11)}, {"quantity": Decimal(7), "limit_price": Decimal(9)}])
async def test_a_change_that_may_add_risk_is_refused(house: House, more: dict[str, Any]) -> None:
    tracked = working(house)
    before, house.link.switch.state = tracked.order, switched(HALTED, "the feed is mad")
    await house.take(change_of(**more))
    assert (house.moon.changed, tracked.order) == ([], before)
    assert [each for each in house.bus.stored if each.subject.startswith("ledger.")] == [], "nor is it claimed"
    [report] = await house.told()
    assert (type(report), report.refused_by) == (VenueReplaceRejected, RefusedBy.GATEWAY)
    assert "the feed is mad" in report.reason


async def test_an_order_is_made_smaller_and_what_reduces_is_changed_as_ever(house: House) -> None:
    working(house)
    house.link.switch.state = switched(HALTED)
    await house.take(change_of(quantity=Decimal(7)))
    assert len(house.moon.changed) == 1


async def test_an_exit_follows_what_it_protects(house: House) -> None:
    working(house)
    house.link.switch.state = switched(HALTED)
    await house.take(replace(change_of(quantity=Decimal(12)), reduces=True))
    assert len(house.moon.changed) == 1


@pytest.mark.parametrize("turn", [1, 0])
async def test_a_halt_while_a_change_waits_stops_it(house: House, turn: int) -> None:
    def halt() -> None:
        house.link.switch.state = switched(HALTED)

    tracked = working(house)
    if turn:
        house.moon.in_turn = halt
    else:
        claim, house.bus.publish = house.bus.publish, None  # type: ignore[assignment]

        async def and_halt(*arguments: Any, **more: Any) -> Any:
            halt()
            return await claim(*arguments, **more)

        house.bus.publish = and_halt  # type: ignore[method-assign]
    await house.take(change_of(quantity=Decimal(11)))
    assert (house.moon.changed, house.moon.turns) == ([], turn)
    assert [type(each) for each in await house.told()] == [VenueReplaceRejected]
    assert tracked.change is None


# ------------------------------------------------------------------------------------------------- whose word counts


async def test_it_is_known_by_the_server_who_has_halted_it() -> None:
    switch = Switch(VENUE)
    await switch.take(stored(messages.encode(switched(HALTED, by="somebody else"))))
    assert "olga: as ever" in switch.why_not_sent(submission())
    assert switch.described()["obeys_trading_state"] == "trading-state/HALTED"


async def test_what_can_not_be_read_leaves_what_held_before_and_is_told() -> None:
    switch = Switch(VENUE)
    await switch.take(stored(messages.encode(switched(ACTIVE))))
    await switch.take(stored(b'{"type":"TradingState","mode":"MAD"}'))
    assert (switch.mode, switch.why_not_sent(submission())) == (ACTIVE, "")
    assert "KV_CONTROL:7 can not be read" in switch.described()["trading_state_unread"]
    await switch.take(stored(messages.encode(switched(HALTED))))
    assert (switch.mode, switch.unread) == (HALTED, "")


@pytest.mark.parametrize("gone", [None, stored(b"")])
async def test_a_state_that_is_gone_means_halted(gone: Received | None) -> None:
    switch = Switch(VENUE)
    assert switch.why_not_sent(submission()) == NOT_SET, "nothing has been heard yet"
    await switch.take(stored(messages.encode(switched(ACTIVE))))
    await switch.take(gone)
    assert switch.why_not_sent(submission()) == NOT_SET
