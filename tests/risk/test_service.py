"""The service on a real nats-server: one decision for each intent, whatever dies and whatever is sent."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from prometheus_client import REGISTRY
from risk import intake
from risk.decide import decide
from risk.facts import Request
from risk.observing import Observing
from risk.service import LOOK_SECONDS, Risk
from risk.settings import Settings
from risk.state import RiskState, opening_state
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.bus.answers import Answers
from signalbox.bus.bootstrap import stream_config
from signalbox.clock import FixedClock
from signalbox.desk import Desk
from signalbox.errors import BusFullError, BusUnavailableError, LeaseLostError, WrongSequenceError
from signalbox.messages import (
    AccountAdopted,
    AccountState,
    DeadLetter,
    Decision,
    FlattenEnded,
    Instrument,
    InstrumentKind,
    IntentApproved,
    IntentDenied,
    LinkStatus,
    OrderCanceled,
    OrderEvents,
    OrderStatus,
    PositionHeld,
    Quote,
    Ruling,
    TradingMode,
    TradingState,
    VenueLink,
)
from signalbox.room import NEEDED_BY_ORDERS
from signalbox.seals import EXPECTED_HEADER
from signalbox.settings import Secret
from signalbox.streams import STREAMS
from signalbox.telemetry import Health

WAIT_SECONDS_MAX = 60.0
FORGET_SECONDS = 0.1
VENUE, ACCOUNT = "ibkr", "DU1234567"


class Running:
    """One risk process, as its parts; it dies when its bus is closed without a drain."""

    def __init__(self, bus: Bus, desk: Desk, now: datetime, settings: Settings, lease: Any) -> None:
        self.bus = bus
        self.state: RiskState = opening_state(desk)
        self.health = Health("risk")
        self.clock = FixedClock(now)
        self.seconds = 0.0
        self.failures: list[BaseException] = []
        bus.on_failure = self.failures.append
        self.observing = Observing(bus, self.state, self.health, settings, self.clock, lambda: self.seconds)
        self.service = Risk(bus, self.state, self.clock, self.observing, lease, monotonic=lambda: self.seconds)

    async def start(self) -> None:
        await self.observing.start()
        await self.service.rebuild()


class Stage:
    """A nats-server with the gateway's and the OMS's words on it, and any number of lives of risk."""

    def __init__(self, server: Any, world: Any, lease: Any) -> None:
        self.server, self.w, self.lease = server, world, lease
        self.buses: dict[str, Bus] = {}

    async def bus(self, user: str) -> Bus:
        if user not in self.buses:
            self.buses[user] = await self.server.connect(user)
        return self.buses[user]

    async def set(self) -> None:
        """Store what STATE and TRADE hold before any intent."""
        gateway, oms = await self.bus("gateway-ibkr"), await self.bus("oms")
        instrument = Instrument(
            id="instrument-SPY",
            at=self.w.now,
            venue=VENUE,
            symbol="SPY",
            kind=InstrumentKind.STOCK,
            currency="USD",
            exchange="SMART",
            calendar="XNYS",
            tick_size=Decimal("0.01"),
            lot_size=Decimal(1),
            minimum_quantity=Decimal(1),
        )
        await gateway.publish(subjects.instrument(VENUE, "SPY"), instrument)
        await self.account()
        adopted = AccountAdopted(
            id="_baseline/1",
            at=self.w.now,
            venue=VENUE,
            account=ACCOUNT,
            order_id=subjects.BASELINE,
            status=OrderStatus.NEW,
            currency="USD",
            cash=Decimal(1_000_000),
            positions=(PositionHeld(symbol="SPY", quantity=Decimal(5), average_price=Decimal(90)),),
            execution_ids=(),
        )
        await oms.publish(subjects.order(VENUE, ACCOUNT, subjects.BASELINE), adopted)

    async def account(self, funds: int = 1_000_000) -> None:
        figure = Decimal(funds)
        account = AccountState(
            id=f"account-{funds}",
            at=self.w.now,
            venue=VENUE,
            account=ACCOUNT,
            currency="USD",
            cash=figure,
            net_liquidation=figure,
            available_funds=figure,
            buying_power=figure,
            initial_margin=Decimal(0),
            maintenance_margin=Decimal(0),
        )
        await (await self.bus("gateway-ibkr")).publish(subjects.account(VENUE, ACCOUNT), account)

    async def heartbeat(self, status: LinkStatus = LinkStatus.READY) -> None:
        link = VenueLink(id="beat", at=self.w.now, venue=VENUE, account=ACCOUNT, status=status)
        await (await self.bus("gateway-ibkr")).send(subjects.link(VENUE, ACCOUNT), link)

    async def quote(self, ask: str = "100") -> None:
        quote = Quote(id=f"q-{ask}", at=self.w.now, venue=VENUE, symbol="SPY", bid=Decimal("99.99"), ask=Decimal(ask))
        await (await self.bus("gateway-ibkr")).send(subjects.quote(VENUE, "SPY"), quote)

    async def risk(self, consume: bool = True) -> Running:
        """A new life of risk, which has heard a heartbeat and a price."""
        settings = Settings(
            nats_url="", nats_user="risk", nats_password=Secret(""), desk_file=self.server.directory / "none"
        )
        running = Running(await self.server.connect("risk"), self.w.state.desk, self.w.now, settings, self.lease)
        await running.start()

        async def heard() -> bool:
            return bool(running.state.links and running.state.quotes)

        await self.heartbeat()
        await self.quote()
        await eventually(heard)
        if consume:
            await running.service.consume()
        return running

    async def kill(self, running: Running) -> None:
        """End a life at once: nothing is drained or acknowledged any more."""
        for pull in running.bus._pulls:
            pull._stopping = True
        await running.bus.drain()

    async def send(
        self, payload: bytes, subject: str = "intent.ibkr.SPY", message_id: str = "", user: str = "user"
    ) -> None:
        headers = {"Nats-Msg-Id": message_id} if message_id else {}
        await (await self.bus(user)).raw_publish(subject, payload, headers)

    async def decisions(self) -> list[Decision]:
        reader = await self.bus("recorder")
        return [messages.decode(found.payload, Decision) async for found in reader.read("TRADE", "decision.>")]

    async def decided(self, count: int) -> list[Decision]:
        async def enough() -> bool:
            return len(await self.decisions()) >= count

        await eventually(enough)
        found = await self.decisions()
        assert len(found) == count
        return found


@pytest.mark.parametrize("lost", [2, 1])
async def test_a_message_that_is_missing_in_the_middle_of_trade_denies_every_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """nats-server leaves out of a stream what a rotten block has made unreadable, and says nothing."""
    first = await stage.risk()
    for name in ("a", "b"):
        await stage.send(intent_bytes(stage, id=name))
    await stage.decided(2)
    await stage.kill(first)
    read = Bus.read

    async def with_a_hole(self: Bus, stream: str, *where: Any, **terms: Any) -> Any:
        async for received in read(self, stream, *where, **terms):
            if (stream, received.sequence) != ("TRADE", lost):
                yield received

    monkeypatch.setattr(Bus, "read", with_a_hole)
    second = await stage.risk(consume=False)
    monkeypatch.undo()
    assert second.state.unread_event == ("TRADE:2" if lost == 2 else "")  # what TRADE begins with, nobody knows


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not await condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def stage(nats_server: Any, world: Any, held_lease: Any) -> Stage:
    stage = Stage(nats_server, world(), held_lease)
    await stage.set()
    return stage


def intent_bytes(stage: Stage, **terms: Any) -> bytes:
    return messages.encode(stage.w.order(**terms))


async def test_an_intent_is_approved_and_an_order_too_large_denied(stage: Stage, check: Any) -> None:
    await stage.risk()
    await stage.send(intent_bytes(stage, id="good"))
    await stage.send(intent_bytes(stage, id="large", quantity="1001"))
    good, large = await stage.decided(2)
    assert isinstance(good, IntentApproved), good.reason
    assert isinstance(large, IntentDenied)
    assert large.reason == "the order is for 1001; one order may be for 1000 at most"
    assert check(good, "position_quantity").observed == "15"
    assert check(good, "account_state").source.startswith("STATE:")
    assert check(good, "trading_state").source.startswith("KV_CONTROL:")


def hops() -> float:
    found = REGISTRY.get_sample_value(
        "signalbox_order_hop_seconds_count", {"venue": VENUE, "hop": "intent_to_decision"}
    )
    return found or 0.0


async def test_the_way_from_intent_to_decision_is_measured_for_each_intent(stage: Stage) -> None:
    before = hops()
    await stage.risk()
    await stage.send(intent_bytes(stage, id="good"))
    await stage.send(b"nonsense", message_id="bad")
    await stage.send(intent_bytes(stage, id="large", quantity="1001"))

    async def measured() -> bool:
        return hops() == before + 2

    await stage.decided(3)
    await eventually(measured)


async def test_the_decision_is_on_the_subject_of_its_verdict(stage: Stage) -> None:
    await stage.risk()
    await stage.send(intent_bytes(stage, id="good"))
    await stage.send(intent_bytes(stage, venue="x"), subject="intent.x.SPY")
    await stage.decided(2)
    reader = await stage.bus("recorder")
    found = [received.subject async for received in reader.read("TRADE", "decision.>")]
    assert found == ["decision.approved.ibkr.DU1234567", "decision.denied.%.%"]


async def test_the_decision_names_the_sender_that_the_server_saw(stage: Stage) -> None:
    await stage.risk()
    await stage.send(intent_bytes(stage, id="a"))
    await stage.send(intent_bytes(stage, id="b"), user="operator")
    assert [(decision.cause, decision.by) for decision in await stage.decided(2)] == [("a", "user"), ("b", "operator")]


BAD = [
    b"",
    b"not json",
    b'{"type":"OrderIntent"}',
    b"\xff" * 100,
    b"[" * 3_900,
    b'{"type":"OrderIntent","note":"' + b"x" * 3_900 + b'"}',
]


async def test_what_can_not_be_read_is_denied_and_kept_and_the_next_good_intent_works(stage: Stage) -> None:
    await stage.risk()
    for number, payload in enumerate(BAD):
        await stage.send(payload, message_id=f"bad-{number}")
    await stage.send(messages.encode(stage.w.order(id="huge")).replace(b'"10"', b'"1e999999"'))
    await stage.send(intent_bytes(stage, id="good"))
    *bad, good = await stage.decided(len(BAD) + 2)
    assert isinstance(good, IntentApproved)
    assert all(isinstance(decision, IntentDenied) and decision.intent is None for decision in bad)
    assert [decision.cause for decision in bad[: len(BAD)]] == [f"bad-{number}" for number in range(len(BAD))]
    reader = await stage.bus("recorder")
    letters = [messages.decode(found.payload, DeadLetter) async for found in reader.read("DEAD")]
    assert [letter.sequence for letter in letters] == [decision.intent_sequence for decision in bad]
    assert [letter.payload_bytes for letter in letters[: len(BAD)]] == [len(payload) for payload in BAD]
    assert all(letter.payload == payload[:4096] for letter, payload in zip(letters, BAD, strict=False))


async def test_an_intent_published_twice_is_decided_twice_and_approved_once(stage: Stage) -> None:
    await stage.risk()
    payload = intent_bytes(stage, id="twice")
    await stage.send(payload)
    await stage.send(payload)
    first, second = await stage.decided(2)
    assert isinstance(first, IntentApproved)
    assert isinstance(second, IntentDenied)
    assert second.reason.endswith(f"it was already decided: approved at INTENTS:{first.intent_sequence}")


async def test_death_between_storing_and_acknowledging_gives_no_second_decision(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await stage.risk()

    async def publish_no_ack(client: Client, *terms: Any, **more: Any) -> None:
        if terms[0].startswith("$JS.ACK"):
            return
        await kept(client, *terms, **more)

    kept = Client.publish
    with monkeypatch.context() as patched:
        patched.setattr(Client, "publish", publish_no_ack)
        await stage.send(intent_bytes(stage, id="one"))
        await stage.decided(1)
        await stage.kill(first)
    second = await stage.risk()
    await stage.send(intent_bytes(stage, id="two"))
    decisions = await stage.decided(2)
    assert [decision.intent.id for decision in decisions if decision.intent] == ["one", "two"]
    assert all(isinstance(decision, IntentApproved) for decision in decisions)

    async def folded() -> bool:
        return set(second.state.orders) == {"one", "two"}

    await eventually(folded)


async def waiting_in_intents(stage: Stage) -> list[Received]:
    """What stands in INTENTS: what has been acknowledged is gone."""
    return [found async for found in (await stage.bus("recorder")).read("INTENTS")]


async def test_an_intent_delivered_again_after_its_decision_is_only_acknowledged(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when NATS has long forgotten the decision's id."""
    later = await stage.risk(consume=False)
    await stage.send(intent_bytes(stage, id="one"))
    (stored,) = await waiting_in_intents(stage)
    later.service._take(stored, "")
    await later.service.turn()

    async def no_second(*terms: Any, **more: Any) -> None:
        pytest.fail("published again")

    monkeypatch.setattr(later.bus, "publish", no_second)
    await later.service.consume()

    async def left() -> bool:
        return not await waiting_in_intents(stage)

    await eventually(left)
    assert set(later.state.orders) == {"one"}
    assert len(await stage.decisions()) == 1


async def test_an_intent_delivered_again_while_it_is_being_decided_is_decided_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await stage.risk(consume=False)
    await stage.send(b"nonsense")
    (stored,) = await waiting_in_intents(stage)
    publish = running.bus.publish

    async def delivered_again_meanwhile(*terms: Any, **more: Any) -> Any:
        running.service._take(stored, "")
        return await publish(*terms, **more)

    monkeypatch.setattr(running.bus, "publish", delivered_again_meanwhile)
    running.service._take(stored, "")
    assert await running.service.turn() is None
    assert len(await stage.decisions()) == 1


async def test_death_before_storing_leaves_the_intent_to_the_next_life(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await stage.risk()

    async def no_bus(*terms: Any, **more: Any) -> None:
        raise BusUnavailableError("gone")

    monkeypatch.setattr(first.bus, "publish", no_bus)
    await stage.send(intent_bytes(stage, id="one"))

    async def failed() -> bool:
        return bool(first.failures)

    await eventually(failed)
    assert await stage.decisions() == []
    await stage.kill(first)
    await stage.risk()
    (decision,) = await stage.decided(1)
    assert isinstance(decision, IntentApproved)


async def test_intents_sent_while_risk_is_down_are_decided_in_order(stage: Stage) -> None:
    for number in range(5):
        await stage.send(intent_bytes(stage, id=f"i-{number}"))
    await stage.risk()
    decisions = await stage.decided(5)
    assert [decision.intent.id for decision in decisions if decision.intent] == [f"i-{number}" for number in range(5)]


async def test_a_rebuild_from_a_copy_that_lags_behind_waits_for_what_was_acknowledged(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three servers the one that answers a read may not have the newest messages yet."""
    first = await stage.risk()
    await stage.send(intent_bytes(stage, id="one"))
    await stage.decided(1)
    canceled = OrderCanceled(
        id="one/1", at=stage.w.now, venue=VENUE, account=ACCOUNT, order_id="one", status=OrderStatus.CANCELED, reason=""
    )
    await (await stage.bus("oms")).publish(subjects.order(VENUE, ACCOUNT, "one"), canceled)

    async def acknowledged() -> bool:
        return await first.bus.consumer_floor("TRADE", "risk") >= 3

    await eventually(acknowledged)
    await stage.kill(first)
    whole, reads = Bus.read, 0

    async def lagging(
        bus: Bus, stream: str, subject: str = ">", from_sequence: int = 1, **options: Any
    ) -> AsyncIterator[Received]:
        nonlocal reads
        reads += stream == "TRADE"
        async for received in whole(bus, stream, subject, from_sequence, **options):
            if stream == "TRADE" and reads == 1 and received.sequence > 1:
                return
            yield received

    monkeypatch.setattr(Bus, "read", lagging)
    second = await stage.risk()
    assert reads > 1
    assert second.service.details()["intents_decided"] == "1"


def denied_before(stage: Stage, stored: Received) -> IntentDenied:
    """What a process before may have decided on an intent, if not what this one would."""
    intent, place = stage.w.order(id="one"), {"sequence": stored.sequence, "stored_at": stored.stored_at}
    request = Request(**place, intent=intent, by="user", error="earlier")
    denied = decide(opening_state(stage.w.state.desk), request, stage.w.now)
    assert isinstance(denied, IntentDenied)
    return denied


async def test_a_decision_of_the_process_before_is_kept_when_it_arrives_late(stage: Stage) -> None:
    """This process has folded its own, so it ends; its restart folds the one that came first."""
    await stage.send(intent_bytes(stage, id="one"))
    running = await stage.risk(consume=False)
    late = denied_before(stage, (await waiting_in_intents(stage))[0])
    await running.bus.publish(subjects.decision(late, ACCOUNT, VENUE), late)
    before = hops()
    await running.service.consume()

    async def ended() -> bool:
        return bool(running.failures)

    await eventually(ended)
    assert "folding the log anew" in str(running.failures[0])
    await stage.kill(running)
    second = await stage.risk()
    assert await stage.decisions() == [late]
    assert [name for name in ("one", "two") if second.state.known.decided(name)] == ["one"]
    assert not second.state.orders
    assert hops() == before  # it was this way's end for the process before


async def test_a_batch_that_finds_another_decision_in_its_place_stores_nothing(stage: Stage) -> None:
    for number in range(3):
        await stage.send(intent_bytes(stage, id=f"i-{number}"))
    running = await stage.risk(consume=False)
    late = denied_before(stage, (await waiting_in_intents(stage))[1])
    await running.bus.publish(subjects.decision(late, ACCOUNT, VENUE), late)
    with pytest.raises(WrongSequenceError):
        await running.service.turn()
    assert await stage.decisions() == [late]


async def test_a_batch_whose_answer_is_lost_is_found_stored(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        await stage.send(intent_bytes(stage, id=f"i-{number}"))
    running = await stage.risk(consume=False)
    ask, asked = Answers.ask, 0

    async def lost(answers: Answers, *terms: Any) -> bytes:
        nonlocal asked
        asked += 1
        await ask(answers, *terms)
        raise TimeoutError("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(Answers, "ask", lost)
        await running.service.turn()
    assert asked == 1
    assert [decision.cause for decision in await stage.decisions()] == ["i-0", "i-1", "i-2"]
    await stage.send(intent_bytes(stage, id="next"))
    await running.service.consume()
    await stage.decided(4)
    assert not running.failures


async def test_a_batch_that_nats_never_saw_the_end_of_is_sent_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await stage.send(intent_bytes(stage, id=f"i-{number}"))
    running = await stage.risk(consume=False)
    ask, asked = Answers.ask, 0

    async def lost_once(answers: Answers, *terms: Any) -> bytes:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise TimeoutError("no answer")
        return await ask(answers, *terms)

    monkeypatch.setattr(Answers, "ask", lost_once)
    await running.service.turn()
    assert asked == 2
    assert [decision.cause for decision in await stage.decisions()] == ["i-0", "i-1", "i-2"]


async def test_an_intent_of_a_queue_made_anew_is_not_taken_for_the_one_that_had_its_sequence(stage: Stage) -> None:
    running = await stage.risk()
    await stage.send(intent_bytes(stage, id="one"))
    (first,) = await stage.decided(1)
    await stage.kill(running)
    client = await stage.server.client("bootstrap")
    await client.request("$JS.API.STREAM.DELETE.INTENTS", b"", timeout=5)
    await client.close()
    await stage.server.bootstrap()
    await stage.risk()
    await stage.send(intent_bytes(stage, id="two"))
    _, second = await stage.decided(2)
    assert (second.cause, second.intent_sequence) == ("two", first.intent_sequence)
    assert second.id != first.id


FLOOD = 300


async def test_another_names_cancel_is_among_the_first_decisions_under_a_flood(stage: Stage) -> None:
    """By places in the order of decisions: what that is in seconds, the benchmark says."""
    await stage.send(intent_bytes(stage, id="resting"), user="operator")
    first = await stage.risk()
    await stage.decided(1)
    await stage.kill(first)
    await stage.bus("user")  # one connection for all of them
    flood = [intent_bytes(stage, id=f"flood-{number}", quantity="0") for number in range(FLOOD)]
    await asyncio.gather(*(stage.send(payload) for payload in flood))
    await stage.send(messages.encode(stage.w.cancel("resting", id="away")), user="operator")
    await stage.send(intent_bytes(stage, id="late"), user="operator")
    await stage.risk()
    causes = [decision.cause for decision in await stage.decided(FLOOD + 3)]
    assert causes.index("away") < 4
    assert causes.index("late") < 4
    from_flood = [cause for cause in causes if cause.startswith("flood")]
    assert len(set(from_flood)) == FLOOD

    async def left() -> bool:
        return not await waiting_in_intents(stage)

    await eventually(left)


async def test_a_cancel_of_many_is_for_what_its_sender_sent_before_it_and_waits_for_nobody_else(stage: Stage) -> None:
    await stage.bus("user")
    flood = [intent_bytes(stage, id=f"flood-{number}", quantity="0") for number in range(200)]
    await asyncio.gather(*(stage.send(payload) for payload in flood))
    await stage.send(intent_bytes(stage, id="mine"), user="operator")
    mass_cancel = stage.w.mass_cancel(id="all")
    await stage.send(messages.encode(mass_cancel), subject=subjects.intent(mass_cancel), user="operator")
    await stage.send(intent_bytes(stage, id="young"), user="operator")
    await stage.risk()
    decisions = await stage.decided(203)
    causes = [decision.cause for decision in decisions]
    assert [cause for cause in causes if not cause.startswith("flood")] == ["mine", "all", "young"]
    assert causes.index("young") < 8
    found = decisions[causes.index("all")]
    assert isinstance(found, IntentApproved)
    assert found.basis is not None
    assert (found.by, found.basis.covered_orders) == ("operator", 1)
    stored = [each.subject async for each in (await stage.bus("recorder")).read("TRADE", "decision.approved.*.*")]
    assert stored == ["decision.approved.ibkr.DU1234567", "decision.approved.%.%", "decision.approved.ibkr.DU1234567"]


async def test_cancels_of_many_that_are_sent_in_a_row_cost_their_sender_what_they_were_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "DECISIONS_BURST_MAX", 6.0)
    running = await stage.risk()
    for number in range(3):
        await stage.send(intent_bytes(stage, id=f"i-{number}"))
    await stage.decided(3)
    await stage.kill(running)
    for number in range(4):
        await stage.send(messages.encode(stage.w.mass_cancel(id=f"all-{number}")), subject="intent.%.%")
    await stage.send(intent_bytes(stage, id="other"), user="operator")
    await stage.risk()
    causes = [decision.cause for decision in (await stage.decided(6))[3:]]
    assert sorted(causes) == ["all-0", "all-1", "other"]  # 6 - 3 - 3


async def away(stage: Stage, running: Running, **terms: Any) -> None:
    """Have the gateway be away, and a wish for a position wait for it."""
    await stage.heartbeat(LinkStatus.DOWN)

    async def heard() -> bool:
        return running.state.links[VENUE, ACCOUNT].message.status is LinkStatus.DOWN

    await eventually(heard)
    wish = stage.w.position("TARGET", "25", valid_until=stage.w.now + timedelta(hours=1), **terms)
    await stage.send(messages.encode(wish))
    await waits_for_venue(running)


async def waits_for_venue(running: Running, count: int = 1) -> None:
    async def waits() -> bool:
        return running.service.details()["intents_waiting_for_a_venue"] == str(count)

    await eventually(waits)


async def test_a_wish_for_a_position_waits_until_its_venue_is_back(stage: Stage) -> None:
    running = await stage.risk()
    await away(stage, running, id="target")
    await stage.send(intent_bytes(stage, id="order"))
    (denied,) = await stage.decided(1)  # an order does not wait, nor does it wait for what does
    assert denied.cause == "order"
    await stage.heartbeat()
    _, approved = await stage.decided(2)
    assert isinstance(approved, IntentApproved), approved
    assert approved.order is not None
    assert (approved.order_id, approved.order.quantity) == ("target", Decimal(20))
    await waits_for_venue(running, 0)


async def test_a_wish_for_a_position_waits_in_the_stream_so_that_the_next_process_has_it(stage: Stage) -> None:
    first = await stage.risk()
    await away(stage, first, id="target")
    await stage.kill(first)
    await stage.risk()
    (approved,) = await stage.decided(1)
    assert isinstance(approved, IntentApproved)


async def test_a_wish_for_a_position_waits_for_no_longer_than_it_says(stage: Stage) -> None:
    running = await stage.risk()
    await away(stage, running, id="target")
    running.clock.at += timedelta(hours=1)
    await waits_for_venue(running)  # until then, and then too
    running.clock.at += timedelta(seconds=1)
    (denied,) = await stage.decided(1)
    assert isinstance(denied, IntentDenied)
    assert [check.name for check in denied.checks if not check.passed][:2] == ["valid_until", "venue_link"]


@pytest.mark.parametrize("many", [False, True])
async def test_a_wish_that_waits_for_its_venue_is_not_acted_on_any_more_once_it_is_cancelled(
    stage: Stage, many: bool
) -> None:
    running = await stage.risk()
    await away(stage, running, id="target")
    others = stage.w.position("TARGET", "9", id="others", valid_until=stage.w.now + timedelta(hours=1))
    await stage.send(messages.encode(others), user="operator")
    another = stage.w.position("TARGET", "9", id="another", valid_until=stage.w.now + timedelta(hours=1))
    await stage.send(messages.encode(another))
    await waits_for_venue(running, 3)
    cancel = stage.w.mass_cancel(id="c") if many else stage.w.cancel("target", id="c")
    await stage.send(messages.encode(cancel), subject=subjects.intent(cancel))
    *denied, of_cancel = await stage.decided(3 if many else 2)
    assert [each.cause for each in denied] == (["target", "another"] if many else ["target"])
    assert of_cancel.cause == "c"
    for each in denied:
        assert isinstance(each, IntentDenied)
        assert each.reason == "the link to ibkr is DOWN, not READY"
    await waits_for_venue(running, 1 if many else 2)  # the other one's


async def closing(stage: Stage, name: str) -> list[bytes]:
    """What risk has written of a flatten beside its approval."""
    return [
        found.payload
        async for found in (await stage.bus("recorder")).read("TRADE", "decision.>")
        if f'"cause":"{name}'.encode() in found.payload or f'"{name}.'.encode() in found.payload
    ]


async def test_a_flatten_closes_and_says_so_and_another_process_goes_on_with_it(stage: Stage) -> None:
    """The account holds 5 SPY."""
    first = await stage.risk()
    flatten = stage.w.flatten(id="home", venue="ibkr")
    await stage.send(messages.encode(flatten), subject=subjects.intent(flatten))

    async def closes() -> bool:
        return len(await closing(stage, "home")) >= 2

    await eventually(closes)
    await stage.kill(first)
    second = await stage.risk()
    assert list(second.state.flattens) == ["home"]
    approved, of_order = [messages.decode(payload, Decision) for payload in await closing(stage, "home")]
    assert isinstance(approved, IntentApproved)
    assert isinstance(of_order, IntentApproved)
    order = of_order.placed
    assert order is not None
    assert (of_order.order_id, order.quantity, order.reduce_only, of_order.by) == ("home.1", Decimal(5), True, "user")
    stored = [each.subject async for each in (await stage.bus("recorder")).read("TRADE", "decision.approved.*.*")]
    assert stored == ["decision.approved.ibkr.%", "decision.approved.ibkr.DU1234567"]
    terms = stage.w.order("SELL", "5", None, id="home.1")
    oms, events = await stage.bus("oms"), stage.w.created(terms).fill(terms, "5", "0").log[-2:]
    for _, _, payload in events:
        await oms.publish(subjects.order(VENUE, ACCOUNT, "home.1"), messages.decode(payload, OrderEvents))

    async def ended() -> bool:
        return len(await closing(stage, "home")) == 3

    await eventually(ended)
    [told] = [each async for each in (await stage.bus("recorder")).read("TRADE", "decision.ended.*.*")]
    word = messages.decode(told.payload, Ruling)
    assert isinstance(word, FlattenEnded)
    assert (told.subject, word.is_flat, word.orders, word.by) == ("decision.ended.ibkr.%", True, 1, "user")
    await stage.kill(second)
    third = await stage.risk()
    assert not third.state.flattens
    await stage.send(intent_bytes(stage, id="after"))  # the next decision stands behind the last word

    async def decided() -> bool:
        return third.state.known.decided("after") is not None

    await eventually(decided)
    assert third.failures == []


async def test_while_a_flatten_is_under_way_it_is_looked_at_though_nothing_comes(stage: Stage) -> None:
    running = await stage.risk()
    await stage.heartbeat(LinkStatus.DOWN)
    flatten = stage.w.flatten(id="home")
    await stage.send(messages.encode(flatten), subject=subjects.intent(flatten))

    async def begun() -> bool:
        return running.service.details()["flattens_under_way"] == "home"

    await eventually(begun)
    assert await running.service.turn() == LOOK_SECONDS


async def test_what_waits_for_a_venue_is_looked_at_though_nothing_comes(stage: Stage) -> None:
    running = await stage.risk()
    await away(stage, running, id="target")
    assert await running.service.turn() == LOOK_SECONDS


async def test_a_wish_that_is_wrong_or_has_no_time_of_its_own_does_not_wait(stage: Stage) -> None:
    running = await stage.risk()
    await away(stage, running, id="target")
    later = stage.w.now + timedelta(hours=1)
    wrong = stage.w.position("TARGET", "9", id="wrong", valid_until=later, symbol="MSFT")
    for wish in (wrong, stage.w.position("TARGET", "9", id="now")):
        await stage.send(messages.encode(wish))
    assert [each.cause for each in await stage.decided(2)] == ["wrong", "now"]


async def test_a_name_beyond_its_decisions_waits_and_then_is_refused_at_the_door(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(intake, "DECISIONS_BURST_MAX", 3.0)
    client = await stage.server.client("bootstrap")
    declared = next(stream for stream in STREAMS if stream.name == "INTENTS")
    config = stream_config(declared) | {"max_msgs_per_subject": 5}
    reply = await client.request("$JS.API.STREAM.UPDATE.INTENTS", json.dumps(config).encode(), timeout=5)
    assert b'"error"' not in reply.data
    await client.close()
    running = await stage.risk()
    for number in range(3):
        await stage.send(intent_bytes(stage, id=f"i-{number}"))
    await stage.decided(3)
    for number in range(3, 8):
        await stage.send(intent_bytes(stage, id=f"i-{number}"))
    with pytest.raises(BusFullError, match="too much of this sender's waits already"):
        await stage.send(intent_bytes(stage, id="one-too-many"))
    await stage.send(intent_bytes(stage, id="other"), user="operator")
    assert (await stage.decided(4))[3].cause == "other"

    async def told() -> bool:
        return running.service.details()["names_held_back"] == "user"

    await eventually(told)
    assert len([record for record in caplog.records if "used up its decisions" in record.message]) == 1
    running.seconds += 1.0  # 20 a second
    await stage.send(messages.encode(stage.w.cancel("i-0", id="wakes-it")), user="operator")
    assert [decision.cause for decision in (await stage.decided(8))[4:]] == ["wakes-it", "i-3", "i-4", "i-5"]


async def test_a_killed_nats_server_loses_and_doubles_nothing(stage: Stage) -> None:
    running = await stage.risk()
    await stage.send(intent_bytes(stage, id="before"))
    await stage.decided(1)
    stage.server.restart()
    await stage.server.listening()
    await stage.send(intent_bytes(stage, id="after"))
    decisions = await stage.decided(2)
    assert [decision.intent.id for decision in decisions if decision.intent] == ["before", "after"]
    assert not running.failures


async def test_a_log_that_has_lost_its_end_with_its_machine_is_folded_anew(stage: Stage, tmp_path: Path) -> None:
    """NATS writes to the disk every two minutes: what came later, a machine that dies takes along."""
    store, saved = stage.server.store, tmp_path / "saved"
    running = await stage.risk()
    stage.server.kill()
    shutil.copytree(store, saved)
    stage.server.start()
    await stage.server.listening()
    await stage.send(intent_bytes(stage, id="lost"))
    await stage.decided(1)
    assert not running.failures
    stage.server.kill()
    shutil.rmtree(store)
    shutil.copytree(saved, store)
    stage.server.start()
    await stage.server.listening()

    async def ended() -> bool:
        return bool(running.failures)

    await eventually(ended)
    await stage.send(intent_bytes(stage, id="kept"))
    await stage.kill(running)
    await stage.risk()
    assert [decision.cause for decision in await stage.decided(1)] == ["kept"]


async def test_the_switch_is_followed_live(stage: Stage) -> None:
    running = await stage.risk()
    operator = await stage.bus("operator")
    halt = TradingState(id="halt-1", at=stage.w.now, mode=TradingMode.HALTED, reason="drill", by="ops")
    await operator.publish(subjects.TRADING_STATE, halt)

    async def halted() -> bool:
        state = running.state.trading_state
        return state is not None and state.message.mode is TradingMode.HALTED

    await eventually(halted)
    await stage.send(intent_bytes(stage))
    (decision,) = await stage.decided(1)
    assert isinstance(decision, IntentDenied)
    assert decision.reason == "trading is halted by operator: drill"


async def test_account_figures_are_followed_live(stage: Stage) -> None:
    running = await stage.risk()
    await stage.account(funds=10)

    async def heard() -> bool:
        return running.state.accounts[VENUE, ACCOUNT].message.available_funds == 10

    await eventually(heard)
    await stage.send(intent_bytes(stage))
    (decision,) = await stage.decided(1)
    assert isinstance(decision, IntentDenied)
    assert "10.00 USD are available" in decision.reason


async def bound(stage: Stage, stream: str, bytes_max: int) -> None:
    """Give a stream another bound, as `signalbox bootstrap` with another store does."""
    (declared,) = (each for each in STREAMS if each.name == stream)
    client = await stage.server.client("bootstrap")
    try:
        config = stream_config(declared, bytes_max=bytes_max)
        answer = await client.request(f"$JS.API.STREAM.UPDATE.{stream}", json.dumps(config).encode(), timeout=5)
    finally:
        await client.close()
    assert "error" not in json.loads(answer.data)


SUBJECT_OF = {"COMMANDS": "command.ibkr.x.0", "LEDGER": "ledger.ibkr.x", "REPORTS": "report.ibkr.DU1.x"}


@pytest.mark.parametrize("stream", NEEDED_BY_ORDERS)
async def test_orders_are_denied_while_a_stream_that_they_need_is_nearly_full(
    stage: Stage, forger: Any, stream: str
) -> None:
    """Cancels and the switch work meanwhile, and orders again when there is room."""
    running = await stage.risk()
    await stage.send(intent_bytes(stage, id="good"))
    await stage.decided(1)
    # So that what is left of TRADE is enough for what comes; it bears no seal, and is passed over
    await forger.plant("oms", subjects.order(VENUE, ACCOUNT, "x"), b"x" * 100_000)
    before = running.state.room
    writer = await stage.bus("oms" if stream == "COMMANDS" else "gateway-ibkr")
    if stream in SUBJECT_OF:
        await writer.raw_publish(SUBJECT_OF[stream], b"x" * 10_000)
    held = next(room for server in await running.bus.servers() for room in server.rooms if room.stream == stream)
    await bound(stage, stream, held.bytes * 1000 // 905)
    await running.observing.look_at_room()
    assert running.state.room != before
    await stage.send(intent_bytes(stage, id="late"))
    await stage.send(messages.encode(stage.w.cancel("good")))
    decided = {decision.intent.id: decision for decision in await stage.decided(3) if decision.intent is not None}
    late, cancel = decided.pop("late"), next(each for name, each in decided.items() if name != "good")
    assert isinstance(late, IntentDenied)
    assert late.reason.startswith(f"the stream {stream} has used 90 %")
    assert isinstance(cancel, IntentApproved), cancel.reason
    await bound(stage, stream, 10_000_000)
    await running.observing.look_at_room()
    await stage.send(intent_bytes(stage, id="later"))
    assert isinstance((await stage.decided(4))[-1], IntentApproved)


async def test_the_last_room_is_not_for_the_denials_of_one_name(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, forger: Any
) -> None:
    monkeypatch.setattr(intake, "DECISIONS_BURST_MAX", 4.0)
    monkeypatch.setattr(intake, "BRIEF_BELOW", 3.0)
    running = await stage.risk()
    for _ in range(5):
        await forger.plant("oms", subjects.order(VENUE, ACCOUNT, "x"), b"x" * 100_000)
    (held,) = [room for server in await running.bus.servers() for room in server.rooms if room.stream == "TRADE"]
    await bound(stage, "TRADE", held.bytes * 100 // 96)
    await running.observing.look_at_room()
    for number in range(4):
        await stage.send(intent_bytes(stage, id=f"i-{number}"))
    await stage.send(intent_bytes(stage, id="other"), user="operator")
    assert {decision.cause for decision in await stage.decided(3)} == {"i-0", "i-1", "other"}
    await bound(stage, "TRADE", 10_000_000)
    await running.observing.look_at_room()
    await stage.send(intent_bytes(stage, id="wakes-it"), user="operator")
    assert {decision.cause for decision in (await stage.decided(6))[3:]} == {"wakes-it", "i-2", "i-3"}


async def test_room_that_nobody_tells_of_any_more_denies(stage: Stage) -> None:
    running = await stage.risk()
    running.observing.lose_silent_links = lambda: None  # type: ignore[method-assign]  # not what this is about
    running.seconds += 10.0
    await stage.send(intent_bytes(stage, id="good"))
    (good,) = await stage.decided(1)
    assert isinstance(good, IntentApproved), good.reason
    running.seconds += 0.1
    await stage.send(intent_bytes(stage, id="late"))
    _, late = await stage.decided(2)
    assert isinstance(late, IntentDenied)
    assert late.reason.startswith("NATS has not said lately how full its streams are")
    await running.observing.look_at_room()
    await stage.send(intent_bytes(stage, id="later"))
    assert isinstance((await stage.decided(3))[-1], IntentApproved)


async def test_a_silent_gateway_denies_and_makes_risk_unready(stage: Stage) -> None:
    running = await stage.risk()
    assert running.health.ready
    running.seconds += 5.1
    await stage.send(intent_bytes(stage))
    (decision,) = await stage.decided(1)
    assert isinstance(decision, IntentDenied)
    assert "no heartbeat" in decision.reason
    assert running.health.waiting_for == ("link ibkr/DU1234567: no heartbeat",)


async def test_observations_that_can_not_be_read_are_passed_over(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    running = await stage.risk()
    gateway = await stage.server.client("gateway-ibkr")
    with caplog.at_level(logging.ERROR):
        await gateway.publish(subjects.quote(VENUE, "SPY"), b"{")
        await gateway.publish(subjects.link(VENUE, ACCOUNT), b'{"type":"Quote"}')
        await gateway.flush()
    await gateway.close()
    await stage.send(intent_bytes(stage))
    (decision,) = await stage.decided(1)
    assert isinstance(decision, IntentApproved)
    assert not running.failures


async def test_an_order_event_that_can_not_be_read_is_parked_and_denies_from_then_on(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.risk()
    with caplog.at_level(logging.CRITICAL):
        await (await stage.bus("oms")).raw_publish("order.ibkr.DU1234567.x", b'{"type":"OrderTeleported"}', {})
        await stage.send(intent_bytes(stage))
        (decision,) = await stage.decided(1)
    assert isinstance(decision, IntentDenied)
    assert "can not be read" in decision.reason
    reader = await stage.bus("recorder")
    assert len([found async for found in reader.read("DEAD")]) == 1


async def test_a_fault_of_ours_denies_and_the_next_intent_has_its_turn(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.risk()

    def broken(*_: Any) -> None:
        raise ArithmeticError("division by zero")

    with caplog.at_level(logging.CRITICAL), monkeypatch.context() as patched:
        patched.setattr("risk.decide.gather", broken)
        await stage.send(intent_bytes(stage, id="unlucky"))
        (unlucky,) = await stage.decided(1)
    assert isinstance(unlucky, IntentDenied)
    assert unlucky.reason == "risk could not judge the intent: ArithmeticError"
    await stage.send(intent_bytes(stage, id="lucky"))
    assert isinstance((await stage.decided(2))[1], IntentApproved)


async def test_a_fault_of_the_fold_stores_nothing_since_half_of_the_decision_is_in_the_state(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await stage.risk(consume=False)

    def broken(*_: Any) -> None:
        raise ArithmeticError("division by zero")

    monkeypatch.setattr("risk.evolve._reserve", broken)
    await stage.send(intent_bytes(stage, id="unlucky"))
    running.service._take((await waiting_in_intents(stage))[0], "")
    with pytest.raises(ArithmeticError):
        await running.service.turn()
    assert await stage.decisions() == []


async def forget_ids_soon(stage: Stage) -> None:
    """Make TRADE's memory of message ids so short that it is not what absorbs a repetition."""
    declared = next(stream for stream in STREAMS if stream.name == "TRADE")
    config = stream_config(declared) | {"duplicate_window": int(FORGET_SECONDS * 1e9)}
    client = await stage.server.client("bootstrap")
    reply = await client.request("$JS.API.STREAM.UPDATE.TRADE", json.dumps(config).encode(), timeout=5)
    await client.close()
    assert b'"error"' not in reply.data


async def test_a_former_holder_that_wakes_up_long_after_stores_no_second_decision(stage: Stage) -> None:
    await forget_ids_soon(stage)
    former = await stage.risk(consume=False)
    await stage.send(intent_bytes(stage, id="first"))
    (in_hand,) = await waiting_in_intents(stage)
    await stage.risk()
    await stage.send(intent_bytes(stage, id="second"))
    await stage.decided(2)
    decided = time.monotonic()

    async def forgotten() -> bool:
        return time.monotonic() - decided > 3 * FORGET_SECONDS

    await eventually(forgotten)
    former.service._take(in_hand, "")
    with pytest.raises(WrongSequenceError):
        await former.service.turn()
    assert [decision.cause for decision in await stage.decisions()] == ["first", "second"]


async def test_a_decision_under_way_when_the_lease_passed_on_is_found(stage: Stage) -> None:
    former = await stage.risk(consume=False)
    await stage.send(intent_bytes(stage, id="first"))
    present = await stage.risk(consume=False)
    former.service._take((await waiting_in_intents(stage))[0], "")
    await former.service.turn()
    await present.service.consume()
    await stage.send(intent_bytes(stage, id="second"))
    first, second = await stage.decided(2)
    assert (first.cause, second.cause) == ("first", "second")
    assert all(present.state.known.decided(name) for name in ("first", "second"))
    assert present.failures == []  # it has decided the same, to the byte


async def test_a_process_without_the_lease_takes_no_message(stage: Stage) -> None:
    former = await stage.risk(consume=False)
    await stage.send(intent_bytes(stage, id="first"))
    former.service._take((await waiting_in_intents(stage))[0], "")
    stage.lease.held = False
    with pytest.raises(LeaseLostError):
        await former.service.turn()
    assert len(former.state.answered) == 0
    assert await stage.decisions() == []


# ------------------------------------------------------------------------------------------------ forged and copied


async def test_a_forged_decision_is_none_and_does_not_stop_the_next(stage: Stage, forger: Any) -> None:
    """Risk makes its own decision of the intent, under the same id, behind the forged ones; also after a restart."""
    running = await stage.risk()
    await stage.send(intent_bytes(stage, id="one"))
    await stage.decided(1)
    forged = IntentApproved(
        id="decision-5", at=stage.w.now, intent_sequence=5, intent=stage.w.order(id="two"), order_id="two", checks=()
    )
    subject = subjects.decision(forged, ACCOUNT, VENUE)
    await forger.plant("risk", subject, messages.encode(forged), Nats_Msg_Id="decision-5")
    await stage.send(intent_bytes(stage, id="two", quantity="1001"))

    async def decided(intent_id: str) -> bool:
        return intent_id in running.state.known

    await eventually(lambda: decided("two"))
    assert "two" not in running.state.orders  # the forged one says approved
    assert not running.failures
    await stage.kill(running)
    await forger.plant("risk", subject, messages.encode(forged))  # the last of TRADE is a forged one
    running = await stage.risk()
    assert running.service.details()["intents_decided"] == "2"
    await stage.send(intent_bytes(stage, id="three"))
    await eventually(lambda: decided("three"))
    assert not running.failures


async def test_a_forged_order_event_moves_no_position(stage: Stage, forger: Any) -> None:
    running = await stage.risk()
    oms = await stage.bus("oms")
    subject = subjects.order(VENUE, ACCOUNT, subjects.BASELINE)
    adopted = await oms.last("TRADE", subject)
    assert adopted is not None
    forged = adopted.payload.replace(b'"quantity":"5"', b'"quantity":"500"').replace(b"_baseline/1", b"_baseline/2")
    assert forged != adopted.payload

    def held() -> Decimal:
        return running.state.books[VENUE, ACCOUNT].holdings["SPY"].quantity

    await forger.plant("oms", subject, forged)
    await stage.send(intent_bytes(stage, id="one"))
    await stage.decided(1)
    assert held() == 5
    await stage.kill(running)
    await forger.plant("oms", subject, forged)
    running = await stage.risk()
    assert held() == 5
    await stage.send(intent_bytes(stage, id="two"))
    await stage.decided(2)


async def test_a_rebuild_ends_when_the_last_that_was_acknowledged_is_a_forged_one(stage: Stage, forger: Any) -> None:
    running = await stage.risk()
    answer = await forger.plant("oms", subjects.order(VENUE, ACCOUNT, "x"), b"{}")

    async def acknowledged() -> bool:
        return await running.bus.consumer_floor("TRADE", "risk") >= answer["seq"]

    await eventually(acknowledged)
    await stage.kill(running)
    running = await stage.risk()
    await stage.send(intent_bytes(stage, id="one"))
    await stage.decided(1)


async def test_a_forged_trading_state_is_not_risks(stage: Stage, forger: Any) -> None:
    running = await stage.risk()

    def mode() -> str:
        return running.service.details()["trading_state"]

    async def is_mode(wanted: str) -> bool:
        return mode() == wanted

    operator = await stage.server.connect("operator")
    halt = TradingState(id="halt", at=stage.w.now, mode=TradingMode.HALTED, reason="test", by="operator")
    await operator.publish(subjects.TRADING_STATE, halt)
    await eventually(lambda: is_mode("HALTED"))
    resume = TradingState(id="resume", at=stage.w.now, mode=TradingMode.ACTIVE, reason="forged", by="operator")
    await forger.plant("operator", subjects.TRADING_STATE, messages.encode(resume))
    [genuine] = [each async for each in (await stage.server.connect("auditor")).read("KV_CONTROL")][:1]
    await forger.again("operator", genuine, subject=subjects.TRADING_STATE, without=EXPECTED_HEADER)
    await stage.send(intent_bytes(stage, id="one"))
    (decision,) = await stage.decided(1)
    assert isinstance(decision, IntentDenied)
    await stage.kill(running)
    running = await stage.risk()
    assert mode() == "HALTED"
