"""Orders that somebody else has placed in the account: by hand, or another program.

Owns what a gateway remembers of them, and when something of them is told: their terms when they are news, their end
once each time. They are never in the ledger and never get a number of the desk's; their fills are reported like any.
Pure but for `state`. It must not know the venue, whose words say what such an order is and when it is over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from msgspec import structs

from signalbox.messages import Report, VenueCanceled, VenueCancelRejected, VenueExpired, VenueOrderFound
from signalbox.subjects import EXTERNAL_PREFIX, external_order

if TYPE_CHECKING:
    from signalbox.gateway.state import AnyState

QUESTION = "/external"
"""Among the questions to a venue, which are order ids: the one about these orders."""
BY_REQUEST, BY_OTHERS = "cancelled as asked", "cancelled at the venue, not by this desk"
NOT_LISTED = "the venue does not list it any more"
MEMORY_MAX = 10_000
"""Of more that are over the first ones are forgotten."""
_SAID_ANEW = frozenset({"id", "at", "cause", "received_at", "filled_quantity"})
_TERMS = tuple(name for name in VenueOrderFound.__struct_fields__ if name not in _SAID_ANEW)


@dataclass
class External:
    """One of them: as it was last told."""

    found: VenueOrderFound
    told: int = 1
    """How often its terms were told: the last number of an id."""
    ended_at: datetime | None = None
    """None = it works."""
    settled: bool = False
    """Complete answers have come since it ended: one that is listed after that has come back."""
    absences: int = 0
    """In how many complete answers in a row it was not listed."""
    ended_by: str = ""
    """The desk's cancel that has ended it; "" = somebody else's doing."""
    doubt: str = ""
    """Why the venue is to be asked about it."""
    own: Any = None
    """What the venue's gateway keeps of it, of this process."""

    @property
    def order_id(self) -> str:
        return external_order(self.found.venue_order_id)


def is_external(order_id: str) -> bool:
    """Whether an order's id is of one that was placed elsewhere."""
    return order_id.startswith(EXTERNAL_PREFIX)


def working(state: AnyState) -> list[External]:
    """Those that work, as far as is known."""
    return [external for external in state.externals.values() if external.ended_at is None]


def find(state: AnyState, order_id: str) -> External | None:
    """The one of that order id, whether it works or has ended."""
    return next((external for external in state.externals.values() if external.order_id == order_id), None)


def shown(state: AnyState, found: VenueOrderFound, own: Any = None, *, listed: bool = False) -> list[Report]:
    """The venue shows one that works. Of one that has ended only complete answers (`listed`) say that it has come back:
    anything else may be late."""
    external = state.externals.get(found.venue_order_id)
    if external is not None:
        if external.ended_at is not None and not (listed and external.settled):
            external.settled = external.settled or listed
            return []
        external.own, external.absences = own or external.own, 0
        if external.ended_at is None and not _differs(external.found, found):
            return []
        external.told += 1
        external.found, external.ended_at, external.settled, external.doubt = found, None, False, ""
        state.external_cancels.pop(external.order_id, None)
    else:
        external = state.externals[found.venue_order_id] = External(found, own=own)
    report = structs.replace(found, id=_report_id(state, f"found/{_digest(found)}", external))
    external.found = report
    return _once(state, report)


def ended(
    state: AnyState, external: External, at: datetime, reason: str = "", *, expired: bool = False
) -> list[Report]:
    """One of them is over. What it has filled its executions say, before this or after it."""
    if external.ended_at is not None:
        return []
    external.ended_at, external.settled, external.doubt = at, False, ""
    external.ended_by = state.external_cancels.pop(external.order_id, "")
    facts: dict[str, Any] = {
        "id": _report_id(state, "canceled", external),
        "at": at,
        "cause": external.ended_by,
        "venue": state.venue,
        "account": state.account,
        "order_id": external.order_id,
        "reason": BY_REQUEST if external.ended_by else reason or BY_OTHERS,
    }
    return _once(state, VenueExpired(**facts) if expired else VenueCanceled(**facts))


def not_listed(
    state: AnyState, listed: Collection[str], at: datetime, certain: Collection[str] = (), reason: str = NOT_LISTED
) -> list[Report]:
    """Complete answers list those: any other one is over, at the second time, or at once where that is `certain`."""
    told: list[Report] = []
    for name, external in list(state.externals.items()):
        if name in listed:
            continue
        if external.ended_at is not None:
            external.settled = True
            continue
        external.absences += 1
        if name in certain or external.absences > 1:
            told += ended(state, external, at, reason)
            external.settled = True
        else:
            external.doubt = NOT_LISTED
    return told


def question(state: AnyState) -> str:
    """What there is to ask about them; "" = nothing."""
    return next((external.doubt for external in working(state) if external.doubt), "")


def fold(state: AnyState, report: Report) -> None:
    """Take one stored report of them: it is not told again."""
    if isinstance(report, VenueOrderFound):
        before = state.externals.pop(report.venue_order_id, None)
        told = max(before.told if before is not None else 0, int(report.id.rpartition(".")[2]))
        state.externals[report.venue_order_id] = External(report, told)
    elif isinstance(report, VenueCanceled | VenueExpired) and is_external(report.order_id):
        external = find(state, report.order_id)
        if external is not None and external.ended_at is None:
            external.ended_at, external.settled, external.ended_by = report.at, True, report.cause
            state.external_cancels.pop(report.order_id, None)
    elif isinstance(report, VenueCancelRejected) and state.external_cancels.get(report.order_id) == report.cause:
        del state.external_cancels[report.order_id]


def forget(state: AnyState, before: datetime) -> None:
    """Drop those that ended before `before`, and of too many the first ones."""
    over = [name for name, external in state.externals.items() if external.ended_at is not None]
    too_many = set(over[: max(0, len(over) - MEMORY_MAX)])
    state.externals = {
        name: external
        for name, external in state.externals.items()
        if external.ended_at is None or (external.ended_at > before and name not in too_many)
    }


def names(found: Iterable[External]) -> str:
    """Their ids, for a person."""
    return ", ".join(sorted(external.order_id for external in found))


def _differs(before: VenueOrderFound, now: VenueOrderFound) -> bool:
    return any(getattr(before, name) != getattr(now, name) for name in _TERMS)


def _digest(found: VenueOrderFound) -> str:
    """Part of a report's id: other terms make another one, also when those before have left the stream."""
    terms = repr([getattr(found, name) for name in _TERMS])
    return sha256(terms.encode("utf-8", "replace")).hexdigest()[:8]


def _report_id(state: AnyState, kind: str, external: External) -> str:
    return f"report/{state.venue}/{state.account}/{kind}/{external.order_id}.{external.told}"


def _once(state: AnyState, report: Report) -> list[Report]:
    if report.id in state.reported:
        return []
    state.reported[report.id] = report.at
    return [report]
