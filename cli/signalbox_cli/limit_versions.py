"""The versions of the limits that a desk has had: asked of the recorder, or read from a file.

Owns where a version is found. What holds for an order is `risk.scopes`'s, what a set may state `signalbox.limits`'s.
"""

from __future__ import annotations

from pathlib import Path

from signalbox import messages
from signalbox.bus import Bus
from signalbox.client.record import query, sql_text
from signalbox.desk import Desk, load_desk
from signalbox.errors import ConfigurationError
from signalbox.limits import load_limits, name_of, of_desk_file, tightest
from signalbox.messages import LimitsByScope, LimitsRuling, LimitsSet
from signalbox.subjects import LIMITS_REFUSED, LIMITS_SET

VERSIONS_MAX = 1_000
_RULINGS = """
SELECT payload FROM messages WHERE stream = 'TRADE' AND subject IN ({subjects})
ORDER BY generation DESC, sequence DESC LIMIT {last}
"""


async def rulings(bus: Bus, *, refused: bool = False, last: int = VERSIONS_MAX) -> list[LimitsRuling]:
    """What risk said to proposals, the newest first; with `refused` those that it refused as well."""
    subjects = ", ".join(sql_text(each) for each in ((LIMITS_SET, LIMITS_REFUSED) if refused else (LIMITS_SET,)))
    reply = await query(bus, _RULINGS.format(subjects=subjects, last=last))
    return [messages.decode(row[0].encode(), LimitsRuling) for row in reply.rows]


async def versions(bus: Bus, last: int = VERSIONS_MAX) -> list[LimitsSet]:
    """Every version that operators have set, the newest first."""
    return [each for each in await rulings(bus, last=last) if isinstance(each, LimitsSet)]


async def in_force(bus: Bus, desk: Desk | None) -> tuple[int, LimitsByScope, LimitsSet | None]:
    """The newest version, what holds, and who set it (None = it is the desk file's, number 0).

    Of a desk file that has other limits since, those hold too, where they are tighter.
    """
    newest = next(iter(await versions(bus, 1)), None)
    if newest is None:
        return 0, of_file(desk), None
    is_file_changed = desk is not None and newest.desk_file != name_of(desk.limits)
    return newest.version, tightest(newest.limits, of_file(desk)) if is_file_changed else newest.limits, newest


def of_file(desk: Desk | None) -> LimitsByScope:
    """Version 0; raises `ConfigurationError` where the desk file is not known here."""
    if desk is None:
        raise ConfigurationError(
            ["nobody has set limits yet, so that the desk file's hold: name it with --desk or SIGNALBOX_DESK_FILE"]
        )
    return of_desk_file(desk.limits)


async def named(bus: Bus, text: str, desk: Desk | None) -> LimitsByScope:
    """A version by its number, or a limits file by its path. Raises `ConfigurationError`."""
    if not text.isdigit():
        return load_limits(Path(text), desk)
    if int(text) == 0:
        return of_file(desk)
    found = next((each for each in await versions(bus) if each.version == int(text)), None)
    if found is None:
        raise ConfigurationError([f"there is no version {text} of the limits (`signalbox limits history`)"])
    return found.limits


def desk_of(named_file: Path | None, found: Path | None) -> Desk | None:
    """The desk file that is named, or else the desk's own, if that is here."""
    file = named_file or found
    return load_desk(file) if file is not None else None
