"""TWS's time texts, both ways."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ib_async.util import parseIBDatetime
from simulators.tws import times

AT = datetime(2024, 3, 5, 14, 30, 5, tzinfo=UTC)


def test_times_are_written_with_the_zones_name() -> None:
    assert times.stamp(AT) == "20240305 14:30:05 UTC"
    assert times.stamp(AT, "America/New_York") == "20240305 09:30:05 US/Eastern"
    assert times.stamp(AT, "Asia/Hong_Kong") == "20240305 22:30:05 Asia/Hong_Kong"
    assert (times.minute(AT), times.day(AT.date()), times.epoch(AT)) == ("14:30", "20240305", "1709649005")


@pytest.mark.parametrize(
    "text",
    [
        "20240305-14:30:05",
        "20240305 14:30:05",
        "20240305  14:30:05",
        "20240305 14:30:05 UTC",
        "20240305 09:30:05 US/Eastern",
        "20240305 22:30:05 Asia/Hong_Kong",
    ],
)
def test_every_form_of_a_time_is_read(text: str) -> None:
    assert times.read(text) == AT


def test_a_day_is_its_midnight_at_the_exchange() -> None:
    assert times.read("20240305", "America/New_York") == datetime(2024, 3, 5, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "now", "20241305-00:00:00", "20240305 25:00:00", "20240305 10:00:00 Mars/X", "1 2 3 4"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        times.read(text)


@given(st.integers(0, 3_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_what_is_written_is_read_by_us_and_by_the_real_client(at: datetime) -> None:
    assert times.read(times.stamp(at)) == at
    assert parseIBDatetime(times.stamp(at)) == at


def test_a_zone_is_missed_only_where_there_is_none() -> None:
    assert [times.names_zone(text) for text in ("20240305-14:30:05", "20240305 14:30:05 UTC", "20240305")] == [True] * 3
    assert not times.names_zone("20240305 14:30:05")
