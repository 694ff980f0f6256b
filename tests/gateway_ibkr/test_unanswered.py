"""A question without an answer has a name, and a setting of TWS behind it."""

from __future__ import annotations

import pytest
from gateway_ibkr.unanswered import Question, unanswered, words


@pytest.mark.parametrize("question", list(Question))
def test_every_question_is_named_as_tws_names_it_with_the_time_that_it_had(question: Question) -> None:
    told = unanswered(question, 15.0)
    assert words(question) in told
    assert "(req" in words(question) or "(placeOrder" in words(question)
    assert "within 15 s" in told


@pytest.mark.parametrize(
    ("question", "setting"),
    [
        (Question.EXECUTIONS, "UTC format"),
        (Question.COMPLETED_ORDERS, "Read-Only API"),
        (Question.OPEN_ORDERS, "Read-Only API"),
        (Question.ACCOUNT, "several accounts"),
        (Question.CONTRACT, "2157"),
    ],
)
def test_what_is_known_to_cause_it_is_said(question: Question, setting: str) -> None:
    assert setting in unanswered(question, 15.0)
