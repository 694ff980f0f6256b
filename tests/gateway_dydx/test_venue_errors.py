"""A refusal is believed only where the chain surely has nothing; everything else is asked."""

from __future__ import annotations

import pytest
from gateway_dydx.venue_errors import Verdict, cancel_verdict, code_text, problem_of, sentence
from signalbox.gateway.venue import CancelVerdict


@pytest.mark.parametrize("space", ["", "sdk", "clob"])
def test_code_0_is_accepted_in_any_space(space: str) -> None:
    assert problem_of(space, 0).verdict is Verdict.ACCEPTED
    assert cancel_verdict(space, 0) is CancelVerdict.ACCEPTED


@pytest.mark.parametrize(("space", "code"), [("sdk", 19), ("clob", 20), ("clob", 24), ("clob", 2004), ("clob", 3005)])
def test_codes_that_say_it_is_there_are_no_refusals(space: str, code: int) -> None:
    assert problem_of(space, code).verdict is Verdict.PRESENT
    assert not problem_of(space, code).again


@pytest.mark.parametrize(("space", "code"), [("clob", 77_777), ("sdk", 1), ("undefined", 1), ("wasm", 5), ("sdk", 20)])
def test_an_unknown_code_means_ask(space: str, code: int) -> None:
    assert problem_of(space, code).verdict is Verdict.UNKNOWN
    assert cancel_verdict(space, code) is CancelVerdict.UNKNOWN


@pytest.mark.parametrize(
    ("space", "code"),
    [("sdk", 4), ("clob", 10), ("clob", 12), ("clob", 48), ("clob", 2003), ("clob", 3007), ("clob", 9003)],
)
def test_a_refusal_has_a_sentence_with_advice(space: str, code: int) -> None:
    assert problem_of(space, code).verdict is Verdict.REFUSED
    text = sentence(space, code, "the chain's text")
    assert text.startswith(f"the chain's text ({space}/{code}). ")
    assert text.endswith((".", "?"))


@pytest.mark.parametrize(("space", "code"), [("sdk", 32), ("clob", 5001), ("clob", 47)])
def test_what_may_pass_can_be_tried_again_with_the_same_client_id(space: str, code: int) -> None:
    problem = problem_of(space, code)
    assert problem.verdict is Verdict.REFUSED
    assert problem.again


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (9, CancelVerdict.ACCEPTED),
        (32, CancelVerdict.ACCEPTED),
        (3006, CancelVerdict.GONE),
        (3010, CancelVerdict.GONE),
        (2, CancelVerdict.GONE),
        (29, CancelVerdict.REFUSED),
        (11, CancelVerdict.REFUSED),
        (20, CancelVerdict.UNKNOWN),
    ],
)
def test_a_cancels_codes_mean_the_cancel(code: int, verdict: CancelVerdict) -> None:
    assert cancel_verdict("clob", code) is verdict


def test_a_code_without_a_text_still_says_which() -> None:
    assert sentence("clob", 99, "") == "the chain gave no text (clob/99)"
    assert code_text("clob", 2003) == "clob/2003"
