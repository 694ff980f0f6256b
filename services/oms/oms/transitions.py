"""The life of an order, as one table: `(status, event) -> status`.

Owns which event may follow which status, and nothing else. It must not know quantities of a particular order, venues'
words, messages on the bus or time.

The theory. An order's status is what the desk *knows*, in FIX words, and events are what made it know:

                      +-> DENIED                      (risk said no; it never left the desk)
    (no order yet) ---+
                      +-> PENDING_NEW --> NEW --> TRIGGERED --> PARTIALLY_FILLED --> FILLED
                              |            |          |               |
                              |            +----------+------->  PENDING_CANCEL  --> CANCELED
                              |         HELD, and back: the venue has it and does not work it
                              v                                        any --------> EXPIRED, REJECTED
                           UNKNOWN  (from anywhere that is not final, and back at the next word of the venue)

Reports come late, twice, and in another order than things happened. So the table is wide where reality is:

* A fill is booked from every status the venue can have put the order in. A complete fill makes FILLED of anything. A
  partial one does not wake what has ended: a fill of a CANCELED or EXPIRED order is the part that traded before the
  end, reported after it; the order stays ended, with the fill in the books.
* A final status is left only by a fill that proves it wrong, or for UNKNOWN when the venue contradicts itself.
* PENDING_CANCEL hides what the order is otherwise: it lasts until the venue says what became of the cancel.
* PENDING_REPLACE hides it in the same way, and is hidden by PENDING_CANCEL: the person wants out. While it lasts either
  terms may stand at the venue, so the order is filled when the larger quantity is; what the venue says of the change
  decides (`complete`). A change that is not known to be made or not leaves the order PENDING_REPLACE: it is one order.
* UNKNOWN is never guessed away: it lasts until a report.

NEW in the right-hand column means "stands at the venue"; `next_status` writes PARTIALLY_FILLED for it when something
has been filled already, PENDING_NEW when the venue has never acknowledged the order, and PENDING_REPLACE while a change
of it is open.

DENIED has no way out: the order was never sent. A fill that bears its id is somebody else's and is booked under an
external order (`oms.reports`). Orders placed elsewhere begin with OrderCreated like any other: when the venue shows
them (`oms.found`), or with their first fill. Of those a cancel alone is ever sent. One that had ended for the desk and
is shown with more to fill works again (`reopened`).

Events of an account (AccountAdopted, FundingBooked) are not part of an order's life and not in the table.
"""

from __future__ import annotations

from collections.abc import Iterable

from signalbox.errors import IllegalTransitionError
from signalbox.messages import (
    CommissionBooked,
    FillCorrected,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderClaimed,
    OrderCreated,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderHeld,
    OrderNoted,
    OrderPartiallyFilled,
    OrderPendingCancel,
    OrderPendingReplace,
    OrderRejected,
    OrderReleased,
    OrderReplaced,
    OrderReplaceRejected,
    OrderReplaceUnknown,
    OrderStatus,
    OrderTriggered,
    OrderUnknown,
)

Row = dict[tuple[OrderStatus | None, type[OrderEvent]], OrderStatus]

PENDING_NEW = OrderStatus.PENDING_NEW
NEW = OrderStatus.NEW
PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
FILLED = OrderStatus.FILLED
PENDING_CANCEL = OrderStatus.PENDING_CANCEL
CANCELED = OrderStatus.CANCELED
TRIGGERED = OrderStatus.TRIGGERED
REJECTED = OrderStatus.REJECTED
DENIED = OrderStatus.DENIED
EXPIRED = OrderStatus.EXPIRED
UNKNOWN = OrderStatus.UNKNOWN
HELD = OrderStatus.HELD
PENDING_REPLACE = OrderStatus.PENDING_REPLACE

LIVE = (PENDING_NEW, NEW, TRIGGERED, PARTIALLY_FILLED, PENDING_CANCEL, UNKNOWN, HELD, PENDING_REPLACE)
ENDED = (FILLED, CANCELED, REJECTED, EXPIRED)
"""Ended at the venue. DENIED is not among them: such an order never got there."""


def _to(status: OrderStatus, event: type[OrderEvent], sources: Iterable[OrderStatus]) -> Row:
    return {(source, event): status for source in sources}


def _stays(event: type[OrderEvent], sources: Iterable[OrderStatus]) -> Row:
    return {(source, event): source for source in sources}


TRANSITIONS: Row = {
    # ---- the first event of an order
    (None, OrderCreated): PENDING_NEW,
    (None, OrderDenied): DENIED,
    # ---- accepted
    **_to(NEW, OrderAccepted, (PENDING_NEW, NEW, UNKNOWN)),
    # An acceptance after the first fill: IBKR's execDetails may come before openOrder. It still brings the venue's id.
    **_stays(OrderAccepted, (PARTIALLY_FILLED, FILLED, TRIGGERED)),
    # It has the order, and has said that it does not work it.
    **_stays(OrderAccepted, (HELD,)),
    # The cancel was asked for before the venue answered the submit; the answer does not recall it.
    **_stays(OrderAccepted, (PENDING_CANCEL, PENDING_REPLACE)),
    # Late: the order was accepted, then it ended, and the reports changed places.
    **_stays(OrderAccepted, (CANCELED, EXPIRED)),
    # The venue works what it, or the gateway in its name, had refused: two words against each other. Not guessed.
    (REJECTED, OrderAccepted): UNKNOWN,
    # ---- triggered (stop orders)
    **_to(TRIGGERED, OrderTriggered, (PENDING_NEW, NEW, TRIGGERED, UNKNOWN, HELD)),
    **_stays(OrderTriggered, (PARTIALLY_FILLED, PENDING_CANCEL, PENDING_REPLACE, *ENDED)),
    # ---- held (IBKR: shares to be located for a short sale; Inactive that is still listed), and at work again
    **_to(HELD, OrderHeld, (PENDING_NEW, NEW, TRIGGERED, PARTIALLY_FILLED, UNKNOWN, HELD)),
    **_stays(OrderHeld, (PENDING_CANCEL, PENDING_REPLACE, FILLED, CANCELED, EXPIRED)),
    **_to(NEW, OrderReleased, (PENDING_NEW, NEW, UNKNOWN, HELD)),
    **_stays(OrderReleased, (TRIGGERED, PARTIALLY_FILLED, PENDING_CANCEL, PENDING_REPLACE, FILLED, CANCELED, EXPIRED)),
    **_to(UNKNOWN, OrderHeld, (REJECTED,)),
    **_to(UNKNOWN, OrderReleased, (REJECTED,)),
    # ---- fills: from everywhere
    **_to(FILLED, OrderFilled, (*LIVE, *ENDED)),
    # PENDING_NEW: the fill came before the acceptance. FILLED: a bust had reopened quantity of a finished order.
    **_to(PARTIALLY_FILLED, OrderPartiallyFilled, (PENDING_NEW, NEW, TRIGGERED, PARTIALLY_FILLED, UNKNOWN, HELD)),
    **_stays(OrderPartiallyFilled, (FILLED,)),
    # FIX: PendingCancel and PendingReplace outrank PartiallyFilled. What was asked for is still open.
    **_stays(OrderPartiallyFilled, (PENDING_CANCEL, PENDING_REPLACE)),
    # What traded before the order ended, reported after. Ended it remains; the fill is booked.
    **_stays(OrderPartiallyFilled, (CANCELED, EXPIRED)),
    # A refused order that trades was not refused, and the rest of it may be working. (A time-out taken for a reject
    # is how other systems got orphan positions.)
    (REJECTED, OrderPartiallyFilled): PARTIALLY_FILLED,
    # ---- words of the venue: kept, and nothing follows
    **_stays(OrderNoted, (*LIVE, *ENDED)),
    # ---- an order that others have placed becomes a strategy's: nothing happens to it
    **_stays(OrderClaimed, (*LIVE, *ENDED)),
    # ---- corrections and fees change books, not lives (a correction that completes the order: `next_status`)
    **_stays(FillCorrected, (*LIVE, *ENDED)),
    **_stays(CommissionBooked, (*LIVE, *ENDED)),
    # ---- cancels
    **_to(
        PENDING_CANCEL,
        OrderPendingCancel,
        (PENDING_NEW, NEW, TRIGGERED, PARTIALLY_FILLED, PENDING_CANCEL, HELD, PENDING_REPLACE),
    ),
    # Cancelling what is not known is allowed and sent, but asking tells nothing about the order.
    (UNKNOWN, OrderPendingCancel): UNKNOWN,
    (PENDING_CANCEL, OrderCancelRejected): NEW,
    # Late, or the answer to a cancel that crossed the end (IBKR 10148: already filled).
    **_stays(OrderCancelRejected, (PENDING_NEW, NEW, TRIGGERED, PARTIALLY_FILLED, HELD, PENDING_REPLACE, *ENDED)),
    # A refused cancel (IBKR 10147: no such order) does not say whether the order lives.
    (UNKNOWN, OrderCancelRejected): UNKNOWN,
    **_to(CANCELED, OrderCanceled, (*LIVE, CANCELED)),
    # The cancel of the rest of an order that had no rest, or IBKR's Cancelled after Inactive or at the end of a day.
    **_stays(OrderCanceled, (FILLED, REJECTED, EXPIRED)),
    # ---- changes of what works; the first is asked for only of what the venue has, and nothing else is open of
    **_to(PENDING_REPLACE, OrderPendingReplace, (NEW, TRIGGERED, PARTIALLY_FILLED, HELD)),
    **_to(NEW, OrderReplaced, (PENDING_NEW, NEW, UNKNOWN, PENDING_REPLACE)),
    # Changed by hand at the venue, or the answer came after what it hides, or after the end.
    **_stays(OrderReplaced, (TRIGGERED, PARTIALLY_FILLED, HELD, PENDING_CANCEL, *ENDED)),
    (PENDING_REPLACE, OrderReplaceRejected): NEW,
    # The desk refuses one at once, or the answer crossed another word of the venue. Of what is not known a refused
    # change tells nothing.
    **_stays(
        OrderReplaceRejected,
        (PENDING_NEW, NEW, TRIGGERED, PARTIALLY_FILLED, HELD, PENDING_CANCEL, UNKNOWN, *ENDED),
    ),
    **_stays(OrderReplaceUnknown, (*LIVE, *ENDED)),
    # ---- rejected, also after it was working: a venue may refuse at the open what it took overnight
    **_to(REJECTED, OrderRejected, (*LIVE, REJECTED)),
    **_stays(OrderRejected, (FILLED, CANCELED, EXPIRED)),
    # ---- expired
    **_to(EXPIRED, OrderExpired, (*LIVE, EXPIRED)),
    **_stays(OrderExpired, (FILLED, CANCELED, REJECTED)),
    # ---- unknown; a late "I do not know" does not undo an end that is known
    **_to(UNKNOWN, OrderUnknown, LIVE),
    **_stays(OrderUnknown, ENDED),
}

ACKNOWLEDGING: frozenset[type[OrderEvent]] = frozenset(
    {
        OrderAccepted,
        OrderTriggered,
        OrderHeld,
        OrderReleased,
        OrderReplaced,
        OrderPartiallyFilled,
        OrderFilled,
        FillCorrected,
        OrderCanceled,
        OrderRejected,
        OrderExpired,
    }
)
"""Events that show that the venue has, or had, the order. A refused cancel or an OrderUnknown does not."""

_COMPLETING = (FillCorrected, OrderReplaced, OrderReplaceRejected)
"""Events without a fill of their own that may leave nothing to fill: of a smaller order, or of one as it was."""


def next_status(
    order_id: str,
    current: OrderStatus | None,
    event: type[OrderEvent],
    *,
    acknowledged: bool = True,
    filled: bool = False,
    complete: bool = False,
    replacing: bool = False,
    reopened: bool = False,
) -> OrderStatus:
    """The status of the order after `event`.

    All facts include this event: `acknowledged` = the venue has shown that it has the order, `filled` = some of it is
    filled, `complete` = all of it is, `replacing` = a change of it is open. `reopened`: an order of somebody else that
    had ended, as far as was known, is shown to work, with more to fill than has been.

    Raises `IllegalTransitionError`, which names status and event, where the table has no row.
    """
    status = TRANSITIONS.get((current, event))
    if status is None:
        raise IllegalTransitionError(order_id, "NO_ORDER" if current is None else current.value, event.__name__)
    if complete and event in _COMPLETING:
        return FILLED
    if reopened and event is OrderReplaced and status in ENDED:
        status = NEW
    if status is NEW and replacing:
        return PENDING_REPLACE
    if status is NEW and filled:
        return PARTIALLY_FILLED
    if status is NEW and not acknowledged:
        return PENDING_NEW
    return status
