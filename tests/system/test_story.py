"""`signalbox order`: all that the record has of one order, in its order, and what it has come to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.running_desk import RunningDesk

from .test_trading import approved_id, far_limit, status_of


def parts(desk: RunningDesk, *words: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {
        part: [] for part in ("story", "now", "hops", "protection", "stood", "unprotected", "schedule")
    }
    for line in desk.lines("order", *words):
        found[line["part"]].append(line)
    return found


def said(desk: RunningDesk, order_id: str) -> list[str]:
    return [line["what"] for line in parts(desk, order_id)["story"]]


def test_a_filled_order_is_told_from_its_intent_to_its_fee(desk: RunningDesk) -> None:
    order_id = approved_id(desk, "buy", "30", "AAPL", "--note", "as in the plan")
    desk.until(lambda: desk.query(f"SELECT 1 FROM commissions WHERE order_id = '{order_id}'"), 60)
    found = parts(desk, order_id)
    whats = [line["what"] for line in found["story"]]
    for before, after in (
        ("OrderIntent", "APPROVED"),
        ("APPROVED", "SubmitOrder"),
        ("SubmitOrder", "LedgerClaimed"),
        ("LedgerClaimed", "LedgerSent"),
        ("VenueFill", "OrderFilled"),
        ("VenueCommission", "CommissionBooked"),
    ):
        assert whats.index(before) < whats.index(after), whats
    assert found["story"][0]["who"] == "user"
    assert "as in the plan" in found["story"][0]["said"]
    assert all(line["after_milliseconds"] >= 0 for line in found["story"][1:])
    assert {line["who"] for line in found["story"]} == {"user", "risk", "oms", "gateway-ibkr", "ibkr"}
    [now] = found["now"]
    [fill] = desk.query(f"SELECT price, quantity FROM fills WHERE order_id = '{order_id}'")
    assert (now["status"], now["filled"], fill["quantity"]) == ("FILLED", "30", "30")
    assert now["average_price"] == float(fill["price"])
    assert [hop["hop"] for hop in found["hops"]] == [
        "intent_to_decision", "decision_to_command", "command_to_venue", "venue_to_report", "report_to_event",
    ]  # fmt: skip
    assert all(hop["milliseconds"] >= 0 for hop in found["hops"])
    assert now["fees"].endswith(" USD")
    assert (found["stood"], found["unprotected"]) == ([], [])
    sequence = desk.query(f"SELECT min(sequence) AS place FROM order_events WHERE order_id = '{order_id}'")[0]["place"]
    [begun] = parts(desk, order_id, "--as-of", str(sequence))["now"]
    assert (begun["status"], begun["filled"], begun["average_price"]) == ("PENDING_NEW", "0", None)
    done = desk.query(f"SELECT max(sequence) AS place FROM order_events WHERE order_id = '{order_id}'")[0]["place"]
    [then] = [
        line for line in desk.lines("positions", "--all", "--as-of", str(sequence)) if line["symbol"] == "AAPL"
    ] or [{"quantity": "0"}]
    [later] = [line for line in desk.lines("positions", "--as-of", str(done)) if line["symbol"] == "AAPL"]
    assert Decimal(later["quantity"]) - Decimal(then["quantity"]) == 30


def test_a_cancel_belongs_to_its_orders_story_and_a_working_stop_protects_what_is_held(desk: RunningDesk) -> None:
    held = approved_id(desk, "buy", "20", "SPY")
    desk.until(lambda: status_of(desk, held) == "FILLED", 60)
    stop = approved_id(desk, "sell", "15", "SPY", "--stop", "421")
    resting = far_limit(desk)
    desk.until(lambda: status_of(desk, stop) == status_of(desk, resting) == "NEW", 60)
    protecting = {line["order_id"]: (line["open"], line["stop_price"]) for line in parts(desk, held)["protection"]}
    assert protecting[stop] == ("15", "421")
    assert resting not in protecting
    changed = desk.run("modify", resting, "--quantity", "3", "--follow")
    assert (changed.returncode, changed.stderr) == (0, "")
    assert "PENDING_REPLACE" in changed.stdout
    assert desk.run("cancel", resting).returncode == 0
    assert desk.run("cancel", "--all", "--symbol", "SPY").returncode == 0
    desk.until(lambda: status_of(desk, stop) == status_of(desk, resting) == "CANCELED", 60)
    whats = said(desk, resting)
    assert whats.index("OrderAccepted") < whats.index("ModifyIntent") < whats.index("ModifyOrder")
    assert whats.index("ModifyOrder") < whats.index("OrderReplaced") < whats.index("CancelIntent")
    assert whats.index("OrderAccepted") < whats.index("CancelIntent") < whats.index("CancelOrder")
    assert whats.index("CancelOrder") < whats.index("OrderCanceled")
    assert said(desk, stop).index("MassCancelIntent") < said(desk, stop).index("CancelOrder")
    assert stop not in {line["order_id"] for line in parts(desk, held)["protection"]}


def test_a_bracket_is_one_story_and_is_cancelled_as_one(desk: RunningDesk) -> None:
    words = (
        "bracket",
        "buy",
        "10",
        "SPY",
        "--stop",
        "20%",
        "--target",
        "1R@50%",
        "--target",
        "2R",
        "--stop-at",
        "1s=-19%",
        "--hold-at-most",
        "300d",
        "--id",
        "b-story-1",
    )
    answer = desk.run(*words)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("approved: b-story-1 (")
    legs = [f"b-story-1.{leg}" for leg in ("stop", "target1", "stop-2", "target2")]
    desk.until(lambda: all(status_of(desk, leg) == "NEW" for leg in legs), 60)
    found = parts(desk, "b-story-1")
    whats = [line["what"] for line in found["story"]]
    assert whats.index("OrderListIntent") < whats.index("APPROVED") < whats.index("ListCreated")
    assert {line["order_id"] for line in found["now"]} == {"b-story-1.entry", *legs}
    assert found["stood"] == []  # its stops left with its entry: none has had to come after a fill
    assert {line["order_id"] for line in found["protection"]} >= {"b-story-1.stop", "b-story-1.stop-2"}
    assert any("b-story-1.stop" in (line["said"] or "") for line in found["story"])
    desk.until(lambda: [line["stands"] for line in parts(desk, "b-story-1")["schedule"]] == ["DONE", "NEXT"], 60)
    moved, held = parts(desk, "b-story-1")["schedule"]
    assert (moved["step"], moved["action"], moved["wished"]) == (1, "MOVE_STOP", "after 1 s by -19 PERCENT")
    assert moved["said"].startswith("the stop of stop goes to ")
    assert (held["action"], held["taken_at"]) == ("CLOSE_POSITION", None)
    assert held["due"] > moved["due"]
    desk.until(lambda: all(status_of(desk, leg) == "NEW" for leg in legs), 60)
    cancel = desk.run("cancel", "b-story-1")
    assert cancel.returncode == 0, cancel.stderr
    desk.until(lambda: all(status_of(desk, leg) == "CANCELED" for leg in legs), 60)
    assert "what of it happens at times of its own:" in desk.run("order", "b-story-1").stdout


def test_a_denied_order_has_the_reason_and_what_nobody_knows_is_said(desk: RunningDesk) -> None:
    denied = desk.run("intent", "buy", "50000", "SPY", "--id", "far-too-many")
    assert denied.returncode == 3
    desk.until(lambda: status_of(desk, "far-too-many") == "DENIED", 60)
    told = desk.run("order", "far-too-many")
    assert (told.returncode, told.stderr) == (0, "")
    assert "DENIED" in told.stdout
    assert "one order may be for 5000 at most" in told.stdout
    for words in (("order", "no-such-order"), ("order", "far-too-many", "--venue", "dydx")):
        nothing = desk.run(*words)
        assert (nothing.returncode, nothing.stdout) == (1, "")
        assert "nothing is recorded of an order" in nothing.stderr


def test_quotes_and_braces_in_a_name_are_a_name(desk: RunningDesk) -> None:
    for name in ("' OR 1=1 --", "{id}", "%s", "x'; SELECT 1"):
        assert desk.run("order", name).returncode == 1
