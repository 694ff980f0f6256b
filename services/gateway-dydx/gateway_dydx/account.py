"""The subaccount's figures, revalued at the oracle prices, published on change and at least every minute of desk time.

Owns what the subaccount holds, as the indexer said it last, and when its figures are told. They exist only from a
complete snapshot on, and only while the link is up: figures that are repeated without a link would be a guess, and risk
denies on a stale account by itself.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace
from signalbox import subjects
from signalbox.bus import Bus
from signalbox.clock import DeskClock
from signalbox.errors import BusUnavailableError
from signalbox.gateway.ending import end_if_told
from signalbox.gateway.link import Link
from signalbox.lease import WRITE_SECONDS_MAX
from signalbox.messages import AccountState, LinkStatus

from gateway_dydx.facts import Market, OraclePrice, PositionSeen, Subaccount, SubaccountChanged
from gateway_dydx.translate import VENUE, TranslationError, account_state

log = logging.getLogger(__name__)

CHANGE_INTERVAL_SECONDS = 0.25
"""The indexer tells what changed so often; at most one state in this wall time."""

RECHECK_SECONDS = 1.0
CASH = "USDC"


class Figures:
    """What the subaccount holds and what that is worth. Plain state: no loop, no clock."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._subaccount: Subaccount | None = None
        self._height = 0
        self._markets: dict[str, Market] = {}
        self._oracle_prices: dict[str, Decimal] = {}

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


class Account:
    """Publishes the figures of one subaccount."""

    def __init__(self, bus: Bus, clock: DeskClock, link: Link, account: str, interval_seconds: int) -> None:
        self._bus, self._clock, self._link, self._account = bus, clock, link, account
        self._interval = timedelta(seconds=interval_seconds)
        self._figures = Figures(account)
        self._changed = asyncio.Event()

    def on_fact(self, fact: Subaccount | SubaccountChanged | Market | OraclePrice) -> None:
        """Take what the indexer said of the subaccount, of a market or of an oracle price."""
        match fact:
            case Subaccount():
                changed = self._figures.on_snapshot(fact)
            case SubaccountChanged():
                changed = self._figures.on_change(fact)
            case Market():
                changed = self._figures.on_market(fact)
            case OraclePrice():
                changed = self._figures.on_oracle_price(fact)
        if changed:
            self._changed.set()

    def forget(self) -> None:
        """The link is down."""
        self._figures.forget()

    async def publish(self) -> None:
        """Publish, for ever."""
        while True:
            if self._link.status in (LinkStatus.READY, LinkStatus.RECONCILING):
                self._changed.clear()
                await self._publish()
            await asyncio.sleep(CHANGE_INTERVAL_SECONDS)
            await self._until_due()

    async def _publish(self) -> None:
        try:
            state = self._figures.state(self._clock.now())
        except TranslationError as error:
            log.error("the account's figures are incomplete", extra={"error": str(error)})
            return
        if state is None:
            return
        await self._link.until_held()  # the last word on the account is its holder's
        try:
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                await self._bus.publish(subjects.account(VENUE, self._account), state)
        except (BusUnavailableError, TimeoutError) as error:
            log.warning("the account's figures wait for the bus", extra={"error": str(error)})
            self._changed.set()  # said anew, as they are then
        end_if_told()

    async def _until_due(self) -> None:
        """Wait for a change, or until the interval is over on the desk clock, whose speed may change meanwhile."""
        due = self._clock.now() + self._interval
        while not self._changed.is_set():
            remaining_seconds = (self._clock.wall_time_of(due) - datetime.now(UTC)).total_seconds()
            if self._clock.now() >= due or remaining_seconds <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(min(remaining_seconds, RECHECK_SECONDS)):
                    await self._changed.wait()
