"""The one entry to risk: whatever comes in changes the state, and what is an intent gets its decision.

Pure, and all that a shell needs to call: the live service (`risk.service`) and a desk in process do the same. Owns
which fold takes what; it must not know where a message came from. Messages of TRADE come in the order of the stream.
A decision that `step` has made needs no second one to be folded; one that was read in TRADE is folded here.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec import Struct
from signalbox.messages import (
    NEVER,
    AccountState,
    BooksCompared,
    Decision,
    FlattenEnded,
    Instrument,
    IntentApproved,
    IntentDenied,
    LimitsProposed,
    LimitsRefused,
    LimitsRuling,
    LimitsSet,
    OrderEvents,
    Quote,
    Ruling,
    TradingState,
    TradingSwitched,
    VenueLink,
)
from signalbox.room import StreamRoom

from risk import evolve, losing, observed, pulling
from risk.decide import decide
from risk.facts import Request
from risk.going_on import go_on
from risk.limiting import fold_limits, rule_on
from risk.recall import recall_terms
from risk.state import AccountLost, LinkLost, RiskState, Seen
from risk.switches import fold_switched


class TradeEvent(Struct, frozen=True):
    """An order event as it stands in TRADE; None = it can not be read."""

    sequence: int
    event: OrderEvents | None


class Recalled(Struct, frozen=True):
    """The events up to now of an order that `risk.recall.needs_terms` asked for."""

    events: tuple[OrderEvents, ...]


class TradingStateLost(Struct, frozen=True):
    """The desk's main switch is not there any more, or can not be read."""


class RoomLost(Struct, frozen=True):
    """NATS has not said lately how full its streams are."""


class FlattensLooked(Struct, frozen=True):
    """It is time to look what the flattens that are under way make necessary."""

    clock_is_stale: bool = False


class LossesLooked(Struct, frozen=True):
    """It is time to look how each account stands: a day may have begun. Only who decides is told so."""


class SwitchesLooked(Struct, frozen=True):
    """It is time to look whether something makes risk switch trading by itself."""

    clock_is_stale: bool = False


class SwitchStored(Struct, frozen=True):
    """What risk has switched, and where TRADE has it: an operator's word behind it ends it, one before it does not."""

    sequence: int
    switched: TradingSwitched


Observed = (
    Quote
    | VenueLink
    | LinkLost
    | Seen[Instrument]
    | Seen[AccountState]
    | AccountLost
    | Seen[TradingState]
    | TradingStateLost
    | Seen[StreamRoom]
    | RoomLost
    | BooksCompared
)
"""What is told beside TRADE. What goes by its own id needs no place where it was seen."""
Incoming = (
    Request
    | LimitsProposed
    | Decision
    | FlattenEnded
    | LimitsRuling
    | SwitchStored
    | TradeEvent
    | Recalled
    | FlattensLooked
    | LossesLooked
    | SwitchesLooked
    | Observed
)


def as_stored(ruling: Ruling, sequence: int) -> Incoming:
    """What risk has written, as it is folded where TRADE has it."""
    return SwitchStored(sequence, ruling) if isinstance(ruling, TradingSwitched) else ruling


def step(state: RiskState, incoming: Incoming, at: datetime = NEVER) -> tuple[Ruling, ...]:
    """Take one message in; what comes out is to be stored in TRADE, and is in the state already.

    `at` is desk time, which only the judging of a `Request` and flattens look at: what is folded gives the same at any
    hour.

    One decision for a `Request`, and one answer to proposed limits, unless it has one already; for flattens what is let
    through and which are over; what is to be switched, which is in the state once it is stored (`SwitchStored`);
    nothing for anything else. Where judging raises, the state is as it was.
    """
    if isinstance(incoming, Request):
        if state.answered.has(incoming.sequence, incoming.stored_at):
            return ()
        decision = decide(state, incoming, at)
        evolve.fold_new_decision(state, decision)
        return (decision,)
    match incoming:
        case Quote():
            observed.fold_quote(state, incoming)
        case TradeEvent(sequence, None):
            evolve.distrust_books(state, sequence)
        case TradeEvent(sequence, event):
            assert event is not None
            evolve.fold_order_event(state, sequence, event)
        case IntentApproved() | IntentDenied():
            evolve.fold_decision(state, incoming)
        case FlattenEnded():
            evolve.fold_flatten_ended(state, incoming)
        case LimitsProposed():
            return rule_on(state, incoming, at)
        case LimitsSet() | LimitsRefused():
            fold_limits(state, incoming)
        case SwitchesLooked(clock_is_stale):
            return tuple(pulling.look(state, at, clock_is_stale=clock_is_stale))
        case SwitchStored(sequence, switched):
            fold_switched(state, switched, sequence)
        case FlattensLooked(clock_is_stale):
            return tuple(go_on(state, at, clock_is_stale))
        case LossesLooked():
            losing.look(state, at)
        case Recalled():
            recall_terms(state, incoming.events)
        case VenueLink() | LinkLost():
            observed.fold_link(state, incoming)
        case AccountLost(venue=venue, account=account):
            state.accounts.pop((venue, account), None)
        case TradingStateLost():
            observed.fold_trading_state(state, None, "")
        case BooksCompared():
            observed.fold_compared(state, incoming)
        case RoomLost():
            observed.fold_room(state, None, "")
        case Seen():
            _see(state, incoming)
        case _:
            assert_never(incoming)
    return ()


def _see(state: RiskState, seen: Seen[Instrument] | Seen[AccountState] | Seen[TradingState] | Seen[StreamRoom]) -> None:
    match seen.message:
        case Instrument() as instrument:
            observed.fold_instrument(state, instrument, seen.source)
        case AccountState() as account:
            observed.fold_account(state, account, seen.source)
        case TradingState() as trading_state:
            observed.fold_trading_state(state, trading_state, seen.source)
        case StreamRoom() as room:
            observed.fold_room(state, room, seen.source)
        case _:
            assert_never(seen.message)
