"""A process that says that it stops is gone within its grace: real processes, stuck in every way we know."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from signalbox.bus.bootstrap import complete_seals

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS_MAX = 60.0

SERVICE = """
import asyncio, signal, sys, threading, time
import signalbox.bus.connection, signalbox.last_resort, signalbox.process
from signalbox.process import Runtime, run
from signalbox.settings import ServiceSettings

signalbox.process.STOP_SECONDS_MAX = 4.0
signalbox.process.CLEAN_UP_SECONDS_MAX = 1.0
signalbox.last_resort.LOG_SECONDS_MAX = 30.0
signalbox.bus.connecting.CONNECT_SECONDS_MAX = {connect_seconds_max}

class Settings(ServiceSettings, frozen=True, kw_only=True):
    pass

async def swallow() -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

async def start(settings: Settings, runtime: Runtime) -> None:
    {body}

run("risk", Settings, start)
"""


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


Begin = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    processes: list[asyncio.subprocess.Process] = []

    async def begun(
        url: str, body: str = "pass", password: str = "x", connect_seconds_max: float = 600.0
    ) -> asyncio.subprocess.Process:
        script = tmp_path / "service.py"
        script.write_text(SERVICE.format(body=body, connect_seconds_max=connect_seconds_max))
        settings = {
            "SIGNALBOX_NATS_URL": url,
            "SIGNALBOX_NATS_USER": "risk",
            "SIGNALBOX_NATS_PASSWORD": password,
            "SIGNALBOX_SEALS": complete_seals({})["risk"],
            "SIGNALBOX_DESK_FILE": str(ROOT / "deploy/desk.toml"),
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(script)), env=os.environ | settings, stderr=asyncio.subprocess.PIPE
        )
        processes.append(process)
        return process

    yield begun
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until(process: asyncio.subprocess.Process, event: str) -> None:
    assert process.stderr is not None
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while line := await process.stderr.readline():
            if json.loads(line)["event"] == event:
                return
    raise AssertionError(f"the process ended without {event!r}")


async def ended(process: asyncio.subprocess.Process) -> tuple[int, list[str]]:
    """The exit status, and the events that were still logged."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        _, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, [json.loads(line)["event"] for line in errors.splitlines()]


@pytest.fixture(params=["no such name", "nobody listens", "silence"])
def unusable(request: pytest.FixtureRequest, silent_port: int) -> str:
    if request.param == "nobody listens":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return f"nats://127.0.0.1:{probe.getsockname()[1]}"
    return "nats://nats.invalid:4222" if request.param == "no such name" else f"nats://127.0.0.1:{silent_port}"


async def test_told_to_stop_while_nats_can_not_be_reached_it_ends_with_0(begin: Begin, unusable: str) -> None:
    process = await begin(unusable)
    await until(process, "listening")
    process.send_signal(signal.SIGTERM)
    status, events = await ended(process)
    assert (status, "draining" in events) == (0, True)


async def test_it_gives_up_on_nats_that_can_not_be_reached_and_ends_with_1(begin: Begin, unusable: str) -> None:
    process = await begin(unusable, connect_seconds_max=1.0)
    status, events = await ended(process)
    assert (status, "stopping" in events) == (1, True)


STUCK = {
    "a task that loses its cancellation": 'await runtime.spawn(swallow(), "stuck")',
    "a start that loses its cancellation": "runtime.log.warning('begun'); await swallow()",
    "a thread of the executor": "asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)",
    "a thread of a library": "threading.Thread(target=time.sleep, args=(3600,)).start()",
    "a stop that does not end": "runtime.stop = swallow",
    "a handler of an exit": "import atexit; atexit.register(time.sleep, 3600)",
}


@pytest.mark.parametrize("body", STUCK.values(), ids=STUCK.keys())
async def test_told_to_stop_it_ends_whatever_is_stuck(begin: Begin, nats_server, body: str) -> None:
    process = await begin(nats_server.url, body, nats_server.password("risk"))
    await until(process, "begun" if "begun" in body else "started")
    process.send_signal(signal.SIGTERM)
    status, _ = await ended(process)
    assert status == (1 if body == "runtime.stop = swallow" else 0)


async def test_an_event_loop_that_does_not_turn_ends_by_force(begin: Begin, nats_server) -> None:
    body = "runtime.log.warning('begun'); time.sleep(3600)"
    process = await begin(nats_server.url, body, nats_server.password("risk"))
    await until(process, "begun")
    ending = asyncio.create_task(ended(process))
    while not ending.done():  # one that comes right before the sleep is only looked at after it
        process.send_signal(signal.SIGTERM)
        await asyncio.wait([ending], timeout=0.5)
    assert await ending == (1, ["it did not end in time and was ended by force"])


async def test_what_failed_and_is_stuck_ends_with_1(begin: Begin, nats_server) -> None:
    body = "runtime.stop = swallow; raise RuntimeError('broken')"
    process = await begin(nats_server.url, body, nats_server.password("risk"))
    status, events = await ended(process)
    assert (status, events[-2:]) == (1, ["stopping", "it did not end in time and was ended by force"])


async def test_told_to_stop_while_it_stands_by_it_ends_with_0(begin: Begin, nats_server) -> None:
    from signalbox.lease import service_lease

    other = service_lease(await nats_server.connect("risk"), "risk", "another-host//1/1")
    await other.acquire(lambda reason: None)
    body = "from signalbox.lease import service_lease; await runtime.hold(service_lease(runtime.bus, 'risk'))"
    process = await begin(nats_server.url, body, nats_server.password("risk"))
    await until(process, "standing by")
    process.send_signal(signal.SIGTERM)
    assert (await ended(process))[0] == 0


async def test_a_port_that_is_taken_is_said(begin: Begin, silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_HTTP_PORT", str(silent_port))
    process = await begin("nats://127.0.0.1:4222")
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert f"HTTP can not be served at 127.0.0.1:{silent_port}" in errors.decode()
