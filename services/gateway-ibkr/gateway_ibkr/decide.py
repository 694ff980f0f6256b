"""What follows from what the venue says of an order: reports, and questions.

Pure but for `state`, which is the only thing that changes: no clock, no wait, no bus, no venue. Every function can be
given the same fact twice, late, or in any order: a report is made once, because its id derives from what it reports.

Only openOrder, orderStatus, execDetails, commissionReport and completedOrder change an order. An error is remembered
as a reason, and as a reason to ask; by itself it ends nothing, because codes that inform have been taken for
rejections (ib_insync #502, ib_async #191).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from signalbox.errors import CalendarError
from signalbox.gateway import reports
from signalbox.gateway.actions import Action, Ask, CancelStray, RecordSent
from signalbox.gateway.reports import COMMISSION_IS_MISSING
from signalbox.gateway.state import Standing, learn_venue_id
from signalbox.messages import Order, TimeInForce
from signalbox.order_terms import AT_OPEN, TRIGGERED, WHY_OVER
from signalbox.sessions import session_at, session_on

from gateway_ibkr import changing, strangers, trailing
from gateway_ibkr.attached import held_for
from gateway_ibkr.facts import (
    CommissionSeen,
    CompletedOrderSeen,
    ErrorSeen,
    ExecutionSeen,
    OpenOrderSeen,
    OrderFact,
    OrderStatusSeen,
)
from gateway_ibkr.fees import on_commission
from gateway_ibkr.groups import is_missing_some, rest_is_gone
from gateway_ibkr.settling import settled_as
from gateway_ibkr.state import PRESET, State, Tracked, hear, remember_fill
from gateway_ibkr.translate import (
    base_currency_of,
    decimal_of,
    execution_key,
    fill_of,
    multiplier_of,
    name_of,
    side_of,
    time_of,
)
from gateway_ibkr.venue_errors import Treatment, problem_of, sentence

EXPIRY_SLACK = timedelta(seconds=60)
"""A DAY order that ends this shortly before its session's end has expired: venue and desk clocks differ by some."""

WORKING = frozenset({"PreSubmitted", "Submitted", "PendingCancel", "Filled"})
LOCATING = 404
"""The venue's code for a short sale whose shares must first be found."""
COMBINATION = "BAG"
"""It trades leg by leg, and each leg has an execution of its own: that is what is held and what it costs."""
ENDED = frozenset({"Cancelled", "ApiCancelled"})


def decide(state: State, fact: OrderFact, at: datetime) -> list[Action]:
    """Take one fact of the venue at desk time `at`; return what follows, in order."""
    return _DECIDERS[type(fact)](state, fact, at)


# ----------------------------------------------------------------------------------------- which order is meant


def identify(state: State, *, reference: str, perm_id: int, client_id: int, number: int) -> Tracked | None:
    """Find the order that a fact is about: by orderRef, else by permId, else by our own client's order number.

    The number comes last because another program may have used our client id, and because after a roll-back of
    `nextValidId` two orders can carry the same number (Lean IB #242).
    """
    order_id = reference if reference in state.orders else state.order_by_venue_id.get(str(perm_id), "")
    if not order_id and not reference and client_id == state.own.client_id:
        candidate = state.orders.get(state.order_by_number.get(number, ""))
        if candidate is not None and candidate.venue_order_id in ("", str(perm_id)):
            order_id = candidate.order.order_id
    tracked = state.orders.get(order_id)
    if tracked is not None and perm_id:
        learn_venue_id(state, tracked, str(perm_id))
    return tracked


# ------------------------------------------------------------------------------------------------ order statuses


def on_open_order(state: State, fact: OpenOrderSeen, at: datetime) -> list[Action]:
    """An openOrder says that the venue has the order, and in which status."""
    tracked = identify(
        state, reference=fact.reference, perm_id=fact.perm_id, client_id=fact.client_id, number=fact.order_number
    )
    if tracked is None:
        return strangers.on_open_order(state, fact, at)
    if fact.account != state.account:
        return []
    tracked.own.client_id = fact.client_id
    tracked.own.heard += 1
    trailing.note(tracked, fact)
    actions = _shown(state, tracked, at) + changing.shown(state, tracked, fact, at)
    actions += _status(state, tracked, fact.status, None, _venue_now(state, at))
    return actions + changing.made_limit(state, tracked, fact, at)


def on_status(state: State, fact: OrderStatusSeen, at: datetime) -> list[Action]:
    """An orderStatus says the status, and how much has been filled."""
    tracked = identify(state, reference="", perm_id=fact.perm_id, client_id=fact.client_id, number=fact.order_number)
    if tracked is None:
        return strangers.on_status(state, fact, _venue_now(state, at))
    tracked.own.heard += 1
    tracked.filled_at_venue = max(tracked.filled_at_venue, decimal_of(fact.filled))
    tracked.own.whole = tracked.own.whole or fact.status == "Filled"
    actions = _shown(state, tracked, at)
    actions += _status(state, tracked, fact.status, fact.why_held, _venue_now(state, at))
    trailing.note_held(tracked)
    actions += rest_is_gone(state, tracked, _venue_now(state, at))
    if is_missing_some(tracked):
        actions.append(Ask(tracked.order.order_id, "an execution is missing"))
    return actions


def on_completed(state: State, fact: CompletedOrderSeen, at: datetime) -> list[Action]:
    """A completedOrder says that the order is over. It may come unasked, and after the fact."""
    tracked = identify(state, reference=fact.reference, perm_id=fact.perm_id, client_id=-1, number=-1)
    if tracked is None or fact.account != state.account:
        return []
    tracked.filled_at_venue = max(tracked.filled_at_venue, decimal_of(fact.filled))
    tracked.own.whole = tracked.own.whole or fact.status == "Filled"
    ended_at = time_of(fact.completed_time) or at
    actions = _shown(state, tracked, at)
    actions += _status(state, tracked, fact.status, None, ended_at, fact.completed_status, is_over=True)
    actions += rest_is_gone(state, tracked, ended_at)
    if is_missing_some(tracked):
        actions.append(Ask(tracked.order.order_id, "an execution is missing"))
    return actions


def _venue_now(state: State, at: datetime) -> datetime:
    """Statuses carry no time. The desk clock may run behind the venue's, which bars and executions have shown."""
    return max(at, state.own.venue_time or at)


def _shown(state: State, tracked: Tracked, at: datetime) -> list[Action]:
    """The venue has the order: what is written down as claimed was sent."""
    tracked.seen, tracked.own.absences, tracked.doubt = True, 0, ""
    tracked.own.shown_at = at
    state.own.stranded.discard(tracked.order.order_id)
    return [RecordSent(tracked.order.order_id)] if tracked.standing is Standing.CLAIMED else []


def _status(
    state: State,
    tracked: Tracked,
    status: str,
    why_held: str | None,
    at: datetime,
    text: str = "",
    *,
    is_over: bool = False,
) -> list[Action]:
    """What a status says. `why_held` None = it does not tell; `is_over`: the venue says that the order has ended."""
    order = tracked.order
    if tracked.standing is Standing.OVER:
        # A late or repeated status of an order that is over changes nothing; one that we gave up must not work on
        return [CancelStray(order.order_id)] if tracked.presumed_lost and status in WORKING else []
    if status in WORKING:
        tracked.own.inactive = False
        tracked.own.canceling = status == "PendingCancel" and bool(tracked.own.canceling or tracked.cancel_command)
        actions: list[Action] = [*reports.accepted(state, tracked, at)]
        if waits_for := held_for(tracked, why_held):
            return [*actions, *reports.held(state, tracked, at, waits_for)]
        if why_held is not None or status in ("Submitted", "Filled"):
            actions += reports.released(state, tracked, at)
        # IBKR simulates stops for stocks: PreSubmitted until the trigger, Submitted from then on
        if order.order_type in TRIGGERED and status == "Submitted" and not why_held:
            actions += reports.triggered(state, tracked, at)
        return actions
    if status in ENDED:
        return _ended(state, tracked, at, text)
    if status == "Inactive":
        tracked.own.inactive = tracked.own.doubted = True
        if is_over:
            return rejected(state, tracked, at, text)
        # Refused, or held: only an answer tells, in which it is still listed or is not. The reason may be on its way
        return [Ask(order.order_id, "the venue made the order inactive", urgent=tracked.own.refusal is not None)]
    return []  # PendingSubmit, ApiPending: on its way


def inactive(state: State, tracked: Tracked, at: datetime) -> list[Action]:
    """The venue lists the order among the open ones and does not work it: it is held, and may come to life."""
    code, text = tracked.own.refusal or (0, "")
    why = sentence(code, text) if text else tracked.words or "the venue made the order inactive and gave no reason"
    return [*reports.accepted(state, tracked, at), *reports.held(state, tracked, at, why)]


# ---------------------------------------------------------------------------------------------- ends of an order


def _ended(state: State, tracked: Tracked, at: datetime, text: str) -> list[Action]:
    """`Cancelled` means one of these: rejected (an error has said why), expired, over at once, or cancelled."""
    asked = bool(tracked.cancel_command) or tracked.own.canceling
    if not asked:
        changing.ended(tracked)
    if tracked.own.refusal is not None and not asked:
        return rejected(state, tracked, at)
    if not asked and has_expired(state, tracked, at):
        preset = f": an order preset of TWS had made it DAY ({PRESET})" if tracked.own.made_day else ""
        return [*reports.expired(state, tracked, at, f"its time in force is over{preset}")]
    whose = "cancelled as asked" if asked else "cancelled at the venue, not by this desk"
    if not asked and not tracked.own.made_day:
        whose = WHY_OVER.get(tracked.order.time_in_force, whose)
    text = text or tracked.own.canceled_with
    return [*reports.canceled(state, tracked, at, f"{whose}: {text}" if text else whose)]


def rejected(state: State, tracked: Tracked, at: datetime, said: str = "") -> list[Action]:
    """The venue has refused the order: with its own code and text if it gave them; else `said`, or its last words."""
    code, text = tracked.own.refusal or (0, "")
    nothing = "the venue made the order inactive and gave no reason"
    why = sentence(code, text) if text else said or tracked.words or nothing
    return [*reports.rejected(state, tracked, at, str(code) if code else "", why)]


def has_expired(state: State, tracked: Tracked, at: datetime) -> bool:
    """Say whether an order that the desk did not cancel, and that ended at `at`, has run out.

    The venue's word for both is `Cancelled`. A GTD order has run out when its time has come. A DAY order has when it
    ended at or after the end of the hours that it may work in, on the day it was entered for.
    """
    order = tracked.order
    if order.time_in_force is TimeInForce.GTD and order.good_till is not None and not tracked.own.made_day:
        return at >= order.good_till - EXPIRY_SLACK
    if order.time_in_force is not TimeInForce.DAY and not tracked.own.made_day:
        return False
    try:
        return at >= end_of_day(state.own.calendars.get(order.symbol, ""), tracked.claimed_at, order) - EXPIRY_SLACK
    except CalendarError:
        return False


def end_of_day(calendar: str, entered_at: datetime, order: Order) -> datetime:
    """When a DAY order entered at `entered_at` runs out: the next close, or the end of late hours if it works then.

    One for the opening runs out when that is over.
    """
    session = session_at(calendar, entered_at)
    day = entered_at.date() if session is None else session.day
    for _ in range(_SESSION_SEARCH_DAYS_MAX):
        session = session_on(calendar, day)
        if session is not None:
            end = session.post_close if order.outside_regular_hours else session.close
            end = session.open if order.order_type in AT_OPEN else end
            if end > entered_at:
                return end
        day += timedelta(days=1)
    raise CalendarError(f"no session of {calendar} after {entered_at.isoformat()}")


_SESSION_SEARCH_DAYS_MAX = 16


# ------------------------------------------------------------------------------------------------------ executions


def on_execution(state: State, fact: ExecutionSeen, at: datetime) -> list[Action]:
    """An execution is reported whatever state its order is in, the desk's or not; a correction as a new revision."""
    fee = state.own.early_fees.pop(execution_key(fact.execution_id)[0], None)
    if fact.account != state.account:
        return []
    told = _execution(state, fact, at)
    return told if fee is None else told + on_commission(state, fee, at)


def _execution(state: State, fact: ExecutionSeen, at: datetime) -> list[Action]:
    tracked = identify(
        state, reference=fact.reference, perm_id=fact.perm_id, client_id=fact.client_id, number=fact.order_number
    )
    order_id = tracked.order.order_id if tracked is not None else ""
    if fact.contract.security_type == COMBINATION:
        return []
    symbol = tracked.order.symbol if tracked else name_of(fact.contract, state.own.symbols, state.own.untold)
    if tracked is None and settled_as(state, fact, symbol, side_of(fact.side)):
        return []
    fill = fill_of(fact, order_id, symbol)
    state.own.venue_time = max(fill.at, state.own.venue_time or fill.at)
    actions = _shown(state, tracked, at) if tracked is not None else []
    venue_order_id = str(fact.perm_id) if fact.perm_id else ""
    contract = fact.contract
    terms = contract.currency, multiplier_of(contract), base_currency_of(contract)
    told = reports.filled(state, fill, venue_order_id, *terms)
    if not told:
        return actions
    remember_fill(state, fill)
    if tracked is not None and tracked.order.order_type in TRIGGERED:  # one does not fill untriggered,
        actions += reports.triggered(state, tracked, fill.at)  # and its status may be missing
    actions += told
    if tracked is not None:
        actions += rest_is_gone(state, tracked, fill.at)
        actions.append(Ask(order_id, COMMISSION_IS_MISSING))
    return actions


# --------------------------------------------------------------------------------------------------------- errors


def on_error(state: State, fact: ErrorSeen, at: datetime) -> list[Action]:
    """An error about an order is a reason, and mostly a question; it never ends the order by itself."""
    tracked = state.orders.get(state.order_by_number.get(fact.request_id, ""))
    if tracked is None:
        return []
    treatment = problem_of(fact.code, fact.text).treatment
    is_over = tracked.standing is Standing.OVER
    hear(tracked, str(fact.code), fact.text)
    tracked.words = sentence(fact.code, fact.text)
    if treatment is Treatment.CANCELED:
        tracked.own.canceled_with = fact.text.partition("reason:")[2].strip()
    told: list[Action] = []
    # The others are told in what follows from them: a rejection, a cancellation, a cancel that was refused
    if treatment in (Treatment.INFORMATIONAL, Treatment.ASK) or (is_over and tracked.own.canceled_with):
        told += note(state, tracked, fact.code, fact.text, at)
    return told if is_over else told + _heard(tracked, fact, treatment)


def note(state: State, tracked: Tracked, code: int, text: str, at: datetime) -> list[Action]:
    """Keep words of the venue with the order."""
    return [*reports.noted(state, tracked, at, str(code), sentence(code, text, with_code=False))]


def _heard(tracked: Tracked, fact: ErrorSeen, treatment: Treatment) -> list[Action]:
    """What there is to ask after an error about an order that is not over."""
    order_id = tracked.order.order_id
    if treatment is Treatment.INFORMATIONAL:
        return [Ask(order_id, "it is said to be held")] if fact.code == LOCATING else []
    if treatment is Treatment.CANCELED:
        tracked.doubt = "the venue has confirmed a cancellation"
        return [Ask(order_id, tracked.doubt)]
    if treatment is Treatment.CANCEL_FAILED and "PendingCancel" in fact.text:
        return [Ask(order_id, "its cancel is under way")]  # a second one changes nothing, and refuses nothing
    if changing.heard(tracked, treatment, fact.code, fact.text):
        return [Ask(order_id, "the change was refused", urgent=True)]
    if treatment in (Treatment.CANCEL_FAILED, Treatment.MODIFY_FAILED):
        tracked.own.cancel_refusal = (fact.code, fact.text)
        return [Ask(order_id, "the cancel was refused", urgent=True)]
    if treatment is Treatment.TERMINAL:
        tracked.own.refusal, tracked.own.doubted = (fact.code, fact.text), True
        return [Ask(order_id, "the venue refused the order", urgent=tracked.own.inactive)]
    tracked.own.said = (fact.code, fact.text)
    tracked.doubt = f"error {fact.code}: {fact.text}"
    return [Ask(order_id, tracked.doubt)]


_DECIDERS: dict[type, Callable[[State, Any, datetime], list[Action]]] = {
    OpenOrderSeen: on_open_order,
    OrderStatusSeen: on_status,
    CompletedOrderSeen: on_completed,
    ExecutionSeen: on_execution,
    CommissionSeen: on_commission,
    ErrorSeen: on_error,
}


def question(state: State, tracked: Tracked) -> str:
    """What the venue still has to be asked about this order; "" = nothing."""
    if is_missing_some(tracked):
        return "an execution is missing"
    if reports.commission_is_missing(state, tracked):
        return COMMISSION_IS_MISSING
    if tracked.done or tracked.order.order_id in state.own.stranded:
        return ""
    if tracked.own.taken_back and tracked.filled + tracked.own.taken_back >= tracked.order.quantity:
        return "it is filled, and not all of that stands"
    if tracked.standing is Standing.CLAIMED or not tracked.seen:
        return "no word of the order"
    if tracked.own.cancel_refusal is not None:
        return "the cancel was refused"
    if tracked.own.doubted:
        return "the order may have been refused"
    if tracked.cancel_command:
        return "no answer to the cancel"
    if unanswered := changing.question(tracked):
        return unanswered
    return tracked.doubt
