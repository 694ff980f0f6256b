"""One websocket connection: what a client says, and the envelope of everything it is told.

Owns the envelope, message ids, limits and error texts. It must not know what a channel's contents hold.

Source: `indexer/services/socks/src/{websocket/index.ts,helpers/message.ts,lib/*}` of dydxprotocol/v4-chain.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from aiohttp import WSMsgType, web

from simulators.dydx.websocket_feed import Feed, Key, Update

HEARTBEAT_SECONDS = 30.0
HEARTBEAT_ANSWER_SECONDS_MAX = 10.0
MESSAGES_QUEUED_MAX = 20_000
"""A client that reads more slowly is cut."""

MARKETS, BLOCK_HEIGHT = "v4_markets", "v4_block_height"
CHANNEL_LIMITS = {
    "v4_orderbook": 32,
    "v4_subaccounts": 256,
    "v4_trades": 32,
    MARKETS: 32,
    "v4_candles": 32,
    "v4_parent_subaccounts": 256,
    BLOCK_HEIGHT: 1,
}
"""Channel -> subscriptions of one connection at most."""
SUBSCRIBES_OF_ONE_ID_MAX, INVALID_MESSAGES_MAX = 2, 2
"""In a second; one more, and the connection is closed."""

POLICY_VIOLATION, HEARTBEAT_TIMEOUT = 1008, 1011
_RATE_LIMITED = b'{"message":"Rate limited"}'

log = logging.getLogger(__name__)


class Channels(Protocol):
    """What the channels hold."""

    def is_valid(self, channel: str, id_: str) -> bool: ...
    def before_subscribed(self, key: Key) -> None: ...
    def first_contents(self, key: Key) -> object: ...


class PerSecond:
    """Counts events of a second, by key."""

    def __init__(self, most: int, monotonic: Callable[[], float]) -> None:
        self._most, self._monotonic = most, monotonic
        self._counts: dict[str, tuple[float, int]] = {}

    def is_too_many(self, key: str) -> bool:
        """Count one more; a second begins with its first event."""
        now = self._monotonic()
        since, count = self._counts.get(key, (now, 0))
        since, count = (now, 1) if now - since >= 1.0 else (since, count + 1)
        self._counts[key] = (since, count)
        return count > self._most


class Connection:
    """One client. `run` reads until the end; what is sent waits in a bounded queue."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, feed: Feed, channels: Channels) -> None:
        self.id = str(uuid.uuid4())
        self.is_deaf = False
        """Half-open: nothing is sent any more, not even an answer to a ping."""
        self._socket, self._request, self._feed, self._channels = socket, request, feed, channels
        self._loop = asyncio.get_running_loop()
        self._message_id = 0
        self._subscriptions: dict[Key, bool] = {}
        self._queue: asyncio.Queue[bytes | tuple[int, bytes] | None] = asyncio.Queue(MESSAGES_QUEUED_MAX)
        self._subscribes = PerSecond(SUBSCRIBES_OF_ONE_ID_MAX, self._loop.time)
        self._invalid = PerSecond(INVALID_MESSAGES_MAX, self._loop.time)
        self._pinged_at, self._is_pong_due = self._loop.time(), False

    async def run(self) -> None:
        """Serve the client until either side ends it."""
        writing = self._loop.create_task(self._write())
        self._send({"type": "connected", "connection_id": self.id, "message_id": 0})
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._hear(message.data)
                elif message.type is WSMsgType.BINARY:
                    self._hear(message.data.decode(errors="replace"))
                elif message.type is WSMsgType.PING and not self.is_deaf:
                    await self._socket.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    self._is_pong_due = False
        finally:
            for key in tuple(self._subscriptions):
                self._feed.remove(self, key)
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await writing

    def carries(self, symbol: str) -> bool:
        """Tell whether anything of a market is subscribed to here."""
        return any(id_.partition("/")[0] == symbol for _, id_ in self._subscriptions)

    def cut(self) -> None:
        """End the connection without a word."""
        if self._request.transport is not None:
            self._request.transport.abort()

    def beat(self) -> None:
        """Ping a client that has been silent for 30 s, and close one that does not answer in 10 s."""
        now = self._loop.time()
        if self._is_pong_due and now - self._pinged_at >= HEARTBEAT_ANSWER_SECONDS_MAX:
            self._is_pong_due = False
            self._put((HEARTBEAT_TIMEOUT, b"Heartbeat timeout"))
        elif not self._is_pong_due and now - self._pinged_at >= HEARTBEAT_SECONDS and not self.is_deaf:
            self._pinged_at, self._is_pong_due = now, True
            self._put(None)

    # ----------------------------------------------------------------------------------------------------- updates

    def send_update(self, key: Key, update: Update) -> None:
        """Send one update."""
        self._send_data("channel_data", key, update.version, update.contents, update.subaccount_number)

    def send_batch(self, key: Key, version: str, subaccount_number: int | None, contents: list[Any]) -> None:
        """Send the updates of a quarter of a second."""
        self._send_data("channel_batch_data", key, version, contents, subaccount_number)

    def _send_data(self, type_: str, key: Key, version: str, contents: object, number: int | None) -> None:
        self._message_id += 1
        channel, id_ = key
        if self._feed.faults.loses_message(channel):
            return
        message: dict[str, Any] = {
            "type": type_,
            "connection_id": self.id,
            "message_id": self._message_id,
            **({} if channel == MARKETS else {"id": id_}),
            "channel": channel,
            "version": version,
            "contents": contents,
        }
        if number is not None:
            message["subaccountNumber"] = number
        self._send(message)

    # --------------------------------------------------------------------------------------------------- requests

    def _hear(self, said: str) -> None:
        try:
            message = msgspec.json.decode(said)
        except msgspec.DecodeError:
            self._refuse_message("Invalid message: could not parse")
            return
        type_ = message.get("type") if isinstance(message, dict) else None
        if not type_:
            self._refuse_message("Invalid message: type is required")
        elif type_ == "ping":
            answer = {"type": "pong", "connection_id": self.id, "message_id": self._message_id}
            self._send(answer | ({"id": message["id"]} if message.get("id") else {}))
        elif type_ not in ("subscribe", "unsubscribe"):
            self._refuse_message(f"Invalid message type: {type_}")
        elif self._is_understood(message):
            channel, id_ = message["channel"], message.get("id")
            self._message_id += 1
            if type_ == "subscribe":
                self._subscribe(channel, id_, batched=message.get("batched") is True)
            else:
                self._unsubscribe(channel, id_)

    def _is_understood(self, message: dict[str, Any]) -> bool:
        channel, id_ = message.get("channel"), message.get("id")
        if not channel:
            self._send_error("Invalid subscribe message: channel is required")
        elif not isinstance(channel, str) or channel not in CHANNEL_LIMITS:
            self._send_error(f"Invalid channel: {channel}")
        elif not isinstance(id_, str) and not (id_ is None and channel in (MARKETS, BLOCK_HEIGHT)):
            self._send_error(f"Invalid id: {'undefined' if id_ is None else id_}")
        else:
            return True
        return False

    def _subscribe(self, channel: str, id_: str | None, *, batched: bool) -> None:
        key = (channel, _normal(channel, id_))
        if not self._channels.is_valid(channel, key[1]):
            self._send_error(f"Invalid subscription id for channel: ({channel}-{id_})")
            return
        limit = CHANNEL_LIMITS[channel]
        if sum(1 for each, _ in self._subscriptions if each == channel) >= limit:
            self._send_error(f"Per-connection subscription limit reached for {channel} (limit={limit}).")
            return
        if self._subscribes.is_too_many(channel + key[1]):
            # The two blanks are the indexer's own.
            self._send_error(
                f"Too many subscribe attempts for channel {channel}-{key[1]}. Please  reconnect and try again."
            )
            self._put((POLICY_VIOLATION, _RATE_LIMITED))
            return
        if key in self._subscriptions:
            self._send_error(f"Invalid subscribe message: already subscribed ({channel}-{key[1]})", channel, id_)
            return
        if self._feed.faults.refuses_subscription(key):
            self._send_error(f"Internal error, could not fetch data for subscription: {channel}.", channel, id_)
            return
        self._channels.before_subscribed(key)
        self._feed.flush(key)
        self._subscriptions[key] = batched
        message: dict[str, Any] = {
            "type": "subscribed",
            "connection_id": self.id,
            "message_id": self._message_id,
            "channel": channel,
            **({} if channel == MARKETS else {"id": key[1]}),
            "contents": self._feed.garbling.applied(self._channels.first_contents(key), key[1].partition("/")[0]),
        }
        self._send(message)
        self._feed.add(self, key, batched=batched)

    def _unsubscribe(self, channel: str, id_: str | None) -> None:
        key = (channel, _normal(channel, id_))
        if self._subscriptions.pop(key, None) is not None:
            self._feed.remove(self, key)
        message: dict[str, Any] = {
            "type": "unsubscribed",
            "connection_id": self.id,
            "message_id": self._message_id,
            "channel": channel,
        }
        self._send(message | ({"id": id_} if channel != MARKETS and id_ is not None else {}))

    # --------------------------------------------------------------------------------------------------- sending

    def _refuse_message(self, text: str) -> None:
        if self._invalid.is_too_many("invalidMessage"):
            self._send_error("Too many invalid messages. Please reconnect and try again.")
            self._put((POLICY_VIOLATION, _RATE_LIMITED))
            return
        self._send_error(text)

    def _send_error(self, text: str, channel: str | None = None, id_: str | None = None) -> None:
        message: dict[str, Any] = {
            "type": "error",
            "message": text,
            "connection_id": self.id,
            "message_id": self._message_id,
        }
        if channel is not None:
            message["channel"] = channel
        if id_ is not None:
            message["id"] = id_
        self._send(message)

    def _send(self, message: dict[str, Any]) -> None:
        if not self.is_deaf:
            self._put(msgspec.json.encode(message))

    def _put(self, item: bytes | tuple[int, bytes] | None) -> None:
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            log.warning("websocket %s reads too slowly: cut", self.id)
            self.cut()

    async def _write(self) -> None:
        """Write what is queued: a message, a close (code, reason), or None for a ping."""
        try:
            while True:
                item = await self._queue.get()
                if item is None:
                    await self._socket.ping()
                elif isinstance(item, tuple):
                    await self._socket.close(code=item[0], message=item[1])
                    return
                else:
                    await self._socket.send_str(item.decode())
        except ConnectionError:
            return  # the client went; `run` sees it too


def _normal(channel: str, id_: str | None) -> str:
    """Return a subscription's id; the two channels without ids have their own name as one."""
    if id_ is not None:
        return id_
    return BLOCK_HEIGHT if channel == BLOCK_HEIGHT else MARKETS
