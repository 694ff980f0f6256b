"""A gateway that dies: with SIGKILL at every await of a submission, one after the other, and in an order's every state.

`dying_gateway.py` finds the awaits by itself, so one that is added later is tested too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from signalbox import messages
from signalbox.messages import LedgerClaimed, LedgerEntry, OrderType, TimeInForce, VenueFill
from simulators.clock_publisher import ClockPublisher
from simulators.dydx.options import DydxOptions

ROOT = Path(__file__).resolve().parents[2]
DYING = Path(__file__).with_name("dying_gateway.py")
AWAITS_MAX = 60
ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
"""The desk file's, which `conftest.py` derives from its key."""
ENDS = {"VenueRejected", "VenueCanceled", "VenueExpired"}


class Process:
    """A gateway as a process of its own, following the simulator's clock over the bus."""

    def __init__(self, environment: dict[str, str], log: Path, count: Path) -> None:
        self._environment, self._log, self._count = environment, log, count
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **dying: str) -> None:
        """Start the gateway, or one that will die as `dying` says."""
        self._count.unlink(missing_ok=True)
        what = [str(DYING)] if dying else ["-m", "gateway_dydx"]
        environment = os.environ | self._environment | dying | {"DYING_COUNT": str(self._count)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([sys.executable, *what], env=environment, stdout=log, stderr=log)

    @property
    def awaits(self) -> int | None:
        """How many awaits the command took; None = it is not done."""
        return int(self._count.read_text()) if self._count.exists() and self._count.read_text() else None

    @property
    def has_died(self) -> bool:
        return self._process is not None and self._process.poll() == -signal.SIGKILL

    @property
    def is_over(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=15)


@pytest.fixture
async def process(desk: Any, nats_server: Any, tmp_path: Path) -> AsyncIterator[Process]:
    publisher = ClockPublisher(desk.venue.world, await nats_server.connect("simulator"))
    ticking = asyncio.create_task(publisher.run())
    settings = desk.settings
    environment = {
        "SIGNALBOX_NATS_URL": nats_server.url,
        "SIGNALBOX_NATS_USER": "gateway-dydx",
        "SIGNALBOX_NATS_PASSWORD": nats_server.password("gateway-dydx"),
        **nats_server.seal_settings("gateway-dydx"),
        "SIGNALBOX_DESK_FILE": str(ROOT / "deploy" / "desk.toml"),
        "SIGNALBOX_HTTP_PORT": "0",
        "SIGNALBOX_DYDX_NETWORK": "local",
        "SIGNALBOX_DYDX_MNEMONIC": settings.dydx_mnemonic.reveal(),
    } | {
        f"SIGNALBOX_{name.upper()}": str(getattr(settings, name))
        for name in (
            "dydx_node_url",
            "dydx_indexer_url",
            "dydx_websocket_url",
            "broadcast_seconds_max",
            "height_interval_seconds",
            "ask_seconds",
            "sequence_seconds",
            "indexer_lag_blocks_max",
            "trail_interval_seconds",
        )
    }
    gateway = Process(environment, tmp_path / "gateway.log", tmp_path / "awaits")
    yield gateway
    gateway.kill()
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)


async def settled(desk: Any, order_id: str) -> None:
    """The order has ended as the chain says, was placed at most once, and every report was made once."""

    async def ended() -> bool:
        claims = [entry for entry in await desk.ledger(order_id) if isinstance(entry, LedgerClaimed)]
        if not claims:
            return False
        assert len(claims) == 1
        placed = [order for order in desk.venue.orders() if order.client_id == int(claims[0].attempt_id)]
        assert len(placed) <= 1
        reports = await desk.reports(order_id)
        booked = sorted(each.fill.execution_id for each in reports if isinstance(each, VenueFill))
        kinds = Counter(type(each).__name__ for each in reports)
        filled = sum((each.fill.quantity for each in reports if isinstance(each, VenueFill)), Decimal(0))
        over = sum(kinds[kind] for kind in ENDS) == 1 or filled == claims[0].order.quantity
        there = sorted(each.id for each in desk.venue.fills(claims[0].venue_order_id))
        return over and booked == there and kinds["VenueCommission"] == len(booked)

    try:
        await desk.eventually(ended, f"an end of {order_id}", 30.0)
    except AssertionError as error:
        raise AssertionError(f"{error}; there are {await desk.reports(order_id)}") from None
    claimed = {
        int(messages.decode(received.payload, LedgerEntry).attempt_id)
        async for received in desk.recorder.read("LEDGER", "ledger.>")
    }
    assert {order.client_id for order in desk.venue.orders()} <= claimed
    doubled = [each for each, count in Counter(each.id for each in await desk.reports()).items() if count > 1]
    assert doubled == []


async def dies_at_every_await(desk: Any, process: Process, when: str, **terms: Any) -> list[str]:
    """Submit an order to each of many gateways, of which each dies one await later; the orders' ids.

    Each next process finds what the one before has left. The last one does not die: the awaits are used up.
    """
    names: list[str] = []
    for number in range(1, AWAITS_MAX + 1):
        name = f"die-{when}-{number}"
        desk.mark = len(desk.links)
        process.start(DYING_COMMAND=f"command/{name}/0", DYING_AT=str(number), DYING_WHEN=when)
        await desk.ready()
        await desk.submit(name, deadline_seconds=36_000, **terms)
        names.append(name)
        await desk.eventually(lambda: process.is_over or process.awaits is not None, f"await {number}")
        if not process.has_died:
            assert process.awaits is not None
            assert number == process.awaits + 1
            return names
    raise AssertionError(f"more than {AWAITS_MAX} awaits")


class TestAtAPaceAtWhichADeadOrderStillLives:
    """Blocks so slow that a command comes again (after 2 s) while what was sent for it can still fill."""

    @pytest.fixture
    def dydx_options(self) -> DydxOptions:
        return DydxOptions(block_ms=400, fund=((ADDRESS, Decimal(1_000_000)),))

    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_sigkill_at_every_await_of_a_submission_places_none_twice_and_books_each_fill_once(
        self, desk: Any, process: Process, when: str
    ) -> None:
        names = await dies_at_every_await(desk, process, when)
        for name in names:
            await settled(desk, name)
        assert len(names) > 4  # the claim, the broadcast, SENT: each is waited for, and the last gateway does not die
        placed = [order for order in desk.venue.orders() if order.total_filled]
        assert 1 < len(placed) < len(names)  # it died before the broadcast, and after it


async def test_sigkill_at_every_await_of_a_stateful_submission_places_none_twice(desk: Any, process: Process) -> None:
    terms = {"order_type": OrderType.STOP, "time_in_force": TimeInForce.GTC, "quantity": Decimal("0.001")}
    names = await dies_at_every_await(desk, process, "before", stop_price=desk.venue.price() + 5000, **terms)
    for number, name in enumerate(names):
        await resolved(desk, name)
        if "VenueRejected" not in await desk.kinds(name):
            await desk.cancel(name, number + 1)
            await desk.has(name, "VenueCanceled")
    assert len({order.client_id for order in desk.venue.orders()}) == len(desk.venue.orders()) <= len(names)


async def resolved(desk: Any, order_id: str) -> None:
    """It is known whether the order is on the chain, and what is known is true."""

    async def known() -> bool:
        kinds = await desk.kinds(order_id)
        return "VenueRejected" in kinds or "VenueAccepted" in kinds

    await desk.eventually(known, f"the truth about {order_id}", 30.0)
    there = await desk.at_venue(order_id) is not None
    assert ("VenueAccepted" in await desk.kinds(order_id)) == there


async def test_sigkill_while_orders_flow_places_none_twice_and_loses_no_fill(desk: Any, process: Process) -> None:
    names: list[str] = []
    for _ in range(3):
        desk.mark = len(desk.links)
        process.start()
        await desk.ready()
        for _ in range(4):
            names.append(f"k-{len(names)}")
            await desk.submit(names[-1], deadline_seconds=36_000)
        await desk.eventually(lambda: desk.ledger(names[-3]), "a claim")
        process.kill()
    desk.mark = len(desk.links)
    process.start()
    await desk.ready()
    for name in names:
        await settled(desk, name)
    assert process.end() == 0


async def test_a_resting_order_that_nobody_watches_ends_and_is_reported_as_expired(desk: Any, process: Process) -> None:
    process.start()
    await desk.ready()
    terms = {"order_type": OrderType.LIMIT, "limit_price": desk.venue.price() - 5000}
    await desk.submit("rest-1", **terms)
    await desk.has("rest-1", "VenueAccepted")
    process.kill()
    desk.mark = len(desk.links)
    claim = await desk.claim_of("rest-1")
    await desk.eventually(lambda: desk.venue.chain.height > claim.good_til_block, "its last block")
    process.start()
    await desk.has("rest-1", "VenueExpired")
    reason = (await desk.reports("rest-1"))[-1].reason
    assert "has passed and it was not renewed" in reason  # it may have been, before the gateway was killed


async def test_sigkill_at_every_await_of_a_cancel_leaves_no_order_working(desk: Any, process: Process) -> None:
    terms = {"order_type": OrderType.LIMIT, "limit_price": desk.venue.price() - 5000}
    names: list[str] = []
    while not names or process.has_died:
        names.append(f"stop-{len(names)}")
        assert len(names) <= AWAITS_MAX
        desk.mark = len(desk.links)
        process.start(DYING_COMMAND=f"command/{names[-1]}/1", DYING_AT=str(len(names)), DYING_WHEN="before")
        await desk.ready()
        await desk.submit(names[-1], deadline_seconds=36_000, **terms)
        await desk.has(names[-1], "VenueAccepted")
        await desk.cancel(names[-1])
        await desk.eventually(lambda: process.is_over or process.awaits is not None, "an end of the cancel")
    assert len(names) > 1
    for name in names:
        await settled(desk, name)
        assert (await desk.kinds(name))[-1] == "VenueCanceled"
