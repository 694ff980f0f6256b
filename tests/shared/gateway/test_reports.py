"""What is said of an order: once, and by whom it was refused."""

from __future__ import annotations

from typing import cast

from signalbox.gateway import reports
from signalbox.gateway.state import Standing, track
from signalbox.messages import RefusedBy, VenueAccepted, VenueRejected

from tests.shared.gateway.orders import ACCOUNT, AT, VENUE, claim_of, empty_state


def test_a_report_is_made_once() -> None:
    state = empty_state()
    tracked = track(state, claim_of(), 1)
    assert [type(each) for each in reports.accepted(state, tracked, AT)] == [VenueAccepted]
    assert list(reports.accepted(state, tracked, AT)) == []


def test_nothing_is_said_of_an_order_that_the_venue_has_not_named() -> None:
    state = empty_state()
    tracked = track(state, claim_of(), 1)
    tracked.venue_order_id = ""
    assert list(reports.accepted(state, tracked, AT)) == []


def test_a_refusal_says_whether_it_is_the_venues_or_the_gateways() -> None:
    state = empty_state()
    first, second = track(state, claim_of(1, "o-1"), 1), track(state, claim_of(2, "o-2"), 2)
    (lost,) = reports.lost(state, first, AT, "it never came there")
    assert (type(lost), cast(VenueRejected, lost).refused_by) == (VenueRejected, RefusedBy.GATEWAY)
    assert first.presumed_lost
    (refused,) = reports.rejected(state, second, AT, "47", "no")
    assert cast(VenueRejected, refused).refused_by is RefusedBy.VENUE
    assert not second.presumed_lost
    for code, by in (("201", RefusedBy.VENUE), ("", RefusedBy.GATEWAY)):
        assert reports.cancel_refusal(VENUE, ACCOUNT, "o-1", "c-1", code, "no", AT).refused_by is by


def test_an_end_that_is_reported_ends_the_order() -> None:
    state = empty_state()
    for number, end in enumerate((reports.canceled, reports.expired), 1):
        tracked = track(state, claim_of(number, f"o-{number}"), number)
        assert end(state, tracked, AT, "why")
        assert tracked.standing is Standing.OVER
