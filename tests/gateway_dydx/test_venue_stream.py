"""The websocket through the real client library, against a small indexer of this test."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from gateway_dydx.venue_stream import IndexerStream, StreamBounds

WAIT_SECONDS_MAX = 60.0
BOUNDS = StreamBounds(
    connect_seconds_max=1.0,
    silence_seconds_max=0.5,
    ping_seconds=0.3,
    pong_seconds_max=0.2,
    retry_delay_seconds=0.01,
    retry_delay_seconds_max=0.05,
)


async def eventually(condition: Callable[[], object], what: str) -> None:
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS_MAX
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.005)


class TinyIndexer:
    """Serves heights; forgets, refuses, cuts or falls silent when told."""

    def __init__(self) -> None:
        self.sockets: list[web.WebSocketResponse] = []
        self.subscribed: list[tuple[str, str]] = []
        self.unsubscribed: list[str] = []
        self.silent = False
        self.mute_channels: set[str] = set()
        self.height = 100
        self.port = 0

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=not self.silent)
        await socket.prepare(request)
        self.sockets.append(socket)
        await socket.send_json({"type": "connected", "connection_id": "c", "message_id": 0})
        ticking = asyncio.ensure_future(self.tick(socket))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self.answer(socket, json.loads(message.data))
        finally:
            ticking.cancel()
        return socket

    async def answer(self, socket: web.WebSocketResponse, said: dict[str, Any]) -> None:
        channel = said["channel"]
        if said["type"] == "unsubscribe":
            self.unsubscribed.append(channel)
            return
        self.subscribed.append((channel, said.get("id", "")))
        if channel in self.mute_channels:
            return
        contents = {"height": str(self.height), "time": "2026-01-05T00:00:00.000Z"}
        await socket.send_json(
            {"type": "subscribed", "channel": channel, "id": said.get("id", channel), "contents": contents}
        )

    async def tick(self, socket: web.WebSocketResponse) -> None:
        while not socket.closed:
            await asyncio.sleep(0.02)
            if not self.silent:
                self.height += 1
                contents = {"blockHeight": str(self.height), "time": "2026-01-05T00:00:00.000Z"}
                await socket.send_json(
                    {"type": "channel_data", "channel": "v4_block_height", "version": "1.0.0", "contents": contents}
                )


@pytest.fixture
async def indexer() -> AsyncIterator[TinyIndexer]:
    tiny = TinyIndexer()
    application = web.Application()
    application.router.add_get("/v4/ws", tiny.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    tiny.port = runner.addresses[0][1]
    yield tiny
    for socket in tiny.sockets:
        await socket.close()
    await runner.cleanup()


class Listener:
    """A stream, what it said, and the task that keeps it."""

    def __init__(
        self,
        port: int,
        fails_on: str = "",
        scheme: str = "ws",
        opening: asyncio.Semaphore | None = None,
        wanted: str = "",
    ) -> None:
        self.messages: list[dict[str, Any]] = []
        self.states: list[tuple[bool, str]] = []
        self.fails_on = fails_on
        self.stream = IndexerStream(
            f"{scheme}://127.0.0.1:{port}/v4/ws",
            self.on_message,
            lambda up, why: self.states.append((up, why)),
            BOUNDS,
            opening=opening,
        )
        if wanted:
            self.stream.subscribe(wanted, "BTC-USD", needed=False)
        self.task: asyncio.Task[None] = asyncio.ensure_future(self.stream.run())

    def on_message(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message["type"] == self.fails_on:
            raise KeyError("no such thing")


@pytest.fixture
async def listener(indexer: TinyIndexer) -> AsyncIterator[Listener]:
    listening = Listener(indexer.port)
    yield listening
    await listening.stream.close()
    await asyncio.wait_for(listening.task, WAIT_SECONDS_MAX)


async def test_first_contents_come_before_up_is_said(listener: Listener) -> None:
    await listener.stream.up()
    kinds = [message["type"] for message in listener.messages]
    assert kinds[:2] == ["connected", "subscribed"]
    assert listener.states == [(True, "")]


async def test_messages_keep_their_order(listener: Listener) -> None:
    await listener.stream.up()
    await eventually(lambda: len(listener.messages) > 12, "heights")
    heights = [int(message["contents"]["blockHeight"]) for message in listener.messages[2:]]
    assert heights == sorted(heights)
    assert len(set(heights)) == len(heights)


async def test_a_cut_connection_is_made_again_with_every_subscription(indexer: TinyIndexer, listener: Listener) -> None:
    listener.stream.subscribe("v4_trades", "BTC-USD")
    await listener.stream.up()
    indexer.subscribed.clear()
    for socket in indexer.sockets:
        await socket.close()
    await eventually(lambda: listener.stream.connections == 2, "a second connection")
    assert sorted(indexer.subscribed) == [("v4_block_height", ""), ("v4_trades", "BTC-USD")]
    assert [up for up, _ in listener.states] == [True, False, True]


async def test_a_subscription_made_while_up_is_asked_for_at_once(indexer: TinyIndexer, listener: Listener) -> None:
    await listener.stream.up()
    listener.stream.subscribe("v4_trades", "ETH-USD")
    await eventually(lambda: ("v4_trades", "ETH-USD") in indexer.subscribed, "the subscription")
    await listener.stream.resubscribe("v4_trades", "ETH-USD")
    await eventually(lambda: indexer.unsubscribed, "the end of the subscription")
    assert indexer.unsubscribed == ["v4_trades"]
    await eventually(lambda: indexer.subscribed.count(("v4_trades", "ETH-USD")) == 2, "the subscription, again")


async def test_a_half_open_connection_is_cut(indexer: TinyIndexer, listener: Listener) -> None:
    await listener.stream.up()
    indexer.silent = True
    await eventually(lambda: len(listener.states) >= 2, "the watchdog")
    assert listener.states[1][0] is False
    indexer.silent = False
    await eventually(lambda: listener.stream.connections == 2, "a second connection")


async def test_an_unconfirmed_subscription_is_no_connection(indexer: TinyIndexer, listener: Listener) -> None:
    indexer.mute_channels.add("v4_markets")
    listener.stream.subscribe("v4_markets")
    await eventually(lambda: listener.states, "a state")
    assert listener.states[0] == (False, "no answer to the subscription of v4_markets v4_markets")
    indexer.mute_channels.clear()
    await listener.stream.up()


async def test_streams_begin_one_after_the_other(indexer: TinyIndexer) -> None:
    opening = asyncio.Semaphore(1)
    indexer.mute_channels.add("v4_trades")
    first, second = (Listener(indexer.port, opening=opening, wanted="v4_trades") for _ in range(2))
    await first.stream.up()
    await eventually(lambda: first.messages[3:], "heights")
    assert (len(indexer.sockets), second.stream.heard_seconds_ago) == (1, float("inf"))
    await second.stream.up()  # the first one's answer is given up
    assert first.stream.subscriptions.why_refused("v4_trades", "BTC-USD")
    for listening in (first, second):
        await listening.stream.close()
        await asyncio.wait_for(listening.task, WAIT_SECONDS_MAX)


async def test_a_stream_that_does_not_come_about_lets_the_next_one_begin(indexer: TinyIndexer) -> None:
    opening = asyncio.Semaphore(1)
    indexer.mute_channels.add("v4_markets")
    first = Listener(indexer.port, opening=opening)
    first.stream.subscribe("v4_markets")
    second = Listener(indexer.port, opening=opening)
    await second.stream.up()
    for listening in (first, second):
        await listening.stream.close()
        await asyncio.wait_for(listening.task, WAIT_SECONDS_MAX)


async def test_an_error_of_the_reader_is_not_swallowed(indexer: TinyIndexer) -> None:
    listening = Listener(indexer.port, fails_on="subscribed")
    with pytest.raises(KeyError):
        await asyncio.wait_for(listening.task, WAIT_SECONDS_MAX)


async def test_nobody_there_is_said_and_tried_again(unused_tcp_port: int) -> None:
    listening = Listener(unused_tcp_port)
    await eventually(lambda: len(listening.states) >= 2, "two attempts")
    assert "refused" in listening.states[0][1]
    await listening.stream.close()
    await asyncio.wait_for(listening.task, WAIT_SECONDS_MAX)


async def test_a_closed_stream_leaves_no_thread(indexer: TinyIndexer) -> None:
    listening = Listener(indexer.port)
    await listening.stream.up()
    await listening.stream.close()
    await asyncio.wait_for(listening.task, WAIT_SECONDS_MAX)
    assert not [thread for thread in threading.enumerate() if thread.name == "indexer-stream"]


async def test_a_cancelled_run_leaves_no_thread(indexer: TinyIndexer) -> None:
    listening = Listener(indexer.port)
    await listening.stream.up()
    listening.task.cancel()
    await asyncio.gather(listening.task, return_exceptions=True)
    await eventually(
        lambda: not [thread for thread in threading.enumerate() if thread.name == "indexer-stream"], "its end"
    )


@pytest.fixture
def own_certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is signed by itself, and its key."""
    if which("openssl") is None:
        pytest.skip("openssl makes the certificate that must be refused")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        ["openssl", *words.split(), "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    return certificate, key


async def test_a_certificate_that_nobody_vouches_for_is_refused(own_certificate: tuple[Path, Path]) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*own_certificate)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    listening = Listener(server.sockets[0].getsockname()[1], scheme="wss")
    await eventually(lambda: listening.states, "a state")
    assert "CERTIFICATE_VERIFY_FAILED" in listening.states[0][1]
    await listening.stream.close()
    await asyncio.wait_for(listening.task, WAIT_SECONDS_MAX)
    server.close()
    await server.wait_closed()
