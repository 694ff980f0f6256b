"""What the cases hold to be told twice."""

from __future__ import annotations

from collections import Counter

import pytest
from signalbox.gateway import reports
from signalbox.gateway.state import AnyState, AnyTracked, track
from signalbox.messages import Report

from tests.shared.gateway.orders import AT, claim_of, empty_state
from tests.venue.agreement import facts_of


@pytest.mark.parametrize(
    ("story", "twice"),
    [
        (["held", "unknown", "held"], False),
        (["held", "released", "held", "released"], False),
        (["held", "held"], True),
        (["held", "released", "released"], True),
    ],
)
def test_held_is_told_twice_unless_it_was_something_else_in_between(story: list[str], twice: bool) -> None:
    state = empty_state()
    tracked = track(state, claim_of(), 1)
    told = [report for number, word in enumerate(story) for report in _told(state, tracked, word, number)]
    assert len(told) == len(story)
    assert (max(Counter(facts_of(told)).values(), default=0) > 1) is twice


def _told(state: AnyState, tracked: AnyTracked, word: str, number: int) -> list[Report]:
    """One more report, whatever the gateway's own memory says."""
    tracked.held = "" if word == "held" else "a reason"
    tracked.holds += number
    if word == "unknown":
        return [*reports.unknown(state, tracked, AT, "why")]
    return [*(reports.held(state, tracked, AT, "why") if word == "held" else reports.released(state, tracked, AT))]
