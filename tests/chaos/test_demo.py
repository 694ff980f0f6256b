"""`signalbox demo` as a person runs it: both venues in one day, and a recorded day of a perpetual, bar for bar."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb

DEMO_SECONDS_MAX = 240.0
DYDX_DAY = "crypto_1m/BTC-USD_dydx_trade.parquet"


def demo(folder: Path, *options: str) -> list[str]:
    """Run the demo, which must succeed; what it told, line by line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIGNALBOX_")}
    done = subprocess.run(
        [sys.executable, "-m", "signalbox_cli", "demo", "--folder", str(folder), *options],
        env=environment, capture_output=True, text=True, timeout=DEMO_SECONDS_MAX, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_day_at_both_venues_adds_up(tmp_path: Path) -> None:
    told = demo(tmp_path / "demo")
    assert re.fullmatch(
        r"desk: bars=\d+ scores=\d+ intents=\d+ approved=\d+ denied=\d+ fills=1?[0-9] rows=\d+ ok", told[-1]
    ), told[-1]
    for beginning in ("demo-market: ", "demo-rests: EXPIRED", "demo-perpetual: ", "funding of "):
        assert any(line.startswith(beginning) for line in told), beginning
    with duckdb.connect(str(tmp_path / "demo" / "desk.duckdb"), read_only=True) as database:
        filled = database.execute("SELECT DISTINCT venue, liquidity FROM fills ORDER BY 1").fetchall()
        paid = database.execute("SELECT count(*) FROM funding_payments WHERE amount <> 0").fetchone()
    assert filled == [("dydx", "TAKER"), ("ibkr", "UNSTATED")]
    files = "--database", str(tmp_path / "demo" / "desk.duckdb"), "--desk", str(tmp_path / "demo" / "desk.toml")
    again = subprocess.run(
        [sys.executable, "-m", "signalbox_cli", "replay", "decisions", *files],
        capture_output=True, text=True, timeout=DEMO_SECONDS_MAX, check=False,
    )  # fmt: skip
    assert (again.returncode, again.stderr) == (0, ""), again.stdout + again.stderr
    found = re.search(r"intents=(\d+) ", told[-1])
    assert found
    assert again.stdout == f"decisions: again={found[1]} different=0 ok\n"
    assert paid is not None
    assert paid[0] >= 3


def test_every_bar_of_a_recorded_day_comes_out_as_in_the_file(tmp_path: Path, market_data: Path) -> None:
    file = market_data / DYDX_DAY
    told = demo(tmp_path / "demo", "--bars", str(file))
    assert told[-1].endswith(" ok"), told[-1]
    with duckdb.connect() as files:
        wanted = files.execute(f"SELECT ts, open, high, low, close, volume FROM '{file}' ORDER BY ts").fetchall()
    with duckdb.connect(str(tmp_path / "demo" / "desk.duckdb"), read_only=True) as database:
        found = database.execute(
            "SELECT start, open::DOUBLE, high::DOUBLE, low::DOUBLE, close::DOUBLE, volume::DOUBLE FROM bars "
            "WHERE timeframe = '1m' ORDER BY start"
        ).fetchall()
    assert found == wanted
