"""Changes of orders that are kept on the chain, which amends none: what is to be placed and cancelled, and in which
order.

Pure but for `state`, as `decide`. It is asked of what is known, never of what has just happened: so a process that died
anywhere is followed by one that goes on where the chain stands.

    reduce-only, waits for a trigger   the new one is placed; once the chain shows it, the first is cancelled. For an
                                       instant two protect, none is missing; reduce-only clamps what both could close
    any other (GTC limits, entries     the first is cancelled; once it is gone, with all that it has filled, what is
    that wait for a trigger)           left of the new total is placed. Two of them could both fill: there never are two

    the new one is surely not there    reduce-only: nothing has changed. Else what is left of the order as it was is
                                       placed: a change that fails leaves the order as it was
    the change's deadline has come     a first one that stands stays; what is gone already is put back as it was
    the order is full, or cancelled    whatever works of it is cancelled; also when it is full long afterwards, by the
                                       fills of both: the new one was placed for what the first had left until then

What was signed can come on the chain for `sequence_seconds`; absent and older than that, it surely never will.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace
from signalbox.gateway import reports
from signalbox.gateway.actions import Action, Ask
from signalbox.gateway.state import end_change, stand_as
from signalbox.messages import Order
from signalbox.order_terms import AT_MARKET_THEN, TRAILING, TRIGGERED

from gateway_dydx.endings import FINAL_STATUSES, EndKind, ending_of, reason_word
from gateway_dydx.facts import OrderSeen
from gateway_dydx.state import State, Tracked, filled_by
from gateway_dydx.versions import FIRST_REVISION, MAY_WORK, Move, Stage, Version

AGAIN_BLOCKS = 4
"""So many blocks apart a cancel is sent again."""
ATTEMPTS_MAX = 5
"""Of placing what may be refused for a reason that passes."""
WENT_OFF = "it was triggered before it could be changed"
GONE = "it was taken off the chain to be changed, and could not be placed again"


class Step(Struct, frozen=True):
    """What is to be sent. `order` = place the version so; None = cancel it."""

    version: Version
    order: Order | None = None


def places_first(order: Order) -> bool:
    """Whether another may stand beside it: what closes, and only what is held."""
    return order.reduce_only and order.order_type in TRIGGERED


# ------------------------------------------------------------------------------------------------------ how it begins


def begun(tracked: Tracked, after: Order, new: int, back: int, identify: Callable[[int], str]) -> Move:
    """A change that this process is about to begin; `identify` says what the venue calls a number."""
    first = Version(tracked.number, tracked.venue_order_id, Stage.WORKS)
    placed, restored = (Version(number, identify(number), Stage.UNSENT) for number in (new, back))
    return Move(0, _before(tracked, after), after, tracked.claimed_at, first, placed, restored, 0.0)


def _before(tracked: Tracked, after: Order) -> Order:
    """What is put back, should it have to be: of a stop that trails, the one that is nearer to the market."""
    return after if {after.order_type, tracked.order.order_type} <= TRAILING else tracked.order


def claimed(tracked: Tracked, move: Move) -> None:
    """It is written down: from here on something may be sent for it."""
    assert tracked.last_move is not None
    assert tracked.last_move.deadline is not None
    move.revision, move.deadline = tracked.last_move.revision, tracked.last_move.deadline
    tracked.own.move = move


def given_up(tracked: Tracked) -> None:
    """Surely nothing of it has left."""
    assert tracked.own.move is not None
    tracked.own.settled_revision, tracked.own.move = tracked.own.move.revision, None


def resume(state: State, wall_seconds: float) -> None:
    """Go on with what processes before may have begun and not ended."""
    for tracked in state.orders.values():
        claim, change = tracked.last_move, tracked.change
        if claim is None or tracked.own.move is not None or not (is_left(tracked) or leaves_a_rest(tracked)):
            continue
        if change is not None and change.in_hand:
            continue
        first, new, back = (Version(int(each.attempt_id), each.venue_order_id, Stage.SENT) for each in claim.attempts)
        is_open = change is not None and change.revision == claim.revision
        if tracked.venue_order_id == new.venue_order_id:  # it was said to be so: only then the first is over
            first.stage, back.stage = Stage.OVER, Stage.UNSENT
        elif places_first(tracked.order):
            back.stage = Stage.UNSENT
        deadline = claim.deadline if is_open and claim.deadline is not None else claim.at
        after = _lying(claim.order)
        before = _before(tracked, after)
        tracked.own.move = Move(claim.revision, before, after, deadline, first, new, back, wall_seconds, resumed=True)


def _lying(order: Order) -> Order:
    """One that a command makes trail lies where it began, as far as the claim says."""
    if order.order_type not in TRAILING or order.stop_price is not None:
        return order
    return replace(order, stop_price=order.trail_stop_price)


def is_left(tracked: Tracked) -> bool:
    """Whether a process before may have begun a change and not ended it."""
    claim = tracked.last_move
    return claim is not None and claim.revision > tracked.own.settled_revision


def leaves_a_rest(tracked: Tracked) -> bool:
    """Whether it is full as more than one, of which the last was placed before another had filled its part."""
    own = tracked.own
    is_full = tracked.filled >= tracked.quantity_max and not own.settled_full
    return is_full and places_first(tracked.order) and len({*own.version_of.values()}) > 1


def unsettled(state: State) -> Iterator[tuple[Tracked, Move]]:
    """The orders of which more than one version may be on the chain."""
    for tracked in state.orders.values():
        if tracked.own.move is not None:
            yield tracked, tracked.own.move


def question(tracked: Tracked) -> str:
    """What there is to ask of an order that is being moved, or was when a process before ended; "" = nothing."""
    change = tracked.change
    if change is not None and change.in_hand:
        return ""
    if tracked.own.move is not None:
        return "it is not settled which of its versions is on the chain"
    if is_left(tracked):
        return "a process before may have been changing it"
    return "it is full, and a rest of it may be on the chain" if leaves_a_rest(tracked) else ""


# --------------------------------------------------------------------------------------------------- what is to be sent


def next_step(state: State, tracked: Tracked, at: datetime) -> Step | None:
    """What has to be sent now; None = nothing, or it is waited for what the venue shows."""
    move, height = tracked.own.move, state.own.height
    if move is None or (tracked.change is not None and tracked.change.in_hand):
        return None
    for version in _must_go(tracked, move, at):
        if version.stage is Stage.WORKS and height >= version.tried_at + AGAIN_BLOCKS:
            return Step(version)
    if is_wanted_no_more(tracked) or tracked.change is None or places_first(tracked.order):
        return None
    if move.first.stage is Stage.OVER:
        for version, order in ((move.new, move.after), (move.back, move.before)):
            left = order.quantity - tracked.filled
            if version is move.new and at >= move.deadline and version.stage is Stage.UNSENT:
                version.stage, version.refused = Stage.NEVER, "its deadline came first"
            if version.stage is Stage.NEVER:
                continue
            if version.stage is Stage.UNSENT and left > 0 and height > version.tried_at:
                return Step(version, replace(order, quantity=left))
            return None
    return None


def is_wanted_no_more(tracked: Tracked) -> bool:
    """Whether nothing of the order may work any more."""
    return tracked.done or bool(tracked.cancel_command)


def went_off(tracked: Tracked, move: Move) -> bool:
    """Whether the first one was triggered, which takes what it gets at once and is over then."""
    at_once = tracked.order.order_type in AT_MARKET_THEN
    return at_once and filled_by(tracked, move.first.venue_order_id) > 0


def _must_go(tracked: Tracked, move: Move, at: datetime) -> tuple[Version, ...]:
    if is_wanted_no_more(tracked):
        return move.versions
    if tracked.change is None:
        if not places_first(tracked.order):  # there never are two
            return ()
        return tuple(each for each in move.versions if each.venue_order_id != tracked.venue_order_id)
    if places_first(tracked.order):
        return (move.first,) if move.new.stage is Stage.WORKS else ()
    return (move.first,) if at < move.deadline else ()


# ------------------------------------------------------------------------------------------------- what the venue shows


def on_order(tracked: Tracked, fact: OrderSeen, *, is_open: bool) -> list[Action]:
    """The indexer shows one of the versions of an order, in some status."""
    version = tracked.own.move.find(fact.id) if tracked.own.move is not None else None
    if version is None:
        return []
    _note_stop(version, fact)
    if fact.removal_reason:
        version.removal_reason = reason_word(fact.removal_reason)
    if is_open and version.stage is not Stage.OVER:
        version.stage = Stage.WORKS
        return []
    return [Ask(tracked.order.order_id, f"a version of it is said to be {fact.status}", urgent=True)]


def _note_stop(version: Version, seen: OrderSeen | None) -> None:
    if seen is not None and seen.trigger_price is not None:
        version.stop_price = seen.trigger_price


def on_fill(tracked: Tracked) -> list[Action]:
    """It has filled, as one of its versions."""
    return [Ask(tracked.order.order_id, question(tracked), urgent=True)] if leaves_a_rest(tracked) else []


class Shown(Struct, frozen=True):
    """Complete answers, about versions: by the venue's ids."""

    orders: dict[str, OrderSeen]
    absent: frozenset[str]
    failed: dict[str, tuple[str, str]]
    height: int


def take(
    state: State, tracked: Tracked, shown: Shown, at: datetime, wall_seconds: float, sequence_seconds: float
) -> list[Action]:
    """Take complete answers about one order, all of their fills taken already; return what follows."""
    move = tracked.own.move
    if move is None or (tracked.change is not None and tracked.change.in_hand):
        return []
    is_old = wall_seconds - move.signed_seconds > sequence_seconds
    for version in move.versions:
        if version.stage in MAY_WORK:
            _look_at(tracked, move, version, shown, is_old=is_old)
    if move.resumed and move.first.stage is Stage.WORKS and not places_first(tracked.order):
        move.new.stage = move.back.stage = Stage.UNSENT  # nothing is placed before the first is gone
    return _conclude(state, tracked, move, at, is_old=is_old)


def _look_at(tracked: Tracked, move: Move, version: Version, shown: Shown, *, is_old: bool) -> None:
    seen, key = shown.orders.get(version.venue_order_id), version.venue_order_id
    _note_stop(version, seen)
    if seen is not None and seen.status not in FINAL_STATUSES:
        version.stage = Stage.WORKS
    elif seen is not None:
        if (seen.updated_at_height or 0) > shown.height or tracked.filled_at_venue > tracked.filled:
            return  # its last fills are still to come
        ending = ending_of(version.removal_reason, filled_by(tracked, key))
        version.stage = Stage.OVER
        if ending is not None and ending.kind is EndKind.REJECTED:
            version.stage, version.refused = Stage.NEVER, ending.reason
    elif key in shown.failed:
        version.stage, version.refused = Stage.NEVER, " ".join(filter(None, shown.failed[key]))
    elif key in shown.absent and version.stage is Stage.SENT and is_old:
        may_be_placed = move.resumed and version is not move.first and not places_first(tracked.order)
        version.stage = Stage.UNSENT if may_be_placed and not version.attempts else Stage.NEVER
        version.refused = "it never came on the chain"


# -------------------------------------------------------------------------------------------------------- what follows


def _conclude(state: State, tracked: Tracked, move: Move, at: datetime, *, is_old: bool) -> list[Action]:
    actions: list[Action] = []
    if is_wanted_no_more(tracked):
        if any(version.stage in MAY_WORK for version in move.versions):
            return []
        if not tracked.done:
            actions += reports.canceled(state, tracked, at, "cancelled as asked")
        elif tracked.change is not None and tracked.filled > move.before.quantity:
            actions += _replaced(state, tracked, at)
        elif tracked.change is not None:
            actions += _not_replaced(state, tracked, at, "", "it was filled before it could be changed")
    elif tracked.change is not None and tracked.change.revision == move.revision:
        if places_first(tracked.order):
            actions += _after_placing_first(state, tracked, move, at)
        else:
            actions += _after_cancelling_first(state, tracked, move, at, is_old=is_old)
    elif move.back.stage in (Stage.WORKS, Stage.OVER):
        _stands(tracked, move.back)
    counts = move.find(tracked.venue_order_id)
    if tracked.change is None and not any(each.stage in MAY_WORK for each in move.versions if each is not counts):
        if tracked.done and counts is not None and counts.stage in MAY_WORK:
            return actions
        _settled(tracked, move, counts)
    return actions


def _settled(tracked: Tracked, move: Move, counts: Version | None) -> None:
    tracked.own.move, tracked.own.settled_revision, tracked.own.settled_full = None, move.revision, tracked.done
    if counts is not None and counts.stage in (Stage.OVER, Stage.NEVER):
        tracked.own.said_over = True  # how it ended is asked, as of any order


def _after_placing_first(state: State, tracked: Tracked, move: Move, at: datetime) -> list[Action]:
    first, new = move.first, move.new
    if new.stage is Stage.OVER and filled_by(tracked, new.venue_order_id):
        _stands(tracked, new)
        return [*_replaced(state, tracked, at)]
    if new.stage is Stage.NEVER or (new.stage is Stage.OVER and first.stage in MAY_WORK):
        why = new.refused or "the chain has ended the one that was to take its place"
        return [*_not_replaced(state, tracked, at, "", why)]
    if new.stage in (Stage.WORKS, Stage.OVER) and first.stage in (Stage.OVER, Stage.NEVER):
        _stands(tracked, new)
        return [*_replaced(state, tracked, at)]
    return []


def _after_cancelling_first(state: State, tracked: Tracked, move: Move, at: datetime, *, is_old: bool) -> list[Action]:
    first, new, back = move.versions
    if first.stage is Stage.WORKS and at >= move.deadline and is_old:
        return [*_not_replaced(state, tracked, at, "", "it could not be taken off the chain by its deadline")]
    if first.stage not in (Stage.OVER, Stage.NEVER):
        return []
    if went_off(tracked, move):
        return [*_not_replaced(state, tracked, at, "", WENT_OFF)]
    if new.stage in (Stage.WORKS, Stage.OVER):
        _stands(tracked, new)
        return [*_replaced(state, tracked, at)]
    if new.stage is Stage.UNSENT and move.after.quantity <= tracked.filled:
        return [*_replaced(state, tracked, at)]
    if new.stage is not Stage.NEVER:
        return []
    if back.stage in (Stage.WORKS, Stage.OVER):
        _stands(tracked, back)
        return [*_not_replaced(state, tracked, at, "", f"{new.refused}; the order was put back as it was")]
    if back.stage is Stage.UNSENT and move.before.quantity <= tracked.filled:
        return [*_not_replaced(state, tracked, at, "", f"{new.refused}; as it was it is full")]
    if back.stage is Stage.NEVER:
        return [*reports.canceled(state, tracked, at, f"{GONE}: {new.refused}; as it was: {back.refused}")]
    return []


def _replaced(state: State, tracked: Tracked, at: datetime) -> Sequence[Action]:
    """It is what it was to be. Of a stop that trails the desk has the distance: where it lies is the gateway's."""
    change = tracked.change
    assert change is not None
    if change.order.order_type in TRAILING:
        tracked.own.stop_price = _lies_at(tracked.own.move, change.order)
        change.order = replace(change.order, stop_price=None)
    return reports.replaced(state, tracked, at)


def _lies_at(move: Move | None, order: Order) -> Decimal | None:
    """Where the stop lies that has taken the place of another: as it is shown, else as it was placed."""
    if move is None or move.new.stop_price is not None:
        return move.new.stop_price if move is not None else order.stop_price
    return order.stop_price if move.resumed else move.after.stop_price


def _not_replaced(state: State, tracked: Tracked, at: datetime, code: str, reason: str) -> Sequence[Action]:
    """It is as it was. That a stop has not followed the market is nobody's question: it will, at another look."""
    change = tracked.change
    assert change is not None
    if change.revision < FIRST_REVISION:
        return reports.not_replaced(state, tracked, at, code, reason)
    end_change(tracked, change.revision)
    return []


def _stands(tracked: Tracked, version: Version) -> None:
    """The order is this one on the chain from now on."""
    stand_as(tracked, version.attempt)
    tracked.own.transaction_hash, tracked.own.removal_reason = version.transaction_hash, version.removal_reason
    tracked.own.shown, tracked.doubt = True, ""
