"""What a cause has found. Each cause is `reached(state, at)`: every scope in which its limit is passed at desk time."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from risk.pulls import Scope


class Found(Struct, frozen=True):
    """A limit is passed in a scope, since `came`; `reason` is for a person."""

    scope: Scope
    came: datetime
    reason: str
