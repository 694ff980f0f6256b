"""One connection to the line broker: lines out, facts in, and one question with one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from lines_gateway.facts import Everything, Fact
from signalbox.errors import VenueTimeoutError, VenueUnavailableError

LINE_BYTES_MAX = 1_000_000
SILENCE_SECONDS_MAX = 1.5
ANSWER_SECONDS_MAX = 1.0

_decoder = msgspec.json.Decoder(Fact)


class Session:
    """Used once; after a loss there is a new one."""

    def __init__(self, on_fact: Callable[[Fact], None]) -> None:
        self._on_fact = on_fact
        self._answers: dict[int, asyncio.Future[Everything]] = {}
        self._last_key = 0
        self._writer: asyncio.StreamWriter | None = None

    async def open(self, port: int) -> asyncio.StreamReader:
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                reader, self._writer = await asyncio.open_connection("127.0.0.1", port, limit=LINE_BYTES_MAX)
        except (OSError, TimeoutError) as error:
            raise VenueUnavailableError(f"the broker can not be reached: {error or 'no answer'}") from None
        return reader

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Take facts until the end, which raises `VenueUnavailableError`."""
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS_MAX):
                    line = await reader.readline()
            except (OSError, TimeoutError):
                line = b""
            if not line:
                raise VenueUnavailableError("the broker has hung up, or fallen silent")
            fact = _decoder.decode(line)
            if isinstance(fact, Everything):
                answer = self._answers.pop(fact.key, None)
                if answer is not None and not answer.done():
                    answer.set_result(fact)
            else:
                self._on_fact(fact)

    async def everything(self) -> Everything:
        """Ask; raises `VenueTimeoutError` or `VenueUnavailableError` when there is no answer."""
        key = self._last_key = self._last_key + 1
        self._answers[key] = asyncio.get_running_loop().create_future()
        self.send(do="ask", key=key)
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                return await self._answers[key]
        except TimeoutError:
            self.close()  # the way there may be gone, although the broker is heard
            raise VenueTimeoutError("no complete answer in time") from None
        finally:
            self._answers.pop(key, None)

    def send(self, **line: Any) -> None:
        """Write one line, now."""
        if not self.is_open:
            raise VenueUnavailableError("there is no session")
        assert self._writer is not None
        self._writer.write(msgspec.json.encode(line) + b"\n")

    @property
    def is_open(self) -> bool:
        return self._writer is not None and not self._writer.is_closing()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
