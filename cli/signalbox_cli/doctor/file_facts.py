"""Looks at files and variables: who may read the secrets and what the desk writes, which names nothing reads."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from signalbox.addresses import password_mistake
from signalbox.errors import ConfigurationError
from signalbox.setting_names import PREFIX, unknown_names
from signalbox.settings import KEY_LINES_MAX, ServiceSettings, is_private, read_secret_file, value_mistakes

from signalbox_cli import run_folder
from signalbox_cli.doctor.facts import FileSeen, SecretSeen

OF_OTHERS = 0o027
"""What a file of the desk must not allow: its group to write, others anything."""


def see_secrets(environ: Mapping[str, str], folder: Path | None) -> tuple[SecretSeen, ...]:
    """Every secret that a variable `SIGNALBOX_..._FILE` names, and every file of `folder`, to any depth."""
    return tuple(_seen(path) for path in sorted(set(_files(environ, folder))))


def _files(environ: Mapping[str, str], folder: Path | None) -> Iterator[Path]:
    for name, value in environ.items():
        is_secret = name.startswith(PREFIX) and name.endswith(
            ("PASSWORD_FILE", "MNEMONIC_FILE", "KEY_FILE", "SEALS_FILE")
        )
        if (is_secret or name == f"{PREFIX}LIVE_CONFIRMATION_FILE") and value and Path(value).is_file():
            yield Path(value)
    if folder is not None and folder.is_dir():
        yield from (path for path in folder.rglob("*") if path.is_file())


def _seen(path: Path) -> SecretSeen:
    status = path.stat()
    private = is_private(status, os.geteuid(), {os.getegid(), *os.getgroups()})
    mistake = _mistake(path) if private and os.access(path, os.R_OK) else ""
    return SecretSeen(path=str(path), mode=stat.S_IMODE(status.st_mode), private=private, mistake=mistake)


def _mistake(path: Path) -> str:
    try:
        read_secret_file(path, KEY_LINES_MAX if path.name.endswith("seals") else 1)
    except ConfigurationError as error:
        return error.mistakes[0]
    return ""


def see_files(folder: Path | None, environ: Mapping[str, str]) -> tuple[FileSeen, ...]:
    """What a desk has left in `folder`, and the database that a variable names."""
    database = Path(environ.get(f"{PREFIX}DATABASE_FILE", ""))
    paths = list(run_folder.ours(folder)) if folder is not None else []
    paths += [database] if database.is_file() else []
    return tuple(
        FileSeen(path=str(path), mode=stat.S_IMODE(mode), open_to_others=bool(mode & OF_OTHERS))
        for path in paths
        for mode in [path.stat().st_mode]
    )


def see_settings(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What is wrong with the names, addresses and values of this environment; no sentence shows a password."""
    addresses = [name for name in sorted(environ) if name.startswith(PREFIX) and name.endswith("_URL")]
    passwords = [password_mistake(name, environ[name]) for name in addresses if name != f"{PREFIX}NATS_URL"]
    values = value_mistakes(ServiceSettings, environ)
    return (*unknown_names(environ), *(mistake for mistake in passwords if mistake), *values)
