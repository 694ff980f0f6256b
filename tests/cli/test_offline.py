"""`scores history` and `audit`: the services' own deciders over files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from signalbox_cli.__main__ import carry_out

Lines = list[dict[str, object]]
Run = Callable[..., tuple[int, Lines, str]]
FIELDS = [
    *("ts", "timeframe", "open", "high", "low", "close", "volume", "supertrend", "direction", "ema", "atr"),
    *("trend_score", "ema_deviation", "new_high_score"),
]
ROOT = Path(__file__).resolve().parents[2]
HEAD = "ts,open,high,low,close,volume\n"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command: exit status, its JSON lines, its complaints."""

    def run(*words: object) -> tuple[int, Lines, str]:
        with pytest.raises(SystemExit) as end:
            carry_out([str(word) for word in words])
        captured = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, [json.loads(line) for line in captured.out.splitlines()], captured.err

    return run


def csv(path: Path, *rows: str) -> Path:
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows))
    return path


def test_real_minutes_have_a_line_each(run: Run, market_data: Path) -> None:
    status, lines, told = run("scores", "history", market_data / "us_equity_1m" / "SPY_2011-01_eth.parquet")
    assert (status, len(lines), told) == (0, 14_180, "")
    assert list(lines[0]) == FIELDS
    assert (lines[0]["ts"], lines[-1]["ts"]) == ("2011-01-03T09:00:00Z", "2011-02-01T00:59:00Z")
    assert lines[0]["supertrend"] is None
    assert None not in lines[-1].values()


def test_real_minutes_are_joined_to_five(run: Run, market_data: Path) -> None:
    file = market_data / "us_equity_1m" / "SPY_2020-12-15_18_rth.parquet"
    minutes = run("scores", "history", file)[1]
    fives = run("scores", "history", file, "--timeframe", "5m")[1]
    assert all(str(line["ts"])[14:16] in {f"{m:02}" for m in range(0, 60, 5)} for line in fives)
    first = minutes[:5]
    assert fives[0]["ts"] == "2020-12-15T14:30:00Z"
    assert fives[0]["high"] == max(line["high"] for line in first)  # type: ignore[type-var]
    assert (fives[0]["open"], fives[0]["close"]) == (first[0]["open"], first[-1]["close"])
    assert sum(line["volume"] for line in fives) == sum(line["volume"] for line in minutes)  # type: ignore[misc]


def test_round_the_clock_market_has_days_of_utc(run: Run, market_data: Path) -> None:
    file = market_data / "crypto_1m" / "BTC-USD_dydx_trade.parquet"
    status, lines, _ = run("scores", "history", file, "--timezone", "UTC")
    assert (status, len(lines)) == (0, 1410)
    assert lines[0]["ts"] == "2026-01-01T00:00:00Z"


def test_bars_as_long_as_the_timeframe_are_taken_as_they_are(run: Run, tmp_path: Path) -> None:
    file = csv(tmp_path / "b.csv", *(f"2024-03-05 15:{m:02}:00,10,11,9,10.5,100" for m in range(0, 60, 5)))
    plain, joined = run("scores", "history", file), run("scores", "history", file, "--timeframe", "5m")
    assert len(joined[1]) == 12
    assert [line | {"timeframe": "5m"} for line in plain[1]] == joined[1]


def test_csv_and_parquet_of_the_same_bars_score_alike(run: Run, market_data: Path, tmp_path: Path) -> None:
    import duckdb

    source = market_data / "us_equity_1m" / "SPY_2020-12-15_18_rth.parquet"
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(f"COPY (SELECT * FROM '{source}' LIMIT 300) TO '{tmp_path / 'b.csv'}' (HEADER)")
    assert run("scores", "history", tmp_path / "b.csv")[1] == run("scores", "history", source)[1][:300]


def test_rows_are_taken_by_time_whatever_their_order(run: Run, tmp_path: Path) -> None:
    rows = [f"2024-03-05T15:{m:02}:00Z,1,{m + 1},1,1,1" for m in range(30)]
    assert run("scores", "history", csv(tmp_path / "a.csv", *rows)) == run(
        "scores", "history", csv(tmp_path / "b.csv", *reversed(rows))
    )


def test_time_zone_decides_where_a_day_begins(run: Run, tmp_path: Path) -> None:
    rows = [f"2024-03-05 {h:02}:{m:02}:00,1,{h * 60 + m + 1},1,{h * 60 + m + 1},1" for h in range(8) for m in range(60)]
    file = csv(tmp_path / "b.csv", *rows)
    counted = {
        zone: [line["new_high_score"] for line in run("scores", "history", file, "--timezone", zone)[1]]
        for zone in ("UTC", "Asia/Hong_Kong", "America/New_York")
    }
    assert counted["UTC"] == counted["Asia/Hong_Kong"]
    assert counted["UTC"][299:] != counted["America/New_York"][299:]  # midnight in New York is 05:00 UTC


def test_session_leaves_out_the_night(run: Run, market_data: Path) -> None:
    file = market_data / "us_equity_1m" / "SPY_2011-01_eth.parquet"
    lines = run("scores", "history", file, "--session", "XNYS")[1]
    assert 0 < len(lines) < 14_180
    assert all("09:00" <= str(line["ts"])[11:16] < "21:00" for line in lines)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "can not be read as bars"),
        ("open,high,low,close,volume\n1,1,1,1,1\n", 'column "ts" not found'),
        (HEAD + "2024-03-05,1,1,1,much,1\n", "can not be read as bars"),
        (HEAD + "yesterday,1,1,1,1,1\n", "can not be read as bars"),
        (HEAD + "2024-03-05 15:00:00,1,1,1,1,1\n,1,1,1,1,1\n", "has a bar without a ts"),
    ],
)
def test_file_that_holds_no_bars_is_told(run: Run, tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content)
    status, lines, complaint = run("scores", "history", file)
    assert (status, lines) == (2, [])
    assert told in complaint
    assert complaint.count("\n") == 1


def test_binary_that_claims_to_be_parquet_is_told(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bad.parquet"
    file.write_bytes(b"\0\1\2" * 100)
    assert run("scores", "history", file)[0] == 2


@pytest.mark.parametrize("rows", [("2024-03-05 15:00:00,1,1,1,1,1",) * 2, ("2024-03-05 15:00:00,1,1,1,,1",)])
def test_bar_that_makes_no_sense_ends_it_with_status_1(run: Run, tmp_path: Path, rows: tuple[str, ...]) -> None:
    status, _, complaint = run("scores", "history", csv(tmp_path / "b.csv", *rows))
    assert status == 1
    assert "bar " in complaint


@pytest.mark.parametrize("zone", ["Nowhere/Town", "", "../../etc/passwd"])
def test_unknown_time_zone_is_told(run: Run, tmp_path: Path, zone: str) -> None:
    status, _, told = run("scores", "history", csv(tmp_path / "b.csv", "2024-03-05,1,1,1,1,1"), "--timezone", zone)
    assert (status, told) == (2, f"signalbox: {zone!r} is no time zone: try America/New_York or UTC\n")


FILL = '{"symbol": "SPY", "side": "%s", "quantity": "%s", "price": "%s", "commission": "1"}'


def test_audit_folds_each_fill(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "fills.jsonl"
    file.write_text("\n".join([FILL % ("BUY", "100", "470"), "", FILL % ("SELL", "150", "471.5"), ""]))
    assert run("audit", file) == (
        0,
        [
            {"symbol": "SPY", "quantity": "100", "average_price": "470", "realized_pnl": "0", "commission": "1"},
            {"symbol": "SPY", "quantity": "-50", "average_price": "471.5", "realized_pnl": "150", "commission": "2"},
        ],
        "",
    )


@pytest.mark.parametrize("bad", ["{", FILL % ("HOLD", "1", "1"), FILL % ("BUY", "-1", "1"), FILL % ("BUY", "NaN", "1")])
def test_audit_stops_at_a_bad_line_and_names_it(run: Run, tmp_path: Path, bad: str) -> None:
    file = tmp_path / "fills.jsonl"
    file.write_text("\n".join([FILL % ("BUY", "100", "470"), bad, FILL % ("BUY", "100", "470")]))
    status, lines, told = run("audit", file)
    assert (status, len(lines)) == (1, 1)
    assert "line 2: " in told


def test_audit_of_a_file_that_is_not_text_is_told(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "fills.jsonl"
    file.write_bytes(b"\xff\xfe\x00")
    status, lines, told = run("audit", file)
    assert (status, lines) == (1, [])
    assert told.startswith("signalbox: ")


def test_audit_of_no_file_is_told(run: Run, tmp_path: Path) -> None:
    status, _, told = run("audit", tmp_path / "none.jsonl")
    assert status == 2
    assert "can not be read: No such file or directory" in told


def test_audit_reads_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(FILL % ("BUY", "1", "2") + "\n"))
    assert run("audit", "-")[1][0]["quantity"] == "1"


def test_bars_are_read_where_pytz_is_not(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytz", None)
    status, lines, said = run("scores", "history", csv(tmp_path / "SPY.csv", "2024-03-05T14:30:00Z,1,2,1,2,3"))
    assert (status, said) == (0, "")
    assert str(lines[0]["ts"]).startswith("2024-03-05T14:30:00")


def test_studies_are_asked_for_by_name_and_by_desk_file(run: Run, tmp_path: Path) -> None:
    file = csv(tmp_path / "SPY.csv", *(f"2024-03-05T14:3{minute}:00Z,1,2,1,{minute + 1},3" for minute in range(3)))
    named = run("scores", "history", file, "--study", "sma:period=2", "--study", "bollinger:period=2,deviations=1")[1]
    assert named[1]["studies"] == {"sma": 1.5, "bollinger.upper": 2.0, "bollinger.middle": 1.5, "bollinger.lower": 1.0}
    desk = tmp_path / "desk.toml"
    table = '\n[[studies]]\nname = "sma"\nparameters = { period = 2 }\nsymbols = ["AAPL"]\n'
    desk.write_text((ROOT / "deploy" / "desk.toml").read_text() + table)
    of_desk = run("scores", "history", file, "--desk", desk, "--symbol", "AAPL")[1]
    assert [line["studies"] for line in of_desk] == [{"sma": None}, {"sma": 1.5}, {"sma": 2.5}]
    assert "studies" not in run("scores", "history", file, "--desk", desk)[1][0]


def test_study_of_ones_own_is_a_file(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "twice.py").write_text(
        'PARAMETERS = {}\nOUTPUTS = ("",)\ndef step(memory, parameters, bars, at):\n    return (bars[at][4] * 2,)\n'
    )
    file = csv(tmp_path / "SPY.csv", "2024-03-05T14:30:00Z,1,2,1,2,3")
    status, lines, _ = run("scores", "history", file, "--studies", folder, "--study", "twice")
    assert (status, lines[0]["studies"]) == (0, {"twice": 4.0})


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("rssi", "asks for rssi, and no file of that name has a study: there is adx"),
        ("rsi:periods=7", "periods is no parameter of rsi"),
        ("rsi:period=nan", "it must be from 0 to 10000"),
        ("rsi:period", "write a study as rsi, or with parameters"),
        ("rsi:period=x", "write a study as rsi, or with parameters"),
        ("rsi:period=1e999999999", "it must be from 0 to 10000"),
    ],
)
def test_study_that_there_is_not_is_told(run: Run, tmp_path: Path, asked: str, told: str) -> None:
    file = csv(tmp_path / "SPY.csv", "2024-03-05T14:30:00Z,1,2,1,2,3")
    status, lines, said = run("scores", "history", file, "--study", asked)
    assert (status, lines) == (2, [])
    assert told in said


def test_levels_go_by_sessions(run: Run, tmp_path: Path) -> None:
    file = csv(tmp_path / "SPY.csv", "2024-03-05T14:29:00Z,9,9,9,9,3", "2024-03-05T14:30:00Z,1,2,1,2,3")
    lines = run("scores", "history", file, "--session", "XNYS", "--levels")[1]
    assert lines[1]["levels"]["open"] == 1.0  # type: ignore[index]
    assert lines[1]["levels"]["pre_market_high"] == 9.0  # type: ignore[index]
    assert "levels" not in run("scores", "history", file, "--session", "XNYS")[1][0]
    status, _, told = run("scores", "history", file, "--levels")
    assert status == 2
    assert "name the calendar, as --session XNYS" in told
    of_desk = run("scores", "history", file, "--session", "XNYS", "--desk", ROOT / "deploy" / "desk.toml")[1]
    assert of_desk[1]["levels"] == lines[1]["levels"]
