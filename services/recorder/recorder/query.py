"""The query endpoint: SQL from a request, rows to a reply, within bounds of number, time, memory, rows and bytes.

Owns the order in which queries run and what is said of one that did not come to its end. What runs, runs in a process
of its own (reading.py), where it can be stopped at any instant: most need little memory and several of those run at
once; one that has needed more is run again with all there is for a query, one such at a time.
"""

from __future__ import annotations

import asyncio
import time

import msgspec
from signalbox import messages
from signalbox.messages import QueryReply, QueryRequest

from recorder import metrics
from recorder.keeper import Keeper
from recorder.settings import Settings
from recorder.state import Answer, Outcome
from recorder.statement import SQL_CHARACTERS_MAX
from recorder.turns import FullError, Turns
from recorder.wire import Request

MEMORY_MEGABYTES_AT_FIRST = 96
"""Enough for what people look at all day, and for a search through a million orders."""


class Queries:
    """Answers query requests beside the recording."""

    def __init__(self, keeper: Keeper, settings: Settings) -> None:
        self._keeper, self._settings = keeper, settings
        self._turns = Turns(
            at_once_max=settings.queries_at_once_max,
            per_asker_max=settings.queries_per_asker_max,
            waiting_max=settings.queries_waiting_max,
            waiting_per_asker_max=settings.queries_waiting_per_asker_max,
        )
        self._large = asyncio.Lock()

    async def answer(self, payload: bytes, asker: str = "") -> bytes:
        """Answer one request of `asker` ("" = not known who); every failure is a reply with an error."""
        try:
            outcome, reply = await self._answer(payload, asker)
        except Exception as error:  # the endpoint's outer edge: whatever it is, who asked gets to know
            outcome, reply = "failed", _error(f"The recorder could not run the query: {type(error).__name__}.")
        metrics.QUERIES.labels(outcome).inc()
        return reply

    async def _answer(self, payload: bytes, asker: str) -> tuple[str, bytes]:
        try:
            request: QueryRequest = messages.decode(payload, QueryRequest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return "error", _error(f"Not a query request: {error}.")
        if len(request.sql) > SQL_CHARACTERS_MAX:
            return "error", _error(f"The query is longer than {SQL_CHARACTERS_MAX} characters.")
        try:
            await self._turns.enter(asker)
        except FullError as error:
            return "refused", _error(str(error))
        try:
            with metrics.QUERY_SECONDS.time():
                answer = await self._run(request)
        finally:
            self._turns.leave(asker)
        if answer.outcome is Outcome.ANSWERED:
            return "ok" if not messages.decode(answer.reply, _Error).error else "error", answer.reply
        return answer.outcome.name.lower(), _error(self._sentence(answer.outcome))

    async def _run(self, request: QueryRequest) -> Answer:
        """With little memory, or, if that was not enough, with much: in all for as long as a query may take."""
        seconds_left = self._settings.query_seconds_max
        most_megabytes = self._settings.query_memory_megabytes_max
        megabytes = min(MEMORY_MEGABYTES_AT_FIRST, most_megabytes)
        began_seconds = time.monotonic()
        answer = await self._ask(request, megabytes, began_seconds + seconds_left)
        if answer.outcome is not Outcome.OUT_OF_MEMORY or megabytes == most_megabytes:
            return answer
        seconds_left -= time.monotonic() - began_seconds
        async with self._large:
            return await self._ask(request, most_megabytes, time.monotonic() + seconds_left)

    async def _ask(self, request: QueryRequest, megabytes: int, deadline_seconds: float) -> Answer:
        rows_max = max(0, min(request.row_limit, self._settings.query_rows_max))
        asked = Request(sql=request.sql, rows_max=rows_max, memory_megabytes=megabytes)
        return await self._keeper.ask(asked, deadline_seconds)

    def _sentence(self, outcome: Outcome) -> str:
        settings = self._settings
        match outcome:
            case Outcome.OUT_OF_TIME:
                return f"The query took longer than {settings.query_seconds_max:g} s and was stopped: narrow it."
            case Outcome.OUT_OF_MEMORY:
                megabytes = settings.query_memory_megabytes_max
                return f"The query needs more memory than a query may take ({megabytes} MB): narrow it."
            case Outcome.PUT_OFF:
                return "The recorder could not run the query now: recording goes first. Try again."
            case _:
                return "The query broke the process that ran it, and nothing else: write it differently."


class _Error(msgspec.Struct, frozen=True):
    """As much of a reply as says whether it is an error."""

    error: str = ""


def _error(sentence: str) -> bytes:
    return messages.encode(QueryReply(error=sentence))
