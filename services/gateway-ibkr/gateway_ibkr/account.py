"""The account's figures as TWS says them, tag by tag, from the end marker of a session's download on.

Plain state: no loop, no clock. When they are told is the house's (`signalbox.gateway.account`).
"""

from __future__ import annotations

from datetime import datetime

from signalbox.messages import AccountState

from gateway_ibkr.facts import AccountAnswers, AccountValueSeen, PnlSeen
from gateway_ibkr.translate import account_state

CHANGE_INTERVAL_SECONDS = 0.05


class Figures:
    """The figures of one account."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._values: dict[tuple[str, str], str] = {}
        self._pnl: PnlSeen | None = None

    def on_fact(self, fact: AccountAnswers | AccountValueSeen | PnlSeen) -> bool:
        """Take all figures, a changed one, or profit and loss; True = something changed."""
        match fact:
            case AccountAnswers():
                self._values = dict(fact.values)
                return True
            case AccountValueSeen():
                return self._on_value(fact)
            case PnlSeen():
                changed, self._pnl = fact != self._pnl, fact
                return changed

    def _on_value(self, fact: AccountValueSeen) -> bool:
        """Before the end marker of a session there is nothing to change."""
        key = fact.tag, fact.currency
        if not self._values or fact.account != self._account or self._values.get(key) == fact.value:
            return False
        self._values[key] = fact.value
        return True

    def forget(self) -> None:
        """The session is over."""
        self._values, self._pnl = {}, None

    def state(self, at: datetime) -> AccountState | None:
        """The account's state; None = no session has told it. Raises TranslationError for a missing figure."""
        return account_state(self._account, self._values, self._pnl, at) if self._values else None
