"""The simulators' command line: one world, one or both venues, one line that says where they are."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from signalbox.errors import ConfigurationError
from simulators.command_line import OpenFront, commands_of, require_shown, world_options
from simulators.control import Command
from simulators.dydx import __main__ as dydx
from simulators.tws import __main__ as tws

from simulators import __main__ as both

SECONDS_MAX = 60.0
NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)
ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"


def parsed(module: Any, *arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return parser.parse_args(arguments)


@asynccontextmanager
async def process(module: str, *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, int]]]:
    """Start a simulator; yield it and its ports by what it calls them."""
    command = (sys.executable, "-m", module, "--control-port", "0", "--grpc-port", "0", "--http-port", "0", *arguments)
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    assert running.stdout
    line = (await asyncio.wait_for(running.stdout.readline(), SECONDS_MAX)).decode()
    ports = {name.lower(): int(number) for name, number in re.findall(r"(\w+) on 127\.0\.0\.1:(\d+)", line)}
    try:
        yield running, ports
    finally:
        if running.returncode is None:
            running.terminate()
        await asyncio.wait_for(running.communicate(), SECONDS_MAX)


async def told(port: int, **command: object) -> dict[str, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(json.dumps(command).encode() + b"\n")
    answer: dict[str, Any] = json.loads(await asyncio.wait_for(reader.readline(), SECONDS_MAX))
    writer.close()
    return answer


# ------------------------------------------------------------------------------------------------------ processes


async def test_one_process_serves_both_venues_over_one_world() -> None:
    async with process("simulators", "--port", "0", "--speed", "50", "--fund", f"{ADDRESS}=10000") as (running, ports):
        assert set(ports) == {"api", "grpc", "websocket", "control"}
        for name in ports:
            _, writer = await asyncio.open_connection("127.0.0.1", ports[name])
            writer.close()
        books = (await told(ports["control"], do="books"))["books"]
        assert books[f"{ADDRESS}-0"] == {"cash": {"USD": "10000"}, "positions": {}}
        assert books["DU1234567"]["cash"] == {"USD": "1000000"}
        assert (await told(ports["control"], do="shutdown"))["ok"]
        assert await asyncio.wait_for(running.wait(), SECONDS_MAX) == 0


async def test_dydx_alone_has_the_time_of_the_wall_also_after_a_restart(tmp_path: Path) -> None:
    arguments = ("--books", str(tmp_path / "books"), "--price", "BTC-USD=100000", "--fund", f"{ADDRESS}=10000")
    for _ in range(2):
        async with process("simulators.dydx", *arguments) as (_, ports):
            time = datetime.fromisoformat((await told(ports["control"], do="time"))["time"])
            assert abs(time - datetime.now(UTC)) < timedelta(seconds=15)
            quote = await told(ports["control"], do="quote", symbol="BTC-USD")
            assert abs(Decimal(quote["last"]) / 100_000 - 1) < Decimal("0.01")
            books = (await told(ports["control"], do="books"))["books"]
            assert books == {f"{ADDRESS}-0": {"cash": {"USD": "10000"}, "positions": {}}}


async def test_a_port_that_is_taken_is_a_mistake_with_a_name() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = (sys.executable, "-m", "simulators.dydx", "--grpc-port", "0", "--http-port")
        running = await asyncio.create_subprocess_exec(
            *command, str(taken.getsockname()[1]), stderr=asyncio.subprocess.PIPE
        )
        _, told = await asyncio.wait_for(running.communicate(), SECONDS_MAX)
    assert running.returncode == 2
    assert b"--http-port" in told


# -------------------------------------------------------------------------------------------------------- options


def test_perpetuals_alone_begin_now_and_follow_the_wall() -> None:
    options = world_options(parsed(dydx), NOW)
    assert (options.start, options.follow_wall, options.step_seconds, options.accounts) == (NOW, True, 1, ())
    faster = world_options(parsed(dydx, "--speed", "60"), NOW)
    assert (faster.start, faster.follow_wall) == (NOW, False)


def test_stocks_and_perpetuals_begin_at_the_open_of_the_last_session_that_is_over() -> None:
    options = world_options(parsed(both, "--symbols", "BTC-USD,SPY"), NOW)
    assert (options.start, options.follow_wall) == (datetime(2026, 2, 27, 14, 30, tzinfo=UTC), False)
    assert (options.step_seconds, options.accounts) == (5, ("DU1234567",))


def test_prices_are_read_exactly() -> None:
    options = world_options(parsed(dydx, "--price", "btc-usd=100000", "--price", "PEPE-USD=0.0000123456"), NOW)
    assert options.prices == (("BTC-USD", Decimal(100_000)), ("PEPE-USD", Decimal("0.0000123456")))


@pytest.mark.parametrize("option", ["BTC-USD", "=1", "BTC-USD=0", "BTC-USD=-1", "BTC-USD=x", "BTC-USD=nan"])
def test_what_is_no_price_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(dydx, "--price", option)
    assert "--price" in capsys.readouterr().err


def test_the_chains_file_lies_beside_the_books() -> None:
    options = dydx.options_of(parsed(dydx, "--books", "run/books", "--fund", f"{ADDRESS}=12.5", "--block-ms", "0"))
    assert options.chain_file == Path("run/books.chain")
    assert (options.fund, options.block_ms) == (((ADDRESS, Decimal("12.5")),), 0)
    assert dydx.options_of(parsed(dydx)).chain_file is None


@pytest.mark.parametrize(
    ("module", "arguments", "symbol", "other"),
    [
        (tws, ("--symbols", "BTC-USD"), "BTC-USD", "dydx"),
        (tws, ("--symbols", "SPY,ETH-USD"), "ETH-USD", "dydx"),
        (tws, ("--bars", "BTC-USD_2026.parquet"), "BTC-USD", "dydx"),
        (dydx, ("--symbols", "SPY", "--symbols", "BTC-USD,SPY"), "SPY", "ibkr"),
        (dydx, ("--bars", "AAPL=bars.csv"), "AAPL", "ibkr"),
    ],
)
def test_a_symbol_that_the_venue_does_not_have_is_refused_with_where_it_is(
    module: Any, arguments: tuple[str, ...], symbol: str, other: str
) -> None:
    options = world_options(parsed(module, *arguments, "--start", "2026-03-02T14:30:00Z"), NOW)
    with pytest.raises(ConfigurationError, match=rf"{symbol} can not be traded .*`signalbox simulate {other}`"):
        require_shown(module.SIMULATOR, options)
    require_shown(both.SIMULATOR, options)


async def test_a_gateway_without_a_stock_does_not_start() -> None:
    command = (sys.executable, "-m", "simulators.tws", "--port", "0", "--symbols", "BTC-USD")
    running = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, told = await asyncio.wait_for(running.communicate(), SECONDS_MAX)
    assert running.returncode == 2
    assert b"BTC-USD can not be traded at an IB Gateway" in told


def test_stocks_need_an_account() -> None:
    with pytest.raises(ConfigurationError, match="--accounts"):
        world_options(parsed(tws, "--accounts", ""), NOW)


def test_a_command_that_both_venues_have_is_named_after_its_venue() -> None:
    def front(venue: str, *names: str) -> OpenFront:
        return OpenFront(venue=venue, told="", commands=[Command(name, "", lambda _: {}) for name in names])

    commands = commands_of([front("ibkr", "half_open", "bust"), front("dydx", "half_open", "blocks")])
    assert [command.name for command in commands] == ["ibkr_half_open", "bust", "dydx_half_open", "blocks"]


def test_symbols_with_commas_of_their_own_are_offered_where_they_are_named() -> None:
    token = "FARTCOIN,RAYDIUM,9BB6NFECJBCTNNLFKO2FQVQBQ8HHM13KCYYCDQBGPUMP-USD"
    args = parsed(dydx, "--symbols", f"BTC-USD,{token},ETH-USD")
    assert world_options(args, NOW).symbols == ("BTC-USD", token, "ETH-USD")
    assert token not in parsed(dydx).symbols
    with pytest.raises(ConfigurationError, match=r"no market of the simulated dYdX, which has .*FARTCOIN"):
        world_options(parsed(dydx, "--symbols", token.replace("FARTCOIN", "OTHER")), NOW)
