"""Checks of what an order may lose at its stop: how much, and whether it has one.

Each is a pair of pure functions: why an intent fails it, and what is told of it. None is asked where its limit is not
stated. A stop is a leg of the order's own list (a bracket, or what follows an entry) that trades as the position loses:
one that is sent by itself, before or after, is not known to belong to it. What is lost at it is reckoned from where the
entry is taken to fill (its limit, its stop, or the market) to where the stop triggers, without slippage and costs.
"""

from __future__ import annotations

from risk.checks.rows import Limit, Row, Told
from risk.facts import INTENT, OrderFacts
from risk.wording import money, plain, stated


def risk_per_trade(facts: OrderFacts) -> str:
    """What is lost if the entry fills, and then its stops; of the part that no stop is for all that it is worth."""
    limit = facts.in_force.limits.risk_per_trade_max
    if limit is None or facts.reduces:
        return ""
    lost = facts.at_stop
    if lost is None or lost <= limit:
        return ""
    ours = facts.basis.books.currency
    return f"at its stop {money(lost, ours)} would be lost; one trade may lose {money(limit, ours)} at most"


def tell_risk_per_trade(facts: OrderFacts) -> Told:
    limit, lost = facts.in_force.limits.risk_per_trade_max, facts.at_stop
    return stated(limit), plain(lost) if lost is not None else "no stop", INTENT


def stop_required(facts: OrderFacts) -> str:
    """What opens comes with a stop for all of it."""
    if facts.in_force.limits.stop_required is None or facts.reduces or facts.has_stop:
        return ""
    what = "a part of it has none" if facts.at_stop is not None else "it has none"
    return (
        f"what opens has to come with a stop for all of its quantity, and {what}: send it with its stop "
        "(`signalbox bracket`)"
    )


def tell_stop_required(facts: OrderFacts) -> Told:
    observed = "reduces" if facts.reduces else "a stop for all of it" if facts.has_stop else "no stop for all of it"
    return "a stop for what opens", observed, INTENT


ORDER_ROWS: tuple[Row[OrderFacts], ...] = (
    Row(
        "risk_per_trade",
        risk_per_trade,
        tell_risk_per_trade,
        Limit(
            "risk_per_trade_max",
            "What an order that comes with its stop may lose at that, in the account's currency ([stops](#stops)).",
        ),
        is_bound=True,
        stands=lambda facts: facts.in_force.limits.risk_per_trade_max is None,
    ),
    Row(
        "stop_required",
        stop_required,
        tell_stop_required,
        Limit("stop_required", "1 = what opens a position has to come with a stop for all of it."),
        stands=lambda facts: facts.in_force.limits.stop_required is None,
    ),
)
