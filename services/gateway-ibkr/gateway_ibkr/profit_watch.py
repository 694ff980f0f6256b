"""Whether the account's profit and loss is still told, and asking for it again.

Owns that one subscription of the orders session. When it is asked for again is `subscriptions`'s rule; what is told is
`account`'s. The account's other figures and its positions need no such watch: they are asked for whenever one of them
has not been said for a while (`OrdersLink.ask_figures`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from signalbox.clock import DeskClock
from signalbox.errors import VenueError
from signalbox.gateway.link import Link
from signalbox.messages import LinkStatus
from signalbox.metrics import VENUE_RESUBSCRIPTIONS
from signalbox.venue_figures import watch_lost_subscriptions

from gateway_ibkr.facts import ErrorSeen
from gateway_ibkr.settings import Settings, account_patience_of
from gateway_ibkr.state import State
from gateway_ibkr.subscriptions import Data, Subscription, asked, begin_anew, heard, lose, suspect, why_dead, why_now
from gateway_ibkr.translate import VENUE
from gateway_ibkr.venue_errors import Treatment, problem_of, sentence
from gateway_ibkr.venue_orders import OrdersSession

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.5


def watch_profits(watches: Sequence[ProfitWatch]) -> None:
    """Have it shown how many of the accounts' subscriptions are dead."""
    watch_lost_subscriptions(VENUE, Data.PNL, *(watch.is_lost for watch in watches))


class ProfitWatch:
    """The subscription to one account's profit and loss."""

    def __init__(self, clock: DeskClock, state: State, link: Link, settings: Settings) -> None:
        self._clock, self._state, self._link = clock, state, link
        self._profit = Subscription(Data.PNL, "", (), account_patience_of(settings))

    def described(self) -> dict[str, str]:
        """What should come and does not, and why: for `signalbox status`."""
        return {"account's profit and loss": reason} if (reason := self._why()) else {}

    def is_lost(self) -> int:
        """Whether it is dead, as a number."""
        return int(bool(self._why()))

    def heard(self) -> None:
        """Take what the venue has told as a sign of life."""
        heard(self._profit, self._clock.now(), time.monotonic())

    def on_error(self, fact: ErrorSeen) -> bool:
        """Take an error; True = it is about this subscription alone."""
        problem, words = problem_of(fact.code, fact.text), sentence(fact.code, fact.text)
        if problem.treatment is Treatment.LINK_RESTORED_DATA_LOST:
            lose(self._profit, words)
            return False
        if problem.treatment is Treatment.LINK_RESTORED:
            suspect(self._profit, words, time.monotonic())
            return False
        if fact.request_id != self._profit.key or not self._profit.key:
            return False
        if problem.treatment is not Treatment.INFORMATIONAL:
            lose(self._profit, words, refused=problem.treatment is Treatment.CONFIGURATION)
        return True

    async def begin(self, orders: OrdersSession) -> None:
        """Subscribe on a new session."""
        begin_anew(self._profit)
        self._profit.calendars = tuple(sorted(set(self._state.own.calendars.values())))
        await self._ask(orders)

    async def watch(self, orders: OrdersSession) -> None:
        """Ask again when it has stopped, for ever."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self._link.status is not LinkStatus.READY or not self._profit.key:
                continue  # reconciling asks, and says so
            at = None if self._clock.is_stale() else self._clock.now()
            if reason := why_now(self._profit, at, time.monotonic()):
                await self._again(orders, reason)

    async def _again(self, orders: OrdersSession, reason: str) -> None:
        VENUE_RESUBSCRIPTIONS.labels(VENUE, "", self._profit.data).inc()
        log.warning("subscribed anew", extra={"data": self._profit.data, "reason": reason})
        try:
            await orders.end_pnl(self._profit.key)
            await self._ask(orders)
        except VenueError as error:  # the session's own end is seen elsewhere
            lose(self._profit, str(error))

    async def _ask(self, orders: OrdersSession) -> None:
        key = orders.session.new_request_id()
        asked(self._profit, key, self._clock.now(), time.monotonic())
        await orders.subscribe_pnl(key, self._state.account)

    def _why(self) -> str:
        if not self._profit.key:
            return ""
        return why_dead(self._profit, None if self._clock.is_stale() else self._clock.now(), time.monotonic())
