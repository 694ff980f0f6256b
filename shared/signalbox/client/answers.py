"""Whether an answer is one: what comes in the place of an answer is an error, never "there is nothing".

An answer comes back to an inbox, which every connection of the same name can hear and write to: who shares a credential
is the same person to the desk. Others can not: each name has an account of its own. So what can come here is what a
broken service, another program of one's own, or a server says. Pure.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from signalbox import messages
from signalbox.errors import SignalboxError
from signalbox.messages import QueryReply, ServiceStatus, WhatIfAnswer, WouldBe

_A = TypeVar("_A", bound=msgspec.Struct)


class AnswerError(SignalboxError):
    """What came in the place of an answer is none; the text says whose, and what is wrong with it."""

    def __init__(self, who: str, problem: str) -> None:
        super().__init__(
            f"what came in the place of {who} answer is none ({problem}): nothing is known. Ask again; if it stays so, "
            "look who else uses this name, and into the service's log."
        )


def read_query_reply(payload: bytes) -> QueryReply:
    """The recorder's answer: an error with a sentence, or columns and rows of as many values. Raises `AnswerError`."""
    who = "the recorder's"
    reply = _read(payload, QueryReply, who)
    if reply.error:
        return reply
    if not reply.columns:
        raise AnswerError(who, "it has neither columns nor an error")
    if any(len(row) != len(reply.columns) for row in reply.rows):
        raise AnswerError(who, "a row has another number of values than there are columns")
    return reply


def read_what_if(payload: bytes) -> WhatIfAnswer:
    """What risk would say to an intent, or an error with a sentence. Raises `AnswerError`."""
    who = "risk's"
    answer = _read(payload, WhatIfAnswer, who)
    if (answer.would_be is WouldBe.UNKNOWN) is not bool(answer.error):
        raise AnswerError(who, "it has neither a verdict nor an error, or both")
    return answer


def read_status(payload: bytes, service: str) -> ServiceStatus:
    """What a process of `service` says of itself. Raises `AnswerError`, also where it is of another service."""
    who = f"{service}'s"
    status = _read(payload, ServiceStatus, who)
    if status.service != service:
        raise AnswerError(who, f"it is of {status.service!r}")
    return status


def _read(payload: bytes, kind: type[_A], who: str) -> _A:
    try:
        found: _A = messages.decode(payload, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise AnswerError(who, str(error)) from None
    return found
