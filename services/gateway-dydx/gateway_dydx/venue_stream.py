"""The indexer's websocket through the vendor's client: subscriptions that outlive connections.

With `venue_indexer.py` and `venue_node.py` the only place that knows the vendor's library. Its `IndexerSocket` blocks,
does not reconnect, does not notice a half-open connection, swallows exceptions of callbacks and does not verify TLS. So
it runs in a thread of its own for one connection at a time; each message is handed to the event loop, at most
`MESSAGES_WAITING_MAX` at once (then the thread stops reading, and the network's own back pressure begins); a watchdog
cuts a connection on which nothing comes; `run` begins the next one and subscribes to everything again. It must not know
what the messages mean (`stream_messages`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from dydx_v4_client.indexer.socket.websocket import IndexerSocket
from signalbox.errors import VenueError, VenueUnavailableError
from signalbox.metrics import VENUE_MESSAGES
from signalbox.venue_figures import ConnectionShown

from gateway_dydx.message_ids import MessageIds
from gateway_dydx.metrics import MESSAGES_LOST, STREAM, count_error
from gateway_dydx.stream_messages import CONNECTED, ERROR, HEIGHTS, SUBSCRIBED, subscription_key
from gateway_dydx.subscriptions import Key, Subscriptions
from gateway_dydx.translate import VENUE

log = logging.getLogger(__name__)
logging.getLogger("websocket").setLevel(logging.CRITICAL)  # it says everything that `run` says, each time

UNSUBSCRIBE = {"type": "unsubscribe"}
MESSAGES_WAITING_MAX = 1_000
HAND_OVER_SECONDS_MAX = 30.0
"""An event loop that takes nothing for this long is not coming back: the connection is given up."""
CONNECT_TRIES_MAX = 3
"""SYN packets (some 7 s together): a thread can not be ended while it connects."""
THREAD_END_SECONDS_MAX = 5.0
SUBSCRIBE_AGAIN_SECONDS_MIN = 1.0
"""Two subscribes to one id within a second are allowed, the third ends the connection."""


@dataclass(frozen=True)
class StreamBounds:
    """How long to wait, in seconds of wall time."""

    connect_seconds_max: float = 10.0
    """From the first byte to the indexer's greeting, and from a subscription to its first contents."""
    silence_seconds_max: float = 10.0
    """Blocks come every second: a connection on which nothing comes for this long is cut."""
    ping_seconds: float = 5.0
    pong_seconds_max: float = 4.0
    retry_delay_seconds: float = 0.2
    retry_delay_seconds_max: float = 15.0


@dataclass
class _Connection:
    """One thread's connection. Fields are the event loop's, but for `app`, `room` and `ending`."""

    room: threading.BoundedSemaphore
    over: asyncio.Future[str]
    app: Any = None
    thread: threading.Thread | None = None
    ending: bool = False
    opened: bool = False
    holds_opening: bool = True
    heard_at: float = field(default_factory=time.monotonic)
    ids: MessageIds = field(default_factory=MessageIds)


class IndexerStream:
    """Keeps one websocket connection for ever: `await run()`, after or before `subscribe`.

    `on_message` gets every message as the indexer sent it, in order, on the event loop; what it raises ends `run`.
    `on_state(True, "")` comes once every needed subscription is confirmed, after their first contents; `on_state(False,
    reason)` when the connection is lost, or did not come about. A subscription that is not needed and that the indexer
    refuses, or leaves unanswered, is asked for again later, and nothing else suffers from it. `on_gap(lost)` comes
    when messages of the connection are lost, behind the message that shows it. Of several streams only so many begin at
    once as `opening` lets, each until all of its subscriptions have an answer.
    """

    def __init__(
        self,
        url: str,
        on_message: Callable[[dict[str, Any]], None],
        on_state: Callable[[bool, str], None],
        bounds: StreamBounds | None = None,
        *,
        on_gap: Callable[[int], None] = lambda lost: None,
        opening: asyncio.Semaphore | None = None,
        name: str = STREAM,
    ) -> None:
        self._opening = opening or asyncio.Semaphore()
        self._url, self._on_message, self._on_state = url, on_message, on_state
        self._bounds, self._on_gap, self.name = bounds or StreamBounds(), on_gap, name
        self._shown = ConnectionShown(VENUE, name)
        self._taken, self._sent = (VENUE_MESSAGES.labels(VENUE, name, direction) for direction in ("in", "out"))
        self.subscriptions = Subscriptions()
        self._connection: _Connection | None = None
        self._up = asyncio.Event()
        self._failure: BaseException | None = None
        self._closed = False
        self.connections = 0
        """How many connections have been up."""
        self.subscribe(HEIGHTS)  # the watchdog's food

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    @property
    def heard_seconds_ago(self) -> float:
        """Wall time since the last message of the present connection; infinite without one."""
        return time.monotonic() - self._connection.heard_at if self._connection else float("inf")

    async def up(self) -> None:
        """Wait until a connection is there and every subscription confirmed."""
        await self._up.wait()

    def subscribe(self, channel: str, id: str = "", *, needed: bool = True) -> None:
        """Want a channel, on this connection and all that follow."""
        request: dict[str, Any] = {"type": "subscribe", "channel": channel, "batched": True}
        if id:
            request["id"] = id
        key = subscription_key(channel, id)
        if key in self.subscriptions:
            return
        self.subscriptions.want(key, request, needed=needed)
        if self._connection is not None and self._connection.opened:
            self._ask(self._connection, key)

    async def resubscribe(self, channel: str, id: str = "") -> None:
        """Ask for a channel's first contents again, at most once a second."""
        key = subscription_key(channel, id)
        connection = self._connection
        if key not in self.subscriptions or connection is None or not connection.opened:
            return  # the next connection asks for it
        passed_seconds = time.monotonic() - self.subscriptions.asked_seconds(key)
        await asyncio.sleep(max(0.0, SUBSCRIBE_AGAIN_SECONDS_MIN - passed_seconds))
        if connection is self._connection:
            self._ask_anew(connection, key)

    def cut(self, reason: str) -> None:
        """End the present connection at once; `run` begins another."""
        if self._connection is not None:
            self._end(self._connection, reason)

    async def close(self) -> None:
        """End for good: `run` returns, and its thread with it."""
        self._closed = True
        connection = self._connection
        if connection is not None:
            self._end(connection, "closed")
            await self._joined(connection)

    # -------------------------------------------------------------------------------------------------- its life

    async def run(self) -> None:
        """Keep a connection until `close`. Raises what `on_message` raised."""
        delay_seconds = self._bounds.retry_delay_seconds
        said = ""
        while not self._closed:
            began = time.monotonic()
            try:
                await self._live()
            except VenueError as error:
                reason = str(error)
            if self._failure is not None:
                raise self._failure
            if self._closed:
                return
            count_error(self.name, "unavailable")
            if reason != said:
                said = reason
                log.warning("the indexer's websocket is lost", extra={"url": self._url, "reason": reason})
            if time.monotonic() - began > self._bounds.retry_delay_seconds_max:
                delay_seconds, said = self._bounds.retry_delay_seconds, ""
            await asyncio.sleep(delay_seconds * random.uniform(0.8, 1.2))
            delay_seconds = min(delay_seconds * 2, self._bounds.retry_delay_seconds_max)

    async def _live(self) -> None:
        """Live through one connection; raises `VenueUnavailableError` with the reason of its end."""
        await self._opening.acquire()
        connection = self._connection = _Connection(
            threading.BoundedSemaphore(MESSAGES_WAITING_MAX), asyncio.get_running_loop().create_future()
        )
        self.subscriptions.begin()
        self._begin(connection)
        reason = "the gateway stops"
        try:
            reason = await self._watch(connection)
            raise VenueUnavailableError(reason)
        finally:
            self._end(connection, reason)
            self._has_opened(connection)
            self._connection = None
            await asyncio.shield(self._joined(connection))
            self._up.clear()
            self._shown.down()
            self._on_state(False, reason)

    async def _watch(self, connection: _Connection) -> str:
        """Wait for the connection's end, and bring it about when nothing comes any more; the reason."""
        bounds = self._bounds
        deadline = time.monotonic() + bounds.connect_seconds_max
        while not connection.over.done():
            now = time.monotonic()
            if not connection.opened and now > deadline:
                return "no connection in time"
            for key in self.subscriptions.late(now, bounds.connect_seconds_max):
                if self.subscriptions.is_needed(key):
                    return self.subscriptions.why_late(key)
                self._refused(key, self.subscriptions.why_late(key))
            for key in self.subscriptions.due(now):
                self._ask_anew(connection, key)
            if self._up.is_set() and not self.subscriptions.waiting():
                self._has_opened(connection)
            if self._up.is_set() and now - connection.heard_at > bounds.silence_seconds_max:
                return f"no message for {bounds.silence_seconds_max:g} s"
            await asyncio.wait([connection.over], timeout=min(0.25, bounds.silence_seconds_max / 4))
        return connection.over.result()

    def _has_opened(self, connection: _Connection) -> None:
        """Let the next stream begin."""
        if connection.holds_opening:
            connection.holds_opening = False
            self._opening.release()

    def _begin(self, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()

        def hand_over(call: Callable[..., None], *arguments: object) -> None:
            try:
                loop.call_soon_threadsafe(call, connection, *arguments)
            except RuntimeError:  # the loop is closed: nobody is interested any more
                connection.ending = True

        def on_message(app: Any, message: dict[str, Any]) -> None:
            if connection.ending:
                return
            if not connection.room.acquire(timeout=HAND_OVER_SECONDS_MAX):
                hand_over(self._end, "the event loop takes no messages")
                return
            hand_over(self._take, message)

        def on_error(app: Any, error: object) -> None:
            hand_over(self._end, f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)

        def work() -> None:
            bounds = self._bounds
            raws: list[socket.socket] = []
            try:
                app: Any = IndexerSocket(
                    self._url,
                    on_open=lambda opened: raws.append(opened.sock.sock),
                    on_message=on_message,
                    on_error=on_error,
                )
                connection.app = app
                app.run_forever(
                    sockopt=((socket.IPPROTO_TCP, socket.TCP_SYNCNT, CONNECT_TRIES_MAX),),
                    sslopt=_verified(self._url),
                    ping_interval=bounds.ping_seconds,
                    ping_timeout=bounds.pong_seconds_max,
                    # The library would look at every byte in Python, 27 ms for 100 kB in which the loop stands: JSON's
                    # decoder refuses the same bytes
                    skip_utf8_validation=True,
                )
            except Exception as error:  # the thread's outer edge: a thread must not die without a word
                on_error(None, error)
            for raw in raws:
                raw.close()  # the library leaves it open when its goodbye can not be sent
            hand_over(self._end, "the other side closed the connection")

        connection.thread = threading.Thread(target=work, name="indexer-stream", daemon=True)
        connection.thread.start()

    def _end(self, connection: _Connection, reason: str) -> None:
        """Note the end, and have the thread notice: closing in its stead would wait for the other side's goodbye."""
        if not connection.over.done():
            connection.over.set_result(reason)
        connection.ending = True
        app = connection.app
        if app is None:
            return
        app.keep_running = False
        websocket = app.sock
        raw = websocket.sock if websocket is not None else None
        if raw is not None:
            try:
                raw.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it was closed already

    async def _joined(self, connection: _Connection) -> None:
        """Wait until the thread is gone, or can not be waited for (it is still connecting)."""
        thread = connection.thread
        deadline = time.monotonic() + THREAD_END_SECONDS_MAX
        while thread is not None and thread.is_alive() and time.monotonic() < deadline:
            self._end(connection, "")  # its socket may have come about only now
            await asyncio.sleep(0.005)

    # -------------------------------------------------------------------------------------------------- messages

    def _take(self, connection: _Connection, message: Any) -> None:
        connection.room.release()
        if connection is not self._connection or connection.over.done():
            return
        if not isinstance(message, dict):
            self._end(connection, f"the indexer sent {type(message).__name__}, which is no message")
            return
        connection.heard_at = time.monotonic()
        self._taken.inc()
        try:
            self._note(connection, message)
            self._on_message(message)
            lost = connection.ids.take(message.get("message_id"), self.subscriptions.waiting)
            if lost:
                MESSAGES_LOST.labels(self.name).inc(lost)
                self._on_gap(lost)
        except Exception as error:  # it must not be lost in a callback of the loop: `run` raises it
            self._failure = error
            self._end(connection, f"a message could not be handled: {error}")
            return
        if connection.opened and not self._up.is_set() and self.subscriptions.is_whole:
            self.connections += 1
            self._up.set()
            self._shown.up()
            self._on_state(True, "")

    def _note(self, connection: _Connection, message: dict[str, Any]) -> None:
        """Follow the life of the connection and of its subscriptions."""
        kind = message.get("type")
        if kind == CONNECTED:
            connection.opened = True
            for key in self.subscriptions:
                self._ask(connection, key)
        elif kind == SUBSCRIBED:
            self.subscriptions.confirm(subscription_key(str(message.get("channel", "")), str(message.get("id") or "")))
        elif kind == ERROR:
            count_error(self.name, "refused")
            key = self.subscriptions.take_error(message, time.monotonic())
            text = str(message.get("message"))[:300]
            log.warning("the indexer's websocket says", extra={"text": text, "subscription": " ".join(key or ())})

    def _refused(self, key: Key, reason: str) -> None:
        count_error(self.name, "refused")
        log.warning("a subscription is not given", extra={"subscription": " ".join(key), "reason": reason})
        self.subscriptions.refuse(key, reason, time.monotonic())

    def _ask(self, connection: _Connection, key: Key) -> None:
        self._send(connection, self.subscriptions.ask(key, time.monotonic()))

    def _ask_anew(self, connection: _Connection, key: Key) -> None:
        """End a subscription, as far as it has begun, and begin it again."""
        request = self.subscriptions.ask(key, time.monotonic())
        self._send(connection, {name: request[name] for name in ("channel", "id") if name in request} | UNSUBSCRIBE)
        self._send(connection, request)

    def _send(self, connection: _Connection, request: dict[str, Any]) -> None:
        try:
            connection.app.send(json.dumps(request))
            self._sent.inc()
        except Exception as error:  # the library's errors have no common root, and all of them mean this
            self._end(connection, f"a subscription could not be sent: {error}")


def _verified(url: str) -> dict[str, Any]:
    """TLS options: the library's default verifies nothing. Without TLS there are none."""
    if urlsplit(url).scheme != "wss":
        return {}
    return {"cert_reqs": ssl.CERT_REQUIRED, "check_hostname": True}
