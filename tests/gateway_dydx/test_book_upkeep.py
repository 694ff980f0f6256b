"""How often a book is asked for anew."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from gateway_dydx.book_upkeep import ASK_SECONDS_MIN, BookUpkeep
from gateway_dydx.data_connections import Connections
from gateway_dydx.quotes import Board
from gateway_dydx.venue_indexer import IndexerRest

ASKED = 3


class Stream:
    """Stands for the one connection: it notes when it was asked."""

    def __init__(self) -> None:
        self.asked_seconds: list[float] = []
        self.stream, self.enough = self, asyncio.Event()

    def of(self, symbol: str) -> Stream:
        return self

    async def resubscribe(self, channel: str, symbol: str) -> None:
        self.asked_seconds.append(time.monotonic())
        if len(self.asked_seconds) == ASKED:
            self.enough.set()


async def test_a_book_that_comes_and_is_wrong_again_and_again_is_asked_for_once_a_second_at_most() -> None:
    stream, boards = Stream(), {"BTC-USD": Board("BTC-USD")}
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        connections = cast(Connections, cast(Any, stream))
        upkeep = BookUpkeep(cast(IndexerRest, None), boards, connections, 60.0, group.create_task)
        for _ in range(ASKED):
            upkeep.renew("BTC-USD", "crossed")
            upkeep.given("BTC-USD")
        await stream.enough.wait()
    first, second, third = stream.asked_seconds
    assert second - first >= ASK_SECONDS_MIN * 0.99
    assert third - second >= ASK_SECONDS_MIN * 0.99
