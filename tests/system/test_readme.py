"""README's examples, copied out of README, on a running desk: what is printed there works as it is printed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from tests.running_desk import RunningDesk

README = Path(__file__).parents[2] / "README.md"
DATABASE_DOCUMENT = README.parent / "docs/database.md"
DECISION_SECONDS_MAX = 60.0
ELSEWHERE = {
    "signalbox chain SPY --expiry 2024-03-15": "asks an IB Gateway: tests/gateway_ibkr/test_chain_at_venue.py",
    "signalbox doctor": "looks at alerting, which a desk of `up` has not: tests/cli/doctor",
    "signalbox backup": "writes a copy of everything: tests/chaos/test_backup_rehearsal.py",
    "signalbox watch 'order.>'": "goes on until it is ended: tests/system/test_looking.py",
    "signalbox simulate ibkr --port 4002": "goes on until it is ended, on a port of the machine's: tests/simulators",
    "signalbox simulate dydx --grpc-port 9090 --http-port 3002": "the same",
    'signalbox halt "reason"': "the desk is shared by all tests of the folder: tests/system/test_trading.py",
}


def commands() -> list[str]:
    """The first command of each row of README's table, without what is optional; none with a placeholder."""
    rows = re.findall(r"^\| `(signalbox [^`]*)`", README.read_text(), re.MULTILINE)
    plain = [re.sub(r" \[[^`]*\]", "", row) for row in rows]
    words = r'"[^"]*"|\bSPY\b|\bBTC-USD\b|\bGTC\b'
    return [row for row in plain if not re.search(r"\b[A-Z]+\b", re.sub(words, "", row))]


def messages_printed() -> list[dict[str, Any]]:
    blocks = re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL)
    return [json.loads(block) for block in blocks]


def printed(kind: str) -> dict[str, Any]:
    [found] = [message for message in messages_printed() if message.get("type") == kind]
    return found


@pytest.mark.parametrize("command", [each for each in commands() if each not in ELSEWHERE])
def test_a_command_of_readme_works_as_it_is_printed(desk: RunningDesk, command: str) -> None:
    done = desk.run(*shlex.split(command)[1:])
    assert (done.returncode, done.stderr) == (0, ""), f"{command}: {done.stdout}{done.stderr}"


def test_what_is_not_run_here_is_still_in_readme() -> None:
    assert set(ELSEWHERE) <= set(commands())
    assert len(commands()) > len(ELSEWHERE) + 8


@pytest.fixture
async def client(desk: RunningDesk) -> AsyncIterator[Client]:
    """Any program: plain nats-py, no library of the desk's."""
    client = await nats.connect(
        desk.facts["nats_url"], user="user", password=desk.password("user"), inbox_prefix=b"_INBOX.user"
    )
    yield client
    await client.close()


async def decided(client: Client, message: dict[str, Any]) -> dict[str, Any]:
    """Publish as README says: listen first, wait with a bound."""
    decisions = await client.subscribe("decision.>")
    subject = f"intent.{message.get('venue') or '%'}.{message.get('symbol') or '%'}"
    headers = {"Nats-Msg-Id": message["id"]}
    stored = json.loads((await client.request(subject, json.dumps(message).encode(), 10, headers=headers)).data)
    assert "error" not in stored, stored
    async with asyncio.timeout(DECISION_SECONDS_MAX):
        async for heard in decisions.messages:
            decision: dict[str, Any] = json.loads(heard.data)
            if (decision["cause"], decision["by"]) == (message["id"], "user"):
                await decisions.unsubscribe()
                return decision
    raise AssertionError("no decision")


async def recorded(client: Client, question: dict[str, Any]) -> list[dict[str, Any]]:
    """What the record says, once it has it."""
    async with asyncio.timeout(DECISION_SECONDS_MAX):
        while True:
            reply = json.loads((await client.request("query.sql", json.dumps(question).encode(), 20)).data)
            assert not reply.get("error"), reply
            if reply["rows"]:
                return [dict(zip(reply["columns"], row, strict=True)) for row in reply["rows"]]
            await asyncio.sleep(0.05)


async def test_the_messages_of_readme_work_as_they_are_printed(client: Client) -> None:
    order, cancel, of_many = (printed(kind) for kind in ("OrderIntent", "CancelIntent", "MassCancelIntent"))
    change = printed("ModifyIntent")
    assert not {"at"} & {*order, *cancel, *of_many, *change}
    approved = await decided(client, order)
    assert approved["type"] == "IntentApproved", approved.get("reason")
    assert approved["intent"]["at"] <= approved["at"]
    [question] = [message for message in messages_printed() if "sql" in message]
    assert await recorded(client, question) == [
        {"verdict": "APPROVED", "reason": None, "intent_id": order["id"], "order_id": order["id"]}
    ]
    changed = await decided(client, change)  # the venue may not have taken the order yet, or have filled it
    assert changed["intent"]["order_id"] == order["id"]
    canceled = await decided(client, cancel)
    assert canceled["type"] == "IntentApproved", canceled.get("reason")
    assert canceled["order_id"] == order["id"]
    assert (await decided(client, of_many))["type"] == "IntentApproved"


# ------------------------------------------------------------------------------------------------ in JavaScript


def modules_of_node() -> Path | None:
    """Where node's module `nats` is on this machine, if it is: installed globally, or in a folder of NODE_PATH."""
    folders = os.environ.get("NODE_PATH", "").split(os.pathsep)
    if npm := shutil.which("npm"):
        found = subprocess.run([npm, "root", "--global"], capture_output=True, text=True, timeout=60, check=False)
        folders.append(found.stdout.strip())
    return next((Path(folder) for folder in folders if folder and (Path(folder) / "nats").is_dir()), None)


def javascript(document: Path) -> str:
    [program] = re.findall(r"```javascript\n(.*?)```", document.read_text(), re.DOTALL)
    return str(program)


@pytest.fixture
def node(desk: RunningDesk, tmp_path: Path) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """Runs the program of a document as it is printed, as a trader."""
    binary, modules = shutil.which("node"), modules_of_node()
    if binary is None or modules is None:
        pytest.skip("there is no node with the module nats here")
    (tmp_path / "node_modules").symlink_to(modules)
    person = {"NATS_URL": desk.facts["nats_url"], "NATS_USER": "user", "NATS_PASSWORD": desk.password("user")}

    def run(document: Path) -> subprocess.CompletedProcess[str]:
        program = tmp_path / "program.mjs"
        program.write_text(javascript(document))
        return subprocess.run(
            [binary, str(program)], env={**os.environ, **person}, capture_output=True, text=True,
            timeout=DECISION_SECONDS_MAX, check=False,
        )  # fmt: skip

    return run


def test_the_bracket_in_javascript_is_decided_and_its_story_can_be_asked_for_in_javascript(
    desk: RunningDesk, node: Callable[[Path], subprocess.CompletedProcess[str]]
) -> None:
    sent = node(README)
    assert (sent.returncode, sent.stderr) == (0, "")
    assert sent.stdout.split()[0] in ("IntentApproved", "IntentDenied")  # as the market is: the stop may be beyond it
    desk.until(lambda: desk.query("SELECT 1 FROM decisions WHERE intent_id = 'my-bracket-7'"), DECISION_SECONDS_MAX)
    asked = node(DATABASE_DOCUMENT)
    assert (asked.returncode, asked.stderr) == (0, "")
    answer = json.loads(asked.stdout)
    assert set(answer) == {"working", "then", "story"}
    assert answer["story"][0] == {"who": "user", "what": "OrderListIntent", "said": "BRACKET SPY"}
    desk.run("cancel", "my-bracket-7")  # whatever became of it: others trade here, too


async def test_a_program_hears_of_its_mistake_under_the_id_that_it_waits_for(client: Client) -> None:
    order = {**printed("OrderIntent"), "id": "with-a-typo", "quantitty": "100"}
    denied = await decided(client, order)
    assert (denied["type"], denied["intent"]) == ("IntentDenied", None)
    assert "quantitty" in denied["reason"]


async def test_a_denial_of_the_wrong_clock_says_what_to_do_on_a_simulated_desk(client: Client) -> None:
    order = {**printed("OrderIntent"), "id": "by-the-wall", "at": "2031-01-01T00:00:00Z"}
    denied = await decided(client, order)
    assert "ahead of the desk clock: the desk's time is the simulator's, 2024-03-05 " in denied["reason"]
    assert "leave `at` out" in denied["reason"]
    assert "`clock.desk`" in denied["reason"]
