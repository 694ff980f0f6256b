"""Why TWS has an order and does not work it, as far as that is in the statuses: its shares, or its parent.

Pure. TWS shows what is attached to an order as PreSubmitted until that fills, and says so (`child`, beside `trigger` of
a stop). For its own trigger alone an order is held, too, and is at work.
"""

from __future__ import annotations

from gateway_ibkr.state import Tracked

LOCATE, CHILD = "locate", "child"
"""The venue's words: a short sale whose shares must first be found, and an order whose parent has not filled."""


def held_for(tracked: Tracked, why_held: str | None) -> str:
    """Why the venue does not work an order; "" = it does, as far as this tells."""
    words = (why_held or "").split(",")
    if LOCATE in words:
        return tracked.words or f"the venue holds it: {why_held}"
    if CHILD in words:
        part = tracked.order.part
        return (
            f"it waits for {part.attached_to}" if part is not None and part.attached_to else "it waits for its parent"
        )
    return ""
