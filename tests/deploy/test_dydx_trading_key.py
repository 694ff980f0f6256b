"""The desk with a key that can only trade, deployed: the wallet's words are nowhere, by compose and by Kubernetes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from . import manifest_rules
from .manifests import OVERLAYS, ROOT, environment, pod_of, rendered, workload
from .test_kubernetes import secrets_of

WORDS, KEY = "SIGNALBOX_DYDX_MNEMONIC_FILE", "SIGNALBOX_DYDX_TRADING_KEY_FILE"
FILE = "deploy/compose/dydx-trading-key.yaml"
SECONDS_MAX = 60
NAME = "dydx-trading-key"


class _Loader(yaml.SafeLoader):
    """Knows compose's `!reset`: what the other file says is taken away."""


_Loader.add_constructor("!reset", lambda loader, node: "reset")


def test_compose_takes_the_words_away_wherever_it_names_them() -> None:
    desk = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    services = yaml.load((ROOT / FILE).read_text(), _Loader)["services"]
    assert set(services) == {name for name, each in desk.items() if WORDS in (each.get("environment") or {})}
    for each in services.values():
        assert each == {"environment": {WORDS: "reset", KEY: f"/run/secrets/{NAME}"}}


def test_docker_compose_takes_both_files() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    done = subprocess.run(
        [docker, "compose", "-f", "docker-compose.yml", "-f", FILE, "config"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS_MAX,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    settings = yaml.safe_load(done.stdout)["services"]["gateway-dydx"]["environment"]
    assert WORDS not in settings
    assert settings[KEY] == f"/run/secrets/{NAME}"


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_pod_has_the_key_and_no_words(overlay: str) -> None:
    pod = pod_of(workload(rendered(overlay, (NAME,)), "gateway-dydx"))
    settings = environment(pod["containers"][0])
    assert WORDS not in settings
    folder, _, file = settings[KEY]["value"].rpartition("/")
    mount = next(each for each in pod["containers"][0]["volumeMounts"] if each["mountPath"] == folder)
    volume = next(each for each in pod["volumes"] if each["name"] == mount["name"])
    assert (volume["secret"], file) == ({"secretName": NAME, "defaultMode": 0o400}, "trading-key")
    told = (ROOT / "docs" / "dydx-keys.md").read_text()
    assert f"create secret generic {NAME} --from-file={file}=" in told, "who makes that Secret?"


@pytest.mark.parametrize("rule", manifest_rules.RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(overlay: str, rule: Callable[..., Iterator[str]]) -> None:
    assert list(rule(rendered(overlay, (NAME,)))) == []


def test_every_reference_exists_without_the_wallets_secret(overlay: str) -> None:
    known: dict[str, Any] = {name: keys for name, keys in secrets_of(overlay).items() if name != "dydx-wallet"}
    assert (
        list(manifest_rules.every_reference_exists(rendered(overlay, (NAME,)), known | {NAME: {"trading-key"}})) == []
    )
