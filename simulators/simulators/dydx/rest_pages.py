"""Pages of results, as the indexer counts them.

Owns the arithmetic of `page` and `limit`. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from msgspec import Struct

Item = TypeVar("Item")


class Page(Struct, Generic[Item], frozen=True):
    """Some results. `figures` is empty unless a page was asked for."""

    items: Sequence[Item]
    figures: dict[str, int]


def page_of(newest_first: Sequence[Item], limit: int, page: int | None, *, oldest_first: bool = True) -> Page[Item]:
    """Return the newest `limit` results, or page `page` (from 1) of them, which the indexer counts from the oldest."""
    if page is None:
        return Page(newest_first[:limit], {})
    ordered = newest_first[::-1] if oldest_first else newest_first
    offset = (page - 1) * limit
    figures = {"pageSize": limit, "totalResults": len(ordered), "offset": offset}
    return Page(ordered[offset : offset + limit], figures)
