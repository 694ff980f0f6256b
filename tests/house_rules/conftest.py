"""The files that the house rules are about: a rule is a test of one file, and is tried on all that it is about.

A test that takes `source_file` is about every module of the desk, `core_file` about every pure core, `test_file` about
every module under tests/, `tracked_file` about every text file of the repository, and so on. It is one test, which
names every file that breaks the rule: thousands of tests of a line each would take longer than what they look at.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE_FOLDERS = ("shared", "services", "simulators", "desk", "cli")
CORE = re.compile(
    r"services/[^/]+/[^/]+/(step|decide|state|evolve|transitions|limits|positions|translate)\.py"
    r"|services/indicators/indicators/(formulas/.*|studies/.*|studied|levels|days|readings|history)\.py"
    r"|services/risk/risk/(checks/.*|facts|prices|intents|wording|figures|looking|rules|replaying)\.py"
    r"|services/risk/risk/(step|exposure|recall|known)\.py"
    r"|services/oms/oms/(books|reports|snapshots|outcome|audit|protection|figures|statements)\.py"
    r"|desk/desk_in_process/.*\.py"
    r"|shared/signalbox/(bars|change_support|instruments|order_support|order_terms)\.py"
    r"|shared/signalbox/(exchange/.*|gateway/(actions|minutes|reports|retrying|state))\.py"
)
TEXT_ENDINGS = (
    *(".py", ".toml", ".in", ".txt", ".md", ".json", ".yaml", ".yml", ".sh", ".conf", ".sql", ".cfg", ".ini"),
    *(".importlinter", ".gitignore", ".dockerignore", ".env", ".example", "Makefile", "Dockerfile"),
)
OBSERVING = re.compile(r"deploy/(prometheus|alertmanager|grafana)/.*|docs/runbooks/.*|docs/[^/]+\.md|README\.md")
"""What looks at metrics, or tells people to."""
RULES = re.compile(r"deploy/prometheus/rules/.*\.ya?ml")
NOT_SHIPPED = re.compile(r"(^|/)(\.venv|\.git|__pycache__|run|\.[a-z_]+_cache|\.hypothesis)/")


@dataclass(frozen=True)
class File:
    """A file of the repository; it prints as its path."""

    path: str

    @property
    def text(self) -> str:
        return _text(self.path)

    @property
    def tree(self) -> ast.Module:
        return _tree(self.path)

    @property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All that is in `tree`: to walk it takes most of a rule's time, and there are many rules."""
        return _nodes(self.path)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Service:
    """A distribution under services/ and its one package."""

    folder: str
    package: str
    rooms: frozenset[str]

    def __str__(self) -> str:
        return self.folder


@cache
def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def _tree(path: str) -> ast.Module:
    return ast.parse(_text(path), path)


@cache
def _nodes(path: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_tree(path)))


@cache
def files() -> tuple[File, ...]:
    """What git knows or would add; without git, what lies there."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, timeout=30, check=True,
        ).stdout.splitlines()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        listed = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()]
    return tuple(File(path) for path in sorted(set(listed)) if not NOT_SHIPPED.search(path) and (ROOT / path).is_file())


def source_files() -> list[File]:
    return [file for file in files() if file.path.startswith(SOURCE_FOLDERS) and file.path.endswith(".py")]


def services() -> list[Service]:
    found = []
    for settings in sorted(ROOT.glob("services/*/pyproject.toml")):
        (package,) = (path.parent for path in settings.parent.glob("*/__init__.py"))
        rooms = frozenset(path.name for path in package.glob("*.py"))
        found.append(Service(settings.parent.relative_to(ROOT).as_posix(), package.name, rooms))
    return found


def metrics_files() -> list[File]:
    """The room of metrics of each service, and of what several export; `telemetry.py` has the one of health."""
    return [file for file in source_files() if file.name in ("metrics.py", "telemetry.py")]


@pytest.fixture(scope="session")
def all_metrics_files() -> list[File]:
    return metrics_files()


@pytest.fixture(scope="session")
def all_rule_files() -> list[File]:
    return [file for file in files() if RULES.fullmatch(file.path)]


@pytest.fixture(scope="session")
def gateway_files() -> dict[str, list[File]]:
    """The modules of each gateway."""
    return {
        service.folder: [
            file for file in source_files() if file.path.startswith(f"{service.folder}/{service.package}/")
        ]
        for service in services()
        if service.package.startswith("gateway_")
    }


CASES = {
    "source_file": source_files,
    "core_file": lambda: [file for file in source_files() if CORE.fullmatch(file.path)],
    "service_file": lambda: [file for file in source_files() if file.path.startswith("services/")],
    "metrics_file": lambda: metrics_files(),
    "test_file": lambda: [file for file in files() if file.path.startswith("tests/") and file.path.endswith(".py")],
    "python_file": lambda: [file for file in files() if file.path.endswith(".py")],
    "observing_file": lambda: [file for file in files() if OBSERVING.fullmatch(file.path)],
    "requirements_file": lambda: [file for file in files() if file.path.startswith("requirements/")],
    "tracked_file": lambda: [file for file in files() if file.path.endswith(TEXT_ENDINGS)],
    "service": services,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture in CASES.keys() & set(metafunc.fixturenames):
        metafunc.parametrize(fixture, [CASES[fixture]()], ids=["each"])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Try a rule on each of its files; the test fails with what it says of every file that breaks it."""
    [about] = CASES.keys() & set(pyfuncitem.fixturenames) or [""]
    if not about:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    cases, broken = arguments[about], []
    assert cases, f"there is no {about}: the rule looks in the wrong place"
    for case in cases:
        try:
            pyfuncitem.obj(**arguments | {about: case})
        except AssertionError as error:
            broken.append(str(error))
    if broken:
        pytest.fail("\n".join(broken), pytrace=False)
    return True
