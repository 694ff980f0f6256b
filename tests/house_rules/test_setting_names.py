"""The list of names that the desk reads is all of them, and no others: a name that is missing there is refused."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from signalbox import setting_names
from signalbox.services import TABLE
from signalbox.setting_names import KNOWN, PREFIX
from signalbox.settings import ServiceSettings, variables_of

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = [importlib.import_module(f"{row.package}.settings").Settings for row in TABLE]
NAME = re.compile(rf"\b{PREFIX}[A-Z0-9_]*[A-Z0-9]\b")
ELSEWHERE = [
    ROOT / "docker-compose.yml",
    ROOT / "Dockerfile",
    ROOT / "Makefile",
    ROOT / "README.md",
    *ROOT.glob("deploy/**/*.yaml"),
    *ROOT.glob("deploy/**/*.env"),
    *ROOT.glob("cli/signalbox_cli/**/*.py"),
    *ROOT.glob("docs/**/*.md"),
]


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__module__)
def test_every_setting_of_a_service_is_known(kind: type[ServiceSettings]) -> None:
    assert variables_of(kind) <= KNOWN


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_that_is_written_anywhere_is_known(path: Path) -> None:
    assert set(NAME.findall(path.read_text())) - KNOWN <= {"SIGNALBOX_NATS_CA"}


def test_nothing_is_known_that_nobody_reads() -> None:
    read = set().union(*map(variables_of, SETTINGS))
    for part in (setting_names.COMMAND_LINE, setting_names.COMPOSE, setting_names.TESTS):
        read |= {PREFIX + name for name in part.split()}
    assert read == KNOWN
