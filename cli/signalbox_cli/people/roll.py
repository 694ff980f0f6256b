"""The people who were added to a desk: people.conf beside nats.conf, which the server reads and this writes.

    # person: {"name": "alice", "role": "trader", "since": "2026-01-31T12:00:00Z", "password": "$2b$04$..."}
    "alice": { ... }                     the account, in nats-server's words (see signalbox.accounts_file)

The remarks are the only source: the accounts below them are written again from them each time, so that a new version of
the desk gives everybody what his role has then. Who was revoked keeps his remark, and so his name: it stands in what is
stored. Only the hash of a password is here. Owns the file's text and its writing; it must not know a server.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import bcrypt
import msgspec
from signalbox.accounts import NAME, Person, Role
from signalbox.accounts_file import person_lines
from signalbox.errors import ConfigurationError
from signalbox.people_names import name_mistake

REMARK = "# person: "
HEAD = "# People who were added to the desk: written by `signalbox people`, read by nats.conf. Do not edit.\n"
PEOPLE_MAX = 256
BCRYPT_COST = 4
"""The least there is: it makes guessing slow, and nobody guesses 192 random bits; each login costs the server this."""


class Added(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Somebody who was added. `password` is a hash, "" once he was revoked."""

    name: str
    role: Role
    since: datetime
    password: str = ""
    revoked: datetime | None = None


@dataclass(frozen=True)
class Roll:
    """Everybody who was ever added, in that order."""

    people: tuple[Added, ...] = field(default=())

    def find(self, name: str) -> Added | None:
        return next((each for each in self.people if each.name == name), None)

    def add(self, name: str, role: Role, password: str, at: datetime, *, again: bool = False) -> Roll:
        """Add somebody, or `again` who was revoked. Raises `ConfigurationError`."""
        if mistake := name_mistake(name):
            raise ConfigurationError([f"{mistake}."])
        found = self.find(name)
        if found is not None and found.revoked is None:
            raise ConfigurationError(
                [f"{name!r} is there already, a {found.role}: `signalbox people password {name}` makes a new password."]
            )
        if found is not None and not again:
            raise ConfigurationError(
                [
                    f"{name!r} was revoked at {found.revoked:%Y-%m-%d %H:%M}, and what he did bears that name: choose "
                    "another, or say --again if it is the same person."
                ]
            )
        others = tuple(each for each in self.people if each.name != name)
        if len(others) >= PEOPLE_MAX:
            raise ConfigurationError([f"there have been {PEOPLE_MAX} people already, which is the most."])
        return Roll((*others, Added(name=name, role=role, since=at, password=hashed(password))))

    def renew(self, name: str, password: str) -> Roll:
        """Give somebody a new password. Raises `ConfigurationError` when there is no such person."""
        found = self._present(name)
        return self._with(replace_person(found, password=hashed(password)))

    def revoke(self, name: str, at: datetime) -> Roll:
        """Let somebody in no more. Raises `ConfigurationError` when there is no such person."""
        found = self._present(name)
        return self._with(replace_person(found, password="", revoked=at))

    def _present(self, name: str) -> Added:
        found = self.find(name)
        if found is None or found.revoked is not None:
            raise ConfigurationError([f"there is no {name!r}: `signalbox people list` says who is."])
        return found

    def _with(self, changed: Added) -> Roll:
        return replace(self, people=tuple(changed if each.name == changed.name else each for each in self.people))


def replace_person(person: Added, **changes: object) -> Added:
    return msgspec.structs.replace(person, **changes)


def hashed(password: str) -> str:
    """What the server compares a password with."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_COST)).decode()


def parse(text: str, source: str) -> Roll:
    """Read the file's remarks. Raises `ConfigurationError` that names the line: nobody is let out by a slip."""
    people: list[Added] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith(REMARK):
            continue
        try:
            person = msgspec.json.decode(line.removeprefix(REMARK), type=Added)
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                [f"{source}, line {number} is not what `signalbox people` writes: {error}."]
            ) from None
        if not NAME.fullmatch(person.name) or any(each.name == person.name for each in people):
            raise ConfigurationError([f"{source}, line {number}: {person.name!r} is no name, or there twice."])
        people.append(person)
    if not people and '": {' in text:
        raise ConfigurationError(
            [f"{source} has accounts that `signalbox people` did not write: add those people anew."]
        )
    return Roll(tuple(people))


def conf_text(roll: Roll) -> str:
    """The file, whole."""
    lines = [HEAD.rstrip("\n")]
    for person in roll.people:
        lines.append(REMARK + msgspec.json.encode(person).decode())
        if person.revoked is None:
            lines += person_lines(Person(person.name, person.role, f'"{person.password}"'))
    return "\n".join(lines) + "\n"


def read(path: Path) -> Roll:
    """The people of a file; nobody, where there is none yet."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return Roll()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path} can not be read: {error}."]) from None


def write(path: Path, roll: Roll) -> None:
    """Write the file, whole or not at all; it and what it replaces are readable by their owner alone."""
    write_private(path, conf_text(roll))


def bring_up_to_date(path: Path) -> Roll:
    """Write the file as this version writes it, with the people who are in it; who they are.

    The accounts of another version may import what this one's accounts.conf does not export: then no server starts.
    """
    people = read(path)
    write(path, people)
    return people


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and readable by its owner alone from its first byte on. Raises `ConfigurationError`."""
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        with open(draft, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise ConfigurationError([f"{path} can not be written: {error.strerror}."]) from None


def copy_configuration(source: Path, folder: Path) -> Path:
    """This version's nats.conf and what it includes into `folder`, with the people who are there; the copy's path."""
    folder.mkdir(mode=0o700, exist_ok=True)
    people = read(folder / "people.conf")
    for path in source.glob("*.conf"):
        if path.name != "people.conf":
            shutil.copyfile(path, folder / path.name)
    write(folder / "people.conf", people)
    return folder / "nats.conf"


@contextmanager
def taken(path: Path) -> Iterator[None]:
    """Change the file alone: two who add somebody at once would each write the file without the other's."""
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise ConfigurationError(
            [f"{path.parent} is not there ({error.strerror}): name the server's people.conf with --file."]
        ) from None
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError([f"somebody else changes {path} at this moment: try again."]) from None
        yield
    finally:
        os.close(folder)
