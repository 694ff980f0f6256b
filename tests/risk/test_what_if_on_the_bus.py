"""The gate is asked on a real nats-server: who may, under which name, and TRADE is as it was, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from risk.checkpoint import capture
from risk.what_if import ASKED_BURST_MAX, ASKED_PER_SECOND, WhatIfs
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.client.asking import what_if
from signalbox.errors import BusPermissionError, BusUnavailableError, QuestionRefusedError
from signalbox.messages import WhatIfAnswer, WouldBe

from tests.risk.test_service import Running, Stage, intent_bytes

STREAMS = ("TRADE", "INTENTS", "DEAD", "COMMANDS")


async def stored(reader: Bus) -> list[tuple[str, int, str, bytes]]:
    """All that the streams have which an intent leads to."""
    return [
        (stream, found.sequence, found.subject, found.payload)
        for stream in STREAMS
        async for found in reader.read(stream)
    ]


@pytest.fixture
async def stage(nats_server: Any, world: Any, held_lease: Any) -> Stage:
    stage = Stage(nats_server, world(), held_lease)
    await stage.set()
    return stage


async def asked_at(running: Running, stage: Stage) -> WhatIfs:
    what_ifs = WhatIfs(running.state, running.clock, stage.lease, lambda: running.seconds)
    await running.bus.serve(subjects.ALL_WHAT_IFS, what_ifs.answer)
    return what_ifs


async def test_a_thousand_questions_leave_trade_and_the_fold_of_it_as_they_were(stage: Stage) -> None:
    running = await stage.risk()
    await stage.send(intent_bytes(stage, id="good"))
    await stage.send(intent_bytes(stage, id="large", quantity="1001"))
    await stage.decided(2)
    what_ifs, reader = await asked_at(running, stage), await stage.bus("auditor")
    before, folded = await stored(reader), b"".join(capture(running.state, 0, 0))
    found = set()
    for number in range(1_000):
        running.seconds += 1 / ASKED_PER_SECOND
        intent = (stage.w.order(), stage.w.order(quantity="5000"), stage.w.flatten(), stage.w.cancel("good"))[
            number % 4
        ]
        answer = messages.decode(await what_ifs.answer(messages.encode(intent), "user"), WhatIfAnswer)
        found.add(answer.would_be)
    user = await stage.bus("user")
    assert (await what_if(user, stage.w.order())).would_be is WouldBe.APPROVED
    assert found == {WouldBe.APPROVED, WouldBe.DENIED}
    assert b"".join(capture(running.state, 0, 0)) == folded
    assert await stored(reader) == before
    await stage.send(intent_bytes(stage, id="after"))
    assert (await stage.decided(3))[-1].cause == "after"


async def test_it_is_asked_under_the_name_that_the_server_saw(stage: Stage) -> None:
    running = await stage.risk()
    await asked_at(running, stage)
    user, operator = await stage.bus("user"), await stage.bus("operator")
    for _ in range(int(ASKED_BURST_MAX)):
        assert (await what_if(user, stage.w.order())).would_be is WouldBe.APPROVED
    with pytest.raises(QuestionRefusedError, match=r"^user has asked too often"):
        await what_if(user, stage.w.order())
    assert (await what_if(operator, stage.w.order())).would_be is WouldBe.APPROVED


async def test_nobody_is_answered_in_the_name_of_another_and_services_do_not_ask(stage: Stage) -> None:
    await asked_at(await stage.risk(), stage)
    question = intent_bytes(stage)
    for name, subject in (
        ("user", "whatif.intent.operator"),
        ("oms", subjects.WHAT_IF),
        ("gateway-ibkr", "whatif.intent.x"),
    ):
        bus = await stage.bus(name)
        with pytest.raises((BusPermissionError, BusUnavailableError)):
            await bus.request(subject, question, 1.0, of_service=True)


async def test_an_answer_lands_nowhere_but_with_who_has_asked(stage: Stage, nats_server: Any) -> None:
    """A question whose answer is to go to a subject of the desk has none there."""
    running = await stage.risk()
    await asked_at(running, stage)
    reader, before = await stage.bus("auditor"), 0
    before = len(await stored(reader))
    client = await nats_server.client("user")
    try:
        for reply in ("decision.approved.ibkr.DU1234567", "command.ibkr.bounced.0"):
            await client.publish(subjects.WHAT_IF, intent_bytes(stage), reply=reply)
        await client.flush()
    finally:
        await client.close()
    user = await stage.bus("user")
    await what_if(user, stage.w.order())  # answered behind them
    assert len(await stored(reader)) == before
