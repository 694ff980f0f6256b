"""Any field of any message of the venue replaced by nonsense: nothing ends, and what is booked of others is the same.

The library's own decoder, the real session, link and reconciliation, without a socket: what the simulator would write
is read as if it had come over one, live and as a download, with one field of one message that says something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from gateway_ibkr.account import Figures
from gateway_ibkr.asking import Questions, pace_of
from gateway_ibkr.facts import VenueContract
from gateway_ibkr.instruments import Offered
from gateway_ibkr.orders import Orders
from gateway_ibkr.orders_link import OrdersLink
from gateway_ibkr.settings import Settings
from gateway_ibkr.state import OwnState, state_of
from gateway_ibkr.venue import ORDERS, Endpoint, Session
from gateway_ibkr.venue_orders import OrdersSession
from hypothesis import given, settings
from hypothesis import strategies as st
from signalbox import messages
from signalbox.bus import Bus
from signalbox.desk import Desk, Mode
from signalbox.errors import TranslationError, VenueError
from signalbox.exchange.orders import Execution
from signalbox.gateway import ledger
from signalbox.gateway.account import Account
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.link import Link
from signalbox.gateway.outbox import Outbox
from signalbox.gateway.parking import Parking
from signalbox.gateway.state import Standing, track
from signalbox.gateway.submission import Submission
from signalbox.instruments import parse_symbol
from signalbox.messages import (
    LinkStatus,
    Order,
    OrderType,
    Report,
    Side,
    SubmitOrder,
    VenueCommission,
    VenueFill,
    VenueSnapshot,
)
from signalbox.settings import Secret
from simulators.listings import listing_of
from simulators.tws import order_replies, replies
from simulators.tws.order_replies import OrderFacts
from simulators.tws.wire import text_of

from tests.conftest import HeldLease, MovedClock
from tests.shared.gateway.orders import switched
from tests.stream_in_memory import MemoryBus

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
ACCOUNT, CLIENT = "DU1", 11
SPY, AAPL = listing_of("SPY"), listing_of("AAPL")
Wire = tuple[str, ...]

NONSENSE = (
    "", " ", "NaN", "-1", "0", "1e400", "1.7976931348623157E308", "2147483647", "-2147483648", "Infinity", "abc",
    "\u00b2", "\x7f", "9" * 400, "1_0", "true", "\u202e", "20991231-23:59:59", "19700101-00:00:00", "XXX", "a.b", "*",
    ">", "00" * 80, "0.0000000000000000001", "99999999999999999999", "None",
)  # fmt: skip


def execution(number: int, name: str, listing: Any, reference: str, side: Side = Side.BUY) -> Execution:
    return Execution(
        execution_id=name, number=number, at=AT, account=ACCOUNT, symbol=listing.key, side=side, quantity=Decimal(10),
        price=Decimal("101.5"), cumulative=Decimal(10), average_price=Decimal("101.5"), commission=Decimal("1.05"),
        currency="USD", realized_pnl=Decimal(0), client_reference=reference, client_tag=f"{CLIENT}:{number}",
    )  # fmt: skip


def order_facts(number: int, listing: Any, reference: str, status: str) -> OrderFacts:
    fields = {"action": "BUY", "totalQuantity": "10", "orderType": "LMT", "account": ACCOUNT, "orderRef": reference}
    return OrderFacts(number, CLIENT, 9000 + number, listing, fields, status, Decimal(10), "20240305-14:00:00", "")


def wire(message: Sequence[Any]) -> Wire:
    return tuple(text_of(each) for each in message)


def of_orders() -> list[Wire]:
    """What is told of three orders: one that works, one that filled, one placed by hand."""
    told: list[Wire] = []
    for number, listing, reference, status in (
        (1, SPY, "o-1", "Submitted"),
        (2, AAPL, "o-2", "Filled"),
        (3, AAPL, "", "Submitted"),
    ):
        told.append(wire(order_replies.open_order(order_facts(number, listing, reference, status))))
        nothing = Decimal(0)
        told.append(
            wire(replies.order_status(number, status, nothing, Decimal(10), nothing, 9000 + number, nothing, CLIENT))
        )
    return told


EXECUTED = {"0000e.2", "0000e.3", "0000e.4"}


def of_trades() -> list[Wire]:
    told: list[Wire] = []
    for number, listing, reference in ((2, AAPL, "o-2"), (3, AAPL, ""), (4, SPY, "")):
        done = execution(9000 + number, f"0000e.{number}", listing, reference)
        told.append(wire(replies.exec_details(-1, number, CLIENT, listing, done, f"{done.execution_id}.01")))
        told.append(wire(replies.commission_report(done, f"{done.execution_id}.01")))
    return told


def of_account() -> list[Wire]:
    tags = ("NetLiquidation", "TotalCashValue", "AvailableFunds", "BuyingPower", "InitMarginReq", "MaintMarginReq")
    return [wire(replies.account_value(tag, "1000.00", "USD", ACCOUNT)) for tag in tags]


def of_positions() -> list[Wire]:
    return [wire(replies.position(ACCOUNT, each, Decimal(20), Decimal("101.5"))) for each in (SPY, AAPL)]


COMPLETED = [wire(order_replies.completed_order(order_facts(2, AAPL, "o-2", "Filled")))]
LIVE = [*of_orders(), *of_trades(), *COMPLETED, *of_positions(), *of_account(), wire(replies.pnl(5, *[Decimal(1)] * 3))]


class Unconnected(Session):
    """A session that is as good as open."""

    is_open = True  # type: ignore[assignment]

    async def turn(self) -> None:
        return


class Rig:
    """The gateway's parts around one real session that is not connected."""

    def __init__(self) -> None:
        self.bus, self.clock = MemoryBus(), MovedClock(AT)
        bus, lease = cast(Bus, self.bus), HeldLease()
        self.state = state_of(ACCOUNT, OwnState(CLIENT))
        for number, listing in ((1, SPY), (2, AAPL)):
            order = Order(
                order_id=f"o-{number}", intent_id=f"o-{number}", venue="ibkr", account=ACCOUNT, symbol=listing.key,
                side=Side.BUY, quantity=Decimal(10), order_type=OrderType.MARKET,
            )  # fmt: skip
            submit = SubmitOrder(id=f"command/o-{number}/0", at=AT, order=order, deadline=AT)
            track(self.state, ledger.claimed("ibkr", submit, number, AT), number).standing = Standing.SENT
        self.state.own.symbols = {listing.con_id: listing.key for listing in (SPY, AAPL)}
        self.link = Link(bus, self.clock, "ibkr", ACCOUNT, lease)
        self.parking = Parking("ibkr", self.link.doubt)
        self.outbox = Outbox(bus, "ibkr", lambda error: None, lease)
        instruments = Instruments[Offered](bus, cast(Desk, SimpleNamespace(instruments=())), "ibkr")
        for listing in (SPY, AAPL):
            contract = VenueContract(con_id=listing.con_id, symbol=listing.symbol)
            instruments.offered[listing.key] = Offered(parse_symbol(listing.key), contract)
        config = Settings(nats_url="", nats_user="", nats_password=Secret(""), desk_file=Path("unused"))
        self.orders = Orders(self.state, instruments)
        questions = Questions(self.clock, self.state, self.link, self.parking, config, self.orders.open_session)
        submission = Submission(
            bus, self.clock, self.state, self.link, self.outbox, self.parking, self.orders, questions,
            pace_of(config), 0.2,
        )  # fmt: skip
        self.figures = Figures(ACCOUNT)
        account = Account(bus, self.clock, self.link, self.figures, 60, 0.05)
        gateway = SimpleNamespace(
            link=self.link, outbox=self.outbox, parking=self.parking, account=account, instruments=instruments
        )
        self.way = OrdersLink(
            self.clock, self.state, cast(Any, gateway), self.orders, questions, submission, config, Mode.PAPER
        )
        endpoint = Endpoint(
            name=ORDERS, host="", port=1, client_id=CLIENT, connect_seconds_max=1, answer_seconds_max=0.2
        )
        self.session = Unconnected(endpoint, self.way._on_fact)
        self.session.client.decoder.serverVersion = 178
        self.served = OrdersSession(self.session)
        self.orders.session = self.served
        self.link.become(LinkStatus.READY)
        self.link.switch.state = switched()

    def hear(self, told: Sequence[Wire]) -> None:
        """Have these messages read as they would be from the socket."""
        for message in told:
            self.session.client.decoder.interpret([*message])

    def answer(self, spoil: Callable[[Wire], Wire]) -> None:
        """Have every question answered with what the venue holds."""
        client = self.session.client

        def answers(told: Sequence[Wire], end: Wire) -> Callable[..., None]:
            return lambda *_: self.hear([*map(spoil, told), end])

        def executions(key: int, _: object) -> None:
            told = [(each[0], str(key), *each[2:]) if each[0] == "11" else each for each in map(spoil, of_trades())]
            self.hear([*told, ("55", "1", str(key))])

        client.reqAllOpenOrders = answers(of_orders(), ("53", "1"))
        client.reqExecutions = executions
        client.reqCompletedOrders = answers(COMPLETED, ("102",))
        client.reqPositions = answers(of_positions(), ("62", "1"))
        client.reqAccountUpdates = answers(of_account(), ("54", "1", ACCOUNT))

    async def reports(self) -> list[Report]:
        await self.outbox.drained()
        told = [each for each in self.bus.stored if each.subject.startswith("report.")]
        return [messages.decode(each.payload, Report) for each in told]


@asynccontextmanager
async def rig() -> Any:
    made = Rig()
    with suppress(asyncio.CancelledError):
        storing = asyncio.create_task(made.outbox.run())
        try:
            yield made
        finally:
            storing.cancel()
            await asyncio.gather(storing, return_exceptions=True)
            made.session.close()


def booked(told: list[Report], but: set[str]) -> set[tuple[Any, ...]]:
    """What is booked of the executions there are, but for those with one of these ids."""
    fills = {
        (each.fill.execution_id, each.fill.order_id, each.fill.symbol, each.fill.quantity, each.fill.price)
        for each in told
        if isinstance(each, VenueFill)
    }
    fees = {(each.execution_id, each.commission) for each in told if isinstance(each, VenueCommission)}
    return {each for each in fills | fees if each[0] in EXECUTED - but}


def spoilt(message: Wire, place: int, text: str) -> Wire:
    return (*message[:place], text, *message[place + 1 :])


def about(message: Wire) -> set[str]:
    """The executions that a message is about, as it was before it was spoilt."""
    place = {"11": 14, "59": 2}.get(message[0])
    if place is not None:
        return {message[place].rpartition(".")[0]}
    return set()


PLACES = [(message, place) for message in dict.fromkeys(LIVE) for place in range(1, len(message))]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), st.sampled_from(NONSENSE))
def test_any_field_of_any_message_may_be_nonsense(where: tuple[Wire, int], text: str) -> None:
    message, place = where

    async def live() -> set[tuple[Any, ...]]:
        async with rig() as made:
            made.hear([spoilt(each, place, text) if each == message else each for each in LIVE])
            with suppress(TranslationError):
                made.figures.state(AT)
            return booked(await made.reports(), about(message))

    async def download() -> set[tuple[Any, ...]]:
        async with rig() as made:
            made.answer(lambda each: spoilt(each, place, text) if each == message else each)
            with suppress(VenueError):  # then the session is begun anew
                await made.way._reconcile(made.served)
                assert made.parking.described() or any(isinstance(each, VenueSnapshot) for each in await made.reports())
            return booked(await made.reports(), about(message))

    others = {each for each in booked_without_nonsense() if each[0] not in about(message)}
    assert asyncio.run(live()) == others
    assert asyncio.run(download()) == others


@cache
def booked_without_nonsense() -> set[tuple[Any, ...]]:
    async def run() -> set[tuple[Any, ...]]:
        async with rig() as made:
            made.answer(lambda each: each)
            await made.way._reconcile(made.served)
            assert made.parking.described() == ""
            return booked(await made.reports(), set())

    return asyncio.run(run())


def test_there_is_something_that_could_be_booked_wrongly() -> None:
    told = booked_without_nonsense()
    assert sorted(len(each) for each in told) == [2, 2, 2, 5, 5, 5]


def test_a_position_that_moves_while_it_is_asked_about_is_asked_about_again() -> None:
    async def run() -> None:
        async with rig() as made:
            asking, moved = made.way._submission.asking, False

            def move(message: Wire) -> Wire:
                nonlocal moved
                if message[0] == "11" and not moved:  # the executions that are told are of before
                    moved = True
                    made.hear([wire(replies.position(ACCOUNT, SPY, Decimal(7), Decimal(100)))])
                return message

            made.answer(move)
            made.hear([wire(replies.position(ACCOUNT, SPY, Decimal(5), Decimal(100)))])
            asking.later("", urgent=True)
            await asking.inquire()
            assert "" in asking.open_questions
            await asking.inquire()

    asyncio.run(run())


@pytest.mark.parametrize("listing", [SPY, AAPL], ids=["SPY", "AAPL"])
def test_what_is_nonsense_of_one_symbol_stops_no_other(listing: Any) -> None:
    async def run() -> None:
        async with rig() as made:
            row = wire(replies.position(ACCOUNT, listing, Decimal(20), Decimal("101.5")))
            made.answer(lambda each: spoilt(each, len(row) - 1, "NaN") if each == row else each)
            await made.way._reconcile(made.served)
            assert made.link.unread.keys() == {listing.key}
            (told,) = [each for each in await made.reports() if isinstance(each, VenueSnapshot)]
            assert told.unread == (listing.key,)
            assert len(told.positions) == 1

    asyncio.run(run())
