"""The reports of an order, each made once: its id derives from what it reports.

Pure but for `state`, where it is noted what has been made and which orders are over. It must not know why a report is
due (a venue's `decide` and `reconcile`, `submission`). Each function returns the report in a list, or [] if it was made
before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from signalbox.gateway.changed import as_changed
from signalbox.gateway.state import (
    AnyState,
    AnyTracked,
    Standing,
    end_change,
    execution_report_id,
    new_to,
    remember_fee,
    report_id,
)
from signalbox.messages import (
    Fill,
    ModifyOrder,
    RefusedBy,
    Report,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueCommission,
    VenueExpired,
    VenueFill,
    VenueHeld,
    VenueNoted,
    VenueRejected,
    VenueReleased,
    VenueReplaced,
    VenueReplaceRejected,
    VenueReplaceUnknown,
    VenueTriggered,
    VenueUnknown,
)

NOTES_MAX = 20
"""Of one order: a venue that says something else each second is not kept for ever."""
COMMISSION_IS_MISSING = "a commission is missing"
"""As a question to the venue. It is not asked for ever: the fill is booked without it."""


def accepted(state: AnyState, tracked: AnyTracked, at: datetime) -> Sequence[Report]:
    """The venue works the order. Without the venue's own number there is nothing to say yet."""
    order = tracked.order
    if not tracked.venue_order_id:
        return []
    report = VenueAccepted(
        id=report_id(state.venue, order.account, "accepted", order.order_id),
        at=at,
        venue=state.venue,
        account=order.account,
        order_id=order.order_id,
        venue_order_id=tracked.venue_order_id,
    )
    return _once(state, report)


def triggered(state: AnyState, tracked: AnyTracked, at: datetime) -> Sequence[Report]:
    """A stop's price has been reached."""
    order = tracked.order
    report = VenueTriggered(
        id=report_id(state.venue, order.account, "triggered", order.order_id),
        at=at,
        venue=state.venue,
        account=order.account,
        order_id=order.order_id,
    )
    return _once(state, report)


def held(state: AnyState, tracked: AnyTracked, at: datetime, reason: str) -> Sequence[Report]:
    """The venue has the order and does not work it: told once each time that it begins."""
    if tracked.held:
        return []
    order, tracked.held, tracked.holds = tracked.order, reason, tracked.holds + 1
    report = VenueHeld(
        id=report_id(state.venue, order.account, "held", f"{order.order_id}.{tracked.holds}"),
        at=at,
        venue=state.venue,
        account=order.account,
        order_id=order.order_id,
        reason=reason,
    )
    return _once(state, report)


def noted(state: AnyState, tracked: AnyTracked, at: datetime, code: str, words: str) -> Sequence[Report]:
    """Words of the venue about the order: kept with it, each once."""
    tracked.words = words
    if tracked.notes >= NOTES_MAX:
        return []
    order = tracked.order
    digest = hashlib.sha256(f"{code}/{words}".encode("utf-8", "replace")).hexdigest()[:16]
    report = VenueNoted(
        id=report_id(state.venue, order.account, "noted", f"{order.order_id}.{digest}"),
        at=at,
        venue=state.venue,
        account=order.account,
        order_id=order.order_id,
        code=code,
        reason=words,
    )
    made = _once(state, report)
    tracked.notes += len(made)
    return made


def released(state: AnyState, tracked: AnyTracked, at: datetime) -> Sequence[Report]:
    """The venue works an order that it had held."""
    if not tracked.held:
        return []
    order, tracked.held = tracked.order, ""
    report = VenueReleased(
        id=report_id(state.venue, order.account, "released", f"{order.order_id}.{tracked.holds}"),
        at=at,
        venue=state.venue,
        account=order.account,
        order_id=order.order_id,
    )
    return _once(state, report)


def canceled(state: AnyState, tracked: AnyTracked, at: datetime, reason: str) -> Sequence[Report]:
    """The order is over, by somebody's will."""
    order = tracked.order
    report = VenueCanceled(
        id=report_id(state.venue, order.account, "canceled", order.order_id),
        at=at,
        cause=tracked.cancel_command,
        venue=state.venue,
        account=order.account,
        order_id=order.order_id,
        reason=reason,
    )
    return _over(state, tracked, report)


def expired(state: AnyState, tracked: AnyTracked, at: datetime, reason: str) -> Sequence[Report]:
    """The order's time is over."""
    order = tracked.order
    report = VenueExpired(
        id=report_id(state.venue, order.account, "expired", order.order_id),
        at=at,
        venue=state.venue,
        account=order.account,
        order_id=order.order_id,
        reason=reason,
    )
    return _over(state, tracked, report)


def rejected(state: AnyState, tracked: AnyTracked, at: datetime, code: str, reason: str) -> Sequence[Report]:
    """The venue refuses the order, with its own code."""
    order = tracked.order
    report = refusal(state.venue, order.account, order.order_id, code, reason, at, RefusedBy.VENUE)
    return _over(state, tracked, report)


def lost(state: AnyState, tracked: AnyTracked, at: datetime, reason: str) -> Sequence[Report]:
    """The gateway has found that the order never arrived: it will never work, and the venue has refused nothing."""
    order = tracked.order
    tracked.presumed_lost = True
    report = refusal(state.venue, order.account, order.order_id, "", reason, at, RefusedBy.GATEWAY)
    return _over(state, tracked, report)


def refusal(
    venue: str, account: str, order_id: str, code: str, reason: str, at: datetime, refused_by: RefusedBy
) -> VenueRejected:
    """The report that an order will never work; there is one of them for each order, whoever refused it."""
    return VenueRejected(
        id=report_id(venue, account, "rejected", order_id),
        at=at,
        venue=venue,
        account=account,
        order_id=order_id,
        code=code,
        reason=reason,
        refused_by=refused_by,
    )


def unknown(state: AnyState, tracked: AnyTracked, at: datetime, reason: str) -> Sequence[Report]:
    """It is not known what became of the order."""
    order, tracked.held = tracked.order, ""
    report = VenueUnknown(
        id=report_id(state.venue, order.account, "unknown", order.order_id),
        at=at,
        venue=state.venue,
        account=order.account,
        order_id=order.order_id,
        reason=reason,
    )
    return _once(state, report)


def filled(
    state: AnyState,
    fill: Fill,
    venue_order_id: str,
    currency: str = "",
    multiplier: Decimal | None = None,
    base_currency: str = "",
) -> Sequence[Report]:
    """A fill, of the desk's order or of anybody's in this account; a correction is one too.

    `currency`, `multiplier` and `base_currency` are the venue's word for what is traded, which may be nothing of the
    desk's.
    """
    report = VenueFill(
        id=execution_report_id(state, "fill", fill.execution_id, fill.revision),
        at=fill.at,
        venue=state.venue,
        account=state.account,
        fill=fill,
        venue_order_id=venue_order_id,
        currency=currency,
        multiplier=multiplier,
        base_currency=base_currency,
    )
    return _once(state, report)


def commission(
    state: AnyState, execution_id: str, revision: int, order_id: str, fee: Decimal, currency: str, at: datetime
) -> Sequence[Report]:
    """The fee of one revision of an execution, which may be told before it; below 0 = a rebate.

    It is made once for each thing that the venue says of it: another fee of the same revision replaces the one before.
    """
    told, correction = state.fees.get(execution_id), 0
    if told is not None and told.revision > revision:
        return []
    if told is not None and told.revision == revision:
        if (told.fee, told.currency) == (fee, currency):
            return []
        correction = told.correction + 1
    report = VenueCommission(
        id=execution_report_id(state, "commission", execution_id, revision, correction),
        at=at,
        venue=state.venue,
        account=state.account,
        execution_id=execution_id,
        revision=revision,
        order_id=order_id,
        commission=fee,
        currency=currency,
        correction=correction,
    )
    remember_fee(state, report)
    return _once(state, report)


def commission_is_missing(state: AnyState, tracked: AnyTracked) -> bool:
    """Whether the fee of something that the order has filled has not been told; a bust execution has none."""
    return any(
        execution_report_id(state, "commission", fill.execution_id, fill.revision) not in state.reported
        for fill in tracked.fills.values()
        if fill.quantity
    )


def cancel_rejected(
    state: AnyState, tracked: AnyTracked, command_id: str, code: str, reason: str, at: datetime
) -> Sequence[Report]:
    """A cancel command has changed nothing; one report for each command."""
    order = tracked.order
    return _once(state, cancel_refusal(state.venue, order.account, order.order_id, command_id, code, reason, at))


def cancel_refusal(
    venue: str, account: str, order_id: str, command_id: str, code: str, reason: str, at: datetime
) -> VenueCancelRejected:
    """The report that a cancel command changes nothing: refused by the venue, with its code, or by the gateway."""
    return VenueCancelRejected(
        id=report_id(venue, account, "cancel_rejected", command_id),
        at=at,
        cause=command_id,
        venue=venue,
        account=account,
        order_id=order_id,
        code=code,
        reason=reason,
        refused_by=RefusedBy.VENUE if code else RefusedBy.GATEWAY,
    )


def replaced(state: AnyState, tracked: AnyTracked, at: datetime) -> Sequence[Report]:
    """The venue has made the open change: the order is so from now on."""
    assert tracked.change is not None
    order, revision = tracked.change.order, tracked.change.revision
    tracked.order = as_changed(tracked.order, order, order)
    end_change(tracked, revision)
    report = VenueReplaced(
        id=report_id(state.venue, order.account, "replaced", f"{order.order_id}.{revision}"),
        at=at,
        cause=change_command(tracked, revision),
        venue=state.venue,
        account=order.account,
        order_id=order.order_id,
        venue_order_id=tracked.venue_order_id,
        quantity=order.quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        revision=revision,
    )
    return _once(state, report)


def not_replaced(
    state: AnyState,
    tracked: AnyTracked,
    at: datetime,
    code: str,
    reason: str,
    by: RefusedBy | None = None,
    room_at: datetime | None = None,
) -> Sequence[Report]:
    """The open change was not made, and will not be: the order is as it was."""
    assert tracked.change is not None
    order, revision = tracked.order, tracked.change.revision
    end_change(tracked, revision)
    report = VenueReplaceRejected(
        id=report_id(state.venue, order.account, "replace_rejected", f"{order.order_id}.{revision}"),
        at=at,
        cause=change_command(tracked, revision),
        venue=state.venue,
        account=order.account,
        order_id=order.order_id,
        revision=revision,
        code=code,
        reason=reason,
        refused_by=by or (RefusedBy.VENUE if code else RefusedBy.GATEWAY),
        room_at=room_at,
    )
    return _once(state, report)


def change_unknown(state: AnyState, tracked: AnyTracked, at: datetime, reason: str) -> Sequence[Report]:
    """It is not known whether the open change was made."""
    assert tracked.change is not None
    order, revision = tracked.order, tracked.change.revision
    report = VenueReplaceUnknown(
        id=report_id(state.venue, order.account, "replace_unknown", f"{order.order_id}.{revision}"),
        at=at,
        cause=change_command(tracked, revision),
        venue=state.venue,
        account=order.account,
        order_id=order.order_id,
        revision=revision,
        reason=reason,
    )
    return _once(state, report)


def change_command(tracked: AnyTracked, revision: int) -> str:
    """The id of the command that asked for a change."""
    return f"command/{tracked.order.order_id}/{revision}"


def change_refusal(command: ModifyOrder, code: str, reason: str, at: datetime) -> VenueReplaceRejected:
    """The report that a change is not made: refused by the venue, with its code, or by the gateway."""
    return VenueReplaceRejected(
        id=report_id(command.venue, command.account, "replace_rejected", f"{command.order_id}.{command.revision}"),
        at=at,
        cause=command.id,
        venue=command.venue,
        account=command.account,
        order_id=command.order_id,
        revision=command.revision,
        code=code,
        reason=reason,
        refused_by=RefusedBy.VENUE if code else RefusedBy.GATEWAY,
    )


def _once(state: AnyState, report: Report) -> Sequence[Report]:
    return [report] if new_to(state, report) else []


def _over(state: AnyState, tracked: AnyTracked, report: Report) -> Sequence[Report]:
    tracked.standing, tracked.change = Standing.OVER, None
    return _once(state, report)
