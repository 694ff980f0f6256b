"""Looks at people.conf, and tries the logins of those whose passwords are at hand."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from signalbox.errors import BusUnavailableError, ConfigurationError
from signalbox.settings import is_private, read_secret_file

from signalbox_cli.doctor.facts import PeopleSeen
from signalbox_cli.people import roll
from signalbox_cli.people.server import Server, Standing, standings


async def see_people(file: Path | None, passwords_folder: Path | None, server: Server) -> PeopleSeen | None:
    """Who was added, and how each of them stands with the server; None = it is not known where that is written."""
    seen = _see_file(file) if file is not None else None
    if seen is None or not seen.added:
        return seen
    try:
        found = await standings(server, _passwords(passwords_folder, seen.added))
    except BusUnavailableError:
        found = {}
    return replace(
        seen,
        refused=tuple(name for name in seen.added if found.get(name) is Standing.REFUSED),
        unheard=tuple(name for name in seen.added if found.get(name) is Standing.UNHEARD),
        untried=tuple(name for name in seen.added if name not in found),
    )


def _see_file(file: Path) -> PeopleSeen:
    try:
        status = file.stat()
        people, text = roll.read(file), file.read_text(encoding="utf-8")
    except OSError as error:
        return PeopleSeen(path=str(file), problem=f"{file} can not be read: {error.strerror}.")
    except ConfigurationError as error:
        return PeopleSeen(path=str(file), problem=error.mistakes[0])
    return PeopleSeen(
        path=str(file),
        mode=stat.S_IMODE(status.st_mode),
        private=is_private(status, os.geteuid(), {os.getegid(), *os.getgroups()}),
        is_up_to_date=text == roll.conf_text(people),
        added=tuple(each.name for each in people.people if each.revoked is None),
    )


def _passwords(folder: Path | None, names: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in [folder / name for name in names] if folder is not None else []:
        with suppress(ConfigurationError):  # not here, or not ours to read: the check of secrets says more
            found[path.name] = read_secret_file(path).reveal()
    return found
