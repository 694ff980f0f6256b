"""What the doctor reads of Prometheus' and Alertmanager's answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from signalbox_cli.doctor.monitoring_facts import see_alertmanager, see_prometheus, ways_out

CONFIGURATION = """\
route:
  receiver: ticket
  routes:
  - receiver: page
    matchers:
    - severity="page"
receivers:
- name: page
  webhook_configs:
  - send_resolved: true
    url: http://127.0.0.1:9/x
  pagerduty_configs:
  - routing_key: <secret>
- name: dead-mans-switch
- name: nobody
templates: []
"""
"""As Alertmanager 0.25 writes its configuration in /api/v2/status."""
WATCHDOG = {"labels": {"alertname": "Watchdog"}, "receivers": [{"name": "dead-mans-switch"}]}


def series(*found: tuple[dict[str, str], float]) -> dict[str, Any]:
    return {"data": {"result": [{"metric": labels, "value": [0, str(value)]} for labels, value in found]}}


ANSWERS: dict[str, Any] = {
    "/api/v1/query?query=up": series(({"job": "risk"}, 1), ({"job": "risk"}, 0), ({"job": "oms"}, 0)),
    "/api/v1/query?query=signalbox_venue_clock_offset_seconds": series(
        ({"venue": "ibkr"}, 0.5), ({"venue": "dydx"}, float("nan"))
    ),
    "/api/v1/query?query=signalbox_oms_drift": series(({"venue": "ibkr", "account": "DU1", "kind": "CASH"}, 1)),
    "/api/v1/rules": {"data": {"groups": [{"rules": [{"name": "NatsDown"}, {"name": "Watchdog"}]}]}},
    "/api/v1/alertmanagers": {"data": {"activeAlertmanagers": [{"url": "http://a"}]}},
    "/api/v2/status": {"config": {"original": CONFIGURATION}},
    "/metrics": 'alertmanager_notifications_failed_total{integration="webhook"} 3\n'
    'alertmanager_notifications_failed_total{integration="email"} 1\n',
}


class Monitor:
    """Answers as both would; alerts that it is given are active at once, for the receiver `page`."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = [WATCHDOG]
        monitor = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = monitor.alerts if self.path == "/api/v2/alerts" else ANSWERS[self.path]
                self._answer(answer if isinstance(answer, str) else json.dumps(answer))

            def do_POST(self) -> None:
                given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                monitor.alerts += [alert | {"receivers": [{"name": "page"}]} for alert in given]
                self._answer("")

            def _answer(self, body: str) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    monitor = Monitor()
    thread = threading.Thread(target=monitor.server.serve_forever, args=(0.02,))
    thread.start()
    yield monitor
    monitor.server.shutdown()
    thread.join()
    monitor.server.server_close()


def test_prometheus_says_who_is_scraped_and_what_the_desk_shows(monitor: Monitor) -> None:
    seen = see_prometheus(monitor.url)
    assert seen.problem == ""
    assert (seen.up, seen.alertmanagers, seen.has_watchdog) == ({"risk": (1, 2), "oms": (0, 1)}, 1, True)
    assert seen.clock_offset_seconds == {"ibkr": 0.5}
    assert seen.drift == {"ibkr DU1 CASH": 1.0}


def test_alertmanager_says_who_would_be_told(monitor: Monitor) -> None:
    seen = see_alertmanager(monitor.url, send_test_alert=False)
    assert seen.problem == ""
    assert seen.ways_out == {"page": 2, "dead-mans-switch": 0, "nobody": 0}
    assert (seen.watchdog_receivers, seen.failed_notifications) == (("dead-mans-switch",), 4)
    assert (seen.test_receivers, len(monitor.alerts)) == (None, 1)


def test_a_test_alert_is_a_page_that_ends_itself(monitor: Monitor) -> None:
    assert see_alertmanager(monitor.url, send_test_alert=True).test_receivers == ("page",)
    [_, alert] = monitor.alerts
    assert alert["labels"]["severity"] == "page"
    assert alert["endsAt"]


@pytest.mark.parametrize("see", [see_prometheus, lambda url: see_alertmanager(url, send_test_alert=False)])
def test_who_does_not_answer_has_a_problem(see: Callable[[str], Any]) -> None:
    assert "refused" in see("http://127.0.0.1:1").problem


def test_a_configuration_without_receivers_tells_nobody() -> None:
    assert ways_out("route: {}\n") == {}
