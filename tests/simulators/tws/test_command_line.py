"""The simulator as a process of its own: what it prints, how it ends, what it refuses."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ib_async import IB, MarketOrder, Stock
from signalbox.bus import Received
from signalbox.errors import ConfigurationError, SymbolError
from signalbox.messages import ClockTick, decode
from signalbox.subjects import CLOCK
from simulators.command_line import world_options as options_of
from simulators.tws.__main__ import add_arguments

SECONDS_MAX = 60.0


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, int]]]:
    """Start the simulator; yield it and its ports."""
    command = (sys.executable, "-m", "simulators.tws", "--port", "0", "--control-port", "0", *arguments)
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    assert running.stdout
    line = (await asyncio.wait_for(running.stdout.readline(), SECONDS_MAX)).decode()
    ports = dict(zip(("api", "control"), map(int, re.findall(r"127\.0\.0\.1:(\d+)", line)), strict=True))
    try:
        yield running, ports
    finally:
        if running.returncode is None:
            running.terminate()
        await asyncio.wait_for(running.communicate(), SECONDS_MAX)


async def test_a_program_trades_against_the_process_and_it_ends_on_a_signal() -> None:
    async with process("--symbols", "AAPL", "--speed", "50", "--start", "2024-03-05T15:00:00Z") as (running, ports):
        ib = IB()
        await ib.connectAsync("127.0.0.1", ports["api"], clientId=1, timeout=10)
        trade = ib.placeOrder(Stock("AAPL", "SMART", "USD", conId=265598), MarketOrder("BUY", 100))
        await asyncio.wait_for(trade.filledEvent, SECONDS_MAX)
        ib.disconnect()
        running.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.wait(), SECONDS_MAX) == 0


async def test_the_shutdown_command_ends_it_with_status_0() -> None:
    async with process("--symbols", "AAPL") as (running, ports):
        reader, writer = await asyncio.open_connection("127.0.0.1", ports["control"])
        writer.write(b'{"do": "shutdown"}\n')
        assert json.loads(await reader.readline())["ok"]
        assert await asyncio.wait_for(running.wait(), SECONDS_MAX) == 0
        writer.close()


async def test_orders_and_positions_survive_a_restart_with_a_books_file(tmp_path: Path) -> None:
    arguments = (
        "--symbols",
        "AAPL",
        "--speed",
        "50",
        "--start",
        "2024-03-05T15:00:00Z",
        "--books",
        str(tmp_path / "b"),
    )
    async with process(*arguments) as (_, ports):
        ib = IB()
        await ib.connectAsync("127.0.0.1", ports["api"], clientId=1, timeout=10)
        order = MarketOrder("BUY", 100, orderRef="kept")
        trade = ib.placeOrder(Stock("AAPL", "SMART", "USD", conId=265598), order)
        await asyncio.wait_for(trade.filledEvent, SECONDS_MAX)
        ib.disconnect()
    async with process(*arguments) as (_, ports):
        ib = IB()
        await ib.connectAsync("127.0.0.1", ports["api"], clientId=1, timeout=10)
        assert [position.position for position in ib.positions()] == [100]
        assert {fill.execution.orderRef for fill in ib.fills()} == {"kept"}
        assert ib.client.getReqId() > order.orderId
        ib.disconnect()


async def test_the_markets_time_reaches_the_desk(nats_server: Any, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(nats_server.password("simulator"))
    ticks: asyncio.Queue[ClockTick] = asyncio.Queue()

    async def tick(received: Received) -> None:
        ticks.put_nowait(decode(received.payload, ClockTick))

    await (await nats_server.connect("risk")).subscribe(CLOCK, tick)
    nats = ("--nats-url", nats_server.url, "--nats-password-file", str(password))
    async with process("--symbols", "AAPL", "--speed", "30", "--start", "2024-03-05T15:00:00Z", *nats) as (running, _):
        first = await asyncio.wait_for(ticks.get(), SECONDS_MAX)
        later = await asyncio.wait_for(ticks.get(), SECONDS_MAX)
        assert later.at > first.at >= datetime(2024, 3, 5, 15, tzinfo=UTC)
        assert later.speed == 30
        running.terminate()
        assert await asyncio.wait_for(running.wait(), SECONDS_MAX) == 0


async def run_to_end(*arguments: str) -> tuple[int, str]:
    command = (sys.executable, "-m", "simulators.tws", *arguments)
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    _, told = await asyncio.wait_for(running.communicate(), SECONDS_MAX)
    assert running.returncode is not None
    return running.returncode, told.decode()


async def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, told = await run_to_end("--port", str(taken.getsockname()[1]))
    assert status == 2
    assert "can not be listened on" in told
    assert "--port" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--symbols", "N@NE"), "N@NE"),
        (("--bars", "no-such-file.parquet"), "no-such-file"),
        (("--speed", "-1"), "not a speed"),
        (("--cash", "lots"), "not an amount"),
        (("--start", "today"), "not a time"),
        (("--port", "70000"), "not a port"),
    ],
)
async def test_a_bad_option_is_said_without_traceback(arguments: tuple[str, ...], word: str) -> None:
    status, told = await run_to_end("--port", "0", *arguments)
    assert status == 2
    assert word in told
    assert "Traceback" not in told


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def test_the_default_start_is_the_open_of_the_last_session_that_is_over() -> None:
    sunday = datetime(2024, 3, 10, 12, tzinfo=UTC)
    assert options_of(parsed(), sunday).start == datetime(2024, 3, 8, 14, 30, tzinfo=UTC)


def test_the_default_start_is_on_no_half_day() -> None:
    behind_black_friday = datetime(2026, 11, 29, 12, tzinfo=UTC)
    assert options_of(parsed(), behind_black_friday).start == datetime(2026, 11, 25, 14, 30, tzinfo=UTC)


def test_symbols_are_read_in_any_of_their_forms() -> None:
    assert options_of(parsed("--symbols", "700,AAPL, 0700.HK")).symbols == ("0700.HK", "AAPL")


def test_options_reach_the_world() -> None:
    options = options_of(
        parsed("--speed", "inf", "--seed", "9", "--cash", "5000.50", "--accounts", "DU1,DU2", "--days", "2")
    )
    assert (options.speed, options.seed, options.starting_cash) == (float("inf"), 9, Decimal("5000.50"))
    assert (options.accounts, options.days) == (("DU1", "DU2"), 2)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--accounts", ","), ConfigurationError),
        (("--days", "-1"), ConfigurationError),
        (("--symbols", "?"), SymbolError),
    ],
)
def test_impossible_options_are_refused(arguments: tuple[str, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        options_of(parsed(*arguments))


def test_bars_may_name_their_symbol(tmp_path: Any) -> None:
    options = options_of(parsed("--bars", f"SPY={tmp_path}/x.csv", "--symbols", "AAPL"))
    assert options.bar_files == (("SPY", tmp_path / "x.csv"),)
    assert options.symbols == ("SPY", "AAPL")
