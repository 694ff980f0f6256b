"""What the command line takes from its environment beside where the desk is, which `signalbox.client` finds.

Nothing else of this package reads the environment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from signalbox.errors import ConfigurationError
from signalbox.finding import (
    RUN_FOLDER,
    START_ONE,
    Found,
    check_url,
    find_desk,
    nats_ca_file,
    one_password,
    password_of,
    path_of,
    run_folder,
    seals_file_name,
    seals_of,
)
from signalbox.seals import CONTROL, NO_SEALS, Seals, parse
from signalbox.setting_names import unknown_names
from signalbox.settings import KEY_LINES_MAX, Secret, read_secret_file


def found_desk(*, operator: bool = False, auditor: bool = False) -> Found:
    """The desk that this process's environment names."""
    return find_desk(os.environ, operator=operator, auditor=auditor)


def server_address() -> tuple[str, Secret]:
    """The NATS server that a command about the server itself is for, and the password of the user that it needs."""
    url = os.environ.get("SIGNALBOX_NATS_URL")
    if not url:
        raise ConfigurationError(["SIGNALBOX_NATS_URL is not set: which NATS server is meant?"])
    check_url(url)
    return url, password_of(os.environ, "bootstrap")


def bootstrap_seals() -> Seals:
    """The key with which a command about the server itself seals a trading state."""
    return seals_of(os.environ, "bootstrap", None)


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
    named = file or path_of(environ.get("SIGNALBOX_PEOPLE_FILE"))
    file, url = people_file(environ, file), environ.get("SIGNALBOX_NATS_URL", "")
    if named is not None:
        credentials = credentials or path_of(environ.get("SIGNALBOX_CREDENTIALS_FOLDER"))
        if credentials is None:
            raise ConfigurationError(
                ["where are passwords to be kept? Name a folder with --credentials, or SIGNALBOX_CREDENTIALS_FOLDER."]
            )
        return PeoplePlace(file, credentials, url, _bootstrap_password(environ, url) if url else Secret(""))
    folder = run_folder(environ)
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
    named = file or path_of(environ.get("SIGNALBOX_PEOPLE_FILE"))
    if named is not None:
        return named
    if environ.get("SIGNALBOX_NATS_URL"):
        raise ConfigurationError(
            ["which file does that server read its people from? Name it with --file, or SIGNALBOX_PEOPLE_FILE."]
        )
    folder = run_folder(environ)
    if not (local := folder / "nats" / "people.conf").exists():
        raise ConfigurationError([f"no desk was ever started from {folder}: {START_ONE}, or name a file with --file."])
    return local


def control_keys(environ: Mapping[str, str], credentials: Path) -> Seals:
    """The keys among which that of `control` is, of which an operator's is made; none, where it is not at hand.

    It is looked for in SIGNALBOX_SEALS, SIGNALBOX_SEALS_FILE, and what lies beside the passwords as risk's.
    """
    beside, named = credentials / seals_file_name("risk"), path_of(environ.get("SIGNALBOX_SEALS_FILE"))
    files = [*([named] if named is not None else []), *([beside] if beside.exists() else [])]
    texts = [environ["SIGNALBOX_SEALS"]] if "SIGNALBOX_SEALS" in environ else []
    texts += [read_secret_file(file, KEY_LINES_MAX).reveal() for file in files]
    return next((keys for keys in map(parse, texts) if CONTROL in keys.links), NO_SEALS)


def _bootstrap_password(environ: Mapping[str, str], url: str) -> Secret:
    folder = path_of(environ.get("SIGNALBOX_CREDENTIALS_FOLDER"))
    if not one_password(environ) and (folder is None or not (folder / "bootstrap").exists()):
        raise ConfigurationError(
            [
                f"NATS at {url} takes in who may come from `bootstrap` alone, whose password is not here: name it with "
                "SIGNALBOX_NATS_PASSWORD_FILE, or unset SIGNALBOX_NATS_URL and tell the server yourself. A desk in "
                "containers has a way of its own: docs/nats.md, People."
            ]
        )
    return password_of(environ, "bootstrap")


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


def ca_file() -> Path | None:
    """Whose certificates NATS at a `tls://` address must show; None = the machine's own authorities."""
    return nats_ca_file(os.environ)


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
        path_of(os.environ.get("SIGNALBOX_CREDENTIALS_FOLDER"))
        or (local / "credentials" if local is not None else None),
        local,
        path_of(os.environ.get("SIGNALBOX_PEOPLE_FILE"))
        or (local / "nats" / "people.conf" if local is not None else None),
    )


def desk_file() -> Path:
    """The desk file that this process's environment names."""
    path = path_of(os.environ.get("SIGNALBOX_DESK_FILE"))
    if path is None:
        raise ConfigurationError(["SIGNALBOX_DESK_FILE is not set: which desk file is meant? (or say --desk)"])
    return path


def cluster_address() -> tuple[str, int]:
    """Host and port of the API server of the Kubernetes cluster that this process runs in."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not port.isdigit():
        raise ConfigurationError(["KUBERNETES_SERVICE_HOST is not set: this is for a pod of a Kubernetes cluster."])
    return host, int(port)


def state_folder() -> Path:
    """Where the command keeps what it remembers of a person from time to time."""
    stated = os.environ.get("XDG_STATE_HOME", "")
    return (Path(stated) if stated.startswith("/") else Path.home() / ".local/state") / "signalbox"


def inherited_environment() -> dict[str, str]:
    """What a process that we start inherits: everything but the settings of another desk."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SIGNALBOX_")}
