"""The owner of an account sets the leverage of a market, at the simulated chain; its refusals are said in its words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet
from signalbox.errors import ConfigurationError, VenueRefusedError, VenueUnavailableError
from signalbox_cli.__main__ import build_parser
from simulators.dydx.options import DydxOptions
from simulators.dydx.venue import DydxVenue
from simulators.world import World, WorldOptions

WORDS = "abandon " * 11 + "about"
ADDRESS = Wallet(KeyPair.from_mnemonic(WORDS), 0, 0).address
ACCOUNT = f"{ADDRESS}-0"
START = datetime(2026, 3, 10, tzinfo=UTC)
Run = Callable[..., Awaitable[int]]


@pytest.fixture
async def venue() -> AsyncIterator[DydxVenue]:
    world = World(WorldOptions(symbols=("BTC-USD", "SOL-USD"), accounts=(), start=START, speed=1.0))
    running = asyncio.create_task(world.run())
    async with DydxVenue(world, DydxOptions(block_ms=20, fund=((ADDRESS, Decimal(1000)),))) as dydx:
        blocks = asyncio.create_task(dydx.run())
        yield dydx
        blocks.cancel()
        await asyncio.gather(blocks, return_exceptions=True)
    world.stop()
    await running


@pytest.fixture
def run(venue: DydxVenue) -> Run:
    async def carried_out(*words: str) -> int:
        given = [*words, "--network", "local", "--node", f"127.0.0.1:{venue.grpc_port}"]
        arguments = build_parser(given).parse_args(given)
        status: int = await arguments.run(arguments)
        return status

    return carried_out


@pytest.fixture
def owner(tmp_path: Path) -> str:
    file = tmp_path / "words"
    file.touch(0o600)
    file.write_text(WORDS)
    return str(file)


def chosen(venue: DydxVenue) -> dict[str, int]:
    return venue.chain.book.leverage.get((ADDRESS, 0), {})


async def test_leverage_is_set_shown_and_changed(
    venue: DydxVenue, run: Run, owner: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("dydx-leverage", "set", ACCOUNT, "BTC-USD", "3", "--owner", owner) == 0
    assert f"BTC-USD in {ACCOUNT}: leverage 3, before the most" in capsys.readouterr().out
    assert chosen(venue) == {"BTC-USD": 333_334}, "no more leverage than was asked for"
    assert await run("dydx-leverage", "set", ACCOUNT, "btc-usd", "5", "--owner", owner) == 0
    assert "leverage 5, before 3" in capsys.readouterr().out
    assert await run("dydx-leverage", "list", ACCOUNT, "--all", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        {"symbol": "BTC-USD", "leverage": "5", "most": "50"},
        {"symbol": "SOL-USD", "leverage": None, "most": "10"},
    ]


async def test_a_trading_key_sets_leverage_only_if_it_was_made_so(
    venue: DydxVenue, run: Run, owner: str, tmp_path: Path
) -> None:
    plain, able = tmp_path / "plain", tmp_path / "able"
    words = ("dydx-leverage", "set", ACCOUNT, "BTC-USD", "5", "--key")
    assert await run("dydx-key", "create", str(plain), "--owner", owner) == 0
    with pytest.raises(VenueRefusedError, match=r"MsgUpdateLeverage, Expected map.*authenticator does not let it send"):
        await run(*words, str(plain))
    assert await run("dydx-key", "create", str(able), "--owner", owner, "--leverage") == 0
    assert await run(*words, str(able)) == 0
    assert chosen(venue) == {"BTC-USD": 200_000}
    stranger = tmp_path / "stranger"
    stranger.touch(0o600)
    stranger.write_text("22" * 32)
    with pytest.raises(VenueUnavailableError, match="no authenticator for this trading key"):
        await run(*words, str(stranger))


async def test_what_the_chain_refuses_is_said_with_what_to_do(venue: DydxVenue, run: Run, owner: str) -> None:
    with pytest.raises(VenueRefusedError, match=r"exceeds maximum allowed .subaccounts/701.*dydx-leverage list"):
        await run("dydx-leverage", "set", ACCOUNT, "SOL-USD", "11", "--owner", owner)
    with pytest.raises(ConfigurationError, match="below 1"):
        await run("dydx-leverage", "set", ACCOUNT, "SOL-USD", "0.5", "--owner", owner)
    assert await run("dydx-leverage", "set", ACCOUNT, "DOGE-USD", "2", "--owner", owner) == 1
    with pytest.raises(VenueRefusedError, match="decoding bech32 failed"):
        await run("dydx-leverage", "list", "dydx1nonsense-0")
    assert chosen(venue) == {}
