"""Acts on the books on a real nats-server: who may act, in whose name, once, and what a restart makes of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox import messages, subjects
from signalbox.messages import (
    AdoptPosition,
    Book,
    BooksActRefused,
    BooksAdjusted,
    ClaimOrder,
    CorrectCash,
    DeadLetter,
    OrderClaimed,
    Position,
    PositionHeld,
    Side,
    VenueOrderFound,
)

from tests.oms.test_service import Live, stored, until

KEY = ("ibkr", "DU1")


@pytest.fixture
async def live(nats_server: Any, make: Any, held_lease: Any) -> Any:
    desk = Live(nats_server, make, held_lease)
    await desk.open()
    yield desk
    await desk.stop_tasks()


def deposit(make: Any, number: int = 1, **fields: Any) -> CorrectCash:
    given: dict[str, Any] = {"currency": "USD", "amount": Decimal("12.5"), "reason": "a deposit", "by": "somebody else"}
    at = make.at + timedelta(hours=1)
    return CorrectCash(id=f"act-{number}", at=at, venue="ibkr", account="DU1", **(given | fields))


async def publish(live: Live, act: Any, subject: str = "", user: str = "operator") -> None:
    bus = await live.server.connect(user)
    await bus.publish(subject or subjects.books_act(act.venue, act.account, act.id), act)


async def test_an_operators_act_is_booked_in_his_name_whatever_it_says_of_him(live: Live, make: Any) -> None:
    service = await live.start_oms()
    await live.report(make.snapshot())
    await live.wait_for_events(1)
    await publish(live, deposit(make))
    [_, booked] = await live.wait_for_events(2)
    assert isinstance(booked, BooksAdjusted)
    assert (booked.act.by, booked.act.reason, booked.cash) == ("operator", "a deposit", {"USD": Decimal("12.5")})
    book = await live.wait_for_last(subjects.book("ibkr", "DU1"), Book, lambda book: book.corrections != 0)
    assert book.cash == Decimal("100012.5")
    state = service.state
    await live.stop(service)
    live.tasks.clear()
    again = await live.start_oms()
    assert again.state.accounts == state.accounts
    operator = await live.server.client("operator")  # a program of his own, without message ids
    await operator.publish(subjects.books_act("ibkr", "DU1", "act-1"), messages.encode(deposit(make, reason="again")))
    await operator.flush()
    await operator.close()
    await publish(live, deposit(make, 2, amount=Decimal(0)))
    [_, _, refused] = await live.wait_for_events(3)
    assert isinstance(refused, BooksActRefused)
    assert again.state.accounts[KEY].cash["USD"] == Decimal("100012.5")


async def test_the_venues_last_snapshot_is_what_is_adopted(live: Live, make: Any) -> None:
    await live.start_oms()
    await live.report(make.snapshot())
    await live.wait_for_events(1)
    held = PositionHeld(symbol="AAPL", quantity=Decimal(120), average_price=Decimal(31))
    later = replace(make.snapshot(2), at=make.at + timedelta(minutes=5), positions=(held,))
    await live.report(later)
    await live.wait_for_acknowledged("REPORTS", 2)
    adopt = AdoptPosition(
        id="act-1", at=make.at + timedelta(hours=1), venue="ibkr", account="DU1", reason="bought by hand",
        symbol="AAPL", expected=Decimal(120),
    )  # fmt: skip
    await publish(live, adopt)
    where = subjects.position("ibkr", "DU1", "AAPL")
    position = await live.wait_for_last(where, Position, lambda position: position.quantity == 120)
    assert position.average_price == 31


@pytest.mark.parametrize(
    ("said", "subject"),
    [
        ({}, "$KV.CONTROL.books.ibkr.DU1.act-2"),
        ({}, "$KV.CONTROL.books.ibkr.DU2.act-1"),
        ({}, "$KV.CONTROL.books.dydx.DU1.act-1"),
        ({"currency": "NaN", "amount": Decimal("NaN")}, ""),
    ],
)
async def test_an_act_that_is_astray_is_parked(live: Live, make: Any, said: dict[str, Any], subject: str) -> None:
    await live.start_oms()
    await live.report(make.snapshot())
    await live.wait_for_events(1)
    await publish(live, deposit(make, **said), subject)
    await publish(live, deposit(make, 7))
    [_, booked] = await live.wait_for_events(2)
    assert booked.act.id == "act-7"

    async def parked() -> bool:
        letters = await stored(live.auditor, "DEAD", "dead.>", DeadLetter)
        return [letter.stream for letter in letters] == ["KV_CONTROL"]

    await until(parked)


async def test_a_venue_that_is_none_of_the_desks_gets_no_events(live: Live, make: Any) -> None:
    await live.start_oms()
    await live.report(make.snapshot())
    await live.wait_for_events(1)
    act = replace(deposit(make), venue="lines")
    await publish(live, act, subjects.books_act("lines", "DU1", act.id))
    await publish(live, deposit(make, 7))
    assert [event.venue for event in await live.wait_for_events(2)] == ["ibkr", "ibkr"]


async def test_a_trader_may_not_act_on_the_books(live: Live, make: Any) -> None:
    trader = await live.server.client("user")
    refused: list[Exception] = []

    async def note(error: Exception) -> None:
        refused.append(error)

    trader._error_cb = note
    act = deposit(make)
    await trader.publish(subjects.books_act("ibkr", "DU1", act.id), messages.encode(act))
    await trader.flush()

    async def told() -> bool:
        return any("permissions violation" in str(error).lower() for error in refused)

    await until(told)
    await trader.close()
    assert not await stored(live.auditor, "KV_CONTROL", "$KV.CONTROL.books.>", messages.Act)


async def test_a_claim_is_the_orders_own_event_in_the_operators_name(live: Live, make: Any) -> None:
    service = await live.start_oms()
    facts = {"at": make.at, "venue": "ibkr", "account": "DU1"}
    found = VenueOrderFound(
        id="report/ibkr/DU1/found/external-77.1", venue_order_id="77", symbol="AAPL", side=Side.SELL,
        quantity=Decimal(5), currency="USD", placed_by="by hand", **facts,
    )  # fmt: skip
    await live.report(make.snapshot())
    await live.report(found)
    await live.wait_for_events(3)
    wanted = {"order_id": "external-77", "strategy": "trend", "reason": "its stop", "by": "somebody else"}
    await publish(live, ClaimOrder(id="claim-1", **(facts | wanted)))
    claimed = (await live.wait_for_events(4))[-1]
    assert isinstance(claimed, OrderClaimed)
    assert (claimed.order_id, claimed.order.strategy, claimed.act.by) == ("external-77", "trend", "operator")
    await publish(live, ClaimOrder(id="claim-2", **(facts | wanted | {"order_id": "external-0"})))
    refused = (await live.wait_for_events(5))[-1]
    assert isinstance(refused, BooksActRefused)
    state = service.state
    await live.stop(service)
    live.tasks.clear()
    again = await live.start_oms()
    assert again.state.orders == state.orders
