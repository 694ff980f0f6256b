"""A gateway process that kills itself at one await of one command: `python dying_gateway.py`, for `test_crashes.py`.

The awaits are not listed anywhere. Whatever coroutine or task handles the command is driven here by hand, from one
suspension to the next, and they are counted. At the chosen one the process sends itself SIGKILL: either when it begins
to wait (what was written may have left), or when it goes on (the answer is there and nobody has looked at it).

    DYING_COMMAND    the id of the command; DYING_AT  the number of the await, 0 = never; DYING_WHEN  before | after
    DYING_COUNT      the file to write the number of awaits to, when the command is done

Or at one transaction about an order that the chain keeps, whoever sends it: `DYING_SENDING`, its number; before it
leaves, or after the node has answered.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Generator
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway_dydx.service import start
from gateway_dydx.settings import Settings
from gateway_dydx.venue_node import BroadcastResult, Node, SignedTransaction
from signalbox import process
from signalbox.bus import Received
from signalbox.gateway.submission import Submission

COMMAND, WHEN = os.environ["DYING_COMMAND"], os.environ["DYING_WHEN"]
AT, COUNT = int(os.environ["DYING_AT"]), Path(os.environ["DYING_COUNT"])

handling: ContextVar[bool] = ContextVar("handling", default=False)
awaits = 0


class Driven:
    """A coroutine, driven by hand."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        global awaits
        error: BaseException | None = None
        while True:
            try:
                future = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
            except StopIteration as ended:
                return ended.value
            awaits += 1
            number = awaits
            die_if(number, "before")
            try:
                yield future
                error = None
            except BaseException as raised:
                error = raised
            die_if(number, "after")


def die_if(number: int, when: str) -> None:
    if number == AT and when == WHEN:
        os.kill(os.getpid(), signal.SIGKILL)


async def driven(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await Driven(coroutine)


def task_of(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """Tasks that the command's handler starts are driven too."""
    inside = handling.get() and asyncio.iscoroutine(coroutine)
    return asyncio.Task(driven(coroutine) if inside else coroutine, loop=loop, **options)


handle = Submission.handle
SENDING = int(os.environ.get("DYING_SENDING", "0"))
sign, broadcast = Node.sign, Node.broadcast
kept: set[str] = set()
"""Transactions about orders that the chain keeps, by their hash."""
sendings = 0


def signing(self: Node, message: Any, stateful_at: datetime | None) -> SignedTransaction:
    signed = sign(self, message, stateful_at)
    if stateful_at is not None:
        kept.add(signed.transaction_hash)
    return signed


async def broadcasting(self: Node, signed: SignedTransaction) -> BroadcastResult:
    global sendings
    sendings += signed.transaction_hash in kept
    number = sendings if signed.transaction_hash in kept else 0
    if number == SENDING and number and WHEN == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        return await broadcast(self, signed)
    finally:
        if number == SENDING and number:
            os.kill(os.getpid(), signal.SIGKILL)


async def watched(self: Submission, received: Received) -> None:
    if COMMAND.encode() not in received.payload:
        await handle(self, received)
        return
    asyncio.get_running_loop().set_task_factory(task_of)
    handling.set(True)
    await Driven(handle(self, received))
    handling.set(False)
    COUNT.write_text(str(awaits))  # noqa: ASYNC240 (a test's own process)


if __name__ == "__main__":
    Submission.handle = watched  # type: ignore[method-assign]
    Node.sign, Node.broadcast = signing, broadcasting  # type: ignore[method-assign]
    process.run("gateway-dydx", Settings, start)
