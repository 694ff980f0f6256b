"""What the command line takes from its environment: where the desk is, and as whom to speak to it.

The address and password come from `SIGNALBOX_NATS_URL`, `SIGNALBOX_NATS_USER` and `SIGNALBOX_NATS_PASSWORD` or `_FILE`
(or `SIGNALBOX_CREDENTIALS_FOLDER`, which holds a password file named after each user), else from the `desk.json` that
`signalbox up` leaves in its folder (`run/desk`, or `SIGNALBOX_RUN_FOLDER`). Nothing else of this package reads the
environment.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signalbox.addresses import nats_url_mistake
from signalbox.errors import ConfigurationError
from signalbox.seals import CONTROL, NO_SEALS, Seals, demand, links_of, parse
from signalbox.setting_names import unknown_names
from signalbox.settings import KEY_LINES_MAX, Secret, read_secret_file

RUN_FOLDER = Path("run/desk")
DESK_LOCK = "desk.lock"
"""Taken by a desk that runs from a folder, with its process id in it."""
START_ONE = "start one with `make up` (or `signalbox up`)"


def found_desk(*, operator: bool = False, auditor: bool = False) -> Found:
    """The desk that this process's environment names."""
    return find_desk(os.environ, operator=operator, auditor=auditor)


def server_address() -> tuple[str, Secret]:
    """The NATS server that a command about the server itself is for, and the password of the user that it needs."""
    url = os.environ.get("SIGNALBOX_NATS_URL")
    if not url:
        raise ConfigurationError(["SIGNALBOX_NATS_URL is not set: which NATS server is meant?"])
    _check_url(url)
    return url, _password(os.environ, "bootstrap")


def bootstrap_seals() -> Seals:
    """The key with which a command about the server itself seals a trading state."""
    return _seals(os.environ, "bootstrap", None)


@dataclass(frozen=True)
class PeoplePlace:
    """Where the people of a desk are kept. `url` "" = no server is known, which then has to be told otherwise."""

    file: Path
    credentials: Path
    url: str
    password: Secret


def people_place(environ: Mapping[str, str], file: Path | None, credentials: Path | None) -> PeoplePlace:
    """The files that were named, else those of the environment, else those of the desk of `signalbox up`.

    The server is that of the environment, with the password of `bootstrap`, or the local desk's while it runs. Raises
    `ConfigurationError` that says how to name what is missing.
    """
    named = file or _path(environ.get("SIGNALBOX_PEOPLE_FILE"))
    file, url = people_file(environ, file), environ.get("SIGNALBOX_NATS_URL", "")
    if named is not None:
        credentials = credentials or _path(environ.get("SIGNALBOX_CREDENTIALS_FOLDER"))
        if credentials is None:
            raise ConfigurationError(
                ["where are passwords to be kept? Name a folder with --credentials, or SIGNALBOX_CREDENTIALS_FOLDER."]
            )
        return PeoplePlace(file, credentials, url, _bootstrap_password(environ, url) if url else Secret(""))
    folder = _run_folder(environ)
    try:
        url = str(json.loads((folder / "desk.json").read_text())["nats_url"])
    except OSError:
        return PeoplePlace(file, credentials or folder / "credentials", "", Secret(""))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigurationError([f"{folder / 'desk.json'} is not what `signalbox up` writes: {START_ONE}."]) from None
    return PeoplePlace(
        file, credentials or folder / "credentials", url, read_secret_file(folder / "credentials" / "bootstrap")
    )


def people_file(environ: Mapping[str, str], file: Path | None = None) -> Path:
    """The people.conf that was named, else that of the environment, else that of the desk of `signalbox up`."""
    named = file or _path(environ.get("SIGNALBOX_PEOPLE_FILE"))
    if named is not None:
        return named
    if environ.get("SIGNALBOX_NATS_URL"):
        raise ConfigurationError(
            ["which file does that server read its people from? Name it with --file, or SIGNALBOX_PEOPLE_FILE."]
        )
    folder = _run_folder(environ)
    if not (local := folder / "nats" / "people.conf").exists():
        raise ConfigurationError([f"no desk was ever started from {folder}: {START_ONE}, or name a file with --file."])
    return local


def control_keys(environ: Mapping[str, str], credentials: Path) -> Seals:
    """The keys among which that of `control` is, of which an operator's is made; none, where it is not at hand.

    It is looked for in SIGNALBOX_SEALS, SIGNALBOX_SEALS_FILE, and what lies beside the passwords as risk's.
    """
    beside, named = credentials / seals_file_name("risk"), _path(environ.get("SIGNALBOX_SEALS_FILE"))
    files = [*([named] if named is not None else []), *([beside] if beside.exists() else [])]
    texts = [environ["SIGNALBOX_SEALS"]] if "SIGNALBOX_SEALS" in environ else []
    texts += [read_secret_file(file, KEY_LINES_MAX).reveal() for file in files]
    return next((keys for keys in map(parse, texts) if CONTROL in keys.links), NO_SEALS)


def _bootstrap_password(environ: Mapping[str, str], url: str) -> Secret:
    folder = _path(environ.get("SIGNALBOX_CREDENTIALS_FOLDER"))
    if not _one_password(environ) and (folder is None or not (folder / "bootstrap").exists()):
        raise ConfigurationError(
            [
                f"NATS at {url} takes in who may come from `bootstrap` alone, whose password is not here: name it with "
                "SIGNALBOX_NATS_PASSWORD_FILE, or unset SIGNALBOX_NATS_URL and tell the server yourself. A desk in "
                "containers has a way of its own: docs/nats.md, People."
            ]
        )
    return _password(environ, "bootstrap")


@contextmanager
def speaking_as(name: str | None) -> Iterator[None]:
    """Have what is done meanwhile speak as `name`, as if the environment had said so; None = as it says."""
    with _said({"SIGNALBOX_NATS_USER": name} if name else {}):
        yield


@contextmanager
def at_folder(folder: str | None) -> Iterator[None]:
    """Have what is done meanwhile be about the desk of `folder`, whatever the environment says; None = as it says."""
    if not folder:
        yield
        return
    elsewhere = [name for name in os.environ if name.startswith("SIGNALBOX_NATS_")]
    with _said({"SIGNALBOX_RUN_FOLDER": folder, **dict.fromkeys(elsewhere)}):
        yield


@contextmanager
def _said(words: Mapping[str, str | None]) -> Iterator[None]:
    """Have the environment say so meanwhile; None = it does not say."""
    before = {name: os.environ.get(name) for name in words}
    _say(words)
    try:
        yield
    finally:
        _say(before)


def _say(words: Mapping[str, str | None]) -> None:
    for name, text in words.items():
        if text is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = text


def nats_ca_file() -> Path | None:
    """Whose certificates NATS at a `tls://` address must show; None = the machine's own authorities."""
    return _path(os.environ.get("SIGNALBOX_NATS_CA_FILE"))


def check_names(*, but_for_the_doctor: bool = False) -> None:
    """Raise `ConfigurationError` for each `SIGNALBOX_...` name that nothing reads; the doctor tells of it by itself."""
    mistakes = list(unknown_names(os.environ))
    if mistakes and not but_for_the_doctor:
        raise ConfigurationError(mistakes)


def environment() -> Mapping[str, str]:
    """All of it, for what hands it on to the settings of services."""
    return os.environ


@dataclass(frozen=True)
class DoctorAddresses:
    """Where `signalbox doctor` looks when its command line does not say; "" = nowhere."""

    prometheus_url: str
    alertmanager_url: str
    secrets: Path | None
    run_folder: Path | None
    """None = the desk is not one of this machine."""
    people_file: Path | None
    """None = it is not known which people.conf the server reads."""


def doctor_addresses() -> DoctorAddresses:
    """Those that this process's environment names, with the folder of a local desk's credentials."""
    elsewhere = "SIGNALBOX_NATS_URL" in os.environ
    local = None if elsewhere else Path(os.environ.get("SIGNALBOX_RUN_FOLDER", str(RUN_FOLDER)))
    return DoctorAddresses(
        os.environ.get("SIGNALBOX_PROMETHEUS_URL", ""),
        os.environ.get("SIGNALBOX_ALERTMANAGER_URL", ""),
        _path(os.environ.get("SIGNALBOX_CREDENTIALS_FOLDER")) or (local / "credentials" if local is not None else None),
        local,
        _path(os.environ.get("SIGNALBOX_PEOPLE_FILE"))
        or (local / "nats" / "people.conf" if local is not None else None),
    )


def desk_file() -> Path:
    """The desk file that this process's environment names."""
    path = _path(os.environ.get("SIGNALBOX_DESK_FILE"))
    if path is None:
        raise ConfigurationError(["SIGNALBOX_DESK_FILE is not set: which desk file is meant? (or say --desk)"])
    return path


def cluster_address() -> tuple[str, int]:
    """Host and port of the API server of the Kubernetes cluster that this process runs in."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not port.isdigit():
        raise ConfigurationError(["KUBERNETES_SERVICE_HOST is not set: this is for a pod of a Kubernetes cluster."])
    return host, int(port)


def inherited_environment() -> dict[str, str]:
    """What a process that we start inherits: everything but the settings of another desk."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SIGNALBOX_")}


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
    if not auditor or _one_password(environ):  # who checks the desk is nobody's name
        user = environ.get("SIGNALBOX_NATS_USER") or user
    if url:
        _check_url(url)
    if url:
        control = environ.get("SIGNALBOX_CONTROL", "")
        silence = f"NATS at {url} can not be reached: is it running there? (SIGNALBOX_NATS_URL says so)"
        desk_file, password = _path(environ.get("SIGNALBOX_DESK_FILE")), _password(environ, user)
        seals = _seals(environ, user, None) if operator else NO_SEALS
        return Found(url, user, password, desk_file, silence, control, seals)
    folder = _run_folder(environ)
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
    password = _kept_password(folder / "credentials", user)
    if _runs(folder):
        silence = (
            f"the desk of {folder} runs, but its NATS at {url} does not answer: it is suspended, or too busy. "
            f"What `signalbox up` says there, and {folder / 'logs' / 'nats.log'}, may tell why."
        )
    else:
        silence = f"the desk of {folder} has ended (its NATS at {url} does not answer): {START_ONE}"
    control = f"127.0.0.1:{desk['control_port']}" if "control_port" in desk else ""
    seals = _seals({}, user, folder / "credentials") if operator else NO_SEALS
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


def _seals(environ: Mapping[str, str], user: str, folder: Path | None) -> Seals:
    """The key of one operator; raises `ConfigurationError` that says where it belongs."""
    named = _path(environ.get("SIGNALBOX_SEALS_FILE"))
    folder = folder or _path(environ.get("SIGNALBOX_CREDENTIALS_FOLDER"))
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


def _check_url(url: str) -> None:
    if mistake := nats_url_mistake("SIGNALBOX_NATS_URL", url):
        raise ConfigurationError([mistake])


def _password(environ: Mapping[str, str], user: str) -> Secret:
    if "SIGNALBOX_NATS_PASSWORD_FILE" in environ:
        return read_secret_file(Path(environ["SIGNALBOX_NATS_PASSWORD_FILE"]))
    if "SIGNALBOX_NATS_PASSWORD" in environ:
        return Secret(environ["SIGNALBOX_NATS_PASSWORD"])
    if "SIGNALBOX_CREDENTIALS_FOLDER" in environ:
        return _kept_password(Path(environ["SIGNALBOX_CREDENTIALS_FOLDER"]), user)
    raise ConfigurationError(["SIGNALBOX_NATS_URL is set, but neither SIGNALBOX_NATS_PASSWORD nor its _FILE is."])


def _one_password(environ: Mapping[str, str]) -> bool:
    """Whether one password is given, of one user, instead of a folder with one for each."""
    return "SIGNALBOX_NATS_URL" in environ and not environ.keys().isdisjoint(
        ("SIGNALBOX_NATS_PASSWORD", "SIGNALBOX_NATS_PASSWORD_FILE")
    )


def _kept_password(folder: Path, user: str) -> Secret:
    """The password of a user in a folder that has one for each."""
    if user.startswith(".") or "/" in user or not (folder / user).exists():
        raise ConfigurationError(
            [f"there is no password of {user!r} in {folder}: `signalbox people list` says who there is, `add` adds."]
        )
    return read_secret_file(folder / user)


def _run_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("SIGNALBOX_RUN_FOLDER", str(RUN_FOLDER)))


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
