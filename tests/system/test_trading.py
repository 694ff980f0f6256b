"""Trading from the command line: what each kind of intent becomes, and what the exit status says."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.running_desk import RunningDesk

FAR_BELOW = "420"
"""SPY trades above 430: a buy limit there rests (and is inside the collar of 5 %)."""


def approved_id(desk: RunningDesk, *words: str) -> str:
    """Publish an intent that must be approved; its order id."""
    [decision] = desk.lines("intent", *words)
    assert decision["type"] == "IntentApproved", decision
    return str(decision["order_id"])


def status_of(desk: RunningDesk, order_id: str) -> str | None:
    rows = desk.query(f"SELECT status FROM orders WHERE order_id = '{order_id}'")
    return str(rows[0]["status"]) if rows else None


def far_limit(desk: RunningDesk) -> str:
    return approved_id(desk, "buy", "10", "SPY", "--limit", FAR_BELOW)


def test_market_order_is_followed_to_its_fill(desk: RunningDesk) -> None:
    done = desk.run("intent", "buy", "100", "SPY", "--follow")
    assert (done.returncode, done.stderr) == (0, "")
    first, *events = done.stdout.splitlines()
    assert first.startswith("approved: i-20240305-")
    [filled] = [line for line in events if " FILLED " in line and "commission" not in line]
    assert filled.endswith("0 left")


def test_followed_order_is_one_message_a_line_for_programs(desk: RunningDesk) -> None:
    decision, *events = desk.lines("intent", "buy", "10", "AAPL", "--follow")
    kinds = [event["type"] for event in events]
    assert (decision["type"], kinds[0]) == ("IntentApproved", "OrderCreated")
    assert "OrderFilled" in kinds
    assert {event["order_id"] for event in events} == {decision["order_id"]}


def test_limit_order_rests_and_is_canceled(desk: RunningDesk) -> None:
    order_id = far_limit(desk)
    desk.until(lambda: status_of(desk, order_id) == "NEW")
    assert order_id in desk.run("orders", "--working").stdout
    done = desk.run("cancel", order_id, "--follow")
    assert (done.returncode, done.stderr) == (0, "")
    assert " CANCELED" in done.stdout
    desk.until(lambda: status_of(desk, order_id) == "CANCELED")
    assert order_id not in desk.run("orders", "--working").stdout


def test_all_that_works_is_canceled_at_once_and_what_is_named_is_all_there_is(desk: RunningDesk) -> None:
    orders = [far_limit(desk) for _ in range(3)]
    for order_id in orders:
        desk.until(lambda order_id=order_id: status_of(desk, order_id) == "NEW")
    nothing = desk.run("cancel", "--all", "--symbol", "AAPL", "--strategy", "nobody's")
    assert (nothing.returncode, nothing.stderr) == (0, "")
    assert " for no order: none works that has all that is named (7 checks passed" in nothing.stdout
    wrong = desk.run("cancel", "--all", "--account", "DU9")
    assert wrong.returncode == 3
    assert wrong.stdout.startswith("denied: the desk has no account 'DU9'; it has ")
    own = approved_id(desk, "buy", "10", "SPY", "--limit", FAR_BELOW, "--strategy", "mine")
    of_it = desk.run("cancel", "--all", "--strategy", "mine", "--follow")
    assert (of_it.returncode, {line.split(" ")[1] for line in of_it.stdout.splitlines()[1:-1]}) == (0, {own})
    done = desk.run("cancel", "--all", "--symbol", "SPY", "--venue", "ibkr", "--follow")
    assert (done.returncode, done.stderr) == (0, "")
    first, *events, last = done.stdout.splitlines()
    assert " for 3 orders (7 checks passed; sent by user)" in first
    assert {line.split(" ")[1] for line in events} == set(orders)
    assert last == "3 CANCELED"
    name = first.split(" ")[1]
    desk.until(lambda: desk.run("explain", name).returncode == 0, 60)  # the record is a little behind
    assert "3 orders work" in desk.run("explain", name).stdout
    assert desk.run("replay", "decisions").returncode == 0


def test_who_may_only_look_cancels_nothing(desk: RunningDesk) -> None:
    order_id = far_limit(desk)
    desk.until(lambda: status_of(desk, order_id) == "NEW")
    assert desk.run("people", "add", "looker", "--role", "viewer").returncode == 0
    done = desk.run("--as", "looker", "cancel", "--all")
    assert (done.returncode, done.stdout) == (1, "")
    assert "looker" in done.stderr
    assert status_of(desk, order_id) == "NEW"
    assert desk.run("cancel", "--all", "--symbol", "SPY").returncode == 0
    desk.until(lambda: status_of(desk, order_id) == "CANCELED")


@pytest.mark.parametrize("terms", [["sell", "10", "SPY", "--stop", "425"], ["buy", "10", "SPY", "--on-close"]])
def test_order_that_waits_is_working(desk: RunningDesk, terms: list[str]) -> None:
    order_id = approved_id(desk, *terms)
    desk.until(lambda: status_of(desk, order_id) == "NEW")
    assert desk.run("cancel", order_id).returncode == 0
    desk.until(lambda: status_of(desk, order_id) == "CANCELED")


def test_number_of_hong_kong_is_its_symbol(desk: RunningDesk) -> None:
    done = desk.run("intent", "buy", "100", "700", "--json")
    decision = json.loads(done.stdout)
    assert decision["intent"]["symbol"] == "0700.HK"
    assert done.returncode == (0 if decision["type"] == "IntentApproved" else 3)


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        (["buy", "50000", "SPY"], "5000"),
        (["buy", "100", "TSLA"], "TSLA"),
        (["buy", "-5", "SPY"], "quantity"),
        (["buy", "0", "SPY"], "quantity"),
        (["buy", "1.5", "SPY"], "1.5"),
        (["buy", "10", "SPY", "--limit", "0.001"], "price"),
        (["buy", "10", "SPY", "--limit", "2000"], "more than 5.00%"),
        (["buy", "10", "SPY", "--venue", "nowhere"], "nowhere"),
        (["buy", "10", "SPY", "--account", "DU9"], "DU9"),
        (["buy", "10", "SPY", "--id", "no spaces please"], "id"),
        (["buy", "10", "SPY", "--limit", "400", "--tif", "GTD"], "good"),
        (["buy", "10", "SPY", "--tif", "GTC"], "use DAY"),
    ],
)
def test_denied_intent_says_why_with_status_3(desk: RunningDesk, terms: list[str], reason: str) -> None:
    done = desk.run("intent", *terms)
    assert (done.returncode, done.stderr) == (3, ""), done
    first = done.stdout.splitlines()[0]
    assert first.startswith("denied: ")
    assert reason.lower() in first.lower()


def test_intent_id_is_good_once(desk: RunningDesk) -> None:
    assert desk.run("intent", "buy", "1", "SPY", "--id", "only-once").returncode == 0
    again = desk.run("intent", "buy", "2", "SPY", "--id", "only-once")
    assert again.returncode == 3
    assert "'only-once'" in again.stderr


def test_order_that_nobody_knows_can_not_be_canceled(desk: RunningDesk) -> None:
    done = desk.run("cancel", "no-such-order")
    assert (done.returncode, done.stdout) == (3, "")
    assert "knows no order 'no-such-order': `signalbox orders` lists them" in done.stderr


def test_filled_order_can_not_be_canceled(desk: RunningDesk) -> None:
    decision, *_ = desk.lines("intent", "buy", "5", "SPY", "--follow")
    desk.until(lambda: status_of(desk, decision["order_id"]) == "FILLED")
    done = desk.run("cancel", decision["order_id"], "--follow")
    assert done.returncode == 3
    assert done.stdout.startswith("denied: ")
    assert "FILLED" in done.stdout


def test_halted_desk_denies_orders_and_takes_cancels(desk: RunningDesk) -> None:
    order_id = far_limit(desk)
    desk.until(lambda: status_of(desk, order_id) == "NEW")
    try:
        assert desk.run("halt", "a test").stdout == "trading is HALTED\n"
        desk.until(lambda: "trading_state HALTED" in desk.run("status", "--json").stdout or _denied(desk))
        assert _denied(desk)
        assert desk.run("cancel", order_id).returncode == 0
        desk.until(lambda: status_of(desk, order_id) == "CANCELED")
    finally:
        assert desk.run("resume", "the test is over").stdout == "trading is ACTIVE\n"
    desk.until(lambda: not _denied(desk))
    states = desk.query('SELECT mode, reason, "by" FROM trading_states ORDER BY generation, sequence')
    assert states[-2:] == [
        {"mode": "HALTED", "reason": "a test", "by": "operator"},
        {"mode": "ACTIVE", "reason": "the test is over", "by": "operator"},
    ]


def _denied(desk: RunningDesk) -> bool:
    done = desk.run("intent", "buy", "1", "SPY")
    if done.returncode == 3:
        assert "halted" in done.stdout.lower()
    return done.returncode == 3


def test_positions_are_what_the_fills_add_up_to(desk: RunningDesk) -> None:
    desk.run("intent", "buy", "7", "AAPL", "--follow")
    held = (
        "SELECT (SELECT sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END) FROM fills WHERE symbol = 'AAPL') = "
        "(SELECT quantity FROM positions WHERE symbol = 'AAPL') AS same"
    )
    desk.until(lambda: desk.query(held) == [{"same": True}])
    [row] = [row for row in desk.lines("positions") if row["symbol"] == "AAPL"]
    assert (row["account"], row["currency"]) == ("DU1234567", "USD")
    assert "AAPL" in desk.run("positions").stdout


def test_account_shows_the_venue_beside_the_desk(desk: RunningDesk) -> None:
    [row] = desk.lines("account", "--venue", "ibkr")
    assert (row["venue"], row["account"], row["currency"]) == ("ibkr", "DU1234567", "USD")
    assert row["net_liquidation"] is not None
    assert row["desk_cash"] is not None


def test_orders_of_one_symbol(desk: RunningDesk) -> None:
    desk.run("intent", "buy", "1", "AAPL", "--follow")
    assert {row["symbol"] for row in desk.lines("orders", "--symbol", "aapl")} == {"AAPL"}
    assert desk.run("orders", "--symbol", "MSFT").stdout == "no orders\n"


def test_orders_in_a_state_and_as_they_were_at_a_sequence(desk: RunningDesk) -> None:
    desk.run("intent", "buy", "1", "AAPL", "--follow", "--id", "as-of")
    desk.until(lambda: any(row["order_id"] == "as-of" for row in desk.lines("orders", "--status", "FILLED")))
    assert not any(row["order_id"] == "as-of" for row in desk.lines("orders", "--status", "UNKNOWN"))
    [begun] = desk.query("SELECT sequence FROM order_events WHERE order_id = 'as-of' AND type = 'OrderCreated'")
    rows = desk.lines("orders", "--as-of", str(begun["sequence"]))
    assert [row["status"] for row in rows if row["order_id"] == "as-of"] == ["PENDING_NEW"]
    before = desk.lines("orders", "--as-of", str(begun["sequence"] - 1))
    assert not any(row["order_id"] == "as-of" for row in before)


def test_denied_order_is_listed_with_what_was_wished(desk: RunningDesk) -> None:
    assert desk.run("intent", "sell", "9999", "AAPL", "--id", "too-much").returncode == 3
    desk.until(lambda: any(row["order_id"] == "too-much" for row in desk.lines("orders")))
    [row] = [row for row in desk.lines("orders", "--symbol", "AAPL") if row["order_id"] == "too-much"]
    assert (row["status"], row["side"], float(row["quantity"])) == ("DENIED", "SELL", 9999)


def test_intent_sent_while_risk_restarts_is_decided(desk: RunningDesk) -> None:
    before = desk.pid("risk")
    os.kill(before, signal.SIGKILL)
    done = desk.run("intent", "buy", "1", "SPY")
    assert done.returncode == 0, done
    assert desk.pid("risk") != before
    desk.until(lambda: desk.run("status").returncode == 0)
