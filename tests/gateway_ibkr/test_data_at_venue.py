"""Market data through the real client library: every minute once and in order, whatever happens to the link."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from gateway_ibkr import feeds
from msgspec.structs import replace
from signalbox import messages, subjects
from signalbox.desk import DeskInstrument, Venue
from signalbox.messages import (
    AccountState,
    Bar,
    BarSource,
    Decision,
    Instrument,
    IntentDenied,
    MarketDataType,
    OrderIntent,
    OrderType,
    Quote,
    Side,
)
from simulators.clock_publisher import ClockPublisher
from simulators.world import WorldOptions

DATA = 12
START = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)


async def live_until(desk: Any, at: datetime, symbol: str = "SPY") -> list[Bar]:
    """Wait until a live bar has reached `at`; all bars of the symbol."""

    async def reached() -> list[Bar]:
        found = await desk.bars(symbol)
        return found if found and found[-1].at >= at and found[-1].source is BarSource.LIVE else []

    result: list[Bar] = await desk.eventually(reached, f"live bars until {at}")
    return result


def whole(desk: Any, found: list[Bar], symbol: str = "SPY") -> None:
    """Every minute once, in order, and as the venue's own history has it."""
    starts = [bar.start for bar in found]
    assert starts == sorted(set(starts))
    end = found[-1].at
    day = found[0].start.date()
    told = desk.venue.world.history(symbol, end, timedelta(days=2), 60, regular_hours_only=False)
    close = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=21)
    expected = {each.start: each for each in told if each.trades and found[0].start <= each.start < end}
    expected = {start: each for start, each in expected.items() if not close <= start < close + timedelta(hours=4)}
    assert starts == sorted(expected)
    for bar in found:
        each = expected[bar.start]
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (
            each.open,
            each.high,
            each.low,
            each.close,
            each.volume,
        )


@pytest.fixture
def world_options() -> WorldOptions:
    return WorldOptions(symbols=("SPY", "AAPL"), speed=300.0, start=START, seed=5)


async def test_history_and_live_bars_meet_without_gap_or_overlap(desk: Any) -> None:
    await desk.start()
    found = await live_until(desk, START + timedelta(minutes=6))
    assert found[0].start.date() == datetime(2024, 3, 4, tzinfo=UTC).date()
    whole(desk, found)


async def test_five_minutes_are_the_sum_of_their_minutes(desk: Any) -> None:
    await desk.start()
    minutes = {bar.start: bar for bar in await live_until(desk, START + timedelta(minutes=12))}
    for five in await desk.bars(timeframe="5m"):
        parts = [bar for start, bar in minutes.items() if five.start <= start < five.at]
        assert five.volume == sum(bar.volume for bar in parts)
        assert (five.open, five.close) == (parts[0].open, parts[-1].close)


@pytest.mark.parametrize("times", [1, 4])
async def test_a_dropped_data_link_leaves_no_gap(desk: Any, times: int) -> None:
    await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    for _ in range(times):
        await desk.dropped(DATA)
    found = await live_until(desk, desk.venue.world.now() + timedelta(minutes=3))
    whole(desk, found)


async def test_a_restart_publishes_no_bar_again_and_leaves_none_out(desk: Any) -> None:
    first = await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    await desk.stop(first)
    await desk.passes(minutes=1)
    await desk.start()
    found = await live_until(desk, desk.venue.world.now() + timedelta(minutes=3))
    whole(desk, found)
    starts = [bar.start for bar in await desk.bars(timeframe="5m")]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("farm_down", [True, False])
async def test_a_gap_is_asked_for_as_long_as_history_is_not_told(
    desk: Any, farm_down: bool, metric: Callable[..., float]
) -> None:
    desk.settings = replace(desk.settings, history_seconds_max=0.3)
    runtime = await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    if farm_down:
        await desk.venue.do("farm_down", farm="ushmds")
    else:
        await desk.venue.do("omit", kind="historicalData", client=DATA, count=1_000)
    await desk.dropped(DATA)
    await desk.eventually(lambda: "asked for 4 times" in runtime.details()["bars_wait_for"], "a gap that is asked for")
    assert ("disconnected (162)" if farm_down else "reqHistoricalData") in runtime.details()["bars_wait_for"]
    assert metric("signalbox_venue_open_gap_seconds", venue="ibkr", symbol="SPY") > 0
    await desk.passes(minutes=10)
    assert runtime.details()["gaps_that_stay"] == ""
    await desk.venue.do(*(("farm_up",) if farm_down else ("clear",)), **({"farm": "ushmds"} if farm_down else {}))
    whole(desk, await live_until(desk, desk.venue.world.now() + timedelta(minutes=3)))
    assert runtime.details()["bars_wait_for"] == ""


@pytest.mark.parametrize("word", ["2106", "1102"])
async def test_a_gap_is_asked_for_at_once_when_history_is_said_to_be_back(
    desk: Any, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "IDENTICAL_HISTORY_SECONDS", 1e7)  # nothing else asks again
    runtime = await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    await desk.venue.do("farm_down", farm="ushmds")
    await desk.dropped(DATA)
    await desk.eventually(lambda: runtime.details()["bars_wait_for"].count("asked for 1 times") == 2, "both wait")
    if word == "1102":
        await desk.venue.do("clear")
        await desk.venue.do("link_restored", data_lost=False)
    else:
        await desk.venue.do("farm_up", farm="ushmds")
    await desk.eventually(lambda: runtime.details()["bars_wait_for"] == "", "both are filled")
    whole(desk, await live_until(desk, desk.venue.world.now() + timedelta(minutes=3)))


async def test_a_gap_outlives_a_restart(desk: Any) -> None:
    first = await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    await desk.venue.do("farm_down", farm="ushmds")
    await desk.dropped(DATA)
    await desk.eventually(lambda: first.details()["bars_wait_for"], "a gap")
    await desk.stop(first)
    second = await desk.start()
    await desk.eventually(lambda: second.details()["bars_wait_for"], "it is asked for again")
    await desk.venue.do("farm_up", farm="ushmds")
    whole(desk, await live_until(desk, desk.venue.world.now() + timedelta(minutes=3)))


@pytest.mark.parametrize("fault", ["omit", "duplicate", "reorder"])
async def test_five_second_bars_lost_doubled_or_displaced_change_no_minute(desk: Any, fault: str) -> None:
    await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    await desk.venue.do(fault, kind="50", client=DATA, count=3)
    found = await live_until(desk, desk.venue.world.now() + timedelta(minutes=4))
    whole(desk, found)


async def test_data_lost_behind_the_gateway_is_subscribed_anew(desk: Any) -> None:
    await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    await desk.venue.do("link_lost")
    await desk.passes(minutes=1)
    await desk.venue.do("link_restored", data_lost=True)
    found = await live_until(desk, desk.venue.world.now() + timedelta(minutes=4))
    whole(desk, found)


async def test_a_bust_is_subscribed_anew(desk: Any) -> None:
    await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    await desk.venue.do("bust")
    whole(desk, await live_until(desk, desk.venue.world.now() + timedelta(minutes=6)))


async def test_quotes_come_with_both_sides_and_the_last_price(desk: Any) -> None:
    quotes: list[Quote] = []

    async def quote(received: Any) -> None:
        quotes.append(messages.decode(received.payload, Quote))

    await desk.risk.subscribe("md.quote.ibkr.SPY", quote)
    await desk.start()
    await desk.eventually(lambda: quotes and quotes[-1].bid and quotes[-1].ask and quotes[-1].last, "a whole quote")
    assert quotes[-1].bid < quotes[-1].ask  # type: ignore[operator]
    assert quotes[-1].market_data_type is MarketDataType.LIVE
    times = [each.at for each in quotes]
    assert times == sorted(times)


async def test_instruments_that_the_venue_does_not_have_are_left_out_and_the_others_work(desk: Any) -> None:
    wanted = (*desk.desk.instruments, DeskInstrument(venue="ibkr", symbol="NOPE"))
    desk.desk = replace(desk.desk, instruments=wanted)
    runtime = await desk.start()
    await desk.ready()
    told = [
        messages.decode(each.payload, Instrument) async for each in desk.recorder.read("STATE", "md.instrument.ibkr.*")
    ]
    assert {each.symbol for each in told} == {"SPY", "AAPL"}
    assert "NOPE" in runtime.details()["not_offered"]


async def test_the_account_is_told_at_least_every_minute_of_desk_time(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    states: list[AccountState] = []

    async def fresh() -> bool:
        async for each in desk.recorder.read("STATE", "account.ibkr.*"):
            state = messages.decode(each.payload, AccountState)
            if not states or state.at != states[-1].at:
                states.append(state)
        return len(states) >= 5

    await desk.eventually(fresh, "five account states")
    pauses = sorted(later.at - earlier.at for earlier, later in pairwise(states))
    assert pauses[len(pauses) // 2] < timedelta(seconds=120)  # one may be as long as the machine stalls; IB's are 180 s


# ------------------------------------------------------------------------------------------------- refused and silent


async def test_refused_market_data_is_said_once_and_other_symbols_work(
    desk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.venue.do("not_subscribed", symbol="AAPL")
    quoted: set[str] = set()

    async def quote(received: Any) -> None:
        quoted.add(messages.decode(received.payload, Quote).symbol)

    await desk.risk.subscribe("md.quote.ibkr.*", quote)
    runtime = await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    assert quoted == {"SPY"}
    assert "subscribe in Client Portal" in runtime.details()["data_refused"]
    await desk.dropped(DATA)
    await live_until(desk, desk.venue.world.now() + timedelta(minutes=2))
    said = [
        record for record in caplog.records if getattr(record, "symbol", "") == "AAPL" and record.levelname != "INFO"
    ]
    assert len(said) == 1, "one line for both refusals (quotes 354, bars 420), also after a reconnect"


async def test_a_subscription_that_falls_silent_is_made_anew_and_leaves_no_gap(
    desk: Any, metric: Callable[..., float]
) -> None:
    desk.settings = replace(desk.settings, silence_wall_seconds_max=0.4)
    await desk.start()
    await live_until(desk, START + timedelta(minutes=2))

    def made_anew() -> float:
        count: float = metric("signalbox_venue_resubscriptions_total", venue="ibkr", symbol="SPY", data="bar")
        return count

    before = made_anew()
    await desk.venue.do("omit", kind="50", client=DATA, count=100_000)
    await desk.eventually(lambda: made_anew() > before, "anew")
    await desk.venue.do("clear")
    whole(desk, await live_until(desk, desk.venue.world.now() + timedelta(minutes=3)))


@pytest.mark.parametrize("kind", list(MarketDataType))
async def test_each_kind_of_market_data_is_asked_for_and_said(desk: Any, kind: MarketDataType) -> None:
    venue = Venue(accounts=desk.desk.venues["ibkr"].accounts, market_data_type=kind.value)
    desk.desk = replace(desk.desk, venues={"ibkr": venue})
    quotes: list[Quote] = []

    async def quote(received: Any) -> None:
        quotes.append(messages.decode(received.payload, Quote))

    await desk.risk.subscribe("md.quote.ibkr.SPY", quote)
    await desk.start()
    await desk.eventually(lambda: quotes and quotes[-1].last, f"a {kind.value} quote")
    assert {each.market_data_type for each in quotes} == {kind}


class TestHongKong:
    """A session with a lunch break (12:00 to 13:00 there, 04:00 to 05:00 UTC) and board lots of 100."""

    @pytest.fixture
    def world_options(self) -> WorldOptions:
        start = datetime(2024, 3, 5, 3, 50, tzinfo=UTC)
        return WorldOptions(symbols=("0700.HK",), speed=20.0, start=start, seed=5)

    async def test_a_board_lot_fills_a_wrong_lot_is_refused_and_lunch_has_no_bars(self, desk: Any) -> None:
        instruments = (DeskInstrument(venue="ibkr", symbol="0700.HK"),)
        desk.desk = replace(desk.desk, instruments=instruments)
        await desk.start()
        await desk.ready()
        await desk.submit("lot-1", symbol="0700.HK", quantity=Decimal(100))
        await desk.submit("odd-1", symbol="0700.HK", quantity=Decimal(150))
        await desk.has("lot-1", "VenueAccepted", "VenueFill", "VenueCommission")
        await desk.has("odd-1", "VenueRejected")
        assert "lot" in (await desk.reports("odd-1"))[-1].reason
        desk.venue.world.set_speed(1200.0)
        found = await live_until(desk, datetime(2024, 3, 5, 5, 4, tzinfo=UTC), "0700.HK")
        lunch, after = datetime(2024, 3, 5, 4, tzinfo=UTC), datetime(2024, 3, 5, 5, tzinfo=UTC)
        starts = [bar.start for bar in found if bar.start >= lunch - timedelta(minutes=10)]
        told = desk.venue.world.history("0700.HK", found[-1].at, timedelta(hours=2), 60, regular_hours_only=False)
        assert starts == [each.start for each in told if each.trades and each.start >= starts[0]]
        assert [start for start in starts if lunch <= start < after] == []
        assert starts[0] < lunch < after <= starts[-1]


def launched(module: str, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen([sys.executable, "-m", module], env=os.environ | environment, stdout=out, stderr=out)


@pytest.fixture
async def risk_process(desk: Any, nats_server: Any, tmp_path: Path) -> AsyncIterator[None]:
    """The risk service as a process of its own, following the simulator's clock."""
    publisher = ClockPublisher(desk.venue.world, await nats_server.connect("simulator"))
    ticking = asyncio.create_task(publisher.run())
    environment = {
        "SIGNALBOX_NATS_URL": nats_server.url,
        "SIGNALBOX_NATS_USER": "risk",
        "SIGNALBOX_NATS_PASSWORD": nats_server.password("risk"),
        **nats_server.seal_settings("risk"),
        "SIGNALBOX_DESK_FILE": str(Path(__file__).parents[2] / "deploy" / "desk.toml"),
    }
    risk = launched("risk", environment, tmp_path / "risk.log")
    yield
    risk.kill()
    risk.wait()
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)


class TestDenied:
    @pytest.fixture
    def world_options(self) -> WorldOptions:
        return WorldOptions(symbols=("SPY", "AAPL"), speed=10.0, start=START, seed=5)

    async def test_risk_denies_an_order_of_a_symbol_whose_market_data_is_refused(
        self, desk: Any, nats_server: Any, risk_process: None
    ) -> None:
        await desk.venue.do("not_subscribed", symbol="AAPL")
        quotes: list[Quote] = []

        async def quote(received: Any) -> None:
            quotes.append(messages.decode(received.payload, Quote))

        await desk.risk.subscribe("md.quote.ibkr.SPY", quote)
        await desk.start()
        await desk.ready()
        await desk.eventually(lambda: quotes, "a quote of SPY")
        user = await nats_server.connect("user")
        for symbol in ("AAPL", "SPY"):
            intent = OrderIntent(
                id=f"wish-{symbol}",
                at=desk.venue.world.now(),
                venue="ibkr",
                symbol=symbol,
                side=Side.BUY,
                quantity=Decimal(10),
                order_type=OrderType.MARKET,
            )
            await user.publish(subjects.intent(intent), intent)

        async def decided() -> dict[str, Any]:
            found = [
                messages.decode(each.payload, Decision) async for each in desk.recorder.read("TRADE", "decision.>")
            ]
            return {each.intent.symbol: each for each in found} if len(found) == 2 else {}

        decisions = await desk.eventually(decided, "two decisions")
        priced = {
            symbol: all(check.name != "price_present" for check in decision.checks)
            for symbol, decision in decisions.items()
        }
        assert isinstance(decisions["AAPL"], IntentDenied)
        assert priced == {"AAPL": False, "SPY": True}
