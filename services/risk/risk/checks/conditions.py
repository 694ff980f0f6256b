"""Checks of the moment: may the desk trade, does the venue answer, is it known what the account holds?

Each is a pure function that returns a `Check`. All fail closed: what has not been heard, or not lately, denies.
"""

from __future__ import annotations

from datetime import timedelta

from signalbox.messages import Check, LinkStatus, TradingMode
from signalbox.room import shown_bytes

from risk.facts import AHEAD_MAX, CLOCK, OrderFacts
from risk.wording import UNKNOWN, plain, seconds


def clock(facts: OrderFacts) -> Check:
    ok = not facts.clock_is_stale
    reason = "" if ok else "the desk clock stands still: nothing that depends on the time can be decided"
    return Check(
        name="clock", passed=ok, limit="running", observed="running" if ok else "stale", source=CLOCK, reason=reason
    )


def trading_state(facts: OrderFacts) -> Check:
    """HALTED, also when the switch can not be read, denies all orders; REDUCING those that do not reduce."""
    found = facts.trading_state
    mode = found.message.mode if found is not None else TradingMode.HALTED
    reason = ""
    if found is None:
        reason = "trading is halted: the desk's trading state has not been set"
    elif mode is TradingMode.HALTED:
        reason = f"trading is halted by {found.message.by}: {found.message.reason}"
    elif mode is TradingMode.REDUCING and facts.worst.reduces is not True:
        reason = f"only orders that reduce a position are let through ({found.message.by}: {found.message.reason})"
    return Check(
        name="trading_state",
        passed=not reason,
        limit=TradingMode.REDUCING if facts.worst.reduces else TradingMode.ACTIVE,
        observed=mode if found is not None else UNKNOWN,
        source=found.source if found is not None else "KV_CONTROL",
        reason=reason,
    )


def reduce_only(facts: OrderFacts) -> Check:
    """Held to its own word: with all working orders of its side filled, the position must not pass zero."""
    intent, reduces = facts.intent, facts.worst.reduces
    ok = not intent.reduce_only or reduces is True
    after = plain(facts.worst.position_quantity) if reduces is not None else UNKNOWN
    reason = ""
    if not ok:
        reason = f"a reduce_only order must not open or turn a position: the position could become {after}"
    return Check(
        name="reduce_only",
        passed=ok,
        limit="reduces" if intent.reduce_only else "not asked for",
        observed=f"position {after}",
        source=facts.books.adopted_source or "TRADE",
        reason=reason,
    )


def venue_link(facts: OrderFacts) -> Check:
    found, venue = facts.link, facts.intent.venue
    status = found.message.status if found is not None else None
    reason = ""
    if found is None:
        reason = f"no heartbeat from the gateway to {venue}: what it would do with an order is not known"
    elif status is not LinkStatus.READY:
        reason = f"the link to {venue} is {status}, not READY" + (
            f": {found.message.reason}" * bool(found.message.reason)
        )
    return Check(
        name="venue_link",
        passed=not reason,
        limit=LinkStatus.READY,
        observed=status or "silent",
        source=found.source if found is not None else "link",
        reason=reason,
    )


def account_state(facts: OrderFacts) -> Check:
    found, limit = facts.account, facts.limits.account_age_seconds_max
    age = facts.now - found.message.at if found is not None else None
    reason = ""
    if age is None:
        reason = f"{facts.intent.venue} has not said what account {facts.intent.account} holds"
    elif age > timedelta(seconds=limit):
        reason = (
            f"the figures of account {facts.intent.account} are {seconds(age)} s old; at most {limit} s are trusted"
        )
    elif -age > AHEAD_MAX:
        reason = f"the figures of account {facts.intent.account} are dated {seconds(-age)} s ahead of the desk clock"
    return Check(
        name="account_state",
        passed=not reason,
        limit=f"{limit} s",
        observed=f"{seconds(age)} s" if age is not None else UNKNOWN,
        source=found.source if found is not None else "STATE",
        reason=reason,
    )


def account_books(facts: OrderFacts) -> Check:
    adopted, unread = facts.books.adopted_source, facts.state.unread_event
    reason = ""
    if unread:
        reason = f"the order event at {unread} can not be read: what the account holds is not known"
    elif not adopted:
        reason = f"the desk has not taken over the books of account {facts.intent.account} yet"
    return Check(
        name="account_books",
        passed=not reason,
        limit="taken over",
        observed=UNKNOWN if reason else "taken over",
        source=unread or adopted or "TRADE",
        reason=reason,
    )


def store_room(facts: OrderFacts) -> Check:
    """An order leaves messages behind on its whole way: none is begun that might find no room before it is over."""
    found, part_max = facts.state.room, facts.state.desk.nats.room_used_fraction_max
    limit = f"{plain(part_max * 100)} %"
    observed, reason = UNKNOWN, ""
    if found is None:
        reason = "NATS has not said lately how full its streams are: an order might find no room on its way"
    else:
        room = found.message
        observed = f"{room.used_percent} % of {room.stream}"
        if room.bytes > part_max * room.bytes_max > 0:
            reason = (
                f"the stream {room.stream} has used {room.used_percent} % of its room "
                f"({shown_bytes(room.bytes)} of {shown_bytes(room.bytes_max)}); orders are let through up to {limit}"
            )
    return Check(
        name="store_room",
        passed=not reason,
        limit=limit,
        observed=observed,
        source=found.source if found is not None else "nats-server",
        reason=reason,
    )


ORDER_CHECKS = (clock, trading_state, store_room, venue_link, account_books, account_state, reduce_only)
