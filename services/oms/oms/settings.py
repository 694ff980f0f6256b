"""The OMS's settings: those of every service, and how long silence may last."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from signalbox.settings import ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Both are desk time: at ten times the market's speed they pass ten times as fast."""

    submit_window_seconds: Annotated[int, Meta(ge=1, le=3600)] = 30
    """How long after risk's approval an order may still be sent. Long enough for a gateway's restart; a price that risk
    has looked at is stale not much later."""
    unknown_grace_seconds: Annotated[int, Meta(ge=1, le=3600)] = 15
    """How long after that an order without a word from the venue becomes UNKNOWN: longer than a gateway's time-out."""
