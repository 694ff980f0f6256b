"""The lease on an account, against a real nats-server: one holder at a time, whatever dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from signalbox import lease as leases
from signalbox import messages, subjects
from signalbox.bus import Bus, PublishAck, Received
from signalbox.errors import BusPermissionError, BusUnavailableError, LeaseLostError
from signalbox.lease import TAKE_SECONDS, VALID_SECONDS, account_lease, is_gone, service_lease, this_process
from signalbox.messages import Lease

ELSEWHERE = "another-host/another-boot/1/100"
WAIT_SECONDS_MAX = 60.0


@pytest.fixture
async def bus(nats_server: Any) -> Bus:
    connected: Bus = await nats_server.connect("gateway-dydx")
    return connected


def silent(_: str) -> None:
    """Nobody asks whose it is."""


async def test_a_free_account_is_taken_at_once_and_the_epoch_counts(bus: Bus) -> None:
    first = account_lease(bus, "dydx", "free-0")
    assert not first.is_held()
    await first.acquire(silent)
    assert first.is_held()
    assert first.epoch == 1
    await first.give_back()
    assert not first.is_held()
    second = account_lease(bus, "dydx", "free-0", ELSEWHERE)
    await second.acquire(silent)
    assert second.is_held()
    assert second.epoch == 2


async def test_a_holder_that_lives_elsewhere_is_waited_for_longer_than_it_may_send(bus: Bus) -> None:
    """The times of the two processes are never compared: only how long each has waited itself."""
    holder = account_lease(bus, "dydx", "busy-0", ELSEWHERE)
    await holder.acquire(silent)
    told: list[str] = []
    began = time.monotonic()
    contender = account_lease(bus, "dydx", "busy-0")
    await contender.acquire(told.append)
    assert time.monotonic() - began >= TAKE_SECONDS > VALID_SECONDS
    assert not holder.is_held()
    assert contender.is_held()
    assert contender.epoch == 2
    assert told[0] == "another-host/1 works"


async def test_a_holder_that_was_taken_over_learns_it_and_ends(bus: Bus) -> None:
    holder = account_lease(bus, "dydx", "lost-0", ELSEWHERE)
    await holder.acquire(silent)
    contender = account_lease(bus, "dydx", "lost-0")
    await contender.acquire(silent)
    with pytest.raises(LeaseLostError):
        async with asyncio.timeout(60):
            await holder.keep()
    assert not holder.is_held()


async def test_of_two_contenders_one_gets_the_account(bus: Bus) -> None:
    contenders = [account_lease(bus, "dydx", "both-0", f"host/boot/{number}/1") for number in (1, 2)]
    waiting = [asyncio.create_task(each.acquire(silent)) for each in contenders]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert [each.is_held() for each in contenders].count(True) == 1
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_keeping_goes_on_for_longer_than_one_renewal_is_valid(bus: Bus) -> None:
    holder = account_lease(bus, "dydx", "kept-0")
    await holder.acquire(silent)
    keeping = asyncio.create_task(holder.keep())
    began = time.monotonic()
    while time.monotonic() - began < VALID_SECONDS + 1:
        assert holder.is_held()
        await asyncio.wait([keeping], timeout=0.1)
    await holder.give_back()
    async with asyncio.timeout(60):
        await keeping
    assert not holder.is_held()


UNREADABLE = (b"{}", b"", b"\xff", b'{"type":"Lease","id":"x","at":"2026-01-05T15:00:00Z"}')


async def test_a_lease_that_can_not_be_read_is_waited_for_like_anybodys(bus: Bus) -> None:
    """Nobody knows whether somebody works under it; and no bytes that are stored there keep a process down."""

    async def taken_and_kept(account: str, payload: bytes) -> None:
        await bus.raw_publish(subjects.lease("dydx", account), payload)
        contender = account_lease(bus, "dydx", account)
        began = time.monotonic()
        await contender.acquire(silent)
        assert time.monotonic() - began >= TAKE_SECONDS, payload
        assert contender.is_held(), payload
        await bus.raw_publish(subjects.lease("dydx", account), payload)
        keeping = asyncio.create_task(contender.keep())  # what is written over it is no other process's
        await asyncio.wait([keeping], timeout=VALID_SECONDS + 1)
        assert not keeping.done(), payload
        assert contender.is_held(), payload
        await contender.give_back()
        await keeping

    await asyncio.gather(*(taken_and_kept(f"junk-{place}", payload) for place, payload in enumerate(UNREADABLE)))


@pytest.mark.parametrize("holder", ["x", "/", "a/b/c/d/e", "{here}9999999999999/1", "\u0661"])
def test_a_holder_whose_name_is_none_of_a_process_is_not_known_to_be_gone(holder: str) -> None:
    assert is_gone(holder.format(here=this_process().rpartition("/")[0])) is False


async def test_nobody_takes_away_the_leases_of_others(bus: Bus, nats_server: Any) -> None:
    """`Nats-Rollup: all` has a stream forget everything before: who holds what would be anybody's guess."""
    holder = account_lease(bus, "dydx", "rolled-0")
    await holder.acquire(silent)
    recorder = await nats_server.connect("recorder")
    for scope in ("all", "sub"):
        headers = {"Nats-Rollup": scope}
        answer = await recorder._client.ask(subjects.service_lease("recorder"), b"{}", 5.0, headers)
        assert b"rollup not permitted" in answer.payload
    assert await bus.last(leases.LEASES, subjects.lease("dydx", "rolled-0")) is not None
    await holder.give_back()


async def test_a_lease_on_a_service_is_kept_apart_from_the_accounts(nats_server: Any) -> None:
    risk = await nats_server.connect("risk")
    lease = service_lease(risk, "risk")
    await lease.acquire(silent)
    assert lease.is_held()
    stored = await risk.last(leases.LEASES, subjects.service_lease("risk"))
    present = messages.decode(stored.payload, Lease)
    assert (present.service, present.venue, present.account, present.epoch) == ("risk", "", "", 1)


async def test_who_asks_for_a_lost_lease_is_told_so_and_who_asks_for_one_that_lapsed_waits_for_its_renewal(
    bus: Bus,
) -> None:
    holder = account_lease(bus, "dydx", "asked-0", ELSEWHERE)
    await holder.acquire(silent)
    await holder.until_held()
    holder._valid_until_seconds = 0.0  # NATS was away for too long
    asking = asyncio.create_task(holder.until_held())
    keeping = asyncio.create_task(holder.keep())
    async with asyncio.timeout(60):
        await asking
    assert holder.is_held()
    async with asyncio.timeout(60):
        await account_lease(bus, "dydx", "asked-0", ELSEWHERE).give_back()  # one that never held it gives nothing back
    other = account_lease(bus, "dydx", "asked-0", "host/boot/3/1")
    other._sequence, other.epoch = holder._sequence, 2
    await other._write("host/boot/3/1")  # as at a take-over
    with pytest.raises(LeaseLostError):
        async with asyncio.timeout(60):
            await keeping
    with pytest.raises(LeaseLostError):
        await holder.until_held()


async def test_nats_that_is_away_for_longer_than_the_lease_ends_no_holder(nats_server: Any, bus: Bus) -> None:
    holder = account_lease(bus, "dydx", "away-0", ELSEWHERE)
    await holder.acquire(silent)
    keeping = asyncio.create_task(holder.keep())
    nats_server.kill()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while holder.is_held():
            await asyncio.sleep(0.02)
    asking = asyncio.create_task(holder.until_held())
    nats_server.start()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await asking
    assert holder.is_held()
    assert holder.epoch == 1
    assert not keeping.done()
    await holder.give_back()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await keeping


async def test_a_renewal_of_our_own_whose_answer_was_lost_is_nobody_elses(bus: Bus) -> None:
    """NATS died between storing and answering, and came back after the renewal had been given up."""
    holder = account_lease(bus, "dydx", "unanswered-0", ELSEWHERE)
    await holder.acquire(silent)
    before = holder._sequence
    await holder._write(ELSEWHERE)
    holder._sequence, holder._valid_until_seconds = before, 0.0
    keeping = asyncio.create_task(holder.keep())
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await holder.until_held()
    assert not keeping.done()
    await holder.give_back()
    await keeping


async def test_a_lease_that_nats_has_lost_with_its_machine_is_written_anew_by_its_holder(bus: Bus) -> None:
    holder = account_lease(bus, "dydx", "forgotten-0", ELSEWHERE)
    holder._sequence, holder.epoch = 1_000_000, 7
    keeping = asyncio.create_task(holder.keep())
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await holder.until_held()
    assert holder.epoch == 7
    await holder.give_back()
    await keeping


class Absences:
    """NATS as a contender sees it: it is away while the test says so, and time is the test's."""

    def __init__(self, bus: Bus) -> None:
        self._bus, self.away, self.seconds, self.looks = bus, False, 1000.0, 0

    def now(self) -> float:
        return self.seconds

    async def last(self, stream: str, subject: str) -> Received | None:
        self.looks += 1
        if self.away:
            raise BusUnavailableError("away")
        return await self._bus.last(stream, subject)

    async def publish(self, subject: str, message: Any, **expected: int) -> PublishAck:
        return await self._bus.publish(subject, message, **expected)

    async def looked(self) -> None:
        """Return after two more looks, one of which has begun after this call."""
        until = self.looks + 2
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while self.looks < until:
                await asyncio.sleep(0.01)


async def test_a_contender_counts_no_time_in_which_it_could_not_look(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first thing after every absence of NATS would be a take-over from a holder that is well."""
    await account_lease(bus, "dydx", "patient-0", ELSEWHERE).acquire(silent)
    nats = Absences(bus)
    monkeypatch.setattr(leases, "_seconds", nats.now)
    contender = account_lease(cast(Bus, nats), "dydx", "patient-0", "host/boot/2/1")
    taking = asyncio.create_task(contender.acquire(silent))
    await nats.looked()
    nats.away = True
    await nats.looked()
    nats.seconds += 10 * TAKE_SECONDS
    nats.away = False
    await nats.looked()
    assert not taking.done()
    for _ in range(round(TAKE_SECONDS) + 1):  # as the seconds pass in which it can look
        nats.seconds += 1.0
        if not taking.done():
            await asyncio.wait([asyncio.create_task(nats.looked()), taking], return_when=asyncio.FIRST_COMPLETED)
    await taking
    assert contender.epoch == 2


async def test_nobody_waits_for_a_renewal_when_the_process_ends(bus: Bus) -> None:
    holder = account_lease(bus, "dydx", "ending-0", ELSEWHERE)
    await holder.acquire(silent)
    holder._valid_until_seconds = 0.0
    asking = asyncio.create_task(holder.until_held())
    await asyncio.sleep(0)
    holder.end()
    with pytest.raises(BusUnavailableError):
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await asking


async def test_nobody_waits_for_a_renewal_of_what_has_been_given_back(bus: Bus) -> None:
    holder = account_lease(bus, "dydx", "given-0", ELSEWHERE)
    await holder.acquire(silent)
    await holder.give_back()
    with pytest.raises(LeaseLostError):
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await holder.until_held()


async def test_a_renewal_whose_answer_nobody_waited_for_does_not_keep_the_next_one_waiting(bus: Bus) -> None:
    holder = account_lease(bus, "dydx", "ended-0", ELSEWHERE)
    await holder.acquire(silent)
    before = holder._sequence
    await holder._write(ELSEWHERE)
    holder._sequence = before  # the process was told to stop before the answer came
    await holder.give_back()
    began = time.monotonic()
    await account_lease(bus, "dydx", "ended-0").acquire(silent)
    assert time.monotonic() - began < TAKE_SECONDS


def test_a_lease_as_it_was_written_before_services_had_one_is_read() -> None:
    old = b'{"type":"Lease","id":"1","at":"2026-01-01T00:00:00Z","venue":"dydx","account":"a-0",'
    old += b'"holder":"h/b/1/2","epoch":3}'
    lease: Lease = messages.decode(old, Lease)
    assert (lease.account, lease.epoch, lease.service, is_gone(lease.holder)) == ("a-0", 3, "", False)


@pytest.mark.parametrize(
    ("user", "service"), [("oms", "risk"), ("risk", "oms"), ("gateway-ibkr", "risk"), ("user", "oms")]
)
async def test_a_service_may_write_its_own_lease_only(nats_server: Any, user: str, service: str) -> None:
    stranger = await nats_server.connect(user)
    mine = Lease(id="lease/1", at=datetime.now(UTC), service=service, holder=user, epoch=1)
    with pytest.raises(BusPermissionError):
        await stranger.publish(subjects.service_lease(service), mine)


@pytest.mark.parametrize("user", ["gateway-ibkr", "oms", "user"])
async def test_only_the_gateway_of_a_venue_may_write_its_leases(nats_server: Any, user: str) -> None:
    stranger = await nats_server.connect(user)
    mine = Lease(id="lease/1", at=datetime.now(UTC), venue="dydx", account="free-1", holder=user, epoch=1)
    with pytest.raises(BusPermissionError):
        await stranger.publish(subjects.lease("dydx", "free-1"), mine)


def test_a_process_of_another_namespace_is_never_taken_for_gone() -> None:
    """In a container with the same host name process 1 is another one, and most numbers are nobody's."""
    host, boot, namespace, _, began = this_process().split("/")
    assert namespace.isdecimal()
    absent = 2**22 + 1  # beyond the largest process id
    assert is_gone(f"{host}/{boot}/{namespace}/{absent}/{began}")
    assert not is_gone(f"{host}/{boot}/{int(namespace) + 1}/{absent}/{began}")
    assert not is_gone(f"{host}/{boot}/{absent}/{began}"), "as it was written before the namespace was part of it"


def test_a_dead_process_of_this_machine_is_gone_and_a_living_one_is_not() -> None:
    assert not is_gone(this_process())
    assert not is_gone(ELSEWHERE)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    machine, _, _ = this_process().rsplit("/", 2)
    name = f"{machine}/{child.pid}/{leases._began(child.pid)}"
    assert not is_gone(name)
    os.kill(child.pid, signal.SIGSTOP)
    assert not is_gone(name)  # a suspended one may wake up and go on
    child.kill()
    while leases._began(child.pid):
        os.sched_yield()
    assert is_gone(name)
    child.wait()
    assert is_gone(name)


def test_a_living_process_that_can_not_be_looked_at_is_not_taken_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc hides other users' processes (hidepid, ProtectProc=), and without a free descriptor nothing is read."""

    def unreadable(_: int) -> list[str]:
        raise PermissionError

    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        machine, _, _ = this_process().rsplit("/", 2)
        name = f"{machine}/{child.pid}/{leases._began(child.pid)}"
        monkeypatch.setattr(leases, "_stat", unreadable)
        assert not is_gone(name)
        child.kill()
    assert is_gone(name)
