"""REST through the real client library, against a small indexer of this test that fails in every way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from gateway_dydx.facts import Unreadable
from gateway_dydx.venue_indexer import IndexerRest
from signalbox.errors import VenueError, VenueRefusedError, VenueTimeoutError, VenueUnavailableError

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HEIGHT = {"height": "12", "time": "2026-01-05T12:00:00.000Z"}


class TinyIndexer:
    """Answers each path with what is put there: JSON, or a response. A list of answers is given one by one."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[web.Request] = []
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        answer = self.answers.get(request.path)
        if isinstance(answer, list) and answer and callable(answer[0]):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, asyncio.Future):
            answer = await answer
        made = answer(request) if callable(answer) else answer
        return made if isinstance(made, web.StreamResponse) else web.json_response(made)


@pytest.fixture
async def indexer() -> AsyncIterator[TinyIndexer]:
    tiny = TinyIndexer()
    application = web.Application()
    application.router.add_get("/{path:.*}", tiny.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    tiny.port = runner.addresses[0][1]
    yield tiny
    await runner.cleanup()


@pytest.fixture
async def rest(indexer: TinyIndexer) -> AsyncIterator[IndexerRest]:
    made = IndexerRest(f"http://127.0.0.1:{indexer.port}", 0.5, page_items_max=3)
    yield made
    await made.close()


def own_404(text: str) -> web.Response:
    return web.json_response({"errors": [{"msg": text}]}, status=404)


async def test_a_question_is_answered(indexer: TinyIndexer, rest: IndexerRest) -> None:
    indexer.answers["/v4/height"] = HEIGHT
    height = await rest.height()
    assert (height.height, height.at) == (12, NOON)


async def test_too_many_requests_are_waited_out_as_long_as_the_indexer_says(
    indexer: TinyIndexer, rest: IndexerRest
) -> None:
    limited = lambda _: web.json_response({}, status=429, headers={"Retry-After": "30"})  # noqa: E731
    indexer.answers["/v4/height"] = [limited, limited, lambda _: HEIGHT]
    assert (await rest.height()).height == 12
    indexer.answers["/v4/height"] = limited
    with pytest.raises(VenueRefusedError, match="429"):
        await rest.height()


async def test_a_passing_failure_is_asked_again(indexer: TinyIndexer, rest: IndexerRest) -> None:
    indexer.answers["/v4/height"] = [lambda _: web.Response(status=503), lambda _: HEIGHT]
    assert (await rest.height()).height == 12


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (web.Response(status=503), VenueUnavailableError),
        (web.Response(status=404, text="<html>nobody here</html>"), VenueRefusedError),
        (web.Response(status=200, text="<html>welcome</html>"), VenueUnavailableError),
        (web.Response(status=200, text="{}"), VenueUnavailableError),
        (web.Response(status=301, headers={"Location": "https://elsewhere"}), VenueRefusedError),
    ],
)
@pytest.mark.parametrize("question", ["height", "fills", "orders", "order", "subaccount", "payments"])
async def test_a_failure_never_looks_empty(
    indexer: TinyIndexer, answer: web.Response, error: type[VenueError], question: str
) -> None:
    rest = IndexerRest(f"http://127.0.0.1:{indexer.port}", 0.5, attempts_max=1)
    fresh = lambda _: web.Response(status=answer.status, text=answer.text, headers=dict(answer.headers))  # noqa: E731
    for path in ("height", "fills", "orders", "orders/o", "addresses/dydx1/subaccountNumber/0", "fundingPayments"):
        indexer.answers[f"/v4/{path}"] = fresh
    questions = {
        "height": rest.height,
        "fills": lambda: rest.fills("dydx1", 0),
        "orders": lambda: rest.orders("dydx1", 0),
        "order": lambda: rest.order("o"),
        "subaccount": lambda: rest.subaccount("dydx1", 0),
        "payments": lambda: rest.funding_payments("dydx1", 0),
    }
    with pytest.raises(error):
        await questions[question]()
    await rest.close()


async def test_no_answer_in_time_is_a_timeout(indexer: TinyIndexer) -> None:
    rest = IndexerRest(f"http://127.0.0.1:{indexer.port}", 0.1, attempts_max=1)
    indexer.answers["/v4/height"] = asyncio.get_running_loop().create_future()  # never done
    with pytest.raises(VenueTimeoutError):
        await rest.height()
    await rest.close()


async def test_nobody_there_is_unavailable(unused_tcp_port: int) -> None:
    rest = IndexerRest(f"http://127.0.0.1:{unused_tcp_port}", 0.5, attempts_max=1)
    with pytest.raises(VenueUnavailableError):
        await rest.height()
    await rest.close()


async def test_none_is_the_indexers_own_word(indexer: TinyIndexer, rest: IndexerRest) -> None:
    indexer.answers["/v4/orders/o"] = lambda _: own_404("Unable to find order id o")
    indexer.answers["/v4/addresses/dydx1/subaccountNumber/0"] = lambda _: own_404("No subaccount found")
    assert await rest.order("o") is None
    assert await rest.subaccount("dydx1", 0) is None


def fill(number: int, height: int) -> dict[str, Any]:
    return {
        "id": f"f{number}",
        "orderId": "o",
        "market": "BTC-USD",
        "side": "BUY",
        "size": "1",
        "price": "100",
        "fee": "0.05",
        "liquidity": "TAKER",
        "type": "LIMIT",
        "createdAt": "2026-01-05T12:00:00Z",
        "createdAtHeight": str(height),
        "subaccountNumber": 0,
    }


def pages_of(fills: list[dict[str, Any]]) -> Any:
    """The indexer's way: newest first, up to `limit`, of `createdBeforeOrAtHeight` and before."""

    def answer(request: web.Request) -> dict[str, Any]:
        before = int(request.query.get("createdBeforeOrAtHeight", 10**9))
        there = [each for each in reversed(fills) if int(each["createdAtHeight"]) <= before]
        return {"fills": there[: int(request.query["limit"])]}

    return answer


async def test_fills_are_read_to_the_last_page_each_once_oldest_first(indexer: TinyIndexer, rest: IndexerRest) -> None:
    fills = [fill(number, 10 + number // 2) for number in range(11)]
    indexer.answers["/v4/fills"] = pages_of(fills)
    assert sorted(each.id for each in await rest.fills("dydx1", 0)) == sorted(each["id"] for each in fills)
    heights = [each.height for each in await rest.fills("dydx1", 0, after_height=13)]
    assert heights == [13, 13, 14, 14, 15]


async def test_a_block_with_more_fills_than_a_page_is_a_failure_not_a_loss(
    indexer: TinyIndexer, rest: IndexerRest
) -> None:
    indexer.answers["/v4/fills"] = pages_of([fill(number, 10) for number in range(4)])
    with pytest.raises(VenueUnavailableError, match="block 10"):
        await rest.fills("dydx1", 0)


async def test_more_open_orders_than_an_answer_holds_are_a_failure(indexer: TinyIndexer, rest: IndexerRest) -> None:
    indexer.answers["/v4/orders"] = [{"id": str(number), "status": "OPEN"} for number in range(3)]
    assert len(await rest.orders("dydx1", 0)) == 3
    with pytest.raises(VenueUnavailableError):
        await rest.orders("dydx1", 0, statuses=("OPEN",))
    assert indexer.asked[-1].query["status"] == "OPEN"
    assert indexer.asked[-1].query["returnLatestOrders"] == "true"


async def test_funding_payments_are_read_page_by_page(indexer: TinyIndexer, rest: IndexerRest) -> None:
    payments = [
        {
            "createdAt": (NOON + timedelta(hours=number)).isoformat(),
            "createdAtHeight": str(number),
            "perpetualId": "0",
            "ticker": "BTC-USD",
            "oraclePrice": "100",
            "size": "2",
            "side": "SHORT",
            "rate": "0.00001",
            "payment": "0.002",
            "subaccountNumber": "0",
            "fundingIndex": "0",
        }
        for number in range(7)
    ]

    def answer(request: web.Request) -> dict[str, Any]:
        page, limit = int(request.query["page"]), int(request.query["limit"])
        return {"fundingPayments": payments[::-1][(page - 1) * limit : page * limit]}

    indexer.answers["/v4/fundingPayments"] = answer
    found = await rest.funding_payments("dydx1", 0, after=NOON)
    assert [each.height for each in found] == list(range(7))
    assert found[0].size == -2
    assert indexer.asked[0].query["afterOrAt"] == "2026-01-05T12:00:00.000Z"


async def test_candles_are_asked_for_in_pieces_oldest_first(indexer: TinyIndexer, rest: IndexerRest) -> None:
    def answer(request: web.Request) -> dict[str, Any]:
        start, end = (datetime.fromisoformat(request.query[name]) for name in ("fromISO", "toISO"))
        minutes = [start + timedelta(minutes=number) for number in range(int((end - start).total_seconds()) // 60)]
        return {
            "candles": [
                {
                    "startedAt": at.isoformat(),
                    "ticker": "BTC-USD",
                    "resolution": "1MIN",
                    "low": "1",
                    "high": "1",
                    "open": "1",
                    "close": "1",
                    "baseTokenVolume": "1",
                    "trades": 1,
                }
                for at in reversed(minutes)
                if at.minute != 4
            ]
        }

    indexer.answers["/v4/candles/perpetualMarkets/BTC-USD"] = answer
    found = await rest.candles("BTC-USD", NOON, NOON + timedelta(minutes=7))
    assert [each.started_at.minute for each in found] == [0, 1, 2, 3, 5, 6]
    assert len(indexer.asked) == 3


async def test_a_market_that_makes_no_sense_does_not_hide_the_others(indexer: TinyIndexer, rest: IndexerRest) -> None:
    good = {
        "clobPairId": "1",
        "ticker": "ETH-USD",
        "status": "ACTIVE",
        "oraclePrice": "0",
        "nextFundingRate": "0",
        "initialMarginFraction": "0.02",
        "maintenanceMarginFraction": "0.012",
        "atomicResolution": -9,
        "quantumConversionExponent": -9,
        "tickSize": "0.1",
        "stepSize": "0.001",
        "stepBaseQuantums": 1000000,
        "subticksPerTick": 100000,
    }
    indexer.answers["/v4/perpetualMarkets"] = {"markets": {"ETH-USD": good, "BAD-USD": {"ticker": "BAD-USD"}}}
    unreadable: list[Unreadable] = []
    (market,) = await rest.markets(unreadable)
    assert (market.ticker, market.oracle_price) == ("ETH-USD", None)
    assert [(row.kind, row.symbol) for row in unreadable] == [("market", "BAD-USD")]
