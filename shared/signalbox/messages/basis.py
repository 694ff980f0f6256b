"""What risk looked at when it decided: kept in the decision, so that the same decision can be made again from it.

Each of these is the part of a message, or of what TRADE adds up to, that a check reads; what is at its default is left
out. `source` says where it was found: `<stream>:<sequence>`, or `<first word of the subject>:<message id>`. Figures are
exact and told for the record: nobody but risk reckons with them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from msgspec import Struct

from signalbox.messages.intents import OrderIntent
from signalbox.messages.market import PriceStep
from signalbox.messages.words import (
    InstrumentKind,
    LinkStatus,
    MarketDataType,
    MarketState,
    OrderStatus,
    TradingMode,
    Utc,
)

ZERO, ONE = Decimal(0), Decimal(1)


class QuoteSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    id: str
    at: Utc
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    oracle_price: Decimal | None = None
    market_data_type: MarketDataType = MarketDataType.LIVE


class InstrumentSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """`rate` = what one unit of its currency is worth in the account's, by the venue; None = the desk file says.

    `margin_said_at` = when the venue said an `initial_margin` of this account's (`AccountState.margin_rates`); None =
    it is the instrument's own.
    """

    source: str
    kind: InstrumentKind
    currency: str
    calendar: str
    tick_size: Decimal
    lot_size: Decimal
    minimum_quantity: Decimal
    multiplier: Decimal = ONE
    initial_margin: Decimal | None = None
    rate: Decimal | None = None
    market_state: MarketState = MarketState.OPEN
    is_isolated: bool = False
    price_steps: tuple[PriceStep, ...] = ()
    last_trade_at: Utc | None = None
    short_margin: Decimal | None = None
    margin_said_at: Utc | None = None


class AccountSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """`at` is when the venue said the oldest figure that counts, `figure` its name; "" = all of them were said then."""

    source: str
    at: Utc
    available_funds: Decimal
    figure: str = ""


class LinkSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """`unread`: why nothing is sent for this symbol, "" = nothing stands in the way."""

    id: str
    status: LinkStatus
    reason: str = ""
    unread: str = ""


class SwitchSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """`reason` and `by` where it is not ACTIVE. `scope` is what it holds for (`venue:ibkr`); "" = the field says it."""

    source: str
    mode: TradingMode
    reason: str = ""
    by: str = ""
    scope: str = ""


class RoomSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The fullest stream that an order needs."""

    stream: str
    bytes: int
    bytes_max: int


class PositionSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is held and under way in the order's symbol.

    `*_value` = the sum of open quantity x worst price, in the instrument's currency. `rate` turns that into the
    account's. None = not known.
    """

    quantity: Decimal = ZERO
    buying_quantity: Decimal = ZERO
    selling_quantity: Decimal = ZERO
    buying_value: Decimal = ZERO
    selling_value: Decimal = ZERO
    unpriced_orders: int = 0
    mark: Decimal | None = None
    multiplier: Decimal = ONE
    rate: Decimal | None = ONE
    needed_funds: Decimal = ZERO


class LossesSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an account has won and lost, where a limit on that is stated; all in its currency.

    `pnl` is realised and unrealised since the desk took its books over, before costs; None = nobody can say, for
    `unknown`. `opening` is what it was when the account's day began (`since`), `lowest` the lowest that decisions of
    that day have seen and `peak` the highest of all, this decision with them. `net_liquidation` is what the venue last
    said that the account is worth. `losses_in_a_row` are positions that were closed at a loss this day, since the last
    one that was not. `stopped_at` is when a stop last closed something in the order's symbol.
    """

    since: Utc | None = None
    pnl: Decimal | None = None
    unknown: str = ""
    opening: Decimal = ZERO
    lowest: Decimal = ZERO
    peak: Decimal = ZERO
    net_liquidation: Decimal | None = None
    losses_in_a_row: int = 0
    stopped_at: Utc | None = None


class AccountWorth(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Another account of the desk: what all that it holds may be worth at worst, and what the venue says it is worth.

    Both in its `currency`, of which one unit is worth `rate` in the order's account's, by its venue; None = not said.
    `at` is when the venue said the oldest figure that counts.
    """

    venue: str
    name: str
    currency: str = ""
    worst_value: Decimal | None = None
    net_liquidation: Decimal | None = None
    rate: Decimal | None = None
    at: Utc | None = None
    source: str = ""


class SumsSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an account's positions come to together, where a limit on that is stated; all in its currency.

    `positions` are the symbols that are held or being opened. `long_value` is as if all purchases under way had filled
    and no sale, `short_value` the other way round, with its sign turned. `net_liquidation` is what the venue last said
    that the account is worth; None = not in this currency. `others` are the desk's other accounts; none where the order
    is one part of a group's (`is_of_group`), of which nobody knows yet what the other parts add.
    """

    positions: int = 0
    long_value: Decimal = ZERO
    short_value: Decimal = ZERO
    net_liquidation: Decimal | None = None
    others: tuple[AccountWorth, ...] = ()
    is_of_group: bool = False


class BooksSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The account: `source` is where the desk took its books over, "" = it has not.

    `approvals` are orders let through in the last minute, `approvals_of_name` those of the sender. `unconfirmed_funds`
    are taken by fills that the venue's figures can not contain yet. `losses` and `sums` None = no limit on
    them was stated.
    """

    source: str = ""
    currency: str = ""
    worst_value: Decimal = ZERO
    needed_funds: Decimal = ZERO
    unconfirmed_funds: Decimal = ZERO
    is_unvalued: bool = False
    working_orders: int = 0
    approvals: int = 0
    approvals_of_name: int = 0
    losses: LossesSeen | None = None
    sums: SumsSeen | None = None


class OrderSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The order that a cancel or a change names, while it works.

    The rest is for a change: `terms` is its intent as it stands (None = not all of its terms are known), of which
    `open_quantity` may still fill at `price` at worst; `is_changing` = a change of it was let through before, of which
    nobody knows yet what became. `parts` = it is that of a group, and has no account: so many orders were made of it.
    `list_group` is the group of its list with whose other orders it has its size; "" = it has its own.
    """

    venue: str
    account: str
    symbol: str
    status: OrderStatus
    terms: OrderIntent | None = None
    open_quantity: Decimal = ZERO
    price: Decimal | None = None
    is_changing: bool = False
    parts: int = 0
    list_group: str = ""


class MemberSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was looked at of one account of a group, and of its order where that is to be changed.

    `number` is its place in the group, from 1 on. `instrument` None = it is as for any account. `net_liquidation` is
    what it is worth in its `currency`, by `account`. The rest as in `Basis`.
    """

    name: str
    number: int
    order_id: str = ""
    symbol_switch: SwitchSeen | None = None
    scope_switch: SwitchSeen | None = None
    link: LinkSeen | None = None
    account: AccountSeen | None = None
    net_liquidation: Decimal | None = None
    currency: str = ""
    books: BooksSeen = BooksSeen()
    instrument: InstrumentSeen | None = None
    position: PositionSeen = PositionSeen()
    order: OrderSeen | None = None
    flatten: str = ""


class IdSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An id that is used up: by a decision (`verdict` on INTENTS:`sequence`), or by an order of this name."""

    verdict: str = ""
    sequence: int = 0


class Basis(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """All that the checks read beside the intent and the desk file.

    `rules` names the limits and all else that risk takes from the desk file (`risk.rules`). Order events of TRADE were
    folded up to `trade_sequence`, decisions up to this one. `unread_event` is where TRADE has an order event that could
    not be read. `order`, `ended` and `order_id_used` are about the order that a cancel or a change names;
    `covered_orders` is how many orders a cancel of many, or a flatten, is for: those that may still fill, from their
    approval on; `spared_orders` how many that others have placed it leaves alone; `covered_positions` how many
    positions a flatten is for. `flatten` is the id of one that is under way in the order's market, `closes` that of the
    one for which risk itself makes this order, or asks for this cancel. `switch` is the desk's main one, `scope_switch`
    of all others that it is in the strictest: None = ACTIVE. `symbol_switch` is what decisions from before there were
    more scopes have kept. `members` are the accounts of a group, in its order; of a change or a cancel those whose
    order works. `limits_version` is which set of limits held, of those
    that operators have set; 0 = the desk file's.
    """

    is_only_told: ClassVar[bool] = True

    rules: str
    trade_sequence: int
    id_used: IdSeen | None = None
    clock_is_stale: bool = False
    unread_event: str = ""
    switch: SwitchSeen | None = None
    symbol_switch: SwitchSeen | None = None
    scope_switch: SwitchSeen | None = None
    room: RoomSeen | None = None
    link: LinkSeen | None = None
    account: AccountSeen | None = None
    books: BooksSeen = BooksSeen()
    instrument: InstrumentSeen | None = None
    position: PositionSeen = PositionSeen()
    quote: QuoteSeen | None = None
    order: OrderSeen | None = None
    ended: OrderStatus | None = None
    order_id_used: IdSeen | None = None
    covered_orders: int = 0
    covered_positions: int = 0
    spared_orders: int = 0
    flatten: str = ""
    closes: str = ""
    members: tuple[MemberSeen, ...] = ()
    limits_version: int = 0
