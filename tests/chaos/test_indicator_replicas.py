"""Replicas of the indicator service, as processes: killed, frozen, stopped and added while bars flow.

What must hold at the end: one score a bar, in the order of the bars on each subject, each equal to what a single
process computes; and each partition's figures are shown by one replica. JetStream's memory of message ids is made
shorter than any of these faults, so that it can not be what absorbs a repetition.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice, product
from pathlib import Path
from string import ascii_uppercase

import pytest
from indicators.state import Series, rules_of
from indicators.step import step
from prometheus_client.parser import text_string_to_metric_families
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.bus.bootstrap import stream_config
from signalbox.desk import load_desk
from signalbox.messages import Bar, Score
from signalbox.streams import BAR_PARTITIONS, STREAMS

from tests.conftest import NatsServer, free_port
from tests.venue.processes import ForkServer

DESK = Path(__file__).resolve().parents[2] / "deploy/desk.toml"
OPEN = datetime(2020, 12, 15, 9, 30, tzinfo=UTC)  # before the opening, for a long session
MINUTE = timedelta(minutes=1)
SYMBOLS = tuple("".join(letters) for letters in islice(product(ascii_uppercase, repeat=4), 0, 40 * 997, 997))
MINUTES_MAX = 600
ROUND_SECONDS = 0.2
WAIT_SECONDS_MAX = 60.0
AHEAD_ROUNDS = 18
WINDOW_SECONDS = 0.1


def a_bar(symbol: str, minute: int) -> Bar:
    start = OPEN + MINUTE * minute
    price = Decimal(100 + (minute * 7 + SYMBOLS.index(symbol)) % 23)
    return Bar(
        id=f"bar/ibkr/{symbol}/1m/{start.isoformat()}",
        at=start + MINUTE,
        venue="ibkr",
        symbol=symbol,
        timeframe="1m",
        start=start,
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        volume=Decimal(10),
    )


def expected_scores(symbol: str, minutes: int) -> list[Score]:
    series, scores, rules = Series(), [], rules_of(load_desk(DESK))
    for minute in range(minutes):
        series, score = step(series, a_bar(symbol, minute), rules)
        assert isinstance(score, Score)
        scores.append(score)
    return scores


class Flow:
    """A gateway that goes on closing minutes: one bar of every symbol at once, then a short pause."""

    def __init__(self, gateway: Bus, reader: Bus) -> None:
        self._gateway, self._reader = gateway, reader
        self.minutes = 0
        self._stopped = False

    async def run(self) -> None:
        while not self._stopped:
            assert self.minutes < MINUTES_MAX, "the session is over: a fault took too long"
            bars = [a_bar(symbol, self.minutes) for symbol in SYMBOLS]
            await asyncio.gather(*(self._gateway.publish(subjects.bar("ibkr", bar.symbol, "1m"), bar) for bar in bars))
            self.minutes += 1
            await asyncio.sleep(ROUND_SECONDS)

    def stop(self) -> None:
        self._stopped = True

    async def until_scored(self, rounds_more: int = 0) -> None:
        """Wait until every bar of the minutes published up to now, and of some more, is scored."""
        minutes = self.minutes + rounds_more
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            for symbol in SYMBOLS:
                while await self._last_minute(symbol) < minutes - 1:
                    await asyncio.sleep(0.02)

    async def _last_minute(self, symbol: str) -> int:
        last = await self._reader.last("SCORES", subjects.score("ibkr", symbol, "1m"))
        return -1 if last is None else (messages.decode(last.payload, Score).bar_start - OPEN) // MINUTE


@dataclass(frozen=True)
class Replica:
    """One process of the service."""

    process_id: int
    http_port: int

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process_id, number)

    def figures(self, metric: str) -> dict[str, float]:
        """What it shows of one metric, by its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/metrics", timeout=5) as page:
            text = page.read().decode()
        families = text_string_to_metric_families(text)
        return {
            " ".join(value for _, value in sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
            if sample.name == metric
        }

    async def until_ready(self) -> None:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while True:
                try:
                    url = f"http://127.0.0.1:{self.http_port}/readyz"
                    (await asyncio.to_thread(urllib.request.urlopen, url, timeout=5)).close()
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    return

    async def until_gone(self) -> None:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while self._runs():
                await asyncio.sleep(0.01)

    def _runs(self) -> bool:
        try:
            os.kill(self.process_id, 0)
        except ProcessLookupError:
            return False
        return True


class Replicas:
    """Starts processes of the service on one nats-server."""

    def __init__(self, server: ForkServer, nats_server: NatsServer) -> None:
        self._server, self._nats_server = server, nats_server

    async def start(self) -> Replica:
        http_port = free_port()
        environment = {
            "SIGNALBOX_NATS_URL": self._nats_server.url,
            "SIGNALBOX_NATS_USER": "indicators",
            "SIGNALBOX_NATS_PASSWORD": self._nats_server.password("indicators"),
            "SIGNALBOX_DESK_FILE": str(DESK),
            "SIGNALBOX_HTTP_PORT": str(http_port),
        }
        replica = Replica(self._server.fork(environment, self._nats_server.directory / "indicators.log"), http_port)
        await replica.until_ready()
        return replica


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    server = ForkServer("indicators")
    yield server
    server.close()


@pytest.fixture
async def flow(nats_server: NatsServer) -> AsyncIterator[Flow]:
    client = await nats_server.client("bootstrap")
    (scores,) = (stream for stream in STREAMS if stream.name == "SCORES")
    config = stream_config(scores) | {"duplicate_window": int(WINDOW_SECONDS * 1e9)}
    answer = await client.request("$JS.API.STREAM.UPDATE.SCORES", json.dumps(config).encode())
    assert "error" not in json.loads(answer.data)
    await client.close()
    flow = Flow(await nats_server.connect("gateway-ibkr"), await nats_server.connect("recorder"))
    flowing = asyncio.create_task(flow.run())
    yield flow
    flow.stop()
    await flowing


async def assert_each_bar_has_its_score(nats_server: NatsServer, minutes: int) -> None:
    reader = await nats_server.connect("recorder")
    stored: dict[str, list[Score]] = {symbol: [] for symbol in SYMBOLS}
    async for received in reader.read("SCORES", subjects.ALL_SCORES):
        score = messages.decode(received.payload, Score)
        stored[score.symbol].append(score)
    for symbol in SYMBOLS:
        assert [score.bar_start for score in stored[symbol]] == [OPEN + MINUTE * each for each in range(minutes)], (
            symbol
        )
        assert stored[symbol] == expected_scores(symbol, minutes), symbol


async def assert_each_figure_is_shown_once(replicas: list[Replica]) -> None:
    """Each partition has one owner, and each symbol's score is shown by one replica: within seconds, for nobody tells
    a replica that another one has taken over."""
    wanted = Counter(f"supertrend_m1 {symbol} ibkr" for symbol in SYMBOLS), BAR_PARTITIONS
    found: tuple[Counter[str], float] = Counter(), 0
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS_MAX
    while found != wanted and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.1)
        shown = [await asyncio.to_thread(each.figures, "signalbox_indicators_score") for each in replicas]
        owned = [await asyncio.to_thread(each.figures, "signalbox_indicators_partition_owned") for each in replicas]
        found = Counter(labels for page in shown for labels in page), sum(sum(page.values()) for page in owned)
    assert found == wanted


async def test_replicas_killed_frozen_stopped_and_added_score_each_bar_once_and_in_order(
    nats_server: NatsServer, fork_server: ForkServer, flow: Flow
) -> None:
    replicas = Replicas(fork_server, nats_server)
    killed, frozen, stopped = [await replicas.start() for _ in range(3)]
    await flow.until_scored()

    killed.send(signal.SIGKILL)
    await flow.until_scored(AHEAD_ROUNDS)
    added = await replicas.start()

    frozen.send(signal.SIGSTOP)
    await flow.until_scored(AHEAD_ROUNDS)
    frozen.send(signal.SIGCONT)
    await flow.until_scored(AHEAD_ROUNDS)

    stopped.send(signal.SIGTERM)
    await stopped.until_gone()
    await flow.until_scored()
    last = await replicas.start()

    nats_server.restart()
    await flow.until_scored(AHEAD_ROUNDS)

    flow.stop()
    await flow.until_scored()
    await assert_each_bar_has_its_score(nats_server, flow.minutes)
    await assert_each_figure_is_shown_once([frozen, added, last])
    assert sum(sum(each.figures("signalbox_indicators_takeovers_total").values()) for each in (frozen, added, last)) > 0
