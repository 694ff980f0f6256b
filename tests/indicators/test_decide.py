"""Whether the score of a bar may be stored, by the last one that is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from indicators.decide import Fence, fence
from indicators.state import LastScore, Series

OPEN = datetime(2020, 12, 15, 14, 30, tzinfo=UTC)  # 09:30 in New York
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("last_minute", "verdict"),
    [
        (
            -5,
            Fence.OPEN,
        ),  # scores older than the bar before: those between were never stored, or have reached their age
        (3, Fence.OPEN),  # that of the bar before
        (4, Fence.BEHIND),  # of a bar that the series has not seen
        (5, Fence.DONE),
        (6, Fence.DONE),
    ],
)
def test_last_stored_score_says_whether_the_next_may_be_stored(last_minute: int, verdict: Fence) -> None:
    last = LastScore(sequence=7, bar_start=OPEN + MINUTE * last_minute)
    assert fence(last, series_start=OPEN + MINUTE * 3, bar_start=OPEN + MINUTE * 5) is verdict


def test_first_score_of_a_series_needs_no_other() -> None:
    assert fence(LastScore(), series_start=Series().last_start, bar_start=OPEN) is Fence.OPEN
