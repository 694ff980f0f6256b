"""Which payments of funding are still to be listed: from there on they are asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gateway_dydx.facts import PositionSeen
from gateway_dydx.funding_rows import HOUR, LATE, OVERLAP, OWED_MAX, Owed, ask_from, is_awaited, note_held, note_row
from signalbox.messages import VenueFunding

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BTC = "BTC-USD"
SECOND = timedelta(seconds=1)


def rows(until: datetime = NOON) -> dict[str, Owed]:
    made: dict[str, Owed] = {}
    note_held(made, [BTC], until)
    return made


def position(ticker: str = BTC, size: str = "1", since: datetime | None = NOON - HOUR) -> PositionSeen:
    return PositionSeen(ticker=ticker, status="OPEN", size=Decimal(size), entry_price=Decimal(1), created_at=since)


def payment(at: datetime, ticker: str = BTC) -> VenueFunding:
    return VenueFunding(
        id="f", at=at, venue="dydx", account="a", funding_id=f"{ticker}/{at}", symbol=ticker, amount=Decimal(1),
        currency="USD", rate=Decimal(0),
    )  # fmt: skip


def test_rows_are_asked_for_from_the_last_hour_up_to_which_all_are_there() -> None:
    owed, looked_at = rows(), NOON + 9 * HOUR
    assert ask_from(owed, looked_at, looked_at) == NOON
    note_row(owed, BTC, NOON + HOUR + SECOND)
    assert ask_from(owed, looked_at, looked_at) == NOON + HOUR


def test_a_row_that_came_before_an_earlier_one_does_not_hide_it() -> None:
    owed, looked_at = rows(), NOON + 9 * HOUR
    for hours in (3, 2, 2):
        note_row(owed, BTC, NOON + hours * HOUR)
    assert ask_from(owed, looked_at, looked_at) == NOON
    note_row(owed, BTC, NOON + HOUR)
    assert ask_from(owed, looked_at, looked_at) == NOON + 3 * HOUR


def test_the_market_whose_rows_are_oldest_counts() -> None:
    owed, looked_at = rows(), NOON + 9 * HOUR
    note_held(owed, [BTC, "ETH-USD"], NOON + 5 * HOUR)
    assert ask_from(owed, looked_at, looked_at) == NOON


def test_with_nothing_owed_the_last_look_counts() -> None:
    assert ask_from({}, NOON, NOON + 9 * HOUR) == NOON - OVERLAP
    assert ask_from({}, None, NOON) == NOON - OVERLAP


def test_a_flat_market_is_owed_until_its_last_hour_is_listed() -> None:
    owed = rows()
    note_held(owed, [], NOON + HOUR + SECOND)
    assert BTC in owed
    note_row(owed, BTC, NOON + HOUR)
    note_held(owed, [], NOON + 2 * HOUR)
    assert owed == {}


def test_what_is_never_listed_is_given_up() -> None:
    owed = rows()
    note_row(owed, BTC, NOON + 2 * HOUR)
    late = NOON + OWED_MAX + 3 * HOUR
    note_held(owed, [BTC], late)
    assert owed[BTC] == Owed(late - OWED_MAX)
    note_held(owed, [], late)
    note_held(owed, [], late + OWED_MAX + SECOND)
    assert owed == {}


def test_a_row_of_a_market_that_was_not_held_owes_nothing() -> None:
    owed: dict[str, Owed] = {}
    note_row(owed, BTC, NOON)
    assert owed == {}


def test_rows_are_awaited_for_a_while_after_the_hour() -> None:
    assert is_awaited([position()], [], [], NOON + SECOND)
    assert not is_awaited([position()], [], [payment(NOON + SECOND)], NOON + 2 * SECOND)
    assert is_awaited([position()], [], [payment(NOON - HOUR)], NOON + SECOND)
    assert not is_awaited([position()], [], [], NOON + LATE), "that late they are missing"


def test_what_was_opened_after_the_hour_is_paid_nothing_for_it() -> None:
    assert not is_awaited([position(since=NOON + SECOND)], [], [], NOON + 2 * SECOND)
    assert is_awaited([position(since=None)], [], [], NOON + SECOND), "nobody knows since when it is held"


def test_what_was_traded_since_the_hour_may_have_been_held_at_it() -> None:
    assert is_awaited([], [BTC], [], NOON + SECOND)
    assert not is_awaited([], [], [], NOON + SECOND)
