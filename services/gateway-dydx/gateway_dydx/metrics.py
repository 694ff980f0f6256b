"""What the gateway alone exports, and how it shows its calls and its pacing. What both gateways export is declared in
`signalbox.metrics`.

Owns the names of connections without a session (the indexer's REST) and of the budgets. Labels are bounded: symbols of
the desk, kinds, outcomes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import nan

from prometheus_client import Counter, Gauge, Histogram
from signalbox.errors import VenueError, VenueRefusedError, VenueTimeoutError
from signalbox.metrics import VENUE_ERRORS, VENUE_MESSAGES
from signalbox.venue_figures import watch_budget

from gateway_dydx.pacing import BlockBudget
from gateway_dydx.translate import VENUE

LEASE_WAITED_SECONDS = Gauge("signalbox_dydx_lease_waited_seconds", "How long this process waited for the account.")
HEIGHT = Gauge("signalbox_dydx_height", "The chain's height; NaN = not known yet.")
INDEXER_LAG = Gauge("signalbox_dydx_indexer_lag_blocks", "Blocks that the chain has and the indexer has not processed.")
BROADCAST_SECONDS = Histogram(
    "signalbox_dydx_broadcast_seconds",
    "From the broadcast to the node's verdict.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
RENEWALS = Counter("signalbox_dydx_renewals_total", "Resting orders given a later good-til-block.", ["outcome"])
FUNDING_PAYMENTS = Counter("signalbox_dydx_funding_payments_total", "Funding payments reported.")
DATA_HEIGHT = Gauge("signalbox_dydx_data_height", "The indexer's height as the market data's websocket says it.")
DATA_RECONCILIATIONS = Counter(
    "signalbox_dydx_data_reconciliations_total", "Questions for markets and books over REST.", ["outcome"]
)
MESSAGES_LOST = Counter(
    "signalbox_dydx_messages_lost_total", "Numbers missing among the messages of a websocket.", ["connection"]
)
BOOK_CROSSINGS = Gauge("signalbox_dydx_book_crossings", "Stale levels that the uncross rule has removed.", ["symbol"])
BOOK_RESYNCS = Counter("signalbox_dydx_book_resyncs_total", "Books asked for anew, by reason.", ["symbol", "reason"])

STREAM, DATA, NODE, INDEXER = "stream", "data", "node", "indexer"
"""The connections: the account's websocket, the market data's, the node's gRPC, and the indexer's REST."""

_THERE_IS_NONE = frozenset({"NOT_FOUND", "404"})
"""Refusals that are answers."""


def nothing_known() -> None:
    """Show no figure of the chain before it has said one: a height of 0 would be a lie."""
    for gauge in (LEASE_WAITED_SECONDS, HEIGHT, INDEXER_LAG, DATA_HEIGHT):
        gauge.set(nan)


@contextmanager
def one_call(connection: str) -> Iterator[None]:
    """Count a question and its answer, or how it failed; a `VenueError` passes through."""
    VENUE_MESSAGES.labels(VENUE, connection, "out").inc()
    try:
        yield
    except VenueError as error:
        if not (isinstance(error, VenueRefusedError) and error.code in _THERE_IS_NONE):
            count_error(connection, _treatment_of(error))
            raise
        VENUE_MESSAGES.labels(VENUE, connection, "in").inc()
        raise
    VENUE_MESSAGES.labels(VENUE, connection, "in").inc()


def count_error(connection: str, treatment: str) -> None:
    """Count an error by what it is taken for: unavailable, timeout, refused, limited, unknown or present."""
    VENUE_ERRORS.labels(VENUE, connection, treatment).inc()


def _treatment_of(error: VenueError) -> str:
    if isinstance(error, VenueRefusedError):
        return "refused"
    return "timeout" if isinstance(error, VenueTimeoutError) else "unavailable"


def watch_block_budget(budget: BlockBudget, height: Callable[[], int]) -> None:
    """Show how many stateful orders the chain's limits still allow, by the length of their windows."""
    for blocks, limit in budget.limits:
        _watch_blocks(budget, blocks, limit, height)


def _watch_blocks(budget: BlockBudget, blocks: int, limit: int, height: Callable[[], int]) -> None:
    name = f"stateful_orders_in_{blocks}_block{'s' if blocks > 1 else ''}"
    watch_budget(VENUE, name, lambda: limit, lambda: limit - budget.sent_within(blocks, height()))


def watch_requests(asked: Mapping[str, deque[float]], requests_max: Mapping[str, int], window_seconds: float) -> None:
    """Show how many questions of each group the indexer's REST still takes within its window."""
    for group, limit in requests_max.items():
        _watch_group(asked[group], group or "other", limit, window_seconds)


def _watch_group(asked: deque[float], group: str, limit: int, window_seconds: float) -> None:
    def left() -> float:
        now = time.monotonic()
        return limit - sum(now - at < window_seconds for at in tuple(asked))

    watch_budget(VENUE, f"rest_{group}", lambda: limit, left)
