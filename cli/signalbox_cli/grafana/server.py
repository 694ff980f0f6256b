"""Calls of Grafana's HTTP API by grafana-api, with each refusal as a sentence that says what to do.

Owns the address, the token and the kinds of errors. It must not know what is pushed (`push`) or annotated (`feed`).
grafana-api knows no data sources by uid and no folders by uid: those go through its own bare `api` layer.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from grafana_api.grafana_api import GrafanaClientError, GrafanaServerError
from grafana_api.grafana_face import GrafanaFace
from signalbox.errors import ConfigurationError, SignalboxError
from signalbox.settings import Secret

CALL_SECONDS_MAX = 10.0
NOT_FOUND, CONFLICT, PRECONDITION_FAILED, TOO_MANY_REQUESTS = 404, 409, 412, 429


class GrafanaError(SignalboxError):
    """Grafana did not do what was asked. `status` is that of its answer, 0 without one."""

    def __init__(self, text: str, status: int = 0, code: str = "") -> None:
        self.status, self.code = status, code
        super().__init__(text)


class GrafanaUnavailableError(GrafanaError):
    """No answer, or one that may be another in a moment: whether it was done is not known. Try again."""


class GrafanaAccessError(GrafanaError):
    """The token is not good, or not good for this."""


class Grafana:
    """One Grafana server, asked with a service account's token. Its calls block: from a coroutine, use a thread."""

    def __init__(self, url: str, token: Secret) -> None:
        address = urlsplit(url)
        if address.scheme not in ("http", "https") or not address.hostname or address.query or address.username:
            raise ConfigurationError([f"{url!r} is not the address of a Grafana: write http://127.0.0.1:3000"])
        self.url = url.rstrip("/")
        prefix = address.path.strip("/")
        host = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
        self._face = GrafanaFace(
            auth=token.reveal(),
            host=host,
            port=address.port,
            url_path_prefix=f"{prefix}/" if prefix else "",
            protocol=address.scheme,
            timeout=CALL_SECONDS_MAX,
        )

    def get(self, path: str) -> Any:
        return self._call("GET", path, None)

    def find(self, path: str) -> Any | None:
        """What is there, None when Grafana says that it is not."""
        try:
            return self.get(path)
        except GrafanaError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("POST", path, body)

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("PUT", path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        try:
            return getattr(self._face.api, method)(path, json=body)
        except GrafanaServerError as error:
            raise GrafanaUnavailableError(
                f"Grafana at {self.url} has a fault of its own: {_told(error.response)}", error.status_code
            ) from None
        except GrafanaClientError as error:
            raise self._refusal(error.status_code, error.response, path) from None
        except requests.JSONDecodeError:
            raise GrafanaError(f"what answers at {self.url} is no Grafana: check --url") from None
        except requests.RequestException as error:
            raise GrafanaUnavailableError(
                f"Grafana at {self.url} can not be reached ({type(error).__name__}): is it running there?"
            ) from None
        except (TypeError, KeyError):  # grafana-api reads `message` of an error's body, whatever the body is
            raise GrafanaError(f"what answers at {self.url} is no Grafana: check --url") from None

    def _refusal(self, status: int, response: Any, path: str) -> GrafanaError:
        told = _told(response)
        code = str(response.get("status", "")) if isinstance(response, dict) else ""
        if status == 401:
            return GrafanaAccessError(
                f"Grafana at {self.url} does not know the token ({told}): it may have expired or been revoked; make a "
                "new one for the service account, and write it to the token file",
                status,
            )
        if status == 403:
            return GrafanaAccessError(
                f"the token may not do this at {self.url} ({path}: {told}): give its service account the role Editor, "
                "and Admin for the data source",
                status,
            )
        if status == TOO_MANY_REQUESTS:
            return GrafanaUnavailableError(f"Grafana at {self.url} asks for patience: {told}", status)
        return GrafanaError(f"Grafana at {self.url} refuses {path}: {told} ({status})", status, code)


def _told(response: Any) -> str:
    """What Grafana says of an error, in one short line."""
    text = response.get("message", response) if isinstance(response, dict) else response
    return " ".join(str(text).split())[:200] or "no reason given"
