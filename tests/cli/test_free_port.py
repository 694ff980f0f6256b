"""A reserved port is given to nobody else, and a server can listen on it."""

from __future__ import annotations

import asyncio
import socket

from signalbox_cli.ports import free_port

PORTS = 500


def test_a_reserved_port_is_not_given_twice() -> None:
    reserved = [free_port() for _ in range(PORTS)]

    assert len(set(reserved)) == PORTS


def test_the_system_chooses_no_reserved_port_for_others() -> None:
    reserved = {free_port() for _ in range(PORTS)}
    chosen = set()
    for _ in range(PORTS):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            chosen.add(other.getsockname()[1])

    assert not reserved & chosen


async def test_a_server_listens_on_a_reserved_port() -> None:
    port = free_port()

    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port)

    assert server.sockets[0].getsockname()[1] == port
    server.close()
    await server.wait_closed()
