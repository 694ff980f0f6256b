"""What a client asks risk: what would become of an intent, which is not sent."""

from __future__ import annotations

from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.client.answers import AnswerError, read_what_if
from signalbox.errors import BusAnswerError, BusUnavailableError, QuestionRefusedError
from signalbox.messages import Intent, WhatIfAnswer

WHAT_IF_SECONDS_MAX = 5.0


async def what_if(bus: Bus, intent: Intent) -> WhatIfAnswer:
    """Ask risk. Raises `QuestionRefusedError` with its sentence, `BusUnavailableError` when it does not answer."""
    question = messages.encode(intent)
    try:
        answer = await bus.request(subjects.WHAT_IF, question, WHAT_IF_SECONDS_MAX, of_service=True)
    except BusAnswerError:
        raise AnswerError("risk's", "it is to another question") from None
    except BusUnavailableError:
        raise BusUnavailableError("risk does not answer: is it running? (`signalbox status`)") from None
    found = read_what_if(answer)
    if found.error:
        raise QuestionRefusedError(found.error)
    return found
