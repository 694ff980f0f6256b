"""What the chain lets a trading key do: asked at the start, again and again, and at once when it refuses the key.

Owns when the chain is asked. What its answer means is judged in `permissions`; the node keeps the verdict, signs only
through the authenticator that it names, and says why it may not.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from signalbox.errors import VenueError
from signalbox.gateway.retrying import Backoff
from v4_proto.dydxprotocol.accountplus import query_pb2 as accountplus
from v4_proto.dydxprotocol.accountplus import query_pb2_grpc as accountplus_stubs

from gateway_dydx.permissions import Held, Permission, judge
from gateway_dydx.plans import Subaccount
from gateway_dydx.settings import Settings
from gateway_dydx.venue_node import Node

log = logging.getLogger(__name__)

CODESPACE = "accountplus"
REMEDY = (
    "Its owner gives it one with `signalbox dydx-key create` (docs/dydx-keys.md); the gateway looks again by itself"
)
OFF = (
    "permissioned keys are turned off on this chain (x/accountplus is_smart_account_active): wait, or use the wallet's"
)


async def permission_of(node: Node, subaccount: Subaccount, key: bytes, seconds_max: float) -> Permission:
    """Ask the chain what `key` may do. Raises `VenueError` where it does not answer."""
    stub = accountplus_stubs.QueryStub(await node.ready())
    parameters = await node.ask(stub.Params(accountplus.QueryParamsRequest(), timeout=seconds_max))
    if not parameters.params.is_smart_account_active:
        return Permission(text=OFF)
    found = judge(await held_by(node, subaccount.address, seconds_max), key, subaccount.number)
    return found if found.id is not None else Permission(text=f"{found.text}. {REMEDY}")


async def held_by(node: Node, address: str, seconds_max: float) -> tuple[Held, ...]:
    """Ask for all authenticators of an address. Raises `VenueError`."""
    stub = accountplus_stubs.QueryStub(await node.ready())
    request = accountplus.GetAuthenticatorsRequest(account=address)
    answer = await node.ask(stub.GetAuthenticators(request, timeout=seconds_max))
    return tuple(Held(each.id, each.type, each.config) for each in answer.account_authenticators)


class KeptPermission:
    """Keeps the node's permission as the chain has it."""

    def __init__(self, node: Node, subaccount: Subaccount, settings: Settings) -> None:
        self._node, self._subaccount, self._settings = node, subaccount, settings
        self._due = asyncio.Event()

    def refused(self, codespace: str, text: str) -> None:
        """The chain has refused a transaction: if because of the key, nothing more is sent until it has been asked."""
        if codespace == CODESPACE and self._node.permission.id is not None:
            self._node.permission = Permission(text=f"the chain refuses the trading key: {text}")
            self._due.set()

    async def keep(self) -> None:
        """Ask whenever that is due, for ever."""
        settings, node = self._settings, self._node
        backoff, delay_seconds = Backoff(settings.retry_delay_seconds, settings.retry_delay_seconds_max), 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_seconds):
                    await self._due.wait()
            self._due.clear()
            try:
                found = await permission_of(node, self._subaccount, node.public_key, settings.answer_seconds_max)
            except VenueError as error:  # what was known stands: the chain itself has the last word
                log.info("what the trading key may do could not be asked", extra={"error": str(error)})
                if node.permission.id is None:
                    node.permission = Permission(text=f"what the trading key may do could not be asked: {error}")
                delay_seconds = backoff.next_seconds()
                continue
            backoff.reset()
            delay_seconds = settings.reconcile_seconds if found.id is not None else settings.retry_delay_seconds_max
            self._take(found)

    def _take(self, found: Permission) -> None:
        before, self._node.permission = self._node.permission, found
        if found != before:
            level = logging.INFO if found.id is not None else logging.ERROR
            log.log(level, "the trading key", extra={"authenticator": str(found.id), "text": found.text})
