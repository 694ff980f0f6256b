"""Every removal reason is an end of one kind, or no end."""

from __future__ import annotations

from decimal import Decimal

import pytest
from gateway_dydx.endings import FINAL_STATUSES, EndKind, VenueStatus, ending_of
from v4_proto.dydxprotocol.indexer.shared.removal_reason_pb2 import OrderRemovalReason

NOTHING, SOMETHING = Decimal(0), Decimal("0.1")


@pytest.mark.parametrize("name", OrderRemovalReason.keys())
def test_every_reason_of_the_protocol_is_known(name: str) -> None:
    ending = ending_of(name, NOTHING)
    known_no_end = name.endswith(("_REPLACED", "_FULLY_FILLED", "_UNSPECIFIED"))
    assert (ending is None) == known_no_end
    assert ending is None or "the venue removed it" not in ending.reason
    assert ending_of(name.removeprefix("ORDER_REMOVAL_REASON_"), NOTHING) == ending


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("EXPIRED", EndKind.EXPIRED),
        ("INDEXER_EXPIRED", EndKind.EXPIRED),
        ("USER_CANCELED", EndKind.CANCELED),
        ("IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK", EndKind.CANCELED),
        ("UNDERCOLLATERALIZED", EndKind.REJECTED),
        ("SOMETHING_NEW", EndKind.CANCELED),
    ],
)
def test_a_reason_is_an_end_of_one_kind(reason: str, kind: EndKind) -> None:
    ending = ending_of(reason, NOTHING)
    assert ending is not None
    assert ending.kind is kind


def test_what_was_turned_away_after_a_fill_is_cancelled() -> None:
    ending = ending_of("UNDERCOLLATERALIZED", SOMETHING)
    assert ending is not None
    assert ending.kind is EndKind.CANCELED
    assert "free collateral" in ending.reason


def test_a_best_effort_cancel_is_not_final() -> None:
    assert VenueStatus.BEST_EFFORT_CANCELED not in FINAL_STATUSES
    assert VenueStatus.CANCELED in FINAL_STATUSES
