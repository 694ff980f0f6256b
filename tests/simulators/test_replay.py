"""Recorded bars come out as they went in."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from msgspec.structs import replace
from signalbox.errors import ConfigurationError
from signalbox.exchange.quoting import MarketBar
from signalbox.sessions import Session, next_session
from simulators.bars import FIVE_SECONDS, aggregate
from simulators.listings import listing_of
from simulators.market import Market
from simulators.replay import ReplaySource, symbol_of
from simulators.tape import Tape
from simulators.world import World, WorldOptions

HEADER = "ts,open,high,low,close,volume\n"


def source_of(path: Path, symbol: str = "SPY") -> ReplaySource:
    return ReplaySource(listing_of(symbol), (path,))


def written(folder: Path, rows: str, name: str = "SPY.csv") -> Path:
    path = folder / name
    path.write_text(HEADER + rows)
    return path


def file_rows(path: Path, start: datetime, end: datetime) -> list[tuple[datetime, float, float, float, float, float]]:
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return [
            (datetime.fromtimestamp(row[0] / 1e6, tz=UTC), *row[1:])
            for row in connection.execute(
                "SELECT epoch_us(ts), open, high, low, close, volume FROM read_parquet(?) WHERE ts >= ? AND ts < ? "
                "ORDER BY ts",
                [str(path), start, end],
            ).fetchall()
        ]


def replayed_minutes(market: Market, session: Session) -> list[tuple[datetime, float, float, float, float, float]]:
    """Stream a day in five-second bars and aggregate each minute that traded."""
    market.enter(session, session.pre_open)
    rows, at = [], session.pre_open
    while at < session.post_close:
        parts = []
        for number in range(12):
            part = market.peek(at + number * FIVE_SECONDS)
            market.count(part)
            parts.append(part)
        bar = aggregate("SPY", at, 60, parts, market.scale)
        if bar is not None:
            prices = (float(bar.open), float(bar.high), float(bar.low), float(bar.close))
            rows.append((at, *prices, float(bar.volume)))
        at += timedelta(minutes=1)
    return rows


def test_the_first_real_day_comes_out_exactly_as_in_the_file(market_data: Path) -> None:
    path = market_data / "us_equity_1m" / "SPY_2011-01_eth.parquet"
    source = source_of(path)
    session = source.first_session()
    assert (session.pre_open, session.post_close) == (
        datetime(2011, 1, 3, 9, tzinfo=UTC),
        datetime(2011, 1, 4, 1, tzinfo=UTC),
    )
    rows = replayed_minutes(Market(listing_of("SPY"), Tape(listing_of("SPY"), source, 1), 1), session)
    assert rows == file_rows(path, session.pre_open, session.post_close)
    assert len([row for row in rows if session.open <= row[0] < session.close]) == 390


def test_real_days_with_prices_off_tick_come_out_exactly_too(market_data: Path) -> None:
    path = market_data / "us_equity_1m" / "SPY_2020-12-15_18_rth.parquet"
    source = source_of(path)
    market, session = Market(listing_of("SPY"), Tape(listing_of("SPY"), source, 1), 1), source.first_session()
    for _ in range(4):
        assert replayed_minutes(market, session) == file_rows(path, session.pre_open, session.post_close)
        session = next_session("XNYS", session.pre_open)
    assert source.last_end() == datetime(2020, 12, 19, 1, tzinfo=UTC)
    assert not source.covers(session)


def test_times_without_a_zone_are_utc_and_times_with_one_are_kept(tmp_path: Path) -> None:
    naive = written(tmp_path, "2024-01-03 14:30:00,100,101,99,100.5,7\n", "A.csv")
    zoned = written(tmp_path, "2024-01-03 09:30:00-05,100,101,99,100.5,7\n", "B.csv")
    for path in (naive, zoned):
        source = source_of(path)
        ((start, minute),) = source.minutes(source.first_session()).items()
        assert start == datetime(2024, 1, 3, 14, 30, tzinfo=UTC)
        assert [source.scale.price(units) for units in minute[:4]] == [
            Decimal(text) for text in ("100", "101", "99", "100.5")
        ]
        assert minute.volume == 7


def test_several_files_of_one_symbol_are_one_history(tmp_path: Path) -> None:
    first = written(tmp_path, "2024-01-03 14:30,100,101,99,100,7\n2024-01-03 14:31,100,100,100,100,1\n", "A.csv")
    second = written(tmp_path, "2024-01-03 14:31,100,100,100,100,1\n2024-01-04 14:30,102,103,101,102,9\n", "B.csv")
    source = ReplaySource(listing_of("SPY"), (second, first))
    session = source.first_session()
    assert len(source.minutes(session)) == 2
    following = next_session("XNYS", session.pre_open)
    assert len(source.minutes(following)) == 1
    assert source.scale.price(source.previous_close(following)) == 100


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("", "no bars"),
        ("2024-01-03 14:30:30,100,101,99,100,7\n", "whole minute"),
        ("2024-01-03 14:30,100,99,98,99,7\n", "contradicts itself"),
        ("2024-01-03 14:30,100,101,99,100,-1\n", "contradicts itself"),
        ("2024-01-03 14:30,100,101,99,nan,7\n", "where a number should be"),
        ("2024-01-03 14:30,100,101,99,,7\n", "where a number should be"),
        ("yesterday,100,101,99,100,7\n", "no file of bars"),
    ],
)
def test_a_bad_file_is_refused_with_a_sentence(tmp_path: Path, rows: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        source_of(written(tmp_path, rows))


def test_a_missing_file_and_contradicting_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no file"):
        source_of(tmp_path / "none.parquet")
    paths = (
        written(tmp_path, "2024-01-03 14:30,100,101,99,100,7\n", "A.csv"),
        written(tmp_path, "2024-01-03 14:30,100,102,99,100,7\n", "B.csv"),
    )
    with pytest.raises(ConfigurationError, match="another bar"):
        ReplaySource(listing_of("SPY"), paths)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("SPY_2011-01_eth.parquet", "SPY"),
        ("AAPL.csv", "AAPL"),
        ("0700.HK_2024.parquet", "0700.HK"),
        ("BTC-USD_dydx_trade.parquet", "BTC-USD"),
        ("MSFT.csv.gz", "MSFT"),
    ],
)
def test_a_file_names_its_symbol(name: str, symbol: str) -> None:
    assert symbol_of(Path("some") / name) == symbol


# ------------------------------------------------------------------------------------------------------ perpetuals


@pytest.fixture
def bitcoin(market_data: Path) -> Path:
    return market_data / "crypto_1m" / "BTC-USD_dydx_trade.parquet"


def test_a_recorded_day_of_bitcoin_comes_out_as_it_went_in(bitcoin: Path) -> None:
    market = Market(listing_of("BTC-USD"), Tape(listing_of("BTC-USD"), source_of(bitcoin, "BTC-USD"), 1), 1)
    day = market.history(
        datetime(2026, 1, 2, tzinfo=UTC),
        timedelta(days=1),
        60,
        regular_hours_only=False,
        known_until=datetime(2026, 1, 2, tzinfo=UTC),
    )
    rows = [
        (bar.start, float(bar.open), float(bar.high), float(bar.low), float(bar.close), float(bar.volume))
        for bar in day
    ]
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    expected = file_rows(bitcoin, begin, begin + timedelta(days=1))
    assert len(expected) == 1410
    assert rows == expected
    session = source_of(bitcoin, "BTC-USD").first_session()
    assert replayed_minutes(market, session) == expected


async def test_bitcoin_alone_runs_its_whole_span_also_beside_stocks_that_rest(bitcoin: Path) -> None:
    options = WorldOptions(
        symbols=("SPY", "BTC-USD"), accounts=("DU1",), bar_files=(("", bitcoin),), speed=math.inf, step_seconds=5
    )
    world, bars = World(options), 0

    async def count(bar: MarketBar) -> None:
        nonlocal bars
        bars += bar.symbol == "BTC-USD"

    world.on_bar(count)
    assert world.now() == datetime(2026, 1, 1, tzinfo=UTC)
    await world.run_to_end()
    assert world.now() == datetime(2026, 1, 2, tzinfo=UTC)
    assert bars == 86_400 // 5
    assert world.last("BTC-USD") == 88771


def test_files_of_different_times_are_a_mistake_that_says_what_to_do(bitcoin: Path, market_data: Path) -> None:
    stocks = market_data / "us_equity_1m" / "SPY_2020-12-15_18_rth.parquet"
    options = WorldOptions(symbols=(), accounts=("DU1",), bar_files=(("", stocks), ("", bitcoin)))
    with pytest.raises(ConfigurationError, match=r"no time in common.*replay files of the same days, or one symbol"):
        World(options)
    assert World(replace(options, start=datetime(2026, 1, 1, tzinfo=UTC))).last("BTC-USD") == 87489


def test_files_of_the_same_days_begin_with_the_stocks_session(tmp_path: Path) -> None:
    stocks = written(tmp_path, "2024-03-05T14:30:00Z,10,10,10,10,100\n")
    rows = "2024-03-05T00:00:00Z,60000,60010,59990,60000,1.5\n2024-03-05T23:59:00Z,60001,60010,59990,60000,0.0001\n"
    options = WorldOptions(
        symbols=(),
        accounts=("DU1",),
        bar_files=(("", written(tmp_path, rows, "BTC-USD.csv")), ("", stocks)),
    )
    world = World(options)
    assert world.now() == datetime(2024, 3, 5, 9, tzinfo=UTC)
    assert world.last("BTC-USD") == 60_000
