"""Every metric the OMS exports. Labels are venues, accounts and words of the desk: bounded sets, never ids."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import get_args

from prometheus_client import Counter, Gauge, Histogram
from signalbox.bus import Received
from signalbox.clock import DeskClock
from signalbox.desk import Desk
from signalbox.instruments import parse_symbol
from signalbox.messages import FINAL_STATUSES, Book, Fill, ListAction, OrderEvents, OrderStatus, Position
from signalbox.metrics import ORDER_HOP_SECONDS, Hop, show_hop
from signalbox.subjects import EXTERNAL_PREFIX

from oms.figures import (
    FLAT,
    PositionFigures,
    conversion_rate,
    drift_quantities,
    oldest_seconds,
    position_figures,
    slippage_basis_points,
)
from oms.list_figures import ListPhase, lists_of, phase_of, unprotected_in_all_seconds
from oms.outcome import Drift, DriftKind, Outcome
from oms.state import AccountKey, OrderState, PositionKey, State

REPORTS = "REPORTS"

ORDERS = Gauge(
    "signalbox_oms_orders",
    "Orders that are not final, by status. What has ended is in the events.",
    ("venue", "account", "status"),
)
OLDEST_ORDER_SECONDS = Gauge(
    "signalbox_oms_oldest_order_seconds",
    "Desk time since the oldest order in this status took it; 0 = there is none.",
    ("venue", "account", "status"),
)
EXTERNAL_ORDERS = Gauge(
    "signalbox_oms_external_orders",
    "Orders that others have placed in the account (by hand, or another program) and that are not final.",
    ("venue", "account"),
)
EVENTS = Counter("signalbox_oms_order_events_total", "Order events stored, by kind.", ("venue", "event"))
FILLS = Counter("signalbox_oms_fills_total", "Executions booked (corrections not counted).", ("venue",))
COMMANDS = Counter("signalbox_oms_commands_total", "Commands handed to a venue's gateway.", ("venue", "command"))
COMMANDS_REPEATED = Counter(
    "signalbox_oms_commands_repeated_total",
    "Commands that the stream held already: redelivered after a crash.",
    ("venue",),
)
NOTES = Counter(
    "signalbox_oms_notes_total",
    "Messages that made no event, or an odd one, by why: duplicate_fill, foreign_report, overfill ...",
    ("note",),
)
ILLEGAL_TRANSITIONS = Counter(
    "signalbox_oms_illegal_transitions_total", "Messages that an order could not take; parked as dead letters."
)
DRIFT = Gauge(
    "signalbox_oms_drift",
    "Differences between the desk's books and the venue's last snapshot, by kind; each is in the log.",
    ("venue", "account", "kind"),
)
DRIFT_QUANTITY = Gauge(
    "signalbox_oms_drift_quantity",
    "The desk's quantity minus the venue's, at the venue's last snapshot; 0 = they agree.",
    ("venue", "account", "symbol"),
)
TIMERS = Counter(
    "signalbox_oms_timers_total", "Timers that fired, by what came of it: unknown, again, answered.", ("outcome",)
)
UNREADABLE = Counter("signalbox_oms_unreadable_total", "Bars, instruments, positions that were left out.", ("message",))
REBUILT_EVENTS = Gauge("signalbox_oms_rebuilt_events", "Order events that the state was folded from at start.")


# -------------------------------------------------------------------------------------------- money and positions

POSITION_QUANTITY = Gauge(
    "signalbox_oms_position_quantity", "What is held, long > 0, short < 0.", ("venue", "account", "symbol")
)
POSITION_VALUE = Gauge(
    "signalbox_oms_position_value",
    "Signed value of what is held at its last mark, in the account's currency; NaN = no mark or rate.",
    ("venue", "account", "symbol"),
)
UNREALISED_PNL = Gauge(
    "signalbox_oms_unrealised_pnl",
    "Unrealised PnL at the last mark, in the account's currency, before commission and funding; NaN = no mark or rate.",
    ("venue", "account", "symbol"),
)
REALISED_PNL = Gauge(
    "signalbox_oms_realised_pnl",
    "Realised PnL since the desk took the account over, in its currency, before commission and funding.",
    ("venue", "account", "symbol"),
)
COMMISSION_PAID = Gauge(
    "signalbox_oms_commission_paid",
    "Commission booked since the desk took the account over, in its currency (rebates < 0).",
    ("venue", "account"),
)
FUNDING_RECEIVED = Gauge(
    "signalbox_oms_funding_received",
    "Funding booked since the desk took the account over, in its currency (paid < 0).",
    ("venue", "account"),
)
LOOKED_UP = Counter(
    "signalbox_oms_looked_up_total", "Orders that had left memory and were looked up in TRADE, for what speaks of them."
)
LATE_POSITIONS = Counter(
    "signalbox_oms_late_positions_total",
    "Positions whose cost was folded again from TRADE, for a fill that came after its neighbours had left memory.",
    ("venue",),
)
CASH = Gauge(
    "signalbox_oms_cash",
    "The desk's own cash by currency: in another than the account's, what trades have moved.",
    ("venue", "account", "currency"),
)
UNPROTECTED_SECONDS = Gauge(
    "signalbox_oms_unprotected_position_seconds",
    "Desk time for which the working stops on the other side have been less than the position; 0 = protected or flat.",
    ("venue", "account", "symbol"),
)
LIST_UNPROTECTED_SECONDS = Gauge(
    "signalbox_oms_list_unprotected_seconds",
    "Desk time for which the list that waits longest has not had the stop that it was promised; 0 = all have.",
    ("venue", "account"),
)
LIST_UNPROTECTED_IN_ALL_SECONDS = Gauge(
    "signalbox_oms_list_unprotected_in_all_seconds",
    "Desk time without the stop that it was promised, every time added up, of the worst list that is not over.",
    ("venue", "account"),
)
LISTS = Gauge(
    "signalbox_oms_lists",
    "Lists that are not over, each in one phase: ENTERING, WORKING, UNPROTECTED, LEAVING.",
    ("venue", "account", "phase"),
)
LIST_ALARMS = Counter(
    "signalbox_oms_list_alarms_total",
    "What of a list was not as was promised, by what the OMS did about it: RETRY, FLATTEN, ALARM.",
    ("venue", "action"),
)
SLIPPAGE_BASIS_POINTS = Histogram(
    "signalbox_oms_slippage_basis_points",
    "Each fill against the market that risk decided on, or the stop price; positive = worse. It has no _sum.",
    ("venue",),
    buckets=(-50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50, 100),
)


def count_hop(received: Received, outcome: Outcome) -> None:
    """Observe the hop that the OMS has just ended, if the message was handled for the first time."""
    if not outcome.events:
        return
    venue = outcome.events[0].venue
    if received.stream == REPORTS:
        show_hop(venue, Hop.REPORT_TO_EVENT, received.stored_at)
    elif outcome.commands:
        show_hop(venue, Hop.DECISION_TO_COMMAND, received.stored_at)


def _begin_counts(venue: str) -> None:
    """Begin at 0: what a counter first shows is no increase to Prometheus."""
    FILLS.labels(venue)
    SLIPPAGE_BASIS_POINTS.labels(venue)
    for event in get_args(OrderEvents):
        EVENTS.labels(venue, event.__name__)
    for action in ListAction:
        LIST_ALARMS.labels(venue, action)
    for hop in (Hop.DECISION_TO_COMMAND, Hop.REPORT_TO_EVENT):
        ORDER_HOP_SECONDS.labels(venue, hop)


class Shown:
    """What is shown of the folded state: of the accounts and symbols of the desk file, and of no others.

    What changes with time is looked at when it is scraped. A scrape runs in another thread: it looks at a copy of the
    keys, which is made at once, and at values that are never changed but replaced.
    """

    def __init__(self, state: State, clock: DeskClock) -> None:
        self._state, self._clock = state, clock
        self._symbols: dict[AccountKey, tuple[str, ...]] = {}
        self._rates: Mapping[str, Decimal] = {}

    def watch(self, desk: Desk) -> None:
        """Begin to show; before, no account is known to belong to the desk."""
        self._rates = desk.fx_rates
        for venue, facts in desk.venues.items():
            symbols = tuple(parse_symbol(line.symbol).canonical for line in desk.instruments if line.venue == venue)
            _begin_counts(venue)
            for account in facts.accounts:
                self._symbols[venue, account] = symbols
                self._watch_account(venue, account, symbols)

    def _watch_account(self, venue: str, account: str, symbols: tuple[str, ...]) -> None:
        for status in OrderStatus:
            if status not in FINAL_STATUSES:
                labels = (venue, account, status.value)
                ORDERS.labels(*labels).set_function(partial(self._count, venue, account, status))
                OLDEST_ORDER_SECONDS.labels(*labels).set_function(partial(self._oldest, venue, account, status))
        EXTERNAL_ORDERS.labels(venue, account).set_function(partial(self._external, venue, account))
        unprotected = partial(self._list_unprotected_seconds, (venue, account))
        LIST_UNPROTECTED_SECONDS.labels(venue, account).set_function(unprotected)
        in_all = partial(self._list_unprotected_in_all_seconds, (venue, account))
        LIST_UNPROTECTED_IN_ALL_SECONDS.labels(venue, account).set_function(in_all)
        for phase in ListPhase:
            LISTS.labels(venue, account, phase).set_function(partial(self._lists, (venue, account), phase))
        for symbol in symbols:
            seconds = partial(self._unprotected_seconds, (venue, account, symbol))
            UNPROTECTED_SECONDS.labels(venue, account, symbol).set_function(seconds)

    def _since(self, venue: str, account: str, status: OrderStatus) -> list[datetime]:
        orders = [self._state.orders[key] for key in tuple(self._state.working)]
        return [
            order.since for order in orders if (order.venue, order.account, order.status) == (venue, account, status)
        ]

    def _count(self, venue: str, account: str, status: OrderStatus) -> float:
        return len(self._since(venue, account, status))

    def _external(self, venue: str, account: str) -> float:
        orders = [self._state.orders.get(key) for key in tuple(self._state.working)]
        return sum(
            (order.venue, order.account) == (venue, account) and order.order_id.startswith(EXTERNAL_PREFIX)
            for order in orders
            if order is not None
        )

    def _oldest(self, venue: str, account: str, status: OrderStatus) -> float:
        return oldest_seconds(self._since(venue, account, status), self._clock.now())

    def _unprotected_seconds(self, key: PositionKey) -> float:
        found = self._state.unprotected.get(key)
        return oldest_seconds([found.since] if found is not None else [], self._clock.now())

    def _list_unprotected_seconds(self, account: AccountKey) -> float:
        lists = [self._state.lists.get(name) for name in tuple(self._state.lists)]
        of_account = (known for known in lists if known is not None and (known.venue, known.account) == account)
        waiting = [known.unprotected_since for known in of_account if known.unprotected_since is not None]
        return oldest_seconds(waiting, self._clock.now())

    def _list_unprotected_in_all_seconds(self, account: AccountKey) -> float:
        now = self._clock.now()
        return max((unprotected_in_all_seconds(known, now) for known in lists_of(self._state, account)), default=0.0)

    def _lists(self, account: AccountKey, phase: ListPhase) -> float:
        return sum(phase_of(known) is phase for known in lists_of(self._state, account))

    # ------------------------------------------------------------------------------- what changes with a message

    def fill(self, order: OrderState, fill: Fill) -> None:
        """Count a fill that was booked, and how far its price was from what had been decided on."""
        FILLS.labels(order.venue).inc()
        slippage = slippage_basis_points(order, fill)
        if slippage is not None:
            SLIPPAGE_BASIS_POINTS.labels(order.venue).observe(slippage)

    def books(self, message: Position | Book) -> None:
        """Show a position or an account's cash as it is published."""
        symbols = self._symbols.get((message.venue, message.account), ())
        if isinstance(message, Book):
            self._cash(message, symbols)
        elif message.symbol in symbols:
            currency = self._state.accounts[message.venue, message.account].currency
            rate = conversion_rate(self._rates, currency, message.currency)
            self._position(message.venue, message.account, message.symbol, position_figures(message, rate))

    def _cash(self, book: Book, symbols: tuple[str, ...]) -> None:
        if not symbols:
            return
        COMMISSION_PAID.labels(book.venue, book.account).set(float(book.commission))
        FUNDING_RECEIVED.labels(book.venue, book.account).set(float(book.funding))
        for currency, cash in {book.currency: book.cash, **book.other_cash}.items():
            CASH.labels(book.venue, book.account, currency).set(float(cash))
        held = self._state.accounts[book.venue, book.account].symbols
        for symbol in symbols:
            if symbol not in held:  # the account is known, so this is: there is nothing
                self._position(book.venue, book.account, symbol, FLAT)

    def _position(self, venue: str, account: str, symbol: str, figures: PositionFigures) -> None:
        POSITION_QUANTITY.labels(venue, account, symbol).set(figures.quantity)
        POSITION_VALUE.labels(venue, account, symbol).set(figures.value)
        UNREALISED_PNL.labels(venue, account, symbol).set(figures.unrealised_pnl)
        REALISED_PNL.labels(venue, account, symbol).set(figures.realised_pnl)

    def drift(self, venue: str, account: str, found: tuple[Drift, ...]) -> None:
        """Show in what the venue's snapshot differs from the books."""
        for kind in DriftKind:
            DRIFT.labels(venue, account, kind.value).set(sum(drift.kind is kind for drift in found))
        quantities = drift_quantities(found)
        for symbol in self._symbols.get((venue, account), ()):
            DRIFT_QUANTITY.labels(venue, account, symbol).set(quantities.get(symbol, 0.0))
