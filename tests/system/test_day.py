"""What happened, asked of a desk on which something did."""

from __future__ import annotations

from decimal import Decimal

from tests.running_desk import RunningDesk


def test_a_fill_is_in_fills_pnl_and_today_and_all_say_the_same(desk: RunningDesk) -> None:
    assert desk.run("intent", "buy", "3", "AAPL", "--strategy", "of-today", "--follow").returncode == 0
    desk.until(lambda: desk.lines("fills", "--strategy", "of-today"), 60)
    [fill] = desk.lines("fills", "--strategy", "of-today", "--symbol", "AAPL", "--venue", "ibkr")
    assert Decimal(fill["value"]) == 3 * Decimal(fill["price"])
    [made] = [row for row in desk.lines("pnl", "--by", "strategy") if row["strategy"] == "of-today"]
    assert (made["symbol"], made["quantity"], made["realized"]) == ("AAPL", "3", "0")
    [symbol] = [row for row in desk.lines("pnl") if row["symbol"] == "AAPL"]
    names = ("realized", "unrealized", "commission", "funding", "income", "net")
    parts = {name: Decimal(symbol[name]) for name in names}
    before_fees = parts["realized"] + parts["unrealized"] + parts["funding"] + parts["income"]
    assert parts["net"] == before_fees - parts["commission"]
    [day] = desk.lines("today")
    assert day["day"] == "2024-03-05"
    assert "AAPL" in {row["symbol"] for row in day["pnl"]}
    assert "of-today" in {row["strategy"] for row in day["strategies"]}
    assert ("AAPL", "BUY") in {(row["symbol"], row["side"]) for row in day["fills"]}
    told = desk.run("today").stdout
    assert told.startswith("2024-03-05, by the desk's clock, in UTC\n")
    assert "\nneeds attention:\n" in told


def test_a_denial_and_a_working_order_are_in_the_day(desk: RunningDesk) -> None:
    assert desk.run("intent", "buy", "1", "TSLA", "--id", "denied-today").returncode == 3
    assert desk.run("intent", "buy", "1", "SPY", "--limit", "420", "--id", "works-today").returncode == 0
    try:
        desk.until(lambda: any(row["order_id"] == "works-today" for row in desk.lines("today")[0]["working"]), 60)
        [day] = desk.lines("today")
        assert "instrument_allowed" in {row["check"] for row in day["denials"]}
    finally:
        assert desk.run("cancel", "works-today").returncode == 0
    denied = desk.lines("orders", "--denied")
    assert {row["status"] for row in denied} == {"DENIED"}
    assert "denied-today" in {row["order_id"] for row in denied}


def test_a_day_on_which_nothing_happened_is_one(desk: RunningDesk) -> None:
    [day] = desk.lines("today", "--day", "2001-01-01")
    assert (day["pnl"], day["strategies"], day["fills"], day["denials"], day["switches"]) == ([], [], [], [], [])


def test_what_a_desk_has_traded_can_be_audited(desk: RunningDesk) -> None:
    desk.run("intent", "buy", "1", "AAPL", "--follow")
    desk.until(lambda: desk.query("SELECT 1 AS one FROM fills LIMIT 1"), 60)
    rows = desk.run("query", "SELECT * FROM fills ORDER BY sequence DESC", "--json").stdout
    (desk.folder.parent / "fills.jsonl").write_text(rows + rows)
    done = desk.run("audit", str(desk.folder.parent / "fills.jsonl"))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(rows.splitlines())
    assert "repeat an execution that counts once" in done.stderr or "repeats an execution" in done.stderr
