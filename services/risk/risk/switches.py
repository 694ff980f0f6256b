"""What may be traded in one symbol of an account, beside what the desk's main switch says: a part of the fold of TRADE.

Owns which events switch a market. An operator's act says what it is from then on; a list that was left without its
stop, and whose policy is HALT, lets through what reduces alone, until an operator says otherwise. So it outlives a
restart, and is decided in the order of TRADE. It must not know what a switch means for an order
(`risk.checks.conditions`).
"""

from __future__ import annotations

from signalbox.messages import BooksAdjusted, ListAction, ListAlarmed, SwitchSeen, SwitchTrading, TradingMode

from risk.state import Market, RiskState


def fold_switch(state: RiskState, event: BooksAdjusted, source: str) -> None:
    """Take in an act; one that is of the books switches nothing."""
    act = event.act
    if not isinstance(act, SwitchTrading):
        return
    market = (event.venue, event.account, act.symbol)
    if act.mode is TradingMode.ACTIVE:
        state.switches.pop(market, None)
    else:
        state.switches[market] = SwitchSeen(source=source, mode=act.mode, reason=act.reason, by=act.by)


def fold_alarm(state: RiskState, event: ListAlarmed, source: str) -> None:
    """Take in what has become of a list's exit: what is halted by a person stays so."""
    market = (event.venue, event.account, event.symbol)
    if event.action is ListAction.HALT and market not in state.switches:
        reason = f"{event.reason} (list {event.order_id})"
        state.switches[market] = SwitchSeen(source=source, mode=TradingMode.REDUCING, reason=reason, by="oms")


def told(state: RiskState) -> str:
    """For a person: what of the desk is not ACTIVE, by whom and why."""
    return "; ".join(_told(market, switch) for market, switch in sorted(state.switches.items()))


def _told(market: Market, switch: SwitchSeen) -> str:
    venue, account, symbol = market
    return f"{symbol} at {venue} {account} is {switch.mode} by {switch.by}: {switch.reason}"
