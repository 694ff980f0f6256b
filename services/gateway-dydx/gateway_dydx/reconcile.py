"""What follows from complete answers of the venue: how orders ended, and what the subaccount holds.

Pure but for `state`, as `decide`. An answer exists only when all its pages have come: a failed one never comes here, so
"not among them" is a fact. `Answers.height` is the block that the indexer had processed *before* the first question, so
every fill up to that block is among the fills.

    short-term, its last block at least one behind     it is over: nothing can fill it any more, and all it has filled
                                                       is known. Filled: nothing to say. Never seen, and only claimed:
                                                       rejected. Else cancelled or expired, by what is known of why
    short-term, before that                            not asked of the answer: absent means nothing, as the indexer
                                                       shows what one node has heard
    stateful, shown with a final status and all fills  over, as the status says
    stateful, its transaction failed in a block        rejected, with the chain's code
    stateful, never shown, and absent after the time    rejected: what was signed can not come on the chain any more,
      that its sequence is good for                    because its sequence is a time
    stateful, shown before and absent                  UNKNOWN; asked again
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from signalbox.gateway import reports
from signalbox.gateway.actions import Action, Ask
from signalbox.gateway.state import ZERO, Standing, asked_about
from signalbox.messages import OpenOrder, Side, VenueFunding, VenueSnapshot
from signalbox.order_terms import AT_MARKET_THEN

from gateway_dydx import changing, moving, strangers
from gateway_dydx.decide import OPEN_STATUSES, decide, goes_on, tracked_of
from gateway_dydx.endings import FINAL_STATUSES, EndKind, ending_of
from gateway_dydx.facts import FillSeen, OrderSeen, Subaccount, Unreadable
from gateway_dydx.funding_rows import hour_of, is_awaited
from gateway_dydx.moving import Shown
from gateway_dydx.plans import GOOD_TIL_CANCELED, order_end
from gateway_dydx.reading import FILL
from gateway_dydx.state import State, Tracked, snapshot_id
from gateway_dydx.translate import CURRENCY, VENUE, position_held

BY_REQUEST = "cancelled as asked"
BY_OTHERS = "cancelled at the venue, not by this desk"
TURNED_AWAY = (
    "the venue has ended it: post-only, and it would have been filled at once; or somebody else has cancelled it"
)
NEVER_THERE = "it is not on the chain"


class Answers(Struct, frozen=True, kw_only=True):
    """The indexer's answers, each complete; `asked_about` was fixed before the first question.

    `orders` are the open ones of the subaccount, and those that were asked for by id; `absent` are ids of orders (the
    desk's) of which the indexer said that it has none. `fills` are all from `fills_from_height` on.
    """

    asked_about: frozenset[str]
    height: int
    orders: tuple[OrderSeen, ...]
    absent: frozenset[str]
    failed: dict[str, tuple[str, str]] = {}
    """Code and sentence of transactions that are in a block and did nothing, by order id."""
    absent_versions: frozenset[str] = frozenset()
    failed_versions: dict[str, tuple[str, str]] = {}
    """The same of orders that are being moved, by the venue's ids."""
    fills: tuple[FillSeen, ...]
    fills_from_height: int
    unreadable: tuple[Unreadable, ...] = ()
    """Orders and fills beside these that make no sense."""


def stateful_outstanding(state: State, order_ids: frozenset[str]) -> tuple[str, ...]:
    """Those of them that are asked about by their own id: one that has ended is not among the open ones."""
    return tuple(sorted(order_id for order_id in order_ids if not state.orders[order_id].own.is_short_term))


def reconcile(
    state: State, answers: Answers, at: datetime, *, wall_seconds: float, sequence_seconds: float
) -> list[Action]:
    """Take complete answers; return the reports and questions that follow.

    `wall_seconds` is any rising clock of seconds; `sequence_seconds` is how long a signed stateful transaction can
    still come on the chain.
    """
    shown = {order.id: order for order in answers.orders}
    actions: list[Action] = []
    for order in answers.orders:
        if order.status in OPEN_STATUSES:
            actions += decide(state, order, at)
    for fill in answers.fills:
        actions += decide(state, fill, at)
    for order in answers.orders:
        if order.status not in OPEN_STATUSES:
            actions += decide(state, order, at)
    actions += strangers.listed(state, answers, at)
    unread = {row.symbol for row in answers.unreadable}
    fills_are_whole = not any(row.kind == FILL for row in answers.unreadable)
    if answers.fills_from_height <= state.own.complete_height + 1 and fills_are_whole:
        state.own.complete_height = max(state.own.complete_height, answers.height)
    versions = Shown(shown, answers.absent_versions, answers.failed_versions, answers.height)
    for tracked, _ in [*moving.unsettled(state)]:
        if not unread & {tracked.order.symbol, ""}:
            actions += moving.take(state, tracked, versions, at, wall_seconds, sequence_seconds)
    for tracked in asked_about(state, answers.asked_about):
        if tracked.own.move is not None:
            continue
        if tracked.done or unread & {tracked.order.symbol, ""}:  # not all is known of its market: no end follows
            continue
        if tracked.own.is_short_term:
            actions += changing.settle(state, tracked, answers.height, at)
            if tracked.done:
                continue
            if answers.height > tracked.own.good_til_block and not goes_on(tracked):
                actions += _short_term_end(state, tracked, answers.height, at)
        elif tracked.order.order_id in answers.failed:
            actions += reports.rejected(state, tracked, at, *answers.failed[tracked.order.order_id])
        elif tracked.order.order_id in answers.absent:
            actions += _absent(state, tracked, at, wall_seconds, sequence_seconds)
        elif tracked.venue_order_id in shown:
            actions += _stateful(state, tracked, shown[tracked.venue_order_id], answers.height, at)
            if not tracked.done and tracked.cancel_is_out:
                actions += _cancel_lost(state, tracked, at, wall_seconds, sequence_seconds)
    return actions


# --------------------------------------------------------------------------------------------------- short-term orders


def _short_term_end(state: State, tracked: Tracked, height: int, at: datetime) -> list[Action]:
    """The indexer has processed a block after the last one that could fill the order: what it has filled is all."""
    order_id, block = tracked.order.order_id, tracked.own.good_til_block
    if tracked.filled_at_venue > tracked.filled:
        return [Ask(order_id, "a fill is missing")]
    if tracked.standing is Standing.CLAIMED and not tracked.seen:
        reason = f"{NEVER_THERE}: its good-til-block {block} has passed, and it was never seen"
        return [*reports.lost(state, tracked, at, reason)]
    if tracked.cancel_command:
        return [*reports.canceled(state, tracked, at, BY_REQUEST)]
    ending = ending_of(tracked.own.removal_reason, tracked.filled)
    if tracked.own.rests:
        end = order_end_of(tracked)
        if end is not None and at >= end:
            return [*reports.expired(state, tracked, at, "its time in force is over")]
        if ending is None or ending.kind is EndKind.EXPIRED:
            why = tracked.own.not_renewed or "the gateway was not there to renew it"
            reason = f"its good-til-block {block} has passed and it was not renewed: {why}"
            return [*reports.expired(state, tracked, at, reason)]
    if ending is not None and ending.kind is EndKind.REJECTED:
        return [*reports.rejected(state, tracked, at, tracked.own.removal_reason, ending.reason)]
    if ending is not None and ending.kind is EndKind.CANCELED:
        by_others = tracked.own.removal_reason == "USER_CANCELED"
        return [*reports.canceled(state, tracked, at, BY_OTHERS if by_others else ending.reason)]
    rest = "nothing" if not tracked.filled else "no more"
    reason = f"immediate-or-cancel: {rest} was to be had within its price until block {block}"
    return [*reports.canceled(state, tracked, at, reason)]


def order_end_of(tracked: Tracked) -> datetime | None:
    """When the desk's order itself ends; None = never by itself."""
    order = tracked.order
    if order.good_till is not None and order.good_till <= tracked.claimed_at:
        return order.good_till
    return order_end(order, tracked.claimed_at)


# ----------------------------------------------------------------------------------------------------- stateful orders


def _stateful(state: State, tracked: Tracked, seen: OrderSeen, height: int, at: datetime) -> list[Action]:
    """A stateful order's status is of a block: it is believed when every fill up to that block is here."""
    if seen.status not in FINAL_STATUSES:
        return []
    if (seen.updated_at_height or 0) > height or tracked.filled_at_venue > tracked.filled:
        return [Ask(tracked.order.order_id, "its last fills are still to come")]
    ending = ending_of(tracked.own.removal_reason, tracked.filled)
    if tracked.cancel_command and (ending is None or tracked.own.removal_reason == "USER_CANCELED"):
        return [*reports.canceled(state, tracked, at, BY_REQUEST)]
    if ending is not None and tracked.own.removal_reason == "USER_CANCELED":
        return [*reports.canceled(state, tracked, at, BY_OTHERS)]
    if ending is not None and ending.kind is EndKind.REJECTED:
        return [*reports.rejected(state, tracked, at, tracked.own.removal_reason, ending.reason)]
    if ending is not None and ending.kind is EndKind.CANCELED:
        return [*reports.canceled(state, tracked, at, ending.reason)]
    if ending is not None or at >= (order_end_of(tracked) or tracked.claimed_at + GOOD_TIL_CANCELED):
        return [*reports.expired(state, tracked, at, "its time in force is over")]
    if tracked.order.order_type in AT_MARKET_THEN:
        return [
            *reports.canceled(state, tracked, at, "the venue has ended it: the rest was not to be had in its price")
        ]
    return [*reports.canceled(state, tracked, at, TURNED_AWAY if tracked.order.post_only else BY_OTHERS)]


def _cancel_lost(
    state: State, tracked: Tracked, at: datetime, wall_seconds: float, sequence_seconds: float
) -> list[Action]:
    """The order works on although it was cancelled: once what was signed is too old, the cancel never came there."""
    signed_seconds = max(tracked.own.cancel_seconds, tracked.own.claimed_seconds)
    if tracked.own.said_over or wall_seconds - signed_seconds <= sequence_seconds:
        return []
    command_id, tracked.cancel_command = tracked.cancel_command, ""
    reason = "the chain did not take the cancel, and the order works on"
    return [*reports.cancel_rejected(state, tracked, command_id, "", reason, at)]


def _absent(state: State, tracked: Tracked, at: datetime, wall_seconds: float, sequence_seconds: float) -> list[Action]:
    order_id = tracked.order.order_id
    if tracked.own.shown:
        reason = "the venue has shown it, and does not know it any more; it is asked again"
        tracked.doubt = reason
        return [*reports.unknown(state, tracked, at, reason), Ask(order_id, reason)]
    if wall_seconds - tracked.own.claimed_seconds <= sequence_seconds:
        return [Ask(order_id, "it may still come on the chain")]
    reason = f"{NEVER_THERE}, and what was signed for it is too old to come there any more"
    return [*reports.lost(state, tracked, at, reason)]


# ------------------------------------------------------------------------------------------------------------ snapshot


def snapshot(
    state: State,
    answers: Answers,
    subaccount: Subaccount | None,
    funding: tuple[VenueFunding, ...],
    block_at: datetime,
    at: datetime,
) -> VenueSnapshot:
    """Make the statement of all that the venue holds for the account; `None` = it has never held anything.

    `funding` are the payments that the indexer lists; the figures are of the block at `block_at`, and have them all.

    Among the open orders are those of the desk that are known to work, whatever the indexer has heard of them.
    """
    positions = subaccount.positions if subaccount is not None else ()
    open_orders = [_theirs(seen) for seen in answers.orders if _is_open(state, seen, answers.height)]
    open_orders += [_ours(tracked) for tracked in state.orders.values() if tracked.seen and not tracked.done]
    return VenueSnapshot(
        id=snapshot_id(state.account, answers.height),
        at=at,
        venue=VENUE,
        account=state.account,
        currency=CURRENCY,
        cash=subaccount.usdc if subaccount is not None else ZERO,
        positions=tuple(position_held(held) for held in positions if held.size),
        open_orders=tuple(open_orders),
        execution_ids=tuple(dict.fromkeys(fill.id for fill in answers.fills)),
        funding_ids=tuple(payment.funding_id for payment in funding),
        funding_times=tuple(payment.at for payment in funding),
        funding_until=block_at,
        funding_awaited=is_awaited(positions, _traded_since_hour(answers, block_at), funding, block_at),
    )


def _traded_since_hour(answers: Answers, at: datetime) -> set[str]:
    """Markets in which something was filled since the hour, which may have been held at it."""
    return {fill.ticker for fill in answers.fills if fill.at >= hour_of(at)}


def _is_open(state: State, seen: OrderSeen, height: int) -> bool:
    """Whether an order of another program works; REST shows one as open for a while after its last block."""
    over = seen.good_til_block is not None and seen.good_til_block < height
    return seen.status in OPEN_STATUSES and tracked_of(state, seen.id) is None and not over


def _theirs(seen: OrderSeen) -> OpenOrder:
    return OpenOrder(
        order_id="",
        venue_order_id=seen.id,
        symbol=seen.ticker,
        side=seen.side or Side.BUY,  # REST states both; only the websocket leaves them out
        quantity=seen.size or ZERO,
        filled_quantity=seen.total_filled or ZERO,
    )


def _ours(tracked: Tracked) -> OpenOrder:
    order = tracked.order
    return OpenOrder(
        order_id=order.order_id,
        venue_order_id=tracked.venue_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        filled_quantity=tracked.filled,
    )
