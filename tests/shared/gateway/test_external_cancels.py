"""Cancels of orders that others have placed: as any cancel they leave when they may, and each has an answer."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, cast

import pytest
from signalbox.errors import TranslationError
from signalbox.gateway import external_cancels, externals
from signalbox.gateway.asking import Asking, Pace
from signalbox.gateway.external_cancels import ATTEMPTS_MAX, ExternalCancels
from signalbox.gateway.externals import External
from signalbox.gateway.link import Link
from signalbox.gateway.venue import Canceled, CancelVerdict
from signalbox.messages import CancelOrder, LinkStatus, Report, Side, VenueCancelRejected, VenueOrderFound

from tests.conftest import HeldLease, MovedClock
from tests.stream_in_memory import MemoryBus

from .orders import ACCOUNT, AT, VENUE, empty_state

TAKEN = Canceled(CancelVerdict.ACCEPTED)


class Venue:
    def __init__(self) -> None:
        self.answers: list[Canceled | Exception] = []
        self.asked: list[str] = []

    async def turn(self) -> None:
        return

    async def cancel_external(self, external: External) -> Canceled:
        self.asked.append(external.found.venue_order_id)
        answer = self.answers.pop(0) if self.answers else TAKEN
        if isinstance(answer, Exception):
            raise answer
        return answer


class Cancelling:
    """The way of such a cancel, READY, with one order that works."""

    def __init__(self) -> None:
        self.state, self.venue, self.told = empty_state(), Venue(), list[Report]()
        bus, clock = cast(Any, MemoryBus()), MovedClock(AT)
        self.link = Link(bus, clock, VENUE, ACCOUNT, cast(Any, HeldLease()))
        self.link.become(LinkStatus.READY)
        pace = Pace(ask_seconds=1.0, ask_seconds_max=60.0, commission_asks_max=5)
        self.asking = Asking(self.state, self.link, cast(Any, None), pace, lambda actions: None)
        self.cancels = ExternalCancels(
            clock, self.state, self.link, cast(Any, self.venue), self.asking, self.told.append, 0.2
        )
        facts: dict[str, Any] = {"id": "", "at": AT, "venue": VENUE, "account": ACCOUNT, "venue_order_id": "7"}
        found = VenueOrderFound(**facts, symbol="SPY", side=Side.BUY, quantity=Decimal(5))
        externals.shown(self.state, found)

    async def take(self, order_id: str = "external-7", command_id: str = "c-1") -> None:
        async with asyncio.timeout(60):
            await self.cancels.cancel(
                CancelOrder(id=command_id, at=AT, venue=VENUE, account=ACCOUNT, order_id=order_id, venue_order_id="7")
            )

    def refusal(self) -> VenueCancelRejected:
        [report] = self.told
        assert isinstance(report, VenueCancelRejected)
        return report


@pytest.fixture
async def way() -> Cancelling:
    return Cancelling()


async def test_it_leaves_and_the_venue_is_asked_what_became_of_it(way: Cancelling) -> None:
    await way.take()
    assert (way.venue.asked, way.told) == (["7"], [])
    assert way.state.external_cancels == {"external-7": "c-1"}
    assert externals.QUESTION in way.asking.open_questions
    assert externals.question(way.state)


async def test_a_refusal_is_told_with_the_sentence(way: Cancelling) -> None:
    way.venue.answers = [Canceled(CancelVerdict.REFUSED, "", "by client 7: cancel it there")]
    await way.take()
    assert (way.refusal().order_id, way.refusal().reason) == ("external-7", "by client 7: cancel it there")
    assert way.state.external_cancels == {}


async def test_what_is_not_known_to_have_left_leaves_again_and_not_for_ever(
    way: Cancelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    way.venue.answers = [Canceled(CancelVerdict.UNKNOWN, "", "no verdict")]
    way.cancels._wait_seconds_max = 30.0
    monkeypatch.setattr(external_cancels, "RETRY_SECONDS", 0.001)
    await way.take()
    assert way.venue.asked == ["7", "7"]
    way.venue.answers = [Canceled(CancelVerdict.UNKNOWN, "", "no verdict")] * (ATTEMPTS_MAX + 1)
    await way.take(command_id="c-2")
    assert len(way.venue.asked) == 2 + ATTEMPTS_MAX


@pytest.mark.parametrize("name", ["external-8", "o-1"])
async def test_of_an_order_that_nobody_knows_it_says_so(way: Cancelling, name: str) -> None:
    await way.take(name)
    assert way.refusal().reason
    assert way.venue.asked == []


async def test_of_one_that_is_over_it_says_so_unless_it_has_ended_it(way: Cancelling) -> None:
    await way.take()
    externals.ended(way.state, way.state.externals["7"], AT)
    await way.take()  # the same command comes again
    assert way.told == []
    await way.take(command_id="c-2")
    assert "is over" in way.refusal().reason
    assert way.venue.asked == ["7"]


async def test_while_the_link_is_away_it_waits_and_then_is_refused(way: Cancelling) -> None:
    way.link.become(LinkStatus.DOWN, "no session")
    await way.take()
    assert "could not be sent" in way.refusal().reason
    assert way.venue.asked == []


async def test_what_the_venue_has_no_words_for_is_refused(way: Cancelling) -> None:
    way.venue.answers = [TranslationError("not told under which client id")]
    await way.take()
    assert "client id" in way.refusal().reason
