"""Ending when told to, and together. Owns one trap of Python 3.11, and must not know who ends whom."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def end_if_told() -> None:
    """Raise the cancellation that the last await may have lost; to be called after each request to the bus in a loop.

    nats-py waits with `asyncio.wait_for`, which in Python 3.11 drops a cancellation that comes together with the answer
    (python/cpython#86296). A loop that goes on then is cancelled by nobody again, and the process never ends.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def until_one_ends(*parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts of a connection until the first of them ends; end the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
