"""What a campaign and a venue's side of it share: what is drawn with, what was written down, what a side gives.

It must not know any venue, nor how a desk is run (`campaign`).
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from oms.state import State
from signalbox.clock import FollowingClock
from signalbox.messages import LedgerChangeClaimed, LedgerClaimed, OrderEvents, OrderIntent, OrderListIntent
from signalbox_cli.connection import call_control

READY_SECONDS_MAX = 120.0
RECHECK_SECONDS = 0.05
Lot = tuple[str, Mapping[str, Any]]
"""A control command and its arguments."""


@dataclass
class Hand:
    """What a side draws with, and how it tells its venue what to do."""

    chance: random.Random
    speed: int
    clock: FollowingClock
    control_port: int
    counts: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    """What happened, for a person who looks at a failure."""

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Run a control command; the simulator may be starting. Raises ValueError if it can not be done."""
        ends = asyncio.get_running_loop().time() + READY_SECONDS_MAX
        while True:
            try:
                return await call_control(self.control_port, do=command, **arguments)
            except (OSError, TimeoutError):
                assert asyncio.get_running_loop().time() < ends, f"the simulator did not take {command}"
                await asyncio.sleep(RECHECK_SECONDS)

    def tell(self, what: str, text: str) -> None:
        """Count something that happens, and tell it."""
        self.counts[what] += 1
        self.note(text)

    def note(self, text: str) -> None:
        self.story.append(f"{datetime.now(UTC):%M:%S.%f} {text}")


@dataclass(frozen=True)
class Written:
    """What the desk has written down. `sent` are the orders that it was told to place, those of its lists too;
    `events` are TRADE's, `state` is what they come to, `claims` has one for each order.
    """

    sent: Sequence[str]
    state: State
    events: Sequence[OrderEvents]
    reports: Sequence[Any]
    claims: Sequence[LedgerClaimed]
    changes: Sequence[LedgerChangeClaimed]


@dataclass(frozen=True)
class Traded:
    """An execution as promises go by it."""

    client_reference: str
    quantity: Decimal


class VenueSide(Protocol):
    """What a campaign needs of a venue."""

    venue: str
    account: str
    gateway: str
    """The module of its gateway."""
    simulator: str
    """The module of its simulator."""
    keeps_its_books: bool
    """Its simulator can be killed, and goes on from what it has on file."""
    desk_file: str
    faults: Sequence[Lot]
    mending: Sequence[Lot]
    orders: int
    """How many the venue has, as of the last look; `fills` likewise."""
    fills: int
    standing: Mapping[str, tuple[Decimal, bool]]
    """What of each order of the desk's works there, as of the last look, and whether it waits for its entry."""
    traded: Sequence[Traded]
    """What has executed of them, likewise."""

    def options(self, seed: int, folder: Path) -> list[str]:
        """The simulator's own options, and the gateway's address with them."""

    def settings(self) -> dict[str, str]:
        """What the gateway's environment has beside the desk's."""

    async def draw(self, order_id: str) -> OrderIntent:
        """Any order."""

    async def draw_list(self, list_id: str) -> OrderListIntent:
        """Any list."""

    def ticked(self, symbol: str, price: Decimal) -> Decimal:
        """A price that the market has."""

    def lots(self, symbol: str, quantity: Decimal) -> Decimal:
        """A quantity that the market has: at least one lot."""

    async def jump(self) -> None:
        """Move a market."""

    async def others(self) -> None:
        """Have somebody else do something in the account."""

    async def cut(self) -> None:
        """Have the venue be gone for a while."""

    async def freeze(self) -> None:
        """Have the venue stand still for a while."""

    async def mended(self) -> None:
        """What else it takes, after the mending, until all is as it should be."""

    async def wrong(self, written: Written, *, ended: bool) -> list[str]:
        """Everything in which the desk and the venue differ; `ended`: no order may work any more."""
