"""An indexer over a scripted chain: the test makes the blocks, the indexer and the real clients are the real ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from dydx_v4_client.indexer.rest.indexer_client import IndexerClient
from jsonschema import Draft202012Validator
from signalbox.messages import Liquidity, Side
from simulators.control import ControlServer
from simulators.dydx.indexer import Indexer, IndexerOptions
from simulators.dydx.interest import NONE, Interest
from simulators.dydx.markets import MARKETS
from simulators.dydx.records import (
    ChainBlock,
    ChainFill,
    ChainFundingPayment,
    ChainFundingRate,
    ChainMarket,
    ChainOrder,
    ChainOrderStatus,
    ChainPosition,
    ChainSubaccount,
    ChainTransfer,
)
from simulators.world import World, WorldOptions

SECONDS_MAX = 60.0
START = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
OTHER_ADDRESS = "dydx1qyqszqgpqyqszqgpqyqszqgpqyqszqgpm206dt"
SWAGGER = Path(__file__).parent / "swagger.json"


async def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait, with a bound, until `condition` gives something true, and return that."""
    deadline = asyncio.get_running_loop().time() + SECONDS_MAX
    while not (result := condition()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"waited {SECONDS_MAX:g} s in vain for {what or condition}")
        await asyncio.sleep(0.005)
    return result


class ScriptedChain:
    """A chain whose blocks the test makes."""

    def __init__(self, world: World) -> None:
        self.world, self.markets = world, MARKETS[:2]
        self.height, self.block_time = 1000, START
        self.orders: list[ChainOrder] = []
        self.fills: list[ChainFill] = []
        self.transfers: list[ChainTransfer] = []
        self.funding_rates: list[ChainFundingRate] = []
        self.funding_payments: list[ChainFundingPayment] = []
        self.accounts: dict[tuple[str, int], ChainSubaccount] = {}
        self.deposits: list[tuple[str, int, Decimal]] = []
        self._on_block: list[Callable[[ChainBlock], None]] = []
        self._on_order: list[Callable[[ChainOrder], None]] = []

    def on_block(self, listener: Callable[[ChainBlock], None]) -> None:
        self._on_block.append(listener)

    def on_order(self, listener: Callable[[ChainOrder], None]) -> None:
        self._on_order.append(listener)

    def on_market(self, listener: Callable[[ChainMarket], None]) -> None:
        """Its markets never change."""

    def addresses(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(address for address, _ in self.accounts))

    def subaccounts(self, address: str) -> tuple[ChainSubaccount, ...]:
        return tuple(each for (owner, _), each in self.accounts.items() if owner == address)

    def subaccount(self, address: str, number: int) -> ChainSubaccount | None:
        return self.accounts.get((address, number))

    def oracle_price(self, ticker: str) -> Decimal:
        return Decimal(100_000) if ticker == "BTC-USD" else Decimal(10)

    def interest(self, ticker: str) -> Interest:
        return NONE

    def funding_rate(self, ticker: str) -> Decimal:
        return Decimal("0.0000125")

    def deposit(self, address: str, number: int, amount: Decimal) -> None:
        self.deposits.append((address, number, amount))

    # ------------------------------------------------------------------------------------------- what a test scripts

    def say(self, order: ChainOrder) -> None:
        """Tell an order between blocks, as CheckTx does."""
        for listener in self._on_order:
            listener(order)

    def block(self, **changes: Any) -> ChainBlock:
        """Make the next block, 600 ms after the last."""
        self.height += 1
        self.block_time += timedelta(milliseconds=600)
        block = ChainBlock(height=self.height, time=self.block_time, **changes)
        self.orders += block.orders
        self.fills += block.fills
        self.transfers += block.transfers
        self.funding_rates += block.funding_rates
        self.funding_payments += block.funding_payments
        for listener in self._on_block:
            listener(block)
        return block

    def account(self, number: int = 0, usdc: str = "10000", address: str = ADDRESS, **more: Any) -> ChainSubaccount:
        """Let there be a subaccount."""
        zero = Decimal(0)
        account = ChainSubaccount(
            address=address,
            subaccount_number=number,
            usdc=Decimal(usdc),
            positions=more.pop("positions", ()),
            equity=zero,
            free_collateral=zero,
            initial_margin=zero,
            maintenance_margin=zero,
            updated_at_height=self.height,
        )
        self.accounts[address, number] = account
        return account

    def order(self, **changes: Any) -> ChainOrder:
        """Return an order: a short-term limit buy of 0.1 BTC, unless said otherwise."""
        fields: dict[str, Any] = {
            "id": "64fe30a2-006d-5108-a156-cb0c8443546c",
            "address": ADDRESS,
            "subaccount_number": 0,
            "client_id": 7,
            "clob_pair_id": 0,
            "order_flags": 0,
            "ticker": "BTC-USD",
            "side": Side.BUY,
            "size": Decimal("0.1"),
            "price": Decimal(100_000),
            "type": "LIMIT",
            "time_in_force": "GTT",
            "good_til_block": self.height + 10,
            "status": ChainOrderStatus.OPEN,
            "created_at_height": self.height,
            "updated_at": self.block_time,
            "updated_at_height": self.height,
        }
        return ChainOrder(**fields | changes)

    def fill(self, **changes: Any) -> ChainFill:
        """Return a fill of that order."""
        fields: dict[str, Any] = {
            "id": "c5030bd3-cd85-5046-8f2a-518bbba6ec45",
            "order_id": "64fe30a2-006d-5108-a156-cb0c8443546c",
            "address": ADDRESS,
            "subaccount_number": 0,
            "ticker": "BTC-USD",
            "side": Side.BUY,
            "liquidity": Liquidity.TAKER,
            "size": Decimal("0.1"),
            "price": Decimal("99999"),
            "fee": Decimal("4.99995"),
            "created_at": self.block_time,
            "created_at_height": self.height + 1,
        }
        return ChainFill(**fields | changes)

    def position(self, **changes: Any) -> ChainPosition:
        """Return the position that the fill makes."""
        fields: dict[str, Any] = {
            "ticker": "BTC-USD",
            "size": Decimal("0.1"),
            "entry_price": Decimal(99_999),
            "exit_price": None,
            "max_size": Decimal("0.1"),
            "sum_open": Decimal("0.1"),
            "sum_close": Decimal(0),
            "realized_pnl": Decimal(0),
            "net_funding": Decimal(0),
            "created_at": self.block_time,
            "created_at_height": self.height,
        }
        return ChainPosition(**fields | changes)

    def transfer(self, **changes: Any) -> ChainTransfer:
        """Return a deposit from outside."""
        fields: dict[str, Any] = {
            "id": "b1a4bb5c-7d23-5b9d-9e0e-0c27a7b0bd4b",
            "sender": "",
            "sender_subaccount_number": 0,
            "recipient": ADDRESS,
            "recipient_subaccount_number": 0,
            "size": Decimal(10_000),
            "type": "DEPOSIT",
            "transaction_hash": "C84B0BBCA8E713A2D46EFBA07F2D0A32C1F6E2440794A366B888503935E0EF40",
            "created_at": self.block_time,
            "created_at_height": self.height + 1,
        }
        return ChainTransfer(**fields | changes)


@dataclass
class Socket:
    """A websocket client that keeps everything it is told."""

    socket: aiohttp.ClientWebSocketResponse
    messages: list[dict[str, Any]] = field(default_factory=list)
    reading: asyncio.Task[None] | None = None

    async def read(self) -> None:
        async for message in self.socket:
            self.messages.append(json.loads(message.data))

    async def say(self, **message: Any) -> None:
        await self.socket.send_str(json.dumps(message))

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [each for each in self.messages if each["type"] == type_]

    async def got(self, type_: str, count: int = 1) -> dict[str, Any]:
        """Wait for the `count`th message of a type, and return it."""
        await until(lambda: len(self.of(type_)) >= count, f"{count} x {type_}: {self.messages[-3:]}")
        return self.of(type_)[count - 1]

    async def subscribe(self, channel: str, id_: str | None = None, *, batched: bool = False) -> dict[str, Any]:
        """Subscribe, and return the first message."""
        before = len(self.of("subscribed"))
        more = {} if id_ is None else {"id": id_}
        await self.say(type="subscribe", channel=channel, batched=batched, **more)
        return await self.got("subscribed", before + 1)


class Running:
    """A running indexer, its chain and its clients."""

    def __init__(self, chain: ScriptedChain, indexer: Indexer, stack: AsyncExitStack) -> None:
        self.chain, self.world, self.indexer, self._stack = chain, chain.world, indexer, stack
        self.url = f"http://127.0.0.1:{indexer.http_port}"
        self.websocket_url = f"ws://127.0.0.1:{indexer.http_port}/v4/ws"
        self.client = IndexerClient(self.url, api_timeout=SECONDS_MAX)
        self.session = aiohttp.ClientSession()
        stack.push_async_callback(self.session.close)
        self._control = ControlServer(indexer.commands(), "127.0.0.1", 0)

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Do a command of the control port; it must be done."""
        reply = await self._control.answer(json.dumps({"do": command, **arguments}).encode())
        assert reply["ok"], reply
        return reply

    async def get(self, path: str, expected: int = 200, **parameters: Any) -> Any:
        """Ask REST; the answer must have that status."""
        async with self.session.get(f"{self.url}/v4{path}", params=parameters) as response:
            body = await response.json()
            assert response.status == expected, (path, parameters, response.status, body)
            return body

    async def connect(self) -> Socket:
        """Open a websocket."""
        socket = Socket(await self.session.ws_connect(self.websocket_url))
        self._stack.push_async_callback(socket.socket.close)
        socket.reading = asyncio.get_running_loop().create_task(socket.read())
        await socket.got("connected")
        return socket


@asynccontextmanager
async def running(speed: float = 0.0, prepare: Callable[[ScriptedChain], None] | None = None, **options: Any) -> Any:
    world = World(
        WorldOptions(symbols=tuple(each.ticker for each in MARKETS[:2]), accounts=(), start=START, speed=speed, seed=3)
    )
    chain = ScriptedChain(world)
    if prepare is not None:
        prepare(chain)
    indexer = Indexer(chain, world, IndexerOptions(**{"rest_limit": 0} | options))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(indexer)
        run = asyncio.get_running_loop().create_task(world.run())
        yield Running(chain, indexer, stack)
        world.stop()
        await run


@pytest.fixture
async def indexer() -> AsyncIterator[Running]:
    """An indexer at a world that stands still, with one funded subaccount."""
    async with running(prepare=lambda chain: chain.account()) as made:
        yield made


@pytest.fixture
def serve() -> Callable[..., Any]:
    """Make an indexer with other options: `async with serve(lag_blocks=3) as indexer`."""
    return running


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[Any]]:
    return until


@pytest.fixture(scope="session")
def scripted_chain() -> ScriptedChain:
    """A chain without an indexer, for its records."""
    return ScriptedChain(World(WorldOptions(symbols=("BTC-USD",), accounts=(), start=START, seed=3)))


@pytest.fixture
def address() -> str:
    return ADDRESS


@pytest.fixture
def other_address() -> str:
    return OTHER_ADDRESS


@pytest.fixture(scope="session")
def conforms() -> Callable[[str, Any], None]:
    """Check an answer against the published description of its path; no field that it does not know."""
    published = _strict(json.loads(SWAGGER.read_text()))

    def check(path: str, answer: Any) -> None:
        schema = {**published["paths"][path], "schemas": published["schemas"]}
        errors = [error.message for error in Draft202012Validator(schema).iter_errors(answer)]
        assert not errors, (path, errors, answer)

    return check


def _strict(schema: Any) -> Any:
    """Turn OpenAPI 3.0 into JSON Schema: `nullable`, and no further fields."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _strict(value) for name, value in schema.items() if name != "nullable"}
    if "allOf" not in made and isinstance(made.get("properties"), dict) and "type" in made:
        made.setdefault("additionalProperties", False)
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") is True else made
