"""docker-compose.yml and the Dockerfile, read: what no container may do, who reaches whom, whose secret is whose."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from signalbox.bus.bootstrap import USERS
from signalbox.services import SERVICES
from signalbox_cli import secret_files

ROOT = Path(__file__).resolve().parents[2]
FILE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
CONTAINERS: dict[str, dict[str, Any]] = FILE["services"]
OURS = {*SERVICES, "simulators"}
THIRD_PARTIES = {"nats", "prometheus", "alertmanager", "grafana"}
ONCE = {"secrets", "bootstrap", "preflight", "live", "cli", "people"}
MONITORING = {"prometheus", "alertmanager", "grafana"}
REACH_OUT = {"gateway-ibkr", "gateway-dydx", "alertmanager"}


def mounts(name: str) -> dict[str, tuple[str, bool]]:
    """What is mounted where, and whether it can be written, by what it is."""
    found = {}
    for each in CONTAINERS[name].get("volumes", []):
        if isinstance(each, str):
            source, target, *mode = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", each).split(":")
            found[source] = (target, mode != ["ro"])
        else:
            source = re.sub(r"\$\{\w+:-(.*)\}", r"\1", each["source"])
            found[source] = (each["target"], not each.get("read_only", False))
    return found


def started(profile: str) -> set[str]:
    return {name for name, each in CONTAINERS.items() if not each.get("profiles") or profile in each["profiles"]}


@pytest.fixture(params=sorted(CONTAINERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_container_is_known_here() -> None:
    assert set(CONTAINERS) == OURS | THIRD_PARTIES | ONCE


def test_a_container_can_do_no_more_than_it_must(name: str) -> None:
    each = CONTAINERS[name]
    assert each["user"] == "10001:10001"
    assert each["read_only"] is True
    assert each["cap_drop"] == ["ALL"]
    assert "cap_add" not in each
    assert each["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in each
    assert each["init"] is True
    assert each["mem_limit"]
    assert each["pids_limit"]
    assert each["logging"]["options"]["max-size"]
    assert each["restart"] == ("no" if name in ONCE else "unless-stopped")


def test_a_port_is_published_on_loopback_alone(name: str) -> None:
    for port in CONTAINERS[name].get("ports", []):
        assert port.startswith("127.0.0.1:"), port
    assert not CONTAINERS[name].get("ports") or name in THIRD_PARTIES


def test_only_who_must_has_a_way_out(name: str) -> None:
    assert FILE["networks"]["bus"] == {"internal": True}
    ways_out = {network for network in CONTAINERS[name].get("networks", []) if network not in ("bus", "published")}
    assert ways_out == ({"egress"} if name in REACH_OUT else set())
    assert FILE["networks"]["published"]["driver_opts"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"


def test_nobody_sees_the_secrets_of_another(name: str) -> None:
    secrets = {source for source in mounts(name) if source.endswith("-secrets")}
    own = {
        "secrets": {volume for volume in FILE["volumes"] if volume.endswith("-secrets")},
        "cli": {"people-secrets"},
        "preflight": {"gateway-ibkr-secrets", "gateway-dydx-secrets"},
        "people": {"people-secrets", "registrar-secrets"},
    }
    assert secrets <= own.get(name, {f"{name}-secrets"})
    written = {source for source, (_, writes) in mounts(name).items() if source in secrets and writes}
    assert written == {"secrets": own["secrets"], "people": {"people-secrets"}}.get(name, set())


def test_who_lets_people_in_runs_for_that_alone_and_is_the_only_one_who_may(name: str) -> None:
    file = {source: access for source, access in mounts(name).items() if source == "nats-people"}
    if name == "people":
        assert CONTAINERS[name]["profiles"] == ["tools"]
        assert CONTAINERS[name]["networks"] == ["bus"]
        assert file["nats-people"][1]
    else:
        assert "registrar-secrets" not in mounts(name) or name == "secrets"
        assert file.keys() <= ({"nats-people"} if name in ("nats", "cli", "secrets") else set())
        assert name == "secrets" or not any(writes for _, writes in file.values())


def test_what_people_are_let_in_by_lies_where_its_settings_say() -> None:
    folder = Path("/run/secrets")
    where = {source: Path(target) for source, (target, _) in mounts("people").items()}
    made = {source: Path(target) for source, (target, _) in mounts("secrets").items()}
    settings = CONTAINERS["people"]["environment"]
    assert settings["SIGNALBOX_PEOPLE_FILE"] == str(folder / secret_files.PEOPLE_FILE)
    assert Path(settings["SIGNALBOX_PEOPLE_FILE"]).parent == where["nats-people"] == made["nats-people"]
    assert Path(settings["SIGNALBOX_CREDENTIALS_FOLDER"]) == where["people-secrets"] == made["people-secrets"]
    for variable, file in (("NATS_PASSWORD", secret_files.NATS_PASSWORD), ("SEALS", secret_files.SEALS)):
        assert settings[f"SIGNALBOX_{variable}_FILE"] == str(folder / secret_files.REGISTRAR / file)
    assert where["registrar-secrets"] == made["registrar-secrets"] == folder / secret_files.REGISTRAR
    assert Path(CONTAINERS["cli"]["environment"]["SIGNALBOX_PEOPLE_FILE"]).parent == Path(
        mounts("cli")["nats-people"][0]
    )


def test_a_volume_that_is_new_belongs_to_who_writes_it() -> None:
    """It takes the owner of what it is mounted on in the first image that has it: there has to be something."""
    made = re.findall(
        r"for name in ([^;]*); do \\\s+install [^\n]*\"(/[a-z/]+)/\$name\"", (ROOT / "Dockerfile").read_text()
    )
    folders = {f"{under}/{name}" for names, under in made for name in names.replace("\\\n", " ").split()}
    folders |= {"/run/secrets", "/data"}
    for name in ONCE:
        for source, (target, _) in mounts(name).items():
            assert not re.fullmatch(r"[a-z-]+", source) or target in folders, f"{name}: {source} at {target}"


def test_every_user_of_nats_has_a_volume_for_its_password() -> None:
    made = {target for source, (target, _) in mounts("secrets").items() if source.endswith("-secrets")}
    folder = Path("/run/secrets")
    assert {str(secret_files.password_file(folder, user).parent) for user in USERS} <= made
    assert {"/run/secrets/nats", "/run/secrets/grafana"} <= made


def test_no_password_stands_in_the_file() -> None:
    for name, each in CONTAINERS.items():
        for variable, value in (each.get("environment") or {}).items():
            secret = re.search(r"PASSWORD|MNEMONIC|CONFIRMATION|TOKEN", variable)
            assert not secret or variable.endswith("_FILE"), f"{name}: {variable}"
            assert not secret or value is None or value.startswith("/run/secrets/"), f"{name}: {variable}"


def test_an_image_is_built_for_each_of_our_containers() -> None:
    for name in OURS | ONCE:
        built = "cli" if name in ONCE else name
        assert CONTAINERS[name]["build"] == {"context": ".", "args": {"SERVICE": built}}
        folder = ROOT / ("services" if built in SERVICES else "") / built
        version = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["version"]
        assert CONTAINERS[name]["image"] == f"signalbox/{built}:${{SIGNALBOX_VERSION:-{version}}}"
        assert f'image.version="{version}"' in (ROOT / "Dockerfile").read_text()


def test_a_service_is_itself_to_nats(name: str) -> None:
    if name in SERVICES:
        assert CONTAINERS[name]["environment"]["SIGNALBOX_NATS_USER"] == name


def test_a_service_waits_for_the_bus_and_its_streams(name: str) -> None:
    if name in OURS:
        assert CONTAINERS[name]["depends_on"] == {
            "nats": {"condition": "service_healthy"},
            "bootstrap": {"condition": "service_completed_successfully"},
        }


def test_profiles_start_what_they_say() -> None:
    desk = {*SERVICES, "nats", "secrets", "preflight", "bootstrap"}
    assert (ROOT / ".env").read_text().splitlines()[-1] == "COMPOSE_PROFILES=simulated"
    assert started("simulated") == desk | {"simulators"}
    assert started("observability") == desk | {"simulators"} | MONITORING
    assert started("monitoring") == desk | MONITORING
    assert started("live") == desk | {"live"}


def test_everything_waits_for_the_preflight(name: str) -> None:
    if name in {"secrets", "preflight", "live", "cli", "people"}:
        return
    waits, names = set(), {name}
    while names:
        needed = [(each, how) for name in names for each, how in CONTAINERS[name].get("depends_on", {}).items()]
        assert all(how.get("required", True) for each, how in needed if each != "live"), "its failure would only warn"
        names = {each for each, _ in needed} - waits
        waits |= names
    assert "preflight" in waits


def test_naming_a_container_asks_for_nothing_live() -> None:
    """Compose turns on every profile of a container that is named."""
    assert [name for name, each in CONTAINERS.items() if "live" in each.get("profiles", [])] == ["live"]


def test_what_is_mounted_from_here_is_here(name: str) -> None:
    for source in mounts(name):
        if source.startswith("./"):
            assert (ROOT / source).exists(), source


BASE = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+\.\d+[a-z0-9.-]*")


def test_every_base_image_has_its_full_version() -> None:
    kustomization = yaml.safe_load((ROOT / "deploy/k8s/base/kustomization.yaml").read_text())
    images = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.M)
    images += [re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", each["image"]) for each in CONTAINERS.values()]
    images += [f"{each['name']}:{each['newTag']}" for each in kustomization["images"]]
    images = [re.sub(r"\$\{\w+:-(.*)\}$", r"\1", image) for image in images]
    assert not [image for image in images if not BASE.fullmatch(image)]
