"""What the subaccount holds, as the indexer said it last, and what that is worth at the oracle prices.

Plain state: no loop, no clock. When the figures are told is the house's (`signalbox.gateway.account`).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace
from signalbox.messages import AccountState

from gateway_dydx.facts import Market, OraclePrice, PositionSeen, Subaccount, SubaccountChanged
from gateway_dydx.translate import account_state

CHANGE_INTERVAL_SECONDS = 0.25
"""The indexer tells what changed so often."""

CASH = "USDC"


class Figures:
    """The figures of one subaccount."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._subaccount: Subaccount | None = None
        self._height = 0
        self._markets: dict[str, Market] = {}
        self._oracle_prices: dict[str, Decimal] = {}

    def on_fact(self, fact: Subaccount | SubaccountChanged | Market | OraclePrice) -> bool:
        """Take what the indexer said of the subaccount, of a market or of an oracle price; True = something changed."""
        match fact:
            case Subaccount():
                return self.on_snapshot(fact)
            case SubaccountChanged():
                return self.on_change(fact)
            case Market():
                return self.on_market(fact)
            case OraclePrice():
                return self.on_oracle_price(fact)

    def on_market(self, market: Market) -> bool:
        """Take a market's margins and oracle price; True = something changed."""
        changed = self._markets.get(market.ticker) != market
        self._markets[market.ticker] = market
        if market.oracle_price is not None:
            changed |= self.on_oracle_price(OraclePrice(ticker=market.ticker, price=market.oracle_price))
        return changed

    def on_oracle_price(self, fact: OraclePrice) -> bool:
        """Take a price; True = a position's value changed."""
        changed = self._oracle_prices.get(fact.ticker) != fact.price
        self._oracle_prices[fact.ticker] = fact.price
        held = self._subaccount.positions if self._subaccount is not None else ()
        return changed and any(position.ticker == fact.ticker for position in held)

    def on_snapshot(self, subaccount: Subaccount) -> bool:
        """Take the whole subaccount, unless a later block's change is known; True = something changed."""
        if subaccount.height is not None and subaccount.height < self._height:
            return False
        self._height = subaccount.height or self._height
        changed = self._subaccount != subaccount
        self._subaccount = subaccount
        return changed

    def on_change(self, change: SubaccountChanged) -> bool:
        """Take what one block changed; before the first snapshot there is nothing to change. True = something did."""
        subaccount = self._subaccount
        if subaccount is None or (change.height is not None and change.height < self._height):
            return False
        self._height = change.height or self._height
        positions = {position.ticker: position for position in subaccount.positions}
        positions |= {position.ticker: position for position in change.positions}
        held = tuple(position for position in positions.values() if _is_open(position))
        usdc = next((asset.size for asset in change.assets if asset.symbol == CASH), subaccount.usdc)
        self._subaccount = replace(subaccount, positions=held, usdc=usdc)
        return self._subaccount != subaccount

    def forget(self) -> None:
        """The link is down: what was said is not known to hold any more."""
        self._subaccount = None

    def state(self, at: datetime) -> AccountState | None:
        """The account's state; None = there has been no snapshot. Raises TranslationError without a price."""
        if self._subaccount is None:
            return None
        return account_state(self._account, self._subaccount, self._markets, self._oracle_prices, at)


def _is_open(position: PositionSeen) -> bool:
    return position.size != 0 and position.status == "OPEN"
