"""Asks Prometheus and Alertmanager over HTTP. Its calls block: from a coroutine, use a thread."""

from __future__ import annotations

import json
import math
import re
import urllib.request
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from signalbox_cli.doctor.facts import AlertmanagerSeen, PrometheusSeen

ANSWER_SECONDS_MAX = 5.0
ANSWER_BYTES_MAX = 16_000_000
TEST_ALERT = "DoctorTest"
TEST_ALERT_MINUTES = 2
WATCHDOG = "Watchdog"
_RECEIVER = re.compile(r"^- name: (?P<name>.+)$")
_WAY_OUT = re.compile(r"^  [a-z]+_configs:$")
_FAILED = re.compile(r"^alertmanager_notifications_failed_total\{[^}]*\} (?P<count>[0-9.e+]+)$", re.M)


def see_prometheus(url: str) -> PrometheusSeen:
    """What Prometheus at `url` has of the desk; never raises for what it does not say."""
    try:
        up: dict[str, tuple[int, int]] = {}
        for labels, value in _series(url, "up"):
            there, total = up.get(labels.get("job", ""), (0, 0))
            up[labels.get("job", "")] = there + int(value == 1), total + 1
        rules = _get(f"{url}/api/v1/rules")["data"]["groups"]
        return PrometheusSeen(
            url=url,
            up=up,
            alertmanagers=len(_get(f"{url}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]),
            has_watchdog=any(rule["name"] == WATCHDOG for group in rules for rule in group["rules"]),
            clock_offset_seconds={
                labels["venue"]: value
                for labels, value in _series(url, "signalbox_venue_clock_offset_seconds")
                if not math.isnan(value)
            },
            drift={
                f"{labels['venue']} {labels['account']} {labels['kind']}": value
                for labels, value in _series(url, "signalbox_oms_drift")
            },
        )
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        return PrometheusSeen(url=url, problem=f"{type(error).__name__}: {error}")


def see_alertmanager(url: str, *, send_test_alert: bool) -> AlertmanagerSeen:
    """What Alertmanager at `url` would do with an alert; with `send_test_alert` it is given one, of severity page."""
    try:
        test_receivers = _try_alert(url) if send_test_alert else None
        alerts = {alert["labels"]["alertname"]: alert for alert in _get(f"{url}/api/v2/alerts")}
        watchdog = alerts.get(WATCHDOG)
        return AlertmanagerSeen(
            url=url,
            ways_out=ways_out(_get(f"{url}/api/v2/status")["config"]["original"]),
            watchdog_receivers=None if watchdog is None else _receivers(watchdog),
            failed_notifications=sum(int(float(found["count"])) for found in _FAILED.finditer(_text(f"{url}/metrics"))),
            test_receivers=test_receivers,
        )
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        return AlertmanagerSeen(url=url, problem=f"{type(error).__name__}: {error}")


def ways_out(configuration: str) -> dict[str, int]:
    """How many kinds of ways out each receiver has, in the form in which Alertmanager writes its configuration."""
    found: dict[str, int] = {}
    name, in_receivers = "", False
    for line in configuration.splitlines():
        if line and not line.startswith((" ", "-")):
            in_receivers = line == "receivers:"
        elif in_receivers and (receiver := _RECEIVER.match(line)):
            name = receiver["name"].strip("'\"")
            found[name] = 0
        elif in_receivers and _WAY_OUT.match(line):
            found[name] += 1
    return found


def _try_alert(url: str) -> tuple[str, ...]:
    now = datetime.now(UTC)
    alert = {
        "labels": {"alertname": TEST_ALERT, "severity": "page", "at": now.isoformat(timespec="seconds")},
        "annotations": {"summary": "A test of `signalbox doctor`: nothing is wrong, and you have been reached."},
        "endsAt": (now + timedelta(minutes=TEST_ALERT_MINUTES)).isoformat(),
    }
    request = urllib.request.Request(
        f"{url}/api/v2/alerts", json.dumps([alert]).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS_MAX):
        pass
    found = [alert for alert in _get(f"{url}/api/v2/alerts") if alert["labels"]["alertname"] == TEST_ALERT]
    return tuple(sorted({name for alert in found for name in _receivers(alert)}))


def _receivers(alert: dict[str, Any]) -> tuple[str, ...]:
    return tuple(receiver["name"] for receiver in alert["receivers"])


def _series(url: str, query: str) -> list[tuple[dict[str, str], float]]:
    answer = _get(f"{url}/api/v1/query?query={quote(query)}")
    return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]


def _get(url: str) -> Any:
    return json.loads(_text(url))


def _text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=ANSWER_SECONDS_MAX) as answer:
        body: bytes = answer.read(ANSWER_BYTES_MAX)
    return body.decode()
