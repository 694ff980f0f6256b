"""Every limit, by the rows that hold orders against them: whoever lists limits reads them here.

Owns nothing but the reading: a limit is added by its row (`risk.checks`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from math import isfinite
from typing import Any

from signalbox.limits import term_of

from risk.asked import OF_ORDERS
from risk.checks.rows import Limit, Row
from risk.state import AccountKey, RiskState


def limits_of(rows: Iterable[Row[Any]] = OF_ORDERS) -> tuple[tuple[Row[Any], Limit], ...]:
    """Each limit beside its row."""
    return tuple((row, row.limit) for row in rows if row.limit is not None)


def bounds_of(rows: Iterable[Row[Any]] = OF_ORDERS) -> frozenset[str]:
    """The checks of size, price and rate: what they deny is an event of trading."""
    return frozenset(row.name for row in rows if row.is_bound)


def limit_use(
    state: RiskState, account: AccountKey, now: datetime, rows: Iterable[Row[Any]] = OF_ORDERS
) -> dict[str, float]:
    """The used share of each limit that accumulates, by its name; 1 = all of it. Without those that none has to state,
    and none has.
    """
    holds = state.rules.limits_for(*account, "", "").limits
    return {
        limit.name: limit.used(state, account, now)
        for _, limit in limits_of(rows)
        if limit.used is not None and not (term_of(limit.name).is_optional and getattr(holds, limit.name) is None)
    }


def used_in_words(state: RiskState, account: AccountKey, now: datetime) -> str:
    """For a person: `gross_exposure_max 12 %, ...`; ? = nobody can say."""
    used = limit_use(state, account, now)
    return ", ".join(f"{name} {share:.0%}" if isfinite(share) else f"{name} ?" for name, share in used.items())
