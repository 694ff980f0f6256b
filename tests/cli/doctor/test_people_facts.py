"""What the doctor sees of people, on a real NATS: who is written down, who is let in, whose words arrive."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from signalbox.accounts import BOOTSTRAP, Role
from signalbox_cli.doctor.facts import PeopleSeen
from signalbox_cli.doctor.people_facts import see_people
from signalbox_cli.people import roll
from signalbox_cli.people.roll import Roll
from signalbox_cli.people.server import Server, Standing, standing, take_in

ROOT = Path(__file__).resolve().parents[3]
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOWHERE = Server("nats://127.0.0.1:1", "")
PASSWORDS = {"alice": "p1alice", "bob": "p1bob"}


def write_people(folder: Path, *names: str) -> Path:
    """people.conf with these, and their passwords in `folder`/passwords."""
    (folder / "passwords").mkdir(exist_ok=True)
    people = Roll()
    for name in names:
        people = people.add(name, Role.VIEWER, PASSWORDS[name], AT)
        roll.write_private(folder / "passwords" / name, PASSWORDS[name] + "\n")
    roll.write(folder / "people.conf", people)
    return folder / "people.conf"


async def seen_of(folder: Path, server: Server = NOWHERE) -> PeopleSeen:
    seen = await see_people(folder / "people.conf", folder / "passwords", server)
    assert seen is not None
    return seen


@pytest.mark.parametrize(("mode", "private"), [(0o600, True), (0o640, False), (0o644, False)])
async def test_who_may_read_the_file_is_seen(tmp_path: Path, mode: int, private: bool) -> None:
    write_people(tmp_path, "alice").chmod(mode)
    seen = await seen_of(tmp_path)
    assert (seen.problem, seen.mode, seen.private) == ("", mode, private)


async def test_who_was_revoked_is_nobody_and_without_a_server_nobody_is_tried(tmp_path: Path) -> None:
    file = write_people(tmp_path, "alice", "bob")
    roll.write(file, roll.read(file).revoke("bob", AT))
    seen = await seen_of(tmp_path)
    assert (seen.added, seen.untried, seen.is_up_to_date) == (("alice",), ("alice",), True)


async def test_accounts_that_this_version_does_not_write_are_seen(tmp_path: Path) -> None:
    file = write_people(tmp_path, "alice")
    file.write_text(file.read_text().replace("max_connections: 32", "max_connections: 31"))
    assert not (await seen_of(tmp_path)).is_up_to_date


async def test_a_file_that_is_not_there_or_makes_no_sense_is_a_problem(tmp_path: Path) -> None:
    assert "can not be read" in (await seen_of(tmp_path)).problem
    (tmp_path / "people.conf").write_text("# person: {\n")
    assert "line 1" in (await seen_of(tmp_path)).problem
    assert await see_people(None, tmp_path, NOWHERE) is None


async def test_a_reload_that_was_forgotten_and_one_that_was_not_enough_are_seen(
    nats_server_without_streams: Any, tmp_path: Path
) -> None:
    server, folder = nats_server_without_streams, tmp_path / "nats"
    shutil.copytree(ROOT / "deploy/nats", folder)
    server.kill()
    server.configuration = folder / "nats.conf"
    server.start()
    await server.listening()
    place = Server(server.url, server.password(BOOTSTRAP))
    write_people(folder, "alice", "bob")
    (folder / "passwords" / "bob").unlink()
    forgotten = await seen_of(folder, place)
    assert (forgotten.refused, forgotten.unheard, forgotten.untried) == (("alice",), (), ("bob",))
    await take_in(place, "", "", may_come=True)  # once
    once = await seen_of(folder, place)
    assert (once.refused, once.unheard) == ((), ("alice",))
    await take_in(place, "alice", PASSWORDS["alice"], may_come=True)
    well = await seen_of(folder, place)
    assert (well.refused, well.unheard, well.untried) == ((), (), ("bob",))
    assert await standing(place, "bob", PASSWORDS["bob"]) is Standing.IN
