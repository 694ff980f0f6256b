"""What may be traded where, beside what the desk's main switch says: a part of the fold of TRADE.

Owns which events switch a scope (a venue, an account, a strategy, a symbol of an account), and which of several
switches decides. An operator's act says what a scope is from then on; a list that was left without its stop, and whose
policy is HALT, lets through what reduces alone in its symbol, until an operator says otherwise; so does what risk
switches by itself (`risk.pulling`). So it outlives a restart, and is decided in the order of TRADE. It must not know
what a switch means for an order (`risk.checks.conditions`).
"""

from __future__ import annotations

from collections.abc import Iterator

from signalbox.messages import (
    BooksAdjusted,
    ListAction,
    ListAlarmed,
    OrderEvent,
    SwitchScope,
    SwitchSeen,
    SwitchTrading,
    TradingMode,
    TradingSwitched,
)

from risk import pulls
from risk.pulls import resume
from risk.state import RiskState, Scope

_WIDTH = {kind: place for place, kind in enumerate(SwitchScope)}


def fold_switch(state: RiskState, event: BooksAdjusted, sequence: int) -> None:
    """Take in an act; one that is of the books switches nothing."""
    act = event.act
    if not isinstance(act, SwitchTrading):
        return
    scope = scope_of(act)
    state.switches.pop(scope, None)
    if act.mode is TradingMode.ACTIVE:
        resume(state.pulls, scope, sequence)
    else:
        state.switches[scope] = _seen(scope, act.mode, act.reason, act.by, f"TRADE:{sequence}")


def fold_switched(state: RiskState, switched: TradingSwitched, place: int) -> None:
    """Take in what risk has switched by itself, where TRADE has it."""
    pulls.fold_switched(state.pulls, switched, place, in_words(pulls.scope_of(switched)))


def fold_unsettled(state: RiskState, key: str, event: OrderEvent) -> None:
    """Note what a cause looks at: orders that are UNKNOWN, or were refused. Before the event ends the order."""
    order = state.orders.get(key)
    scope = (event.venue, event.account, order.symbol if order is not None else "", "")
    pulls.fold_order(state.pulls, key, event, scope)


def fold_alarm(state: RiskState, event: ListAlarmed, source: str) -> None:
    """Take in what has become of a list's exit: what is halted by a person stays so."""
    scope = (event.venue, event.account, event.symbol, "")
    if event.action is ListAction.HALT and event.symbol and scope not in state.switches:
        reason = f"{event.reason} (list {event.order_id})"
        state.switches[scope] = _seen(scope, TradingMode.REDUCING, reason, "oms", source)


def strictest(state: RiskState, order: Scope) -> SwitchSeen | None:
    """Of the switches that an order is in the strictest, of equal ones the widest; None = it may do as it likes."""
    if not state.switches and not state.pulls.pulled:
        return None
    found = [(scope, switch) for scope, switch in switches_of(state) if covers(scope, order)]
    return min(found, key=_rank)[1] if found else None


def switches_of(state: RiskState) -> Iterator[tuple[Scope, SwitchSeen]]:
    """Every switch that is not ACTIVE, beside the desk's main one."""
    yield from state.switches.items()
    for (scope, _), pulled in state.pulls.pulled.items():
        yield scope, pulled.seen


def covers(scope: Scope, order: Scope) -> bool:
    """Whether an order is in a scope."""
    return all(name in ("", its) for name, its in zip(scope, order, strict=True))


def scope_of(act: SwitchTrading) -> Scope:
    """What an act switches."""
    match act.scope:
        case SwitchScope.DESK:
            return "", "", "", ""
        case SwitchScope.VENUE:
            return act.venue, "", "", ""
        case SwitchScope.ACCOUNT:
            return act.venue, act.account, "", ""
        case SwitchScope.STRATEGY:
            return "", "", "", act.strategy
        case SwitchScope.SYMBOL:
            return act.venue, act.account, act.symbol, ""


def kind_of(scope: Scope) -> SwitchScope:
    """What kind of scope it is: the narrowest name that it has."""
    venue, account, symbol, strategy = scope
    if strategy:
        return SwitchScope.STRATEGY
    if symbol:
        return SwitchScope.SYMBOL
    if account:
        return SwitchScope.ACCOUNT
    return SwitchScope.VENUE if venue else SwitchScope.DESK


def in_words(scope: Scope) -> str:
    """A scope as limits tell theirs: `venue:ibkr`, `symbol:SPY`; `desk`."""
    kind, name = kind_of(scope), next((name for name in (scope[3], *reversed(scope[:3])) if name), "")
    return f"{kind}:{name}" if name else kind.value


def told(state: RiskState) -> str:
    """For a person: what of the desk is not ACTIVE, by whom and why."""
    return "; ".join(_told(scope, switch) for scope, switch in sorted(switches_of(state), key=_rank))


def _seen(scope: Scope, mode: TradingMode, reason: str, by: str, source: str) -> SwitchSeen:
    return SwitchSeen(source=source, mode=mode, reason=reason, by=by, scope=in_words(scope))


def _rank(found: tuple[Scope, SwitchSeen]) -> tuple[bool, int, Scope, str]:
    scope, switch = found
    return switch.mode is not TradingMode.HALTED, _WIDTH[kind_of(scope)], scope, switch.source


def _told(scope: Scope, switch: SwitchSeen) -> str:
    venue, account, symbol, strategy = scope
    where = " at ".join(part for part in (symbol, f"{venue} {account}".strip()) if part)
    where = f"strategy {strategy}" if strategy else where or "the desk"
    return f"{where} is {switch.mode} by {switch.by}: {switch.reason}"
