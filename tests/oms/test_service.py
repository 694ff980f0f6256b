"""The OMS on a real nats-server: what is stored, in which order, and what a crash leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from oms import cancels, metrics
from oms.service import OrderManagement
from oms.statements import Mark
from prometheus_client import REGISTRY
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.clock import FixedClock
from signalbox.errors import BusError, LeaseLostError, WrongSequenceError
from signalbox.messages import (
    Bar,
    Book,
    BooksCompared,
    Command,
    DeadLetter,
    Decision,
    Message,
    OrderEvents,
    OrderUnknown,
    Position,
    Report,
    TimeInForce,
    TimerFired,
)

WAIT_SECONDS_MAX = 60.0


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not await condition():
            await asyncio.sleep(0.01)


async def stored(bus: Bus, stream: str, subject: str, kind: Any) -> list[Any]:
    return [messages.decode(received.payload, kind) async for received in bus.read(stream, subject)]


class HandClock(FixedClock):
    """Desk time by hand; timers come due `timer_delay` of wall time after they were set."""

    timer_delay = timedelta(hours=1)

    def wall_time_of(self, at: datetime) -> datetime:
        return datetime.now(UTC) + self.timer_delay


class Live:
    """A desk of which only the OMS is real."""

    def __init__(self, server: Any, make: Any, lease: Any) -> None:
        self.server, self.make, self.lease, self.clock = server, make, lease, HandClock(make.at)
        self.risk: Bus
        self.gateway: Bus
        self.auditor: Bus
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        self.risk, self.gateway = await self.server.connect("risk"), await self.server.connect("gateway-ibkr")
        self.auditor = await self.server.connect("auditor")
        for instrument in self.make.desk().state.instruments.values():
            await self.gateway.publish(subjects.instrument(instrument.venue, instrument.symbol), instrument)

    async def start_oms(self) -> OrderManagement:
        service = OrderManagement(await self.server.connect("oms"), self.clock, self.make.rules, self.lease)
        await service.rebuild()
        service.shown.watch(self.make.desk_file)
        self.tasks.append(asyncio.create_task(service.publisher.run()))
        await service.consume()
        return service

    async def start_dying_oms(self, lines: int, message: Any, lost: str = "none", *, drain: bool = True) -> Any:
        """Have an OMS die after `lines` publishes of what `message` makes necessary, or at one on subjects `lost`."""
        dying = DyingBus(await self.server.connect("oms"), lines, lost)
        service = OrderManagement(dying, self.clock, self.make.rules, self.lease)  # type: ignore[arg-type]
        await service.rebuild()
        await service.consume()
        await (self.decide if isinstance(message, Decision) else self.report)(message)
        await asyncio.wait_for(dying.died.wait(), WAIT_SECONDS_MAX)
        if drain:
            await dying.drain()
        return dying

    def start_task(self, running: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.create_task(running))

    async def stop(self, service: OrderManagement) -> None:
        await self.stop_tasks()
        await service._bus.drain()

    async def stop_tasks(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def wait_for_acknowledged(self, stream: str, sequence: int) -> None:
        """`sequence` of `stream` (the first message of each is 1) has been acknowledged by the OMS."""
        bus = await self.server.connect("oms")

        async def there() -> bool:
            floor: int = await bus.consumer_floor(stream, "oms")
            return floor >= sequence

        await until(there)

    async def decide(self, decision: Any) -> None:
        await self.risk.publish(subjects.decision(decision, "DU1", "ibkr"), decision)

    async def report(self, *reports: Any) -> None:
        for report in reports:
            await self.gateway.publish(subjects.report(report), report)

    async def events(self) -> list[Any]:
        return await stored(self.auditor, "TRADE", subjects.ALL_ORDERS, OrderEvents)

    async def commands(self) -> list[Any]:
        return await stored(self.auditor, "COMMANDS", "command.>", Command)

    async def wait_for_events(self, count: int) -> list[Any]:
        async def there() -> bool:
            return len(await self.events()) >= count

        await until(there)
        return await self.events()

    async def wait_for_last(self, subject: str, kind: Any, condition: Callable[[Any], bool]) -> Any:
        found: list[Any] = []

        async def there() -> bool:
            received = await self.auditor.last("STATE", subject)
            found[:] = [messages.decode(received.payload, kind)] if received else []
            return any(condition(message) for message in found)

        await until(there)
        return found[0]


@pytest.fixture
async def live(nats_server: Any, make: Any, held_lease: Any) -> Any:
    desk = Live(nats_server, make, held_lease)
    await desk.open()
    yield desk
    await desk.stop_tasks()


async def test_an_order_runs_from_decision_to_position(live: Live, make: Any) -> None:
    await live.start_oms()
    await live.report(make.snapshot())
    await live.wait_for_events(1)
    await live.decide(make.approved())
    await live.wait_for_events(2)
    await live.report(make.accepted(), make.fill("100"), make.commission("1"))
    events = await live.wait_for_events(5)
    assert [type(event).__name__ for event in events] == [
        "AccountAdopted",
        "OrderCreated",
        "OrderAccepted",
        "OrderFilled",
        "CommissionBooked",
    ]
    assert [command.id for command in await live.commands()] == ["command/o-1/0"]
    book = await live.wait_for_last(subjects.book("ibkr", "DU1"), Book, lambda book: book.commission == 1)
    assert book.cash == 100_000 - 1000 - 1
    bar = Bar(
        id="bar-1",
        at=make.at + timedelta(minutes=1),
        venue="ibkr",
        symbol="AAPL",
        timeframe="1m",
        start=make.at,
        open=Decimal(10),
        high=Decimal(11),
        low=Decimal(10),
        close=Decimal(11),
        volume=Decimal(1),
    )
    await live.gateway.publish(subjects.bar("ibkr", "AAPL", "1m"), bar)
    position = await live.wait_for_last(
        subjects.position("ibkr", "DU1", "AAPL"), Position, lambda position: position.mark_price == 11
    )
    assert (position.quantity, position.unrealized_pnl, position.commission) == (100, 100, 1)


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_each_hop_and_the_slippage_of_an_order_are_measured_once(live: Live, make: Any) -> None:
    def measured() -> list[float]:
        hops = [
            sample("signalbox_order_hop_seconds_count", venue="ibkr", hop=hop)
            for hop in ("decision_to_command", "report_to_event")
        ]
        name = "signalbox_oms_slippage_basis_points"
        return [*hops, *(sample(f"{name}_bucket", venue="ibkr", le=bound) for bound in ("10.0", "20.0"))]

    before = measured()
    await live.start_oms()
    await live.report(make.snapshot())
    await live.wait_for_events(1)
    await live.decide(msgspec.structs.replace(make.approved(), reference_price=Decimal("9.99")))
    await live.wait_for_events(2)
    await live.report(make.accepted(), make.fill("100"), make.commission("1"))
    await live.wait_for_acknowledged("REPORTS", 4)
    await live.wait_for_acknowledged("TRADE", 2)
    commands, reports, up_to_10, up_to_20 = (now - then for now, then in zip(measured(), before, strict=True))
    assert (commands, reports) == (1, 4)
    assert (up_to_10, up_to_20) == (0, 1)  # 10.01 basis points


async def test_what_is_shown_of_positions_is_shown_again_by_the_next_process(live: Live, make: Any) -> None:
    where = {"venue": "ibkr", "account": "DU1", "symbol": "AAPL"}
    unprotected = "signalbox_oms_unprotected_position_seconds"
    first = await live.start_oms()
    await live.report(make.snapshot())
    await live.wait_for_events(1)
    await live.decide(make.approved())
    await live.wait_for_events(2)
    await live.report(make.fill("100", seconds=2))
    await live.wait_for_events(3)
    await live.stop(first)
    live.clock.at = make.at + timedelta(seconds=61)
    metrics.POSITION_QUANTITY.clear()
    await live.start_oms()

    async def shown() -> bool:
        return sample("signalbox_oms_position_quantity", **where) == 100

    await until(shown)
    assert sample(unprotected, **where) == 59


class DiedError(BusError):
    """Nothing gets out any more, and the message is not acknowledged: as if the process had been killed."""


class DyingBus:
    """The OMS's bus until `lines_left` order events, commands and timers have gone out; none of `lost` ever does."""

    def __init__(self, bus: Bus, lines_left: int, lost: str = "none") -> None:
        self._bus, self._lines_left, self.lost, self.died = bus, lines_left, lost, asyncio.Event()
        bus.on_failure = lambda error: self.died.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    def _line(self, subject: str) -> None:
        if self._lines_left == 0 or subject.startswith(self.lost):
            raise DiedError
        self._lines_left -= 1

    async def publish(self, subject: str, message: Message, **options: Any) -> Any:
        if subject.startswith(("order.", "command.")):
            self._line(subject)
        return await self._bus.publish(subject, message, **options)

    async def publish_scheduled(self, subject: str, message: Message, **options: Any) -> None:
        self._line(subject)
        await self._bus.publish_scheduled(subject, message, **options)


@pytest.mark.parametrize(
    ("lines", "lost"), [(0, "none"), (1, "none"), (2, "none"), (9, "order."), (9, "command."), (9, "timer.")]
)
async def test_a_decision_that_died_halfway_is_finished_by_the_next_process(
    live: Live, make: Any, lines: int, lost: str
) -> None:
    await live.start_dying_oms(lines, make.approved(), lost)
    await live.start_oms()
    await live.wait_for_acknowledged("TRADE", 1)
    assert [event.id for event in await live.events()] == ["o-1/1"]
    assert [command.id for command in await live.commands()] == ["command/o-1/0"]
    assert await live.auditor.last("TIMERS", subjects.timer_schedule("o-1")) is not None


@pytest.mark.parametrize("lines", [1, 2])
async def test_a_command_goes_out_before_the_timer_and_the_event_beside_it(live: Live, make: Any, lines: int) -> None:
    await live.start_dying_oms(lines, make.approved())
    assert [command.id for command in await live.commands()] == ["command/o-1/0"]
    assert (await live.auditor.last("TIMERS", subjects.timer_schedule("o-1")) is not None) == (lines == 2)
    assert await live.events() == []


async def test_a_timer_of_an_order_whose_event_is_missing_waits_until_it_is_stored(live: Live, make: Any) -> None:
    await live.start_dying_oms(2, make.approved())
    schedule = await live.auditor.last("TIMERS", subjects.timer_schedule("o-1"))
    assert schedule is not None
    live.clock.at += timedelta(hours=1)
    timer: TimerFired = messages.decode(schedule.payload, TimerFired)
    at_once, target = datetime.now(UTC), subjects.timer_fired("o-1")
    bus = await live.server.connect("oms")
    await bus.publish_scheduled(subjects.timer_schedule("o-1"), timer, due_wall=at_once, target=target)

    async def fired() -> bool:
        return await live.auditor.last("TIMERS", target) is not None

    await until(fired)
    await live.start_oms()
    events = await live.wait_for_events(2)
    assert [type(event).__name__ for event in events] == ["OrderCreated", "OrderUnknown"]


@pytest.mark.parametrize("lost", ["order.", "command."])
async def test_a_cancel_that_died_halfway_is_finished_by_the_next_process(live: Live, make: Any, lost: str) -> None:
    service = await live.start_oms()
    await live.decide(make.approved())
    await live.wait_for_acknowledged("TRADE", 1)
    await live.stop(service)
    await live.start_dying_oms(9, make.cancel(), lost)
    await live.start_oms()
    await live.wait_for_acknowledged("TRADE", 3)
    assert [event.id for event in await live.events()] == ["o-1/1", "o-1/2"]
    assert [command.id for command in await live.commands()] == ["command/o-1/0", "command/o-1/1"]


async def test_an_exit_that_died_halfway_is_finished_before_a_cancel_of_its_list_is_taken(
    live: Live, make: Any
) -> None:
    """Its command is stored, and the venue may have it: what has been stored meanwhile makes it no less sent."""
    service = await live.start_oms()
    await live.report(make.snapshot())
    await live.wait_for_events(1)
    # Exits of an entry that may run out at once are not attached to it: they follow its fill
    entry = make.leg("entry", "BUY", "MARKET", quantity=Decimal(100), time_in_force=TimeInForce.IOC)
    legs = make.bracket(targets=("0.5", "0.5")).intent.legs
    await live.decide(make.order_list("b", "BRACKET", entry, *legs[1:]))
    await live.wait_for_events(3)
    await live.stop(service)
    await live.start_dying_oms(8, make.fill("100", order_id="b.entry"))
    assert (await live.commands())[-1].id == "command/b.target1/0"
    assert (await live.events())[-1].id == "b.stop-2/1"
    await live.decide(make.cancel("b"))
    await live.start_oms()

    async def is_told() -> bool:
        return "b.stop/2" in [event.id for event in await live.events()]

    await until(is_told)
    assert "b.target1/1" in [event.id for event in await live.events()]


async def three_working(live: Live, make: Any) -> None:
    service = await live.start_oms()
    for number in (1, 2, 3):
        await live.decide(make.approved(f"o-{number}", number))
    await live.wait_for_events(3)
    await live.wait_for_acknowledged("TRADE", 3)
    await live.stop(service)


@pytest.mark.parametrize(
    ("lines", "lost"), [*((lines, "none") for lines in range(6)), (9, "command.ibkr.o-2"), (9, "order.ibkr.DU1.o-3")]
)
async def test_a_cancel_of_many_that_died_halfway_is_finished_by_the_next_process(
    live: Live, make: Any, monkeypatch: pytest.MonkeyPatch, lines: int, lost: str
) -> None:
    monkeypatch.setattr(cancels, "ORDERS_AT_ONCE", 2)
    await three_working(live, make)
    await live.start_dying_oms(lines, make.mass_cancel(), lost)
    await live.decide(make.approved("young", 4))
    await live.start_oms()
    await live.wait_for_acknowledged("TRADE", 4)

    async def whole() -> bool:
        return len(await live.events()) >= 7 and len(await live.commands()) >= 7

    await until(whole)
    asked = [event.id for event in await live.events() if event.cause == "decision-90"]
    assert sorted(asked) == ["o-1/2", "o-2/2", "o-3/2"]
    cancelled = [command.id for command in await live.commands() if command.cause == "decision-90"]
    assert sorted(cancelled) == ["command/o-1/1", "command/o-2/1", "command/o-3/1"]


async def test_others_have_their_turn_between_two_parts_of_a_cancel_of_many(
    live: Live, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancels, "ORDERS_AT_ONCE", 1)
    await three_working(live, make)
    service = await live.start_oms()
    store = service._store

    async def store_with_a_report_waiting(event: Any) -> None:
        await store(event)
        if event.id == "o-1/2":
            await live.report(make.report(messages.VenueCanceled, "o-3", reason="by hand"))

            async def waits() -> bool:
                return bool(service._lock._waiters)

            await until(waits)

    monkeypatch.setattr(service, "_store", store_with_a_report_waiting)
    await live.decide(make.mass_cancel())
    await live.wait_for_acknowledged("TRADE", 7)
    events = [(type(event).__name__, event.order_id) for event in (await live.events())[3:]]
    assert events == [("OrderPendingCancel", "o-1"), ("OrderCanceled", "o-3"), ("OrderPendingCancel", "o-2")]


async def test_a_process_that_loses_the_lease_between_two_parts_asks_for_no_more(
    live: Live, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancels, "ORDERS_AT_ONCE", 1)
    await three_working(live, make)
    service, over = await live.start_oms(), asyncio.Event()
    service._bus.on_failure = lambda error: over.set()
    store = service._store

    async def store_and_lose(event: Any) -> None:
        await store(event)
        live.lease.held = False

    monkeypatch.setattr(service, "_store", store_and_lose)
    await live.decide(make.mass_cancel())
    await asyncio.wait_for(over.wait(), WAIT_SECONDS_MAX)
    assert [event.id for event in (await live.events())[3:]] == ["o-1/2"]


async def test_reports_of_an_order_whose_event_is_missing_wait_until_it_is_stored(live: Live, make: Any) -> None:
    await live.start_dying_oms(9, make.approved(), "order.")
    assert [command.id for command in await live.commands()] == ["command/o-1/0"]
    assert await live.events() == []
    await live.report(make.accepted(), make.fill("100"))
    await live.start_oms()
    events = await live.wait_for_events(3)
    assert [(type(event).__name__, event.order_id) for event in events] == [
        ("OrderCreated", "o-1"),
        ("OrderAccepted", "o-1"),
        ("OrderFilled", "o-1"),
    ]


async def test_a_process_that_could_not_store_an_event_handles_no_report_after_it(live: Live, make: Any) -> None:
    dying = await live.start_dying_oms(9, make.approved(), "order.", drain=False)
    dying.lost = "none"  # the bus works again
    dying.died.clear()
    await live.report(make.fill("100"))  # of an order that this process does not know
    await asyncio.wait_for(dying.died.wait(), WAIT_SECONDS_MAX)
    assert await live.events() == []
    await dying.drain()


async def test_what_an_unfinished_decision_can_not_do_is_parked_and_does_not_stop_the_start(
    live: Live, make: Any
) -> None:
    await live.risk.raw_publish("decision.approved.ibkr.DU1", b"{nonsense", {"Nats-Msg-Id": "bad"})
    await live.decide(make.cancel("nobody"))
    await live.decide(make.approved())
    await live.start_oms()
    await live.wait_for_acknowledged("TRADE", 3)
    assert [event.id for event in await live.events()] == ["o-1/1"]
    assert len(await stored(live.auditor, "DEAD", ">", DeadLetter)) == 2


async def test_an_approved_order_does_not_wait_behind_a_flood_of_denied_ones(live: Live, make: Any) -> None:
    for number in range(60):
        await live.decide(make.denied(f"denied-{number}", number=100 + number))
    await live.decide(make.approved())
    await live.start_oms()
    events = await live.wait_for_events(61)
    assert "o-1" in [event.order_id for event in events[:10]]


@pytest.mark.parametrize("lines", [0, 1])
async def test_a_fill_elsewhere_that_died_halfway_is_booked_once(live: Live, make: Any, lines: int) -> None:
    await live.start_dying_oms(lines, make.fill("5", order_id="", venue_order_id="777"))
    service = await live.start_oms()
    await live.wait_for_acknowledged("REPORTS", 1)
    assert [event.id for event in await live.events()] == ["ibkr/DU1/external-777/1", "ibkr/DU1/external-777/2"]
    assert service.state.accounts["ibkr", "DU1"].symbols["AAPL"].holding.quantity == 5
    position = await live.wait_for_last(subjects.position("ibkr", "DU1", "AAPL"), Position, lambda found: True)
    assert position.quantity == 5


async def test_positions_that_died_unpublished_are_published_at_the_next_start(live: Live, make: Any) -> None:
    first = OrderManagement(await live.server.connect("oms"), live.clock, make.rules, live.lease)
    await first.rebuild()
    await first.consume()  # its publisher never runs
    await live.report(make.snapshot(positions=(make.held("7", "9"),)))
    await live.wait_for_acknowledged("REPORTS", 1)
    await live.stop(first)
    await live.start_oms()
    position = await live.wait_for_last(subjects.position("ibkr", "DU1", "AAPL"), Position, lambda found: True)
    assert position.quantity == 7


async def test_who_listens_hears_what_each_snapshot_that_is_compared_differs_in(live: Live, make: Any) -> None:
    heard: list[BooksCompared] = []

    async def hear(received: Any) -> None:
        heard.append(messages.decode(received.payload, BooksCompared))

    await live.risk.subscribe(subjects.ALL_COMPARED, hear)
    await live.start_oms()
    await live.report(make.snapshot(positions=(make.held("7", "9"),)))
    await live.report(make.snapshot(60, positions=(make.held("9", "9"),)))

    async def told() -> bool:
        return len(heard) == 2

    await until(told)
    assert [[(each.symbol, each.ours, each.theirs) for each in one.differ] for one in heard] == [[], [("AAPL", 7, 9)]]


async def test_a_restart_folds_to_the_same_state(live: Live, make: Any) -> None:
    first = await live.start_oms()
    await live.report(make.snapshot())
    await live.decide(make.approved())
    await live.wait_for_events(2)
    await live.report(make.accepted(), make.fill("40"), make.commission("1"))
    await live.wait_for_events(5)
    await live.wait_for_acknowledged("REPORTS", 4)
    await live.stop(first)
    second = await live.start_oms()
    assert second.state == first.state


async def test_a_timer_makes_a_silent_order_unknown_but_not_before_its_time(live: Live, make: Any) -> None:
    live.clock.timer_delay = timedelta(milliseconds=50)
    await live.start_oms()
    await live.decide(make.approved())
    await live.wait_for_acknowledged("TIMERS", 2)  # fired too early by the desk clock, and was set again
    assert len(await live.events()) == 1
    live.clock.at = make.at + timedelta(seconds=45)
    events = await live.wait_for_events(2)
    assert isinstance(events[1], OrderUnknown)


async def test_a_second_writer_stops(live: Live, make: Any) -> None:
    blind = OrderManagement(await live.server.connect("oms"), live.clock, make.rules, live.lease)
    await live.start_oms()
    await live.decide(make.approved())
    await live.wait_for_events(1)  # another writer has made o-1's first event
    other = make.desk().run(make.approved(limit_price=Decimal(5))).log[0]
    with pytest.raises(WrongSequenceError):
        await blind._store(other)


async def test_a_second_writer_stops_also_when_nats_knows_no_ids_any_more(live: Live, make: Any) -> None:
    blind = OrderManagement(await live.server.connect("oms"), live.clock, make.rules, live.lease)
    await live.start_oms()
    await live.decide(make.approved())
    (first,) = await live.wait_for_events(1)
    with pytest.raises(WrongSequenceError):
        await blind._store(make.with_id(first, "o-1/1 as it is known no more"))
    assert await live.events() == [first]


async def test_what_can_not_be_read_is_parked_and_the_next_message_works(live: Live, make: Any) -> None:
    await live.start_oms()
    await live.risk.raw_publish("decision.approved.ibkr.DU1", b"{nonsense", {"Nats-Msg-Id": "bad"})
    await live.decide(make.cancel("nobody"))  # an illegal transition
    await live.decide(make.approved())
    assert len(await live.wait_for_events(1)) == 1
    letters = await stored(live.auditor, "DEAD", ">", DeadLetter)
    assert [letter.error.split(":")[0] for letter in letters] == ["DecodeError", "IllegalTransitionError"]


@pytest.mark.parametrize("price", ["NaN", "Infinity", "1e400"])
async def test_a_fill_whose_price_is_no_number_is_parked_and_the_next_one_is_booked(
    live: Live, make: Any, price: str
) -> None:
    await live.start_oms()
    await live.report(make.snapshot())
    await live.decide(make.approved("o-1", 1))
    await live.wait_for_events(2)
    await live.report(make.fill("100", order_id="o-1", execution_id="bad", price=price))
    await live.report(make.fill("100", order_id="o-1", execution_id="good"))
    await live.wait_for_events(3)
    letters = await stored(live.auditor, "DEAD", ">", DeadLetter)
    assert [letter.error.split(":")[0] for letter in letters] == ["MessageError"]


@pytest.mark.parametrize("claimed", [{"venue": "dydx"}, {"venue": "a.b"}, {"account": "DU2"}, {"account": "x" * 5000}])
async def test_a_gateway_has_no_say_in_what_is_not_its_subjects(live: Live, make: Any, claimed: dict[str, str]) -> None:
    await live.start_oms()
    await live.report(make.snapshot())
    await live.decide(make.approved("o-1", 1))
    await live.wait_for_events(2)
    fill = make.fill("100", order_id="o-1")
    await live.gateway.publish(subjects.report(fill), replace(fill, id="elsewhere", **claimed))
    await live.report(fill)
    assert [event.id for event in await live.wait_for_events(3)][2:] == ["o-1/2"]
    letters = await stored(live.auditor, "DEAD", ">", DeadLetter)
    assert [letter.error.split(":")[0] for letter in letters] == ["MessageError"]


async def test_a_fill_counts_however_long_what_the_venue_calls_its_order(live: Live, make: Any) -> None:
    """NATS ends the connection over a subject of 4,000 bytes, again and again."""
    await live.start_oms()
    await live.report(make.snapshot())
    for name, execution_id in (("x" * 5000, "long"), ("x" * 5000, "again"), ("x" * 4999, "other")):
        await live.report(make.fill("100", order_id="", execution_id=execution_id, venue_order_id=name))
    events = (await live.wait_for_events(6))[1:]
    first, again, other = events[0].order_id, events[2].order_id, events[3].order_id
    assert [event.order_id for event in events] == [first, first, again, other, other]
    assert first == again != other


@pytest.mark.parametrize("symbol", ["S" * 5000, "\x00" * 200])
async def test_a_symbol_that_none_can_be_is_parked_and_the_next_fill_is_booked(
    live: Live, make: Any, symbol: str
) -> None:
    await live.start_oms()
    await live.report(make.snapshot())
    await live.decide(make.approved("o-1", 1))
    await live.wait_for_events(2)
    await live.report(make.fill("100", order_id="o-1", execution_id="bad", symbol=symbol))
    await live.report(make.fill("100", order_id="o-1", execution_id="good"))
    await live.wait_for_events(3)
    letters = await stored(live.auditor, "DEAD", ">", DeadLetter)
    assert [letter.error.split(":")[0] for letter in letters] == ["MessageError"]


async def test_an_account_is_adopted_however_much_it_has_traded_that_day(live: Live, make: Any) -> None:
    await live.start_oms()
    snapshot = make.snapshot(execution_ids=tuple(f"0000e0d5.65e3d1f1.{number:06}.01" for number in range(15_000)))
    assert len(messages.encode(snapshot)) > 450_000
    await live.report(snapshot)
    (adopted,) = await live.wait_for_events(1)
    assert adopted.execution_ids == snapshot.execution_ids


async def test_a_restart_of_nats_loses_and_doubles_nothing(live: Live, make: Any) -> None:
    await live.start_oms()
    await live.report(make.snapshot())
    for number in range(20):
        await live.decide(make.approved(f"o-{number}", number))
        if number == 10:
            live.server.restart()
    await live.wait_for_events(21)  # a venue reports no order that has not been created
    await live.report(*(make.fill("100", order_id=f"o-{n}", execution_id=f"e{n}", seconds=n) for n in range(20)))
    events = await live.wait_for_events(41)
    assert len(events) == len({event.id for event in events}) == 41
    assert len(await live.commands()) == 20
    book = await live.wait_for_last(subjects.book("ibkr", "DU1"), Book, lambda book: book.fills == 20)
    assert book.cash == 100_000 - 20 * 1000


class LastLook:
    """The lease of a process that falls asleep right after it has looked, and wakes up when another one works."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    async def until_held(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise LeaseLostError("another process works")


async def test_a_former_holder_that_wakes_up_overwrites_no_position(live: Live, make: Any) -> None:
    await live.start_oms()
    await live.report(make.snapshot(positions=(make.held("7", "9"),)))
    subject = subjects.position("ibkr", "DU1", "AAPL")
    await live.wait_for_last(subject, Position, lambda found: found.quantity == 7)
    former = OrderManagement(await live.server.connect("oms"), live.clock, make.rules, LastLook(1))  # type: ignore[arg-type]
    await former.rebuild()
    former.publisher.marked("ibkr", "AAPL", Mark(Decimal(8), make.at + timedelta(minutes=1), "its-last-bar"))
    await live.report(make.fill("5", order_id="", venue_order_id="777"))
    await live.wait_for_last(subject, Position, lambda found: found.quantity == 12)
    with pytest.raises(LeaseLostError):
        await former.publisher.flush()
    await live.wait_for_last(subject, Position, lambda found: found.quantity == 12)


async def test_the_present_holder_has_the_last_word_on_a_position(live: Live, make: Any) -> None:
    """A word of the former one that comes late is overwritten, and ends nobody."""
    service = await live.start_oms()
    await live.report(make.snapshot(positions=(make.held("7", "9"),)))
    subject = subjects.position("ibkr", "DU1", "AAPL")
    right = await live.wait_for_last(subject, Position, lambda found: found.quantity == 7)
    late = replace(right, id="late", quantity=Decimal(3))
    await (await live.server.connect("oms")).publish(subject, late)
    service.publisher.all_changed()
    await live.report(make.fill("5", order_id="", venue_order_id="777"))
    await live.wait_for_last(subject, Position, lambda found: found.quantity == 12)


async def test_a_process_without_the_lease_handles_no_report(live: Live, make: Any) -> None:
    """It could take one for foreign whose order it has never heard of, and acknowledge it."""
    former = OrderManagement(await live.server.connect("oms"), live.clock, make.rules, LastLook(0))  # type: ignore[arg-type]
    await live.report(make.accepted())
    [received] = [found async for found in live.auditor.read("REPORTS")]
    with pytest.raises(LeaseLostError):
        await former._handler(Report)(received)


# ------------------------------------------------------------------------------------------------ forged and copied


async def test_a_forged_decision_makes_no_command_now_or_after_a_restart(live: Live, make: Any, forger: Any) -> None:
    forged = make.approved("o-forged")
    subject = subjects.decision(forged, "DU1", "ibkr")
    for seal in ({}, {"Signalbox_Seal": "1::" + "0" * 64}):
        await forger.plant("risk", subject, messages.encode(forged), **seal)
    service = await live.start_oms()
    await forger.plant("risk", subject, messages.encode(forged), Nats_Msg_Id=make.approved("o-2").id)
    await live.decide(make.approved("o-2"))
    await live.wait_for_events(1)
    await live.stop(service)
    await forger.plant("risk", subject, messages.encode(forged))
    await live.start_oms()
    await live.decide(make.approved("o-3", 2))
    await live.wait_for_events(2)
    assert [command.id for command in await live.commands()] == ["command/o-2/0", "command/o-3/0"]
    assert {event.order_id for event in await live.events()} == {"o-2", "o-3"}


async def test_forged_reports_and_order_events_change_no_books_now_or_after_a_restart(
    live: Live, make: Any, forger: Any
) -> None:
    service = await live.start_oms()
    await live.report(make.snapshot())
    await live.decide(make.approved())
    await live.wait_for_events(2)
    fill = make.fill("100")
    await forger.plant("gateway-ibkr", subjects.report(fill), messages.encode(fill))
    forged = replace((await live.events())[-1], id="forged")
    subject = subjects.order("ibkr", "DU1", "o-1")
    await forger.plant("oms", subject, messages.encode(forged))
    await live.report(make.accepted())  # its event's place has been taken by the forged one
    await live.wait_for_events(4)
    await live.stop(service)
    again = await live.start_oms()
    assert [type(event).__name__ for event in await stored(again._bus, "TRADE", subjects.ALL_ORDERS, OrderEvents)] == [
        "AccountAdopted",
        "OrderCreated",
        "OrderAccepted",
    ]
    assert again.details()["executions"] == "0"


async def test_a_genuine_decision_that_comes_again_makes_no_second_order(live: Live, make: Any, forger: Any) -> None:
    """A copy on its own subject, as the server itself could be had to make: its order is known, after a restart too."""
    service = await live.start_oms()
    await live.decide(make.approved())
    await live.wait_for_events(1)
    [decision] = [each async for each in live.auditor.read("TRADE", "decision.>")]
    await forger.again("risk", decision, without="Nats-Msg-Id")
    await live.risk.raw_publish(decision.subject, decision.payload)  # and one that is sealed
    await live.stop(service)
    await live.risk.raw_publish(decision.subject, decision.payload)
    await live.start_oms()
    await live.decide(make.approved("o-2", 2))
    await live.wait_for_events(2)
    assert [command.id for command in await live.commands()] == ["command/o-1/0", "command/o-2/0"]


async def test_reports_that_come_again_are_booked_once(live: Live, make: Any) -> None:
    await live.start_oms()
    await live.report(make.snapshot())
    await live.decide(make.approved())
    await live.wait_for_events(2)
    await live.report(make.accepted(), make.fill("40"), make.commission("1"), make.fill("60", execution_id="e2"))
    events = await live.wait_for_events(6)
    reports = [each async for each in live.auditor.read("REPORTS")]
    for report in reports:
        await live.gateway.raw_publish(report.subject, report.payload)
    await live.wait_for_acknowledged("REPORTS", 2 * len(reports))
    assert await live.events() == events
