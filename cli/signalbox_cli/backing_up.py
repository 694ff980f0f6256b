"""The commands that copy a desk away and bring it back: backup, restore.

Owns what makes copies of different instants fit together. A message is acknowledged only once all that follows from
it is stored. So how far each consumer has acknowledged is noted before the first copy, and restored in place of what
the copies say: what counts as acknowledged then has its effect in every copy, and the rest is delivered again. (A
copy's own word would not do: JetStream writes the consumers behind the messages, so the copy of TRADE may acknowledge a
decision whose order event it does not have.) What is left to the order of the copies:

    the database    before every stream: the recorder reads on from where the copy of the database ends
    REPORTS         before TRADE
    INTENTS         before TRADE: an intent of the one that the other has decided is known there, and not decided again
    CHECKPOINTS     before TRADE: one that is ahead of the copy would be of no use
    TRADE           before TIMERS, and before COMMANDS, and that before LEDGER: a command that the copy has has its
                    claim, if it was made, so nothing that was sent before is sent again
    BARS            before SCORES

What is newer than its cause does no harm: the desk makes the same message under the same id again, and finds it stored.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from nats.errors import Error as NatsError
from signalbox.accounts import BOOTSTRAP
from signalbox.bus import snapshots
from signalbox.bus.bootstrap import existing_streams, halt_server
from signalbox.bus.client import BusClient
from signalbox.bus.tls import tls_of
from signalbox.errors import BusUnavailableError, ConfigurationError
from signalbox.streams import STREAMS

from signalbox_cli.commands import add_command
from signalbox_cli.settings import bootstrap_seals, ca_file, server_address

ORDER = (
    "REPORTS", "INTENTS", "CHECKPOINTS", "TRADE", "COMMANDS", "LEDGER", "TIMERS", "BARS", "SCORES", "STATE", "DEAD",
    "KV_CONTROL", "KV_LEASES",
)  # fmt: skip
SPARED = frozenset({"CHECKPOINTS"})
"""What a backup may lack, and one of an earlier version does: it follows from the rest, and is made empty."""
MANIFEST, DATABASE = "manifest.json", "desk.duckdb"
CONNECT_SECONDS_MAX = 5


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    backup = add_command(
        commands,
        "backup",
        "copy every stream, and the database, into a directory while the desk runs",
        """
        Needs SIGNALBOX_NATS_URL and the password of the user `bootstrap` in SIGNALBOX_NATS_PASSWORD or its _FILE. The
        recorder must not run while its database is copied; nothing is lost by that, it catches up afterwards. A
        directory without manifest.json is a backup that did not come to its end. See docs/backup.md.

        Examples:
          signalbox backup backups/2026-01-05
          signalbox backup backups/2026-01-05 --database run/desk/desk.duckdb
        """,
    )
    backup.add_argument("directory", type=Path, metavar="DIRECTORY", help="where to, a new one")
    backup.add_argument("--database", type=Path, metavar="FILE", help="the recorder's database; it must be stopped")
    backup.set_defaults(run=_backup)
    restore = add_command(
        commands,
        "restore",
        "make streams, consumers and database anew from a backup, on an empty NATS server",
        """
        Needs SIGNALBOX_NATS_URL and the password of the user `bootstrap` in SIGNALBOX_NATS_PASSWORD or its _FILE. It
        refuses to begin where a stream or the database exists. Trading is HALTED afterwards: the venues know of orders
        that came after the backup, the desk does not. Start the services, compare, and `signalbox resume`.

        Examples:
          signalbox restore backups/2026-01-05
          signalbox restore backups/2026-01-05 --database run/desk/desk.duckdb
        """,
    )
    restore.add_argument("directory", type=Path, metavar="DIRECTORY", help="what `signalbox backup` wrote")
    restore.add_argument("--database", type=Path, metavar="FILE", help="where the recorder's database goes")
    restore.set_defaults(run=_restore)


async def _backup(arguments: argparse.Namespace) -> int:
    url, password = server_address()
    directory: Path = arguments.directory
    make_empty(directory)
    began = datetime.now(UTC)
    manifest: dict[str, Any] = {"began": began.isoformat()}
    if arguments.database is not None:
        copy_database(arguments.database, directory / DATABASE)
        manifest["database"] = {"sha256": _digest(directory / DATABASE)}
    async with _connected(url, BOOTSTRAP, password.reveal()) as client:
        manifest |= await save_streams(client, directory)
    unfinished = directory / f"{MANIFEST}.unfinished"
    unfinished.write_text(json.dumps(manifest, indent=2))
    os.replace(unfinished, directory / MANIFEST)
    print(f"the backup is whole: {directory}")
    return 0


async def _restore(arguments: argparse.Namespace) -> int:
    url, password = server_address()
    seals = bootstrap_seals()
    directory, database = arguments.directory, arguments.database
    manifest = read_manifest(directory)
    if ("database" in manifest) != (database is not None):
        held = "holds a database: say where it goes with" if "database" in manifest else "holds no database: leave out"
        raise ConfigurationError([f"{directory} {held} --database"])
    if database is not None:
        require_absent(database)
    async with _connected(url, BOOTSTRAP, password.reveal()) as client:
        there = await existing_streams(client)
        if there:
            raise ConfigurationError([f"NATS at {url} has streams already ({', '.join(there)}): restore an empty one"])
        await restore_streams(client, directory, manifest)
        await halt_server(client, f"restored from the backup of {manifest['began']}", seals)
        restored = await existing_streams(client)
    if database is not None:
        place_database(directory / DATABASE, database, restored)
    print("restored; trading is HALTED. Start the services, run `signalbox doctor`, then `signalbox resume`")
    return 0


async def save_streams(client: BusClient, directory: Path) -> dict[str, Any]:
    """Copy every stream into `directory`; of the manifest `places`, noted before, and `streams`."""
    places = {
        stream.name: {
            consumer.name: await snapshots.consumer_place(client, stream.name, consumer.name)
            for consumer in stream.consumers
            if consumer.acks
        }
        for stream in STREAMS
    }
    streams = {}
    for name in ORDER:
        streams[name] = saved = await snapshots.save_stream(client, name, directory / f"{name}.snapshot")
        print(f"{name}: {saved['state']['messages']} messages")
    return {"places": places, "streams": streams}


async def restore_streams(client: BusClient, directory: Path, manifest: dict[str, Any]) -> None:
    """Make every stream anew, each consumer where it was before the first copy was taken."""
    for name, saved in manifest["streams"].items():
        await snapshots.restore_stream(client, name, directory / f"{name}.snapshot", saved)
        print(f"{name}: {saved['state']['messages']} messages")
    places = [
        snapshots.set_consumer_place(client, stream, consumer, place)
        for stream, consumers in manifest.get("places", {}).items()  # an earlier backup has none
        for consumer, place in consumers.items()
        if stream in manifest["streams"]
    ]
    await asyncio.gather(*places)


def make_empty(directory: Path) -> None:
    """Make the directory of a new backup, for its owner alone."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(directory.iterdir()):
        raise ConfigurationError([f"{directory} is not empty: name a new directory"])


def require_absent(database: Path) -> None:
    """Raise `ConfigurationError` when restoring would overwrite a database."""
    if database.exists():
        raise ConfigurationError([f"{database} exists: restoring would overwrite it; move it away first"])


def copy_database(source: Path, target: Path) -> None:
    """Copy the recorder's database; raises `ConfigurationError` when it is not there, or a process writes it."""
    log = source.with_name(source.name + ".wal")
    try:
        with source.open("rb+") as held:
            fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.copyfile(source, target)
    except FileNotFoundError:
        raise ConfigurationError([f"{source} is not there: where does the recorder keep its database?"]) from None
    except BlockingIOError:
        raise ConfigurationError(
            [f"{source} is being written: stop the recorder while it is copied (it catches up afterwards)"]
        ) from None
    if log.exists():
        raise ConfigurationError(
            [f"{log} is there: the recorder did not end in order. Start and stop it once, then copy"]
        )


def place_database(copy: Path, database: Path, created: dict[str, str]) -> None:
    """Put the copy of the database where the recorder finds it.

    A restored stream counts as newly created. It is the one that the database has recorded, so the recorder is to read
    on from its watermark, not to record the stream again as another one.
    """
    unfinished = database.with_name(f"{database.name}.unfinished")
    shutil.copyfile(copy, unfinished)
    with duckdb.connect(str(unfinished)) as connection:
        for stream, time in created.items():
            connection.execute(
                "UPDATE watermarks SET created = ? WHERE stream = ? AND generation = "
                "(SELECT max(generation) FROM watermarks WHERE stream = ?)",
                [time, stream, stream],
            )
    os.replace(unfinished, database)


def read_manifest(directory: Path) -> dict[str, Any]:
    """Read what a backup holds, and check every file of it. Raises `ConfigurationError` with all that is wrong."""
    try:
        manifest: dict[str, Any] = json.loads((directory / MANIFEST).read_text())
    except OSError:
        raise ConfigurationError([f"{directory} has no {MANIFEST}: it is no backup, or one that did not end"]) from None
    digests = {f"{stream}.snapshot": saved["sha256"] for stream, saved in manifest["streams"].items()}
    if "database" in manifest:
        digests[DATABASE] = manifest["database"]["sha256"]
    wrong = [
        f"{directory / name} is missing or damaged"
        for name, digest in digests.items()
        if not (directory / name).is_file() or _digest(directory / name) != digest
    ]
    lacking = {stream.name for stream in STREAMS} - manifest["streams"].keys() - SPARED
    wrong += [f"{directory} has no stream {name}" for name in sorted(lacking)]
    if wrong:
        raise ConfigurationError(wrong)
    return manifest


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextlib.asynccontextmanager
async def _connected(url: str, user: str, password: str) -> AsyncIterator[BusClient]:
    client = BusClient()
    tls = tls_of(url, ca_file())
    try:
        await client.connect(
            url,
            user=user,
            password=password,
            inbox_prefix=f"_INBOX.{user}".encode(),
            allow_reconnect=False,
            error_cb=_raised_below,
            connect_timeout=CONNECT_SECONDS_MAX,
            tls=tls,
        )
    except (NatsError, OSError, TimeoutError) as error:
        raise BusUnavailableError(f"NATS at {url} can not be used as {user!r}: {error}") from None
    try:
        yield client
    finally:
        await client.close()


async def _raised_below(error: Exception) -> None:
    """Say nothing: what goes wrong is raised too."""
