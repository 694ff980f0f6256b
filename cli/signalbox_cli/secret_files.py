"""The secrets of an installation as files: a folder for each service, so that each can be given its own and no other.

    <folder>/<service>/nats-password     of each service, of `bootstrap` and of `simulators`
    <folder>/<service>/seals             of each service that has keys of seals, and of `bootstrap`
    <folder>/people/{user,operator,auditor}, operator.seals; whom `signalbox people` adds joins them
    <folder>/nats/passwords              all of them, as the environment that deploy/nats/nats.conf reads
    <folder>/nats-people/people.conf     who was added, which nats.conf includes
    <folder>/registrar/nats-password     that of `bootstrap`, as whom `signalbox people` tells the server
    <folder>/registrar/seals             of risk's keys the one of which an operator's is derived, and no other

Owns names, modes and the making of passwords. What is there is never changed by `make`: it may be run at every start,
and a kill at any instant leaves whole files; copies, and people.conf's accounts, are brought up to date, and who has
been given another seal's key since finds it behind his. It must not
know who mounts what.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from signalbox.accounts import BOOTSTRAP, password_variable
from signalbox.bus.bootstrap import USERS, complete_seals, new_password
from signalbox.desk import ClockSource, Desk
from signalbox.errors import ConfigurationError
from signalbox.finding import seals_file_name
from signalbox.seals import CONTROL, parse
from signalbox.settings import KEY_LINES_MAX, read_secret_file
from signalbox.venues import gateway_of

from signalbox_cli.people import roll
from signalbox_cli.simulated_venues import DYDX, MNEMONIC_CREDENTIAL, TEST_ACCOUNT, TEST_MNEMONIC

PEOPLE = ("user", "operator", "auditor")
FOLDER_OF_USER = {BOOTSTRAP: BOOTSTRAP, "simulator": "simulators"}
NATS_PASSWORD, SEALS = "nats-password", "seals"
GRAFANA_PASSWORD = "grafana/admin-password"
PEOPLE_FILE = "nats-people/people.conf"
REGISTRAR = "registrar"
_NAME = re.compile(r"[a-z][a-z0-9-]*/[a-z][a-z0-9-]*")


def password_file(folder: Path, user: str) -> Path:
    """Where the NATS password of a user lies."""
    if user in PEOPLE:
        return folder / "people" / user
    return folder / FOLDER_OF_USER.get(user, user) / NATS_PASSWORD


def seals_file(folder: Path, user: str) -> Path:
    """Where the keys of a user's seals lie."""
    if user in PEOPLE:
        return folder / "people" / seals_file_name(user)
    return folder / FOLDER_OF_USER.get(user, user) / SEALS


def make(folder: Path, desk: Desk) -> list[str]:
    """Write what is missing; returns the names of what was written. Raises `ConfigurationError` where it may not."""
    # each begins with a letter: nats.conf would take 12e34 for a number
    made = [
        name
        for path in (*(password_file(folder, user) for user in USERS), folder / GRAFANA_PASSWORD)
        if (name := _made(folder, path, new_password()))
    ]
    made += [
        name for user, text in _seals(folder).items() if (name := _sealed_anew(folder, seals_file(folder, user), text))
    ]
    venue = desk.venues.get(DYDX)
    if desk.clock is ClockSource.SIMULATED and venue is not None and venue.accounts == (TEST_ACCOUNT,):
        mnemonic = folder / gateway_of(DYDX) / MNEMONIC_CREDENTIAL
        made += [name for name in (_made(folder, mnemonic, TEST_MNEMONIC),) if name]
    made += [PEOPLE_FILE] if _people_file_is_new(folder / PEOPLE_FILE) else []
    _write(folder / "nats" / "passwords", _environment(folder))
    _copy_for_the_registrar(folder)
    return made


def put(folder: Path, name: str, text: str) -> Path:
    """Keep a secret that only a person can know, as `gateway-dydx/dydx-mnemonic`; what was there is replaced."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError([f"{name!r} is no name of a secret: <service>/<name>, as gateway-dydx/dydx-mnemonic"])
    if not text.strip():
        raise ConfigurationError(["standard input is empty: there is nothing to keep"])
    _write(folder / name, text.strip() + "\n")
    return folder / name


def _seals(folder: Path) -> dict[str, str]:
    """The keys of every user that has some; what is there stays, and what is missing is made to fit it."""
    files = {user: seals_file(folder, user) for user in USERS}
    return complete_seals(
        {user: read_secret_file(file, KEY_LINES_MAX).reveal() for user, file in files.items() if file.exists()}
    )


def _people_file_is_new(path: Path) -> bool:
    """See to it that people.conf is there, as this version writes it: nats-server reads no other at its start."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError([f"{path.parent} can not be made: {error.strerror}."]) from None
    with roll.taken(path):
        was_there = path.exists()
        roll.bring_up_to_date(path)
    return not was_there


def _copy_for_the_registrar(folder: Path) -> None:
    control = parse(read_secret_file(seals_file(folder, "risk"), KEY_LINES_MAX).reveal()).first_key(CONTROL)
    password = read_secret_file(password_file(folder, BOOTSTRAP)).reveal()
    _write(folder / REGISTRAR / NATS_PASSWORD, f"{password}\n")
    _write(folder / REGISTRAR / SEALS, f"{CONTROL} = {control.hex()}\n")


def _environment(folder: Path) -> str:
    passwords = {user: read_secret_file(password_file(folder, user)).reveal() for user in USERS}
    return "".join(f"export {password_variable(user)}={password}\n" for user, password in passwords.items())


def _made(folder: Path, path: Path, text: str) -> str:
    if path.exists():
        return ""
    _write(path, text.strip() + "\n")
    return str(path.relative_to(folder))


def _sealed_anew(folder: Path, path: Path, text: str) -> str:
    """Write the keys of one that has none, or that has been given more since the desk was made."""
    if path.exists() and read_secret_file(path, KEY_LINES_MAX).reveal() == text:
        return ""
    _write(path, text.strip() + "\n")
    return str(path.relative_to(folder))


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and readable by its owner alone from its first byte on."""
    draft = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with open(draft, "x", opener=lambda name, flags: os.open(name, flags, 0o400)) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise ConfigurationError([f"{path} can not be written: {error.strerror}."]) from None
