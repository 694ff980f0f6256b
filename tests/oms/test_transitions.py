"""Every pair of the lifecycle table, legal and illegal."""

from __future__ import annotations

from itertools import product

import pytest
from oms.transitions import TRANSITIONS, next_status
from signalbox.errors import IllegalTransitionError
from signalbox.messages import (
    CommissionBooked,
    FillCorrected,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderClaimed,
    OrderCreated,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderHeld,
    OrderNoted,
    OrderPartiallyFilled,
    OrderPendingCancel,
    OrderPendingReplace,
    OrderRejected,
    OrderReleased,
    OrderReplaced,
    OrderReplaceRejected,
    OrderReplaceUnknown,
    OrderStatus,
    OrderTriggered,
    OrderUnknown,
)

EVENTS: tuple[type[OrderEvent], ...] = (
    OrderCreated,
    OrderDenied,
    OrderAccepted,
    OrderTriggered,
    OrderHeld,
    OrderNoted,
    OrderClaimed,
    OrderReleased,
    OrderPartiallyFilled,
    OrderFilled,
    FillCorrected,
    CommissionBooked,
    OrderPendingCancel,
    OrderCancelRejected,
    OrderPendingReplace,
    OrderReplaced,
    OrderReplaceRejected,
    OrderReplaceUnknown,
    OrderCanceled,
    OrderRejected,
    OrderExpired,
    OrderUnknown,
)
SENT = tuple(status for status in OrderStatus if status is not OrderStatus.DENIED)
ENDED = {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED}

# Written apart from the table, column by column, in the order of OrderStatus without DENIED:
# PENDING_NEW NEW PARTIALLY_FILLED FILLED PENDING_CANCEL CANCELED TRIGGERED REJECTED EXPIRED UNKNOWN HELD
# PENDING_REPLACE
COLUMNS: dict[type[OrderEvent], str] = {
    OrderAccepted: "N N P F C c T U e N H R",
    OrderTriggered: "T T P F C c T r e T T R",
    OrderHeld: "H H H F C c H U e H H R",
    OrderNoted: "n N P F C c T r e U H R",
    OrderClaimed: "n N P F C c T r e U H R",
    OrderReleased: "N N P F C c T U e N N R",
    OrderPartiallyFilled: "P P P F C c P P e P P R",
    OrderFilled: "F F F F F F F F F F F F",
    FillCorrected: "n N P F C c T r e U H R",
    CommissionBooked: "n N P F C c T r e U H R",
    OrderPendingCancel: "C C C - C - C - - U C C",
    OrderCancelRejected: "n N P F N c T r e U H R",
    OrderPendingReplace: "- R R - - - R - - - R -",
    OrderReplaced: "N N P F C c T r e N H N",
    OrderReplaceRejected: "n N P F C c T r e U H N",
    OrderReplaceUnknown: "n N P F C c T r e U H R",
    OrderCanceled: "c c c F c c c r e c c c",
    OrderRejected: "r r r F r c r r e r r r",
    OrderExpired: "e e e F e c e r e e e e",
    OrderUnknown: "U U U F U c U r e U U U",
}
LETTERS = {
    "n": OrderStatus.PENDING_NEW,
    "N": OrderStatus.NEW,
    "P": OrderStatus.PARTIALLY_FILLED,
    "F": OrderStatus.FILLED,
    "C": OrderStatus.PENDING_CANCEL,
    "c": OrderStatus.CANCELED,
    "T": OrderStatus.TRIGGERED,
    "r": OrderStatus.REJECTED,
    "e": OrderStatus.EXPIRED,
    "U": OrderStatus.UNKNOWN,
    "H": OrderStatus.HELD,
    "R": OrderStatus.PENDING_REPLACE,
}
LEGAL: dict[tuple[OrderStatus | None, type[OrderEvent]], OrderStatus] = {
    (status, event): LETTERS[letter]
    for event, column in COLUMNS.items()
    for status, letter in zip(SENT, column.split(), strict=True)
    if letter != "-"
}
LEGAL |= {(None, OrderCreated): OrderStatus.PENDING_NEW, (None, OrderDenied): OrderStatus.DENIED}
ALL = tuple(product((None, *OrderStatus), EVENTS))


def name_of(value: object) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


@pytest.mark.parametrize(("status", "event"), [pair for pair in ALL if pair in LEGAL], ids=name_of)
def test_a_legal_pair_leads_where_it_should(status: OrderStatus | None, event: type[OrderEvent]) -> None:
    assert next_status("o-1", status, event) is LEGAL[status, event]


@pytest.mark.parametrize(("status", "event"), [pair for pair in ALL if pair not in LEGAL], ids=name_of)
def test_an_illegal_pair_is_an_error_that_names_both(status: OrderStatus | None, event: type[OrderEvent]) -> None:
    with pytest.raises(IllegalTransitionError) as raised:
        next_status("o-1", status, event)
    assert (raised.value.status, raised.value.event) == (status.value if status else "NO_ORDER", event.__name__)
    assert "o-1" in str(raised.value)


def test_the_table_has_no_pair_that_is_not_tested() -> None:
    assert set(TRANSITIONS) == set(LEGAL)


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("status", sorted(ENDED))
def test_an_order_of_somebody_else_that_is_shown_to_work_works_again(status: OrderStatus, filled: bool) -> None:
    wakes = OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW
    assert next_status("external-7", status, OrderReplaced, filled=filled, reopened=True) is wakes
    assert next_status("external-7", status, OrderReplaced, filled=filled) is status


@pytest.mark.parametrize("status", SENT)
def test_a_fill_is_accepted_from_any_status_that_an_order_can_have_at_a_venue(status: OrderStatus) -> None:
    assert next_status("o-1", status, OrderFilled) is OrderStatus.FILLED
    next_status("o-1", status, OrderPartiallyFilled)


def test_a_refused_cancel_puts_an_order_back_where_it_stood() -> None:
    back = {
        (True, False): OrderStatus.NEW,
        (True, True): OrderStatus.PARTIALLY_FILLED,
        (False, False): OrderStatus.PENDING_NEW,
    }
    for (acknowledged, filled), status in back.items():
        found = next_status(
            "o-1", OrderStatus.PENDING_CANCEL, OrderCancelRejected, acknowledged=acknowledged, filled=filled
        )
        assert found is status


def test_what_is_decided_about_a_change_puts_an_order_back_or_completes_it() -> None:
    for event in (OrderReplaced, OrderReplaceRejected):
        back = {
            (False, False, False): OrderStatus.NEW,
            (True, False, False): OrderStatus.PARTIALLY_FILLED,
            (True, True, False): OrderStatus.FILLED,
            (True, False, True): OrderStatus.PENDING_REPLACE,
        }
        for (filled, complete, replacing), status in back.items():
            facts = {"filled": filled, "complete": complete, "replacing": replacing}
            assert next_status("o-1", OrderStatus.PENDING_REPLACE, event, **facts) is status


def test_a_refused_cancel_of_what_is_being_changed_puts_it_back_there() -> None:
    facts = {"filled": True, "replacing": True}
    found = next_status("o-1", OrderStatus.PENDING_CANCEL, OrderCancelRejected, **facts)
    assert found is OrderStatus.PENDING_REPLACE


def test_an_unknown_order_that_is_found_with_fills_is_partially_filled() -> None:
    assert next_status("o-1", OrderStatus.UNKNOWN, OrderAccepted, filled=True) is OrderStatus.PARTIALLY_FILLED


def test_a_correction_that_completes_an_order_fills_it() -> None:
    assert next_status("o-1", OrderStatus.PARTIALLY_FILLED, FillCorrected, complete=True) is OrderStatus.FILLED


def test_nothing_but_a_fill_or_a_contradiction_leaves_an_ended_order() -> None:
    leaving = {
        (status, event) for (status, event), after in TRANSITIONS.items() if status in ENDED and after is not status
    }
    fills = {(status, OrderFilled) for status in ENDED - {OrderStatus.FILLED}}
    assert leaving == fills | {
        (OrderStatus.REJECTED, OrderPartiallyFilled),
        (OrderStatus.REJECTED, OrderAccepted),
        (OrderStatus.REJECTED, OrderHeld),
        (OrderStatus.REJECTED, OrderReleased),
    }
