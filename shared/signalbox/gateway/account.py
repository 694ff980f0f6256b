"""An account's figures as its venue says them, published on change and at least every so often of desk time.

Owns when they are told, and when the venue is asked for them again. Figures exist only from a complete answer of the
venue on, and only while the link is up: a figure that is repeated without one would be a guess, and risk denies on a
stale account by itself. To publish a figure again makes it no younger: each bears the time at which the venue said it
last. Venues say what changes; one that is silent of a figure may mean that it stands, or say it to nobody any more. So
what has not been said for an interval is asked for. What the figures are made of is the venue's (`Figures`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import BusUnavailableError, TranslationError, VenueError
from signalbox.gateway.ending import end_if_told
from signalbox.gateway.link import Link
from signalbox.gateway.retrying import Backoff
from signalbox.lease import WRITE_SECONDS_MAX
from signalbox.messages import AccountState, LinkStatus

log = logging.getLogger(__name__)

RECHECK_SECONDS = 1.0
ASK_SECONDS_MIN = 0.25
"""Of wall time: a simulated clock may run so fast that figures grow old in less."""
ASK_SECONDS_MAX = 10.0
"""Of wall time: how long one waits at most to ask again for figures that the venue has not said when it was asked."""


class Figures(Protocol):
    """What an account holds, as the venue has said it. Plain state: no loop, no clock."""

    def on_fact(self, fact: Any, at: datetime) -> bool:
        """Take what the venue says at desk time `at`; True = a figure has changed."""

    def forget(self) -> None:
        """The link is down: what was said is not known to hold any more."""

    def state(self, at: datetime) -> AccountState | None:
        """The figures at `at`; None = there has been no complete answer. Raises TranslationError for a missing one.

        Each of them bears the time at which the venue said it.
        """

    def unsaid_since(self, at: datetime) -> bool:
        """Whether the venue has not said a figure since `at` that it would say when asked."""


class Account:
    """Publishes the figures of one account. They change in bursts: at most one state in `change_interval_seconds`."""

    def __init__(
        self,
        bus: Bus,
        clock: DeskClock,
        link: Link,
        figures: Figures,
        interval_seconds: int,
        change_interval_seconds: float,
    ) -> None:
        self._bus, self._clock, self._link, self._figures = bus, clock, link, figures
        self._interval = timedelta(seconds=interval_seconds)
        self._change_interval_seconds = change_interval_seconds
        self._changed = asyncio.Event()

    def on_fact(self, fact: object) -> None:
        """Take what the venue says of the account, or of what it is worth."""
        if self._figures.on_fact(fact, self._clock.now()):
            self._changed.set()

    def forget(self) -> None:
        """The link is down."""
        self._figures.forget()

    def is_complete(self) -> bool:
        """Whether every figure that risk needs is known now."""
        with suppress(TranslationError):
            return self._figures.state(self._clock.now()) is not None
        return False

    async def publish(self) -> None:
        """Publish, for ever."""
        while True:
            if self._link.status in (LinkStatus.READY, LinkStatus.RECONCILING):
                self._changed.clear()
                await self._publish()
            await asyncio.sleep(self._change_interval_seconds)
            await self._until_due()

    async def keep_said(self, ask: Callable[[], Awaitable[None]]) -> None:
        """Ask the venue for what it has not said for the interval, for ever; what it answers comes as facts.

        That it does not answer ends nothing: the figures grow old, and risk goes by that.
        """
        backoff, wait_seconds = Backoff(RECHECK_SECONDS, ASK_SECONDS_MAX), RECHECK_SECONDS
        while True:
            await asyncio.sleep(min(wait_seconds, max(self._seconds_of(self._interval / 2), ASK_SECONDS_MIN)))
            began_at = self._clock.now()
            if self._link.status is not LinkStatus.READY or not self._figures.unsaid_since(began_at - self._interval):
                continue
            try:
                await ask()
                self._changed.set()  # nothing need have changed: that it is still so is news
                problem = "it says the others only" if self._figures.unsaid_since(began_at) else ""
            except VenueError as error:
                problem = str(error)
            if problem:
                log.warning("the venue does not say the account's figures again", extra={"reason": problem})
                wait_seconds = backoff.next_seconds()
            else:
                backoff.reset()
                wait_seconds = RECHECK_SECONDS

    async def _publish(self) -> None:
        try:
            state = self._figures.state(self._clock.now())
        except TranslationError as error:
            log.error("the account's figures are incomplete", extra={"error": str(error)})
            return
        if state is None:
            return
        await self._link.until_held()  # the last word on the account is its holder's
        try:
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                await self._bus.publish(subjects.account(state.venue, state.account), state)
        except (BusUnavailableError, TimeoutError) as error:
            log.warning("the account's figures wait for the bus", extra={"error": str(error)})
            self._changed.set()  # said anew, as they are then
        end_if_told()

    def _seconds_of(self, span: timedelta) -> float:
        """How long a span of desk time takes by the wall, as the clock runs now."""
        return (self._clock.wall_time_of(self._clock.now() + span) - datetime.now(UTC)).total_seconds()

    async def _until_due(self) -> None:
        """Wait for a change, or until the interval is over on the desk clock, whose speed may change meanwhile."""
        due = self._clock.now() + self._interval
        while not self._changed.is_set():
            remaining_seconds = (self._clock.wall_time_of(due) - datetime.now(UTC)).total_seconds()
            if self._clock.now() >= due or remaining_seconds <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(min(remaining_seconds, RECHECK_SECONDS)):
                    await self._changed.wait()
