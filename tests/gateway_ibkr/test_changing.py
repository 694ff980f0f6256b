"""What became of a change at IBKR: by the terms that TWS shows, by what it refuses, by what has filled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from gateway_ibkr.changing import AS_IT_WAS, FILLED_BEFORE
from gateway_ibkr.decide import decide, question
from gateway_ibkr.facts import ErrorSeen
from gateway_ibkr.orders import Orders
from gateway_ibkr.state import State, Tracked, remember_fill
from gateway_ibkr.translate import fill_of
from msgspec.structs import replace
from signalbox.errors import TranslationError
from signalbox.gateway.state import OpenChange, Standing
from signalbox.messages import VenueCanceled, VenueRejected, VenueReplaced, VenueReplaceRejected

from .test_reconcile import AT, COMPLETED, EXECUTION, OPEN, PERM, STATUS, VISIBILITY_SECONDS, after, answers, claimed

AS_IT_WAS_SHOWN = replace(OPEN, limit_price=400.0)
CHANGED = replace(OPEN, limit_price=401.0, quantity=12.0)
FILLED = replace(COMPLETED, status="Filled", completed_status="Filled Size: 10", filled=10.0)


def changing(quantity: str = "12", limit: str = "401", filled: float = 0.0) -> tuple[State, Tracked]:
    """An order of 10 at 400 that works, and of which a change was sent."""
    state, tracked = claimed(Standing.SENT)
    tracked.seen, tracked.venue_order_id = True, str(PERM)
    wanted = replace(tracked.order, quantity=Decimal(quantity), limit_price=Decimal(limit))
    tracked.change = OpenChange(wanted, 1)
    if filled:
        remember_fill(state, fill_of(replace(EXECUTION, shares=filled), "a-1", "SPY"))
    return state, tracked


def told(actions: list[Any]) -> list[Any]:
    return [each for each in actions if isinstance(each, VenueReplaced | VenueReplaceRejected)]


def error(code: int, text: str = "no") -> ErrorSeen:
    return ErrorSeen(request_id=5, code=code, text=text)


def test_an_open_order_in_the_new_terms_says_that_it_was_changed() -> None:
    state, tracked = changing()
    assert told(decide(state, AS_IT_WAS_SHOWN, AT)) == []
    [report] = told(decide(state, CHANGED, AT))
    assert (report.quantity, report.limit_price, report.revision) == (12, 401, 1)
    assert (tracked.order.quantity, tracked.change) == (12, None)
    assert told(decide(state, CHANGED, AT)) == []


@pytest.mark.parametrize("code", [104, 105, 201, 161, 135])
def test_an_error_that_answers_a_change_ends_no_order(code: int) -> None:
    state, tracked = changing()
    decide(state, error(code), AT)
    assert tracked.own.refusal is None
    assert tracked.own.cancel_refusal is None
    [report] = told(after(state, answers(state, open_orders=(AS_IT_WAS_SHOWN,))))
    assert (type(report), report.code) == (VenueReplaceRejected, str(code))
    assert (tracked.standing, tracked.change, tracked.order.quantity) == (Standing.SENT, None, 10)


def test_an_error_to_a_cancel_is_the_cancels_also_while_a_change_is_open() -> None:
    state, tracked = changing()
    tracked.cancel_command = "command/a-1/2"
    decide(state, error(161), AT)
    assert (tracked.change.own, tracked.own.cancel_refusal) == (None, (161, "no"))


def test_a_201_before_the_order_ends_unasked_was_the_orders_rejection() -> None:
    state, _ = changing()
    decide(state, error(201, "no funds"), AT)
    actions = after(state, answers(state, completed=(COMPLETED,)))
    [report] = [each for each in actions if isinstance(each, VenueRejected | VenueCanceled)]
    assert (type(report), report.code) == (VenueRejected, "201")


def test_an_order_that_works_as_it_was_is_believed_at_the_second_look() -> None:
    state, tracked = changing()
    given = {"open_orders": (AS_IT_WAS_SHOWN,)}
    assert told(after(state, answers(state, **given), wall_seconds=100.0)) == []
    assert question(state, tracked) == "no answer to the change"
    assert told(after(state, answers(state, **given), wall_seconds=100.0 + VISIBILITY_SECONDS / 2)) == []
    [report] = told(after(state, answers(state, **given), wall_seconds=100.0 + VISIBILITY_SECONDS))
    assert (type(report), report.reason) == (VenueReplaceRejected, AS_IT_WAS)
    assert question(state, tracked) == ""


def test_nothing_is_concluded_while_the_change_is_about_to_be_sent() -> None:
    state, tracked = changing()
    tracked.change.in_hand = True
    given = {"open_orders": (AS_IT_WAS_SHOWN,)}
    for seconds in (100.0, 200.0):
        assert told(after(state, answers(state, **given), wall_seconds=seconds)) == []
    assert question(state, tracked) == ""


def test_what_fills_beyond_what_it_was_was_changed() -> None:
    state, tracked = changing(filled=11.0)
    [report] = told(after(state, answers(state, open_orders=(replace(AS_IT_WAS_SHOWN, quantity=11.0),))))
    assert (type(report), tracked.order.quantity) == (VenueReplaced, 12)


def test_an_order_that_was_filled_as_it_was_was_not_changed() -> None:
    state, tracked = changing(filled=10.0)
    assert not tracked.done, "more may be to come"
    [report] = told(after(state, answers(state, completed=(FILLED,))))
    assert (type(report), report.reason) == (VenueReplaceRejected, FILLED_BEFORE)
    assert tracked.done


def test_an_order_that_the_venue_has_filled_with_less_was_changed_to_that() -> None:
    state, tracked = changing(quantity="6", limit="400", filled=6.0)
    assert not tracked.done
    [report] = told(after(state, answers(state, completed=(replace(FILLED, filled=6.0),))))
    assert (type(report), tracked.order.quantity, tracked.done) == (VenueReplaced, 6, True)


def test_an_order_that_ended_otherwise_says_nothing_of_its_change() -> None:
    state, tracked = changing()
    actions = after(state, answers(state, completed=(COMPLETED,)))
    assert told(actions) == []
    assert (tracked.standing, tracked.change) == (Standing.OVER, None)
    assert STATUS.perm_id == PERM


class OneInstrument:
    """What the venue offers: SPY."""

    class Offered:
        contract = OPEN.contract

    def one(self, symbol: str) -> Offered:
        return self.Offered()


def test_a_change_is_the_whole_order_again_under_its_number() -> None:
    state, tracked = changing()
    draft = Orders(state, OneInstrument()).compose_change(tracked, tracked.change.order, AT)  # type: ignore[arg-type]
    assert (draft.number, draft.terms.order.quantity, draft.terms.order.limit_price) == (5, 12.0, 401.0)
    assert not draft.again, "what has ended meanwhile could be placed anew"


@pytest.mark.parametrize(("own", "why"), [("another", "another client id"), ("unshown", "has not shown the order yet")])
def test_only_what_this_client_id_has_placed_and_the_venue_has_shown_is_changed(own: str, why: str) -> None:
    state, tracked = changing()
    if own == "another":
        tracked.own.client_id = 99
    else:
        tracked.venue_order_id = ""
    with pytest.raises(TranslationError, match=why):
        Orders(state, OneInstrument()).compose_change(tracked, tracked.order, AT)  # type: ignore[arg-type]
