"""The Secrets of a paper desk in Kubernetes: made once, by a Job of the desk itself, so that nobody has to.

Owns their names and the one call of the API server. It needs the right to create Secrets and no other: what is there
already stays as it is, and is not looked at.
"""

from __future__ import annotations

import argparse
import http.client
import json
import ssl
from pathlib import Path

from signalbox.bus.bootstrap import USERS, complete_seals, new_password
from signalbox.errors import SignalboxError

from signalbox_cli.commands import add_command
from signalbox_cli.people import roll
from signalbox_cli.settings import cluster_address
from signalbox_cli.simulated_venues import TEST_MNEMONIC

IDENTITY = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts the account that a pod has: `token`, `ca.crt` and `namespace`."""
ANSWER_SECONDS_MAX = 10.0
WALLET, SEALS = "dydx-wallet", "seals"
PEOPLE, PEOPLE_FILE = "nats-people", "people.conf"


class ClusterError(SignalboxError):
    """The API server did not do what it was asked; the text says what, and its words."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    credentials = add_command(
        commands,
        "cluster-credentials",
        "make the passwords of a simulated desk as Secrets of the Kubernetes namespace that this runs in",
        """
        For a pod whose service account may create Secrets (deploy/k8s/overlays/paper). One Secret for each user of NATS
        (nats-risk, nats-user, ...: key `password`), one with the keys of all seals, of which each pod is shown its own
        (seals: a key for each service), dydx-wallet with the wallet's words that the simulated dYdX knows, and
        nats-people with a people.conf in which nobody is yet (`signalbox people`). What exists stays as it is. For a
        desk with real money, make yours: docs/deploy-kubernetes.md.
        """,
    )
    credentials.set_defaults(run=_make)


def wanted() -> dict[str, dict[str, str]]:
    """The Secrets of a paper desk: name -> key -> text. A password begins with a letter: nats.conf reads it as text."""
    passwords = {f"nats-{user}": {"password": new_password()} for user in USERS}
    # All seals in one: they are of one making, or the desk does not work
    nobody = {PEOPLE_FILE: roll.conf_text(roll.Roll())}
    return passwords | {SEALS: complete_seals({}), WALLET: {"mnemonic": TEST_MNEMONIC}, PEOPLE: nobody}


def _make(_: argparse.Namespace) -> int:
    host, port = cluster_address()
    for name, texts in wanted().items():
        print(f"{name}: {'made' if create(host, port, IDENTITY, name, texts) else 'was there'}")
    return 0


def create(host: str, port: int, identity: Path, name: str, texts: dict[str, str]) -> bool:
    """Create a Secret; False when there is one of that name. Raises `ClusterError`."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "signalbox"}},
        "type": "Opaque",
        "stringData": texts,
    }
    try:
        namespace = (identity / "namespace").read_text().strip()
        headers = {"Authorization": f"Bearer {(identity / 'token').read_text().strip()}"}
        trusted = ssl.create_default_context(cafile=str(identity / "ca.crt"))
        connection = http.client.HTTPSConnection(host, port, timeout=ANSWER_SECONDS_MAX, context=trusted)
        try:
            body = json.dumps(secret)
            path = f"/api/v1/namespaces/{namespace}/secrets"
            connection.request("POST", path, body, headers | {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise ClusterError(f"Secret {name}: the API server at {host}:{port} can not be used: {error}") from None
    if answer.status == http.client.CONFLICT:
        return False
    if answer.status != http.client.CREATED:
        raise ClusterError(f"Secret {name}: the API server answers {answer.status}: {_message(said)}")
    return True


def _message(said: bytes) -> str:
    try:
        return str(json.loads(said)["message"])
    except (ValueError, KeyError, TypeError):
        return said[:200].decode(errors="replace")
