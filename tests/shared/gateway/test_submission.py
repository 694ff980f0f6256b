"""What stands between a command and the socket: each look by itself, with a venue that does as it is told.

Every guard here was deleted once, and a test failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from msgspec.structs import replace
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.errors import BusUnavailableError, LeaseLostError, TranslationError, VenueUnavailableError
from signalbox.gateway import reports
from signalbox.gateway.actions import Action, CancelAgain, CancelStray, RecordSent
from signalbox.gateway.asking import Pace
from signalbox.gateway.link import Link
from signalbox.gateway.outbox import Outbox
from signalbox.gateway.parking import Parking, parked
from signalbox.gateway.state import AnyTracked, Standing, fold_cancel, fold_report, track
from signalbox.gateway.submission import ATTEMPTS_MAX, REFUSALS_MAX, RETRY_SECONDS, Submission
from signalbox.gateway.venue import Canceled, CancelVerdict, Draft, NoRoom, Outcome, Placed
from signalbox.messages import (
    Command,
    LedgerClaimed,
    LedgerSent,
    LinkStatus,
    Order,
    RefusedBy,
    Report,
    VenueAccepted,
    VenueCancelRejected,
    VenueRejected,
    VenueUnknown,
)

from tests.conftest import HeldLease, MovedClock
from tests.shared.gateway.orders import (
    ACCOUNT,
    AT,
    VENUE,
    cancel_of,
    claim_of,
    empty_state,
    order_of,
    submission,
    switched,
)
from tests.stream_in_memory import MemoryBus

WAIT_SECONDS_MAX = 60.0
TURNS_MAX = 1000
SENT = Placed(Outcome.SENT)


class Moon:
    """A venue: what left for it, what it answers, and what happens meanwhile."""

    def __init__(self) -> None:
        self.composed: list[str] = []
        self.placed: list[int] = []
        self.cancelled: list[tuple[int, bool]] = []
        self.answers: list[Placed] = []
        """To the next orders; then each is sent."""
        self.cancel_answers: list[Canceled] = []
        self.rooms: list[NoRoom | None] = []
        self.in_writing: Callable[[], None] = lambda: None
        self.in_turn: Callable[[], None] = lambda: None
        self.unwatched = False
        self.turns = 0
        self.changed: list[tuple[int, Order]] = []
        self.change_answers: list[Placed] = []
        self.may_change = False

    def compose_change(self, tracked: AnyTracked, order: Order, at: datetime) -> Draft:
        if order.symbol == "ROCK":
            raise TranslationError("the moon has no word for it")
        return Draft(tracked.number, order, again=self.may_change)

    async def change(self, tracked: AnyTracked, draft: Draft) -> Placed:
        assert tracked.change is not None
        assert tracked.change.in_hand, "the venue can not have it yet: nobody may ask about it"
        self.changed.append((draft.number, draft.terms))
        return self.change_answers.pop(0) if self.change_answers else SENT

    def compose(self, order: Order, at: datetime) -> Draft:
        if order.symbol == "ROCK":
            raise TranslationError("the moon has no word for it")
        self.composed.append(order.order_id)
        return Draft(len(self.composed), None, f"their-{len(self.composed)}")

    def no_room(self, draft: Draft) -> NoRoom | None:
        return self.rooms.pop(0) if self.rooms else None

    def write_out(self, draft: Draft) -> None:
        draft.written = "written"
        self.in_writing()

    async def turn(self) -> None:
        self.turns += 1  # a loop that never waits would stop everything, the test's own bound too
        assert self.turns <= TURNS_MAX, f"more than {TURNS_MAX} turns: what is to end them does not"
        happens, self.in_turn = self.in_turn, lambda: None
        happens()

    async def place(self, tracked: AnyTracked, draft: Draft) -> Placed:
        assert tracked.in_hand, "the venue can not have it yet: nobody may ask about it"
        self.placed.append(tracked.number)
        return self.answers.pop(0) if self.answers else SENT

    async def cancel(self, tracked: AnyTracked, *, again: bool) -> Canceled:
        self.cancelled.append((tracked.number, again))
        return self.cancel_answers.pop(0) if self.cancel_answers else Canceled(CancelVerdict.ACCEPTED)

    def ends_unwatched(self, tracked: AnyTracked) -> bool:
        return self.unwatched

    # what is asked of it is not what these tests are about

    def may_ask(self) -> bool:
        return False

    def question(self, key: str, tracked: AnyTracked | None) -> str:
        return "no word of the order"

    async def ask(self) -> Any:
        raise VenueUnavailableError("nobody there")

    def take(self, answers: Any, due: list[str]) -> list[Action]:
        return []

    def is_stranded(self, tracked: AnyTracked) -> bool:
        return False


class House:
    """A gateway without a network: READY, with the account."""

    def __init__(self) -> None:
        self.bus, self.clock, self.lease, self.moon = MemoryBus(), MovedClock(AT), HeldLease(), Moon()
        bus = cast(Bus, self.bus)
        self.state = empty_state()
        self.link = Link(bus, self.clock, VENUE, ACCOUNT, cast(Any, self.lease))
        self.link.become(LinkStatus.READY)
        self.link.switch.state = switched()
        self.outbox = Outbox(bus, VENUE, lambda error: None, cast(Any, self.lease))
        pace = Pace(ask_seconds=1.0, ask_seconds_max=60.0, commission_asks_max=5)
        parking = Parking(VENUE, self.link.doubt)
        self.submission = Submission(
            bus, self.clock, self.state, self.link, self.outbox, parking, self.moon, self.moon, pace, 0.2
        )

    async def take(self, command: Command) -> None:
        """Give the gateway a command, as the consumer does."""
        payload = messages.encode(command)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await self.submission.handle(Received("", payload, "COMMANDS", 1, AT, command.id, 0))

    async def told(self) -> list[Any]:
        """Every report, once all that was put is stored."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await self.outbox.drained()
        stored = [each for each in self.bus.stored if each.subject.startswith("report.")]
        return [messages.decode(each.payload, Report) for each in stored]

    def entries(self, order_id: str = "o-1") -> list[Any]:
        subject = subjects.ledger(VENUE, order_id)
        written = [each for each in self.bus.stored if each.subject == subject]
        return [messages.decode(each.payload, messages.LedgerEntry) for each in written]

    def working(self, order_id: str = "o-1", number: int = 5) -> AnyTracked:
        """Have an order that was sent."""
        tracked = track(self.state, claim_of(number, order_id), 1)
        tracked.standing = Standing.SENT
        return tracked

    def loses_the_account(self) -> None:
        self.lease.held = False


# ------------------------------------------------------------------------------------------------------- the way out


async def test_an_order_is_claimed_sent_and_written_down_once(house: House) -> None:
    await house.take(submission())
    await house.take(submission())
    assert house.moon.placed == [1]
    assert [type(entry) for entry in house.entries()] == [LedgerClaimed, LedgerSent]
    assert "o-1" in house.submission.asking.open_questions, "an order without any word of the venue is asked about"


async def test_what_the_venue_takes_at_once_is_accepted_and_not_asked_about(house: House) -> None:
    house.moon.answers = [Placed(Outcome.ACCEPTED)]
    await house.take(submission())
    assert [type(report) for report in await house.told()] == [VenueAccepted]
    assert house.state.orders["o-1"].seen
    assert "o-1" not in house.submission.asking.open_questions


async def test_no_order_leaves_for_a_symbol_of_which_a_fact_can_not_be_read(house: House) -> None:
    symbol = submission().order.symbol
    house.submission.act([parked("position", "1", "nan is no number", "what it said", symbol=symbol)])
    await house.take(submission())
    assert (house.moon.placed, house.entries()) == ([], [])
    [report] = await house.told()
    assert "nan is no number" in report.reason
    assert report.refused_by is RefusedBy.GATEWAY
    house.submission.parking.read("position", "1")
    await house.take(submission("o-2"))
    assert len(house.moon.placed) == 1


async def test_an_order_is_written_out_while_its_claim_is_being_stored_and_no_sooner(house: House) -> None:
    seen: list[int] = []
    house.moon.in_writing = lambda: seen.append(len(house.bus.attempts))
    await house.take(submission())
    assert seen == [1]


async def test_an_order_that_was_refused_is_not_sent_when_its_command_comes_again(house: House) -> None:
    late = submission(seconds=-1)
    await house.take(late)
    house.clock.at = AT - timedelta(minutes=1)
    await house.take(late)
    assert house.moon.placed == []
    assert len(await house.told()) == 1


async def test_an_order_that_was_claimed_by_a_process_before_is_asked_about(house: House) -> None:
    track(house.state, claim_of(), 1)
    await house.take(submission())
    assert house.moon.placed == []
    assert [type(report) for report in await house.told()] == [VenueUnknown]
    assert "o-1" in house.submission.asking.open_questions


async def test_an_order_that_another_process_claims_meanwhile_is_not_sent(house: House) -> None:
    await house.bus.publish(subjects.ledger(VENUE, "o-1"), claim_of(77))
    await house.take(submission())
    assert house.moon.placed == []
    assert [type(report) for report in await house.told()] == [VenueUnknown]


async def test_an_order_of_another_account_is_refused_whether_the_link_is_ready_or_not(house: House) -> None:
    house.link.become(LinkStatus.DOWN, "away")
    await house.take(submission(account="M2"))
    (refusal,) = await house.told()
    assert (refusal.account, refusal.refused_by) == ("M2", RefusedBy.GATEWAY)
    assert (house.moon.composed, house.entries()) == ([], [])


async def test_the_venues_words_are_asked_for_only_when_it_is_ready(house: House) -> None:
    """What a venue offers is learnt on the way there: an order that comes before must not be refused for it."""
    house.link.become(LinkStatus.RECONCILING)
    taking = asyncio.create_task(house.take(submission()))
    for _ in range(20):
        await asyncio.sleep(0)
    assert house.moon.composed == []
    house.link.become(LinkStatus.READY)
    await taking
    assert house.moon.placed == [1]


async def test_what_the_venue_has_no_word_for_is_refused_without_a_claim(house: House) -> None:
    await house.take(submission(symbol="ROCK"))
    (refusal,) = await house.told()
    assert (refusal.reason, refusal.refused_by) == ("the moon has no word for it", RefusedBy.GATEWAY)
    assert house.entries() == []


async def test_a_deadline_that_has_come_is_kept_although_the_link_is_ready(house: House) -> None:
    house.clock.at = AT + timedelta(seconds=30)
    await house.take(submission(seconds=30))
    (refusal,) = await house.told()
    assert "deadline" in refusal.reason
    assert (house.moon.composed, house.entries()) == ([], [])


async def test_a_deadline_that_comes_while_the_link_is_away_is_told_with_the_links_reason(house: House) -> None:
    house.link.become(LinkStatus.DOWN, "the moon is behind the earth")
    taking = asyncio.create_task(house.take(submission(seconds=30)))
    for _ in range(5):
        await asyncio.sleep(0)
    house.clock.at = AT + timedelta(seconds=30)
    await taking
    (refusal,) = await house.told()
    assert "the moon is behind the earth" in refusal.reason


@pytest.mark.parametrize("when", ["in_writing", "in_turn"])
async def test_a_deadline_that_comes_after_the_claim_is_kept_and_ends_the_order(house: House, when: str) -> None:
    def deadline_comes() -> None:
        house.clock.at = AT + timedelta(seconds=30)

    setattr(house.moon, when, deadline_comes)
    await house.take(submission(seconds=30))
    assert house.moon.placed == []
    assert [type(report) for report in await house.told()] == [VenueRejected]
    assert house.state.orders["o-1"].done, "it is not asked about any more"
    assert not house.state.orders["o-1"].in_hand


@pytest.mark.parametrize("when", ["in_writing", "in_turn"])
async def test_an_order_is_not_sent_by_a_process_that_lost_the_account_meanwhile(house: House, when: str) -> None:
    setattr(house.moon, when, house.loses_the_account)
    with pytest.raises(LeaseLostError):
        await house.take(submission())
    assert house.moon.placed == []
    assert not house.state.orders["o-1"].in_hand


@pytest.mark.parametrize("when", ["in_writing", "in_turn"])
@pytest.mark.parametrize("obstacle", ["link", "clock"])
async def test_an_order_is_not_sent_while_the_link_or_the_clock_is_gone(house: House, when: str, obstacle: str) -> None:
    def goes() -> None:
        setattr(house.moon, when, lambda: None)
        if obstacle == "link":
            house.link.become(LinkStatus.FROZEN, "gone")
        else:
            house.clock.stale = True
        asyncio.get_running_loop().call_later(0.05, comes)

    def comes() -> None:
        assert house.moon.placed == []
        house.clock.stale = False
        house.link.become(LinkStatus.READY)

    setattr(house.moon, when, goes)
    await house.take(submission())
    assert house.moon.placed == [1]


async def test_an_order_waits_for_a_way_out(house: House) -> None:
    def nobody_there() -> None:
        raise VenueUnavailableError("no session")

    house.moon.in_turn = nobody_there
    await house.take(submission())
    assert house.moon.placed == [1]


async def test_an_order_waits_for_room_that_comes_soon_and_not_for_more(house: House) -> None:
    soon, never = NoRoom("full", passes=True), NoRoom("full for long", passes=False)
    house.moon.rooms = [soon, soon]
    await house.take(submission("o-1"))
    house.moon.rooms = [soon, never]
    await house.take(submission("o-2"))
    assert house.moon.placed == [1]
    (refusal,) = await house.told()
    assert (refusal.order_id, refusal.reason) == ("o-2", "full for long")
    assert house.entries("o-2") == []


async def test_who_is_refused_for_want_of_room_is_told_when_there_is_some(house: House) -> None:
    room_at = AT + timedelta(seconds=90)
    house.moon.rooms = [NoRoom("full for long", passes=False, room_at=room_at)]
    await house.take(submission())
    (refusal,) = await house.told()
    assert (refusal.refused_by, refusal.room_at) == (RefusedBy.GATEWAY, room_at)


async def test_an_order_that_waits_for_room_until_its_deadline_is_refused(house: House) -> None:
    house.moon.rooms = [NoRoom("full", passes=True)] * 10_000
    taking = asyncio.create_task(house.take(submission(seconds=30)))
    for _ in range(20):
        await asyncio.sleep(0)
    house.clock.at = AT + timedelta(seconds=30)
    await taking
    assert [report.reason for report in await house.told()] == ["full"]
    assert house.entries() == []


async def test_what_surely_did_not_leave_is_tried_again_under_its_number(house: House) -> None:
    house.moon.answers = [Placed(Outcome.UNSENT), Placed(Outcome.REFUSED, "7", "busy", again=True)]
    await house.take(submission())
    assert house.moon.placed == [1, 1, 1]
    assert [type(entry) for entry in house.entries()] == [LedgerClaimed, LedgerSent]


async def test_a_refusal_that_does_not_pass_is_the_venues_after_so_many_attempts(house: House) -> None:
    house.moon.answers = [Placed(Outcome.REFUSED, "7", "busy", again=True)] * (ATTEMPTS_MAX + 1)
    await house.take(submission())
    assert len(house.moon.placed) == ATTEMPTS_MAX
    (refusal,) = await house.told()
    assert (refusal.code, refusal.refused_by) == ("7", RefusedBy.VENUE)
    assert house.state.orders["o-1"].done


async def test_what_is_too_late_by_the_venues_own_count_is_given_up(house: House) -> None:
    house.moon.answers = [Placed(Outcome.TOO_LATE, "", "its block has come")]
    await house.take(submission())
    (refusal,) = await house.told()
    assert "its block has come" in refusal.reason
    assert refusal.refused_by is RefusedBy.GATEWAY
    assert house.state.orders["o-1"].done


async def test_what_may_have_left_is_unknown_and_asked_about(house: House) -> None:
    house.moon.answers = [Placed(Outcome.UNKNOWN, "", "the socket broke")]
    await house.take(submission())
    tracked = house.state.orders["o-1"]
    assert (tracked.standing, tracked.in_hand) == (Standing.CLAIMED, False)
    assert [type(report) for report in await house.told()] == [VenueUnknown]
    assert [type(entry) for entry in house.entries()] == [LedgerClaimed]
    assert "o-1" in house.submission.asking.open_questions


async def test_a_command_is_not_even_looked_at_without_the_account(house: House) -> None:
    """Nor parked, nor acknowledged: it is the present holder's."""
    house.loses_the_account()
    with pytest.raises(LeaseLostError):
        await house.submission.handle(Received("", b"{", "COMMANDS", 1, AT, "command/o-1/0", 0))
    assert house.bus.stored == []


async def test_a_command_that_waits_when_the_process_ends_is_left_to_the_next_one(house: House) -> None:
    house.link.become(LinkStatus.DOWN, "away")
    taking = asyncio.create_task(house.take(submission()))
    for _ in range(5):
        await asyncio.sleep(0)
    house.link.stop()
    with pytest.raises(BusUnavailableError):
        await taking
    assert house.bus.stored == []


async def test_a_refusal_is_stored_before_its_command_is_done(house: House) -> None:
    await house.take(submission(seconds=-1))
    assert [each for each in house.bus.stored if each.subject.startswith("report.")]


async def test_a_refusal_that_can_not_be_stored_when_the_process_ends_leaves_its_command_to_the_next_one(
    held_lease: HeldLease,
) -> None:
    house = House()  # whose outbox stores nothing
    taking = asyncio.create_task(house.take(submission(seconds=-1)))
    for _ in range(5):
        await asyncio.sleep(0)
    house.link.stop()
    with pytest.raises(BusUnavailableError):
        await taking


# ----------------------------------------------------------------------------------------------------------- cancels


async def test_a_cancel_leaves_once_and_its_order_is_asked_about(house: House) -> None:
    tracked = house.working()
    await house.take(cancel_of())
    assert house.moon.cancelled == [(5, False)]
    assert tracked.cancel_command == "command/o-1/1"
    assert "o-1" in house.submission.asking.open_questions


async def test_a_cancel_is_not_sent_by_a_process_that_lost_the_account_meanwhile(house: House) -> None:
    house.working()
    house.moon.in_turn = house.loses_the_account
    with pytest.raises(LeaseLostError):
        await house.take(cancel_of())
    assert house.moon.cancelled == []


@pytest.mark.parametrize("ends_in_turn", [True, False])
async def test_a_cancel_of_an_order_that_is_over_is_refused_and_not_sent(house: House, ends_in_turn: bool) -> None:
    tracked = house.working()

    def ends() -> None:
        tracked.standing = Standing.OVER

    if ends_in_turn:
        house.moon.in_turn = ends
    else:
        ends()
    await house.take(cancel_of())
    assert house.moon.cancelled == []
    (refusal,) = await house.told()
    assert (type(refusal), refusal.refused_by) == (VenueCancelRejected, RefusedBy.GATEWAY)


async def test_a_cancel_that_comes_again_when_the_order_is_cancelled_says_nothing(house: House) -> None:
    tracked = house.working()
    house.state.reported[f"report/{VENUE}/{ACCOUNT}/canceled/o-1"] = AT
    tracked.standing = Standing.OVER
    await house.take(cancel_of())
    assert await house.told() == []


async def test_a_cancel_that_waited_in_vain_is_refused_with_the_state_of_the_link(house: House) -> None:
    tracked = house.working()
    tracked.cancel_command = "command/o-1/1"
    house.link.become(LinkStatus.DOWN, "the moon is away")
    await house.take(cancel_of(revision=2))
    (refusal,) = await house.told()
    assert "DOWN: the moon is away" in refusal.reason
    assert tracked.cancel_command == "command/o-1/1", "the one before is under way all the same"


async def test_a_cancel_that_nobody_has_heard_in_time_is_refused_and_the_one_before_is_under_way(house: House) -> None:
    tracked = house.working()
    tracked.cancel_command = "command/o-1/1"
    house.moon.cancel_answers = [Canceled(CancelVerdict.UNKNOWN)] * 100
    await house.take(cancel_of(revision=2))
    assert [type(report) for report in await house.told()] == [VenueCancelRejected]
    assert tracked.cancel_command == "command/o-1/1"


class Unrenewed(HeldLease):
    """A lease that is nobody else's, and can not be renewed for a while: NATS is away."""

    def __init__(self) -> None:
        super().__init__()
        self.renewed, self.waited_twice, self._waits = asyncio.Event(), asyncio.Event(), 0

    def away(self) -> None:
        self.held = False

    def back(self) -> None:
        self.held = True
        self.renewed.set()

    async def until_held(self) -> None:
        if not self.held:
            self._waits += 1
            if self._waits == 2:
                self.waited_twice.set()
            await self.renewed.wait()


async def test_a_cancel_that_waits_while_nats_is_away_is_as_good_as_new_when_it_is_back() -> None:
    """Nobody could be told that it was refused."""
    house, lease = House(), Unrenewed()
    house.link._lease = cast(Any, lease)
    house.working()
    lease.away()
    taking = asyncio.create_task(house.submission._cancel(cancel_of()))
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await lease.waited_twice.wait()  # within the time that the cancel may wait, and after it
    lease.back()
    await taking
    assert house.moon.cancelled == [(5, False)]
    assert house.state.reported == {}


async def test_an_order_that_ends_unwatched_is_marked_before_anything_is_waited_for(house: House) -> None:
    tracked = house.working()
    house.moon.unwatched = True
    house.link.become(LinkStatus.DOWN, "away")
    await house.take(cancel_of())
    assert tracked.cancel_command == "command/o-1/1"
    assert await house.told() == [], "it ends by itself, as a cancelled one"


@pytest.mark.parametrize("by", ["this process", "another process"])
async def test_a_refusal_after_a_cancel_that_nobody_heard_of_is_asked_about(house: House, by: str) -> None:
    """The one before has worked: the venue knows the order no more, and says so by a refusal."""
    tracked = house.working()
    refused = Canceled(CancelVerdict.REFUSED, "46", "no such order")
    house.moon.cancel_answers = [Canceled(CancelVerdict.UNKNOWN), refused, refused]
    if by == "another process":
        fold_cancel(house.state, cancel_of(), comes_again=True)
        house.moon.cancel_answers = [refused, refused]

    def ends() -> None:
        if len(house.moon.cancelled) == (2 if by == "this process" else 1):
            assert "o-1" in house.submission.asking.open_questions
            tracked.standing = Standing.OVER
            house.state.reported[f"report/{VENUE}/{ACCOUNT}/canceled/o-1"] = AT
        else:
            house.moon.in_turn = ends

    house.moon.in_turn = ends
    house.submission._cancel_wait_seconds_max = WAIT_SECONDS_MAX
    await house.take(cancel_of())
    assert await house.told() == []
    assert tracked.cancel_command == "command/o-1/1"


async def test_a_refusal_that_comes_again_and_again_after_a_cancel_that_nobody_heard_of_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def changed(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(house.link, "changed", changed)
    tracked = house.working()
    refused = Canceled(CancelVerdict.REFUSED, "46", "not of this kind")
    house.moon.cancel_answers = [Canceled(CancelVerdict.UNKNOWN), *[refused] * 100]
    house.submission._cancel_wait_seconds_max = WAIT_SECONDS_MAX
    await house.take(cancel_of())
    [told] = await house.told()
    assert (told.order_id, told.code, told.reason) == ("o-1", "46", "not of this kind")
    assert waits == [RETRY_SECONDS * 2**refusals for refusals in range(REFUSALS_MAX + 1)], "a block may take seconds"
    assert tracked.cancel_command == ""


async def test_a_cancel_that_nobody_has_heard_is_repeated(house: House) -> None:
    house.working()
    house.moon.cancel_answers = [Canceled(CancelVerdict.UNKNOWN)]
    house.submission._cancel_wait_seconds_max = WAIT_SECONDS_MAX
    await house.take(cancel_of())
    assert house.moon.cancelled == [(5, False), (5, False)]


async def test_a_cancel_is_in_hand_until_no_more_is_done_for_it(house: House) -> None:
    tracked = house.working()
    looks: list[bool] = []
    house.moon.in_turn = lambda: looks.append(tracked.cancel_is_out)
    await house.take(cancel_of())
    assert (looks, tracked.cancel_is_out) == ([False], True)


async def test_a_cancel_that_was_refused_and_comes_again_is_not_sent(house: House) -> None:
    """The process that told it ended before its command was acknowledged."""
    house.working()
    told = reports.cancel_refusal(VENUE, ACCOUNT, "o-1", cancel_of().id, "", "it waited in vain", AT)
    fold_report(house.state, told)
    await house.take(cancel_of())
    assert (house.moon.cancelled, await house.told()) == ([], [])


async def test_a_cancel_that_the_venue_refuses_is_refused_by_the_venue_and_not_under_way(house: House) -> None:
    tracked = house.working()
    house.moon.cancel_answers = [Canceled(CancelVerdict.REFUSED, "9", "not yours")]
    await house.take(cancel_of())
    (refusal,) = await house.told()
    assert (refusal.code, refusal.refused_by) == ("9", RefusedBy.VENUE)
    assert tracked.cancel_command == ""


async def test_a_refusal_is_said_once_and_to_the_account_of_its_command(house: House) -> None:
    foreign = replace(cancel_of("nobody's"), account="M2")
    await house.take(foreign)
    await house.take(foreign)
    assert len(house.bus.attempts) == 1
    assert (await house.told())[0].account == "M2"


@pytest.mark.parametrize("action", [CancelStray, CancelAgain])
@pytest.mark.parametrize("held", [True, False])
async def test_an_order_that_must_not_work_is_cancelled_by_whoever_holds_the_account(
    house: House, held: bool, action: Any
) -> None:
    house.working()
    if not held:
        house.moon.in_turn = house.loses_the_account
    house.submission.act([action("o-1"), action("o-1")])
    await asyncio.gather(*house.submission._unasked.values())
    assert house.moon.cancelled == ([(5, True)] if held else [])


# ------------------------------------------------------------------------------------------------ the venue's word


async def test_an_order_in_hand_is_written_down_as_sent_by_whoever_has_it_in_hand(house: House) -> None:
    """The venue's word may come before the call returns: two entries behind one claim would end the process."""
    tracked = house.working()
    tracked.standing, tracked.in_hand = Standing.CLAIMED, True
    house.submission.act([RecordSent("o-1")])
    tracked.in_hand = False
    assert tracked.standing is Standing.CLAIMED
    house.submission.act([RecordSent("o-1")])
    assert tracked.standing is Standing.SENT


async def test_an_order_that_is_written_down_as_sent_is_not_written_down_again(house: House) -> None:
    house.working()
    house.submission.act([RecordSent("o-1")])
    await house.told()
    assert house.entries() == []


async def test_an_order_that_is_known_to_be_sent_or_over_is_not_doubted(house: House) -> None:
    tracked = house.working()
    for standing in (Standing.SENT, Standing.OVER):
        tracked.standing = standing
        house.submission._doubt(tracked, "why")
    assert await house.told() == []


async def test_an_order_of_the_desk_is_found_under_its_number(house: House) -> None:
    await house.take(replace(submission(), order=order_of()))
    assert house.state.order_by_number == {1: "o-1"}
