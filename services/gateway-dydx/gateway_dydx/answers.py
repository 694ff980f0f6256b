"""Rows out of the indexer's REST answers: each read by itself. Pure.

Owns what becomes of a row that makes no sense. It must not know what was asked (`venue_indexer`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from signalbox.errors import TranslationError

from gateway_dydx.facts import Unreadable
from gateway_dydx.fields import Fields, Rows, shown

T = TypeVar("T")


def list_of(answer: object, what: str) -> list[Any]:
    """An answer that must be a list."""
    if not isinstance(answer, list):
        raise TranslationError(f"{what}: {shown(answer)} is no list")
    return answer


def rows_of(
    answer: object, *, name: str, kind: str, read: Callable[[object], T], unreadable: list[Unreadable] | None
) -> tuple[T, ...]:
    """The rows under a name of the answer; see `each_of`."""
    return each_of(Fields(answer, "answer").required_items(name), kind, read, unreadable)


def each_of(
    items: list[Any], kind: str, read: Callable[[object], T], unreadable: list[Unreadable] | None, symbol: str = ""
) -> tuple[T, ...]:
    """Rows that can be read; the others are added to `unreadable`. Where nobody takes those, one fails the answer."""
    rows = Rows[T](kind)
    rows.take(items, read, symbol)
    if unreadable is None and rows.unreadable:
        raise TranslationError(rows.unreadable[0].reason)
    if unreadable is not None:
        unreadable += rows.unreadable
    return tuple(rows.read)
