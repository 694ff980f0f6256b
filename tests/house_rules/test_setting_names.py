"""The list of names that the desk reads is all of them, and no others: a name that is missing there is refused."""

from __future__ import annotations

import re
from pathlib import Path

import gateway_dydx.settings
import gateway_ibkr.settings
import indicators.settings
import oms.settings
import pytest
import recorder.settings
import risk.settings
from signalbox import setting_names
from signalbox.setting_names import KNOWN, PREFIX
from signalbox.settings import variables_of

ROOT = Path(__file__).resolve().parents[2]
SERVICES = (gateway_ibkr, gateway_dydx, indicators, risk, oms, recorder)
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


@pytest.mark.parametrize("package", SERVICES, ids=lambda package: package.__name__)
def test_every_setting_of_a_service_is_known(package: object) -> None:
    assert variables_of(package.settings.Settings) <= KNOWN  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_that_is_written_anywhere_is_known(path: Path) -> None:
    assert set(NAME.findall(path.read_text())) - KNOWN <= {"SIGNALBOX_NATS_CA"}


def test_nothing_is_known_that_nobody_reads() -> None:
    read = set().union(*(variables_of(service.settings.Settings) for service in SERVICES))
    for part in (setting_names.COMMAND_LINE, setting_names.COMPOSE, setting_names.TESTS):
        read |= {PREFIX + name for name in part.split()}
    assert read == KNOWN
