"""The commands that look, and what every service shows of itself."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.micro.service import ServicePing
from prometheus_client.parser import text_string_to_metric_families
from signalbox.services import SERVICES

from tests.running_desk import RunningDesk

MODULES = {
    "gateway-ibkr": "gateway_ibkr",
    "gateway-dydx": "gateway_dydx",
    "indicators": "indicators",
    "risk": "risk",
    "oms": "oms",
}


def test_scores_have_a_line_a_symbol_and_timeframe(desk: RunningDesk) -> None:
    desk.until(lambda: len(desk.lines("scores")) >= 4)
    rows = desk.lines("scores", "--symbol", "SPY")
    assert sorted(row["timeframe"] for row in rows) == ["1m", "5m"]
    assert len(desk.lines("scores", "--symbol", "SPY", "--timeframe", "1m", "--last", "3")) == 3
    assert desk.run("scores", "--symbol", "TSLA").stdout == "no scores yet\n"


def test_watch_ends_after_its_count(desk: RunningDesk) -> None:
    messages = desk.lines("watch", "md.quote.>", "--count", "3")
    assert len(messages) == 3
    assert {message["message"]["type"] for message in messages} == {"Quote"}
    assert re.match(r"\d\d:\d\d:\d\d  ClockTick  speed 10\n", desk.run("watch", "clock.desk", "--count", "1").stdout)


def test_watch_whose_reader_goes_away_ends_in_silence(desk: RunningDesk) -> None:
    command = f"{sys.executable} -m signalbox_cli watch 'md.quote.>' | head -1"
    done = subprocess.run(
        ["bash", "-c", command], env=os.environ | {"SIGNALBOX_RUN_FOLDER": str(desk.folder)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert re.match(r"\d\d:\d\d:\d\d  QUOTE  ", done.stdout)
    assert done.stderr == ""


def test_every_service_is_ready(desk: RunningDesk) -> None:
    done = desk.run("status")
    assert done.returncode == 0
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    assert lines[lines.index(["service", "state"]) + 1 :] == [[service, "ready"] for service in SERVICES]
    [risk] = [row for row in desk.lines("status") if row["service"] == "risk"]
    assert risk["details"]["trading_state"] == "ACTIVE"


def test_a_halt_is_the_first_that_status_says_by_whom_and_why(desk: RunningDesk) -> None:
    try:
        assert desk.run("halt").stdout == "trading is HALTED\n"
        told = re.compile(r"trading is HALTED by operator since 2024-03-05 [0-9:]{8} UTC: no reason was given\n")
        desk.until(lambda: told.match(desk.run("status").stdout), 60)
        denied = desk.run("intent", "buy", "1", "SPY").stdout
        assert denied.startswith("denied: trading is halted by operator: no reason was given\n  intent i-")
    finally:
        assert desk.run("resume", "seen").returncode == 0
    desk.until(lambda: "trading is" not in desk.run("status").stdout, 60)


async def test_nats_micro_ls_shows_every_service(desk: RunningDesk) -> None:
    client = Client()
    await client.connect(
        desk.facts["nats_url"], user="user", password=desk.password("user"), inbox_prefix=b"_INBOX.user"
    )
    answers: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = client.new_inbox()
    await client.subscribe(inbox, cb=answers.put)
    await client.publish("$SRV.PING", b"", reply=inbox)
    async with asyncio.timeout(60):
        found = [ServicePing.from_dict(json.loads((await answers.get()).data)) for _ in SERVICES]
    assert {ping.name for ping in found} == set(SERVICES)
    assert len({ping.id for ping in found}) == len(SERVICES)
    await client.close()


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELEC 1", "syntax"),
        ("DELETE FROM recorded", "SELECT"),
        ("SELECT 1; SELECT 2", "one"),
        ("SELECT * FROM read_csv('/etc/passwd')", ""),
        ("COPY (SELECT 1) TO 'x.csv'", ""),
        ("ATTACH 'x.db'", ""),
        ("INSTALL httpfs", ""),
        ("SET memory_limit = '100GB'", ""),
        ("", ""),
    ],
)
def test_statement_that_is_refused_says_why(desk: RunningDesk, sql: str, told: str) -> None:
    done = desk.run("query", sql)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("signalbox: ")
    assert told.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_answer_that_is_cut_says_so(desk: RunningDesk) -> None:
    done = desk.run("query", "SELECT * FROM range(10)", "--rows", "3")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 4)
    assert "only the first 3 rows are shown" in done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_service_is_healthy_ready_and_measured(desk: RunningDesk, service: str) -> None:
    assert desk.http(service, "/healthz")[0] == 200
    assert desk.http(service, "/readyz")[0] == 200
    status, text = desk.http(service, "/metrics")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(text)}
    own = [name for name in families if name.startswith("signalbox_")]
    assert len(own) >= 3, sorted(families)
    assert "process_resident_memory_bytes" in families
    assert all(families[name].documentation for name in own)


@pytest.mark.parametrize(("service", "module"), MODULES.items())
def test_service_told_to_stop_ends_well_and_comes_back(desk: RunningDesk, service: str, module: str) -> None:
    before, told = desk.pid(module), len(desk.said())
    os.kill(before, signal.SIGTERM)
    desk.until(lambda: f"{service} ended with status 0" in desk.said()[told:])
    desk.until(lambda: desk.http(service, "/readyz")[0] == 200, 60.0)
    desk.until(lambda: desk.run("status").returncode == 0)
    assert desk.pid(module) != before
    assert not re.search(rf"{service} ended with status [^0]", desk.said()[told:])


def test_second_desk_in_a_folder_is_refused_and_hurts_nothing(desk: RunningDesk) -> None:
    before = (desk.folder / "desk.toml").read_text()
    done = desk.run("up", "--folder", str(desk.folder))
    assert done.returncode == 2
    assert done.stderr.startswith(f"signalbox: a desk runs from {desk.folder} already (process ")
    assert done.stderr.count("\n") == 1
    assert (desk.folder / "desk.toml").read_text() == before
    assert desk.run("status").returncode == 0


def test_a_score_is_explained_and_computed_again(desk: RunningDesk) -> None:
    desk.until(lambda: desk.lines("scores", "--symbol", "SPY", "--timeframe", "1m"), 60)
    done = desk.run("scores", "explain", "SPY", "--timeframe", "1m")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert re.search(r"^ema_deviation +\S+ +\(close - ema\) / atr = ", done.stdout, re.MULTILINE)
    assert re.search(
        r"computed again from \d+ bars, with the parameters of .*: the same, to the last digit", done.stdout
    )
    [told] = desk.lines("scores", "explain", "SPY", "--timeframe", "1m")
    assert told["different"] == {}
    assert told["bar"]["start"] == told["score"]["bar_start"]
    nothing = desk.run("scores", "explain", "SPY", "--timeframe", "1m", "--at", "2001-01-01T00:00:00Z")
    assert (nothing.returncode, "there is no score of SPY 1m" in nothing.stderr) == (1, True)
    assert desk.run("scores", "explain").returncode == 2
