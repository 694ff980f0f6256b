"""Orders of others in the account, as the real client library tells them: types that nobody here knows, and who placed
them; cancelled where TWS allows it, and refused with a sentence where not."""

from __future__ import annotations

from typing import Any

import pytest
from signalbox.messages import OrderType, VenueCanceled, VenueCancelRejected, VenueOrderFound

SOON = {"external_orders_seconds": 0.2}


@pytest.fixture
def gateway_settings() -> dict[str, Any]:
    return SOON


async def found(desk: Any, number: int, count: int = 1) -> VenueOrderFound:
    """What was told last of the order, once it was told so often."""

    async def told() -> list[VenueOrderFound]:
        of_others = [each for each in await desk.reports() if isinstance(each, VenueOrderFound)]
        of_it = [each for each in of_others if each.venue_order_id == str(number)]
        return of_it if len(of_it) >= count else []

    of_it = await desk.eventually(told, f"order {number}, told {count} times")
    assert len(of_it) == count
    report: VenueOrderFound = of_it[-1]
    return report


async def placed(desk: Any, **terms: Any) -> int:
    wanted = {"symbol": "SPY", "side": "SELL", "quantity": 5, **terms}
    return int((await desk.venue.do("place_by_hand", **wanted))["number"])


async def ready(desk: Any) -> None:
    await desk.start()
    await desk.ready()


async def test_a_stop_limit_by_hand_is_told_with_its_prices(desk: Any) -> None:
    await ready(desk)
    told = await found(desk, await placed(desk, stop_price="60", limit_price="59"))
    assert (told.venue_type, told.order_type) == ("STP LMT", OrderType.STOP_LIMIT)
    assert (told.stop_price, told.limit_price, told.quantity, told.placed_by) == (60, 59, 5, "by hand")
    assert (told.symbol, told.currency, told.venue_time_in_force) == ("SPY", "USD", "DAY")


async def test_a_type_that_nobody_here_knows_is_told_in_the_venues_word(desk: Any) -> None:
    await ready(desk)
    told = await found(desk, await placed(desk, limit_price="9000", shown_type="PEG MID"))
    assert (told.venue_type, told.order_type, told.limit_price) == ("PEG MID", None, 9000)


async def test_of_another_client_it_is_said_and_only_that_one_may_cancel_it(desk: Any) -> None:
    await ready(desk)
    number = await placed(desk, limit_price="9000", client=33)
    assert (await found(desk, number)).placed_by == "client 33"
    await desk.cancel(f"external-{number}")
    await desk.has(f"external-{number}", "VenueCancelRejected")
    [refused] = [each for each in await desk.reports() if isinstance(each, VenueCancelRejected)]
    assert "client 33" in refused.reason
    await desk.venue.do("cancel_by_hand", number=number)
    await desk.has(f"external-{number}", "VenueCanceled")


async def test_what_this_client_id_has_placed_without_this_desk_is_cancelled(desk: Any) -> None:
    """Another desk that had the client id before, say, or one whose ledger is lost."""
    await ready(desk)
    number = await placed(desk, limit_price="9000", client=11)
    await found(desk, number)
    await desk.cancel(f"external-{number}")
    await desk.has(f"external-{number}", "VenueCanceled")
    [canceled] = [each for each in await desk.reports() if isinstance(each, VenueCanceled)]
    assert (canceled.reason, bool(canceled.cause)) == ("cancelled as asked", True)


async def test_it_is_told_once_whatever_is_asked_and_after_a_restart(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    number = await placed(desk, limit_price="9000")
    await found(desk, number)
    await desk.stop(runtime)
    desk.mark = len(desk.links)
    await ready(desk)
    other = await placed(desk, limit_price="9001")
    await found(desk, other)  # it has been asked since
    await found(desk, number)
