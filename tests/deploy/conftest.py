"""What the tests of deploy/ share: its folders, and programs that a user's machine may lack."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
}


@pytest.fixture(scope="session")
def deploy_folder() -> Path:
    return ROOT / "deploy"


@pytest.fixture(scope="session")
def docs_folder() -> Path:
    return ROOT / "docs"


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """The path of a program by its name in Debian; skips without it, and fails where everything ought to be there."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            reason = f"{name} is not installed (Debian: apt-get install {PACKAGES[name]})"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        return found

    return find
