"""A strict Grafana: the part of its HTTP API that we use, with its checks, its conflicts and faults on demand."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

ADMIN, EDITOR, VIEWER = "glsa_admin", "glsa_editor", "glsa_viewer"
UID = re.compile(r"[a-zA-Z0-9\-_]{1,40}")
Answer = tuple[int, Any]


class GrafanaServer:
    """What a Grafana keeps, and how it answers. `prefix` is the path that a proxy in front of it adds."""

    def __init__(self) -> None:
        self.folders: dict[str, dict[str, Any]] = {}
        self.datasources: dict[str, dict[str, Any]] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.annotations: list[dict[str, Any]] = []
        self.writes: list[str] = []
        self.faults: list[str] = []
        """What happens to the next calls: "500", "429", or "lost" (done, but the answer does not arrive)."""
        self.before_save: Callable[[], None] = lambda: None
        """Called when a dashboard is about to be saved: what somebody else does in between."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *arguments: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def do_PUT(self) -> None:
                self._serve()

            def _serve(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = server.faults.pop(0) if server.faults else ""
                if fault and fault != "lost":
                    self._answer(int(fault), {"message": "a fault"})
                    return
                status, answer = server.answer(self.command, self.path, dict(self.headers), raw)
                if fault == "lost":
                    self.close_connection = True
                    return
                self._answer(status, answer)

            def _answer(self, status: int, answer: Any) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=UTF-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    # ---------------------------------------------------------------------------------------------------- answers

    def answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Answer:
        address = urlsplit(target)
        path = address.path.removeprefix("/behind/a/proxy")
        refused = self._refused(method, path, headers)
        if refused:
            return refused
        body: Any = None
        if method != "GET":
            if headers.get("Content-Type") != "application/json":
                return 400, {"message": "bad request data"}
            body = json.loads(raw)
            self.writes.append(f"{method} {path}")
        if path.startswith("/api/folders"):
            return self._folders(method, path.removeprefix("/api/folders").strip("/"), body)
        if path.startswith("/api/datasources"):
            return self._datasources(method, path.removeprefix("/api/datasources").removeprefix("/uid/"), body)
        if path.startswith("/api/dashboards/uid/") and method == "GET":
            return self._dashboard(path.rpartition("/")[2])
        if (method, path) == ("POST", "/api/dashboards/db"):
            return self._save(body)
        if path == "/api/annotations":
            return self._annotate(body) if method == "POST" else self._found(parse_qs(address.query))
        return 404, {"message": "Not found"}

    def _refused(self, method: str, path: str, headers: dict[str, str]) -> Answer | None:
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in (ADMIN, EDITOR, VIEWER):
            return 401, {"message": "Invalid API key"}
        writes = method != "GET"
        if (token == VIEWER and writes) or (token == EDITOR and path.startswith("/api/datasources")):
            return 403, {"message": "You'll need additional permissions to perform this action."}
        return None

    def _folders(self, method: str, uid: str, body: Any) -> Answer:
        if method == "POST":
            if not UID.fullmatch(body["uid"]) or not body["title"]:
                return 400, {"message": "illegal uid or no title"}
            if any(folder["title"] == body["title"] for folder in self.folders.values()):
                return 409, {"message": "a folder with the same name already exists in the current location"}
            self.folders[body["uid"]] = {"uid": body["uid"], "title": body["title"], "version": 1}
            return 200, self.folders[body["uid"]]
        folder = self.folders.get(uid)
        if folder is None:
            return 404, {"message": "folder not found", "status": "not-found"}
        if method == "PUT":
            if body["version"] != folder["version"]:
                return 412, {"message": "the folder has been changed by someone else", "status": "version-mismatch"}
            folder |= {"title": body["title"], "version": folder["version"] + 1}
        return 200, folder

    def _datasources(self, method: str, uid: str, body: Any) -> Answer:
        if method == "POST":
            if not UID.fullmatch(body["uid"]) or not body["name"] or body["access"] not in ("proxy", "direct"):
                return 400, {"message": "bad request data"}
            if any(body["name"] == kept["name"] or body["uid"] == kept["uid"] for kept in self.datasources.values()):
                return 409, {"message": "data source with the same name already exists"}
            self.datasources[body["uid"]] = body | {"id": len(self.datasources) + 1, "readOnly": False}
            return 200, {"datasource": self.datasources[body["uid"]], "message": "Datasource added"}
        kept = self.datasources.get(uid)
        if kept is None:
            return 404, {"message": "Data source not found"}
        if method == "PUT":
            if kept["readOnly"]:
                return 403, {"message": "Cannot update read-only data source"}
            kept |= body
        return 200, kept

    def _dashboard(self, uid: str) -> Answer:
        kept = self.dashboards.get(uid)
        return (200, kept) if kept is not None else (404, {"message": "Dashboard not found"})

    def _save(self, body: Any) -> Answer:
        self.before_save()
        dashboard, folder = body["dashboard"], body["folderUid"]
        if not dashboard.get("title") or not UID.fullmatch(dashboard["uid"]) or dashboard["id"] is not None:
            return 400, {"message": "Dashboard title cannot be empty, uid too long, or an id that is not there"}
        if folder not in self.folders:
            return 400, {"message": "folder not found"}
        numbers = [panel["id"] for panel in dashboard["panels"]]
        if len(set(numbers)) != len(numbers):
            return 400, {"message": "two panels have one id"}
        kept = self.dashboards.get(dashboard["uid"])
        if kept is not None and kept["meta"]["provisioned"]:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if kept is not None and kept["dashboard"]["version"] != dashboard["version"] and not body["overwrite"]:
            changed = "The dashboard has been changed by someone else"
            return 412, {"message": changed, "status": "version-mismatch"}
        for uid, other in self.dashboards.items():
            same = other["dashboard"]["title"] == dashboard["title"] and other["meta"]["folderUid"] == folder
            if uid != dashboard["uid"] and same and not body["overwrite"]:
                exists = "A dashboard with the same name in the folder already exists"
                return 412, {"message": exists, "status": "name-exists"}
        self.keep_dashboard(dashboard, folder)
        return 200, {"uid": dashboard["uid"], "status": "success"}

    def keep_dashboard(self, dashboard: dict[str, Any], folder: str, *, provisioned: bool = False) -> None:
        """Store one, as a new version."""
        kept = self.dashboards.get(dashboard["uid"])
        version = kept["dashboard"]["version"] + 1 if kept is not None else 1
        stored = dashboard | {"id": len(self.dashboards) + 1, "version": version}
        meta = {"folderUid": folder, "provisioned": provisioned}
        self.dashboards[dashboard["uid"]] = {"dashboard": stored, "meta": meta}

    def _annotate(self, body: Any) -> Answer:
        if not isinstance(body["time"], int) or body["time"] < 10**12 or not body["text"]:
            return 400, {"message": "text field should not be empty, time in milliseconds"}
        if not all(isinstance(tag, str) and tag for tag in body["tags"]):
            return 400, {"message": "tags are texts"}
        self.annotations.append(body | {"id": len(self.annotations) + 1})
        return 200, {"message": "Annotation added", "id": len(self.annotations)}

    def _found(self, terms: dict[str, list[str]]) -> Answer:
        begin, end, tags = int(terms["from"][0]), int(terms["to"][0]), set(terms.get("tags", ()))
        return 200, [
            found for found in self.annotations if begin <= found["time"] <= end and tags <= set(found["tags"])
        ]


@pytest.fixture
def grafana() -> Iterator[GrafanaServer]:
    server = GrafanaServer()
    yield server
    server.close()


@pytest.fixture
def token_file(tmp_path: Path) -> Callable[[str], Path]:
    """A file of mode 600 with a token."""

    def write(token: str) -> Path:
        path = tmp_path / "token"
        path.write_text(f"{token}\n")
        path.chmod(0o600)
        return path

    return write
