"""Addresses in settings and in what is logged: which may be used, and how none shows a password.

Pure, and knows nobody who connects.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

# Up to the last @ before a space or a double quote: a password may hold an @ or a / of its own
_WITH_PASSWORD = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*://)((?:\\.|[^\s\"\\])*)(?:@|%40)")
_MORE = re.compile(r"[?#][^,]*")
"""Behind an address, where a key or a password may stand as well."""
_HAS_PASSWORD = "has a user or password in it, and addresses are logged and shown"
PORT_MAX = 65_535


def without_password(text: str) -> str:
    """The text with `***` in place of user and password in every address in it; quotes and backslashes as in JSON."""
    if "@" not in text and "%40" not in text:  # as good as always, and a quarter of what a log line costs
        return text
    return _WITH_PASSWORD.sub(r"\1***@", text)


def nats_url_mistake(variable: str, url: str) -> str:
    """What is wrong with an address of NATS (or several, with commas between), as a sentence; "" = nothing."""
    for address in url.split(","):
        if mistake := _mistake(address):
            return f"{variable}={_MORE.sub('?***', without_password(url))!r} {mistake}"
    if len({address.partition("://")[0] for address in url.split(",")}) > 1:
        return f"{variable}={url!r} has addresses with and without TLS: write all as nats:// or all as tls://."
    return ""


def _mistake(address: str) -> str:
    if _names_somebody(address):
        return f"{_HAS_PASSWORD}: take it out, and give it by SIGNALBOX_NATS_USER and SIGNALBOX_NATS_PASSWORD_FILE."
    if not address.isascii() or not address.isprintable() or " " in address or "%" in address:
        return "is no address: write nats://host:port or tls://host:port, in plain letters and digits."
    try:
        parts = urlsplit(address)
        has_host = address.startswith(("nats://", "tls://")) and bool(parts.hostname)
        bad_port = parts.port == 0
    except ValueError:  # brackets that do not match, a port that is none
        return f"has a port that is none, or no host: write nats://host:port, with a port from 1 to {PORT_MAX}."
    if not has_host or _more_than_an_address(parts):
        return "is no address of NATS: write nats://host:port or tls://host:port."
    return f"has port 0: a port is a number from 1 to {PORT_MAX}." if bad_port else ""


def _more_than_an_address(parts: SplitResult) -> bool:
    return parts.path not in ("", "/") or bool(parts.query or parts.fragment)


def password_mistake(variable: str, url: str) -> str:
    """The sentence about an address that has, or may have, a user, a password or a key in it; "" = it has none."""
    if _names_somebody(url):
        return f"{variable} {_HAS_PASSWORD}: take it out, an API key too."
    if _MORE.search(url):
        return f"{variable} has something behind a ? or # (a key?), and addresses are logged and shown: take it out."
    return ""


def _names_somebody(address: str) -> bool:
    """Whether there is an @ in it, written as it is or as %40, which is how a password is copied out of an address."""
    return "@" in address or "%40" in address


def listening_host_mistake(variable: str, host: str) -> str:
    """What is wrong with where a service should listen; "" = nothing. No name is looked up."""
    if host == "localhost":
        return ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return f"{variable}={host!r} is no address to listen at: write 127.0.0.1, 0.0.0.0 or this machine's IP address."
    return ""
