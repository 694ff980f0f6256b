"""What the client writes by itself: the bytes that nats-py would have made, and only where nothing is in the way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.transport import TcpTransport
from nats.errors import BadHeaderError, BadSubjectError
from signalbox.bus import client as client_module
from signalbox.bus.client import BusClient

HEADERS = {"Nats-Msg-Id": " an id, with spaces ", "Nats-Expected-Last-Subject-Sequence": "7", "Signalbox-Seal": "1::ü"}


class Socket:
    """Stands for uvloop's transport, and for asyncio's writer around it."""

    def __init__(self) -> None:
        self.transport, self.written = self, b""
        self.closing, self.unwritten_bytes = False, 0
        self.drained = 0

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.unwritten_bytes

    def write(self, data: bytes) -> None:
        self.written += data

    def writelines(self, data: list[bytes]) -> None:
        self.written += b"".join(data)

    async def drain(self) -> None:
        self.drained += 1


def connected(kind: type[Client] = BusClient) -> tuple[Any, Socket]:
    client: Any = kind()
    transport, socket = TcpTransport(), Socket()
    transport._io_writer = socket  # type: ignore[assignment]
    client._status, client._transport, client._max_payload = Client.CONNECTED, transport, 1_000_000
    client._max_pending_size = 1_000_000
    return client, socket


async def as_nats_py_writes(subject: str, payload: bytes, reply: str, headers: dict[str, str]) -> bytes:
    client, _ = connected(Client)
    await client.publish(subject, payload, reply, headers)
    return b"".join(client._pending)


@pytest.mark.parametrize("headers", [HEADERS, {"Nats-Msg-Id": ""}, {}, {"Nats-Msg-Id": "a\nb"}, {"A_b": "1"}])
@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff\r\n" * 9])
async def test_it_writes_what_nats_py_would(headers: dict[str, str], payload: bytes) -> None:
    client, socket = connected()
    client._flush_queue = asyncio.Queue()
    await client.publish("order.ibkr.DU1.é", payload, reply="_INBOX.oms.1", headers=headers)
    assert socket.written == await as_nats_py_writes("order.ibkr.DU1.é", payload, "_INBOX.oms.1", headers)


async def test_one_write_is_all_that_a_message_of_the_desk_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "publish", None)
    client, socket = connected()
    await client.publish("order.ibkr.DU1.a", b"{}", reply="_INBOX.oms.1", headers=HEADERS)
    assert socket.written
    assert not socket.drained
    assert (client.stats["out_msgs"], client.stats["out_bytes"]) == (1, 2)


@pytest.mark.parametrize("subject", ["", "a b", "a\r\nPUB b", "a\tb"])
async def test_what_is_no_subject_is_refused(subject: str) -> None:
    client, socket = connected()
    with pytest.raises(BadSubjectError):
        await client.publish(subject, b"{}", reply="_INBOX.oms.1", headers=HEADERS)
    with pytest.raises(BadSubjectError):
        await client.publish("a", b"{}", reply=subject or " ", headers=HEADERS)
    assert not socket.written


async def test_what_is_no_header_is_refused() -> None:
    client, socket = connected()
    with pytest.raises(BadHeaderError):
        await client.publish("a", b"{}", headers={"a b": "c"})
    assert not socket.written


def waiting(client: Any, socket: Socket) -> None:
    client._pending = [b"PUB a  0\r\n\r\n"]


def closing(client: Any, socket: Socket) -> None:
    socket.closing = True


def behind(client: Any, socket: Socket) -> None:
    socket.unwritten_bytes = client_module.UNWRITTEN_BYTES_MAX + 1


def reconnecting(client: Any, socket: Socket) -> None:
    client._status = Client.RECONNECTING


def draining(client: Any, socket: Socket) -> None:
    client._status = Client.DRAINING_SUBS


@pytest.mark.parametrize("in_the_way", [waiting, closing, behind, reconnecting, draining])
def test_nothing_is_written_past_what_is_in_the_way(in_the_way: Any) -> None:
    client, socket = connected()
    assert client._written_at_once("a", b"{}", "", HEADERS)
    written = socket.written
    in_the_way(client, socket)
    assert not client._written_at_once("a", b"{}", "", HEADERS)
    assert socket.written == written


async def test_a_server_that_does_not_read_is_waited_for() -> None:
    client, socket = connected()
    client._flush_queue = asyncio.Queue()
    behind(client, socket)
    await client.publish("a", b"{}", headers=HEADERS)
    assert socket.drained == 1
