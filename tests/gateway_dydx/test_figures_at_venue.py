"""What the gateway shows of the venue in a session that trades, is refused, loses its links and finds them again."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from gateway_dydx import metrics
from msgspec.structs import replace
from prometheus_client import REGISTRY
from signalbox.messages import LinkStatus, OrderType, TimeInForce
from simulators.dydx.options import DydxOptions
from simulators.world import WorldOptions

TIMEOUT_SECONDS = 60.0


@pytest.fixture
def world_options(world_options: WorldOptions) -> WorldOptions:
    """So fast that some minutes end while the test runs."""
    return replace(world_options, speed=40.0)


@pytest.fixture
def dydx_options(dydx_options: DydxOptions) -> DydxOptions:
    """So slow that an order of unknown fate is one for seconds."""
    return replace(dydx_options, block_ms=200)


def shown(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"venue": "dydx"} | labels)


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
        return now - before.get((name, frozenset(({"venue": "dydx"} | labels).items())), 0.0)

    return since


async def test_session_with_every_trouble_is_seen_in_its_figures(desk: Any, grown: Callable[..., float]) -> None:
    await desk.start()
    await desk.ready()
    assert (shown("signalbox_venue_link", status="READY"), shown("signalbox_venue_link", status="DOWN")) == (1, 0)
    assert (shown("signalbox_venue_lease_held", account=desk.account) or 0) == 1
    assert (shown("signalbox_venue_lease_epoch", account=desk.account) or 0) >= 1
    for name in ("signalbox_dydx_height", "signalbox_dydx_indexer_lag_blocks", "signalbox_dydx_lease_waited_seconds"):
        assert 0 <= (REGISTRY.get_sample_value(name) or 0) < desk.venue.chain.height + 1
    await _trades(desk, grown)
    await _market_data(desk, grown)
    await _loses_an_order(desk, grown)
    await _hears_nonsense(desk, grown)
    await _loses_the_websockets(desk, grown)
    declared = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("signalbox_venue_")}
    filled = {
        metric.name
        for metric in REGISTRY.collect()
        if any(sample.labels.get("venue") == "dydx" for sample in metric.samples)
    }
    # An answer of REST ends or fails; what never ends is TWS's
    assert declared - {"signalbox_venue_unanswered"} == filled & declared


async def _trades(desk: Any, grown: Callable[..., float]) -> None:
    """One order is filled, one is refused by the venue, and one by the gateway."""
    await desk.submit("fill-1")
    await desk.has("fill-1", "VenueAccepted", "VenueFill")
    await desk.submit(
        "rich-1",
        quantity=Decimal(900),
        order_type=OrderType.LIMIT,
        limit_price=desk.venue.price() - 1,
        time_in_force=TimeInForce.GTC,
    )
    await desk.has("rich-1", "VenueRejected")
    await desk.submit("late-1", deadline_seconds=-1)
    await desk.has("late-1", "VenueRejected")
    await desk.eventually(lambda: grown("signalbox_venue_reports_total", kind="rejected") == 2, "two rejections stored")
    assert grown("signalbox_venue_orders_sent_total") == 1
    assert grown("signalbox_venue_orders_refused_total", by="venue") == 1
    assert grown("signalbox_venue_orders_refused_total", by="gateway") == 1
    assert grown("signalbox_venue_errors_total", connection="node", treatment="refused") == 1
    assert grown("signalbox_venue_fills_total") >= 1
    for hop in ("command_to_venue", "venue_to_report"):
        assert grown("signalbox_order_hop_seconds_count", hop=hop) == 1
        assert 0 < grown("signalbox_order_hop_seconds_sum", hop=hop) < TIMEOUT_SECONDS
    assert grown("signalbox_venue_reconciliations_total", outcome="answered") >= 1
    await desk.eventually(lambda: shown("signalbox_venue_reports_waiting") == 0, "every report stored")
    for connection in ("stream", "data", "node", "indexer"):
        for direction in ("in", "out"):
            assert grown("signalbox_venue_messages_total", connection=connection, direction=direction) > 0
    for connection in ("stream", "data", "node"):
        assert shown("signalbox_venue_session_up", connection=connection) == 1
    assert shown("signalbox_venue_budget_limit", budget="stateful_orders_in_1_block") == 2
    assert shown("signalbox_venue_budget_limit", budget="stateful_orders_in_100_blocks") == 20
    assert (shown("signalbox_venue_budget_left", budget="stateful_orders_in_100_blocks") or 0) in (19, 20)
    assert shown("signalbox_venue_budget_limit", budget="rest_orders") == 90
    assert 0 < (shown("signalbox_venue_budget_left", budget="rest_orders") or 0) < 90


async def _market_data(desk: Any, grown: Callable[..., float]) -> None:
    """Bars and quotes come, and a book that makes no sense is asked for anew."""
    bars = {"symbol": "BTC-USD", "timeframe": "1m", "source": "LIVE"}
    await desk.eventually(lambda: grown("signalbox_venue_bars_total", **bars) >= 2, "live bars")
    lateness_seconds = shown("signalbox_venue_bar_lateness_seconds", symbol="BTC-USD")
    assert lateness_seconds is not None
    assert 0 <= lateness_seconds < 40 * TIMEOUT_SECONDS
    assert grown("signalbox_venue_quotes_total", symbol="BTC-USD") > 0
    assert shown("signalbox_venue_subscription_open", symbol="BTC-USD") == 1
    for data in ("quote", "bar"):
        age = shown("signalbox_venue_last_message_age_seconds", symbol="BTC-USD", data=data)
        assert age is not None
        assert 0 <= age < TIMEOUT_SECONDS
    await desk.venue.do("crossed_book", symbol="BTC-USD")
    await desk.eventually(
        lambda: grown("signalbox_venue_resubscriptions_total", symbol="BTC-USD", data="quote") >= 1, "anew"
    )
    await desk.venue.do("crossed_book", symbol="BTC-USD", on=False)


async def _loses_an_order(desk: Any, grown: Callable[..., float]) -> None:
    """A broadcast does not arrive, and its answer does not come: nobody knows, until its last block has passed."""
    await desk.venue.do("drop_broadcast")
    await desk.submit("lost-1")
    await desk.eventually(lambda: shown("signalbox_venue_unresolved_orders") == 1, "a question")
    assert (shown("signalbox_venue_oldest_unresolved_seconds") or 0) > 0
    await desk.has("lost-1", "VenueUnknown", "VenueRejected")
    await desk.eventually(lambda: shown("signalbox_venue_unresolved_orders") == 0, "no question")
    assert shown("signalbox_venue_oldest_unresolved_seconds") == 0
    assert shown("signalbox_venue_stranded_orders") == 0
    assert grown("signalbox_venue_orders_unknown_total") == 1
    assert grown("signalbox_venue_orders_refused_total", by="lost") == 1
    assert grown("signalbox_venue_errors_total", connection="node", treatment="timeout") >= 1


async def _hears_nonsense(desk: Any, grown: Callable[..., float]) -> None:
    await desk.venue.do("garble", field="oraclePrice", value="0", symbol="ETH-USD")
    kinds = ("market", "oracle price")
    await desk.eventually(
        lambda: any(grown("signalbox_venue_facts_parked_total", kind=kind) for kind in kinds),
        "a fact that is set aside",
    )
    await desk.eventually(lambda: (shown("signalbox_venue_facts_unread") or 0) >= 1, "a fact that stands")
    await desk.venue.do("ungarble")
    await desk.eventually(lambda: shown("signalbox_venue_facts_unread") == 0, "nothing unread")


async def _loses_the_websockets(desk: Any, grown: Callable[..., float]) -> None:
    desk.mark = len(desk.links)
    await desk.venue.do("cut_websockets")
    await desk.eventually(lambda: LinkStatus.DOWN in [link.status for link in desk.links[desk.mark :]], "DOWN")
    await desk.ready()
    await desk.eventually(lambda: shown("signalbox_venue_session_up", connection="data") == 1, "market data again")
    for connection in ("stream", "data"):  # a machine that stalls loses one itself
        assert grown("signalbox_venue_reconnects_total", connection=connection) >= 1
        assert grown("signalbox_venue_errors_total", connection=connection, treatment="unavailable") >= 1


async def test_chain_that_is_ahead_of_the_desk_has_a_positive_offset(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offset_seconds() -> float:
        return shown("signalbox_venue_clock_offset_seconds") or 0.0

    runtime = await desk.start()
    await desk.ready()
    await desk.eventually(lambda: 0 < abs(offset_seconds()) < 100, "clocks that agree but for the way")
    world = desk.venue.world
    monkeypatch.setattr(runtime.clock, "now", lambda: world.now() - timedelta(hours=1))
    await desk.eventually(lambda: 3500 < offset_seconds() < 3700, "a chain an hour ahead")


def test_height_is_not_0_before_the_chain_has_told_it() -> None:
    metrics.nothing_known()
    for name in ("signalbox_dydx_height", "signalbox_dydx_indexer_lag_blocks", "signalbox_dydx_data_height"):
        assert math.isnan(REGISTRY.get_sample_value(name) or 0)


async def test_lease_that_is_given_back_is_not_held(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    assert shown("signalbox_venue_lease_held", account=desk.account) == 1
    await desk.stop(runtime)
    assert shown("signalbox_venue_lease_held", account=desk.account) == 0
