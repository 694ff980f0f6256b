"""Whether the account's figures, its positions and its profit and loss are still told, and asking for them again.

Owns the two subscriptions of the orders session. When one is asked for again is `subscriptions`'s rule; what is told is
`account`'s. Positions say nothing while nobody trades: they are asked for together with the figures.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial

from signalbox.clock import DeskClock
from signalbox.errors import VenueError
from signalbox.gateway.link import Link
from signalbox.messages import LinkStatus
from signalbox.metrics import VENUE_RESUBSCRIPTIONS
from signalbox.venue_figures import watch_lost_subscriptions

from gateway_ibkr.facts import AccountAnswers, AccountValueSeen, ErrorSeen, PnlSeen
from gateway_ibkr.settings import Settings, account_patience_of
from gateway_ibkr.state import State
from gateway_ibkr.subscriptions import Data, Subscription, asked, begin_anew, heard, lose, suspect, why_dead, why_now
from gateway_ibkr.translate import VENUE
from gateway_ibkr.venue_errors import Treatment, problem_of, sentence
from gateway_ibkr.venue_orders import OrdersSession

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.5
NO_ID = 1
"""Account figures are asked for without a request's id."""
UNSUBSCRIBED = frozenset({2100, 2101})


class AccountWatch:
    """What is subscribed to of one account."""

    def __init__(self, clock: DeskClock, state: State, link: Link, settings: Settings) -> None:
        self._clock, self._state, self._link = clock, state, link
        patience = account_patience_of(settings)
        self._figures = Subscription(Data.ACCOUNT, "", (), patience)
        self._profit = Subscription(Data.PNL, "", (), patience)
        for each in (self._figures, self._profit):
            watch_lost_subscriptions(VENUE, each.data, partial(self._dead, each))

    def described(self) -> dict[str, str]:
        """What of the account should come and does not, and why: for `signalbox status`."""
        return {
            f"account's {each.data}": reason for each in (self._figures, self._profit) if (reason := self._why(each))
        }

    def on_fact(self, fact: AccountAnswers | AccountValueSeen | PnlSeen) -> None:
        """Take what the venue tells of the account as a sign of life."""
        if isinstance(fact, PnlSeen):
            told = self._profit
        else:
            told = self._figures
            told.key = NO_ID
        heard(told, self._clock.now(), time.monotonic())

    def on_error(self, fact: ErrorSeen) -> bool:
        """Take an error; True = it is about these subscriptions alone."""
        problem, words = problem_of(fact.code, fact.text), sentence(fact.code, fact.text)
        if problem.treatment is Treatment.LINK_RESTORED_DATA_LOST:
            lose(self._figures, words)
            lose(self._profit, words)
        elif problem.treatment is Treatment.LINK_RESTORED:
            suspect(self._profit, words, time.monotonic())
        elif fact.code in UNSUBSCRIBED:
            lose(self._figures, words)
        elif fact.request_id != self._profit.key or not self._profit.key:
            return False
        elif problem.treatment is not Treatment.INFORMATIONAL:
            lose(self._profit, words, refused=problem.treatment is Treatment.CONFIGURATION)
        return problem.treatment not in (Treatment.LINK_RESTORED, Treatment.LINK_RESTORED_DATA_LOST)

    async def begin(self, orders: OrdersSession) -> None:
        """Subscribe on a new session; figures and positions are a part of reconciling."""
        calendars = tuple(sorted(set(self._state.own.calendars.values())))
        for each in (self._figures, self._profit):
            begin_anew(each)
            each.calendars = calendars
        await self._ask_for_profit(orders)

    async def watch(self, orders: OrdersSession) -> None:
        """Ask for what has stopped, for ever."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self._link.status is not LinkStatus.READY:
                continue  # reconciling asks, and says so
            for each in (self._figures, self._profit):
                at = None if self._clock.is_stale() else self._clock.now()
                if each.key and (reason := why_now(each, at, time.monotonic())):
                    await self._again(orders, each, reason)

    async def _again(self, orders: OrdersSession, subscription: Subscription, reason: str) -> None:
        VENUE_RESUBSCRIPTIONS.labels(VENUE, "", subscription.data).inc()
        log.warning("subscribed anew", extra={"data": subscription.data, "reason": reason})
        try:
            if subscription is self._profit:
                await orders.end_pnl(subscription.key)
                await self._ask_for_profit(orders)
            else:
                asked(subscription, NO_ID, self._clock.now(), time.monotonic())
                await orders.end_account_values(self._state.account)
                await orders.account_values(self._state.account)
                await orders.positions()
        except VenueError as error:  # the session's own end is seen elsewhere
            lose(subscription, str(error))

    async def _ask_for_profit(self, orders: OrdersSession) -> None:
        key = orders.session.new_request_id()
        asked(self._profit, key, self._clock.now(), time.monotonic())
        await orders.subscribe_pnl(key, self._state.account)

    def _why(self, subscription: Subscription) -> str:
        if not subscription.key:
            return ""
        return why_dead(subscription, None if self._clock.is_stale() else self._clock.now(), time.monotonic())

    def _dead(self, subscription: Subscription) -> int:
        return int(bool(self._why(subscription)))
