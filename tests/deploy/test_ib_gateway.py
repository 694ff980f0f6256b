"""IB Gateway beside the desk: its compose file and manifest, the pace of its logins, and whether its API answers."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from gateway_ibkr.settings import LIVE_PORTS, PAPER_PORTS
from simulators.tws.gateway import Gateway
from simulators.tws.server import TwsServer
from simulators.world import World, WorldOptions

from . import manifest_rules
from .manifests import K8S, OVERLAYS, ROOT, environment, pod_of, rendered, workload
from .test_kubernetes import KUBERNETES_VERSIONS, secrets_of, validate

FOLDER = ROOT / "deploy" / "ib-gateway"
KEEPER, HEALTH = FOLDER / "keeper.sh", FOLDER / "api-health.sh"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
DESK: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
LOGIN = {"ib-gateway-login": {"user", "password"}}
SECONDS_MAX = 60.0
IMAGES_OWN = {
    *("TRADING_MODE", "TWS_PASSWORD_FILE", "TWS_SETTINGS_PATH", "TWS_ACCEPT_INCOMING", "READ_ONLY_API", "TIME_ZONE"),
    *("AUTO_RESTART_TIME", "TWOFA_TIMEOUT_ACTION", "RELOGIN_AFTER_TWOFA_TIMEOUT", "EXISTING_SESSION_DETECTED_ACTION"),
    "BYPASS_WARNING",
}
"""Variables that the image's README has; a setting that it does not know would be silently nothing."""


@pytest.fixture
def container() -> dict[str, Any]:
    found: dict[str, Any] = COMPOSE["services"]["ib-gateway"]
    return found


# ------------------------------------------------------------------------------------------------------- compose


def test_a_container_of_others_can_do_no_more_than_it_must(container: dict[str, Any]) -> None:
    assert container["user"] == "1000:1000"
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["mem_limit"]
    assert container["pids_limit"]
    assert container["logging"]["options"]["max-size"]
    assert not container.keys() & {"privileged", "cap_add", "ports", "network_mode"}


def test_the_api_is_reached_by_the_gateway_alone(container: dict[str, Any]) -> None:
    assert set(container["networks"]) == {"egress", "ib-api"}
    assert COMPOSE["networks"]["ib-api"] == {"internal": True}
    on_it = {name for name, each in COMPOSE["services"].items() if "ib-api" in each["networks"]}
    assert on_it == {"ib-gateway", "gateway-ibkr"}
    others = {name for name, each in DESK["services"].items() if "egress" in each.get("networks", [])}
    assert others == {"gateway-ibkr", "gateway-dydx", "alertmanager"}, "who else would reach it over `egress`?"


def test_no_secret_is_in_the_environment(container: dict[str, Any]) -> None:
    assert not container["environment"].keys() & {"TWS_USERID", "TWS_PASSWORD", "VNC_SERVER_PASSWORD"}
    for name, secret in (("TWS_USERID_FILE", "tws-user"), ("TWS_PASSWORD_FILE", "tws-password")):
        assert container["environment"][name] == f"/run/secrets/{secret}"
        assert secret in container["secrets"]
        assert ":?" in COMPOSE["secrets"][secret]["file"], "without its file nothing starts"


def test_every_variable_is_one_that_is_read(container: dict[str, Any]) -> None:
    read_by_keeper = {name for name in container["environment"] if f"${{{name}" in _scripts()} | {"TWS_USERID_FILE"}
    assert container["environment"].keys() <= IMAGES_OWN | read_by_keeper


def _scripts() -> str:
    return KEEPER.read_text() + HEALTH.read_text()


def test_an_approval_that_nobody_gives_is_not_asked_for_again_at_once(container: dict[str, Any]) -> None:
    assert container["environment"]["TWOFA_TIMEOUT_ACTION"] == "exit"
    assert container["environment"]["RELOGIN_AFTER_TWOFA_TIMEOUT"] == "no"
    assert container["command"][1] == "/opt/keeper/keeper.sh"


def test_the_nightly_restart_is_no_illness(container: dict[str, Any]) -> None:
    health = container["healthcheck"]
    assert int(health["interval"].rstrip("s")) * health["retries"] >= 300
    assert container["environment"]["AUTO_RESTART_TIME"]


def test_ports_of_the_container_are_known_to_be_live_or_paper() -> None:
    assert 4003 in LIVE_PORTS
    assert 4004 in PAPER_PORTS
    assert COMPOSE["services"]["gateway-ibkr"]["environment"]["SIGNALBOX_IBKR_PORT"].endswith(":-4004}")


def test_docker_compose_takes_both_files(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    for name in ("tws-user", "tws-password"):
        (tmp_path / name).write_text("secret\n")
    files = ["-f", "docker-compose.yml", "-f", "deploy/ib-gateway/compose.yaml"]
    settings = {"SIGNALBOX_IB_IMAGE": "registry.example/gnzsnz/ib-gateway:10.37.1n"}
    settings |= {"SIGNALBOX_TWS_USER_FILE": str(tmp_path / "tws-user")}
    settings |= {"SIGNALBOX_TWS_PASSWORD_FILE": str(tmp_path / "tws-password")}
    done = subprocess.run(
        [docker, "compose", *files, "--env-file", "deploy/ib-gateway/paper.env", "config"],
        cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False, timeout=SECONDS_MAX,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    merged = yaml.safe_load(done.stdout)["services"]
    assert merged["gateway-ibkr"]["environment"]["SIGNALBOX_IBKR_HOST"] == "ib-gateway"
    assert set(merged["gateway-ibkr"]["networks"]) == {"bus", "egress", "ib-api"}


# ------------------------------------------------------------------------------------------------------- manifests


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("rule", manifest_rules.RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(overlay: str, rule: Callable[..., Iterator[str]]) -> None:
    assert list(rule(rendered(overlay, ("ib-gateway",)))) == []


def test_every_reference_exists(overlay: str) -> None:
    objects = rendered(overlay, ("ib-gateway",))
    assert list(manifest_rules.every_reference_exists(objects, secrets_of(overlay) | LOGIN)) == []
    text = (ROOT / "docs" / "ib-gateway.md").read_text()
    assert "create secret generic ib-gateway-login --from-file=user=" in text, "who makes that Secret?"


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubernetes_knows_every_field(overlay: str, version: str) -> None:
    plain = {(each["kind"], each["metadata"]["name"]) for each in rendered(overlay)}
    for each in rendered(overlay, ("ib-gateway",)):
        if (each["kind"], each["metadata"]["name"]) not in plain or each["metadata"]["name"] == "gateway-ibkr":
            validate(json.dumps(each), version)


def test_the_gateway_is_sent_there(overlay: str) -> None:
    found = workload(rendered(overlay, ("ib-gateway",)), "gateway-ibkr")
    settings = environment(pod_of(found)["containers"][0])
    assert settings["SIGNALBOX_IBKR_HOST"]["value"] == "ib-gateway"
    assert settings["SIGNALBOX_IBKR_PORT"]["value"] == "4004"


def test_compose_and_kubernetes_tell_it_the_same(container: dict[str, Any]) -> None:
    found = workload(rendered("paper", ("ib-gateway",)), "ib-gateway")
    told = {name: entry["value"] for name, entry in environment(pod_of(found)["containers"][0]).items()}
    ours = dict(container["environment"])
    assert told.keys() == ours.keys()
    for name in told.keys() - {"TWS_USERID_FILE", "TWS_PASSWORD_FILE"}:
        default = ours[name].partition(":-")[2].rstrip("}") if ":-" in ours[name] else ours[name]
        assert told[name] == default, name
    assert ":?" in container["image"], "an image that gets a password is named by whoever has it"
    assert "/" not in pod_of(found)["containers"][0]["image"]
    assert (K8S / "components" / "ib-gateway").is_dir()


# ---------------------------------------------------------------------------------------------------------- health


@pytest.fixture
async def api() -> AsyncIterator[int]:
    world = World(WorldOptions(symbols=("SPY",), speed=0.0))
    async with TwsServer(Gateway(world), "127.0.0.1", 0) as server:
        yield server.port


async def _healthy(port: int) -> bool:
    settings = os.environ | {"KEEPER_API_PORT": str(port), "KEEPER_ANSWER_SECONDS_MAX": "2"}
    asked = await asyncio.create_subprocess_exec(str(HEALTH), env=settings)
    return await asyncio.wait_for(asked.wait(), SECONDS_MAX) == 0


async def test_an_api_that_answers_is_healthy(api: int) -> None:
    assert await _healthy(api)


async def test_a_port_that_takes_connections_and_says_nothing_is_not() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        assert not await _healthy(server.sockets[0].getsockname()[1])


async def test_a_port_that_ends_connections_is_not() -> None:
    async def ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(ends, "127.0.0.1", 0) as server:
        assert not await _healthy(server.sockets[0].getsockname()[1])


async def test_a_port_on_which_nobody_listens_is_not() -> None:
    assert not await _healthy(1)


# ---------------------------------------------------------------------------------------------------------- keeper


class Keeper:
    """The keeper with a clock that its own sleeping moves, and a program that notes each login."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now, self.logins = folder, folder / "now", folder / "logged-in"
        programs = folder / "bin"
        programs.mkdir()
        self.now.write_text("1000000\n")
        self._program(programs / "date", f'cat "{self.now}"')
        self._program(
            programs / "sleep",
            f'echo $(($(cat "{self.now}") + $1)) > "{self.now}.new"; mv "{self.now}.new" "{self.now}"',
        )
        self.gateway = self._program(
            folder / "gateway", f'echo "$(cat "{self.now}") ${{TWS_USERID-}}" >> "{self.logins}"; exit 3'
        )
        self.health = self._program(folder / "health", "exit 0")
        self.settings = {"PATH": f"{programs}:{os.environ['PATH']}", "KEEPER_FOLDER": str(folder / "state")}
        self.settings |= {"KEEPER_HEALTH": str(self.health)}

    def _program(self, path: Path, line: str) -> Path:
        path.write_text(f"#!/bin/bash\n{line}\n")
        path.chmod(0o755)
        return path

    def lives(self) -> None:
        """Have the gateway run until it is told to stop."""
        self._program(
            self.gateway,
            f'echo "$(cat "{self.now}")" >> "{self.logins}"; trap "exit 0" TERM; while :; do /bin/sleep 0.05; done',
        )

    def silent(self) -> None:
        self._program(self.health, "exit 1")

    def hook(self, line: str) -> None:
        self.settings["KEEPER_HOOK"] = str(self._program(self.folder / "hook", line))

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen([str(KEEPER), str(self.gateway)], env=self.settings, stderr=subprocess.PIPE, text=True)

    def run(self) -> tuple[int, str]:
        done = subprocess.run(
            [str(KEEPER), str(self.gateway)],
            env=self.settings, capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
        )  # fmt: skip
        return done.returncode, done.stderr

    def times(self) -> list[int]:
        """When the keeper let the gateway log in, as it counts; as often as that happened."""
        counted = [int(line) for line in (self.folder / "state" / "logins").read_text().split()]
        return counted[-len(self.logins.read_text().splitlines()) :]


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def test_logins_keep_their_pace_however_often_the_container_is_restarted(keeper: Keeper) -> None:
    for _ in range(8):
        assert keeper.run()[0] == 3
    times = keeper.times()
    assert len(times) == 8
    assert all(later - earlier >= 600 for earlier, later in pairwise(times))
    assert all(later - earlier >= 21600 for earlier, later in zip(times, times[3:], strict=False)), "three in six hours"


def test_a_first_login_waits_for_nothing(keeper: Keeper) -> None:
    status, said = keeper.run()
    assert (status, keeper.times()) == (3, [1000000])
    assert "the next one" not in said


@pytest.mark.parametrize("lines", ["nonsense\n", "99999999999\n", "-5\n", "12 34\n"])
def test_a_file_that_is_damaged_brings_no_login_forward(keeper: Keeper, lines: str) -> None:
    (keeper.folder / "state").mkdir()
    (keeper.folder / "state" / "logins").write_text(lines)
    keeper.run()
    assert keeper.times()[0] >= 1000000 + 600


def test_without_a_place_to_count_there_is_no_login(keeper: Keeper) -> None:
    keeper.settings["KEEPER_FOLDER"] = "/proc/none"
    status, said = keeper.run()
    assert status == 2
    assert "logins could not be counted, so there is none" in said
    assert not keeper.logins.exists()


def test_the_users_name_comes_out_of_its_file(keeper: Keeper, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("wilhelmina\n")
    keeper.settings["TWS_USERID_FILE"] = str(tmp_path / "user")
    _, said = keeper.run()
    assert keeper.logins.read_text().split()[1] == "wilhelmina"
    assert "wilhelmina" not in said


def test_a_name_that_can_not_be_read_is_no_login(keeper: Keeper) -> None:
    keeper.settings["TWS_USERID_FILE"] = "/none"
    assert keeper.run()[0] == 2
    assert not keeper.logins.exists()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _heard(running: subprocess.Popen[str], words: str) -> None:
    assert running.stderr is not None
    for line in running.stderr:
        if words in line:
            return
    raise AssertionError(f"it never says {words!r}")


def test_a_silent_api_is_said_and_nothing_restarted_without_a_hook(keeper: Keeper) -> None:
    keeper.lives()
    keeper.silent()
    with keeper.start() as running:
        _heard(running, "no KEEPER_HOOK: nothing is restarted")
        _heard(running, "no KEEPER_HOOK: nothing is restarted")
        assert keeper.times() == [1000000]
        running.send_signal(signal.SIGTERM)
        assert running.stderr is not None
        running.stderr.read()
        assert running.wait(SECONDS_MAX) == 143


@pytest.mark.parametrize(("answer", "restarted"), [("exit 0", True), ("exit 1", False)])
def test_a_silent_api_is_restarted_when_the_hook_says_so(keeper: Keeper, answer: str, restarted: bool) -> None:
    keeper.lives()
    keeper.silent()
    asked = keeper.folder / "asked"
    keeper.hook(f'echo "$1" >> "{asked}"; {answer}')
    with keeper.start() as running:
        _until(lambda: asked.exists() and len(asked.read_text().split()) >= (1 if restarted else 2))
        assert int(asked.read_text().split()[0]) > 1200
        if not restarted:
            assert running.poll() is None
            running.send_signal(signal.SIGTERM)
        assert running.stderr is not None
        running.stderr.read()
        assert running.wait(SECONDS_MAX) == (1 if restarted else 143)


def test_the_nightly_restart_asks_nobody(keeper: Keeper) -> None:
    keeper.lives()
    asked, beats = keeper.folder / "asked", keeper.folder / "beats"
    keeper.hook(f'touch "{asked}"')
    # silent for three minutes of desk time out of every twenty
    keeper._program(keeper.health, f'echo . >> "{beats}"; (( $(cat "{keeper.now}") % 1200 >= 180 ))')
    with keeper.start() as running:
        _until(lambda: beats.exists() and beats.read_text().count(".") > 200)
        running.send_signal(signal.SIGTERM)
        assert running.stderr is not None
        running.stderr.read()
        assert running.wait(SECONDS_MAX) == 143
    assert not asked.exists()
