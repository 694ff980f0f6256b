"""The one list of services (`signalbox.services`) beside every place that has to be written by hand: none differs."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from signalbox.services import SERVICES, TABLE

ROOT = Path(__file__).resolve().parents[2]


def text(path: str) -> str:
    return (ROOT / path).read_text()


def documents(folder: str) -> list[dict[str, Any]]:
    return [each for file in (ROOT / folder).glob("*.yaml") for each in yaml.safe_load_all(file.read_text()) if each]


def folders() -> set[str]:
    return {path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")}


def packages() -> set[str]:
    """Folders of the name that Python calls it, with a way to start it."""
    return {path.parents[1].name for path in (ROOT / "services").glob("*/*/__main__.py") if is_package_of(path)}


def is_package_of(path: Path) -> bool:
    return path.parent.name == path.parents[1].name.replace("-", "_")


def requirements() -> set[str]:
    return {name for name in SERVICES if (ROOT / f"requirements/{name}.txt").is_file()}


def images_of_compose() -> set[str]:
    """What compose starts, with the user, the image and the password of its own name."""
    containers = yaml.safe_load(text("docker-compose.yml"))["services"]
    return {
        name
        for name, each in containers.items()
        if each.get("environment", {}).get("SIGNALBOX_NATS_USER") == name
        and each["build"]["args"] == {"SERVICE": name}
        and each["image"].startswith(f"signalbox/{name}:")
        and any(volume == f"{name}-secrets:/run/secrets:ro" for volume in each["volumes"])
    }


def volumes_of_compose() -> set[str]:
    volumes = yaml.safe_load(text("docker-compose.yml"))["volumes"]
    return {name.removesuffix("-secrets") for name in volumes if name.endswith("-secrets")} & {*SERVICES, *folders()}


def workloads() -> set[str]:
    """What the manifests run, from the image of its own name."""
    return {
        each["metadata"]["name"]
        for each in documents("deploy/k8s/base")
        if each["kind"] in ("Deployment", "StatefulSet")
        and each["metadata"]["name"] in {*SERVICES, *folders()}
        and any(
            re.fullmatch(rf"signalbox/{each['metadata']['name']}(:.*)?", container["image"])
            for container in each["spec"]["template"]["spec"]["containers"]
        )
    }


def network_policies() -> set[str]:
    policies = [each for each in documents("deploy/k8s/network-policies") if each["kind"] == "NetworkPolicy"]
    return {each["metadata"]["name"] for each in policies} & {*SERVICES, *folders()}


def kustomized() -> set[str]:
    return {
        name.removesuffix(".yaml") for name in yaml.safe_load(text("deploy/k8s/base/kustomization.yaml"))["resources"]
    } & {*SERVICES, *folders()}


def targets_of_prometheus() -> set[str]:
    jobs = yaml.safe_load(text("deploy/prometheus/prometheus.yml"))["scrape_configs"]
    return {job["job_name"] for job in jobs if job.get("dns_sd_configs", [{}])[0].get("names") == [job["job_name"]]}


def folders_of_the_image() -> set[str]:
    return set(re.search(r"for name in (.*?); do", text("Dockerfile").replace("\\\n", ""))[1].split()) & {  # type: ignore[index]
        *SERVICES,
        *folders(),
    }


def made_by_make() -> set[str]:
    words = re.search(r"^DISTRIBUTIONS := (.*)$", text("Makefile"), re.M)[1].split()  # type: ignore[index]
    return {word.removeprefix("services/") for word in words if word.startswith("services/")}


def typed() -> set[str]:
    paths = tomllib.loads(text("pyproject.toml"))["tool"]["mypy"]["mypy_path"]
    return {path.removeprefix("services/") for path in paths if path.startswith("services/")}


def independent() -> set[str]:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    named = contracts["importlinter:contract:services-independent"]["modules"].split()
    return {row.name for row in TABLE if row.package in named} | ({*named} - {row.package for row in TABLE})


PLACES: list[Callable[[], set[str]]] = [
    folders, packages, requirements, images_of_compose, volumes_of_compose, workloads, network_policies, kustomized,
    targets_of_prometheus, folders_of_the_image, made_by_make, typed, independent,
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_place_knows_every_service_and_no_other(place: Callable[[], set[str]]) -> None:
    assert place() == set(SERVICES)


@pytest.mark.parametrize("contract", ["shared-knows-nobody", "services-know-no-simulator", "simulators-stand-alone"])
def test_a_contract_about_services_names_all_of_them(contract: str) -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    words = " ".join(contracts[f"importlinter:contract:{contract}"].values()).split()
    assert {row.package for row in TABLE} <= set(words)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_service_is_explained_where_people_look(row: Any) -> None:
    for path in ("README.md", "docs/metrics.md", "docs/nats-permissions.md"):
        assert row.name in text(path), f"{path} says nothing of {row.name}"
