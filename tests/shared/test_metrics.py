"""What several services show: a hop of an order's way, a connection, a lease, a budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prometheus_client import REGISTRY
from signalbox import metrics
from signalbox.messages import LinkStatus
from signalbox.metrics import ConnectionShown, Hop, SentOrders


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


def test_only_the_first_report_of_an_order_ends_its_hop() -> None:
    orders = SentOrders("t3")
    orders.sent("a")
    orders.reported("never sent by this process")
    assert hops("t3", Hop.VENUE_TO_REPORT)[0] == 0
    orders.reported("a")
    orders.reported("a")
    assert hops("t3", Hop.VENUE_TO_REPORT)[0] == 1


def test_orders_that_are_never_reported_are_forgotten_from_the_oldest_on() -> None:
    orders = SentOrders("t4")
    for number in range(metrics.SENT_ORDERS_MAX + 1):
        orders.sent(str(number))
    orders.reported("0")
    assert hops("t4", Hop.VENUE_TO_REPORT)[0] == 0
    orders.reported(str(metrics.SENT_ORDERS_MAX))
    assert hops("t4", Hop.VENUE_TO_REPORT)[0] == 1


def test_link_has_one_status() -> None:
    metrics.show_link("t5", LinkStatus.RECONCILING)
    metrics.show_link("t5", LinkStatus.READY)
    shown = {status.value: value("signalbox_venue_link", venue="t5", status=status.value) for status in LinkStatus}
    assert shown == {status.value: float(status is LinkStatus.READY) for status in LinkStatus}


def test_connection_counts_the_times_it_came_back_and_not_its_attempts() -> None:
    def shown() -> tuple[float | None, float | None]:
        labels = {"venue": "t6", "connection": "data"}
        return (
            value("signalbox_venue_session_up", **labels),
            value("signalbox_venue_reconnects_total", **labels),
        )

    connection = ConnectionShown("t6", "data")
    assert shown() == (0, 0)
    connection.down()
    connection.up()
    connection.up()
    assert shown() == (1, 0)
    connection.down()
    connection.down()
    assert shown() == (0, 0)
    connection.up()
    assert shown() == (1, 1)


def test_lease_and_budget_are_looked_at_when_scraped() -> None:
    held, left = [True], [3.0]
    metrics.watch_lease("t7", "account", lambda: 4, lambda: held[0])
    metrics.watch_budget("t7", "messages", lambda: 45, lambda: left[0])
    held[0], left[0] = False, 2.0
    assert value("signalbox_venue_lease_epoch", venue="t7", account="account") == 4
    assert value("signalbox_venue_lease_held", venue="t7", account="account") == 0
    assert value("signalbox_venue_budget_limit", venue="t7", budget="messages") == 45
    assert value("signalbox_venue_budget_left", venue="t7", budget="messages") == 2
