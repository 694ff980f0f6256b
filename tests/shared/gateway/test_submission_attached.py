"""Orders that leave as one: whatever is looked at, told or written down of one is of all of them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox import subjects
from signalbox.errors import LeaseLostError, TranslationError
from signalbox.gateway import attached, ledger
from signalbox.gateway.actions import RecordSent
from signalbox.gateway.state import Standing, fold_ledger, track
from signalbox.gateway.venue import NoRoom, Outcome, Placed
from signalbox.messages import (
    LedgerClaimed,
    LedgerSent,
    LinkStatus,
    ListPart,
    Side,
    SubmitOrder,
    VenueRejected,
    VenueUnknown,
)

from tests.shared.gateway.orders import AT, VENUE, empty_state, order_of, submission
from tests.shared.gateway.test_submission import House

NAMES = ("b.entry", "b.target", "b.stop")


@pytest.fixture(autouse=True)
def attaching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attached, "ATTACHING", frozenset({VENUE}))


def family(seconds: float = 30, **fields: Any) -> SubmitOrder:
    """An entry with two exits, as one command."""
    part = ListPart(list_id="b", leg="entry", attaches=("target", "stop"))
    exits = [
        order_of(
            f"b.{leg}",
            side=Side.SELL,
            part=ListPart(list_id="b", leg=leg, group=1, quantity=Decimal(10), attached_to="b.entry"),
        )
        for leg in part.attaches
    ]
    return replace(submission("b.entry", seconds, part=part), attached=tuple(exits), **fields)


def claim(number: int = 5) -> LedgerClaimed:
    return ledger.claimed(VENUE, family(), number, AT, f"their-{number}")


def standings(house: House) -> list[Standing]:
    return [house.state.orders[name].standing for name in NAMES]


async def kinds(house: House) -> list[tuple[str, str]]:
    return [(type(report).__name__, report.order_id) for report in await house.told()]


def all_of(kind: type[Any]) -> list[tuple[str, str]]:
    return [(kind.__name__, name) for name in NAMES]


async def test_all_leave_under_one_claim_and_each_is_asked_about(house: House) -> None:
    await house.take(family())
    await house.take(family())
    assert house.moon.placed == [1]
    assert [type(entry) for entry in house.entries("b.entry")] == [LedgerClaimed, LedgerSent]
    assert [house.entries(name) for name in NAMES[1:]] == [[], []]
    assert standings(house) == [Standing.SENT] * 3
    assert [house.state.orders[name].number for name in NAMES] == [1, 2, 3]
    assert set(NAMES) <= set(house.submission.asking.open_questions)


async def test_each_has_a_turn_of_its_own(house: House) -> None:
    await house.take(submission("alone"))
    before, house.moon.turns = house.moon.turns, 0
    await house.take(family())
    assert house.moon.turns == before * len(NAMES)


@pytest.mark.parametrize("turn", [1, 2, 3])
async def test_none_leaves_where_the_account_is_lost_in_any_of_their_turns(house: House, turn: int) -> None:
    def at_turn() -> None:
        if house.moon.turns >= turn:
            house.loses_the_account()
        else:
            house.moon.in_turn = at_turn

    house.moon.in_turn = at_turn
    with pytest.raises(LeaseLostError):
        await house.take(family())
    assert house.moon.placed == []
    assert not any(house.state.orders[name].in_hand for name in NAMES)


async def test_none_is_asked_about_while_they_are_about_to_be_sent(house: House) -> None:
    seen: list[list[bool]] = []
    house.moon.in_turn = lambda: seen.append([house.state.orders[name].in_hand for name in NAMES])
    await house.take(family())
    assert seen == [[True] * 3]
    assert not any(house.state.orders[name].in_hand for name in NAMES)


@pytest.mark.parametrize("reason", ["account", "deadline", "unread", "words", "room"])
async def test_a_refusal_is_of_all_of_them_the_entry_first(house: House, reason: str) -> None:
    command = family()
    if reason == "account":
        command = replace(command, order=replace(command.order, account="other"))
    elif reason == "deadline":
        house.clock.at = AT + timedelta(seconds=40)
    elif reason == "unread":
        house.link.unread["SPY"] = "nonsense"
    elif reason == "words":
        stop = replace(command.attached[1], symbol="ROCK")
        command = replace(command, attached=(command.attached[0], stop))
    else:
        house.moon.rooms = [NoRoom("full for long", passes=False)]
    await house.take(command)
    assert await kinds(house) == all_of(VenueRejected)
    assert (house.moon.placed, house.entries("b.entry")) == ([], [])


async def test_what_is_given_up_after_the_claim_is_all_of_them(house: House) -> None:
    def deadline_comes() -> None:
        house.clock.at = AT + timedelta(seconds=30)

    house.moon.in_turn = deadline_comes
    await house.take(family())
    assert await kinds(house) == all_of(VenueRejected)
    assert standings(house) == [Standing.OVER] * 3


async def test_what_was_claimed_by_a_process_before_is_all_unknown(house: House) -> None:
    track(house.state, claim(), 1)
    await house.take(family())
    assert house.moon.placed == []
    assert await kinds(house) == all_of(VenueUnknown)
    assert set(NAMES) <= set(house.submission.asking.open_questions)


async def test_what_another_process_claims_meanwhile_is_all_unknown(house: House) -> None:
    await house.bus.publish(subjects.ledger(VENUE, "b.entry"), claim(77))
    await house.take(family())
    assert house.moon.placed == []
    assert await kinds(house) == all_of(VenueUnknown)
    assert [house.state.orders[name].number for name in NAMES] == [77, 78, 79]


async def test_what_may_have_left_is_all_unknown(house: House) -> None:
    house.moon.answers = [Placed(Outcome.UNKNOWN, "", "the socket broke")]
    await house.take(family())
    assert await kinds(house) == all_of(VenueUnknown)


@pytest.mark.parametrize("shown", NAMES)
async def test_what_is_found_of_one_says_that_all_were_sent(house: House, shown: str) -> None:
    stored = await house.bus.publish(subjects.ledger(VENUE, "b.entry"), claim())
    track(house.state, claim(), stored.sequence)
    house.submission.act([RecordSent(shown)])
    await house.told()
    assert standings(house) == [Standing.SENT] * 3
    assert [type(entry) for entry in house.entries("b.entry")] == [LedgerClaimed, LedgerSent]
    assert house.entries("b.stop") == []


async def test_one_that_is_found_while_they_are_in_hand_is_written_down_by_whoever_has_them(house: House) -> None:
    track(house.state, claim(), 1)
    house.state.orders["b.entry"].in_hand = True
    house.submission.act([RecordSent("b.stop")])
    assert standings(house) == [Standing.CLAIMED] * 3


async def test_an_exit_whose_entry_is_forgotten_is_sent_by_itself(house: House) -> None:
    track(house.state, claim(), 1)
    del house.state.orders["b.entry"]
    house.submission.act([RecordSent("b.stop")])
    await house.told()
    assert house.state.orders["b.stop"].standing is Standing.SENT
    assert house.entries("b.entry") == []


def test_a_claim_takes_a_number_for_each_whosever_they_are() -> None:
    state = empty_state()
    fold_ledger(state, claim(5), 1)
    assert ([state.orders[name].number for name in NAMES], state.highest_number) == ([5, 6, 7], 7)
    sent = ledger.sent(VENUE, state.orders["b.entry"], AT)
    fold_ledger(state, sent, 2)
    assert {state.orders[name].standing for name in NAMES} == {Standing.SENT}
    others = empty_state()
    others.account = "another"
    fold_ledger(others, claim(5), 1)
    assert (others.orders, others.highest_number) == ({}, 7)


def test_only_a_venue_that_attaches_orders_is_sent_any(monkeypatch: pytest.MonkeyPatch) -> None:
    attached.check(VENUE, family())
    with pytest.raises(TranslationError, match="is not what it says"):
        attached.check(VENUE, replace(family(), attached=()))
    with pytest.raises(TranslationError, match="is not what it says"):
        attached.check(VENUE, replace(family(), attached=family().attached[::-1]))
    monkeypatch.setattr(attached, "ATTACHING", frozenset())
    with pytest.raises(TranslationError, match="attaches no orders"):
        attached.check(VENUE, family())
    attached.check(VENUE, submission())


async def test_all_wait_where_the_link_goes_in_one_of_their_turns(house: House) -> None:
    def comes() -> None:
        house.link.become(LinkStatus.READY)

    def goes() -> None:
        house.link.become(LinkStatus.FROZEN, "gone")
        asyncio.get_running_loop().call_later(0.05, comes)

    house.moon.in_turn = goes
    await house.take(family())
    assert house.moon.placed == [1]
