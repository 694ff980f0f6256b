"""Answers `/healthz`, `/readyz` and `/metrics` over HTTP, whatever else is done to the port.

Owns one thread and a bounded number of connections. Nobody waits for a connection that says nothing, little, or
nonsense: each has `CONNECTION_SECONDS_MAX` in all, and where there are too many the oldest makes room, so that the next
probe is answered at once. A request is answered and its connection closed. Health comes before metrics, and scrapes
that ask for the same at the same time share one answer. It must not know what health is: it is given `answer`.
"""

from __future__ import annotations

import logging
import re
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

CONNECTIONS_MAX = 128
CONNECTION_SECONDS_MAX = 5.0
LINGER_SECONDS_MAX = 1.0
"""How long an answered connection may still send: closed at once, it would take the answer with it."""
REQUEST_BYTES_MAX = 8_192
LINGER_BYTES_MAX = 1_048_576
READ_BYTES = 16_384
BACKLOG_CONNECTIONS = 1_024
ACCEPTS_MAX = 64
"""Connections taken at one look, so that a flood of them does not keep those that have asked from their answers."""
LOOK_SECONDS = 0.25
SLOW_DELAY_SECONDS_MAX = 0.2
"""How long a slow request waits for a moment without others."""
CLOSE_SECONDS_MAX = 2.0

REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) ([\x21-\x7e]+) HTTP/1\.[01]")
ENDS = re.compile(rb"\r?\n\r?\n")
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True)
class Request:
    """What was asked: `target` is path and query; header names are in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    def encoded(self, *, with_body: bool) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status} {REASONS[self.status]}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            *(f"{name}: {value}" for name, value in self.headers),
            "Connection: close",
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (self.body if with_body else b"")


def read_request(received: bytes) -> Request | Answer | None:
    """The request at the start of `received`, the refusal of what is none, or None: more has to come. Pure."""
    found = ENDS.search(received)
    if found is None:
        if len(received) >= REQUEST_BYTES_MAX:
            return _refusal(431, f"a request has at most {REQUEST_BYTES_MAX} bytes")
        # No method begins so: TLS, another protocol, noise
        if received and not received[:1].isupper():
            return _refusal(400, "this port speaks HTTP/1.1, and no TLS")
        return None
    if found.start() > REQUEST_BYTES_MAX:
        return _refusal(431, f"a request has at most {REQUEST_BYTES_MAX} bytes")
    first, *lines = received[: found.start()].splitlines() or [b""]  # nothing but line ends
    request_line = REQUEST_LINE.fullmatch(first)
    if request_line is None:
        return _refusal(400, "this port speaks HTTP/1.1, and no TLS")
    method, target = (text.decode("ascii") for text in request_line.groups())
    if method not in ("GET", "HEAD"):
        return _refusal(405, "only GET and HEAD are answered here")
    headers = []
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            return _refusal(400, "a header is a name, a colon and a value")
        headers.append((name.strip().lower(), value.strip()))
    return Request(method, target, tuple(headers))


def _refusal(status: int, why: str) -> Answer:
    return Answer(status, f"{why}\n".encode())


@dataclass(eq=False)
class _Connection:
    socket: socket.socket
    deadline_seconds: float
    received: bytearray = field(default_factory=bytearray)
    to_send: memoryview = field(default_factory=lambda: memoryview(b""))
    asked: Request | None = None
    ended_bytes: int = -1
    """What has come since the answer was sent; -1 = it has not been sent."""


class BoundedServer:
    """Listens from its making until `close`. `port` is the one it got; raises `OSError` when it gets none.

    `answer` is called in the server's own thread. `slow` says which requests wait until all others are answered.
    """

    def __init__(
        self, host: str, port: int, answer: Callable[[Request], Answer], slow: Callable[[Request], bool]
    ) -> None:
        self._answer, self._slow = answer, slow
        self._listening = _listen(host, port)
        self.port: int = self._listening.getsockname()[1]
        self._connections: dict[_Connection, None] = {}  # the oldest first
        self._waiting: deque[_Connection] = deque()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._woken, self._wake = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._slow_due_seconds = 0.0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more; what has not been answered is not."""
        self._closing = True
        with suppress(OSError):
            self._wake.send(b"x")
        self._thread.join(CLOSE_SECONDS_MAX)

    # ------------------------------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        while not self._closing:
            try:
                self._look()
            except Exception:
                log.exception("a request over HTTP could not be handled")
        for connection in list(self._connections):
            self._drop(connection)
        for each in (self._listening, self._woken, self._wake):
            each.close()
        self._selector.close()

    def _look(self) -> None:
        found = self._selector.select(0 if self._waiting else LOOK_SECONDS)
        for key, events in found:
            if key.fileobj is self._listening:
                self._accept()
            elif isinstance(key.data, _Connection) and key.data in self._connections:
                self._serve(key.data, events)
        now = time.monotonic()
        if self._waiting and (not found or now >= self._slow_due_seconds):
            self._answer_slow(self._waiting.popleft())
            self._slow_due_seconds = now + SLOW_DELAY_SECONDS_MAX
        for connection in [each for each in self._connections if each.deadline_seconds <= now]:
            self._drop(connection)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                accepted, _address = self._listening.accept()
            except BlockingIOError:
                return
            except ConnectionError:  # gone again
                continue
            except OSError:  # no descriptor is left
                if not self._connections:
                    time.sleep(LOOK_SECONDS)
                self._make_room()
                return
            if len(self._connections) >= CONNECTIONS_MAX:
                self._make_room()
            accepted.setblocking(False)
            connection = _Connection(accepted, time.monotonic() + CONNECTION_SECONDS_MAX)
            self._connections[connection] = None
            self._selector.register(accepted, selectors.EVENT_READ, connection)
            self._serve(connection, selectors.EVENT_READ)

    def _make_room(self) -> None:
        """Drop the oldest connection: who asks has asked long before this many others have come."""
        oldest = next(iter(self._connections), None)
        if oldest is not None:
            self._drop(oldest)

    def _serve(self, connection: _Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._send(connection)
            elif connection.ended_bytes >= 0:
                self._linger(connection)
            elif connection.asked is None:
                self._receive(connection)
        except BlockingIOError:
            return
        except OSError:  # the other side is gone
            self._drop(connection)

    def _receive(self, connection: _Connection) -> None:
        chunk = connection.socket.recv(READ_BYTES)
        if not chunk:  # it will say no more, and has asked for nothing
            self._drop(connection)
            return
        connection.received += chunk
        asked = read_request(bytes(connection.received))
        if isinstance(asked, Answer):
            self._begin_to_send(connection, asked.encoded(with_body=True))
        elif asked is not None:
            connection.asked = asked
            if self._slow(asked):
                self._selector.unregister(connection.socket)
                self._waiting.append(connection)
            else:
                self._begin_to_send(connection, self._encoded(asked))

    def _answer_slow(self, connection: _Connection) -> None:
        """Answer this one and all that wait for the same."""
        if connection not in self._connections or connection.asked is None:
            return
        encoded = self._encoded(connection.asked)
        same = [each for each in self._waiting if each.asked == connection.asked]
        for each in [connection, *same]:
            if each is not connection:
                self._waiting.remove(each)
            if each in self._connections:
                self._selector.register(each.socket, selectors.EVENT_WRITE, each)
                self._begin_to_send(each, encoded)

    def _encoded(self, request: Request) -> bytes:
        try:
            answer = self._answer(request)
        except Exception:
            log.exception("a request over HTTP could not be answered", extra={"target": request.target[:200]})
            answer = _refusal(500, "it could not be answered: see the log")
        return answer.encoded(with_body=request.method != "HEAD")

    def _begin_to_send(self, connection: _Connection, encoded: bytes) -> None:
        connection.to_send = memoryview(encoded)
        self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)
        try:
            self._send(connection)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)

    def _send(self, connection: _Connection) -> None:
        connection.to_send = connection.to_send[connection.socket.send(connection.to_send) :]
        if not connection.to_send:
            connection.socket.shutdown(socket.SHUT_WR)
            connection.ended_bytes = 0
            connection.deadline_seconds = min(connection.deadline_seconds, time.monotonic() + LINGER_SECONDS_MAX)
            self._selector.modify(connection.socket, selectors.EVENT_READ, connection)

    def _linger(self, connection: _Connection) -> None:
        chunk = connection.socket.recv(READ_BYTES)
        connection.ended_bytes += len(chunk)
        if not chunk or connection.ended_bytes > LINGER_BYTES_MAX:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._connections.pop(connection, None)
        with suppress(KeyError, ValueError):  # one that waits for its answer is not watched
            self._selector.unregister(connection.socket)
        with suppress(ValueError):
            self._waiting.remove(connection)
        connection.socket.close()


def _listen(host: str, port: int) -> socket.socket:
    """Listen at an address of this machine. No name is looked up, in either direction: that may take for ever."""
    address = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind((address, port))
        listening.listen(BACKLOG_CONNECTIONS)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
