"""A nats-server whose people.conf can be changed, and the `signalbox` command beside it."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from signalbox_cli.__main__ import carry_out

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Ended:
    """What a command said."""

    status: int
    out: str
    err: str


@dataclass
class Office:
    """A server, its configuration and the folder of passwords."""

    server: Any
    people_file: Path
    credentials: Path

    async def run(self, *words: str, **environment: str) -> Ended:
        """`signalbox WORDS`, as who may change the server."""
        return await self.speak("bootstrap", *words, SIGNALBOX_PEOPLE_FILE=str(self.people_file), **environment)

    async def speak(self, user: str, *words: str, **environment: str) -> Ended:
        """`signalbox WORDS` as a user of the server."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("SIGNALBOX_")}
        told = {"SIGNALBOX_NATS_URL": self.server.url, "SIGNALBOX_CREDENTIALS_FOLDER": str(self.credentials)}
        if user == "bootstrap":
            told["SIGNALBOX_NATS_PASSWORD"] = self.server.password(user)
            told["SIGNALBOX_SEALS"] = self.server.seal_texts["risk"]
        else:
            told["SIGNALBOX_NATS_USER"] = user
        out, err = io.StringIO(), io.StringIO()
        with environ(own | told | environment), redirect_stdout(out), redirect_stderr(err):
            status = await asyncio.to_thread(_status_of, list(words))
        return Ended(status, out.getvalue(), err.getvalue())

    def password(self, name: str) -> str:
        return (self.credentials / name).read_text().strip()


@contextmanager
def environ(wanted: dict[str, str]) -> Iterator[None]:
    """This process's environment is `wanted`, for as long as a command runs."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _status_of(words: list[str]) -> int:
    """The command's exit status; it runs in an event loop of its own."""
    with pytest.raises(SystemExit) as ended:
        carry_out(words)
    return int(ended.value.code or 0)


@pytest.fixture
async def office(nats_server_without_streams: Any, tmp_path: Path) -> Office:
    server = nats_server_without_streams
    configuration = tmp_path / "nats"
    shutil.copytree(ROOT / "deploy/nats", configuration)
    server.kill()
    server.configuration = configuration / "nats.conf"
    server.start()
    await server.bootstrap()
    return Office(server, configuration / "people.conf", tmp_path / "credentials")
