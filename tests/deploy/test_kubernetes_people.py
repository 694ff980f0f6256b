"""The lines of docs/deploy-kubernetes.md by which people come and go, on a nats-server as a pod runs it.

Its folder is exchanged as a kubelet exchanges a projected volume: files are links into a folder that `..data` names,
and that link is replaced. The API server between `kubectl apply` and the kubelet is not here.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from signalbox.errors import BusUnavailableError
from signalbox_cli.people.server import Server, Standing, standing

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs/deploy-kubernetes.md").read_text().replace("\\\n", " ")
COMMAND_SECONDS_MAX, SEEN_SECONDS_MAX = 60, 30.0
POLL_SECONDS = 0.1


def line_of(pattern: str) -> list[str]:
    """The words of the document's line that has this in it."""
    [found] = re.findall(rf"^ *(?:.* -- )?({pattern}[^;|\n]*)", DOCUMENT, re.M)
    return shlex.split(found)


class Pod:
    """A pod of NATS, its volume of configuration, and the machine from which somebody lets people in."""

    def __init__(self, server: Any, folder: Path) -> None:
        self.server, self.volume, self.desk = server, folder / "etc", folder / "machine"
        self.versions = 0
        self.volume.mkdir()
        self.desk.mkdir()
        self.pid_file = folder / "nats.pid"

    def show(self, people: str) -> None:
        """What a kubelet does once the Secret has changed."""
        self.versions += 1
        data = self.volume / f"..{self.versions}"
        data.mkdir()
        for path in (ROOT / "deploy/nats").glob("*.conf"):
            (data / path.name).write_text(people if path.name == "people.conf" else path.read_text())
            if self.versions == 1:
                (self.volume / path.name).symlink_to(Path("..data") / path.name)
        (self.volume / "..data_tmp").symlink_to(data.name)
        (self.volume / "..data_tmp").rename(self.volume / "..data")

    def signalbox(self, *words: str) -> str:
        """Run a command of the document beside people.conf."""
        own = {name: text for name, text in os.environ.items() if not name.startswith("SIGNALBOX_")}
        done = subprocess.run(
            [sys.executable, "-m", "signalbox_cli", *words],
            cwd=self.desk, env=own, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def reload(self) -> None:
        """The document's line, in the pod."""
        program, *words = line_of("nats-server --signal")
        assert words[-1] == "reload=/var/run/nats/nats.pid"
        words[-1] = f"reload={self.pid_file}"
        subprocess.run([Path(sys.executable).parent / program, *words], check=True, timeout=COMMAND_SECONDS_MAX)

    async def until(self, name: str, password: str, wanted: Standing) -> None:
        """The signal is answered before the server has read, and a reload may cut who is just coming in."""
        async with asyncio.timeout(SEEN_SECONDS_MAX):
            while True:
                with suppress(BusUnavailableError):
                    if await standing(Server(self.server.url, ""), name, password) is wanted:
                        return
                await asyncio.sleep(POLL_SECONDS)


@pytest.fixture
async def pod(nats_server_without_streams: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    server = nats_server_without_streams
    pod = Pod(server, tmp_path)
    pod.show((ROOT / "deploy/nats/people.conf").read_text())
    monkeypatch.setenv("POD_NAME", "nats-0")
    server.kill()
    server.configuration = pod.volume / "pod.conf"
    server.more_arguments = ("-P", str(pod.pid_file), "-m", "-1")
    server.start()
    await server.listening()
    return pod


async def test_who_is_added_is_in_after_two_signals_and_who_is_revoked_out_after_one(pod: Pod) -> None:
    file = pod.desk / "people.conf"
    file.write_bytes((pod.volume / "people.conf").read_bytes())  # kubectl get secret
    _, *add = line_of("signalbox people add alice")
    said = pod.signalbox(*add)
    assert "twice" in said
    assert "docs/deploy-kubernetes.md, People" in said
    password = (pod.desk / "passwords/alice").read_text().strip()
    pod.show(file.read_text())
    await pod.until("alice", password, Standing.REFUSED)
    pod.reload()
    await pod.until("alice", password, Standing.UNHEARD)
    pod.reload()
    await pod.until("alice", password, Standing.IN)
    pod.signalbox(*("revoke" if word == "add" else word for word in add if word not in ("--role", "trader")))
    pod.show(file.read_text())
    pod.reload()
    await pod.until("alice", password, Standing.REFUSED)


def test_the_document_waits_for_what_each_pod_sees_before_it_says_so() -> None:
    told = DOCUMENT[DOCUMENT.index("kubectl -n signalbox get secret nats-people") :]
    order = [
        "signalbox people add",
        "create secret generic nats-people",
        "apply -f -",
        "cmp -s - people.conf",
        "--signal",
    ]
    assert [told.index(each) for each in order] == sorted(told.index(each) for each in order)
    assert "cat /etc/nats/people.conf" in told
    assert "-l app.kubernetes.io/name=nats" in told, "each server of a cluster"
