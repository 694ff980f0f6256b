"""The two gauges that look at the state when they are scraped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from oms import metrics
from prometheus_client import REGISTRY
from signalbox.clock import FixedClock
from signalbox.messages import VenueUnknown


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_orders_are_counted_by_status_and_the_oldest_unknown_has_an_age(make: Any) -> None:
    desk = make.desk()
    metrics.watch_orders(desk.state, FixedClock(make.at + timedelta(seconds=61)))
    assert value("signalbox_oms_unknown_oldest_seconds") == 0
    desk.run(make.approved("a", 1), make.approved("b", 2), make.approved("c", 3), make.accepted("b"))
    desk.run(make.fill("100", order_id="c"), make.report(VenueUnknown, "a", reason="no answer"))
    counted = {status: value("signalbox_oms_orders", status=status) for status in ("UNKNOWN", "NEW", "PENDING_NEW")}
    assert counted == {"UNKNOWN": 1, "NEW": 1, "PENDING_NEW": 0}
    assert value("signalbox_oms_orders", status="FILLED") is None
    assert value("signalbox_oms_unknown_oldest_seconds") == 60
