"""Orders that the chain keeps are moved: the real client against the simulated chain, with what it does wrong."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from signalbox import messages, subjects
from signalbox.messages import LedgerChangeClaimed, LedgerEntry, ModifyOrder, OrderType, Side, TimeInForce, VenueFill
from simulators.dydx.options import DydxOptions

from .conftest import ADDRESS, order_of
from .test_crashes import Process, process  # noqa: F401 (a fixture)

HALF, WHOLE = Decimal("0.01"), Decimal("0.02")
WORKING = {"OPEN", "UNTRIGGERED", "BEST_EFFORT_OPENED"}


@pytest.fixture
def dydx_options() -> DydxOptions:
    """Blocks of a tenth of a second: what is signed needs some to come on the chain."""
    return DydxOptions(block_ms=100, fund=((ADDRESS, Decimal(1_000_000)),))


async def change(desk: Any, order_id: str, before: dict[str, Any], revision: int = 1, **new: Any) -> None:
    """Publish a change as the OMS does."""
    now = desk.venue.world.now()
    command = ModifyOrder(
        id=f"command/{order_id}/{revision}",
        at=now,
        venue="dydx",
        account=desk.account,
        order_id=order_id,
        venue_order_id="",
        order=order_of(order_id, **{"account": desk.account} | before | new),
        revision=revision,
        deadline=now + timedelta(hours=1),
    )
    await desk.oms.publish(subjects.command("dydx", order_id, revision), command)


def limit(desk: Any) -> dict[str, Any]:
    price = desk.venue.price() - 5000
    return {
        "order_type": OrderType.LIMIT, "limit_price": price, "time_in_force": TimeInForce.GTC, "quantity": WHOLE,
    }  # fmt: skip


def stop(desk: Any) -> dict[str, Any]:
    return {
        "order_type": OrderType.STOP, "stop_price": desk.venue.price() - 5000, "time_in_force": TimeInForce.GTC,
        "side": Side.SELL, "reduce_only": True, "quantity": WHOLE,
    }  # fmt: skip


async def holding(desk: Any) -> None:
    """Hold what a stop protects."""
    await desk.submit("held", quantity=WHOLE)

    async def filled() -> bool:
        fills = [each for each in await desk.reports("held") if isinstance(each, VenueFill)]
        return sum((each.fill.quantity for each in fills), Decimal(0)) == WHOLE

    await desk.eventually(filled, "a position")


async def versions(desk: Any, order_id: str) -> list[Any]:
    """As what the chain has had the order."""
    ids = [(await desk.claim_of(order_id)).venue_order_id]
    async for received in desk.recorder.read("LEDGER", "ledger.>"):
        entry = desk_entry(received)
        if isinstance(entry, LedgerChangeClaimed) and entry.order.order_id == order_id:
            ids += [attempt.venue_order_id for attempt in entry.attempts]
    return [order for order in desk.venue.orders() if order.id in ids]


def desk_entry(received: Any) -> LedgerEntry:
    return messages.decode(received.payload, LedgerEntry)


async def working(desk: Any, order_id: str) -> list[Any]:
    return [order for order in await versions(desk, order_id) if order.status in WORKING]


async def answered(desk: Any, order_id: str) -> str:
    """What became of the change."""
    kinds: list[str] = []

    async def there() -> bool:
        kinds[:] = [kind for kind in await desk.kinds(order_id) if kind in ("VenueReplaced", "VenueReplaceRejected")]
        return bool(kinds)

    await desk.eventually(there, f"an answer of the change of {order_id}")
    [kind] = kinds
    return kind


async def stands(desk: Any, order_id: str, **attributes: Any) -> None:
    """One version of it works, and is so."""

    async def there() -> bool:
        found = await working(desk, order_id)
        return len(found) == 1 and {name: getattr(found[0], name) for name in attributes} == attributes

    await desk.eventually(there, f"{order_id} as {attributes}; there is {await versions(desk, order_id)}")


async def placed(desk: Any, order_id: str, terms: dict[str, Any]) -> None:
    await desk.start()
    await desk.ready()
    await placed_at(desk, order_id, terms)


async def placed_at(desk: Any, order_id: str, terms: dict[str, Any]) -> None:
    if terms.get("reduce_only"):
        await holding(desk)
    await desk.submit(order_id, **terms)
    await desk.has(order_id, "VenueAccepted")
    await desk.eventually(lambda: working(desk, order_id), "the order on the chain")


async def test_a_stop_is_moved_and_protection_never_misses(desk: Any) -> None:
    terms = stop(desk)
    await placed(desk, "s-1", terms)
    height = desk.venue.chain.height
    await change(desk, "s-1", terms, stop_price=terms["stop_price"] + 1000)
    assert await answered(desk, "s-1") == "VenueReplaced"
    await stands(desk, "s-1", trigger_price=terms["stop_price"] + 1000, size=WHOLE, reduce_only=True)
    first, second = await versions(desk, "s-1")
    assert height < second.created_at_height < first.updated_at_height
    report = (await desk.reports("s-1"))[-1]
    assert (report.venue_order_id, report.stop_price, report.quantity) == (
        second.id,
        terms["stop_price"] + 1000,
        WHOLE,
    )
    await change(desk, "s-1", terms, 2, stop_price=terms["stop_price"] + 2000)
    await stands(desk, "s-1", trigger_price=terms["stop_price"] + 2000)
    await desk.cancel("s-1", 3)
    await desk.has("s-1", "VenueCanceled")
    assert await working(desk, "s-1") == []


async def test_a_gtc_limit_order_is_changed_and_never_are_there_two(desk: Any) -> None:
    terms = limit(desk)
    await placed(desk, "g-1", terms)
    await change(desk, "g-1", terms, limit_price=terms["limit_price"] + 1000, quantity=HALF)
    assert await answered(desk, "g-1") == "VenueReplaced"
    await stands(desk, "g-1", price=terms["limit_price"] + 1000, size=HALF)
    first, second = await versions(desk, "g-1")
    assert first.updated_at_height < second.created_at_height
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(terms["limit_price"] - 500))
    await desk.has("g-1", "VenueFill")

    async def full() -> bool:
        fills = [each.fill.quantity for each in await desk.reports("g-1") if isinstance(each, VenueFill)]
        return sum(fills, Decimal(0)) == HALF

    await desk.eventually(full, "its fills")


async def test_a_moved_stop_that_triggers_closes_what_is_held_once(desk: Any) -> None:
    terms = stop(desk)
    await placed(desk, "s-2", terms)
    await change(desk, "s-2", terms, stop_price=terms["stop_price"] + 1000)
    assert await answered(desk, "s-2") == "VenueReplaced"
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(terms["stop_price"] - 500))
    await desk.has("s-2", "VenueTriggered", "VenueFill")

    async def closed() -> bool:
        fills = [each.fill.quantity for each in await desk.reports("s-2") if isinstance(each, VenueFill)]
        return sum(fills, Decimal(0)) == WHOLE and await working(desk, "s-2") == []

    await desk.eventually(closed, "a close, once")


@pytest.mark.parametrize("kind", [limit, stop])
@pytest.mark.parametrize("fault", ["lose_reply", "drop_broadcast"])
async def test_of_a_change_whose_reply_is_lost_the_truth_is_found(desk: Any, kind: Any, fault: str) -> None:
    terms = kind(desk)
    await placed(desk, "l-1", terms)
    await desk.venue.do(fault)
    name = "limit_price" if kind is limit else "stop_price"
    await change(desk, "l-1", terms, **{name: terms[name] + 1000})
    kind_of_answer = await answered(desk, "l-1")
    price = terms[name] + (1000 if kind_of_answer == "VenueReplaced" else 0)
    await stands(desk, "l-1", **{"price" if kind is limit else "trigger_price": price})


@pytest.mark.parametrize("kind", [limit, stop])
async def test_a_change_that_the_chain_refuses_leaves_the_order_as_it_was(desk: Any, kind: Any) -> None:
    terms = kind(desk)
    await placed(desk, "r-1", terms)
    name = "limit_price" if kind is limit else "stop_price"
    await desk.venue.do("refuse_next", codespace="clob", code=2003, text="no luck")
    await change(desk, "r-1", terms, **{name: terms[name] + 1000})
    assert await answered(desk, "r-1") == "VenueReplaceRejected"
    await stands(desk, "r-1", **{"price" if kind is limit else "trigger_price": terms[name]})


async def test_what_is_refused_once_the_first_is_gone_is_put_back_as_it_was(desk: Any) -> None:
    terms = limit(desk) | {"post_only": True}
    await placed(desk, "p-1", terms)
    await change(desk, "p-1", terms, limit_price=desk.venue.price() + 5000)
    assert await answered(desk, "p-1") == "VenueReplaceRejected"
    await stands(desk, "p-1", price=terms["limit_price"], size=WHOLE, post_only=True)
    assert "put back as it was" in (await desk.reports("p-1"))[-1].reason


def trail(desk: Any) -> dict[str, Any]:
    stopped = {key: value for key, value in stop(desk).items() if key != "stop_price"}
    return stopped | {"order_type": OrderType.TRAILING_STOP, "trail_percent": Decimal(5)}


async def test_a_trailing_stop_follows_the_oracle_and_never_goes_back(desk: Any) -> None:
    await placed(desk, "t-1", trail(desk))
    [first] = await working(desk, "t-1")
    start = desk.venue.price()
    assert first.type == "STOP_MARKET" and first.reduce_only  # noqa: PT018 (one fact)
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(start + 4000))

    async def has_followed() -> bool:
        found = await working(desk, "t-1")
        return len(found) == 1 and found[0].trigger_price > first.trigger_price + 3000

    await desk.eventually(has_followed, "a stop that has followed")
    [high] = await working(desk, "t-1")
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(start + 1500))
    await desk.blocks(10)
    [now] = await working(desk, "t-1")
    assert now.trigger_price >= high.trigger_price
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(start - 4000))
    await desk.has("t-1", "VenueTriggered", "VenueFill")


async def test_a_trailing_stop_protects_while_nobody_watches_and_trails_on_afterwards(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    await placed_at(desk, "t-2", trail(desk))
    await desk.stop(runtime)
    [first] = await working(desk, "t-2")
    start = desk.venue.price()
    await desk.venue.do("set_price", symbol="BTC-USD", price=str(start + 4000))
    await desk.blocks(5)
    [still] = await working(desk, "t-2")
    assert still.trigger_price == first.trigger_price
    desk.mark = len(desk.links)
    await desk.start()
    await desk.ready()

    async def has_followed() -> bool:
        found = await working(desk, "t-2")
        return len(found) == 1 and found[0].trigger_price > first.trigger_price + 3000

    await desk.eventually(has_followed, "a stop that has followed")


@pytest.mark.parametrize("kind", [limit, stop])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_sigkill_at_every_sending_of_a_change_leaves_one_order(
    desk: Any,
    process: Process,  # noqa: F811
    kind: Any,
    when: str,
    tmp_path: Path,
) -> None:
    names: list[str] = []
    for number in range(1, 4):  # the order itself, and the two of its change; then none is left
        name = f"d-{number}"
        terms = kind(desk)
        desk.mark = len(desk.links)
        process.start(
            DYING_COMMAND="-", DYING_AT="0", DYING_WHEN=when, DYING_SENDING=str(number),
        )  # fmt: skip
        await desk.ready()
        if kind is stop and number == 1:
            await holding(desk)
        await desk.submit(name, deadline_seconds=36_000, **terms)
        price = "limit_price" if kind is limit else "stop_price"

        async def there(name: str = name) -> bool:
            return process.is_over or bool(await working(desk, name))

        await desk.eventually(there, "the order on the chain, or a death")
        await change(desk, name, terms, **{price: terms[price] + 1000})
        names.append(name)

        async def over(name: str = name) -> bool:
            return process.is_over or "VenueReplaced" in await desk.kinds(name)

        await desk.eventually(over, f"a death at sending {number}")
        assert process.has_died
    desk.mark = len(desk.links)
    process.start()
    await desk.ready()
    for name in names:
        if "VenueRejected" in await desk.kinds(name):
            continue

        async def settled(name: str = name) -> bool:
            kinds = await desk.kinds(name)
            told = {"VenueReplaced", "VenueReplaceRejected", "VenueRejected"} & set(kinds)
            return bool(told) and len(await working(desk, name)) == ("VenueRejected" not in kinds)

        await desk.eventually(settled, f"one of {name}; there is {await desk.reports(name)}")
