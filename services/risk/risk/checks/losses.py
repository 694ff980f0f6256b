"""Checks of loss: what an account has lost is held against what it may lose, before anything more is opened.

Each is a pair of pure functions: why an intent fails it, and what is told of it. None is asked where its limit is not
stated. What only reduces a position always passes: nobody is kept in. What is measured is `risk.losing`'s: profit and
loss, realised and unrealised, of the whole account since the desk took its books over, before commissions and funding,
in its currency, each position at the last price that risk has seen. Where a price is older than it may be while its
market trades, nobody knows what was lost, and what opens is denied.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from signalbox.messages import LossesSeen

from risk import figures
from risk.checks.rows import Limit, Row, Told
from risk.facts import OrderFacts
from risk.losing import drawdown as fraction_lost
from risk.state import ZERO
from risk.wording import UNKNOWN, moment, money, plain, seconds, stated

NOT_LOOKED = "what the account has won and lost was not looked at"


def daily_loss(facts: OrderFacts) -> str:
    """Past the limit, what opens is denied until the next day of the account begins, also when it is won back.

    From the PnL at the opening of the account's day to the lowest that a decision of the day has seen, this one with
    it: a day that is up never fires it, however much was given back of what it had won.
    """
    limit = facts.in_force.limits.daily_loss_max
    if limit is None or facts.reduces:
        return ""
    seen = facts.basis.books.losses
    if seen is None or seen.pnl is None or seen.since is None:
        return _not_known(facts, seen)
    lost = seen.opening - seen.lowest
    if lost <= limit:
        return ""
    ours, now = facts.basis.books.currency, seen.opening - seen.pnl
    back = f" (now {money(now, ours)})" if now < lost else ""
    return (
        f"account {facts.intent.account} has lost {money(lost, ours)}{back} since its day began at "
        f"{moment(seen.since)}; {money(limit, ours)} are allowed: until the next day begins only what reduces is let "
        "through"
    )


def tell_daily_loss(facts: OrderFacts) -> Told:
    seen, limit = facts.basis.books.losses, facts.in_force.limits.daily_loss_max
    lost = max(ZERO, seen.opening - seen.lowest) if seen is not None and seen.pnl is not None else None
    return stated(limit), plain(lost), facts.books_source


def drawdown(facts: OrderFacts) -> str:
    """Past the limit, what opens is denied until what was lost since the peak is within it again."""
    limit = facts.in_force.limits.drawdown_max_fraction
    if limit is None or facts.reduces:
        return ""
    seen, lost = facts.basis.books.losses, _drawdown(facts)
    if seen is None or seen.pnl is None or lost is None:
        return _not_known(facts, seen)
    if lost <= limit:
        return ""
    ours = facts.basis.books.currency
    return (
        f"account {facts.intent.account} has lost {money(seen.peak - seen.pnl, ours)} since its peak, {lost:.2%} of "
        f"what it would be worth; {limit:.2%} are allowed: until it is back within that only what reduces is let "
        "through"
    )


def tell_drawdown(facts: OrderFacts) -> Told:
    lost = _drawdown(facts)
    return (
        stated(facts.in_force.limits.drawdown_max_fraction),
        plain(round(lost, 6)) if lost is not None else UNKNOWN,
        facts.books_source,
    )


def _drawdown(facts: OrderFacts) -> Decimal | None:
    seen = facts.basis.books.losses
    return fraction_lost(seen.pnl, seen.peak, seen.net_liquidation) if seen is not None else None


def consecutive_losses(facts: OrderFacts) -> str:
    """So many positions were closed at a loss, one after the other: no other one is begun this day."""
    limit = facts.in_force.limits.consecutive_losses_max
    if limit is None or facts.reduces:
        return ""
    seen = facts.basis.books.losses
    if seen is None:
        return _not_known(facts, seen)
    if seen.losses_in_a_row < limit:
        return ""
    return (
        f"account {facts.intent.account} has closed {seen.losses_in_a_row} positions in a row at a loss, and {limit} "
        "are allowed: until its next day begins, or one is closed with a gain, only what reduces is let through"
    )


def tell_consecutive_losses(facts: OrderFacts) -> Told:
    seen = facts.basis.books.losses
    observed = str(seen.losses_in_a_row) if seen is not None else UNKNOWN
    limit = facts.in_force.limits.consecutive_losses_max
    return stated(limit, "fewer than {}"), observed, facts.books_source


def cooldown(facts: OrderFacts) -> str:
    """A stop has closed something of the symbol: nothing is opened there for so long."""
    limit = facts.in_force.limits.cooldown_seconds_after_stop
    if limit is None or facts.reduces:
        return ""
    seen = facts.basis.books.losses
    if seen is None:
        return _not_known(facts, seen)
    if seen.stopped_at is None or facts.now - seen.stopped_at >= timedelta(seconds=limit):
        return ""
    until = seen.stopped_at + timedelta(seconds=limit)
    return (
        f"a stop has closed {facts.intent.symbol} at {moment(seen.stopped_at)}: until {moment(until)} only what "
        "reduces is let through there"
    )


def tell_cooldown(facts: OrderFacts) -> Told:
    limit, seen = facts.in_force.limits.cooldown_seconds_after_stop, facts.basis.books.losses
    since = seen.stopped_at if seen is not None else None
    observed = f"a stop {seconds(facts.now - since)} s ago" if since is not None else "no stop was filled"
    return stated(limit, "{} s"), observed, facts.books_source


def _not_known(facts: OrderFacts, seen: LossesSeen | None) -> str:
    why = NOT_LOOKED if seen is None else seen.unknown or f"{facts.intent.venue} has not said what the account is worth"
    return f"what account {facts.intent.account} has lost is not known: {why}; only what reduces is let through"


ORDER_ROWS: tuple[Row[OrderFacts], ...] = (
    Row(
        "daily_loss",
        daily_loss,
        tell_daily_loss,
        Limit(
            "daily_loss_max",
            "What an account may lose in a day, realised and unrealised, in its currency ([losses](#losses)).",
            figures.daily_loss_used,
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.daily_loss_max is None,
    ),
    Row(
        "drawdown",
        drawdown,
        tell_drawdown,
        Limit(
            "drawdown_max_fraction",
            "What an account may lose from its peak, realised and unrealised, as a part of what it would be worth.",
            figures.drawdown_used,
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.drawdown_max_fraction is None,
    ),
    Row(
        "consecutive_losses",
        consecutive_losses,
        tell_consecutive_losses,
        Limit(
            "consecutive_losses_max",
            "How many positions of an account may be closed at a loss in a row, in a day.",
            figures.consecutive_losses_used,
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.consecutive_losses_max is None,
    ),
    Row(
        "cooldown",
        cooldown,
        tell_cooldown,
        Limit(
            "cooldown_seconds_after_stop",
            "How long nothing is opened in a symbol after a stop has closed something of it, in seconds of desk time.",
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.cooldown_seconds_after_stop is None,
    ),
)
