"""What several services export: a process shows what it fills, and a hop of an order's way is as long as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prometheus_client import REGISTRY
from signalbox import metrics
from signalbox.metrics import Hop


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def hops(venue: str, hop: Hop) -> tuple[float | None, float | None]:
    """How many hops were observed, and how long they took together."""
    name = "signalbox_order_hop_seconds"
    return value(f"{name}_count", venue=venue, hop=hop), value(f"{name}_sum", venue=venue, hop=hop)


def test_metric_that_a_process_does_not_fill_has_no_sample() -> None:
    assert value("signalbox_venue_orders_sent_total", venue="nobody") is None
    assert value("signalbox_venue_reports_waiting", venue="nobody") is None


def test_hop_is_measured_from_the_stored_message() -> None:
    metrics.show_hop("t1", Hop.INTENT_TO_DECISION, datetime.now(UTC) - timedelta(seconds=2))
    count, total = hops("t1", Hop.INTENT_TO_DECISION)
    assert count == 1
    assert total is not None
    assert 2 <= total < 3


def test_hop_that_ends_before_it_begins_by_another_machines_clock_took_no_time() -> None:
    metrics.show_hop("t2", Hop.REPORT_TO_EVENT, datetime.now(UTC) + timedelta(seconds=5))
    assert hops("t2", Hop.REPORT_TO_EVENT) == (1, 0)
