"""What a gateway knows of its account's orders when it starts, from real streams."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace
from signalbox import subjects
from signalbox.bus import Received
from signalbox.gateway import ledger
from signalbox.gateway.rebuilding import rebuild
from signalbox.gateway.state import AnyState, State, fold_report

from tests.shared.gateway.orders import ACCOUNT, cancel_of, submission

VENUE, GATEWAY = "ibkr", "gateway-ibkr"
WAIT_SECONDS_MAX = 60.0


def state() -> AnyState:
    return State(VENUE, ACCOUNT, None, lambda claim, wall_seconds: None)


async def test_a_cancel_that_nobody_has_acknowledged_comes_again_and_is_not_out(nats_server: Any) -> None:
    """Two orders were cancelled. The gateway ended while it had the second one's command in hand."""
    oms, gateway = await nats_server.connect("oms"), await nats_server.connect(GATEWAY)
    for number, order_id in ((1, "o-1"), (2, "o-2")):
        claim = ledger.claimed(VENUE, submission(order_id, venue=VENUE), number, cancel_of().at, f"their-{number}")
        await ledger.claim(gateway, state(), claim)
        cancel = replace(cancel_of(order_id), venue=VENUE)
        await oms.publish(subjects.command(VENUE, order_id, 1), cancel)
    in_hand, let_go = asyncio.Event(), asyncio.Event()

    async def handle(received: Received) -> None:
        if received.sequence == 2:
            in_hand.set()
            await let_go.wait()

    await gateway.consume("COMMANDS", GATEWAY, handle)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await in_hand.wait()
    known = state()
    await rebuild(await nats_server.connect(GATEWAY), known, fold_report)
    assert {name for name, tracked in known.orders.items() if tracked.cancel_command} == {"o-1", "o-2"}
    assert {name for name, tracked in known.orders.items() if tracked.cancel_is_out} == {"o-1"}
    let_go.set()
