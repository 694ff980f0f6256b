"""What happens on the desk, as Grafana's annotations: fills, trading state, limits that deny, links. Pure.

An annotation's time is the wall clock's when it was heard, in which Prometheus keeps its samples too: a simulated desk
lives at another time. Owns the wording and which messages say something new; how they reach Grafana is `feed`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from risk.limits import bounds_of
from signalbox.messages import (
    Decision,
    FillCorrected,
    IntentDenied,
    LinkStatus,
    OrderEvents,
    OrderFilled,
    OrderIntent,
    OrderPartiallyFilled,
    PositionIntent,
    TradingState,
    VenueLink,
)

TAG = "signalbox"
FILL, TRADING_STATE, LIMIT, LINK = "fill", "trading-state", "limit", "link"
"""Each kind's own tag, by which the dashboards find it."""

LIMIT_CHECKS = bounds_of()
"""Risk's checks of size, price and rate; the others say that an intent was wrong or the desk not ready."""

LINK_SILENCE = timedelta(seconds=5)
"""A gateway says each second that it lives."""


@dataclass(frozen=True)
class Annotation:
    """One event: `at` wall time, `text` for people, `tags` to find it by."""

    at: datetime
    text: str
    tags: tuple[str, ...]


def of_order(event: OrderEvents, at: datetime) -> Annotation | None:
    """A fill, or its correction."""
    if isinstance(event, OrderPartiallyFilled | OrderFilled):
        fill = event.fill
        text = (
            f"{fill.side} {fill.quantity:f} {fill.symbol} at {fill.price:f}: order {event.order_id}, "
            f"{event.leaves_quantity:f} left ({fill.execution_id})"
        )
    elif isinstance(event, FillCorrected):
        fill = event.fill
        text = (
            f"corrected: {fill.side} {fill.quantity:f} {fill.symbol} at {fill.price:f} instead of "
            f"{event.replaced.quantity:f} at {event.replaced.price:f}: order {event.order_id} ({fill.execution_id})"
        )
    else:
        return None
    return Annotation(at, text, (TAG, FILL, event.venue, fill.symbol))


def of_decision(decision: Decision, at: datetime) -> Annotation | None:
    """An order that a limit denied."""
    if not isinstance(decision, IntentDenied) or not isinstance(decision.intent, OrderIntent | PositionIntent):
        return None
    failed = next((check for check in decision.checks if not check.passed), None)
    if failed is None or failed.name not in LIMIT_CHECKS:
        return None
    intent = decision.intent
    if isinstance(intent, OrderIntent):
        wanted = f"{intent.side} {intent.quantity:f}"
    else:
        wanted = f"{intent.action} {intent.quantity:f}" if intent.quantity is not None else intent.action
    text = f"denied: {wanted} {intent.symbol} ({intent.id}): {decision.reason}"
    return Annotation(at, text, (TAG, LIMIT, failed.name, intent.venue))


def of_trading_state(state: TradingState, at: datetime) -> Annotation:
    """A switch; `state.by` is the name of who turned it, as the server knows it."""
    because = f": {state.reason}" if state.reason else ""
    return Annotation(at, f"trading is {state.mode}, by {state.by}{because}", (TAG, TRADING_STATE, state.mode))


@dataclass
class Links:
    """What each account's gateway last said; `silent` are those that are not heard."""

    heard: dict[tuple[str, str], tuple[LinkStatus, datetime]] = field(default_factory=dict)
    silent: set[tuple[str, str]] = field(default_factory=set)

    def of_link(self, link: VenueLink, at: datetime) -> Annotation | None:
        """A change of what the gateway can do, or that it is heard again; not the first word."""
        key = (link.venue, link.account)
        before = self.heard.get(key)
        self.heard[key] = (link.status, at)
        was_silent = key in self.silent
        self.silent.discard(key)
        if before is None or (before[0] is link.status and not was_silent):
            return None
        again = ", heard again" if was_silent else ""
        because = f": {link.reason}" if link.reason else ""
        text = f"link to {link.venue} ({link.account}) is {link.status}{again}{because}"
        return Annotation(at, text, (TAG, LINK, link.venue, link.status))

    def overdue(self, at: datetime) -> list[Annotation]:
        """The gateways that have not been heard for `LINK_SILENCE`, each told once."""
        found = []
        for key, (_, last) in self.heard.items():
            if key not in self.silent and at - last > LINK_SILENCE:
                self.silent.add(key)
                venue, account = key
                text = f"the gateway of {venue} ({account}) is not heard"
                found.append(Annotation(at, text, (TAG, LINK, venue, "SILENT")))
        return found
