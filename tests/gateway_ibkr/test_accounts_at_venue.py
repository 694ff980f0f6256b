"""Several accounts of one login, traded by one gateway: each has its orders, its fills, its figures, and no other's."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox import messages, subjects
from signalbox.bus import Received
from signalbox.desk import Venue
from signalbox.messages import (
    AccountState,
    CancelOrder,
    Instrument,
    LinkStatus,
    OrderType,
    TimeInForce,
    VenueCommission,
    VenueFill,
    VenueSnapshot,
)
from simulators.world import WorldOptions

FIRST, SECOND, STRANGER = "DU1234567", "DU7654321", "DU5555555"
RESTS: dict[str, Any] = {"order_type": OrderType.LIMIT, "limit_price": Decimal(1), "time_in_force": TimeInForce.GTC}


@pytest.fixture
def world_options(world_options: WorldOptions) -> WorldOptions:
    return replace(world_options, accounts=("DF1111111", FIRST, SECOND, STRANGER))


@pytest.fixture
def several(desk: Any) -> Any:
    """A desk of two of the login's accounts."""
    desk.desk = replace(desk.desk, venues={"ibkr": Venue(accounts=(FIRST, SECOND))})
    return desk


async def ready(desk: Any) -> None:
    """Both accounts are READY, by an announcement since `mark`."""

    def told() -> bool:
        last = {link.account: link.status for link in desk.links[desk.mark :]}
        return last.get(FIRST) is LinkStatus.READY and last.get(SECOND) is LinkStatus.READY

    await desk.eventually(told, "both accounts are READY")


async def of_kind(desk: Any, kind: type) -> dict[str, list[Any]]:
    """Reports of a kind, by account."""
    found: dict[str, list[Any]] = defaultdict(list)
    for report in await desk.reports():
        if isinstance(report, kind):
            found[report.account].append(report)
    return found


async def test_each_accounts_orders_fills_and_fees_are_its_own(several: Any) -> None:
    desk = several
    await desk.start()
    await ready(desk)
    await desk.submit("one", account=FIRST, quantity=Decimal(10))
    await desk.submit("two", account=SECOND, quantity=Decimal(7))
    await desk.has("one", "VenueFill", "VenueCommission")
    await desk.has("two", "VenueFill", "VenueCommission")
    held = {
        account: [each.held.quantity for each in desk.venue.world.positions(account)] for account in (FIRST, SECOND)
    }
    assert held == {FIRST: [Decimal(10)], SECOND: [Decimal(7)]}
    fills = await of_kind(desk, VenueFill)
    assert {account: {each.fill.order_id for each in told} for account, told in fills.items()} == {
        FIRST: {"one"},
        SECOND: {"two"},
    }
    executions = {account: {each.fill.execution_id for each in told} for account, told in fills.items()}
    for account, fees in (await of_kind(desk, VenueCommission)).items():
        assert {fee.execution_id for fee in fees} <= executions[account]


async def test_what_others_trade_in_the_login_is_booked_in_no_account_of_the_desk(several: Any) -> None:
    desk = several
    await desk.start()
    await ready(desk)
    await desk.venue.do("place_by_hand", symbol="SPY", side="BUY", quantity=3, account=STRANGER)
    await desk.venue.do("place_by_hand", symbol="SPY", side="BUY", quantity=5, account=SECOND)

    async def second_told() -> bool:
        fees, fills = await of_kind(desk, VenueCommission), await of_kind(desk, VenueFill)
        return bool(fees[SECOND]) and bool(fills[SECOND])

    await desk.eventually(second_told, "the second account's own trade is told")
    fills, fees = await of_kind(desk, VenueFill), await of_kind(desk, VenueCommission)
    assert not fills[FIRST]
    assert not fees[FIRST]
    assert [(each.fill.symbol, each.fill.quantity) for each in fills[SECOND]] == [("SPY", Decimal(5))]
    assert {fee.execution_id for fee in fees[SECOND]} == {each.fill.execution_id for each in fills[SECOND]}


async def test_figures_and_snapshots_are_of_each_account(several: Any) -> None:
    desk = several
    await desk.start()
    await ready(desk)
    await desk.submit("two", account=SECOND, quantity=Decimal(7))
    await desk.has("two", "VenueFill")

    async def figures() -> dict[str, AccountState]:
        return {
            state.account: state
            for each in [each async for each in desk.recorder.read("STATE", "account.ibkr.*")]
            for state in [messages.decode(each.payload, AccountState)]
        }

    async def spent() -> bool:
        told = await figures()
        return set(told) == {FIRST, SECOND} and told[SECOND].cash < told[FIRST].cash

    await desk.eventually(spent, "only the second account has less cash")
    assert set(await of_kind(desk, VenueSnapshot)) == {FIRST, SECOND}


async def test_instruments_are_found_once_for_all_accounts(several: Any) -> None:
    desk, told = several, []

    async def take(received: Received) -> None:
        told.append(messages.decode(received.payload, Instrument).symbol)

    await desk.risk.subscribe("md.instrument.>", take)
    await desk.start()
    await ready(desk)
    await desk.submit("two", account=SECOND)
    await desk.has("two", "VenueFill")
    assert sorted(told) == ["AAPL", "SPY"]


async def test_an_account_that_the_desk_does_not_list_is_refused_by_the_gateway(several: Any) -> None:
    desk = several
    await desk.start()
    await ready(desk)
    await desk.submit("none", account=STRANGER)
    await desk.has("none", "VenueRejected")
    (told,) = await desk.reports("none")
    assert told.reason == f"this gateway trades account {FIRST}, not {STRANGER}"
    assert not desk.venue.orders_of("none")


async def test_after_a_restart_each_account_goes_on_with_its_own_orders(several: Any) -> None:
    desk = several
    runtime = await desk.start()
    await ready(desk)
    await desk.submit("one", account=FIRST, **RESTS)
    await desk.submit("two", account=SECOND, **RESTS)
    await desk.has("one", "VenueAccepted")
    await desk.has("two", "VenueAccepted")
    await desk.stop(runtime)
    desk.mark = len(desk.links)
    await desk.start()
    await ready(desk)
    now = desk.venue.world.now()
    command = CancelOrder(id="command/two/1", at=now, venue="ibkr", account=SECOND, order_id="two", venue_order_id="")
    await desk.oms.publish(subjects.command("ibkr", "two", 1), command)
    await desk.has("two", "VenueCanceled")
    assert "VenueCanceled" not in await desk.kinds("one")
    assert "VenueUnknown" not in await desk.kinds("one")
    snapshots = await of_kind(desk, VenueSnapshot)
    assert {each.order_id for each in snapshots[FIRST][-1].open_orders} == {"one"}
    assert {each.order_id for each in snapshots[SECOND][-1].open_orders} <= {"two"}


async def test_the_loss_of_one_accounts_session_leaves_the_other_ready(several: Any) -> None:
    desk = several
    runtime = await desk.start()
    await ready(desk)
    desk.mark = len(desk.links)
    await desk.venue.do("drop_link", client=13)

    def second_away() -> bool:
        return any(link.account == SECOND and link.status is LinkStatus.DOWN for link in desk.links[desk.mark :])

    await desk.eventually(second_away, "the second account's session is lost")
    await ready(desk)
    assert {link.status for link in desk.links[desk.mark :] if link.account == FIRST} == {LinkStatus.READY}
    assert runtime.details()["account"] == f"{FIRST}, {SECOND}"
    assert runtime.details()[f"link of {SECOND}"] == "READY"


async def test_an_account_that_the_login_does_not_have_keeps_nobody_from_trading(several: Any) -> None:
    desk = several
    desk.desk = replace(desk.desk, venues={"ibkr": Venue(accounts=(FIRST, "DU0000000"))})
    runtime = await desk.start()

    def first_ready() -> bool:
        return any(link.account == FIRST and link.status is LinkStatus.READY for link in desk.links)

    await desk.eventually(first_ready, "the first account is READY")
    await desk.submit("one", account=FIRST)
    await desk.has("one", "VenueFill")
    told = runtime.details()["link of DU0000000"]
    assert "not to DU0000000" in told
    await desk.eventually(
        lambda: "venue link of DU0000000" in " ".join(runtime.health.waiting_for), "what it waits for is told"
    )


async def test_another_process_stands_by_for_all_accounts_and_takes_all(several: Any) -> None:
    desk = several
    desk.desk = replace(desk.desk, venues={"ibkr": Venue(accounts=(SECOND, FIRST))})
    first = await desk.start()
    await ready(desk)
    coming = asyncio.create_task(desk.start())
    await desk.eventually(
        lambda: len(desk.runtimes) == 2 and desk.runtimes[1].health.standing_by, "the second process stands by"
    )
    await desk.stop(first)
    desk.mark = len(desk.links)
    second = await coming
    await ready(desk)
    await desk.submit("two", account=SECOND)
    await desk.has("two", "VenueFill")
    # In the order of their names, whatever the desk file's: two processes can not have one each
    assert [(lease.on, lease.is_held()) for lease in second._leases] == [(FIRST, True), (SECOND, True)]
