"""The lease on an account, against a real nats-server: one holder at a time, whatever dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from signalbox import lease as leases
from signalbox import subjects
from signalbox.bus import Bus
from signalbox.errors import BusPermissionError, LeaseLostError
from signalbox.lease import TAKE_SECONDS, VALID_SECONDS, account_lease, is_gone, this_process
from signalbox.messages import Lease

ELSEWHERE = "another-host/another-boot/1/100"


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
        async with asyncio.timeout(10):
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
    async with asyncio.timeout(10):
        await keeping
    assert not holder.is_held()


@pytest.mark.parametrize("user", ["gateway-ibkr", "oms", "user"])
async def test_only_the_gateway_of_a_venue_may_write_its_leases(nats_server: Any, user: str) -> None:
    stranger = await nats_server.connect(user)
    mine = Lease(id="lease/1", at=datetime.now(UTC), venue="dydx", account="free-1", holder=user, epoch=1)
    with pytest.raises(BusPermissionError):
        await stranger.publish(subjects.lease("dydx", "free-1"), mine)


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
