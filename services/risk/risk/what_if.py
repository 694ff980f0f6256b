"""What would become of an intent if it were sent now: the gate that decides, asked without effect.

Owns the answer and how often one name may ask. It is made by the very code that decides, on the state that the next
decision is made on, which is only read: nothing is folded, stored, reserved or counted, and no id is used up. The
answer is another message than a decision, goes to who has asked alone, and bears no seal: nobody acts upon it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from signalbox import messages
from signalbox.clock import DeskClock
from signalbox.messages import IntentApproved, WhatIfAnswer, WouldBe

from risk import metrics
from risk.decide import decide
from risk.facts import Request
from risk.intents import Unreadable, read_intent
from risk.state import RiskState
from risk.waiting import waits
from risk.wording import moment

log = logging.getLogger(__name__)

ASKED_BURST_MAX, ASKED_PER_SECOND = 100.0, 20.0
"""Of one name: so many at a stretch, and so many a second for ever after."""
NAMES_MAX = 1_000
"""Whose questions are counted: names are accounts of the server, so there are few."""


class Holds(Protocol):
    """The lease, as far as it is asked."""

    def is_held(self) -> bool: ...


def what_if(state: RiskState, request: Request, at: datetime) -> WhatIfAnswer:
    """What would be said to a request at desk time `at`; the state is as it was."""
    intent = request.intent
    away = waits(state, intent, at)
    if intent is not None and away is not None:
        reason = f"{away.key[0]} is away: it would wait for its gateway until {moment(away.until)}, and be decided then"
        return WhatIfAnswer(would_be=WouldBe.WAITING, at=at, intent=intent, reason=reason)
    decision = decide(state, request, at)
    if isinstance(decision, IntentApproved):
        return WhatIfAnswer(
            would_be=WouldBe.APPROVED,
            at=at,
            intent=decision.intent,
            order=decision.order,
            passed=decision.passed,
            reference_price=decision.reference_price,
            estimated_commission=decision.estimated_commission,
            basis=decision.basis,
        )
    return WhatIfAnswer(
        would_be=WouldBe.DENIED,
        at=at,
        intent=decision.intent,
        reason=decision.reason,
        checks=decision.checks,
        also_failed=decision.also_failed,
        passed=decision.passed,
        would_pass=decision.would_pass,
        reference_price=decision.reference_price,
        basis=decision.basis,
    )


class WhatIfs:
    """Answers questions. `monotonic` gives seconds of wall time."""

    def __init__(
        self, state: RiskState, clock: DeskClock, lease: Holds, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._state, self._clock, self._lease, self._monotonic = state, clock, lease, monotonic
        self._asked: dict[str, tuple[float, float]] = {}
        """By name: how many more it may ask, and as of when."""

    async def answer(self, payload: bytes, asker: str = "") -> bytes:
        """What would become of an intent of `asker`, in bytes; every failure is an answer with an error."""
        try:
            answer = self._answer(payload, asker)
        except Exception as error:  # the outer edge: whatever it is, who asked gets to know
            log.exception("a question could not be answered", extra={"sender": asker})
            answer = _unknown(f"risk could not judge the intent: {type(error).__name__}")
        metrics.WHAT_IFS.labels(answer.would_be.lower()).inc()
        return messages.encode(answer)

    def _answer(self, payload: bytes, asker: str) -> WhatIfAnswer:
        if not self._lease.is_held():
            return _unknown("this process of risk does not decide now: ask again")
        if not self._may_ask(asker):
            return _unknown(
                f"{asker or 'nobody'} has asked too often: {ASKED_PER_SECOND:g} questions a second are answered, and "
                f"{ASKED_BURST_MAX:g} at a stretch. Ask again later."
            )
        now = self._clock.now()
        read = read_intent(payload, now)
        error = read.reason if isinstance(read, Unreadable) else ""
        intent = None if isinstance(read, Unreadable) else read
        request = Request(sequence=0, intent=intent, by=asker, error=error, clock_is_stale=self._clock.is_stale())
        return what_if(self._state, request, now)

    def _may_ask(self, asker: str) -> bool:
        now_seconds = self._monotonic()
        left, since = self._asked.get(asker, (ASKED_BURST_MAX, now_seconds))
        left = min(ASKED_BURST_MAX, left + (now_seconds - since) * ASKED_PER_SECOND)
        if left < 1.0:
            return False
        if asker not in self._asked and len(self._asked) >= NAMES_MAX:
            del self._asked[next(iter(self._asked))]
        self._asked[asker] = left - 1.0, now_seconds
        return True


def _unknown(error: str) -> WhatIfAnswer:
    return WhatIfAnswer(would_be=WouldBe.UNKNOWN, error=error)
