"""Ending when told to. Owns one trap of Python 3.11, and must not know who ends whom."""

from __future__ import annotations

import asyncio


def end_if_told() -> None:
    """Raise the cancellation that the last await may have lost; to be called after each request to the bus in a loop.

    nats-py waits with `asyncio.wait_for`, which in Python 3.11 drops a cancellation that comes together with the answer
    (python/cpython#86296). A loop that goes on then is cancelled by nobody again, and the process never ends.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
