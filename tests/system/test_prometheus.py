"""A real Prometheus scrapes the running desk by the file that `signalbox up` writes; promtool finds nothing odd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from signalbox_cli.ports import free_port

SCRAPED_SECONDS_MAX = 40.0


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed (Debian: apt-get install prometheus)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def prometheus_port(desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:  # type: ignore[no-untyped-def]
    """It looks at everything every few seconds: all tests wait for the same look."""
    binary, tmp_path = program("prometheus"), tmp_path_factory.mktemp("prometheus")
    port = free_port()
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                binary,
                f"--config.file={desk.folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    yield port
    process.terminate()
    process.wait(30)


def read(port: int, path: str) -> dict[str, Any]:
    """The `data` of an answer; empty while Prometheus starts."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=5) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
    except OSError:
        return {}
    return data


def ask(port: int, query: str) -> dict[str, str]:
    """The value of each series by its `service` or `job` label."""
    result = read(port, f"query?query={urllib.parse.quote(query)}").get("result", [])
    return {series["metric"].get("service") or series["metric"]["job"]: series["value"][1] for series in result}


def rules(port: int) -> list[dict[str, Any]]:
    return [rule for group in read(port, "rules").get("groups", []) for rule in group["rules"]]


def test_prometheus_sees_every_service_ready(desk, prometheus_port: int) -> None:  # type: ignore[no-untyped-def]
    services = set(desk.facts["http_ports"])
    desk.until(lambda: set(ask(prometheus_port, "signalbox_ready == 1")) == services, SCRAPED_SECONDS_MAX)
    assert set(ask(prometheus_port, "process_resident_memory_bytes")) == services


def test_every_rule_can_be_evaluated_on_a_running_desk(desk, prometheus_port: int) -> None:  # type: ignore[no-untyped-def]
    services = set(desk.facts["http_ports"])
    desk.until(lambda: set(ask(prometheus_port, "up == 1")) == services, SCRAPED_SECONDS_MAX)
    seen = datetime.now(UTC)

    def evaluated_since() -> bool:
        times = [datetime.fromisoformat(rule["lastEvaluation"][:19] + "+00:00") for rule in rules(prometheus_port)]
        return bool(times) and min(times) > seen

    desk.until(evaluated_since, SCRAPED_SECONDS_MAX)
    assert {rule["name"]: rule["lastError"] for rule in rules(prometheus_port) if rule["health"] != "ok"} == {}
    firing = {alert["labels"]["alertname"] for alert in read(prometheus_port, "alerts")["alerts"]}
    assert "Watchdog" in firing


def test_promtool_finds_nothing_wrong_with_any_metric(desk) -> None:  # type: ignore[no-untyped-def]
    promtool = program("promtool")
    for service, port in desk.facts["http_ports"].items():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            metrics = answer.read()
        done = subprocess.run([promtool, "check", "metrics"], input=metrics, capture_output=True, check=False)
        assert done.returncode == 0, f"{service}: {done.stderr.decode()}"


def test_promtool_accepts_the_scrape_config(desk) -> None:  # type: ignore[no-untyped-def]
    done = subprocess.run(
        [program("promtool"), "check", "config", str(desk.folder / "prometheus.yml")], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
