"""Which files are secrets, and who may read them."""

from __future__ import annotations

from pathlib import Path

from signalbox_cli.doctor.file_facts import see_secrets


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
