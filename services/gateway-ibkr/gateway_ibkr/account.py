"""The account's figures as TWS says them, tag by tag, from the end marker of a session's download on.

TWS says all of them to who subscribes, and then those that change, every three minutes and after a trade
(https://interactivebrokers.github.io/tws-api/account_updates.html). A figure is as old as when it was last said: the
account's own time of day (`updateAccountTime`) says that TWS has looked at the account, and not what it left out.

Plain state: no loop, no clock. When they are told is the house's (`signalbox.gateway.account`).
"""

from __future__ import annotations

import math
from datetime import datetime

from msgspec.structs import replace
from signalbox.messages import AccountState, MarginRate

from gateway_ibkr.facts import AccountAnswers, AccountValueSeen, PnlSeen
from gateway_ibkr.figures import FIGURE_TAGS, PNL, account_state
from gateway_ibkr.margins import AGE_MAX, MarginTold

CHANGE_INTERVAL_SECONDS = 0.05


def unknown(fact: AccountValueSeen | PnlSeen) -> AccountValueSeen | PnlSeen:
    """What is left of a figure that makes no sense: it is not known, and the one before it does not hold any more."""
    if isinstance(fact, PnlSeen):
        return PnlSeen(request_id=fact.request_id, daily=math.nan, unrealized=math.nan, realized=math.nan)
    return replace(fact, value="")


class Figures:
    """The figures of one account."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._values: dict[tuple[str, str], str] = {}
        self._said_at: dict[tuple[str, str], datetime] = {}
        self._pnl: PnlSeen | None = None
        self._margins: dict[str, MarginRate] = {}

    def on_fact(self, fact: AccountAnswers | AccountValueSeen | PnlSeen | MarginTold, at: datetime) -> bool:
        """Take all figures, a changed one, profit and loss, or a margin, said at desk time `at`; True = it changed."""
        match fact:
            case MarginTold(symbol=symbol, rate=rate):
                self._margins.pop(symbol, None)
                if rate is not None:
                    self._margins[symbol] = rate
                return True
            case AccountAnswers():
                self._values = dict(fact.values)
                kept = self._values.keys() | {PNL}
                self._said_at = dict.fromkeys(self._values, at) | {k: v for k, v in self._said_at.items() if k in kept}
                return True
            case AccountValueSeen():
                return self._on_value(fact, at)
            case PnlSeen():
                changed, self._pnl = fact != self._pnl, fact
                self._said_at[PNL] = at
                return changed

    def _on_value(self, fact: AccountValueSeen, at: datetime) -> bool:
        """Before the end marker of a session there is nothing to change."""
        if fact.account != self._account:
            return False
        key = fact.tag, fact.currency
        self._said_at[key] = at
        if not self._values or self._values.get(key) == fact.value:
            return False
        self._values[key] = fact.value
        return True

    def forget(self) -> None:
        """The session is over."""
        self._values, self._said_at, self._pnl, self._margins = {}, {}, None, {}

    def state(self, at: datetime) -> AccountState | None:
        """The account's state; None = no session has told it. Raises TranslationError for a missing figure."""
        if not self._values:
            return None
        told = account_state(self._account, self._values, self._pnl, at, self._said_at)
        recent = tuple([rate for rate in self._margins.values() if at - rate.said_at <= AGE_MAX])
        return replace(told, margin_rates=recent) if recent else told

    def unsaid_since(self, at: datetime) -> bool:
        """A download says every value; profit and loss comes as TWS likes."""
        return any(self._said_at[key] < at for key in self._values if key[0] in FIGURE_TAGS)
