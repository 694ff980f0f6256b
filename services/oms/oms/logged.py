"""The lines that what a message came to is worth in the log, and its counts, with the ids to follow it by.

It must not know how an outcome is made, nor what is stored of it.
"""

from __future__ import annotations

import logging

from signalbox.messages import ListAlarmed, Message, TimerFired, VenueSnapshot

from oms import metrics
from oms.outcome import Drift, NoteKind, Outcome

log = logging.getLogger(__name__)

_ODD = frozenset({NoteKind.UNKNOWN_INSTRUMENT, NoteKind.SECOND_DECISION, NoteKind.OVERFILL})
"""What a person should look at; the rest is everyday repetition."""


def log_outcome(message: Message, outcome: Outcome) -> None:
    """One line for a message that changed something or is odd."""
    if isinstance(message, TimerFired):
        metrics.TIMERS.labels("unknown" if outcome.events else "again" if outcome.timers else "answered").inc()
    for note in outcome.notes:
        metrics.NOTES.labels(note.value).inc()
    log_events(outcome)
    if outcome.notes:
        level = logging.WARNING if _ODD.intersection(outcome.notes) else logging.INFO
        log.log(level, "noted", extra={"message_id": message.id, "notes": " ".join(outcome.notes)})
    if outcome.drift is not None and isinstance(message, VenueSnapshot):
        _log_drift(message, outcome.drift)


def log_events(outcome: Outcome) -> None:
    """One line for each event."""
    for event in outcome.events:
        fields = {"order_id": event.order_id, "status": event.status.value, "id": event.id, "cause": event.cause}
        if isinstance(event, ListAlarmed):
            metrics.LIST_ALARMS.labels(event.venue, event.action).inc()
            log.error(f"a list is not as was promised: {event.reason}", extra={**fields, "action": event.action})
        else:
            log.info(type(event).__name__, extra=fields)


def _log_drift(snapshot: VenueSnapshot, found: tuple[Drift, ...]) -> None:
    for drift in found:
        fields = {"kind": drift.kind.value, "subject": drift.name, "ours": drift.ours, "theirs": drift.theirs}
        log.warning("the venue's books differ from ours", extra={"cause": snapshot.id, **fields})
