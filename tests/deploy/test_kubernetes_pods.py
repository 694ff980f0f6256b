"""The pods of the paper overlay run as they are written, and trade: each in a container, with what Kubernetes gives it.

Needs root, a Docker engine and our images (`make images`); a cluster it does not need, and does not replace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from signalbox.services import SERVICES
from signalbox_cli.cluster_credentials import wanted

from . import manifest_rules
from .manifest_rules import IMAGES
from .manifests import rendered
from .pods import Pods, docker, of_version

VERSION = os.environ.get("SIGNALBOX_VERSION", manifest_rules.VERSION)
"""The tag of the images, as docker-compose.yml takes it."""
READY_SECONDS_MAX = 180.0
COMMAND_SECONDS_MAX = 90.0


def need_containers() -> None:
    """Skip unless asked for: yesterday's images say nothing of today's code. Then fail where anything is missing."""
    if not os.environ.get("SIGNALBOX_CONTAINERS"):
        pytest.skip("it needs root, an engine and fresh images: `make images`, SIGNALBOX_CONTAINERS=1")
    missing = None
    if os.geteuid() != 0:
        missing = "files that belong to root can be made by root alone"
    elif (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        missing = "no Docker engine can be reached"
    elif absent := {of_version(image, VERSION) for image in IMAGES} - set(
        docker("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    ):
        missing = f"images are missing: {', '.join(sorted(absent))} (make images)"
    if missing:
        pytest.fail(missing)


@pytest.fixture
def secret_texts() -> dict[str, dict[str, str]]:
    return wanted()


@pytest.fixture
def pods(tmp_path: Path, secret_texts: dict[str, dict[str, str]]) -> Iterator[Pods]:
    yield from running("paper", tmp_path, secret_texts)


@pytest.fixture
def live_pods(tmp_path: Path, secret_texts: dict[str, dict[str, str]]) -> Iterator[Pods]:
    yield from running("live", tmp_path, secret_texts | {"nats-route": {"password": "p1route"}})


def running(overlay: str, folder: Path, secret_texts: dict[str, dict[str, str]]) -> Iterator[Pods]:
    need_containers()
    folder.chmod(0o755)
    pods = Pods(rendered(overlay), folder, secret_texts, VERSION)
    try:
        yield pods
    finally:
        pods.close()


def signalbox(pods: Pods, secret_texts: dict[str, dict[str, str]], user: str, *words: str) -> tuple[int, str]:
    """The command of a person, by way of what `kubectl port-forward service/nats` would open."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGNALBOX_")}
    given = {
        "SIGNALBOX_NATS_URL": f"nats://{pods.address('nats-0')}:4222",
        "SIGNALBOX_NATS_USER": user,
        "SIGNALBOX_NATS_PASSWORD": secret_texts[f"nats-{user}"]["password"],
        "SIGNALBOX_SEALS": secret_texts["seals"].get(user, ""),
    }
    done = subprocess.run(
        [sys.executable, "-m", "signalbox_cli", *words], env=kept | given, timeout=COMMAND_SECONDS_MAX, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_desk_runs_trades_and_outlives_what_is_killed(pods: Pods, secret_texts: dict[str, dict[str, str]]):
    everybody = [pods.start(name) for name in SERVICES]  # all at once, as `kubectl apply` does: NATS is not there yet
    everybody += [pods.start(name, 1) for name in ("indicators", "risk", "oms")]  # and scaled: who stands by is ready
    nats = pods.start("nats")
    simulators = pods.start("simulators")
    status, said = pods.finish("bootstrap", READY_SECONDS_MAX)
    assert status == 0, said
    pods.wait_ready(READY_SECONDS_MAX, nats, simulators, *everybody)
    assert all(pods.probe(name, "livenessProbe") for name in (nats, simulators, *everybody))
    for symbol, quantity in (("SPY", "100"), ("BTC-USD", "0.01")):
        status, said = signalbox(pods, secret_texts, "user", "intent", "buy", quantity, symbol, "--follow")
        assert status == 0, said
    for name in ("risk-0", "oms-1", "indicators-0", "recorder-0", "gateway-dydx-0"):
        pods.kill(name)
    pods.wait_ready(READY_SECONDS_MAX, *everybody)
    status, said = signalbox(pods, secret_texts, "user", "intent", "sell", "100", "SPY", "--follow")
    assert status == 0, said


def test_a_single_nats_that_is_stopped_ends_at_once(pods: Pods):
    nats = pods.start("nats")
    pods.wait_ready(READY_SECONDS_MAX, nats)
    pods.execute(nats, ["sh", "-c", "kill -TERM 1"])
    pods.until(lambda: not pods.state(nats)["Running"], 30, nats)
    assert "Entering lame duck mode" not in pods.log(nats)


def test_gateway_without_its_venue_is_alive_and_not_ready(pods: Pods):
    nats, gateway = pods.start("nats"), pods.start("gateway-ibkr")
    status, said = pods.finish("bootstrap", READY_SECONDS_MAX)
    assert status == 0, said
    pods.until(lambda: pods.probe(gateway, "livenessProbe"), READY_SECONDS_MAX, nats, gateway)
    pods.until(lambda: '"waiting for the desk clock"' in pods.log(gateway), READY_SECONDS_MAX, gateway)  # the venue's
    for _ in range(20):
        assert not pods.probe(gateway, "readinessProbe")
        assert pods.probe(gateway, "livenessProbe")
    assert pods.state(gateway)["Running"]


def test_three_servers_of_live_find_each_other_and_outlive_any_one(live_pods: Pods):
    servers = [live_pods.start("nats", number) for number in range(3)]
    status, said = live_pods.finish("bootstrap", READY_SECONDS_MAX)
    assert status == 0, said  # every stream has been placed on three servers
    for which in ("startupProbe", "readinessProbe", "livenessProbe"):
        live_pods.until(
            lambda which=which: all(live_pods.probe(name, which) for name in servers), READY_SECONDS_MAX, *servers
        )
    live_pods.kill(servers[0])
    assert all(live_pods.probe(name, "readinessProbe") for name in servers[1:])
    live_pods.until(lambda: live_pods.probe(servers[0], "startupProbe"), READY_SECONDS_MAX, servers[0])
