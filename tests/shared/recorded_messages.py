"""Messages as they were once written, of every shape that any type has had: who reads the past has to read all of them.

`tests/shared/recorded/` has a file for each time that shapes were added, and a line for each message: the word of its
type, a space, and its bytes. A line that stands there is never changed and never goes. `missing()` says what no line
shows yet of today's types; `python tests/shared/recorded_messages.py` writes lines for it into a new file.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import functools
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin
from typing import get_type_hints as read_type_hints

import msgspec
from signalbox.messages import decode, encode
from signalbox.registry import REGISTRY
from signalbox.schemas import message_types

FOLDER = Path(__file__).with_name("recorded")
READ_AS = {
    kind.__name__: part for item in REGISTRY for part in (item.message, item.reply) for kind in message_types(part)
}
"""The word of each type, and the union (or the type) as which its readers decode it."""
KINDS = {kind.__name__: kind for part in READ_AS.values() for kind in message_types(part)}

get_type_hints = functools.cache(read_type_hints)  # of a type it reads the text of every hint each time

Shown = tuple[str, ...]
"""One thing that a line can show: a field with something in it, an optional one without, a word of an enumeration."""


def recorded() -> Iterator[tuple[str, str, bytes]]:
    """Every line: in which file and line it stands, the word of the type, the bytes."""
    for file in sorted(FOLDER.glob("*.txt")):
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            word, _, payload = line.partition(b" ")
            yield f"{file.name}:{number}", word.decode(), payload


def shows(kind: type[msgspec.Struct], message: Any) -> Iterator[Shown]:
    """What a message shows of its type, and of the types within it."""
    hints = get_type_hints(kind)
    yield (kind.__name__,)
    for field in msgspec.structs.fields(kind):
        value = getattr(message, field.name)
        if value is None or value != _default(field):
            yield (kind.__name__, field.name, "empty" if value is None else "filled")
        yield from _within(hints[field.name], value)


def must_be_shown(hint: Any) -> Iterator[Shown]:
    """All that lines can show of a type."""
    for kind in _structs(hint):
        hints = get_type_hints(kind)
        yield (kind.__name__,)
        for field in msgspec.structs.fields(kind):
            yield (kind.__name__, field.name, "filled")
            if types.NoneType in get_args(hints[field.name]):
                yield (kind.__name__, field.name, "empty")
            yield from must_be_shown(hints[field.name])
    for words in _parts(hint):
        if isinstance(words, type) and issubclass(words, enum.Enum):
            yield from ((words.__name__, member.name) for member in words)


def missing() -> set[Shown]:
    """What no recorded line shows of today's types."""
    shown = {
        what
        for _, word, payload in recorded()
        if word in KINDS
        for what in shows(KINDS[word], decode(payload, READ_AS[word]))
    }
    return {what for kind in KINDS.values() for what in must_be_shown(kind)} - shown


@functools.cache  # of a part many messages ask for the same ones
def examples(kind: type[msgspec.Struct]) -> tuple[Any, ...]:
    """Messages of a type: one with nothing that may be left out, one that has everything, of which each part has
    nothing, and some with everything, each with other words.
    """
    return tuple(_examples(kind))


def _examples(kind: type[msgspec.Struct]) -> Iterator[Any]:
    hints = get_type_hints(kind)
    fields = msgspec.structs.fields(kind)
    optional = {name for name, hint in hints.items() if types.NoneType in get_args(hint)}
    yield kind(
        **{each.name: _least(hints[each.name], each.name) for each in fields if each.required or each.name in optional}
    )
    if any(_structs(hint) for hint in hints.values()):
        yield kind(
            **{
                each.name: _least_part(hints[each.name])
                if _structs(hints[each.name]) and get_origin(hints[each.name]) is not dict
                else _example(hints[each.name], each.name, 1)  # not the first word: that may be the default
                for each in fields
            }
        )
    for turn in range(max(1, *(len(_choices(hint)) for hint in hints.values())) + 1):
        yield kind(
            **{
                field.name: _default(field) is False
                if hints[field.name] is bool
                else _example(hints[field.name], field.name, turn)
                for field in fields
            }
        )


def _least_part(hint: Any) -> Any:
    """A part, or one of several, that has nothing which may be left out."""
    part = examples(_structs(hint)[0])[0]
    return (part,) if get_origin(hint) is tuple else part


def write() -> int:
    """Add a file with lines for what is missing, if anything is."""
    wanted, lines = missing(), []
    for word, kind in sorted(KINDS.items()):
        for message in examples(kind):
            new = wanted & set(shows(kind, message))
            if new:
                lines.append(word.encode() + b" " + encode(message))
                wanted -= new
    if lines:
        file = FOLDER / f"{len(list(FOLDER.glob('*.txt'))) + 1:02}.txt"
        file.write_bytes(b"\n".join(lines) + b"\n")
        sys.stdout.write(f"{file}: {len(lines)} lines\n")
    for what in sorted(wanted):
        sys.stdout.write(f"no example shows {' '.join(what)}\n")
    return len(wanted)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _parts(hint: Any) -> tuple[Any, ...]:
    """The types of which a hint is made: `Decimal | None` is two, `tuple[Check, ...]` is one."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _parts(arguments[0])
    if origin in (Union, types.UnionType, tuple, dict):
        return tuple(part for argument in arguments if argument is not ... for part in _parts(argument))
    return (hint,)


def _structs(hint: Any) -> list[type[msgspec.Struct]]:
    return [part for part in _parts(hint) if isinstance(part, type) and issubclass(part, msgspec.Struct)]


def _within(hint: Any, value: Any) -> Iterator[Shown]:
    if isinstance(value, enum.Enum):
        yield (type(value).__name__, value.name)
    for item in value if isinstance(value, tuple) else (value,):
        if isinstance(item, msgspec.Struct):
            yield from shows(type(item), item)


def _choices(hint: Any) -> list[Any]:
    """What a field may be in turn: each word, each type of a union."""
    found: list[Any] = []
    for part in _parts(hint):
        if part is not types.NoneType:
            found += list(part) if isinstance(part, type) and issubclass(part, enum.Enum) else [part]
    return found


def _least(hint: Any, name: str) -> Any:
    """The least that a field may have: nothing, or of what it must have the least."""
    if types.NoneType in get_args(hint):
        return None
    if get_origin(hint) is tuple:
        return tuple(examples(kind)[0] for kind in _structs(hint)[:1])
    return next((examples(kind)[0] for kind in _structs(hint)), _example(hint, name, 0))


def _example(hint: Any, name: str, turn: int) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        return (_example(arguments[0], name, turn),)
    if origin is dict:
        return {_example(arguments[0], name, turn): _example(arguments[1], name, turn)}
    for argument in arguments:
        if get_origin(argument) is dict:  # an optional one
            return _example(argument, name, turn)
    choices = _choices(hint)
    choice = choices[turn % len(choices)]
    if isinstance(choice, type) and issubclass(choice, msgspec.Struct):
        full = examples(choice)[1:]
        return full[turn % len(full)]
    plain: dict[Any, Any] = {
        str: f"a {name}", bool: True, int: 7, float: 1.25, bytes: b"\x00\xffbytes", Any: "1.50",
        decimal.Decimal: decimal.Decimal("1.50"),
        datetime.datetime: datetime.datetime(2026, 7, 15, 14, 30, 0, 250000, datetime.UTC),
    }  # fmt: skip
    return plain.get(choice, choice)


if __name__ == "__main__":
    raise SystemExit(write())
