"""A decision bears what it was made on; one from before that still decodes, and its figures stop nobody."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace
from signalbox import messages
from signalbox.decimals import can_be_reckoned_with
from signalbox.messages import Basis, BooksSeen, Decision, IntentApproved, IntentDenied

INTENT = (
    b'{"type":"OrderIntent","id":"o1","at":"2024-01-02T17:00:00Z","cause":"","venue":"ibkr","symbol":"SPY","side":"BUY",'
    b'"quantity":"10","order_type":"LIMIT","limit_price":"100","stop_price":null,"time_in_force":"DAY","good_till":null,'
    b'"outside_regular_hours":false,"reduce_only":false,"account":"DU1","valid_until":null,"strategy":"","note":""}'
)
CHECK = b'{"name":"quantity","passed":true,"limit":"lots of 1","observed":"10","source":"STATE:7","reason":""}'
APPROVED_BEFORE = (
    b'{"type":"IntentApproved","id":"decision-2-0","at":"2024-01-02T17:00:00Z","cause":"o1","intent_sequence":2,"intent":'
    + INTENT
    + b',"order_id":"o1","checks":['
    + CHECK
    + b'],"reference_price":"100","by":"alice","intent_stored_at":"2024-01-02T17:00:00Z"}'
)
DENIED_BEFORE = (
    b'{"type":"IntentDenied","id":"decision-3-0","at":"2024-01-02T17:00:00Z","cause":"o1","intent_sequence":3,"intent":null,'
    b'"checks":[' + CHECK + b'],"reason":"no","reference_price":null,"by":"","intent_stored_at":"0001-01-01T00:00:00Z"}'
)


def test_a_decision_from_before_there_was_a_basis_decodes() -> None:
    approved, denied = (messages.decode(stored, Decision) for stored in (APPROVED_BEFORE, DENIED_BEFORE))
    assert isinstance(approved, IntentApproved)
    assert isinstance(denied, IntentDenied)
    for decision in (approved, denied):
        assert (decision.basis, decision.passed, len(decision.checks)) == (None, 0, 1)


def test_no_figure_of_a_basis_makes_a_decision_one_that_can_not_be_reckoned_with() -> None:
    """A sum of many products has more digits than a price may have, and the OMS does not look at it."""
    approved = messages.decode(APPROVED_BEFORE, Decision)
    books = BooksSeen(worst_value=Decimal("1e-45"), needed_funds=Decimal("NaN"))
    assert not can_be_reckoned_with(books)
    assert can_be_reckoned_with(replace(approved, basis=Basis(rules="r", trade_sequence=1, books=books)))
