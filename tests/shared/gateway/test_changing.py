"""Changes on their way to a venue that is a moon: claimed, sent once, and never two orders."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from signalbox import messages, subjects
from signalbox.gateway.reports import canceled
from signalbox.gateway.state import Standing, fold_ledger, fold_report
from signalbox.gateway.venue import Outcome, Placed
from signalbox.messages import (
    LedgerChangeClaimed,
    LinkStatus,
    RefusedBy,
    VenueReplaced,
    VenueReplaceRejected,
    VenueReplaceUnknown,
)

from .orders import AT, VENUE, change_of
from .test_submission import House

REFUSED = Placed(Outcome.REFUSED, "42", "the moon is full")
UNKNOWN = Placed(Outcome.UNKNOWN, "", "no echo")


def working(house: House) -> Any:
    tracked = house.working()
    tracked.seen = True
    return tracked


def claims(house: House, revision: int = 1) -> list[Any]:
    subject = subjects.ledger_change(VENUE, "o-1", revision)
    return [messages.decode(each.payload, messages.LedgerEntry) for each in house.bus.stored if each.subject == subject]


async def kinds(house: House) -> list[type]:
    return [type(report) for report in await house.told()]


async def test_a_change_is_claimed_and_sent_once_with_the_whole_order(house: House) -> None:
    tracked = working(house)
    await house.take(change_of(quantity=Decimal(7)))
    [(number, order)] = house.moon.changed
    assert (number, order.quantity) == (5, 7)
    [claim] = claims(house)
    assert isinstance(claim, LedgerChangeClaimed)
    assert (claim.order.quantity, claim.revision, claim.cause) == (7, 1, "command/o-1/1")
    assert tracked.order.quantity != 7, "the venue has not said so yet"
    assert "o-1" in house.submission.asking.open_questions
    await house.take(change_of(quantity=Decimal(7)))
    assert len(house.moon.changed) == 1
    assert await kinds(house) == [VenueReplaceUnknown], "it came again: the venue is asked"


async def test_what_the_venue_takes_at_once_is_the_order_from_then_on(house: House) -> None:
    tracked = working(house)
    house.moon.change_answers = [Placed(Outcome.ACCEPTED)]
    await house.take(change_of(quantity=Decimal(7)))
    [report] = await house.told()
    assert (type(report), report.quantity, report.revision, report.cause) == (VenueReplaced, 7, 1, "command/o-1/1")
    assert (tracked.order.quantity, tracked.change) == (7, None)
    await house.take(change_of(quantity=Decimal(7)))
    assert (len(house.moon.changed), await kinds(house)) == (1, [VenueReplaced])


async def test_what_the_venue_refuses_is_as_it_was(house: House) -> None:
    tracked = working(house)
    before, house.moon.change_answers = tracked.order, [REFUSED]
    await house.take(change_of(quantity=Decimal(7)))
    [report] = await house.told()
    assert (type(report), report.code, report.refused_by) == (VenueReplaceRejected, "42", RefusedBy.VENUE)
    assert (tracked.order, tracked.change) == (before, None)


async def test_a_change_that_is_refused_for_want_of_room_says_when_there_is_some(house: House) -> None:
    working(house)
    room_at = AT + timedelta(seconds=90)
    house.moon.change_answers = [Placed(Outcome.REFUSED, "", "the moon is full", room_at=room_at)]
    await house.take(change_of(quantity=Decimal(7)))
    [report] = await house.told()
    assert (type(report), report.refused_by, report.room_at) == (VenueReplaceRejected, RefusedBy.GATEWAY, room_at)


async def test_a_change_of_which_nobody_has_heard_is_said_to_be_so_and_asked_about(house: House) -> None:
    tracked = working(house)
    house.moon.change_answers = [UNKNOWN]
    await house.take(change_of(quantity=Decimal(7)))
    [report] = await house.told()
    assert (type(report), report.revision) == (VenueReplaceUnknown, 1)
    assert tracked.change is not None
    assert "o-1" in house.submission.asking.open_questions
    assert (len(house.moon.changed), tracked.quantity_max) == (1, max(tracked.order.quantity, Decimal(7)))


async def test_where_repeating_does_no_harm_it_is_repeated_and_a_refusal_then_says_nothing(house: House) -> None:
    tracked = working(house)
    house.moon.change_answers = [Placed(Outcome.UNKNOWN, "", "no echo", again=True), REFUSED]
    await house.take(change_of(quantity=Decimal(7)))
    assert len(house.moon.changed) == 2
    assert await kinds(house) == [VenueReplaceUnknown], "the one before may have been taken"
    assert tracked.change is not None


async def test_what_surely_did_not_leave_is_tried_again_until_its_deadline(house: House) -> None:
    working(house)
    unsent = Placed(Outcome.UNSENT, "", "no way out")
    house.moon.change_answers = [unsent] * 5 + [Placed(Outcome.ACCEPTED)]
    await house.take(change_of(quantity=Decimal(7)))
    assert await kinds(house) == [VenueReplaced]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("over", "the order is over already"),
        ("cancelled", "the order is being cancelled"),
        ("changing", "another change of the order is under way"),
        ("unseen", "the venue has not shown the order yet"),
        ("filled", "leaves nothing"),
        ("unread", "can not be read"),
    ],
)
async def test_what_can_not_be_changed_is_refused_without_a_claim(house: House, name: str, why: str) -> None:
    tracked = working(house)
    if name == "over":
        tracked.standing = Standing.OVER
    elif name == "cancelled":
        tracked.cancel_command = "command/o-1/1"
    elif name == "changing":
        fold_ledger(house.state, claim_of_change(1), 2)
    elif name == "unseen":
        tracked.seen = False
    elif name == "unread":
        house.link.unread[tracked.order.symbol] = "nonsense"
    quantity = Decimal(0) if name == "filled" else Decimal(7)
    await house.take(change_of(revision=2, quantity=quantity))
    [report] = await house.told()
    assert (type(report), report.refused_by, report.revision) == (VenueReplaceRejected, RefusedBy.GATEWAY, 2)
    assert why in report.reason
    assert (claims(house, 2), house.moon.changed) == ([], [])


def claim_of_change(revision: int) -> LedgerChangeClaimed:
    command = change_of(revision=revision, quantity=Decimal(9))
    return LedgerChangeClaimed(id="claim", at=AT, cause=command.id, venue=VENUE, order=command.order, revision=revision)


async def test_a_change_of_an_order_that_never_arrived_is_refused(house: House) -> None:
    await house.take(change_of())
    [report] = await house.told()
    assert (type(report), report.reason) == (VenueReplaceRejected, "the order never reached the venue")


async def test_what_the_venue_has_no_word_for_is_refused_without_a_claim(house: House) -> None:
    working(house)
    await house.take(change_of(symbol="ROCK"))
    assert (await kinds(house), claims(house)) == ([VenueReplaceRejected], [])


async def test_a_change_whose_deadline_has_come_is_refused(house: House) -> None:
    working(house)
    house.clock.at = AT + timedelta(seconds=30)
    await house.take(change_of(seconds=30))
    [report] = await house.told()
    assert "deadline" in report.reason
    assert (claims(house), house.moon.changed) == ([], [])


async def test_a_deadline_that_comes_after_the_claim_is_kept(house: House) -> None:
    tracked = working(house)

    def late() -> None:
        house.clock.at = AT + timedelta(seconds=31)

    house.moon.in_turn = late
    await house.take(change_of(seconds=30))
    [report] = await house.told()
    assert (type(report), house.moon.changed, tracked.change) == (VenueReplaceRejected, [], None)
    assert "deadline" in report.reason


async def test_an_order_that_ends_while_its_change_waits_is_not_changed(house: House) -> None:
    tracked = working(house)

    def ends() -> None:
        house.submission.act([*canceled(house.state, tracked, AT, "by hand")])

    house.moon.in_turn = ends
    await house.take(change_of())
    assert house.moon.changed == []
    assert tracked.change is None


async def test_a_change_waits_until_the_link_is_ready(house: House) -> None:
    working(house)
    house.link.become(LinkStatus.RECONCILING)
    taking = asyncio.create_task(house.take(change_of()))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (house.moon.changed, claims(house)) == ([], [])
    house.link.become(LinkStatus.READY)
    await taking
    assert len(house.moon.changed) == 1


async def test_a_change_that_another_process_has_claimed_meanwhile_is_not_sent(house: House) -> None:
    tracked = working(house)
    await house.bus.publish(subjects.ledger_change(VENUE, "o-1", 1), claim_of_change(1))
    await house.take(change_of())
    assert (house.moon.changed, await kinds(house)) == ([], [VenueReplaceUnknown])
    assert tracked.change is not None


async def test_a_change_that_was_claimed_before_is_sent_again_only_where_that_does_no_harm(house: House) -> None:
    tracked = working(house)
    fold_ledger(house.state, claim_of_change(1), 2)
    house.moon.may_change, house.moon.change_answers = True, [Placed(Outcome.ACCEPTED)]
    await house.take(change_of(quantity=Decimal(9)))
    assert await kinds(house) == [VenueReplaceUnknown, VenueReplaced]
    assert (tracked.order.quantity, tracked.change) == (9, None)


async def test_what_is_written_down_of_changes_makes_the_same_order_again(house: House) -> None:
    tracked = working(house)
    house.moon.change_answers = [Placed(Outcome.ACCEPTED), REFUSED]
    await house.take(change_of(quantity=Decimal(7)))
    await house.take(change_of(revision=2, quantity=Decimal(8)))
    await house.take(change_of(revision=3, quantity=Decimal(9)))
    told, again = await house.told(), House()
    other = again.working()
    for revision in (1, 2, 3):
        for claim in claims(house, revision):
            fold_ledger(again.state, claim, 1)
    for report in told:
        fold_report(again.state, report)
    assert (other.order, other.change.order, other.change.revision) == (tracked.order, tracked.change.order, 3)
    assert (other.order.quantity, other.change.order.quantity) == (7, 9)


def test_the_subject_of_a_claim_is_the_orders_and_the_commands() -> None:
    assert subjects.ledger_change(VENUE, "o-1", 2) != subjects.ledger(VENUE, "o-1")
    assert subjects.ledger_change(VENUE, "o-1", 2).count(".") == subjects.ledger(VENUE, "o-1").count(".")


async def test_where_one_sending_was_not_heard_of_a_deadline_refuses_nothing(house: House) -> None:
    tracked = working(house)
    fold_ledger(house.state, claim_of_change(1), 2)
    house.moon.may_change = True

    def late() -> None:
        house.clock.at = AT + timedelta(seconds=31)

    house.moon.in_turn = late
    await house.take(change_of(quantity=Decimal(9)))
    assert (await kinds(house), house.moon.changed) == ([VenueReplaceUnknown], [])
    assert tracked.change is not None, "the process before may have sent it"


def test_the_last_change_that_was_claimed_is_the_open_one_in_whatever_order_they_are_read() -> None:
    house = House()
    tracked = house.working()
    for revision in (2, 1):
        fold_ledger(house.state, claim_of_change(revision), revision)
    assert tracked.change is not None
    assert tracked.change.revision == 2
