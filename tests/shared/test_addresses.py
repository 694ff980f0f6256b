"""No address shows a password, wherever it stands."""

from __future__ import annotations

import json
import logging

import pytest
from signalbox.addresses import nats_url_mistake, password_mistake, without_password
from signalbox.telemetry import JsonFormatter


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nats://user:pw@host:4222", "nats://***@host:4222"),
        ("at nats://pw@host, then tls://u:p/w@x@h.", "at nats://***@host, then tls://***@h."),
        ("http://u:p'w@host/metrics", "http://***@host/metrics"),
        ("nats://user%3Apw%40host:4222", "nats://***@host:4222"),
        ("nats://host:4222 as a@b", "nats://host:4222 as a@b"),
        ("no address: a@b", "no address: a@b"),
    ],
)
def test_an_address_is_shown_without_its_password(text: str, shown: str) -> None:
    assert without_password(text) == shown


def test_no_log_line_shows_one() -> None:
    record = logging.makeLogRecord(
        {"msg": "at %s", "args": ("nats://u:hunter2@host",), "levelname": "INFO", "servers": ['nats://u:hun"ter2@h']}
    )
    record.exc_info = None
    record.error = 'OSError("nats://u:hunter2@host can not be reached")'
    line = JsonFormatter("risk").format(record)
    assert "ter2" not in line
    assert json.loads(line)["event"] == "at nats://***@host"


def test_the_venues_addresses_hold_no_password_either() -> None:
    assert "has a user or password in it" in password_mistake("SIGNALBOX_DYDX_NODE_URL", "me:hunter2@node:443")
    assert "hunter2" not in password_mistake("SIGNALBOX_DYDX_NODE_URL", "me:hunter2@node:443")
    assert not password_mistake("SIGNALBOX_DYDX_NODE_URL", "node:443")


@pytest.mark.parametrize("end", ["?password=hunter2", "#hunter2", "/?hunter2", "/x#hunter2"])
def test_what_stands_behind_an_address_may_be_a_key_and_is_not_shown(end: str) -> None:
    refused = password_mistake("SIGNALBOX_DYDX_INDEXER_URL", f"https://node:443{end}")
    assert "a key?" in refused
    of_nats = nats_url_mistake("SIGNALBOX_NATS_URL", f"nats://one:4222,nats://two:4222{end}")
    assert "is no address of NATS" in of_nats
    assert "nats://one:4222,nats://two:4222" in of_nats
    assert "hunter2" not in refused + of_nats
