"""How the command line finds the desk, and what it says when it can not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from signalbox.bus.bootstrap import complete_seals
from signalbox.errors import ConfigurationError
from signalbox.finding import find_desk
from signalbox.seals import CONTROL
from signalbox_cli.run_folder import taken
from signalbox_cli.settings import control_keys, inherited_environment, people_file, people_place

URL = "nats://127.0.0.1:4222"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a desk that runs."""
    (tmp_path / "credentials").mkdir()
    for user in ("user", "operator"):
        file = tmp_path / "credentials" / user
        file.write_text(f"the {user}'s password\n")
        file.chmod(0o600)
    (tmp_path / "desk.json").write_text(json.dumps({"nats_url": URL, "desk_file": "desk.toml", "http_ports": {}}))
    return tmp_path


def mistake(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as error:
        find_desk(environ)
    [sentence] = error.value.mistakes
    return sentence


@pytest.mark.parametrize(("operator", "user"), [(False, "user"), (True, "operator")])
def test_desk_is_found_in_its_folder(folder: Path, operator: bool, user: str) -> None:
    if operator:
        with pytest.raises(ConfigurationError, match="SIGNALBOX_SEALS is not set"):
            find_desk({"SIGNALBOX_RUN_FOLDER": str(folder)}, operator=operator)
        seals = folder / "credentials" / "operator.seals"
        seals.touch(mode=0o600)
        seals.write_text(complete_seals({})["operator"])
    found = find_desk({"SIGNALBOX_RUN_FOLDER": str(folder)}, operator=operator)
    assert (found.nats_url, found.user, found.password.reveal()) == (URL, user, f"the {user}'s password")
    assert found.desk_file == Path("desk.toml")


def test_address_in_the_environment_comes_first(folder: Path) -> None:
    environ = {"SIGNALBOX_RUN_FOLDER": str(folder), "SIGNALBOX_NATS_URL": "nats://desk:1"}
    found = find_desk(environ | {"SIGNALBOX_NATS_USER": "me", "SIGNALBOX_NATS_PASSWORD": "secret"})
    assert (found.nats_url, found.user, found.password.reveal(), found.desk_file) == (
        "nats://desk:1", "me", "secret", None
    )  # fmt: skip
    assert "secret" not in repr(found)


def test_a_desk_that_runs_and_does_not_answer_has_not_ended(folder: Path) -> None:
    environ = {"SIGNALBOX_RUN_FOLDER": str(folder)}
    with taken(folder):
        assert f"the desk of {folder} runs, but its NATS at {URL} does not answer" in find_desk(environ).silence
    assert f"the desk of {folder} has ended" in find_desk(environ).silence


@pytest.mark.parametrize("text", ["", "x", "-1", "\u0661", "9" * 400])
def test_a_desk_whose_first_process_is_gone_has_ended_whoever_has_its_lock(folder: Path, text: str) -> None:
    with taken(folder):
        (folder / "desk.lock").write_text(text, encoding="utf-8")
        assert f"the desk of {folder} has ended" in find_desk({"SIGNALBOX_RUN_FOLDER": str(folder)}).silence


def test_no_desk_is_told_with_what_to_do(tmp_path: Path) -> None:
    told = mistake({"SIGNALBOX_RUN_FOLDER": str(tmp_path)})
    assert told.startswith(f"no desk is running from {tmp_path}: start one with `make up`")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"nats_url": 1}', "[" * 100_000])
def test_broken_desk_json_is_told(folder: Path, content: str) -> None:
    (folder / "desk.json").write_text(content)
    assert "desk.json is not what `signalbox up` writes" in mistake({"SIGNALBOX_RUN_FOLDER": str(folder)})


def test_password_that_others_may_read_is_refused(folder: Path) -> None:
    (folder / "credentials" / "user").chmod(0o644)
    assert "chmod 600" in mistake({"SIGNALBOX_RUN_FOLDER": str(folder)})


def test_address_without_a_password_is_told() -> None:
    assert "SIGNALBOX_NATS_PASSWORD" in mistake({"SIGNALBOX_NATS_URL": URL})


def test_people_are_those_of_the_file_that_is_named_else_of_the_local_desk(folder: Path) -> None:
    local = folder / "nats" / "people.conf"
    environ = {"SIGNALBOX_RUN_FOLDER": str(folder)}
    with pytest.raises(ConfigurationError, match="no desk was ever started"):
        people_file(environ)
    local.parent.mkdir()
    local.touch()
    assert people_file(environ) == local
    environ["SIGNALBOX_PEOPLE_FILE"] = "there/people.conf"
    assert people_file(environ) == Path("there/people.conf")
    assert people_file(environ, Path("here/people.conf")) == Path("here/people.conf")
    with pytest.raises(ConfigurationError, match="which file does that server read"):
        people_file({"SIGNALBOX_NATS_URL": URL})


def test_who_lets_people_in_needs_bootstraps_password_and_only_where_a_server_is_told(folder: Path) -> None:
    environ = {"SIGNALBOX_PEOPLE_FILE": "people.conf", "SIGNALBOX_CREDENTIALS_FOLDER": str(folder / "credentials")}
    assert people_place(environ, None, None).url == ""
    with pytest.raises(ConfigurationError, match="from `bootstrap` alone, whose password is not here"):
        people_place(environ | {"SIGNALBOX_NATS_URL": URL}, None, None)
    told = people_place(environ | {"SIGNALBOX_NATS_URL": URL, "SIGNALBOX_NATS_PASSWORD": "secret"}, None, None)
    assert (told.url, told.password.reveal()) == (URL, "secret")


def test_the_key_of_operators_keys_is_found_where_it_is_and_no_other_key_is_taken_for_it(folder: Path) -> None:
    seals, credentials = complete_seals({}), folder / "credentials"
    assert CONTROL not in control_keys({"SIGNALBOX_SEALS": seals["operator"]}, credentials).links
    assert CONTROL in control_keys({"SIGNALBOX_SEALS": seals["risk"]}, credentials).links
    (credentials / "risk.seals").touch(mode=0o600)
    (credentials / "risk.seals").write_text(seals["risk"])
    assert CONTROL in control_keys({"SIGNALBOX_SEALS": seals["operator"]}, credentials).links
    with pytest.raises(ConfigurationError, match="can not be read"):
        control_keys({"SIGNALBOX_SEALS_FILE": str(folder / "none")}, credentials)


def test_settings_of_another_desk_are_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_NATS_URL", URL)
    monkeypatch.setenv("HOME_OF_ALL", "x")
    assert "SIGNALBOX_NATS_URL" not in inherited_environment()
    assert inherited_environment()["HOME_OF_ALL"] == "x"
