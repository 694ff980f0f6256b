"""What is asked of TWS, by name, and why it may never end its answer.

Pure. Owns what a person is told about a question without an answer: which one, and which setting of TWS, or part of
IBKR, is behind it in the field. A failed question is not an empty answer: the gateway is not READY while it lasts.
"""

from __future__ import annotations

from enum import StrEnum


class Question(StrEnum):
    """What is asked. The values are the label `request` of metrics."""

    OPEN_ORDERS = "open_orders"
    COMPLETED_ORDERS = "completed_orders"
    EXECUTIONS = "executions"
    POSITIONS = "positions"
    ACCOUNT = "account"
    CONTRACT = "contract"
    CHAIN = "chain"
    PRICE_STEPS = "price steps"
    MARGIN = "margin"
    TIME = "time"
    HISTORY = "history"


_WORDS: dict[Question, tuple[str, str]] = {
    Question.OPEN_ORDERS: (
        "open orders (reqAllOpenOrders)",
        "Is Read-Only API ticked? Untick it in TWS's Global Configuration, API, Settings; and look for a dialog of TWS "
        "that waits for an answer.",
    ),
    Question.COMPLETED_ORDERS: (
        "completed orders (reqCompletedOrders)",
        "TWS leaves it open while Read-Only API is ticked, while another client's request for the same is pending, and "
        "for long with thousands of orders: untick Read-Only API, stop the other client, or raise "
        "SIGNALBOX_ANSWER_SECONDS_MAX.",
    ),
    Question.EXECUTIONS: (
        "executions (reqExecutions)",
        "TWS 10.30 and later leave it open, once there was a trade, unless 'Send instrument-specific attributes for "
        "dual-mode API client in' is 'UTC format': set it in TWS's Global Configuration, API, Settings.",
    ),
    Question.POSITIONS: ("positions (reqPositions)", "Restart TWS or IB Gateway: it answers again then."),
    Question.ACCOUNT: (
        "account figures (reqAccountUpdates)",
        "TWS leaves it open for logins with several accounts (advisors), when another client is subscribed to another "
        "account, and around midnight in New York: stop the other client, then restart TWS.",
    ),
    Question.CONTRACT: (
        "a contract's description (reqContractDetails)",
        "It comes from IBKR's security definition farm: look whether TWS shows it as connected (2157 says that it is "
        "not).",
    ),
    Question.CHAIN: (
        "the options on a share (reqSecDefOptParams)",
        "It comes from IBKR's security definition farm, as contracts do.",
    ),
    Question.PRICE_STEPS: (
        "the price steps of a contract (reqMarketRule)",
        "It comes from IBKR's security definition farm, as contracts do.",
    ),
    Question.MARGIN: (
        "what an order would bind (placeOrder with whatIf)",
        "Is Read-Only API ticked? Untick it in TWS's Global Configuration, API, Settings.",
    ),
    Question.TIME: (
        "the time (reqCurrentTime)",
        "TWS itself does not react: it hangs, restarts, or has a dialog open; look at its window.",
    ),
    Question.HISTORY: ("history (reqHistoricalData)", "It comes from IBKR's history farm, which is slow or away."),
}


def words(question: Question) -> str:
    """The question for a person, with TWS's name for it."""
    return _WORDS[question][0]


def unanswered(question: Question, seconds: float) -> str:
    """Say that a question has had no complete answer in `seconds`, and what is behind that in the field."""
    told, advice = _WORDS[question]
    return f"TWS has not ended its answer to {told} within {seconds:g} s. {advice}"
