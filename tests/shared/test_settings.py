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


def mistakes_with(**changes: str) -> list[str]:
    """What is wrong with good settings and these changes."""
    with pytest.raises(ConfigurationError) as caught:
        load(Settings, GOOD | {f"SIGNALBOX_{name}": value for name, value in changes.items()})
    return list(caught.value.mistakes)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HTTP_PORT", "65536", "SIGNALBOX_HTTP_PORT='65536' is not usable"),
        ("HTTP_PORT", "-1", "SIGNALBOX_HTTP_PORT='-1' is not usable"),
        ("HTTP_PORT", "8e1", "SIGNALBOX_HTTP_PORT='8e1' is not usable: write a whole number"),
        ("HTTP_PORT", "80.0", "SIGNALBOX_HTTP_PORT='80.0' is not usable"),
        ("HTTP_PORT", " 80", "SIGNALBOX_HTTP_PORT=' 80' is not usable"),
        ("HTTP_PORT", "٨٠", "is not usable"),
        ("HTTP_PORT", "80.5", "SIGNALBOX_HTTP_PORT='80.5' is not usable"),
        ("HTTP_PORT", "", "SIGNALBOX_HTTP_PORT='' is not usable"),
        ("HTTP_HOST", "my-host", "SIGNALBOX_HTTP_HOST='my-host' is no address to listen at"),
        ("LOG_LEVEL", "INFOO", "SIGNALBOX_LOG_LEVEL='INFOO' is no level: did you mean INFO?"),
        ("LOG_LEVEL", "info", "SIGNALBOX_LOG_LEVEL='info' is no level: did you mean INFO?"),
        ("LOG_LEVEL", "7", "SIGNALBOX_LOG_LEVEL='7' is no level: there is DEBUG"),
        ("DELAY_SECONDS_MAX", "nan", "SIGNALBOX_DELAY_SECONDS_MAX='nan' is not usable"),
        ("DELAY_SECONDS_MAX", "1e400", "SIGNALBOX_DELAY_SECONDS_MAX='1e400' is not usable"),
        ("DELAY_SECONDS_MAX", "1e-400", "SIGNALBOX_DELAY_SECONDS_MAX='1e-400' is not usable"),
        ("DELAY_SECONDS_MAX", "1e300", "SIGNALBOX_DELAY_SECONDS_MAX='1e300' is not usable: write a number above 0"),
        ("DELAY_SECONDS_MAX", "0", "SIGNALBOX_DELAY_SECONDS_MAX='0' is not usable: write a number above 0"),
        ("DELAY_SECONDS_MAX", "-0.1", "SIGNALBOX_DELAY_SECONDS_MAX='-0.1' is not usable"),
        ("DELAY_SECONDS_MAX", "१", "SIGNALBOX_DELAY_SECONDS_MAX="),
        ("DESK_FILE", "", "SIGNALBOX_DESK_FILE is empty"),
        ("NATS_USER", "risk\nx", "SIGNALBOX_NATS_USER holds 'risk\\nx'"),
        ("NATS_URL", "127.0.0.1:4222", "is no address of NATS"),
        ("NATS_URL", "http://127.0.0.1:4222", "is no address of NATS"),
        ("NATS_USER", "", "SIGNALBOX_NATS_USER is empty"),
        ("NATS_URL", "TLS://host", "is no address of NATS"),
        ("NATS_URL", "nats://a:4222, nats://b:4222", "is no address"),
        ("NATS_URL", "nats://a:4222,tls://b:4222", "with and without TLS"),
        ("NATS_URL", "nats://h%6Fst:4222", "is no address"),
        ("NATS_URL", "nats://", "is no address of NATS"),
        ("NATS_URL", "nats://host:99999", "has a port that is none"),
        ("NATS_URL", "nats://host:0", "has port 0"),
        ("NATS_URL", "nats://[::1:4222", "has a port that is none, or no host"),
        ("NATS_URL", "nats://host:4222/path", "is no address of NATS"),
        ("NATS_PASSWORD", "", "SIGNALBOX_NATS_PASSWORD is empty"),
        ("NATS_PASSWORD", "two\nlines", "SIGNALBOX_NATS_PASSWORD has 2 lines"),
        ("CONFIRMATION_FILE", "", "SIGNALBOX_CONFIRMATION_FILE is empty"),
    ],
)
def test_a_value_that_is_none_is_a_sentence(name: str, value: str, said: str) -> None:
    [mistake] = mistakes_with(**{name: value})
    assert said in mistake


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SIGNALBOX_HTTP_PROT", "SIGNALBOX_HTTP_PORT"),
        ("SIGNALBOX_LOGLEVEL", "SIGNALBOX_LOG_LEVEL"),
        ("SIGNALBOX_DELAY_SECOND_MAX", "SIGNALBOX_DELAY_SECONDS_MAX"),
        ("SIGNALBOX_NATS_PASWORD_FILE", "SIGNALBOX_NATS_PASSWORD_FILE"),
        ("signalbox_http_port", "SIGNALBOX_HTTP_PORT"),
        ("SINGALBOX_HTTP_PORT", "SIGNALBOX_HTTP_PORT"),
        ("SIGNAL_BOX_HTTP_PORT", "SIGNALBOX_HTTP_PORT"),
        ("SIGNALBOXHTTP_PORT", "SIGNALBOX_HTTP_PORT"),
        ("SIGNALBOX_HTTP_PORT_FILE", "SIGNALBOX_HTTP_PORT"),
    ],
)
def test_a_misspelt_name_is_a_mistake_that_names_the_right_one(name: str, meant: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(Settings, GOOD | {name: "1"})
    assert caught.value.mistakes == (
        f"{name} is set, but nothing of the desk reads a variable of this name: did you mean {meant}?",
    )


def test_what_another_service_or_another_program_reads_is_no_mistake() -> None:
    others = {"SIGNALBOX_IBKR_PORT": "4002", "SIGNALBOX_RUN_FOLDER": "x", "SIGNAL_LEVEL": "1", "PATH": "/bin"}
    assert load(Settings, GOOD | others).http_port == 0


@pytest.mark.parametrize(
    "url",
    [
        "nats://u:hunter7@host:4222",
        "nats://hunter7@host",
        "nats://a:hunter7/x@y@host",
        "nats://h,nats://u%3Ahunter7%40g",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_shown(url: str) -> None:
    [mistake] = mistakes_with(NATS_URL=url)
    assert "has a user or password in it" in mistake
    assert "hunter7" not in mistake


def test_several_addresses_are_one_setting() -> None:
    assert load(Settings, GOOD | {"SIGNALBOX_NATS_URL": "nats://a:4222,nats://b:4222"}).nats_url.count(",") == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x81\x82", "is no text in UTF-8"),
        ("hunter2".encode("utf-16"), "is no text in UTF-8"),
        (b"\xef\xbb\xbfhunter2\n", "begins with a byte order mark"),
        (b"hunter2\nhunter3\n", "has 2 lines"),
        (b"hunter2\rhunter3", "has 2 lines"),
        (b"hunter2\0", "characters that can not be seen"),
        (b"a" * 100_000, "has 100000 bytes: that is no secret"),
    ],
)
def test_a_secret_file_that_holds_no_secret_is_a_sentence_that_does_not_show_it(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        read_secret_file(path)
    [mistake] = caught.value.mistakes
    assert said in mistake
    assert "hunter" not in mistake


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ConfigurationError, match="is no file"):
            read_secret_file(path)
