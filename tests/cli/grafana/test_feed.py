"""Annotations on their way: tried again, never twice, never in the way, and from the bus to Grafana."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from signalbox import subjects
from signalbox.messages import LinkStatus, TradingMode, TradingState, VenueLink
from signalbox.settings import Secret
from signalbox_cli.grafana.annotations import Annotation
from signalbox_cli.grafana.feed import WAITING_MAX, Feed
from signalbox_cli.grafana.server import Grafana, GrafanaAccessError

if TYPE_CHECKING:
    from conftest import GrafanaServer

NOW = datetime(2026, 3, 5, 15, 0, tzinfo=UTC)
WRITTEN_SECONDS_MAX = 20.0


def annotation(text: str, *tags: str) -> Annotation:
    return Annotation(NOW, text, ("signalbox", *tags))


class Fed:
    """A feed that runs, and what it said."""

    def __init__(self, grafana: GrafanaServer, token: str = "glsa_editor") -> None:
        self.said: list[str] = []
        self.feed = Feed(Grafana(grafana.url, Secret(token)), self.said.append, retry_delay_seconds=0.01)

    async def write(self, *annotations: Annotation) -> None:
        """Add them and return when none waits; raises what ended the feed."""
        for each in annotations:
            self.feed.add(each)
        running = asyncio.create_task(self.feed.run())
        idle = asyncio.create_task(self.feed.until_idle())
        try:
            async with asyncio.timeout(WRITTEN_SECONDS_MAX):
                await asyncio.wait([running, idle], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            for task in (running, idle):
                task.cancel()
            await asyncio.gather(running, idle, return_exceptions=True)


async def test_annotation_arrives_with_time_text_and_tags(grafana: GrafanaServer) -> None:
    await Fed(grafana).write(annotation("BUY 100 SPY", "fill"))
    [found] = grafana.annotations
    assert found["time"] == int(NOW.timestamp() * 1000)
    assert (found["text"], found["tags"]) == ("BUY 100 SPY", ["signalbox", "fill"])


@pytest.mark.parametrize("faults", [["500"], ["429", "500", "500"], ["lost"], ["lost", "500", "lost"]])
async def test_annotation_is_written_once_whatever_happens_to_the_answer(
    grafana: GrafanaServer, faults: list[str]
) -> None:
    grafana.faults = faults
    fed = Fed(grafana)
    await fed.write(annotation("first"), annotation("second"))
    assert [found["text"] for found in grafana.annotations] == ["first", "second"]
    assert len(fed.said) == 2
    assert fed.said[0].endswith("trying again until it answers")
    assert fed.said[1] == "Grafana answers again"
    assert (fed.feed.tally.written, fed.feed.tally.dropped) == (2, 0)


async def test_annotation_that_grafana_refuses_does_not_hold_up_the_next(grafana: GrafanaServer) -> None:
    fed = Fed(grafana)
    await fed.write(annotation("no tag", ""), annotation("fine"))
    assert [found["text"] for found in grafana.annotations] == ["fine"]
    assert "not annotated: no tag" in fed.said[0]
    assert fed.feed.tally.refused == 1


@pytest.mark.parametrize("token", ["revoked", "glsa_viewer"])
async def test_token_that_is_not_good_ends_it(grafana: GrafanaServer, token: str) -> None:
    with pytest.raises(GrafanaAccessError, match="service account"):
        await Fed(grafana, token).write(annotation("never"))
    assert grafana.annotations == []


async def test_oldest_are_dropped_and_told_when_too_many_wait(grafana: GrafanaServer) -> None:
    fed = Fed(grafana)
    await fed.write(*(annotation(str(number)) for number in range(WAITING_MAX + 3)))
    assert [found["text"] for found in grafana.annotations[:1]] == ["3"]
    assert len(grafana.annotations) == WAITING_MAX
    assert fed.feed.tally.dropped == 3
    assert "the oldest are dropped" in fed.said[0]


async def test_command_annotates_what_happens_until_it_is_ended(
    nats_server: Any, grafana: GrafanaServer, token_file: Callable[[str], Path]
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGNALBOX_")}
    desk = {"SIGNALBOX_NATS_URL": nats_server.url, "SIGNALBOX_NATS_PASSWORD": nats_server.password("user")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "signalbox_cli", "grafana", "annotate"),
        *("--url", grafana.url, "--token-file", str(token_file("glsa_editor"))),
        env=kept | desk, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WRITTEN_SECONDS_MAX):
            assert (await process.stdout.readline()).startswith(b"annotating at http://127.0.0.1")
            gateway, operator = await nats_server.connect("gateway-dydx"), await nats_server.connect("operator")
            for status in (LinkStatus.READY, LinkStatus.DOWN):
                heartbeat = VenueLink(id="l", at=NOW, venue="dydx", account="a-0", status=status)
                await gateway.send(subjects.link("dydx", "a-0"), heartbeat)
            await operator.raw_publish(subjects.TRADING_STATE, b"{not json")
            halt = TradingState(id="halt-1", at=NOW, mode=TradingMode.HALTED, reason="a test", by="operator")
            await operator.publish(subjects.TRADING_STATE, halt)
            while len(grafana.annotations) < 2:
                await asyncio.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    texts = {found["text"] for found in grafana.annotations}
    assert texts == {"link to dydx (a-0) is DOWN", "trading is HALTED, by operator: a test"}
    assert (process.returncode, said) == (0, b"annotations: 2 written, 0 refused, 0 dropped\n")
    assert b"can not be read" in complaint
