"""What the gateway shows of the venue in a session that trades, is refused, loses its links and finds them again."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from simulators.world import WorldOptions

ORDERS, DATA = 11, 12
LEASE = {"signalbox_venue_lease_epoch", "signalbox_venue_lease_held"}
ELSEWHERE = {"signalbox_venue_market_state", "signalbox_venue_facts_parked", "signalbox_venue_unanswered"}
"""Markets of dYdX have a state; nonsense and answers that never end have tests of their own."""
TIMEOUT_SECONDS = 60.0


@pytest.fixture
def world_options() -> WorldOptions:
    return WorldOptions(symbols=("SPY", "AAPL"), speed=200.0, start=datetime(2024, 3, 5, 15, 0, tzinfo=UTC), seed=5)


def shown(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"venue": "ibkr"} | labels)


@pytest.fixture
def grown() -> Callable[..., float]:
    """By how much a figure has grown since the test began: counters are the process's, which runs many tests."""
    before = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
    }

    def since(name: str, **labels: str) -> float:
        now = shown(name, **labels) or 0.0
        return now - before.get((name, frozenset(({"venue": "ibkr"} | labels).items())), 0.0)

    return since


async def test_session_with_every_trouble_is_seen_in_its_figures(desk: Any, grown: Callable[..., float]) -> None:
    await desk.start()
    await desk.ready()
    assert (shown("signalbox_venue_link", status="READY"), shown("signalbox_venue_link", status="DOWN")) == (1, 0)
    await _trades(desk, grown)
    await _market_data(desk, grown)
    await _loses_an_order_with_its_link(desk, grown)
    declared = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("signalbox_venue_")}
    filled = {
        metric.name
        for metric in REGISTRY.collect()
        if any(sample.labels.get("venue") == "ibkr" for sample in metric.samples)
    }
    assert declared - filled <= LEASE | ELSEWHERE


async def _trades(desk: Any, grown: Callable[..., float]) -> None:
    """One order is filled, one is refused by the venue, and one by the gateway."""
    await desk.submit("fill-1")
    await desk.has("fill-1", "VenueAccepted", "VenueFill")
    await desk.venue.do("reject_next", reason="no such luck")
    await desk.submit("bad-1")
    await desk.has("bad-1", "VenueRejected")
    await desk.submit("late-1", deadline_seconds=-1)
    await desk.has("late-1", "VenueRejected")
    await desk.eventually(lambda: grown("signalbox_venue_reports_total", kind="rejected") == 2, "two rejections stored")
    assert grown("signalbox_venue_orders_sent_total") == 2
    assert grown("signalbox_venue_orders_refused_total", by="venue") == 1
    assert grown("signalbox_venue_orders_refused_total", by="gateway") == 1
    assert grown("signalbox_venue_fills_total") >= 1
    for hop in ("command_to_venue", "venue_to_report"):
        assert grown("signalbox_order_hop_seconds_count", hop=hop) == 2
        assert 0 < grown("signalbox_order_hop_seconds_sum", hop=hop) < TIMEOUT_SECONDS
    assert grown("signalbox_venue_errors_total", connection="orders", treatment="terminal") == 1
    assert grown("signalbox_venue_reconciliations_total", outcome="answered") >= 1
    await desk.eventually(lambda: shown("signalbox_venue_reports_waiting") == 0, "every report stored")
    for direction in ("in", "out"):
        assert grown("signalbox_venue_messages_total", connection="orders", direction=direction) > 0
    assert shown("signalbox_venue_undecodable_total", connection="orders") is not None
    assert shown("signalbox_venue_budget_limit", budget="orders_messages_a_second") == 45
    assert 0 <= (shown("signalbox_venue_budget_left", budget="orders_messages_a_second") or 0) <= 45
    assert shown("signalbox_venue_stranded_orders") == 0


async def _market_data(desk: Any, grown: Callable[..., float]) -> None:
    """Bars and quotes come, stop, and are subscribed to anew."""
    bars = {"symbol": "SPY", "timeframe": "1m", "source": "LIVE"}
    await desk.eventually(lambda: grown("signalbox_venue_bars_total", **bars) >= 2, "live bars")
    lateness_seconds = shown("signalbox_venue_bar_lateness_seconds", symbol="SPY")
    assert lateness_seconds is not None
    assert 0 <= lateness_seconds < 200 * TIMEOUT_SECONDS
    assert grown("signalbox_venue_quotes_total", symbol="SPY") > 0
    assert grown("signalbox_venue_gaps_total", outcome="filled") >= 2
    assert shown("signalbox_venue_session_up", connection="data") == 1
    assert shown("signalbox_venue_subscription_open", symbol="SPY") == 1
    assert shown("signalbox_venue_budget_left", budget="market_data_lines") == 96
    assert shown("signalbox_venue_budget_left", budget="history_open") == 6
    assert 0 <= (shown("signalbox_venue_budget_left", budget="history_of_one_contract") or 0) <= 5

    def age_seconds(data: str) -> float:
        age = shown("signalbox_venue_last_message_age_seconds", symbol="SPY", data=data)
        assert age is not None
        return age

    assert 0 <= age_seconds("quote") < TIMEOUT_SECONDS
    await desk.eventually(lambda: age_seconds("bar") < 0.3, "a bar that is just coming")
    await desk.venue.do("omit", kind="50", client=DATA, count=100_000)
    await desk.eventually(lambda: age_seconds("bar") > 0.5, "silence")
    await desk.venue.do("clear")
    await desk.venue.do("bust")
    await desk.eventually(lambda: grown("signalbox_venue_resubscriptions_total", symbol="SPY", data="bar") == 1, "anew")
    await desk.eventually(lambda: age_seconds("bar") < 0.3, "bars again")
    await desk.dropped(DATA)
    assert grown("signalbox_venue_reconnects_total", connection="data") >= 1


async def _loses_an_order_with_its_link(desk: Any, grown: Callable[..., float]) -> None:
    """An order is sent into a link that is half open: nobody knows, until the venue has been asked on the next one."""
    desk.mark = len(desk.links)
    await desk.venue.do("half_open", client=ORDERS)
    await desk.submit("lost-1")
    await desk.eventually(lambda: shown("signalbox_venue_session_up", connection="orders") == 0, "the end of the link")
    await desk.eventually(lambda: shown("signalbox_venue_unresolved_orders") == 1, "a question")
    assert (shown("signalbox_venue_oldest_unresolved_seconds") or 0) > 0
    await desk.has("lost-1", "VenueUnknown", "VenueRejected")
    await desk.ready()
    await desk.eventually(lambda: shown("signalbox_venue_unresolved_orders") == 0, "no question")
    assert shown("signalbox_venue_oldest_unresolved_seconds") == 0
    assert grown("signalbox_venue_orders_unknown_total") == 1
    assert grown("signalbox_venue_orders_refused_total", by="lost") == 1
    assert grown("signalbox_venue_reconnects_total", connection="orders") >= 1
    assert shown("signalbox_venue_session_up", connection="orders") == 1


async def test_venue_that_is_ahead_of_the_desk_has_a_positive_offset(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offset_seconds() -> float:
        return shown("signalbox_venue_clock_offset_seconds") or 0.0

    runtime = await desk.start()
    await desk.ready()
    await desk.eventually(lambda: 0 < abs(offset_seconds()) < 100, "clocks that agree but for the way")
    world = desk.venue.world
    monkeypatch.setattr(runtime.clock, "now", lambda: world.now() - timedelta(hours=1))
    await desk.eventually(lambda: 3500 < offset_seconds() < 3700, "a venue an hour ahead")


class TestAfterTheClose:
    @pytest.fixture
    def world_options(self) -> WorldOptions:
        return WorldOptions(symbols=("SPY", "AAPL"), speed=1.0, start=datetime(2024, 3, 5, 21, 30, tzinfo=UTC), seed=5)

    async def test_silence_of_a_market_that_is_closed_has_no_age(self, desk: Any) -> None:
        await desk.start()
        await desk.ready()

        def subscription() -> float | None:
            return shown("signalbox_venue_subscription_open", symbol="SPY")

        await desk.eventually(lambda: subscription() == 0, "a closed market")
        age = shown("signalbox_venue_last_message_age_seconds", symbol="SPY", data="bar")
        assert age is not None
        assert math.isnan(age)
