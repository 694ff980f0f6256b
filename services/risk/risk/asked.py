"""What is asked of each kind of intent: which checks, in which order.

Owns which kind has which. What a check is, `risk.checks`; who asks, `risk.decide`. Pure.
"""

from __future__ import annotations

from signalbox.messages import FlattenIntent, MassCancelIntent
from signalbox.order_terms import TRAILING

from risk.checks import conditions, exposure, form, instructions, limits, losses, market, spreads, stops
from risk.checks.cancels import CANCEL_ROWS
from risk.checks.changes import CHANGE_ROWS
from risk.checks.mass_cancels import FLATTEN_ROWS, MASS_CANCEL_ROWS
from risk.checks.order_lists import LIST_ROWS
from risk.checks.positions import POSITION_ROWS
from risk.checks.rows import Form, Ground, Rows
from risk.checks.timed import SCHEDULE_ROWS
from risk.facts import CancelFacts, ChangeFacts, ListFacts, MassCancelFacts, OrderFacts, PositionFacts


def ground_of(facts: OrderFacts) -> tuple[Form, Ground]:
    """All that the standing rows read. Of what an order may leave away the form says only whether it is there."""
    intent, basis, books = facts.intent, facts.basis, facts.basis.books
    form = (
        intent.venue,
        intent.account,
        intent.symbol,
        intent.order_type,
        intent.time_in_force,
        intent.reduce_only,
        intent.outside_regular_hours,
        intent.post_only,
        intent.all_or_none,
        intent.display_quantity is None,
        intent.not_before is None,
        intent.trigger,
        intent.trail_amount is None and intent.trail_percent is None,
        intent.activation_price is None,
        intent.good_till is None,
        intent.valid_until is None,
    )
    ground = (
        facts.rules,
        facts.in_force,
        facts.symbol_error,
        facts.rate,
        basis.clock_is_stale,
        basis.unread_event,
        basis.switch,
        basis.symbol_switch,
        basis.scope_switch,
        basis.room,
        basis.link,
        basis.flatten,
        basis.closes,
        basis.instrument,
        books.source,
        books.currency,
    )
    return form, ground


_NOT_OF_CHANGES = frozenset({row.name for row in form.COMMON_ROWS} | {"open_orders", "not_before"})
"""When an order began to work is no other by a change."""
_OF_ENTRIES = frozenset(row.name for row in stops.ORDER_ROWS)
"""What stops a list has is said when it is sent: one order of it does not know."""
BOUNDS = (*spreads.ORDER_ROWS, *limits.ORDER_ROWS, *exposure.ORDER_ROWS, *losses.ORDER_ROWS, *stops.ORDER_ROWS)
OF_ORDERS: Rows[OrderFacts] = Rows(
    (
        *form.COMMON_ROWS,
        *form.ORDER_ROWS,
        *instructions.ORDER_ROWS,
        *conditions.ORDER_ROWS,
        *market.ORDER_ROWS,
        *BOUNDS,
    ),
    ground_of,
)
OF_CHANGES: Rows[ChangeFacts] = Rows((*form.COMMON_ROWS, *CHANGE_ROWS))
OF_PART_CHANGES: Rows[ChangeFacts] = Rows(CHANGE_ROWS)
OF_CHANGED_ORDERS: Rows[OrderFacts] = Rows([row for row in OF_ORDERS if row.name not in _NOT_OF_CHANGES | _OF_ENTRIES])
"""What an order is to be has to pass what a new one has to; it stands in the place of itself."""
OF_SMALLER_ORDERS: Rows[OrderFacts] = Rows([row for row in OF_ORDERS if row.name in ("quantity", "display_quantity")])
"""A change that takes nothing but quantity away is a cancel of a part."""
OF_LEGS: Rows[OrderFacts] = Rows((*form.ORDER_ROWS, *conditions.ORDER_ROWS, *market.ORDER_ROWS, *BOUNDS))
"""Of one leg of a list: what is of the list as a whole is asked once."""
OF_TRAILING_LEGS: Rows[OrderFacts] = Rows((*OF_LEGS, *[row for row in instructions.ORDER_ROWS if row.name == "trail"]))
OF_PARTS: Rows[OrderFacts] = Rows(
    (
        *form.ORDER_ROWS,
        *instructions.ORDER_ROWS,
        *conditions.ORDER_ROWS,
        *market.ORDER_ROWS,
        *BOUNDS,
    )
)
"""Of one account's part of an order for a group."""
OF_LISTS: Rows[ListFacts] = Rows((*form.COMMON_ROWS, *LIST_ROWS, *SCHEDULE_ROWS))
OF_CANCELS: Rows[CancelFacts] = Rows((*form.COMMON_ROWS, *CANCEL_ROWS))
OF_POSITIONS: Rows[PositionFacts] = Rows((*form.COMMON_ROWS, *POSITION_ROWS))
"""Of a wish that comes to an order, those of the order follow."""
OF_MASS_CANCELS: Rows[MassCancelFacts] = Rows((*form.INTENT_ROWS, *MASS_CANCEL_ROWS))

OF_FLATTENS: Rows[MassCancelFacts] = Rows((*form.INTENT_ROWS, *FLATTEN_ROWS))


def rows_of_leg(facts: OrderFacts) -> Rows[OrderFacts]:
    """What one leg of a list is asked: of one that trails where its stop starts, too."""
    return OF_TRAILING_LEGS if facts.intent.order_type in TRAILING else OF_LEGS


def rows_of_many(intent: MassCancelIntent | FlattenIntent) -> Rows[MassCancelFacts]:
    """What is asked of an intent about many orders at once."""
    return OF_MASS_CANCELS if isinstance(intent, MassCancelIntent) else OF_FLATTENS
