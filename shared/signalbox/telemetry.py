"""What a service shows of itself: JSON log lines, health, `/metrics`, `/healthz`, `/readyz`.

Health is truth: ready = every required condition is met (connected, rebuilt, caught up). A process that stands by while
another one works is ready when it is able to take over: the conditions of that count for it too. Liveness only says
that the process answers, whatever NATS does: restarting a service mends no bus.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from prometheus_client import Gauge, make_wsgi_app

from signalbox.addresses import without_password
from signalbox.http_server import Answer, BoundedServer, Request
from signalbox.metrics import ACTIVE
from signalbox.services import TABLE

METRICS = "/metrics"

READY = Gauge("signalbox_ready", "1 when every required condition of the service is met.", ["service"])

_LOG_RECORD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, service, event, then whatever `extra` gives. No address shows a password."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service
        self._encode = json.JSONEncoder(default=str, ensure_ascii=False).encode  # `dumps` makes one for each line

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "event": record.getMessage(),
        }
        line.update({key: value for key, value in record.__dict__.items() if key not in _LOG_RECORD_FIELDS})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return without_password(self._encode(line))


def configure_logging(service: str, level: str) -> None:
    """Log to standard error as JSON lines; libraries only from WARNING on."""
    # Nobody reads from which line, thread or process of ours it comes, and to find that out costs a third of a line
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # as Python's own documentation has it
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("signalbox", *(row.package for row in TABLE), "simulators"):
        logging.getLogger(name).setLevel(level)


class Health:
    """The conditions under which a service is ready."""

    def __init__(self, service: str) -> None:
        self._unmet: dict[str, str] = {}
        self._also_standing_by: set[str] = set()
        self._looks: dict[str, Callable[[], str]] = {}
        self._standing_by = ""
        READY.labels(service).set_function(lambda: self.ready)
        ACTIVE.labels(service).set_function(lambda: not self._standing_by)

    def require(self, condition: str, *, also_standing_by: bool = False) -> None:
        """Name a condition, unmet until `met` is called: of the work, or also of being able to take it over."""
        if also_standing_by:
            self._also_standing_by.add(condition)
        self._unmet.setdefault(condition, "not yet")

    def look(self, condition: str, problem: Callable[[], str]) -> None:
        """Name a condition that is looked at whenever somebody asks, also while standing by; "" = met."""
        self._looks[condition] = problem

    def met(self, condition: str) -> None:
        self._unmet.pop(condition, None)

    def unmet(self, condition: str, reason: str) -> None:
        self._unmet[condition] = reason

    def stand_by(self, reason: str) -> None:
        """Say that another process works, and that this one would take over: the conditions of the work do not count
        meanwhile, those of being able to take over do."""
        self._standing_by = reason

    def work(self) -> None:
        """Say that this process works: from now on every condition counts."""
        self._standing_by = ""

    @property
    def standing_by(self) -> str:
        """Who works instead of this process; "" = this one does."""
        return self._standing_by

    @property
    def ready(self) -> bool:
        return not self.waiting_for

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Each unmet condition with its reason."""
        unmet = {
            condition: reason
            for condition, reason in list(self._unmet.items())  # asked by the thread that serves HTTP, too
            if not self._standing_by or condition in self._also_standing_by
        }
        unmet |= {condition: problem for condition, look in list(self._looks.items()) if (problem := look())}
        return tuple(f"{condition}: {reason}" for condition, reason in sorted(unmet.items()))


class HttpServer:
    """Serves metrics and health over HTTP."""

    def __init__(self, host: str, port: int, health: Health) -> None:
        self._health, self._metrics = health, make_wsgi_app()
        self._server = BoundedServer(host, port, self._answer, slow=lambda request: request.path == METRICS)
        self.port = self._server.port

    def close(self) -> None:
        self._server.close()

    def _answer(self, request: Request) -> Answer:
        if request.path == METRICS:
            return self._scraped(request)
        if request.path == "/healthz":
            return _lines(200, ["alive"])
        if request.path == "/readyz":
            waiting_for, standing_by = self._health.waiting_for, self._health.standing_by
            well = f"standing by: {standing_by}" if standing_by else "ready"
            return _lines(503 if waiting_for else 200, list(waiting_for) or [well])
        return _lines(404, ["/metrics, /healthz and /readyz are here"])

    def _scraped(self, request: Request) -> Answer:
        told: list[tuple[str, list[tuple[str, str]]]] = []
        headers = dict(request.headers)
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": METRICS,
            "QUERY_STRING": request.target.partition("?")[2],
            "HTTP_ACCEPT": headers.get("accept", ""),
            "HTTP_ACCEPT_ENCODING": headers.get("accept-encoding", ""),
        }
        body = b"".join(self._metrics(environ, lambda status, headers: told.append((status, headers))))
        status, named = told[0]
        content_type = dict(named).get("Content-Type", "text/plain; charset=utf-8")
        others = tuple((name, value) for name, value in named if name == "Content-Encoding")
        return Answer(int(status.split()[0]), body, content_type, others)


def _lines(status: int, lines: list[str]) -> Answer:
    return Answer(status, ("\n".join(lines) + "\n").encode())
