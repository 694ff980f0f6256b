"""Every subscription comes back after everything that ends it at the venue, with a word or without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gateway_ibkr import market_data, pacing
from msgspec.structs import replace
from signalbox import messages
from signalbox.messages import Quote
from simulators.world import WorldOptions

KINDS = ("quote", "bar", "pnl")


@pytest.fixture
def gateway_settings() -> dict[str, Any]:
    """Silence is noticed within a second of wall time."""
    return {"silence_wall_seconds_max": 0.5, "account_silence_seconds_max": 240}


class Ears:
    """What comes of each kind of data, as somebody on the bus or on the metrics sees it."""

    def __init__(self, metric: Callable[..., float]) -> None:
        self._metric = metric
        self.quotes: list[Quote] = []

    def anew(self, data: str) -> float:
        symbol = "SPY" if data in ("quote", "bar") else ""
        return self._metric("signalbox_venue_resubscriptions_total", venue="ibkr", symbol=symbol, data=data)

    def lost(self, data: str) -> float:
        return self._metric("signalbox_venue_subscriptions_lost", venue="ibkr", data=data)


@pytest.fixture
async def ears(desk: Any, metric: Callable[..., float]) -> Ears:
    found = Ears(metric)

    async def quote(received: Any) -> None:
        found.quotes.append(messages.decode(received.payload, Quote))

    await desk.risk.subscribe("md.quote.ibkr.SPY", quote)
    return found


async def goes_on(desk: Any, ears: Ears) -> None:
    """Wait until quotes and bars of now come, and nothing is lost."""
    began = desk.venue.world.now()
    await desk.eventually(lambda: ears.quotes and ears.quotes[-1].at > began, "quotes go on")

    async def bars_go_on() -> bool:
        found = await desk.bars()
        return bool(found) and found[-1].at > began and found[-1].source.value == "LIVE"

    await desk.eventually(bars_go_on, "bars go on")
    await desk.eventually(lambda: not any(map(ears.lost, KINDS)), "nothing is lost")


async def running(desk: Any, ears: Ears) -> Any:
    runtime = await desk.start()
    await desk.ready()
    await goes_on(desk, ears)
    return runtime


@pytest.mark.parametrize("times", [1, 2])
async def test_after_data_lost_everything_is_asked_for_again(desk: Any, ears: Ears, times: int) -> None:
    await running(desk, ears)
    for _ in range(times):
        before = {kind: ears.anew(kind) for kind in ("quote", "bar", "pnl")}
        await desk.venue.do("link_lost")
        await desk.passes(minutes=1)
        await desk.venue.do("link_restored", data_lost=True)
        for kind, count in before.items():
            await desk.eventually(lambda kind=kind, count=count: ears.anew(kind) > count, f"{kind} anew")
        await goes_on(desk, ears)


async def test_a_competing_session_is_told_and_over_once_it_is_over(desk: Any, ears: Ears) -> None:
    runtime = await running(desk, ears)
    await desk.venue.do("competing_session")
    await desk.eventually(lambda: ears.lost("quote") == 2 and ears.lost("bar") == 2, "two symbols are lost")
    told = runtime.details()["data_asked_for_again"]
    assert "SPY quotes: No market data during competing live session (10197)" in told
    assert "log out there" in told
    asked = ears.anew("quote")
    await desk.eventually(lambda: ears.anew("quote") > asked, "it is tried while the other session lasts")
    await desk.venue.do("competing_session", over=True)
    await goes_on(desk, ears)
    assert runtime.details()["data_asked_for_again"] == ""


@pytest.mark.parametrize("data_lost", [True, False])
async def test_a_farm_that_comes_back_is_held_to_what_it_gave(desk: Any, ears: Ears, data_lost: bool) -> None:
    await running(desk, ears)
    await desk.venue.do("farm_down")
    await desk.venue.do("farm_up", data_lost=data_lost)
    await goes_on(desk, ears)


@pytest.mark.parametrize("data", KINDS)
async def test_what_ends_without_a_word_is_asked_for_again(desk: Any, ears: Ears, data: str) -> None:
    await running(desk, ears)
    before = ears.anew(data)
    assert (await desk.venue.do("lose_subscriptions", data=data))["subscriptions"] > 0
    await desk.eventually(lambda: ears.anew(data) > before, f"{data} anew")
    await goes_on(desk, ears)
    assert (await desk.venue.do("lose_subscriptions", data=data))["subscriptions"] > 0, "it is subscribed to"


async def test_account_figures_that_end_without_a_word_are_asked_for_again(desk: Any, ears: Ears) -> None:
    await running(desk, ears)

    async def are_subscribed_to() -> bool:
        return bool((await desk.venue.do("lose_subscriptions", data="account"))["subscriptions"])

    for _ in range(2):
        await desk.eventually(are_subscribed_to, "it is subscribed to")


async def test_data_that_was_refused_comes_once_it_is_permitted(desk: Any, ears: Ears) -> None:
    desk.settings = replace(desk.settings, resubscribe_delay_seconds_max=1.0)
    await desk.venue.do("not_subscribed", symbol="SPY")
    runtime = await desk.start()
    await desk.eventually(lambda: "SPY" in runtime.details()["data_refused"], "refused")
    await desk.venue.do("subscribed", symbol="SPY")
    await goes_on(desk, ears)
    assert runtime.details()["data_refused"] == ""


class TestPaced:
    @pytest.fixture
    def world_options(self, world_options: WorldOptions) -> WorldOptions:
        return replace(world_options, speed=2.0)

    async def test_bars_that_end_again_and_again_are_asked_for_within_the_venues_limit(
        self, desk: Any, metric: Callable[..., float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(pacing, "BAR_REQUESTS_MAX", 6)  # a tenth of the venue's: as many as come soon enough
        monkeypatch.setattr(market_data, "WATCH_SECONDS", 0.01)
        desk.settings = replace(desk.settings, resubscribe_delay_seconds=0.01, resubscribe_delay_seconds_max=0.01)
        runtime = await desk.start()
        await desk.ready()

        async def used_up() -> bool:
            await desk.venue.do("bust")
            return metric("signalbox_venue_budget_left", venue="ibkr", budget="bar_requests") == 0

        await desk.eventually(used_up, "every request is used up")

        async def waits() -> bool:
            await desk.venue.do("bust")  # again, because a request may have been on its way
            return "SPY bars" in runtime.details()["data_asked_for_again"]

        await desk.eventually(waits, "what waits is shown")
        await desk.passes(seconds=5)
        assert metric("signalbox_venue_budget_left", venue="ibkr", budget="bar_requests") == 0
        said = [str(getattr(record, "text", "")) for record in caplog.records]
        assert not [text for text in said if "pacing" in text]
