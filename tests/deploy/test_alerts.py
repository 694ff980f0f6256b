"""The alert rules and Alertmanager's routes are valid; each alert is tested, has a severity and a runbook."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

SEVERITIES = {"page", "ticket", "info"}

Program = Callable[[str], str]


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, check=False)


def alerts(deploy_folder: Path) -> list[dict[str, Any]]:
    return [
        rule
        for path in sorted((deploy_folder / "prometheus/rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


def expectations(deploy_folder: Path) -> list[tuple[str, str, bool]]:
    """Alert, severity ("" when it is to be silent) and whether it fires, of everything that the unit tests expect."""
    return [
        (case["alertname"], label, fires)
        for path in (deploy_folder / "prometheus/tests").glob("*.yml")
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test["alert_rule_test"]
        for label, fires in [(each["exp_labels"]["severity"], True) for each in case["exp_alerts"]] or [("", False)]
    ]


# ------------------------------------------------------------------------------------------- what their tools say


def test_promtool_accepts_the_rules(program: Program, deploy_folder: Path) -> None:
    done = run(program("promtool"), "check", "rules", *sorted((deploy_folder / "prometheus/rules").glob("*.yml")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_configuration(program: Program, deploy_folder: Path) -> None:
    done = run(program("promtool"), "check", "config", deploy_folder / "prometheus/prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_and_is_silent_as_its_unit_tests_say(program: Program, deploy_folder: Path) -> None:
    done = run(program("promtool"), "test", "rules", *sorted((deploy_folder / "prometheus/tests").glob("*.yml")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_amtool_accepts_the_configuration(program: Program, deploy_folder: Path) -> None:
    done = run(program("amtool"), "check-config", deploy_folder / "alertmanager/alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_amtool_accepts_every_way_out_that_the_configuration_shows(
    program: Program, deploy_folder: Path, tmp_path: Path
) -> None:
    """The commented receivers are written under `page`, as a person would."""
    text = (deploy_folder / "alertmanager/alertmanager.yml").read_text()
    shown = [line.removeprefix("#")[1:] for line in text.splitlines() if re.match(r"#   \S|#     ", line)]
    assert [line for line in shown if line.endswith("_configs:")], "the examples are not found any more"
    config = tmp_path / "alertmanager.yml"
    config.write_text(
        text.replace("- name: page\n", "\n".join(["- name: page", *("  " + line for line in shown)]) + "\n")
    )
    assert len(yaml.safe_load(config.read_text())["receivers"][0]) > 4
    done = run(program("amtool"), "check-config", config)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=NatsDown", "severity=page"], "page"),
        (["alertname=VenueDisconnected", "severity=page", "venue=ibkr"], "page"),
        (["alertname=RecorderLagging", "severity=ticket"], "ticket"),
        (["alertname=SomethingNew"], "ticket"),
        (["alertname=SomethingNew", "severity=info"], "nobody"),
        (["alertname=Watchdog", "severity=info"], "dead-mans-switch"),
    ],
)
def test_alert_is_routed_by_its_severity(
    program: Program, deploy_folder: Path, labels: list[str], receiver: str
) -> None:
    config = deploy_folder / "alertmanager/alertmanager.yml"
    done = run(program("amtool"), "config", "routes", "test", f"--config.file={config}", *labels)
    assert (done.returncode, done.stdout.strip()) == (0, receiver), done.stderr


# -------------------------------------------------------------------------------------------- what every alert has


def test_every_alert_has_a_severity_and_says_what_it_means(deploy_folder: Path) -> None:
    for rule in alerts(deploy_folder):
        assert rule["labels"]["severity"] in SEVERITIES, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}, rule["alert"]


def test_every_alert_is_seen_to_fire_with_its_severity_and_to_be_silent(deploy_folder: Path) -> None:
    expected = expectations(deploy_folder)
    fired = {(name, severity) for name, severity, fires in expected if fires}
    silent = {name for name, _, fires in expected if not fires} | {"Watchdog"}
    rules = {(rule["alert"], rule["labels"]["severity"]) for rule in alerts(deploy_folder)}
    assert rules - fired == set(), "no unit test makes it fire"
    assert {name for name, _ in rules} - silent == set(), "no unit test has it silent"
    assert fired - rules == set(), "a unit test is about an alert that there is not"


def test_every_inhibition_is_about_alerts_that_there_are(deploy_folder: Path) -> None:
    names = {rule["alert"] for rule in alerts(deploy_folder)}
    config = yaml.safe_load((deploy_folder / "alertmanager/alertmanager.yml").read_text())
    matchers = [
        matcher for rule in config["inhibit_rules"] for matcher in rule["source_matchers"] + rule["target_matchers"]
    ]
    spoken_of = {
        name for matcher in matchers if matcher.startswith("alertname") for name in matcher.split('"')[1].split("|")
    }
    assert spoken_of
    assert spoken_of - names == set()


def test_every_target_of_the_configuration_is_a_job_of_its_own_name(deploy_folder: Path) -> None:
    config = yaml.safe_load((deploy_folder / "prometheus/prometheus.yml").read_text())
    discovered = {
        job["job_name"]: source for job in config["scrape_configs"] for source in job.get("dns_sd_configs", [])
    }
    services = {path.name for path in (deploy_folder.parent / "services").iterdir() if path.is_dir()}
    assert set(discovered) == services
    for service, source in discovered.items():
        assert (source["names"], source["type"], source["port"]) == ([service], "A", 8080)
