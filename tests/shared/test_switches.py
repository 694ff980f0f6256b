"""The table [switches] of the desk file: what makes no sense is told before a desk trades by it."""

from __future__ import annotations

import pytest
from signalbox.switches import REJECTIONS_COUNTED_MAX, Switches, switch_rule


@pytest.mark.parametrize(("value", "wrong"), [(0, "at least 1"), (-5, "at least 1"), (1, ""), (True, ""), ("x", "")])
def test_a_limit_is_at_least_one_or_left_out(value: object, wrong: str) -> None:
    told = [*switch_rule("switches.drift_seconds_max", "drift_seconds_max", value)]
    assert [wrong in each for each in told] == [True] * bool(wrong)


def test_more_rejections_than_are_counted_are_no_limit() -> None:
    path, name = "switches.rejections_per_minute_max", "rejections_per_minute_max"
    assert [*switch_rule(path, name, REJECTIONS_COUNTED_MAX)] == []
    [told] = switch_rule(path, name, REJECTIONS_COUNTED_MAX + 1)
    assert told.startswith(f"{path} is {REJECTIONS_COUNTED_MAX + 1}: more than")
    assert [*switch_rule("switches.drift_seconds_max", "drift_seconds_max", REJECTIONS_COUNTED_MAX + 1)] == []


def test_nothing_is_on_that_is_not_stated() -> None:
    assert not Switches().are_on
    assert Switches(stale_clock=True).are_on
