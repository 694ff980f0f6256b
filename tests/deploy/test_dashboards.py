"""The dashboards as Grafana gets them: complete, explained, on a free place, and of metrics that exist."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.drawing import TAG, draw
from dashboards.every import DASHBOARDS
from dashboards.specification import Unit

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "deploy" / "grafana"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
DECLARATION = re.compile(r'(?:Counter|Gauge|Histogram)\(\s*"(signalbox_\w+)"')
RECORD = re.compile(r"record: (\S+)")
NAME = re.compile(r"\b(?:signalbox[_:]|process_|python_)[a-zA-Z0-9_:]+\b")
RANGES = {"$__rate_interval", "$__range"}

BOARDS = {dashboard.uid: json.loads(draw(dashboard)) for dashboard in DASHBOARDS}
PANELS = [
    pytest.param(panel, id=f"{board['title']}: {panel['title']}")
    for board in BOARDS.values()
    for panel in board["panels"]
    if panel["type"] != "row"
]
EXPRESSIONS = [
    pytest.param(target["expr"], id=f"{panel.id} {target['refId']}")
    for panel in PANELS
    for target in panel.values[0]["targets"]  # type: ignore[index]
]


@cache
def declared() -> frozenset[str]:
    """Every metric that some service declares, every recording rule, and what client library and scrape add."""
    sources = [*ROOT.glob("shared/signalbox/*.py"), *ROOT.glob("services/*/*/metrics.py")]
    names = {name for source in sources for name in DECLARATION.findall(source.read_text())}
    names |= {f"{name}{suffix}" for name in names for suffix in ("_bucket", "_sum", "_count")}
    rules = {name for file in ROOT.glob("deploy/prometheus/rules/*.yml") for name in RECORD.findall(file.read_text())}
    return frozenset(names | rules | {f"process_{what}" for what in PROCESS} | {"python_gc_collections_total"})


PROCESS = ("start_time_seconds", "resident_memory_bytes", "cpu_seconds_total", "open_fds")


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_committed_dashboard_is_what_its_source_makes(dashboard: Any) -> None:
    file = GRAFANA / "dashboards" / f"{dashboard.uid}.json"
    assert file.read_text() == draw(dashboard), "run: make docs"


def test_no_dashboard_is_left_over() -> None:
    assert {file.stem for file in (GRAFANA / "dashboards").glob("*.json")} == set(BOARDS)


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board["uid"])
def test_dashboard_has_uid_title_tag_explanation_and_links_to_the_others(board: dict[str, Any]) -> None:
    assert re.fullmatch(r"signalbox-[a-z-]{2,30}", board["uid"])
    assert board["title"]
    assert board["description"]
    assert board["tags"] == [TAG]
    [link] = board["links"]
    assert (link["type"], link["tags"], link["includeVars"], link["keepTime"]) == ("dashboards", [TAG], True, True)


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board["uid"])
def test_variables_are_found_in_the_data_and_take_all_or_several(board: dict[str, Any]) -> None:
    datasource, *choices, runbooks = board["templating"]["list"]
    assert (datasource["name"], datasource["type"], datasource["query"]) == ("datasource", "datasource", "prometheus")
    assert (runbooks["name"], runbooks["query"]) == ("runbooks", "docs/runbooks")
    for choice in choices:
        assert choice["query"]["query"].startswith("label_values(")
        assert choice["datasource"] == DATASOURCE
        assert (choice["multi"], choice["includeAll"], choice["allValue"]) == (True, True, ".*")
        assert declared() >= set(NAME.findall(choice["query"]["query"]))


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board["uid"])
def test_every_variable_is_used_and_every_used_one_declared(board: dict[str, Any]) -> None:
    text = json.dumps([board["panels"], [variable["query"] for variable in board["templating"]["list"]]])
    used = set(re.findall(r"\$(?:\{)?([a-z]+)\b", text)) - {"datasource", "runbooks"}
    names = {variable["name"] for variable in board["templating"]["list"]} - {"datasource", "runbooks"}
    assert used == names


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board["uid"])
def test_panels_lie_on_the_grid_and_not_on_each_other(board: dict[str, Any]) -> None:
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["w"] > 0
        assert place["h"] > 0
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
    for one, other in combinations(board["panels"], 2):
        assert apart(one["gridPos"], other["gridPos"]), f"{one['title']} lies on {other['title']}"


def apart(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    return beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board["uid"])
def test_titles_say_apart_the_panels_of_a_row(board: dict[str, Any]) -> None:
    row: set[str] = set()
    for panel in board["panels"]:
        row = set() if panel["type"] == "row" else row
        assert panel["title"] not in row
        row.add(panel["title"])


@pytest.mark.parametrize("panel", PANELS)
def test_panel_is_explained_and_takes_the_chosen_data_source(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert len(panel["description"]) > 15
    assert panel["description"].split("\n")[0].endswith(".")
    assert panel["datasource"] == DATASOURCE
    assert panel["targets"]
    assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGHIJKLMNOP"[: len(panel["targets"])])
    assert all(target["datasource"] == DATASOURCE for target in panel["targets"])


@pytest.mark.parametrize("panel", PANELS)
def test_panel_has_a_unit_and_thresholds(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] in set(Unit)
    first, *others = defaults["thresholds"]["steps"]
    assert first["value"] is None
    values = [step["value"] for step in others]
    assert values == sorted(values)
    if panel["type"] == "table":
        columns = {
            override["matcher"]["options"]: override["properties"] for override in panel["fieldConfig"]["overrides"]
        }
        [organize] = [each["options"] for each in panel["transformations"] if each["id"] == "organize"]
        shown = [name for field, name in organize["renameByName"].items() if field.startswith("Value")]
        for name in shown:
            assert {"unit", "mappings"} & {setting["id"] for setting in columns[name]}, f"{name} has no unit"


@pytest.mark.parametrize("panel", PANELS)
def test_runbook_of_a_panel_exists(panel: dict[str, Any]) -> None:
    for link in panel.get("links", []):
        if link["title"] == "Runbook":
            name = link["url"].removeprefix("${runbooks}/")
            assert (ROOT / "docs" / "runbooks" / name).is_file()
            assert f"docs/runbooks/{name}" in panel["description"]
        else:
            assert link["url"].partition("?")[0].removeprefix("/d/") in BOARDS


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_rates_are_over_the_interval_that_fits_the_screen(expression: str) -> None:
    ranges = re.findall(r"\[([^\]]*)\]", expression)
    assert set(ranges) <= RANGES
    calls = re.findall(r"\b(?:rate|irate|increase|deriv|delta)\(", expression)
    assert len(calls) == len(ranges)
    assert "$__range" not in expression or "rate(" not in expression


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_is_declared(expression: str) -> None:
    unknown = set(NAME.findall(expression)) - declared()
    assert not unknown, f"no service exports {unknown}"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_figures_of_one_of_several_instances_are_of_the_one_that_works(expression: str) -> None:
    gauges = re.findall(r"signalbox_(?:risk|oms)_\w+", expression)
    kept = [name for name in gauges if not name.endswith(("_total", "_bucket", "_sum", "_count", "_risk_limit"))]
    assert not kept or "signalbox_active" in expression, f"{kept} would add up what stand-bys export"


def test_provisioning_reads_the_folder_and_the_data_source_that_push_uses() -> None:
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())
    [source] = sources["datasources"]
    assert (source["uid"], source["type"], source["url"]) == ("signalbox-prometheus", "prometheus", "$PROMETHEUS_URL")
    providers = yaml.safe_load((GRAFANA / "provisioning/dashboards/signalbox.yml").read_text())
    [provider] = providers["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
    assert provider["folderUid"] == "signalbox"
