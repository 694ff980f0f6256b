"""Orders through the real client library to the simulated IB Gateway and back, over a real bus."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from signalbox.messages import LedgerClaimed, LedgerSent


async def test_a_market_order_is_claimed_sent_accepted_and_filled(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("buy-1")
    await desk.has("buy-1", "VenueAccepted", "VenueFill", "VenueCommission")
    entries = await desk.ledger("buy-1")
    assert [type(entry) for entry in entries] == [LedgerClaimed, LedgerSent]
    fills = [report.fill for report in await desk.reports("buy-1") if type(report).__name__ == "VenueFill"]
    assert sum(fill.quantity for fill in fills) == Decimal(10)
    assert len(desk.venue.orders_of("buy-1")) == 1
