"""What comes goes on as it came on all three wires, whoever looks on and whatever becomes of him."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import WSMsgType, web
from gateway_dydx.settings import Endpoints
from signalbox_cli.sessions.dydx_listening import serve_grpc, serve_http
from signalbox_cli.sessions.dydx_relay import DydxRelay

SECONDS_MAX = 60.0
ECHO, REFUSED, SLOW = "/a.b/Echo", "/a.b/Refused", "/a.b/Slow"


class Watching:
    """Keeps what it is told of; fails at everything when told to."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.fails = False

    def __getattr__(self, name: str) -> Callable[..., None]:
        def take(*about: object) -> None:
            if self.fails:
                raise RuntimeError("who looks on has failed")
            self.seen.append((name, *about))

        return take


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def venue() -> AsyncIterator[Endpoints]:
    """A node that says back what it is told, an indexer that says how it was asked, and a websocket that echoes."""

    def behaviour(method: str) -> Any:
        async def behave(request: bytes, call: Any) -> bytes:
            if method == REFUSED:
                await call.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests")
            if method == SLOW:
                await asyncio.Event().wait()
            return request[::-1]

        return behave

    async def question(request: web.Request) -> web.Response:
        return web.Response(status=418, text=request.raw_path, headers={"Retry-After": "250"})

    async def websocket(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.data == "goodbye":
                await socket.close(code=1008, message=b"too often")
            elif message.data == "abort" and request.transport is not None:
                request.transport.abort()
            else:
                await socket.send_str(f"you say {message.data}")
        return socket

    async with AsyncExitStack() as stack:
        routes = [web.get("/v4/ws", websocket), web.get("/{path:.*}", question)]
        indexer = await serve_http(stack, 0, routes)
        node = await serve_grpc(stack, 0, behaviour)
        yield Endpoints(
            chain_id="x",
            denomination="x",
            node=f"127.0.0.1:{node}",
            indexer_url=f"http://127.0.0.1:{indexer}",
            websocket_url=f"ws://127.0.0.1:{indexer}/v4/ws",
            secure=False,
        )


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def nobody() -> Endpoints:
    """A venue that is not there."""
    return Endpoints(
        chain_id="x", denomination="x", node="127.0.0.1:1", indexer_url="http://127.0.0.1:1",
        websocket_url="ws://127.0.0.1:1/v4/ws", secure=False,
    )  # fmt: skip


@pytest.mark.parametrize("fails", [False, True])
async def test_calls_and_their_answers_go_on(venue: Endpoints, fails: bool) -> None:
    watching = Watching()
    watching.fails = fails
    async with DydxRelay(0, 0, venue, watching) as relay, asyncio.timeout(SECONDS_MAX):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{relay.node_port}") as channel:
            assert await channel.unary_unary(ECHO)(b"\x00abc\xff") == b"\xffcba\x00"
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(REFUSED)(b"x")
            assert (refused.value.code(), refused.value.details()) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "too many requests",
            )
            with pytest.raises(grpc.aio.AioRpcError) as slow:
                await channel.unary_unary(SLOW)(b"x", timeout=0.2)
            assert slow.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        if not fails:
            await until(lambda: len(watching.seen) == 6)
            assert watching.seen[:4] == [
                ("called", 1, ECHO, b"\x00abc\xff"),
                ("answered", 1, ECHO, b"\xffcba\x00"),
                ("called", 2, REFUSED, b"x"),
                ("failed", 2, "RESOURCE_EXHAUSTED", "too many requests"),
            ]
            assert watching.seen[5][2] in ("CANCELLED", "DEADLINE_EXCEEDED")


async def test_questions_and_their_answers_go_on(venue: Endpoints, http: aiohttp.ClientSession) -> None:
    watching = Watching()
    async with DydxRelay(0, 0, venue, watching) as relay, asyncio.timeout(SECONDS_MAX):
        url = (
            f"http://127.0.0.1:{relay.indexer_port}/v4/candles/perpetualMarkets/A%2CB-USD?fromISO=2024-01-01T00:00:00Z"
        )
        async with http.get(url) as answer:
            assert answer.status == 418
            assert answer.headers["Retry-After"] == "250"
            text = await answer.text()
    assert text.startswith("/v4/candles/perpetualMarkets/A")
    assert text.endswith("fromISO=2024-01-01T00:00:00Z")
    [asked, told] = watching.seen
    assert asked == ("asked", 1, "/v4/candles/perpetualMarkets/A,B-USD", {"fromISO": "2024-01-01T00:00:00Z"})
    assert told == ("told", 1, 418, text.encode())


async def test_messages_go_on_both_ways_and_so_does_a_goodbye(venue: Endpoints, http: aiohttp.ClientSession) -> None:
    watching = Watching()
    async with DydxRelay(0, 0, venue, watching) as relay, asyncio.timeout(SECONDS_MAX):
        async with http.ws_connect(f"ws://127.0.0.1:{relay.indexer_port}/v4/ws") as socket:
            await socket.send_str("hello")
            assert (await socket.receive()).data == "you say hello"
            await socket.send_str("goodbye")
            message = await socket.receive()
            assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 1008, "too often")
        await until(lambda: len(watching.seen) == 5)
    assert watching.seen == [
        ("opened", 1),
        ("passed", 1, "gateway", "hello"),
        ("passed", 1, "venue", "you say hello"),
        ("passed", 1, "gateway", "goodbye"),
        ("closed", 1, "venue"),
    ]


async def test_who_ends_a_websocket_without_a_word_is_told(venue: Endpoints, http: aiohttp.ClientSession) -> None:
    watching = Watching()
    async with DydxRelay(0, 0, venue, watching) as relay, asyncio.timeout(SECONDS_MAX):
        url = f"ws://127.0.0.1:{relay.indexer_port}/v4/ws"
        first = await http.ws_connect(url)
        await first.send_str("abort")
        assert (await first.receive()).type in (WSMsgType.CLOSED, WSMsgType.CLOSE, WSMsgType.ERROR)
        await until(lambda: ("closed", 1, "venue") in watching.seen)
        second = await http.ws_connect(url)
        await second.send_str("hello")
        await second.receive()
        await second.close()
        await until(lambda: ("closed", 2, "gateway") in watching.seen)


async def test_a_venue_that_is_not_there_is_not_there_here_either(http: aiohttp.ClientSession) -> None:
    watching = Watching()
    async with DydxRelay(0, 0, nobody(), watching) as relay, asyncio.timeout(SECONDS_MAX):
        with pytest.raises(aiohttp.ClientError):
            await http.get(f"http://127.0.0.1:{relay.indexer_port}/v4/height")
        with pytest.raises(aiohttp.ClientError):
            await http.ws_connect(f"ws://127.0.0.1:{relay.indexer_port}/v4/ws")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{relay.node_port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await channel.unary_unary(ECHO)(b"x")
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    happened = list(dict.fromkeys((each[0], *each[2:3]) for each in watching.seen))  # a client may ask twice
    assert happened[:3] == [("asked", "/v4/height"), ("failed", "UNREACHABLE"), ("refused",)]
    assert happened[3:] == [("called", ECHO), ("failed", "UNAVAILABLE")]
