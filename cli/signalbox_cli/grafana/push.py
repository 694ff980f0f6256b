"""Brings a Grafana to the state of this checkout: folder, data source, dashboards, each by its fixed uid.

Each is read first and written only if it differs, so that a second push changes nothing. A dashboard is saved over the
version that was read: who saved another one meanwhile is not overwritten unseen (412), but read again, once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from signalbox.errors import ConfigurationError

from signalbox_cli.grafana.server import CONFLICT, PRECONDITION_FAILED, Grafana, GrafanaError

FOLDER_UID, DATASOURCE_UID = "signalbox", "signalbox-prometheus"
"""Those of deploy/grafana/provisioning."""
DATASOURCE_NAME = "Signalbox Prometheus"
VERSION_MISMATCH, NAME_EXISTS = "version-mismatch", "name-exists"
GRAFANAS_OWN = {"id", "version"}
"""What Grafana adds to a dashboard that it keeps."""
SAVES_MAX = 2

Say = Callable[[str], None]


def read_dashboards(folder: Path, runbooks_url: str) -> list[dict[str, Any]]:
    """The dashboards of `folder` by uid; `runbooks_url` is where their links to runbooks go ("" = as committed)."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise ConfigurationError([f"{folder} has no dashboards: run `make docs` in a checkout of Signalbox"])
    dashboards = []
    for file in files:
        dashboard: dict[str, Any] = json.loads(file.read_text())
        if runbooks_url:
            for variable in dashboard["templating"]["list"]:
                if variable["name"] == "runbooks":
                    variable["query"] = runbooks_url.rstrip("/")
        dashboards.append(dashboard)
    return dashboards


def push(grafana: Grafana, dashboards: list[dict[str, Any]], folder: str, datasource_url: str, say: Say) -> int:
    """Push all; the number of things that were changed. Raises `GrafanaError` at the first refusal."""
    changes = [_push_folder(grafana, folder, say)]
    if datasource_url:
        changes.append(_push_datasource(grafana, datasource_url, say))
    changes += [_push_dashboard(grafana, dashboard, say) for dashboard in dashboards]
    return sum(changes)


def _push_folder(grafana: Grafana, title: str, say: Say) -> bool:
    found = grafana.find(f"/folders/{FOLDER_UID}")
    if found is None:
        try:
            grafana.post("/folders", {"uid": FOLDER_UID, "title": title})
        except GrafanaError as error:
            if error.status not in (CONFLICT, PRECONDITION_FAILED):
                raise
            raise GrafanaError(
                f"there is a folder named {title!r} at {grafana.url} that is not ours (its uid is not {FOLDER_UID}): "
                "rename it, or name ours with --folder",
                error.status,
            ) from None
        say(f"folder {title!r}: made")
        return True
    if found["title"] == title:
        say(f"folder {title!r}: is there")
        return False
    grafana.put(f"/folders/{FOLDER_UID}", {"title": title, "version": found.get("version"), "overwrite": False})
    say(f"folder {title!r}: was {found['title']!r}, renamed")
    return True


def _push_datasource(grafana: Grafana, url: str, say: Say) -> bool:
    wanted = {
        "uid": DATASOURCE_UID,
        "name": DATASOURCE_NAME,
        "type": "prometheus",
        "access": "proxy",
        "url": url,
        "jsonData": {"httpMethod": "POST", "timeInterval": "5s"},
    }
    path = f"/datasources/uid/{DATASOURCE_UID}"
    found = grafana.find(path)
    if found is None:
        try:
            grafana.post("/datasources", wanted)
        except GrafanaError as error:
            if error.status != CONFLICT:
                raise
            raise GrafanaError(
                f"there is a data source named {DATASOURCE_NAME!r} at {grafana.url} with another uid: rename it, or "
                "leave --datasource-url out and choose it at the top of a dashboard",
                CONFLICT,
            ) from None
        say(f"data source {DATASOURCE_NAME!r}: made, for {url}")
        return True
    if all(found.get(name) == value for name, value in wanted.items()):
        say(f"data source {DATASOURCE_NAME!r}: is there, for {url}")
        return False
    if found.get("readOnly"):
        say(
            f"data source {DATASOURCE_NAME!r}: comes from a file of that Grafana and stays as it is: {found.get('url')}"
        )
        return False
    grafana.put(path, found | wanted)
    say(f"data source {DATASOURCE_NAME!r}: changed, for {url}")
    return True


def _push_dashboard(grafana: Grafana, dashboard: dict[str, Any], say: Say) -> bool:
    uid, title = dashboard["uid"], dashboard["title"]
    for attempt in range(1, SAVES_MAX + 1):
        found = grafana.find(f"/dashboards/uid/{uid}")
        if found is not None and _is_same(found, dashboard):
            say(f"dashboard {title!r}: is there")
            return False
        if found is not None and found["meta"].get("provisioned"):
            raise GrafanaError(
                f"dashboard {title!r} comes from a file of the Grafana at {grafana.url}, and can not be pushed over: "
                "change the file there, or take it out of its provisioning"
            )
        version = found["dashboard"]["version"] if found is not None else 0
        body = {
            "dashboard": dashboard | {"id": None, "version": version},
            "folderUid": FOLDER_UID,
            "message": "signalbox grafana push",
            "overwrite": False,
        }
        try:
            grafana.post("/dashboards/db", body)
        except GrafanaError as error:
            if error.status == PRECONDITION_FAILED and error.code == VERSION_MISMATCH and attempt < SAVES_MAX:
                continue
            raise _dashboard_refusal(grafana, title, error) from None
        say(f"dashboard {title!r}: {'made' if found is None else 'changed'}")
        return True
    raise AssertionError("the last attempt returns or raises")


def _is_same(found: dict[str, Any], dashboard: dict[str, Any]) -> bool:
    kept = {name: value for name, value in found["dashboard"].items() if name not in GRAFANAS_OWN}
    ours = {name: value for name, value in dashboard.items() if name not in GRAFANAS_OWN}
    return kept == ours and found["meta"].get("folderUid") == FOLDER_UID


def _dashboard_refusal(grafana: Grafana, title: str, error: GrafanaError) -> GrafanaError:
    if error.code == VERSION_MISMATCH:
        return GrafanaError(
            f"dashboard {title!r} is being saved by somebody else at {grafana.url}: push again when they are done",
            error.status,
            error.code,
        )
    if error.code == NAME_EXISTS or error.status == CONFLICT:
        return GrafanaError(
            f"the folder at {grafana.url} has a dashboard named {title!r} that is not ours: rename or move it, then "
            "push again",
            error.status,
            error.code,
        )
    return error
