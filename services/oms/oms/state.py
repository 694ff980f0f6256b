"""What the OMS remembers: orders, and each account's books. Plain data, built only by `oms.evolve`.

Owns the shape of that memory, and what of it has an end. It must not know messages that come in, the bus or time.
Everything but `instruments` follows from the order events in TRADE, so it can be thrown away and folded again.

What is over leaves. An order that has ended stays among the last `Keep.ended_orders` of those, an execution among the
last `Keep.executions` of its symbol, until `Keep.at_once` can leave; of what has left there are fingerprints, and all
of it in TRADE, where `oms.recall` finds it when a message speaks of it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from msgspec import Struct
from signalbox.fingerprints import Fingerprints
from signalbox.messages import (
    FINAL_STATUSES,
    NEVER,
    Fill,
    Instrument,
    ListAction,
    Order,
    OrderListIntent,
    OrderStatus,
    PositionChange,
    PriceStep,
    VenueSnapshot,
)
from signalbox.subjects import EXTERNAL_PREFIX, ORDER_ID

from oms.positions import FLAT, ZERO, Holding, Step
from oms.timed import Timed

AccountKey = tuple[str, str]
"""(venue, account)."""

Owner = tuple[str, str, str]
"""(venue, account, order id): whose event it is."""

PositionKey = tuple[str, str, str]
"""(venue, account, symbol)."""

Place = tuple[datetime, int]
"""Where a fill stands among those of its symbol: the venue's time, then the sequence in TRADE."""

MILESTONE_EXECUTIONS, MILESTONES_MAX = 4_096, 64
"""How often the fold of a symbol is kept beside its executions; of more than so many each second one goes."""

ACTS_MAX = 10_000
"""Of one account: an act that comes again after so many others is another one."""

UNATTRIBUTED = "_unattributed"
"""The reserved order id for fees of executions that nobody has reported yet (no intent id starts with `_`)."""


@lru_cache(maxsize=1024)  # asked several times at every event of an order
def order_key(venue: str, account: str, order_id: str) -> str:
    """What names an order in the whole desk, and its events (`<key>/<n>`).

    An intent id is used once, ever, and is its own key, and so is that of an order that the desk makes of an intent
    (`subjects.ORDER_ID`). Venues' ids and reserved ids repeat from account to account.
    """
    if ORDER_ID.fullmatch(order_id) and not order_id.startswith(EXTERNAL_PREFIX):
        return order_id
    return f"{venue}/{account}/{order_id}"


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of what is over stays in memory: a fill that is late by less is put in its place there."""

    ended_orders: int = 2_000
    executions: int = 512
    """Of each symbol in each account."""
    funding_payments: int = 512
    """Of each account."""
    ended_lists: int = 500
    """And so long all orders of each stay, too."""
    at_once: int = 64
    """Of orders and executions so many leave together: of each it costs half."""


KEPT = Keep()


class Journal(Struct, frozen=True, gc=False):
    """How far one order's subject in TRADE has been written: how many events, the sequence of the last."""

    events: int = 0
    sequence: int = 0


NOT_BEGUN = Journal()


class Change(Struct, frozen=True, gc=False):
    """Other terms that an order is to have: `order` is all of it, `revision` that of the command, `at` when asked."""

    order: Order
    revision: int
    at: datetime


class OrderState(Struct, frozen=True, gc=False):
    """One order. `order` is None for a denied one. `no_room`: when there is some, by each refusal for want of it."""

    venue: str
    account: str
    order_id: str
    order: Order | None
    status: OrderStatus
    since: datetime
    """When it took this status."""
    heard_at: datetime
    """When the last event of its life happened, by the time of that event."""
    created_at: datetime
    created_cause: str
    acknowledged: bool = False
    """The venue has shown that it has, or had, the order."""
    venue_order_id: str = ""
    filled_quantity: Decimal = ZERO
    command_causes: tuple[str, ...] = ()
    """What asked for a cancel or a change, in order: the n-th (from 1) is command revision n."""
    cancel_causes: tuple[str, ...] = ()
    """Of those the ones that asked for a cancel."""
    change: Change | None = None
    """The change of which the venue has not said what became of it: either terms may stand there."""
    reference_price: Decimal | None = None
    """The market that risk held the order against; None where nobody has said."""
    causes: tuple[str, ...] = ()
    """What has been turned into events already: the same message again changes nothing."""
    no_room: tuple[datetime, ...] = ()
    begun_at_sequence: int = 0
    """Where in TRADE it begins: at its approval, or, where nobody has said of one, at its first event."""

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STATUSES

    @property
    def owner(self) -> Owner:
        return self.venue, self.account, self.order_id

    @property
    def quantity_max(self) -> Decimal:
        """The most that may fill of it, what has filled included: of either terms that may stand at the venue."""
        assert self.order is not None  # a denied order has no quantity
        return self.order.quantity if self.change is None else max(self.order.quantity, self.change.order.quantity)

    @property
    def quantity_min(self) -> Decimal:
        """The same, of the smaller."""
        assert self.order is not None
        return self.order.quantity if self.change is None else min(self.order.quantity, self.change.order.quantity)

    @property
    def key(self) -> str:
        return order_key(*self.owner)


class ListState(Struct, frozen=True, gc=False):
    """One list. `orders` are their keys, as they began; `unprotected_seconds` is before `unprotected_since`."""

    venue: str
    account: str
    intent: OrderListIntent
    created_cause: str
    """Its approval, which TRADE has at `decision_sequence`."""
    decision_sequence: int
    tick_size: Decimal
    lot_size: Decimal
    price_steps: tuple[PriceStep, ...]
    reference_price: Decimal | None
    multiplier: Decimal
    currency: str
    base_currency: str
    changed_by: str
    """The last event of it, or of one of its orders."""
    orders: tuple[str, ...] = ()
    entry_value: Decimal = ZERO
    """Quantity x price of what its entry has filled."""
    cancel_cause: str = ""
    withdrawn_orders: int = 0
    """So many orders had begun when somebody asked for its end: their groups go, what fills later stays."""
    withdrawn_filled: Decimal = ZERO
    """What of the entry had filled by then."""
    resized: tuple[tuple[str, Decimal, int], ...] = ()
    """Of exits that were sent with the entry: what the others of the group had filled when the venue last took the
    order's quantity, and how often in a row it has refused another (`oms.attaching`)."""
    alarms: tuple[tuple[str, int, ListAction], ...] = ()
    """About which order, in which group, and what was done."""
    unprotected_since: datetime | None = None
    unprotected_seconds: float = 0.0
    timed: Timed = Timed()
    """What its schedule has come to."""
    is_recalled: bool = False
    """It has left memory, and is here for the one message that speaks of it."""

    @property
    def list_id(self) -> str:
        return self.intent.id

    @property
    def owner(self) -> Owner:
        return self.venue, self.account, self.intent.id


class Execution(Struct, frozen=True, gc=False):
    """One booked fill: its newest revision, and in what money. Of a currency pair the quantity is money as well.

    Or what an act does to the position (`change`): then its fill is of nothing, and names the act and its place.
    """

    fill: Fill
    order_id: str
    currency: str
    multiplier: Decimal
    trade_sequence: int
    base_currency: str = ""
    change: PositionChange | None = None


class Fee(Struct, frozen=True, gc=False):
    """What one execution cost; it counts once the execution is booked."""

    revision: int
    commission: Decimal
    currency: str
    order_id: str
    """Whose subject it stands under in TRADE: of a fee that came before its execution perhaps another order's, or
    nobody's (`UNATTRIBUTED`). Nobody would find it there with its execution, so such a one stays in memory."""
    correction: int = 0


class FundingPayment(Struct, frozen=True, gc=False):
    """One funding payment of a perpetual: `amount` is what the account received (paid < 0)."""

    symbol: str
    amount: Decimal
    currency: str
    trade_sequence: int = 0
    at: datetime | None = None


class Rescaled(Struct, frozen=True, gc=False):
    """From `place` on `denominator` units are `numerator`; of what was traded before a figure was set, none."""

    place: Place
    numerator: Decimal
    denominator: Decimal


class Milestone(Struct, frozen=True, gc=False):
    """What a symbol's executions up to `place` make. All behind it are in TRADE from `from_sequence` on."""

    place: Place
    holding: Holding
    from_sequence: int


@dataclass(slots=True)
class SymbolBook:
    """One symbol in one account: what it was taken over with, its last executions in trading order, what follows.

    `settled` is what the opening and all executions up to `settled_place` make: those have left. While `is_late`, one
    of them has come, or been corrected, after it had left: quantities and money are right, but the cost is not, until
    `oms.refolding` has read them again. `late_changes` counts such, and `settled_meanwhile` holds what has left
    since that reading began. `rescaled` are the splits of it: a fill that was traded before is in old units. No mark of
    before the last of them is one (`marks_from`). `income` is what acts have booked for it.
    """

    currency: str
    multiplier: Decimal
    opening: Holding = FLAT
    settled: Holding = FLAT
    settled_place: Place | None = None
    settled_count: int = 0
    milestones: list[Milestone] = field(default_factory=list)
    is_late: bool = False
    late_changes: int = 0
    settled_meanwhile: list[Step] = field(default_factory=list)
    rescaled: list[Rescaled] = field(default_factory=list)
    marks_from: datetime = NEVER
    execution_ids: list[str] = field(default_factory=list)
    holding: Holding = FLAT
    commission: Decimal = ZERO
    funding: Decimal = ZERO
    income: Decimal = ZERO
    trade_sequence: int = 0
    changed_at: datetime = NEVER
    changed_by: str = ""


@dataclass(slots=True)
class AccountBook:
    """One account: cash, fees and funding by currency, symbols, executions. `adopted` = a baseline was taken over.

    `executions`, `fees` and `funding_payments` are of what has not left; `left` has where in TRADE an execution, by its
    id, or a payment was booked first. Nothing leaves before the baseline, which may contain it. `recalled` and
    `recalled_fees` hold what has left, for the one message that speaks of it. `acts` are the ids of
    operators' acts that have been booked or refused, the last `ACTS_MAX` of them;
    `income` and `corrections` what they moved of the cash.
    """

    venue: str
    account: str
    keep: Keep = KEPT
    currency: str = ""
    adopted: bool = False
    adopted_execution_ids: frozenset[str] = frozenset()
    adopted_funding_ids: frozenset[str] = frozenset()
    adopted_funding_until: datetime | None = None
    cash: dict[str, Decimal] = field(default_factory=dict)
    commission: dict[str, Decimal] = field(default_factory=dict)
    funding: dict[str, Decimal] = field(default_factory=dict)
    symbols: dict[str, SymbolBook] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    fees: dict[str, Fee] = field(default_factory=dict)
    funding_payments: dict[str, FundingPayment] = field(default_factory=dict)
    funding_of_symbols: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    """By symbol and currency: a symbol may begin after its funding."""
    acts: dict[str, int] = field(default_factory=dict)
    income: dict[str, Decimal] = field(default_factory=dict)
    corrections: dict[str, Decimal] = field(default_factory=dict)
    left: Fingerprints = field(default_factory=lambda: Fingerprints(numbered=True))
    fills: int = 0
    recalled: dict[str, Execution] = field(default_factory=dict, compare=False)
    recalled_fees: dict[str, Fee] = field(default_factory=dict, compare=False)
    trade_sequence: int = 0
    changed_at: datetime = NEVER
    changed_by: str = ""

    def find_execution(self, execution_id: str) -> Execution | None:
        """A booked execution; one that has left only where it was recalled."""
        return self.executions.get(execution_id) or self.recalled.get(execution_id)

    def find_fee(self, execution_id: str) -> Fee | None:
        """The fee of an execution; of one that has left only where that was recalled."""
        return self.fees.get(execution_id) or self.recalled_fees.get(execution_id)


class Unprotected(Struct, frozen=True, gc=False):
    """A position with less working stop quantity on the other side than its size, and since which event."""

    is_long: bool
    since: datetime


@dataclass(slots=True)
class State:
    """All of it. `working` holds the keys of the orders that are not final, `working_stops` those of STOP orders.

    `ended` holds those of the others that are still here, the one that leaves next first, and `left` all that ever did.
    """

    keep: Keep = KEPT
    orders: dict[str, OrderState] = field(default_factory=dict)
    journals: dict[str, Journal] = field(default_factory=dict)
    accounts: dict[AccountKey, AccountBook] = field(default_factory=dict)
    working: set[str] = field(default_factory=set)
    ended: OrderedDict[str, None] = field(default_factory=OrderedDict)  # a dict is slow to find its first
    left: Fingerprints = field(default_factory=Fingerprints)
    orders_begun: int = 0
    events: int = 0
    """Order events of TRADE that are in this, those that were set aside too."""
    lists: dict[str, ListState] = field(default_factory=dict)
    """By id; of those in `lists_over` nothing works. Their orders leave with them."""
    lists_over: OrderedDict[str, None] = field(default_factory=OrderedDict)
    lists_awake: dict[str, None] = field(default_factory=dict)
    """Something of them has changed, and what that makes necessary has not been asked (`oms.list_decisions`)."""
    lists_timed: dict[str, None] = field(default_factory=dict)
    """Something of their schedule is to come, and a timer is set for it."""
    lists_recalled: list[str] = field(default_factory=list)
    """They have left memory, and are here for the one message that speaks of them."""
    working_stops: dict[PositionKey, set[str]] = field(default_factory=dict)
    unprotected: dict[PositionKey, Unprotected] = field(default_factory=dict)
    trade_sequence: int = 0
    instruments: dict[tuple[str, str], Instrument] = field(default_factory=dict)
    """By (venue, symbol), from STATE: not part of the fold, only asked when an order begins."""
    snapshots: dict[AccountKey, VenueSnapshot] = field(default_factory=dict)
    """What each venue said last of an account, from REPORTS: not part of the fold, asked when a person adopts it."""

    def become(self, other: State) -> None:
        """Take on all of another state but what is not folded; whoever shows this one shows that."""
        for each in fields(self):
            if each.name not in ("instruments", "snapshots"):
                setattr(self, each.name, getattr(other, each.name))

    def journal(self, key: str) -> Journal:
        return self.journals.get(key, NOT_BEGUN)

    def find_order(self, venue: str, account: str, order_id: str) -> OrderState | None:
        """The order of that id in that account; not one that bears the id elsewhere."""
        order = self.orders.get(order_key(venue, account, order_id))
        return order if order is not None and order.account == account and order.venue == venue else None
