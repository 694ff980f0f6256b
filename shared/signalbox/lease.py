"""The lease on a venue account: one gateway may trade it at a time, fenced by an epoch.

Owns the rule. The lease is one message of the KV bucket LEASES, written anew each second with the sequence of its
predecessor as a condition, so that of two writers one fails. All times are of one process's steady clock, which
goes on while the machine is suspended, and never compared with another's:

    the holder    may send for `VALID_SECONDS` from the moment at which it began the last renewal that was acknowledged
    a contender   takes over, with the next epoch, once it has seen no renewal for `TAKE_SECONDS`, which is longer

so the former holder has stopped before the next one begins, whatever happens to NATS, to either process, or to the
network between them. A holder that lost its lease ends. Three cases need no wait: a lease that was given back, one
whose holder was a process of this machine that is no more, and one that never was.

It must not know what is done under the lease: `is_held` is asked right before each send.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.errors import BusError, BusUnavailableError, LeaseLostError, WrongSequenceError
from signalbox.messages import Lease

RENEW_SECONDS = 1.0
VALID_SECONDS = 4.0
TAKE_SECONDS = 6.0
LOOK_SECONDS = 0.25
LEASES = "KV_LEASES"


def _seconds() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def this_process() -> str:
    """Name this process among all machines': host, boot, process id and when it began."""
    pid = os.getpid()
    return f"{_this_machine()}/{pid}/{_began(pid)}"


def is_gone(holder: str) -> bool:
    """Say whether a holder was a process of this machine that is no more; one elsewhere can not be known to be."""
    machine, pid, began = holder.rsplit("/", 2)
    return machine == _this_machine() and _began(int(pid)) != began


def _this_machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{socket.gethostname()}/{boot.read_text().strip() if boot.exists() else ''}"


def _began(pid: int) -> str:
    """When a process began, in ticks since the boot; "" = there is none, or it is dead and only not yet buried."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if after_name[0] in "ZX" else after_name[19]


class AccountLease:
    """The lease on one account, as one process sees it."""

    def __init__(self, bus: Bus, venue: str, account: str, holder: str = "") -> None:
        self._bus, self._venue, self._account = bus, venue, account
        self._holder = holder or this_process()
        self._subject = subjects.lease(venue, account)
        self._sequence, self._written, self._valid_until_seconds = 0, 0, 0.0
        self._one_at_a_time, self._given_back = asyncio.Lock(), False
        self.epoch = 0
        """How many times the account has changed hands; 0 = not held yet."""

    def is_held(self) -> bool:
        """Say whether this process may send at this instant."""
        return _seconds() < self._valid_until_seconds

    async def acquire(self, waiting: Callable[[str], None]) -> None:
        """Wait until the account is this process's; `waiting` is told whose it is meanwhile."""
        seen_sequence, seen_seconds = -1, _seconds()
        while True:
            stored = await self._bus.last(LEASES, self._subject)
            present = messages.decode(stored.payload, Lease) if stored is not None else None
            sequence = stored.sequence if stored is not None else 0
            if sequence != seen_sequence:
                seen_sequence, seen_seconds = sequence, _seconds()
            free = present is None or not present.holder or is_gone(present.holder)
            if free or _seconds() - seen_seconds >= TAKE_SECONDS:
                self._sequence, self.epoch = sequence, (present.epoch if present is not None else 0) + 1
                try:
                    await self._write(self._holder)
                except WrongSequenceError:
                    continue
                return
            assert present is not None
            waiting(f"{present.holder} holds the lease on {self._account} (epoch {present.epoch})")
            await asyncio.sleep(LOOK_SECONDS)

    async def keep(self) -> None:
        """Renew until the lease is given back. Raises `LeaseLostError` once another process holds the account."""
        while not self._given_back:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                async with self._one_at_a_time:
                    if not self._given_back:
                        await self._write(self._holder)
            except WrongSequenceError as error:
                self._valid_until_seconds = 0.0
                raise LeaseLostError(f"another process has taken over {self._account} at {self._venue}") from error
            except BusUnavailableError:
                continue  # it runs out meanwhile; whoever can reach NATS may take over

    async def give_back(self) -> None:
        """Send nothing any more, and let the next process begin without a wait."""
        self._given_back = True
        self._valid_until_seconds = 0.0
        if self.epoch:
            with suppress(BusError):  # then it runs out
                async with self._one_at_a_time:
                    await self._write("")

    async def _write(self, holder: str) -> None:
        began_seconds = _seconds()
        self._written += 1
        stored = await self._bus.publish(
            self._subject,
            Lease(
                id=f"lease/{self._venue}/{self._account}/{self.epoch}/{self._holder}/{self._written}",
                at=datetime.now(UTC),
                venue=self._venue,
                account=self._account,
                holder=holder,
                epoch=self.epoch,
            ),
            expected_last_subject_sequence=self._sequence,
        )
        self._sequence = stored.sequence
        if not self._given_back:
            self._valid_until_seconds = began_seconds + VALID_SECONDS
