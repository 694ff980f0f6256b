"""A gateway from its lease to its commands: what is the same of each, around the parts that its `service` has put
together.

Owns the order of beginning: the desk clock, the account's lease, what is written down, and only then anything that
speaks. One process trades an account; another one connects to the venue only once it has the lease.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Generic

from msgspec import DecodeError, Struct

from signalbox import messages
from signalbox.bus import Received
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
from signalbox.gateway.switch import watch
from signalbox.gateway.venue import Orders, Questions
from signalbox.lease import OwnLease, account_lease
from signalbox.messages import CancelOrder, Command
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
    """Stand by until the account is this process's. Several are taken in the order of their names."""
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
        instruments: Instruments[Offered] | None = None,
    ) -> None:
        """Of several accounts of a venue the first finds the `instruments`, which the others share."""
        bus, clock, venue = runtime.bus, runtime.clock, state.venue
        self._runtime, self._state = runtime, state
        self.link = Link(bus, clock, venue, state.account, lease)
        self.parking = Parking(venue, self.link.doubt, state.account)
        self.outbox = Outbox(bus, venue, runtime.fail, lease, state.account)
        self.gaps = Gaps(venue)
        self.instruments = instruments or Instruments[Offered](bus, runtime.desk, venue)
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
        await run_together(self._runtime, [Lane(self, submission, own)])

    @property
    def account_id(self) -> str:
        return self._state.account

    @property
    def venue(self) -> str:
        return self._state.venue

    def stop(self) -> None:
        """The process ends: the lease is given back when what has begun is finished."""
        self.link.stop()

    async def begin(self, submission: Submission, own: Mapping[str, Coroutine[Any, Any, None]], of: str = "") -> None:
        """Start all that goes on by itself. `of` names the account where the process trades several."""
        tasks: dict[str, Coroutine[Any, Any, None]] = {
            "outbox": self.outbox.run(),
            "link": self.link.announce(),
            "parking": self.parking.keep(self._runtime.bus),
            **own,
            "questions": submission.asking.ask_when_due(),
            "account": self.account.publish(),
            "readiness": self._readiness(f"venue link{of}"),
        }
        for name, task in tasks.items():
            await self._runtime.spawn(task, f"{name}{of}")

    async def _readiness(self, condition: str) -> None:
        """Ready means able: orders can be sent, or the reason why not is told; for ever."""
        health = self._runtime.health
        health.require(condition)
        while True:
            if self.link.may_send():
                health.met(condition)
            else:
                health.unmet(condition, self.link.described())
            await self.link.changed(READINESS_SECONDS)

    def details(self) -> dict[str, str]:
        """What `signalbox status` tells of every gateway."""
        orders = self._state.orders
        return {
            "account": self._state.account,
            "link": self.link.described(),
            **self.link.switch.described(),
            "offered": ", ".join(self.instruments.offered),
            "unread": self.parking.described(),
            "not_offered": described(self.instruments.left_out),
            "bars_wait_for": described(self.gaps.described()),
            "gaps_that_stay": described(self.gaps.described_staying()),
            "orders_known": str(len(orders)),
            "orders_not_over": str(sum(not tracked.done for tracked in orders.values())),
        }


class Lane(Struct, frozen=True):
    """What a gateway does for one account: its parts, the way of its commands, and the venue's own tasks."""

    gateway: Gateway[Any]
    submission: Submission
    own: Mapping[str, Coroutine[Any, Any, None]]


async def run_together(runtime: Runtime, lanes: Sequence[Lane]) -> None:
    """Start a lane for each account of one process; returns once commands are taken, each by its account's."""

    async def stop() -> None:
        for lane in lanes:
            lane.gateway.stop()

    by_account = {lane.gateway.account_id: lane.submission for lane in lanes}
    first = lanes[0]

    async def handle(received: Received) -> None:
        await _addressee(received, by_account, first.submission).handle(received)

    runtime.stop = stop
    await watch(runtime.bus, [lane.gateway.link.switch for lane in lanes])
    for lane in lanes:
        await lane.gateway.begin(lane.submission, lane.own, f" of {lane.gateway.account_id}" * (len(lanes) > 1))
    taken = handle if len(lanes) > 1 else first.submission.handle
    await runtime.bus.consume(COMMANDS, gateway_of(first.gateway.venue), taken)


def _addressee(received: Received, by_account: Mapping[str, Submission], otherwise: Submission) -> Submission:
    """Whose command it is. What is nobody's, or can not be read, any of them refuses, or sets aside."""
    try:
        command: Command = messages.decode(received.payload, Command)
    except DecodeError:
        return otherwise
    account = command.account if isinstance(command, CancelOrder) else command.order.account
    return by_account.get(account, otherwise)


def described(reasons: Mapping[str, str]) -> str:
    """Symbols and their reasons, in a line."""
    return "; ".join(f"{symbol}: {reason}" for symbol, reason in reasons.items())
