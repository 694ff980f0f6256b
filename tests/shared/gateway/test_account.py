"""An account's figures are told by its holder, when there are any, and only what is complete."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from signalbox.bus import Bus
from signalbox.clock import FixedClock
from signalbox.errors import LeaseLostError, TranslationError, VenueTimeoutError
from signalbox.gateway.account import Account
from signalbox.gateway.link import Link
from signalbox.messages import NEVER, AccountState, LinkStatus

from tests.stream_in_memory import MemoryBus

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
FIGURES = AccountState(
    id="account/1", at=AT, venue="moon", account="M1", currency="USD", cash=Decimal(1), net_liquidation=Decimal(1),
    available_funds=Decimal(1), buying_power=Decimal(1), initial_margin=Decimal(0), maintenance_margin=Decimal(0),
)  # fmt: skip


class Told:
    """Figures as a venue has them: those that it was told last."""

    def __init__(self) -> None:
        self.now: Callable[[], AccountState | None] = lambda: None
        self.said_at = NEVER

    def on_fact(self, fact: Callable[[], AccountState | None], at: datetime) -> bool:
        self.now, self.said_at = fact, at
        return True

    def forget(self) -> None:
        self.now = lambda: None

    def state(self, at: datetime) -> AccountState | None:
        return self.now()

    def unsaid_since(self, at: datetime) -> bool:
        return self.said_at < at


def missing() -> AccountState | None:
    raise TranslationError("no cash")


async def test_figures_are_told_by_the_accounts_holder_only(held_lease: Any) -> None:
    bus, clock = MemoryBus(), FixedClock(AT)
    account = Account(cast(Bus, bus), clock, Link(cast(Bus, bus), clock, "moon", "M1", held_lease), Told(), 60, 0.01)
    account.on_fact(lambda: FIGURES)
    held_lease.held = False
    with pytest.raises(LeaseLostError):
        await account._publish()
    assert bus.stored == []
    held_lease.held = True
    await account._publish()
    assert len(bus.stored) == 1


async def test_nothing_is_told_without_a_complete_answer(held_lease: Any) -> None:
    bus, clock = MemoryBus(), FixedClock(AT)
    account = Account(cast(Bus, bus), clock, Link(cast(Bus, bus), clock, "moon", "M1", held_lease), Told(), 60, 0.01)
    await account._publish()
    account.on_fact(missing)
    await account._publish()
    account.on_fact(lambda: FIGURES)
    account.forget()
    await account._publish()
    assert bus.stored == []


class Venue:
    """Answers with figures said now, or with an error, and counts how often it is asked."""

    def __init__(self, account: Account, clock: FixedClock) -> None:
        self.account, self.clock, self.asked, self.error = account, clock, 0, ""

    async def ask(self) -> None:
        self.asked += 1
        if self.error:
            raise VenueTimeoutError(self.error)
        self.account.on_fact(lambda: FIGURES)


@pytest.fixture
def unsaid(held_lease: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Link, Venue, FixedClock]:
    """An account whose figures were said a minute and a second ago."""
    monkeypatch.setattr("signalbox.gateway.account.RECHECK_SECONDS", 0.001)
    bus, clock = MemoryBus(), FixedClock(AT)
    link = Link(cast(Bus, bus), clock, "moon", "M1", held_lease)
    account = Account(cast(Bus, bus), clock, link, Told(), 60, 0.01)
    account.on_fact(lambda: FIGURES)
    clock.at = AT + timedelta(seconds=61)
    return link, Venue(account, clock), clock


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


async def test_what_was_not_said_for_the_interval_is_asked_for_once(unsaid: Any) -> None:
    link, venue, clock = unsaid
    link.become(LinkStatus.READY)
    task = asyncio.create_task(venue.account.keep_said(venue.ask))
    await until(lambda: venue.asked == 1)
    await asyncio.wait([task], timeout=0.02)
    assert venue.asked == 1
    clock.at += timedelta(seconds=61)
    await until(lambda: venue.asked == 2)
    task.cancel()


async def test_a_clock_that_runs_fast_has_figures_asked_for_sooner(
    unsaid: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By this one the interval is over at once; by the wall nobody would look for a quarter of an hour."""
    monkeypatch.setattr("signalbox.gateway.account.RECHECK_SECONDS", 900.0)
    link, venue, _ = unsaid
    link.become(LinkStatus.READY)
    task = asyncio.create_task(venue.account.keep_said(venue.ask))
    await until(lambda: venue.asked == 1)
    task.cancel()


async def test_nobody_is_asked_while_the_link_is_not_ready(unsaid: Any) -> None:
    link, venue, _ = unsaid
    task = asyncio.create_task(venue.account.keep_said(venue.ask))
    link.become(LinkStatus.FROZEN, "1100")
    await asyncio.wait([task], timeout=0.05)
    assert venue.asked == 0
    link.become(LinkStatus.READY)
    await until(lambda: venue.asked == 1)
    task.cancel()


async def test_a_venue_that_does_not_answer_is_asked_again_and_ends_nothing(unsaid: Any) -> None:
    link, venue, _ = unsaid
    venue.error = "no complete answer"
    link.become(LinkStatus.READY)
    task = asyncio.create_task(venue.account.keep_said(venue.ask))
    await until(lambda: venue.asked >= 2)
    assert not task.done()
    task.cancel()
