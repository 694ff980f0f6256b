"""The secrets of an installation: made once, each in its service's folder, whole and for its owner's eyes alone."""

from __future__ import annotations

import io
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from signalbox.accounts import Role, password_variable
from signalbox.bus.bootstrap import USERS, complete_seals
from signalbox.desk import load_desk
from signalbox.errors import ConfigurationError
from signalbox.finding import find_desk
from signalbox.seals import CONTROL, parse
from signalbox.settings import read_secret_file
from signalbox_cli import secret_files
from signalbox_cli.__main__ import carry_out
from signalbox_cli.people import roll
from signalbox_cli.people.roll import Roll
from signalbox_cli.simulated_venues import TEST_MNEMONIC

DESK_FILE = Path(__file__).resolve().parents[2] / "deploy/desk.toml"
DESK = load_desk(DESK_FILE)


OBEY = ("risk", "gateway-ibkr", "gateway-dydx")
"""Who has the control key itself."""


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_user_of_nats_gets_a_password_of_its_own(tmp_path: Path) -> None:
    secret_files.make(tmp_path, DESK)
    passwords = {user: read_secret_file(secret_files.password_file(tmp_path, user)).reveal() for user in USERS}
    assert len(set(passwords.values())) == len(USERS)
    assert min(map(len, passwords.values())) >= 32
    told = read_secret_file(tmp_path / "nats" / "passwords", 99).reveal().splitlines()
    assert told == [f"export {password_variable(user)}={password}" for user, password in passwords.items()]


def test_a_folder_holds_the_secrets_of_one_service(tmp_path: Path) -> None:
    secret_files.make(tmp_path, DESK)
    files = set(contents(tmp_path))
    assert {name for name in files if name.startswith("gateway-dydx/")} == {
        "gateway-dydx/nats-password", "gateway-dydx/dydx-mnemonic", "gateway-dydx/seals"
    }  # fmt: skip
    assert {name for name in files if name.startswith("risk/")} == {"risk/nats-password", "risk/seals"}
    assert {name for name in files if name.startswith("people/")} == {
        "people/user",
        "people/operator",
        "people/operator.seals",
        "people/auditor",
    }


def test_nobody_but_the_owner_can_read_them(tmp_path: Path) -> None:
    secret_files.make(tmp_path / "made", DESK)
    for path in (tmp_path / "made").rglob("*"):
        wanted = 0o700 if path.is_dir() else 0o600 if path.name == "people.conf" else 0o400
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_what_is_there_stays(tmp_path: Path) -> None:
    assert len(secret_files.make(tmp_path, DESK)) == len(USERS) + len(complete_seals({})) + 3
    before = contents(tmp_path)
    assert secret_files.make(tmp_path, DESK) == []
    assert contents(tmp_path) == before


def test_what_a_kill_left_half_done_is_made_good(tmp_path: Path) -> None:
    secret_files.make(tmp_path, DESK)
    (tmp_path / "risk" / "nats-password").unlink()
    (tmp_path / "risk" / ".nats-password.new").write_text("ha")
    assert secret_files.make(tmp_path, DESK) == ["risk/nats-password"]
    password = read_secret_file(tmp_path / "risk" / "nats-password").reveal()
    assert f"export NATS_PASSWORD_RISK={password}\n" in (tmp_path / "nats" / "passwords").read_text()
    assert not list(tmp_path.rglob("*.new"))


def test_keys_of_seals_that_are_missing_are_made_to_fit_or_refused(tmp_path: Path) -> None:
    secret_files.make(tmp_path, DESK)
    before = contents(tmp_path)
    for missing in ("risk/seals", "oms/seals", "gateway-dydx/seals", "bootstrap/seals", "people/operator.seals"):
        (tmp_path / missing).unlink()
        assert secret_files.make(tmp_path, DESK) == [missing]
    assert contents(tmp_path) == before
    for who in OBEY:  # nobody else has the key that operators' keys are made of
        (tmp_path / who / "seals").unlink()
    with pytest.raises(ConfigurationError, match="put back what is missing"):
        secret_files.make(tmp_path, DESK)


def test_a_gateway_of_an_earlier_version_is_given_the_key_that_it_obeys_by(tmp_path: Path) -> None:
    secret_files.make(tmp_path, DESK)
    before, key = contents(tmp_path), tmp_path / "gateway-ibkr/seals"
    key.chmod(0o600)
    key.write_text("".join(line for line in key.read_text().splitlines(keepends=True) if CONTROL not in line))
    assert secret_files.make(tmp_path, DESK) == ["gateway-ibkr/seals"]
    assert contents(tmp_path) == before
    assert secret_files.make(tmp_path, DESK) == []


def test_nobody_has_been_added_to_a_new_desk_and_who_was_stays(tmp_path: Path) -> None:
    assert secret_files.PEOPLE_FILE in secret_files.make(tmp_path, DESK)
    file = tmp_path / secret_files.PEOPLE_FILE
    assert roll.read(file) == Roll()
    people = Roll().add("alice", Role.TRADER, "p1", datetime(2026, 1, 31, tzinfo=UTC))
    roll.write(file, people)
    assert secret_files.PEOPLE_FILE not in secret_files.make(tmp_path, DESK)
    assert roll.read(file) == people


def test_accounts_of_another_version_are_written_as_this_one_has_them(tmp_path: Path) -> None:
    secret_files.make(tmp_path, DESK)
    file = tmp_path / secret_files.PEOPLE_FILE
    text = roll.conf_text(Roll().add("alice", Role.TRADER, "p1", datetime(2026, 1, 31, tzinfo=UTC)))
    file.write_text(text.replace("md.quote.ibkr.*", "md.former.ibkr.*"))
    secret_files.make(tmp_path, DESK)
    assert file.read_text() == text


def test_people_that_nobody_can_read_are_not_replaced_by_nobody(tmp_path: Path) -> None:
    secret_files.make(tmp_path, DESK)
    file = tmp_path / secret_files.PEOPLE_FILE
    file.write_text("# person: {\n")
    with pytest.raises(ConfigurationError, match=r"people\.conf, line 1"):
        secret_files.make(tmp_path, DESK)
    assert file.read_text() == "# person: {\n"


def test_who_lets_people_in_has_of_risk_only_the_key_that_operators_keys_are_made_of(tmp_path: Path) -> None:
    secret_files.make(tmp_path, DESK)
    registrar = {path.name: read_secret_file(path).reveal() for path in (tmp_path / "registrar").iterdir()}
    assert registrar.keys() == {"nats-password", "seals"}
    assert registrar["nats-password"] == read_secret_file(tmp_path / "bootstrap/nats-password").reveal()
    risk = parse(read_secret_file(tmp_path / "risk/seals", 9).reveal())
    assert parse(registrar["seals"]).links == {CONTROL}
    assert parse(registrar["seals"]).first_key(CONTROL) == risk.first_key(CONTROL)
    other = f"{CONTROL} = {'ab' * 32}\n"
    for key in [tmp_path / who / "seals" for who in OBEY]:
        key.chmod(0o600)
        key.write_text(other + "\n".join(line for line in key.read_text().splitlines() if CONTROL not in line) + "\n")
    for user in ("bootstrap/seals", "people/operator.seals"):
        (tmp_path / user).unlink()
    secret_files.make(tmp_path, DESK)
    assert (tmp_path / "registrar/seals").read_text() == other


def test_only_a_simulated_desk_gets_the_key_that_everybody_knows(tmp_path: Path) -> None:
    secret_files.make(tmp_path / "simulated", DESK)
    assert (tmp_path / "simulated/gateway-dydx/dydx-mnemonic").read_text().strip() == TEST_MNEMONIC
    wall = tmp_path / "wall.toml"
    wall.write_text(DESK_FILE.read_text().replace('clock = "simulated"', 'clock = "wall"'))
    secret_files.make(tmp_path / "wall", load_desk(wall))
    assert not (tmp_path / "wall/gateway-dydx/dydx-mnemonic").exists()


def test_a_persons_secret_is_kept_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in ("first words", "other words"):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{words}\n"))
        with pytest.raises(SystemExit) as ended:
            carry_out(["secrets", "put", str(tmp_path), "gateway-dydx/dydx-mnemonic"])
        assert ended.value.code == 0
        assert read_secret_file(tmp_path / "gateway-dydx/dydx-mnemonic").reveal() == words


@pytest.mark.parametrize("name", ["", "mnemonic", "../x", "gateway-dydx/../../x", "/etc/passwd", "a/b/c", "A/b"])
def test_a_secret_lies_in_its_folder_or_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="no name of a secret"):
        secret_files.put(tmp_path / "folder", name, "words")
    assert list(tmp_path.rglob("*")) == []


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        secret_files.put(tmp_path, "gateway-dydx/dydx-mnemonic", " \n")


def test_a_folder_that_can_not_be_written_is_said() -> None:
    with pytest.raises(ConfigurationError, match="can not be written"):
        secret_files.put(Path("/proc/nowhere"), "risk/nats-password", "x")


@pytest.mark.parametrize("operator", [False, True])
def test_a_person_is_found_by_the_folder_of_passwords(tmp_path: Path, operator: bool) -> None:
    secret_files.make(tmp_path, DESK)
    environ = {"SIGNALBOX_NATS_URL": "nats://nats:4222", "SIGNALBOX_CREDENTIALS_FOLDER": str(tmp_path / "people")}
    found = find_desk(environ, operator=operator)
    assert found.user == ("operator" if operator else "user")
    assert found.seals.operator == ("operator" if operator else "")
    assert found.password == read_secret_file(tmp_path / "people" / found.user)
