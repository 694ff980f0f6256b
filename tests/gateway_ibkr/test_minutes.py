"""Minutes made of five-second bars, and the gaps that only history can fill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_ibkr.facts import FiveSecondBarSeen, HistoryBarSeen
from gateway_ibkr.minutes import (
    DOUBTS_MAX,
    Minutes,
    begin_after,
    minutes_of,
    settle,
    take_history,
    take_live,
    trading_days,
)
from hypothesis import given
from hypothesis import strategies as st
from signalbox.bars import parse_timeframe
from signalbox.errors import TranslationError
from signalbox.gateway.minutes import Closed, Gap, bar_message
from signalbox.messages import BarSource

TEN = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)  # 10:00 in New York
FIVE_MINUTES = (parse_timeframe("1m"), parse_timeframe("5m"))
YESTERDAY = datetime(2024, 3, 4, 9, 0, tzinfo=UTC)


def part(at: datetime, price: float = 100.0, trades: int = 2, volume: float = 10.0) -> FiveSecondBarSeen:
    return FiveSecondBarSeen(
        request_id=1,
        start=int(at.timestamp()),
        open=price,
        high=price + 1,
        low=price - 1,
        close=price + 0.5,
        volume=volume,
        trades=trades,
    )


def past(at: datetime, price: float = 90.0, trades: int = 5) -> HistoryBarSeen:
    return HistoryBarSeen(
        start=int(at.timestamp()), open=price, high=price, low=price, close=price, volume=50.0, trades=trades
    )


def parts(start: datetime, minutes: int = 1, **values: float) -> list[FiveSecondBarSeen]:
    return [part(start + timedelta(seconds=5 * number), **values) for number in range(12 * minutes)]  # type: ignore[arg-type]


def caught_up(at: datetime = TEN) -> Minutes:
    """A series whose history up to `at` has been told: there were no trades."""
    minutes = minutes_of("SPY", "XNYS", at, FIVE_MINUTES)
    closed, gap = settle(minutes)
    assert closed == []
    assert gap is not None
    take_history(minutes, gap, ())
    settle(minutes)
    return minutes


def feed(minutes: Minutes, *bars: FiveSecondBarSeen) -> tuple[list[Closed], Gap | None]:
    for bar in bars:
        take_live(minutes, bar)
    return settle(minutes)


def test_history_is_wanted_from_yesterdays_early_hours() -> None:
    _, gap = settle(minutes_of("SPY", "XNYS", TEN, FIVE_MINUTES))
    assert gap == Gap(YESTERDAY, TEN)


def test_on_a_monday_yesterday_is_friday() -> None:
    _, gap = settle(minutes_of("SPY", "XNYS", datetime(2024, 3, 4, 15, 0, tzinfo=UTC), FIVE_MINUTES))
    assert gap is not None
    assert gap.start == datetime(2024, 3, 1, 9, 0, tzinfo=UTC)


def test_a_minute_is_closed_by_its_last_part_and_not_by_a_clock() -> None:
    minutes = caught_up()
    *most, last = parts(TEN)
    assert feed(minutes, *most) == ([], None)
    (closed,), gap = feed(minutes, last)
    assert gap is None
    candle = closed.candle
    assert (closed.timeframe, closed.source) == ("1m", BarSource.LIVE)
    assert (candle.open, candle.high, candle.low, candle.close) == (100, 101, 99, Decimal("100.5"))
    assert (candle.volume, candle.trades, candle.start, candle.end) == (120, 24, TEN, TEN + timedelta(minutes=1))


def test_a_minute_without_trades_has_no_bar() -> None:
    minutes = caught_up()
    assert feed(minutes, *parts(TEN, trades=0, volume=0.0)) == ([], None)
    closed, _ = feed(minutes, *parts(TEN + timedelta(minutes=1)))
    assert [each.candle.start for each in closed] == [TEN + timedelta(minutes=1)]


def test_parts_without_trades_do_not_change_the_prices() -> None:
    minutes = caught_up()
    silent, *others = parts(TEN)
    (closed,), _ = feed(minutes, part(TEN, price=500.0, trades=0, volume=0.0), *others)
    assert closed.candle.high == 101
    assert silent.start == others[0].start - 5


def test_five_minutes_are_closed_by_their_last_minute_even_a_silent_one() -> None:
    minutes = caught_up()
    closed, _ = feed(minutes, *parts(TEN, 4), *parts(TEN + timedelta(minutes=4), trades=0, volume=0.0))
    assert [each.timeframe for each in closed] == ["1m"] * 4 + ["5m"]
    assert closed[-1].candle.volume == 480


def test_the_minute_of_a_late_subscription_comes_from_history() -> None:
    minutes = caught_up(TEN + timedelta(seconds=30))
    late = parts(TEN)[7:]
    _, gap = feed(minutes, *late, *parts(TEN + timedelta(minutes=1)))
    assert gap == Gap(TEN, TEN + timedelta(minutes=1))
    take_history(minutes, gap, [past(TEN)])
    closed, gap = settle(minutes)
    assert gap is None
    assert [(each.candle.start.minute, each.source) for each in closed] == [
        (0, BarSource.BACKFILL),
        (1, BarSource.LIVE),
    ]


def test_a_drop_leaves_one_gap_up_to_the_next_complete_minute() -> None:
    minutes = caught_up()
    feed(minutes, *parts(TEN, 2))
    later = TEN + timedelta(minutes=10, seconds=20)
    resumed = [part(later + timedelta(seconds=5 * number)) for number in range(8 + 12)]
    closed, gap = feed(minutes, *resumed)
    assert closed == []
    assert gap == Gap(TEN + timedelta(minutes=2), TEN + timedelta(minutes=11))


def test_nothing_overtakes_a_gap() -> None:
    minutes = caught_up()
    _, gap = feed(minutes, *parts(TEN)[:-1], *parts(TEN + timedelta(minutes=1), 3))
    assert gap is not None
    closed, again = settle(minutes)
    assert (closed, again) == ([], gap)
    take_history(minutes, gap, [past(TEN)])
    closed, gap = settle(minutes)
    assert [each.candle.start.minute for each in closed] == [0, 1, 2, 3]


def test_a_part_that_comes_after_its_successor_is_no_gap() -> None:
    minutes = caught_up()
    *most, last = parts(TEN)
    following = parts(TEN + timedelta(minutes=1))
    assert feed(minutes, *most, following[0]) == ([], None)
    closed, gap = feed(minutes, last)
    assert (len(closed), gap) == (1, None)


def test_a_duplicate_part_is_taken_once() -> None:
    minutes = caught_up()
    (closed,), _ = feed(minutes, *[bar for bar in parts(TEN) for _ in range(2)])
    assert closed.candle.volume == 120


def test_a_late_part_of_a_settled_minute_changes_nothing() -> None:
    minutes = caught_up()
    feed(minutes, *parts(TEN))
    assert not take_live(minutes, part(TEN, price=2.0))
    assert settle(minutes) == ([], None)


def test_a_part_without_prices_is_refused_and_its_minute_becomes_a_gap() -> None:
    minutes = caught_up()
    with pytest.raises(TranslationError):
        take_live(minutes, part(TEN, price=float("nan")))
    _, gap = feed(minutes, *parts(TEN)[1:], *parts(TEN + timedelta(minutes=1))[:2])
    assert gap is not None


def test_after_hours_are_ignored() -> None:
    close = datetime(2024, 3, 5, 21, 0, tzinfo=UTC)
    minutes = caught_up(close - timedelta(minutes=1))
    closed, gap = feed(minutes, *parts(close - timedelta(minutes=1), 3))
    assert gap is None
    assert [each.candle.start for each in closed if each.timeframe == "1m"] == [close - timedelta(minutes=1)]


def test_the_night_is_no_gap() -> None:
    close = datetime(2024, 3, 5, 21, 0, tzinfo=UTC)
    minutes = caught_up(close - timedelta(minutes=1))
    feed(minutes, *parts(close - timedelta(minutes=1)))
    early = datetime(2024, 3, 6, 9, 0, tzinfo=UTC)
    closed, gap = feed(minutes, *parts(early))
    assert gap is None
    assert [each.candle.start for each in closed] == [early]


def test_the_hong_kong_lunch_is_no_gap() -> None:
    lunch = datetime(2024, 3, 5, 4, 0, tzinfo=UTC)
    minutes = minutes_of("0700.HK", "XHKG", lunch - timedelta(minutes=1), ())
    _, gap = settle(minutes)
    assert gap is not None
    take_history(minutes, gap, ())
    settle(minutes)
    closed, gap = feed(minutes, *parts(lunch - timedelta(minutes=1)), *parts(lunch + timedelta(hours=1)))
    assert gap is None
    assert len(closed) == 2


def test_history_outside_the_gap_is_not_taken() -> None:
    minutes = minutes_of("SPY", "XNYS", TEN, ())
    _, gap = settle(minutes)
    assert gap is not None
    take_history(minutes, gap, [past(TEN), past(TEN - timedelta(minutes=1)), past(YESTERDAY - timedelta(minutes=1))])
    closed, _ = settle(minutes)
    assert [each.candle.start for each in closed] == [TEN - timedelta(minutes=1)]


def test_a_bars_id_says_which_bar_it_is() -> None:
    minutes = caught_up()
    (closed,), _ = feed(minutes, *parts(TEN))
    bar = bar_message("ibkr", "SPY", closed, TEN)
    assert bar.id == "bar/ibkr/SPY/1m/2024-03-05T15:00:00+00:00"
    assert bar.at == TEN + timedelta(minutes=1)


def test_trading_days_are_counted_as_the_venue_counts() -> None:
    assert trading_days("XNYS", YESTERDAY, TEN) == 2
    assert trading_days("XNYS", datetime(2024, 3, 1, 15, 0, tzinfo=UTC), TEN) == 3


@given(st.lists(st.integers(min_value=0, max_value=119), max_size=60), st.randoms(use_true_random=False))
def test_lost_and_shuffled_parts_give_each_minute_once_and_in_order(lost: list[int], random: object) -> None:
    minutes = caught_up()
    bars = [bar for number, bar in enumerate(parts(TEN, 10)) if number not in lost]
    bars += parts(TEN + timedelta(minutes=10), 2)
    for number in range(0, len(bars) - 1, 2):  # neighbours change places
        if random.random() < 0.5:  # type: ignore[attr-defined]
            bars[number], bars[number + 1] = bars[number + 1], bars[number]
    starts = []
    for bar in bars:
        take_live(minutes, bar)
        closed, gap = settle(minutes)
        while gap is not None:
            starts += [each.candle.start for each in closed if each.timeframe == "1m"]
            span = int((gap.end - gap.start).total_seconds()) // 60
            take_history(minutes, gap, [past(gap.start + timedelta(minutes=each)) for each in range(span)])
            closed, gap = settle(minutes)
        starts += [each.candle.start for each in closed if each.timeframe == "1m"]
    assert starts == [TEN + timedelta(minutes=number) for number in range(len(starts))]
    assert len(starts) >= 11


# ----------------------------------------------------------------------------------------- gaps of a long absence


def test_a_gateway_that_was_away_for_days_begins_with_the_session_of_its_last_bar_and_asks_in_parts() -> None:
    friday = datetime(2024, 3, 8, 15, 0, tzinfo=UTC)
    minutes = minutes_of("SPY", "XNYS", friday, FIVE_MINUTES)
    begin_after(minutes, datetime(2024, 3, 5, 17, 30, tzinfo=UTC))
    gaps = []
    while (gap := settle(minutes)[1]) is not None:
        gaps.append(gap)
        take_history(minutes, gap, ())
    assert gaps[0].start == datetime(2024, 3, 5, 9, 0, tzinfo=UTC)
    assert gaps[-1].end == friday
    assert [trading_days("XNYS", gap.start, gap.end) for gap in gaps] == [2, 2]


@pytest.mark.parametrize("last", [datetime(1, 1, 1, tzinfo=UTC), TEN - timedelta(days=8), TEN])
def test_a_last_bar_that_is_recent_ancient_or_none_changes_nothing(last: datetime) -> None:
    minutes = minutes_of("SPY", "XNYS", TEN, FIVE_MINUTES)
    begin_after(minutes, last)
    assert settle(minutes)[1] == Gap(YESTERDAY, TEN)


def test_history_that_is_behind_what_was_seen_live_is_asked_again_a_few_times() -> None:
    minutes = caught_up()
    lacking = parts(TEN)[1:]
    later = parts(TEN + timedelta(minutes=1))
    _, gap = feed(minutes, *lacking, *later)
    for _ in range(DOUBTS_MAX):
        assert gap == Gap(TEN, TEN + timedelta(minutes=1))
        take_history(minutes, gap, ())
        closed, gap = settle(minutes)
        assert closed == []
    assert gap is not None
    take_history(minutes, gap, (past(TEN),))
    closed, gap = settle(minutes)
    assert gap is None
    assert [each.candle.start for each in closed] == [TEN, TEN + timedelta(minutes=1)]


def test_history_that_goes_on_to_deny_a_minute_is_believed_in_the_end() -> None:
    minutes = caught_up()
    _, gap = feed(minutes, *parts(TEN)[1:], *parts(TEN + timedelta(minutes=1)))
    for _ in range(DOUBTS_MAX + 1):
        assert gap is not None
        take_history(minutes, gap, ())
        closed, gap = settle(minutes)
    assert [each.candle.start for each in closed] == [TEN + timedelta(minutes=1)]
