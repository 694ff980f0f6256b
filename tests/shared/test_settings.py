"""Settings: read once, every mistake at once, and secrets that do not show."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest
from signalbox.errors import ConfigurationError
from signalbox.settings import Secret, ServiceSettings, is_private, load, read_secret_file

GOOD = {
    "SIGNALBOX_NATS_URL": "nats://127.0.0.1:4222",
    "SIGNALBOX_NATS_USER": "risk",
    "SIGNALBOX_NATS_PASSWORD": "hunter2",
    "SIGNALBOX_DESK_FILE": "deploy/desk.toml",
}


class Settings(ServiceSettings, frozen=True, kw_only=True):
    delay_seconds_max: float = 1.5
    confirmation: Secret | None = None


def secret_file(folder: Path, text: str, mode: int) -> str:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_each_field_is_read_from_its_variable():
    settings = load(Settings, GOOD | {"SIGNALBOX_DELAY_SECONDS_MAX": "2.5", "SIGNALBOX_HTTP_PORT": "9000"})
    assert settings.nats_user == "risk"
    assert settings.nats_password.reveal() == "hunter2"
    assert settings.desk_file == Path("deploy/desk.toml")
    assert (settings.delay_seconds_max, settings.http_port, settings.confirmation) == (2.5, 9000, None)


def test_every_mistake_is_reported_at_once():
    with pytest.raises(ConfigurationError) as caught:
        load(Settings, {"SIGNALBOX_HTTP_PORT": "many", "SIGNALBOX_DELAY_SECONDS_MAX": "soon"})
    text = str(caught.value)
    for variable in ("NATS_URL", "NATS_USER", "NATS_PASSWORD", "DESK_FILE", "HTTP_PORT", "DELAY_SECONDS_MAX"):
        assert text.count(f"SIGNALBOX_{variable}") >= 1, variable
    assert len(caught.value.mistakes) == 6


def test_a_secret_comes_from_a_file_that_only_its_owner_reads(tmp_path: Path):
    environ = {key: value for key, value in GOOD.items() if key != "SIGNALBOX_NATS_PASSWORD"}
    settings = load(Settings, environ | {"SIGNALBOX_NATS_PASSWORD_FILE": secret_file(tmp_path, "hunter3\n", 0o600)})
    assert settings.nats_password.reveal() == "hunter3"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_secret_file_that_others_may_read_is_refused(tmp_path: Path, mode: int):
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_secret_file(Path(secret_file(tmp_path, "hunter2", mode)))


SERVICE, ITS_GROUP, ANOTHER_GROUP = 10001, 10001, 20002


@pytest.mark.parametrize(
    ("mode", "owner", "group", "private"),
    [
        (0o600, SERVICE, ITS_GROUP, True),
        (0o440, 0, ITS_GROUP, True),  # how Kubernetes mounts a secret of mode 0400 with an fsGroup
        (0o640, 0, ITS_GROUP, True),
        (0o440, 0, ANOTHER_GROUP, False),
        (0o440, SERVICE, ITS_GROUP, False),
        (0o444, 0, ITS_GROUP, False),
        (0o460, 0, ITS_GROUP, False),
        (0o450, 0, ITS_GROUP, False),
    ],
)
def test_group_may_read_a_secret_of_roots_that_was_meant_for_it(mode: int, owner: int, group: int, private: bool):
    status = os.stat_result((0o100000 | mode, 0, 0, 1, owner, group, 8, 0, 0, 0))
    assert is_private(status, SERVICE, {ITS_GROUP}) is private


def test_root_itself_needs_no_group():
    status = os.stat_result((0o100440, 0, 0, 1, 0, 0, 8, 0, 0, 0))
    assert not is_private(status, 0, {0})


def test_an_empty_or_absent_secret_file_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="is empty"):
        read_secret_file(Path(secret_file(tmp_path, "\n", 0o600)))
    with pytest.raises(ConfigurationError, match="can not be read"):
        read_secret_file(tmp_path / "nowhere")


def test_a_secret_given_twice_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="both set"):
        load(Settings, GOOD | {"SIGNALBOX_NATS_PASSWORD_FILE": secret_file(tmp_path, "x", 0o600)})


def test_a_secret_shows_nowhere():
    settings = load(Settings, GOOD | {"SIGNALBOX_CONFIRMATION": "hunter9"})
    try:
        raise ValueError(f"{settings} {settings.nats_password!r} {settings.confirmation}")
    except ValueError:
        shown = traceback.format_exc()
    assert "hunter" not in shown
