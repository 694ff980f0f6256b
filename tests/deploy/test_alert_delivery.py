"""A real Prometheus and a real Alertmanager, with the rules and routes as they are: who is told, and who is spared.

Two things are changed: every `for:` is cut (the unit tests of the rules hold those), and receivers lead to a listener.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from signalbox.services import SERVICES

DELIVERED_SECONDS_MAX = 60.0

HEALTHY = {
    "signalbox_bus_connected": 1.0,
    "signalbox_ready": 1.0,
    'signalbox_venue_link{venue="ibkr",status="READY"}': 1.0,
    'signalbox_venue_link{venue="dydx",status="READY"}': 1.0,
    'signalbox_venue_subscription_open{venue="ibkr",symbol="SPY"}': 1.0,
    'signalbox_venue_subscription_open{venue="dydx",symbol="BTC-USD"}': 1.0,
    'signalbox_venue_last_message_age_seconds{venue="ibkr",symbol="SPY",data="bars"}': 1.0,
    'signalbox_venue_last_message_age_seconds{venue="dydx",symbol="BTC-USD",data="quotes"}': 1.0,
    'signalbox_oms_oldest_order_seconds{venue="ibkr",account="DU1",status="UNKNOWN"}': 0.0,
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class World:
    """What every service of the desk shows, and what the receivers have been told."""

    def __init__(self) -> None:
        self.figures = dict(HEALTHY)
        self.told: list[tuple[str, str, dict[str, str]]] = []
        """Receiver, "firing" or "resolved", and the labels of each alert."""
        world = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = "".join(f"{series} {value}\n" for series, value in world.figures.items()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                world.told += [(self.path[1:], alert["status"], alert["labels"]) for alert in said["alerts"]]
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: a scrape is no event."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.port = self.server.server_port
        self.alertmanager_port, self.prometheus_port = free_port(), free_port()

    def heard(self, receiver: str, status: str, **labels: str) -> bool:
        return any(
            (to, said) == (receiver, status) and labels.items() <= found.items() for to, said, found in self.told
        )

    def spoken_of(self) -> set[str]:
        return {labels["alertname"] for _, _, labels in self.told}

    def states(self) -> dict[tuple[str, str], str]:
        """Each alert that Alertmanager has, by name and venue: active or suppressed."""
        url = f"http://127.0.0.1:{self.alertmanager_port}/api/v2/alerts"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                alerts: list[dict[str, Any]] = json.load(answer)
        except OSError:
            return {}
        return {(a["labels"]["alertname"], a["labels"].get("venue", "")): a["status"]["state"] for a in alerts}

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + DELIVERED_SECONDS_MAX
        while not condition():
            assert time.monotonic() < deadline, f"told: {self.told}\nAlertmanager has: {self.states()}"
            time.sleep(0.1)


def alertmanager_config(config: dict[str, Any], port: int) -> dict[str, Any]:
    """The routes as they are, in seconds instead of minutes, and every receiver a webhook."""
    for receiver in config["receivers"]:
        if receiver["name"] != "nobody":
            receiver["webhook_configs"] = [{"url": f"http://127.0.0.1:{port}/{receiver['name']}"}]
    for route in (config["route"], *config["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    return config


def prometheus_config(world: World, rules: Path) -> dict[str, Any]:
    target = [{"targets": [f"127.0.0.1:{world.port}"]}]
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{rules}/*.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{world.alertmanager_port}"]}]}]},
        "scrape_configs": [{"job_name": service, "static_configs": target} for service in SERVICES],
    }


def hasty_rules(source: Path, target: Path) -> Path:
    target.mkdir()
    for path in source.glob("*.yml"):
        groups = yaml.safe_load(path.read_text())
        for group in groups["groups"]:
            group["interval"] = "1s"
            for rule in group["rules"]:
                rule.pop("for", None)
        (target / path.name).write_text(yaml.safe_dump(groups))
    return target


@pytest.fixture(scope="module")
def world(
    program: Callable[[str], str], deploy_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder, world = tmp_path_factory.mktemp("alerting"), World()
    routes = yaml.safe_load((deploy_folder / "alertmanager/alertmanager.yml").read_text())
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(alertmanager_config(routes, world.port)))
    rules = hasty_rules(deploy_folder / "prometheus/rules", folder / "rules")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(prometheus_config(world, rules)))
    commands = {
        "prometheus": [
            *(f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/series"),
            *("--rules.alert.resend-delay=1s", f"--web.listen-address=127.0.0.1:{world.prometheus_port}"),
        ],
        "prometheus-alertmanager": [
            *(f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alerts"),
            *(f"--web.listen-address=127.0.0.1:{world.alertmanager_port}", "--cluster.listen-address="),
        ],
    }
    thread = threading.Thread(target=world.server.serve_forever, daemon=True)
    thread.start()
    processes = []
    for name, options in commands.items():
        with (folder / f"{name}.log").open("wb") as log:
            processes.append(
                subprocess.Popen([program(name), *options], stdout=log, stderr=log, env=dict(os.environ), cwd=folder)
            )
    try:
        world.until(lambda: world.heard("dead-mans-switch", "firing", alertname="Watchdog"))
        yield world
    finally:
        for process in processes:
            process.terminate()
            process.wait(30)
        world.server.shutdown()
        world.server.server_close()
        thread.join()


@pytest.fixture
def healthy(world: World) -> World:
    """Everything is well: only the dead man's switch is fed."""
    world.figures = dict(HEALTHY)
    world.until(lambda: world.states() == {("Watchdog", ""): "active"})
    world.told.clear()
    return world


def test_without_nats_one_page_is_sent_and_money_at_risk_stays_audible(healthy: World) -> None:
    healthy.figures["signalbox_bus_connected"] = 0.0
    healthy.until(lambda: healthy.heard("page", "firing", alertname="NatsDown"))
    healthy.figures["signalbox_ready"] = 0.0
    healthy.figures['signalbox_oms_oldest_order_seconds{venue="ibkr",account="DU1",status="UNKNOWN"}'] = 120.0
    healthy.until(lambda: healthy.heard("page", "firing", alertname="OrderUnknown", venue="ibkr"))
    healthy.until(lambda: healthy.states().get(("ServiceNotReady", "")) == "suppressed")

    healthy.figures |= {"signalbox_ready": 1.0}
    healthy.until(lambda: ("ServiceNotReady", "") not in healthy.states())
    healthy.figures |= HEALTHY
    healthy.until(lambda: healthy.heard("page", "resolved", alertname="NatsDown"))
    healthy.until(lambda: healthy.heard("page", "resolved", alertname="OrderUnknown"))
    assert healthy.spoken_of() - {"Watchdog"} == {"NatsDown", "OrderUnknown"}


def test_a_broken_link_silences_its_own_venue_only(healthy: World) -> None:
    healthy.figures['signalbox_venue_link{venue="ibkr",status="READY"}'] = 0.0
    healthy.until(lambda: healthy.heard("page", "firing", alertname="VenueDisconnected", venue="ibkr"))
    healthy.figures['signalbox_venue_last_message_age_seconds{venue="ibkr",symbol="SPY",data="bars"}'] = 90.0
    healthy.figures['signalbox_venue_last_message_age_seconds{venue="dydx",symbol="BTC-USD",data="quotes"}'] = 90.0
    healthy.until(lambda: healthy.heard("page", "firing", alertname="MarketDataStale", venue="dydx"))
    healthy.until(lambda: healthy.states().get(("MarketDataStale", "ibkr")) == "suppressed")
    assert not healthy.heard("page", "firing", alertname="MarketDataStale", venue="ibkr")
    assert not healthy.heard("ticket", "firing", alertname="VenueDisconnected"), "the page says it already"
