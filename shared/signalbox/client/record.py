"""What a client of the desk asks its record: SQL over NATS, answered by the recorder."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.client.answers import AnswerError, read_query_reply
from signalbox.errors import BusAnswerError, BusUnavailableError, QueryFailedError
from signalbox.messages import QueryReply, QueryRequest

QUERY_SECONDS_MAX = 15.0


async def query(bus: Bus, sql: str, row_limit: int = 1000) -> QueryReply:
    """Ask the recorder. Raises `QueryFailedError` with its sentence, `BusUnavailableError` when it does not answer."""
    request = msgspec.json.encode(QueryRequest(sql=sql, row_limit=row_limit))
    try:
        answer = await bus.request(subjects.QUERY, request, QUERY_SECONDS_MAX, of_service=True)
    except BusAnswerError:
        raise AnswerError("the recorder's", "it is to another question") from None
    except BusUnavailableError:
        raise BusUnavailableError("the recorder does not answer: is it running? (`signalbox status`)") from None
    reply = read_query_reply(answer)
    if reply.error:
        raise QueryFailedError(reply.error)
    return reply


def sql_text(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def rows(reply: QueryReply) -> list[dict[str, Any]]:
    """An answer's rows by the names of its columns; a decimal is a text, as JSON has it."""
    return [dict(zip(reply.columns, row, strict=True)) for row in reply.rows]


def decimal(value: Any) -> Decimal | None:
    """A decimal of an answer; None = there is none."""
    return None if value is None else Decimal(str(value))
