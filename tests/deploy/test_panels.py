"""Every query of every dashboard, asked of a real Prometheus that scrapes a desk which trades: each has an answer.

What a dashboard's source lists as empty when healthy may have none, until the fault that it names has happened.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from signalbox import subjects
from signalbox.bus import Bus
from signalbox.client.record import query
from signalbox.desk import load_desk
from signalbox.messages import IntentApproved, OrderStatus, Side, SwitchScope, SwitchTrading, TimeInForce, TradingMode
from signalbox.seals import NO_SEALS
from signalbox_cli.connection import call_control
from signalbox_cli.demo_stories import below
from signalbox_cli.demo_trader import Trader, Watch
from signalbox_cli.local_desk import DeskPlan, LocalDesk, deploy_folder
from signalbox_cli.ports import free_port
from signalbox_cli.simulated_venues import market_arguments
from signalbox_cli.trading import set_trading_state

from dashboards.every import DASHBOARDS
from dashboards.specification import Kind, Query

START, SPEED = "2024-03-05T15:30:00Z", "10"
SCRAPE_SECONDS = 1
INTERVAL, RANGE_SECONDS, STEP_SECONDS = "10s", 180, 2
SEEN_SECONDS_MAX, HEALTHY_SECONDS_MAX, FAULTS_SECONDS_MAX = 20.0, 60.0, 45.0
TICKS = {"ibkr": Decimal("0.01"), "dydx": Decimal(1)}
QUANTITIES = {"ibkr": Decimal(10), "dydx": Decimal("0.01")}
GOOD_FOR = timedelta(seconds=60)
PAUSE_SECONDS, ATTEMPTS_MAX = 0.25, 40


@dataclass(frozen=True)
class Asked:
    """One query of a panel; it prints as its place."""

    place: str
    kind: Kind
    query: Query

    @property
    def expression(self) -> str:
        """As Grafana would send it, with all venues, accounts and symbols chosen."""
        text = self.query.expression.replace("$__rate_interval", INTERVAL).replace("$__range", f"{RANGE_SECONDS}s")
        return re.sub(r"\$(venue|account|symbol|service)\b", ".*", text)


ASKED = [
    Asked(f"{dashboard.title} / {row.title} / {panel.title} / {number}", panel.kind, query)
    for dashboard in DASHBOARDS
    for row in dashboard.rows
    for panel in row.panels
    for number, query in enumerate(panel.queries, 1)
]


HEALTHY = [asked for asked in ASKED if not asked.query.empty_when_healthy]
FAULTY = [asked for asked in ASKED if asked.query.empty_when_healthy]
MOVED_PLACES = {
    "Desk / Needs attention now / Dead letters / 1",
    "Orders / Denied, refused, rejected / Refused or rejected after approval / 1",
    "Risk / Now / Could not be read / 1",
    "Venues / Links / Reconnects / 1",
    "Bus and recorder / Connections / Reconnects and slow consumers / 1",
}
MOVED = [asked for asked in ASKED if asked.place in MOVED_PLACES]
"""What must be above 0 after the faults: it would answer with a 0 for ever if it counted nothing."""


class Prometheus:
    """A Prometheus that scrapes the desk with the rules of deploy/prometheus, each second."""

    def __init__(self, binary: str, desk: LocalDesk, folder: Path) -> None:
        self.port = free_port()
        scraping = (desk.plan.directory / "prometheus.yml").read_text()
        scraping = re.sub(r"scrape_interval: \w+", f"scrape_interval: {SCRAPE_SECONDS}s", scraping)
        scraping = re.sub(r"evaluation_interval: \w+", f"evaluation_interval: {SCRAPE_SECONDS}s", scraping)
        config = folder / "prometheus.yml"
        config.write_text(scraping)
        with (folder / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    binary,
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
            )

    def ask(self, asked: Asked) -> list[float]:
        """Every number of the answer; empty while Prometheus starts. A query that it refuses fails."""
        terms: dict[str, Any] = {"query": asked.expression}
        path = "query"
        if asked.kind in (Kind.LINES, Kind.STATES):
            now = time.time()
            terms |= {"start": now - RANGE_SECONDS, "end": now, "step": STEP_SECONDS}
            path = "query_range"
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(terms)}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                result = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                return []
            pytest.fail(f"{asked.place}: {error.read().decode()}")
        except OSError:
            return []
        values = (value for series in result for _, value in series.get("values") or [series["value"]])
        return [number for number in map(float, values) if not math.isnan(number)]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture
async def desk(program: Callable[[str], str], tmp_path: Path) -> AsyncIterator[LocalDesk]:
    program("prometheus")  # without it the desk need not be started
    desk_file = deploy_folder() / "desk.toml"
    market = market_arguments(load_desk(desk_file))
    arguments = (*market, "--block-ms", "100", "--start", START, "--speed", SPEED)
    folder = tmp_path / "desk"
    folder.mkdir()
    desk = LocalDesk(DeskPlan(directory=folder, desk_file=desk_file, simulator_arguments=arguments), print)
    try:
        await desk.start()
        yield desk
    finally:
        await desk.close()


@pytest.fixture
def prometheus(program: Callable[[str], str], desk: LocalDesk, tmp_path: Path) -> Iterator[Prometheus]:
    running = Prometheus(program("prometheus"), desk, tmp_path)
    yield running
    running.close()


@pytest.fixture
async def operator(desk: LocalDesk) -> AsyncIterator[Bus]:
    bus = await Bus.connect(desk.bus_settings("operator"))
    yield bus
    await bus.drain()


@pytest.fixture
async def traders(desk: LocalDesk) -> AsyncIterator[dict[str, Trader]]:
    bus = await Bus.connect(desk.bus_settings("user"))
    watch = Watch(bus)
    await watch.listen()
    yield {venue: Trader(watch, venue, symbol) for venue, symbol in (("ibkr", "SPY"), ("dydx", "BTC-USD"))}
    await bus.drain()


async def trade(trader: Trader, quantity: Decimal, tick: Decimal) -> None:
    """An order that fills, one that is canceled, one that expires, one that rests, one that a limit denies."""
    far = below(await trader.quote(), "0.97", tick)
    name = trader.venue
    await trader.send(f"{name}-market", quantity=quantity)
    await trader.status(f"{name}-market", OrderStatus.FILLED)
    await trader.send(f"{name}-canceled", quantity=quantity, limit_price=far)
    await trader.status(f"{name}-canceled", OrderStatus.NEW)
    await trader.cancel(f"{name}-canceled")
    await trader.status(f"{name}-canceled", OrderStatus.CANCELED)
    ending = {"time_in_force": TimeInForce.GTD, "good_till": trader.watch.clock.now() + GOOD_FOR}
    await trader.send(f"{name}-ends", quantity=quantity, limit_price=far, **ending)
    await trader.send(f"{name}-rests", quantity=quantity, limit_price=far)
    await trader.status(f"{name}-ends", OrderStatus.EXPIRED)


async def go_on_trading(trader: Trader, quantity: Decimal) -> None:
    """In and out of a position, an order that is too large, a look at the database: until it is cancelled."""
    for number in itertools.count():
        side = Side.SELL if number % 2 else Side.BUY
        order_id = f"{trader.venue}-{number}"
        await trader.send(order_id, quantity=quantity, side=side)
        await trader.status(order_id, OrderStatus.FILLED, OrderStatus.CANCELED)
        await trader.send(f"{trader.venue}-too-large-{number}", quantity=quantity * 1000)
        await query(trader.watch.bus, "SELECT count(*) FROM fills")
        await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def trading(traders: dict[str, Trader]) -> AsyncIterator[None]:
    """Trade both venues meanwhile; fails when an order had another outcome than it must have."""
    tasks = [asyncio.create_task(trade(trader, QUANTITIES[venue], TICKS[venue])) for venue, trader in traders.items()]
    tasks += [asyncio.create_task(go_on_trading(trader, QUANTITIES[venue])) for venue, trader in traders.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each for each in ended if isinstance(each, Exception)] == []


async def until_answered(
    prometheus: Prometheus, asked: Sequence[Asked], seconds_max: float, is_answer: Callable[[list[float]], bool] = bool
) -> list[str]:
    """Ask until all have an answer; those that have none within the bound, as Prometheus was asked them."""

    def still_silent(asked: Sequence[Asked]) -> list[Asked]:
        return [each for each in asked if not is_answer(prometheus.ask(each))]

    deadline = time.monotonic() + seconds_max
    silent = list(asked)
    while silent and time.monotonic() < deadline:
        silent = await asyncio.to_thread(still_silent, silent)
        await asyncio.sleep(PAUSE_SECONDS)
    return [f"{each.place}: {each.expression}" for each in silent]


async def break_things(desk: LocalDesk, shares: Trader, operator: Bus, prometheus: Prometheus) -> None:
    """Each fault without which a query may be empty, or must be 0."""
    await shares.send_bytes(b'{"type":"OrderIntent","quantity":"ten"')
    await operator.raw_publish(subjects.TRADING_STATE, b"{not json")
    unreadable = Asked("risk", Kind.NUMBER, Query("signalbox_risk_unreadable_observations_total"))
    assert await until_answered(prometheus, [unreadable], SEEN_SECONDS_MAX) == []
    await resume(shares, operator)
    await switch_off(operator, "nobody's", account=desk.plan.desk.only_account("ibkr"), at=shares.watch.clock.now())
    keyless = await Bus.connect(replace(desk.bus_settings("risk"), seals=NO_SEALS))
    await keyless.raw_publish("decision.approved.ibkr.DU1", b"forged")
    await keyless.drain()
    await call_control(desk.control_port, do="reject_next", reason="a test", count=1)
    await until_approved(shares, "ibkr-rejected", QUANTITIES["ibkr"])
    await call_control(desk.control_port, do="spoil", kind="tickPrice", field=4, text="NaN", count=1)
    await call_control(desk.control_port, do="bust")
    await call_control(desk.control_port, do="cut_websockets")
    await desk.kill("indicators")
    await desk.kill("nats")


async def resume(trader: Trader, operator: Bus) -> None:
    await set_trading_state(operator, TradingMode.ACTIVE, "a test", "operator", at=trader.watch.clock.now())


async def switch_off(operator: Bus, strategy: str, *, account: str, at: datetime) -> None:
    """Have risk let nothing of a strategy open anything."""
    of = {"venue": "ibkr", "account": account, "by": "operator", "reason": "a test"}
    act = SwitchTrading(
        id="b-a-test", at=at, scope=SwitchScope.STRATEGY, strategy=strategy, mode=TradingMode.HALTED, **of
    )
    await operator.publish(subjects.books_act(act.venue, act.account, act.id), act)


async def until_approved(trader: Trader, name: str, quantity: Decimal) -> None:
    """Risk hears of a trading state within 2 s: send until it lets an order through."""
    for number in range(ATTEMPTS_MAX):
        if isinstance(await trader.send(f"{name}-{number}", quantity=quantity), IntentApproved):
            return
        await asyncio.sleep(PAUSE_SECONDS)
    pytest.fail(f"{name} was not approved")


async def test_every_query_of_every_dashboard_has_an_answer(
    desk: LocalDesk, prometheus: Prometheus, traders: dict[str, Trader], operator: Bus
) -> None:
    ready = Asked("Prometheus", Kind.NUMBER, Query("signalbox_ready"))
    assert await until_answered(prometheus, [ready], SEEN_SECONDS_MAX) == []
    async with trading(traders):
        assert await until_answered(prometheus, HEALTHY, HEALTHY_SECONDS_MAX) == []
    await break_things(desk, traders["ibkr"], operator, prometheus)
    assert await until_answered(prometheus, FAULTY, FAULTS_SECONDS_MAX) == []
    assert {each.place for each in MOVED} == MOVED_PLACES
    assert await until_answered(prometheus, MOVED, FAULTS_SECONDS_MAX, lambda values: max(values, default=0) > 0) == []
