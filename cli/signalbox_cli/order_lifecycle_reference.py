"""Writes docs/order-lifecycle.md: which event may follow which status of an order, by the table that the OMS goes by.

python -m signalbox_cli.order_lifecycle_reference > docs/order-lifecycle.md
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oms.transitions import ENDED, LIVE, TRANSITIONS
from signalbox.messages import OrderEvent, OrderStatus

HEAD = """# The life of an order

<!-- Written by `python -m signalbox_cli.order_lifecycle_reference`; a test fails when this is not what it writes. -->

An order's status is what the desk *knows* of it, in FIX words, and the events of stream TRADE are what made it know.
`services/oms/oms/transitions.py` has the table, and says of each row that surprises which venue made it so. What stands
in no cell is an error: it changes nothing, and is parked.

PENDING_CANCEL and PENDING_REPLACE hide what the order is otherwise, until the venue has said what became of what was
asked: a change that is made or not made, a cancel that is refused, lead back to what the order is by then
(PARTIALLY_FILLED where something has filled, PENDING_NEW where the venue has never shown it, PENDING_REPLACE while a
change is open, FILLED where a smaller order is full). UNKNOWN lasts until a report.

## The diagram

What leads nowhere else is left out; an arrow from *works* is one from each status in it and, where it
ends the order, from UNKNOWN.
"""
TABLE = """
## The table

The status after an event (row) that comes in a status (column); = it stays; an empty cell: it can not come.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, "```mermaid", *_diagram(), "```", TABLE, *_table()]) + "\n"


def _events() -> list[type[OrderEvent]]:
    """Every event, in the order of the table."""
    return list(dict.fromkeys(event for _, event in TRANSITIONS))


def _word(event: type[OrderEvent]) -> str:
    return event.__name__.removeprefix("Order")


def _ends_all(event: type[OrderEvent]) -> OrderStatus | None:
    """Where an event leads out of every status of what works; None = to different ones, or to one of those."""
    after = {TRANSITIONS.get((status, event)) for status in LIVE if status is not OrderStatus.UNKNOWN}
    (only,) = after if len(after) == 1 else (None,)
    return only if only is OrderStatus.UNKNOWN or only not in LIVE else None


def _diagram() -> Iterator[str]:
    yield "stateDiagram-v2"
    for (status, event), after in TRANSITIONS.items():
        if status is None:
            yield f"    [*] --> {after}: {_word(event)}"
    yield "    state works {"
    inner = [status for status in LIVE if status is not OrderStatus.UNKNOWN]
    for line in _arrows(inner, inner):
        yield f"        {line}"
    yield "    }"
    for event in _events():
        after_all = _ends_all(event)
        if after_all is not None:
            yield f"    works --> {after_all}: {_word(event)}"
    yield from (f"    {line}" for line in _arrows([OrderStatus.UNKNOWN], inner))
    yield from (f"    {line}" for line in _arrows(list(ENDED), [*LIVE, *ENDED]))


def _arrows(sources: Sequence[OrderStatus], targets: Sequence[OrderStatus]) -> Iterator[str]:
    """What leads from one status to another, but for what all that works has in common."""
    events = [event for event in _events() if _ends_all(event) is None or sources[0] in ENDED]
    for source in sources:
        for target in targets:
            words = [_word(event) for event in events if TRANSITIONS.get((source, event)) is target]
            if words and source is not target:
                yield f"{source} --> {target}: {', '.join(words)}"


def _table() -> Iterator[str]:
    columns: list[OrderStatus | None] = [None, *LIVE, *ENDED, OrderStatus.DENIED]
    yield f"| event | {' | '.join('(none)' if status is None else status for status in columns)} |"
    yield "|---" * (1 + len(columns)) + "|"
    for event in _events():
        cells = [_cell(status, TRANSITIONS.get((status, event))) for status in columns]
        yield f"| {event.__name__} | {' | '.join(cells)} |"


def _cell(before: OrderStatus | None, after: OrderStatus | None) -> str:
    if after is None:
        return ""
    return "=" if after is before else after


if __name__ == "__main__":
    print(page(), end="")
