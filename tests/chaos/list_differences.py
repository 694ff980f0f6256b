"""What must hold of lists and changes once it is quiet, beside what holds of any order: as sentences.

What was promised of a list is in `tests.desk_in_process.promises`; here that is asked of what was read. Pure. It must
not know how it was read, nor what has been done to the desk (`campaign`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from signalbox.messages import OrderStatus

from tests.chaos.side import VenueSide, Written
from tests.desk_in_process.promises import AtVenues, Record, broken_lists


def wrong_lists(written: Written, side: VenueSide, lists: Sequence[str], changes: Mapping[str, str]) -> Iterator[str]:
    """Everything that is wrong with lists and changes; `changes` are the approved ones, and the order of each."""
    record = Record(written.events)
    for name in lists:
        if name not in record.lists and name not in record.status:
            yield f"{name}: the OMS has no such list"
    for name in record.open_changes:
        yield f"{name}: nobody has said what became of its change"
    for cause, order_id in changes.items():
        if cause not in record.causes:
            yield f"{order_id}: {cause} was approved, and is not in its story"
    lost = {name.partition(".")[0] for name, status in record.status.items() if status is OrderStatus.UNKNOWN}
    there = AtVenues(side.standing, side.traded, {})
    for name in lost & record.lists.keys():
        del record.lists[name]  # the venue has forgotten one of its orders, which a person is told (`stranded`)
    yield from broken_lists(record, there)
