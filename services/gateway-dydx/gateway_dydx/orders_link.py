"""The way to the chain and its indexer: when orders may be sent, and that what is known is held against REST.

Owns the link's status and what stands between a connection and READY: the account read from the node, the websocket up,
blocks coming, the indexer not far behind, complete and consistent answers, every report that follows from them stored,
and a snapshot stored. Nothing that fails there is taken for "empty": it is tried anew.

    DOWN         the node or the indexer can not be reached
    FROZEN       both answer, but the chain's height stands, or the indexer is far behind
    RECONCILING  what happened meanwhile is being asked for
    READY        orders may be sent; every `reconcile_seconds` everything is asked again
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueError, VenueTimeoutError, VenueUnavailableError
from signalbox.gateway.forgetting import forget
from signalbox.gateway.link import NOT_RENEWED
from signalbox.gateway.retrying import Backoff
from signalbox.gateway.running import Gateway
from signalbox.gateway.state import new_to
from signalbox.gateway.submission import Submission
from signalbox.messages import LinkStatus
from signalbox.metrics import VENUE_CLOCK_OFFSET_SECONDS, VENUE_UNDECODABLE
from signalbox.venue_figures import ConnectionShown

from gateway_dydx import decide, metrics
from gateway_dydx.asking import Questions, look
from gateway_dydx.facts import (
    Fact,
    FundingPayment,
    Height,
    Market,
    MarketChanged,
    OraclePrice,
    StreamRefused,
    Subaccount,
    SubaccountChanged,
    SubaccountSnapshot,
    Unreadable,
)
from gateway_dydx.funding_rows import ask_from, hour_of, note_held, note_row, shown_hour
from gateway_dydx.instruments import Offered
from gateway_dydx.plans import Subaccount as SubaccountName
from gateway_dydx.reading import ASSET, FILL, FUNDING, ORDER, POSITION, TRANSFER
from gateway_dydx.reconcile import Answers, snapshot
from gateway_dydx.renewing import Renewing
from gateway_dydx.sending import Sending
from gateway_dydx.settings import Settings
from gateway_dydx.state import State, assume_renewed, raise_height
from gateway_dydx.stream_messages import MARKETS, SUBACCOUNTS, facts_of
from gateway_dydx.translate import VENUE, funding_report
from gateway_dydx.unread import Unread
from gateway_dydx.venue_indexer import IndexerRest
from gateway_dydx.venue_leverage import leverage
from gateway_dydx.venue_node import Node
from gateway_dydx.venue_stream import IndexerStream, StreamBounds

log = logging.getLogger(__name__)

MEMORY = timedelta(days=2)
"""Nothing that is over for longer comes up again: the longest doubt lasts minutes."""
SNAPSHOT_ATTEMPTS_MAX = 5
OFFSET_BLOCKS = 20
"""The chain's clock is judged by its last blocks."""
RECHECK_SECONDS = 0.25
CATCH_UP_RECHECK_SECONDS = 0.02
FUNDING_RECONCILE_SECONDS_MIN = 5.0
"""Funding is paid at the full hour, and no websocket tells of it: then everything is asked sooner, but not oftener."""

ACCOUNT_KINDS = (ORDER, FILL, POSITION, ASSET, TRANSFER, FUNDING)
Consistent = tuple[Answers, Subaccount | None, tuple[FundingPayment, ...], tuple[Unreadable, ...], datetime]
"""Answers, what is held, what funding paid, and the rows of all of them that make no sense."""


class OrdersLink:
    """Keeps the node and the account's websocket, and reconciles."""

    def __init__(
        self,
        clock: DeskClock,
        state: State,
        gateway: Gateway[Offered],
        questions: Questions,
        submission: Submission,
        renewing: Renewing,
        sending: Sending,
        node: Node,
        rest: IndexerRest,
        subaccount: SubaccountName,
        websocket_url: str,
        bounds: StreamBounds,
        settings: Settings,
        unread: Unread,
    ) -> None:
        self._unread = unread
        self._clock, self._state, self._link, self._outbox = clock, state, gateway.link, gateway.outbox
        self._questions, self._submission, self._renewing, self._sending = questions, submission, renewing, sending
        self._account, self._instruments = gateway.account, gateway.instruments
        self._node, self._rest, self._subaccount, self._settings = node, rest, subaccount, settings
        self._node_reason, self._node_told = "connecting to the node", False
        self._node_heard_at = self._height_moved_at = time.monotonic()
        self._stream_reason = "connecting to the indexer"
        self._reconciled, self._looked_seconds = False, 0.0
        self._due = asyncio.Event()
        self.oracle_prices: dict[str, Decimal] = {}
        """By symbol, of every market."""
        self._shown_node = ConnectionShown(VENUE, metrics.NODE)
        self._offsets: deque[float] = deque(maxlen=OFFSET_BLOCKS)
        self.stream = IndexerStream(websocket_url, self._on_message, self._on_state, bounds, on_gap=self._on_gap)
        self.stream.subscribe(SUBACCOUNTS, subaccount.account.replace("-", "/"))
        self.stream.subscribe(MARKETS)

    # ------------------------------------------------------------------------------------------------------ the node

    async def watch_node(self) -> None:
        """Connect to the node, and ask for its height, for ever."""
        backoff = Backoff(self._settings.retry_delay_seconds, self._settings.retry_delay_seconds_max)
        connected = False
        while True:
            try:
                if not connected:
                    await self._node.connect()
                    await self._read_limits()
                    connected = True
                self._on_height((await self._node.latest_block()).height)
                self._shown_node.up()
                self._node_heard_at, self._node_reason, self._node_told = time.monotonic(), "", True
                backoff.reset()
            except VenueError as error:
                self._node_reason = str(error)
                self._shown_node.down()
                self._due.set()
                await asyncio.sleep(backoff.next_seconds())
                continue
            await asyncio.sleep(self._settings.height_interval_seconds)

    async def _read_limits(self) -> None:
        limits = await self._node.limits()
        stateful = tuple((limit.blocks, limit.limit) for limit in limits.stateful_orders)
        self._sending.budget.limits = stateful or self._sending.budget.limits
        metrics.watch_block_budget(self._sending.budget, lambda: self._state.own.height)
        log.info("limits", extra={"stateful": str(stateful), "equity_tiers": str(limits.equity_tiers)})

    def _on_height(self, height: int) -> None:
        if height <= self._state.own.height:
            return
        raise_height(self._state, height)
        self._height_moved_at = time.monotonic()
        self._sending.pace.note(height, self._clock.now())
        metrics.HEIGHT.set(height)
        self._renewing.on_block()

    # ------------------------------------------------------------------------------------------------- the websocket

    async def keep_stream(self) -> None:
        """Keep the websocket, for ever."""
        try:
            await self.stream.run()
        finally:
            await self.stream.close()

    def _on_state(self, up: bool, reason: str) -> None:
        self._stream_reason = "" if up else reason
        self._doubt_all()

    def _on_gap(self, lost: int) -> None:
        log.warning("messages of the account's websocket are lost", extra={"messages": lost})
        self._doubt_all()

    def _on_message(self, message: dict[str, Any]) -> None:
        try:
            facts = facts_of(message)
        except TranslationError as error:
            VENUE_UNDECODABLE.labels(VENUE, metrics.STREAM).inc()
            log.error("a message of the indexer makes no sense", extra={"error": str(error)})
            self._doubt_all()
            return
        for fact in facts:
            match fact:
                case Height():
                    self._on_height(fact.height)
                    self._on_order_fact(fact)
                    look(self._submission.asking, self._state)
                    metrics.INDEXER_LAG.set(self._state.own.height - self._state.own.indexer_height)
                    self._show_clock(fact.at)
                case Market() | OraclePrice():
                    self._account.on_fact(fact)
                    price = fact.price if isinstance(fact, OraclePrice) else fact.oracle_price
                    if price is not None:
                        self.oracle_prices[fact.ticker] = price
                case MarketChanged():
                    self._account.on_fact(fact)
                case SubaccountChanged():
                    self._account.on_fact(fact)
                    self._on_order_fact(fact)
                    self._doubt(fact.unreadable)
                case SubaccountSnapshot():
                    self._on_order_fact(fact)
                    self._doubt(fact.unreadable)
                case StreamRefused():
                    log.warning("the indexer refuses", extra={"channel": fact.channel, "text": fact.text})

    def _doubt(self, rows: tuple[Unreadable, ...]) -> None:
        """Rows of the account make no sense: they stand until REST has told the same, or otherwise."""
        for row in rows:
            self._unread.park(row, metrics.STREAM)
            self._doubt_all()

    def _doubt_all(self) -> None:
        """Whatever was not heard is asked for."""
        self._reconciled = False
        self._due.set()

    def _on_order_fact(self, fact: Fact) -> None:
        self._submission.act(decide.decide(self._state, fact, self._clock.now()))

    def _show_clock(self, block_at: datetime | None) -> None:
        """Show how far the chain's clock is off. A block is told of after its time: the one told soonest says most."""
        if block_at is not None:
            self._offsets.append((block_at - self._clock.now()).total_seconds())
            VENUE_CLOCK_OFFSET_SECONDS.labels(VENUE).set(max(self._offsets))

    # ---------------------------------------------------------------------------------------------------- the status

    async def run(self) -> None:
        """Reconcile whenever that is due and possible, and say what can be done, for ever."""
        backoff = Backoff(self._settings.retry_delay_seconds, self._settings.retry_delay_seconds_max)
        due_at = 0.0
        await self._qualified()
        while True:
            offered = self._instruments.offered  # a market may come later: it was not readable, or did not trade yet
            self._state.own.symbols = {each.market.clob_pair_id: symbol for symbol, each in offered.items()}
            self._due.clear()
            status, reason = self._obstacle()
            if status is not LinkStatus.READY:
                self._lose(status, reason)
                await self._until_due(RECHECK_SECONDS)
                continue
            if not self._reconciled or time.monotonic() >= min(due_at, self._funding_due_at()):
                if not self._reconciled:
                    self._link.become(LinkStatus.RECONCILING)
                try:
                    await self._reconcile()
                except VenueError as error:
                    log.warning("not reconciled", extra={"error": str(error)})
                    self._reconciled = False
                    self._link.become(LinkStatus.RECONCILING, str(error))
                    await self._until_due(backoff.next_seconds())
                    continue
                due_at = time.monotonic() + self._settings.reconcile_seconds
                backoff.reset()
            if self._obstacle()[0] is LinkStatus.READY and self._reconciled:
                self._link.become(LinkStatus.READY)
            await self._until_due(min(RECHECK_SECONDS, max(0.0, due_at - time.monotonic())))

    def _funding_due_at(self) -> float:
        """When funding is worth asking for (monotonic seconds): a little after the last look, if an hour has turned."""
        looked_at = self._state.own.complete_at
        if looked_at is None or shown_hour(self._clock.now()) <= shown_hour(looked_at):
            return math.inf
        return self._looked_seconds + FUNDING_RECONCILE_SECONDS_MIN

    async def _qualified(self) -> None:
        """Wait until the instruments are known, and say what stands in the way of that."""
        qualified = self._instruments.qualified
        while not qualified.is_set():
            self._link.become(LinkStatus.DOWN, self._obstacle()[1] or "the indexer has not told its markets yet")
            with suppress(TimeoutError):
                async with asyncio.timeout(RECHECK_SECONDS):
                    await qualified.wait()

    def _obstacle(self) -> tuple[LinkStatus, str]:
        """What stands in the way of sending orders; READY = nothing."""
        if not self._link.holds_account():
            return LinkStatus.FROZEN, NOT_RENEWED
        now, seconds_max = time.monotonic(), self._settings.standstill_seconds_max
        # The indexer's height alone does not do: it may be old, and what may have been renewed is taken from the height
        if self._node_reason and (not self._node_told or now - self._node_heard_at > seconds_max):
            return LinkStatus.DOWN, f"the node: {self._node_reason}"
        if self._node_told and self._node.may_not_trade:
            return LinkStatus.FROZEN, self._node.may_not_trade
        if not self.stream.is_up:
            return LinkStatus.DOWN, f"the indexer's websocket: {self._stream_reason or 'connecting'}"
        if now - self._height_moved_at > seconds_max:
            return LinkStatus.FROZEN, f"the chain's height {self._state.own.height} has stood for {seconds_max:g} s"
        if not self.oracle_prices:  # a market order that waits for READY is bounded by one
            return LinkStatus.RECONCILING, "the indexer has not told its prices yet"
        lag_blocks = self._state.own.height - self._state.own.indexer_height
        if lag_blocks > self._settings.indexer_lag_blocks_max:
            return LinkStatus.FROZEN, f"the indexer is {lag_blocks} blocks behind the chain"
        return LinkStatus.READY, ""

    def _lose(self, status: LinkStatus, reason: str) -> None:
        self._reconciled = False
        if status is LinkStatus.DOWN:
            self._account.forget()
        if self._link.status is not status:  # figures in the reason change by the second: told once
            self._link.become(status, reason)

    async def _until_due(self, seconds_max: float) -> None:
        try:
            async with asyncio.timeout(seconds_max):
                await self._due.wait()
        except TimeoutError:
            return

    # -------------------------------------------------------------------------------------------------- reconciling

    async def _reconcile(self) -> None:
        """Ask for everything, report what follows, and return once all of it is stored."""
        began_seconds, began_at, state = time.monotonic(), self._clock.now(), self._state
        self._looked_seconds = began_seconds
        self._reconciled = True  # a loss from here on makes it untrue again
        if not self._questions.begun:
            height = (await self._rest.height()).height
            raise_height(state, height)
            assume_renewed(state)
            # The desk's first look at an account: what was filled before is in the figures, and not the desk's
            state.own.complete_height = state.own.complete_height or height
            self._questions.begun = True
        await self._caught_up(state.own.height)
        found = await self._consistent()
        if found is None:
            log.warning("no snapshot this time: fills keep coming")
            return
        answers, subaccount, payments, rows, block_at = found
        self._unread.answered(ACCOUNT_KINDS, rows, metrics.INDEXER)
        for row in rows:
            if not row.symbol:  # nobody can say what depends on it, so everything does
                raise VenueUnavailableError(f"a {row.kind} can not be read: {row.reason}")
        funding = tuple(funding_report(state.account, payment, self._clock.now()) for payment in payments)
        for report in funding:
            if new_to(state, report):
                metrics.FUNDING_PAYMENTS.inc()
                self._outbox.put(report)
                note_row(state.own.funding_rows, report.symbol, report.at)
        statement = snapshot(state, answers, subaccount, funding, block_at, began_at)
        note_held(state.own.funding_rows, [held.symbol for held in statement.positions], began_at)
        self._account.on_fact(await leverage(self._node, self._subaccount, self._settings.answer_seconds_max))
        if subaccount is not None:
            self._account.on_fact(subaccount)
        if not rows and new_to(state, statement):  # a statement says all that is held, and nobody can say that now
            self._outbox.put(statement)
        await self._outbox.drained()
        if not any(row.kind == FUNDING for row in rows):
            state.own.complete_at = began_at
        forget(state, self._clock.now() - MEMORY, self._submission.asking.open_questions)
        counts = {"orders": len(answers.orders), "fills": len(answers.fills), "funding_payments": len(payments)}
        seconds = round(time.monotonic() - began_seconds, 3)
        log.info("reconciled", extra={"height": answers.height, **counts, "seconds": seconds})

    async def _caught_up(self, height: int) -> None:
        """Wait until the indexer has processed what the chain had."""
        deadline = time.monotonic() + self._settings.answer_seconds_max
        while self._state.own.indexer_height < height:
            if time.monotonic() > deadline:
                raise VenueTimeoutError(f"the indexer has not come to block {height} in time")
            if not self.stream.is_up:
                raise VenueUnavailableError("the indexer's websocket was lost")
            await asyncio.sleep(CATCH_UP_RECHECK_SECONDS)

    async def _consistent(self) -> Consistent | None:
        """Answers and figures between which nothing happened, and the time of a block before them in the same hour: the
        snapshot says what they contain. Funding is in the figures from the hour's first block on, whatever is listed.

        On a busy account there may be no such moment: None if the link is ready all the same, as every answer was
        complete; before it is, an error.
        """
        rest, address, number = self._rest, self._subaccount.address, self._subaccount.number
        # At the first look too: those that the next look will overlap with are in the figures, and are named so
        after = ask_from(self._state.own.funding_rows, self._state.own.complete_at, self._clock.now())
        for _ in range(SNAPSHOT_ATTEMPTS_MAX):
            block_at = (await rest.height()).at or self._clock.now()
            answers = await self._submission.asking.inquire()
            rows: list[Unreadable] = []
            payments = await rest.funding_payments(address, number, after=after, unreadable=rows)
            subaccount = await rest.subaccount(address, number)
            since: list[Unreadable] = []
            again = await rest.fills(address, number, after_height=answers.height, unreadable=since)
            paid_again = await rest.funding_payments(address, number, after=after, unreadable=[])
            known = {fill.id for fill in answers.fills} | {row.key for row in answers.unreadable}
            fills = {fill.id for fill in again} | {row.key for row in since}
            turned = hour_of((await rest.height()).at or self._clock.now()) != hour_of(block_at)
            if fills <= known and paid_again == payments and not turned:
                held = subaccount.unreadable if subaccount is not None else ()
                return answers, subaccount, payments, (*answers.unreadable, *rows, *held), block_at
        if self._link.status is LinkStatus.READY:
            return None
        raise VenueTimeoutError("fills keep coming: there is no moment for a consistent snapshot")
