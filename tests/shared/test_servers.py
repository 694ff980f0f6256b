"""What nats-server says of itself to whoever may ask: whether it syncs, and its streams."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from signalbox.bus import servers
from signalbox.bus.bootstrap import USERS
from signalbox.bus.servers import ask_servers
from signalbox.desk import Durability
from signalbox.durability import observed_durability
from signalbox.errors import BusUnavailableError
from signalbox.streams import STREAMS

MAY_ASK = {"risk", "auditor", "bootstrap"}
"""No person: an answer costs the server so much that a flood of the question would take it from everybody."""


@pytest.mark.parametrize("user", sorted(MAY_ASK))
async def test_a_server_says_what_it_is(nats_server: Any, user: str) -> None:
    client = await nats_server.bus_client(user)
    try:
        [server] = await ask_servers(client)
    finally:
        await client.close()
    assert set(server.streams) == {stream.name for stream in STREAMS}
    assert not server.syncs_always
    assert abs((server.at - datetime.now(UTC)).total_seconds()) < 60
    assert observed_durability([server]) is Durability.RELAXED


@pytest.mark.parametrize("user", sorted(set(USERS) - MAY_ASK))
async def test_nobody_else_may_ask(nats_server: Any, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "FIRST_ANSWER_SECONDS_MAX", 0.3)
    client = await nats_server.bus_client(user)

    async def refused(_: Exception) -> None:
        """It is refused, which is what this asks."""

    client._error_cb = refused
    try:
        with pytest.raises(BusUnavailableError, match="no nats-server says"):
            await ask_servers(client)
    finally:
        await client.close()
