"""The health check of an image: 0 only when the service says that it is ready."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from signalbox.readiness import ask
from signalbox.telemetry import Health, HttpServer


@pytest.fixture
def health() -> Health:
    return Health("readiness-test")


@pytest.fixture
def address(health: Health) -> Iterator[str]:
    server = HttpServer("127.0.0.1", 0, health)
    yield f"http://127.0.0.1:{server.port}/readyz"
    server.close()


def test_a_service_that_is_ready_is(address: str) -> None:
    assert ask(address) == (True, "ready")


def test_a_service_that_waits_says_for_what(address: str, health: Health) -> None:
    health.unmet("link", "the venue does not answer")
    assert ask(address) == (False, "link: the venue does not answer")


def test_nobody_there_is_not_ready() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        ready, said = ask(f"http://127.0.0.1:{probe.getsockname()[1]}/readyz")
    assert not ready
    assert "does not answer" in said


@pytest.mark.parametrize(("path", "status"), [("readyz", 0), ("nothing", 1)])
def test_the_exit_status_says_it(address: str, path: str, status: int) -> None:
    command = [sys.executable, "-m", "signalbox.readiness", address.replace("readyz", path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == status
