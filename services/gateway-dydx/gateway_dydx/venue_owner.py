"""What a wallet's owner does at the chain by hand, with the wallet's own key: authenticators added and removed.

Owns the making of a signed transaction that costs gas. No gateway uses it: it is for a
command that its owner runs once, on a machine of his own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from dydx_v4_client.node import message as messages
from dydx_v4_client.node.builder import Builder
from dydx_v4_client.wallet import Wallet
from v4_proto.cosmos.tx.v1beta1 import service_pb2_grpc as transaction_stubs
from v4_proto.cosmos.tx.v1beta1.service_pb2 import SimulateRequest

from gateway_dydx.keys import KeySource
from gateway_dydx.permissions import trading_rule
from gateway_dydx.settings import Endpoints
from gateway_dydx.venue_key import key_of
from gateway_dydx.venue_node import Node, SignedTransaction
from gateway_dydx.venue_settling import settled


class Owner:
    """The owner of one wallet at one chain."""

    def __init__(self, node: Node, key: KeySource, address: str, endpoints: Endpoints, seconds_max: float) -> None:
        self._node, self._key, self._address = node, key_of(key, address), address
        self._builder = Builder(endpoints.chain_id, endpoints.denomination, memo="")
        self._seconds_max = seconds_max

    async def let_trade(self, key: bytes, subaccount: int, clob_pairs: Iterable[int], more: Iterable[str]) -> None:
        """Add an authenticator for a key. Raises `VenueError`."""
        kind, config = trading_rule(key, subaccount, clob_pairs, more)
        await self._send(messages.add_authenticator(self._address, kind.value, config))

    async def remove(self, id_: int) -> None:
        """Remove an authenticator. Raises `VenueError`."""
        await self._send(messages.remove_authenticator(self._address, id_))

    async def _send(self, message: Any) -> None:
        account = await self._node.connect()
        wallet = Wallet(self._key, account.number, account.sequence)
        stub = transaction_stubs.ServiceStub(await self._node.ready())
        draft = self._builder.build(wallet, message).SerializeToString()
        simulated = await self._node.ask(stub.Simulate(SimulateRequest(tx_bytes=draft), timeout=self._seconds_max))
        fee = self._builder.calculate_fee(simulated.gas_info.gas_used)
        payload: bytes = self._builder.build(wallet, message, fee).SerializeToString()
        await settled(self._node, SignedTransaction(payload, hashlib.sha256(payload).hexdigest().upper()))
