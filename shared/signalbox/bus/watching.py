"""Watching one key of a KV bucket.

A put is published on the key's own subject, so a plain subscription is the fast hint; the value itself is always read
from the stream. Reading again every `POLL_SECONDS`, and at once after a reconnect, bounds how long a lost hint can
matter: an ordered consumer of nats-py stays deaf for up to 19 s after a restart of the server.

A value that needs a seal and has none is no value: the last one that has counts, as far back as the bucket keeps them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from signalbox.bus import reading
from signalbox.bus.client import BusClient
from signalbox.bus.received import Received
from signalbox.bus.sealing import Sealing
from signalbox.bus.wire import Delivery
from signalbox.errors import BusUnavailableError

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0


class Watch:
    """One key being watched."""

    def __init__(
        self,
        client: BusClient,
        bucket: str,
        key: str,
        callback: Callable[[Received | None], Awaitable[None]],
        on_failure: Callable[[BaseException], None],
        sealing: Sealing,
    ) -> None:
        self._client, self._stream, self._subject = client, f"KV_{bucket}", f"$KV.{bucket}.{key}"
        self._callback, self._on_failure, self._sealing = callback, on_failure, sealing
        self._hint = asyncio.Event()
        self._seen_sequence = self._told_sequence = -1
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Deliver the present value, then follow."""

        def hinted(_: Delivery) -> None:
            self._hint.set()

        await self._client.listen(self._subject, hinted)
        await self._look()
        self._task = asyncio.create_task(self._run(), name=f"watch {self._subject}")

    def wake(self) -> None:
        self._hint.set()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):  # `wait_for` of Python 3.11 can lose a cancellation
                    await self._hint.wait()
            self._hint.clear()
            try:
                await self._look()
            except BusUnavailableError:
                log.warning("the watched key can not be read", extra={"subject": self._subject})
            except Exception as error:
                log.exception("the watched key could not be handled", extra={"subject": self._subject})
                self._on_failure(error)

    async def _look(self) -> None:
        newest = await reading.last(self._client, self._stream, self._subject)
        sequence = newest.sequence if newest else 0
        if sequence == self._seen_sequence:
            return
        genuine = await reading.last_genuine(
            self._client, self._sealing, self._stream, self._subject, self._told_sequence
        )
        self._seen_sequence = sequence
        if genuine is None and newest is not None and self._told_sequence > 0:
            return  # so many were forged that none of the genuine ones is kept: the one we have seen counts
        told = genuine.sequence if genuine else 0
        if told != self._told_sequence:
            self._told_sequence = told
            await self._callback(genuine)
