"""Looks at files: who may read the secrets."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from signalbox.setting_names import PREFIX
from signalbox.settings import is_private

from signalbox_cli.doctor.facts import SecretSeen


def see_secrets(environ: Mapping[str, str], folder: Path | None) -> tuple[SecretSeen, ...]:
    """Every secret that a variable `SIGNALBOX_..._FILE` names, and every file of `folder`, to any depth."""
    return tuple(_seen(path) for path in sorted(set(_files(environ, folder))))


def _files(environ: Mapping[str, str], folder: Path | None) -> Iterator[Path]:
    for name, value in environ.items():
        is_secret = name.startswith(PREFIX) and name.endswith(("PASSWORD_FILE", "MNEMONIC_FILE", "KEY_FILE"))
        if (is_secret or name == f"{PREFIX}LIVE_CONFIRMATION_FILE") and value and Path(value).is_file():
            yield Path(value)
    if folder is not None and folder.is_dir():
        yield from (path for path in folder.rglob("*") if path.is_file())


def _seen(path: Path) -> SecretSeen:
    status = path.stat()
    private = is_private(status, os.geteuid(), {os.getegid(), *os.getgroups()})
    return SecretSeen(path=str(path), mode=stat.S_IMODE(status.st_mode), private=private)
