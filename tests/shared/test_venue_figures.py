"""What a gateway shows: a connection, a lease, a budget, signs of life, and what is not known of its orders."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta

from prometheus_client import REGISTRY
from signalbox import venue_figures
from signalbox.clock import FixedClock
from signalbox.messages import LinkStatus, VenueCanceled, VenueUnknown
from signalbox.metrics import VENUE_REPORTS_WAITING, Hop
from signalbox.venue_figures import ConnectionShown, SentOrders, SignsOfLife, UnresolvedOrders

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
"""A Tuesday on which New York trades from 14:30 to 21:00 UTC."""


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def first_reports(venue: str) -> float | None:
    return value("signalbox_order_hop_seconds_count", venue=venue, hop=Hop.VENUE_TO_REPORT)


def canceled(order_id: str) -> VenueCanceled:
    return VenueCanceled(id=f"report/{order_id}", at=AT, venue="t", account="a", order_id=order_id, reason="")


def test_only_the_first_report_of_an_order_ends_its_hop() -> None:
    orders = SentOrders("t3")
    orders.sent("a")
    orders.reported(canceled("never sent by this process"))
    assert first_reports("t3") == 0
    orders.reported(canceled("a"))
    orders.reported(canceled("a"))
    assert first_reports("t3") == 1


def test_orders_that_are_never_reported_are_forgotten_from_the_oldest_on() -> None:
    orders = SentOrders("t4")
    for number in range(venue_figures.SENT_ORDERS_MAX + 1):
        orders.sent(str(number))
    orders.reported(canceled("0"))
    assert first_reports("t4") == 0
    orders.reported(canceled(str(venue_figures.SENT_ORDERS_MAX)))
    assert first_reports("t4") == 1


def test_what_is_rare_is_counted_from_zero() -> None:
    venue_figures.begin_at_zero("t12", "orders")
    assert value("signalbox_venue_undecodable_total", venue="t12", connection="orders") == 0
    assert value("signalbox_venue_orders_unknown_total", venue="t12") == 0
    assert value("signalbox_venue_orders_refused_total", venue="t12", by="lost") == 0
    assert value("signalbox_venue_gaps_total", venue="t12", outcome="given_up") == 0


def test_link_has_one_status() -> None:
    venue_figures.show_link("t5", LinkStatus.RECONCILING)
    venue_figures.show_link("t5", LinkStatus.READY)
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
    venue_figures.watch_lease("t7", "account", lambda: 4, lambda: held[0])
    venue_figures.watch_budget("t7", "messages", lambda: 45, lambda: left[0])
    held[0], left[0] = False, 2.0
    assert value("signalbox_venue_lease_epoch", venue="t7", account="account") == 4
    assert value("signalbox_venue_lease_held", venue="t7", account="account") == 0
    assert value("signalbox_venue_budget_limit", venue="t7", budget="messages") == 45
    assert value("signalbox_venue_budget_left", venue="t7", budget="messages") == 2


def test_report_is_counted_by_kind_and_an_unknown_order_as_one() -> None:
    venue_figures.count_report("t8", "order", canceled("a"))
    unknown = VenueUnknown(id="report/b", at=AT, venue="t", account="a", order_id="b", reason="no answer")
    venue_figures.count_report("t8", "order", unknown)
    assert value("signalbox_venue_reports_total", venue="t8", kind="order") == 2
    assert value("signalbox_venue_orders_unknown_total", venue="t8") == 1
    assert value("signalbox_venue_fills_total", venue="t8") is None


def shown_links(venue: str) -> set[str]:
    return {each.value for each in LinkStatus if value("signalbox_venue_link", venue=venue, status=each.value) == 1}


def test_of_several_accounts_the_worst_link_is_shown() -> None:
    venue_figures.show_link("t11", LinkStatus.READY, "one")
    venue_figures.show_link("t11", LinkStatus.RECONCILING, "two")
    assert shown_links("t11") == {"RECONCILING"}
    venue_figures.show_link("t11", LinkStatus.FROZEN, "one")
    assert shown_links("t11") == {"FROZEN"}
    venue_figures.show_link("t11", LinkStatus.DOWN, "two")
    assert shown_links("t11") == {"DOWN"}
    venue_figures.begin_at_zero("t11")
    venue_figures.show_link("t11", LinkStatus.READY, "one")
    assert shown_links("t11") == {"READY"}


def test_each_account_has_its_part_of_what_waits() -> None:
    venue_figures.begin_at_zero("t15")
    venue_figures.show_part(VENUE_REPORTS_WAITING, "t15", "one", 3)
    venue_figures.show_part(VENUE_REPORTS_WAITING, "t15", "two", 4)
    venue_figures.show_part(VENUE_REPORTS_WAITING, "t15", "one", 1)
    assert value("signalbox_venue_reports_waiting", venue="t15") == 5


def test_unresolved_orders_of_one_account_do_not_hide_anothers() -> None:
    unresolved = venue_figures.unresolved_of("t13")
    assert venue_figures.unresolved_of("t13") is unresolved
    unresolved.are(["a"], "one")
    unresolved.are(["b", "c"], "two")
    assert value("signalbox_venue_unresolved_orders", venue="t13") == 3
    unresolved.are([], "two")
    assert value("signalbox_venue_unresolved_orders", venue="t13") == 1


def test_dead_subscriptions_of_all_accounts_are_counted() -> None:
    venue_figures.watch_lost_subscriptions("t14", "pnl", lambda: 1, lambda: 0, lambda: 1)
    assert value("signalbox_venue_subscriptions_lost", venue="t14", data="pnl") == 2


def test_oldest_unresolved_order_keeps_its_age_until_it_is_resolved() -> None:
    def shown() -> tuple[float | None, float]:
        oldest_seconds = value("signalbox_venue_oldest_unresolved_seconds", venue="t9")
        assert oldest_seconds is not None
        return value("signalbox_venue_unresolved_orders", venue="t9"), oldest_seconds

    unresolved = UnresolvedOrders("t9")
    assert shown() == (0, 0)
    unresolved.are(["a"])
    began_seconds = time.monotonic()
    while time.monotonic() - began_seconds < 0.02:
        unresolved.are(["a", "b"])
    assert shown()[0] == 2
    assert shown()[1] >= 0.02
    unresolved.are(["b"])
    assert shown()[0] == 1
    unresolved.are([])
    assert shown() == (0, 0)


def test_data_has_an_age_only_while_its_market_is_open_and_from_its_opening_on() -> None:
    def age_seconds(data: str) -> float:
        found = value("signalbox_venue_last_message_age_seconds", venue="t10", symbol="SPY", data=data)
        assert found is not None
        return found

    def is_open() -> float | None:
        return value("signalbox_venue_subscription_open", venue="t10", symbol="SPY")

    clock = FixedClock(AT - timedelta(hours=8))
    signs = SignsOfLife("t10", "SPY", "XNYS", clock)
    began_seconds = time.monotonic()
    while time.monotonic() - began_seconds < 0.05:
        assert is_open() == 0
    assert math.isnan(age_seconds("bar"))
    clock.at = AT
    assert is_open() == 1
    assert age_seconds("bar") < 0.05
    before_seconds = age_seconds("quote")
    signs.heard("bar")
    assert age_seconds("bar") < age_seconds("quote")
    assert age_seconds("quote") >= before_seconds


def test_market_outside_of_its_calendar_is_neither_open_nor_closed() -> None:
    SignsOfLife("t11", "SPY", "XNYS", FixedClock(datetime(1900, 1, 1, tzinfo=UTC)))
    shown = value("signalbox_venue_subscription_open", venue="t11", symbol="SPY")
    assert shown is not None
    assert math.isnan(shown)
