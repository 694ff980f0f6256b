"""The owner of a wallet lets a key trade, looks who may, and takes it back: at the simulated chain."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet
from gateway_dydx.permissions import CANCEL, LEVERAGE, PLACE
from signalbox.errors import ConfigurationError, VenueRefusedError
from signalbox_cli.__main__ import build_parser
from simulators.dydx.options import DydxOptions
from simulators.dydx.venue import DydxVenue
from simulators.world import World, WorldOptions

WORDS = "abandon " * 11 + "about"
ADDRESS = Wallet(KeyPair.from_mnemonic(WORDS), 0, 0).address
Run = Callable[..., Awaitable[int]]


@pytest.fixture
async def venue() -> AsyncIterator[DydxVenue]:
    world = World(WorldOptions(symbols=("BTC-USD",), accounts=(), start=datetime(2026, 3, 10, tzinfo=UTC), speed=0.0))
    async with DydxVenue(world, DydxOptions(block_ms=20, fund=((ADDRESS, Decimal(1000)),))) as dydx:
        blocks = asyncio.create_task(dydx.run())
        yield dydx
        blocks.cancel()
        await asyncio.gather(blocks, return_exceptions=True)


@pytest.fixture
def run(venue: DydxVenue) -> Run:
    async def carried_out(*words: str) -> int:
        given = ["dydx-key", *words, "--network", "local", "--node", f"127.0.0.1:{venue.grpc_port}"]
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


def held(venue: DydxVenue) -> tuple[int, ...]:
    return tuple(each.id for each in venue.chain.state.accounts[ADDRESS].authenticators)


async def test_a_key_is_made_let_trade_shown_and_taken_back(
    venue: DydxVenue, run: Run, owner: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "trading-key"
    assert await run("create", str(key), "--owner", owner) == 0
    said = capsys.readouterr().out
    assert f"authenticator 0: places and cancels for sub-account 0, for {ADDRESS} on local" in said
    assert f"SIGNALBOX_DYDX_TRADING_KEY_FILE={key}" in said
    digits = key.read_text().strip()
    assert key.stat().st_mode & 0o777 == 0o600
    assert digits not in said
    assert "abandon" not in said
    public = Wallet(KeyPair.from_hex(digits), 0, 0).public_key.key.hex()
    assert await run("list", ADDRESS, "--json") == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    allowed = f"(signed by {public}) and (MsgCancelOrder or MsgPlaceOrder) and (sub-account 0)"
    assert row == {"id": 0, "allows": allowed}
    assert await run("list", ADDRESS) == 0
    assert allowed in capsys.readouterr().out, "whole, however wide"
    assert await run("remove", "0", "--owner", owner) == 0
    assert held(venue) == ()
    assert await run("list", ADDRESS) == 0
    assert "none but the wallet's own key" in capsys.readouterr().out


async def test_what_has_been_done_is_not_done_again(venue: DydxVenue, run: Run, owner: str, tmp_path: Path) -> None:
    key = tmp_path / "trading-key"
    assert await run("create", str(key), "--owner", owner) == 0
    digits = key.read_text()
    assert await run("create", str(key), "--owner", owner) == 0
    assert (held(venue), key.read_text()) == ((0,), digits)


async def test_a_key_is_for_the_sub_account_and_the_markets_that_were_named(
    venue: DydxVenue, run: Run, owner: str, tmp_path: Path
) -> None:
    words = ("--subaccount", "3", "--clob-pair", "0", "--clob-pair", "5", "--leverage")
    assert await run("create", str(tmp_path / "k"), "--owner", owner, *words) == 0
    parts = json.loads(venue.chain.state.accounts[ADDRESS].authenticators[0].config)
    filters = {part["type"]: part["config"] for part in parts}
    told = {kind: base64.b64decode(config).decode() for kind, config in filters.items() if "Filter" in kind}
    assert told == {
        "MessageFilter": f"{PLACE},{CANCEL},{LEVERAGE}",
        "SubaccountFilter": "3",
        "ClobPairIdFilter": "0,5",
    }


async def test_the_wallets_own_key_is_no_trading_key(run: Run, owner: str) -> None:
    with pytest.raises(ConfigurationError, match="can also withdraw"):
        await run("create", owner, "--owner", owner)


async def test_a_key_file_that_others_may_read_is_refused(run: Run, owner: str, tmp_path: Path) -> None:
    key = tmp_path / "trading-key"
    key.write_text("11" * 32)
    key.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        await run("create", str(key), "--owner", owner)


async def test_what_the_chain_refuses_is_said_in_its_words(venue: DydxVenue, run: Run, owner: str) -> None:
    with pytest.raises(VenueRefusedError, match="Authenticator is not found"):
        await run("remove", "7", "--owner", owner)
    venue.chain.smart_accounts.is_active = False
    with pytest.raises(VenueRefusedError, match="smart account authentication flow is not active"):
        await run("remove", "7", "--owner", owner)
