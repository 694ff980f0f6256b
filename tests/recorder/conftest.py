"""A recorder as a process of its own, on a real nats-server, that can be killed and started again."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from recorder.database import Database
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.errors import BusUnavailableError
from signalbox.messages import QueryReply, QueryRequest, ServiceStatus

DESK_FILE = Path(__file__).resolve().parents[2] / "deploy/desk.toml"
WAIT_SECONDS_MAX = 60.0


class Server(Protocol):
    url: str

    def password(self, user: str) -> str: ...
    async def connect(self, user: str) -> Bus: ...


class RecorderProcess:
    """`python -m recorder` on `database_file`."""

    def __init__(self, server: Server, database_file: Path) -> None:
        self.server, self.database_file = server, database_file
        self.log_file = database_file.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        self._user: Bus | None = None
        self._limit_bytes = 0

    def start_with_file_size_limit(self, bytes_max: int) -> None:
        """Start with no file allowed to grow beyond `bytes_max`: what a full disk does to a write."""
        self._limit_bytes = bytes_max
        try:
            self.start()
        finally:
            self._limit_bytes = 0

    def _limit_files(self) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._limit_bytes, resource.RLIM_INFINITY))

    def limit_file_sizes(self, bytes_max: int) -> None:
        """From now on no file may grow beyond `bytes_max`: what a full disk does to a write."""
        resource.prlimit(self.keeper_pid, resource.RLIMIT_FSIZE, (bytes_max, resource.RLIM_INFINITY))

    @property
    def keeper_pid(self) -> int:
        """The process of the recorder that has the database."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        (pid,) = (int(child) for child in children if alive(int(child)))
        return pid

    def metric(self, name: str) -> float:
        """A figure of `/metrics`."""
        port = re.search(r'"http_port": (\d+)', self.log)
        assert port is not None
        with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/metrics", timeout=10) as answer:
            found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
        assert found is not None, f"{name} is not shown"
        return float(found[1])

    async def status(self) -> ServiceStatus:
        answer = await (await self.user()).request(subjects.status("recorder"), b"", 5.0)
        return messages.decode(answer, ServiceStatus)

    def start(self, **settings: str) -> None:
        environment = os.environ | {
            "SIGNALBOX_NATS_URL": self.server.url,
            "SIGNALBOX_NATS_USER": "recorder",
            "SIGNALBOX_NATS_PASSWORD": self.server.password("recorder"),
            "SIGNALBOX_DESK_FILE": str(DESK_FILE),
            "SIGNALBOX_DATABASE_FILE": str(self.database_file),
            **{f"SIGNALBOX_{name.upper()}": value for name, value in settings.items()},
        }
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "recorder"],
                env=environment,
                stdout=log,
                stderr=log,
                preexec_fn=self._limit_files if self._limit_bytes else None,
            )

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(WAIT_SECONDS_MAX)

    async def ended(self) -> int:
        """The exit status, once it has ended by itself."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, WAIT_SECONDS_MAX)

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    async def query(self, sql: str, row_limit: int = 1000, timeout_seconds: float = 15.0) -> QueryReply:
        bus = await self.user()
        answer = await bus.request(
            subjects.QUERY, messages.encode(QueryRequest(sql=sql, row_limit=row_limit)), timeout_seconds
        )
        reply: QueryReply = messages.decode(answer, QueryReply)
        return reply

    async def rows(self, sql: str) -> list[list[Any]]:
        reply = await self.query(sql)
        assert reply.error == ""
        return [list(row) for row in reply.rows]

    async def user(self) -> Bus:
        if self._user is None:
            self._user = await self.server.connect("user")
        return self._user

    async def until_recorded(self, stream: str, sequence: int) -> None:
        """Wait until the watermark of `stream` has reached `sequence`."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while True:
                try:
                    sql = f"SELECT last_sequence FROM watermarks WHERE stream = '{stream}' ORDER BY generation DESC"
                    found = await self.query(sql, timeout_seconds=1.0)
                    if found.rows and found.rows[0][0] >= sequence:
                        return
                except BusUnavailableError:
                    assert self._process is not None
                    assert self._process.poll() is None, self.log
                await asyncio.sleep(0.02)

    async def until_ready(self) -> None:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while True:
                try:
                    answer = await (await self.user()).request(subjects.status("recorder"), b"", 1.0)
                    if messages.decode(answer, ServiceStatus).ready:
                        return
                except BusUnavailableError:
                    pass
                await asyncio.sleep(0.02)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.fixture(scope="session")
def empty_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record with nothing in it: to make one takes six times as long as to open a copy."""
    file = tmp_path_factory.mktemp("record") / "desk.duckdb"
    Database(file, 64).close()
    return file


@pytest.fixture
async def recorder(nats_server: Server, tmp_path: Path) -> AsyncIterator[RecorderProcess]:
    process = RecorderProcess(nats_server, tmp_path / "desk.duckdb")
    yield process
    process.close()
