"""TLS to NATS: who must show a certificate, and that a password never goes out without one.

nats-py goes on in plain text when a server does not ask for TLS, also for a `tls://` address: whoever stands in between
need only not ask. Here such a server is refused before anything of ours is sent.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from nats.aio.client import Client
from nats.errors import Error as NatsError

from signalbox.addresses import without_password
from signalbox.errors import ConfigurationError

SCHEME = "tls"


class PlainServerError(NatsError):
    """The address says `tls://`, the server does not."""

    def __str__(self) -> str:
        return "the server offers no TLS, but its address begins with tls://: nothing was sent to it"


class VerifyingClient(Client):
    """nats-py's client, which keeps to `tls://`."""

    def _connect_command(self) -> bytes:
        server = self._current_server
        if server is not None and server.uri.scheme == SCHEME and not self._server_info.get("tls_required"):
            raise PlainServerError
        command: bytes = super()._connect_command()
        return command


def tls_of(url: str, ca_file: Path | None) -> ssl.SSLContext | None:
    """How the server at `url` is verified: by `ca_file`, else by the machine's own authorities; None = no TLS.

    Raises `ConfigurationError` for a file that is no certificate, or that is given for an address without TLS.
    """
    if not url.startswith(f"{SCHEME}://"):
        if ca_file is not None:
            raise ConfigurationError(
                [f"SIGNALBOX_NATS_CA_FILE is set, but {without_password(url)} does not begin with {SCHEME}://"]
            )
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigurationError([f"SIGNALBOX_NATS_CA_FILE: {ca_file} can not be used: {error}"]) from None
