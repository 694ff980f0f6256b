"""The one entry of the OMS: a message that comes in, what it makes necessary. Pure.

Owns which question each kind of message is. The service asks here, and so does whoever runs the desk without NATS: what
`step` says is published in its order, and an event is folded by `oms.evolve` once TRADE has it. It must not know where
messages come from: what of the past a message speaks of, and what has left memory, is there already (`oms.recall`).
"""

from __future__ import annotations

from datetime import datetime

from signalbox.messages import (
    Act,
    AdoptCash,
    AdoptPosition,
    BooksAct,
    CorrectPosition,
    Decision,
    IntentApproved,
    IntentDenied,
    Message,
    OrderIntent,
    OrderListIntent,
    Report,
    TimerFired,
    VenueCommission,
    VenueFill,
    VenueFunding,
    VenueOrderFound,
    VenueSnapshot,
)

from oms.acts import decide_act
from oms.decide import decide_decision, decide_timer
from oms.found import decide_found
from oms.list_decisions import decide_list
from oms.outcome import NOTHING, Outcome, Rules
from oms.reports import decide_commission, decide_fill, decide_funding, decide_order_report
from oms.schedule import is_due
from oms.snapshots import decide_snapshot
from oms.state import State

Incoming = Decision | Report | TimerFired | Act
"""What the OMS takes."""


def step(state: State, incoming: Incoming, at: datetime, rules: Rules, sequence: int = 0) -> Outcome:
    """What `incoming`, which comes at desk time `at`, makes necessary; the state stays as it is.

    `sequence` is where TRADE has a decision. An outcome may be a part (`Outcome.more`): ask again once it is done.

    Raises `IllegalTransitionError` where an order can not take it.
    """
    match incoming:
        case VenueFill():
            return decide_fill(state, incoming, state.instruments.get((incoming.venue, incoming.fill.symbol)))
        case IntentApproved() | IntentDenied():
            return decide_decision(state, incoming, sequence, rules)
        case VenueCommission():
            return decide_commission(state, incoming)
        case VenueFunding():
            return decide_funding(state, incoming)
        case VenueOrderFound():
            return decide_found(state, incoming, state.instruments.get((incoming.venue, incoming.symbol)))
        case VenueSnapshot():
            return decide_snapshot(state, incoming)
        case TimerFired():
            return decide_timer(state, incoming, at)
        case BooksAct():
            return decide_act(state, incoming)
        case _:
            return decide_order_report(state, incoming)


def follow(state: State, at: datetime, rules: Rules, *, resumes: bool = False) -> Outcome | None:
    """What the lists make necessary that something has changed of; None = nothing. Ask until it is None, and before
    anything else is taken in.

    `resumes`: only what the process before may have begun, of which a command may be stored already. Of what has come
    due since nothing is done yet: all are to be asked again.
    """
    if resumes:
        asked = (decide_list(state, list_id, at, rules, resumes=True) for list_id in state.lists_awake)
        return next((outcome for outcome in asked if outcome is not NOTHING), None)
    wake_due(state, at)
    while state.lists_awake:
        list_id = next(iter(state.lists_awake))
        del state.lists_awake[list_id]  # what follows wakes it again
        outcome = decide_list(state, list_id, at, rules)
        if outcome is not NOTHING:
            return outcome
    return None


def wake_due(state: State, at: datetime) -> None:
    """Have the lists looked at of whose schedule something is due at desk time `at`."""
    for list_id in state.lists_timed:
        if is_due(state.lists[list_id], at):
            state.lists_awake[list_id] = None


def instrument_needed(incoming: Message) -> tuple[str, str] | None:
    """The (venue, symbol) without whose instrument `incoming` can not be judged; None = it needs none."""
    match incoming:
        case IntentApproved(places=(OrderIntent(venue=venue, symbol=symbol), *_)):
            return venue, symbol
        case IntentApproved(intent=OrderListIntent(venue=venue, symbol=symbol)):
            return venue, symbol
        case CorrectPosition(venue=venue, symbol=symbol):
            return venue, symbol
        case VenueFill(venue=venue, fill=fill):
            return venue, fill.symbol
        case VenueOrderFound(venue=venue, symbol=symbol):
            return venue, symbol
        case _:
            return None


def snapshot_needed(incoming: Message) -> bool:
    """Whether the venue's last snapshot of the account is to be at hand."""
    return isinstance(incoming, AdoptPosition | AdoptCash)


def symbols_of(incoming: Message) -> tuple[str, ...]:
    """The symbols of which `incoming` speaks, as the venue wrote them: positions will bear their names."""
    match incoming:
        case VenueFill(fill=fill):
            return (fill.symbol,)
        case VenueFunding(symbol=symbol) | VenueOrderFound(symbol=symbol):
            return (symbol,)
        case VenueSnapshot(positions=positions):
            return tuple([held.symbol for held in positions])
        case BooksAct():
            return tuple(
                [name for name in (getattr(incoming, "symbol", ""), getattr(incoming, "new_symbol", "")) if name]
            )
        case _:
            return ()
