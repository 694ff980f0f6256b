"""TLS to a real nats-server, with certificates made by the commands that docs/nats.md gives."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from signalbox.bus import Bus, BusSettings
from signalbox.bus.bootstrap import BOOTSTRAP, USERS, bootstrap_server
from signalbox.bus.tls import tls_of
from signalbox.errors import BusPermissionError, BusUnavailableError, ConfigurationError
from signalbox.messages import TradingMode

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = re.compile(r"```sh\n(openssl .*?)```", re.S)


def certificates(folder: Path) -> Path:
    """Run the document's commands in `folder`."""
    if shutil.which("openssl") is None:
        reason = "openssl is not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder.mkdir()
    [commands] = COMMANDS.findall((ROOT / "docs/nats.md").read_text())
    subprocess.run(["sh", "-ec", commands], cwd=folder, check=True, capture_output=True)
    return folder


def settings_of(server: Any, user: str, ca_file: Path | None, scheme: str = "tls") -> BusSettings:
    url = f"{scheme}://127.0.0.1:{server.port}"
    return BusSettings(url=url, user=user, password=server.password(user), name=user, ca_file=ca_file)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("tls") / "made")


@pytest.fixture
async def secure_server(nats_server_without_streams: Any, made: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    server = nats_server_without_streams
    monkeypatch.setenv("NATS_CERTIFICATE_FILE", str(made / "nats.pem"))
    monkeypatch.setenv("NATS_KEY_FILE", str(made / "nats.key"))
    server.configuration = ROOT / "deploy/nats/tls.conf"
    server.restart()
    await server.listening()
    return server


async def test_every_user_connects_and_bootstrap_makes_the_streams(secure_server: Any, made: Path) -> None:
    authority = made / "authority.pem"
    url = f"tls://127.0.0.1:{secure_server.port}"
    await bootstrap_server(
        url, secure_server.password(BOOTSTRAP), TradingMode.HALTED, secure_server.seals(BOOTSTRAP), ca_file=authority
    )
    for user in USERS:
        bus = await Bus.connect(settings_of(secure_server, user, authority))
        assert bus.connected
        await bus.drain()


async def test_a_client_without_tls_is_not_let_in(secure_server: Any) -> None:
    """A server that asks for TLS takes nothing else: nats-py then tries, with the machine's own authorities."""
    with pytest.raises(BusPermissionError, match="certificate that is not to be trusted"):
        await Bus.connect(settings_of(secure_server, "risk", None, scheme="nats"))


async def test_a_server_of_another_authority_is_refused_with_the_reason(
    secure_server: Any, tmp_path: Path, made: Path
) -> None:
    other = certificates(tmp_path / "other") / "authority.pem"
    for ca_file in (other, None):
        with pytest.raises(BusPermissionError, match=r"not to be trusted: .*SIGNALBOX_NATS_CA_FILE"):
            await Bus.connect(settings_of(secure_server, "risk", ca_file))
    url = f"tls://127.0.0.1:{secure_server.port}"
    with pytest.raises(BusUnavailableError, match="certificate verify failed"):
        await bootstrap_server(
            url, secure_server.password(BOOTSTRAP), TradingMode.HALTED, secure_server.seals(BOOTSTRAP), ca_file=other
        )


async def test_a_server_without_tls_is_sent_no_password(
    nats_server_without_streams: Any, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    credentials = Client._connect_command

    def watched(client: Client) -> bytes:
        sent.append(credentials(client))
        return sent[-1]

    monkeypatch.setattr(Client, "_connect_command", watched)
    with pytest.raises(BusPermissionError, match="offers no TLS"):
        await Bus.connect(settings_of(nats_server_without_streams, "risk", made / "authority.pem"))
    assert sent == []
    await (await Bus.connect(settings_of(nats_server_without_streams, "risk", None, scheme="nats"))).drain()
    assert len(sent) == 1


def test_what_can_not_be_meant_is_refused(tmp_path: Path, made: Path) -> None:
    assert tls_of("nats://127.0.0.1:4222", None) is None
    assert tls_of("tls://127.0.0.1:4222", made / "authority.pem") is not None
    with pytest.raises(ConfigurationError, match="does not begin with tls://"):
        tls_of("nats://127.0.0.1:4222", made / "authority.pem")
    for wrong in (tmp_path / "none.pem", made / "nats.ext"):
        with pytest.raises(ConfigurationError, match="can not be used"):
            tls_of("tls://127.0.0.1:4222", wrong)
