"""Orders that others have placed: told when they are news, each end once, and the same again after a restart."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from signalbox.gateway import externals, reports
from signalbox.gateway.forgetting import forget
from signalbox.gateway.state import AnyState, fold_cancel, fold_report
from signalbox.messages import CancelOrder, Report, Side, VenueCanceled, VenueExpired, VenueOrderFound

from .orders import ACCOUNT, AT, VENUE, empty_state


def found(quantity: int = 100, **terms: Any) -> VenueOrderFound:
    facts: dict[str, Any] = {"id": "", "at": AT, "venue": VENUE, "account": ACCOUNT, "symbol": "SPY", "side": Side.BUY}
    return VenueOrderFound(**facts, quantity=Decimal(quantity), **{"venue_order_id": "7", **terms})


def restarted(told: list[Report]) -> AnyState:
    state = empty_state()
    for report in told:
        fold_report(state, report)
    return state


def the_one(state: AnyState) -> externals.External:
    return state.externals["7"]


def test_it_is_told_once_and_anew_when_its_terms_change() -> None:
    state = empty_state()
    [first] = externals.shown(state, found())
    assert first.id.startswith("report/moon/M1/found/")
    assert first.id.endswith("/external-7.1")
    assert externals.shown(state, found()) == []
    assert externals.shown(state, found(filled_quantity=Decimal(3))) == []  # executions tell that
    [second] = externals.shown(state, found(50))
    assert second.id.endswith("/external-7.2")
    [other] = externals.shown(empty_state(), found(50))
    assert other.id.endswith("/external-7.1")
    assert other.id != first.id  # its first report may have left the stream long ago


def test_a_restart_finds_it_as_it_is() -> None:
    state = empty_state()
    told = [*externals.shown(state, found()), *externals.shown(state, found(50))]
    again = restarted(told)
    assert externals.shown(again, found(50)) == []
    [third] = externals.shown(again, found(60))
    assert third.id.endswith(".3")


def test_its_end_is_told_once_and_what_comes_late_does_not_wake_it() -> None:
    state = empty_state()
    externals.shown(state, found())
    [canceled] = externals.ended(state, the_one(state), AT)
    assert isinstance(canceled, VenueCanceled)
    assert (canceled.order_id, canceled.cause, canceled.reason) == ("external-7", "", externals.BY_OTHERS)
    assert externals.ended(state, the_one(state), AT) == []
    assert externals.shown(state, found(50)) == []
    assert externals.shown(state, found(50), listed=True) == []  # those answers may have been on their way
    assert externals.ended(state, the_one(state), AT) == []  # nor does it keep it from coming back
    assert len(externals.shown(state, found(50), listed=True)) == 1
    assert the_one(state).ended_at is None


def test_a_late_word_of_one_that_complete_answers_have_left_out_since_does_not_wake_it() -> None:
    state = empty_state()
    externals.shown(state, found())
    externals.ended(state, the_one(state), AT)
    assert externals.not_listed(state, (), AT) == []
    assert externals.shown(state, found(50)) == []
    assert len(externals.shown(state, found(50), listed=True)) == 1


def test_a_cancel_that_it_has_outlived_with_other_terms_is_not_what_ends_it() -> None:
    state = empty_state()
    externals.shown(state, found())
    state.external_cancels["external-7"] = "command/1"
    externals.shown(state, found(50))
    [canceled] = externals.ended(state, the_one(state), AT)
    assert (canceled.cause, canceled.reason) == ("", externals.BY_OTHERS)


def test_one_that_is_not_listed_is_over_the_second_time_or_at_once_where_that_is_certain() -> None:
    state = empty_state()
    externals.shown(state, found())
    assert externals.not_listed(state, (), AT) == []
    assert externals.question(state) == externals.NOT_LISTED
    [canceled] = externals.not_listed(state, (), AT)
    assert isinstance(canceled, VenueCanceled)
    assert externals.not_listed(state, (), AT) == []
    other = empty_state()
    externals.shown(other, found())
    assert len(externals.not_listed(other, (), AT, certain=("7",))) == 1


def test_to_be_listed_in_between_begins_the_count_anew() -> None:
    state = empty_state()
    externals.shown(state, found())
    externals.not_listed(state, (), AT)
    externals.shown(state, found(), listed=True)
    assert externals.not_listed(state, (), AT) == []


def test_what_the_desk_has_cancelled_says_so_after_a_restart_too() -> None:
    command = CancelOrder(id="c-1", at=AT, venue=VENUE, account=ACCOUNT, order_id="external-7", venue_order_id="7")
    state = empty_state()
    fold_cancel(state, command, comes_again=False)
    for report in externals.shown(empty_state(), found()):
        fold_report(state, report)
    [canceled] = externals.ended(state, the_one(state), AT)
    assert (canceled.cause, getattr(canceled, "reason", "")) == ("c-1", externals.BY_REQUEST)
    again = restarted([canceled])
    assert again.external_cancels == {}


def test_a_refused_cancel_is_under_way_no_more() -> None:
    command = CancelOrder(id="c-1", at=AT, venue=VENUE, account=ACCOUNT, order_id="external-7", venue_order_id="7")
    state = empty_state()
    fold_cancel(state, command, comes_again=False)
    fold_report(state, reports.cancel_refusal(VENUE, ACCOUNT, "external-7", "c-1", "", "not ours", AT))
    assert state.external_cancels == {}


def test_one_that_has_run_out_is_expired() -> None:
    state = empty_state()
    externals.shown(state, found())
    [expired] = externals.ended(state, the_one(state), AT, "its day is over", expired=True)
    assert isinstance(expired, VenueExpired)


def test_what_is_over_leaves_and_what_works_stays() -> None:
    state = empty_state()
    externals.shown(state, found())
    externals.shown(state, found(venue_order_id="8"))
    externals.ended(state, the_one(state), AT)
    forget(state, AT + timedelta(days=1), ())
    assert set(state.externals) == {"8"}
    assert externals.shown(state, found(venue_order_id="8")) == []
    assert [each.rpartition("/")[2] for each in state.reported] == ["external-8.1"]
