"""What the gateway can do now, told to everybody each second and at each change.

Owns the link's status, and that only the holder of the account's lease speaks and sends. Only READY lets an order
through, here and in risk.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import BusUnavailableError
from signalbox.gateway.switch import Switch
from signalbox.lease import OwnLease
from signalbox.messages import LinkStatus, VenueLink
from signalbox.venue_figures import show_link

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
RECHECK_SECONDS_MAX = 0.25
UNREAD_TOLD_MAX = 100
"""Symbols in a heartbeat; the gateway refuses an order for any other by itself."""
NOT_RENEWED = "the lease on the account could not be renewed: another process may take over"


class Link:
    """The status of the way to a venue: whether an order that is sent now arrives, and what became of it is told."""

    def __init__(self, bus: Bus, clock: DeskClock, venue: str, account: str, lease: OwnLease) -> None:
        self._bus, self._clock, self._lease = bus, clock, lease
        self._venue, self._account = venue, account
        self.status, self.reason = LinkStatus.DOWN, "starting"
        self.unread: dict[str, str] = {}
        """Symbols that nothing is sent for, because a fact about them can not be read, and why."""
        self.switch = Switch(venue)
        self._changed = asyncio.Event()
        self._stopping = False
        show_link(self._venue, self.status, self._account)

    def stop(self) -> None:
        """The process ends: nobody waits for the link any more."""
        self._stopping = True
        self._changed.set()
        self._changed = asyncio.Event()  # as in `become`: a loop that waits for one that is set would stop everything

    def end_if_stopping(self) -> None:
        """Raise `BusUnavailableError` if the process ends: the command at hand is left to the next one."""
        if self._stopping:
            raise BusUnavailableError("the gateway stops: the command is left to the next process")

    def become(self, status: LinkStatus, reason: str = "") -> None:
        """Change the status; a repeated one says nothing."""
        if (status, reason) == (self.status, self.reason):
            return
        level = logging.INFO if status is LinkStatus.READY else logging.WARNING
        log.log(level, "link", extra={"status": status.value, "reason": reason})
        self.status, self.reason = status, reason
        show_link(self._venue, status, self._account)
        self._changed.set()
        # A new one for the next change: waiting for one that is set does not yield, and a loop of that stops everything
        self._changed = asyncio.Event()

    def doubt(self, unread: dict[str, str]) -> None:
        """Take which symbols nothing may be sent for, and why; told at once."""
        if unread != self.unread:
            self.unread = unread
            self._changed.set()
            self._changed = asyncio.Event()  # as in `become`

    async def announce(self) -> None:
        """Say the status, for ever."""
        while True:
            change = self._changed  # before the status is read: a change while it is being sent is told at once
            at = self._clock.now()
            status, reason = self.told()
            heartbeat = VenueLink(
                id=f"link/{self._venue}/{self._account}/{at.isoformat()}",
                at=at,
                venue=self._venue,
                account=self._account,
                status=status,
                reason=reason,
                unread=dict([*self.unread.items()][:UNREAD_TOLD_MAX]),
            )
            await self._bus.send(subjects.link(self._venue, self._account), heartbeat)
            await _until(change, HEARTBEAT_SECONDS)

    def told(self) -> tuple[LinkStatus, str]:
        """The status as others may rely on it, and the reason."""
        if self.status is LinkStatus.READY and not self.holds_account():
            return LinkStatus.FROZEN, NOT_RENEWED
        return self.status, self.reason

    def described(self) -> str:
        """The same for a person."""
        return ": ".join(filter(None, self.told()))

    async def changed(self, seconds_max: float) -> None:
        """Wait for the next change, or for so long."""
        await _until(self._changed, seconds_max)

    async def until_ready(self, deadline: datetime | None) -> bool:
        """Wait until orders may be sent; False = `deadline` (desk time) has come first.

        Raises `LeaseLostError` when the account is another process's, so that it is not this one that finds a deadline
        missed, and `BusUnavailableError` if the process ends: the command at hand is left to the next one.
        """
        while not self.may_send():
            self.end_if_stopping()
            await self.until_held()
            now = self._clock.now()
            if deadline is not None and now >= deadline:
                return False
            wait_seconds = RECHECK_SECONDS_MAX
            if deadline is not None:
                remaining_seconds = (self._clock.wall_time_of(deadline) - datetime.now(UTC)).total_seconds()
                wait_seconds = min(max(remaining_seconds, 0.005), RECHECK_SECONDS_MAX)
            await self.changed(wait_seconds)
        return True

    def may_send(self) -> bool:
        """Whether an order may be sent at this instant."""
        return self.status is LinkStatus.READY and self.holds_account() and not self._clock.is_stale()

    def holds_account(self) -> bool:
        """Whether this process is the one that trades the account at this instant."""
        return self._lease.is_held()

    async def until_held(self) -> None:
        """Wait until it is; see `OwnLease.until_held`."""
        await self._lease.until_held()


async def _until(event: asyncio.Event, seconds_max: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds_max):
            await event.wait()
