"""A relay between gateway-dydx and the venue: the node's gRPC, the indexer's REST and websocket, on loopback.

Owns the servers, the connections to the venue (with TLS where it has TLS) and their bounds. What comes goes on as it
came, and somebody may look at it; whatever becomes of who looks on, it goes on. It must not know what is in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, Protocol

import aiohttp
import grpc
import grpc.aio
from aiohttp import WSMessage, WSMsgType, web
from gateway_dydx.settings import Endpoints
from yarl import URL

from signalbox_cli.sessions.dydx_listening import MESSAGE_BYTES_MAX, Call, abort, serve_grpc, serve_http
from signalbox_cli.sessions.relay import CONNECT_SECONDS_MAX, CONNECTIONS_MAX, Side

ANSWER_SECONDS_MAX = 60.0
"""Longer than any gateway waits."""
GOODBYE_SECONDS_MAX = 0.5
_NOT_PASSED_ON = frozenset(
    {
        "connection",
        "keep-alive",
        "transfer-encoding",
        "content-length",
        "content-encoding",
        "accept-encoding",
        "host",
        "upgrade",
    }
)
UNREACHABLE, ABANDONED = "UNREACHABLE", "ABANDONED"
"""How a question over REST ends that nobody answers, and one that the gateway does not wait for any longer."""
_TEXTS = (WSMsgType.TEXT, WSMsgType.BINARY)

log = logging.getLogger(__name__)


class Watcher(Protocol):
    """Who looks on; it raises nothing, and waits for nothing. Questions and connections have numbers."""

    def called(self, number: int, method: str, data: bytes) -> None: ...

    def answered(self, number: int, method: str, data: bytes) -> None: ...

    def failed(self, number: int, code: str, text: str) -> None: ...

    def asked(self, number: int, path: str, query: dict[str, str]) -> None: ...

    def told(self, number: int, status: int, body: bytes) -> None: ...

    def opened(self, link: int) -> None: ...

    def refused(self, link: int) -> None: ...

    def passed(self, link: int, by: Side, text: str) -> None: ...

    def closed(self, link: int, by: Side) -> None: ...


class DydxRelay:
    """Listens on two ports of loopback. Use as an async context manager; `ports` are known inside."""

    def __init__(self, node_port: int, indexer_port: int, venue: Endpoints, watcher: Watcher) -> None:
        self._wanted, self._venue, self._watcher = (node_port, indexer_port), venue, watcher
        self._stack = AsyncExitStack()
        self._count, self._links = 0, 0
        self._open, self._stopping = 0, False
        self.node_port, self.indexer_port = node_port, indexer_port

    async def __aenter__(self) -> DydxRelay:
        """Listen; raises OSError when a port is taken."""
        async with AsyncExitStack() as stack:
            channel = await stack.enter_async_context(self._channel())
            timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
            self._http = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
            self.indexer_port = await serve_http(
                stack,
                self._wanted[1],
                [web.get("/v4/ws", self._websocket), web.get("/{path:.*}", self._question)],
            )
            self.node_port = await serve_grpc(stack, self._wanted[0], lambda method: self._calls(channel, method))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await self._stack.aclose()

    def _channel(self) -> grpc.aio.Channel:
        options = (("grpc.enable_retries", 0), ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX))
        if self._venue.secure:
            return grpc.aio.secure_channel(self._venue.node, grpc.ssl_channel_credentials(), options=options)
        return grpc.aio.insecure_channel(self._venue.node, options=options)

    # ------------------------------------------------------------------------------------------------------ the node

    def _calls(self, channel: grpc.aio.Channel, method: str) -> Callable[[bytes, Call], Any]:
        async def behave(request: bytes, call: Call) -> bytes:
            number = self._next()
            onward: Any = channel.unary_unary(method)
            waiting = onward(request, timeout=call.time_remaining())  # first on, then looked at
            self._tell(self._watcher.called, number, method, request)
            try:
                answer: bytes = await waiting
            except grpc.aio.AioRpcError as error:
                self._tell(self._watcher.failed, number, error.code().name, error.details() or "")
                await call.abort(error.code(), error.details() or "")
            except asyncio.CancelledError:
                self._tell(self._watcher.failed, number, grpc.StatusCode.CANCELLED.name, "")
                raise
            self._tell(self._watcher.answered, number, method, answer)
            return answer

        return behave

    # --------------------------------------------------------------------------------------------------- the indexer

    async def _question(self, request: web.Request) -> web.StreamResponse:
        number = self._next()
        self._tell(self._watcher.asked, number, request.path, dict(request.query))
        try:
            url = URL(f"{self._venue.indexer_url}{request.raw_path}", encoded=True)
            async with self._http.get(url, headers=_passed_on(request.headers), allow_redirects=False) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._tell(self._watcher.failed, number, UNREACHABLE, type(error).__name__)
            return abort(request)
        except asyncio.CancelledError:
            self._tell(self._watcher.failed, number, ABANDONED, "")
            raise
        self._tell(self._watcher.told, number, answer.status, body)
        return web.Response(status=answer.status, body=body, headers=_passed_on(answer.headers))

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        self._links += 1
        link = self._links
        if self._open >= CONNECTIONS_MAX:
            return abort(request)
        try:
            venue = await self._http.ws_connect(
                self._venue.websocket_url, autoping=False, autoclose=False, max_msg_size=MESSAGE_BYTES_MAX
            )
        except (aiohttp.ClientError, OSError, TimeoutError):
            self._tell(self._watcher.refused, link)
            return abort(request)
        gateway = web.WebSocketResponse(autoping=False, autoclose=False, compress=False, max_msg_size=MESSAGE_BYTES_MAX)
        self._open += 1
        try:
            await gateway.prepare(request)
            self._tell(self._watcher.opened, link)
            await self._carry(link, gateway, venue)
        finally:
            self._open -= 1
            await _ended(venue.close())
            abort(request)
        return gateway

    async def _carry(self, link: int, gateway: web.WebSocketResponse, venue: aiohttp.ClientWebSocketResponse) -> None:
        ended: list[Side] = []
        """Who has ended it, the first first."""
        pumps = (
            asyncio.ensure_future(self._pump(link, "gateway", gateway, venue, ended)),
            asyncio.ensure_future(self._pump(link, "venue", venue, gateway, ended)),
        )
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the server's way to say that the gateway has gone
            ended.append("gateway")
            raise
        finally:
            if not self._stopping:
                self._tell(self._watcher.closed, link, ended[0])
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, link: int, by: Side, reader: Any, writer: Any, ended: list[Side]) -> None:
        """Hand on what one side says, until it ends; a goodbye with its code."""
        with suppress(OSError, aiohttp.ClientError):
            while True:
                message: WSMessage = await reader.receive()
                match message.type:
                    case WSMsgType.TEXT:
                        await writer.send_str(message.data)
                    case WSMsgType.BINARY:
                        await writer.send_bytes(message.data)
                    case WSMsgType.PING:
                        await writer.ping(message.data)
                    case WSMsgType.PONG:
                        await writer.pong(message.data)
                    case WSMsgType.CLOSE:
                        ended.append(by)
                        await _ended(writer.close(code=message.data or 1000, message=(message.extra or "").encode()))
                        return
                    case _:
                        break
                if message.type in _TEXTS:
                    data = message.data
                    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
                    self._tell(self._watcher.passed, link, by, text)
        ended.append(by)

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _tell(self, what: Callable[..., None], *about: object) -> None:
        try:
            what(*about)
        except Exception:  # the outer edge: what comes goes on, whatever a watcher makes of it
            log.exception("what passed could not be looked at")


async def _ended(goodbye: Any) -> None:
    with suppress(OSError, aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(GOODBYE_SECONDS_MAX):
            await goodbye


def _passed_on(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}
