"""A transaction that a person waits for: broadcast, and looked up until it is in a block, or refused with the reason.

No order goes this way: what became of an order is its own question (`sending`).
"""

from __future__ import annotations

import asyncio
import time

from signalbox.errors import VenueRefusedError, VenueTimeoutError

from gateway_dydx.venue_errors import code_text, sentence
from gateway_dydx.venue_node import BroadcastResult, Node, SignedTransaction, TransactionFound

BLOCK_SECONDS_MAX = 60.0
"""A block comes each second; what is in none after so long has failed, or the node is not to be relied on."""
ASK_AGAIN_SECONDS = 0.25


async def settled(node: Node, signed: SignedTransaction) -> None:
    """Send a transaction and wait for its block.

    Raises `VenueRefusedError` with the chain's words, and `VenueTimeoutError` when what became of it is not known.
    """
    _check(await node.broadcast(signed))
    deadline = time.monotonic() + BLOCK_SECONDS_MAX
    while (found := await node.transaction(signed.transaction_hash)) is None:
        if time.monotonic() > deadline:
            raise VenueTimeoutError(
                f"the transaction {signed.transaction_hash} is in no block after {BLOCK_SECONDS_MAX:g} s: look what "
                "the chain has before it is sent again"
            )
        await asyncio.sleep(ASK_AGAIN_SECONDS)
    _check(found)


def _check(said: BroadcastResult | TransactionFound) -> None:
    if said.code:
        text = sentence(said.codespace, said.code, said.raw_log)
        raise VenueRefusedError(code_text(said.codespace, said.code), text)
