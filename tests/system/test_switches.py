"""`signalbox halt` and `resume` of one symbol, on a desk that trades: in force for that one alone, with who and why."""

from __future__ import annotations

import pytest

from tests.running_desk import RunningDesk


def outcome(desk: RunningDesk, symbol: str) -> str:
    done = desk.run("intent", "buy", "50000", symbol)  # denied anyway: why is asked
    return done.stdout + done.stderr


def test_one_symbol_is_halted_and_armed_again_by_name_and_with_a_reason(desk: RunningDesk) -> None:
    said = "its split is not booked yet"
    halted = desk.run("halt", said, "--symbol", "AAPL")
    assert (halted.returncode, halted.stderr) == (0, "")
    assert halted.stdout.startswith("trading in AAPL at ibkr ")
    assert halted.stdout.endswith(" is HALTED\n")
    try:
        desk.until(lambda: f"trading in AAPL is halted by operator: {said}" in outcome(desk, "AAPL"), 60)
        assert "halted" not in outcome(desk, "SPY")
        assert f"is HALTED by operator: {said}" in desk.run("status").stdout
        reducing = desk.run("resume", "only out", "--symbol", "AAPL", "--reduce-only")
        assert reducing.stdout.endswith(" is REDUCING\n")
        desk.until(lambda: "only orders that reduce a position are let through in AAPL" in outcome(desk, "AAPL"), 60)
    finally:
        assert desk.run("resume", "it is booked", "--symbol", "AAPL").returncode == 0
    desk.until(lambda: "in AAPL" not in outcome(desk, "AAPL"), 60)
    assert "AAPL" not in desk.run("status").stdout.splitlines()[0]
    acts = desk.lines("books", "list", "--symbol", "AAPL")
    assert [(act["type"], act["outcome"], act["by"]) for act in acts] == [("SwitchTrading", "BOOKED", "operator")] * 3


def denied_by(desk: RunningDesk, *words: str) -> str:
    done = desk.run("intent", "buy", "50000", *words)
    return done.stdout + done.stderr


def test_a_venue_and_a_strategy_are_switched_with_who_and_why_and_the_rest_goes_on(desk: RunningDesk) -> None:
    try:
        assert (
            desk.run("halt", "maintenance", "--venue", "dydx", "--reducing").stdout == "trading at dydx is REDUCING\n"
        )
        told = "trading of strategy trend is HALTED\n"
        assert desk.run("halt", "it repeats itself", "--strategy", "trend").stdout == told
        reason = "trading of strategy trend is halted by operator: it repeats itself"
        desk.until(lambda: reason in denied_by(desk, "SPY", "--strategy", "trend"), 60)
        assert "halted" not in denied_by(desk, "SPY", "--strategy", "other")
        assert "are let through at dydx (operator: maintenance)" in denied_by(desk, "BTC-USD")
        status, today = desk.run("status").stdout, desk.run("today").stdout
        for each in ("dydx is REDUCING by operator: maintenance", "strategy trend is HALTED by operator: it repeats"):
            assert each in status
            assert each in today
        assert "venue dydx" in today
    finally:
        assert desk.run("resume", "done", "--venue", "dydx").returncode == 0
        assert desk.run("resume", "mended", "--strategy", "trend").stdout == "trading of strategy trend is ACTIVE\n"
    desk.until(lambda: "halted" not in denied_by(desk, "SPY", "--strategy", "trend"), 60)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("halt", "--symbol", "SPY"), "say why"),
        (("halt", "--venue", "ibkr"), "say why"),
        (("halt", "why", "--strategy", "trend", "--venue", "ibkr"), "wherever it trades"),
    ],
)
def test_what_makes_no_sense_of_a_switch_is_said(desk: RunningDesk, words: tuple[str, ...], told: str) -> None:
    done = desk.run(*words)
    assert done.returncode == 2
    assert told in done.stderr
    assert desk.lines("status")[0]["service"]
