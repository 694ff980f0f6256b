"""Checks of what an account's positions come to together, and against what it is worth: each binds where it is stated.

Each is a pair of pure functions: why an intent fails it, and what is told of it. As with the limits on size everything
under way counts as filled at its worst, amounts are in the account's currency, and what only reduces passes. What an
account is worth is the venue's net liquidation; where nobody has said it, in the currency of the account's books, what
opens is denied.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages import AccountWorth, SumsSeen

from risk import figures
from risk.checks.rows import Limit, Row, Told
from risk.facts import AGE_MIN, OrderFacts
from risk.rates import conversion_rate
from risk.state import BUY, ZERO, is_flat, worst_quantity
from risk.wording import UNKNOWN, money, plain, stated

NOT_LOOKED = "what the account holds together was not looked at"


def open_positions(facts: OrderFacts) -> str:
    """Symbols that are held, or being opened; one that adds to a symbol of those opens no other position."""
    limit = facts.in_force.limits.open_positions_max
    if limit is None or facts.reduces:
        return ""
    sums = facts.basis.books.sums
    if sums is None or facts.reduces is None:
        return NOT_LOOKED
    if not is_flat(facts.basis.position) or sums.positions < limit:
        return ""
    return (
        f"account {facts.intent.account} holds or opens {sums.positions} positions, and {limit} are allowed: close "
        "one, or add to one of them"
    )


def tell_open_positions(facts: OrderFacts) -> Told:
    limit, sums = facts.in_force.limits.open_positions_max, facts.basis.books.sums
    observed = str(sums.positions + is_flat(facts.basis.position)) if sums is not None else UNKNOWN
    return stated(limit), observed, facts.books_source


def entries_per_position(facts: OrderFacts) -> str:
    """A position is opened by one order: in a symbol that is held, or being opened, only what reduces passes."""
    if facts.in_force.limits.entries_per_position_max is None or facts.reduces:
        return ""
    if facts.reduces is None:
        return f"the position in {facts.intent.symbol} is not known"
    if not _enters_again(facts):
        return ""
    return (
        f"{facts.intent.symbol} is held or being opened in account {facts.intent.account}, and a position is opened "
        "by one order: only what reduces it is let through"
    )


def _enters_again(facts: OrderFacts) -> bool:
    """Whether it is another entry. A change of an order that entered is none; of one that reduced it would be."""
    held, side = facts.basis.position, facts.intent.side
    if facts.basis.order is None:
        return not is_flat(held)
    before = worst_quantity(held, side, ZERO)
    return before <= ZERO if side is BUY else before >= ZERO


def tell_entries_per_position(facts: OrderFacts) -> Told:
    limit, held = facts.in_force.limits.entries_per_position_max, facts.basis.position
    observed = f"{plain(held.quantity)} held, {plain(held.buying_quantity)} being bought, "
    observed += f"{plain(held.selling_quantity)} being sold"
    return stated(limit), observed, facts.books_source


def position_equity_fraction(facts: OrderFacts) -> str:
    """What the position in the symbol may be worth, as a part of what the account is worth."""
    limit = facts.in_force.limits.position_equity_fraction_max
    if limit is None or facts.reduces:
        return ""
    return _part(facts, facts.position_value, limit, f"the position in {facts.intent.symbol}")


def tell_position_equity_fraction(facts: OrderFacts) -> Told:
    return _told_part(facts, facts.in_force.limits.position_equity_fraction_max, facts.position_value)


def leverage(facts: OrderFacts) -> str:
    """What all positions may be worth, long and short added up, over what the account is worth."""
    limit = facts.in_force.limits.leverage_max
    if limit is None or facts.reduces:
        return ""
    value, equity = facts.account_value, _equity(facts)
    if value is None or equity is None:
        return _unknown(facts)
    if value <= limit * equity:
        return ""
    ours = facts.basis.books.currency
    return (
        f"with all working orders filled account {facts.intent.account} could hold {money(value, ours)} and is worth "
        f"{money(equity, ours)}; {plain(limit)} times that is allowed"
    )


def tell_leverage(facts: OrderFacts) -> Told:
    return _told_part(facts, facts.in_force.limits.leverage_max, facts.account_value)


def net_exposure(facts: OrderFacts) -> str:
    """Long and short of an account against each other, with all working orders of the order's side filled."""
    limit = facts.in_force.limits.net_exposure_max
    if limit is None or facts.reduces:
        return ""
    value = _net(facts)
    if value is None:
        return _unknown(facts)
    if value <= limit:
        return ""
    ours, side = facts.basis.books.currency, "long" if facts.intent.side is BUY else "short"
    return (
        f"with all working orders of its side filled account {facts.intent.account} could be {money(value, ours)} net "
        f"{side}; {money(limit, ours)} is allowed"
    )


def tell_net_exposure(facts: OrderFacts) -> Told:
    limit = facts.in_force.limits.net_exposure_max
    return stated(limit), plain(_net(facts)), facts.books_source


def _net(facts: OrderFacts) -> Decimal | None:
    sums, added = facts.basis.books.sums, facts.added_value
    if sums is None or added is None or facts.account_value is None:
        return None
    return (sums.long_value if facts.intent.side is BUY else sums.short_value) + added


# --------------------------------------------------------------------------------------------------- the whole desk


def desk_exposure(facts: OrderFacts) -> str:
    """What all accounts of the desk may hold together, at every venue, as a part of what they are worth together."""
    limit = facts.in_force.limits.exposure_equity_fraction_max
    if limit is None or facts.reduces:
        return ""
    sums = facts.basis.books.sums
    if sums is not None and sums.is_of_group:
        return (
            "an order for a group is not held against what the whole desk may hold: send it to each account by itself"
        )
    together = _together(facts, sums)
    if isinstance(together, str):
        return f"what the desk holds together is not known: {together}; only what reduces is let through"
    value, equity = together
    if value <= limit * equity:
        return ""
    ours = facts.basis.books.currency
    return (
        f"with all working orders filled the desk could hold {money(value, ours)} at all venues together, and is worth "
        f"{money(equity, ours)}; {limit:.2%} of that is allowed"
    )


def tell_desk_exposure(facts: OrderFacts) -> Told:
    limit, sums = facts.in_force.limits.exposure_equity_fraction_max, facts.basis.books.sums
    together = _together(facts, sums)
    observed = UNKNOWN if isinstance(together, str) else _shown(*together)
    sources = [facts.basis.account.source] if facts.basis.account is not None else []
    sources += [each.source for each in (sums.others if sums is not None else ()) if each.source]
    return stated(limit), observed, ", ".join([facts.books_source, *sources])


def _together(facts: OrderFacts, sums: SumsSeen | None) -> tuple[Decimal, Decimal] | str:
    """What all accounts may hold, and what they are worth, in the currency of the order's; or why nobody can say."""
    value, equity = facts.account_value, _equity(facts)
    if sums is None or sums.is_of_group or value is None or equity is None:
        return f"account {facts.intent.account} can not be valued"
    for other in sums.others:
        rate = conversion_rate(facts.rules.desk, facts.basis.books.currency, other.currency, other.rate)
        if other.worst_value is None or other.net_liquidation is None or rate is None or not _is_fresh(facts, other):
            return f"account {other.name} at {other.venue} can not be valued, or what is known of it is old"
        value += other.worst_value * rate
        equity += other.net_liquidation * rate
    return value, equity


def _is_fresh(facts: OrderFacts, other: AccountWorth) -> bool:
    return other.at is not None and AGE_MIN <= facts.now - other.at <= facts.in_force.account_age_max


# ------------------------------------------------------------------------------------------------------------- parts


def _equity(facts: OrderFacts) -> Decimal | None:
    sums = facts.basis.books.sums
    return sums.net_liquidation if sums is not None else None


def _part(facts: OrderFacts, value: Decimal | None, limit: Decimal, what: str) -> str:
    """Why `value` is too much of what the account is worth."""
    equity = _equity(facts)
    if value is None or equity is None:
        return _unknown(facts)
    if value <= limit * equity:
        return ""
    ours = facts.basis.books.currency
    return (
        f"with all working orders filled {what} could be worth {money(value, ours)}, and the account is worth "
        f"{money(equity, ours)}; {limit:.2%} of that is allowed"
    )


def _unknown(facts: OrderFacts) -> str:
    return (
        f"what account {facts.intent.account} holds, or what it is worth, is not known: a price or rate is missing, or "
        f"{facts.intent.venue} has not said it"
    )


def _told_part(facts: OrderFacts, limit: Decimal | None, value: Decimal | None) -> Told:
    equity = _equity(facts)
    observed = _shown(value, equity) if value is not None and equity is not None else UNKNOWN
    source = facts.basis.account.source if facts.basis.account is not None else "STATE"
    return stated(limit), observed, source


def _shown(value: Decimal, equity: Decimal) -> str:
    return plain(round(value / equity, 6)) if equity > ZERO else f"{plain(value)} of {plain(equity)}"


ORDER_ROWS: tuple[Row[OrderFacts], ...] = (
    Row(
        "open_positions",
        open_positions,
        tell_open_positions,
        Limit(
            "open_positions_max",
            "In how many symbols an account may hold something, or be opening it.",
            figures.open_positions_used,
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.open_positions_max is None,
    ),
    Row(
        "entries_per_position",
        entries_per_position,
        tell_entries_per_position,
        Limit(
            "entries_per_position_max",
            "1 = a position is opened by one order (no duplicate holding): what opens in a symbol that is held, or "
            "being opened, in the account is denied.",
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.entries_per_position_max is None,
    ),
    Row(
        "position_equity_fraction",
        position_equity_fraction,
        tell_position_equity_fraction,
        Limit(
            "position_equity_fraction_max",
            "What a position may be worth at worst prices, as a part of what its account is worth.",
            figures.position_equity_fraction_used,
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.position_equity_fraction_max is None,
    ),
    Row(
        "net_exposure",
        net_exposure,
        tell_net_exposure,
        Limit(
            "net_exposure_max",
            "What all positions of an account may be worth, long and short against each other, in its currency.",
            figures.net_exposure_used,
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.net_exposure_max is None,
    ),
    Row(
        "leverage",
        leverage,
        tell_leverage,
        Limit(
            "leverage_max",
            "What all positions of an account may be worth, long and short added up, over what it is worth.",
            figures.leverage_used,
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.leverage_max is None,
    ),
    Row(
        "desk_exposure",
        desk_exposure,
        tell_desk_exposure,
        Limit(
            "exposure_equity_fraction_max",
            "What all accounts at all venues may hold together, as a part of what they are worth together, at the "
            "rates that the order's account is valued by.",
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.exposure_equity_fraction_max is None,
    ),
)
