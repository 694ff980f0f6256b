"""One API session with TWS or IB Gateway: the socket, the raw callbacks, requests with their end markers.

With `venue_orders.py` and `venue_data.py` the only place that knows the vendor's library. Of ib_async it takes the
socket client and the decoder, and not its `Wrapper` and `IB`: those rewrite an order's state from error codes, drop
early commissions and drop fills after a disconnect. Every callback becomes a fact; a request is answered when its end
marker has come, refused by an error that carries its id, or failed: an empty answer and a failed one can not be
confused. A session is used once; after a loss there is a new one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ib_async.client import Client
from ib_async.contract import Contract
from ib_async.order import Order
from msgspec import Struct
from signalbox.errors import VenueError, VenueRefusedError, VenueTimeoutError, VenueUnavailableError
from signalbox.metrics import VENUE_ERRORS, VENUE_MESSAGES, VENUE_UNANSWERED

from gateway_ibkr import metrics, venue_callbacks
from gateway_ibkr.facts import ErrorSeen, Fact, Unreadable, VenueContract
from gateway_ibkr.pacing import MessageWindow
from gateway_ibkr.translate import VENUE
from gateway_ibkr.unanswered import Question, unanswered
from gateway_ibkr.venue_callbacks import CURRENT_TIME, HISTORY, ORDER_NUMBERS_END
from gateway_ibkr.venue_errors import Treatment, connect_advice, is_no_data, is_read_only, problem_of, sentence

log = logging.getLogger(__name__)

T = TypeVar("T")

ORDERS, DATA = "orders", "data"
"""The names of the two sessions: in metrics, and in what is said of them."""

ORDER_QUESTIONS = frozenset({Question.OPEN_ORDERS, Question.COMPLETED_ORDERS})
WITHOUT_ID = ORDER_QUESTIONS | {Question.POSITIONS, Question.ACCOUNT, Question.PRICE_STEPS}

FIRST_REQUEST_ID = ORDER_NUMBERS_END
"""Requests and orders share the space of ids in errors: requests begin where no order number will ever be."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where to connect, as whom, and how long to wait (wall time)."""

    name: str
    host: str
    port: int
    client_id: int
    connect_seconds_max: float
    answer_seconds_max: float


@dataclass
class _Pending:
    what: Question
    answer: asyncio.Future[None]
    items: list[Any] = field(default_factory=list)


class Scribe(Client):
    """ib_async's own writing of a message, kept instead of sent: an order can be composed before it may be sent.

    One for a session: to make one costs more than to write an order.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session.client.wrapper)  # type: ignore[no-untyped-call]
        self._session, self.written = session, ""

    def order(self, number: int, contract: Contract, order: Order) -> str:
        """The message that places an order. It does not wait, so no two are written at a time."""
        self._serverVersion, self.written = self._session.client.serverVersion(), ""
        self.placeOrder(number, contract, order)  # type: ignore[no-untyped-call]
        return self.written

    def isConnected(self) -> bool:
        return True

    def sendMsg(self, msg: str) -> None:
        self.written += msg


class Session:
    """One API session. `await open()`, then requests; `lost` is done when the session is over."""

    def __init__(self, endpoint: Endpoint, on_fact: Callable[[Fact], None]) -> None:
        self.endpoint = endpoint
        self.on_fact = on_fact
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.accounts: tuple[str, ...] = ()
        self.next_valid_id = 0
        self.heard_at = time.monotonic()
        vendor: Any = Client  # untyped
        self.client = vendor(venue_callbacks.Callbacks(self))
        self.client.MaxRequests = 0  # its throttle is one FIFO in which an order waits behind data requests
        venue_callbacks.guard(self.client.decoder, self)
        logging.getLogger("ib_async.client").setLevel(logging.CRITICAL)  # the link says it once, with what to do
        self.client.conn.disconnected += self._disconnected
        self._questions: dict[int, _Pending] = {}
        self._next_request_id = FIRST_REQUEST_ID
        self._window = MessageWindow()
        metrics.watch_messages(endpoint.name, self._window)
        self._sent = VENUE_MESSAGES.labels(VENUE, endpoint.name, "out")
        self._locks: dict[int, asyncio.Lock] = {}
        self._opening: asyncio.Future[None] | None = None

    # --------------------------------------------------------------------------------------------------- its life

    async def open(self) -> None:
        """Begin the session; raises `VenueUnavailableError` that says what to do.

        An error 326 (client id in use) arrives on a socket that then stays silent: it must not wait out the time-out.
        """
        endpoint = self.endpoint
        refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._opening = refused
        connecting = asyncio.ensure_future(
            self.client.connectAsync(endpoint.host, endpoint.port, endpoint.client_id, endpoint.connect_seconds_max)
        )
        try:
            await asyncio.wait([connecting, refused, self.lost], return_when=asyncio.FIRST_COMPLETED)
            if refused.done():
                refused.result()
            if not connecting.done():
                raise VenueUnavailableError(connect_advice(EOFError(), endpoint.host, endpoint.port))
            connecting.result()
            self.accounts = tuple(self.client.getAccounts())  # raises when the socket broke in this very instant
        except VenueError:
            self.close()
            raise
        except (OSError, TimeoutError) as error:
            self.close()
            raise VenueUnavailableError(connect_advice(error, endpoint.host, endpoint.port)) from error
        finally:
            self._opening = None
            refused.cancel()
            if not connecting.done():
                connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)

    def close(self, reason: str = "closed") -> None:
        """End the session at once, also when the other side no longer reads."""
        transport = self.client.conn.transport
        if transport is not None:
            transport.abort()
        self._end(reason)

    @property
    def is_open(self) -> bool:
        return not self.lost.done() and bool(self.client.isReady())

    def _disconnected(self, message: str) -> None:
        self._end(message or "the other side closed the connection")

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        error = VenueUnavailableError(f"the {self.endpoint.name} connection is lost: {reason}")
        for question in self._questions.values():
            if not question.answer.done():
                question.answer.set_exception(error)
        self._questions.clear()

    # ---------------------------------------------------------------------------------------------------- sending

    def new_request_id(self) -> int:
        self._next_request_id += 1
        return self._next_request_id

    async def turn(self) -> None:
        """Wait until one more message may be sent. Whoever sends after it must not wait in between."""
        while (delay_seconds := self._window.delay_seconds(time.monotonic())) > 0:  # noqa: ASYNC110 (only time helps)
            await asyncio.sleep(delay_seconds)
        self._window.note(time.monotonic())
        self._sent.inc()
        if not self.is_open:
            raise VenueUnavailableError(f"the {self.endpoint.name} connection is lost")

    async def ask(
        self,
        key: int,
        send: Callable[[], None],
        kind: type[T] | tuple[type[T], ...],
        question: Question,
        seconds_max: float = 0.0,
    ) -> tuple[T, ...]:
        """Send a request; return the facts of `kind` that came before its end marker, and what could not be decoded.

        Raises `VenueRefusedError` (the venue's code), `VenueTimeoutError` (no end marker in time), or
        `VenueUnavailableError` (the session ended).
        """
        async with self._locks.setdefault(key, asyncio.Lock()) if key < 0 else asyncio.Lock():
            await self.turn()
            pending = _Pending(question, asyncio.get_running_loop().create_future())
            self._questions[key] = pending
            seconds_max = seconds_max or self.endpoint.answer_seconds_max
            try:
                send()
                # Not `wait_for`: in Python 3.11 it loses a cancellation that comes together with the answer
                async with asyncio.timeout(seconds_max):
                    await pending.answer
            except TimeoutError:
                VENUE_UNANSWERED.labels(VENUE, question).inc()
                raise VenueTimeoutError(unanswered(question, seconds_max)) from None
            finally:
                self._questions.pop(key, None)
        kinds: Any = (*kind, Unreadable) if isinstance(kind, tuple) else (kind, Unreadable)
        return tuple(item for item in pending.items if isinstance(item, kinds))

    async def until_lost(self) -> None:
        """Wait for the session's end; raises `VenueUnavailableError` with its reason."""
        raise VenueUnavailableError(await asyncio.shield(self.lost))

    async def heartbeat(self, seconds_max: float) -> float:
        """Prove that the other side lives: a half-open socket looks connected. Raises as `ask` does.

        Returns the venue's clock, in seconds since 1970. It tells whole ones: half a second is what that leaves out.
        """
        told = await self.ask(CURRENT_TIME, self.client.reqCurrentTime, int, Question.TIME, seconds_max)
        return max((told for told in told if isinstance(told, int)), default=0) + 0.5

    # ------------------------------------------------------------------------------------ what the callbacks call

    def item(self, key: int, value: object) -> None:
        """Add to the answer of a running request, if there is one."""
        question = self._questions.get(key)
        if question is not None:
            question.items.append(value)

    def end(self, key: int) -> None:
        """The end marker of a request has come."""
        question = self._questions.get(key)
        if question is not None and not question.answer.done():
            question.answer.set_result(None)

    def unreadable(self, key: int, fact: Unreadable) -> None:
        """A message could not be decoded. It is part of an answer all the same: an incomplete one is not believed."""
        self.item(key, fact)
        question = self._questions.get(key)
        if fact.kind == HISTORY and question is not None and not question.answer.done():
            question.answer.set_exception(VenueTimeoutError(f"the answer can not be read: {fact.reason}"))
        self.on_fact(fact)

    def heard(self) -> None:
        """Bytes have come."""
        self.heard_at = time.monotonic()

    def error(self, request_id: int, code: int, text: str) -> None:
        """An error message: of a session that does not come about, of a request, of an order, or of the whole."""
        treatment = problem_of(code, text).treatment
        VENUE_ERRORS.labels(VENUE, self.endpoint.name, treatment.value.lower()).inc()
        said_elsewhere = treatment is Treatment.CONFIGURATION and self.endpoint.name == DATA and request_id > 0
        if treatment is not Treatment.INFORMATIONAL and not is_no_data(code, text) and not said_elsewhere:
            log.warning("the venue says", extra={"code": code, "text": text, "request": request_id})
        if self._opening is not None and treatment is Treatment.CONNECTIVITY and not self._opening.done():
            self._opening.set_exception(VenueUnavailableError(sentence(code, text)))
        if request_id < 0 and code == 321:
            self._refuse_what_has_no_id(code, text)
        question = self._questions.get(request_id)
        if question is not None and treatment is not Treatment.INFORMATIONAL and not question.answer.done():
            question.answer.set_exception(VenueRefusedError(str(code), text))
            return
        self.on_fact(ErrorSeen(request_id=request_id, code=code, text=text))

    def _refuse_what_has_no_id(self, code: int, text: str) -> None:
        """A refusal without a request's id is of one of the questions that have none, whose end will not come."""
        about = ORDER_QUESTIONS if is_read_only(code, text) else WITHOUT_ID
        for key, pending in self._questions.items():
            if key < 0 and pending.what in about and not pending.answer.done():
                pending.answer.set_exception(VenueRefusedError(str(code), text))


def to_vendor(contract: VenueContract) -> Contract:
    """The library's contract."""
    return Contract(
        conId=contract.con_id,
        symbol=contract.symbol,
        secType=contract.security_type,
        exchange=contract.exchange,
        primaryExchange=contract.primary_exchange,
        currency=contract.currency,
        localSymbol=contract.local_symbol,
        tradingClass=contract.trading_class,
        multiplier=contract.multiplier,
        lastTradeDateOrContractMonth=contract.expiry,
        strike=contract.strike,
        right=contract.right,
    )
