"""A desk's ports and passwords stay the same from start to start."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from signalbox_cli.ports import FILE, Ports, free_port
from signalbox_cli.run_folder import credential_file, kept_passwords, prepare
from signalbox_cli.settings import at_folder, environment

NAMES = ("nats", "control", "risk")


def taken(folder: Path) -> list[int]:
    ports = Ports(folder)
    found = [ports.take(name) for name in NAMES]
    ports.keep()
    return found


def test_they_are_the_same_from_start_to_start(tmp_path: Path) -> None:
    first = taken(tmp_path)
    assert len(set(first)) == len(NAMES)
    assert taken(tmp_path) == first


def test_one_that_somebody_else_listens_on_is_another_one(tmp_path: Path) -> None:
    first = taken(tmp_path)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", first[0]))
        other.listen(1)
        second = taken(tmp_path)
    assert second[0] != first[0]
    assert second[1:] == first[1:]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"nats": "x"}', '{"nats": 70000}', '{"nats": 22}', '{"nats": true}', "[" * 100_000]
)
def test_whatever_stands_in_the_file_ports_are_found(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert all(1024 <= port <= 65_535 for port in taken(tmp_path))


def test_no_two_have_the_same_port(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps(dict.fromkeys(NAMES, free_port())))
    assert len(set(taken(tmp_path))) == len(NAMES)


def test_a_port_that_is_wanted_and_is_not_free_is_an_error() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        with pytest.raises(OSError, match="in use"):
            free_port(other.getsockname()[1])


def test_passwords_stay_but_those_that_others_could_have_read(tmp_path: Path) -> None:
    assert kept_passwords(tmp_path, ("user", "risk")) == {}
    prepare(tmp_path, {"user": "abc", "risk": "def", "oms": "ghi"})
    assert kept_passwords(tmp_path, ("user", "risk", "recorder")) == {"user": "abc", "risk": "def"}
    credential_file(tmp_path, "risk").chmod(0o644)
    assert kept_passwords(tmp_path, ("user", "risk")) == {"user": "abc"}


def test_a_folder_that_is_named_is_the_desk_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_NATS_URL", "nats://elsewhere:4222")
    monkeypatch.setenv("SIGNALBOX_RUN_FOLDER", "there")
    with at_folder("here"):
        assert environment().get("SIGNALBOX_NATS_URL") is None
        assert environment()["SIGNALBOX_RUN_FOLDER"] == "here"
    with at_folder(None):
        assert environment()["SIGNALBOX_RUN_FOLDER"] == "there"
    assert environment()["SIGNALBOX_NATS_URL"] == "nats://elsewhere:4222"
