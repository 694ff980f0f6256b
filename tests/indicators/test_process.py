"""The service as a process of its own: killed while bars flow, and told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from indicators.state import Series, rules_of
from indicators.step import step
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.desk import load_desk
from signalbox.errors import BusUnavailableError
from signalbox.messages import Bar, Score, ServiceStatus
from signalbox_cli.ports import free_port

DESK = Path(__file__).resolve().parents[2] / "deploy/desk.toml"
OPEN = datetime(2020, 12, 15, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WAIT_SECONDS_MAX = 60.0


def a_bar(number: int) -> Bar:
    price, start = Decimal(100 + number * 7 % 11), OPEN + MINUTE * number
    return Bar(
        id=f"bar/ibkr/SPY/1m/{start.isoformat()}",
        at=start + MINUTE,
        venue="ibkr",
        symbol="SPY",
        timeframe="1m",
        start=start,
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        volume=Decimal(10),
    )


@asynccontextmanager
async def indicators_process(
    nats_server: Any, desk: Path = DESK, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = os.environ | {
        "SIGNALBOX_NATS_URL": nats_server.url,
        "SIGNALBOX_NATS_USER": "indicators",
        "SIGNALBOX_NATS_PASSWORD": nats_server.password("indicators"),
        "SIGNALBOX_DESK_FILE": str(desk),
        **{f"SIGNALBOX_{name.upper()}": value for name, value in settings.items()},
    }
    with (nats_server.directory / "indicators.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "indicators", env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=WAIT_SECONDS_MAX) as answer:
        text: str = answer.read().decode()
        return text


async def until_ready(user: Bus) -> ServiceStatus:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            try:
                answer = await user.request(subjects.status("indicators"), b"", timeout_seconds=1.0)
                status = msgspec.json.decode(answer, type=ServiceStatus)
                if status.ready:
                    return status
            except BusUnavailableError:
                pass
            await asyncio.sleep(0.05)


async def until_scored(bus: Bus, number: int) -> list[Score]:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            scores = [
                messages.decode(received.payload, Score) async for received in bus.read("SCORES", subjects.ALL_SCORES)
            ]
            if len(scores) >= number:
                return scores
            await asyncio.sleep(0.02)


async def test_killed_again_and_again_it_scores_each_bar_once(nats_server: Any) -> None:
    gateway, recorder = await nats_server.connect("gateway-ibkr"), await nats_server.connect("recorder")
    bars, rules, series, expected = [a_bar(number) for number in range(240)], rules_of(load_desk(DESK)), Series(), []
    for bar in bars:
        series, score = step(series, bar, rules)
        expected.append(score)

    async def publish() -> None:
        for bar in bars:
            await gateway.publish(subjects.bar("ibkr", "SPY", "1m"), bar)

    publishing = asyncio.create_task(publish())
    for scored in (10, 90, 170):
        async with indicators_process(nats_server) as process:
            await until_scored(recorder, scored)
            process.kill()
            await process.wait()
    await publishing
    async with indicators_process(nats_server):
        assert await until_scored(recorder, len(bars)) == expected


async def test_it_says_when_it_is_ready_and_drains_when_told_to_stop(nats_server: Any) -> None:
    gateway, recorder = await nats_server.connect("gateway-ibkr"), await nats_server.connect("recorder")
    user = await nats_server.connect("user")
    for number in range(5):
        await gateway.publish(subjects.bar("ibkr", "SPY", "1m"), a_bar(number))
    async with indicators_process(nats_server) as process:
        status = await until_ready(user)
        assert status.details["scores_stored"] == str(len(await until_scored(recorder, 5))) == "5"
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            assert await process.wait() == 0


async def test_studies_of_the_desk_file_and_of_ones_own_folder_are_in_the_scores(
    nats_server: Any, tmp_path: Path
) -> None:
    """One of the user's own that fails at a bar says nothing any more, is counted, and nothing else ends."""
    gateway, recorder = await nats_server.connect("gateway-ibkr"), await nats_server.connect("recorder")
    desk, own = tmp_path / "desk.toml", tmp_path / "own"
    own.mkdir()
    (own / "inverse.py").write_text(
        'PARAMETERS = {}\nOUTPUTS = ("",)\ndef step(memory, parameters, bars, at):\n'
        "    return (1 / (bars[at][4] - 103),)\n"
    )
    asked = ('"sma"\nparameters = { period = 2 }', '"inverse"')
    desk.write_text(DESK.read_text() + "".join(f"\n[[studies]]\nname = {each}\n" for each in asked))
    bars = [a_bar(number) for number in range(4)]
    for bar in bars:
        await gateway.publish(subjects.bar("ibkr", "SPY", "1m"), bar)
    port = free_port()
    async with indicators_process(nats_server, desk, studies_folder=str(own), http_port=str(port)):
        scores = await until_scored(recorder, 4)
        metrics = await asyncio.to_thread(read, f"http://127.0.0.1:{port}/metrics")
    closes = [float(bar.close) for bar in bars]
    assert closes == [100.0, 107.0, 103.0, 110.0]
    assert [score.studies["sma"] for score in scores] == [None, 103.5, 105.0, 106.5]
    assert [score.studies["inverse"] for score in scores] == [-1 / 3, 0.25, None, None]
    assert 'signalbox_indicators_study_failures_total{study="inverse"} 1.0' in metrics
    assert all(score.ema is not None for score in scores)
