"""The OMS's state as the frames of a checkpoint, and back.

Owns their shape. `SHAPE` changes whenever that does, or the meaning of anything in it: what an older version has
written is then not used, and TRADE is folded from its beginning. It must not know parts, seals or the bus
(`signalbox.checkpointing`).

`capture` takes hold of what changes in place at once, and of the rest by reference: orders, executions and fees are
replaced, never changed. So frames can be made while the state goes on. Fingerprints may be newer than the rest: they
say "perhaps" of some more names, which are looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from signalbox.messages import NEVER
from signalbox.order_terms import protects

from oms.list_folding import note_timer
from oms.state import (
    AccountBook,
    Execution,
    Fee,
    FundingPayment,
    Journal,
    Keep,
    ListState,
    OrderState,
    PositionKey,
    State,
    SymbolBook,
    Unprotected,
)

SHAPE = 11
ROWS_AT_ONCE = 100
SHEETS_AT_ONCE = 8

T = TypeVar("T")


class Begin(Struct, tag=True, frozen=True, kw_only=True):
    """The first frame. `journals` are those of subjects that are no order's."""

    trade_sequence: int
    orders_begun: int
    events: int
    journals: dict[str, Journal]
    unprotected: list[tuple[PositionKey, Unprotected]]


class Lists(Struct, tag=True, frozen=True, kw_only=True):
    """Some lists, those that are over in the order in which they leave; their orders come behind them."""

    rows: list[tuple[ListState, bool]]
    """And whether each is over."""


class Orders(Struct, tag=True, frozen=True, kw_only=True):
    """Some orders, those that have ended in the order in which they leave; those of lists leave with them."""

    rows: list[tuple[OrderState, Journal]]


class Account(Struct, tag=True, frozen=True, kw_only=True):
    """An account's books but for what comes in frames of its own."""

    venue: str
    account: str
    currency: str
    adopted: bool
    adopted_execution_ids: frozenset[str]
    adopted_funding_ids: frozenset[str]
    cash: dict[str, Decimal]
    commission: dict[str, Decimal]
    funding: dict[str, Decimal]
    funding_of_symbols: dict[str, dict[str, Decimal]]
    acts: dict[str, int]
    income: dict[str, Decimal]
    corrections: dict[str, Decimal]
    symbols: dict[str, SymbolBook]
    fills: int
    trade_sequence: int
    changed_at: datetime = NEVER
    changed_by: str = ""
    adopted_funding_until: datetime | None = None


class Rows(Struct, tag=True, frozen=True, kw_only=True):
    """Some of an account's executions, fees and payments."""

    venue: str
    account: str
    executions: list[Execution] = []
    fees: list[tuple[str, Fee]] = []
    funding_payments: list[tuple[str, FundingPayment]] = []


class Left(Struct, tag=True, frozen=True, kw_only=True):
    """Some fingerprints of what has left: of an account's executions, or (without an account) of orders."""

    venue: str
    account: str
    first: int
    prints: bytes
    numbers: bytes


class End(Struct, tag=True, frozen=True, kw_only=True):
    """The last frame, and how many came before it."""

    frames: int


Frame = Begin | Lists | Orders | Account | Rows | Left | End
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode


def capture(state: State) -> tuple[int, Iterator[bytes]]:
    """The state now: the sequence that it goes up to, and frames to be made one after the other, later."""
    begin = _encode(
        Begin(
            trade_sequence=state.trade_sequence,
            orders_begun=state.orders_begun,
            events=state.events,
            journals={key: journal for key, journal in state.journals.items() if key not in state.orders},
            unprotected=list(state.unprotected.items()),
        )
    )
    of_lists = (key for known in state.lists.values() for key in known.orders if key not in state.working)
    keys = (*state.working, *state.ended, *of_lists)
    orders = [(state.orders[key], state.journals[key]) for key in keys]
    over = [(state.lists[name], True) for name in state.lists_over]
    lists = [(known, False) for name, known in state.lists.items() if name not in state.lists_over] + over
    accounts = [_account(book) for book in state.accounts.values()]
    return state.trade_sequence, _with_end(_frames(state, begin, lists, orders, accounts))


def _with_end(frames: Iterator[bytes]) -> Iterator[bytes]:
    count = 0
    for frame in frames:
        count += 1
        yield frame
    yield _encode(End(frames=count))


Captured = tuple[AccountBook, bytes, list[Execution], list[tuple[str, Fee]], list[tuple[str, FundingPayment]]]


def _account(book: AccountBook) -> Captured:
    fields = {name: getattr(book, name) for name in Account.__struct_fields__}
    lists = list(book.executions.values()), list(book.fees.items()), list(book.funding_payments.items())
    return book, _encode(Account(**fields)), *lists


def _frames(
    state: State,
    begin: bytes,
    lists: list[tuple[ListState, bool]],
    orders: list[tuple[OrderState, Journal]],
    accounts: list[Captured],
) -> Iterator[bytes]:
    yield begin
    for some_lists in _some(lists):
        yield _encode(Lists(rows=some_lists))
    for rows in _some(orders):
        yield _encode(Orders(rows=rows))
    for book, head, executions, fees, payments in accounts:
        yield head
        whose: dict[str, Any] = {"venue": book.venue, "account": book.account}
        for some in _some(executions):
            yield _encode(Rows(**whose, executions=some))
        for of_fees in _some(fees):
            yield _encode(Rows(**whose, fees=of_fees))
        for paid in _some(payments):
            yield _encode(Rows(**whose, funding_payments=paid))
        for first, prints, numbers in book.left.packed(SHEETS_AT_ONCE):
            yield _encode(Left(**whose, first=first, prints=prints, numbers=numbers))
    for first, prints, numbers in state.left.packed(SHEETS_AT_ONCE):
        yield _encode(Left(venue="", account="", first=first, prints=prints, numbers=numbers))


def _some(rows: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(rows)
    while some := list(islice(rest, ROWS_AT_ONCE)):
        yield some


class StateLoader:
    """Makes a state of frames, in the order in which they were made. Any error means that they are not to be used."""

    def __init__(self, keep: Keep) -> None:
        self.state = State(keep=keep)
        self._frames, self._is_whole = 0, False

    def take(self, packed: bytes) -> None:
        """Take in the next frame."""
        state, frame = self.state, _decode(packed)
        if isinstance(frame, Begin):
            state.trade_sequence, state.orders_begun = frame.trade_sequence, frame.orders_begun
            state.events = frame.events
            state.journals |= frame.journals
            state.unprotected = dict(frame.unprotected)
        elif isinstance(frame, Lists):
            for known, is_over in frame.rows:
                state.lists[known.list_id] = known
                (state.lists_over if is_over else state.lists_awake)[known.list_id] = None
                note_timer(state, known)
        elif isinstance(frame, Orders):
            for order, journal in frame.rows:
                self._order(order, journal)
        elif isinstance(frame, Account):
            fields = {name: getattr(frame, name) for name in Account.__struct_fields__}
            state.accounts[frame.venue, frame.account] = AccountBook(keep=state.keep, **fields)
        elif isinstance(frame, End):
            self._is_whole = self._frames == frame.frames
        elif isinstance(frame, Left):
            left = state.accounts[frame.venue, frame.account].left if frame.venue else state.left
            left.unpack(frame.first, frame.prints, frame.numbers)
        else:
            book = state.accounts[frame.venue, frame.account]
            book.executions |= {execution.fill.execution_id: execution for execution in frame.executions}
            book.fees |= dict(frame.fees)
            book.funding_payments |= dict(frame.funding_payments)
        self._frames += 1

    def _order(self, order: OrderState, journal: Journal) -> None:
        state, key = self.state, order.key
        state.orders[key], state.journals[key] = order, journal
        part = order.order.part if order.order is not None else None
        if order.is_final:
            if part is None or part.list_id not in state.lists:
                state.ended[key] = None
        else:
            state.working.add(key)
            if order.order is not None and protects(order.order):
                state.working_stops.setdefault((order.venue, order.account, order.order.symbol), set()).add(key)

    def finish(self) -> None:
        """All frames have been taken; raises `ValueError` where some are missing."""
        if not self._is_whole:
            raise ValueError("the frames are not all of a state")
