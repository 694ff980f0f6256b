"""The decision as a whole: one for every intent, the same every time, and never past a limit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk import evolve
from risk.decide import OF_ORDERS, address, decide, explain, failed_checks
from risk.facts import Request
from risk.intents import Unreadable, read_intent
from signalbox import messages, subjects
from signalbox.limits import term_of
from signalbox.messages import Decision, IntentApproved, IntentDenied, TradingMode

ACCOUNT = ("ibkr", "DU1234567")
LIMITS = {
    "order_quantity_max": Decimal(30_000),
    "order_notional_max": Decimal(600_000),
    "position_quantity_max": Decimal(30_000),
    "position_notional_max": Decimal(500_000),
    "gross_exposure_max": Decimal(700_000),
    "open_orders_max": 6,
}


def test_all_checks_are_evaluated_also_when_the_first_fails(world: Any) -> None:
    w = world().ready().mode(TradingMode.HALTED)
    decision = w.decide(w.order(id="-", quantity="5000"))
    names = [*(check.name for check in failed_checks(decision)), *decision.also_failed]
    sizes = ["order_quantity", "order_notional", "position_quantity", "position_notional"]
    assert names == ["intent_id", "trading_state", *sizes]
    assert decision.checks == failed_checks(decision)
    asked = [row for row in OF_ORDERS if row.limit is None or not term_of(row.limit.name).is_optional]
    assert decision.passed == len(asked) - len(names)
    assert decision.reason == decision.checks[0].reason
    assert [check.name for check in explain(w.state.rules, decision)] == [row.name for row in asked]


def test_an_empty_desk_denies_and_says_why_check_by_check(world: Any, checks: Any) -> None:
    w = world()
    decision = w.decide(w.order())
    assert isinstance(decision, IntentDenied)
    failed = [check for check in checks(decision) if not check.passed]
    assert all(check.reason.strip() for check in failed)
    names = [check.name for check in failed]
    assert {"trading_state", "venue_link", "account_books", "account_state", "price_present", "funds"} <= set(names)
    assert names == [*(check.name for check in decision.checks), *decision.also_failed]


def test_a_denial_that_has_no_room_for_all_still_tells_that_its_id_was_used_up(world: Any) -> None:
    """The OMS would announce it under that id, which is another order's."""
    w = world().ready()
    used = w.order(id="used-" + "0123456789" * 5)
    w.decide(used)
    empty = world()
    empty.state.known = w.state.known
    denied = empty.decide(empty.order(id=used.id, note="9" * 256, strategy="9" * 256, venue="nowhere", account="other"))
    assert {"duplicate_intent", "venue", "account"} <= {check.name for check in denied.checks}
    assert len(denied.also_failed) > 5


def test_the_ids_derive_from_the_intent(world: Any) -> None:
    w = world().ready()
    decision = w.decide(w.order(id="mine"))
    assert (decision.id, decision.cause, decision.order_id) == ("decision-2-0", "mine", "mine")
    assert decision.at == w.now


def test_what_could_not_be_read_is_denied_in_the_words_of_the_reader(world: Any) -> None:
    w = world().ready()
    request = Request(sequence=9, intent=None, error="not JSON: x", message_id="m" * 999)
    decision = decide(w.state, request, w.now)
    assert isinstance(decision, IntentDenied)
    assert (decision.intent, decision.reason, decision.intent_sequence) == (None, "not JSON: x", 9)
    assert decision.cause == "m" * 256
    assert address(w.state, None) == ("", "")


@pytest.mark.parametrize(
    ("venue", "account", "expected"),
    [("ibkr", "", ACCOUNT), ("ibkr", "other", ("ibkr", "")), ("x" * 200, "y" * 200, ("", "")), (">", "*", ("", ""))],
)
def test_the_subject_of_a_decision_holds_nothing_foreign(
    world: Any, venue: str, account: str, expected: tuple[str, str]
) -> None:
    w = world().ready()
    decision = w.decide(w.order(venue=venue, account=account))
    assert address(w.state, decision.intent) == expected


def test_deciding_changes_nothing(world: Any) -> None:
    w = world().ready()
    order = w.order()
    request = Request(sequence=50, intent=order)
    first = decide(w.state, request, w.now)
    assert decide(w.state, request, w.now) == first
    assert not w.state.orders


# -------------------------------------------------------------------------------------------------- for any history


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_approval_leads_past_a_limit_whatever_fills(two_currencies: Any, steps: Any, data: Any) -> None:
    """At the prices of the approval: if all orders of one side fill and none of the other."""
    w = two_currencies(limits=LIMITS)
    started_over = w.state.books[ACCOUNT].worst_value
    before = {"SPY": Decimal(150), "AAPL": Decimal(-70)}

    def within() -> None:
        books = w.state.books[ACCOUNT]
        assert books.worst_value <= max(LIMITS["gross_exposure_max"], started_over)
        assert books.working_orders <= LIMITS["open_orders_max"]
        for symbol, holding in books.holdings.items():
            bound = max(LIMITS["position_quantity_max"], abs(before.get(symbol, Decimal(0))))
            assert holding.quantity + holding.buying_quantity <= bound
            assert holding.selling_quantity - holding.quantity <= bound
            assert holding.worst_value <= LIMITS["position_notional_max"]

    # A market that moves is nobody's approval: no quotes, and no limit below the market (it fills once that has fallen)
    drawn = [_at_the_market(step) for step in data.draw(steps) if step[0] != "quote"]
    w.walk(drawn, within)


def _at_the_market(step: Any) -> Any:
    if step[0] == "order" and step[3] is not None:
        return (*step[:3], str(max(Decimal(step[3]), Decimal(100))), step[4])
    return step


@settings(max_examples=75, deadline=None)
@given(data=st.data())
def test_a_replayed_history_gives_the_same_bytes(two_currencies: Any, steps: Any, data: Any) -> None:
    drawn = data.draw(steps)
    lives = [two_currencies(limits=LIMITS).walk(drawn) for _ in range(2)]
    first, second = ([messages.encode(decision) for decision in life] for life in lives)
    assert first == second


@settings(max_examples=75, deadline=None)
@given(data=st.data())
def test_a_rebuilt_state_decides_the_next_intent_as_the_living_one_does(
    two_currencies: Any, steps: Any, data: Any
) -> None:
    """Rebuilt = TRADE read back: intents, decisions and events in the order of the stream."""
    w, rebuilt = two_currencies(limits=LIMITS), two_currencies(limits=LIMITS)
    kept_event, kept_decide, kept_quote = w.event, w.decide, w.quote

    def event(message: Any) -> Any:
        result = kept_event(message)
        stored = messages.decode(messages.encode(message), messages.OrderEvents)
        evolve.fold_order_event(rebuilt.state, w.sequence, stored)
        return result

    def judge(intent: Any) -> Decision:
        decision: Decision = kept_decide(intent)
        evolve.fold_decision(rebuilt.state, messages.decode(messages.encode(decision), Decision))
        return decision

    def quote(*terms: Any) -> Any:
        rebuilt.serial, rebuilt.now = w.serial, w.now
        rebuilt.quote(*terms)
        return kept_quote(*terms)

    w.event, w.decide, w.quote = event, judge, quote
    w.walk(data.draw(steps))
    order = w.order()
    request = Request(sequence=w.sequence + 1, intent=order)
    lived, read_back = (decide(state, request, w.now) for state in (w.state, rebuilt.state))
    assert messages.encode(lived) == messages.encode(read_back)


TEXTS = st.sampled_from(["ibkr", "SPY", "AAPL", "x", ">", "*", "a.b", "", "é", "0700.HK", "9" * 300]) | st.text(
    max_size=9
)
NUMBERS = st.sampled_from(
    ["0", "-1", "1", "10", "NaN", "1e999999", "1e-999999", "9" * 50, "0.00000001", "1e14", "-1e14", "Infinity", 1, None]
) | st.decimals().map(str)
TIMES = st.sampled_from(
    [
        "2024-01-02T17:00:00Z",
        "2024-01-02T12:00:00-05:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "x",
        None,
    ]
)
BODIES = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["OrderIntent", "CancelIntent", "Nothing"]),
        "id": TEXTS,
        "at": TIMES,
        "venue": TEXTS,
        "symbol": TEXTS,
    },
    optional={
        "side": st.sampled_from(["BUY", "SELL", "HOLD"]),
        "quantity": NUMBERS,
        "order_type": st.sampled_from(
            [
                "MARKET",
                "LIMIT",
                "STOP",
                "MARKET_ON_CLOSE",
                "LIMIT_ON_OPEN",
                "MARKET_TO_LIMIT",
                "TRAILING_STOP",
                "TRAILING_STOP_LIMIT",
                7,
            ]
        ),
        "limit_price": NUMBERS,
        "stop_price": NUMBERS,
        "display_quantity": NUMBERS,
        "trail_amount": NUMBERS,
        "trail_percent": NUMBERS,
        "limit_offset": NUMBERS,
        "not_before": TIMES,
        "all_or_none": st.booleans(),
        "trigger": st.sampled_from(["DEFAULT", "LAST", "ORACLE"]),
        "time_in_force": st.sampled_from(["DAY", "GTC", "GTD"]),
        "good_till": TIMES,
        "valid_until": TIMES,
        "account": TEXTS,
        "order_id": TEXTS,
        "outside_regular_hours": st.booleans(),
        "reduce_only": st.booleans(),
        "colour": st.just("red"),
    },
)


@settings(max_examples=400, deadline=None)
@given(st.lists(BODIES, max_size=5))
def test_any_intents_are_decided_one_by_one_and_the_next_good_one_works(world: Any, bodies: list[Any]) -> None:
    w = world().ready()
    for body in bodies:
        payload = json_bytes(body)
        intent = read_intent(payload)
        if isinstance(intent, Unreadable):
            w.sequence += 1
            request = Request(sequence=w.sequence, intent=None, error=intent.reason)
            decision: Decision = decide(w.state, request, w.now)
            evolve.fold_decision(w.state, decision)
        else:
            decision = w.decide(intent)
        assert isinstance(decision, IntentApproved | IntentDenied)
        assert messages.decode(messages.encode(decision), Decision) == decision
        assert len(messages.encode(decision)) < 100_000
        assert len(subjects.decision(decision, *reversed(address(w.state, decision.intent)))) < 100
    assert len(w.state.answered) == len(bodies)
    assert isinstance(w.decide(w.order(id="good-one")), IntentApproved)


def json_bytes(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode(body)
