"""A desk run as a person runs it: `signalbox up`, and the commands beside it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from signalbox.seals import NO_SEALS, Seals, parse

START, SPEED = "2024-03-05T15:00:00Z", "10"
READY_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 60.0
COMMAND_SECONDS_MAX = 60.0
POLL_SECONDS = 0.1


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGNALBOX_")}
    return kept | {"SIGNALBOX_RUN_FOLDER": str(folder)}


class RunningDesk:
    """A desk that `signalbox up` runs from `folder`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options = folder, options
        self.told = folder.with_suffix(".told")
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start `signalbox up`; it may not be ready yet."""
        with self.told.open("wb") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "signalbox_cli", "up", "--folder", str(self.folder), *self.options],
                env=environment(self.folder), stdout=told, stderr=told,
            )  # fmt: skip

    def up(self) -> None:
        """Start it and return when the commands of a person find every service ready."""
        self.begin()
        self.until(lambda: self.run("status").returncode == 0, READY_SECONDS_MAX)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal to `up` and wait for it; its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS_MAX)

    def until(self, condition: Callable[[], object], seconds_max: float = 30.0) -> None:
        """Wait for a condition; fails with what `up` said when it does not come."""
        assert self.process is not None
        deadline = time.monotonic() + seconds_max
        while not condition():
            running = self.process.poll() is None
            assert running, f"`signalbox up` has ended:\n{self.told.read_text()}"
            assert time.monotonic() < deadline, f"not within {seconds_max:g} s; `signalbox up` says:\n{self.said()}"
            time.sleep(POLL_SECONDS)

    def said(self) -> str:
        return self.told.read_text()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "signalbox_cli", *words],
            env=environment(self.folder), capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False,
        )  # fmt: skip

    def lines(self, *words: str) -> list[dict[str, Any]]:
        """Run a command with --json, which must succeed; its lines."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, f"signalbox {' '.join(words)}: {done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    def query(self, sql: str) -> list[dict[str, Any]]:
        return self.lines("query", sql)

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.folder / "desk.json").read_text())
        return facts

    def http(self, service: str, path: str) -> tuple[int, str]:
        """Status and body; (0, "") when nothing answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.facts["http_ports"][service], timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def password(self, user: str) -> str:
        return (self.folder / "credentials" / user).read_text().strip()

    def passwords(self) -> dict[str, str]:
        return {path.name: path.read_text().strip() for path in self._credentials() if path.suffix != ".seals"}

    def seals(self, user: str) -> Seals:
        file = self.folder / "credentials" / f"{user}.seals"
        return parse(file.read_text()) if file.exists() else NO_SEALS

    def seal_keys(self) -> set[str]:
        """Every key of every seal, in hexadecimal digits."""
        texts = [path.read_text() for path in self._credentials() if path.suffix == ".seals"]
        return {line.partition("=")[2].strip() for text in texts for line in text.splitlines()}

    def _credentials(self) -> list[Path]:
        return list((self.folder / "credentials").iterdir())

    def pids(self) -> dict[int, bytes]:
        """The command line of each process that belongs to this desk, by process id."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                belongs = str(self.folder).encode() in (path / "environ").read_bytes() + (path / "cmdline").read_bytes()
                line = (path / "cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue  # it has ended, or is not ours to see
            if belongs:
                found[int(path.name)] = line
        return found

    def pid(self, module: str) -> int:
        [pid] = [pid for pid, line in self.pids().items() if line.rstrip().endswith(f"-m {module}".encode())]
        return pid
