"""A recorded dYdX said again, to a gateway that asks the same, less, more, or sends something else."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import grpc
import pytest
from signalbox.messages import Order
from signalbox_cli.sessions.dydx_node_messages import BROADCAST, LATEST_BLOCK
from signalbox_cli.sessions.dydx_script import script_of
from signalbox_cli.sessions.dydx_venue import RecordedDydx
from signalbox_cli.sessions.play_clock import DepartedError
from signalbox_cli.sessions.session_file import Header, Line, Said, Session
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint
from v4_proto.cosmos.tx.v1beta1.service_pb2 import BroadcastTxRequest

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
HEADER = Header(
    format="signalbox-session", version=1, venue="dydx", started=AT, account="dydx1x-0", clock="wall",
    market_data_type="LIVE", timeframes=("1m",), instruments=(),
)  # fmt: skip
PATIENCE_SECONDS, SECONDS_MAX = 1.0, 30.0
MARKETS = {
    "markets": {
        "BTC-USD": {
            "ticker": "BTC-USD", "clobPairId": "0", "status": "ACTIVE", "oraclePrice": "100000",
            "initialMarginFraction": "0.05", "maintenanceMarginFraction": "0.03", "atomicResolution": -10,
            "quantumConversionExponent": -9, "stepBaseQuantums": 1000000, "subticksPerTick": 100000, "tickSize": "1",
            "stepSize": "0.0001",
        }
    }
}  # fmt: skip
PLACED = {
    "hash": "00", "place": {
        "id": "00000000-0000-4000-8000-000000000001", "pair": 0, "flags": 64, "side": 1, "quantums": "1000000",
        "subticks": "9000000000", "time_in_force": 0, "reduce_only": False, "condition": 0, "trigger_subticks": "0",
        "good_til_block_time": 1000,
    },
}  # fmt: skip
SUBSCRIPTION = {"type": "subscribe", "channel": "v4_subaccounts", "id": "dydx1x/0"}
FIRST = {"type": "subscribed", "channel": "v4_subaccounts", "id": "dydx1x/0", "contents": {}}
NEWS = {"type": "channel_data", "channel": "v4_subaccounts", "id": "dydx1x/0", "contents": {"blockHeight": "9"}}

Step = tuple[str, int, Any]


def text(by: str, message: dict[str, Any], link: int = 3) -> Step:
    return by, link, ("text", json.dumps(message))


def answered(number: str, path: str, body: Any) -> list[Step]:
    return [("gateway", 2, ("ask", number, path, "")), ("venue", 2, ("answer", number, "200", json.dumps(body)))]


BEGIN = [
    *answered("1", "/v4/perpetualMarkets", MARKETS),
    ("gateway", 3, Said.OPENED),
    text("gateway", SUBSCRIPTION),
    text("venue", FIRST),
]
ORDER = [
    ("gateway", 1, ("call", "7", BROADCAST, json.dumps(PLACED))),
    ("venue", 1, ("answer", "7", "OK", '{"code":0,"codespace":"","raw_log":"","height":"0"}')),
]


def session(*steps: Step) -> Session:
    lines = []
    for at, (by, link, what) in enumerate([*BEGIN, *steps]):
        about = {"what": what} if isinstance(what, Said) else {"fields": what}
        lines.append(Line(at=AT + timedelta(milliseconds=at), link=link, by=by, **about))  # type: ignore[arg-type]
    return Session(HEADER, tuple(lines))


class Orders:
    """A trader that only says what it was told."""

    def __init__(self) -> None:
        self.told: list[Order | str] = []

    async def place(self, order: Order) -> None:
        self.told.append(order)

    async def cancel(self, order_id: str) -> None:
        self.told.append(order_id)

    async def refusals(self) -> str:
        return "the desk has no such order"


class Playing:
    def __init__(self, http: aiohttp.ClientSession, *steps: Step) -> None:
        self.orders, self._http = Orders(), http
        self.venue = RecordedDydx(HEADER, script_of(session(*steps)), self.orders, time.monotonic, PATIENCE_SECONDS)
        self.over: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Playing:
        await self.venue.__aenter__()
        self.over = asyncio.create_task(self.venue.play())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.over is not None
        self.over.cancel()
        await asyncio.gather(self.over, return_exceptions=True)
        await self.venue.__aexit__()

    async def subscribed(self) -> aiohttp.ClientWebSocketResponse:
        socket = await self._http.ws_connect(f"ws://127.0.0.1:{self.venue.ports.dydx_indexer}/v4/ws")
        assert (await heard(socket))["type"] == "connected"
        await socket.send_str(json.dumps(SUBSCRIPTION))
        return socket

    async def asks(self, path: str) -> tuple[int, str]:
        async with self._http.get(f"http://127.0.0.1:{self.venue.ports.dydx_indexer}{path}") as answer:
            return answer.status, await answer.text()

    async def calls(self, method: str, request: bytes) -> bytes:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.venue.ports.dydx_node}") as channel:
            answer: bytes = await channel.unary_unary(method)(request, timeout=SECONDS_MAX)
            return answer

    async def ends(self) -> None:
        assert self.over is not None
        async with asyncio.timeout(SECONDS_MAX):
            await self.over


async def heard(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS_MAX):
        message = await socket.receive()
    told: dict[str, Any] = json.loads(message.data)
    return told


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


async def test_nothing_is_said_before_the_gateway_has_subscribed(http: aiohttp.ClientSession) -> None:
    async with Playing(http, text("venue", NEWS)) as playing:
        socket = await http.ws_connect(f"ws://127.0.0.1:{playing.venue.ports.dydx_indexer}/v4/ws")
        assert (await heard(socket))["type"] == "connected"
        assert playing.over is not None
        assert not playing.over.done()
        await socket.send_str(json.dumps(SUBSCRIPTION))
        assert await heard(socket) == FIRST
        told = await heard(socket)
        while told["channel"] == "v4_block_height":  # a gateway that is waited for is told the newest block
            told = await heard(socket)
        assert told == NEWS
        await playing.ends()
        assert (playing.venue.differences, playing.venue.unplayed()) == ([], [])


async def test_a_gateway_that_does_not_subscribe_is_told_of(http: aiohttp.ClientSession) -> None:
    async with Playing(http, text("venue", NEWS)) as playing:
        await playing.ends()
        assert playing.venue.differences == [
            "no websocket asks for v4_subaccounts dydx1x/0 (12:00:00), as the recorded one did"
        ]


async def test_a_websocket_that_was_refused_is_refused_again(http: aiohttp.ClientSession) -> None:
    async with Playing(http, ("venue", 3, Said.CLOSED), ("venue", 4, Said.REFUSED)) as playing:
        socket = await playing.subscribed()
        assert await heard(socket) == FIRST
        assert (await socket.receive()).type is not aiohttp.WSMsgType.TEXT, "the venue has ended it"
        assert playing.over is not None
        while not playing.over.done():  # a client may try once more by itself
            with suppress(aiohttp.ClientError):
                await (await http.ws_connect(f"ws://127.0.0.1:{playing.venue.ports.dydx_indexer}/v4/ws")).close()
        await playing.ends()
        assert playing.venue.differences == []


async def test_a_gateway_that_ends_its_websocket_ends_it(http: aiohttp.ClientSession) -> None:
    steps = [*answered("5", "/v4/height", {"height": "9", "time": ""}), *ORDER, text("venue", NEWS)]
    async with Playing(http, *steps) as playing:
        socket = await playing.subscribed()
        await heard(socket)
        await socket.close()
        with pytest.raises(DepartedError):
            await playing.ends()


async def test_an_order_that_is_not_placed_ends_it_with_the_reason(http: aiohttp.ClientSession) -> None:
    async with Playing(http, *ORDER) as playing:
        socket = await playing.subscribed()
        await heard(socket)
        with pytest.raises(
            DepartedError, match=r"order-1 of the session .* is not placed .*: the desk has no such order"
        ):
            await playing.ends()
        [order] = playing.orders.told
        assert isinstance(order, Order)
        assert (order.order_id, order.symbol, str(order.quantity), str(order.limit_price)) == (
            *("order-1", "BTC-USD", "0.0001", "90000"),
        )
        await socket.close()


async def test_a_transaction_that_the_session_does_not_have_is_turned_away(http: aiohttp.ClientSession) -> None:
    async with Playing(http) as playing:
        with pytest.raises(grpc.aio.AioRpcError) as turned:
            await playing.calls(BROADCAST, BroadcastTxRequest(tx_bytes=b"\x01\x02").SerializeToString())
        assert turned.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, "surely not sent, as the gateway knows"
        assert playing.venue.unplayed() == ["a transaction of an order"]


async def test_a_question_without_an_answer_is_refused_and_never_empty(http: aiohttp.ClientSession) -> None:
    async with Playing(http) as playing:
        assert (await playing.asks("/v4/fills?address=dydx1x&subaccountNumber=0"))[0] == 503
        assert (await playing.asks("/v4/candles/perpetualMarkets/BTC-USD?resolution=1MIN"))[0] == 404
        with pytest.raises(grpc.aio.AioRpcError) as unanswered:
            await playing.calls(LATEST_BLOCK, tendermint.GetLatestBlockRequest().SerializeToString())
        assert unanswered.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert len(playing.venue.unplayed()) == 3


async def test_what_was_answered_is_answered(http: aiohttp.ClientSession) -> None:
    block = [
        ("gateway", 1, ("call", "3", LATEST_BLOCK, "{}")),
        ("venue", 1, ("answer", "3", "OK", '{"height":"12","time":"2026-11-30T12:00:00Z"}')),
    ]
    async with Playing(http, *block) as playing:
        socket = await playing.subscribed()
        assert await playing.asks("/v4/perpetualMarkets") == (200, json.dumps(MARKETS))
        told = tendermint.GetLatestBlockResponse.FromString(
            await playing.calls(LATEST_BLOCK, tendermint.GetLatestBlockRequest().SerializeToString())
        )
        assert (told.sdk_block.header.height, told.sdk_block.header.time.ToDatetime(UTC)) == (12, AT)
        await socket.close()
