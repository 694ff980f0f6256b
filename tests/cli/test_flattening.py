"""`signalbox flatten` goes on until risk says how it ended, and its exit status says that too."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.errors import ConfigurationError
from signalbox.messages import (
    Basis,
    FlattenEnded,
    FlattenIntent,
    IntentApproved,
    NotFlat,
    OrderCanceled,
    OrderPendingCancel,
    OrderStatus,
)
from signalbox_cli.__main__ import build_parser
from signalbox_cli.flattening import Flattened, _flatten, ended_in_words
from signalbox_cli.trading import publish_and_report

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)
OF_ONE: dict[str, Any] = {"at": AT, "venue": "ibkr", "account": "DU1"}
LEFT = NotFlat(
    venue="ibkr", account="DU1", symbol="SPY", quantity=Decimal(-5), working_orders=2, reason="the link is DOWN"
)


def ended(is_flat: bool = True, cause: str = "f-1", **fields: Any) -> FlattenEnded:
    values: dict[str, Any] = {"id": f"{cause}.ended", "at": AT, "venue": "", "account": "", "symbol": "", "orders": 2}
    return FlattenEnded(**{**values, "cause": cause, "is_flat": is_flat, **fields})


@pytest.mark.parametrize("is_flat", [True, False])
async def test_it_shows_what_it_leads_to_and_waits_for_its_end(
    nats_server: Any, capsys: pytest.CaptureFixture[str], is_flat: bool
) -> None:
    user: Bus = await nats_server.connect("user")
    risk: Bus = await nats_server.connect("risk")
    oms: Bus = await nats_server.connect("oms")
    intent, followed = FlattenIntent(id="f-1", at=AT), Flattened("f-1")
    arguments = argparse.Namespace(follow=True, json=False)
    asking = asyncio.create_task(publish_and_report(user, "user", intent, followed, arguments))
    decision = IntentApproved(
        id="decision-1-7", at=AT, cause="f-1", by="user", intent_sequence=1, intent=intent, order_id="", checks=(),
        passed=9, basis=Basis(rules="", trade_sequence=1, covered_orders=1, covered_positions=2),
    )  # fmt: skip
    async with asyncio.timeout(60):
        while not [received async for received in risk.read("INTENTS")]:
            await asyncio.sleep(0.01)
        await risk.publish(subjects.decision(decision, "", ""), decision)
        for name, cause in (("o-1", decision.id), ("o-2", f"{decision.id}.1"), ("o-3", "decision-1-77")):
            asked = OrderPendingCancel(
                id=f"{name}/1", order_id=name, status=OrderStatus.PENDING_CANCEL, cause=cause, **OF_ONE
            )
            await oms.publish(subjects.order("ibkr", "DU1", name), asked)
        closed = OrderCanceled(id="f-1.1/1", order_id="f-1.1", status=OrderStatus.CANCELED, reason="", **OF_ONE)
        await oms.publish(subjects.order("ibkr", "DU1", "f-1.1"), closed)
        told = ""
        while "f-1.1" not in told:
            told += capsys.readouterr().out
            await asyncio.sleep(0.01)
        for word in (ended(cause="f-2"), ended(is_flat, left=() if is_flat else (LEFT,), markets_left=1 - is_flat)):
            await risk.publish(subjects.flatten_ended(word), word)
        assert await asking == 0
    first, *events, last = (told + capsys.readouterr().out).rstrip().split("\n", 4)
    assert first == "approved: f-1: 2 positions to close, 1 order to cancel (9 checks passed; sent by user)"
    assert [line.split(" ")[1] for line in events] == ["o-1", "o-2", "f-1.1"]
    assert last.startswith("flat:" if is_flat else "NOT flat:\n  SPY at ibkr in DU1: -5 held, 2 orders work")
    assert followed.status == (0 if is_flat else 1)


def test_of_many_markets_that_are_left_it_says_how_many_more() -> None:
    told = ended_in_words(ended(False, left=(LEFT,), markets_left=3))
    assert told.splitlines()[-1] == "  and 2 more"


async def test_an_option_that_is_empty_is_not_taken_for_the_whole_desk() -> None:
    arguments = build_parser(["flatten"]).parse_args(["flatten", "--account", ""])
    with pytest.raises(ConfigurationError, match="an option of flatten is empty"):
        await _flatten(arguments)


def test_it_follows_by_itself() -> None:
    arguments = build_parser(["flatten"]).parse_args(["flatten", "--symbol", "700"])
    assert (arguments.follow, arguments.symbol, arguments.venue) == (True, "0700.HK", None)


def test_its_end_stands_among_the_decisions_and_is_none() -> None:
    assert subjects.flatten_ended(ended(venue="ibkr")) == "decision.ended.ibkr.%"
    assert not subjects.is_decision("decision.ended.ibkr.%")
    assert subjects.is_decision("decision.approved.ibkr.%")
    assert messages.decode(messages.encode(ended()), messages.Ruling) == ended()
