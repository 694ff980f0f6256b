"""One client's connection: handshake, frames in, frames out.

Owns the socket and the bounds on it. It must not know what a request means. Whatever a client sends, the worst that
happens is the end of its own connection.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable

from simulators.tws import replies, versions
from simulators.tws.gateway import Gateway
from simulators.tws.pacing import MESSAGES_PER_SECOND_MAX, MessagePacing, Pace
from simulators.tws.parsing import parse, request_id_of
from simulators.tws.peers import CLIENTS_MAX
from simulators.tws.replies import Message
from simulators.tws.requests import StartApi
from simulators.tws.wire import FieldError, FrameSplitter, WireError, decode_fields, encode_frame

GREETING_SECONDS_MAX = 30.0
DRAIN_SECONDS_MAX = 10.0
WRITE_BUFFER_BYTES_MAX = 32 * 1024 * 1024
READ_BYTES = 65_536
GREETING_BYTES_MAX = 256

_GREETING = re.compile(rb"v(\d{1,5})(?:\.\.(\d{1,5}))?(?: (.*))?", re.DOTALL)

log = logging.getLogger(__name__)


class Refused(Exception):
    """The connection ends; `message` is what the client is told before, if anything."""

    def __init__(self, reason: str, message: Message | None = None) -> None:
        super().__init__(reason)
        self.message = message


class Session:
    """A connected client; a `Peer` once it has started its API."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gateway: Gateway,
        late_seconds: Callable[[], float],
    ) -> None:
        self._reader, self._writer, self._gateway, self._late_seconds = reader, writer, gateway, late_seconds
        self._frames = FrameSplitter()
        self._pacing = MessagePacing()
        self._paced_by_us = False
        self._started = False
        self._timers: set[asyncio.TimerHandle] = set()
        self.half_open = False
        self.client_id = -1
        self._version = versions.NEWEST

    async def run(self) -> None:
        """Serve the client until it goes, breaks the protocol, or `abort`."""
        try:
            await self._handshake()
            while data := await self._reader.read(READ_BYTES):
                await self._take(self._frames.feed(data))
        except Refused as refusal:
            log.info("client %d refused: %s", self.client_id, refusal)
            await self._say_goodbye(refusal.message)
        except WireError as error:
            log.info("client %d sent garbage: %s", self.client_id, error)
            await self._say_goodbye(replies.error(replies.NO_REQUEST, 320, f"Error reading request. {error}"))
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError) as error:
            log.info("client %d has gone: %r", self.client_id, error)
        finally:
            self._gateway.part(self)
            for timer in self._timers:
                timer.cancel()
            self._writer.close()

    # --------------------------------------------------------------------------------------------------- as a Peer

    def send(self, message: Message) -> None:
        """Write a message now, or as the faults that are set will have it."""
        for delivery in self._gateway.faults.deliver(self.client_id, message):
            if delivery.after_seconds:
                self._write_later(delivery.message, delivery.after_seconds)
            else:
                self._write(delivery.message)

    async def drain(self) -> None:
        """Wait for the client to read what has been written. One that does not is disconnected, as TWS does."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS_MAX):
                await self._writer.drain()
        except TimeoutError:
            log.warning("client %d does not read: disconnected", self.client_id)
            self.abort()
        except ConnectionError:
            pass  # `run` sees the same and ends

    def abort(self) -> None:
        """End the connection at once, unsent messages and all."""
        self._writer.transport.abort()

    # ------------------------------------------------------------------------------------------------------ inside

    async def _handshake(self) -> None:
        async with asyncio.timeout(GREETING_SECONDS_MAX):
            if await self._reader.readexactly(4) != b"API\0":
                raise Refused("no API greeting")
            length = int.from_bytes(await self._reader.readexactly(4), "big")
            if length > GREETING_BYTES_MAX:
                raise Refused(f"a greeting of {length} bytes")
            greeting = _GREETING.fullmatch((await self._reader.readexactly(length)).rstrip(b"\0"))
        if greeting is None:
            raise Refused("a greeting without version range")
        lowest, highest = int(greeting[1]), int(greeting[2] or greeting[1])
        version = versions.agreed(lowest, highest)
        if version is None:
            ours = f"{versions.OLDEST} to {versions.NEWEST}"
            text = f"The API client speaks versions {lowest} to {highest}; this gateway speaks {ours}. "
            text += "The client is out of date and must be upgraded." if highest < versions.OLDEST else "It is too new."
            raise Refused("version", replies.error(replies.NO_REQUEST, 506, text))
        self._version = version
        self._paced_by_us = b"+PACEAPI" in (greeting[3] or b"")
        if not self.half_open:
            self._writer.write(replies.handshake(version, self._gateway.world.now()))

    async def _take(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            if self.half_open:
                return
            await self._pace()
            self._answer(decode_fields(payload))
        await self.drain()

    async def _pace(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._paced_by_us:
            if self._pacing.message(now, float("inf")) is Pace.FINE and self._pacing.received > MESSAGES_PER_SECOND_MAX:
                await asyncio.sleep(1 / MESSAGES_PER_SECOND_MAX)
            return
        pace = self._pacing.message(now, self._late_seconds())
        if pace is Pace.FINE:
            return
        message = replies.error(replies.NO_REQUEST, 100, self._pacing.text())
        if pace is Pace.DISCONNECT:
            raise Refused("too many messages a second", message)
        self.send(message)

    def _answer(self, fields: list[str]) -> None:
        try:
            request = parse(fields, self._version)
        except FieldError as error:
            if not self._started:
                raise Refused("no startApi") from error
            log.info("client %d: unreadable request: %s", self.client_id, error)
            self.send(replies.error(request_id_of(fields), 320, f"Error reading request. {error.reason}"))
            return
        if not self._started:
            if not isinstance(request, StartApi):
                raise Refused("a request before startApi")
            self._start(request)
            return
        try:
            self._gateway.handle(self, request)
        except Exception:  # the outer edge: a mistake of ours costs the client its request, not everybody the gateway
            log.exception("client %d: request failed: %r", self.client_id, request)
            text = "Error processing request.-'bO' : cause - internal error of the simulated gateway"
            self.send(replies.error(request_id_of(fields), 322, text))

    def _start(self, request: StartApi) -> None:
        peers = self._gateway.peers
        if request.client_id < 0:
            raise Refused("negative client id", replies.error(replies.NO_REQUEST, 321, "Invalid client id"))
        if peers.get(request.client_id) is not None:
            text = "Unable to connect as the client id is already in use. Retry with a unique client id."
            raise Refused("client id in use", replies.error(replies.NO_REQUEST, 326, text))
        if len(peers) >= CLIENTS_MAX:
            text = f"Unable to connect: {CLIENTS_MAX} clients are connected, which is the most a gateway takes."
            raise Refused("too many clients", replies.error(replies.NO_REQUEST, 326, text))
        self.client_id = request.client_id
        self._started = True
        self._gateway.greet(self)

    async def _say_goodbye(self, message: Message | None) -> None:
        if message is not None and not self._writer.is_closing():
            self._writer.write(encode_frame(message))
            await self.drain()

    def _write(self, message: Message) -> None:
        if self.half_open or self._writer.is_closing():
            return
        self._writer.write(encode_frame(versions.in_version(message, self._version)))
        if self._writer.transport.get_write_buffer_size() > WRITE_BUFFER_BYTES_MAX:
            log.warning("client %d does not read: disconnected", self.client_id)
            self.abort()

    def _write_later(self, message: Message, after_seconds: float) -> None:
        def write() -> None:
            self._timers.discard(timer)
            self._write(message)

        timer = asyncio.get_running_loop().call_later(after_seconds, write)
        self._timers.add(timer)
