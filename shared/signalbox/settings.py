"""Settings of a service: a frozen struct read once from the environment, every mistake reported at once.

A field `http_port` is read from `SIGNALBOX_HTTP_PORT`. A field of type `Secret` is read from `SIGNALBOX_<FIELD>` or
from the file named by `SIGNALBOX_<FIELD>_FILE`, which nobody but its owner may read (mode 600). One exception: a file
of root's that this process can only read by its group (mode 440 or 640), which is how Kubernetes mounts a secret for a
user who is not root. A secret is one line of text, and shows itself in no repr, log, message or traceback. A name that
begins with `SIGNALBOX_` and that nothing of the desk reads is a mistake too.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Set
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, TypeVar, get_type_hints

import msgspec
from msgspec import NODEFAULT, Meta, Struct

from signalbox.addresses import listening_host_mistake, nats_url_mistake, password_mistake, without_password
from signalbox.decimals import is_decimal_text
from signalbox.errors import ConfigurationError
from signalbox.setting_names import PREFIX, unknown_names

KEY_LINES_MAX = 32
SECRET_BYTES_MAX = 65_536
NUMBER_MAX = 1_000_000_000
"""Seconds, bytes, rows: more is a slip, and too much for the clocks and limits that are set to it."""
_WHOLE_NUMBER = re.compile(r"[0-9]+")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
Port = Annotated[int, Meta(ge=1, le=65_535)]
PortOrAny = Annotated[int, Meta(ge=0, le=65_535)]
"""0 = any that is free."""
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
    http_port: PortOrAny = 0
    """0 = any free port, written to the log."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING, ERROR or CRITICAL."""


def load(kind: type[_S], environ: Mapping[str, str]) -> _S:
    """Read `kind` from `environ`. Raises `ConfigurationError` with every mistake, each naming its variable."""
    hints = get_type_hints(kind, include_extras=True)
    mistakes = list(unknown_names(environ, variables_of(kind)))
    values: dict[str, object] = {}
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


def value_mistakes(kind: type[Struct], environ: Mapping[str, str]) -> tuple[str, ...]:
    """What is wrong with the values in `environ` of the plain settings of `kind`; what is not set is no mistake."""
    mistakes: list[str] = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        variable = PREFIX + name.upper()
        if variable in environ and not _is_secret(hint):
            _plain(variable, environ[variable], hint, mistakes)
    return tuple(mistakes)


def variables_of(kind: type[Struct]) -> set[str]:
    """The name of every variable that `kind` is read from."""
    variables = {PREFIX + name.upper(): hint for name, hint in get_type_hints(kind, include_extras=True).items()}
    return {*variables, *(f"{variable}_FILE" for variable, hint in variables.items() if _is_secret(hint))}


def _is_secret(hint: object) -> bool:
    return hint is Secret or Secret in getattr(hint, "__args__", ())


def _named(variable: str, mistakes: list[str]) -> bool:
    return any(re.match(rf"{variable}(_FILE)?\b", mistake) for mistake in mistakes)


def _plain(variable: str, text: str, hint: object, mistakes: list[str]) -> object:
    if not text.isprintable():
        mistakes.append(f"{variable} holds {text[:40]!a}: a setting is one line of text.")
        return None
    if hint is Path or hint == Path | None:
        if not text and hint is Path:
            mistakes.append(f"{variable} is empty: name a file.")
        return Path(text) if text else None
    if not text.strip() and variable in _NEEDED:
        mistakes.append(f"{variable} is empty: name the user.")
        return None
    find_mistake = _MISTAKES.get(variable, password_mistake if variable.endswith("_URL") else None)
    mistake = find_mistake(variable, text) if find_mistake else ""
    try:
        value: object = msgspec.convert(text, hint, strict=False)
    except msgspec.ValidationError as error:
        mistake = mistake or f"{variable}={_shown(text)} is not usable: {error}."
    else:
        mistake = mistake or _number_mistake(variable, text, value)
    if mistake:
        mistakes.append(mistake)
        return None
    return value


def _number_mistake(variable: str, text: str, value: object) -> str:
    """Every number among the settings is a size, a time or a fraction: not below 0, and not as many as one likes.

    With a time or a bound of 0 nothing would ever come to pass. Python's own reading of a whole number takes 8e1 too.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return ""
    whole = isinstance(value, int)
    written = _WHOLE_NUMBER.fullmatch(text) is not None if whole else is_decimal_text(text)
    least = "above 0" if variable.endswith(("_SECONDS", "_MAX")) else "from 0 on"
    if written and 0 <= value <= NUMBER_MAX and (value > 0 or least != "above 0"):
        return ""
    kind = "a whole number" if whole else "a number"
    return f"{variable}={_shown(text)} is not usable: write {kind} {least} and up to {NUMBER_MAX}, in digits."


def _log_level_mistake(variable: str, text: str) -> str:
    if text in LOG_LEVELS:
        return ""
    close = get_close_matches(text.upper(), LOG_LEVELS, n=1)
    meant = f"did you mean {close[0]}?" if close else f"there is {', '.join(LOG_LEVELS)}."
    return f"{variable}={_shown(text)} is no level: {meant}"


_NEEDED = frozenset({f"{PREFIX}NATS_USER"})
_MISTAKES = {
    f"{PREFIX}NATS_URL": nats_url_mistake,
    f"{PREFIX}HTTP_HOST": listening_host_mistake,
    f"{PREFIX}LOG_LEVEL": _log_level_mistake,
}


def _shown(text: str) -> str:
    """A value as a message may show it."""
    return ascii(without_password(text[:80]))


def _secret(variable: str, environ: Mapping[str, str], mistakes: list[str]) -> Secret | None:
    file_name = environ.get(f"{variable}_FILE")
    if file_name is None:
        text = environ.get(variable)
        if text is None:
            return None
        if mistake := _secret_mistake(variable, text, _lines_max(variable)):
            mistakes.append(mistake)
            return None
        return Secret(text)
    if variable in environ:
        mistakes.append(f"{variable} and {variable}_FILE are both set: keep one.")
        return None
    if not file_name:
        mistakes.append(f"{variable}_FILE is empty: name a file, or unset it.")
        return None
    try:
        return read_secret_file(Path(file_name), _lines_max(variable))
    except ConfigurationError as error:
        mistakes.extend(f"{variable}_FILE: {mistake}" for mistake in error.mistakes)
        return None


def _lines_max(variable: str) -> int:
    return KEY_LINES_MAX if variable == f"{PREFIX}SEALS" else 1


def _secret_mistake(where: str, text: str, lines_max: int) -> str:
    """Why a text is no secret, as a sentence that shows nothing of it; "" = it is one."""
    if not text:
        return f"{where} is empty."
    lines = text.splitlines()
    if len(lines) > lines_max:
        one = "a secret is one line, write it as that" if lines_max == 1 else f"there are {lines_max} at most"
        return f"{where} has {len(lines)} lines: {one}."
    if text.startswith("\ufeff"):
        return (
            f"{where} begins with a byte order mark, which would be part of the secret: save it as plain UTF-8 without."
        )
    if not all(line.isprintable() for line in lines):
        return f"{where} holds characters that can not be seen: a secret is one line of text, write it anew."
    return ""


def read_secret_file(path: Path, lines_max: int = 1) -> Secret:
    """Read a secret of one line (the keys of seals have `KEY_LINES_MAX`).

    Raises `ConfigurationError` when others may read the file, or it can not be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError([f"{path} is no file: a secret is read from a file of its own."])
        mode = stat.S_IMODE(status.st_mode)
        if not is_private(status, os.geteuid(), {os.getegid(), *os.getgroups()}):
            raise ConfigurationError([f"{path} has mode {mode:o}: others may read it. Run: chmod 600 {path}"])
        if status.st_size > SECRET_BYTES_MAX:
            raise ConfigurationError([f"{path} has {status.st_size} bytes: that is no secret. Is it another file?"])
        text = path.read_bytes().decode().strip(" \t\r\n")
    except OSError as error:
        raise ConfigurationError([f"{path} can not be read: {error.strerror}."]) from None
    except UnicodeDecodeError:
        raise ConfigurationError(
            [f"{path} is no text in UTF-8: a secret is one line of text. Is it another file, or saved as UTF-16?"]
        ) from None
    if mistake := _secret_mistake(str(path), text, lines_max):
        raise ConfigurationError([mistake])
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
