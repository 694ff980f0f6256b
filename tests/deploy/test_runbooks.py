"""Every alert has a runbook of the same four parts, every runbook an alert, and what they say to type can be typed."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
import yaml
from recorder.database import Database
from signalbox_cli.__main__ import build_parser

HEADINGS = ["What it means", "What to look at", "What to do", "What not to do"]
LINES_MAX = 60
CODE = re.compile(r"`([^`]+)`")
SERIES = re.compile(r"\b(signalbox|process)[_:][a-z]")


def runbooks(docs_folder: Path) -> list[Path]:
    return [path for path in sorted((docs_folder / "runbooks").glob("*.md")) if path.name != "README.md"]


def rules(deploy_folder: Path) -> Iterator[dict[str, dict[str, str]]]:
    for path in sorted((deploy_folder / "prometheus/rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)


def code(path: Path) -> list[str]:
    """What stands between backticks, each on one line."""
    return [" ".join(text.split()) for text in CODE.findall(path.read_text())]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert(deploy_folder: Path, docs_folder: Path) -> None:
    named = {rule["annotations"]["runbook"] for rule in rules(deploy_folder)}
    there = {f"docs/runbooks/{path.name}" for path in runbooks(docs_folder)}
    assert named == there


def test_runbook_names_its_alerts_and_has_the_four_parts(deploy_folder: Path, docs_folder: Path) -> None:
    for path in runbooks(docs_folder):
        lines = path.read_text().splitlines()
        mine = {rule["alert"] for rule in rules(deploy_folder) if rule["annotations"]["runbook"].endswith(path.name)}
        assert set(lines[0].removeprefix("# ").split(" and ")) == mine, path.name
        assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == HEADINGS, path.name
        assert len(lines) <= LINES_MAX, f"{path.name}: nobody reads a long page in an emergency"


def test_index_has_every_alert_with_its_severity_and_runbook(deploy_folder: Path, docs_folder: Path) -> None:
    text = (docs_folder / "runbooks/README.md").read_text()
    rows = re.findall(r"^\| (\w+) \| ([a-z, ]+) \| \[[a-z-]+\]\(([a-z-]+\.md)\) \|$", text, re.M)
    severities: dict[tuple[str, str], set[str]] = {}
    for rule in rules(deploy_folder):
        key = (str(rule["alert"]), rule["annotations"]["runbook"].rpartition("/")[2])
        severities.setdefault(key, set()).add(rule["labels"]["severity"])
    assert rows == [(name, ", ".join(sorted(said)), path) for (name, path), said in sorted(severities.items())]


def test_every_link_leads_somewhere(docs_folder: Path) -> None:
    for path in [*(docs_folder / "runbooks").glob("*.md"), docs_folder / "alerting.md"]:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} leads to {target}"


def test_every_query_of_a_runbook_can_be_asked(
    program: Callable[[str], str], docs_folder: Path, tmp_path: Path
) -> None:
    queries = [text for path in runbooks(docs_folder) for text in code(path) if SERIES.search(text)]
    written = [{"record": f"written:{number}", "expr": query} for number, query in enumerate(queries)]
    assert len(written) > 50
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "written", "rules": written}]}))
    done = subprocess.run(
        [program("promtool"), "check", "rules", str(tmp_path / "rules.yml")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_of_a_runbook_is_understood(docs_folder: Path) -> None:
    """A command that is only named, like `signalbox halt`, is asked for its help."""
    texts = [text for path in runbooks(docs_folder) for text in code(path) if text.startswith("signalbox ")]
    parser = build_parser()
    assert len(texts) > 50
    for text in texts:
        words = shlex.split(text)[1:]
        if len(words) > 1:
            parser.parse_args(words)
        else:
            with pytest.raises(SystemExit, match=r"^0$"):
                parser.parse_args([*words, "--help"])


def test_every_sql_statement_of_a_runbook_can_be_run(docs_folder: Path, tmp_path: Path) -> None:
    texts = [text for path in runbooks(docs_folder) for text in code(path)]
    asked = [shlex.split(text)[2] for text in texts if text.startswith("signalbox query ")]
    statements = asked + [text for text in texts if text.startswith("SELECT ")]
    assert len(statements) > 15
    Database(tmp_path / "desk.duckdb", 64).close()
    with duckdb.connect(tmp_path / "desk.duckdb", read_only=True) as database:
        for statement in statements:
            database.execute(statement.replace("<stream_sequence>", "1"))
