"""Whatever a user publishes as an intent: one decision, denied for a reason a person understands, and risk goes on.

On a real nats-server, against `python -m risk`, with the credentials of a user. After each bad intent a good one is
decided on its merits.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from nats.aio.client import Client
from signalbox import messages, subjects
from signalbox.accounts import MESSAGE_BYTES_MAX
from signalbox.bus import Bus
from signalbox.messages import DeadLetter, Decision, IntentApproved, IntentDenied, OrderIntent
from signalbox.streams import INTENT_BYTES_MAX

WAIT_SECONDS_MAX = 60.0
PLACE = "intent.ibkr.SPY"


class Desk:
    """A user's connection, risk as a process, and what both have left in the streams."""

    def __init__(self, client: Client, reader: Bus, process: Any, resting_order: Callable[[str], OrderIntent]) -> None:
        self.client, self.process = client, process
        self._reader, self._resting_order = reader, resting_order
        self._count = 0

    def order(self, **changes: Any) -> OrderIntent:
        """A good order, but for the changes."""
        self._count += 1
        return replace(self._resting_order(f"i-{self._count}"), **changes)

    def body(self, **changes: Any) -> dict[str, Any]:
        """A good order as JSON, but for the changes; None leaves a field out."""
        fields = {**json.loads(messages.encode(self.order())), **changes}
        return {name: value for name, value in fields.items() if value is not None}

    async def publish(self, payload: bytes, subject: str = PLACE, message_id: str = "") -> int:
        """Publish and return the sequence under which INTENTS has it."""
        headers = {"Nats-Msg-Id": message_id} if message_id else None
        answer = await self.client.request(subject, payload, timeout=WAIT_SECONDS_MAX, headers=headers)
        stored = json.loads(answer.data)
        assert "error" not in stored, stored
        assert stored["stream"] == "INTENTS"
        sequence: int = stored["seq"]
        return sequence

    async def decisions(self) -> list[Decision]:
        found = self._reader.read("TRADE", subjects.ALL_DECISIONS)
        return [messages.decode(received.payload, Decision) async for received in found]

    async def letters(self) -> list[DeadLetter]:
        return [messages.decode(found.payload, DeadLetter) async for found in self._reader.read("DEAD")]

    async def decided(self, sequence: int) -> Decision:
        """The one decision on the intent at `sequence`."""

        async def is_there() -> bool:
            return any(decision.intent_sequence == sequence for decision in await self.decisions())

        await eventually(is_there)
        (decision,) = [found for found in await self.decisions() if found.intent_sequence == sequence]
        return decision

    async def denied(self, payload: bytes, subject: str = PLACE) -> IntentDenied:
        """Publish what is bad; then a good intent is approved, and both have exactly one decision."""
        sequence = await self.publish(payload, subject)
        decision = await self.decided(sequence)
        good = await self.publish(messages.encode(self.order()))
        approved = await self.decided(good)
        assert isinstance(decision, IntentDenied), payload[:200]
        assert isinstance(approved, IntentApproved), approved.reason
        assert [found.intent_sequence for found in await self.decisions()].count(sequence) == 1
        assert self.process.runs()
        return decision


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not await condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def desk(nats_server: Any, gateway: Bus, process: Any, resting_order: Any) -> AsyncIterator[Desk]:
    process.start()
    client = await nats_server.client("user")
    yield Desk(client, await nats_server.connect("recorder"), process, resting_order)
    await client.close()


def understood(reason: str) -> bool:
    """Whether a sentence, and not a traceback or the name of an exception, is what the sender gets."""
    return 20 <= len(reason) <= 400 and "Error" not in reason and "Traceback" not in reason


BYTES: list[tuple[bytes, str]] = [
    (b"", "the message is empty"),
    (b" ", "not JSON"),
    (b"buy 100 SPY", "not JSON"),
    (b'{"type":"OrderIntent","id":"a"', "not JSON"),
    (b'{"type":"OrderIntent",}', "not JSON"),
    (b"null", "not an intent"),
    (b"[]", "not an intent"),
    (b"{}", "missing required field `type`"),
    (b'"OrderIntent"', "not an intent"),
    (b'{"type":"OrderIntent"}', "missing required field"),
    (b'{"type":"IntentApproved"}', "IntentApproved"),
    (b"\xff\xfe\x00" * 50, "not JSON"),
    (b'{"type":"OrderIntent","id":"\xff"}', "not JSON"),
    (b"\x00" * 100, "not JSON"),
    (b"[" * 4_000, "not an intent"),
    (b'{"type":"OrderIntent","note":' + b"[" * 4_000, "not an intent"),
    (b'{"x":' + b"[" * 4_000, "nested too deeply"),
]

FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "unknown field `colour`"),
    ({"side": None}, "missing required field `side`"),
    ({"side": "HOLD"}, "HOLD"),
    ({"side": 1}, "$.side"),
    ({"order_type": "LIMIT_ON_MONDAY"}, "LIMIT_ON_MONDAY"),
    ({"symbol": ["SPY"]}, "$.symbol"),
    ({"id": 7}, "$.id"),
    ({"id": "x" * 1000}, "id has 1000 characters"),
    ({"note": {"a": 1}}, "$.note"),
    ({"reduce_only": "yes"}, "$.reduce_only"),
    ({"quantity": "ten"}, "$.quantity"),
    ({"quantity": True}, "$.quantity"),
    ({"quantity": [1]}, "$.quantity"),
    ({"quantity": {}}, "$.quantity"),
    ({"quantity": "NaN"}, "quantity is NaN: a number is needed"),
    ({"quantity": "sNaN"}, "quantity is sNaN: a number is needed"),
    ({"quantity": "Infinity"}, "quantity is Infinity: a number is needed"),
    ({"quantity": "-Infinity"}, "quantity is -Infinity: a number is needed"),
    ({"limit_price": "NaN"}, "limit_price is NaN: a number is needed"),
    ({"quantity": float("nan")}, "not JSON"),
    ({"quantity": float("inf")}, "not JSON"),
    ({"quantity": "1e999999"}, "quantity is too large or too precise"),
    ({"quantity": "1e-999999"}, "quantity is too large or too precise"),
    ({"quantity": 10**400}, "quantity is too large or too precise"),
    ({"quantity": str(10**400)}, "quantity is too large or too precise"),
    ({"quantity": "1e99999999999999999999"}, "$.quantity"),
    ({"quantity": "1." + "0" * 30 + "1"}, "quantity is too large or too precise"),
    ({"limit_price": "1e999999"}, "limit_price is too large or too precise"),
    ({"at": "2024-01-02T15:00:00"}, "timezone"),
    ({"at": "yesterday"}, "$.at"),
    ({"at": 1704200000}, "$.at"),
    ({"at": "9999-12-31T23:59:59-14:00"}, "at is in the year 9999"),
    ({"at": "0001-01-01T00:00:00+14:00"}, "at is in the year 1"),
]

TERMS: list[tuple[dict[str, Any], str]] = [
    ({"quantity": "-1"}, "the quantity is -1: it must be above zero"),
    ({"quantity": "0"}, "the quantity is 0: it must be above zero"),
    ({"quantity": "-0"}, "it must be above zero"),
    ({"quantity": "1.5"}, "the quantity 1.5 is not a multiple of the lot size 1"),
    ({"quantity": "0.000000000001"}, "is not a multiple of the lot size"),
    ({"quantity": 1e14}, "one order may be for 1000 at most"),
    ({"quantity": "999999999999999"}, "one order may be for 1000 at most"),
    ({"limit_price": "100.001"}, "the price 100.001 is not a multiple of the tick size 0.01"),
    ({"limit_price": "0"}, "the price 0 is not above zero"),
    ({"limit_price": "-100"}, "the price -100 is not above zero"),
    ({"limit_price": None}, "a LIMIT order needs limit_price"),
    ({"id": "external-777"}, "the desk itself names orders placed elsewhere"),
    ({"id": "_baseline"}, "the id '_baseline' can not be used"),
    ({"id": ""}, "the id '' can not be used"),
    ({"id": "a.b *>"}, "can not be used"),
    ({"account": "DU9999999"}, "the desk has no account 'DU9999999' at ibkr; it has DU1234567"),
]

SYMBOLS = ["QQQQ", "SPY.", ".", "BRK.B", "EUR.USD", "*", ">", "SP Y", "SPY QQQ", "SPY\n", "ÄPFEL", "騰訊", "😀", ""]
LONG = "S" * 250
VENUES = ["nowhere", "IBKR", "*", ">", "ib.kr", "ib kr", "ïbkr", "", LONG]


async def test_bytes_that_are_no_intent_are_denied_and_kept_as_dead_letters(desk: Desk) -> None:
    for payload, word in BYTES:
        decision = await desk.denied(payload)
        assert word in decision.reason, payload[:100]
        assert understood(decision.reason), decision.reason
        letter = (await desk.letters())[-1]
        assert (letter.sequence, letter.error) == (decision.intent_sequence, decision.reason)
        assert (letter.subject, letter.payload_bytes, letter.payload) == ("intent.user", len(payload), payload[:4096])
    assert len(await desk.letters()) == len(BYTES)


async def test_more_than_an_intent_may_have_is_refused_at_the_door(desk: Desk, process: Any) -> None:
    body = json.dumps(desk.body(note="")).encode()
    for bytes_max in (INTENT_BYTES_MAX + 1, MESSAGE_BYTES_MAX):
        for payload in (b" " * bytes_max, body[:-2] + b"x" * (bytes_max - len(body)) + body[-2:], b"[" * bytes_max):
            assert len(payload) == bytes_max
            answer = json.loads((await desk.client.request(PLACE, payload, timeout=WAIT_SECONDS_MAX)).data)
            assert answer["error"]["description"] == "message size exceeds maximum allowed"
    for payload in (b"[" * INTENT_BYTES_MAX, body[:-2] + b"x" * (INTENT_BYTES_MAX - len(body)) + body[-2:]):
        await desk.denied(payload)
    assert desk.process.runs()


async def test_fields_that_can_not_be_read_are_denied_and_kept_as_dead_letters(desk: Desk) -> None:
    for changes, word in FIELDS:
        decision = await desk.denied(json.dumps(desk.body(**changes)).encode())
        assert word in decision.reason, changes
        assert understood(decision.reason), decision.reason
        assert (await desk.letters())[-1].sequence == decision.intent_sequence
    assert len(await desk.letters()) == len(FIELDS)


async def test_terms_that_make_no_sense_are_denied_for_what_is_wrong(desk: Desk) -> None:
    for changes, word in TERMS:
        decision = await desk.denied(json.dumps(desk.body(**changes)).encode())
        assert word in decision.reason, changes
        assert understood(decision.reason), decision.reason
        assert decision.intent is not None
    assert await desk.letters() == []


async def test_unknown_symbols_and_venues_arrive_on_their_encoded_subject_and_are_denied(desk: Desk) -> None:
    orders = [desk.order(symbol=symbol) for symbol in (*SYMBOLS, LONG)] + [desk.order(venue=venue) for venue in VENUES]
    for order in orders:
        subject = subjects.intent(order)
        assert subject.count(".") == 2
        decision = await desk.denied(messages.encode(order), subject)
        assert understood(decision.reason), decision.reason
        assert decision.cause == order.id
        failed = {*(check.name for check in decision.checks), *decision.also_failed}
        assert ("venue" in failed) == (order.venue != "ibkr"), decision.reason
        assert "instrument_allowed" in failed.union(decision.also_failed)
    assert await desk.letters() == []


async def test_the_body_says_where_an_intent_belongs_not_its_subject(desk: Desk) -> None:
    for subject in ("intent.ibkr.AAPL", "intent.nowhere.SPY", "intent.ibkr.spy", "intent.ibkr.%53PY", "intent.%.%"):
        decision = await desk.decided(await desk.publish(messages.encode(desk.order()), subject))
        assert isinstance(decision, IntentApproved)
        assert (decision.intent.venue, decision.intent.symbol) == ("ibkr", "SPY")


async def test_a_used_id_with_other_content_is_denied_whatever_became_of_the_first(desk: Desk) -> None:
    approved, denied = desk.order(id="mine"), desk.order(id="his", symbol="QQQQ")
    first = await desk.publish(messages.encode(approved))
    second = await desk.publish(messages.encode(denied), subjects.intent(denied))
    assert isinstance(await desk.decided(first), IntentApproved)
    for name, word, sequence in (("mine", "approved", first), ("his", "denied", second)):
        decision = await desk.denied(messages.encode(desk.order(id=name, quantity=approved.quantity + 1)))
        assert decision.reason == f"duplicate intent id: it was already decided: {word} at INTENTS:{sequence}"


async def test_an_intent_of_another_time_is_denied(desk: Desk) -> None:
    now = datetime.now(UTC)
    for at, word in (
        (now - timedelta(seconds=121), "after 120 s it is not acted on any more"),
        (now - timedelta(days=3650), "after 120 s it is not acted on any more"),
        (now + timedelta(minutes=5), "ahead of the desk clock"),
        (now + timedelta(days=3650), "ahead of the desk clock"),
    ):
        decision = await desk.denied(messages.encode(desk.order(at=at)))
        assert word in decision.reason
        assert "leave `at` out" in decision.reason
    decision = await desk.denied(messages.encode(desk.order(valid_until=now - timedelta(seconds=1))))
    assert decision.reason.startswith("the intent was valid until ")


async def test_an_intent_without_a_time_is_of_the_time_at_which_the_server_stored_it(desk: Desk) -> None:
    body = desk.body()
    del body["at"]
    before = datetime.now(UTC)
    decision = await desk.decided(await desk.publish(json.dumps(body).encode()))
    assert isinstance(decision, IntentApproved)
    assert decision.intent.at == decision.intent_stored_at
    assert before - timedelta(seconds=1) < decision.intent.at <= decision.at + timedelta(seconds=1)


async def test_a_typo_is_denied_under_the_id_of_its_intent(desk: Desk) -> None:
    body = json.dumps(desk.body(id="typo-1", sdie="BUY")).encode()
    assert (await desk.denied(body)).cause == "typo-1"
    without = await desk.decided(await desk.publish(b"{", message_id="on-the-bus"))
    assert without.cause == "on-the-bus"


async def test_a_message_id_like_a_decisions_holds_no_decision_up(desk: Desk) -> None:
    first = await desk.decided(await desk.publish(messages.encode(desk.order())))
    again = await desk.publish(messages.encode(desk.order()), message_id=first.id)
    assert isinstance(await desk.decided(again), IntentApproved)
    assert desk.process.runs()
    await desk.denied(b"{")


async def test_a_message_sent_without_asking_for_an_answer_is_decided_too(desk: Desk) -> None:
    order = desk.order()
    await desk.client.publish(PLACE, messages.encode(order))
    later = await desk.publish(messages.encode(desk.order()))
    await desk.decided(later)
    decision = await desk.decided(later - 1)
    assert isinstance(decision, IntentApproved)
    assert decision.intent.id == order.id
