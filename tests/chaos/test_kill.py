"""kill -9 of each part in turn while intents flow: afterwards the desk adds up, by the demo's own check.

The matrix of promise 2: every service, nats-server, the venues' process and the links to them, with intents for both
venues under way. What must hold at the end:
every intent decided once, every approved order at the venue at most once and in one settled state, every fill booked
once, positions and cash as the venue has them, the database equal to the streams, and every decision the one that is
made again from the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from signalbox.bus import Bus
from signalbox_cli.auditing import audit_record, audit_trading
from signalbox_cli.connection import call_control
from signalbox_cli.consistency import read_trade
from signalbox_cli.local_desk import LocalDesk

from tests.chaos.flow import READY_SECONDS_MAX, TRADED, Flow, decided_again, desk_in

INTENTS_BETWEEN_KILLS, KILLS = 22, 4
SETTLE_SECONDS_MAX = 60.0


CUTS = {"link": "drop_link", "websocket": "cut_websockets"}
"""Links that are cut, by the control port's command."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[LocalDesk]:
    desk = desk_in(tmp_path)
    try:
        await desk.start()
        yield desk
    finally:
        await desk.close()


async def strike_midway(desk: LocalDesk, victim: str, flow: Flow, until_sent: int) -> None:
    """Kill the victim right after one of the intents, while the next ones follow."""
    while flow.sent < until_sent:
        await asyncio.sleep(0.001)
    if victim in CUTS:
        await call_control(desk.control_port, do=CUTS[victim])
    else:
        await desk.kill(victim)


@pytest.mark.parametrize(
    "victim",
    ["gateway-ibkr", "gateway-dydx", "indicators", "risk", "oms", "recorder", "nats", "simulator", *CUTS],
)
async def test_everything_adds_up_after(victim: str, desk: LocalDesk) -> None:
    bus, auditor = await Bus.connect(desk.bus_settings("user")), await Bus.connect(desk.bus_settings("auditor"))
    try:
        flow = Flow(bus, seed=sum(victim.encode()))
        await flow.listen()
        await flow.send(INTENTS_BETWEEN_KILLS)
        for kill in range(KILLS):
            until_sent = flow.sent + 1 + kill * 2
            async with asyncio.timeout(READY_SECONDS_MAX):
                await asyncio.gather(flow.send(INTENTS_BETWEEN_KILLS), strike_midway(desk, victim, flow, until_sent))
        await desk.wait_ready(*desk.plan.services)
        await flow.send(INTENTS_BETWEEN_KILLS)
        wrong = await audit_trading(desk, auditor, settle_seconds_max=SETTLE_SECONDS_MAX)
        trade = read_trade([message async for message in auditor.read("TRADE")])
        audit = await audit_record(desk, auditor, bus, wrong)
    finally:
        await bus.drain()
        await auditor.drain()
    assert audit.wrong == []
    replay, differences = decided_again(desk)
    assert (differences, replay.tally.again) == ([], len(trade.decisions))
    assert [each for each in audit.refused if "not offered" in each] == [], "refused by a gateway that was starting"
    assert desk.unexpected_exits == []
    for traded in TRADED:
        filled = [fill for fill in trade.fills if fill.venue == traded.venue]
        assert len(filled) > KILLS, f"the market orders at {traded.venue} did not fill: nothing was tested"
    assert audit.intents == INTENTS_BETWEEN_KILLS * (KILLS + 2)
