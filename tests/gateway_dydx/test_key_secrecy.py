"""A whole gateway process, its logs at their most talkative, trades and fails: no trace of the key is left anywhere."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from signalbox import messages, subjects
from signalbox.messages import Order, OrderType, Report, Side, SubmitOrder, VenueFill, VenueUnknown
from simulators.control import ControlServer
from simulators.dydx.options import DydxOptions
from simulators.dydx.venue import DydxVenue
from simulators.world import World, WorldOptions

WORDS = "abandon " * 11 + "about"
KEY = bytes.fromhex("c4a48e2fce1481cd3294b4490f6678090ea98d3d0e5cd984558ab0968741b104")
"""The private key of those words."""

ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
TRACES = (
    b"abandon",
    KEY,
    KEY.hex().encode(),
    KEY.hex().upper().encode(),
    base64.b64encode(KEY)[:42],
    str(int.from_bytes(KEY, "big")).encode(),
)
WAIT_SECONDS_MAX = 60.0

DESK = f"""name = "test"
mode = "paper"
clock = "wall"
timeframes = ["1m"]

[venues.dydx]
accounts = ["{ADDRESS}-0"]

[[instruments]]
venue = "dydx"
symbol = "BTC-USD"

[limits]
order_quantity_max = "10"
order_notional_max = "1000000"
position_quantity_max = "10"
position_notional_max = "1000000"
gross_exposure_max = "1000000"
price_collar_fraction = "0.05"
price_age_seconds_max = 60
account_age_seconds_max = 300
intent_age_seconds_max = 120
intents_per_minute_max = 600
open_orders_max = 100
"""


@pytest.fixture
async def venue() -> AsyncIterator[DydxVenue]:
    """A venue that follows the wall's clock, as a gateway process with that clock wants it."""
    now, price = datetime.now(UTC), (("BTC-USD", Decimal(50_000)),)
    world = World(WorldOptions(symbols=("BTC-USD",), accounts=(), start=now, speed=1.0, prices=price, follow_wall=True))
    running = asyncio.create_task(world.run())
    async with DydxVenue(world, DydxOptions(block_ms=50, fund=((ADDRESS, Decimal(100_000)),))) as dydx:
        blocks = asyncio.create_task(dydx.run())
        yield dydx
        blocks.cancel()
        await asyncio.gather(blocks, return_exceptions=True)
        world.stop()
        await running


async def until(condition: Callable[[], Any], what: str) -> None:
    ends = asyncio.get_running_loop().time() + WAIT_SECONDS_MAX
    while not await condition():
        assert asyncio.get_running_loop().time() < ends, f"never: {what}"
        await asyncio.sleep(0.05)


def get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as response:
            found: bytes = response.read()
            return found
    except OSError:
        return b""


def environment_of(folder: Path, nats_server: Any, venue: DydxVenue, http_port: int) -> dict[str, str]:
    desk_file, key_file = folder / "desk.toml", folder / "words"
    desk_file.write_text(DESK)
    key_file.touch(mode=0o600)
    key_file.write_text(WORDS)
    return os.environ | {
        "SIGNALBOX_NATS_URL": nats_server.url,
        "SIGNALBOX_NATS_USER": "gateway-dydx",
        "SIGNALBOX_NATS_PASSWORD": nats_server.password("gateway-dydx"),
        **nats_server.seal_settings("gateway-dydx"),
        "SIGNALBOX_DESK_FILE": str(desk_file),
        "SIGNALBOX_HTTP_PORT": str(http_port),
        "SIGNALBOX_LOG_LEVEL": "DEBUG",
        "SIGNALBOX_BROADCAST_SECONDS_MAX": "0.5",
        "SIGNALBOX_DYDX_NETWORK": "local",
        "SIGNALBOX_DYDX_NODE_URL": f"127.0.0.1:{venue.grpc_port}",
        "SIGNALBOX_DYDX_INDEXER_URL": f"http://127.0.0.1:{venue.http_port}",
        "SIGNALBOX_DYDX_WEBSOCKET_URL": f"ws://127.0.0.1:{venue.http_port}/v4/ws",
        "SIGNALBOX_DYDX_MNEMONIC_FILE": str(key_file),
    }


def order(order_id: str) -> Order:
    return Order(
        order_id=order_id,
        intent_id=order_id,
        venue="dydx",
        account=f"{ADDRESS}-0",
        symbol="BTC-USD",
        side=Side.BUY,
        quantity=Decimal("0.001"),
        order_type=OrderType.MARKET,
    )


def of_process(pid: int) -> bytes:
    return b"".join((Path("/proc") / str(pid) / name).read_bytes() for name in ("environ", "cmdline"))


def assert_no_trace(folder: Path, shown: bytes) -> None:
    """Look into every file, and so at every message that NATS has stored."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "words"]
    assert len(files) > 10
    assert any(b"VenueUnknown" in file.read_bytes() for file in files)
    for trace in TRACES:
        assert trace not in shown
        for file in files:
            assert trace not in file.read_bytes(), f"{trace!r} in {file}"


async def test_no_trace_of_the_key_is_left_anywhere(
    nats_server: Any, venue: DydxVenue, tmp_path: Path, unused_tcp_port: int
) -> None:
    oms, recorder = await nats_server.connect("oms"), await nats_server.connect("recorder")
    environment = environment_of(tmp_path, nats_server, venue, unused_tcp_port)
    log = tmp_path / "gateway.log"
    here = f"http://127.0.0.1:{unused_tcp_port}"
    shown = b""

    async def has(kind: type[Report]) -> bool:
        return any(
            [
                isinstance(messages.decode(received.payload, Report), kind)
                async for received in recorder.read("REPORTS", "report.>")
            ]
        )

    async def submit(order_id: str) -> None:
        at = datetime.now(UTC)
        command = SubmitOrder(
            id=f"command/{order_id}/0", at=at, order=order(order_id), deadline=at + timedelta(seconds=60)
        )
        await oms.publish(subjects.command("dydx", order_id, 0), command)

    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "dev", "-W", "default", "-m", "gateway_dydx"),
            env=environment,
            stdout=sink,
            stderr=sink,
        )
    try:

        async def is_ready() -> bool:
            return bool(await asyncio.to_thread(get, f"{here}/readyz"))

        await until(is_ready, "ready")
        await submit("fills")
        await until(lambda: has(VenueFill), "a fill")
        control = ControlServer(venue.commands(), "127.0.0.1", 0)
        assert (await control.answer(b'{"do": "drop_broadcast"}'))["ok"]
        await submit("doubtful")
        await until(lambda: has(VenueUnknown), "a doubt")
        for path in ("/metrics", "/readyz", "/healthz"):
            shown += await asyncio.to_thread(get, f"{here}{path}")
        shown += of_process(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
    assert_no_trace(tmp_path, shown)
    assert b"order sent" in await asyncio.to_thread(log.read_bytes)


async def test_a_wrong_key_ends_the_process_with_a_sentence_and_no_trace_of_it(
    nats_server: Any, venue: DydxVenue, tmp_path: Path, unused_tcp_port: int
) -> None:
    environment = environment_of(tmp_path, nats_server, venue, unused_tcp_port)
    (tmp_path / "words").write_text("abandon " * 12)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "default", "-m", "gateway_dydx"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), WAIT_SECONDS_MAX)
    assert process.returncode == 2
    assert b"no key can be made" in said
    assert b"abandon" not in said
