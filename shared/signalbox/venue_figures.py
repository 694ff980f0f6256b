"""What a gateway shows of its venue, so that both gateways show the same thing under the same name.

Owns what takes more than a line to show truthfully: figures that are looked at when they are scraped, and those that
need a memory. The metrics are declared in `signalbox.metrics`. It must not know any venue.

A scrape runs in another thread: what it looks at is replaced as a whole, or copied at once, and never changed by it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Protocol

from signalbox.clock import DeskClock
from signalbox.errors import CalendarError
from signalbox.messages import LinkStatus, MarketState, Report, VenueFill, VenueUnknown
from signalbox.metrics import (
    ORDER_HOP_SECONDS,
    VENUE_BUDGET_LEFT,
    VENUE_BUDGET_LIMIT,
    VENUE_FILLS,
    VENUE_GAPS,
    VENUE_LAST_MESSAGE_AGE_SECONDS,
    VENUE_LEASE_EPOCH,
    VENUE_LEASE_HELD,
    VENUE_LINK,
    VENUE_MARKET_STATE,
    VENUE_OLDEST_UNRESOLVED_SECONDS,
    VENUE_OPEN_GAP_SECONDS,
    VENUE_ORDERS_REFUSED,
    VENUE_ORDERS_SENT,
    VENUE_ORDERS_UNKNOWN,
    VENUE_RECONCILIATIONS,
    VENUE_RECONNECTS,
    VENUE_REPORTS,
    VENUE_SESSION_UP,
    VENUE_SUBSCRIPTION_OPEN,
    VENUE_SUBSCRIPTIONS_LOST,
    VENUE_UNDECODABLE,
    VENUE_UNRESOLVED_ORDERS,
    Hop,
)
from signalbox.sessions import is_open

SENT_ORDERS_MAX = 10_000

_parts: dict[tuple[int, str], dict[str, float]] = {}
"""By gauge and venue: what each account of a gateway has of it. What is shown is of all of them."""
_links: dict[str, dict[str, LinkStatus]] = {}
"""By venue: the link of each account."""
_BEST_FIRST = (LinkStatus.READY, LinkStatus.RECONCILING, LinkStatus.FROZEN)


def begin_at_zero(venue: str, *connections: str) -> None:
    """Have what is rare counted from 0: Prometheus does not see the first of a counter that begins with it."""
    _links.pop(venue, None)
    _unresolved.pop(venue, None)
    for _, parts in [item for item in _parts.items() if item[0][1] == venue]:
        parts.clear()
    for connection in connections:
        VENUE_UNDECODABLE.labels(venue, connection)
    for counter in (VENUE_ORDERS_SENT, VENUE_ORDERS_UNKNOWN, VENUE_FILLS):
        counter.labels(venue)
    for by in ("gateway", "venue", "lost"):
        VENUE_ORDERS_REFUSED.labels(venue, by)
    for outcome in ("answered", "failed"):
        VENUE_RECONCILIATIONS.labels(venue, outcome)
    for outcome in ("filled", "given_up"):
        VENUE_GAPS.labels(venue, outcome)


def show_link(venue: str, status: LinkStatus, account: str = "") -> None:
    """Set the link's status, of several accounts the worst; every other status is 0."""
    links = _links.setdefault(venue, {})
    links[account] = status
    worst = max(links.values(), key=lambda each: _BEST_FIRST.index(each) if each in _BEST_FIRST else len(_BEST_FIRST))
    for each in LinkStatus:
        VENUE_LINK.labels(venue, each.value).set(1 if each is worst else 0)


class OfVenues(Protocol):
    """A metric whose one label is the venue."""

    def labels(self, *labels: str) -> Any: ...


def show_part(gauge: OfVenues, venue: str, account: str, value: float) -> None:
    """Set what one account has of a venue's gauge, which shows the sum over the accounts of the gateway."""
    parts = _parts.setdefault((id(gauge), venue), {})
    parts[account] = value
    gauge.labels(venue).set(sum(parts.values()))


def show_market_state(venue: str, symbol: str, state: MarketState) -> None:
    """Set which orders the venue takes for a symbol; every other state is 0."""
    for each in MarketState:
        VENUE_MARKET_STATE.labels(venue, symbol, each.value).set(1 if each is state else 0)


def watch_lease(venue: str, account: str, epoch: Callable[[], int], is_held: Callable[[], bool]) -> None:
    """Have the two lease gauges look when they are scraped: a lease runs out without an event."""
    VENUE_LEASE_EPOCH.labels(venue, account).set_function(epoch)
    VENUE_LEASE_HELD.labels(venue, account).set_function(is_held)


def watch_budget(venue: str, budget: str, limit: Callable[[], float], left: Callable[[], float]) -> None:
    """Have a pacing window shown as it is when scraped. Both run in another thread, and must change nothing."""
    VENUE_BUDGET_LIMIT.labels(venue, budget).set_function(limit)
    VENUE_BUDGET_LEFT.labels(venue, budget).set_function(left)


def watch_lost_subscriptions(venue: str, data: str, *lost: Callable[[], int]) -> None:
    """Have the number of dead subscriptions looked at when it is scraped: one falls silent without an event."""
    VENUE_SUBSCRIPTIONS_LOST.labels(venue, data).set_function(lambda: sum(each() for each in lost))


def watch_open_gap(venue: str, symbol: str, open_seconds: Callable[[], float]) -> None:
    """Have the age of a symbol's open gap looked at when it is scraped."""
    VENUE_OPEN_GAP_SECONDS.labels(venue, symbol).set_function(open_seconds)


class ConnectionShown:
    """What is shown of one connection to a venue: whether it can be used, and how often it came back."""

    def __init__(self, venue: str, connection: str) -> None:
        self._up = VENUE_SESSION_UP.labels(venue, connection)
        self._reconnects = VENUE_RECONNECTS.labels(venue, connection)
        self._has_been_up = self._is_up = False
        self._up.set(0)

    def up(self) -> None:
        """It can be used; saying so again changes nothing."""
        if not self._is_up and self._has_been_up:
            self._reconnects.inc()
        self._is_up = self._has_been_up = True
        self._up.set(1)

    def down(self) -> None:
        """It can not be used (any more)."""
        self._is_up = False
        self._up.set(0)


class SentOrders:
    """Orders that were sent and of which no report is stored yet: the hop from the venue to the first report."""

    def __init__(self, venue: str) -> None:
        self._hop = ORDER_HOP_SECONDS.labels(venue, Hop.VENUE_TO_REPORT)
        self._sent_seconds: dict[str, float] = {}

    def sent(self, order_id: str) -> None:
        """The order has left now."""
        if len(self._sent_seconds) >= SENT_ORDERS_MAX:  # a venue that answers none of them: forget the oldest
            del self._sent_seconds[next(iter(self._sent_seconds))]
        self._sent_seconds[order_id] = time.monotonic()

    def reported(self, report: Report) -> None:
        """A report has been stored now; only the first one of each order counts."""
        order_id = report.fill.order_id if isinstance(report, VenueFill) else getattr(report, "order_id", "")
        sent_seconds = self._sent_seconds.pop(order_id, None)
        if sent_seconds is not None:
            self._hop.observe(time.monotonic() - sent_seconds)


def count_report(venue: str, kind: str, report: Report) -> None:
    """Count a report that has been stored."""
    VENUE_REPORTS.labels(venue, kind).inc()
    if isinstance(report, VenueFill):
        VENUE_FILLS.labels(venue).inc()
    elif isinstance(report, VenueUnknown):
        VENUE_ORDERS_UNKNOWN.labels(venue).inc()


class UnresolvedOrders:
    """Orders whose fate the venue is being asked about: how many, and for how long the oldest has been one.

    The accounts of a gateway share one, each with its own part.
    """

    def __init__(self, venue: str) -> None:
        self._since_seconds: dict[tuple[str, str], float] = {}
        VENUE_UNRESOLVED_ORDERS.labels(venue).set_function(lambda: len(self._since_seconds))
        VENUE_OLDEST_UNRESOLVED_SECONDS.labels(venue).set_function(self._oldest_seconds)

    def are(self, order_ids: Collection[str], account: str = "") -> None:
        """These, and no others, are unresolved now of the account."""
        now, before = time.monotonic(), self._since_seconds
        # As a whole, and never changed: a scrape may be looking at the one before
        self._since_seconds = {key: since for key, since in before.items() if key[0] != account} | {
            (account, order_id): before.get((account, order_id), now) for order_id in order_ids
        }

    def _oldest_seconds(self) -> float:
        since_seconds = self._since_seconds.values()
        return time.monotonic() - min(since_seconds) if since_seconds else 0.0


def unresolved_of(venue: str) -> UnresolvedOrders:
    """The one that the accounts of a venue's gateway share."""
    if venue not in _unresolved:
        _unresolved[venue] = UnresolvedOrders(venue)
    return _unresolved[venue]


_unresolved: dict[str, UnresolvedOrders] = {}


class SignsOfLife:
    """When a symbol's quotes and bars were last heard of, against the hours in which they should be.

    Shown as they are at the scrape, in its thread: the market opens and falls silent without an event.
    """

    def __init__(self, venue: str, symbol: str, calendar: str, clock: DeskClock) -> None:
        self._calendar, self._clock = calendar, clock
        began_seconds = time.monotonic()
        self._heard_seconds = {"quote": began_seconds, "bar": began_seconds}
        self._was_open, self._opened_seconds = False, began_seconds
        VENUE_SUBSCRIPTION_OPEN.labels(venue, symbol).set_function(self._open)
        for data in self._heard_seconds:
            VENUE_LAST_MESSAGE_AGE_SECONDS.labels(venue, symbol, data).set_function(partial(self._age_seconds, data))

    def heard(self, data: str) -> None:
        """A sign of life of "quote" or "bar" has come now."""
        self._heard_seconds[data] = time.monotonic()

    def _open(self) -> float:
        try:
            now_open = is_open(self._calendar, self._clock.now())
        except CalendarError:
            return math.nan
        if now_open and not self._was_open:
            self._opened_seconds = time.monotonic()
        self._was_open = now_open
        return float(now_open)

    def _age_seconds(self, data: str) -> float:
        if self._open() != 1.0:
            return math.nan
        return time.monotonic() - max(self._heard_seconds[data], self._opened_seconds)
