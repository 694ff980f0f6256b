"""What waits to be decided, and whose turn it is. Pure: time comes in as seconds of a steady clock.

Owns fairness between the names that the server saw send: however much one of them sends, another one's cancel is among
the next few decisions. There are two lanes, cancels and orders, and they alternate, so neither starves the other. In
each lane the names take turns. Within a name and lane what came first is decided first, but for one case: an order
that is to be cancelled moves up to the cancels, right before its cancel, so that no cancel overtakes its own order.
A cancel of many keeps its place among all that its sender sends: what he sent before moves up before it, and what he
sends after it, while it waits, stands behind it in the same lane. So it is for what he has sent, and for nothing else.

Each name may have only so many decisions at a stretch, by lane (a bucket that fills up again slowly): what is decided
is stored for ever, and so is what follows: a cancel of many costs as many as it is for. What is beyond that waits on in
the stream, which refuses more at its door. While the room for
decisions is almost used up, whoever has had many waits: what is left is for order events, and for everybody else.

It must not know what an intent says but whether it cancels, and which order, or many. Names are those that the server
has accounts for: few.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from signalbox.streams import INTENTS_PER_NAME_MAX

DECISIONS_BURST_MAX = 20_000.0
DECISIONS_PER_SECOND = 20.0
"""Of one name and lane: so many at a stretch, and so many a second for ever after."""
BRIEF_BELOW = DECISIONS_BURST_MAX / 2
"""Whoever has used up half of it is denied in few words."""
KEPT_BYTES_PER_NAME_MAX = 1024 * 1024
"""Payloads beyond that are left in the stream, and read from there at their turn."""

T = TypeVar("T")


class Lane(StrEnum):
    CANCELS = "cancels"
    ORDERS = "orders"


class Offer(StrEnum):
    """What became of an intent that was offered."""

    WAITS = "waits"
    WAITS_ALREADY = "waits already"
    TOO_MANY = "too many"


@dataclass(slots=True)
class Waiting(Generic[T]):
    """An intent that waits. `message` is None when its payload was left in the stream; `reply` acknowledges it.

    `intent_id` is that of an order, `cancels` the order id of a cancel; either may be empty. `cancels_many` = it is a
    cancel of many.
    """

    sequence: int
    name: str
    lane: Lane
    intent_id: str
    cancels: str
    bytes: int
    message: T | None
    reply: str
    cancels_many: bool = False
    waits_for_venue: bool = True
    """It may be put aside while its venue is away."""
    moved: bool = False
    """It has moved up: what is left at its former place is passed over."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_seconds: float

    def fill(self, now_seconds: float) -> float:
        """What is in it now."""
        added = max(0.0, now_seconds - self.at_seconds) * DECISIONS_PER_SECOND
        self.tokens, self.at_seconds = min(DECISIONS_BURST_MAX, self.tokens + added), now_seconds
        return self.tokens


@dataclass(slots=True)
class _Name(Generic[T]):
    lanes: dict[Lane, deque[Waiting[T]]] = field(default_factory=lambda: {lane: deque() for lane in Lane})
    buckets: dict[Lane, _Bucket] = field(default_factory=dict)
    orders: dict[str, Waiting[T]] = field(default_factory=dict)
    """The orders that wait, by id; of several with one id the first, which is the one that counts."""
    waiting: int = 0
    waiting_cancels_of_many: int = 0
    kept_bytes: int = 0


class Intake(Generic[T]):
    """Everything that waits. `offer` what comes, then `next` until it says None."""

    def __init__(self, waiting_per_name_max: int = INTENTS_PER_NAME_MAX) -> None:
        self._waiting_per_name_max = waiting_per_name_max
        self._names: dict[str, _Name[T]] = {}
        self._turns: dict[Lane, deque[str]] = {lane: deque() for lane in Lane}
        """Names with something in a lane, whose turn it is first."""
        self._sequences: dict[int, Waiting[T]] = {}
        self._last_lane = Lane.ORDERS
        self._tokens_min = 1.0

    def spare(self, room_is_scarce: bool) -> None:
        """Whether what is decided finds little room: then a name that has used up half of its decisions has none."""
        self._tokens_min = BRIEF_BELOW if room_is_scarce else 1.0

    def __len__(self) -> int:
        return len(self._sequences)

    def waiting_by_name(self) -> dict[str, int]:
        """How many intents of each name wait, of every name that was ever heard of."""
        return {name: known.waiting for name, known in self._names.items()}

    def offer(self, waiting: Waiting[T], now_seconds: float) -> Offer:
        """Take one in; one that waits already only learns how to acknowledge it."""
        known = self._sequences.get(waiting.sequence)
        if known is not None:
            known.reply = waiting.reply or known.reply
            return Offer.WAITS_ALREADY
        name = self._names.get(waiting.name)
        if name is None:
            buckets = {lane: _Bucket(DECISIONS_BURST_MAX, now_seconds) for lane in Lane}
            name = self._names[waiting.name] = _Name(buckets=buckets)
        if name.waiting >= self._waiting_per_name_max:
            return Offer.TOO_MANY
        if name.kept_bytes + waiting.bytes > KEPT_BYTES_PER_NAME_MAX:
            waiting.message = None
        elif waiting.message is not None:
            name.kept_bytes += waiting.bytes
        name.waiting += 1
        self._sequences[waiting.sequence] = waiting
        if waiting.cancels and (order := name.orders.pop(waiting.cancels, None)) is not None:
            self._move_up(name, order)
        if waiting.cancels_many:
            self._move_all_up(name, waiting.name)
            name.waiting_cancels_of_many += 1
        elif name.waiting_cancels_of_many:
            waiting.lane = Lane.CANCELS
        if waiting.lane is Lane.ORDERS and waiting.intent_id:
            name.orders.setdefault(waiting.intent_id, waiting)
        self._append(name, waiting.lane, waiting)
        return Offer.WAITS

    def next(self, now_seconds: float) -> Waiting[T] | None:
        """Whose turn it is; None = nobody's: nothing waits, or nobody may have a decision just now."""
        other = Lane.ORDERS if self._last_lane is Lane.CANCELS else Lane.CANCELS
        for lane in (other, self._last_lane):
            found = self._next_of(lane, now_seconds)
            if found is not None:
                self._last_lane = lane
                return found
        return None

    def charge(self, waiting: Waiting[T], orders: int) -> None:
        """Have its sender pay for what follows from a decision that is for several orders, so many `orders`."""
        self._names[waiting.name].buckets[waiting.lane].tokens -= max(0, orders - 1)

    def is_brief(self, waiting: Waiting[T]) -> bool:
        """Whether its sender has had so many decisions that a denial is told in few words."""
        return self._names[waiting.name].buckets[waiting.lane].tokens < BRIEF_BELOW

    def wait_seconds(self, now_seconds: float) -> float | None:
        """After how long there is a turn again: 0 = now, None = when something comes."""
        waits = [
            max(0.0, (self._tokens_min - self._names[name].buckets[lane].fill(now_seconds)) / DECISIONS_PER_SECOND)
            for lane, names in self._turns.items()
            for name in names
        ]
        return min(waits, default=None)

    def held_back(self, now_seconds: float) -> set[str]:
        """The names of which something waits that may not be decided yet."""
        return {
            name
            for lane, names in self._turns.items()
            for name in names
            if self._names[name].buckets[lane].fill(now_seconds) < self._tokens_min
        }

    def _next_of(self, lane: Lane, now_seconds: float) -> Waiting[T] | None:
        turns = self._turns[lane]
        for _ in range(len(turns)):
            called = turns.popleft()
            name = self._names[called]
            queue, bucket = name.lanes[lane], name.buckets[lane]
            while queue and queue[0].moved and queue[0].lane is not lane:
                queue.popleft()
            if not queue:
                continue
            if bucket.fill(now_seconds) < self._tokens_min:
                turns.append(called)
                continue
            bucket.tokens -= 1.0
            found = queue.popleft()
            if queue:
                turns.append(called)
            self._leave(name, found)
            return found
        return None

    def _leave(self, name: _Name[T], found: Waiting[T]) -> None:
        del self._sequences[found.sequence]
        name.waiting -= 1
        name.waiting_cancels_of_many -= found.cancels_many
        if found.message is not None:
            name.kept_bytes -= found.bytes
        if name.orders.get(found.intent_id) is found:
            del name.orders[found.intent_id]

    def _move_up(self, name: _Name[T], order: Waiting[T]) -> None:
        """Its former place, in another lane than its own now, is passed over."""
        order.lane, order.moved = Lane.CANCELS, True
        self._append(name, Lane.CANCELS, order)

    def _move_all_up(self, name: _Name[T], called: str) -> None:
        """All of its orders, in their order."""
        orders = name.lanes[Lane.ORDERS]
        if not orders:
            return
        self._turns[Lane.ORDERS].remove(called)
        for order in orders:
            if order.lane is Lane.ORDERS:  # not one that has moved up with its own cancel
                self._move_up(name, order)
        orders.clear()
        name.orders.clear()

    def _append(self, name: _Name[T], lane: Lane, waiting: Waiting[T]) -> None:
        if not name.lanes[lane]:
            self._turns[lane].append(waiting.name)
        name.lanes[lane].append(waiting)
