"""nats-py's client, with a receive path of its own, and publishes that do not wait for a task that writes.

Connecting, reconnecting, pings and resubscribing stay nats-py's. What comes is cut into frames by `bus.wire` and given
at once, as bytes, to whoever listens: once a connection is made, in the event loop's own callback (`bus.arriving`).
nats-py's own way decodes each subject as UTF-8 (one that is not ends its read loop), reads headers as an e-mail's,
takes a `Status` that a publisher wrote for the server's word, and brings a message to its callback through a queue and
two tasks. So nothing of ours uses its `subscribe` and `request`.

What the server says is told from what a publisher wrote by what no publisher can write: each reader says by what.
It must not know what is published.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.errors import BadSubjectError, ConnectionClosedError, MaxPayloadError, NoRespondersError
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.protocol.parser import AUTHORIZATION_VIOLATION, PERMISSIONS_ERR, STALE_CONNECTION, Parser

from signalbox.bus.arriving import take_over
from signalbox.bus.tls import VerifyingClient
from signalbox.bus.wire import Delivery, Frames, Said

log = logging.getLogger(__name__)

Take = Callable[[Delivery], None]
"""Called with each message, in the order of the wire. It must not wait; what it raises is logged, and no more."""

NO_RESPONDERS = b"NATS/1.0 503"
PAUSE_SECONDS, PAUSE_SECONDS_MAX = 0.001, 0.005
"""What an unhurried client rests after each message, and after each read of the socket at most."""
WAITING_BYTES_MAX = 2_000_000
"""Of small words (acks, pull requests) that wait for a connection."""


SUBJECTS_CHARACTERS_MAX = 3_800
"""Of a subject and the one for the answer: NATS takes a line of 4,096 bytes, with sizes, and ends the connection."""
UNWRITTEN_BYTES_MAX = 32_768
"""What the server has not taken yet: whoever publishes beyond that waits until it has."""
HEADERS_KNOWN_MAX = 64
_PLAIN = re.compile(r"[A-Za-z0-9-]+", re.ASCII)


@lru_cache(HEADERS_KNOWN_MAX)
def _is_plain(header: str) -> bool:
    """Whether a header's name is one that nobody has to look at twice."""
    return _PLAIN.fullmatch(header) is not None


def _fits(subject: str) -> bool:
    """Whether a subject stays one word of a line."""
    return " " not in subject and subject.isprintable()


class FrameParser(Parser):
    """Stands where nats-py has its parser."""

    def __init__(self, client: BusClient) -> None:
        self._client = client
        self._connections = 0
        super().__init__(client)

    def reset(self) -> None:
        """Forget what has been read: the connection is another one."""
        super().reset()
        self._frames = Frames()
        self._connections += 1

    async def parse(self, data: bytes = b"") -> None:
        """Deal with every frame that `data` completes. Raises `ProtocolError` alone: the connection is made anew."""
        connection = self._connections
        deliveries = 0
        for frame in self._frames.feed(data):
            if isinstance(frame, Delivery):
                self._client.deliver(frame)
                deliveries += 1
                continue
            await self._client.told(frame)
            if self._connections != connection:
                return  # what is left has come over a connection that is gone
        if self._client.is_unhurried and deliveries:
            await asyncio.sleep(min(deliveries * PAUSE_SECONDS, PAUSE_SECONDS_MAX))


class Listening:
    """One subscription; nats-py has it in its books, to subscribe again after a reconnect."""

    def __init__(self, client: BusClient, sid: int) -> None:
        self._client, self._sid = client, sid

    async def stop(self) -> None:
        """Take nothing more."""
        self._client.forget(self._sid)
        await self.leave()

    async def leave(self) -> None:
        """Tell the server that nothing more is wanted; what it has sent already is still taken."""
        if self._client.is_connected:
            await self._client._send_unsubscribe(self._sid)


class BusClient(VerifyingClient):
    """The one client of the desk's own programs.

    `waits_for_server`: whether its process waits for a server that is away (a service), or gives up (a command).
    """

    waits_for_server = False
    is_unhurried = False
    """Whether a flood that comes here has to leave the process time for what comes elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self._takers: dict[int, Take] = {}
        self._answers: dict[bytes, asyncio.Future[Delivery]] = {}
        self._answers_inbox = ""
        self._asked = 0
        self._ps = FrameParser(self)

    # ---------------------------------------------------------------------------------------------------- receiving

    async def _read_loop(self) -> None:
        """Read what the server says of itself. Messages go past this task (`bus.arriving`), unless it is to rest."""
        transport = self._transport
        if (
            not self.is_unhurried
            and isinstance(transport, TcpTransport)
            and transport._io_reader is not None
            and transport._io_writer is not None
        ):
            take_over(transport._io_reader, transport._io_writer, self.deliver)
        await super()._read_loop()

    def deliver(self, delivery: Delivery) -> None:
        """Give a message to whoever listens; what that raises is its own affair."""
        take = self._takers.get(delivery.sid)
        if take is None:
            return
        try:
            take(delivery)
        except Exception:
            log.exception("a message could not be taken", extra={"bytes": len(delivery.payload)})

    async def told(self, said: Said) -> None:
        """Deal with a line of the server's own."""
        if said.word == b"PING":
            await self._process_ping()
        elif said.word == b"PONG":
            await self._process_pong()
        elif said.word == b"-ERR":
            await self._process_err(said.rest.decode("utf-8", "backslashreplace").lower())
        elif said.word == b"INFO":
            try:
                await self._process_info(json.loads(said.rest))
            except (ValueError, TypeError, AttributeError, KeyError) as error:
                log.warning("what the server says of itself can not be read", extra={"error": str(error)})

    async def _process_err(self, err_msg: str) -> None:
        """Reconnect after an error: nats-py would close for good, though only a refused password is one for good."""
        final = AUTHORIZATION_VIOLATION in err_msg or PERMISSIONS_ERR in err_msg or STALE_CONNECTION in err_msg
        if final or not self.is_connected:
            await super()._process_err(err_msg)
            return
        error = NatsError(f"nats: {err_msg}")
        await self._error_cb(error)
        await self._process_op_err(error)

    async def listen(self, subject: str, take: Take) -> Listening:
        """Call `take` for each message on `subject` from now on."""
        if self.is_closed:
            raise ConnectionClosedError
        self._sid += 1
        self._subs[self._sid] = subscription = Subscription(self, self._sid, subject)
        self._takers[self._sid] = take
        await self._send_subscribe(subscription)
        return Listening(self, self._sid)

    async def subscribe(self, *_: Any, **__: Any) -> Any:
        """Not here: nats-py's messages do not come this way."""
        raise NotImplementedError("use `listen`")

    async def request(self, *_: Any, **__: Any) -> Any:
        """Not here: nats-py's messages do not come this way."""
        raise NotImplementedError("use `ask`")

    def forget(self, sid: int) -> None:
        self._takers.pop(sid, None)
        self._remove_sub(sid)

    async def ask(
        self, subject: str, payload: bytes = b"", timeout_seconds: float = 1.0, headers: dict[str, str] | None = None
    ) -> Delivery:
        """Publish a request; its first answer. Raises nats-py's `TimeoutError`, `NoRespondersError`, ..."""
        if not self._answers_inbox:
            inbox = self.new_inbox()
            await self.listen(f"{inbox}.*", self._answered)
            self._answers_inbox = inbox
        self._asked += 1
        reply = f"{self._answers_inbox}.{self._asked}"
        answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        self._answers[reply.encode()] = answer
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.publish(subject, payload, reply=reply, headers=headers)
                delivery = await answer
        except TimeoutError:
            raise NatsTimeoutError from None
        finally:
            del self._answers[reply.encode()]
        if nobody_listens(delivery):
            raise NoRespondersError
        return delivery

    def _answered(self, delivery: Delivery) -> None:
        answer = self._answers.get(delivery.subject)
        if answer is not None and not answer.done():
            answer.set_result(delivery)

    # --------------------------------------------------------------------------------------------------- publishing

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, Any] | None = None
    ) -> None:
        """Publish; on the socket when this returns.

        Raises `MaxPayloadError` or `BadSubjectError` for what NATS would end the connection.
        """
        if len(subject) + len(reply) > SUBJECTS_CHARACTERS_MAX:
            raise BadSubjectError
        if headers is not None:
            if len(payload) + sum([len(k) + len(str(v)) * 4 + 4 for k, v in headers.items()]) > self.max_payload - 16:
                raise MaxPayloadError
            if self._written_at_once(subject, payload, reply, headers):
                return
        await super().publish(subject, payload, reply, headers)

    def _written_at_once(self, subject: str, payload: bytes, reply: str, headers: dict[str, Any]) -> bool:
        """Write what needs nobody's second look: the same bytes that nats-py makes, at a fifth of what it takes.

        False = nothing is written: something is odd, waits to be written first, or has to be waited for.
        """
        transport = self._transport
        if self._pending or self._status != self.CONNECTED or not isinstance(transport, TcpTransport):
            return False
        writer = transport._io_writer
        if writer is None or not subject or not _fits(subject) or not _fits(reply):
            return False
        stream = writer.transport
        if stream.is_closing() or stream.get_write_buffer_size() > UNWRITTEN_BYTES_MAX:
            return False
        lines = ["NATS/1.0\r\n"]
        for name, value in headers.items():
            if not _is_plain(name) or not value.isprintable():
                return False
            lines.append(f"{name}: {value.strip()}\r\n")
        lines.append("\r\n")
        block = "".join(lines).encode()
        begin = f"HPUB {subject} {reply} {len(block)} {len(block) + len(payload)}\r\n".encode()
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += len(payload)
        try:
            stream.write(b"".join((begin, block, payload, b"\r\n")))
        except (OSError, RuntimeError):  # the connection has just gone: its reader notices, too
            return False
        return True

    def say(self, subject: str, payload: bytes = b"", reply: str = "") -> None:
        """Publish a small word at once, without waiting; kept for the next connection when there is none."""
        command = f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n"
        if self.is_connected and self._transport is not None:
            try:
                self._transport.write(command)
            except (OSError, RuntimeError):  # the connection has just gone: its reader notices, too
                return
        elif self._pending_data_size + len(command) < WAITING_BYTES_MAX:
            self._pending.append(command)
            self._pending_data_size += len(command)

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        """Write what waits now: nats-py wakes a task for it, a sixth of the cost of an acknowledged publish."""
        if force_flush or not self.is_connected or self._transport is None:
            return await super()._flush_pending(force_flush)
        pending, self._pending, self._pending_data_size = self._pending, [], 0
        if pending:
            try:
                self._transport.writelines(pending)
                # Waits only when the server reads more slowly than we write
                await self._transport.drain()  # type: ignore[no-untyped-call]
            except (OSError, RuntimeError) as error:  # uvloop says the latter of a socket that has just been closed
                await self._error_cb(error)
                await self._process_op_err(error)
        return None


def nobody_listens(delivery: Delivery) -> bool:
    """Whether the server itself answers, on an inbox, that nobody serves what was asked."""
    return delivery.headers.startswith(NO_RESPONDERS) and not delivery.payload and not delivery.reply


def extended(client: BusClient, deadline: float, seconds_max: float) -> float:
    """Until when to wait for an answer (loop time), if it was until `deadline`, which was `seconds_max` away at first.

    Where the process waits for its server, time without a connection does not count. 0.0 = the connection has been
    closed, and there will be no answer.
    """
    if client.is_closed:
        return 0.0
    if client.is_connected or not client.waits_for_server:
        return deadline
    return asyncio.get_running_loop().time() + seconds_max
