"""When a venue is asked: what is due, while it makes sense, one set of questions at a time, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from signalbox.bus import Bus
from signalbox.clock import FixedClock
from signalbox.errors import VenueTimeoutError
from signalbox.gateway.actions import Action, Ask
from signalbox.gateway.asking import Asking, Pace
from signalbox.gateway.link import Link
from signalbox.gateway.reports import COMMISSION_IS_MISSING
from signalbox.gateway.state import AnyTracked, Standing, outstanding, track

from tests.shared.gateway.orders import ACCOUNT, AT, VENUE, claim_of, empty_state

WAIT_SECONDS_MAX = 60.0


class Answered:
    """Complete answers."""

    def __init__(self, asked_about: frozenset[str]) -> None:
        self.asked_about = asked_about


class House:
    """Questions to a venue that says what it is told to; and what was asked."""

    def __init__(self, lease: Any) -> None:
        self.state = empty_state()
        self.asks = True
        self.open = "no word of the order"
        self.fails = self.asked = self.at_once = self.at_once_most = 0
        self.taken: list[list[str]] = []
        self.acted: list[Action] = []
        link = Link(cast(Bus, None), FixedClock(AT), VENUE, ACCOUNT, lease)
        pace = Pace(ask_seconds=0.0, ask_seconds_max=0.0, commission_asks_max=2)
        self.asking = Asking(self.state, link, self, pace, self.acted.extend)

    def order(self, number: int = 1) -> AnyTracked:
        tracked = track(self.state, claim_of(number, f"o-{number}"), number)
        tracked.standing = Standing.SENT
        return tracked

    async def until_taken(self, times: int) -> None:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while len(self.taken) < times:
                await asyncio.sleep(0.001)

    def may_ask(self) -> bool:
        return self.asks

    def question(self, key: str, tracked: AnyTracked | None) -> str:
        return self.open

    async def ask(self) -> Answered:
        self.asked += 1
        self.at_once += 1
        self.at_once_most = max(self.at_once_most, self.at_once)
        asked_about = outstanding(self.state)
        for _ in range(5):
            await asyncio.sleep(0)
        self.at_once -= 1
        if self.fails:
            self.fails -= 1
            raise VenueTimeoutError("no end")
        return Answered(asked_about)

    def take(self, answers: Answered, due: list[str]) -> list[Action]:
        self.taken.append(due)
        return [Ask("o-1", "more")]

    def is_stranded(self, tracked: AnyTracked) -> bool:
        return False


@pytest.fixture
async def house(held_lease: Any) -> AsyncIterator[House]:
    made = House(held_lease)
    asking = asyncio.create_task(made.asking.ask_when_due())
    yield made
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def test_what_is_due_is_asked_until_the_question_is_answered(house: House) -> None:
    house.order()
    house.asking.later("o-1")
    await house.until_taken(2)
    house.open = ""
    await house.asking.inquire()
    assert house.taken[0] == ["o-1"]
    assert house.acted[0] == Ask("o-1", "more")
    assert house.state.orders["o-1"].asked == 0, "what is answered begins anew"


async def test_what_stands_no_more_is_not_asked(house: House) -> None:
    house.order()
    house.open = ""
    house.asking.later("o-1")
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while house.asking.open_questions:
            await asyncio.sleep(0.001)
    assert house.asked == 0


async def test_nothing_is_asked_while_it_makes_no_sense(house: House) -> None:
    house.order()
    house.asks = False
    house.asking.later("o-1")
    for _ in range(50):
        await asyncio.sleep(0)
    assert house.asked == 0
    assert house.asking.open_questions == {"o-1"}
    house.asks = True
    await house.until_taken(1)


async def test_an_order_in_hand_is_not_asked_about(house: House) -> None:
    """The venue can not have it yet: that it is absent from the answers would mean nothing."""
    house.order().in_hand = True
    house.asking.later("o-1")
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while house.asking.open_questions:
            await asyncio.sleep(0.001)
    assert house.asked == 0
    assert outstanding(house.state) == frozenset()


async def test_a_commission_is_not_asked_for_for_ever(house: House) -> None:
    tracked = house.order()
    house.open = COMMISSION_IS_MISSING
    house.asking.later("o-1")
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while house.asking.open_questions:
            await asyncio.sleep(0.001)
    assert tracked.asked == house.asked == 2


async def test_from_an_answer_that_is_not_complete_nothing_follows(house: House) -> None:
    tracked = house.order()
    house.fails = 1
    with pytest.raises(VenueTimeoutError):
        await house.asking.inquire()
    assert (house.taken, house.acted, tracked.asked) == ([], [], 0)


async def test_one_set_of_questions_is_asked_at_a_time(house: House) -> None:
    house.order()
    await asyncio.gather(*(house.asking.inquire() for _ in range(4)))
    assert house.at_once_most == 1


async def test_a_question_that_is_no_order_is_asked_too(house: House) -> None:
    house.asking.later("positions")
    await house.until_taken(1)
    assert house.taken[0] == ["positions"]


def test_each_question_waits_twice_as_long_as_the_one_before_unless_it_is_urgent(held_lease: Any) -> None:
    house = House(held_lease)
    tracked = house.order()
    waits = []
    for tracked.asked in range(4):
        pace = Pace(ask_seconds=100.0, ask_seconds_max=450.0, commission_asks_max=2)
        asking = Asking(house.state, cast(Any, None), house, pace, house.acted.extend)
        asking.later("o-1")
        waits.append(asking._due["o-1"])
        asking.later("o-1", urgent=True)
        assert asking._due["o-1"] < waits[-1] - 99, "the sooner of the two"
    gaps = [round(wait - waits[0], -1) for wait in waits]
    assert gaps == [0, 100, 300, 350]
