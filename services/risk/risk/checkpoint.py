"""What risk has folded of TRADE as the frames of a checkpoint, and back.

Owns their shape. `SHAPE` changes whenever that does, or the meaning of anything in it (the places of words in
`risk.known` too): what an older version has written is then not used, and TRADE is folded from its beginning. It must
not know parts, seals or the bus (`signalbox.checkpointing`).

What is observed beside TRADE is not in it, and what follows from both (values, sums) is reckoned again when it is
restored: a state that was restored is the one that was folded with the same observations.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from signalbox.average_cost import Holding as Bought
from signalbox.desk import Desk
from signalbox.messages import Fill, FlattenIntent, LimitsRefused, LimitsSet, SwitchSeen

from risk.answered import AnsweredIntents, AnsweredLimits
from risk.exposure import restore_books
from risk.known import KnownIds
from risk.pulls import REJECTIONS_KEPT_MAX, Pull, Pulled, Pulls, Unknown
from risk.rules import with_limits
from risk.state import RATE_WINDOW, AccountBooks, Flatten, Group, Holding, Market, RiskState, Scope, WorkingOrder
from risk.traded import Losses, Traded

SHAPE = 6
LASTING = ("day", "opening", "lowest", "peak", "last", "moved_at", "in_a_row", "closed_at")
ROWS_AT_ONCE = 200
ANSWERS_AT_ONCE = 2_000
SHEETS_AT_ONCE = 16

T = TypeVar("T")


class HoldingRow(Struct, frozen=True, kw_only=True):
    """What TRADE says of a position. Currency and multiplier are what an order or the baseline said first."""

    symbol: str
    quantity: Decimal
    traded_mark: Decimal | None
    currency: str
    multiplier: Decimal
    rescaled: list[tuple[datetime, Decimal, Decimal]] = []


class TradedRow(Struct, frozen=True, kw_only=True):
    """What has come of a symbol: see `risk.traded.Traded`."""

    symbol: str
    held: Bought
    begun: Decimal
    stopped_at: datetime | None


class LossesRow(Struct, frozen=True, kw_only=True):
    """What the account has won and lost: see `risk.traded.Losses`."""

    traded: list[TradedRow]
    day: datetime | None
    opening: Decimal
    lowest: Decimal
    peak: Decimal | None
    last: Decimal | None
    moved_at: datetime | None
    in_a_row: int
    closed_at: datetime | None


class Begin(Struct, tag=True, frozen=True, kw_only=True):
    """The first frame. `last_decision` is where TRADE has it; `messages` of TRADE are in all of this."""

    folded_up_to: int
    last_decision: int
    messages: int
    unread_event: str
    decided_count: int
    in_flight: list[str]
    groups: dict[str, Decimal]
    """What is left of each group of orders that depend on each other."""
    attached: dict[str, tuple[Decimal, Decimal]]
    """Of those that were sent with their entry: what they are for in all, and what of the entry has filled."""
    switches: list[tuple[Scope, SwitchSeen]]
    """What is not ACTIVE by a person's word, or a list's."""
    pulled: list[tuple[Pull, Pulled]]
    ended: list[tuple[Pull, datetime]]
    resumed: list[tuple[Scope, int]]
    unknown: dict[str, Unknown]
    rejections: list[tuple[tuple[str, str], list[datetime]]]
    limits: LimitsSet | None
    """Those that operators have set last."""
    limits_answered: list[str]
    limits_refused: LimitsRefused | None


class Answered(Struct, tag=True, frozen=True, kw_only=True):
    """Some of the intents that were decided lately, the oldest first."""

    rows: list[tuple[int, datetime]]


class Orders(Struct, tag=True, frozen=True, kw_only=True):
    """Some orders that work, or (`refused`) the terms of some that were rejected, the oldest first."""

    refused: bool
    rows: list[tuple[str, WorkingOrder]]


class Account(Struct, tag=True, frozen=True, kw_only=True):
    """What TRADE says of one account, but for its orders."""

    venue: str
    account: str
    adopted_source: str
    adopted_execution_ids: frozenset[str]
    fills_before_adoption: list[Fill]
    currency: str
    holdings: list[HoldingRow]
    approvals: list[datetime]
    approvals_by_name: dict[str, list[datetime]]
    unconfirmed_fills: list[tuple[datetime, Decimal]]
    losses: LossesRow


class Flattens(Struct, tag=True, frozen=True, kw_only=True):
    """A flatten that is under way, but for what is only seen of it."""

    intent: FlattenIntent
    sequence: int
    stored_at: datetime
    by: str
    began: datetime
    until: datetime
    orders: int
    tries: list[tuple[Market, bool, int, Decimal, datetime]]


class Known(Struct, tag=True, frozen=True, kw_only=True):
    """Some of the ids that are used up."""

    first: int
    prints: bytes
    numbers: bytes


class End(Struct, tag=True, frozen=True, kw_only=True):
    """The last frame, and how many came before it."""

    frames: int


Frame = Begin | Answered | Orders | Account | Flattens | Known | End
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode


def context_of(desk: Desk) -> str:
    """A hash of what the fold takes from the desk file: with another one TRADE is folded from its beginning."""
    taken = (desk.limits.price_collar_fraction, sorted(desk.fx_rates.items()))
    return sha256(msgspec.json.encode(taken)).hexdigest()


def capture(state: RiskState, last_decision: int, messages: int) -> Iterator[bytes]:
    """The state now, as frames to be made one after the other, later. What changes in place is copied at once."""
    begin = Begin(
        folded_up_to=state.folded_up_to,
        last_decision=last_decision,
        messages=messages,
        unread_event=state.unread_event,
        decided_count=state.known.decided_count,
        in_flight=sorted(state.in_flight),
        groups={name: group.left for name, group in state.groups.items()},
        attached={name: (group.given, group.entered) for name, group in state.groups.items() if group.is_attached},
        switches=list(state.switches.items()),
        pulled=list(state.pulls.pulled.items()),
        ended=list(state.pulls.ended.items()),
        resumed=list(state.pulls.resumed.items()),
        unknown=dict(state.pulls.unknown),
        rejections=[(account, list(times)) for account, times in state.pulls.rejections.items()],
        limits=state.rules.limits,
        limits_answered=list(state.limits_answered.ids),
        limits_refused=state.limits_answered.refused,
    )
    orders = [(key, replace(order)) for key, order in state.orders.items()]
    refused = [(key, replace(order)) for key, order in state.refused.items()]
    accounts = [_account(*key, books) for key, books in state.books.items()]
    flattens = [_flatten(flatten) for flatten in state.flattens.values()]
    return _with_end(_frames(begin, state.answered.rows(), orders, refused, accounts, flattens, state.known))


def _flatten(flatten: Flatten) -> Flattens:
    return Flattens(
        intent=flatten.intent,
        sequence=flatten.sequence,
        stored_at=flatten.stored_at,
        by=flatten.by,
        began=flatten.began,
        until=flatten.until,
        orders=flatten.orders,
        tries=[(market, closes, *last) for (market, closes), last in flatten.tries.items()],
    )


def _account(venue: str, account: str, books: AccountBooks) -> Account:
    newest = max(books.approvals, default=None)
    by_name = {
        name: list(lately)
        for name, lately in books.approvals_by_name.items()
        if lately and newest is not None and newest - lately[-1] < RATE_WINDOW
    }
    return Account(
        venue=venue,
        account=account,
        adopted_source=books.adopted_source,
        adopted_execution_ids=books.adopted_execution_ids,
        fills_before_adoption=list(books.fills_before_adoption.values()),
        currency=books.currency,
        holdings=[
            HoldingRow(
                symbol=symbol,
                quantity=holding.quantity,
                traded_mark=holding.traded_mark,
                currency=holding.currency,
                multiplier=holding.multiplier,
                rescaled=list(holding.rescaled),
            )
            for symbol, holding in books.holdings.items()
        ],
        approvals=list(books.approvals),
        approvals_by_name=by_name,
        unconfirmed_fills=list(books.unconfirmed_fills),
        losses=_losses(books.losses),
    )


def _losses(losses: Losses) -> LossesRow:
    return LossesRow(
        traded=[
            TradedRow(symbol=symbol, held=each.held, begun=each.begun, stopped_at=each.stopped_at)
            for symbol, each in losses.traded.items()
        ],
        **{name: getattr(losses, name) for name in LASTING},
    )


def _frames(
    begin: Begin,
    answered: Iterable[tuple[int, datetime]],
    orders: list[tuple[str, WorkingOrder]],
    refused: list[tuple[str, WorkingOrder]],
    accounts: list[Account],
    flattens: list[Flattens],
    known: KnownIds,
) -> Iterator[bytes]:
    yield _encode(begin)
    for answers in _some(answered, ANSWERS_AT_ONCE):
        yield _encode(Answered(rows=answers))
    for is_refused, rows in ((False, orders), (True, refused)):
        for some in _some(rows, ROWS_AT_ONCE):
            yield _encode(Orders(refused=is_refused, rows=some))
    for account in accounts:
        yield _encode(account)
    for flatten in flattens:
        yield _encode(flatten)
    for first, prints, numbers in known.packed(SHEETS_AT_ONCE):
        yield _encode(Known(first=first, prints=prints, numbers=numbers))


def _with_end(frames: Iterator[bytes]) -> Iterator[bytes]:
    count = 0
    for frame in frames:
        count += 1
        yield frame
    yield _encode(End(frames=count))


def _some(rows: Iterable[T], at_once: int) -> Iterator[list[T]]:
    rest = iter(rows)
    while some := list(islice(rest, at_once)):
        yield some


@dataclass(frozen=True, slots=True)
class Folded:
    """How far a checkpoint goes, beside the state."""

    last_decision: int
    messages: int


class StateLoader:
    """Gathers the frames of a checkpoint; `restore` puts them into a state that has only observed so far."""

    def __init__(self) -> None:
        self._begin: Begin | None = None
        self._answered = AnsweredIntents()
        self._orders: dict[str, WorkingOrder] = {}
        self._refused: dict[str, WorkingOrder] = {}
        self._accounts: list[Account] = []
        self._flattens: dict[str, Flatten] = {}
        self._known = KnownIds()
        self._frames, self._is_whole = 0, False

    def take(self, packed: bytes) -> None:
        """Take in the next frame."""
        frame = _decode(packed)
        match frame:
            case Begin():
                self._begin = frame
            case Answered():
                for sequence, stored_at in frame.rows:
                    self._answered.add(sequence, stored_at)
            case Orders():
                (self._refused if frame.refused else self._orders).update(frame.rows)
            case Account():
                self._accounts.append(frame)
            case Flattens():
                tries = {(market, closes): (count, held, at) for market, closes, count, held, at in frame.tries}
                self._flattens[frame.intent.id] = Flatten(
                    frame.intent,
                    frame.sequence,
                    frame.stored_at,
                    frame.by,
                    frame.began,
                    frame.until,
                    frame.orders,
                    tries,
                )
            case Known():
                self._known.unpack(frame.first, frame.prints, frame.numbers)
            case End():
                self._is_whole = self._frames == frame.frames
        self._frames += 1

    def finish(self) -> None:
        """All frames have been taken; raises `ValueError` where some are missing."""
        if self._begin is None or not self._is_whole:
            raise ValueError("the frames are not all of a state")

    def restore(self, state: RiskState) -> Folded:
        """Put it all into `state`; how far it goes."""
        begin = self._begin
        assert begin is not None
        state.folded_up_to, state.unread_event = begin.folded_up_to, begin.unread_event
        state.answered, state.known = self._answered, self._known
        state.known.decided_count = begin.decided_count
        state.in_flight, state.refused = set(begin.in_flight), self._refused
        state.groups = {name: Group(left) for name, left in begin.groups.items()}
        for name, (given, entered) in begin.attached.items():
            state.groups[name] = Group(begin.groups[name], True, given, entered)
        state.flattens = self._flattens
        state.switches = dict(begin.switches)
        state.pulls = Pulls(
            pulled=dict(begin.pulled),
            ended=dict(begin.ended),
            resumed=dict(begin.resumed),
            unknown=begin.unknown,
            rejections={account: deque(times, REJECTIONS_KEPT_MAX) for account, times in begin.rejections},
        )
        state.rules = with_limits(state.rules, begin.limits)
        state.limits_answered = AnsweredLimits(begin.limits_answered, begin.limits_refused)
        for account in self._accounts:
            books = AccountBooks(
                adopted_source=account.adopted_source,
                adopted_execution_ids=account.adopted_execution_ids,
                fills_before_adoption={fill.execution_id: fill for fill in account.fills_before_adoption},
                currency=account.currency,
                holdings={row.symbol: _holding(row) for row in account.holdings},
                approvals=deque(account.approvals),
                approvals_by_name={name: deque(lately) for name, lately in account.approvals_by_name.items()},
                unconfirmed_fills=deque(account.unconfirmed_fills),
                losses=_restored(account.losses),
            )
            restore_books(state, (account.venue, account.account), books, self._orders)
        return Folded(begin.last_decision, begin.messages)


def _restored(row: LossesRow) -> Losses:
    traded = {each.symbol: Traded(each.held, each.begun, stopped_at=each.stopped_at) for each in row.traded}
    return Losses(traded, **{name: getattr(row, name) for name in LASTING})


def _holding(row: HoldingRow) -> Holding:
    return Holding(
        quantity=row.quantity,
        traded_mark=row.traded_mark,
        currency=row.currency,
        multiplier=row.multiplier,
        rescaled=row.rescaled,
    )
