"""The line that starts nats-server in compose, run here in a folder: whom `signalbox people` adds is in, and stays."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from nats.aio.client import Client
from nats.errors import Error as NatsError
from signalbox.desk import load_desk
from signalbox.settings import read_secret_file
from signalbox_cli import secret_files
from signalbox_cli.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
NATS: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["nats"]
STARTED_SECONDS_MAX = 60.0
COMMAND_SECONDS_MAX = 60.0


class Container:
    """nats-server as compose starts it, with folders in the places of its volumes."""

    def __init__(self, folder: Path, configuration: str = "nats.conf") -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.secrets = folder / "secrets"
        secret_files.make(self.secrets, load_desk(ROOT / "deploy/desk.toml"))
        for name in ("data", "tmp"):
            (folder / name).mkdir(mode=0o700)
        places = {"nats-secrets": self.secrets / "nats", "nats-people": self.secrets / "nats-people"}
        places |= {"jetstream": folder / "data"}
        [line] = NATS["command"]
        for each in NATS["volumes"]:
            source, target = (each["source"], each["target"]) if isinstance(each, dict) else each.split(":")[:2]
            line = line.replace(target, str(places.get(source, ROOT / source)))
        line = line.replace(" /tmp/nats", f" {folder}/tmp/nats").replace("-a 0.0.0.0 -p 4222 -m 8222", "-a 127.0.0.1")
        assert "${SIGNALBOX_NATS_CONFIG:-nats.conf}" in line
        self.line = line.replace("${SIGNALBOX_NATS_CONFIG:-nats.conf}", configuration) + f" -p {self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._begin()
        async with asyncio.timeout(STARTED_SECONDS_MAX):
            while not await self._listens():
                await asyncio.sleep(0.05)

    def _begin(self) -> None:
        beside = Path(sys.executable).parent
        with (self.folder / "nats.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*NATS["entrypoint"], self.line], stdout=log, stderr=log,
                env={"PATH": f"{beside}{os.pathsep}{os.environ['PATH']}"},
            )  # fmt: skip

    async def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "nats.log").read_text()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    def end(self, sent: int = signal.SIGKILL) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(sent)
            self._process.wait(STARTED_SECONDS_MAX)

    async def signalbox(self, container: str, *words: str) -> str:
        """`docker compose run CONTAINER WORDS`: its command with its variables, but for where things lie."""
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][container]
        people = self.secrets / ("people" if container == "cli" else "")
        places = {
            "nats://nats:4222": self.url,
            "/run/secrets": str(people),
            "/data/nats-people": f"{self.secrets}/nats-people",
        }
        given = {}
        for name, value in compose["environment"].items():
            for there, here in places.items():
                value = value.replace(there, here)
            given[name] = value
        before = compose.get("entrypoint", ["signalbox"])[1:]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "signalbox_cli", *before, *words),
            env={name: text for name, text in os.environ.items() if not name.startswith("SIGNALBOX_")} | given,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS_MAX)
        return f"{said.decode()}[{process.returncode}]"

    async def may_come(self, name: str, password: str) -> bool:
        client = Client()
        try:
            await client.connect(self.url, user=name, password=password, allow_reconnect=False, connect_timeout=5)
        except NatsError:
            return False
        finally:
            await client.close()
        return True

    def password(self, name: str) -> str:
        return read_secret_file(self.secrets / "people" / name).reveal()


@pytest.fixture
async def container(tmp_path: Path) -> AsyncIterator[Container]:
    container = Container(tmp_path)
    await container.start()
    yield container
    container.end()


async def test_who_is_added_is_in_at_once_and_after_a_restart(container: Container) -> None:
    said = await container.signalbox("people", "add", "alice", "--role", "trader")
    assert said.endswith("[0]"), said
    assert await container.may_come("alice", container.password("alice"))
    container.end()
    secret_files.make(container.secrets, load_desk(ROOT / "deploy/desk.toml"))  # as each `up` does
    await container.start()
    assert await container.may_come("alice", container.password("alice"))
    assert "alice" in await container.signalbox("cli", "people", "list")


async def test_who_is_revoked_is_out_at_once(container: Container) -> None:
    await container.signalbox("people", "add", "alice", "--role", "viewer")
    password = container.password("alice")
    assert await container.may_come("alice", password)
    said = await container.signalbox("people", "revoke", "alice")
    assert said.endswith("[0]"), said
    assert not await container.may_come("alice", password)


async def test_an_operator_has_a_key_and_no_other_container_may_let_anybody_in(container: Container) -> None:
    said = await container.signalbox("people", "add", "carol", "--role", "operator")
    assert said.endswith("[0]"), said
    assert "control/carol = " in read_secret_file(container.secrets / "people/carol.seals", 9).reveal()
    said = await container.signalbox("cli", "people", "add", "mallory", "--role", "operator")
    assert said.endswith("[2]"), said
    assert "docs/nats.md, People" in said


async def test_the_configuration_that_syncs_has_the_same_people(tmp_path: Path) -> None:
    container = Container(tmp_path, "fsync.conf")
    await container.start()
    try:
        await container.signalbox("people", "add", "alice", "--role", "trader")
        assert await container.may_come("alice", container.password("alice"))
    finally:
        container.end()
