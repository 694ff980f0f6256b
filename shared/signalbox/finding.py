"""Where the desk is, and as whom to speak to it: what a client of the desk takes from its environment.

The address and password come from `SIGNALBOX_NATS_URL`, `SIGNALBOX_NATS_USER` and `SIGNALBOX_NATS_PASSWORD` or `_FILE`
(or `SIGNALBOX_CREDENTIALS_FOLDER`, which holds a password file named after each user), else from the `desk.json` that
`signalbox up` leaves in its folder (`run/desk`, or `SIGNALBOX_RUN_FOLDER`).
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signalbox.addresses import nats_url_mistake
from signalbox.errors import ConfigurationError
from signalbox.seals import NO_SEALS, Seals, demand, links_of
from signalbox.settings import KEY_LINES_MAX, Secret, read_secret_file

RUN_FOLDER = Path("run/desk")
DESK_LOCK = "desk.lock"
"""Taken by a desk that runs from a folder, with its process id in it."""
START_ONE = "start one with `make up` (or `signalbox up`)"


def nats_ca_file(environ: Mapping[str, str]) -> Path | None:
    """Whose certificates NATS at a `tls://` address must show; None = the machine's own authorities."""
    return path_of(environ.get("SIGNALBOX_NATS_CA_FILE"))


@dataclass(frozen=True)
class Found:
    """Where the desk is. `desk_file` is None when only an address is known.

    `silence` is the sentence to say when NATS does not answer there. `control` is the `host:port` at which
    simulated venues tell of their own books, "" = there are none.
    """

    nats_url: str
    user: str
    password: Secret
    desk_file: Path | None
    silence: str
    control: str = ""
    seals: Seals = NO_SEALS
    """An operator's, with which a trading state is sealed."""


def find_desk(environ: Mapping[str, str], *, operator: bool = False, auditor: bool = False) -> Found:
    """Find the desk; raises `ConfigurationError` that says how to name one."""
    url = environ.get("SIGNALBOX_NATS_URL")
    user = "operator" if operator else "auditor" if auditor else "user"
    if not auditor or one_password(environ):  # who checks the desk is nobody's name
        user = environ.get("SIGNALBOX_NATS_USER") or user
    if url:
        check_url(url)
    if url:
        control = environ.get("SIGNALBOX_CONTROL", "")
        silence = f"NATS at {url} can not be reached: is it running there? (SIGNALBOX_NATS_URL says so)"
        desk_file, password = path_of(environ.get("SIGNALBOX_DESK_FILE")), password_of(environ, user)
        seals = seals_of(environ, user, None) if operator else NO_SEALS
        return Found(url, user, password, desk_file, silence, control, seals)
    folder = run_folder(environ)
    file = folder / "desk.json"
    try:
        desk: dict[str, Any] = json.loads(file.read_text())
        url, desk_file = desk["nats_url"], Path(desk["desk_file"])
    except OSError:
        raise ConfigurationError(
            [
                f"no desk is running from {folder}: {START_ONE}, run this in the folder it was started in, or name one "
                "with SIGNALBOX_NATS_URL, SIGNALBOX_NATS_USER and SIGNALBOX_NATS_PASSWORD_FILE."
            ]
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigurationError([f"{file} is not what `signalbox up` writes: {START_ONE}."]) from None
    password = kept_password(folder / "credentials", user)
    if _runs(folder):
        silence = (
            f"the desk of {folder} runs, but its NATS at {url} does not answer: it is suspended, or too busy. "
            f"What `signalbox up` says there, and {folder / 'logs' / 'nats.log'}, may tell why."
        )
    else:
        silence = f"the desk of {folder} has ended (its NATS at {url} does not answer): {START_ONE}"
    control = f"127.0.0.1:{desk['control_port']}" if "control_port" in desk else ""
    seals = seals_of({}, user, folder / "credentials") if operator else NO_SEALS
    return Found(url, user, password, desk_file, silence, control, seals)


def _runs(folder: Path) -> bool:
    """Whether the desk of `folder` runs: somebody has its lock, and whoever took it lives."""
    try:
        with open(folder / DESK_LOCK, encoding="ascii") as file:
            pid = file.read(20).strip()
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return pid.isdigit() and Path(f"/proc/{pid}").exists()
    except (OSError, ValueError):  # none there, or none of ours
        return False
    return False


def seals_of(environ: Mapping[str, str], user: str, folder: Path | None) -> Seals:
    """The key of one operator; raises `ConfigurationError` that says where it belongs."""
    named = path_of(environ.get("SIGNALBOX_SEALS_FILE"))
    folder = folder or path_of(environ.get("SIGNALBOX_CREDENTIALS_FOLDER"))
    beside = folder / seals_file_name(user) if folder is not None else None
    if named is None and beside is not None and beside.exists():
        named = beside
    text = read_secret_file(named, KEY_LINES_MAX).reveal() if named is not None else environ.get("SIGNALBOX_SEALS", "")
    if not text:
        raise ConfigurationError(
            [
                "SIGNALBOX_SEALS is not set (or SIGNALBOX_SEALS_FILE, a file of mode 600): no trading state counts "
                f'that {user} has not sealed with a key of its own (docs/nats.md, "Seals").'
            ]
        )
    try:
        return demand(text, links_of(user) or (f"control/{user}",))
    except ConfigurationError as error:
        raise ConfigurationError([f"the seals of {user}: {mistake}" for mistake in error.mistakes]) from None


def seals_file_name(user: str) -> str:
    """The file with a person's keys, beside the one with the password."""
    return f"{user}.seals"


def check_url(url: str) -> None:
    if mistake := nats_url_mistake("SIGNALBOX_NATS_URL", url):
        raise ConfigurationError([mistake])


def password_of(environ: Mapping[str, str], user: str) -> Secret:
    if "SIGNALBOX_NATS_PASSWORD_FILE" in environ:
        return read_secret_file(Path(environ["SIGNALBOX_NATS_PASSWORD_FILE"]))
    if "SIGNALBOX_NATS_PASSWORD" in environ:
        return Secret(environ["SIGNALBOX_NATS_PASSWORD"])
    if "SIGNALBOX_CREDENTIALS_FOLDER" in environ:
        return kept_password(Path(environ["SIGNALBOX_CREDENTIALS_FOLDER"]), user)
    raise ConfigurationError(["SIGNALBOX_NATS_URL is set, but neither SIGNALBOX_NATS_PASSWORD nor its _FILE is."])


def one_password(environ: Mapping[str, str]) -> bool:
    """Whether one password is given, of one user, instead of a folder with one for each."""
    return "SIGNALBOX_NATS_URL" in environ and not environ.keys().isdisjoint(
        ("SIGNALBOX_NATS_PASSWORD", "SIGNALBOX_NATS_PASSWORD_FILE")
    )


def kept_password(folder: Path, user: str) -> Secret:
    """The password of a user in a folder that has one for each."""
    if user.startswith(".") or "/" in user or not (folder / user).exists():
        raise ConfigurationError(
            [f"there is no password of {user!r} in {folder}: `signalbox people list` says who there is, `add` adds."]
        )
    return read_secret_file(folder / user)


def run_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("SIGNALBOX_RUN_FOLDER", str(RUN_FOLDER)))


def path_of(text: str | None) -> Path | None:
    return Path(text) if text else None
