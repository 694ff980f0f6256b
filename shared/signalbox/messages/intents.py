"""What people and programs wish.

`at` may be left out (`NEVER` = it is): then it is the desk's time at which the server stored the intent.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages.lists import OrderListIntent
from signalbox.messages.words import (
    NEVER,
    AllocationMethod,
    Message,
    OrderType,
    PositionAction,
    Side,
    TimeInForce,
    TriggerMethod,
    Utc,
)


class OrderIntent(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's wish to trade. `id` becomes the order id: `[A-Za-z0-9][A-Za-z0-9-]{0,63}`, used once, ever.

    `account` may be left out where the desk has one account at that venue. `valid_until` bounds how late risk may
    still approve it; `good_till` is the order's own end (GTD only), `not_before` when it begins to work. It shows
    `display_quantity` of itself at a time (None = all). A trailing stop follows the market `trail_amount` or
    `trail_percent` behind, from `activation_price` on (None = at once); with a limit, that is `limit_offset` beyond its
    stop.

    With a `group` of the desk file in the account's place it is shared out among the accounts of that, by `method`: all
    of its orders or none, `<id>.<n>` that of the group's n-th account. By PctChange each trades `percent` of what it
    holds, and `quantity` is 0.
    """

    at: Utc = NEVER
    venue: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    good_till: Utc | None = None
    outside_regular_hours: bool = False
    reduce_only: bool = False
    post_only: bool = False
    all_or_none: bool = False
    display_quantity: Decimal | None = None
    not_before: Utc | None = None
    trigger: TriggerMethod = TriggerMethod.DEFAULT
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    limit_offset: Decimal | None = None
    activation_price: Decimal | None = None
    account: str = ""
    valid_until: Utc | None = None
    strategy: str = ""
    note: str = ""
    group: str = ""
    method: AllocationMethod = AllocationMethod.EQUAL
    percent: Decimal | None = None


class CancelIntent(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's wish to cancel the order `order_id`; of a list, or of the order of a group, by its id all that works.

    `symbol` may be left out; one that is named must be the order's. Of a group's order there is no one `account`.
    """

    at: Utc = NEVER
    venue: str
    symbol: str = ""
    order_id: str
    account: str = ""
    note: str = ""


class ModifyIntent(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's wish to give the order `order_id` other terms (FIX: OrderCancelReplaceRequest).

    None = it stays as it is. `quantity` is the total, what has filled included (FIX: OrderQty). `symbol` may be left
    out; one that is named must be the order's. Of the order of a group every part is changed, or none: prices are
    theirs, and `quantity` is shared out anew in the proportions of the parts.
    """

    at: Utc = NEVER
    venue: str
    symbol: str = ""
    order_id: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    account: str = ""
    note: str = ""


class MassCancelIntent(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's wish to cancel every order that works (FIX: OrderMassCancelRequest) and has all that is named here.

    "" = any: one that names nothing cancels all that works on the desk. It covers what was approved before it. Orders
    that others have placed at the venue, and no strategy has claimed, it leaves alone unless `external`.
    """

    at: Utc = NEVER
    venue: str = ""
    account: str = ""
    symbol: str = ""
    strategy: str = ""
    external: bool = False
    note: str = ""


class PositionIntent(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's wish for a position. Risk makes one order of it, under the intent's id, as large as follows from what is
    held and what works already.

    `quantity` or, of what is held, `share` (0.5 = half of it) says how much; CLOSE has neither, and of TARGET the
    `quantity` is the position that is wanted (negative = short). With `limit_price` it is a LIMIT order, else a MARKET
    order. While the venue is away it waits until `valid_until`, if there is one.
    """

    at: Utc = NEVER
    venue: str
    symbol: str
    action: PositionAction
    quantity: Decimal | None = None
    share: Decimal | None = None
    limit_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    account: str = ""
    valid_until: Utc | None = None
    strategy: str = ""
    note: str = ""


class FlattenIntent(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's wish to hold nothing, and to have nothing work, in all that is named here; "" = any: the whole desk.

    What works is cancelled, then what is held is closed, reduce-only and at market. What can not be done yet (a market
    is closed, a venue away) is waited for until `valid_until`, or for ten minutes. `FlattenEnded` says how it ended.
    Where an order works that somebody else has placed nothing is closed, as that order could turn the position round:
    with `external` it is cancelled as well.
    """

    at: Utc = NEVER
    venue: str = ""
    account: str = ""
    symbol: str = ""
    valid_until: Utc | None = None
    external: bool = False
    note: str = ""


Intent = OrderIntent | OrderListIntent | CancelIntent | ModifyIntent | MassCancelIntent | PositionIntent | FlattenIntent
