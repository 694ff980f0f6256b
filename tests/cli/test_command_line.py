"""The command: what it says, its exit status, and that nothing ends in a traceback; as a process where that matters."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from signalbox_cli import listed
from signalbox_cli.__main__ import COMMANDS_NAMED, build_parser, carry_out
from signalbox_cli.listing import render as render_list
from signalbox_cli.reference import render

Run = Callable[..., "subprocess.CompletedProcess[str]"]
NO_DESK = "no-such-folder"


@pytest.fixture
def signalbox(tmp_path: Path) -> Run:
    """Run the command where no desk runs."""

    def run(*words: str, **terms: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGNALBOX_")}
        return subprocess.run(
            [sys.executable, "-m", "signalbox_cli", *words],
            env=kept | {"SIGNALBOX_RUN_FOLDER": NO_DESK} | terms,
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


@pytest.fixture
def carried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The same without a process: to start one takes a hundred times as long as the word that is tried."""
    for name in [name for name in os.environ if name.startswith("SIGNALBOX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SIGNALBOX_RUN_FOLDER", NO_DESK)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        with pytest.raises(SystemExit) as ended:
            carry_out([*words])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(words, ended.value.code, said.out, said.err)

    return run


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("fly", "signalbox: there is no command 'fly': `signalbox help` lists them"),
        ("statsu", "signalbox: there is no command 'statsu': did you mean status? `signalbox help` lists them"),
        ("--as bob ordes", "signalbox: there is no command 'ordes': did you mean order"),
        ("help ordes", "signalbox: there is no command 'ordes': did you mean order"),
        ("intent buy ten SPY", "signalbox intent: argument quantity: 'ten' is not a number"),
        ("intent hold 10 SPY", "signalbox intent: argument side: invalid choice: 'hold'"),
        ("intent buy 10", "signalbox intent: the following arguments are required: symbol"),
        ("intent buy 10 SPY --good-till noon", "signalbox intent: argument --good-till: 'noon' is not a time"),
        ("intent buy 1 SPY --on-close --stop 1", "signalbox intent: argument --stop: not allowed with argument"),
        ("intent buy 1 SPY --touch 1 --stop 2", "signalbox intent: argument --stop: not allowed with argument --touch"),
        ("intent buy 1 SPY --to-limit --limit 1", "signalbox: --to-limit gets its limit from its first fill"),
        ("intent buy 10 SPY --tif MAYBE", "signalbox intent: argument --tif: invalid choice: 'MAYBE'"),
        ("query", "signalbox query: the following arguments are required: sql"),
        ("watch --count 0", "signalbox watch: argument --count: '0' is not a number from 1 on"),
        ("up --speed 0", "signalbox up: argument --speed: '0' is not a speed"),
        ("up --start yesterday", "signalbox up: argument --start: 'yesterday' is not a time"),
        ("scores history bars.csv --timeframe 7m", "signalbox scores: argument --timeframe: '7m' is not a timeframe"),
        ("scores history", "signalbox: name the file: signalbox scores history BARS.parquet"),
        ("scores history none.csv", "signalbox: none.csv is not there"),
        ("up --bars none.csv", "signalbox: none.csv is not there"),
        ("demo --bars none.csv", "signalbox: none.csv is not there"),
        ("status", "signalbox: no desk is running from no-such-folder: start one with `make up`"),
        ("doctor", "signalbox: no desk is running from no-such-folder: start one with `make up`"),
        ("halt \udcff", r"signalbox: '\udcff' is no text in UTF-8"),
        ("halt", "signalbox: no desk is running from no-such-folder: start one with `make up`"),
        ("intent buy 10 SPY", "signalbox: no desk is running from no-such-folder: start one with `make up`"),
    ],
)
def test_mistake_is_one_line_and_status_2(carried_out: Run, words: str, told: str) -> None:
    one_line(carried_out(*words.split()), told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("fly", "signalbox: there is no command 'fly'"),
        ("halt \udcff", r"signalbox: '\udcff' is no text in UTF-8"),
        ("halt", "signalbox: no desk is running from no-such-folder: start one with `make up`"),
    ],
)
def test_mistake_is_all_that_a_process_says(signalbox: Run, words: str, told: str) -> None:
    one_line(signalbox(*words.split()), told)


def one_line(done: subprocess.CompletedProcess[str], told: str) -> None:
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(told), done.stderr
    assert done.stderr.count("\n") == 1


def test_desk_that_does_not_answer_is_told(signalbox: Run) -> None:
    done = signalbox("status", SIGNALBOX_NATS_URL="nats://127.0.0.1:1", SIGNALBOX_NATS_PASSWORD="x")
    assert done.returncode == 1
    assert done.stderr.startswith("signalbox: NATS at nats://127.0.0.1:1 can not be reached: is it running there?")


def test_what_the_machine_refuses_is_told_in_a_line(signalbox: Run, tmp_path: Path) -> None:
    (tmp_path / "desk.json").write_text('{"nats_url": "nats://127.0.0.1:1", "desk_file": "desk.toml"}')
    (tmp_path / "credentials").mkdir()
    done = signalbox("--as", "x" * 300, "status", SIGNALBOX_RUN_FOLDER=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("xxx: File name too long\n")
    assert done.stderr.count("\n") == 1


def test_demo_does_not_remove_what_is_not_its_own(signalbox: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = signalbox("demo", "--folder", ".")
    assert done.returncode == 2
    assert "files that no desk made" in done.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_reader_that_goes_away_ends_the_command_in_silence(tmp_path: Path) -> None:
    bars = tmp_path / "bars.csv"
    rows = "".join(f"2024-03-05 {n // 60:02}:{n % 60:02}:00,1,1,1,1,1\n" for n in range(1440))
    bars.write_text("ts,open,high,low,close,volume\n" + rows)
    command = f"{sys.executable} -m signalbox_cli scores history {bars} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines()[1:] == ["0"]


IMPORTED_MAX = 220
"""Modules that a process has when it has said what there is; as each takes a millisecond or less, that is at once."""
SLOW = {"asyncio", "nats", "signalbox.bus", "duckdb", "ib_async", "aiohttp", "prometheus_client", "importlib.metadata"}


@pytest.mark.parametrize("words", ["help", "--help", "", "statsu"])
def test_who_asks_what_there_is_waits_for_no_command(words: str) -> None:
    script = (
        "import sys\nfrom signalbox_cli.__main__ import carry_out\n"
        f"try:\n    carry_out({words.split()!r})\n"
        "except SystemExit:\n    print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    imported = set(done.stderr.splitlines()[-1].split())
    assert not imported & SLOW
    assert "signalbox_cli.settings" in imported
    assert len(imported) < IMPORTED_MAX


def test_a_command_imports_its_own_module_and_no_other_ones() -> None:
    script = (
        "import sys\nfrom signalbox_cli.__main__ import build_parser\n"
        "build_parser(['status'])\nprint(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    imported = set(done.stdout.split())
    assert not imported & {"duckdb", "ib_async", "aiohttp", "simulators.world", "signalbox_cli.trading"}


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    told = "write it: python -m signalbox_cli.listing"
    assert Path(listed.__file__).read_text() == render_list(), told
    assert tuple(listed.ABOUT) == COMMANDS_NAMED


def test_signalbox_alone_and_help_say_what_there_is(carried_out: Run) -> None:
    alone, helped, asked = carried_out(), carried_out("help"), carried_out("--help")
    assert (alone.returncode, helped.returncode) == (2, 0)
    assert alone.stdout == helped.stdout == asked.stdout
    assert all(f"    {name} " in alone.stdout for name in listed.ABOUT if len(name) < 18)
    assert carried_out("help", "status").stdout == carried_out("status", "--help").stdout


def test_the_version_is_said(carried_out: Run) -> None:
    done = carried_out("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("signalbox")


def test_every_command_has_a_help_with_an_example_or_an_explanation(signalbox: Run, carried_out: Run) -> None:
    listed = signalbox("--help").stdout
    for command in ("up", "demo", "intent", "cancel", "halt", "resume", "orders", "scores", "query", "watch", "audit"):
        assert f"    {command} " in listed
        told = carried_out(command, "--help")
        assert told.returncode == 0
        assert "Example" in told.stdout or "audit" in command


def test_page_of_commands_is_what_the_command_line_is() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
    told = "run: python -m signalbox_cli.reference > docs/commands.md"
    assert page.read_text() == render(build_parser()), told
