"""`signalbox limits` on a desk that trades: set, refused, compared and told, with who and why."""

from __future__ import annotations

from pathlib import Path

from tests.running_desk import RunningDesk

PROFILES = Path(__file__).resolve().parents[2] / "profiles"


def denied(desk: RunningDesk, quantity: str) -> str:
    done = desk.run("intent", "buy", quantity, "SPY", "--limit", "1")
    return done.stderr + done.stdout


def test_limits_are_set_while_the_desk_trades(desk: RunningDesk, tmp_path: Path) -> None:
    assert desk.run("limits", "show").stdout.startswith("version 0: those of the desk file\n")
    assert "limits version" not in desk.run("status").stdout
    whole = tmp_path / "before.toml"
    whole.write_text(desk.run("limits", "show", "--toml").stdout)
    try:
        _set_and_refused(desk)
    finally:
        back = desk.run("limits", "load", str(whole), "--reason", "as it was", "--loosen")
    assert (back.returncode, back.stderr) == (0, "")
    assert "one order may be for 7" not in denied(desk, "8")
    desk.until(lambda: len(desk.lines("limits", "history")) == 2, 60)
    assert [(each["version"], each["said"], each["by"]) for each in desk.lines("limits", "history")] == [
        (2, "set", "operator"),
        (1, "set", "operator"),
    ]
    used = desk.lines("limits", "use")
    assert {each["limit"] for each in used} >= {"gross_exposure_max", "open_orders_max"}


def _set_and_refused(desk: RunningDesk) -> None:
    made = desk.run("limits", "set", "symbol:SPY", "order_quantity_max=7", "--reason", "earnings today")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout == (
        "symbol:SPY order_quantity_max: not stated -> 7\nversion 1 holds from the next intent on, set by operator\n"
    )
    assert "one order may be for 7 at most (the limit of symbol:SPY)" in denied(desk, "8")
    desk.until(lambda: desk.run("limits", "show").stdout.startswith("version 1, set by operator at "), 60)
    assert desk.run("status").stdout.startswith("limits version 1 by operator: earnings today\n")
    looser = desk.run("limits", "set", "symbol:SPY", "order_quantity_max=9", "--reason", "quiet")
    assert looser.returncode == 2
    assert "looser: symbol:SPY order_quantity_max: 7 -> 9" in looser.stderr
    wrong = desk.run("limits", "set", "symbol:SPY", "order_quantity_max=999999", "--reason", "quiet", "--loosen")
    assert wrong.returncode == 2
    assert "the tightest holds, so that this never would" in wrong.stderr
    found = desk.lines("limits", "diff", str(PROFILES / "conservative.toml"))
    assert {"scope": "desk", "limit": "open_orders_max", "before": "20", "after": "6", "is then": "tighter"} in found
