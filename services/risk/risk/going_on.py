"""Goes on with the flattens that are under way: what is due is decided, and what is let through is in the state then.

Owns that nothing is stored of what is denied, nor of what risk could not judge for a fault of its own: it is asked
again at the next look, and the other markets go on meanwhile. It must not know what a flatten is about
(`risk.flattening`), nor what makes an order good (`risk.decide`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from signalbox.messages import IntentApproved, IntentDenied, Ruling

from risk import evolve
from risk.decide import decide
from risk.flattening import ended, request_of, unsettled, wanted
from risk.state import Flatten, Market, RiskState


def go_on(state: RiskState, at: datetime, clock_is_stale: bool) -> Iterator[Ruling]:
    """What the flattens make necessary at desk time `at`, the oldest first, each on top of the one before."""
    for name, flatten in [*state.flattens.items()]:
        if at <= flatten.until:
            yield from _close(state, name, flatten, at, clock_is_stale)
        over = ended(state, name, at)
        if over is not None:
            evolve.fold_flatten_ended(state, over)
            yield over


def _close(state: RiskState, name: str, flatten: Flatten, at: datetime, clock_is_stale: bool) -> Iterator[Ruling]:
    """What is let through for it now; why the other markets wait is noted."""
    flatten.waits.clear()
    for market, orders in unsettled(state, flatten.intent).items():
        made = _asked(state, name, flatten, market, orders, at, clock_is_stale)
        if isinstance(made, str):
            flatten.waits[market] = made
            continue
        evolve.fold_new_decision(state, made)
        yield made


def _asked(
    state: RiskState, name: str, flatten: Flatten, market: Market, orders: int, at: datetime, clock_is_stale: bool
) -> IntentApproved | str:
    """What is let through in one market; or why nothing is. The state is only read, so a fault leaves it as it was."""
    try:
        wish = wanted(state, name, market, orders, at)
        if isinstance(wish, str):
            return wish
        decision = decide(state, request_of(flatten, wish, clock_is_stale), at)
    except Exception as fault:
        return f"risk could not judge what is to be sent there: {type(fault).__name__}: {fault}"
    return decision.reason if isinstance(decision, IntentDenied) else decision
