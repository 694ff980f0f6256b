"""What JetStream answers to what is published, matched by the subject on which it is to answer.

Owns that an answer counts however late it comes: under a flood the server stores at once and says so after seconds, and
whoever listened to his last attempt alone would ask again for as long as the flood lasts. All attempts to have one
message stored have one reply subject. It must not know what is published, nor what an answer means.
"""

from __future__ import annotations

import asyncio

from signalbox.bus.client import BusClient, nobody_listens
from signalbox.bus.wire import Delivery
from signalbox.errors import BusPermissionError

ATTEMPT_SECONDS_MAX = 2.0


class Question:
    """Whether one message is stored, from `with` to its end. `answer` is what comes next, of whichever attempt."""

    __slots__ = ("_loop", "_open", "answer", "is_known", "reply", "subject")

    def __init__(self, subject: str, open_questions: dict[bytes, Question]) -> None:
        self.subject, self.reply = subject, ""
        self._open = open_questions
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[bytes] = self._loop.create_future()
        self.is_known = False
        """Whether who asks has `answer`: whatever comes from then on is another one."""

    def __enter__(self) -> Question:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.pop(self.reply.encode(), None)
        if self.answer.done() and not self.answer.cancelled():
            self.answer.exception()  # nobody wants it any more

    def next_answer(self) -> asyncio.Future[bytes]:
        """The answer that is not known yet."""
        if self.is_known:
            self.answer, self.is_known = self._loop.create_future(), False
        return self.answer

    def fail(self, error: Exception) -> None:
        """Whoever waits, waits in vain."""
        answer = self.next_answer()
        if not answer.done():
            answer.set_exception(error)


class Answers:
    """The questions of one connection that are open, with an inbox of their own."""

    def __init__(self, client: BusClient) -> None:
        self._client = client
        self._inbox = ""
        self._number = 0
        self._open: dict[bytes, Question] = {}

    def refused(self, subject: str) -> None:
        """NATS has refused a publish on `subject` (in lower case): whoever waits for its answer waits in vain."""
        for question in self._open.values():
            if question.subject.lower() == subject:
                question.fail(BusPermissionError(f"NATS does not let this user publish on {question.subject}"))

    def reconnected(self) -> None:
        """Answers to what was sent before may be lost: try again now."""
        for question in self._open.values():
            question.fail(ConnectionError("the connection was lost before the answer"))

    def question(self, subject: str) -> Question:
        """Ask about one message, which is published on `subject`, as often as need be."""
        return Question(subject, self._open)

    async def ask(self, question: Question, payload: bytes, headers: dict[str, str]) -> bytes:
        """JetStream's answer to an earlier attempt, if it has come meanwhile; else publish, and wait for the next one.

        Raises `TimeoutError` after `ATTEMPT_SECONDS_MAX`.
        """
        if not question.reply:
            await self._open_for(question)
        answer = question.next_answer()
        overdue = answer.get_loop().call_later(ATTEMPT_SECONDS_MAX, question.fail, TimeoutError("no answer"))
        try:
            if not answer.done():
                await self._client.publish(question.subject, payload, reply=question.reply, headers=headers)
            return await answer
        finally:
            overdue.cancel()
            question.is_known = True

    async def _open_for(self, question: Question) -> None:
        if not self._inbox:
            inbox = self._client.new_inbox()
            await self._client.listen(f"{inbox}.*", self._answered)
            self._inbox = inbox
        self._number += 1
        question.reply = f"{self._inbox}.{self._number}"
        self._open[question.reply.encode()] = question

    def _answered(self, delivery: Delivery) -> None:
        question = self._open.get(delivery.subject)
        if question is None:
            return
        if nobody_listens(delivery):  # so no such stream (yet)
            question.fail(ConnectionError(f"no stream stores {question.subject}"))
            return
        answer = question.next_answer()
        if not answer.done():
            answer.set_result(delivery.payload)
