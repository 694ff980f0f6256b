"""Several processes of risk, OMS and gateway IBKR while intents flow: one of each works, whatever ends the others.

Killed, suspended past the take-over and woken, stopped: at the end every intent has one decision, every order was
placed once, positions and cash are the venue's, and the record is the streams, by the demo's own check.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.lease import TAKE_SECONDS
from signalbox.messages import ServiceStatus
from signalbox_cli.auditing import audit_record, audit_trading
from signalbox_cli.consistency import read_trade
from signalbox_cli.local_desk import LocalDesk

from tests.chaos.flow import READY_SECONDS_MAX, Flow, decided_again, desk_in

log = logging.getLogger(__name__)

INTENTS_BETWEEN = 8
SETTLE_SECONDS_MAX = 60.0
TAKEN_OVER_SECONDS_MAX = 5.0
"""From the moment at which a lease is free: looking, rebuilding and settling on a busy machine."""


class Team:
    """The processes of one service."""

    def __init__(self, desk: LocalDesk, service: str, *others: str) -> None:
        self.desk, self.service, self.names = desk, service, (service, *others)

    async def working(self, but: str = "") -> list[str]:
        """Who works and is ready now; `but` is not asked: a suspended process keeps us waiting."""
        found = []
        for name in self.names:
            if name == but:
                continue
            status, text = await self.desk.http_get(name, "/readyz")
            if status == 200 and text == "ready\n":
                found.append(name)
        return found

    async def the_worker(self) -> str:
        """Who works, once exactly one does."""
        found: list[str] = []

        async def one() -> bool:
            found[:] = await self.working()
            return len(found) == 1

        await until(one, f"one {self.service} to work")
        return found[0]

    async def all_there(self) -> None:
        """Wait until one works and all others stand by, which is 200 for an orchestrator."""

        async def there() -> bool:
            answers = [await self.desk.http_get(name, "/readyz") for name in self.names]
            standing_by = [status == 200 and text.startswith("standing by: ") for status, text in answers]
            return standing_by.count(True) == len(self.names) - 1 and len(await self.working()) == 1

        await until(there, f"every {self.service} to be there")

    async def taken_over(self, before: str) -> float:
        """The seconds until another process works."""
        began = time.monotonic()

        async def other() -> bool:
            return bool(await self.working(but=before))

        await until(other, f"another {self.service} than {before} to work")
        return time.monotonic() - began

    def signal(self, name: str, number: signal.Signals) -> None:
        pid = self.desk.pid(name)
        assert pid is not None
        os.kill(pid, number)


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS_MAX):
            while not await condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[LocalDesk]:
    desk = desk_in(tmp_path)
    try:
        await desk.start()
        yield desk
    finally:
        await desk.close()


@contextlib.asynccontextmanager
async def flowing(flow: Flow) -> AsyncIterator[None]:
    """Send intents all the while."""
    enough = asyncio.Event()

    async def send() -> None:
        while not enough.is_set():
            await flow.send(1)

    sending = asyncio.create_task(send())
    try:
        yield
    finally:
        enough.set()
        await sending


async def test_one_works_whoever_is_killed_suspended_or_stopped(desk: LocalDesk) -> None:
    teams = []
    for service, count in (("risk", 3), ("oms", 3), ("gateway-ibkr", 2)):
        teams.append(Team(desk, service, *[await desk.run_service(service) for _ in range(count - 1)]))
    for team in teams:
        await team.all_there()
    bus, auditor = await Bus.connect(desk.bus_settings("user")), await Bus.connect(desk.bus_settings("auditor"))
    seconds: dict[str, float] = {}
    try:
        flow = Flow(bus, seed=41)
        await flow.listen()
        await flow.send(INTENTS_BETWEEN)
        answers = await bus.request_all(subjects.status("risk"), b"", 2.0, 0.5)
        told = [messages.decode(answer, ServiceStatus) for answer in answers]
        assert sorted(each.active for each in told) == [False, False, True]
        assert len({each.instance for each in told}) == 3
        assert all(each.ready for each in told)
        async with flowing(flow):
            for team in teams:
                seconds[f"{team.service}, SIGKILL"] = await killed(team)
            for team in teams[:2]:
                seconds[f"{team.service}, SIGSTOP"] = await suspended_and_woken(team)
            for team in teams:
                seconds[f"{team.service}, SIGTERM"] = await stopped(team)
        await flow.send(INTENTS_BETWEEN)
        await desk.wait_ready(*desk.plan.services)
        wrong = await audit_trading(desk, auditor, settle_seconds_max=SETTLE_SECONDS_MAX)
        trade = read_trade([message async for message in auditor.read("TRADE")])
        audit = await audit_record(desk, auditor, bus, wrong)
    finally:
        await bus.drain()
        await auditor.drain()
    log.info("taken over within seconds: %s", {case: round(taken, 2) for case, taken in seconds.items()})
    assert audit.wrong == []
    assert audit.fills > INTENTS_BETWEEN, "hardly anything was traded: nothing was tested"
    assert audit.intents == flow.sent
    replay, differences = decided_again(desk)
    assert (differences, replay.tally.again) == ([], len(trade.decisions))
    # Who was suspended and woken has ended, once, and stands by again
    assert sorted(name.split("-")[0] for name in desk.unexpected_exits) == ["oms", "risk"]


async def killed(team: Team) -> float:
    worker = await team.the_worker()
    await team.desk.kill(worker)
    taken = await team.taken_over(worker)
    assert taken < TAKEN_OVER_SECONDS_MAX
    await team.all_there()
    return taken


async def suspended_and_woken(team: Team) -> float:
    worker = await team.the_worker()
    exits = len(team.desk.unexpected_exits)
    team.signal(worker, signal.SIGSTOP)
    try:
        taken = await team.taken_over(worker)
    finally:
        team.signal(worker, signal.SIGCONT)
    assert TAKE_SECONDS - 1.5 < taken < TAKE_SECONDS + TAKEN_OVER_SECONDS_MAX

    async def ended() -> bool:
        return len(team.desk.unexpected_exits) > exits

    await until(ended, f"{worker} to end")
    await team.all_there()
    return taken


async def stopped(team: Team) -> float:
    worker = await team.the_worker()
    stopping = asyncio.create_task(team.desk.stop(worker))
    taken = await team.taken_over(worker)
    await stopping
    assert taken < TAKEN_OVER_SECONDS_MAX
    await team.desk.run(worker)
    await team.all_there()
    return taken
