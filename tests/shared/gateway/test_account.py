"""An account's figures are told by its holder, when there are any, and only what is complete."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pytest
from signalbox.bus import Bus
from signalbox.clock import FixedClock
from signalbox.errors import LeaseLostError, TranslationError
from signalbox.gateway.account import Account
from signalbox.gateway.link import Link
from signalbox.messages import AccountState

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

    def on_fact(self, fact: Callable[[], AccountState | None]) -> bool:
        self.now = fact
        return True

    def forget(self) -> None:
        self.now = lambda: None

    def state(self, at: datetime) -> AccountState | None:
        return self.now()


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
