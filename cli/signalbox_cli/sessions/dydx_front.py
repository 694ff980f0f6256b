"""The sockets of a dYdX that is played: a node's gRPC, an indexer's REST and websocket.

Owns questions that wait for their answer, websockets and which part each plays, and transactions that wait for their
place in the script. It must not know the script's order (`dydx_venue`).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import msgspec
from aiohttp import WSMsgType, web

from signalbox_cli.sessions.dydx_answers import Answers
from signalbox_cli.sessions.dydx_listening import MESSAGE_BYTES_MAX, Call, abort, serve_grpc, serve_http
from signalbox_cli.sessions.dydx_node_messages import BROADCAST, Naming, asked_of_node, said_again
from signalbox_cli.sessions.dydx_recording import GATEWAYS_OWN, OK
from signalbox_cli.sessions.dydx_relay import UNREACHABLE
from signalbox_cli.sessions.dydx_script import (
    HEIGHTS,
    Exchange,
    Role,
    is_distinctive,
    key_of_call,
    key_of_question,
    subscription_of,
)
from signalbox_cli.sessions.dydx_today import Today
from signalbox_cli.sessions.play_clock import POLL_SECONDS, PlayClock

IN_A_HURRY_SECONDS, IN_A_HURRY_SECONDS_AT_A_STAND = 1.5, 0.2
"""A question that has waited so long is answered with an older answer, if one does; the script may stand, and wait for
what the gateway does with it."""
ANSWER_SECONDS_MAX = 60.0
"""Longer than any gateway waits."""
UNSENT_SECONDS_MAX = 3.0
"""A transaction waits so long for its place in the script; then the node turns it away."""
SENT_MAX, ASKED_MAX, UNANSWERED_MAX = 10_000, 10_000, 200
NO_ANSWER = "the recorded session has no answer to this"
_CANDLES = "/v4/candles/"


@dataclass(eq=False)
class Link:
    """A websocket of the gateway."""

    socket: web.WebSocketResponse
    request: web.Request
    recorded: int = 0
    """The number of the recorded one whose part it plays; 0 = none yet."""
    asked: list[Role] = field(default_factory=list)
    role: Role | None = None
    over: bool = False

    def takes(self, role: Role) -> bool:
        """Whether first contents are waited for; they come once."""
        if role not in self.asked:
            return False
        self.asked.remove(role)
        return True

    async def say(self, text: str) -> None:
        with suppress(ConnectionError):
            await self.socket.send_str(text)

    def cut(self) -> None:
        self.over = True
        abort(self.request)


@dataclass(eq=False)
class Sent:
    """A transaction of today, and the answer to it once it is known."""

    transaction: dict[str, Any]
    told: asyncio.Future[tuple[str, str]]

    def answer(self, status: str, body: str) -> None:
        if not self.told.done():
            self.told.set_result((status, body))


class Front:
    """Everything that a gateway connects to."""

    def __init__(
        self, answers: Answers, today: Today, clock: PlayClock, by_key: Mapping[str, tuple[Exchange, ...]]
    ) -> None:
        self._answers, self._today, self._clock = answers, today, clock
        self._stack = AsyncExitStack()
        self._links: list[Link] = []
        self._unanswered: dict[str, None] = {}
        self.sent: list[Sent] = []
        """Transactions that no place of the script has taken yet."""
        self.reach: dict[str, int] = {}
        """By order of today: the block until which it is good."""
        self.refusing = 0
        """So many of the next websockets are refused."""
        self.stands = False
        """The script waits for the gateway."""
        self.node_port, self.indexer_port = 0, 0

    async def open(self) -> None:
        """Listen."""
        routes = [web.get("/v4/ws", self._websocket), web.get("/{path:.*}", self._question)]
        self.indexer_port = await serve_http(self._stack, 0, routes)
        self.node_port = await serve_grpc(self._stack, 0, self._calls)

    async def close(self) -> None:
        """End every connection."""
        for link in self._links:
            link.cut()
        await self._stack.aclose()

    def unanswered(self) -> list[str]:
        """Questions and transactions that the session knows nothing of."""
        return list(self._unanswered)

    # ---------------------------------------------------------------------------------------------------- websockets

    def link(self, recorded: int) -> Link | None:
        """The one that plays a recorded one's part."""
        return next((link for link in self._links if link.recorded == recorded), None)

    def assign(self, role: Role, recorded: int) -> bool:
        """Give a recorded one's part to a websocket that is subscribed to the same; False = there is none yet."""
        found = next((each for each in self._links if each.role == role and not each.recorded and not each.over), None)
        if found is not None:
            found.recorded = recorded
        return found is not None

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if self.refusing:
            self.refusing -= 1
            return abort(request)
        socket = web.WebSocketResponse(compress=False, max_msg_size=MESSAGE_BYTES_MAX)
        await socket.prepare(request)
        link = Link(socket, request)
        self._links.append(link)
        hello = {"type": "connected", "connection_id": str(uuid.UUID(int=len(self._links))), "message_id": 0}
        await link.say(msgspec.json.encode(hello).decode())
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._take(link, message.data)
        finally:
            link.over = True
        return socket

    @staticmethod
    def _take(link: Link, text: str) -> None:
        try:
            message = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return
        if not isinstance(message, dict) or message.get("type") != "subscribe" or len(link.asked) >= ASKED_MAX:
            return
        role = subscription_of(message)
        link.asked.append(role)
        if link.role is None and is_distinctive(role):
            link.role = role

    async def bring_up_to_date(self) -> None:
        """Tell every websocket the newest block that an answer may tell of: who is asked for it waits for it there."""
        block = self._answers.newest_block()
        if block is None:
            return
        for link in self._links:
            if link.recorded and not link.over:
                about = {"type": "channel_data", "channel": HEIGHTS, "id": HEIGHTS, "version": "1.0.0"}
                await link.say(msgspec.json.encode(about | {"message_id": 0, "contents": block}).decode())

    # ----------------------------------------------------------------------------------------------------- questions

    async def _question(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path.startswith("/v4/orders/"):
            path = "/v4/orders/" + self._today.recorded(path.removeprefix("/v4/orders/"))
        key, parameters = key_of_question(path, request.query_string)
        found = await self._answer(key, parameters if path.startswith(_CANDLES) else None)
        if found is None:
            status = 404 if path.startswith(_CANDLES) else 503  # a gap that stays, or an answer that may yet come
            body = msgspec.json.encode({"errors": [{"msg": NO_ANSWER}]})
            return web.Response(status=status, body=body, content_type="application/json")
        status_told, text = found
        if status_told == UNREACHABLE:
            return abort(request)
        return web.Response(
            status=int(status_told), body=self._today.said(text).encode(), content_type="application/json"
        )

    def _calls(self, method: str) -> Any:
        async def behave(request: bytes, call: Call) -> bytes:
            if method == BROADCAST:
                return await self._broadcast(request, call)
            was = self._today.recorded
            key = key_of_call(method, asked_of_node(method, request, Naming(was, was)) or {})
            found = await self._answer(key, None)
            if found is None:
                await call.abort(grpc.StatusCode.UNIMPLEMENTED, NO_ANSWER)
            status, text = found
            if status != OK:
                await call.abort(_code(status), text)
            return said_again(method, msgspec.json.decode(text), request)

        return behave

    async def _answer(self, key: str, candles: Mapping[str, str] | None) -> tuple[str, str] | None:
        """Status and body of the answer, once there is one; None = there will be none."""
        if not self._answers.knows(key):
            self._note(key)
            return None
        failure = self._answers.failure(key)
        if failure is not None:
            if failure.status in GATEWAYS_OWN:
                await asyncio.sleep(ANSWER_SECONDS_MAX)
            return failure.status, failure.body
        if candles is not None:
            found = self._answers.candles(key, candles)
            if found is None:
                self._note(key)
            return ("200", msgspec.json.encode(found).decode()) if found is not None else None
        asked_at, asked_seconds = self._answers.place, self._clock.wall()
        while (waited_seconds := self._clock.wall() - asked_seconds) < ANSWER_SECONDS_MAX:
            in_a_hurry = waited_seconds > (IN_A_HURRY_SECONDS_AT_A_STAND if self.stands else IN_A_HURRY_SECONDS)
            exchange = self._answers.answer(key, asked_at, in_a_hurry=in_a_hurry)
            if exchange is not None:
                return exchange.status, exchange.body
            if self._answers.over:
                break
            await asyncio.sleep(POLL_SECONDS)
        self._note(key)
        return None

    async def _broadcast(self, request: bytes, call: Call) -> bytes:
        content = asked_of_node(BROADCAST, request, Naming(str, str)) or {}
        sent = Sent(content, asyncio.get_running_loop().create_future())
        if (again := self._answers.repeated(content, self._today)) is not None:
            sent.answer(*again)
        elif len(self.sent) < SENT_MAX:
            self.sent.append(sent)
        if not await self._clock.until(lambda: sent not in self.sent, UNSENT_SECONDS_MAX):
            self.sent.remove(sent)
            kind = next((name for name in ("place", "cancel") if name in sent.transaction), "transaction")
            self._note(f"a {kind} of an order")
            await call.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, NO_ANSWER)
        status, text = await sent.told
        if status in GATEWAYS_OWN:
            await asyncio.sleep(ANSWER_SECONDS_MAX)
        if status != OK:
            await call.abort(_code(status), text)
        verdict, placed = msgspec.json.decode(text), content.get("place", {})
        if verdict["code"] == 0 and placed:
            self.reach[placed["id"]] = placed.get("good_til_block", 0)
        return said_again(BROADCAST, verdict, request)

    def _note(self, words: str) -> None:
        if len(self._unanswered) < UNANSWERED_MAX:
            self._unanswered.setdefault(words[:200])


def _code(name: str) -> grpc.StatusCode:
    return grpc.StatusCode[name] if name in grpc.StatusCode.__members__ else grpc.StatusCode.UNKNOWN
