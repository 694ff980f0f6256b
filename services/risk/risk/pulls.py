"""What is kept for switches that risk pulls itself: which are pulled, which were ended, and what their causes look at.

Owns that part of the state, and its fold. What TRADE says of it is in a checkpoint; what is only observed (who is
silent since when, what a venue's snapshots say) is not, and begins anew with a process. Every memory here is as large
as what works, what is held, or a stated bound. It must not know what a cause is (`risk.causes`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from signalbox.messages import (
    NEVER,
    OrderEvent,
    OrderRejected,
    OrderStatus,
    RefusedBy,
    SwitchSeen,
    TradingMode,
    TradingSwitched,
)

Scope = tuple[str, str, str, str]
Pull = tuple[Scope, str]
"""What is switched, and what pulled it."""
DESK: Scope = ("", "", "", "")
REJECTIONS_KEPT_MAX = 1_000
"""Of an account, the newest: no limit is beyond that."""
ENDED_KEPT_MAX = 1_000
RISK = "risk"


class Pulled(Struct, frozen=True):
    """One that is pulled. `place` is where TRADE has it, `main_switch` the desk's switch that was in force then."""

    seen: SwitchSeen
    place: int
    came: datetime
    main_switch: str


class Unknown(Struct, frozen=True):
    """An order of which nobody knows what became of it, since when."""

    scope: Scope
    since: datetime


class Drifted(Struct, frozen=True):
    """What a venue's snapshots have said of a position, in a row, other than the books."""

    since: datetime
    snapshots: int
    ours: Decimal
    theirs: Decimal


@dataclass(slots=True)
class Pulls:
    """`ended` has when the cause came of the last pull that was ended, `resumed` where TRADE has an operator's word."""

    pulled: dict[Pull, Pulled] = field(default_factory=dict)
    ended: dict[Pull, datetime] = field(default_factory=dict)
    resumed: dict[Scope, int] = field(default_factory=dict)
    unknown: dict[str, Unknown] = field(default_factory=dict)
    rejections: dict[tuple[str, str], deque[datetime]] = field(default_factory=dict)
    is_due: bool = field(default=False, compare=False)
    """A fact has come that a cause looks at."""
    drifted: dict[Scope, Drifted] = field(default_factory=dict, compare=False)
    compared_at: dict[tuple[str, str], datetime] = field(default_factory=dict, compare=False)
    silent_since: dict[tuple[str, str], datetime] = field(default_factory=dict, compare=False)
    watched_since: dict[Scope, datetime] = field(default_factory=dict, compare=False)
    lost_since: dict[tuple[Scope, str], datetime] = field(default_factory=dict, compare=False)
    clock_stale_since: datetime | None = field(default=None, compare=False)

    def ended_at(self, pull: Pull) -> datetime:
        """A cause that came then, or before, does not pull again."""
        return self.ended.get(pull, NEVER)


def fold_order(pulls: Pulls, key: str, event: OrderEvent, scope: Scope) -> None:
    """Note orders that are UNKNOWN, and those that the venue has refused."""
    if event.status is OrderStatus.UNKNOWN:
        pulls.unknown.setdefault(key, Unknown(scope, event.at))
        pulls.is_due = True
    elif pulls.unknown:
        pulls.unknown.pop(key, None)
    if isinstance(event, OrderRejected) and event.refused_by is RefusedBy.VENUE and event.room_at is None:
        account = (event.venue, event.account)
        kept = pulls.rejections.setdefault(account, deque(maxlen=REJECTIONS_KEPT_MAX))
        kept.append(event.at)
        pulls.is_due = True


def fold_switched(pulls: Pulls, switched: TradingSwitched, place: int, scope_in_words: str) -> None:
    """Take in that a switch was pulled, or that one of the desk's was ended, where TRADE has it; once or more often."""
    scope = scope_of(switched)
    pull = (scope, switched.pulled_by)
    if switched.mode is TradingMode.ACTIVE or pulls.resumed.get(scope, 0) > place:
        # An operator's word behind it in TRADE was here first
        pulls.pulled.pop(pull, None)
        _end(pulls, pull, switched.came)
        return
    seen = SwitchSeen(
        source=f"TRADE:{place}", mode=switched.mode, reason=switched.reason, by=switched.by, scope=scope_in_words
    )
    pulls.pulled[pull] = Pulled(seen, place, switched.came, switched.main_switch)


def resume(pulls: Pulls, scope: Scope, place: int) -> None:
    """An operator has armed a scope again, at that place of TRADE: what was pulled there before is over."""
    _remember(pulls.resumed, scope, place)
    for pull, pulled in [*pulls.pulled.items()]:
        if pull[0] == scope and pulled.place < place:
            del pulls.pulled[pull]
            _end(pulls, pull, pulled.came)


def scope_of(switched: TradingSwitched) -> Scope:
    """What was switched."""
    return switched.venue, switched.account, switched.symbol, switched.strategy


def _end(pulls: Pulls, pull: Pull, came: datetime) -> None:
    _remember(pulls.ended, pull, max(came, pulls.ended_at(pull)))


def _remember(kept: dict, name: object, value: object) -> None:  # type: ignore[type-arg]  # of either
    kept.pop(name, None)
    kept[name] = value
    if len(kept) > ENDED_KEPT_MAX:
        del kept[next(iter(kept))]
