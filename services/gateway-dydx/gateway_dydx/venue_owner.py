"""What a wallet's owner does at the chain by hand, with the wallet's own key: authenticators added and removed.

Owns one signed transaction that costs gas, from its simulation until it is in a block. No gateway uses it: it is for a
command that its owner runs once, on a machine of his own.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable
from typing import Any

from dydx_v4_client.node import message as messages
from dydx_v4_client.node.builder import Builder
from dydx_v4_client.wallet import Wallet
from signalbox.errors import VenueRefusedError, VenueTimeoutError
from v4_proto.cosmos.tx.v1beta1 import service_pb2_grpc as transaction_stubs
from v4_proto.cosmos.tx.v1beta1.service_pb2 import SimulateRequest

from gateway_dydx.keys import KeySource
from gateway_dydx.permissions import trading_rule
from gateway_dydx.settings import Endpoints
from gateway_dydx.venue_errors import code_text, sentence
from gateway_dydx.venue_key import key_of
from gateway_dydx.venue_node import Node, SignedTransaction

BLOCK_SECONDS_MAX = 60.0
"""A block comes each second; what is in none after so long has failed, or the node is not to be relied on."""
ASK_AGAIN_SECONDS = 0.25


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
        signed = SignedTransaction(payload, hashlib.sha256(payload).hexdigest().upper())
        taken = await self._node.broadcast(signed)
        if taken.code:
            text = sentence(taken.codespace, taken.code, taken.raw_log)
            raise VenueRefusedError(code_text(taken.codespace, taken.code), text)
        await self._until_in_a_block(signed.transaction_hash)

    async def _until_in_a_block(self, transaction_hash: str) -> None:
        deadline = time.monotonic() + BLOCK_SECONDS_MAX
        while (found := await self._node.transaction(transaction_hash)) is None:
            if time.monotonic() > deadline:
                raise VenueTimeoutError(
                    f"the transaction {transaction_hash} is in no block after {BLOCK_SECONDS_MAX:g} s: look with "
                    "`signalbox dydx-key list` before it is sent again"
                )
            await asyncio.sleep(ASK_AGAIN_SECONDS)
        if found.code:
            text = sentence(found.codespace, found.code, found.raw_log)
            raise VenueRefusedError(code_text(found.codespace, found.code), text)
