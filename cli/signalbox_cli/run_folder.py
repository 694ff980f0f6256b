"""The folder of a desk on this machine: who uses it, its credentials, and `desk.json`, by which commands find it.

Owns these files; the JetStream store, the database and the simulator's books beside them belong to the processes.
Nobody but the user who started the desk can read any of it: it holds every order, and what the logs say of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from signalbox.bus.bootstrap import USERS, complete_seals
from signalbox.errors import ConfigurationError
from signalbox.finding import DESK_LOCK, seals_file_name
from signalbox.settings import KEY_LINES_MAX, read_secret_file

LOCK = DESK_LOCK
ENDING_SECONDS_MAX = 10.0
"""How long the processes of a desk whose parent died may take to end."""
POLL_SECONDS = 0.1
OURS_ALONE = 0o077
"""Taken from the mode of every file that is made while the folder is taken, by whatever process."""


@contextmanager
def taken(folder: Path) -> Iterator[int]:
    """Use `folder` alone; yields a file descriptor that keeps it taken for as long as any process has it open.

    Raises `ConfigurationError` when a desk runs from there. What a killed one left behind does not matter: the kernel
    lets go of its lock. Whatever this process and its children make meanwhile is their user's alone.
    """
    before = os.umask(OURS_ALONE)
    try:
        yield from _taken(folder)
    finally:
        os.umask(before)


def _taken(folder: Path) -> Iterator[int]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / LOCK, "a+", encoding="ascii")  # noqa: SIM115 (closed below; opened apart to tell its errors)
    except OSError as error:
        raise ConfigurationError(
            [f"{folder} can not be used ({error.strerror}): choose another with --folder"]
        ) from None
    with file:
        _lock(file, folder)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield file.fileno()


def _lock(file: TextIO, folder: Path) -> None:
    deadline = time.monotonic() + ENDING_SECONDS_MAX
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = _pid(file)
            if _alive(pid):
                raise ConfigurationError(
                    [f"a desk runs from {folder} already (process {pid}): stop it, or choose another --folder"]
                ) from None
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    [f"processes of an earlier desk still use {folder}: `fuser {folder / LOCK}` lists them"]
                ) from None
            time.sleep(POLL_SECONDS)
        else:
            return


def _pid(file: TextIO) -> int:
    file.seek(0)
    text = file.read().strip()
    return int(text) if text.isdigit() else 0


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def empty(folder: Path) -> None:
    """Remove everything but the lock."""
    for path in folder.iterdir():
        if path.name == LOCK:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def credential_file(folder: Path, user: str) -> Path:
    return folder / "credentials" / user


def seals_file(folder: Path, user: str) -> Path:
    return folder / "credentials" / seals_file_name(user)


def log_file(folder: Path, name: str) -> Path:
    return folder / "logs" / f"{name}.log"


def open_log(folder: Path, name: str) -> BinaryIO:
    """A process's log, to write at its end."""
    return open(log_file(folder, name), "ab", opener=lambda path, flags: os.open(path, flags, 0o600))


def last_complaint(log: Path) -> str:
    """What a process said last that went wrong: the end of its last logged error, else its last line."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    for line in reversed(lines):
        with suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict) and entry.get("error"):
                return str(entry["error"]).strip().splitlines()[-1]
    return lines[-1] if lines else "it said nothing"


def kept_passwords(folder: Path, users: Iterable[str]) -> dict[str, str]:
    """The passwords of the desk that ran from the folder before, but those that anybody else could have read."""
    kept = {}
    for user in users:
        with suppress(ConfigurationError):
            kept[user] = read_secret_file(credential_file(folder, user)).reveal()
    return kept


def prepare(folder: Path, passwords: Mapping[str, str]) -> dict[str, str]:
    """Make the folder with these passwords, which only this user can read; the text of each user's seals.

    The keys of seals stay those of the desk that ran from the folder before: what is stored bears its seals.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "logs").mkdir(mode=0o700, exist_ok=True)
    (folder / "credentials").mkdir(mode=0o700, exist_ok=True)
    for path in ours(folder):
        _take_from_others(path)
    files = {user: seals_file(folder, user) for user in USERS}
    seals = complete_seals(
        {user: read_secret_file(file, KEY_LINES_MAX).reveal() for user, file in files.items() if file.exists()}
    )
    texts = {credential_file(folder, user): f"{password}\n" for user, password in passwords.items()}
    texts |= {files[user]: f"{text.strip()}\n" for user, text in seals.items()}
    for path, text in texts.items():
        draft = path.with_name(f".{path.name}.new")
        draft.unlink(missing_ok=True)
        with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)
        draft.replace(path)
    return seals


def ours(folder: Path) -> Iterator[Path]:
    """All that a desk leaves in its folder, as far as others could get at it; of most folders only themselves."""
    names = ("credentials", "logs", "jetstream", "desk.json", "ports.json", "prometheus.yml", LOCK)
    yield from (path for name in names if (path := folder / name).exists())
    yield from sorted(path for of in ("*.duckdb*", "simulator-books.json*", "logs/*.log*") for path in folder.glob(of))


def _take_from_others(path: Path) -> None:
    """What an earlier version has left may be anybody's to read."""
    with suppress(OSError):  # another user's: the doctor tells
        path.chmod(path.stat().st_mode & ~OURS_ALONE)


def tell(folder: Path, found: Mapping[str, object]) -> None:
    """Write `desk.json`, whole or not at all."""
    draft = folder / "desk.json.new"
    draft.write_text(json.dumps(found, indent=2) + "\n")
    draft.replace(folder / "desk.json")


def write_scrape_config(folder: Path, http_ports: Mapping[str, int], rules: Path) -> None:
    """Write `prometheus.yml`: `prometheus --config.file=prometheus.yml` then watches this desk.

    It evaluates the rules of the folder `rules`. `job` is the service's name, as everywhere: they rely on it.
    """
    lines = ["global:", "  scrape_interval: 5s", "  evaluation_interval: 15s"]
    lines += ["rule_files:", f"  - {json.dumps(str(rules / '*.yml'))}", "scrape_configs:"]
    for service, port in http_ports.items():
        lines += [f"  - job_name: {service}", "    static_configs:", f'      - targets: ["127.0.0.1:{port}"]']
    (folder / "prometheus.yml").write_text("\n".join(lines) + "\n")


def forget(folder: Path) -> None:
    """Take `desk.json` away: no desk runs from here any more."""
    with suppress(FileNotFoundError):
        (folder / "desk.json").unlink()
