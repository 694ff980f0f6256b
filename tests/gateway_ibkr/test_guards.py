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
from gateway_ibkr.asking import Questions
from gateway_ibkr.facts import VenueContract
from gateway_ibkr.instruments import Offered
from gateway_ibkr.orders import Orders
from gateway_ibkr.settings import Settings
from gateway_ibkr.state import OwnState, state_of
from msgspec.structs import replace
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.desk import Desk
from signalbox.errors import LeaseLostError
from signalbox.gateway import ledger
from signalbox.gateway.actions import CancelStray
from signalbox.gateway.asking import Pace
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.link import Link
from signalbox.gateway.outbox import Outbox
from signalbox.gateway.parking import Parking
from signalbox.gateway.state import Standing, track
from signalbox.gateway.submission import Submission
from signalbox.instruments import parse_symbol
from signalbox.messages import (
    CancelOrder,
    LedgerClaimed,
    LedgerSent,
    LinkStatus,
    Order,
    OrderType,
    Report,
    Side,
    SubmitOrder,
    TimeInForce,
    VenueRejected,
    VenueUnknown,
)
from signalbox.settings import Secret

from tests.conftest import HeldLease, MovedClock
from tests.shared.gateway.orders import switched
from tests.stream_in_memory import MemoryBus

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
ACCOUNT = "DU1"
WAIT_SECONDS_MAX = 60.0


def order_of(order_id: str = "o-1") -> Order:
    return Order(
        order_id=order_id, intent_id=order_id, venue="ibkr", account=ACCOUNT, symbol="SPY", side=Side.BUY,
        quantity=Decimal(10), order_type=OrderType.MARKET, time_in_force=TimeInForce.DAY,
    )  # fmt: skip


def submission(order_id: str = "o-1", seconds: float = 30) -> SubmitOrder:
    return SubmitOrder(
        id=f"command/{order_id}/0", at=AT, order=order_of(order_id), deadline=AT + timedelta(seconds=seconds)
    )


class Socket:
    """A session as `OrdersSession` is one: what was written on it, and what happens while a turn is waited for."""

    is_open = True

    def __init__(self, in_turn: Callable[[], None] = lambda: None) -> None:
        self.placed: list[str] = []
        self.cancelled: list[int] = []
        self.turns = 0
        self._in_turn = in_turn

    @property
    def session(self) -> Socket:
        return self

    async def turn(self) -> None:
        self.turns += 1
        happens, self._in_turn = self._in_turn, lambda: None
        happens()

    def compose(self, number: int, contract: object, terms: Any, *, parent: int, transmit: bool) -> str:
        return f"{id(self)} {number} {terms.reference}"

    def place(self, message: str) -> None:
        self.placed.append(message)

    def cancel(self, number: int) -> None:
        self.cancelled.append(number)


class House:
    """One gateway without a network: READY, with the account, and a session."""

    def __init__(self) -> None:
        self.bus, self.clock, self.lease = MemoryBus(), MovedClock(AT), HeldLease()
        bus = cast(Bus, self.bus)
        self.state = state_of(ACCOUNT, OwnState(11))
        self.link = Link(bus, self.clock, "ibkr", ACCOUNT, self.lease)
        self.link.become(LinkStatus.READY)
        self.link.switch.state = switched()
        self.outbox = Outbox(bus, "ibkr", lambda error: None, self.lease)
        settings = Settings(nats_url="", nats_user="", nats_password=Secret(""), desk_file=Path("unused"))
        instruments = Instruments[Offered](bus, cast(Desk, SimpleNamespace(instruments=())), "ibkr")
        instruments.offered["SPY"] = Offered(parse_symbol("SPY"), VenueContract(con_id=1, symbol="SPY"))
        self.orders = Orders(self.state, instruments)
        parking = Parking("ibkr", self.link.doubt)
        questions = Questions(self.clock, self.state, self.link, parking, settings, self.orders.open_session)
        pace = Pace(ask_seconds=1.0, ask_seconds_max=60.0, commission_asks_max=5)
        self.submission = Submission(
            bus, self.clock, self.state, self.link, self.outbox, parking, self.orders, questions, pace, 0.2
        )
        self.socket = Socket()

    @property
    def socket(self) -> Socket:
        return cast(Socket, self.orders.session)

    @socket.setter
    def socket(self, socket: Socket) -> None:
        self.orders.session = cast(Any, socket)

    async def take(self, command: SubmitOrder | CancelOrder) -> None:
        """Give the gateway a command, as the consumer does."""
        payload = messages.encode(command)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await self.submission.handle(Received("", payload, "COMMANDS", 1, AT, command.id, 0))

    def reports(self) -> list[Any]:
        told = [each for each in self.bus.stored if each.subject.startswith("report.")]
        return [messages.decode(each.payload, Report) for each in told]

    def entries(self, order_id: str = "o-1") -> list[Any]:
        subject = subjects.ledger("ibkr", order_id)
        written = [each for each in self.bus.stored if each.subject == subject]
        return [messages.decode(each.payload, messages.LedgerEntry) for each in written]

    def working(self, order_id: str = "o-1", number: int = 5) -> Any:
        """Have an order that was sent."""
        claim = ledger.claimed("ibkr", submission(order_id), number, AT)
        tracked = track(self.state, claim, 1)
        tracked.standing = Standing.SENT
        return tracked


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    storing = asyncio.create_task(made.outbox.run())
    yield made
    storing.cancel()
    await asyncio.gather(storing, return_exceptions=True)


def cancel_of(order_id: str = "o-1") -> CancelOrder:
    return CancelOrder(
        id=f"command/{order_id}/1", at=AT, venue="ibkr", account=ACCOUNT, order_id=order_id, venue_order_id=""
    )


# --------------------------------------------------------------------------------------------------------- the ledger


# ------------------------------------------------------------------------------------------------------ the way out


async def test_what_the_venue_has_not_is_neither_claimed_nor_sent_whatever_risk_has_approved(house: House) -> None:
    """By another version's table, for example."""
    approved = submission()
    await house.take(replace(approved, order=replace(approved.order, outside_regular_hours=True)))
    assert (house.socket.placed, house.entries()) == ([], [])
    (rejected,) = house.reports()
    assert "only an order with a limit can work outside regular hours" in rejected.reason


async def test_an_order_is_claimed_sent_and_written_down_once(house: House) -> None:
    await house.take(submission())
    await house.take(submission())
    assert len(house.socket.placed) == 1
    assert [type(entry) for entry in house.entries()] == [LedgerClaimed, LedgerSent]


async def test_a_deadline_that_comes_between_claim_and_socket_is_kept(house: House) -> None:
    """The turn on the socket may be waited for: TWS takes fifty messages a second."""

    def deadline_comes() -> None:
        house.clock.at = AT + timedelta(seconds=30)

    house.socket = Socket(deadline_comes)
    await house.take(submission(seconds=30))
    assert house.socket.placed == []
    assert [type(report) for report in house.reports()] == [VenueRejected]
    assert house.state.orders["o-1"].done, "it is not asked about any more"


async def test_an_order_that_broke_on_the_socket_is_unknown_and_asked_about(house: House) -> None:
    """Bytes may have left."""

    class Broken(Socket):
        def place(self, message: str) -> None:
            raise ConnectionError("gone")

    house.socket = Broken()
    await house.take(submission())
    await house.outbox.drained()
    assert house.state.orders["o-1"].standing is Standing.CLAIMED
    assert [type(report) for report in house.reports()] == [VenueUnknown]
    assert "o-1" in house.submission.asking._due


async def test_an_order_is_not_written_by_a_process_that_lost_the_account_while_it_waited(house: House) -> None:
    def lease_is_lost() -> None:
        house.lease.held = False

    house.socket = Socket(lease_is_lost)
    with pytest.raises(LeaseLostError):
        await house.take(submission())
    assert house.socket.placed == []


@pytest.mark.parametrize("obstacle", ["link", "clock"])
async def test_an_order_is_not_written_while_the_link_or_the_clock_is_gone(house: House, obstacle: str) -> None:
    def goes() -> None:
        if obstacle == "link":
            house.link.become(LinkStatus.FROZEN, "gone")
        else:
            house.clock.stale = True
        asyncio.get_running_loop().call_later(0.05, comes)

    def comes() -> None:
        assert house.socket.placed == []
        house.clock.stale = False
        house.link.become(LinkStatus.READY)

    house.socket = Socket(goes)
    await house.take(submission())
    assert len(house.socket.placed) == 1


async def test_an_order_is_written_on_the_session_that_there_is_now(house: House) -> None:
    old = house.socket

    def another_session() -> None:
        house.socket = Socket()

    house.socket = old = Socket(another_session)
    await house.take(submission())
    assert old.placed == []
    assert house.socket.placed == [f"{id(house.socket)} 1 o-1"], "as this session writes it"
    assert house.socket.turns == 1, "a turn on one session is none on the next"


# --------------------------------------------------------------------------------------------------------- cancels


async def test_a_cancel_is_not_written_by_a_process_that_lost_the_account_while_it_waited(house: House) -> None:
    def lease_is_lost() -> None:
        house.lease.held = False

    house.working()
    house.socket = Socket(lease_is_lost)
    with pytest.raises(LeaseLostError):
        await house.take(cancel_of())
    assert house.socket.cancelled == []


async def test_a_cancel_is_written_on_the_session_that_there_is_now(house: House) -> None:
    def another_session() -> None:
        house.socket = Socket()

    house.working()
    house.socket = old = Socket(another_session)
    await house.take(cancel_of())
    assert (old.cancelled, house.socket.cancelled) == ([], [5])


async def test_an_order_of_another_client_id_is_not_cancelled_by_its_number(house: House) -> None:
    """The venue does not ask whose number it is: another order of ours may have it."""
    house.working().own.client_id = 99
    await house.take(cancel_of())
    assert house.socket.cancelled == []
    assert "another client id" in house.reports()[0].reason


@pytest.mark.parametrize("held", [True, False])
async def test_a_stray_is_cancelled_by_whoever_holds_the_account(house: House, held: bool) -> None:
    house.working()
    house.lease.held = held
    house.submission.act([CancelStray("o-1")])
    await asyncio.gather(*house.submission._unasked.values())
    assert house.socket.cancelled == ([5] if held else [])


# ------------------------------------------------------------------------------------------------- what is told
