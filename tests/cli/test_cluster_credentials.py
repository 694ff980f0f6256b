"""`signalbox cluster-credentials`: each Secret is made once, over TLS, with the right to create and no other."""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from signalbox.bus.bootstrap import USERS, complete_seals
from signalbox_cli import cluster_credentials
from signalbox_cli.cluster_credentials import ClusterError, create, wanted
from signalbox_cli.people import roll
from signalbox_cli.people.roll import Roll

TOKEN = "token-of-the-pod"


class ApiServer:
    """The one call that is used of a Kubernetes API server, with its rules."""

    def __init__(self, authority: trustme.CA) -> None:
        self.secrets: dict[str, dict[str, object]] = {}
        self.forbidden = False
        state = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, said = state.post(self.path, self.headers.get("Authorization", ""), body)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(said).encode())

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def post(self, path: str, authorization: str, body: dict[str, dict[str, str]]) -> tuple[int, dict[str, object]]:
        if authorization != f"Bearer {TOKEN}":
            return 401, {"message": "Unauthorized"}
        if path != "/api/v1/namespaces/signalbox/secrets" or self.forbidden:
            return 403, {"message": "secrets is forbidden"}
        name = body["metadata"]["name"]
        if name in self.secrets:
            return 409, {"message": f'secrets "{name}" already exists'}
        self.secrets[name] = dict(body)
        return 201, dict(body)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def api_server(authority: trustme.CA) -> Iterator[ApiServer]:
    server = ApiServer(authority)
    yield server
    server.close()


@pytest.fixture
def identity(tmp_path: Path, authority: trustme.CA) -> Path:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "namespace").write_text("signalbox")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    return tmp_path


def test_each_user_of_nats_has_a_secret_of_its_own():
    secrets = wanted()
    assert secrets.keys() == {f"nats-{user}" for user in USERS} | {"dydx-wallet", "seals", "nats-people"}
    passwords = [secrets[f"nats-{user}"]["password"] for user in USERS]
    assert len(set(passwords)) == len(USERS)
    assert all(re.fullmatch("[a-z][0-9a-f]{48}", password) for password in passwords)


def test_all_keys_of_seals_are_in_one_secret_for_they_are_of_one_making() -> None:
    secrets = wanted()
    assert complete_seals(secrets["seals"]) == secrets["seals"]


def test_nobody_has_been_added_to_a_new_desk() -> None:
    nobody = wanted()["nats-people"]
    assert roll.parse(nobody["people.conf"], "people.conf") == Roll()
    assert "nats-people" not in {f"nats-{user}" for user in USERS}, "a user of that name would take its Secret"


def test_what_is_made_is_not_made_again(api_server: ApiServer, identity: Path):
    assert create("127.0.0.1", api_server.port, identity, "nats-risk", {"password": "first"})
    assert not create("127.0.0.1", api_server.port, identity, "nats-risk", {"password": "second"})
    assert api_server.secrets["nats-risk"]["stringData"] == {"password": "first"}


def test_the_command_makes_every_secret_and_shows_none(
    api_server: ApiServer, identity: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api_server.port))
    monkeypatch.setattr(cluster_credentials, "IDENTITY", identity)
    from signalbox_cli.__main__ import carry_out

    for outcome in ("made", "was there"):
        with pytest.raises(SystemExit) as ended:
            carry_out(["cluster-credentials"])
        assert ended.value.code == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines == [f"{name}: {outcome}" for name in wanted()]
    assert api_server.secrets.keys() == wanted().keys()


def test_a_missing_right_is_said_in_the_servers_words(api_server: ApiServer, identity: Path):
    api_server.forbidden = True
    with pytest.raises(ClusterError, match="answers 403: secrets is forbidden"):
        create("127.0.0.1", api_server.port, identity, "nats-risk", {"password": "x"})


def test_a_server_of_another_authority_gets_no_token(api_server: ApiServer, identity: Path):
    trustme.CA().cert_pem.write_to_path(str(identity / "ca.crt"))
    with pytest.raises(ClusterError, match="can not be used"):
        create("127.0.0.1", api_server.port, identity, "nats-risk", {"password": "x"})
    assert api_server.secrets == {}


def test_outside_a_cluster_it_says_where_it_belongs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    from signalbox_cli.__main__ import carry_out

    with pytest.raises(SystemExit) as ended:
        carry_out(["cluster-credentials"])
    assert ended.value.code == 2
    assert "KUBERNETES_SERVICE_HOST is not set" in capsys.readouterr().err
