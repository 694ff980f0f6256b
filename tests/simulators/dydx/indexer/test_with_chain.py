"""The indexer over the real chain: what programs see of a deposit, orders, fills and a restart."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from dydx_v4_client.faucet_client import FaucetClient
from simulators.control import ControlServer
from simulators.dydx.options import DydxOptions
from simulators.dydx.venue import DydxVenue
from simulators.world import World, WorldOptions

START = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)


class Venue:
    """A venue whose blocks a test makes."""

    def __init__(self, venue: DydxVenue, session: aiohttp.ClientSession) -> None:
        self.venue, self._session = venue, session
        self.url = f"http://127.0.0.1:{venue.http_port}"
        self._control = ControlServer(venue.commands(), "127.0.0.1", 0)

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        reply = await self._control.answer(json.dumps({"do": command, **arguments}).encode())
        assert reply["ok"], reply
        return reply

    async def get(self, path: str, **parameters: Any) -> Any:
        async with self._session.get(f"{self.url}/v4{path}", params=parameters) as response:
            assert response.status == 200, await response.text()
            return await response.json()


@asynccontextmanager
async def running(books: Path) -> AsyncIterator[Venue]:
    world = World(
        WorldOptions(
            symbols=("BTC-USD",),
            accounts=(),
            start=START,
            speed=0,
            prices=(("BTC-USD", Decimal(100_000)),),
            books_file=books,
        )
    )
    options = DydxOptions(block_ms=0, rest_limit=0, chain_file=Path(f"{books}.chain"))
    async with DydxVenue(world, options) as venue, aiohttp.ClientSession() as session:
        yield Venue(venue, session)
    world.close()


async def test_a_program_sees_its_deposit_its_order_and_its_fill(tmp_path: Path, address: str, conforms: Any) -> None:
    async with running(tmp_path / "books") as venue:
        await FaucetClient(venue.url, api_timeout=5).fill(address, 0, 50_000)
        await venue.do("blocks")
        await venue.do(
            "place_external", account=f"{address}-0", symbol="BTC-USD", side="BUY", quantity="0.1", price="101000"
        )
        await venue.do("blocks", count=2)

        of = {"address": address, "subaccountNumber": 0}
        for path in ("/orders", "/fills", "/transfers", "/perpetualPositions", "/assetPositions", "/historical-pnl"):
            conforms(path, await venue.get(path, **of))
        (order,) = await venue.get("/orders", **of)
        (fill,) = (await venue.get("/fills", **of))["fills"]
        assert (order["status"], order["totalFilled"]) == ("FILLED", "0.1")
        assert (fill["orderId"], fill["size"]) == (order["id"], "0.1")
        account = (await venue.get(f"/addresses/{address}/subaccountNumber/0"))["subaccount"]
        paid = Decimal(fill["price"]) * Decimal("0.1") + Decimal(fill["fee"])
        assert Decimal(account["assetPositions"]["USDC"]["size"]) == 50_000 - paid
        oracle = Decimal((await venue.get("/perpetualMarkets"))["markets"]["BTC-USD"]["oraclePrice"])
        assert Decimal(account["equity"]) == 50_000 - paid + oracle / 10
        trades = (await venue.get("/trades/perpetualMarket/BTC-USD"))["trades"]
        assert (trades[0]["size"], trades[0]["price"]) == ("0.1", fill["price"])


async def test_a_restart_shows_what_was_shown_before(tmp_path: Path, address: str) -> None:
    of = {"address": address, "subaccountNumber": 0}
    paths = ("/orders", "/fills", "/transfers", "/perpetualPositions", "/assetPositions")
    async with running(tmp_path / "books") as venue:
        await FaucetClient(venue.url, api_timeout=5).fill(address, 0, 50_000)
        await venue.do("blocks")
        await venue.do(
            "place_external", account=f"{address}-0", symbol="BTC-USD", side="SELL", quantity="0.1", price="99000"
        )
        await venue.do("blocks", count=2)
        before = [await venue.get(path, **of) for path in paths]
        height = int((await venue.get("/height"))["height"])
    async with running(tmp_path / "books") as venue:
        assert [await venue.get(path, **of) for path in paths] == before
        assert int((await venue.get("/height"))["height"]) >= height


async def used(venue: Venue, address: str, number: int = 0) -> None:
    body = {"address": address, "subaccountNumber": number, "amount": 50_000, "history": True}
    async with aiohttp.ClientSession() as session, session.post(f"{venue.url}/faucet/tokens", json=body) as response:
        assert response.status == 202, await response.text()
    await venue.do("blocks", count=3)


async def adds_up(venue: Venue, address: str) -> None:
    """What is held is what the history says."""
    of = {"address": address, "subaccountNumber": 0}
    usdc, sizes = Decimal(0), Decimal(0)
    for transfer in (await venue.get("/transfers", **of))["transfers"]:
        arrives = transfer["type"] in ("DEPOSIT", "TRANSFER_IN")
        usdc += Decimal(transfer["size"]) * (1 if arrives else -1)
    for fill in (await venue.get("/fills", **of))["fills"]:
        signed = Decimal(fill["size"]) * (1 if fill["side"] == "BUY" else -1)
        usdc -= signed * Decimal(fill["price"]) + Decimal(fill["fee"])
        sizes += signed
    for payment in (await venue.get("/fundingPayments", **of))["fundingPayments"]:
        usdc += Decimal(payment["payment"])
    account = (await venue.get(f"/addresses/{address}/subaccountNumber/0"))["subaccount"]
    assert Decimal(account["assetPositions"]["USDC"]["size"]) == usdc
    assert Decimal(account["openPerpetualPositions"]["BTC-USD"]["size"]) == sizes
    assert Decimal(venue.venue.chain.world.snapshot()[f"{address}-0"]["cash"]["USD"]) == usdc


async def test_a_subaccount_that_is_to_look_used_has_a_history_that_adds_up(
    tmp_path: Path, address: str, conforms: Any
) -> None:
    of = {"address": address, "subaccountNumber": 0}
    paths = ("/orders", "/fills", "/transfers", "/fundingPayments", "/perpetualPositions", "/historical-pnl")
    async with running(tmp_path / "books") as venue:
        await used(venue, address)
        for path in paths:
            found = await venue.get(path, **of)
            conforms(path, found)
            rows = found if isinstance(found, list) else next(iter(found.values()))
            assert rows, f"{path} has a history"
        assert {order["status"] for order in await venue.get("/orders", **of)} == {"FILLED", "CANCELED"}
        sold, bought = (await venue.get("/fills", **of))["fills"]
        (payment,) = (await venue.get("/fundingPayments", **of))["fundingPayments"]
        assert bought["createdAt"] < payment["createdAt"] < sold["createdAt"]
        assert payment["size"] == bought["size"], "it is paid for what was held at the hour"
        rates = (await venue.get("/historicalFunding/BTC-USD"))["historicalFunding"]
        assert {"rate": payment["rate"], "effectiveAt": payment["createdAt"]}.items() <= rates[0].items()
        await adds_up(venue, address)
        before = [await venue.get(path, **of) for path in paths[:-1]]
    async with running(tmp_path / "books") as venue:
        assert [await venue.get(path, **of) for path in paths[:-1]] == before
        await adds_up(venue, address)


async def test_it_may_be_used_again_and_is_paid_no_hour_twice(tmp_path: Path, address: str) -> None:
    of = {"address": address, "subaccountNumber": 0}
    async with running(tmp_path / "books") as venue:
        await used(venue, address)
        await venue.do("deposit", account=f"{address}-0", amount="1000", history=True)
        await venue.do("blocks", count=3)
        assert len((await venue.get("/fundingPayments", **of))["fundingPayments"]) == 1
        assert len((await venue.get("/fills", **of))["fills"]) == 4
        await adds_up(venue, address)


async def test_a_history_is_asked_for_with_true_or_false(tmp_path: Path, address: str) -> None:
    async with running(tmp_path / "books") as venue, aiohttp.ClientSession() as session:
        body = {"address": address, "amount": 5, "history": "yes"}
        async with session.post(f"{venue.url}/faucet/tokens", json=body) as response:
            assert (response.status, (await response.json())["errors"][0]["param"]) == (400, "history")
