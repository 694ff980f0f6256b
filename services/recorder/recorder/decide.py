"""Where to go on in a stream. Pure: what is recorded and what the server says -> the place to read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from recorder.state import Batch, Continuity, Place, StreamEnds


def go_on(recorded: Place | None, ends: StreamEnds) -> tuple[Place, Continuity]:
    """The place to read from (its sequence is recorded, the next one is not), and how it follows what is recorded.

    A stream with a new creation time is another stream: recorded from its first message, as a new generation. A stream
    that ends before what is recorded lost its end (the machine died before the server synced): what comes next carries
    sequences that are taken, so it is a new generation too, which starts where the stream ends now.
    """
    if recorded is None:
        return Place(1, ends.created, 0), Continuity.FIRST_SEEN
    if recorded.created != ends.created:
        return Place(recorded.generation + 1, ends.created, 0), Continuity.RECREATED
    if ends.last_sequence < recorded.sequence:
        return Place(recorded.generation + 1, ends.created, ends.last_sequence), Continuity.REWOUND
    return recorded, Continuity.CONTINUED


def lag(recorded_sequence: int, ends: StreamEnds) -> int:
    """How many sequences are stored and not recorded; those that have expired before do not count."""
    return max(0, ends.last_sequence - max(recorded_sequence, ends.first_sequence - 1))


def not_recorded(batches: Iterable[Batch], places: Mapping[str, Place]) -> list[Batch]:
    """What of `batches` lies beyond `places`: after a failure, how far the file came is what the file says."""
    left = []
    for batch in batches:
        place = places.get(batch.stream)
        if place is None or place.generation < batch.place.generation:
            left.append(batch)
        elif place.sequence < batch.place.sequence:
            rows = [row for row in batch.rows if row.sequence > place.sequence]
            left.append(Batch(batch.stream, batch.place, rows))
    return left
