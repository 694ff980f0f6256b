"""How a service starts, says how it is, and ends: a real process against a real nats-server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from signalbox import messages, subjects
from signalbox.bus.bootstrap import stream_config
from signalbox.messages import ServiceStatus
from signalbox.streams import STREAMS

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS_MAX = 60.0

SERVICE = """
import asyncio, sys
from signalbox.process import Runtime, run
from signalbox.settings import ServiceSettings

class Settings(ServiceSettings, frozen=True, kw_only=True):
    pass

async def start(settings: Settings, runtime: Runtime) -> None:
    {body}

run("risk", Settings, start)
"""


async def http_get(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    raw = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = raw.partition("\r\n\r\n")
    return int(head.split()[1]), body


@pytest.fixture
async def start_service(nats_server, tmp_path: Path):
    processes: list[asyncio.subprocess.Process] = []
    settings = {
        "SIGNALBOX_NATS_URL": nats_server.url,
        "SIGNALBOX_NATS_USER": "risk",
        "SIGNALBOX_NATS_PASSWORD": nats_server.password("risk"),
        **nats_server.seal_settings("risk"),
        "SIGNALBOX_DESK_FILE": str(ROOT / "deploy/desk.toml"),
    }

    async def begin(body: str, **changes: str) -> asyncio.subprocess.Process:
        script = tmp_path / "service.py"
        script.write_text(SERVICE.format(body=body))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(script)),
            env=os.environ | settings | changes,
            stderr=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_with(process: asyncio.subprocess.Process, event: str) -> dict[str, object]:
    """The next log line of that event."""
    assert process.stderr is not None
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while line := await process.stderr.readline():
            parsed: dict[str, object] = json.loads(line)
            if parsed["event"] == event:
                return parsed
    raise AssertionError(f"the process ended without {event!r}")


Begin = Callable[..., Awaitable[asyncio.subprocess.Process]]


async def test_it_is_ready_when_every_condition_is_met_and_says_what_it_waits_for(start_service: Begin, nats_server):
    process = await start_service(
        """runtime.health.require("prices")
    async def later():
        while not runtime.bus.connected or not hasattr(runtime, "told"):
            await asyncio.sleep(0.01)
        runtime.health.met("prices")
        await asyncio.Event().wait()
    async def told(received):
        runtime.told = True
    await runtime.bus.subscribe("link.ibkr.test", told)
    await runtime.spawn(later(), "later")"""
    )
    port = int(str((await line_with(process, "listening"))["http_port"]))
    await line_with(process, "started")
    assert await http_get(port, "/healthz") == (200, "alive\n")
    status, text = await http_get(port, "/readyz")
    assert (status, text) == (503, "prices: not yet\n")
    user = await nats_server.connect("user")
    told: ServiceStatus = messages.decode(await user.request(subjects.status("risk"), b"", 2), ServiceStatus)
    assert (told.ready, told.waiting_for) == (False, ("prices: not yet",))
    gateway = await nats_server.connect("gateway-ibkr")
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while (await http_get(port, "/readyz"))[0] != 200:
            await gateway.send("link.ibkr.test", told)
    assert "signalbox_ready" in (await http_get(port, "/metrics"))[1]
    assert (await http_get(port, "/nothing"))[0] == 404


async def fill_trade(nats_server) -> None:
    """Bound TRADE so that nothing fits into it any more."""
    await (await nats_server.connect("oms")).raw_publish("order.ibkr.DU1.i", b"x" * 1000)
    await give_trade(nats_server, 1000)


async def give_trade(nats_server, bytes_max: int) -> None:
    (trade,) = (stream for stream in STREAMS if stream.name == "TRADE")
    client = await nats_server.client("bootstrap")
    config = stream_config(trade, bytes_max=bytes_max)
    answer = json.loads((await client.request("$JS.API.STREAM.UPDATE.TRADE", json.dumps(config).encode())).data)
    await client.close()
    assert "error" not in answer


STORES_A_DECISION = """async def store():
        await runtime.bus.raw_publish("decision.denied.ibkr.DU1", b"one", {"Nats-Msg-Id": "one"})
        runtime.log.warning("stored")
        await asyncio.Event().wait()
    await runtime.spawn(store(), "store")"""


async def test_it_is_not_ready_while_it_waits_for_room_and_goes_on_by_itself(start_service: Begin, nats_server):
    await fill_trade(nats_server)
    process = await start_service(STORES_A_DECISION)
    port = int(str((await line_with(process, "listening"))["http_port"]))
    await line_with(process, "messages wait for room")
    status, text = await http_get(port, "/readyz")
    assert (status, text.startswith("room in TRADE: maximum bytes exceeded")) == (503, True)
    waiting = 'signalbox_bus_waiting_for_room{service="risk",stream="TRADE"}'
    assert f"{waiting} 1.0" in (await http_get(port, "/metrics"))[1]
    await give_trade(nats_server, 1_000_000)
    await line_with(process, "stored")
    assert await http_get(port, "/readyz") == (200, "ready\n")
    assert f"{waiting} 0.0" in (await http_get(port, "/metrics"))[1]
    assert process.returncode is None


async def test_told_to_stop_it_does_not_wait_for_room(start_service: Begin, nats_server):
    await fill_trade(nats_server)
    process = await start_service(
        """async def handle(received):
        await runtime.bus.raw_publish("decision.denied.ibkr.DU1", b"one", {"Nats-Msg-Id": "one"})
    await runtime.bus.consume("TRADE", "risk", handle)"""
    )
    await line_with(process, "messages wait for room")
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), WAIT_SECONDS_MAX) == 0


async def test_told_to_stop_it_finishes_what_it_has_begun_and_ends_with_0(start_service: Begin, nats_server):
    process = await start_service(
        """async def handle(received):
        runtime.log.warning("begun")
        await asyncio.sleep(1.0)
        runtime.log.warning("finished")
    await runtime.bus.consume("TRADE", "risk", handle)"""
    )
    await line_with(process, "started")
    oms = await nats_server.connect("oms")
    await oms.raw_publish("order.ibkr.DU1.i", b"one")
    await oms.raw_publish("order.ibkr.DU1.i", b"two")
    await line_with(process, "begun")
    process.send_signal(signal.SIGTERM)
    await line_with(process, "finished")
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        assert await process.wait() == 0
    handled: list[int] = []

    async def handle(received) -> None:  # type: ignore[no-untyped-def]
        handled.append(received.sequence)

    await (await nats_server.connect("risk")).consume("TRADE", "risk", handle)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not handled:
            await asyncio.sleep(0.01)
    assert handled == [2]


async def test_a_background_task_that_fails_ends_the_process_with_1(start_service: Begin):
    process = await start_service(
        """async def break_down():
        raise RuntimeError("broken")
    await runtime.spawn(break_down(), "background")"""
    )
    assert "broken" in str((await line_with(process, "a background task failed"))["error"])
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        assert await process.wait() == 1


async def test_a_wrong_password_ends_it_with_a_sentence_that_does_not_show_it(start_service: Begin):
    process = await start_service("pass", SIGNALBOX_NATS_PASSWORD="wrong-and-secret")
    line = await line_with(process, "stopping")
    assert "refuses the user 'risk'" in str(line["error"])
    assert "wrong-and-secret" not in str(line)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        assert await process.wait() == 1


async def test_a_misconfigured_service_says_every_mistake_and_ends_with_2(start_service: Begin):
    process = await start_service(
        "pass", SIGNALBOX_NATS_URL="nats://x", SIGNALBOX_HTTP_PORT="x", SIGNALBOX_DESK_FILE="no"
    )
    assert process.stderr is not None
    text = (await asyncio.wait_for(process.stderr.read(), WAIT_SECONDS_MAX)).decode()
    assert "SIGNALBOX_HTTP_PORT" in text
    assert await process.wait() == 2


@pytest.mark.parametrize(
    ("seals", "said"),
    [
        (None, "risk: SIGNALBOX_SEALS is not set (or SIGNALBOX_SEALS_FILE, a file of mode 600)"),
        ("control = 1234", "risk: SIGNALBOX_SEALS of risk: line 1, control: a key is 64 hexadecimal digits"),
        (f"control = {'a' * 64}", "risk: SIGNALBOX_SEALS of risk: the key of risk-oms is missing."),
        (
            f"control = {'a' * 64}\nrisk-oms = {'b' * 64}\noms-gateway-ibkr = {'c' * 64}",
            "risk: SIGNALBOX_SEALS of risk: there is a key of oms-gateway-ibkr, which this process must not have.",
        ),
    ],
)
def test_a_service_without_its_keys_or_with_anothers_does_not_start(tmp_path: Path, seals: str | None, said: str):
    script = tmp_path / "service.py"
    script.write_text(SERVICE.format(body="pass"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIGNALBOX_")} | {
        "SIGNALBOX_NATS_URL": "nats://127.0.0.1:1",
        "SIGNALBOX_NATS_USER": "risk",
        "SIGNALBOX_NATS_PASSWORD": "p",
        "SIGNALBOX_DESK_FILE": str(ROOT / "deploy/desk.toml"),
    }
    environment |= {"SIGNALBOX_SEALS": seals} if seals is not None else {}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "a" * 64 not in done.stderr
    assert "Traceback" not in done.stderr


HOLDS = """from signalbox.lease import service_lease
    async def handle(received):
        await runtime.bus.last("TRADE", "order.>")
    await runtime.hold(service_lease(runtime.bus, "risk"))
    await runtime.bus.consume("TRADE", "risk", handle)"""


async def readiness(port: int, words: str) -> None:
    """Wait until the readiness has these words."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while words not in (await http_get(port, "/readyz"))[1]:
            await asyncio.sleep(0.02)


async def test_who_holds_a_lease_says_that_nats_is_away_and_goes_on_when_it_is_back(start_service: Begin, nats_server):
    process = await start_service(HOLDS)
    port = int(str((await line_with(process, "listening"))["http_port"]))
    await line_with(process, "started")
    await readiness(port, "ready")
    nats_server.kill()
    await readiness(port, "lease: NATS can not be reached")
    assert (await line_with(process, "the lease has run out: waiting for NATS"))["lease"] == "risk"
    assert (await http_get(port, "/healthz"))[0] == 200
    nats_server.start()
    assert (await line_with(process, "the lease is held again"))["epoch"] == 1
    await readiness(port, "ready\n")
    assert process.returncode is None


async def test_told_to_stop_while_nats_is_away_it_ends_all_the_same(start_service: Begin, nats_server):
    process = await start_service(HOLDS)
    port = int(str((await line_with(process, "listening"))["http_port"]))
    await line_with(process, "started")
    nats_server.kill()
    await readiness(port, "lease: NATS can not be reached")
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        assert await process.wait() == 0
