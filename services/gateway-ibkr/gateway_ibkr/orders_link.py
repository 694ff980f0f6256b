"""The orders session's life: connect, qualify, reconcile, be ready, notice its end, and again.

Owns when orders may be sent. Between a session's beginning and READY stand: the right account, every instrument
qualified, complete answers (open orders, executions, completed orders, positions, account), every report that follows
from them stored, and a snapshot stored. Nothing that fails there is taken for "empty": the session is begun anew.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextlib import suppress

from signalbox.clock import DeskClock
from signalbox.desk import Mode
from signalbox.errors import (
    TranslationError,
    VenueError,
    VenueRefusedError,
    VenueTimeoutError,
    VenueUnavailableError,
)
from signalbox.gateway.ending import until_one_ends
from signalbox.gateway.parking import parked
from signalbox.gateway.retrying import Backoff
from signalbox.gateway.running import Gateway
from signalbox.gateway.state import new_to
from signalbox.gateway.submission import Submission
from signalbox.messages import LinkStatus
from signalbox.metrics import VENUE_CLOCK_OFFSET_SECONDS, VENUE_UNDECODABLE
from signalbox.venue_figures import ConnectionShown

from gateway_ibkr import decide, sense, settling
from gateway_ibkr.account import unknown
from gateway_ibkr.asking import MEMORY, POSITIONS, Questions
from gateway_ibkr.facts import (
    AccountAnswers,
    AccountValueSeen,
    CommissionSeen,
    ErrorSeen,
    Fact,
    OrderFact,
    PnlSeen,
    PositionSeen,
)
from gateway_ibkr.freeze import Freeze
from gateway_ibkr.instruments import Offered, qualify
from gateway_ibkr.orders import Orders
from gateway_ibkr.profit_watch import ProfitWatch
from gateway_ibkr.reconcile import Answers, positions_of, snapshot
from gateway_ibkr.settings import Settings, session_mistake
from gateway_ibkr.state import State, forget, raise_number
from gateway_ibkr.translate import NOT_RECKONED, VENUE, position_of
from gateway_ibkr.venue import ORDERS, Endpoint, Session
from gateway_ibkr.venue_data import DataSession
from gateway_ibkr.venue_errors import Treatment, is_no_data, is_read_only, problem_of, sentence
from gateway_ibkr.venue_orders import OrdersSession

log = logging.getLogger(__name__)

SNAPSHOT_ATTEMPTS_MAX = 5
CLOCK_SECONDS_MIN = 1.0
FREEZE_LOOK_SECONDS = 1.0
LATELY_SECONDS, LATELY_STEP_SECONDS, LATELY_STEPS = 3600, 60, 60
PORT_MOVED = 1300
RESTORED = "the connection to IBKR is back"
DISPROVED = "IBKR's servers answer, although TWS has not said that it is back"


class OrdersLink:
    """Keeps one orders session at a time."""

    def __init__(
        self,
        clock: DeskClock,
        state: State,
        gateway: Gateway[Offered],
        orders: Orders,
        questions: Questions,
        submission: Submission,
        settings: Settings,
        mode: Mode,
        place: int = 0,
    ) -> None:
        self._clock, self._state, self._link, self._outbox = clock, state, gateway.link, gateway.outbox
        self._orders, self._questions, self._submission = orders, questions, submission
        self._parking = gateway.parking
        self._account, self._instruments = gateway.account, gateway.instruments
        self._settings, self._mode = settings, mode
        self._is_first = not place
        self._endpoint = Endpoint(
            name=f"{ORDERS}-{place + 1}" if place else ORDERS,
            host=settings.ibkr_host,
            port=settings.ibkr_port,
            client_id=state.own.client_id,
            connect_seconds_max=settings.connect_seconds_max,
            answer_seconds_max=settings.answer_seconds_max,
        )
        self._shown = ConnectionShown(VENUE, self._endpoint.name)
        self.profit = ProfitWatch(clock, state, gateway.link, settings)
        self._freeze = Freeze()
        self._unanswered = ""
        self._moved = ""
        """That TWS has said where else it listens from now on."""
        self._owed = False
        """The account's figures are incomplete, and a snapshot can not be made: it is, as soon as they are not."""
        self._restored = asyncio.Event()

    async def run(self) -> None:
        """Keep a session, for ever."""
        backoff = Backoff(self._settings.retry_delay_seconds, self._settings.retry_delay_seconds_max)
        while True:
            session = Session(self._endpoint, self._on_fact)
            self._freeze.over()
            try:
                reason = await self._reason_of_end(self._live(session))
            finally:
                session.close()  # also when the process is told to stop: the client id is free at once
            if self._moved and self._moved not in reason:
                reason = f"{reason}; TWS said before: {self._moved}"
            was_ready = self._link.status in (LinkStatus.READY, LinkStatus.FROZEN)
            self._orders.session = None
            self._account.forget()
            self._link.become(LinkStatus.DOWN, reason)
            self._shown.down()
            if was_ready:
                backoff.reset()
            await asyncio.sleep(backoff.next_seconds())

    async def _live(self, session: Session) -> None:
        """Live through one session; raises `VenueError` with the reason of its end."""
        await session.open()
        self._moved = ""
        mistake = session_mistake(self._state.account, session.accounts, self._mode)
        if mistake:
            raise VenueUnavailableError(mistake)
        self._state.own.is_shared = len(session.accounts) > 1
        self._shown.up()
        raise_number(self._state, session.next_valid_id)
        orders = OrdersSession(session)
        self._orders.session = orders
        self._link.become(LinkStatus.RECONCILING, self._unanswered)
        await until_one_ends(self._beat(session), self._work(orders), self.profit.watch(orders), session.until_lost())

    async def _reason_of_end(self, live: Awaitable[None]) -> str:
        """Live, and say why it ended. What TWS did not answer is told until the next answers are complete."""
        try:
            await live
        except VenueTimeoutError as error:
            self._unanswered = str(error)
            return str(error)
        except VenueRefusedError as error:
            self._unanswered = sentence(int(error.code), error.text)
            return self._unanswered
        except VenueError as error:
            return str(error)
        return "the session has ended"

    async def _beat(self, session: Session) -> None:
        while True:
            await asyncio.sleep(self._settings.heartbeat_seconds)
            venue_seconds = await session.heartbeat(self._settings.heartbeat_answer_seconds_max)
            if venue_seconds < CLOCK_SECONDS_MIN:
                continue  # no time at all
            VENUE_CLOCK_OFFSET_SECONDS.labels(VENUE).set(venue_seconds - self._clock.now().timestamp())

    async def _work(self, orders: OrdersSession) -> None:
        async with self._instruments.one_at_a_time:
            await qualify(
                self._instruments, orders, self._state, self._clock, self._parking, margins_again=self._is_first
            )
        await self.profit.begin(orders)
        while True:
            self._restored.clear()
            await self._reconcile(orders)
            self._unanswered = ""
            if self._freeze.reason:
                self._link.become(LinkStatus.FROZEN, self._freeze.described())
            else:
                self._link.become(LinkStatus.READY)
            self._link.become(LinkStatus.RECONCILING, await self._until_restored(orders))

    async def _until_restored(self, orders: OrdersSession) -> str:
        """Wait until TWS has IBKR again, by its own word or by what IBKR's servers say; how it is known."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FREEZE_LOOK_SECONDS):
                    await self._restored.wait()
                    return RESTORED
            await self._ask_the_servers(orders)
            if self._freeze.is_disproved(self._state.own.served_seconds):
                self._freeze.over()
                log.warning("TWS has not said that it is back, and IBKR's servers answer: orders are read again")
                return DISPROVED

    async def _ask_the_servers(self, orders: OrdersSession) -> None:
        """Ask what TWS can not answer without IBKR: the history of any instrument, also while its market is closed."""
        offered = next(iter(self._instruments.offered.values()), None)
        if offered is None or not self._freeze.may_ask(time.monotonic()):
            return
        try:
            session, seconds_max = DataSession(orders.session), self._settings.answer_seconds_max
            lately_seconds = LATELY_SECONDS + LATELY_STEP_SECONDS * (self._freeze.asked_ever % LATELY_STEPS)
            await session.minute_history(offered.contract, "", f"{lately_seconds} S", seconds_max)
        except VenueRefusedError as error:
            if not is_no_data(int(error.code), error.text):
                self._link.become(LinkStatus.FROZEN, self._freeze.described())
                return
        except VenueTimeoutError:
            self._link.become(LinkStatus.FROZEN, self._freeze.described())
            return
        self._state.own.served_seconds = time.monotonic()

    # -------------------------------------------------------------------------------------------------- reconciling

    async def _reconcile(self, orders: OrdersSession) -> None:
        """Ask for everything, report what follows, and return once all of it is stored."""
        began_seconds = time.monotonic()
        answers, figures = await self._consistent(orders)
        self._parking.answered((sense.POSITION,), figures.unread)
        for unread in figures.unread:
            self._parking.park(unread)
        self._account.on_fact(figures)
        self._settle(figures)
        self._questions.hold({held.symbol: held.quantity for held in positions_of(self._state, figures)})
        try:
            statement = snapshot(self._state, answers, figures, self._clock.now())
        except TranslationError as error:  # risk has no figures and denies; what needs none of them goes on
            self._owed = True
            self._parking.park(parked(sense.ACCOUNT_FIGURE, "snapshot", str(error), figures.values))
        else:
            self._owed = False
            self._parking.read(sense.ACCOUNT_FIGURE, "snapshot")
            if new_to(self._state, statement):
                self._outbox.put(statement)
        await self._outbox.drained()
        # Here, because TWS restarts every day: what is remembered is bounded by days
        forget(self._state, self._clock.now() - MEMORY, self._submission.asking.open_questions)
        log.info(
            "reconciled",
            extra={
                "open_orders": len(answers.open_orders),
                "executions": len(answers.executions),
                "completed": len(answers.completed),
                "positions": len(figures.positions),
                "seconds": round(time.monotonic() - began_seconds, 3),
            },
        )

    def _settle(self, figures: AccountAnswers) -> None:
        """Report what has become of options without an execution, as while this process, or the session, was away."""
        if not self._state.own.knows_positions:
            return
        stated = {held.symbol: held.quantity for held in positions_of(self._state, figures)}
        told = settling.settle(self._state, stated, self._clock.now())
        settling.tell(told)
        for report in told:
            self._outbox.put(report)

    async def _consistent(self, orders: OrdersSession) -> tuple[Answers, AccountAnswers]:
        """Answers and figures between which no execution happened: the snapshot says which ones it contains."""
        for _ in range(SNAPSHOT_ATTEMPTS_MAX):
            answers = await self._submission.asking.inquire()
            positions, unread = sense.sift(
                filter(self._is_ours, await orders.positions()), self._clock.now(), self._state.own
            )
            values = await orders.account_values(self._state.account)
            figures = AccountAnswers(positions=positions, values=values, unread=unread)
            again, _ = sense.sift(await orders.executions(), self._clock.now(), self._state.own)
            if {seen.execution_id for seen in again} == {seen.execution_id for seen in answers.executions}:
                return answers, figures
        raise VenueTimeoutError("executions keep coming: there is no moment for a consistent snapshot")

    async def ask_figures(self) -> None:
        """Have the account's values said again, all of them, and its positions; they come as facts.

        Positions say nothing while nobody trades, so nobody would notice that they have stopped. Raises `VenueError`.
        """
        orders = self._orders.open_session()
        await orders.account_values(self._state.account)
        await orders.positions()

    # -------------------------------------------------------------------------------------------------------- facts

    def _is_ours(self, fact: object) -> bool:
        """Whether a fact is of this account, as far as can be told: an advisor's login hears of others too."""
        account = getattr(fact, "account", self._state.account)
        return not isinstance(account, str) or account in ("", self._state.account)

    def _on_fact(self, fact: Fact) -> None:
        try:
            sense.check(fact, self._clock.now(), self._state.own)
        except TranslationError as error:
            VENUE_UNDECODABLE.labels(VENUE, self._endpoint.name).inc()
            if self._is_ours(fact):
                self._parking.park(sense.park(fact, error, self._state.own))
            if isinstance(fact, AccountValueSeen | PnlSeen):
                self._account.on_fact(unknown(fact))
            return
        if not isinstance(fact, CommissionSeen) or fact.commission not in NOT_RECKONED:
            self._parking.read(*sense.place_of(fact))
        if isinstance(fact, AccountValueSeen | PnlSeen):
            if isinstance(fact, PnlSeen):
                self.profit.heard()
            self._account.on_fact(fact)
            if self._owed and self._account.is_complete():
                self._restored.set()
        elif isinstance(fact, ErrorSeen) and (self.profit.on_error(fact) or self._on_link_error(fact)):
            return
        elif isinstance(fact, PositionSeen):
            self._on_position(fact)
        else:
            self._on_order_fact(fact)  # type: ignore[arg-type]  # this session has no market data
            if isinstance(fact, ErrorSeen) and is_read_only(fact.code, fact.text):
                self._end_session(sentence(fact.code, fact.text))

    def _end_session(self, reason: str) -> None:
        """Nothing can be sent over it: the next one becomes READY when that is over, and its answers tell the rest."""
        if self._orders.session is not None:
            self._unanswered = reason
            self._orders.session.session.close(reason)

    def _on_order_fact(self, fact: OrderFact) -> None:
        self._submission.act(decide.decide(self._state, fact, self._clock.now()))

    def _on_position(self, fact: PositionSeen) -> None:
        if self._link.status is LinkStatus.READY and fact.account == self._state.account:
            held = position_of(fact, self._state.own.symbols, self._state.own.untold)
            if self._questions.on_position(held.symbol, held.quantity):
                self._submission.asking.later(POSITIONS)

    def _on_link_error(self, fact: ErrorSeen) -> bool:
        treatment = problem_of(fact.code, fact.text).treatment
        if fact.code == PORT_MOVED:
            self._moved = sentence(fact.code, fact.text)
        if treatment is Treatment.LINK_LOST:
            self._freeze.lost(sentence(fact.code, fact.text), time.monotonic())
            if self._link.status is LinkStatus.READY:
                self._link.become(LinkStatus.FROZEN, self._freeze.described())
        elif treatment in (Treatment.LINK_RESTORED, Treatment.LINK_RESTORED_DATA_LOST):
            self._freeze.over()
            if self._link.status is LinkStatus.READY:
                self._link.become(LinkStatus.RECONCILING, RESTORED)
            self._restored.set()
        else:
            return False
        return True
