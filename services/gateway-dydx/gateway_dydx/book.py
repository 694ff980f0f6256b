"""One market's order book: a snapshot, updates, and a rule for a book that is crossed. Pure but for the book itself.

Owns what stands at each price. It must not know how a snapshot is asked for.

The indexer's books cross: validators' views differ, and a level whose removal was lost stays for ever. The rule: of the
best bid and the best ask that cross, the one that was said earlier is stale and goes. If both were said together, the
smaller one goes and takes its size off the other. A snapshot says nothing of the ages within it, so its levels are of
one age.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from msgspec import Struct

from gateway_dydx.facts import BookSnapshot, BookUpdate, Level

_NOBODY = Decimal(0)
LEVELS_COMPARED = 10
"""Of each side, from the best on: what an order of the desk meets."""
LEVELS_KEPT_MAX = 1_000
"""Of each side: the indexer shows 100, and more than this many are levels whose removals were lost."""


class Top(Struct, frozen=True):
    """Best bid and ask; None = nobody."""

    bid: Level | None
    ask: Level | None


@dataclass
class _Resting:
    size: Decimal
    age: int
    """Number of the message that said it: lower is older."""


@dataclass
class Book:
    """`whole` = a snapshot has been taken: before it, updates say nothing. `crossings` counts what the rule removed."""

    ticker: str
    whole: bool = False
    bids: dict[Decimal, _Resting] = field(default_factory=dict)
    asks: dict[Decimal, _Resting] = field(default_factory=dict)
    crossings: int = 0
    messages: int = 0


def forget(book: Book) -> None:
    """Know nothing any more: the connection is gone."""
    book.whole = False
    book.bids.clear()
    book.asks.clear()


def take_snapshot(book: Book, snapshot: BookSnapshot) -> None:
    """Begin anew with a whole book."""
    forget(book)
    book.messages += 1
    book.whole = True
    _set(book.bids, snapshot.bids, book.messages)
    _set(book.asks, snapshot.asks, book.messages)
    _uncross(book)


def take_update(book: Book, update: BookUpdate) -> bool:
    """Take new sizes; False = it can not be applied, for there is no whole book, or far too much of one."""
    if not book.whole:
        return False
    book.messages += 1
    _set(book.bids, update.bids, book.messages)
    _set(book.asks, update.asks, book.messages)
    _uncross(book)
    return len(book.bids) <= LEVELS_KEPT_MAX and len(book.asks) <= LEVELS_KEPT_MAX


def top(book: Book) -> Top:
    """The best bid, below the best ask, if there are both."""
    bid, ask = max(book.bids, default=None), min(book.asks, default=None)
    return Top(
        Level(bid, book.bids[bid].size) if bid is not None else None,
        Level(ask, book.asks[ask].size) if ask is not None else None,
    )


def contradicts(book: Book, seen: BookSnapshot) -> bool:
    """Whether another view of the same market can not be of the same time: one's bid is above the other's ask."""
    ours = top(book)
    bid = max((level.price for level in seen.bids), default=None)
    ask = min((level.price for level in seen.asks), default=None)
    above = ours.bid is not None and ask is not None and ours.bid.price > ask
    below = ours.ask is not None and bid is not None and ours.ask.price < bid
    return above or below


class Difference(Struct, frozen=True):
    """A price at which a book and REST's say different sizes; 0 = nobody. `age` is of what the book says."""

    is_bid: bool
    price: Decimal
    size: Decimal
    age: int
    seen: Decimal


def differences(book: Book, seen: BookSnapshot) -> frozenset[Difference]:
    """How the best levels differ from another view, as deep as both reach; that one may be of another moment."""
    bids = _side_differences(True, book.bids, seen.bids)
    return frozenset((*bids, *_side_differences(False, book.asks, seen.asks)))


def _side_differences(is_bid: bool, ours: dict[Decimal, _Resting], seen: tuple[Level, ...]) -> list[Difference]:
    theirs = {level.price: level.size for level in seen if level.size > 0}
    best = sorted(ours, reverse=is_bid)[:LEVELS_COMPARED], sorted(theirs, reverse=is_bid)[:LEVELS_COMPARED]
    if not best[0] or not best[1]:
        depth: list[Decimal] = [*best[0], *best[1]]
    else:
        last = max(best[0][-1], best[1][-1]) if is_bid else min(best[0][-1], best[1][-1])
        depth = [price for price in {*best[0], *best[1]} if (price >= last if is_bid else price <= last)]
    found = []
    for price in depth:
        held, other = ours.get(price), theirs.get(price, _NOBODY)
        size, age = (held.size, held.age) if held is not None else (_NOBODY, 0)
        if size != other:
            found.append(Difference(is_bid, price, size, age, other))
    return found


def _set(side: dict[Decimal, _Resting], levels: tuple[Level, ...], age: int) -> None:
    for level in levels:
        if level.size > 0:
            side[level.price] = _Resting(level.size, age)
        else:
            side.pop(level.price, None)


def _uncross(book: Book) -> None:
    while book.bids and book.asks:
        bid_price, ask_price = max(book.bids), min(book.asks)
        if bid_price < ask_price:
            return
        book.crossings += 1
        bid, ask = book.bids[bid_price], book.asks[ask_price]
        if bid.age != ask.age:
            bid_goes, ask_goes = bid.age < ask.age, ask.age < bid.age
        else:
            bid_goes, ask_goes = bid.size <= ask.size, ask.size <= bid.size
            common = min(bid.size, ask.size)
            bid.size, ask.size = bid.size - common, ask.size - common
        if bid_goes:
            del book.bids[bid_price]
        if ask_goes:
            del book.asks[ask_price]
