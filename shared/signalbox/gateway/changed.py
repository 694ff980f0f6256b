"""What an order is once the venue has changed it. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from signalbox.messages import Order, VenueReplaced
from signalbox.order_terms import TRAIL

_SAID = ("quantity", "limit_price", "stop_price")
_ASKED = ("order_type", *TRAIL)


def as_changed(before: Order, now: Order | VenueReplaced, asked: Order | None) -> Order:
    """The order as it is now said to be. How its stop trails a report does not say: that is as it was `asked` for."""
    terms = {name: getattr(now, name) for name in _SAID}
    if asked is not None:
        terms |= {name: getattr(asked, name) for name in _ASKED}
    return replace(before, **terms)
