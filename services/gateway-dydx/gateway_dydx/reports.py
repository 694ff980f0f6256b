"""The reports of an order, each made once: its id derives from what it reports.

Pure but for `state`, where it is noted what has been made and which orders are over. It must not know why a report is
due (`decide`, `reconcile`, `orders`). Each function returns the report in a list, or [] if it was made before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from signalbox.messages import (
    Fill,
    RefusedBy,
    Report,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueCommission,
    VenueExpired,
    VenueFill,
    VenueRejected,
    VenueTriggered,
    VenueUnknown,
)

from gateway_dydx.state import Standing, State, Tracked, new_to, report_id
from gateway_dydx.translate import VENUE

CURRENCY = "USD"
"""USDC is taken at par."""

NOTHING = Decimal(0)


def accepted(state: State, tracked: Tracked, at: datetime) -> Sequence[Report]:
    """The venue works the order."""
    order = tracked.order
    report = VenueAccepted(
        id=report_id(order.account, "accepted", order.order_id),
        at=at,
        venue=VENUE,
        account=order.account,
        order_id=order.order_id,
        venue_order_id=tracked.venue_order_id,
    )
    return _once(state, report)


def triggered(state: State, tracked: Tracked, at: datetime) -> Sequence[Report]:
    """A stop's price has been reached."""
    order = tracked.order
    report = VenueTriggered(
        id=report_id(order.account, "triggered", order.order_id),
        at=at,
        venue=VENUE,
        account=order.account,
        order_id=order.order_id,
    )
    return _once(state, report)


def canceled(state: State, tracked: Tracked, at: datetime, reason: str) -> Sequence[Report]:
    """The order is over, by somebody's will."""
    order = tracked.order
    report = VenueCanceled(
        id=report_id(order.account, "canceled", order.order_id),
        at=at,
        cause=tracked.cancel_command,
        venue=VENUE,
        account=order.account,
        order_id=order.order_id,
        reason=reason,
    )
    return _over(state, tracked, report)


def expired(state: State, tracked: Tracked, at: datetime, reason: str) -> Sequence[Report]:
    """The order's time is over."""
    order = tracked.order
    report = VenueExpired(
        id=report_id(order.account, "expired", order.order_id),
        at=at,
        venue=VENUE,
        account=order.account,
        order_id=order.order_id,
        reason=reason,
    )
    return _over(state, tracked, report)


def rejected(state: State, tracked: Tracked, at: datetime, code: str, reason: str) -> Sequence[Report]:
    """The node, the chain or the indexer refuses the order, with its own code."""
    order = tracked.order
    return _over(state, tracked, refusal(order.account, order.order_id, code, reason, at, RefusedBy.VENUE))


def lost(state: State, tracked: Tracked, at: datetime, reason: str) -> Sequence[Report]:
    """The gateway has found that the order never arrived: it will never work, and the venue has refused nothing."""
    order = tracked.order
    tracked.presumed_lost = True
    return _over(state, tracked, refusal(order.account, order.order_id, "", reason, at, RefusedBy.GATEWAY))


def refusal(account: str, order_id: str, code: str, reason: str, at: datetime, refused_by: RefusedBy) -> VenueRejected:
    """The report that an order will never work; there is one of them for each order, whoever refused it."""
    return VenueRejected(
        id=report_id(account, "rejected", order_id),
        at=at,
        venue=VENUE,
        account=account,
        order_id=order_id,
        code=code,
        reason=reason,
        refused_by=refused_by,
    )


def unknown(state: State, tracked: Tracked, at: datetime, reason: str) -> Sequence[Report]:
    """It is not known what became of the order."""
    order = tracked.order
    report = VenueUnknown(
        id=report_id(order.account, "unknown", order.order_id),
        at=at,
        venue=VENUE,
        account=order.account,
        order_id=order.order_id,
        reason=reason,
    )
    return _once(state, report)


def filled(state: State, fill: Fill, venue_order_id: str) -> Sequence[Report]:
    """A fill, of the desk's order or of anybody's in this subaccount."""
    report = VenueFill(
        id=report_id(state.account, "fill", f"{fill.execution_id}.{fill.revision}"),
        at=fill.at,
        venue=VENUE,
        account=state.account,
        fill=fill,
        venue_order_id=venue_order_id,
    )
    return _once(state, report)


def commission(state: State, fill: Fill, fee: Decimal) -> Sequence[Report]:
    """The fee of a fill in USDC, which counts as USD; below 0 = a rebate."""
    report = VenueCommission(
        id=commission_id(state, fill.execution_id),
        at=fill.at,
        venue=VENUE,
        account=state.account,
        execution_id=fill.execution_id,
        revision=fill.revision,
        order_id=fill.order_id,
        commission=fee,
        currency=CURRENCY,
    )
    return _once(state, report)


def commission_id(state: State, execution_id: str) -> str:
    """The id of the report of a fill's fee."""
    return report_id(state.account, "commission", f"{execution_id}.0")


def cancel_rejected(
    state: State, order_id: str, command_id: str, code: str, reason: str, at: datetime
) -> Sequence[Report]:
    """A cancel command has changed nothing; one report for each command."""
    return _once(state, cancel_refusal(state.account, order_id, command_id, code, reason, at))


def cancel_refusal(
    account: str, order_id: str, command_id: str, code: str, reason: str, at: datetime
) -> VenueCancelRejected:
    """The report that a cancel command changes nothing: refused by the venue, with its code, or by the gateway."""
    return VenueCancelRejected(
        id=report_id(account, "cancel_rejected", command_id),
        at=at,
        cause=command_id,
        venue=VENUE,
        account=account,
        order_id=order_id,
        code=code,
        reason=reason,
        refused_by=RefusedBy.VENUE if code else RefusedBy.GATEWAY,
    )


def _once(state: State, report: Report) -> Sequence[Report]:
    return [report] if new_to(state, report) else []


def _over(state: State, tracked: Tracked, report: Report) -> Sequence[Report]:
    tracked.standing = Standing.OVER
    return _once(state, report)
