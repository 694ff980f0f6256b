"""Recorded one-minute bars from Parquet or CSV files.

Owns the reading of files and the exactness of their prices. It must not know how a minute is played.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
from signalbox.errors import ConfigurationError
from signalbox.exchange.listing import Listing
from signalbox.sessions import Session, next_session, session_at

from simulators.bars import Minute, Scale

COLUMNS = ("ts", "open", "high", "low", "close", "volume")
_PLACES_MAX = 8

_Row = tuple[datetime, Decimal, Decimal, Decimal, Decimal, Decimal]


def symbol_of(path: Path) -> str:
    """Return the symbol a file is named after: `SPY_2011-01_eth.parquet` -> `SPY`."""
    return path.name.split(".parquet")[0].split(".csv")[0].split("_")[0]


class ReplaySource:
    """The minutes of one symbol, from one or several files. A minute that two files hold must be the same in both."""

    def __init__(self, listing: Listing, paths: tuple[Path, ...]) -> None:
        rows: dict[datetime, _Row] = {}
        for path in paths:
            for row in _read(path):
                if rows.setdefault(row[0], row) != row:
                    mistake = f"{path} holds another bar at {row[0].isoformat()} than the file before it"
                    raise ConfigurationError([mistake])
        if not rows:
            raise ConfigurationError([f"no bars in {', '.join(str(path) for path in paths)}"])
        self._listing = listing
        places = max(_places(price) for row in rows.values() for price in row[1:5])
        self.scale = Scale.of(listing.tick, places, listing.volume_grain, listing.trade_size)
        self._starts = sorted(rows)
        self._minutes = [self._minute(rows[start]) for start in self._starts]

    def first_session(self) -> Session:
        """Return the trading day of the first bar."""
        first = self._starts[0]
        return session_at(self._listing.calendar, first) or next_session(self._listing.calendar, first)

    def last_end(self) -> datetime:
        """Return the end of the trading day of the last bar."""
        last = self._starts[-1]
        session = session_at(self._listing.calendar, last)
        return session.post_close if session else last + timedelta(minutes=1)

    def covers(self, session: Session) -> bool:
        """Say whether the files hold any bar of this trading day."""
        at = bisect_left(self._starts, session.pre_open)
        return at < len(self._starts) and self._starts[at] < session.post_close

    def previous_close(self, session: Session) -> int:
        """Return the last price before the session; before the first day, the first open. In units."""
        at = bisect_left(self._starts, session.pre_open)
        return self._minutes[at - 1].close if at else self._minutes[0].open

    def minutes(self, session: Session) -> dict[datetime, Minute]:
        """Return the session's minutes with trades by their start, in order."""
        begin = bisect_left(self._starts, session.pre_open)
        end = bisect_right(self._starts, session.post_close - timedelta(seconds=1))
        return dict(zip(self._starts[begin:end], self._minutes[begin:end], strict=True))

    def _minute(self, row: _Row) -> Minute:
        start, opens, high, low, close, volume = row
        if not (0 < low <= min(opens, close) and max(opens, close) <= high and volume >= 0):
            raise ConfigurationError([f"the {self._listing.key} bar at {start.isoformat()} contradicts itself"])
        units = self.scale.units
        return Minute(units(opens), units(high), units(low), units(close), volume)


def _read(path: Path) -> list[_Row]:
    if not path.is_file():
        raise ConfigurationError([f"no file {path}"])
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        reader = "read_csv(?)" if ".csv" in path.name else "read_parquet(?)"
        try:
            # `ts` without a zone is UTC; epoch microseconds do not depend on any zone setting.
            cursor = connection.execute(
                f"SELECT epoch_us(ts::TIMESTAMPTZ), open, high, low, close, volume FROM {reader} ORDER BY 1",
                [str(path)],
            )
            raw = cursor.fetchall()
        except duckdb.Error as error:
            raise ConfigurationError([f"{path} is no file of bars ({', '.join(COLUMNS)}): {error}"]) from error
    return [(_time(path, row[0]), *(_exact(path, value) for value in row[1:])) for row in raw]  # type: ignore[misc]


def _time(path: Path, microseconds: int | None) -> datetime:
    if microseconds is None or microseconds % 60_000_000:
        raise ConfigurationError([f"{path} holds a bar that does not start on a whole minute"])
    return datetime.fromtimestamp(microseconds // 1_000_000, tz=UTC)


def _exact(path: Path, value: object) -> Decimal:
    """Return the number as it is written: the shortest text that is that float, not its binary expansion."""
    number = Decimal(str(value)) if value is not None else Decimal("nan")
    if not number.is_finite():
        raise ConfigurationError([f"{path} holds {value} where a number should be"])
    return number.normalize() if _places(number) > 0 else number.quantize(Decimal(1))


def _places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return min(_PLACES_MAX, max(0, -int(exponent)))
