"""A list's schedule on a real nats-server: its timer wakes the OMS, whichever process works then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from oms.service import OrderManagement
from signalbox import messages, subjects
from signalbox.messages import ClockTick, ListStepTaken, ModifyOrder, TimedAction, TimedStep, TimerFired

from tests.oms.test_service import DiedError, DyingBus, Live, until

BREAK_EVEN = TimedStep(action=TimedAction.BREAK_EVEN, after_seconds=1_800)
DUE = timedelta(seconds=2 + 1_800)


@pytest.fixture
async def live(nats_server: Any, make: Any, held_lease: Any) -> Any:
    desk = Live(nats_server, make, held_lease)
    await desk.open()
    yield desk
    await desk.stop_tasks()


async def protected(live: Live, make: Any) -> OrderManagement:
    """A bracket that has filled, whose exits stand at the venue, and which is to be moved half an hour later."""
    service = await live.start_oms()
    await live.report(make.snapshot())
    await live.wait_for_events(1)
    await live.decide(make.bracket(timed=(BREAK_EVEN,)))
    await live.wait_for_events(3)
    await live.report(make.fill("100", order_id="b.entry"), make.accepted("b.stop", "9002"))
    await until(lambda: there(service.state.lists["b"].timed.wakes_at is not None))
    await until(lambda: there(service.state.orders["b.stop"].acknowledged))
    return service


async def there(condition: bool) -> bool:
    return condition


async def scheduled(live: Live) -> TimerFired | None:
    received = await live.auditor.last("TIMERS", subjects.timer_schedule("b"))
    return None if received is None else messages.decode(received.payload, TimerFired)


async def fire(live: Live, timer: TimerFired) -> None:
    """Have the timer fire now, whatever it was set for."""
    bus = await live.server.connect("oms")
    await bus.publish_scheduled(
        subjects.timer_schedule("b"), timer, due_wall=datetime.now(UTC), target=subjects.timer_fired("b")
    )


async def moves(live: Live) -> list[tuple[str, str]]:
    return [
        (each.order_id, f"{each.order.stop_price:f}") for each in await live.commands() if isinstance(each, ModifyOrder)
    ]


async def taken(live: Live) -> list[int]:
    return [event.step for event in await live.events() if isinstance(event, ListStepTaken)]


async def test_a_scheduled_message_wakes_the_list_and_its_stop_is_moved(live: Live, make: Any) -> None:
    await protected(live, make)
    timer = await scheduled(live)
    assert timer is not None
    assert timer.due == make.at + DUE
    await fire(live, timer)
    await live.wait_for_acknowledged("TIMERS", 1)
    assert await moves(live) == [], "by the desk's clock it is not due"
    live.clock.at = make.at + DUE
    live.clock.timer_delay = timedelta(0)
    await fire(live, timer)

    async def is_moved() -> bool:
        return await moves(live) == [("b.stop", "10")]

    await until(is_moved)
    assert await taken(live) == [1]


@pytest.mark.parametrize("lines", range(4))
async def test_a_process_that_is_killed_at_the_wake_up_is_followed_by_one_that_does_it_once(
    live: Live, make: Any, lines: int
) -> None:
    service = await protected(live, make)
    timer = await scheduled(live)
    assert timer is not None
    await live.stop(service)
    live.clock.at = make.at + DUE
    dying = DyingBus(await live.server.connect("oms"), lines)
    killed = OrderManagement(dying, live.clock, make.rules, live.lease)  # type: ignore[arg-type]
    await killed.rebuild()
    if lines < 3:
        with pytest.raises(DiedError):
            await killed.consume()  # what was slept over is due at once
        await dying.drain()
    else:
        await killed.consume()
        await fire(live, timer)
        await dying.drain()
    await live.start_oms()
    await fire(live, timer)

    async def is_moved() -> bool:
        return await moves(live) == [("b.stop", "10")]

    await until(is_moved)
    assert await taken(live) == [1]
    assert [event.id for event in await live.events()] == list(dict.fromkeys(each.id for each in await live.events()))


async def test_timers_that_the_stream_has_lost_are_set_again_at_the_start(live: Live, make: Any) -> None:
    service = await protected(live, make)
    timer = await scheduled(live)
    await live.stop(service)
    admin = await live.server.connect("oms")
    await admin.publish_scheduled(
        subjects.timer_schedule("b"),
        TimerFired(id="other", at=make.at, due=make.at, order_id="b"),
        due_wall=datetime.now(UTC) + timedelta(hours=9),
        target=subjects.timer_fired("b"),
    )
    assert await scheduled(live) != timer
    await live.start_oms()
    assert await scheduled(live) == timer


async def test_with_another_speed_of_the_simulator_the_timers_are_set_again(live: Live, make: Any) -> None:
    await protected(live, make)
    live.clock.at, live.clock.timer_delay = make.at + DUE, timedelta(0)
    simulator = await live.server.connect("simulator")

    async def is_moved() -> bool:
        await simulator.send(subjects.CLOCK, ClockTick(id="tick", at=live.clock.at, speed=60))
        return await moves(live) == [("b.stop", "10")]

    await until(is_moved)
