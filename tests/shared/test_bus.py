"""The bus against a real nats-server: what it promises, and what NATS refuses."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from signalbox import messages, subjects
from signalbox.bus import Bus, BusSettings, Received, reading, waiting
from signalbox.bus.bootstrap import stream_config
from signalbox.errors import BusFullError, BusPermissionError, BusUnavailableError, WrongSequenceError
from signalbox.messages import (
    CancelIntent,
    CancelOrder,
    IntentDenied,
    OrderIntent,
    OrderStatus,
    OrderTriggered,
    OrderType,
    Side,
    TimerFired,
    TradingMode,
    TradingState,
)
from signalbox.streams import STREAMS

AT = datetime(2024, 3, 5, 15, tzinfo=UTC)
WAIT_SECONDS_MAX = 60.0
ORDER = subjects.order("ibkr", "DU1", "order-1")


def intent(number: int) -> OrderIntent:
    return OrderIntent(
        id=f"intent-{number}",
        at=AT,
        venue="ibkr",
        symbol="SPY",
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
    )


def denied(number: int) -> IntentDenied:
    return IntentDenied(id=f"decision-{number}", at=AT, intent_sequence=number, intent=None, checks=(), reason="no")


def event(number: int) -> OrderTriggered:
    return OrderTriggered(
        id=f"order-1/{number}", at=AT, venue="ibkr", account="DU1", order_id="order-1", status=OrderStatus.TRIGGERED
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_message_published_twice_is_stored_once(nats_server):
    bus = await nats_server.connect("user")
    first = await bus.publish("intent.ibkr.SPY", intent(1))
    second = await bus.publish("intent.ibkr.SPY", intent(1))
    assert (first.sequence, first.duplicate) == (1, False)
    assert (second.sequence, second.duplicate) == (1, True)


async def test_a_second_writer_is_refused_and_the_first_may_repeat_itself(nats_server):
    bus = await nats_server.connect("oms")
    subject = subjects.order("ibkr", "DU1", "order-1")
    await bus.publish(subject, event(1), expected_last_subject_sequence=0)
    repeated = await bus.publish(subject, event(1), expected_last_subject_sequence=0)
    assert repeated.duplicate
    with pytest.raises(WrongSequenceError):
        await bus.publish(subject, event(2), expected_last_subject_sequence=0)


async def test_a_second_command_on_a_subject_is_absorbed_if_it_is_the_same(nats_server):
    bus = await nats_server.connect("oms")
    command = CancelOrder(id="c/1", at=AT, venue="ibkr", account="DU1", order_id="order-1", venue_order_id="7")
    await bus.publish(subjects.command("ibkr", "order-1", 1), command)
    assert (await bus.publish(subjects.command("ibkr", "order-1", 1), command)).duplicate
    other = CancelOrder(id="c/2", at=AT, venue="ibkr", account="DU1", order_id="order-1", venue_order_id="7")
    with pytest.raises(WrongSequenceError):
        await bus.publish(subjects.command("ibkr", "order-1", 1), other)


@pytest.mark.parametrize(
    "subject", ["decision.approved.ibkr.DU1", "command.ibkr.o.0", "report.ibkr.DU1.fill", "order.a.b.c"]
)
async def test_a_user_can_not_publish_what_only_services_say(nats_server, subject):
    bus = await nats_server.connect("user")
    with pytest.raises(BusPermissionError):
        await bus.publish(subject, denied(1))


async def test_what_is_read_is_what_was_stored_in_order(nats_server):
    user, recorder = await nats_server.connect("user"), await nats_server.connect("recorder")
    for number in range(1, 2502):
        await user.publish("intent.ibkr.SPY", intent(number))
    got = [received async for received in recorder.read("INTENTS")]
    assert [r.sequence for r in got] == list(range(1, 2502))
    assert got[0].message_id == "intent-1"
    assert messages.decode(got[2500].payload, messages.Intent) == intent(2501)
    assert [r.sequence async for r in recorder.read("INTENTS", from_sequence=2500)] == [2500, 2501]
    assert [r async for r in recorder.read("INTENTS", from_sequence=2502)] == []
    assert [r async for r in recorder.read("DEAD")] == []


async def test_every_message_is_handled_in_order_across_a_killed_server(nats_server):
    oms, risk = await nats_server.connect("oms"), await nats_server.connect("risk")
    handled: list[int] = []

    async def handle(received: Received) -> None:
        handled.append(received.sequence)

    await risk.consume("TRADE", "risk", handle)
    for number in range(1, 21):
        await oms.publish(ORDER, event(number))
        if number == 10:
            nats_server.restart()
    await until(lambda: bool(handled) and handled[-1] == 20)
    assert list(dict.fromkeys(handled)) == list(range(1, 21))  # acks just before the kill may be lost: at least once


async def test_a_message_that_breaks_its_handler_is_parked_and_the_next_is_handled(nats_server):
    oms, risk, recorder = [await nats_server.connect(name) for name in ("oms", "risk", "recorder")]
    handled: list[int] = []

    async def handle(received: Received) -> None:
        if received.sequence == 1:
            raise ValueError("this one is odd")
        handled.append(received.sequence)

    await risk.consume("TRADE", "risk", handle)
    await oms.raw_publish(ORDER, b"odd")
    await oms.publish(ORDER, event(2))
    await until(lambda: handled == [2])
    [letter] = [messages.decode(r.payload, messages.DeadLetter) async for r in recorder.read("DEAD")]
    assert (letter.stream, letter.sequence, letter.payload, letter.service) == ("TRADE", 1, b"odd", "risk")
    assert "this one is odd" in letter.error


async def test_a_handler_that_takes_longer_than_the_ack_wait_keeps_its_message(nats_server):
    oms, risk = await nats_server.connect("oms"), await nats_server.connect("risk")
    started, release = [], asyncio.Event()

    async def handle(received: Received) -> None:
        started.append(received.sequence)
        if received.sequence > 1:  # one that takes no time is before it
            await release.wait()

    await risk.consume("TRADE", "risk", handle)
    for number in (1, 2, 3):
        await oms.publish(ORDER, event(number))
    await asyncio.wait_for(_seconds_pass(5.0), WAIT_SECONDS_MAX)  # ack_wait is 2 s
    assert started == [1, 2]
    release.set()
    await until(lambda: started == [1, 2, 3])


async def _seconds_pass(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        await asyncio.sleep(0.05)


async def test_a_watch_sees_each_change_also_after_a_restart_of_the_server(nats_server):
    operator, risk = await nats_server.connect("operator"), await nats_server.connect("risk")
    seen: list[TradingMode] = []

    async def changed(received: Received | None) -> None:
        assert received is not None
        seen.append(messages.decode(received.payload, TradingState).mode)

    await risk.watch("CONTROL", "trading-state.*", changed)
    assert seen == [TradingMode.ACTIVE]
    nats_server.restart()
    state = TradingState(id="halt-1", at=AT, mode=TradingMode.HALTED, reason="test", by="operator")
    await operator.publish(subjects.TRADING_STATE, state)
    await until(lambda: seen == [TradingMode.ACTIVE, TradingMode.HALTED])


async def test_a_scheduled_message_is_fired_once_on_its_target(nats_server):
    oms = await nats_server.connect("oms")
    fired: list[TimerFired] = []

    async def handle(received: Received) -> None:
        fired.append(messages.decode(received.payload, TimerFired))

    await oms.consume("TIMERS", "oms", handle)
    timer = TimerFired(id="timer/order-1", at=AT, due=AT, order_id="order-1")
    due_wall = datetime.now(UTC) + timedelta(seconds=0.3)
    await oms.publish_scheduled(
        subjects.timer_schedule("order-1"), timer, due_wall=due_wall, target=subjects.timer_fired("order-1")
    )
    await until(lambda: fired == [timer])


async def test_a_forged_decision_can_not_be_bounced_off_the_server(nats_server):
    """A user's own message, stored as an intent, must not come back as a decision by way of a JetStream reply."""
    client, recorder = await nats_server.client("user"), await nats_server.connect("recorder")
    forged = "decision.approved.ibkr.DU1"
    await client.publish("intent.ibkr.SPY", messages.encode(denied(1)), reply=forged)
    for subject in (
        "$JS.API.DIRECT.GET.TRADE.intent.ibkr.SPY",
        "$JS.API.STREAM.MSG.GET.TRADE",
        "status.risk",
        "query.sql",
    ):
        await client.publish(subject, b'{"seq":1}', reply=forged)
    await client.publish(
        "$JS.API.CONSUMER.CREATE.TRADE.x",
        b'{"stream_name":"TRADE","config":{"deliver_subject":"%s"}}' % forged.encode(),
    )
    await client.flush()
    await client.request("intent.ibkr.SPY", b"after all of these", timeout=2)
    assert [r.subject async for r in recorder.read("INTENTS")] == ["intent.user"] * 2
    assert [r.subject async for r in recorder.read("TRADE")] == []
    await client.close()


async def test_an_intent_that_took_the_id_of_an_event_to_come_does_not_swallow_it(nats_server):
    user, oms = await nats_server.connect("user"), await nats_server.connect("oms")
    await user.raw_publish("intent.ibkr.SPY", b"mine", {"Nats-Msg-Id": event(1).id})
    first = await oms.publish(ORDER, event(1), expected_last_subject_sequence=0)
    assert (first.sequence, first.duplicate) == (1, False)


async def test_a_batch_is_stored_as_a_whole_under_one_condition(nats_server):
    risk, recorder = await nats_server.connect("risk"), await nats_server.connect("recorder")
    log = subjects.ALL_DECISIONS

    def batch(*numbers: int) -> list[tuple[str, IntentDenied]]:
        return [(subjects.decision(denied(number), f"DU{number}", "ibkr"), denied(number)) for number in numbers]

    stored = await risk.publish_batch(batch(1, 2, 3), expected_last_subject_sequence=0, last_of=log)
    assert (stored.stream, stored.sequence, stored.duplicate) == ("TRADE", 3, False)
    again = await risk.publish_batch(batch(1, 2, 3), expected_last_subject_sequence=0, last_of=log)
    assert (again.sequence, again.duplicate) == (3, True)
    for refused, expected in ((batch(4, 5), 2), (batch(4, 2), 2), (batch(4, 2), 0)):
        with pytest.raises(WrongSequenceError):
            await risk.publish_batch(refused, expected_last_subject_sequence=expected, last_of=log)
    assert [r.message_id async for r in recorder.read("TRADE")] == ["decision-1", "decision-2", "decision-3"]
    await risk.publish_batch(batch(4, 5), expected_last_subject_sequence=3, last_of=log)
    assert len([r async for r in recorder.read("TRADE")]) == 5


async def test_a_sender_with_too_much_waiting_is_told_so_at_once_and_nobody_else_notices(nats_server):
    bootstrap, user = await nats_server.client("bootstrap"), await nats_server.connect("user")
    declared = next(stream for stream in STREAMS if stream.name == "INTENTS")
    config = stream_config(declared) | {"max_msgs_per_subject": 2}
    await bootstrap.request("$JS.API.STREAM.UPDATE.INTENTS", json.dumps(config).encode(), timeout=5)
    await bootstrap.close()
    for number in (1, 2):
        await user.publish("intent.ibkr.SPY", intent(number))
    for place in ("intent.ibkr.SPY", "intent.dydx.other"):
        with pytest.raises(BusFullError, match="send again later"):
            await user.publish(place, intent(3))
    await (await nats_server.connect("operator")).publish("intent.ibkr.SPY", intent(3))


async def test_a_cancel_intent_of_any_symbol_is_one_token(nats_server):
    bus = await nats_server.connect("user")
    odd = CancelIntent(id="c1", at=AT, venue="ibkr", symbol="a.b *>é", order_id="x")
    await bus.publish(subjects.intent(odd), odd)


async def test_an_address_where_nobody_listens_is_said_so_within_the_bound(nats_server, monkeypatch):
    monkeypatch.setattr("signalbox.bus.connecting.CONNECT_SECONDS_MAX", 0.5)
    nats_server.kill()
    with pytest.raises(BusUnavailableError, match="is nats-server running there"):
        await nats_server.connect("user")


async def test_a_wrong_password_is_said_so_at_once(nats_server):
    settings = BusSettings(url=nats_server.url, user="user", password="wrong", name="user")
    with pytest.raises(BusPermissionError, match="refuses the user 'user'"):
        await Bus.connect(settings)


def test_a_service_does_not_carry_aiohttp_and_who_needs_it_finds_it() -> None:
    """nats-py would take it in: 10 MB in each service of an environment that holds the simulators too."""
    program = (
        "import sys, signalbox.bus; assert 'aiohttp' not in sys.modules; import aiohttp; assert aiohttp.__version__"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


async def test_a_log_of_many_subjects_has_one_writer(nats_server) -> None:
    """Each is stored only after the last one on any of the subjects, whatever else the stream has got meanwhile."""
    bus, oms = await nats_server.connect("risk"), await nats_server.connect("oms")
    log = subjects.ALL_DECISIONS

    async def decide(number: int, expected: int, account: str = "DU1") -> int:
        message = denied(number)
        subject = subjects.decision(message, account, "ibkr")
        stored = await bus.publish(subject, message, expected_last_subject_sequence=expected, last_of=log)
        return stored.sequence

    first = await decide(1, 0)
    await oms.publish(ORDER, event(1))
    second = await decide(2, first, "DU2")
    assert await decide(2, first, "DU2") == second, "its own first attempt, whose answer was lost"
    with pytest.raises(WrongSequenceError):
        await decide(3, first)
    last = await bus.last("TRADE", log)
    assert last is not None
    assert (last.sequence, last.message_id) == (second, "decision-2")


async def test_a_service_waits_for_a_server_that_is_away_and_a_persons_command_does_not(
    nats_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "AWAY_SECONDS_MAX", 2.0)  # more than two attempts are apart
    monkeypatch.setattr(reading, "READ_SECONDS_MAX", 0.5)
    command = await nats_server.connect("risk")
    password = nats_server.password("risk")
    settings = BusSettings(url=nats_server.url, user="risk", password=password, name="risk", waits_for_server=True)
    service = await Bus.connect(settings)
    nats_server.kill()
    await until(lambda: not service.connected and not command.connected)
    subject = subjects.decision(denied(1), "DU1", "ibkr")
    storing = asyncio.create_task(service.publish(subject, denied(1)))
    reading_last = asyncio.create_task(service.last("TRADE", subjects.ALL_ORDERS))
    with pytest.raises(BusUnavailableError):
        await command.publish(subject, denied(2))
    with pytest.raises(BusUnavailableError):
        await command.last("TRADE", subjects.ALL_ORDERS)
    assert not storing.done()
    assert not reading_last.done()
    nats_server.start()
    async with asyncio.timeout(60):
        assert (await storing).stream == "TRADE"
        assert await reading_last is None
    await service.drain()


async def test_a_bus_that_is_told_to_stop_while_the_server_is_away_does_not_wait_for_it(nats_server: Any) -> None:
    password = nats_server.password("risk")
    seals = nats_server.seals("risk")
    settings = BusSettings(
        url=nats_server.url, user="risk", password=password, name="risk", seals=seals, waits_for_server=True
    )
    service = await Bus.connect(settings)
    begun = asyncio.Event()

    async def handle(received: Received) -> None:
        begun.set()
        nats_server.kill()
        await service.last("TRADE", "decision.>")

    await service.consume("TRADE", "risk", handle)
    oms = await nats_server.connect("oms")
    await oms.raw_publish("order.ibkr.DU1.one", b"one")
    async with asyncio.timeout(60):
        await begun.wait()
        await service.stop_consuming()
        await service.drain()


async def test_a_socket_that_is_gone_before_its_reader_knows_ends_nobody(nats_server, monkeypatch):
    """uvloop has a word of its own for that: no error of the system, and of no publisher either."""
    bus = await nats_server.connect("oms")
    transport, told = bus._client._transport, []

    def closed(_: list[bytes]) -> None:
        monkeypatch.undo()
        told.append("closed")
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    monkeypatch.setattr(transport, "writelines", closed)
    stored = await bus.raw_publish("order.ibkr.DU1.i", b"{}", {"Nats-Msg-Id": "i-1"})
    assert (told, stored.sequence) == (["closed"], 1)
