"""The reports of an order, each made once: its id derives from what it reports.

Pure but for `state`, where it is noted what has been made and which orders are over. It must not know why a report is
due (`decide`, `reconcile`, `orders`). Each function returns the report in a list, or [] if it was made before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from signalbox.messages import (
    RefusedBy,
    Report,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueExpired,
    VenueRejected,
    VenueTriggered,
    VenueUnknown,
)

from gateway_ibkr.state import Standing, State, Tracked, new_to, report_id
from gateway_ibkr.translate import VENUE
from gateway_ibkr.venue_errors import sentence


def accepted(state: State, tracked: Tracked, at: datetime) -> Sequence[Report]:
    """The venue works the order. Without the venue's own number there is nothing to say yet."""
    order = tracked.order
    if not tracked.venue_order_id:
        return []
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


def rejected(state: State, tracked: Tracked, at: datetime) -> Sequence[Report]:
    """The venue refuses the order: with its own code and text where it gave them."""
    code, text = tracked.refusal or (0, "")
    why = sentence(code, text) if text else "the venue made the order inactive and gave no reason"
    order = tracked.order
    report = refusal(order.account, order.order_id, str(code) if code else "", why, at, RefusedBy.VENUE)
    return _over(state, tracked, report)


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


def cancel_rejected(state: State, tracked: Tracked, code: str, reason: str, at: datetime) -> Sequence[Report]:
    """The cancel command under way has changed nothing; one report for each command."""
    report = cancel_refusal(state.account, tracked.order.order_id, tracked.cancel_command, code, reason, at)
    tracked.cancel_refusal, tracked.cancel_command = None, ""
    return _once(state, report)


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


def execution_report_id(state: State, kind: str, execution_id: str, revision: int) -> str:
    """The id of a report about one revision of an execution."""
    return report_id(state.account, kind, f"{execution_id}.{revision}")


def _once(state: State, report: Report) -> Sequence[Report]:
    return [report] if new_to(state, report) else []


def _over(state: State, tracked: Tracked, report: Report) -> Sequence[Report]:
    tracked.standing = Standing.OVER
    return _once(state, report)
