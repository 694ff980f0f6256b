"""What a service shows of itself: JSON log lines, health, `/metrics`, `/healthz`, `/readyz`.

Health is truth: ready = every required condition is met (connected, rebuilt, caught up), or the process stands by while
another one works: it is ready to take over. Liveness only says that the process answers, whatever NATS does: restarting
a service mends no bus.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import Gauge, make_wsgi_app

from signalbox.metrics import ACTIVE

READY = Gauge("signalbox_ready", "1 when every required condition of the service is met.", ["service"])

_LOG_RECORD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, service, event, then whatever `extra` gives."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

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
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logging(service: str, level: str) -> None:
    """Log to standard error as JSON lines; libraries only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("signalbox", "gateway_ibkr", "gateway_dydx", "indicators", "risk", "oms", "recorder", "simulators"):
        logging.getLogger(name).setLevel(level)


class Health:
    """The conditions under which a service is ready."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._unmet: dict[str, str] = {}
        self._standing_by = ""
        READY.labels(service).set(0)

    def require(self, condition: str) -> None:
        """Name a condition, unmet until `met` is called."""
        self._unmet.setdefault(condition, "not yet")
        self._show()

    def met(self, condition: str) -> None:
        self._unmet.pop(condition, None)
        self._show()

    def unmet(self, condition: str, reason: str) -> None:
        self._unmet[condition] = reason
        self._show()

    def stand_by(self, reason: str) -> None:
        """Say that another process works, and that this one would take over: no condition has to be met meanwhile."""
        self._standing_by = reason
        self._show()

    def work(self) -> None:
        """Say that this process works: from now on every condition counts."""
        self._standing_by = ""
        self._show()

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
        if self._standing_by:
            return ()
        return tuple(f"{condition}: {reason}" for condition, reason in sorted(self._unmet.items()))

    def _show(self) -> None:
        READY.labels(self._service).set(1 if self.ready else 0)
        ACTIVE.labels(self._service).set(0 if self._standing_by else 1)


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a scrape is no event."""


class HttpServer:
    """Serves metrics and health from a thread of its own."""

    def __init__(self, host: str, port: int, health: Health) -> None:
        metrics = make_wsgi_app()

        def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            if path == "/metrics":
                answer: Iterable[bytes] = metrics(environ, start_response)
                return answer
            if path == "/healthz":
                return _respond(start_response, "200 OK", ["alive"])
            if path == "/readyz":
                waiting_for, standing_by = health.waiting_for, health.standing_by
                status = "503 Service Unavailable" if waiting_for else "200 OK"
                well = f"standing by: {standing_by}" if standing_by else "ready"
                return _respond(start_response, status, list(waiting_for) or [well])
            return _respond(start_response, "404 Not Found", ["/metrics, /healthz and /readyz are here"])

        self._server: WSGIServer = make_server(host, port, application, handler_class=_QuietHandler)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _respond(start_response: Callable[..., Any], status: str, lines: list[str]) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [("\n".join(lines) + "\n").encode()]
