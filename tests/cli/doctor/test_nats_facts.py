"""What the doctor sees over a real NATS, and that trying what is forbidden has no consequence where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from signalbox.desk import load_desk
from signalbox.finding import Found, find_desk
from signalbox.settings import Secret
from signalbox.streams import STREAMS
from signalbox_cli.doctor import nats_facts
from signalbox_cli.doctor.facts import Facts
from signalbox_cli.doctor.judging import judge
from signalbox_cli.doctor.nats_facts import decision_is_refused, see_nats
from signalbox_cli.doctor.verdicts import Verdict

DESK_FILE = Path(__file__).resolve().parents[3] / "deploy/desk.toml"


async def tried(server: Any, user: str) -> bool:
    client = await server.client(user)
    denied: list[str] = []

    async def refused(error: Exception) -> None:
        denied.append(str(error).lower())

    client._error_cb = refused
    try:
        return await decision_is_refused(client, denied)
    finally:
        await client.close()


@pytest.mark.parametrize(("user", "refused"), [("user", True), ("operator", True), ("oms", True), ("risk", False)])
async def test_trying_a_decision_stores_nothing_even_where_it_is_allowed(
    nats_server: Any, user: str, refused: bool
) -> None:
    assert await tried(nats_server, user) is refused
    bus = await nats_server.connect("risk")
    assert [received async for received in bus.read("TRADE")] == []


async def test_a_desk_without_services_is_seen_as_such(
    nats_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, seconds in (("LISTEN_SECONDS_MAX", 0.1), ("STATUS_SECONDS_MAX", 0.2)):
        monkeypatch.setattr(nats_facts, name, seconds)
    monkeypatch.setenv("SIGNALBOX_NATS_URL", nats_server.url)
    for user in ("user", "auditor"):
        (tmp_path / user).write_text(nats_server.password(user))
        (tmp_path / user).chmod(0o600)
    monkeypatch.setenv("SIGNALBOX_CREDENTIALS_FOLDER", str(tmp_path))
    found = find_desk({"SIGNALBOX_NATS_URL": nats_server.url, "SIGNALBOX_CREDENTIALS_FOLDER": str(tmp_path)})
    seen = await see_nats(found, load_desk(DESK_FILE))
    assert (seen.problem, seen.servers_problem, seen.decision_refused) == ("", "", True)
    assert set(seen.servers[0].streams) == {stream.name for stream in STREAMS}
    facts = Facts(desk=load_desk(DESK_FILE), secrets=(), nats=seen, prometheus=None, alertmanager=None)
    streams = next(check for check in judge(facts, live=False) if check.name == "streams")
    assert streams.verdict is Verdict.OK, streams
    assert abs(seen.clock_offset_seconds) < 1
    assert set(seen.statuses.values()) == {()}
    assert seen.unknown_orders is None


async def test_a_nats_that_is_not_there_is_a_problem_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_NATS_URL", "nats://127.0.0.1:1")
    monkeypatch.setenv("SIGNALBOX_NATS_PASSWORD", "x")
    seen = await see_nats(Found("nats://127.0.0.1:1", "user", Secret("x"), None, ""), load_desk(DESK_FILE))
    assert "can not be reached" in seen.problem
