"""One desk for all tests of this folder, run as a person runs it; `tests.conftest` gives them all to one process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from signalbox.bus import Bus, BusSettings

from tests.running_desk import SPEED, START, RunningDesk


@pytest.fixture(scope="package")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    """A running desk that every test shares: each uses intents and orders of its own."""
    running = RunningDesk(tmp_path_factory.mktemp("system") / "desk", "--start", START, "--speed", SPEED)
    try:
        running.up()
        yield running
    finally:
        if running.process is not None:
            running.end()


@pytest.fixture
async def connect(desk: RunningDesk) -> AsyncIterator[Callable[[str], Awaitable[Bus]]]:
    """Connect to the desk's NATS as a user of it."""
    buses: list[Bus] = []

    async def connect(user: str) -> Bus:
        password, seals = desk.password(user), desk.seals(user)
        settings = BusSettings(url=desk.facts["nats_url"], user=user, password=password, name=user, seals=seals)
        buses.append(await Bus.connect(settings))
        return buses[-1]

    yield connect
    for bus in buses:
        await bus.drain()
