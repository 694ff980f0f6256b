"""The lease on a name: one process at a time works under it, fenced by an epoch; the others stand by.

Owns the rule. The name is a venue account (one gateway trades it) or a service (one of its processes works). The lease
is one message of the KV bucket LEASES, written anew each second with the sequence of its predecessor as a condition, so
that of two writers one fails. All times are of one process's steady clock, which goes on while the machine is
suspended, and never compared with another's:

    the holder    may write for `VALID_SECONDS` from the moment at which it began the last renewal that was acknowledged
    a contender   takes over, with the next epoch, once it has seen no renewal for `TAKE_SECONDS`, which is longer

so the former holder has stopped before the next one begins, whatever happens to NATS, to either process, or to the
network between them. Three cases need no wait: a lease that was given back, one whose holder was a process of this
machine that is no more, and one that never was.

    NATS away               nobody holds anything for as long as that takes: the holder writes nothing, says so, waits,
                            and goes on under the same epoch when NATS is back and the lease still names it
    another took it over    the holder ends
    a contender, meanwhile  counts no time in which it could not look: after an outage the holder comes first

It must not know what is done under the lease. Two questions are asked of it. `until_held` when a message has come: a
message that was stored after another process took over came after this lease had run out, so it is never handled, nor
acknowledged, by the former holder, however long that was suspended. `is_held` right before what can not be undone. What
is left, a process suspended between that question and the socket, must be fenced by whoever is written to.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.errors import BusError, BusUnavailableError, LeaseLostError, WrongSequenceError

log = logging.getLogger(__name__)

RENEW_SECONDS = 1.0
VALID_SECONDS = 4.0
TAKE_SECONDS = 6.0
WRITE_SECONDS_MAX = TAKE_SECONDS - VALID_SECONDS
"""What is begun while the lease is held, and given up after so long, is over before anybody else can hold it."""
LOOK_SECONDS = 0.25
LOOK_GAP_SECONDS_MAX = 2.0
"""A contender that has not seen the lease for longer has not seen that it was not renewed either."""
GIVE_BACK_SECONDS_MAX = 2.0
LEASES = "KV_LEASES"
UNREADABLE = "?"
"""Stands for the holder of a lease that can not be read: nobody knows who works, so it is waited for like anybody's."""
_PROCESS_ID = re.compile(r"[0-9]{1,9}")


def _seconds() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def this_process() -> str:
    """Name this process among all machines': host, boot, process namespace, process id and when it began."""
    pid = os.getpid()
    began = ""
    with suppress(OSError):  # no /proc: then it is never known to be gone
        began = _began(pid)
    return f"{_this_machine()}/{pid}/{began}"


def shown(holder: str) -> str:
    """A process's name as people know it: host and process id."""
    parts = holder.split("/")
    return f"{parts[0]}/{parts[-2]}" if len(parts) > 2 else holder


def is_gone(holder: str) -> bool:
    """Say whether a holder was a process of this machine that is no more; one elsewhere can not be known to be."""
    machine, *process = holder.rsplit("/", 2)
    if machine != _this_machine() or len(process) != 2 or _PROCESS_ID.fullmatch(process[0]) is None:
        return False  # or a name that no process of ours gives itself
    pid, began = process
    try:
        return _began(int(pid)) != began
    except OSError:
        return not _exists(int(pid))


def _exists(pid: int) -> bool:
    """Say whether there is a process that can not be looked at: /proc may hide it, or no descriptor be left."""
    try:
        os.kill(pid, 0)
    except PermissionError:  # another user's
        return True
    except OSError:
        return False
    return True


def _this_machine() -> str:
    """Where process ids mean what they mean here: two containers may share host name and boot, and see different ones.

    The kernel gives a namespace's number to another one only when nothing of the former is left.
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = ""
    with suppress(OSError):
        namespace = re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))
    return f"{socket.gethostname()}/{boot.read_text().strip() if boot.exists() else ''}/{namespace}"


def _began(pid: int) -> str:
    """When a process began, in ticks since the boot; "" = it is dead, and only not yet buried.

    Raises `OSError` when there is none, or none that can be looked at.
    """
    stat = _stat(pid)
    return "" if stat[0] in "ZX" else stat[19]


def _stat(pid: int) -> list[str]:
    """What /proc says of a process behind its name, its state first."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def account_lease(bus: Bus, venue: str, account: str, holder: str = "") -> OwnLease:
    """The lease on a venue account."""
    return OwnLease(bus, account, subjects.lease(venue, account), {"venue": venue, "account": account}, holder)


def service_lease(bus: Bus, service: str, holder: str = "") -> OwnLease:
    """The lease on a service."""
    return OwnLease(bus, service, subjects.service_lease(service), {"service": service}, holder)


class OwnLease:
    """One lease, as one process sees it. Made by `account_lease` or `service_lease`; `on` is its name for a person."""

    def __init__(self, bus: Bus, on: str, subject: str, named: dict[str, str], holder: str = "") -> None:
        self.on = on
        self._bus, self._subject, self._named = bus, subject, named
        self._holder = holder or this_process()
        self._sequence, self._written, self._valid_until_seconds = 0, 0, 0.0
        self._one_at_a_time = asyncio.Lock()
        self._given_back = self._lost = self._ending = False
        self._news = asyncio.Event()
        self.epoch = 0
        """How many times the lease has changed hands; 0 = not held yet."""

    def is_held(self) -> bool:
        """Say whether this process may write at this instant."""
        return _seconds() < self._valid_until_seconds

    async def until_held(self) -> None:
        """Return once this process may write: as a rule at once, else after the next renewal, whenever NATS is there.

        Raises `LeaseLostError` when the lease is another's, `BusUnavailableError` when the process ends meanwhile.
        """
        while not self.is_held():
            if self._lost or self._given_back:
                raise LeaseLostError(f"this process does not hold the lease on {self.on} any more")
            if self._ending:
                raise BusUnavailableError(f"the process ends, and the lease on {self.on} has not been renewed")
            await self._news.wait()

    def end(self) -> None:
        """The process ends: nobody waits for a renewal any more. What is held is held on."""
        self._ending = True
        self._tell()

    async def acquire(self, waiting: Callable[[str], None]) -> None:
        """Stand by until the lease is this process's; `waiting` is told who works meanwhile.

        Raises `LeaseLostError` when it is given back before.
        """
        seen_sequence, seen_seconds, looked_seconds = -1, _seconds(), _seconds()
        while True:
            found = None
            with suppress(BusUnavailableError):
                found = await self._look()
            if self._given_back:  # the process ends; nats-py may have lost its cancellation
                raise LeaseLostError(f"the lease on {self.on} is not wanted any more")
            if found is None:  # NATS is away: whoever works writes nothing, and is not taken over from
                await asyncio.sleep(LOOK_SECONDS)
                continue
            sequence, present = found
            if sequence != seen_sequence or _seconds() - looked_seconds > LOOK_GAP_SECONDS_MAX:
                seen_sequence, seen_seconds = sequence, _seconds()
            looked_seconds = _seconds()
            free = present is None or not present.holder or is_gone(present.holder)
            if free or _seconds() - seen_seconds >= TAKE_SECONDS:
                self._sequence, self.epoch = sequence, (present.epoch if present is not None else 0) + 1
                try:
                    await self._write(self._holder)
                except (WrongSequenceError, BusUnavailableError):  # another's, or NATS went away: see what is there
                    self.epoch = 0
                    continue
                return
            assert present is not None
            waiting(f"{shown(present.holder)} works")
            await asyncio.sleep(LOOK_SECONDS)

    async def keep(self) -> None:
        """Renew until the lease is given back, through any absence of NATS; `LeaseLostError` once it is another's."""
        while not self._given_back:
            if self.is_held():  # else the last renewal took too long: the next one is due
                await asyncio.sleep(RENEW_SECONDS)
            async with self._one_at_a_time:
                if not self._given_back:
                    await self._renew()

    async def _renew(self) -> None:
        """Write the lease anew, once. Raises `LeaseLostError` when another process has written there."""
        try:
            await self._write(self._holder)
        except WrongSequenceError:
            with suppress(BusUnavailableError):
                await self._adopt()
        except BusUnavailableError:
            return  # it runs out meanwhile; whoever can reach NATS may take over

    async def _adopt(self) -> None:
        """Go on behind a renewal of our own whose answer was lost. Raises `LeaseLostError` when it is another's.

        A server that lost the end of its store when its machine died has an older renewal of ours, or none at all: the
        lease is nobody else's. Nor is one that can not be read: no process of the desk writes such a thing.
        """
        sequence, present = await self._look()
        if present is None or present.holder == UNREADABLE or (present.holder, present.epoch) == self._own:
            self._sequence = sequence
            return
        self._lost, self._valid_until_seconds = True, 0.0
        self._tell()
        raise LeaseLostError(f"another process has taken over the lease on {self.on}")

    async def _look(self) -> tuple[int, messages.Lease | None]:
        """The lease as NATS has it, and its sequence; (0, None) = there is none."""
        stored = await self._bus.last(LEASES, self._subject)
        if stored is None:
            return 0, None
        try:
            return stored.sequence, messages.decode(stored.payload, messages.Lease)
        except msgspec.MsgspecError as error:
            log.error("a lease can not be read", extra={"subject": self._subject, "error": str(error)})
            return stored.sequence, messages.Lease(
                id="lease/unreadable", at=stored.stored_at, **self._named, holder=UNREADABLE, epoch=0
            )

    async def give_back(self) -> None:
        """Write nothing any more, and let the next process begin without a wait."""
        if self._given_back:
            return
        self._given_back, self._valid_until_seconds = True, 0.0
        self._tell()
        if self.epoch and not self._lost:
            with suppress(BusError, TimeoutError):  # then it runs out
                async with asyncio.timeout(GIVE_BACK_SECONDS_MAX), self._one_at_a_time:
                    await self._release()

    async def _release(self) -> None:
        try:
            await self._write("")
        except WrongSequenceError:  # another's, or a renewal of ours whose answer nobody waited for
            sequence, present = await self._look()
            if present is not None and (present.holder, present.epoch) == self._own:
                self._sequence = sequence
                await self._write("")

    @property
    def _own(self) -> tuple[str, int]:
        return self._holder, self.epoch

    async def _write(self, holder: str) -> None:
        began_seconds = _seconds()
        self._written += 1
        name = "/".join(self._named.values()) if "venue" in self._named else f"service/{self.on}"
        stored = await self._bus.publish(
            self._subject,
            messages.Lease(
                id=f"lease/{name}/{self.epoch}/{self._holder}/{self._written}",
                at=datetime.now(UTC),
                **self._named,
                holder=holder,
                epoch=self.epoch,
            ),
            expected_last_subject_sequence=self._sequence,
        )
        self._sequence = stored.sequence
        if not self._given_back:
            self._valid_until_seconds = began_seconds + VALID_SECONDS
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
