"""Orders of the subaccount that this gateway has not placed, as the indexer shows them: another program's, or a
person's in the venue's own page.

Owns what such an order is in the desk's words, and when it is over: a short-term one when its last block has passed,
one that is kept on the chain when complete answers do not list it as open any more. Pure but for `state`, as `decide`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct, structs
from signalbox.errors import TranslationError
from signalbox.gateway import externals
from signalbox.gateway.actions import Action, Ask
from signalbox.gateway.externals import External
from signalbox.gateway.state import ZERO
from signalbox.messages import OrderType, TimeInForce, VenueOrderFound
from signalbox.order_terms import WITH_LIMIT, WITH_STOP

from gateway_dydx.endings import FINAL_STATUSES, EndKind, VenueStatus, ending_of
from gateway_dydx.facts import OrderSeen
from gateway_dydx.plans import QUOTE_ORDER_BLOCKS, CancelPlan, OrderFlags, OrderIdentity, Subaccount
from gateway_dydx.state import State
from gateway_dydx.translate import CURRENCY, VENUE

if TYPE_CHECKING:
    from gateway_dydx.reconcile import Answers

OPEN_STATUSES = frozenset({VenueStatus.BEST_EFFORT_OPENED, VenueStatus.OPEN, VenueStatus.UNTRIGGERED})
PLACED_BY = "another program"
INCOMPLETE = "the stream has told of an order of somebody else, and not all of it"
_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LIMIT": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP,
    "TAKE_PROFIT": OrderType.LIMIT_IF_TOUCHED,
    "TAKE_PROFIT_MARKET": OrderType.MARKET_IF_TOUCHED,
}
_TIMES_IN_FORCE = {"IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
"""GTT has none of ours: it is good till a block, or till a time, which is not told."""


class Shown(Struct, frozen=True):
    """All that the indexer has shown of one."""

    seen: OrderSeen


def on_order(state: State, fact: OrderSeen, at: datetime, *, listed: bool = False) -> list[Action]:
    """An order of none of the desk's. `listed`: it stands in complete answers."""
    if _is_former(state, fact):
        return []
    known = state.externals.get(fact.id)
    seen = _merged(known.own.seen, fact) if known is not None and known.own is not None else fact
    if fact.status in OPEN_STATUSES:
        if _is_past(seen, state.own.indexer_height):
            return []
        if not _ticker(state, seen) or seen.side is None or not seen.size or seen.size <= 0:
            state.own.incomplete = state.own.incomplete or not listed
            return [] if listed else _ask(INCOMPLETE)
        return [*externals.shown(state, _found(state, seen, at), Shown(seen), listed=listed)]
    if known is None or known.ended_at is not None:
        return []
    known.own, known.doubt = Shown(seen), f"it is said to be {fact.status}"
    return _ask(known.doubt, urgent=not _is_short_term(seen))


def listed(state: State, answers: Answers, at: datetime) -> list[Action]:
    """What complete answers say of them: every fill up to their height is told already."""
    actions: list[Action] = []
    there: set[str] = set()
    for seen in answers.orders:
        is_ours = seen.id in state.order_by_venue_id or _is_former(state, seen)
        if is_ours or seen.status not in OPEN_STATUSES or _is_past(seen, answers.height):
            continue
        there.add(seen.id)
        actions += on_order(state, seen, at, listed=True)
    if answers.unreadable:  # what is not listed may be one of those
        return actions
    for external in externals.working(state):
        if external.found.venue_order_id not in there and _is_certain(external, answers.height):
            actions += _end(state, external, at)
    actions += externals.not_listed(state, there, at)
    if doubt := externals.question(state):
        actions += _ask(doubt)
    return actions


def look(state: State) -> bool:
    """The indexer has processed another block: whether it was the last one of some of them."""
    found = False
    for external in externals.working(state):
        if external.own is not None and _is_past(external.own.seen, state.own.indexer_height):
            external.doubt, found = "its last block has passed", True
    return found


def cancel_plan(external: External, subaccount: Subaccount, height: int) -> CancelPlan:
    """The cancel of one of them. Raises `TranslationError` where the indexer has not told enough for one."""
    seen: OrderSeen | None = external.own.seen if external.own is not None else None
    flags = seen.order_flags if seen is not None else None
    if seen is None or seen.client_id is None or seen.clob_pair_id is None or flags not in list(OrderFlags):
        raise TranslationError("the indexer has not told under which client id it was placed: cancel it where it was")
    identity = OrderIdentity(
        subaccount=subaccount, client_id=seen.client_id, clob_pair_id=seen.clob_pair_id, flags=OrderFlags(flags)
    )
    if identity.flags is OrderFlags.SHORT_TERM:
        return CancelPlan(identity=identity, good_til_block=max(seen.good_til_block or 0, height + QUOTE_ORDER_BLOCKS))
    if seen.good_til_block_time is None:
        raise TranslationError("the indexer has not told until when it is good: cancel it where it was placed")
    return CancelPlan(identity=identity, good_til_time=seen.good_til_block_time)


def _ask(reason: str, *, urgent: bool = False) -> list[Action]:
    return [Ask(externals.QUESTION, reason, urgent=urgent)]


def _merged(before: OrderSeen, now: OrderSeen) -> OrderSeen:
    """What the stream leaves away stays as it was."""
    told = {name: value for name in now.__struct_fields__ if (value := getattr(now, name)) not in (None, "")}
    return structs.replace(before, **told)


def _is_former(state: State, fact: OrderSeen) -> bool:
    """Whether it bears a client id that the desk has handed out: one that stood for an order before another did."""
    first = min(state.order_by_number, default=0)
    return fact.client_id is not None and 0 < first <= fact.client_id <= state.highest_number


def _is_short_term(seen: OrderSeen) -> bool:
    return seen.order_flags == OrderFlags.SHORT_TERM if seen.order_flags is not None else bool(seen.good_til_block)


def _is_past(seen: OrderSeen, height: int) -> bool:
    """Whether no block can fill it any more; REST shows one as open for a while after its last block."""
    return _is_short_term(seen) and seen.good_til_block is not None and seen.good_til_block < height


def _is_certain(external: External, height: int) -> bool:
    """Whether not to be listed is its end at once: its last block has passed, or it was said to be over."""
    if external.own is None:
        return False
    seen: OrderSeen = external.own.seen
    return _is_past(seen, height) or (seen.status in FINAL_STATUSES and not _is_short_term(seen))


def _end(state: State, external: External, at: datetime) -> list[Action]:
    seen: OrderSeen = external.own.seen
    ending = ending_of(seen.removal_reason, ZERO)
    if ending is None:
        is_filled = seen.status == VenueStatus.FILLED
        past = "its good-til-block has passed"
        reason = "the venue has filled it" if is_filled else past if _is_short_term(seen) else ""
        return [*externals.ended(state, external, at, reason, expired=reason == past)]
    by_others = seen.removal_reason.endswith("USER_CANCELED")
    is_expired = ending.kind is EndKind.EXPIRED
    return [*externals.ended(state, external, at, "" if by_others else ending.reason, expired=is_expired)]


def _ticker(state: State, seen: OrderSeen) -> str:
    return seen.ticker or state.own.symbols.get(seen.clob_pair_id if seen.clob_pair_id is not None else -1, "")


def _found(state: State, seen: OrderSeen, at: datetime) -> VenueOrderFound:
    assert seen.side is not None
    assert seen.size is not None
    kind = _TYPES.get(seen.type)
    return VenueOrderFound(
        id="",
        at=at,
        venue=VENUE,
        account=state.account,
        venue_order_id=seen.id,
        symbol=_ticker(state, seen),
        side=seen.side,
        quantity=seen.size,
        filled_quantity=seen.total_filled or ZERO,
        venue_type=seen.type,
        order_type=kind,
        limit_price=seen.price if kind is None or kind in WITH_LIMIT else None,
        stop_price=seen.trigger_price if kind is None or kind in WITH_STOP else None,
        venue_time_in_force=seen.time_in_force,
        time_in_force=_TIMES_IN_FORCE.get(seen.time_in_force),
        reduce_only=bool(seen.reduce_only),
        post_only=bool(seen.post_only),
        placed_by=PLACED_BY,
        reference=str(seen.client_id) if seen.client_id is not None else "",
        currency=CURRENCY,
    )
