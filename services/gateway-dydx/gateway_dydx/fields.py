"""One JSON object of the indexer read field by field: numbers, times, words, lists. Pure.

Owns the indexer's spellings of values and what an error says of one. It must not know which object has which fields
(`reading`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar

from signalbox.errors import TranslationError
from signalbox.messages import Side

from gateway_dydx.facts import Unreadable

T = TypeVar("T")

DIGITS_MAX = 60
"""More digits than any amount on the chain has: a longer text is no number but an attack on the arithmetic."""
EXPONENT_MAX = 60


class Fields:
    """One JSON object, read field by field. `what` names the object in errors."""

    __slots__ = ("_raw", "_what")

    def __init__(self, raw: object, what: str) -> None:
        if not isinstance(raw, Mapping):
            raise TranslationError(f"{what}: {shown(raw)} is no object")
        self._raw, self._what = raw, what

    def has(self, name: str) -> bool:
        """Whether the field is there and says something (the indexer writes null for "none")."""
        return self._raw.get(name) is not None

    def error(self, name: str, wanted: str) -> TranslationError:
        value = self._raw.get(name)
        found = "missing" if value is None else f"{shown(value)}, which is not {wanted}"
        return TranslationError(f"{self._what}: {name} is {found}")

    def decimal(self, name: str) -> Decimal:
        number = decimal_of(self._raw.get(name))
        if number is None:
            raise self.error(name, "a number")
        return number

    def decimal_or_none(self, name: str) -> Decimal | None:
        return self.decimal(name) if self.has(name) and self._raw[name] != "" else None

    def price(self, name: str) -> Decimal:
        number = self.decimal(name)
        if number <= 0:
            raise self.error(name, "a price")
        return number

    def size(self, name: str) -> Decimal:
        number = self.decimal(name)
        if number < 0:
            raise self.error(name, "a size")
        return number

    def whole(self, name: str) -> int:
        number = decimal_of(self._raw.get(name))
        if number is None or number != number.to_integral_value():
            raise self.error(name, "a whole number")
        return int(number)

    def whole_or_none(self, name: str) -> int | None:
        return self.whole(name) if self.has(name) and self._raw[name] != "" else None

    def text(self, name: str) -> str:
        value = self._raw.get(name)
        if not isinstance(value, str) or not value:
            raise self.error(name, "a text")
        return value

    def word(self, name: str, default: str = "") -> str:
        """A text that may be missing."""
        value = self._raw.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.error(name, "a text")
        return value

    def flag_or_none(self, name: str) -> bool | None:
        value = self._raw.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.error(name, "true or false")
        return value

    def time(self, name: str) -> datetime:
        found = time_of(self._raw.get(name))
        if found is None:
            raise self.error(name, "a time")
        return found

    def time_or_none(self, name: str) -> datetime | None:
        return self.time(name) if self.has(name) and self._raw[name] != "" else None

    def side(self, name: str = "side") -> Side:
        """BUY and SELL of orders, LONG and SHORT of positions."""
        try:
            return _SIDES[self.text(name)]
        except KeyError:
            raise self.error(name, "a side") from None

    def object(self, name: str) -> Fields:
        if not isinstance(self._raw.get(name), Mapping):
            raise self.error(name, "an object")
        return Fields(self._raw[name], f"{self._what}.{name}")

    def raw(self, name: str) -> Any:
        return self._raw.get(name)

    def items(self, name: str) -> list[Any]:
        """A list; one that is missing is an empty one, and a single object is a list of it (transfers)."""
        value = self._raw.get(name)
        if value is None:
            return []
        if isinstance(value, Mapping):
            return [value]
        if not isinstance(value, list):
            raise self.error(name, "a list")
        return value

    def required_items(self, name: str) -> list[Any]:
        """A list that must be there: an answer without it has failed, and is not an empty one."""
        value = self._raw.get(name)
        if not isinstance(value, list):
            raise self.error(name, "a list")
        return value

    def members(self, name: str) -> Iterable[tuple[str, Any]]:
        """The members of an object by key; a list is taken too, its places as keys. Missing is an error."""
        value = self._raw.get(name)
        if isinstance(value, list):
            return [(str(place), item) for place, item in enumerate(value)]
        if not isinstance(value, Mapping):
            raise self.error(name, "an object")
        return list(value.items())


_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL, "LONG": Side.BUY, "SHORT": Side.SELL}


def decimal_of(value: object) -> Decimal | None:
    """Read a number of the indexer (a text, or a JSON number); None = it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    if isinstance(value, str) and (len(value) > DIGITS_MAX or "_" in value or not value.isascii()):
        return None
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, ValueError):
        return None
    if not number.is_finite() or abs(number.adjusted()) > EXPONENT_MAX:
        return None
    return number


def time_of(value: object) -> datetime | None:
    """Read an ISO 8601 time as UTC; None = it is none. One without a zone is UTC."""
    if not isinstance(value, str) or len(value) < 10:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def shown(value: object) -> str:
    """A value in an error: short, whatever it is."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def each(items: Iterable[object], read: Callable[[object], T]) -> tuple[T, ...]:
    """Read all of them, or none: of what stands for one thing only together (a book's levels)."""
    return tuple(read(item) for item in items)


@dataclass
class Rows(Generic[T]):
    """Rows of one kind, each read by itself: one that makes no sense does not take the others with it."""

    kind: str
    read: list[T] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)

    def take(
        self, items: Iterable[object], read: Callable[[object], T], symbol: str = "", key: str = ""
    ) -> tuple[T, ...]:
        """Read rows, of `symbol` and under `key` if they are known from elsewhere; all that could be read so far."""
        for item in items:
            try:
                self.read.append(read(item))
            except TranslationError as error:
                self.unreadable.append(unreadable(self.kind, item, str(error), symbol, key))
        return tuple(self.read)


def unreadable(kind: str, row: object, reason: str, symbol: str = "", key: str = "") -> Unreadable:
    """Name a row that makes no sense by what of it does."""
    said = row if isinstance(row, Mapping) else {}
    words = {
        name: value
        for name in ("id", "ticker", "market", "symbol")
        if isinstance(value := said.get(name), str) and value
    }
    symbol = symbol or words.get("ticker") or words.get("market") or ""
    key = key or words.get("id") or symbol or words.get("symbol") or "?"
    number = decimal_of(said.get("createdAtHeight"))
    return Unreadable(
        kind=kind,
        key=key[:100],
        symbol=symbol[:100],
        reason=reason[:200],
        text=repr(row)[:1000],
        height=int(number) if number is not None else None,
    )
