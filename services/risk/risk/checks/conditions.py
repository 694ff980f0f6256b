"""Checks of the moment: may the desk trade, does the venue answer, is it known what the account holds?

Each is a pair of pure functions: why an intent fails it, and what is told of it. All fail closed: what has not been
heard, or not lately, denies.
"""

from __future__ import annotations

from signalbox.messages import LinkStatus, SwitchScope, SwitchSeen, TradingMode
from signalbox.room import StreamRoom, shown_bytes

from risk import figures
from risk.checks.rows import Limit, Row, Told, always
from risk.facts import AGE_MIN, CLOCK, OrderFacts
from risk.wording import UNKNOWN, plain, seconds

_ACTIVE, _READY = TradingMode.ACTIVE, LinkStatus.READY
_STRICTNESS = {TradingMode.ACTIVE: 0, TradingMode.REDUCING: 1, TradingMode.HALTED: 2}
_WHERE = {
    SwitchScope.DESK.value: "",
    SwitchScope.VENUE.value: " at {}",
    SwitchScope.ACCOUNT.value: " in account {}",
    SwitchScope.STRATEGY.value: " of strategy {}",
    SwitchScope.SYMBOL.value: " in {}",
}
NO_REASON = "no reason was given"


def clock(facts: OrderFacts) -> str:
    if facts.basis.clock_is_stale:
        return "the desk clock stands still: nothing that depends on the time can be decided"
    return ""


def tell_clock(facts: OrderFacts) -> Told:
    return "running", "stale" if facts.basis.clock_is_stale else "running", CLOCK


def trading_state(facts: OrderFacts) -> str:
    """HALTED, also when the switch can not be read, denies all orders; REDUCING those that do not reduce. Of all that
    an order is in (the desk, its venue, account, strategy, symbol) the strictest decides."""
    if facts.basis.closes and facts.reduces is True:
        return ""  # who flattens wants out, whatever the switch says
    if facts.basis.switch is None:
        return "trading is halted: the desk's trading state has not been set"
    found, where = _strictest(facts)
    return _switched(found, facts, where)


def _strictest(facts: OrderFacts) -> tuple[SwitchSeen | None, str]:
    """The switch that decides, and where it holds in words: of equal ones the widest."""
    desk, scoped, old = facts.basis.switch, facts.basis.scope_switch, facts.basis.symbol_switch
    if old is not None and (desk is None or not _switched(desk, facts, "")):
        return old, f" in {facts.intent.symbol}"
    if scoped is None or desk is None or _STRICTNESS[desk.mode] >= _STRICTNESS[scoped.mode]:
        return desk, ""
    kind, _, name = scoped.scope.partition(":")
    return scoped, _WHERE[kind].format(name)


def _switched(found: SwitchSeen | None, facts: OrderFacts, where: str) -> str:
    if found is None or found.mode is _ACTIVE:
        return ""
    if found.mode is TradingMode.HALTED:
        return f"trading{where} is halted by {found.by}: {found.reason or NO_REASON}"
    if found.mode is TradingMode.REDUCING and facts.reduces is not True:
        return f"only orders that reduce a position are let through{where} ({found.by}: {found.reason or NO_REASON})"
    return ""


def is_active(facts: OrderFacts) -> bool:
    basis = facts.basis
    is_on = basis.switch is not None and basis.switch.mode is _ACTIVE
    return is_on and basis.scope_switch is None and basis.symbol_switch is None


def tell_trading_state(facts: OrderFacts) -> Told:
    found, _ = _strictest(facts)
    limit = TradingMode.REDUCING if facts.reduces else TradingMode.ACTIVE
    return (limit, found.mode, found.source) if found is not None else (limit, UNKNOWN, "KV_CONTROL")


def whose_trading_state(facts: OrderFacts) -> str:
    """Which scope has decided, as limits are told whose they are; "" = the desk's main switch."""
    found, _ = _strictest(facts)
    return found.scope if found is not None else ""


def reduce_only(facts: OrderFacts) -> str:
    """Held to its own word: with all working orders of its side filled, the position must not pass zero."""
    if not facts.intent.reduce_only or facts.reduces is True:
        return ""
    return f"a reduce_only order must not open or turn a position: the position could become {_after(facts)}"


def tell_reduce_only(facts: OrderFacts) -> Told:
    limit = "reduces" if facts.intent.reduce_only else "not asked for"
    return limit, f"position {_after(facts)}", facts.basis.books.source or "TRADE"


def _after(facts: OrderFacts) -> str:
    return plain(facts.position_quantity) if facts.reduces is not None else UNKNOWN


def flatten(facts: OrderFacts) -> str:
    """What is to be flat is not traded meanwhile, but by the flatten itself: another exit would race with it."""
    under_way = facts.basis.flatten
    if not under_way or facts.basis.closes:
        return ""
    return (
        f"{facts.intent.symbol} is being flattened ({under_way}): nothing else is sent there until that is over "
        "(`signalbox watch 'decision.ended.>'` says when)"
    )


def tell_flatten(facts: OrderFacts) -> Told:
    under_way = facts.basis.flatten
    return "no flatten under way", under_way or "none", facts.books_source


def venue_link(facts: OrderFacts) -> str:
    found, venue = facts.basis.link, facts.intent.venue
    if found is None:
        return f"no heartbeat from the gateway to {venue}: what it would do with an order is not known"
    if found.status is not _READY:
        return f"the link to {venue} is {found.status}, not READY" + f": {found.reason}" * bool(found.reason)
    if found.unread:
        return f"what {venue} says of {facts.intent.symbol} can not be read ({found.unread}): what is held is not known"
    return ""


def tell_venue_link(facts: OrderFacts) -> Told:
    found = facts.basis.link
    if found is None:
        return LinkStatus.READY, "silent", "link"
    said = f"{found.status}, {facts.intent.symbol} unread" if found.unread else found.status
    return LinkStatus.READY, said, f"link:{found.id}"


def account_state(facts: OrderFacts) -> str:
    found, limit, account = facts.basis.account, facts.limits.account_age_seconds_max, facts.intent.account
    if found is None:
        return f"{facts.intent.venue} has not said what account {account} holds"
    age = facts.now - found.at
    if age > facts.in_force.account_age_max:
        by = f" ({found.figure})" * bool(found.figure)
        return f"the figures of account {account} are {seconds(age)} s old{by}; at most {limit} s are trusted"
    if age < AGE_MIN:
        return f"the figures of account {account} are dated {seconds(-age)} s ahead of the desk clock"
    return ""


def tell_account_state(facts: OrderFacts) -> Told:
    found, limit = facts.basis.account, f"{facts.limits.account_age_seconds_max} s"
    if found is None:
        return limit, UNKNOWN, "STATE"
    return limit, f"{seconds(facts.now - found.at)} s" + f" ({found.figure})" * bool(found.figure), found.source


def account_books(facts: OrderFacts) -> str:
    basis = facts.basis
    if basis.unread_event:
        return f"the order event at {basis.unread_event} can not be read: what the account holds is not known"
    if not basis.books.source:
        return f"the desk has not taken over the books of account {facts.intent.account} yet"
    return ""


def tell_account_books(facts: OrderFacts) -> Told:
    unread, adopted = facts.basis.unread_event, facts.basis.books.source
    return "taken over", "taken over" if adopted and not unread else UNKNOWN, unread or adopted or "TRADE"


def store_room(facts: OrderFacts) -> str:
    """An order leaves messages behind on its whole way: none is begun that might find no room before it is over."""
    found, part_max = facts.basis.room, facts.rules.desk.nats.room_used_fraction_max
    if found is None:
        return "NATS has not said lately how full its streams are: an order might find no room on its way"
    if found.bytes > part_max * found.bytes_max > 0:
        room = StreamRoom(found.stream, found.bytes, found.bytes_max)
        return (
            f"the stream {room.stream} has used {room.used_percent} % of its room "
            f"({shown_bytes(room.bytes)} of {shown_bytes(room.bytes_max)}); "
            f"orders are let through up to {plain(part_max * 100)} %"
        )
    return ""


def tell_store_room(facts: OrderFacts) -> Told:
    found, limit = facts.basis.room, f"{plain(facts.rules.desk.nats.room_used_fraction_max * 100)} %"
    if found is None:
        return limit, UNKNOWN, "nats-server"
    room = StreamRoom(found.stream, found.bytes, found.bytes_max)
    return limit, f"{room.used_percent} % of {room.stream}", f"nats-server:{room.stream}"


ORDER_ROWS: tuple[Row[OrderFacts], ...] = (
    Row("clock", clock, tell_clock, stands=always),
    Row("trading_state", trading_state, tell_trading_state, stands=is_active, whose=whose_trading_state),
    Row("flatten", flatten, tell_flatten, stands=always),
    Row("store_room", store_room, tell_store_room, stands=always),
    Row("venue_link", venue_link, tell_venue_link, stands=always),
    Row("account_books", account_books, tell_account_books, stands=always),
    Row(
        "account_state",
        account_state,
        tell_account_state,
        Limit(
            "account_age_seconds_max",
            "How old the venue's figures of an account may be, in seconds of desk time.",
            figures.account_age_used,
        ),
    ),
    Row("reduce_only", reduce_only, tell_reduce_only, stands=lambda facts: not facts.intent.reduce_only),
)
