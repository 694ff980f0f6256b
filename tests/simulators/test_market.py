"""The synthetic market: the same whenever and in whatever order it is asked for, and never ahead of time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signalbox.exchange.quoting import MarketBar, Phase
from signalbox.sessions import Session, session_on
from simulators.bars import FIVE_SECONDS
from simulators.listings import AMBIGUOUS, listing_of, offer
from simulators.market import Market, bar_start, phase_at
from simulators.synthetic import SyntheticSource
from simulators.tape import Tape

DAY = date(2024, 1, 3)
EVER = datetime(2030, 1, 1, tzinfo=UTC)


def market(symbol: str = "SPY", seed: int = 1) -> Market:
    listing = listing_of(symbol)
    return Market(listing, Tape(listing, SyntheticSource(listing, seed), seed), seed)


def session(calendar: str = "XNYS", day: date = DAY) -> Session:
    found = session_on(calendar, day)
    assert found is not None
    return found


def streamed(of: Market, start: datetime, end: datetime) -> list[MarketBar]:
    bars = []
    while start < end:
        part = of.peek(start)
        of.count(part)
        bars.append(of.bar(start, part))
        start += FIVE_SECONDS
    return bars


def day_bars(of: Market, end: datetime = EVER, days: int = 10_000, seconds: int = 86_400) -> tuple[MarketBar, ...]:
    return of.history(end, timedelta(days=days), seconds, regular_hours_only=True, known_until=end)


def test_history_agrees_with_what_is_streamed() -> None:
    live, today = market(), session()
    live.enter(today, today.pre_open)
    bars = [bar for bar in streamed(live, today.pre_open, today.post_close) if bar.trades]
    told = market().history(
        today.post_close, timedelta(days=1), 5, regular_hours_only=False, known_until=today.post_close
    )
    assert list(told) == [bar for bar in bars if bar.start >= today.post_close - timedelta(days=1)]


def test_joining_a_day_later_gives_the_same_market() -> None:
    today = session()
    joined_at = today.open + timedelta(minutes=3, seconds=25)
    early, late = market(), market()
    early.enter(today, today.pre_open)
    streamed(early, today.pre_open, joined_at)
    late.enter(today, joined_at)
    assert early.quote(joined_at, Phase.REGULAR) == late.quote(joined_at, Phase.REGULAR)


@pytest.mark.parametrize("seconds", [5, 60, 300, 3600, 86_400])
def test_history_never_tells_what_is_yet_to_come(seconds: int) -> None:
    at = session().open + timedelta(minutes=7, seconds=35)
    ahead, two_days = at + timedelta(days=1), timedelta(days=2)
    now, minute_later = (
        market().history(ahead, two_days, seconds, regular_hours_only=True, known_until=until)
        for until in (at, at + timedelta(minutes=1))
    )
    assert now[-1].start < at
    assert minute_later[: len(now) - 1] == now[:-1]
    assert now[-1].volume <= minute_later[len(now) - 1].volume
    fine = market().history(ahead, two_days, 5, regular_hours_only=True, known_until=at)
    assert sum(bar.volume for bar in fine if bar.start >= now[0].start) == sum(bar.volume for bar in now)
    assert now[-1].close == fine[-1].close
    if seconds > 60:
        assert now[-1].volume < minute_later[len(now) - 1].volume


def test_coarse_bars_are_made_of_fine_ones() -> None:
    today = session()
    minutes, fives = (
        market().history(today.close, timedelta(hours=6.5), seconds, regular_hours_only=True, known_until=today.close)
        for seconds in (60, 300)
    )
    assert (len(minutes), len(fives)) == (390, 78)
    for number, five in enumerate(fives):
        group = minutes[5 * number : 5 * number + 5]
        assert five.start == group[0].start
        assert (five.open, five.close) == (group[0].open, group[-1].close)
        assert five.high == max(bar.high for bar in group)
        assert five.volume == sum(bar.volume for bar in group)


def test_a_day_bar_stands_for_each_trading_day() -> None:
    bars = day_bars(market(), session().post_close, days=8)
    assert [bar.start.date() for bar in bars] == [date(2023, 12, day) for day in (27, 28, 29)] + [
        date(2024, 1, 2),
        date(2024, 1, 3),
    ]


def test_each_day_goes_on_from_the_official_close_before() -> None:
    source = SyntheticSource(listing_of("SPY"), 1)
    today, before = session(), session(day=date(2024, 1, 2))
    last_regular = [minute for start, minute in source.minutes(before).items() if start < before.close][-1]
    assert source.previous_close(today) == last_regular.close


@pytest.mark.parametrize(
    ("symbol", "low", "high"), [("AAPL", 130, 270), ("SPY", 310, 640), ("0700.HK", 280, 570), ("ZZZZ", 5, 500)]
)
def test_prices_stay_near_the_level_of_the_symbol(symbol: str, low: int, high: int) -> None:
    bars = day_bars(market(symbol), datetime(2024, 1, 3, 23, tzinfo=UTC), days=200)
    assert len(bars) > 100
    assert all(low < bar.low <= bar.high < high for bar in bars)
    assert any(before.close != after.close for before, after in pairwise(bars))


def test_another_seed_makes_another_market_and_the_same_seed_the_same() -> None:
    one, same, other = (day_bars(market(seed=seed), session().post_close, days=3) for seed in (1, 1, 2))
    assert one == same != other


@settings(max_examples=25)
@given(st.sampled_from(["SPY", "0700.HK", "0005.HK"]), st.integers(0, 3_000))
def test_quotes_are_on_tick_around_the_last_trade(symbol: str, step: int) -> None:
    of = market(symbol)
    today, tick = session(of.listing.calendar), of.listing.tick
    at = today.open + timedelta(seconds=5 * (step % 1_700))
    of.enter(today, at)
    part = of.peek(at)
    of.count(part)
    for number, price in enumerate(part.prints()):
        quote = of.quote(at, Phase.REGULAR, price, number)
        assert quote.bid <= quote.last <= quote.ask
        assert quote.ask - quote.bid in (tick, 2 * tick)
        assert quote.bid % tick == quote.ask % tick == quote.last % tick == 0
        assert 0 < quote.bid_size <= 40 * of.listing.lot or quote.bid_size <= 900
        assert quote.bid_size % of.listing.lot == quote.ask_size % of.listing.lot == 0


def test_nothing_trades_during_the_lunch_of_hong_kong() -> None:
    today = session("XHKG")
    (lunch,) = today.breaks
    assert phase_at(today, lunch[0]) is Phase.CLOSED
    assert phase_at(today, lunch[1]) is Phase.REGULAR
    bars = market("0700.HK").history(
        today.post_close, timedelta(days=1), 60, regular_hours_only=False, known_until=today.post_close
    )
    assert len(bars) == 330
    assert not [bar for bar in bars if lunch[0] <= bar.start < lunch[1]]


def test_a_half_day_ends_early() -> None:
    today = session(day=date(2011, 11, 25))
    bars = market().history(
        today.post_close, timedelta(hours=20), 60, regular_hours_only=True, known_until=today.post_close
    )
    assert len(bars) == 210
    assert bars[-1].start == datetime(2011, 11, 25, 17, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("symbol", "regular_only", "starts"),
    [
        ("SPY", True, ["09:30", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00"]),
        ("SPY", False, [f"{hour:02}:00" for hour in range(4, 20)]),
        ("0700.HK", True, ["09:30", "10:00", "11:00", "13:00", "14:00", "15:00"]),
    ],
)
def test_no_bar_of_an_hour_begins_before_trading_does(symbol: str, regular_only: bool, starts: list[str]) -> None:
    of = market(symbol)
    today = session(of.listing.calendar)
    bars = of.history(EVER, EVER - today.pre_open, 3600, regular_hours_only=regular_only, known_until=today.post_close)
    zone = ZoneInfo(of.listing.time_zone)
    assert [f"{bar.start.astimezone(zone):%H:%M}" for bar in bars] == starts


def test_a_two_hour_bar_that_would_begin_in_the_lunch_begins_after_it() -> None:
    today = session("XHKG")
    ((_, lunch_ends),) = today.breaks
    assert bar_start(today, lunch_ends, 7200, regular_only=True) == lunch_ends


def test_a_bar_size_that_does_not_fit_is_refused() -> None:
    for seconds in (0, 1, 7, 50_000):
        with pytest.raises(ValueError, match="multiple of 5 s"):
            day_bars(market(), seconds=seconds)


def test_before_the_calendar_begins_there_is_no_history() -> None:
    assert len(day_bars(market(), datetime(2005, 1, 5, tzinfo=UTC), days=30)) == 2
    assert day_bars(market(), datetime(1900, 1, 1, tzinfo=UTC)) == ()


def test_listings_are_unique_but_for_the_ambiguous_symbol() -> None:
    listings = offer(("SPY", "AAPL", "0700.HK", "ZZZZ", "SPY"))
    assert [listing.key for listing in listings] == ["SPY", "AAPL", "0700.HK", "ZZZZ", "TWIN", "TWIN.SEHK"]
    assert len({listing.con_id for listing in listings}) == len(listings)
    assert {listing.symbol for listing in AMBIGUOUS} == {"TWIN"}
    assert len({listing.currency for listing in AMBIGUOUS}) == 2
    assert listing_of("0700.HK").symbol == "700"
    assert listing_of("1234.HK").currency == "HKD"
    assert listing_of("1234.HK").reference_price % listing_of("1234.HK").tick == Decimal(0)
