"""What this venue's own parts do for an order not to be sent twice, late, or by the wrong process; no network.

The guards of the house are tested in tests/shared/gateway/. Every guard here was deleted once, and a test failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from gateway_dydx import orders_link
from gateway_dydx.asking import Questions
from gateway_dydx.facts import Market, OraclePrice, Unreadable
from gateway_dydx.instruments import Offered
from gateway_dydx.orders import Orders
from gateway_dydx.plans import CancelPlan, OrderPlan, subaccount_of
from gateway_dydx.sending import Sending
from gateway_dydx.settings import Settings
from gateway_dydx.state import OwnState, state_of
from gateway_dydx.trailing import Trailing
from gateway_dydx.translate import MarketTerms
from gateway_dydx.unread import Unread
from gateway_dydx.venue_node import BroadcastResult, Node, SignedTransaction
from gateway_dydx.venue_permission import KeptPermission
from msgspec.structs import replace
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.desk import Desk
from signalbox.errors import LeaseLostError
from signalbox.gateway import reports
from signalbox.gateway.actions import CancelStray
from signalbox.gateway.asking import Pace
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.link import Link
from signalbox.gateway.outbox import Outbox
from signalbox.gateway.parking import Parking
from signalbox.gateway.state import Standing, track
from signalbox.gateway.submission import Submission
from signalbox.lease import OwnLease
from signalbox.messages import (
    CancelOrder,
    InstrumentKind,
    LedgerClaimed,
    LedgerSent,
    LinkStatus,
    ListPart,
    MarketState,
    Order,
    OrderType,
    Report,
    Side,
    SubmitOrder,
    TimeInForce,
    VenueRejected,
)
from signalbox.settings import Secret

from tests.conftest import HeldLease, MovedClock
from tests.shared.gateway.orders import switched
from tests.stream_in_memory import MemoryBus

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
ACCOUNT = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz-0"
SUBACCOUNT = subaccount_of(ACCOUNT)
HEIGHT = 1000
WAIT_SECONDS_MAX = 60.0
BTC = MarketTerms(
    ticker="BTC-USD",
    clob_pair_id=0,
    atomic_resolution=-10,
    quantum_conversion_exponent=-9,
    step_base_quantums=1_000_000,
    subticks_per_tick=100_000,
    step_size=Decimal("0.0001"),
    tick_size=Decimal(1),
)


def order_of(order_id: str = "o-1") -> Order:
    return Order(
        order_id=order_id, intent_id=order_id, venue="dydx", account=ACCOUNT, symbol="BTC-USD", side=Side.BUY,
        quantity=Decimal("0.01"), order_type=OrderType.MARKET, time_in_force=TimeInForce.DAY,
    )  # fmt: skip


def submission(order_id: str = "o-1", seconds: float = 30) -> SubmitOrder:
    return SubmitOrder(
        id=f"command/{order_id}/0", at=AT, order=order_of(order_id), deadline=AT + timedelta(seconds=seconds)
    )


def cancel_of(order_id: str = "o-1") -> CancelOrder:
    return CancelOrder(
        id=f"command/{order_id}/1", at=AT, venue="dydx", account=ACCOUNT, order_id=order_id, venue_order_id=""
    )


def claim_of(number: int = 5, at: datetime = AT, good_til_block: int = HEIGHT + 20) -> LedgerClaimed:
    return LedgerClaimed(
        id=f"ledger/dydx/{ACCOUNT}/claim/{number}", at=at, cause="command/o-1/0", venue="dydx", order=order_of(),
        attempt_id=str(number), venue_order_id=f"uuid-{number}", good_til_block=good_til_block,
    )  # fmt: skip


class Chain:
    """A node: what was broadcast, and what happens while something is signed."""

    def __init__(self) -> None:
        self.broadcasts: list[bytes] = []
        self.in_signing: Callable[[], None] = lambda: None

    def prepare_place(self, plan: OrderPlan, at: datetime) -> SignedTransaction:
        happens, self.in_signing = self.in_signing, lambda: None
        happens()
        return SignedTransaction(f"place {plan.identity.client_id}".encode(), "hash")

    def prepare_cancel(self, plan: CancelPlan, at: datetime) -> SignedTransaction:
        happens, self.in_signing = self.in_signing, lambda: None
        happens()
        return SignedTransaction(f"cancel {plan.identity.client_id}".encode(), "hash")

    async def broadcast(self, signed: SignedTransaction) -> BroadcastResult:
        self.broadcasts.append(signed.payload)
        return BroadcastResult(code=0, codespace="", raw_log="", transaction_hash=signed.transaction_hash)


class House:
    """One gateway without a network: READY, with the account, and a node that takes everything."""

    def __init__(self) -> None:
        self.bus, self.clock, self.lease, self.chain = MemoryBus(), MovedClock(AT), HeldLease(), Chain()
        bus = cast(Bus, self.bus)
        self.state = state_of(ACCOUNT, OwnState(height=HEIGHT))
        self.link = Link(bus, self.clock, "dydx", ACCOUNT, cast(OwnLease, self.lease))
        self.link.become(LinkStatus.READY)
        self.link.switch.state = switched()
        self.outbox = Outbox(bus, "dydx", lambda error: None, cast(OwnLease, self.lease))
        settings = Settings(nats_url="", nats_user="", nats_password=Secret(""), desk_file=Path("unused"))
        unused = cast(Any, None)
        permission = KeptPermission(cast(Node, self.chain), SUBACCOUNT, settings)
        self.sending = Sending(cast(Node, self.chain), self.clock, self.state, cast(OwnLease, self.lease), permission)
        instruments = Instruments[Offered](bus, cast(Desk, SimpleNamespace(instruments=())), "dydx")
        listed = cast(Any, SimpleNamespace(market_state=MarketState.OPEN, kind=InstrumentKind.PERPETUAL))
        instruments.offered["BTC-USD"] = Offered(unused, unused, BTC, listed)
        self.instruments = instruments
        parking = Parking("dydx", self.link.doubt)
        self.unread = Unread(parking)
        self.orders = Orders(
            self.state,
            self.sending,
            SUBACCOUNT,
            settings,
            instruments,
            lambda symbol, side: Decimal(50_000),
            lambda symbol: Decimal(50_000),
        )
        questions = Questions(self.clock, self.state, cast(Any, None), self.sending.failure_of, SUBACCOUNT, settings)
        pace = Pace(ask_seconds=1.0, ask_seconds_max=30.0, commission_asks_max=8)
        self.submission = Submission(
            bus, self.clock, self.state, self.link, self.outbox, parking, self.orders, questions, pace, 0.2
        )

    async def take(self, command: SubmitOrder | CancelOrder) -> None:
        """Give the gateway a command, as the consumer does."""
        payload = messages.encode(command)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await self.submission.handle(Received("", payload, "COMMANDS", 1, AT, command.id, 0))

    def reports(self) -> list[Any]:
        told = [each for each in self.bus.stored if each.subject.startswith("report.")]
        return [messages.decode(each.payload, Report) for each in told]

    def entries(self) -> list[Any]:
        written = [each for each in self.bus.stored if each.subject == subjects.ledger("dydx", "o-1")]
        return [messages.decode(each.payload, messages.LedgerEntry) for each in written]

    def working(self) -> Any:
        """Have an order that was sent."""
        tracked = track(self.state, claim_of(), 1)
        tracked.standing = Standing.SENT
        return tracked


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    storing = asyncio.create_task(made.outbox.run())
    yield made
    storing.cancel()
    await asyncio.gather(storing, return_exceptions=True)


# --------------------------------------------------------------------------------------------------------- the ledger


# ------------------------------------------------------------------------------------------------------ the way out


async def test_an_order_is_claimed_sent_and_written_down_once(house: House) -> None:
    await house.take(submission())
    await house.take(submission())
    assert len(house.chain.broadcasts) == 1
    assert [type(entry) for entry in house.entries()] == [LedgerClaimed, LedgerSent]


def trailing(order_id: str, **changes: Any) -> Order:
    part = ListPart(list_id="b", leg="stop", group=1, quantity=Decimal("0.01"))
    terms = {"order_type": OrderType.TRAILING_STOP, "trail_percent": Decimal(2), "reduce_only": True, "part": part}
    return replace(order_of(order_id), **terms | {"side": Side.SELL, "time_in_force": TimeInForce.GTC} | changes)


async def test_a_stop_that_trails_begins_where_the_one_lies_that_it_takes_the_place_of(house: House) -> None:
    def lies(**changes: Any) -> Decimal:
        plan = house.orders.compose(trailing("o-2", **changes), AT).terms
        return Decimal(plan.trigger_subticks) / 100_000

    assert lies() == 49_000
    tracked = house.working()
    tracked.order, tracked.own.stop_price = trailing("o-1"), Decimal(49_500)
    assert lies() == 49_500
    assert lies(trail_stop_price=Decimal(49_700)) == 49_700
    assert lies(part=None) == 49_000
    assert reports.triggered(house.state, tracked, AT)
    assert lies() == 50_000, "what one that went off has left is to trade at once"


async def test_a_stop_is_made_to_trail_from_where_it_lies_or_nearer(house: House) -> None:
    stands = replace(trailing("o-1"), order_type=OrderType.STOP, trail_percent=None, stop_price=Decimal(48_000))
    tracked = house.working()

    def lies(order: Order, now: Order, at: int) -> Decimal:
        tracked.order, tracked.own.stop_price = now, Decimal(at)
        found: Decimal = house.orders.compose_change(tracked, order, AT).terms.after.stop_price
        return found

    asked = trailing("o-1", trail_stop_price=Decimal(48_000))
    assert lies(asked, stands, 48_000) == 49_000
    assert lies(replace(asked, trail_percent=Decimal(10)), stands, 48_000) == 48_000
    closer = replace(asked, trail_percent=Decimal("1.5"))
    assert lies(closer, asked, 49_800) == 49_800, "it has come nearer by itself"
    assert lies(closer, asked, 48_500) == 49_250


async def test_a_stop_begins_to_trail_once_the_oracle_has_been_at_its_activation_price(house: House) -> None:
    price = Decimal(50_000)
    settings = Settings(nats_url="", nats_user="", nats_password=Secret(""), desk_file=Path("unused"))
    trailer = Trailing(
        cast(Bus, house.bus),
        house.clock,
        house.state,
        house.link,
        house.orders.moves,
        cast(Any, None),
        house.instruments,
        lambda symbol: price,
        house.sending.budget,
        settings,
    )
    waits = trailing("o-1", activation_price=Decimal(60_000))
    assert Decimal(house.orders.compose(waits, AT).terms.trigger_subticks) / 100_000 == 60
    tracked = house.working()
    tracked.order, tracked.seen, tracked.own.stop_price = waits, True, Decimal(60)
    for at, lies in ((59_999, None), (61_000, 59_780), (60_000, 58_800)):
        price = Decimal(at)
        assert trailer._wanted(tracked) == lies
    tracked.own.stop_price = Decimal(58_800)
    price = Decimal(59_999)
    assert trailer._wanted(tracked) is None, "it has begun, and is never moved back"
    tracked.own.stop_price, price = Decimal(58_900), Decimal(61_000)
    assert trailer._wanted(tracked) == 59_780


async def test_a_deadline_that_comes_between_claim_and_broadcast_is_kept(house: House) -> None:
    def deadline_comes() -> None:
        house.clock.at = AT + timedelta(seconds=30)

    house.chain.in_signing = deadline_comes
    await house.take(submission(seconds=30))
    assert house.chain.broadcasts == []
    assert [type(report) for report in house.reports()] == [VenueRejected]
    assert house.state.orders["o-1"].done, "it is not asked about any more"


async def test_an_order_whose_last_block_has_come_is_not_sent(house: House) -> None:
    """Nothing could fill it; and the indexer would not tell of it."""

    def blocks_pass() -> None:
        house.state.own.height += 1000

    house.chain.in_signing = blocks_pass
    await house.take(submission())
    assert house.chain.broadcasts == []
    assert [type(report) for report in house.reports()] == [VenueRejected]


async def test_an_order_is_not_broadcast_by_a_process_that_lost_the_account_meanwhile(house: House) -> None:
    def lease_is_lost() -> None:
        house.lease.held = False

    house.chain.in_signing = lease_is_lost
    with pytest.raises(LeaseLostError):
        await house.take(submission())
    assert house.chain.broadcasts == []


async def test_the_lease_is_looked_at_right_before_every_broadcast(house: House) -> None:
    """The last look: whatever was asked before, what is signed does not leave without the account."""
    tracked = house.working()
    plan = house.orders.plan_of(tracked)
    house.lease.held = False
    placed, canceled = (
        await house.sending.place(plan, None),
        await house.sending.cancel(house.orders.cancel_plan(tracked)),
    )
    assert house.chain.broadcasts == []
    assert (placed.outcome.value, canceled.verdict.value) == ("UNSENT", "UNKNOWN")


@pytest.mark.parametrize("obstacle", ["link", "clock"])
async def test_an_order_is_not_sent_while_the_link_or_the_clock_is_gone(house: House, obstacle: str) -> None:
    def goes() -> None:
        if obstacle == "link":
            house.link.become(LinkStatus.FROZEN, "gone")
        else:
            house.clock.stale = True
        asyncio.get_running_loop().call_later(0.05, comes)

    def comes() -> None:
        assert house.chain.broadcasts == []
        house.clock.stale = False
        house.link.become(LinkStatus.READY)

    house.chain.in_signing = goes
    await house.take(submission())
    assert len(house.chain.broadcasts) == 1


async def test_what_the_venue_has_not_is_neither_claimed_nor_sent_whatever_risk_has_approved(house: House) -> None:
    """By another version's table, for example."""
    approved = submission()
    await house.take(replace(approved, order=replace(approved.order, outside_regular_hours=True)))
    assert (house.chain.broadcasts, house.entries()) == ([], [])
    (rejected,) = house.reports()
    assert "only an order with a limit can work outside regular hours" in rejected.reason


@pytest.mark.parametrize("obstacle", ["closed", "unread"])
async def test_nothing_is_sent_for_a_market_that_takes_no_orders_or_can_not_be_read(
    house: House, obstacle: str
) -> None:
    if obstacle == "closed":
        listed = cast(Any, SimpleNamespace(market_state=MarketState.PAUSED))
        market = cast(Any, SimpleNamespace(status="PAUSED"))
        house.instruments.offered["BTC-USD"] = Offered(cast(Any, None), market, BTC, listed)
    else:
        row = Unreadable(kind="oracle price", key="BTC-USD", symbol="BTC-USD", reason="it is 0", text="{}")
        house.unread.park(row, "data")
    await house.take(submission())
    assert house.chain.broadcasts == []
    (rejected,) = house.reports()
    assert ("PAUSED" if obstacle == "closed" else "oracle price: it is 0") in rejected.reason


# --------------------------------------------------------------------------------------------------------- cancels


async def test_a_cancel_is_not_broadcast_by_a_process_that_lost_the_account_meanwhile(house: House) -> None:
    def lease_is_lost() -> None:
        house.lease.held = False

    house.working()
    house.chain.in_signing = lease_is_lost
    with pytest.raises(LeaseLostError):
        await house.take(cancel_of())
    assert house.chain.broadcasts == []


@pytest.mark.parametrize("held", [True, False])
async def test_a_stray_is_cancelled_by_whoever_holds_the_account(house: House, held: bool) -> None:
    house.working()
    house.lease.held = held
    house.submission.act([CancelStray("o-1")])
    await asyncio.gather(*house.submission._unasked.values())
    assert house.chain.broadcasts == ([b"cancel 5"] if held else [])


# ------------------------------------------------------------------------------------------------- what is told


async def test_it_is_not_ready_before_it_knows_what_a_market_order_may_cost(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A market order that waits for READY would be refused for want of a price, for good."""
    told, facts_of = asyncio.Event(), orders_link.facts_of

    def without_prices(message: dict[str, Any]) -> list[Any]:
        facts = [*facts_of(message)]
        return facts if told.is_set() else [fact for fact in facts if not isinstance(fact, OraclePrice | Market)]

    monkeypatch.setattr(orders_link, "facts_of", without_prices)
    await desk.start()
    await desk.submit("early-1", deadline_seconds=36_000)
    await desk.eventually(
        lambda: any("prices" in link.reason for link in desk.links), "the gateway to say that it waits for prices"
    )
    assert all(link.status is not LinkStatus.READY for link in desk.links)
    told.set()
    await desk.has("early-1", "VenueFill")


def test_the_next_stateful_order_waits_for_a_block_and_not_for_a_hundred(house: House) -> None:
    """The chain takes 2 in a block and 20 in 100 blocks of one address."""
    resting = replace(
        order_of(), order_type=OrderType.LIMIT, limit_price=Decimal(50_000), time_in_force=TimeInForce.GTC
    )
    draft, budget = house.orders.compose(resting, AT), house.sending.budget
    assert house.orders.no_room(draft) is None
    for _ in range(2):
        budget.note(HEIGHT)
    soon = house.orders.no_room(draft)
    assert soon is not None
    assert soon.passes
    assert house.orders.no_room(house.orders.compose(order_of(), AT)) is None, "others have no such limit"
    for height in range(HEIGHT + 1, HEIGHT + 19):
        budget.note(height)
    house.state.own.height = HEIGHT + 20
    full = house.orders.no_room(draft)
    assert full is not None
    assert not full.passes
    assert f"block {HEIGHT + 100}" in full.reason
