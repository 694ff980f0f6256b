"""`signalbox grafana push` against a strict Grafana: what it makes, what a second time changes, what it says."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from signalbox_cli.__main__ import carry_out

if TYPE_CHECKING:
    from conftest import GrafanaServer

DASHBOARDS = Path(__file__).resolve().parents[3] / "deploy" / "grafana" / "dashboards"
PROMETHEUS = "http://prometheus:9090"
Push = Callable[..., tuple[int, str]]


@pytest.fixture
def push(grafana: GrafanaServer, token_file: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> Push:
    """Run the command; its exit status and what it said."""

    def run(*words: str, url: str = "", token: str = "glsa_admin") -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            carry_out(["grafana", "push", "--url", url or grafana.url, "--token-file", str(token_file(token)), *words])
        said = capsys.readouterr()
        assert token not in said.out + said.err
        return int(ended.value.code or 0), said.out + said.err

    return run


def committed() -> dict[str, object]:
    return {file.stem: json.loads(file.read_text()) for file in DASHBOARDS.glob("*.json")}


def test_folder_data_source_and_every_dashboard_are_made(grafana: GrafanaServer, push: Push) -> None:
    status, said = push("--datasource-url", PROMETHEUS)
    assert (status, said.splitlines()[-1]) == (0, f"{2 + len(committed())} changed")
    assert grafana.folders["signalbox"]["title"] == "Signalbox"
    assert grafana.datasources["signalbox-prometheus"]["url"] == PROMETHEUS
    assert set(grafana.dashboards) == set(committed())
    assert {kept["meta"]["folderUid"] for kept in grafana.dashboards.values()} == {"signalbox"}


def test_second_push_changes_nothing(grafana: GrafanaServer, push: Push) -> None:
    push("--datasource-url", PROMETHEUS)
    grafana.writes.clear()
    status, said = push("--datasource-url", PROMETHEUS)
    assert (status, said.splitlines()[-1]) == (0, "nothing to change")
    assert grafana.writes == []


def test_without_an_address_no_data_source_is_touched(grafana: GrafanaServer, push: Push) -> None:
    assert push(token="glsa_editor")[0] == 0
    assert grafana.datasources == {}


def test_what_was_changed_by_hand_is_put_right(grafana: GrafanaServer, push: Push) -> None:
    push("--datasource-url", PROMETHEUS)
    grafana.dashboards["signalbox-desk"]["dashboard"]["title"] = "Mine"
    grafana.folders["signalbox"]["title"] = "Ours"
    grafana.datasources["signalbox-prometheus"]["url"] = "http://old:9090"
    status, said = push("--datasource-url", PROMETHEUS)
    assert (status, said.splitlines()[-1]) == (0, "3 changed")
    assert "dashboard 'Desk': changed" in said
    assert "was 'Ours', renamed" in said
    assert grafana.dashboards["signalbox-desk"]["dashboard"]["version"] == 2
    assert grafana.datasources["signalbox-prometheus"]["url"] == PROMETHEUS


def test_dashboard_in_another_folder_comes_back(grafana: GrafanaServer, push: Push) -> None:
    push()
    grafana.dashboards["signalbox-risk"]["meta"]["folderUid"] = "elsewhere"
    assert "dashboard 'Risk': changed" in push()[1]
    assert grafana.dashboards["signalbox-risk"]["meta"]["folderUid"] == "signalbox"


def test_save_of_somebody_else_in_between_is_read_before_it_is_overwritten(grafana: GrafanaServer, push: Push) -> None:
    push()
    grafana.dashboards["signalbox-desk"]["dashboard"]["title"] = "Mine"
    between = [lambda: grafana.keep_dashboard(grafana.dashboards["signalbox-desk"]["dashboard"], "signalbox")]
    grafana.before_save = lambda: between.pop()() if between else None
    status, said = push()
    assert (status, said.splitlines()[-1]) == (0, "1 changed")
    assert grafana.dashboards["signalbox-desk"]["dashboard"]["version"] == 3


def test_dashboard_that_somebody_goes_on_saving_is_left_to_them(grafana: GrafanaServer, push: Push) -> None:
    push()
    grafana.dashboards["signalbox-desk"]["dashboard"]["title"] = "Mine"
    grafana.before_save = lambda: grafana.keep_dashboard(grafana.dashboards["signalbox-desk"]["dashboard"], "signalbox")
    status, said = push()
    assert status == 1
    assert "dashboard 'Desk' is being saved by somebody else" in said


def test_dashboard_of_the_same_name_that_is_not_ours_is_not_overwritten(grafana: GrafanaServer, push: Push) -> None:
    push()
    theirs = grafana.dashboards.pop("signalbox-desk")["dashboard"] | {"uid": "theirs"}
    grafana.keep_dashboard(theirs, "signalbox")
    status, said = push()
    assert status == 1
    assert "has a dashboard named 'Desk' that is not ours: rename or move it" in said
    assert grafana.dashboards["theirs"]["dashboard"]["version"] == 1


def test_dashboard_of_that_grafanas_own_files_is_told(grafana: GrafanaServer, push: Push) -> None:
    grafana.keep_dashboard({"uid": "signalbox-bus", "title": "Old"}, "signalbox", provisioned=True)
    status, said = push()
    assert status == 1
    assert "comes from a file of the Grafana" in said


def test_folder_of_the_same_name_that_is_not_ours_is_told(grafana: GrafanaServer, push: Push) -> None:
    grafana.folders["theirs"] = {"uid": "theirs", "title": "Signalbox", "version": 1}
    status, said = push()
    assert status == 1
    assert "a folder named 'Signalbox'" in said
    assert "--folder" in said
    assert push("--folder", "Desk")[0] == 0


def test_data_source_of_the_same_name_that_is_not_ours_is_told(grafana: GrafanaServer, push: Push) -> None:
    grafana.datasources["theirs"] = {"uid": "theirs", "name": "Signalbox Prometheus", "readOnly": False}
    status, said = push("--datasource-url", PROMETHEUS)
    assert status == 1
    assert "a data source named 'Signalbox Prometheus'" in said


def test_data_source_of_that_grafanas_own_files_stays(grafana: GrafanaServer, push: Push) -> None:
    kept = {"uid": "signalbox-prometheus", "name": "Signalbox Prometheus", "url": "http://p", "readOnly": True}
    grafana.datasources["signalbox-prometheus"] = kept
    status, said = push("--datasource-url", PROMETHEUS)
    assert status == 0
    assert "comes from a file of that Grafana and stays as it is: http://p" in said


def test_links_to_runbooks_go_where_they_are_told_to(grafana: GrafanaServer, push: Push) -> None:
    push("--runbooks-url", "https://desk.example/runbooks/")
    for kept in grafana.dashboards.values():
        variables = {variable["name"]: variable for variable in kept["dashboard"]["templating"]["list"]}
        assert variables["runbooks"]["query"] == "https://desk.example/runbooks"


def test_grafana_behind_a_proxys_path_is_found(grafana: GrafanaServer, push: Push) -> None:
    assert push(url=f"{grafana.url}/behind/a/proxy/")[0] == 0
    assert set(grafana.dashboards) == set(committed())


@pytest.mark.parametrize(
    ("token", "told"),
    [("wrong", "does not know the token"), ("glsa_viewer", "may not do this"), ("glsa_editor", "may not do this")],
)
def test_token_that_is_not_good_is_told_with_what_to_do(push: Push, token: str, told: str) -> None:
    status, said = push("--datasource-url", PROMETHEUS, token=token)
    assert status == 1
    assert told in said
    assert "service account" in said


def test_fault_of_grafana_is_told_as_its_own(grafana: GrafanaServer, push: Push) -> None:
    grafana.faults = ["500"]
    assert push() == (1, f"signalbox: Grafana at {grafana.url} has a fault of its own: a fault\n")


def test_address_where_nobody_answers_is_told(push: Push) -> None:
    status, said = push(url="http://127.0.0.1:1")
    assert status == 1
    assert "Grafana at http://127.0.0.1:1 can not be reached" in said


@pytest.mark.parametrize("url", ["127.0.0.1:3000", "ftp://grafana", "http://", "http://token@grafana"])
def test_address_that_is_none_is_told(push: Push, url: str) -> None:
    status, said = push(url=url)
    assert status == 2
    assert "is not the address of a Grafana" in said


@pytest.mark.parametrize("status", [200, 404, 502])
def test_something_else_at_that_address_is_told(push: Push, status: int) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            body = b"<html>a message</html>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        ended, said = push(url=f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert ended == 1
    assert said.count("\n") == 1
    assert "is no Grafana" in said


def test_token_that_others_can_read_is_refused(
    grafana: GrafanaServer, token_file: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = token_file("glsa_admin")
    file.chmod(0o644)
    with pytest.raises(SystemExit) as ended:
        carry_out(["grafana", "push", "--url", grafana.url, "--token-file", str(file)])
    assert ended.value.code == 2
    assert "others may read it. Run: chmod 600" in capsys.readouterr().err
    assert grafana.writes == []
