"""Which files are secrets, and who may read them."""

from __future__ import annotations

from pathlib import Path

from signalbox_cli.doctor.file_facts import see_files, see_secrets, see_settings


def secret(path: Path, mode: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    path.chmod(mode)
    return path


def test_every_file_of_the_folder_and_of_the_environment_is_seen(tmp_path: Path) -> None:
    private, public = (
        secret(tmp_path / "risk" / "nats-password", 0o400),
        secret(tmp_path / "oms" / "nats-password", 0o644),
    )
    elsewhere = secret(tmp_path.parent / "mnemonic", 0o640)
    environ = {"SIGNALBOX_DYDX_MNEMONIC_FILE": str(elsewhere), "SIGNALBOX_DESK_FILE": str(public)}
    seen = {each.path: (each.mode, each.private) for each in see_secrets(environ, tmp_path)}
    assert seen == {str(private): (0o400, True), str(public): (0o644, False), str(elsewhere): (0o640, False)}


def test_without_folder_or_variables_there_is_nothing_to_see() -> None:
    assert see_secrets({"SIGNALBOX_NATS_PASSWORD": "x"}, None) == ()


def test_a_secret_that_is_none_is_told_without_it(tmp_path: Path) -> None:
    secret(tmp_path / "risk", 0o600).write_bytes(b"hunter2\nhunter3\n")
    [seen] = see_secrets({}, tmp_path)
    assert "has 2 lines" in seen.mistake
    assert "hunter" not in seen.mistake


def test_what_the_desk_has_written_is_seen(tmp_path: Path) -> None:
    for name, mode in (("desk.duckdb", 0o644), ("desk.json", 0o600), ("logs/risk.log", 0o640), ("logs/oms.log", 0o604)):
        secret(tmp_path / name, mode)
    (tmp_path / "logs").chmod(0o700)
    seen = {Path(each.path).name: each.open_to_others for each in see_files(tmp_path, {})}
    assert seen == {"desk.duckdb": True, "desk.json": False, "logs": False, "risk.log": False, "oms.log": True}


def test_a_database_that_a_variable_names_is_seen(tmp_path: Path) -> None:
    database = secret(tmp_path / "elsewhere.duckdb", 0o666)
    [seen] = see_files(None, {"SIGNALBOX_DATABASE_FILE": str(database)})
    assert (seen.mode, seen.open_to_others) == (0o666, True)


def test_names_that_nothing_reads_and_passwords_in_addresses_are_seen() -> None:
    environ = {
        "SIGNALBOX_HTTP_PROT": "1",
        "SIGNALBOX_PROMETHEUS_URL": "http://me:hunter2@p:9090",
        "SIGNALBOX_NATS_URL": "nats://h:4222",
    }
    misspelt, password = see_settings(environ)
    assert "did you mean SIGNALBOX_HTTP_PORT?" in misspelt
    assert "SIGNALBOX_PROMETHEUS_URL has a user or password in it" in password
    assert "hunter2" not in password


def test_a_value_that_a_service_would_refuse_is_said() -> None:
    environ = {
        "SIGNALBOX_HTTP_PORT": "8e1",
        "SIGNALBOX_LOG_LEVEL": "loud",
        "SIGNALBOX_NATS_URL": "nats://u:hunter2@h:4222",
    }
    mistakes = see_settings(environ)
    assert len(mistakes) == 3
    assert not any("hunter2" in mistake for mistake in mistakes)
