"""Completion by a real bash: the script is sourced, and asked what it would offer at a Tab."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from signalbox_cli.__main__ import COMMANDS_NAMED
from signalbox_cli.completing import SHELLS

SECONDS_MAX = 60
ASK = """
source "$1"; shift
function=$(complete -p signalbox | sed 's/.*-F \\([^ ]*\\).*/\\1/')
COMP_WORDS=(signalbox "$@"); COMP_CWORD=$#; COMPREPLY=()
$function
printf '%s\\n' "${COMPREPLY[@]}"
"""


def printed(shell: str) -> str:
    command = [sys.executable, "-m", "signalbox_cli", "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS_MAX).stdout


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("completion") / "signalbox"
    file.write_text(printed("bash"))
    return file


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("qu",), {"query"}),
        (("intent", "--lim"), {"--limit", "--limit-offset"}),
        (("intent", "buy", "1", "SPY", "--tif", "G"), {"GTC", "GTD"}),
        (("people", "rev"), {"revoke"}),
        (("--fol",), {"--folder"}),
    ],
)
def test_bash_offers_commands_options_and_words(script: Path, words: tuple[str, ...], offered: set[str]) -> None:
    asked = subprocess.run(
        ["bash", "-c", ASK, "ask", str(script), *words], capture_output=True, text=True, timeout=SECONDS_MAX, check=True
    )
    assert set(asked.stdout.split()) == offered


def test_every_command_is_offered(script: Path) -> None:
    asked = subprocess.run(
        ["bash", "-c", ASK, "ask", str(script), ""], capture_output=True, text=True, timeout=SECONDS_MAX, check=True
    )
    assert set(COMMANDS_NAMED) <= set(asked.stdout.split())


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell != "bash"])
def test_other_shells_have_theirs(shell: str, tmp_path: Path) -> None:
    text = printed(shell)
    assert all(name in text for name in COMMANDS_NAMED)
    if shutil.which(shell):
        (tmp_path / "script").write_text(text)
        subprocess.run([shell, "-n", str(tmp_path / "script")], timeout=SECONDS_MAX, check=True)
