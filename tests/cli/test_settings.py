"""How the command line finds the desk, and what it says when it can not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from signalbox.bus.bootstrap import complete_seals
from signalbox.errors import ConfigurationError
from signalbox_cli.settings import find_desk, inherited_environment

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


def test_settings_of_another_desk_are_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_NATS_URL", URL)
    monkeypatch.setenv("HOME_OF_ALL", "x")
    assert "SIGNALBOX_NATS_URL" not in inherited_environment()
    assert inherited_environment()["HOME_OF_ALL"] == "x"
