"""Failures that need two things to happen at once, each found by asking of a line "what if it ends here?"."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from gateway_dydx.state import OwnState, state_of, take_number
from gateway_dydx.venue_indexer import IndexerRest
from oms.evolve import evolve
from oms.outcome import Rules
from oms.state import AccountBook
from oms.state import State as OmsState
from oms.step import step
from signalbox.bus import Bus, PublishAck
from signalbox.errors import WrongSequenceError
from signalbox.gateway import ledger
from signalbox.messages import (
    LinkStatus,
    Order,
    OrderType,
    Report,
    Side,
    SubmitOrder,
    TimeInForce,
    VenueCommission,
    VenueFill,
    VenueFunding,
    VenueSnapshot,
)
from simulators.world import WorldOptions

from tests.venue.wire import Wire

AT = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)
FAR = Decimal(5_000)
RULES = Rules(submit_window=timedelta(seconds=30), unknown_grace=timedelta(seconds=15), venues=frozenset({"dydx"}))


def booked(reports: list[Report]) -> AccountBook:
    """The books that the OMS makes of these reports."""
    state = OmsState()
    sequence = 0
    for report in reports:
        if not isinstance(report, VenueFill | VenueCommission | VenueFunding | VenueSnapshot):
            continue
        outcome = step(state, report, report.at, RULES)
        for event in outcome.events:
            sequence += 1
            evolve(state, event, sequence)
    (book,) = state.accounts.values()
    return book


async def snapshots(desk: Any) -> list[VenueSnapshot]:
    return [each for each in await desk.reports() if isinstance(each, VenueSnapshot)]


class TestAnAccountThatWasTradedBefore:
    """Its figures contain what was paid before: that must not be booked again."""

    @pytest.fixture
    def world_options(self) -> WorldOptions:
        prices = (("BTC-USD", Decimal(100_000)),)
        start = datetime(2024, 3, 5, 14, 59, 30, tzinfo=UTC)
        return WorldOptions(symbols=("BTC-USD",), speed=30.0, start=start, seed=7, prices=prices, accounts=())

    @pytest.fixture
    def gateway_settings(self) -> dict[str, Any]:
        return {"reconcile_seconds": 0.3}

    async def test_funding_paid_before_the_desk_took_the_account_over_is_not_booked_again(self, desk: Any) -> None:
        price = str(desk.venue.price() + 1000)
        placing = {"account": desk.account, "symbol": "BTC-USD", "side": "BUY", "quantity": "0.5", "price": price}
        await desk.venue.do("place_external", kind="SHORT_TERM", time_in_force="IOC", **placing)
        await desk.eventually(lambda: desk.venue.chain.funding_payments, "a payment before the desk begins")
        await desk.start()
        await desk.ready()

        async def looked_again() -> bool:
            return len(await snapshots(desk)) > 2

        await desk.eventually(looked_again, "a second look at the account")
        book = booked(await desk.reports())
        held = desk.venue.chain.subaccount(desk.venue.orders()[0].address, 0)
        assert book.cash["USD"] == held.usdc


class TestAnAccountThatIsTakenOverAsTheHourTurns:
    """The figures are asked for before the hour and answered after it: which payments they have must not be guessed."""

    @pytest.fixture
    def world_options(self) -> WorldOptions:
        prices = (("BTC-USD", Decimal(100_000)),)
        start = datetime(2024, 3, 5, 14, 59, tzinfo=UTC)
        return WorldOptions(symbols=("BTC-USD",), speed=0.5, start=start, seed=7, prices=prices, accounts=())

    @pytest.fixture
    def gateway_settings(self) -> dict[str, Any]:
        return {"reconcile_seconds": 0.3}

    async def test_the_payment_is_not_counted_twice(self, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        price, asked, answer = str(desk.venue.price() + 1000), 0, IndexerRest.subaccount
        placing = {"account": desk.account, "symbol": "BTC-USD", "side": "BUY", "quantity": "0.1", "price": price}
        await desk.venue.do("place_external", kind="SHORT_TERM", time_in_force="IOC", **placing)
        await desk.eventually(lambda: desk.venue.chain.fills, "a position before the desk begins")
        await desk.venue.do("late_funding", seconds=600)

        async def as_the_hour_turns(rest: IndexerRest, address: str, number: int) -> Any:
            nonlocal asked
            asked += 1
            if asked == 1:
                assert not desk.venue.chain.funding_payments
                desk.venue.world.set_speed(60.0)
                await desk.eventually(lambda: desk.venue.chain.funding_payments, "the payment")
                desk.venue.world.set_speed(0.5)
                await desk.blocks(1)
            return await answer(rest, address, number)

        monkeypatch.setattr(IndexerRest, "subaccount", as_the_hour_turns)
        await desk.start()
        await desk.ready()
        await desk.venue.do("late_funding", seconds=0)

        async def listed() -> bool:
            return any(isinstance(each, VenueFunding) for each in await desk.reports())

        await desk.eventually(listed, "the payment, listed late")
        held = desk.venue.chain.subaccount(desk.venue.orders()[0].address, 0)
        assert booked(await desk.reports()).cash["USD"] == held.usdc


class TestARestartBesideAnIndexerThatIsBehind:
    @pytest.fixture
    def gateway_settings(self) -> dict[str, Any]:
        return {"standstill_seconds_max": 5.0}

    async def test_nothing_is_concluded_or_sent_by_the_indexers_height_alone(self, desk: Any) -> None:
        runtime = await desk.start()
        await desk.ready()
        await desk.submit("renewed-1", order_type=OrderType.LIMIT, limit_price=desk.venue.price() - FAR)
        await desk.has("renewed-1", "VenueAccepted")
        claim = await desk.claim_of("renewed-1")
        await desk.venue.do("indexer_behind", blocks=18)

        def renewed_lately() -> bool:
            order, height = desk.venue.order(claim.venue_order_id), desk.venue.chain.height
            return order is not None and order.good_til_block > max(claim.good_til_block, height + 15)

        await desk.eventually(renewed_lately, "a renewal")
        await desk.stop(runtime)
        desk.mark = len(desk.links)
        async with Wire(desk.venue.dydx.grpc_port) as wire:
            wire.refuse()
            desk.settings = desk.with_settings(dydx_node_url=f"127.0.0.1:{wire.port}")
            runtime = await desk.start()
            await desk.eventually(lambda: int(runtime.details()["height"]) > 0, "a height of the indexer's")
            await desk.venue.do("indexer_behind", blocks=0)
            await desk.blocks(20)
            assert LinkStatus.READY not in {link.status for link in desk.links[desk.mark :]}
            await wire.mend()
            await desk.ready()
            there = desk.venue.order(claim.venue_order_id)
            works = there is not None and there.status in ("OPEN", "BEST_EFFORT_OPENED")
            assert not (works and "VenueExpired" in await desk.kinds("renewed-1"))
            await desk.stop(runtime)


class TestAReplyThatIsLostLate:
    @pytest.fixture
    def gateway_settings(self) -> dict[str, Any]:
        return {"broadcast_seconds_max": 2.0, "sequence_seconds": 1.5}

    async def test_the_time_in_which_it_may_come_on_the_chain_begins_when_it_was_last_sent(self, desk: Any) -> None:
        await desk.start()
        await desk.ready()
        await desk.venue.do("indexer_behind", blocks=55)
        await desk.venue.do("lose_reply")
        terms = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC}
        await desk.submit("late-1", limit_price=desk.venue.price() - FAR, **terms)
        await desk.has("late-1", "VenueUnknown")
        await desk.eventually(lambda: desk.venue.orders(), "the order on the chain")
        kinds = await desk.has("late-1", "VenueAccepted")
        assert "VenueRejected" not in kinds


class Holding:
    """A bus that keeps back reports, as if the server did not answer."""

    def __init__(self, bus: Bus) -> None:
        self._bus, self.asked, self.free = bus, asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def publish(self, subject: str, *arguments: Any, **options: Any) -> PublishAck:
        if subject.startswith("report.") and subject.endswith(".rejected"):
            self.asked.set()
            await self.free.wait()
        return await self._bus.publish(subject, *arguments, **options)


async def test_a_refusal_is_stored_before_its_command_is_acknowledged(desk: Any) -> None:
    held: list[Holding] = []

    def holding(bus: Bus) -> Any:
        held.append(Holding(bus))
        return held[0]

    runtime = await desk.start(holding)
    await desk.ready()
    await desk.submit("refused-1", order_type=OrderType.MARKET_ON_CLOSE)
    await desk.eventually(held[0].asked.is_set, "the refusal on its way")
    await desk.submit("refused-2", order_type=OrderType.MARKET_ON_CLOSE)
    await desk.blocks(4)
    await desk.stop(runtime)  # as a kill: the refusal was not stored
    desk.mark = len(desk.links)
    await desk.start()
    await desk.has("refused-1", "VenueRejected")
    await desk.has("refused-2", "VenueRejected")


def claim_of(order_id: str, number: int) -> Any:
    order = Order(
        order_id=order_id,
        intent_id=order_id,
        venue="dydx",
        account="dydx1x-0",
        symbol="BTC-USD",
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
    )
    command = SubmitOrder(id=f"command/{order_id}/0", at=AT, order=order, deadline=AT)
    return ledger.claimed("dydx", command, number, AT, "uuid", 10)


async def test_of_two_gateways_at_once_one_stops_before_it_uses_a_client_id_of_the_others(nats_server: Any) -> None:
    first, second = await nats_server.connect("gateway-dydx"), await nats_server.connect("gateway-dydx")
    here, there = state_of("dydx1x-0", OwnState()), state_of("dydx1x-0", OwnState())
    taken = await ledger.claim(first, here, claim_of("a-1", take_number(here, AT)))
    assert taken is not None
    with pytest.raises(WrongSequenceError):
        await ledger.claim(second, there, claim_of("a-2", take_number(there, AT)))
    assert [each async for each in first.read("LEDGER", "ledger.dydx.a-2")] == []
