"""The venue cases: each one runs on every venue, on a desk that is kept from case to case while it adds up."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from oms import attaching, lists

from tests.conftest import STREAMS_MADE, NatsServer

from .desk import Desk
from .dydx import DydxBench
from .ibkr import IbkrBench
from .lines import LinesBench
from .numbered import CANNOT, FOLDER, number_of
from .processes import ForkServer

BENCHES: dict[str, Any] = {"ibkr": IbkrBench, "dydx": DydxBench, "lines": LinesBench}
_failed = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    about = "fresh_desk(start, gateway): a desk of its own; where time begins by venue, and whether a gateway runs"
    config.addinivalue_line("markers", about)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all cases: a desk outlives a test."""
    for item in items:
        if isinstance(item, pytest.Function) and item.path.parent == FOLDER and "desk" in item.fixturenames:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call":
        item.stash[_failed] = report.failed
    return report


class Desks:
    """Makes desks, and keeps those that may serve again."""

    def __init__(self, folder: pytest.TempPathFactory) -> None:
        self._folder = folder
        self._servers: dict[str, ForkServer] = {}
        self._kept: dict[str, Desk] = {}

    async def take(self, venue: str, start: datetime | None, *, gateway: bool, fresh: bool) -> Desk:
        """A desk for one case: the kept one, or a new one."""
        desk = None if fresh else self._kept.pop(venue, None)
        return desk or await self._made(venue, start, gateway=gateway)

    async def _made(self, venue: str, start: datetime | None, *, gateway: bool) -> Desk:
        bench = BENCHES[venue]()
        if venue not in self._servers:
            self._servers[venue] = ForkServer(bench.module)
        await bench.open(start)
        folder: Path = self._folder.mktemp(venue)
        nats = NatsServer(folder)
        await STREAMS_MADE.begin(nats, self._folder)
        desk = Desk(bench, nats, self._servers[venue], folder)
        try:
            await desk.open(gateway=gateway)
        except BaseException:
            await self.discard(desk)
            raise
        return desk

    def keep(self, desk: Desk) -> None:
        self._kept[desk.bench.name] = desk

    async def discard(self, desk: Desk) -> None:
        await desk.close()
        await desk.bench.close()

    async def close(self) -> None:
        for desk in self._kept.values():
            await self.discard(desk)
        for server in self._servers.values():
            server.close()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def desks(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desks]:
    made = Desks(tmp_path_factory)
    yield made
    await made.close()


@pytest.fixture(params=list(BENCHES))
def venue(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest_asyncio.fixture(loop_scope="session")
async def desk(
    request: pytest.FixtureRequest, desks: Desks, venue: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """The desk of one case. Marks: `fresh_desk(start=..., gateway=...)` asks for a new one."""
    if not BENCHES[venue].attaches:  # what it keeps of lists is nothing, whatever is known of the venue in whose place
        monkeypatch.setattr(attaching, "ATTACHING", frozenset())
        monkeypatch.setattr(lists, "GROUPING", frozenset())
    mark = request.node.get_closest_marker("fresh_desk")
    wanted = mark.kwargs if mark is not None else {}
    start = wanted.get("start", {}).get(BENCHES[venue].venue)
    desk = await desks.take(venue, start, gateway=wanted.get("gateway", True), fresh=mark is not None)
    number = number_of(request.node.name)
    desk.cannot = CANNOT.get((number, desk.bench.venue)) or desk.bench.cannot.get(number)
    sound = False
    try:
        await desk.bench_market.begin()
        if wanted.get("gateway", True):
            await desk.sees_the_market()
        yield desk
        if not request.node.stash.get(_failed, True) and not desk.spoiled:
            await desk.tidy()
            sound = mark is None
    finally:
        if sound:
            desks.keep(desk)
        else:
            await desks.discard(desk)


_counter = itertools.count(1)


@pytest.fixture
def order_id(request: pytest.FixtureRequest) -> str:
    """An order id that no other case uses."""
    return f"{number_of(request.node.name).lower()}-{next(_counter)}"
