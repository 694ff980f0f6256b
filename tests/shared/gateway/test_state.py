"""What is remembered of orders: the same after any restart, and no longer than it can matter."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from signalbox.gateway import ledger, reports
from signalbox.gateway.forgetting import forget
from signalbox.gateway.state import (
    AnyState,
    Standing,
    fold_cancel,
    fold_ledger,
    fold_report,
    new_to,
    remember_fill,
    take_number,
    track,
)
from signalbox.messages import Fill, RefusedBy, Side

from tests.shared.gateway.orders import ACCOUNT, AT, VENUE, cancel_of, claim_of, empty_state


def fill_of(quantity: int = 10, revision: int = 0, order_id: str = "o-1") -> Fill:
    return Fill(
        execution_id="x", revision=revision, order_id=order_id, symbol="SPY", side=Side.BUY,
        quantity=Decimal(quantity), price=Decimal(1), at=AT,
    )  # fmt: skip


def told(state: AnyState, *made: Any) -> None:
    for each in made:
        fold_report(state, each)


def test_a_claim_without_sent_stays_claimed_and_one_with_it_is_sent() -> None:
    state = empty_state()
    for number in (1, 2):
        fold_ledger(state, claim_of(number, f"o-{number}"), number)
    other = track(empty_state(), claim_of(2, "o-2"), 2)
    fold_ledger(state, ledger.sent(VENUE, other, AT), 3)
    assert [tracked.standing for tracked in state.orders.values()] == [Standing.CLAIMED, Standing.SENT]


def test_a_number_of_another_account_of_the_desk_is_taken_too() -> None:
    state = empty_state()
    fold_ledger(state, claim_of(7_000_000, account="M2"), 1)
    assert not state.orders
    assert take_number(state) == 7_000_001


def test_a_cancel_command_of_before_the_restart_is_remembered_and_only_its_own_refusal_ends_it() -> None:
    state = empty_state()
    tracked = track(state, claim_of(), 1)
    for revision in (1, 2):
        fold_cancel(state, cancel_of(revision=revision), comes_again=False)
    told(state, reports.cancel_refusal(VENUE, ACCOUNT, "o-1", "command/o-1/1", "", "down", AT))
    assert tracked.cancel_command == "command/o-1/2"
    told(state, reports.cancel_refusal(VENUE, ACCOUNT, "o-1", "command/o-1/2", "", "down", AT))
    assert tracked.cancel_command == ""


@pytest.mark.parametrize("comes_again", [False, True])
def test_a_cancel_that_comes_again_is_not_out(comes_again: bool) -> None:
    state = empty_state()
    tracked = track(state, claim_of(), 1)
    assert not tracked.cancel_is_out
    fold_cancel(state, cancel_of(), comes_again=comes_again)
    assert tracked.cancel_is_out is not comes_again


def test_what_is_over_and_old_is_forgotten_with_all_that_names_it_and_what_is_not_is_kept() -> None:
    state = empty_state()
    for number in (1, 2, 3):
        tracked = track(state, claim_of(number, f"o-{number}"), number)
        assert reports.accepted(state, tracked, AT)
    assert remember_fill(state, fill_of())
    assert reports.filled(state, fill_of(), "their-1")
    state.orders["o-3"].standing = Standing.OVER
    forget(state, AT + timedelta(days=1), {"o-3"})
    assert [*state.orders] == ["o-2", "o-3"]
    assert state.order_by_venue_id == {"their-2": "o-2", "their-3": "o-3"}
    assert state.order_by_number == {2: "o-2", 3: "o-3"}
    assert {key.rpartition("/")[2] for key in state.reported} == {"o-2", "o-3"}
    assert take_number(state) == 4


def test_what_has_been_reported_of_an_order_that_works_on_is_not_reported_again_however_old() -> None:
    state = empty_state()
    tracked = track(state, claim_of(), 1)
    for made in (reports.accepted(state, tracked, AT), reports.filled(state, fill_of(4), "their-5")):
        assert made
    remember_fill(state, fill_of(4))
    assert reports.commission(state, "x", 0, "o-1", Decimal(1), "USD", AT)
    forget(state, AT + timedelta(days=30), ())
    assert not reports.accepted(state, tracked, AT)
    assert not reports.filled(state, fill_of(4), "their-5")
    assert not reports.commission_is_missing(state, tracked)


def test_only_a_later_revision_of_a_fill_changes_what_has_been_filled() -> None:
    state = empty_state()
    tracked = track(state, claim_of(), 1)
    assert remember_fill(state, fill_of(4, revision=1))
    assert not remember_fill(state, fill_of(4, revision=1))
    assert not remember_fill(state, fill_of(9, revision=0))
    assert remember_fill(state, fill_of(0, revision=2))
    assert tracked.filled == 0


def test_a_report_of_a_run_before_is_not_new() -> None:
    state = empty_state()
    report = reports.cancel_refusal(VENUE, ACCOUNT, "o-1", "c", "", "no", AT)
    told(state, report)
    assert not new_to(state, report)


def test_what_was_reported_as_over_before_the_restart_is_over_and_a_stray_if_it_was_only_given_up() -> None:
    state = empty_state()
    given_up, refused = track(state, claim_of(1, "o-1"), 1), track(state, claim_of(2, "o-2"), 2)
    for order_id, code, by in (("o-1", "", RefusedBy.GATEWAY), ("o-2", "201", RefusedBy.VENUE)):
        told(state, reports.refusal(VENUE, ACCOUNT, order_id, code, "why", AT, by))
    assert [tracked.standing for tracked in (given_up, refused)] == [Standing.OVER, Standing.OVER]
    assert (given_up.presumed_lost, refused.presumed_lost) == (True, False)


def test_a_fee_is_told_whenever_it_is_another_one_and_the_next_process_knows_which_was_last() -> None:
    state = empty_state()
    made = [reports.commission(state, "x", 1, "", Decimal(fee), "USD", AT) for fee in ("1", "1", "1.05", "1")]
    told: list[Any] = [report for each in made for report in each]
    assert [(each.commission, each.correction) for each in told] == [(1, 0), (Decimal("1.05"), 1), (1, 2)]
    assert len({each.id for each in told}) == 3
    rebuilt = empty_state()
    for report in reversed(told):  # an earlier one that is read later changes nothing
        fold_report(rebuilt, report)
    assert reports.commission(rebuilt, "x", 1, "", Decimal(1), "USD", AT) == []
    [corrected] = reports.commission(rebuilt, "x", 2, "", Decimal(1), "USD", AT)
    assert (corrected.revision, corrected.correction) == (2, 0)
    assert reports.commission(rebuilt, "x", 1, "", Decimal(7), "USD", AT) == []


def test_what_was_told_of_fees_is_forgotten_with_its_executions() -> None:
    state = empty_state()
    reports.commission(state, "x", 1, "", Decimal(1), "USD", AT)
    forget(state, AT, ())
    assert state.fees == {}
