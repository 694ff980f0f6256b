"""The venue's words reach whoever reads of an order: refusals without a status, cancellations, second cancels."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from signalbox.messages import OrderType, RefusedBy, TimeInForce, VenueCanceled, VenueNoted, VenueRejected

RESTING = {"order_type": OrderType.LIMIT, "limit_price": Decimal(300), "time_in_force": TimeInForce.GTC}


async def report_of(desk: Any, order_id: str, kind: type) -> Any:
    await desk.has(order_id, kind.__name__)
    (found,) = [each for each in await desk.reports(order_id) if isinstance(each, kind)]
    return found


@pytest.mark.parametrize("code", [10268, 10311, 10999])
async def test_an_order_that_is_answered_with_an_error_alone_was_refused_by_the_venue(desk: Any, code: int) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("error_next", code=code, text="The 'EtradeOnly' order attribute is not supported.")
    await desk.submit("e-1")
    report = await report_of(desk, "e-1", VenueRejected)
    assert (report.code, report.refused_by) == (str(code), RefusedBy.VENUE)
    assert "EtradeOnly" in report.reason
    assert desk.venue.orders_of("e-1") == []


async def test_a_second_cancel_while_the_first_waits_contradicts_nothing(desk: Any, metric: Any) -> None:
    labels = {"venue": "ibkr", "connection": "orders", "treatment": "cancel_failed"}
    before = metric("signalbox_venue_errors_total", **labels)
    await desk.start()
    await desk.ready()
    await desk.submit("c-1", **RESTING)
    await desk.has("c-1", "VenueAccepted")
    await desk.venue.do("slow_cancels")
    await desk.cancel("c-1")
    await desk.cancel("c-1", revision=2)

    await desk.eventually(
        lambda: metric("signalbox_venue_errors_total", **labels) > before, "the second cancel at the venue"
    )
    await desk.venue.do("answer_cancels")
    report = await report_of(desk, "c-1", VenueCanceled)
    assert report.reason.startswith("cancelled as asked")
    assert "VenueCancelRejected" not in await desk.kinds("c-1")


async def test_words_that_change_nothing_are_kept_with_the_order(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("n-1", **RESTING)
    await desk.has("n-1", "VenueAccepted")
    (order,) = desk.venue.orders_of("n-1")
    number = int(order.terms.client_tag.partition(":")[2])
    await desk.venue.do("error", code=399, text="It is not placed before the open.", req_id=number, client=11)
    report = await report_of(desk, "n-1", VenueNoted)
    assert "before the open" in report.reason
