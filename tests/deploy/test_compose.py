"""The whole desk in containers, with a real engine: it starts with no edits, trades, and outlives what can happen.

Minutes long and with images to build, so it runs when it is asked for: `make container-test`. One stack for all tests,
in the order in which they stand here; its project, volumes and networks are its own, and gone at the end.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from signalbox.services import SERVICES
from signalbox_cli.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
BUILD_SECONDS_MAX, COMMAND_SECONDS_MAX, CLI_SECONDS_MAX = 900.0, 300.0, 90.0
UP_SECONDS_MAX = 240.0
RECOVERED_SECONDS_MAX = 120.0
ALERT_SECONDS_MAX = 150.0
POLL_SECONDS = 0.5
LAST = "desk: bars="
MORTAL = ("oms", "gateway-ibkr", "risk", "gateway-dydx", "recorder")
ORDERS_MEANWHILE = 8
"""At each venue, a second or so apart: about as long as the deaths take."""


def engine() -> None:
    """Skip unless the test is wanted; fail when it is wanted and there is no engine."""
    if not os.environ.get("SIGNALBOX_CONTAINERS"):
        pytest.skip("it builds images and runs for minutes: `make container-test` (SIGNALBOX_CONTAINERS=1)")
    done = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False) if which() else None
    if done is None or done.returncode:
        pytest.fail("there is no `docker compose` here, or no engine that it reaches")


def which() -> str | None:
    return shutil.which("docker")


class Stack:
    """One project of docker compose."""

    def __init__(self, name: str, env_file: str = ".env", **environment: str) -> None:
        self._command = ["docker", "compose", "--env-file", env_file, "--ansi", "never"]
        self.name = f"signalbox-test-{name}-{os.getpid()}"
        ports = {
            f"SIGNALBOX_{each}_PORT": str(free_port()) for each in ("NATS", "PROMETHEUS", "ALERTMANAGER", "GRAFANA")
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SIGNALBOX_", "COMPOSE_"))}
        self.environment = kept | ports | {"SIGNALBOX_VERSION": "test"} | environment

    def compose(
        self, *words: str, check: bool = True, seconds_max: float = COMMAND_SECONDS_MAX
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self._command, "--project-name", self.name, *words],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=seconds_max, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"docker compose {' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done

    def up(self, *words: str) -> None:
        done = self.compose("up", "--detach", "--wait", "--wait-timeout", f"{UP_SECONDS_MAX:g}", *words, check=False)
        assert done.returncode == 0, f"{done.stderr[-1500:]}\n{self.compose('logs', '--tail', '8').stdout}"

    def down(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "10")

    def cli(self, *words: str, check: bool = True) -> str:
        """Run the signalbox command in the stack."""
        done = self.compose("run", "--rm", "--no-TTY", "cli", *words, check=check, seconds_max=CLI_SECONDS_MAX)
        return done.stdout + done.stderr

    def people(self, *words: str) -> str:
        """Let somebody in or out, with the container that is for it."""
        return self.compose("run", "--rm", "--no-TTY", "people", *words, seconds_max=CLI_SECONDS_MAX).stdout

    def containers(self, service: str) -> list[dict[str, Any]]:
        found = self.compose("ps", "--all", "--quiet", service).stdout.split()
        inspected = subprocess.run(["docker", "inspect", *found], capture_output=True, text=True, check=True).stdout
        states: list[dict[str, Any]] = json.loads(inspected)
        return states

    def restarts(self, service: str) -> int:
        return sum(each["RestartCount"] for each in self.containers(service))

    def is_ready(self, service: str) -> bool:
        states = [each["State"] for each in self.containers(service)]
        return all(each.get("Health", {}).get("Status") == "healthy" and each["Running"] for each in states)

    def crash(self, service: str, number: int = 1) -> None:
        """End every process of a container but its first, without a word to them: it is the engine that restarts it."""
        before = self.restarts(service)
        self.compose("exec", "--no-TTY", "--index", str(number), service, "sh", "-c", "kill -9 -1", check=False)
        until(lambda: self.restarts(service) > before, 30, f"{service} is started again")

    def wait_ready(self, *services: str) -> None:
        for service in services:
            until(lambda: self.is_ready(service), RECOVERED_SECONDS_MAX, f"{service} is ready")  # noqa: B023

    def trades_again(self) -> None:
        """An order is filled, as soon as risk has heard of its gateway again."""
        words = ("intent", "buy", "10", "SPY", "--follow")
        until(lambda: " FILLED " in self.cli(*words, check=False), RECOVERED_SECONDS_MAX, "an order is filled")

    def check(self) -> Mapping[str, int]:
        """The figures of `signalbox check`, which must find that everything adds up."""
        # An order that is approved while its gateway is killed may be refused at its deadline
        said = self.cli("check", "--accept-refusals", check=False)
        line = next((each for each in said.splitlines() if each.startswith(LAST)), "")
        assert line.endswith(" ok"), said
        return {name: int(figure) for name, figure in re.findall(r"(\w+)=(\d+)", line)}

    def in_cli(self, script: str) -> subprocess.Popen[str]:
        """A shell script that goes on in a container of the signalbox command."""
        return subprocess.Popen(
            [*self._command, "--project-name", self.name,
             "run", "--rm", "--no-TTY", "--entrypoint", "sh", "cli", "-c", script],
            cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def alerts(self) -> set[tuple[str, str]]:
        """What Alertmanager tells of: alert and job."""
        port = self.environment["SIGNALBOX_ALERTMANAGER_PORT"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/alerts?active=true", timeout=5) as answer:
                told = json.load(answer)
        except OSError:
            return set()
        return {(each["labels"]["alertname"], each["labels"].get("job", "")) for each in told}


def until(condition: Callable[[], object], seconds_max: float, what: str) -> None:
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds_max:g} s: {what}"
        time.sleep(POLL_SECONDS)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A desk as somebody gets it who types the one command, with Prometheus and Alertmanager beside it."""
    engine()
    running = Stack("desk")
    try:
        running.compose("--profile", "observability", "build", "--quiet", seconds_max=BUILD_SECONDS_MAX)
        running.up()
        yield running
    finally:
        running.down()


def test_one_command_starts_a_desk_that_is_ready(stack: Stack) -> None:
    for service in (*SERVICES, "nats", "simulators"):
        assert stack.is_ready(service), service
        assert stack.restarts(service) == 0, service
    rows = [json.loads(line) for line in stack.cli("status", "--json").splitlines()]
    assert {row["service"] for row in rows if row["state"] == "ready"} == set(SERVICES)


def test_it_trades_at_both_venues_and_adds_up(stack: Stack) -> None:
    for words in (
        ("buy", "100", "SPY"),
        ("buy", "0.02", "BTC-USD"),
        ("sell", "40", "SPY"),
        ("sell", "0.01", "BTC-USD"),
    ):
        assert " FILLED " in stack.cli("intent", *words, "--follow")
    denied = stack.cli("intent", "buy", "50000", "SPY", check=False)
    assert "denied" in denied
    found = stack.check()
    assert (found["intents"], found["approved"], found["denied"]) == (5, 4, 1)
    assert found["fills"] >= 4


def test_people_come_and_go_at_once_under_their_own_names(stack: Stack) -> None:
    for name, role in (("alice", "trader"), ("carol", "operator"), ("victor", "viewer")):
        assert f"{name} is in, as {role}" in stack.people("add", name, "--role", role)
    assert " FILLED " in stack.cli("--as", "alice", "intent", "buy", "10", "SPY", "--follow")
    named = 'SELECT DISTINCT "by" FROM decisions'
    until(lambda: '"alice"' in stack.cli("query", named, "--json"), 30, "the decision bears the name of who sent it")
    assert json.loads(stack.cli("--as", "carol", "halt", "a test", "--json"))["by"] == "carol"
    assert json.loads(stack.cli("--as", "carol", "resume", "--json"))["by"] == "carol"
    found = [json.loads(line) for line in stack.cli("doctor", "--json", check=False).splitlines()]
    checks = {each["check"]: each for each in found}
    assert {checks[name]["verdict"] for name in ("people.conf", "people", "names")} == {"ok"}, checks
    assert "the server lets in alice, carol, victor" in checks["people"]["observed"]
    stack.people("revoke", "victor")
    assert "there is no password of 'victor'" in stack.cli("--as", "victor", "orders", check=False)
    assert "from `bootstrap` alone" in stack.cli("people", "add", "mallory", "--role", "operator", check=False)
    assert stack.restarts("nats") == 0


def test_nats_dies_and_everything_goes_on(stack: Stack) -> None:
    stack.crash("nats")
    stack.wait_ready("nats", *SERVICES)
    stack.trades_again()
    stack.check()
    assert all(stack.restarts(service) == 0 for service in SERVICES), "a service ended although it can reconnect"


def test_services_die_in_the_middle_of_orders(stack: Stack) -> None:
    before = stack.check()["intents"]
    buying = "signalbox intent buy 1 SPY; signalbox intent buy 0.001 BTC-USD"
    trading = stack.in_cli(f"for n in {' '.join(map(str, range(ORDERS_MEANWHILE)))}; do {buying}; done; true")
    for service in MORTAL:
        stack.crash(service)
    said, _ = trading.communicate(timeout=RECOVERED_SECONDS_MAX)
    assert trading.returncode == 0, said
    stack.wait_ready(*MORTAL)
    assert stack.check()["intents"] == before + 2 * ORDERS_MEANWHILE


def test_more_instances_share_the_work(stack: Stack) -> None:
    stack.up("--scale", "indicators=3", "--scale", "risk=2", "--scale", "oms=2")
    assert len(stack.containers("indicators")) == 3
    stack.crash("indicators", number=2)
    stack.trades_again()
    until(
        lambda: (found := stack.check())["bars"] == found["scores"], RECOVERED_SECONDS_MAX, "every bar is scored once"
    )
    stack.up()
    assert [len(stack.containers(service)) for service in ("indicators", "risk", "oms")] == [1, 1, 1]


def test_a_gateway_without_its_venue_stays_up_and_says_so(stack: Stack) -> None:
    stack.compose("stop", "simulators", "gateway-ibkr", "gateway-dydx")
    gateways = ("gateway-ibkr", "gateway-dydx")
    stack.compose("start", *gateways)  # the engine counts its restarts from here
    for service in gateways:
        until(lambda: "not ready" in stack.cli("status", check=False), 60, "the gateways are not ready")
        assert not stack.is_ready(service)
        assert [each["State"]["Running"] for each in stack.containers(service)] == [True]
    stack.compose("start", "simulators")
    stack.wait_ready("simulators", *gateways)
    assert [stack.restarts(service) for service in gateways] == [0, 0]


def test_an_alert_fires_and_clears(stack: Stack) -> None:
    stack.up("prometheus", "alertmanager")
    until(
        lambda: ("Watchdog", "") in stack.alerts(), ALERT_SECONDS_MAX, "Prometheus tells Alertmanager of the Watchdog"
    )
    stack.compose("stop", "recorder")
    until(lambda: ("ServiceDown", "recorder") in stack.alerts(), ALERT_SECONDS_MAX, "ServiceDown of the recorder fires")
    stack.compose("start", "recorder")
    until(lambda: ("ServiceDown", "recorder") not in stack.alerts(), ALERT_SECONDS_MAX, "it clears")


def test_what_was_done_is_there_after_down_and_up(stack: Stack) -> None:
    orders = "SELECT order_id, status FROM orders ORDER BY order_id"
    before, figures = stack.cli("query", orders, "--json"), stack.check()
    stack.compose("--profile", "*", "down")
    stack.up()
    assert stack.cli("query", orders, "--json") == before
    assert stack.check()["intents"] == figures["intents"]
    assert "alice" in stack.cli("people", "list")
    assert stack.cli("--as", "alice", "query", orders, "--json") == before
    assert " FILLED " in stack.cli("intent", "sell", "5", "SPY", "--follow")


def test_live_is_refused_without_its_desk_file_and_secrets() -> None:
    engine()
    live = Stack("live")
    try:
        done = live.compose("--profile", "live", "up", "--detach", "--wait", check=False)
        said = live.compose("--profile", "live", "logs", "preflight").stdout
        assert done.returncode != 0
        assert 'says mode = "paper"' in said
        assert "SIGNALBOX_LIVE_CONFIRMATION" in said
        assert "SIGNALBOX_DYDX_NETWORK=local" in said
        running = live.compose("--profile", "*", "ps", "--services", "--status", "running").stdout.split()
        assert running == []
    finally:
        live.down()


@contextmanager
def gateway_on_this_machine(port: str) -> Iterator[None]:
    """An IB Gateway outside of any container, at every address of this machine."""
    command = [sys.executable, "-m", "simulators.tws", "--host", "0.0.0.0", "--port", port, "--symbols", "SPY"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert port in process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def link_of(stack: Stack) -> str:
    """What gateway-ibkr says of its link; "" = it does not answer."""
    said = re.findall(r"^{.*}$", stack.cli("status", "--json", check=False), re.M)
    rows = [row for row in map(json.loads, said) if row["service"] == "gateway-ibkr"]
    return str(rows[0]["details"].get("link", "")) if rows and isinstance(rows[0]["details"], dict) else ""


def test_a_gateway_on_this_machine_is_reached_once_it_is_there(tmp_path: Path) -> None:
    engine()
    desk = (ROOT / "deploy/desk.toml").read_text().replace('clock = "simulated"', 'clock = "wall"')
    (tmp_path / "paper.toml").write_text(desk)
    port = str(free_port())
    where = {"SIGNALBOX_DESK": str(tmp_path / "paper.toml"), "SIGNALBOX_IBKR_PORT": port}
    paper = Stack("paper", **where, env_file="deploy/compose/paper.env")
    try:
        paper.compose("up", "--detach", "gateway-ibkr")
        until(
            lambda: link_of(paper).startswith("DOWN"),
            60,
            "the gateway says that it has no link",
        )
        assert (paper.restarts("gateway-ibkr"), paper.is_ready("gateway-ibkr")) == (0, False)
        with gateway_on_this_machine(port):
            paper.wait_ready("gateway-ibkr")
            assert link_of(paper).startswith("READY")
        assert paper.restarts("gateway-ibkr") == 0
        told = paper.compose("logs", "bootstrap").stdout
        assert "`signalbox resume` lets orders through" in told, "a desk on the wall's clock must begin HALTED"
    finally:
        paper.down()


@pytest.mark.parametrize("service", [*SERVICES, "simulators", "cli"])
def test_an_image_holds_what_runs_and_no_more(stack: Stack, service: str) -> None:
    script = (
        "id -u; for each in gcc cc make; do command -v $each; done; cd /opt/signalbox/lib/python3.*/site-packages; "
        "ls -d /build /var/cache/pip pip tests; python -c 'import signalbox'"
    )
    done = subprocess.run(
        ["docker", "run", "--rm", "--entrypoint", "sh", f"signalbox/{service}:test", "-c", script],
        capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("10001\n", 0), done.stdout
