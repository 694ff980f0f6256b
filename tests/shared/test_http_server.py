"""Health answers whatever else is done to the port: silence, slowness, noise, masses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.http_server import (
    CONNECTIONS_MAX,
    REQUEST_BYTES_MAX,
    Answer,
    BoundedServer,
    Request,
    read_request,
)
from signalbox.readiness import ANSWER_SECONDS_MAX, ask
from signalbox.telemetry import Health, HttpServer

WAIT_SECONDS_MAX = 60.0


@pytest.fixture
def server() -> Iterator[HttpServer]:
    server = HttpServer("127.0.0.1", 0, Health("http-test"))
    yield server
    server.close()


def connected(server: HttpServer | BoundedServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_SECONDS_MAX)


def answered(connection: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    received = b""
    with suppress(ConnectionError):
        while chunk := connection.recv(65_536):
            received += chunk
    return received


def alive(server: HttpServer) -> bool:
    assert ANSWER_SECONDS_MAX == 2.0
    return ask(f"http://127.0.0.1:{server.port}/healthz") == (True, "alive")


SAID = {
    "nothing": b"",
    "half a request": b"GET /healthz HTT",
    "headers without an end": b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
    "a huge request line": b"GET /" + b"a" * 100_000,
    "huge headers": b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000,
    "many headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 50_000,
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(189),
    "noise": bytes(range(256)) * 40,
    "NATS": b'CONNECT {"verbose":false}\r\nPING\r\n',
    "line ends": b"\r\n\r\n",
    "a body": b"POST /metrics HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n" + bytes(10_000),
}


@pytest.mark.parametrize("said", SAID.values(), ids=SAID.keys())
@pytest.mark.parametrize("half_closed", [False, True])
def test_health_answers_beside_whoever_says(server: HttpServer, said: bytes, half_closed: bool) -> None:
    with connected(server) as connection:
        with suppress(ConnectionError):
            connection.sendall(said)
        if half_closed:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        assert alive(server)


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nHost"], ids=["silent", "slow"])
def test_who_does_not_come_to_an_end_is_sent_away(server: HttpServer, said: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(said)
        assert answered(connection) == b""


def test_hundreds_of_open_connections_do_not_keep_health_from_answering(server: HttpServer) -> None:
    with ExitStack() as stack:
        held = []
        for number in range(600):
            connection = stack.enter_context(connected(server))
            with suppress(ConnectionError):
                connection.sendall(b"GET /metrics HTTP/1.1\r\n" + (b"\r\n" if number % 2 else b""))
            held.append(connection)
            if number % 100 == 0:
                assert alive(server)
        assert alive(server)
        assert len(server._server._connections) <= CONNECTIONS_MAX


def test_a_half_closed_request_is_answered(server: HttpServer) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert answered(connection).endswith(b"\r\n\r\nalive\n")


def test_a_request_that_comes_in_bytes_is_answered(server: HttpServer) -> None:
    with connected(server) as connection:
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert answered(connection).startswith(b"HTTP/1.1 200 OK\r\n")


def test_health_does_not_wait_for_metrics() -> None:
    scraping, go_on = threading.Event(), threading.Event()
    scrapes = 0

    def answer(request: Request) -> Answer:
        nonlocal scrapes
        if request.path == "/metrics":
            scrapes += 1
            scraping.set()
            go_on.wait(WAIT_SECONDS_MAX)
        return Answer(200, request.path.encode())

    server = BoundedServer("127.0.0.1", 0, answer, slow=lambda request: request.path == "/metrics")
    with ExitStack() as stack:
        stack.callback(server.close)
        first = stack.enter_context(connected(server))
        first.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert scraping.wait(WAIT_SECONDS_MAX)
        # Meanwhile forty more and one probe come: the probe is answered first, the forty by one scrape
        others = [stack.enter_context(connected(server)) for _ in range(40)]
        for each in others:
            each.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        probe = stack.enter_context(connected(server))
        probe.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        go_on.set()
        assert answered(probe).endswith(b"/healthz")
        assert all(answered(each).endswith(b"/metrics") for each in [first, *others])
    assert scrapes <= 3


def test_an_answer_that_breaks_is_a_500_and_the_next_one_is_answered() -> None:
    def answer(request: Request) -> Answer:
        if request.path == "/broken":
            raise RuntimeError
        return Answer(200, b"well")

    server = BoundedServer("127.0.0.1", 0, answer, slow=lambda request: False)
    with ExitStack() as stack:
        stack.callback(server.close)
        for path, expected in ((b"/broken", b"HTTP/1.1 500 "), (b"/", b"HTTP/1.1 200 ")):
            connection = stack.enter_context(connected(server))
            connection.sendall(b"GET " + path + b" HTTP/1.1\r\n\r\n")
            assert answered(connection).startswith(expected)


def test_metrics_are_compressed_for_who_takes_that(server: HttpServer) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n")
        head, _, body = answered(connection).partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert body.startswith(b"\x1f\x8b")


def test_head_has_no_body(server: HttpServer) -> None:
    with connected(server) as connection:
        connection.sendall(b"HEAD /healthz HTTP/1.1\r\n\r\n")
        assert answered(connection).endswith(b"\r\n\r\n")


@given(st.binary(max_size=300) | st.binary(max_size=40).map(lambda tail: b"GET / HTTP/1.1\r\n" + tail + b"\r\n\r\n"))
def test_any_bytes_are_a_request_a_refusal_or_not_all_yet(received: bytes) -> None:
    assert isinstance(read_request(received), Request | Answer | None)


def test_what_is_too_long_is_refused_before_it_ends() -> None:
    refusal = read_request(b"GET /" + b"a" * REQUEST_BYTES_MAX)
    assert isinstance(refusal, Answer)
    assert refusal.status == 431


@pytest.mark.parametrize("received", [b"\r\n\r\n", b"\n\n", b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"])
def test_line_ends_alone_are_refused(received: bytes) -> None:
    refusal = read_request(received)
    assert isinstance(refusal, Answer)
    assert refusal.status == 400
