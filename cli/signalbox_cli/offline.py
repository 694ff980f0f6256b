"""The commands on files: `scores history` and `audit`. They use the services' own deciders, without a desk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from signalbox.bars import Timeframe, parse_timeframe
from signalbox.desk import IndicatorParameters, load_desk
from signalbox.errors import ConfigurationError, SignalboxError
from signalbox.studies import DeskStudy, LevelsParameters

from signalbox_cli.commands import add_command
from signalbox_cli.output import complain, show_json

COLUMNS = ("ts", "open", "high", "low", "close", "volume")
# as a number: DuckDB needs pytz, which nothing else here does, to make a time with its zone
_TYPED = "epoch_us(ts::TIMESTAMPTZ), " + ", ".join(f"{name}::DOUBLE" for name in COLUMNS[1:])
ROWS_AT_ONCE = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    audit = add_command(
        commands,
        "audit",
        "fold a file of fills into positions: does my broker's statement add up?",
        """
        A line of FILLS.jsonl (what it has beside symbol, side, quantity and price may be left out):
          {"symbol": "SPY", "side": "BUY", "quantity": "100", "price": "470.1", "commission": "1", "multiplier": "1",
           "at": "2024-03-05T15:00:00Z", "execution_id": "e-1", "revision": 1}
        After each one it prints:
          {"symbol": "SPY", "quantity": "100", "average_price": "470.1", "realized_pnl": "0", "commission": "1"}
        realized_pnl is before commission; it and commission are sums, in the symbol's currency.
        Lines that say `at` are folded by time, and an execution that comes again counts once, as its highest revision
        has it: standard error says so. The desk's own: signalbox query "SELECT * FROM fills" --json | signalbox audit -

        Exit status: 0 all lines were read, 1 a line is wrong (those before it were folded), 2 no such file.
        """,
    )
    audit.add_argument(
        "fills",
        type=Path,
        metavar="FILLS.jsonl",
        help="one fill a line, oldest first where no times are said; - = standard input",
    )
    audit.set_defaults(run=_audit)


def add_history(scores: argparse.ArgumentParser) -> None:
    """`scores history BARS`: the positional words of `scores`."""
    scores.add_argument("what", nargs="?", choices=("history", "explain"), help="score a file; tell of one score")
    scores.add_argument(
        "bars",
        nargs="?",
        type=Path,
        metavar="BARS.parquet",
        help="Parquet or CSV: ts, open, high, low, close, volume; of `explain` the symbol",
    )
    scores.add_argument(
        "--timezone",
        default="America/New_York",
        help="where a trading day begins (default America/New_York); bars without a zone are UTC",
    )
    scores.add_argument("--session", metavar="CALENDAR", help="only pre-market and regular hours of XNYS, XHKG, ...")
    scores.add_argument(
        "--desk", type=Path, metavar="DESK.toml", help="take the indicators' parameters and studies from this desk file"
    )
    scores.add_argument(
        "--study",
        type=study,
        action="append",
        default=[],
        metavar="NAME[:KEY=NUMBER,...]",
        help="a study beside them (docs/indicators.md), as rsi or bollinger:period=30,deviations=2.5; again for more",
    )
    scores.add_argument(
        "--levels", action="store_true", help="with --session: opening range, day before, VWAP, pre-market of each bar"
    )
    scores.add_argument("--studies", type=Path, metavar="FOLDER", help="a folder with studies of your own")


def timeframe(text: str) -> Timeframe:
    """The `--timeframe` of the command line."""
    try:
        return parse_timeframe(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(error.mistakes[0]) from None


def study(text: str) -> DeskStudy:
    """A `--study` of the command line: `bollinger:period=30,deviations=2.5`."""
    name, colon, rest = text.partition(":")
    try:
        given = [item.split("=") for item in rest.split(",")] if colon else []
        return DeskStudy(name=name, parameters={key: float(Decimal(number)) for key, number in given})
    except (ArithmeticError, ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r}: write a study as rsi, or with parameters as rsi:period=7"
        ) from None


def run_history(arguments: argparse.Namespace) -> int:
    """Print one JSON line a bar."""
    from indicators.history import LocalDays, SessionDays, format_line, score_history
    from indicators.studied import studies_of
    from indicators.study_files import find

    if arguments.bars is None:
        raise ConfigurationError(["name the file: signalbox scores history BARS.parquet"])
    try:
        days = SessionDays(arguments.session) if arguments.session else LocalDays(ZoneInfo(arguments.timezone))
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigurationError([f"{arguments.timezone!r} is no time zone: try America/New_York or UTC"]) from None
    desk = load_desk(arguments.desk) if arguments.desk else None
    studies, mistakes = studies_of((*(desk.studies if desk else ()), *arguments.study), find(arguments.studies))
    if mistakes:
        raise ConfigurationError(mistakes)
    parameters = desk.indicators if desk else IndicatorParameters()
    length = arguments.timeframe or parse_timeframe("1m")
    wanted = desk.levels if desk else LevelsParameters()
    if arguments.levels and not arguments.session:
        raise ConfigurationError(["--levels go by sessions: name the calendar, as --session XNYS"])
    with_levels = arguments.levels or length.text in wanted.timeframes
    opening_range = timedelta(minutes=wanted.opening_range_minutes) if with_levels else None
    rows, symbol = read_bars(arguments.bars), arguments.symbol or ""
    for bar in score_history(rows, parameters, length, days, studies, symbol, opening_range):
        show_json(format_line(bar))
    return 0


def read_bars(path: Path) -> Iterator[tuple[datetime, float, float, float, float, float]]:
    """The bars of a Parquet or CSV file by time; raises `ConfigurationError` when it is not such a file."""
    import duckdb

    if not path.is_file():
        raise ConfigurationError([f"{path} is not there"])
    function = "read_parquet" if path.suffix == ".parquet" else "read_csv"
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        try:
            result = database.execute(f"SELECT {_TYPED} FROM {function}(?) ORDER BY 1", [str(path)])
            while rows := result.fetchmany(ROWS_AT_ONCE):
                if rows[-1][0] is None:
                    raise ConfigurationError([f"{path} has a bar without a ts"])
                yield from ((EPOCH + timedelta(microseconds=microseconds), *values) for microseconds, *values in rows)
        except duckdb.Error as error:
            message = str(error).splitlines()[0]
            raise ConfigurationError([f"{path} can not be read as bars ({', '.join(COLUMNS)}): {message}"]) from None


def _audit(arguments: argparse.Namespace) -> int:
    from oms.audit import audit_lines

    try:
        with sys.stdin if str(arguments.fills) == "-" else arguments.fills.open() as lines:
            for line in audit_lines(lines, complain):
                show_json(line)
    except OSError as error:
        complain(f"{arguments.fills} can not be read: {error.strerror}")
        return 2
    except SignalboxError as error:
        complain(f"{arguments.fills}: {error}")
        return 1
    return 0
