"""What risk remembers: plain data, folded from the desk's total order and from what is observed beside it.

Owns the shape of the memory and the arithmetic of worst cases. It must not know where a message came from, nor what
any of it means for an intent (`decide`).

Money of a holding is kept in the instrument's currency and without its multiplier, so that either can arrive later;
`worst_value` and `held_value` are in the account's currency, multiplier included. They are kept up to date with every
change, so that a decision never scans all orders.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from msgspec import Struct
from signalbox.desk import Desk
from signalbox.messages import (
    AccountState,
    Fill,
    FlattenIntent,
    Instrument,
    InstrumentSeen,
    MarginRate,
    OrderIntent,
    OrderStatus,
    PositionSeen,
    Quote,
    Side,
    SwitchSeen,
    TradingState,
    VenueLink,
)
from signalbox.room import StreamRoom
from signalbox.subjects import EXTERNAL_PREFIX

from risk.answered import AnsweredIntents, AnsweredLimits
from risk.known import KnownIds
from risk.pulls import Pulls
from risk.rules import Rules, rules_of
from risk.sums import Sums
from risk.traded import Losses

ZERO = Decimal(0)
ONE = Decimal(1)
BUY = Side.BUY
"""Python 3.11 takes ten times as long to find a member in its enumeration, and a decision asks some forty times."""

RATE_WINDOW = timedelta(seconds=60)
"""Approvals of the last minute of desk time count against the limit on their rate."""

REFUSED_MAX = 1_000
"""Rejected orders whose terms are remembered; those of an older one are looked up in TRADE when it works after all."""

UNCONFIRMED_FILLS_MAX = 10_000
"""Of more of them the two oldest count as one, and until the venue's figures contain both."""
T = TypeVar("T")


@dataclass(slots=True)
class Seen(Generic[T]):
    """A message beside where it was found (`Check.source`).

    `kept` is what a decision keeps of it, once it is in the state (`risk.keeping`).
    """

    message: T
    source: str
    kept: Any = field(default=None, compare=False, repr=False)


class OpenChange(Struct, frozen=True, gc=False):
    """Other terms of an order that were let through, while nobody has said what became of them.

    `cause` is what asked for them: a decision, or whatever the OMS has as its reason. `terms` None = not all are known.
    """

    cause: str
    terms: OrderIntent | None
    open_quantity: Decimal
    price: Decimal | None


class WorkingOrder(Struct, gc=False):
    """An order that may still fill. `price` is the worst one per unit, None while no price is known at all.

    `terms` is its intent as it stands; None = not all of its terms are known (it was placed elsewhere). While a change
    of it is open either may stand at the venue, and the larger of the two counts.
    """

    venue: str
    account: str
    symbol: str
    side: Side
    open_quantity: Decimal
    price: Decimal | None
    status: OrderStatus
    strategy: str = ""
    terms: OrderIntent | None = None
    change: OpenChange | None = None
    list_id: str = ""
    group_id: str = ""
    """Of orders that depend on each other and of which together no more fills than the group is for."""
    external: bool = False
    """Somebody else has placed it, and no strategy has claimed it."""
    parts: int = 0
    """Of an order for a group of accounts, which `list_id` names, it is one of so many; 0 = of none."""

    @property
    def worst_quantity(self) -> Decimal:
        """The most that may still fill."""
        return self.open_quantity if self.change is None else max(self.open_quantity, self.change.open_quantity)

    @property
    def worst_value(self) -> Decimal | None:
        """The most that this may be worth, without multiplier; None = there is no price."""
        if self.price is None or self.change is None:
            return self.open_quantity * self.price if self.price is not None else None
        if self.change.price is None:
            return None
        return max(self.open_quantity * self.price, self.change.open_quantity * self.change.price)

    def is_part_of(self, order_id: str) -> bool:
        """Whether it is one account's part of that order for a group."""
        return self.parts > 0 and self.list_id == order_id

    @property
    def scope(self) -> Scope:
        return self.venue, self.account, self.symbol, self.strategy


@dataclass(slots=True)
class Group:
    """Working orders of a list of which one alone counts on each side: what one fills the others do not.

    `left` is what together they may still fill; `counted` is what counts: side, quantity and value.
    """

    left: Decimal
    is_attached: bool = False
    """They were sent with their entry, and may fill no more than that has."""
    given: Decimal = ZERO
    """Of such orders: what they are for when all of the entry has filled,"""
    entered: Decimal = ZERO
    """and what of that has."""
    orders: dict[str, WorkingOrder] = field(default_factory=dict)
    counted: list[tuple[Side, Decimal, Decimal | None]] = field(default_factory=list)


Scope = tuple[str, str, str, str]
"""(venue, account, symbol, strategy): what a cancel of many, or a switch, may name of an order; "" = any."""


@dataclass(slots=True)
class Holding:
    """The position in one symbol of one account, and what its working orders may still make of it.

    `quantity` is signed. `buying_value` = the sum of open quantity x worst price. `rate` turns the instrument's
    currency into the account's; None = not known. `margin_fraction` is the part of a value that the venue wants funds
    for (1 = all of it) by the instrument, `funds_fraction` that of this account, `needed_funds` what filling all
    working orders would take of the account's. `rescaled` are
    its splits: since when, and how many units became how many of how many; none of what was before = it was set.
    """

    quantity: Decimal = ZERO
    buying_quantity: Decimal = ZERO
    selling_quantity: Decimal = ZERO
    buying_value: Decimal = ZERO
    selling_value: Decimal = ZERO
    unpriced_orders: int = 0
    mark: Decimal | None = None
    traded_mark: Decimal | None = None
    """What TRADE alone says of its value: the first price that it has."""
    currency: str = ""
    multiplier: Decimal = ONE
    rate: Decimal | None = None
    margin_fraction: Decimal = ONE
    funds_fraction: Decimal = ONE
    short_margin: Decimal = ZERO
    worst_value: Decimal = ZERO
    held_value: Decimal = ZERO
    needed_funds: Decimal = ZERO
    sums: Sums = field(default_factory=Sums)
    rescaled: list[tuple[datetime, Decimal, Decimal]] = field(default_factory=list)


Held = Holding | PositionSeen
"""A holding, or what a decision has kept of it."""


def is_flat(held: Held) -> bool:
    """Nothing is held, and nothing is under way."""
    return not (held.quantity or held.buying_quantity or held.selling_quantity)


def worst_quantity(held: Held, side: Side, quantity: Decimal) -> Decimal:
    """The position after `quantity` more and all working orders of `side` have filled, none of the other."""
    if side is BUY:
        return held.quantity + held.buying_quantity + quantity
    return held.quantity - held.selling_quantity - quantity


def values(held: Held) -> tuple[Decimal, Decimal, Decimal] | None:
    """The present value, and those of the working orders to buy and to sell, in the account's currency.

    None = a price or rate is missing, so that nobody can say.
    """
    if held.rate is None or held.unpriced_orders or (held.mark is None and held.quantity):
        return None
    unit = held.multiplier * held.rate
    present = held.quantity * held.mark * unit if held.mark is not None else ZERO
    return present, held.buying_value * unit, held.selling_value * unit


def worst_value(present: Decimal, bought: Decimal, sold: Decimal) -> Decimal:
    """All working orders of one side fill at their worst prices and none of the other."""
    long, short = present + bought, sold - present
    return long if long >= short else short


@dataclass(slots=True)
class AccountBooks:
    """One account: its holdings, their sums, and what risk has let through lately.

    `adopted_source` is empty until the opening figures are known: no position of the account is known before.
    `adopted_execution_ids` are executions that those figures contain, `fills_before_adoption` the newest revision of
    those booked before anybody knew. `unconfirmed_fills` are the funds taken by fills that the venue's last account
    figures can not contain yet. `rates` are what other currencies are worth in the account's, by the venue, and
    `margin_fractions` by symbol what opening takes of the funds, where that is more than the instrument says, and
    `margin_rates` what it takes where the instrument says nothing.
    """

    adopted_source: str = ""
    adopted_execution_ids: frozenset[str] = frozenset()
    fills_before_adoption: dict[str, Fill] = field(default_factory=dict)
    currency: str = ""
    holdings: dict[str, Holding] = field(default_factory=dict)
    worst_value: Decimal = ZERO
    needed_funds: Decimal = ZERO
    unvalued: set[str] = field(default_factory=set)
    working_orders: int = 0
    approvals: deque[datetime] = field(default_factory=deque)
    approvals_by_name: dict[str, deque[datetime]] = field(default_factory=dict)
    unconfirmed_fills: deque[tuple[datetime, Decimal]] = field(default_factory=deque)
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    margin_fractions: Mapping[str, Decimal] = field(default_factory=dict)
    margin_rates: Mapping[str, MarginRate] = field(default_factory=dict)
    losses: Losses = field(default_factory=Losses)
    sums: Sums = field(default_factory=Sums)


Market = tuple[str, str, str]
"""(venue, account, symbol)."""


@dataclass(slots=True)
class Flatten:
    """A flatten that is under way (`risk.flattening`): which intent of INTENTS it was, since when, until when.

    `orders` counts what risk has approved for it, `tries` by market, and whether it was a closing order: how often in a
    row with as much held, how much, when last. What is not part of the fold: when something last worked in a market
    (`busy`), and why nothing is done there now (`waits`).
    """

    intent: FlattenIntent
    sequence: int
    stored_at: datetime
    by: str
    began: datetime
    until: datetime
    orders: int = 0
    tries: dict[tuple[Market, bool], tuple[int, Decimal, datetime]] = field(default_factory=dict)
    busy: dict[Market, datetime] = field(default_factory=dict, compare=False)
    waits: dict[Market, str] = field(default_factory=dict, compare=False)


AccountKey = tuple[str, str]
SymbolKey = tuple[str, str]


@dataclass(slots=True)
class RiskState:
    """Everything. Orders are kept by `order_key`; `working` counts them.

    `folded_up_to` is the sequence in TRADE of the last order event taken in. `answered` has the
    intents that were decided lately: one may be delivered again.
    `in_flight` are approved orders that the OMS has not announced yet; `known` has every id that is used up, and how
    orders ended; `refused` the terms of those rejected last, since a venue may contradict itself. `links` holds None
    for a gateway that has fallen silent. `room` is of the fullest stream that an order needs, None when NATS has not
    said it lately. `flattens` are those under way, by the intent's id, `switches` what is not ACTIVE.
    `unread_event` is where TRADE has an order event that could not be read: it may have been a fill.
    """

    rules: Rules
    folded_up_to: int = 0
    answered: AnsweredIntents = field(default_factory=AnsweredIntents)
    known: KnownIds = field(default_factory=KnownIds)
    orders: dict[str, WorkingOrder] = field(default_factory=dict)
    working: dict[Scope, int] = field(default_factory=dict)
    working_external: dict[Scope, int] = field(default_factory=dict)
    """Of those the external ones."""
    lists: dict[str, set[str]] = field(default_factory=dict)
    """The orders of each list that work, and the parts of each order for a group of accounts."""
    groups: dict[str, Group] = field(default_factory=dict)
    in_flight: set[str] = field(default_factory=set)
    refused: dict[str, WorkingOrder] = field(default_factory=dict)
    flattens: dict[str, Flatten] = field(default_factory=dict)
    switches: dict[Scope, SwitchSeen] = field(default_factory=dict)
    pulls: Pulls = field(default_factory=Pulls)
    books: dict[AccountKey, AccountBooks] = field(default_factory=dict)
    instruments: dict[SymbolKey, Seen[Instrument]] = field(default_factory=dict)
    quotes: dict[SymbolKey, Seen[Quote]] = field(default_factory=dict)
    accounts: dict[AccountKey, Seen[AccountState]] = field(default_factory=dict)
    links: dict[AccountKey, Seen[VenueLink] | None] = field(default_factory=dict)
    limits_answered: AnsweredLimits = field(default_factory=AnsweredLimits)
    trading_state: Seen[TradingState] | None = None
    room: Seen[StreamRoom] | None = None
    unread_event: str = ""

    @property
    def has_external(self) -> bool:
        return bool(self.working_external)

    @property
    def desk(self) -> Desk:
        return self.rules.desk

    @property
    def allowed(self) -> frozenset[SymbolKey]:
        return self.rules.allowed


class LinkLost(Struct, frozen=True, kw_only=True):
    """Nothing has been heard from a gateway for longer than its silence may last."""

    venue: str
    account: str


class AccountLost(Struct, frozen=True, kw_only=True):
    """What is known of an account's figures is dated in the future, so that nobody knows which are newer."""

    venue: str
    account: str


def opening_state(desk: Desk) -> RiskState:
    """A state that knows the desk file and nothing else: every order is denied."""
    return RiskState(rules_of(desk), books={key: AccountBooks() for key in account_keys(desk)})


def account_keys(desk: Desk) -> Iterator[AccountKey]:
    """Every (venue, account) of the desk file."""
    return ((name, account) for name, venue in desk.venues.items() for account in venue.accounts)


def order_key(venue: str, account: str, order_id: str) -> str:
    """What names an order in the whole desk: an intent id is used once, ever; venues' own ids repeat elsewhere."""
    return f"{venue}/{account}/{order_id}" if order_id.startswith(EXTERNAL_PREFIX) else order_id


def margin_fraction(instrument: Instrument | InstrumentSeen) -> Decimal:
    """The part of a position's value that opening it takes of the account's funds; all of it where nothing is said."""
    stated = instrument.initial_margin
    return stated if stated is not None and stated.is_finite() and ZERO < stated <= ONE else ONE


def short_margin(instrument: Instrument | InstrumentSeen) -> Decimal:
    """What one contract more, sold short, takes of the account's funds; nothing where it is not said."""
    stated = instrument.short_margin
    return stated if stated is not None and stated.is_finite() and stated > 0 else ZERO


def funds_of_writing(held: Held, margin: Decimal, selling: Decimal = ZERO) -> Decimal:
    """What the sales under way, and `selling` more, would bind if they left more sold short than there is now.

    `margin` is that of one contract, in the account's currency.
    """
    before = max(ZERO, -held.quantity)
    after = max(ZERO, held.selling_quantity + selling - held.quantity)
    return max(ZERO, after - before) * margin
