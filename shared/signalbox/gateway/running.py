"""A gateway from its lease to its commands: what is the same of each, around the parts that its `service` has put
together.

Owns the order of beginning: the desk clock, the account's lease, what is written down, and only then anything that
speaks. One process trades an account; another one connects to the venue only once it has the lease.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, Generic

from signalbox.clock import DeskClock
from signalbox.gateway.account import Account, Figures
from signalbox.gateway.asking import Pace
from signalbox.gateway.gaps import Gaps
from signalbox.gateway.instruments import Instruments, Offered
from signalbox.gateway.link import Link
from signalbox.gateway.outbox import Outbox
from signalbox.gateway.parking import Parking
from signalbox.gateway.rebuilding import COMMANDS
from signalbox.gateway.state import AnyState
from signalbox.gateway.submission import Submission
from signalbox.gateway.venue import Orders, Questions
from signalbox.lease import OwnLease, account_lease
from signalbox.process import Runtime
from signalbox.venue_figures import watch_lease
from signalbox.venues import gateway_of

log = logging.getLogger(__name__)

CLOCK_RECHECK_SECONDS = 0.02
READINESS_SECONDS = 1.0


async def until_it_runs(clock: DeskClock) -> None:
    """Wait for the desk clock: before its first tick it does not know the year."""
    if clock.is_stale():
        log.info("waiting for the desk clock")
    while clock.is_stale():  # noqa: ASYNC110 (a clock has no event)
        await asyncio.sleep(CLOCK_RECHECK_SECONDS)


async def take_account(runtime: Runtime, venue: str, account: str) -> OwnLease:
    """Stand by until the account is this process's."""
    lease = account_lease(runtime.bus, venue, account)
    watch_lease(venue, account, lambda: lease.epoch, lease.is_held)
    await runtime.hold(lease)
    return lease


class Gateway(Generic[Offered]):
    """The parts that every gateway has, and the state that they share."""

    def __init__(
        self,
        runtime: Runtime,
        state: AnyState,
        lease: OwnLease,
        figures: Figures,
        account_interval_seconds: int,
        change_interval_seconds: float,
    ) -> None:
        bus, clock, venue = runtime.bus, runtime.clock, state.venue
        self._runtime, self._state = runtime, state
        self.link = Link(bus, clock, venue, state.account, lease)
        self.parking = Parking(venue, self.link.doubt)
        self.outbox = Outbox(bus, venue, runtime.fail, lease)
        self.gaps = Gaps(venue)
        self.instruments = Instruments[Offered](bus, runtime.desk, venue)
        self.account = Account(bus, clock, self.link, figures, account_interval_seconds, change_interval_seconds)

    def submission(
        self, orders: Orders, questions: Questions, pace: Pace, cancel_wait_seconds_max: float
    ) -> Submission:
        """The way of commands, with the venue's own parts."""
        bus, clock, link, outbox = self._runtime.bus, self._runtime.clock, self.link, self.outbox
        return Submission(
            bus, clock, self._state, link, outbox, self.parking, orders, questions, pace, cancel_wait_seconds_max
        )

    async def run(self, submission: Submission, own: Mapping[str, Coroutine[Any, Any, None]]) -> None:
        """Start everything, with the venue's `own` tasks by their names; returns once commands are taken."""

        async def stop() -> None:
            self.link.stop()  # the lease is given back when what has begun is finished

        self._runtime.stop = stop
        tasks: dict[str, Coroutine[Any, Any, None]] = {
            "outbox": self.outbox.run(),
            "link": self.link.announce(),
            "parking": self.parking.keep(self._runtime.bus),
            **own,
            "questions": submission.asking.ask_when_due(),
            "account": self.account.publish(),
            "readiness": self._readiness(),
        }
        for name, task in tasks.items():
            await self._runtime.spawn(task, name)
        await self._runtime.bus.consume(COMMANDS, gateway_of(self._state.venue), submission.handle)

    async def _readiness(self) -> None:
        """Ready means able: orders can be sent, or the reason why not is told; for ever."""
        health = self._runtime.health
        health.require("venue link")
        while True:
            if self.link.may_send():
                health.met("venue link")
            else:
                health.unmet("venue link", self.link.described())
            await self.link.changed(READINESS_SECONDS)

    def details(self) -> dict[str, str]:
        """What `signalbox status` tells of every gateway."""
        orders = self._state.orders
        return {
            "account": self._state.account,
            "link": self.link.described(),
            "offered": ", ".join(self.instruments.offered),
            "unread": self.parking.described(),
            "not_offered": described(self.instruments.left_out),
            "bars_wait_for": described(self.gaps.described()),
            "gaps_that_stay": described(self.gaps.described_staying()),
            "orders_known": str(len(orders)),
            "orders_not_over": str(sum(not tracked.done for tracked in orders.values())),
        }


def described(reasons: Mapping[str, str]) -> str:
    """Symbols and their reasons, in a line."""
    return "; ".join(f"{symbol}: {reason}" for symbol, reason in reasons.items())
