"""What happens on the desk, in the words of an annotation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from signalbox.messages import (
    Check,
    Fill,
    FillCorrected,
    IntentApproved,
    IntentDenied,
    LinkStatus,
    OrderCanceled,
    OrderFilled,
    OrderIntent,
    OrderStatus,
    OrderType,
    Side,
    TradingMode,
    TradingState,
    VenueLink,
)
from signalbox_cli.grafana.annotations import LIMIT_CHECKS, Annotation, Links, of_decision, of_order, of_trading_state

NOW = datetime(2026, 3, 5, 15, 0, tzinfo=UTC)
DESK_TIME = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
EVENT = {"id": "e", "at": DESK_TIME, "venue": "ibkr", "account": "DU1", "order_id": "o-1"}
FILL = Fill(
    execution_id="x.1", revision=1, order_id="o-1", symbol="SPY", side=Side.BUY, quantity=Decimal(100),
    price=Decimal("470.10"), at=DESK_TIME,
)  # fmt: skip
LEFT = {"cumulative_quantity": Decimal(100), "leaves_quantity": Decimal(0)}
INTENT = OrderIntent(
    id="o-2", at=DESK_TIME, venue="ibkr", symbol="SPY", side=Side.BUY, quantity=Decimal(50000),
    order_type=OrderType.MARKET,
)  # fmt: skip


def check(name: str, *, passed: bool) -> Check:
    return Check(name=name, passed=passed, limit="5000", observed="50000", source="desk-file")


def denied(*checks: Check) -> IntentDenied:
    return IntentDenied(id="d", at=DESK_TIME, intent_sequence=1, intent=INTENT, checks=checks, reason="too large")


def link(status: LinkStatus, reason: str = "") -> VenueLink:
    return VenueLink(id="l", at=DESK_TIME, venue="dydx", account="a-0", status=status, reason=reason)


def text_of(annotation: Annotation | None) -> str:
    return annotation.text if annotation is not None else ""


def test_fill_is_annotated_at_the_wall_clocks_time() -> None:
    event = OrderFilled(**EVENT, status=OrderStatus.FILLED, fill=FILL, **LEFT)
    text = "BUY 100 SPY at 470.10: order o-1, 0 left (x.1)"
    assert of_order(event, NOW) == Annotation(NOW, text, ("signalbox", "fill", "ibkr", "SPY"))


def test_corrected_fill_is_annotated_with_what_it_replaces() -> None:
    event = FillCorrected(**EVENT, status=OrderStatus.FILLED, fill=FILL, replaced=FILL, **LEFT)
    assert text_of(of_order(event, NOW)).startswith("corrected: BUY 100 SPY at 470.10 instead of 100 at 470.10")


def test_other_order_events_are_not_annotated() -> None:
    assert of_order(OrderCanceled(**EVENT, status=OrderStatus.CANCELED, reason="by user"), NOW) is None


def test_denial_by_a_limit_is_annotated_with_its_reason() -> None:
    decision = denied(check("quantity", passed=True), check("order_quantity", passed=False))
    annotation = of_decision(decision, NOW)
    assert text_of(annotation) == "denied: BUY 50000 SPY (o-2): too large"
    assert annotation is not None
    assert annotation.tags == ("signalbox", "limit", "order_quantity", "ibkr")


def test_denial_for_another_reason_is_not_annotated() -> None:
    assert of_decision(denied(check("trading_state", passed=False), check("funds", passed=False)), NOW) is None


def test_approval_is_not_annotated() -> None:
    decision = IntentApproved(id="d", at=DESK_TIME, intent_sequence=1, intent=INTENT, order_id="o-2", checks=())
    assert of_decision(decision, NOW) is None


def test_limits_are_checks_of_size_price_and_rate() -> None:
    assert {"order_quantity", "funds", "name_rate", "price_collar"} <= LIMIT_CHECKS
    assert not {"session", "price_age", "trading_state", "duplicate_intent"} & LIMIT_CHECKS


def test_trading_state_is_annotated_with_who_and_why() -> None:
    state = TradingState(id="t", at=DESK_TIME, mode=TradingMode.HALTED, reason="lunch", by="operator")
    text = "trading is HALTED, by operator: lunch"
    assert of_trading_state(state, NOW) == Annotation(NOW, text, ("signalbox", "trading-state", "HALTED"))


def test_only_changes_of_a_link_are_annotated() -> None:
    links = Links()
    told = [links.of_link(link(status), NOW) for status in (LinkStatus.READY, LinkStatus.READY, LinkStatus.DOWN)]
    assert [text_of(each) for each in told] == ["", "", "link to dydx (a-0) is DOWN"]
    assert (
        text_of(links.of_link(link(LinkStatus.READY, "reconciled"), NOW)) == "link to dydx (a-0) is READY: reconciled"
    )


def test_gateway_that_is_not_heard_is_annotated_once_and_when_it_is_heard_again() -> None:
    links = Links()
    links.of_link(link(LinkStatus.READY), NOW)
    assert links.overdue(NOW + timedelta(seconds=4)) == []
    [silent] = links.overdue(NOW + timedelta(seconds=6))
    assert silent.text == "the gateway of dydx (a-0) is not heard"
    assert links.overdue(NOW + timedelta(seconds=7)) == []
    again = links.of_link(link(LinkStatus.READY), NOW + timedelta(seconds=8))
    assert text_of(again) == "link to dydx (a-0) is READY, heard again"
