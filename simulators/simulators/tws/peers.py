"""The clients that are connected, as the rest of the gateway sees them.

Owns who is connected under which client id. It must not know sockets or the protocol's handshake.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from simulators.tws.replies import Message

CLIENTS_MAX = 32


class Peer(Protocol):
    """One connected client."""

    @property
    def client_id(self) -> int: ...

    def send(self, message: Message) -> None:
        """Queue a message; it is written at once unless a fault says otherwise."""

    async def drain(self) -> None:
        """Wait while the client's socket is congested, with a bound; then the client is disconnected."""


class Peers:
    """Client id -> client. A client id is connected once."""

    def __init__(self) -> None:
        self._peers: dict[int, Peer] = {}

    def add(self, peer: Peer) -> None:
        self._peers[peer.client_id] = peer

    def remove(self, peer: Peer) -> None:
        """Forget a client; not if another connection has its id by now."""
        if self._peers.get(peer.client_id) is peer:
            del self._peers[peer.client_id]

    def get(self, client_id: int) -> Peer | None:
        return self._peers.get(client_id)

    def __iter__(self) -> Iterator[Peer]:
        return iter(tuple(self._peers.values()))

    def __len__(self) -> int:
        return len(self._peers)

    def tell_all(self, message: Message) -> None:
        for peer in self:
            peer.send(message)
