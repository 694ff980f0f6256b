"""Minutes made of candles and trades, and the gaps that only REST can fill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gateway_dydx.facts import CandleSeen, Trade
from gateway_dydx.minutes import Minutes, begin_live, minutes_of, settle, take_candle, take_history, take_trade
from hypothesis import given
from hypothesis import strategies as st
from signalbox.bars import parse_timeframe
from signalbox.gateway.minutes import MINUTE, Closed, Gap, bar_message
from signalbox.messages import BarSource, Side

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
YESTERDAY = datetime(2026, 1, 4, tzinfo=UTC)
FRAMES = (parse_timeframe("1m"), parse_timeframe("5m"))


def candle(at: datetime, volume: int | str = 1, trades: int = 1, close: int = 100) -> CandleSeen:
    return CandleSeen(
        ticker="BTC-USD",
        resolution="1MIN",
        started_at=at,
        open=Decimal(100),
        high=Decimal(max(100, close)),
        low=Decimal(min(100, close)),
        close=Decimal(close),
        volume=Decimal(volume),
        trades=trades,
    )


def trade(at: datetime, size: int | str = 1, id: str = "") -> Trade:
    return Trade(ticker="BTC-USD", id=id, side=Side.BUY, size=Decimal(size), price=Decimal(100), at=at)


def caught_up(at: datetime = NOON) -> Minutes:
    """A series whose history up to `at` has been told (there were no trades), and which is live from `at` on."""
    minutes = minutes_of("BTC-USD", at, FRAMES)
    take_history(minutes, Gap(minutes.next_minute, at), ())
    begin_live(minutes, at - timedelta(seconds=1))
    assert settle(minutes, at) == ([], None)
    return minutes


def ones(closed: list[Closed]) -> list[tuple[datetime, BarSource]]:
    return [(each.candle.start, each.source) for each in closed if each.timeframe == "1m"]


def test_a_series_begins_with_yesterday_and_asks_for_all_of_it_at_once() -> None:
    minutes = minutes_of("BTC-USD", NOON, FRAMES)
    assert settle(minutes, NOON + timedelta(seconds=30)) == ([], Gap(YESTERDAY, NOON))


def test_a_minute_whose_candle_and_trades_agree_is_live() -> None:
    minutes = caught_up()
    take_trade(minutes, trade(NOON))
    take_candle(minutes, candle(NOON))
    assert settle(minutes, NOON + timedelta(seconds=59)) == ([], None)
    closed, gap = settle(minutes, NOON + MINUTE)
    assert gap is None
    assert ones(closed) == [(NOON, BarSource.LIVE)]


def test_a_minute_whose_last_candle_was_lost_is_asked_for() -> None:
    minutes = caught_up()
    take_trade(minutes, trade(NOON))
    take_candle(minutes, candle(NOON))
    take_trade(minutes, trade(NOON + timedelta(seconds=50)))
    gap = Gap(NOON, NOON + MINUTE)
    assert settle(minutes, NOON + MINUTE) == ([], gap)
    take_history(minutes, gap, [candle(NOON, volume=2, trades=2)])
    closed, _ = settle(minutes, NOON + MINUTE)
    assert ones(closed) == [(NOON, BarSource.BACKFILL)]
    assert closed[0].candle.volume == 2


def test_a_minute_without_a_candle_is_asked_for_and_may_have_had_no_trades() -> None:
    minutes = caught_up()
    _, gap = settle(minutes, NOON + MINUTE)
    assert gap == Gap(NOON, NOON + MINUTE)
    take_history(minutes, gap, ())
    assert settle(minutes, NOON + MINUTE) == ([], None)
    assert minutes.next_minute == NOON + MINUTE


def test_nothing_overtakes_a_gap_and_all_holes_are_one_question() -> None:
    minutes = caught_up()
    for number in (1, 3):
        take_trade(minutes, trade(NOON + number * MINUTE))
        take_candle(minutes, candle(NOON + number * MINUTE))
    closed, gap = settle(minutes, NOON + 4 * MINUTE)
    assert closed == []
    assert gap == Gap(NOON, NOON + 3 * MINUTE)
    take_history(minutes, gap, [candle(NOON), candle(NOON + MINUTE, volume=9)])
    closed, _ = settle(minutes, NOON + 4 * MINUTE)
    assert ones(closed) == [
        (NOON, BarSource.BACKFILL),
        (NOON + MINUTE, BarSource.LIVE),
        (NOON + 3 * MINUTE, BarSource.LIVE),
    ]


def test_the_minute_in_which_the_connection_came_is_not_live() -> None:
    minutes = caught_up()
    begin_live(minutes, NOON + timedelta(seconds=5))
    take_trade(minutes, trade(NOON + timedelta(seconds=6)))
    take_candle(minutes, candle(NOON))
    assert settle(minutes, NOON + MINUTE)[1] == Gap(NOON, NOON + MINUTE)


def test_what_was_seen_before_a_lost_connection_counts_no_more() -> None:
    minutes = caught_up()
    take_trade(minutes, trade(NOON))
    take_candle(minutes, candle(NOON))
    begin_live(minutes, None)
    assert settle(minutes, NOON + MINUTE)[1] == Gap(NOON, NOON + MINUTE)


def test_a_trade_that_comes_twice_counts_once() -> None:
    minutes = caught_up()
    assert take_trade(minutes, trade(NOON, id="a"))
    assert not take_trade(minutes, trade(NOON, id="a"))
    take_candle(minutes, candle(NOON))
    assert ones(settle(minutes, NOON + MINUTE)[0]) == [(NOON, BarSource.LIVE)]


def test_an_older_state_of_a_candle_that_comes_later_changes_nothing() -> None:
    minutes = caught_up()
    assert take_candle(minutes, candle(NOON, volume=2, trades=2, close=90))
    assert not take_candle(minutes, candle(NOON))
    assert minutes.candles[NOON].close == 90


def test_a_closed_minute_is_never_revised() -> None:
    minutes = caught_up()
    take_trade(minutes, trade(NOON))
    take_candle(minutes, candle(NOON))
    settle(minutes, NOON + MINUTE)
    assert not take_candle(minutes, candle(NOON, volume=5, trades=5))
    assert not take_trade(minutes, trade(NOON))
    assert NOON not in minutes.candles
    assert NOON not in minutes.traded


def test_a_candle_whose_prices_contradict_each_other_is_no_candle() -> None:
    broken = CandleSeen(
        ticker="BTC-USD",
        resolution="1MIN",
        started_at=NOON,
        open=Decimal(1),
        high=Decimal(1),
        low=Decimal(2),
        close=Decimal(1),
        volume=Decimal(1),
        trades=1,
    )
    assert not take_candle(caught_up(), broken)


def test_coarser_bars_are_made_of_minutes_and_take_the_source_of_the_one_that_closes_them() -> None:
    minutes = caught_up()
    gap = Gap(NOON, NOON + 5 * MINUTE)
    take_history(minutes, gap, [candle(NOON + number * MINUTE, close=100 + number) for number in (0, 2, 4)])
    closed, _ = settle(minutes, NOON + 5 * MINUTE)
    five = [each for each in closed if each.timeframe == "5m"]
    assert [(each.candle.close, each.candle.volume, each.candle.trades) for each in five] == [(104, 3, 3)]


def test_a_bars_id_derives_from_what_it_is() -> None:
    minutes = caught_up()
    take_history(minutes, Gap(NOON, NOON + MINUTE), [candle(NOON)])
    closed, _ = settle(minutes, NOON + MINUTE)
    bar = bar_message("dydx", "BTC-USD", closed[0], NOON)
    assert bar.id == "bar/dydx/BTC-USD/1m/2026-01-05T12:00:00+00:00"
    assert (bar.start, bar.at) == (NOON, NOON + MINUTE)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), max_size=30))
def test_whatever_is_lost_every_traded_minute_is_closed_once_in_order_with_its_whole_volume(
    trades: list[tuple[int, bool, bool]],
) -> None:
    """Each trade: its minute, whether its own message is lost, whether the candle's is."""
    minutes = caught_up()
    volumes: dict[datetime, int] = {}
    closed: list[Closed] = []
    for number, (minute, trade_lost, candle_lost) in enumerate(sorted(trades)):
        at = NOON + minute * MINUTE
        volumes[at] = volumes.get(at, 0) + 1
        if not trade_lost:
            take_trade(minutes, trade(at, id=str(number)))
        if not candle_lost:
            take_candle(minutes, candle(at, volume=volumes[at], trades=volumes[at]))
    while True:
        more, gap = settle(minutes, NOON + 10 * MINUTE)
        closed += more
        if gap is None:
            break
        take_history(minutes, gap, [candle(at, volume, volume) for at, volume in volumes.items()])
    found = [(each.candle.start, int(each.candle.volume)) for each in closed if each.timeframe == "1m"]
    lost_together = _seen_equally_short(sorted(trades))
    assert [start for start, _ in found] == sorted(volumes)
    assert all(volume == volumes[start] for start, volume in found if start not in lost_together)


def _seen_equally_short(trades: list[tuple[int, bool, bool]]) -> set[datetime]:
    """Minutes that nothing can tell from whole ones: trades and candle were lost alike."""
    equal = set()
    for minute in {minute for minute, _, _ in trades}:
        mine = [(trade_lost, candle_lost) for each, trade_lost, candle_lost in trades if each == minute]
        seen = sum(not trade_lost for trade_lost, _ in mine)
        shown = max((number + 1 for number, (_, candle_lost) in enumerate(mine) if not candle_lost), default=0)
        if seen == shown and seen < len(mine):
            equal.add(NOON + minute * MINUTE)
    return equal
