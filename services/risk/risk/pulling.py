"""Switches that pull themselves: the table of causes, and what they make necessary now.

Owns that a scope is switched once by a cause, and again only when that has come anew after somebody has ended it; and
that arming the desk again (`TradingState` ACTIVE, another one than was in force) ends what was pulled of the desk.
What comes out is in the state once it is stored: whoever folds it later has it at the same place of TRADE. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from signalbox.messages import TradingMode, TradingSwitched

from risk.causes import clock, drift, heartbeat, losses, price_silence, rejections, unknown_order
from risk.causes.found import Found
from risk.pulls import DESK, Pull
from risk.state import RiskState


@dataclass(frozen=True, slots=True)
class Cause:
    """`limit` is its field of `signalbox.switches.Switches`, `mode` what it makes of the scopes that it has reached.

    `about` says what pulls and of what, for docs/limits.md.
    """

    name: str
    limit: str
    mode: TradingMode
    reached: Callable[[RiskState, datetime], Iterator[Found]]
    about: str


CAUSES: tuple[Cause, ...] = (
    Cause(
        clock.NAME,
        "stale_clock",
        TradingMode.HALTED,
        clock.reached,
        "`true`: the desk clock stands still, of which it says so itself; the desk",
    ),
    Cause(
        drift.NAME,
        "drift_seconds_max",
        TradingMode.HALTED,
        drift.reached,
        "snapshots of the venue, two at least, state another position than the books; the symbol of the account",
    ),
    Cause(
        rejections.NAME,
        "rejections_per_minute_max",
        TradingMode.HALTED,
        rejections.reached,
        "orders that the venue itself refused within a minute, but for want of room; the account",
    ),
    Cause(
        losses.NAME,
        "losses",
        TradingMode.REDUCING,
        losses.reached,
        "`true`: `daily_loss_max` or `drawdown_max_fraction` is reached (without it that denies what opens while "
        "it is reached, and lets go by itself; with it a person arms the account again); the account",
    ),
    Cause(
        unknown_order.NAME,
        "unknown_order_seconds_max",
        TradingMode.REDUCING,
        unknown_order.reached,
        "an order is UNKNOWN, since the event that said so; the symbol of the account",
    ),
    Cause(
        price_silence.NAME,
        "price_silence_seconds_max",
        TradingMode.REDUCING,
        price_silence.reached,
        "no price of a symbol that is held or worked in, while its regular session is open and its venue trades it, "
        "since the last quote, the opening, the end of a break, or since it is held, whichever is last; the symbol of "
        "each account that is in it",
    ),
    Cause(
        heartbeat.NAME,
        "heartbeat_silence_seconds_max",
        TradingMode.REDUCING,
        heartbeat.reached,
        "no heartbeat of a gateway, since risk has missed it (one that says its venue is away is heard); the account",
    ),
)


def look(state: RiskState, at: datetime, *, clock_is_stale: bool) -> Iterator[TradingSwitched]:
    """What is to be switched at desk time `at`."""
    state.pulls.is_due = False
    clock.note_clock(state, at, is_stale=clock_is_stale)
    heartbeat.note_silence(state, at)
    if state.desk.switches.price_silence_seconds_max is not None:
        price_silence.note_watched(state, at)
    if state.desk.switches.losses:
        losses.note_losses(state, at)
    yield from _armed_again(state, at)
    for cause in CAUSES:
        pulled: set[Pull] = set()
        for found in cause.reached(state, at):
            pull = (found.scope, cause.name)
            if pull in state.pulls.pulled or pull in pulled or found.came <= state.pulls.ended_at(pull):
                continue
            pulled.add(pull)
            yield _switched(state, cause, found, at)


def _switched(state: RiskState, cause: Cause, found: Found, at: datetime) -> TradingSwitched:
    venue, account, symbol, strategy = found.scope
    main = state.trading_state
    return TradingSwitched(
        id=_id(found.scope, cause.name, found.came),
        at=at,
        mode=cause.mode,
        pulled_by=cause.name,
        reason=found.reason,
        venue=venue,
        account=account,
        symbol=symbol,
        strategy=strategy,
        came=found.came,
        main_switch=main.message.id if main is not None else "",
    )


def _armed_again(state: RiskState, at: datetime) -> Iterator[TradingSwitched]:
    """An operator's word for the desk ends what was pulled of the desk before it."""
    main = state.trading_state.message if state.trading_state is not None else None
    if main is None or main.mode is not TradingMode.ACTIVE:
        return
    for (scope, name), pulled in state.pulls.pulled.items():
        if scope == DESK and pulled.main_switch != main.id:
            yield TradingSwitched(
                id=f"{_id(scope, name, pulled.came)}/active",
                at=at,
                cause=main.id,
                mode=TradingMode.ACTIVE,
                pulled_by=name,
                reason=main.reason,
                by=main.by,
                came=pulled.came,
                main_switch=main.id,
            )


def _id(scope: tuple[str, ...], name: str, came: datetime) -> str:
    """The same for the same cause, which is stored once."""
    return "/".join(("switched", name, *(part for part in scope if part), f"{came:%Y%m%dT%H%M%S.%f}"))
