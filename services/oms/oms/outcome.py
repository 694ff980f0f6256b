"""What a message makes necessary, as data: what to publish, and what to count or tell.

Owns the shape of every answer that the pure core gives to the shell, and how events get their ids. It must not know
what any of it is decided from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypedDict

from msgspec import Struct
from signalbox.messages import Command, OrderEvent, OrderStatus, TimerFired

from oms.state import NOT_BEGUN, Owner, State, order_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The OMS's settings, as far as deciding needs them. `venues` are those of the desk file."""

    submit_window: timedelta
    unknown_grace: timedelta
    venues: frozenset[str]


class NoteKind(StrEnum):
    """What the shell should count or tell although it makes no event."""

    DUPLICATE_FILL = "duplicate_fill"
    DUPLICATE_COMMISSION = "duplicate_commission"
    ADOPTED_FILL = "adopted_fill"
    DUPLICATE_FUNDING = "duplicate_funding"
    ADOPTED_FUNDING = "adopted_funding"
    REPEATED_REPORT = "repeated_report"
    FOREIGN_REPORT = "foreign_report"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    SECOND_DECISION = "second_decision"
    OVERFILL = "overfill"


class DriftKind(StrEnum):
    """In what the desk and a venue can differ."""

    POSITION = "position"
    CASH = "cash"
    ORDER = "order"
    EXECUTION = "execution"
    FUNDING = "funding"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between the desk's books (`ours`) and a venue's snapshot (`theirs`). Reported, never mended."""

    kind: DriftKind
    name: str
    ours: str
    theirs: str


class Outcome(Struct, frozen=True, gc=False):
    """What has to be published, in this order: events one by one, commands by revision, timers.

    `drift` is None but for a snapshot that was compared. `more`: this is a part of it, and once it is done the same
    message is to be asked about again.
    """

    events: tuple[OrderEvent, ...] = ()
    commands: tuple[tuple[int, Command], ...] = ()
    timers: tuple[TimerFired, ...] = ()
    notes: tuple[NoteKind, ...] = ()
    drift: tuple[Drift, ...] | None = None
    more: bool = False


NOTHING = Outcome()


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """What several orders have to have done, none of which depends on another."""
    found = [*outcomes]
    return Outcome(
        events=tuple([event for each in found for event in each.events]),
        commands=tuple([command for each in found for command in each.commands]),
        timers=tuple([timer for each in found for timer in each.timers]),
        notes=tuple([note for each in found for note in each.notes]),
    )


class Carried(TypedDict):
    """What every order event carries."""

    id: str
    at: datetime
    cause: str
    venue: str
    account: str
    order_id: str
    status: OrderStatus


def carried(state: State, owner: Owner, status: OrderStatus, at: datetime, cause: str, *, ahead: int = 0) -> Carried:
    """The common part of the next event of `owner` (venue, account, order id).

    Its id is `<order key>/<n>`, n counting the events of that order; `ahead` = events of the same outcome before it.
    """
    venue, account, order_id = owner
    key = order_key(venue, account, order_id)
    return {
        "id": f"{key}/{state.journals.get(key, NOT_BEGUN).events + 1 + ahead}",
        "at": at,
        "cause": cause,
        "venue": venue,
        "account": account,
        "order_id": order_id,
        "status": status,
    }
