"""`nats micro ls` shows the desk: its protocol, asked of a real server, and no way to have an answer somewhere else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.micro.service import NAME_REGEX, SEMVER_REGEX, ServiceInfo, ServicePing, ServiceStats
from signalbox.bus import Bus
from signalbox.bus.asking import Served
from signalbox.discovery import Present, told
from signalbox.presence import serve_discovery
from signalbox.services import TABLE
from signalbox.subjects import DISCOVERY_VERBS, discovery

WAIT_SECONDS_MAX = 60.0
STARTED = datetime(2026, 7, 15, 14, tzinfo=UTC)
PRESENT = Present(service="risk", version="0.1.0", instance="desk/7f3a/41", started=STARTED)


@pytest.fixture
async def user(nats_server: Any) -> AsyncIterator[Client]:
    """A person's own client of nats-py, as the `nats` command is one of Go."""
    client: Client = await nats_server.client("user")
    yield client
    await client.close()


async def present(nats_server: Any, *services: str) -> dict[str, Bus]:
    buses = {service: await nats_server.connect(service) for service in services}
    for service, bus in buses.items():
        await serve_discovery(service, bus)
        await hears(bus)
    return buses


async def hears(bus: Bus) -> None:
    """The server has taken all that it listens to."""
    assert bus._questions is not None
    await bus._questions.flush()


async def asked(client: Client, subject: str, count: int) -> list[dict[str, Any]]:
    """So many answers to one question, as `nats micro` asks it: no payload, an inbox that hears all of them."""
    answers: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, cb=answers.put)
    await client.publish(subject, b"", reply=inbox)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        found = [json.loads((await answers.get()).data) for _ in range(count)]
    await subscription.unsubscribe()
    return found


async def test_every_service_answers_all_its_name_and_its_id(nats_server: Any, user: Client) -> None:
    await present(nats_server, "risk", "oms", "gateway-ibkr")
    pings = [ServicePing.from_dict(answer) for answer in await asked(user, "$SRV.PING", 3)]
    assert {ping.name for ping in pings} == {"risk", "oms", "gateway-ibkr"}
    [risk] = await asked(user, "$SRV.PING.risk", 1)
    assert risk["type"] == "io.nats.micro.v1.ping_response"
    [alone] = await asked(user, f"$SRV.PING.risk.{risk['id']}", 1)
    assert alone == risk


async def test_what_is_told_is_what_the_protocol_says(nats_server: Any, user: Client) -> None:
    buses = await present(nats_server, "risk")

    async def well(question: bytes, asker: str) -> bytes:
        if question == b"how?":
            raise ValueError("a secret of somebody else's")
        return b"well"

    await buses["risk"].serve("status.risk", well)
    await hears(buses["risk"])
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await user.request("status.risk", b"", timeout=WAIT_SECONDS_MAX)
    await user.publish("status.risk", b"how?", reply=user.new_inbox())
    [said] = await asked(user, "$SRV.INFO.risk", 1)
    info = ServiceInfo.from_dict(said)
    assert (said["type"], info.name) == ("io.nats.micro.v1.info_response", "risk")
    assert [(each.name, each.subject) for each in info.endpoints] == [("status", "status.risk")]
    assert info.description == next(row.about for row in TABLE if row.name == "risk")
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            [counted] = await asked(user, "$SRV.STATS.risk", 1)
            [endpoint] = ServiceStats.from_dict(counted).endpoints
            if endpoint.num_errors:
                break
    assert counted["type"] == "io.nats.micro.v1.stats_response"
    assert (endpoint.num_requests, endpoint.num_errors, endpoint.last_error) == (2, 1, "ValueError")
    assert endpoint.processing_time > 0
    assert "secret" not in json.dumps(counted)


@pytest.mark.parametrize("where", ["decision.approved.ibkr.A1", "command.ibkr.i-1.0", "_INBOX.oms.x", "_R_.a.b"])
async def test_an_answer_goes_to_who_asked_and_no_further(nats_server: Any, user: Client, where: str) -> None:
    """Whatever he names as where it is to go: his account is his alone, and there it is."""
    buses = await present(nats_server, "risk", "oms")
    oms = await nats_server.client("oms")
    elsewhere: list[str] = []

    async def note(message: Msg) -> None:
        elsewhere.append(message.subject)

    await oms.subscribe("_INBOX.oms.>", cb=note)
    await oms.flush()
    [risk] = await asked(user, "$SRV.PING.risk", 1)
    for verb in DISCOVERY_VERBS:
        for subject in (discovery(verb), discovery(verb, "risk"), discovery(verb, "risk", risk["id"])):
            await user.publish(subject, b"{}", reply=where)
    [_] = await asked(user, "$SRV.STATS.risk", 1)  # behind them
    await oms.flush()
    assert elsewhere == []
    for stream in ("TRADE", "COMMANDS"):
        assert await buses["oms"].last(stream, ">") is None
    await oms.close()


async def test_no_service_can_ask_another_nor_answer_for_one(nats_server: Any, user: Client) -> None:
    await present(nats_server, "risk")
    gateway = await nats_server.client("gateway-ibkr")
    refused: list[str] = []

    async def error(problem: Exception) -> None:
        refused.append(str(problem))

    async def forge(message: Msg) -> None:
        await message.respond(b"risk, says the gateway")

    gateway._error_cb = error
    await gateway.subscribe("$SRV.PING.risk", cb=forge)
    await gateway.publish("$SRV.PING.risk", b"", reply=gateway.new_inbox())
    await gateway.flush()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while len(refused) < 2:
            await gateway.flush()
    [answer] = await asked(user, "$SRV.PING.risk", 1)
    assert answer["name"] == "risk"
    await gateway.close()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_services_name_and_version_are_the_protocols(row: Any) -> None:
    present = Present(service=row.name, version="0.1.0", instance="a", started=STARTED)
    said = json.loads(told("INFO", present, [Served("status.risk")]))
    assert NAME_REGEX.match(said["name"])
    assert SEMVER_REGEX.match(said["version"])
    assert said["id"].isalnum()
    assert said["description"]


def test_processes_have_ids_of_their_own() -> None:
    other = Present(service="risk", version="0.1.0", instance="desk/7f3a/42", started=STARTED)
    assert PRESENT.id != other.id
    assert PRESENT.subjects_of("PING") == ("$SRV.PING", "$SRV.PING.risk", f"$SRV.PING.risk.{PRESENT.id}")


def test_nobody_has_asked_yet() -> None:
    said = json.loads(told("STATS", PRESENT, [Served("query.sql.*")]))
    [endpoint] = said["endpoints"]
    assert (endpoint["name"], endpoint["num_requests"], endpoint["average_processing_time"]) == ("query", 0, 0)
    assert said["started"] == "2026-07-15T14:00:00.000Z"
