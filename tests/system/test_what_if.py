"""`signalbox whatif` and `why` on a desk that trades: what would become of it is what becomes of it."""

from __future__ import annotations

import json

import pytest

from tests.running_desk import RunningDesk

ASKED = (
    (("buy", "3", "SPY"), 0),
    (("buy", "999999", "SPY"), 3),
    (("sell", "3", "SPY", "--limit", "1"), 3),
    (("bracket", "buy", "5", "AAPL", "--stop", "5%", "--target", "2R"), 0),
    (("bracket", "buy", "99999", "AAPL", "--stop", "5%", "--target", "2R"), 3),
    (("buy", "0.002", "BTC-USD", "--limit", "300000"), 3),
    (("target", "AAPL", "4"), 0),
    (("cancel", "--all", "--strategy", "nobody-s"), 0),
    (("flatten", "--symbol", "0700.HK"), 0),
)


def traces(desk: RunningDesk) -> list[list[object]]:
    """What intents leave behind that are of nobody else's test."""
    asked = "intent_id LIKE 'asked-%'"
    return [list(row.values()) for row in desk.query(f"SELECT count(*) AS n FROM decisions WHERE {asked}")]


@pytest.mark.parametrize(("words", "status"), ASKED)
def test_the_gate_is_asked_and_nothing_is_left_behind(desk: RunningDesk, words: tuple[str, ...], status: int) -> None:
    before = traces(desk)
    named = () if words[0] == "cancel" else ("--id", f"asked-{'-'.join(words[:3]).lower().replace('.', '-')}")
    done = desk.run("whatif", *words, *named)
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout.startswith("would be denied: " if status else "would be approved: ")
    assert traces(desk) == before


def test_what_would_be_approved_is(desk: RunningDesk) -> None:
    words = ("buy", "2", "AAPL", "--id", "what-if-then")
    assert desk.run("whatif", *words).returncode == 0
    assert desk.run("intent", *words, "--follow").returncode == 0
    again = desk.run("whatif", *words)
    assert again.returncode == 3
    assert "duplicate intent id" in again.stdout


def test_why_tells_what_would_have_passed_and_the_next_order_passes(desk: RunningDesk) -> None:
    assert desk.run("intent", "buy", "999999", "SPY", "--id", "why-large").returncode == 3
    desk.until(lambda: desk.run("why", "why-large").returncode == 0, 60)  # the record is a second behind
    told = desk.run("why", "why-large").stdout
    assert "DENIED at " in told
    assert "decided by order_quantity" in told
    [largest] = [line for line in told.splitlines() if "the largest quantity: " in line]
    a_little_less = int(largest.rpartition(" ")[2]) * 19 // 20  # the market goes on meanwhile
    assert desk.run("whatif", "buy", str(a_little_less), "SPY").returncode == 0
    decision = json.loads(desk.run("why", "why-large", "--json").stdout)
    assert decision["would_pass"]["quantity"] == largest.rpartition(" ")[2]
    assert desk.run("why", "nobody-s").returncode == 1
