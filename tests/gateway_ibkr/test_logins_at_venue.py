"""What the login of TWS is and may: an advisor's with several accounts, one whose API may only read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox import messages
from signalbox.messages import AccountState, LinkStatus, OrderType
from simulators.world import WorldOptions

ORDERS = 11


async def told_to_untick(desk: Any) -> None:
    """DOWN or RECONCILING, with the reason and the place of the setting; never READY."""

    def told() -> bool:
        now = desk.links[desk.mark :]
        return any("Read-Only API is on" in link.reason and "Global Configuration" in link.reason for link in now)

    await desk.eventually(told, f"it is told; {desk.links[-3:]}")


async def test_a_gateway_that_starts_under_read_only_api_says_so_until_it_is_unticked(desk: Any) -> None:
    await desk.venue.do("read_only")
    runtime = await desk.start()
    await told_to_untick(desk)
    for status in (LinkStatus.DOWN, LinkStatus.RECONCILING):
        await desk.eventually(
            lambda status=status: any("Read-Only" in link.reason for link in desk.links if link.status is status),
            f"{status} says it",
        )
    assert LinkStatus.READY not in {link.status for link in desk.links}
    assert "Read-Only API is on" in " ".join(runtime.health.waiting_for)
    await desk.venue.do("read_only", on=False)
    await desk.ready()
    assert runtime.details()["link"] == "READY"


async def test_read_only_api_that_is_ticked_later_ends_ready_and_the_order_is_refused_with_the_reason(
    desk: Any,
) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("rests-1", order_type=OrderType.LIMIT, limit_price=Decimal(1))
    await desk.has("rests-1", "VenueAccepted")
    await desk.venue.do("read_only")
    desk.mark = len(desk.links)
    await desk.submit("refused-1")
    await told_to_untick(desk)
    await desk.submit("waits-1")
    await desk.venue.do("read_only", on=False)
    await desk.ready()
    await desk.has("refused-1", "VenueRejected")
    assert "Read-Only API is on" in (await desk.reports("refused-1"))[-1].reason
    assert not desk.venue.orders_of("refused-1")
    await desk.has("waits-1", "VenueFill")
    assert "VenueUnknown" not in await desk.kinds("rests-1")


async def test_a_cancel_under_read_only_api_is_sent_once_it_may(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("rests-1", order_type=OrderType.LIMIT, limit_price=Decimal(1))
    await desk.has("rests-1", "VenueAccepted")
    await desk.venue.do("read_only")
    desk.mark = len(desk.links)
    await desk.cancel("rests-1")
    await told_to_untick(desk)
    await desk.venue.do("read_only", on=False)
    await desk.has("rests-1", "VenueCanceled")
    assert "VenueRejected" not in await desk.kinds("rests-1")


async def test_an_invalid_account_is_told_at_once_and_not_as_an_answer_that_never_ends(desk: Any) -> None:
    desk.settings = replace(desk.settings, answer_seconds_max=50.0)
    await desk.venue.do("omit", kind="accountDownloadEnd", client=ORDERS, count=1)
    runtime = await desk.start()
    await desk.eventually(lambda: desk.status is LinkStatus.RECONCILING, "it asks")
    refusal = {"code": 321, "text": "Error validating request.-'bO' : cause - Invalid account code 'DU1234567'."}

    async def told() -> bool:
        await desk.venue.do("error", **refusal)
        return "Invalid account code" in runtime.details()["link"]

    await desk.eventually(told, "the refusal")
    await desk.ready()


class TestAdvisor:
    @pytest.fixture
    def world_options(self, world_options: WorldOptions) -> WorldOptions:
        return replace(world_options, accounts=("DF7654321", "DU1234567", "DU7654321"))

    async def test_a_paper_advisors_login_trades_one_of_its_accounts_and_hears_only_of_that(self, desk: Any) -> None:
        runtime = await desk.start()
        await desk.ready()
        await desk.venue.do("place_by_hand", symbol="SPY", side="BUY", quantity=7, account="DU7654321")
        await desk.submit("own-1")
        await desk.has("own-1", "VenueFill", "VenueCommission")
        fills = [report.fill for report in await desk.reports() if hasattr(report, "fill")]
        assert {fill.order_id for fill in fills} == {"own-1"}
        states = [
            messages.decode(each.payload, AccountState) async for each in desk.recorder.read("STATE", "account.ibkr.*")
        ]
        assert {state.account for state in states} == {"DU1234567"}
        assert runtime.details()["link"] == "READY"

    async def test_another_client_that_takes_the_account_subscription_is_outdone(self, desk: Any) -> None:
        await desk.start()
        await desk.ready()
        text = "New account data requested from TWS. API client has been unsubscribed from account data."
        await desk.venue.do("lose_subscriptions", data="account")
        await desk.venue.do("error", code=2100, text=text, client=ORDERS)
        told: list[int] = []

        async def subscribed() -> bool:
            told.append((await desk.venue.do("lose_subscriptions", data="account"))["subscriptions"])
            return sum(told) >= 2

        await desk.eventually(subscribed, "figures and positions are subscribed to")
