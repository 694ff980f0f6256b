"""What is told of an intent is what became of that one, whoever else has used its id."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.errors import ConfigurationError
from signalbox.messages import (
    Basis,
    CancelIntent,
    Check,
    IntentApproved,
    IntentDenied,
    MassCancelIntent,
    OrderCanceled,
    OrderPendingCancel,
    OrderStatus,
)
from signalbox_cli import trading
from signalbox_cli.__main__ import build_parser
from signalbox_cli.commands import EXIT_DENIED
from signalbox_cli.following import ManyOrders, OneOrder
from signalbox_cli.verdicts import ROOTS, show_decision

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)
CANCEL = CancelIntent(id="c-1", at=AT, venue="ibkr", order_id="o-1")


def denied(by: str, reason: str) -> IntentDenied:
    values: dict[str, Any] = {"id": f"decision-{by}", "at": AT, "cause": "c-1", "by": by, "intent_sequence": 1}
    return IntentDenied(intent=None, checks=(), reason=reason, also_failed=("funds", "open_orders"), **values)


async def test_a_decision_on_somebody_elses_intent_of_the_same_id_is_not_told(
    nats_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    user: Bus = await nats_server.connect("user")
    risk: Bus = await nats_server.connect("risk")
    intent = CancelIntent(id="c-1", at=AT, venue="ibkr", symbol="SPY", order_id="o-1")
    arguments = argparse.Namespace(follow=False, json=False)
    asking = asyncio.create_task(trading.publish_and_report(user, "user", intent, OneOrder("o-1"), arguments))
    mine, others = denied("user", "there is no such order"), denied("mallory", "it is mallory's")
    async with asyncio.timeout(60):
        while not [received async for received in risk.read("INTENTS")]:
            await asyncio.sleep(0.01)
        for decision in (others, mine):
            await risk.publish(subjects.decision(decision, "", ""), decision)
        assert await asking == EXIT_DENIED
    told = capsys.readouterr().out
    assert "there is no such order" in told
    assert "failed too: funds, open_orders" in told
    assert "mallory" not in told


async def test_an_intent_that_was_stored_though_the_answer_was_lost_is_told_as_any_other(
    nats_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where one floods, answers come late: who is told to choose another id orders twice."""
    user: Bus = await nats_server.connect("user")
    risk: Bus = await nats_server.connect("risk")
    intent = CancelIntent(id="c-1", at=AT, venue="ibkr", symbol="SPY", order_id="o-1")
    await user.publish(subjects.intent(intent), intent)  # its own first attempt
    arguments = argparse.Namespace(follow=False, json=False)
    asking = asyncio.create_task(trading.publish_and_report(user, "user", intent, OneOrder("o-1"), arguments))
    decision = denied("user", "there is no such order")
    async with asyncio.timeout(60):
        while not asking.done():  # nothing says when it listens
            await risk.send(subjects.decision(decision, "", ""), decision)
            await asyncio.sleep(0.01)
    assert await asking == EXIT_DENIED
    assert "there is no such order" in capsys.readouterr().out


async def test_an_id_that_was_used_before_is_told_when_no_decision_comes(
    nats_server: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trading, "DECISION_SECONDS_MAX", 0.1)
    user: Bus = await nats_server.connect("user")
    intent = CancelIntent(id="c-1", at=AT, venue="ibkr", symbol="SPY", order_id="o-1")
    await user.publish(subjects.intent(intent), intent)
    arguments = argparse.Namespace(follow=False, json=False)
    assert await trading.publish_and_report(user, "user", intent, OneOrder("o-1"), arguments) == EXIT_DENIED
    assert "was published already" in capsys.readouterr().err


async def test_a_cancel_of_many_says_of_how_many_and_follows_them_to_their_end(
    nats_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    user: Bus = await nats_server.connect("user")
    risk: Bus = await nats_server.connect("risk")
    oms: Bus = await nats_server.connect("oms")
    intent = MassCancelIntent(id="m-1", at=AT, venue="ibkr")
    arguments = argparse.Namespace(follow=True, json=False)
    asking = asyncio.create_task(trading.publish_and_report(user, "user", intent, ManyOrders(), arguments))
    decision = IntentApproved(
        id="d-1",
        at=AT,
        cause="m-1",
        by="user",
        intent_sequence=1,
        intent=intent,
        order_id="",
        checks=(),
        passed=7,
        basis=Basis(rules="", trade_sequence=1, covered_orders=2),
    )
    of_one: dict[str, Any] = {"at": AT, "cause": "d-1", "venue": "ibkr", "account": "DU1"}
    async with asyncio.timeout(60):
        while not [received async for received in risk.read("INTENTS")]:
            await asyncio.sleep(0.01)
        [stored] = [received async for received in risk.read("INTENTS")]
        await risk.publish(subjects.decision(decision, "", "ibkr"), decision)
        for name in ("o-1", "o-2"):
            asked = OrderPendingCancel(id=f"{name}/1", order_id=name, status=OrderStatus.PENDING_CANCEL, **of_one)
            gone = OrderCanceled(id=f"{name}/2", order_id=name, status=OrderStatus.CANCELED, reason="asked", **of_one)
            for event in (asked, gone):
                await oms.publish(subjects.order("ibkr", "DU1", name), event)
        assert await asking == 0
    assert (subjects.sender_of_intent(stored.subject), messages.decode(stored.payload, MassCancelIntent)) == (
        "user",
        intent,
    )
    first, *events, last = capsys.readouterr().out.splitlines()
    assert first == "approved: m-1 for 2 orders (7 checks passed; sent by user)"
    assert [line.split(" ")[1:3] for line in events] == [
        ["o-1", "PENDING_CANCEL"],
        ["o-1", "CANCELED"],
        ["o-2", "PENDING_CANCEL"],
        ["o-2", "CANCELED"],
    ]
    assert last == "2 CANCELED"


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        ((), "say which order to cancel, or --all"),
        (("o-1", "--all"), "one of the two"),
        (("o-1", "--account", "DU1"), "--account, --strategy and --external go with --all"),
        (("o-1", "--strategy", "trend"), "--account, --strategy and --external go with --all"),
        (("--all", "--venue", ""), "an option of --all is empty"),
        (("--all", "--account", ""), "an option of --all is empty"),
        (("--all", "--strategy", ""), "an option of --all is empty"),
    ],
)
async def test_a_cancel_that_does_not_say_what_is_meant_is_not_sent(words: tuple[str, ...], mistake: str) -> None:
    arguments = build_parser(["cancel"]).parse_args(["cancel", *words])
    with pytest.raises(ConfigurationError) as caught:
        await arguments.run(arguments)
    assert mistake in caught.value.mistakes[0]


def denial(*names: str, also_failed: tuple[str, ...] = ()) -> IntentDenied:
    checks = tuple(
        Check(name=name, passed=False, limit="a", observed="b", source="intent", reason=f"why {name}") for name in names
    )
    return IntentDenied(
        id="decision-1", at=AT, cause="o-1", by="alice", intent_sequence=1, intent=None, checks=checks,
        reason=f"why {names[0]}", also_failed=also_failed,
    )  # fmt: skip


def test_a_denial_says_the_deciding_reason_and_the_intent_first(capsys: pytest.CaptureFixture[str]) -> None:
    show_decision(denial("quantity", "funds", also_failed=("session",)), CANCEL, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "denied: why quantity",
        f"  intent {CANCEL.id}, sent by alice",
        "  quantity: limit a, observed b (intent)",
        "  funds: limit a, observed b (intent)",
        "  failed too: session",
    ]


@pytest.mark.parametrize("name", ROOTS)
def test_what_fails_only_since_nothing_is_known_is_not_told(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_decision(denial(name, "quantity", also_failed=("session",)), CANCEL, as_json=False)
    assert capsys.readouterr().out.splitlines()[2:] == [f"  {name}: limit a, observed b (intent)"]
