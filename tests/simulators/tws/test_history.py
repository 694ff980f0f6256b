"""Past bars as the real client gets them: sizes, durations, dates, what is kept up to date, and each refusal."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from ib_async import Contract

OPEN = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)


def history(req_id: int, **changes: Any) -> tuple[Any, ...]:
    fields = {"end": "", "size": "1 min", "duration": "600 S", "rth": 1, "what": "TRADES", "format": 1, "keep": 0}
    contract = (0, changes.pop("symbol", "AAPL"), "STK", "", 0, "", "", "SMART", "", "USD", "", "", 0)
    fields |= changes
    return (20, req_id, *contract, *fields.values(), "")


async def past(client: Any, contract: Contract, duration: str, size: str, **changes: Any) -> Any:
    arguments = {"endDateTime": "", "whatToShow": "TRADES", "useRTH": True, "formatDate": 1} | changes
    return await client.ib.reqHistoricalDataAsync(
        contract, durationStr=duration, barSizeSetting=size, timeout=10, **arguments
    )


async def test_a_day_of_minutes_is_todays_session_so_far(simulator: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    bars = await past(client, aapl, "1 D", "1 min")
    assert bars[0].date == OPEN
    assert str(bars[0].date.tzinfo) == "US/Eastern"
    assert 30 <= len(bars) <= 40
    assert all(later.date > earlier.date for earlier, later in pairwise(bars))


@pytest.mark.parametrize(
    ("size", "seconds"),
    [("5 secs", 5), ("30 secs", 30), ("1 min", 60), ("5 mins", 300), ("15 mins", 900), ("1 hour", 3600)],
)
async def test_bars_are_as_long_as_asked(simulator: Any, aapl: Contract, size: str, seconds: int) -> None:
    client = await simulator.connect()
    end = "20240304 20:00:00 UTC"
    bars = await past(client, aapl, "7200 S", size, endDateTime=end)
    gaps = {(later.date - earlier.date).total_seconds() for earlier, later in pairwise(bars)}
    assert min(gaps) == seconds
    assert all(gap % seconds == 0 for gap in gaps)
    assert bars[-1].date < datetime(2024, 3, 4, 20, tzinfo=UTC)


async def test_minutes_add_up_to_the_hour(simulator: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    end = "20240304-20:00:00"
    minutes = await past(client, aapl, "3600 S", "1 min", endDateTime=end)
    (hour,) = await past(client, aapl, "3600 S", "1 hour", endDateTime=end)
    assert hour.open == minutes[0].open
    assert hour.close == minutes[-1].close
    assert hour.high == max(bar.high for bar in minutes)
    assert hour.volume == sum(bar.volume for bar in minutes)


async def test_before_the_open_a_day_of_regular_hours_is_the_one_before(simulate: Any, aapl: Contract) -> None:
    async with simulate(start=OPEN - timedelta(hours=1), speed=1.0) as simulator:
        client = await simulator.connect()
        for days, duration in (([4], "1 D"), ([1, 4], "2 D")):
            hours = await past(client, aapl, duration, "1 hour")
            assert sorted({bar.date.day for bar in hours}) == days


async def test_daily_bars_are_dated_by_the_exchanges_day(simulator: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    bars = await past(client, aapl, "5 D", "1 day")
    assert [bar.date for bar in bars] == [
        date(2024, 2, 28),
        date(2024, 2, 29),
        date(2024, 3, 1),
        date(2024, 3, 4),
        date(2024, 3, 5),
    ]


async def test_weeks_are_made_of_days(simulator: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    days = await past(client, aapl, "3 W", "1 day", endDateTime="20240304-23:00:00")
    weeks = await past(client, aapl, "3 W", "1 week", endDateTime="20240304-23:00:00")
    assert sum(bar.volume for bar in weeks) == sum(bar.volume for bar in days)
    assert len(weeks) in (3, 4)


async def test_date_format_2_is_epoch_seconds(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(*history(1, format=2))
    (message,) = await client.got(17)
    assert datetime.fromtimestamp(int(message[5]), UTC).year == 2024


async def test_outside_regular_hours_there_are_more_bars(simulator: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    regular = await past(client, aapl, "1 D", "30 mins")
    all_hours = await past(client, aapl, "1 D", "30 mins", useRTH=False)
    assert len(all_hours) > len(regular)


async def test_the_past_joins_the_live_bars_without_gap_or_overlap(
    simulator: Any, wait_until: Any, aapl: Contract
) -> None:
    client = await simulator.connect()
    live = client.ib.reqRealTimeBars(aapl, 5, "TRADES", False)
    await wait_until(lambda: len(live) >= 3)
    told = await past(client, aapl, "60 S", "5 secs", useRTH=False)
    await wait_until(lambda: live[-1].time > told[-1].date)
    by_time = {bar.time: bar for bar in live}
    shared = [bar for bar in told if bar.date in by_time]
    assert shared
    for bar in shared:
        other = by_time[bar.date]
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (
            other.open_,
            other.high,
            other.low,
            other.close,
            other.volume,
        )


async def test_what_is_kept_up_to_date_equals_the_history_asked_later(
    simulator: Any, wait_until: Any, aapl: Contract
) -> None:
    client = await simulator.connect()
    kept = await past(client, aapl, "600 S", "1 min", keepUpToDate=True)
    began = kept[-1].date
    await wait_until(lambda: kept[-1].date >= began + timedelta(minutes=3))
    later = await past(client, aapl, "1800 S", "1 min")

    def whole(bars: Any) -> list[tuple[Any, ...]]:
        ended = (bar for bar in bars if began <= bar.date < began + timedelta(minutes=3))
        return [(bar.date, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in ended]

    assert whole(kept) == whole(later)
    client.ib.cancelHistoricalData(kept)


async def test_the_first_hour_kept_up_to_date_ends_on_the_hour(simulate: Any, wait_until: Any, aapl: Contract) -> None:
    async with simulate(start=OPEN + timedelta(minutes=27), speed=600.0) as simulator:
        client = await simulator.connect()
        kept = await past(client, aapl, "1 D", "1 hour", keepUpToDate=True)
        await wait_until(lambda: len(kept) >= 2)
        assert [f"{bar.date:%H:%M}" for bar in kept][:2] == ["09:30", "10:00"]


async def test_the_schedule_has_sessions(simulator: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    schedule = await client.ib.reqHistoricalScheduleAsync(aapl, 3)
    assert [session.refDate for session in schedule.sessions] == ["20240301", "20240304", "20240305"]
    assert schedule.sessions[0].startDateTime == "20240301-09:30:00"


async def test_the_head_of_the_data_is_told(simulator: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    head = await client.ib.reqHeadTimeStampAsync(aapl, "TRADES", True, 2)
    assert head.year == 2023


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NOSUCH"}, 200),
        ({"size": "7 mins"}, 321),
        ({"size": "1 secs"}, 321),
        ({"duration": "1 X"}, 321),
        ({"duration": "D"}, 321),
        ({"duration": "-1 D"}, 321),
        ({"duration": "0 D"}, 321),
        ({"duration": "400 D"}, 321),
        ({"duration": "9999999999 S"}, 162),
        ({"what": "NONSENSE"}, 321),
        ({"what": "MIDPOINT"}, 162),
        ({"format": 3}, 321),
        ({"keep": 1, "end": "20240305-15:00:00"}, 321),
        ({"end": "yesterday"}, 10314),
        ({"end": "20240305 10:00:00 Moon/Base"}, 10314),
        ({"end": "19000101-00:00:00"}, 162),
        ({"size": "5 secs", "duration": "1 M"}, 162),
    ],
)
async def test_a_bad_request_for_bars_is_refused(simulator: Any, changes: dict[str, Any], code: int) -> None:
    client = await simulator.raw(1)
    client.say(*history(9, **changes))
    assert (await client.error(code))[2] == "9"
    assert client.of(17) == []


async def test_hours_without_trades_are_162_no_data(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(*history(9, end="20240305-14:30:00", duration="60 S", size="1 min", rth=1))
    message = await client.error(162)
    assert message[4] == "Historical Market Data Service error message:HMDS query returned no data: AAPL@SMART Trades"


async def test_an_end_without_zone_is_warned_of(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(*history(9, end="20240304 20:00:00"))
    await client.error(2174)
    await client.got(17)


async def test_an_identical_request_within_15_seconds_is_a_pacing_violation(simulate: Any) -> None:
    async with simulate(speed=1.0) as simulator:
        client = await simulator.raw(1)
        client.say(*history(1))
        client.say(*history(2))
        assert (await client.error(162))[4].endswith("Historical data request pacing violation")
        assert len(await client.got(17)) == 1


async def test_the_sixth_request_for_one_contract_within_2_seconds_is_a_pacing_violation(simulate: Any) -> None:
    async with simulate(speed=1.0) as simulator:
        client = await simulator.raw(1)
        for number in range(1, 7):
            client.say(*history(number, duration=f"{number * 60} S"))
        assert (await client.error(162))[2] == "6"


async def test_a_request_id_that_is_kept_up_to_date_is_in_use(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(*history(1, keep=1))
    client.say(*history(1, duration="300 S"))
    await client.error(322)


async def test_a_cancel_is_confirmed_by_162(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(*history(1, keep=1))
    await client.got(17)
    client.say(25, 1, 1)
    assert (await client.error(162))[4].endswith("API historical data query cancelled: 1")


async def test_a_cancel_of_no_request_is_366(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(25, 1, 77)
    await client.error(366)
