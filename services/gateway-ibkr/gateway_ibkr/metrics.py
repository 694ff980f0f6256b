"""What the gateway shows of its own pacing. Every metric that it exports is declared in `signalbox.metrics`.

Owns the names of the budgets. What it looks at is looked at in the thread of a scrape, and not changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from signalbox.metrics import VENUE_UNANSWERED
from signalbox.venue_figures import watch_budget

from gateway_ibkr.pacing import (
    BAR_REQUESTS_MAX,
    CONTRACT_HISTORY_MAX,
    LINES_MAX,
    LINES_PER_INSTRUMENT,
    MESSAGES_PER_SECOND_MAX,
    OPEN_HISTORY_MAX,
    BarRequestWindow,
    HistoryWindow,
    MessageWindow,
)
from gateway_ibkr.translate import VENUE
from gateway_ibkr.unanswered import Question


def begin_unanswered_at_zero() -> None:
    """Have each kind of question counted from 0: Prometheus does not see the first of a counter that begins with it."""
    for question in Question:
        VENUE_UNANSWERED.labels(VENUE, question)


def watch_messages(connection: str, window: MessageWindow) -> None:
    """Show how many messages a session may still send this second."""
    budget = f"{connection}_messages_a_second"
    watch_budget(VENUE, budget, lambda: MESSAGES_PER_SECOND_MAX, lambda: window.left(time.monotonic()))


def watch_history(window: HistoryWindow, desk_seconds: Callable[[], float]) -> None:
    """Show how many requests for history may still be begun: at once, and of the contract that has most."""
    watch_budget(VENUE, "history_open", lambda: OPEN_HISTORY_MAX, lambda: OPEN_HISTORY_MAX - window.waiting)
    watch_budget(
        VENUE, "history_of_one_contract", lambda: CONTRACT_HISTORY_MAX, lambda: window.left_of_one(desk_seconds())
    )


def watch_bar_requests(window: BarRequestWindow, desk_seconds: Callable[[], float]) -> None:
    """Show how many subscriptions to five-second bars may still be asked for within ten minutes."""
    watch_budget(VENUE, "bar_requests", lambda: BAR_REQUESTS_MAX, lambda: window.left(desk_seconds()))


def watch_lines(instruments: int) -> None:
    """Show how many market data lines are free; each instrument takes one for quotes and one for bars."""
    watch_budget(VENUE, "market_data_lines", lambda: LINES_MAX, lambda: LINES_MAX - instruments * LINES_PER_INSTRUMENT)
