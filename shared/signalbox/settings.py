"""Settings of a service: a frozen struct read once from the environment, every mistake reported at once.

A field `http_port` is read from `SIGNALBOX_HTTP_PORT`. A field of type `Secret` is read from `SIGNALBOX_<FIELD>` or
from the file named by `SIGNALBOX_<FIELD>_FILE`, which nobody but its owner may read (mode 600). One exception: a file
of root's that this process can only read by its group (mode 440 or 640), which is how Kubernetes mounts a secret for a
user who is not root. A secret shows itself in no repr, log, message or traceback.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Set
from pathlib import Path
from typing import TypeVar, get_type_hints

import msgspec
from msgspec import NODEFAULT, Struct

from signalbox.errors import ConfigurationError

PREFIX = "SIGNALBOX_"
_S = TypeVar("_S", bound=Struct)


class Secret:
    """A text that is only shown to who calls `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class ServiceSettings(Struct, frozen=True, kw_only=True):
    """What every service needs."""

    nats_url: str
    """`nats://host:port`, or `tls://host:port`."""
    nats_user: str
    """This service's own user: its permissions are what keeps an unapproved order from a venue."""
    nats_password: Secret
    seals: Secret | None = None
    """The keys of what this service seals and acts upon (`signalbox.seals`): those of risk, the OMS, the gateways."""
    nats_ca_file: Path | None = None
    """Whose certificates NATS at a `tls://` address must show; unset = the machine's own authorities."""
    desk_file: Path
    http_host: str = "127.0.0.1"
    """Metrics and health answer there: loopback unless a container network needs more."""
    http_port: int = 0
    """0 = any free port, written to the log."""
    log_level: str = "INFO"


def load(kind: type[_S], environ: Mapping[str, str]) -> _S:
    """Read `kind` from `environ`. Raises `ConfigurationError` with every mistake, each naming its variable."""
    mistakes: list[str] = []
    values: dict[str, object] = {}
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        variable = PREFIX + field.name.upper()
        hint = hints[field.name]
        found: object
        if _is_secret(hint):
            found = _secret(variable, environ, mistakes)
        elif variable in environ:
            found = _plain(variable, environ[variable], hint, mistakes)
        else:
            found = None
        if found is not None:
            values[field.name] = found
        elif field.default is NODEFAULT and field.default_factory is NODEFAULT and not _named(variable, mistakes):
            alternative = f" (or {variable}_FILE, a file of mode 600)" if _is_secret(hint) else ""
            mistakes.append(f"{variable} is not set{alternative}: {kind.__name__} has no default for it.")
    if mistakes:
        raise ConfigurationError(mistakes)
    return kind(**values)


def _is_secret(hint: object) -> bool:
    return hint is Secret or Secret in getattr(hint, "__args__", ())


def _named(variable: str, mistakes: list[str]) -> bool:
    return any(re.match(rf"{variable}(_FILE)?\b", mistake) for mistake in mistakes)


def _plain(variable: str, text: str, hint: object, mistakes: list[str]) -> object:
    if hint is Path or hint == Path | None:
        return Path(text)
    try:
        value: object = msgspec.convert(text, hint, strict=False)
    except msgspec.ValidationError as error:
        mistakes.append(f"{variable}={text!r} is not usable: {error}.")
        return None
    return value


def _secret(variable: str, environ: Mapping[str, str], mistakes: list[str]) -> Secret | None:
    file_name = environ.get(f"{variable}_FILE")
    if file_name is None:
        text = environ.get(variable)
        return Secret(text) if text is not None else None
    if variable in environ:
        mistakes.append(f"{variable} and {variable}_FILE are both set: keep one.")
        return None
    try:
        return read_secret_file(Path(file_name))
    except ConfigurationError as error:
        mistakes.extend(f"{variable}_FILE: {mistake}" for mistake in error.mistakes)
        return None


def read_secret_file(path: Path) -> Secret:
    """Read a secret; raises `ConfigurationError` when others may read the file, or it can not be read."""
    try:
        status = path.stat()
        mode = stat.S_IMODE(status.st_mode)
        if not is_private(status, os.geteuid(), {os.getegid(), *os.getgroups()}):
            raise ConfigurationError([f"{path} has mode {mode:o}: others may read it. Run: chmod 600 {path}"])
        text = path.read_text().strip()
    except OSError as error:
        raise ConfigurationError([f"{path} can not be read: {error.strerror}."]) from None
    if not text:
        raise ConfigurationError([f"{path} is empty."])
    return Secret(text)


def is_private(status: os.stat_result, user: int, groups: Set[int]) -> bool:
    """Whether a file is a secret of the process with this user and these groups.

    It is when nobody but its owner has any right to it; or when it is root's, and its group, one of ours, may read it
    and others may nothing: then the group is the one way in which a user other than root can be given it. A file of
    one's own needs no group.
    """
    rights = stat.S_IMODE(status.st_mode) & 0o077
    given_by_root = status.st_uid == 0 != user and status.st_gid in groups
    return rights == 0 or (rights == stat.S_IRGRP and given_by_root)
