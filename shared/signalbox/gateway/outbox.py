"""The queue between the venue's callbacks and the bus: reports in order, each stored before the next.

Owns the order of publication and the bound of what waits. While NATS is away the queue waits with it; when the bound
is reached the process ends, and its restart derives every report again, under the same ids, from the venue's answers.
Only the holder of the account's lease speaks: what a former one has in its queue when it wakes up is not said.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.errors import BusError, BusUnavailableError
from signalbox.gateway.ending import end_if_told
from signalbox.lease import WRITE_SECONDS_MAX, OwnLease
from signalbox.messages import LedgerSent, Report
from signalbox.metrics import VENUE_REPORTS_WAITING
from signalbox.venue_figures import SentOrders, count_report, show_part

log = logging.getLogger(__name__)

WAITING_MAX = 10_000
RETRY_DELAY_SECONDS = 0.5


class Outbox:
    """Reports, and the ledger's SENT entries that the venue's answers make necessary."""

    def __init__(
        self, bus: Bus, venue: str, fail: Callable[[BusError], None], lease: OwnLease, account: str = ""
    ) -> None:
        self._bus, self._venue, self._fail, self._lease, self._account = bus, venue, fail, lease, account
        self._waiting: deque[Report | tuple[LedgerSent, int]] = deque()
        self._filled, self._empty = asyncio.Event(), asyncio.Event()
        self._empty.set()
        show_part(VENUE_REPORTS_WAITING, venue, account, 0)
        self.sent_orders = SentOrders(venue)
        """For the time until the first report of each is stored."""

    def put(self, report: Report) -> None:
        """Have a report stored, after those before it."""
        self._add(replace(report, received_at=datetime.now(UTC)))

    def put_sent(self, entry: LedgerSent, expected_sequence: int) -> None:
        """Have a ledger entry stored behind the claim at `expected_sequence`."""
        self._add((entry, expected_sequence))

    def _add(self, item: Report | tuple[LedgerSent, int]) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._fail(BusUnavailableError(f"{WAITING_MAX} reports wait for NATS: restarting to derive them again"))
            return
        self._waiting.append(item)
        self._empty.clear()
        self._filled.set()
        self._show_waiting()

    async def drained(self) -> None:
        """Wait until everything put so far is stored."""
        await self._empty.wait()

    async def run(self) -> None:
        """Store what is put, for ever. Raises only errors that a retry does not mend."""
        while True:
            await self._filled.wait()
            while self._waiting:
                try:
                    await self._store(self._waiting[0])
                except (BusUnavailableError, TimeoutError) as error:
                    log.error("reports wait for the bus", extra={"waiting": len(self._waiting), "error": str(error)})
                    await asyncio.sleep(RETRY_DELAY_SECONDS)
                    continue
                self._waiting.popleft()
                end_if_told()
                self._show_waiting()
            self._filled.clear()
            self._empty.set()

    def _show_waiting(self) -> None:
        show_part(VENUE_REPORTS_WAITING, self._venue, self._account, len(self._waiting))

    async def _store(self, item: Report | tuple[LedgerSent, int]) -> None:
        await self._lease.until_held()
        if isinstance(item, tuple):
            entry, sequence = item
            subject = subjects.ledger(self._venue, entry.order.order_id)
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                await self._bus.publish(subject, entry, expected_last_subject_sequence=sequence)
            return
        subject = subjects.report(item)
        async with asyncio.timeout(WRITE_SECONDS_MAX):
            await self._bus.publish(subject, item)
        count_report(self._venue, subject.rsplit(".", 1)[1], item)
        self.sent_orders.reported(item)
        log.info("report", extra={"id": item.id, "kind": type(item).__name__})
