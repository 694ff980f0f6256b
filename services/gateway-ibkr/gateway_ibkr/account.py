"""The account's figures as the venue says them, published on change and at least every minute of desk time.

Owns the figures and when they are told. They exist only after their end marker has come, and only while the link is
up: a figure that is repeated without a session would be a guess, and risk denies on a stale account by itself.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import BusUnavailableError
from signalbox.gateway.ending import end_if_told
from signalbox.gateway.link import Link
from signalbox.lease import WRITE_SECONDS_MAX
from signalbox.messages import LinkStatus

from gateway_ibkr.facts import AccountValueSeen, PnlSeen
from gateway_ibkr.translate import VENUE, TranslationError, account_state

log = logging.getLogger(__name__)

CHANGE_INTERVAL_SECONDS = 0.05
"""Figures change in bursts of many; at most one state in this wall time."""

RECHECK_SECONDS = 1.0


class Account:
    """The figures of one account."""

    def __init__(self, bus: Bus, clock: DeskClock, link: Link, account: str, interval_seconds: int) -> None:
        self._bus, self._clock, self._link, self._account = bus, clock, link, account
        self._interval = timedelta(seconds=interval_seconds)
        self._values: dict[tuple[str, str], str] = {}
        self._pnl: PnlSeen | None = None
        self._changed = asyncio.Event()

    def complete(self, values: dict[tuple[str, str], str]) -> None:
        """Take all figures, up to their end marker."""
        self._values = dict(values)
        self._changed.set()

    def forget(self) -> None:
        """The session is over: what it said is not known to hold any more."""
        self._values, self._pnl = {}, None

    def on_value(self, fact: AccountValueSeen) -> None:
        """Take one changed figure; before the end marker of a session there is nothing to change."""
        key = fact.tag, fact.currency
        if self._values and fact.account == self._account and self._values.get(key) != fact.value:
            self._values[key] = fact.value
            self._changed.set()

    def on_pnl(self, fact: PnlSeen) -> None:
        if fact != self._pnl:
            self._pnl = fact
            self._changed.set()

    async def publish(self) -> None:
        """Publish, for ever."""
        while True:
            if self._values and self._link.status in (LinkStatus.READY, LinkStatus.RECONCILING):
                self._changed.clear()
                await self._publish()
            await asyncio.sleep(CHANGE_INTERVAL_SECONDS)
            await self._until_due()

    async def _publish(self) -> None:
        try:
            state = account_state(self._account, self._values, self._pnl, self._clock.now())
        except TranslationError as error:
            log.error("the account's figures are incomplete", extra={"error": str(error)})
            return
        await self._link.until_held()  # the last word on the account is its holder's
        try:
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                await self._bus.publish(subjects.account(VENUE, self._account), state)
        except (BusUnavailableError, TimeoutError) as error:
            log.warning("the account's figures wait for the bus", extra={"error": str(error)})
            self._changed.set()  # said anew, as they are then
        end_if_told()

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
