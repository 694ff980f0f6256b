"""Seals on a real nats-server: what bears none is not given to anybody, and stands in nobody's way.

What is forged is planted by the user who may publish there, without its keys: more than any other credential can have
the server do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.bus.bootstrap import BOOTSTRAP, bootstrap_server
from signalbox.errors import BusError, WrongSequenceError
from signalbox.messages import CancelOrder, DeadLetter, IntentDenied, TradingMode, TradingState
from signalbox.seals import EXPECTED_HEADER, SEAL_HEADER

AT = datetime(2024, 1, 2, 15, 0, tzinfo=UTC)
WAIT_SECONDS_MAX = 60.0
DENIED = "decision.denied.ibkr.DU1"
OBEY = ("risk", "gateway-ibkr", "gateway-dydx")
"""Who obeys the trading state by himself."""


def denied(number: int) -> IntentDenied:
    return IntentDenied(
        id=f"decision/{number}", at=AT, intent_sequence=number, intent=None, checks=(), reason=str(number)
    )


def state(number: int, mode: TradingMode = TradingMode.HALTED) -> TradingState:
    return TradingState(id=f"state/{number}", at=AT, mode=mode, reason=str(number), by="operator")


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.01)


async def everything(nats_server: Any, stream: str, subject: str = ">") -> list[Received]:
    """All that a stream holds, in the eyes of somebody without keys."""
    auditor = await nats_server.connect("auditor")
    return [received async for received in auditor.read(stream, subject)]


def counted(service: str, stream: str) -> float:
    return REGISTRY.get_sample_value("signalbox_bus_unsealed_total", {"service": service, "stream": stream}) or 0.0


# -------------------------------------------------------------------------------------------------------- reading


async def test_a_consumer_is_not_given_what_bears_no_seal_and_is_given_the_next(nats_server: Any, forger: Any) -> None:
    risk, oms = await nats_server.connect("risk"), await nats_server.connect("oms")
    given: list[str] = []
    before = counted("oms", "TRADE")

    async def handle(received: Received) -> None:
        given.append(messages.decode(received.payload, IntentDenied).reason)

    await forger.plant("risk", DENIED, messages.encode(denied(1)))
    await forger.plant("risk", DENIED, messages.encode(denied(2)), **{SEAL_HEADER: "1::" + "0" * 64})
    await oms.consume("TRADE", "oms-denied", handle)
    await risk.publish(DENIED, denied(3))
    await until(lambda: given == ["3"])
    letters = [messages.decode(each.payload, DeadLetter) for each in await everything(nats_server, "DEAD")]
    assert [(letter.sequence, letter.service) for letter in letters] == [(1, "oms"), (2, "oms")]
    assert all(letter.error.startswith("not sealed by risk or the OMS: ") for letter in letters)
    assert counted("oms", "TRADE") == before + 2

    async def all_acknowledged() -> bool:
        return await oms.consumer_floor("TRADE", "oms-denied") == 3

    await until(all_acknowledged)


async def test_a_genuine_message_on_another_subject_or_changed_is_not_given(nats_server: Any, forger: Any) -> None:
    risk, oms = await nats_server.connect("risk"), await nats_server.connect("oms")
    await risk.publish(DENIED, denied(1))
    [genuine] = await everything(nats_server, "TRADE")
    await forger.again("risk", genuine, subject="decision.approved.ibkr.DU1")
    await forger.plant("risk", DENIED, genuine.payload, **{SEAL_HEADER: genuine.header(SEAL_HEADER)})
    assert [received.sequence async for received in oms.read("TRADE")] == [1]


async def test_the_server_itself_can_copy_a_stored_message_nowhere_that_counts(nats_server: Any, forger: Any) -> None:
    """Whatever the permissions say of reply subjects: what comes back as a decision bears a seal of another subject."""
    risk, oms = await nats_server.connect("risk"), await nats_server.connect("oms")
    await risk.publish(DENIED, denied(1))
    for subject in ("decision.approved.ibkr.DU1", "order.ibkr.DU1.o1", "decision.denied.ibkr.DU1"):
        await forger.have_copied("recorder", "TRADE", 1, subject)
    await risk.publish(DENIED, denied(2))
    found = [messages.decode(received.payload, IntentDenied).reason async for received in oms.read("TRADE")]
    assert found == ["1", "2"]


async def test_a_read_leaves_it_out_and_says_where_it_is(nats_server: Any, forger: Any) -> None:
    risk, oms = await nats_server.connect("risk"), await nats_server.connect("oms")
    await risk.publish(DENIED, denied(1))
    await forger.plant("risk", DENIED, messages.encode(denied(2)))
    left_out: list[int] = []
    read = [each.sequence async for each in oms.read("TRADE", left_out=lambda each: left_out.append(each.sequence))]
    assert (read, left_out) == ([1], [2])
    last = await oms.last("TRADE", DENIED)
    assert last is not None
    assert last.sequence == 1
    recorder = await nats_server.connect("recorder")
    assert [each.sequence async for each in recorder.read("TRADE")] == [1, 2]  # who does not act records what there is


async def test_a_live_message_without_a_seal_is_not_heard(nats_server: Any, forger: Any) -> None:
    risk, operator = await nats_server.connect("risk"), await nats_server.connect("operator")
    heard: list[str] = []

    async def handle(received: Received) -> None:
        heard.append(messages.decode(received.payload, TradingState).reason)

    await risk.subscribe("$KV.CONTROL.>", handle)
    await forger.plant("operator", subjects.TRADING_STATE, messages.encode(state(1)))
    await operator.publish(subjects.TRADING_STATE, state(2))
    await until(lambda: "2" in heard)
    await operator.publish(subjects.TRADING_STATE, state(3))
    await until(lambda: "3" in heard)
    assert heard == ["2", "3"]


# ------------------------------------------------------------------------------------------- standing in the way


async def test_a_forged_message_with_the_id_of_one_to_come_does_not_swallow_it(nats_server: Any, forger: Any) -> None:
    risk, oms = await nats_server.connect("risk"), await nats_server.connect("oms")
    await forger.plant("risk", DENIED, b"mine", Nats_Msg_Id=denied(1).id)
    stored = await risk.publish(DENIED, denied(1), expected_last_subject_sequence=0)
    assert (stored.sequence, stored.duplicate) == (2, False)
    again = await risk.publish(DENIED, denied(1), expected_last_subject_sequence=0)
    assert (again.sequence, again.duplicate) == (2, True)
    assert [each.sequence async for each in oms.read("TRADE")] == [2]


async def test_a_writer_that_knows_more_than_the_server_ends_though_the_last_is_a_forged_one(
    nats_server: Any, forger: Any
) -> None:
    risk = await nats_server.connect("risk")
    await forger.plant("risk", DENIED, b"forged")
    with pytest.raises(WrongSequenceError):
        await risk.publish(DENIED, denied(1), expected_last_subject_sequence=99)


async def test_forged_messages_do_not_end_a_writer_and_another_writer_does(nats_server: Any, forger: Any) -> None:
    risk, log = await nats_server.connect("risk"), "decision.*.*.*"
    first = await risk.publish(DENIED, denied(1), expected_last_subject_sequence=0, last_of=log)
    for number in (2, 3):
        await forger.plant("risk", f"decision.approved.dydx.{number}", b"forged")
    second = await risk.publish(DENIED, denied(4), expected_last_subject_sequence=first.sequence, last_of=log)
    assert second.sequence == 4
    await forger.plant("risk", DENIED, b"forged")
    repeated = await risk.publish(DENIED, denied(4), expected_last_subject_sequence=first.sequence, last_of=log)
    assert (repeated.sequence, repeated.duplicate) == (4, True)
    with pytest.raises(WrongSequenceError):  # the forged one does not hide that another risk was here
        await risk.publish(DENIED, denied(5), expected_last_subject_sequence=first.sequence, last_of=log)


async def test_a_command_whose_place_is_taken_by_a_forged_one_is_stored_beside_it(
    nats_server: Any, forger: Any
) -> None:
    oms, gateway = await nats_server.connect("oms"), await nats_server.connect("gateway-ibkr")
    given: list[str] = []

    async def handle(received: Received) -> None:
        given.append(messages.decode(received.payload, CancelOrder).id)

    await gateway.consume("COMMANDS", "gateway-ibkr", handle)
    command = CancelOrder(id="command/1", at=AT, venue="ibkr", account="DU1", order_id="order-1", venue_order_id="9")
    subject = subjects.command("ibkr", "order-1", 1)
    await forger.plant("oms", subject, messages.encode(command), Nats_Msg_Id="other")
    await forger.plant("oms", f"{subject}~1", b"forged too")
    stored = await oms.publish(subject, command)
    assert (stored.sequence, stored.duplicate) == (3, False)
    again = await oms.publish(subject, command)
    assert (again.sequence, again.duplicate) == (3, True)
    with pytest.raises(WrongSequenceError):
        await oms.publish(subject, replace(command, id="command/other"))
    await until(lambda: given == ["command/1"])


# --------------------------------------------------------------------------------------------------- coming again


async def test_a_genuine_message_of_a_log_comes_again_nowhere(nats_server: Any, forger: Any) -> None:
    """By its id while the server knows it, by the sequence it expects for ever; without either it bears no seal."""
    oms, risk = await nats_server.connect("oms"), await nats_server.connect("risk")
    subject = subjects.order("ibkr", "DU1", "o1")
    await oms.publish(subject, denied(1), expected_last_subject_sequence=0)
    [genuine] = await everything(nats_server, "TRADE")
    assert "wrong last sequence" in (await forger.again("oms", genuine))["error"]["description"]
    for left_out in ("Nats-Msg-Id", EXPECTED_HEADER):
        await forger.again("oms", genuine, without=left_out)
    assert [each.sequence async for each in risk.read("TRADE")] == [1]


# -------------------------------------------------------------------------------------------------- trading state


class Switch:
    """What somebody who watches the trading state is told."""

    def __init__(self) -> None:
        self.told: list[str | None] = []

    async def watch(self, bus: Bus) -> None:
        await bus.watch(subjects.TRADING_STATE_BUCKET, f"{subjects.TRADING_STATE_KEY}.*", self._changed)

    async def _changed(self, received: Received | None) -> None:
        self.told.append(messages.decode(received.payload, TradingState).reason if received else None)


@pytest.mark.parametrize("who", OBEY)
async def test_a_forged_trading_state_is_none_and_the_last_genuine_one_counts(
    nats_server: Any, forger: Any, who: str
) -> None:
    risk, operator = await nats_server.connect(who), await nats_server.connect("operator")
    seen = Switch()
    await seen.watch(risk)
    assert seen.told == ["initial state"]
    await operator.publish(subjects.TRADING_STATE, state(1))
    await until(lambda: seen.told[-1] == "1")
    await forger.plant("operator", subjects.TRADING_STATE, messages.encode(state(2, TradingMode.ACTIVE)))
    later = Switch()
    await later.watch(risk)
    assert later.told == ["1"]
    await operator.publish(subjects.TRADING_STATE, state(3))  # follows the forged one
    await until(lambda: seen.told[-1] == later.told[-1] == "3")
    assert seen.told == ["initial state", "1", "3"]


@pytest.mark.parametrize("who", OBEY)
async def test_an_old_trading_state_comes_again_in_no_way(nats_server: Any, forger: Any, who: str) -> None:
    risk, operator = await nats_server.connect(who), await nats_server.connect("operator")
    await operator.publish(subjects.TRADING_STATE, state(1, TradingMode.ACTIVE))
    await operator.publish(subjects.TRADING_STATE, state(2))
    active = (await everything(nats_server, "KV_CONTROL"))[1]
    for left_out in ("", "Nats-Msg-Id", EXPECTED_HEADER):
        await forger.again("operator", active, without=left_out, subject=subjects.TRADING_STATE)
    await forger.have_copied("recorder", "KV_CONTROL", active.sequence, subjects.TRADING_STATE)
    seen = Switch()
    await seen.watch(risk)
    assert seen.told == ["2"]


async def test_so_many_forged_states_that_no_genuine_one_is_left_change_nothing_and_deny_a_new_process(
    nats_server: Any, forger: Any
) -> None:
    risk = await nats_server.connect("risk")
    seen = Switch()
    await seen.watch(risk)
    for number in range(70):
        await forger.plant("operator", subjects.TRADING_STATE, messages.encode(state(number, TradingMode.ACTIVE)))
    later = Switch()
    await later.watch(risk)
    assert later.told == [None]
    operator = await nats_server.connect("operator")
    await operator.publish(subjects.TRADING_STATE, state(100))
    await until(lambda: seen.told == ["initial state", "100"] and later.told == [None, "100"])


async def test_a_halt_counts_though_another_operators_password_floods_the_bucket_before_and_behind_it(
    nats_server: Any, forger: Any
) -> None:
    risk, operator = await nats_server.connect("risk"), await nats_server.connect("operator")
    await operator.publish(subjects.TRADING_STATE, state(1, TradingMode.ACTIVE))
    seen = Switch()
    await seen.watch(risk)
    for number in range(70):
        await forger.plant("operator", subjects.TRADING_STATE, b"%d" % number)
    bootstrap = await nats_server.connect("bootstrap")
    await bootstrap.publish(subjects.trading_state("bootstrap"), state(2))
    await forger.plant("operator", subjects.TRADING_STATE, b"behind it")
    await until(lambda: seen.told == ["1", "2"])


async def test_a_halt_is_stored_though_another_name_writes_before_each_attempt(nats_server: Any, forger: Any) -> None:
    bootstrap = await nats_server.connect("bootstrap")
    await bootstrap.publish(subjects.trading_state("bootstrap"), state(1, TradingMode.ACTIVE))
    publish = bootstrap._client.publish

    async def behind_another(*arguments: Any, **named: Any) -> None:
        await forger.plant("operator", subjects.TRADING_STATE, b"junk")
        await publish(*arguments, **named)

    bootstrap._client.publish = behind_another
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await bootstrap.publish(subjects.trading_state("bootstrap"), state(2))
    seen = Switch()
    await seen.watch(await nats_server.connect("risk"))
    assert seen.told == ["2"]


async def test_an_old_halt_comes_again_in_no_way(nats_server: Any, forger: Any) -> None:
    operator = await nats_server.connect("operator")
    await operator.publish(subjects.TRADING_STATE, state(1))
    await operator.publish(subjects.TRADING_STATE, state(2))
    await operator.publish(subjects.TRADING_STATE, state(3, TradingMode.ACTIVE))
    for halted in (await everything(nats_server, "KV_CONTROL"))[1:3]:
        for left_out in ("", "Nats-Msg-Id", EXPECTED_HEADER):
            await forger.again("operator", halted, without=left_out, subject=subjects.TRADING_STATE)
    seen = Switch()
    await seen.watch(await nats_server.connect("risk"))
    assert seen.told == ["3"]


async def test_operators_do_not_keep_each_other_from_halting(nats_server: Any) -> None:
    risk = await nats_server.connect("risk")
    operators = [await nats_server.connect("operator") for _ in range(4)]
    seen = Switch()
    await seen.watch(risk)
    await asyncio.gather(*(bus.publish(subjects.TRADING_STATE, state(number)) for number, bus in enumerate(operators)))
    genuine = [each.sequence async for each in risk.read("KV_CONTROL")]
    assert len(genuine) == 5


# ------------------------------------------------------------------------------------------ from before there were


async def test_a_history_from_before_seals_is_not_started_upon_in_silence(
    nats_server_without_streams: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = nats_server_without_streams
    with monkeypatch.context() as before:
        before.setattr("signalbox.bus.bootstrap.SEALED_STREAMS", ())
        await server.bootstrap()
    client = await server.client("risk")
    await client.request(DENIED, messages.encode(denied(1)), timeout=5)
    await client.close()
    with pytest.raises(BusError, match="accept TRADE = 1; then run `signalbox bootstrap --believe-unsealed`"):
        await server.bootstrap()
    seals, password = server.seals(BOOTSTRAP), server.password(BOOTSTRAP)
    await bootstrap_server(server.url, password, TradingMode.HALTED, seals, believe_unsealed=True)
    await server.bootstrap()
    server.seal_texts["oms"] += "accept TRADE = 1\n"
    oms, risk = await server.connect("oms"), await server.connect("risk")
    await risk.publish(DENIED, denied(2))
    assert [each.sequence async for each in oms.read("TRADE")] == [1, 2]


@pytest.mark.parametrize("own_first", [True, False])
async def test_a_header_written_twice_brings_no_genuine_message_again(nats_server: Any, own_first: bool) -> None:
    """The server goes by the first, and so do we: the seal is over what the server has checked."""
    oms, risk = await nats_server.connect("oms"), await nats_server.connect("risk")
    subject = subjects.order("ibkr", "DU1", "o1")
    await oms.publish(subject, denied(1), expected_last_subject_sequence=0)
    [genuine] = await everything(nats_server, "TRADE")
    expected = [f"{EXPECTED_HEADER}: 1", f"{EXPECTED_HEADER}: 0"]
    lines = ["NATS/1.0", "Nats-Msg-Id: another", f"{SEAL_HEADER}: {genuine.header(SEAL_HEADER)}"]
    lines += expected if own_first else expected[::-1]
    for message_id in ("another", denied(1).id):
        lines[1] = f"Nats-Msg-Id: {message_id}"
        block = "\r\n".join(lines).encode() + b"\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
        await reader.readline()
        login = {"user": "oms", "pass": nats_server.password("oms"), "headers": True, "verbose": False}
        sizes = f"{len(block)} {len(block) + len(genuine.payload)}"
        writer.write(b"CONNECT " + msgspec.json.encode(login) + b"\r\n")
        writer.write(f"HPUB {subject} {sizes}\r\n".encode() + block + genuine.payload + b"\r\nPING\r\n")
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while (await reader.readline()).strip() != b"PONG":
                pass
        writer.close()
        await writer.wait_closed()
    assert [each.sequence async for each in risk.read("TRADE")] == [1]
