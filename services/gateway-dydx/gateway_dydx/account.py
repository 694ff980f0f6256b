"""What the subaccount holds, as the indexer said it last, and what that is worth at the oracle prices.

The indexer tells what changes, and all of it to who asks. A figure is as old as the oldest thing that it is made of:
the USDC, a position, its market, its oracle price. An answer of a block that was told before confirms nothing: an
indexer that stands still repeats what it has.

Plain state: no loop, no clock. When the figures are told is the house's (`signalbox.gateway.account`).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace
from signalbox.errors import TranslationError
from signalbox.messages import NEVER, AccountState

from gateway_dydx.facts import (
    LeverageChosen,
    Market,
    MarketChanged,
    OraclePrice,
    PositionSeen,
    Subaccount,
    SubaccountChanged,
)
from gateway_dydx.margins import leverage_of
from gateway_dydx.reading import ASSET, POSITION
from gateway_dydx.translate import account_state

CHANGE_INTERVAL_SECONDS = 0.25
"""The indexer tells what changed so often."""

CASH = "USDC"
HELD, MARKET, PRICE = "held", "market", "price"
"""What the indexer says of a symbol: how much is held, the market's terms, the oracle's price."""
LEVERAGE = ("leverage", "")
OF_MARGIN = (
    *("initial_margin_fraction", "maintenance_margin_fraction"),
    *("open_interest", "open_interest_lower_cap", "open_interest_upper_cap"),
)
"""What of a market moves the margins of the account."""
EVERYTHING = (HELD, "")
"""A complete answer: what is not in it is not held."""


class Figures:
    """The figures of one subaccount."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._subaccount: Subaccount | None = None
        self._height = 0
        self._markets: dict[str, Market] = {}
        self._oracle_prices: dict[str, Decimal] = {}
        self._said_at: dict[tuple[str, str], datetime] = {}
        self._chosen_ppm: dict[int, int] | None = None
        """By clob pair: the margins that the account's owner chose; None = the chain has not said."""

    def on_fact(
        self, fact: Subaccount | SubaccountChanged | Market | MarketChanged | OraclePrice | LeverageChosen, at: datetime
    ) -> bool:
        """Take what the venue said at desk time `at` of the subaccount, a market or a price; True = it changed."""
        match fact:
            case LeverageChosen():
                return self.on_leverage(fact, at)
            case MarketChanged():
                return self.on_market_change(fact)
            case Subaccount():
                return self.on_snapshot(fact, at)
            case SubaccountChanged():
                return self.on_change(fact, at)
            case Market():
                return self.on_market(fact, at)
            case OraclePrice():
                return self.on_oracle_price(fact, at)

    def on_market(self, market: Market, at: datetime) -> bool:
        """Take a market's margins and oracle price; True = something changed."""
        changed = self._markets.get(market.ticker) != market
        self._markets[market.ticker] = market
        self._said_at[MARKET, market.ticker] = at
        if market.oracle_price is not None:
            changed |= self.on_oracle_price(OraclePrice(ticker=market.ticker, price=market.oracle_price), at)
        return changed

    def on_market_change(self, change: MarketChanged) -> bool:
        """Take what is said of a known market's open interest and margins; True = a position's margin may change."""
        market = self._markets.get(change.ticker)
        if market is None:
            return False
        said = {name: getattr(change, name) for name in OF_MARGIN if getattr(change, name) is not None}
        self._markets[change.ticker] = replace(market, **said)
        return self._markets[change.ticker] != market and self._holds(change.ticker)

    def on_leverage(self, fact: LeverageChosen, at: datetime) -> bool:
        """Take what the owner has set on the chain; True = another margin is wanted."""
        changed, self._chosen_ppm = fact.ppm_by_clob_pair != self._chosen_ppm, fact.ppm_by_clob_pair
        self._said_at[LEVERAGE] = at
        return changed

    def leverage(self) -> dict[str, str]:
        """The leverage that the owner has chosen, by symbol; of a market that is not known, by its clob pair."""
        tickers = {market.clob_pair_id: ticker for ticker, market in self._markets.items()}
        chosen = {pair: ppm for pair, ppm in (self._chosen_ppm or {}).items() if ppm}
        return {tickers.get(pair, f"clob pair {pair}"): f"{leverage_of(ppm):f}" for pair, ppm in chosen.items()}

    def on_oracle_price(self, fact: OraclePrice, at: datetime) -> bool:
        """Take a price; True = a position's value changed."""
        changed = self._oracle_prices.get(fact.ticker) != fact.price
        self._oracle_prices[fact.ticker] = fact.price
        self._said_at[PRICE, fact.ticker] = at
        return changed and self._holds(fact.ticker)

    def _holds(self, ticker: str) -> bool:
        held = self._subaccount.positions if self._subaccount is not None else ()
        return any(position.ticker == ticker for position in held)

    def on_snapshot(self, subaccount: Subaccount, at: datetime) -> bool:
        """Take the whole subaccount, unless a later block's change is known; True = something changed."""
        if subaccount.height is not None and subaccount.height < self._height:
            return False
        held = [(HELD, CASH), EVERYTHING, *((HELD, position.ticker) for position in subaccount.positions)]
        if self._subaccount is None or subaccount.height is None or subaccount.height > self._height:
            self._said_at |= dict.fromkeys(held, at)
        self._said_at = dict.fromkeys(held, at) | self._said_at
        self._height = subaccount.height or self._height
        changed = self._subaccount != subaccount
        self._subaccount = subaccount
        return changed

    def on_change(self, change: SubaccountChanged, at: datetime) -> bool:
        """Take what one block changed; before the first snapshot there is nothing to change. True = something did."""
        subaccount = self._subaccount
        if subaccount is None or (change.height is not None and change.height < self._height):
            return False
        self._height = change.height or self._height
        positions = {position.ticker: position for position in subaccount.positions}
        positions |= {position.ticker: position for position in change.positions}
        held = tuple(position for position in positions.values() if _is_open(position))
        usdc = next((asset.size for asset in change.assets if asset.symbol == CASH), subaccount.usdc)
        told = {(POSITION, each.ticker) for each in change.positions} | {(ASSET, each.symbol) for each in change.assets}
        self._said_at |= {(HELD, name): at for _, name in told}
        rows = [*subaccount.unreadable, *(row for row in change.unreadable if row.kind in (POSITION, ASSET))]
        unread = {(row.kind, row.key): row for row in rows if (row.kind, row.key) not in told}
        self._subaccount = replace(subaccount, positions=held, usdc=usdc, unreadable=tuple(unread.values()))
        return self._subaccount != subaccount

    def forget(self) -> None:
        """The link is down: what was said is not known to hold any more."""
        self._subaccount = None

    def _times(self) -> tuple[datetime, datetime]:
        """When the USDC was said, and the oldest of what the positions are valued by: what, which market, what price.

        With none there is nothing but the word of the last complete answer that there are none.
        """
        assert self._subaccount is not None
        said_at, tickers = self._said_at, [position.ticker for position in self._subaccount.positions]
        valued = [said_at.get((what, ticker), NEVER) for ticker in tickers for what in (HELD, MARKET, PRICE)]
        if valued:
            valued.append(said_at.get(LEVERAGE, NEVER))
        return said_at[HELD, CASH], min(valued, default=said_at[EVERYTHING])

    def unsaid_since(self, at: datetime) -> bool:
        """Whether anything that the figures are made of has not been said since: all of it can be asked for."""
        return self._subaccount is not None and min(self._times()) < at

    def state(self, at: datetime) -> AccountState | None:
        """The account's state; None = not all of it has been said. Raises TranslationError without a price."""
        if self._subaccount is None or self._chosen_ppm is None:
            return None
        for row in self._subaccount.unreadable:
            raise TranslationError(f"what {self._account} holds is not known: {row.kind} {row.key}: {row.reason}")
        told = account_state(self._account, self._subaccount, self._markets, self._oracle_prices, at, self._chosen_ppm)
        cash_at, valued_at = self._times()
        valued = ("initial_margin", "maintenance_margin", "unrealized_pnl", "realized_pnl")
        of_both = ("net_liquidation", "available_funds", "buying_power", "leverage")
        said_at = {
            "cash": cash_at,
            **dict.fromkeys(valued, valued_at),
            **dict.fromkeys(of_both, min(cash_at, valued_at)),
        }
        return replace(told, said_at=said_at)


def _is_open(position: PositionSeen) -> bool:
    return position.size != 0 and position.status == "OPEN"
