"""The file that says who was added: one source, written whole, in which no slip lets anybody in or out."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import bcrypt
import pytest
from signalbox.accounts import Role, user_names
from signalbox.errors import ConfigurationError
from signalbox.services import SERVICES
from signalbox_cli.people import roll
from signalbox_cli.people.roll import Roll

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECRET = "p" + "0123456789abcdef" * 3


def one() -> Roll:
    return Roll().add("alice", Role.TRADER, SECRET, AT)


def test_what_is_written_is_read_again() -> None:
    people = (
        one()
        .add("bob", Role.VIEWER, SECRET, AT)
        .revoke("alice", AT)
        .add("alice", Role.OPERATOR, SECRET, AT, again=True)
    )
    assert roll.parse(roll.conf_text(people), "people.conf") == people


def test_the_file_of_the_repository_is_that_of_nobody() -> None:
    path = Path(__file__).resolve().parents[3] / "deploy/nats/people.conf"
    assert path.read_text() == roll.conf_text(Roll())


def test_only_a_hash_of_the_password_is_in_the_file() -> None:
    text = roll.conf_text(one())
    found = one().find("alice")
    assert SECRET not in text
    assert found is not None
    assert bcrypt.checkpw(SECRET.encode(), found.password.encode())


def test_a_revoked_person_has_no_account_and_no_password_but_keeps_the_name() -> None:
    people = one().revoke("alice", AT)
    text = roll.conf_text(people)
    assert '"alice": {  #' not in text
    assert "$2b$" not in text
    with pytest.raises(ConfigurationError, match="what he did bears that name"):
        people.add("alice", Role.TRADER, SECRET, AT)


def test_a_name_is_given_once() -> None:
    with pytest.raises(ConfigurationError, match="is there already"):
        one().add("alice", Role.VIEWER, SECRET, AT)
    with pytest.raises(ConfigurationError, match="is there already"):
        one().add("alice", Role.VIEWER, SECRET, AT, again=True)


@pytest.mark.parametrize("name", [*SERVICES, *user_names(), "desk", "gateway-new", "strategist", "sys"])
def test_nobody_is_called_like_a_service(name: str) -> None:
    with pytest.raises(ConfigurationError):
        Roll().add(name, Role.VIEWER, SECRET, AT)


@pytest.mark.parametrize(
    "name", ["", "Alice", "a.b", "a b", "*", ">", "$SYS", "../etc", "-a", "ä", "a" * 33, 'a"b', "a\n"]
)
def test_a_name_is_one_plain_word_of_a_subject(name: str) -> None:
    with pytest.raises(ConfigurationError, match="nobody's name"):
        Roll().add(name, Role.VIEWER, SECRET, AT)


@pytest.mark.parametrize("name", ["alice", "nobody-here"])
def test_who_is_not_there_can_not_be_revoked(name: str) -> None:
    people = one().revoke("alice", AT)
    with pytest.raises(ConfigurationError, match="there is no"):
        people.revoke(name, AT)
    with pytest.raises(ConfigurationError, match="there is no"):
        people.renew(name, SECRET)


def test_people_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll, "PEOPLE_MAX", 1)
    with pytest.raises(ConfigurationError, match="the most"):
        one().add("bob", Role.VIEWER, SECRET, AT)


@pytest.mark.parametrize(
    "line",
    [
        "# person: {",
        '# person: {"name": "alice"}',
        '# person: {"name": "alice", "role": "king", "since": "2026-01-31T12:00:00Z"}',
        '# person: {"name": "a.b", "role": "viewer", "since": "2026-01-31T12:00:00Z"}',
        '"alice": {  # trader',
    ],
)
def test_a_file_that_makes_no_sense_is_refused_whole(line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"people\.conf"):
        roll.parse(f"{roll.HEAD}{line}\n", "people.conf")


def test_a_line_that_is_there_twice_is_refused() -> None:
    line = roll.conf_text(one()).splitlines()[1]
    with pytest.raises(ConfigurationError, match="twice"):
        roll.parse(f"{line}\n{line}\n", "people.conf")


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "people.conf"
    path.write_text("")
    path.chmod(0o644)
    roll.write(path, one())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["people.conf"]


def test_two_can_not_change_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "people.conf"
    with roll.taken(path), pytest.raises(ConfigurationError, match="at this moment"), roll.taken(path):
        pass
    with roll.taken(path):
        pass


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--file"), roll.taken(tmp_path / "none" / "people.conf"):
        pass
