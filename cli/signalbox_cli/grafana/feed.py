"""Annotations on their way to Grafana: a bounded queue, one call at a time, tried again until Grafana has it.

Owns waiting and retries. Whoever adds is never held up: when Grafana is away for long, the oldest are dropped, counted
and told. An answer that was lost does not write an annotation twice: before another attempt Grafana is asked for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from signalbox_cli.grafana.annotations import Annotation
from signalbox_cli.grafana.server import Grafana, GrafanaAccessError, GrafanaError, GrafanaUnavailableError

WAITING_MAX = 1000
RETRY_DELAY_SECONDS, RETRY_DELAY_SECONDS_MAX = 0.5, 30.0
FOUND_MAX = 100


@dataclass
class Tally:
    """What became of the annotations."""

    written: int = 0
    refused: int = 0
    dropped: int = 0


class Feed:
    """Add annotations; `run` writes them. It ends only by an error that no retry mends (`GrafanaAccessError`)."""

    def __init__(
        self, grafana: Grafana, say: Callable[[str], None], retry_delay_seconds: float = RETRY_DELAY_SECONDS
    ) -> None:
        self._grafana, self._say, self._retry_delay_seconds = grafana, say, retry_delay_seconds
        self._waiting: deque[Annotation] = deque()
        self._added = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._away = False
        self.tally = Tally()

    def add(self, annotation: Annotation) -> None:
        """Queue it; never waits."""
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.popleft()
            self.tally.dropped += 1
            if self.tally.dropped == 1:
                self._say(f"more than {WAITING_MAX} annotations wait for Grafana: the oldest are dropped")
        self._waiting.append(annotation)
        self._idle.clear()
        self._added.set()

    async def until_idle(self) -> None:
        """Return when nothing waits."""
        await self._idle.wait()

    async def run(self) -> None:
        """Write what is added, for ever."""
        while True:
            await self._added.wait()
            self._added.clear()
            while self._waiting:
                await self._write(self._waiting.popleft())
            self._idle.set()

    async def _write(self, annotation: Annotation) -> None:
        """Until Grafana has it, or says that it is wrong."""
        delay_seconds, maybe_written = self._retry_delay_seconds, False
        while True:
            try:
                if not (maybe_written and await asyncio.to_thread(self._is_there, annotation)):
                    await asyncio.to_thread(self._grafana.post, "/annotations", _body(annotation))
            except GrafanaAccessError:
                raise
            except GrafanaUnavailableError as error:
                maybe_written = True
                if not self._away:
                    self._say(f"{error}; trying again until it answers")
                self._away = True
                await asyncio.sleep(delay_seconds)
                delay_seconds = min(2 * delay_seconds, RETRY_DELAY_SECONDS_MAX)
            except GrafanaError as error:
                self.tally.refused += 1
                self._say(f"not annotated: {annotation.text}: {error}")
                return
            else:
                self.tally.written += 1
                if self._away:
                    self._say("Grafana answers again")
                self._away = False
                return

    def _is_there(self, annotation: Annotation) -> bool:
        at = _milliseconds(annotation)
        terms: list[tuple[str, Any]] = [("from", at), ("to", at), ("type", "annotation"), ("limit", FOUND_MAX)]
        terms += [("tags", tag) for tag in annotation.tags]
        found = self._grafana.get(f"/annotations?{urlencode(terms)}")
        return any(each["time"] == at and each["text"] == annotation.text for each in found)


def _milliseconds(annotation: Annotation) -> int:
    return int(annotation.at.timestamp() * 1000)


def _body(annotation: Annotation) -> dict[str, Any]:
    return {"time": _milliseconds(annotation), "text": annotation.text, "tags": list(annotation.tags)}
