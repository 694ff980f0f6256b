"""Orders through the real client library to the simulated IB Gateway and back, over a real bus."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox.messages import LedgerClaimed, LedgerSent, LinkStatus, OrderType, TimeInForce, VenueFill, VenueRejected
from simulators.world import WorldOptions

FAR_BELOW = {"order_type": OrderType.LIMIT, "limit_price": Decimal(300), "time_in_force": TimeInForce.GTC}


async def test_a_market_order_is_claimed_sent_accepted_and_filled(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("buy-1")
    await desk.has("buy-1", "VenueAccepted", "VenueFill", "VenueCommission")
    entries = await desk.ledger("buy-1")
    assert [type(entry) for entry in entries] == [LedgerClaimed, LedgerSent]
    fills = [report.fill for report in await desk.reports("buy-1") if isinstance(report, VenueFill)]
    assert sum(fill.quantity for fill in fills) == Decimal(10)
    assert len(desk.venue.orders_of("buy-1")) == 1


async def test_a_resting_order_is_cancelled(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("rest-1", **FAR_BELOW)
    await desk.has("rest-1", "VenueAccepted")
    await desk.cancel("rest-1")
    assert await desk.has("rest-1", "VenueCanceled") == ["VenueAccepted", "VenueCanceled"]


async def test_a_rejected_order_has_the_venues_code_and_words(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("reject_next", reason="no such luck")
    await desk.submit("bad-1")
    await desk.has("bad-1", "VenueRejected")
    (report,) = await desk.reports("bad-1")
    assert (report.code, "no such luck" in report.reason) == ("201", True)


async def test_an_order_that_only_an_error_answers_is_asked_about_and_rejected(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("tick-1", order_type=OrderType.LIMIT, limit_price=Decimal("300.123"))
    await desk.has("tick-1", "VenueRejected")
    (report,) = (each for each in await desk.reports("tick-1") if isinstance(each, VenueRejected))
    assert report.code == "110"
    assert "tick size" in report.reason


async def test_a_symbol_that_is_not_offered_is_refused_without_a_claim(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("nope-1", symbol="MSFT")
    await desk.has("nope-1", "VenueRejected")
    assert await desk.ledger("nope-1") == []


async def test_an_informational_error_leaves_the_order_alive(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("live-1", **FAR_BELOW)
    await desk.has("live-1", "VenueAccepted")
    (entry, *_) = await desk.ledger("live-1")
    for code in (10349, 399, 2109):
        await desk.venue.do("error", code=code, text="by the way", req_id=int(entry.attempt_id))
    await desk.venue.do("error", code=9999, text="never seen before", req_id=int(entry.attempt_id))
    await desk.cancel("live-1")
    told = await desk.has("live-1", "VenueCanceled")
    assert [kind for kind in told if kind != "VenueNoted"] == ["VenueAccepted", "VenueCanceled"]
    assert told.count("VenueNoted") == 4, "its words are kept with the order"


async def test_a_cancel_of_a_filled_order_is_refused(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("done-1")
    await desk.has("done-1", "VenueFill")
    await desk.cancel("done-1")
    await desk.has("done-1", "VenueCancelRejected")


async def test_an_order_cancelled_by_hand_is_reported_with_whose_doing_it_was(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("hand-1", **FAR_BELOW)
    await desk.has("hand-1", "VenueAccepted")
    (order,) = desk.venue.orders_of("hand-1")
    await desk.venue.do("cancel_by_hand", number=order.number)
    await desk.has("hand-1", "VenueCanceled")
    assert "not by this desk" in (await desk.reports("hand-1"))[-1].reason


async def test_a_fill_that_the_desk_did_not_order_is_reported_without_an_order(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("place_by_hand", symbol="SPY", side="BUY", quantity=3)

    async def found() -> list[Any]:
        return [each for each in await desk.reports() if isinstance(each, VenueFill)]

    fills = await desk.eventually(found, "the fill")
    assert (fills[0].fill.order_id, fills[0].fill.quantity) == ("", Decimal(3))


async def test_a_command_past_its_deadline_is_refused_and_never_sent(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("late-1", deadline_seconds=-1)
    await desk.has("late-1", "VenueRejected")
    assert desk.venue.orders_of("late-1") == []
    assert await desk.ledger("late-1") == []


async def test_a_command_waits_for_the_link_and_is_then_sent(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("link_lost")
    await desk.eventually(lambda: desk.status is LinkStatus.FROZEN, "FROZEN")
    await desk.submit("wait-1", deadline_seconds=3600)
    await desk.venue.do("link_restored")
    await desk.has("wait-1", "VenueFill")
    assert len(desk.venue.orders_of("wait-1")) == 1


async def test_a_command_whose_deadline_comes_while_the_link_is_frozen_is_refused(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("link_lost")
    await desk.eventually(lambda: desk.status is LinkStatus.FROZEN, "FROZEN")
    await desk.submit("cold-1", deadline_seconds=20)
    await desk.has("cold-1", "VenueRejected")
    assert desk.venue.orders_of("cold-1") == []
    assert "FROZEN" in (await desk.reports("cold-1"))[0].reason


async def test_a_cancel_that_the_link_holds_up_too_long_is_refused_and_the_order_stays(desk: Any) -> None:
    desk.settings = replace(desk.settings, cancel_wait_seconds_max=0.3)
    await desk.start()
    await desk.ready()
    await desk.submit("stay-1", **FAR_BELOW)
    await desk.has("stay-1", "VenueAccepted")
    await desk.venue.do("link_lost")
    await desk.eventually(lambda: desk.status is LinkStatus.FROZEN, "FROZEN")
    await desk.cancel("stay-1")
    assert await desk.has("stay-1", "VenueCancelRejected") == ["VenueAccepted", "VenueCancelRejected"]
    refusal = (await desk.reports("stay-1"))[-1]
    assert refusal.cause == "command/stay-1/1"
    assert "FROZEN" in refusal.reason
    assert "within 0.3 s" in refusal.reason
    desk.mark = len(desk.links)
    await desk.venue.do("link_restored")
    await desk.ready()
    assert await desk.kinds("stay-1") == ["VenueAccepted", "VenueCancelRejected"]
    await desk.cancel("stay-1", revision=2)
    await desk.has("stay-1", "VenueCanceled")


class TestAtTheClose:
    """Time goes slowly until the orders are there, then fast."""

    @pytest.fixture
    def world_options(self) -> WorldOptions:
        return WorldOptions(symbols=("SPY", "AAPL"), speed=1.0, start=datetime(2024, 3, 5, 20, 58, tzinfo=UTC), seed=7)

    async def test_a_day_order_expires_and_a_lasting_one_does_not(self, desk: Any) -> None:
        await desk.start()
        await desk.ready()
        await desk.submit("day-1", **(FAR_BELOW | {"time_in_force": TimeInForce.DAY}))
        await desk.submit("gtc-1", **FAR_BELOW)
        await desk.has("gtc-1", "VenueAccepted")
        desk.venue.world.set_speed(200.0)
        assert await desk.has("day-1", "VenueExpired") == ["VenueAccepted", "VenueExpired"]
        assert await desk.kinds("gtc-1") == ["VenueAccepted"]

    async def test_an_order_good_till_a_date_expires_then(self, desk: Any) -> None:
        await desk.start()
        await desk.ready()
        good_till = (desk.venue.world.now() + timedelta(seconds=60)).replace(microsecond=0)
        await desk.submit("gtd-1", **(FAR_BELOW | {"time_in_force": TimeInForce.GTD, "good_till": good_till}))
        await desk.has("gtd-1", "VenueAccepted")
        desk.venue.world.set_speed(200.0)
        assert await desk.has("gtd-1", "VenueExpired") == ["VenueAccepted", "VenueExpired"]


async def test_a_stop_triggers_and_fills(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    quote = await desk.eventually(lambda: desk.venue.world.quote("SPY"), "the world's first quote")
    price = quote.last.quantize(Decimal(1)) + 200
    await desk.submit("stop-1", side="SELL", order_type=OrderType.STOP, stop_price=price)
    there = await desk.has("stop-1", "VenueTriggered", "VenueFill", "VenueCommission")
    assert there.index("VenueTriggered") < there.index("VenueFill")


async def test_the_snapshot_holds_what_was_there_before(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    await desk.submit("pos-1")
    await desk.submit("rest-2", **FAR_BELOW)
    await desk.has("pos-1", "VenueFill")
    await desk.has("rest-2", "VenueAccepted")
    await desk.stop(runtime)
    await desk.start()

    async def second() -> list[Any]:
        return [each for each in await desk.reports() if type(each).__name__ == "VenueSnapshot"][1:]

    (snapshot,) = await desk.eventually(second, "a second snapshot")
    assert [(held.symbol, held.quantity) for held in snapshot.positions] == [("SPY", Decimal(10))]
    assert [each.order_id for each in snapshot.open_orders] == ["rest-2"]
    fills = {each.fill.execution_id for each in await desk.reports() if isinstance(each, VenueFill)}
    assert set(snapshot.execution_ids) == fills
