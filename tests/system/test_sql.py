"""`signalbox sql` at a terminal and from a pipe, and answers written to files, on a desk that runs."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import duckdb
from signalbox_cli.sql_prompt import FIRST, GOING_ON

from tests.running_desk import RunningDesk

TERMINAL_SECONDS_MAX = 60.0
CTRL_C, CTRL_D = "\x03", "\x04"


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, folder: Path, state: Path, *words: str) -> None:
        self._master, slave = pty.openpty()
        environment = os.environ | {
            "SIGNALBOX_RUN_FOLDER": str(folder), "XDG_STATE_HOME": str(state), "TERM": "dumb", "INPUTRC": "/dev/null"
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "signalbox_cli", *words],
            stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
            preexec_fn=lambda: _has_terminal(slave),
        )  # fmt: skip
        os.close(slave)
        self._shown = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def until(self, text: str) -> str:
        """What has been shown up to `text`, which is waited for."""
        deadline = time.monotonic() + TERMINAL_SECONDS_MAX
        while text not in self._shown:
            assert time.monotonic() < deadline, self._shown
            ready, _, _ = select.select([self._master], [], [], 1.0)
            if ready:
                self._shown += os.read(self._master, 65536).decode(errors="replace")
        before, _, self._shown = self._shown.partition(text)
        return before

    def end(self) -> int:
        try:
            return self.process.wait(TERMINAL_SECONDS_MAX)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            os.close(self._master)


def _has_terminal(slave: int) -> None:
    """Make it the terminal that Ctrl-C of this session comes from."""
    import fcntl
    import termios

    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


def test_the_prompt_answers_completes_and_remembers(desk: RunningDesk, tmp_path: Path) -> None:
    desk.until(lambda: len(desk.lines("scores")) >= 1)
    terminal = Terminal(desk.folder, tmp_path, "sql")
    try:
        terminal.until(FIRST)
        terminal.type("SELECT 40 +\n")
        terminal.until(GOING_ON)
        terminal.type("2 AS answer;\n")
        assert "42" in terminal.until(FIRST)
        terminal.type("SELECT nonsense;\n")
        assert "nonsense" in terminal.until(FIRST)
        terminal.type("SELECT forgotten")
        terminal.until("forgotten")
        terminal.type(CTRL_C)
        terminal.until(FIRST)
        terminal.type("SELECT count(*) > 0 AS there FROM scor\t;\n")
        assert "true" in terminal.until(FIRST).lower()
        terminal.type(".columns scores\n")
        assert "trend_score" in terminal.until(FIRST)
        terminal.type(CTRL_D)
    finally:
        assert terminal.end() == 0
    history = tmp_path / "signalbox/sql_history"
    assert "2 AS answer;" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_a_pipe_is_run_to_its_end_or_first_mistake(desk: RunningDesk) -> None:
    def piped(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "signalbox_cli", "sql"], input=text, capture_output=True, text=True, check=False,
            env=os.environ | {"SIGNALBOX_RUN_FOLDER": str(desk.folder)}, timeout=TERMINAL_SECONDS_MAX,
        )  # fmt: skip

    done = piped("SELECT 1 AS first;\nSELECT 2 AS second")
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["first", "1", "second", "2"], "")
    failed = piped("SELECT 1 AS first; SELECT nothing; SELECT 3 AS third;")
    assert (failed.returncode, failed.stdout.split()) == (1, ["first", "1"])
    assert "nothing" in failed.stderr


def test_a_query_is_written_to_a_parquet_file(desk: RunningDesk, tmp_path: Path) -> None:
    desk.until(lambda: len(desk.lines("scores")) >= 1)
    file = tmp_path / "bars.parquet"
    done = desk.run("query", 'SELECT symbol, "start", close FROM bars LIMIT 5', "--out", str(file))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert f"5 rows written to {file}" in done.stderr
    with duckdb.connect() as connection:
        found = connection.sql(f"SELECT * FROM '{file}'")
        assert [str(kind) for kind in found.types][1:] == ["TIMESTAMP WITH TIME ZONE", "DECIMAL(38,12)"]
        assert len(found.fetchall()) == 5
    refused = desk.run("query", "SELECT 1", "--out", str(tmp_path / "a.xls"))
    assert (refused.returncode, "does not end in" in refused.stderr) == (2, True)
