"""What JetStream answers to a publish, and which of it may go away by itself. It must not know what was published."""

from __future__ import annotations

from msgspec import Struct

STORE_FAILED = 10077
SUBJECT_IS_FULL = "per subject"
"""What JetStream says of a store that failed when it was not for want of room: the subject has the one message that it
takes, or of a queue as many as it takes."""
NO_ROOM_CODES = frozenset({10002, 10023, 10047, STORE_FAILED})
"""The account's, the server's or the stream's room is used up."""


class Fault(Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class StoreReply(Struct, frozen=True):
    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: Fault | None = None


class Problem(Struct, frozen=True):
    """Why a message is not stored yet; neither text = nobody answered."""

    no_room: str = ""
    away: str = ""


def problem_of(fault: Fault) -> Problem:
    """What a fault is that may go away by itself."""
    if fault.err_code in NO_ROOM_CODES and SUBJECT_IS_FULL not in fault.description:
        return Problem(no_room=fault.description)
    return Problem(away=fault.description or "refused")


def problem_of_error(error: Exception) -> Problem:
    """The same of an attempt without an answer that can be read."""
    return Problem() if isinstance(error, TimeoutError) else Problem(away=str(error) or type(error).__name__)
