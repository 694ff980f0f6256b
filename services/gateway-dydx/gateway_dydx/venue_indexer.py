"""The indexer's REST API through the vendor's client: questions with deadlines, and answers that are complete.

With `venue_node.py` and `venue_stream.py` the only place that knows the vendor's library. Of it this takes the
addresses and parameters of every question. The transport is one kept-alive client of the same httpx: the library's own
builds a new one, with its TLS context, for every question, which holds the event loop for some 20 ms each time, and has
a time-out of 50 minutes. An answer that failed can not be confused with an empty one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import httpx
from dydx_v4_client.indexer.rest.indexer_client import IndexerClient
from dydx_v4_client.indexer.rest.utils.request_helpers import generate_query_path
from signalbox.errors import TranslationError, VenueError, VenueRefusedError, VenueTimeoutError, VenueUnavailableError
from signalbox.metrics import VENUE_UNDECODABLE

from gateway_dydx import metrics, reading
from gateway_dydx.answers import each_of, list_of, rows_of
from gateway_dydx.facts import (
    BookSnapshot,
    CandleSeen,
    FillSeen,
    FundingPayment,
    Height,
    HistoricalFunding,
    Market,
    OrderSeen,
    Subaccount,
    Transfer,
    Unreadable,
)
from gateway_dydx.fields import Fields
from gateway_dydx.stream_messages import MINUTE_RESOLUTION
from gateway_dydx.translate import VENUE

log = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS_MAX = 3
RETRY_DELAY_SECONDS = 0.2
RETRY_AFTER_SECONDS_MAX = 10.0
"""The indexer's window is 10 s: it never asks for more."""
WINDOW_SECONDS = 10.0
REQUESTS_MAX = {"candles": 900, "orders": 90, "fills": 90, "": 90}
"""The indexer takes 1000 questions for candles in 10 s from an address, and 100 for orders, fills and all others
together (v4-chain: indexer/services/comlink/src/config.ts); other programs on this machine may need some."""
HISTORY_QUESTIONS_MAX = 4
"""So many at once: hundreds of markets ask for two days each at the start, and nothing else may wait for that."""
PAGE_ITEMS_MAX = 1000
"""The indexer's own limit for one answer."""
PAGES_MAX = 200
MINUTE = timedelta(minutes=1)


class IndexerRest:
    """Questions to the indexer. All raise `VenueError`: nobody there, no answer in time, or refused."""

    def __init__(
        self,
        rest_url: str,
        answer_seconds_max: float,
        *,
        attempts_max: int = ATTEMPTS_MAX,
        page_items_max: int = PAGE_ITEMS_MAX,
    ) -> None:
        self._url = rest_url.rstrip("/")
        self._attempts_max, self._page_items_max = attempts_max, page_items_max
        local = httpx.URL(rest_url).host in ("127.0.0.1", "localhost", "::1")
        self._http = httpx.AsyncClient(timeout=answer_seconds_max, verify=not local, trust_env=not local)
        self._answer_seconds_max = answer_seconds_max
        self._history = asyncio.Semaphore(HISTORY_QUESTIONS_MAX)
        self._asked: dict[str, deque[float]] = {group: deque() for group in REQUESTS_MAX}
        metrics.watch_requests(self._asked, REQUESTS_MAX, WINDOW_SECONDS)
        vendor: Any = IndexerClient(self._url, answer_seconds_max)  # untyped
        self._markets, self._account, self._utility = vendor.markets, vendor.account, vendor.utility
        for module in (self._markets, self._account, self._utility):
            module.get = self._get

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # ------------------------------------------------------------------------------------------------- questions

    async def height(self) -> Height:
        """The newest block that the indexer has processed."""
        return _read(await self._utility.get_height(), reading.height)

    async def markets(self, unreadable: list[Unreadable]) -> tuple[Market, ...]:
        """Every perpetual market that can be read."""
        found = _read(await self._markets.get_perpetual_markets(), reading.markets)
        unreadable += [one for one in found if isinstance(one, Unreadable)]
        return tuple(one for one in found if isinstance(one, Market))

    async def order_book(self, ticker: str) -> BookSnapshot:
        raw = await self._markets.get_perpetual_market_orderbook(ticker)
        return _read(raw, lambda answer: reading.book_snapshot(answer, ticker))

    async def candles(
        self,
        ticker: str,
        start: datetime,
        end: datetime,
        resolution: str = MINUTE_RESOLUTION,
        unreadable: list[Unreadable] | None = None,
    ) -> tuple[CandleSeen, ...]:
        """Candles that begin in [start, end), oldest first; a minute without trades has none.

        The newest may still be forming. Asked for in pieces that one answer can hold.
        """
        found: dict[datetime, CandleSeen] = {}
        piece = (MINUTE if resolution == MINUTE_RESOLUTION else timedelta(days=1)) * self._page_items_max
        while start < end:
            until = min(start + piece, end)
            async with self._history:
                raw = await self._markets.get_perpetual_market_candles(ticker, resolution, _iso(start), _iso(until))
            rows = partial(rows_of, name="candles", kind=reading.CANDLE, read=reading.candle, unreadable=unreadable)
            for candle in _read(raw, rows):
                if start <= candle.started_at < until:
                    found[candle.started_at] = candle
            start = until
        return tuple(found[at] for at in sorted(found))

    async def historical_funding(self, ticker: str, items_max: int = 100) -> tuple[HistoricalFunding, ...]:
        """The funding rates of past hours, newest first."""
        raw = await self._markets.get_perpetual_market_historical_funding(ticker, limit=items_max)
        unreadable: list[Unreadable] = []
        rows = partial(
            rows_of, name="historicalFunding", kind=reading.FUNDING_RATE, read=reading.historical_funding,
            unreadable=unreadable,
        )  # fmt: skip
        return _read(raw, rows)

    async def subaccount(self, address: str, number: int) -> Subaccount | None:
        """A subaccount; None = the indexer says that it has never held anything."""
        raw = await self._or_none(self._account.get_subaccount(address, number))
        if raw is None:
            return None
        return _read(raw, lambda answer: reading.subaccount(Fields(answer, "answer").raw("subaccount")))

    async def orders(
        self,
        address: str,
        number: int,
        *,
        statuses: Iterable[str] = (),
        ticker: str | None = None,
        unreadable: list[Unreadable] | None = None,
    ) -> tuple[OrderSeen, ...]:
        """Orders of a subaccount, latest good-til first: all of the given statuses, or the last 1000 of any.

        Raises `VenueUnavailableError` when orders of the given statuses do not fit into one answer.
        """
        status = ",".join(statuses)
        raw = await self._account.get_subaccount_orders(
            address,
            number,
            ticker=ticker,
            status=status or None,
            limit=self._page_items_max,
            return_latest_orders="true",
        )
        found = _read(
            raw,
            lambda answer: each_of(list_of(answer, "orders"), reading.ORDER, reading.order, unreadable, ticker or ""),
        )
        if status and len(raw) >= self._page_items_max:
            raise VenueUnavailableError(f"more than {len(found)} orders are {status}: the indexer shows no more")
        return found

    async def order(self, order_id: str, unreadable: list[Unreadable] | None = None) -> OrderSeen | None:
        """One order by the indexer's uuid; None = the indexer says that it has none, or it is among the unreadable."""
        raw = await self._or_none(self._account.get_order(order_id))
        if raw is None:
            return None
        return next(iter(_read(raw, lambda answer: each_of([answer], reading.ORDER, reading.order, unreadable))), None)

    async def fills(
        self, address: str, number: int, *, after_height: int = 0, unreadable: list[Unreadable] | None = None
    ) -> tuple[FillSeen, ...]:
        """Every fill of a subaccount from `after_height` on (that height included), oldest first."""

        async def page(before_height: int | None) -> Any:
            return await self._account.get_subaccount_fills(
                address, number, limit=self._page_items_max, created_before_or_at_height=before_height
            )

        rows: list[Unreadable] = []
        read = partial(rows_of, name="fills", kind=reading.FILL, read=reading.fill, unreadable=rows)
        found = await self._by_height(page, "fills", read, after_height, lambda fill: (fill.height, fill.id))
        rows = [row for row in rows if row.height is None or row.height >= after_height]
        if unreadable is None and rows:
            raise VenueUnavailableError(f"the indexer's answer makes no sense: {rows[0].reason}")
        if unreadable is not None:
            unreadable += rows
        return tuple(sorted(found, key=lambda fill: fill.height))

    async def transfers(self, address: str, number: int, *, after_height: int = 0) -> tuple[Transfer, ...]:
        """Every transfer of a subaccount from `after_height` on (that height included), oldest first."""

        async def page(before_height: int | None) -> Any:
            return await self._account.get_subaccount_transfers(
                address, number, limit=self._page_items_max, created_before_or_at_height=before_height
            )

        read = partial(rows_of, name="transfers", kind=reading.TRANSFER, read=reading.transfer, unreadable=None)
        found = await self._by_height(
            page, "transfers", read, after_height, lambda transfer: (transfer.height, transfer.id)
        )
        return tuple(sorted(found, key=lambda transfer: transfer.height))

    async def funding_payments(
        self, address: str, number: int, *, after: datetime | None = None, unreadable: list[Unreadable] | None = None
    ) -> tuple[FundingPayment, ...]:
        """Every funding payment of a subaccount since `after`, oldest first.

        Pages are newest first: a payment that comes in between moves others to the next page, where they are met twice.
        """
        found: dict[tuple[str, datetime], FundingPayment] = {}
        for page in range(1, PAGES_MAX + 1):
            raw = await self._account.get_funding_payments(
                address,
                number,
                limit=self._page_items_max,
                after_or_at=_iso(after) if after is not None else None,
                page=page,
            )
            kind, name = reading.FUNDING, "fundingPayments"
            read = partial(rows_of, name=name, kind=kind, read=reading.funding_payment, unreadable=unreadable)
            found |= {(item.ticker, item.at): item for item in _read(raw, read)}
            if len(raw[name]) < self._page_items_max:
                return tuple(sorted(found.values(), key=lambda item: (item.at, item.ticker)))
        raise VenueUnavailableError(f"more than {PAGES_MAX} pages of funding payments")

    # --------------------------------------------------------------------------------------------------- details

    async def _by_height(
        self,
        page: Callable[[int | None], Awaitable[Any]],
        name: str,
        read: Callable[[object], tuple[T, ...]],
        after_height: int,
        place: Callable[[T], tuple[int, str]],
    ) -> list[T]:
        """Go back page by page, newest first, until `after_height`; each page begins with the height the last ended in.

        So what came meanwhile moves nothing out of sight, and what is met twice counts once.
        """
        found: dict[tuple[int, str], T] = {}
        before: int | None = None
        for _ in range(PAGES_MAX):
            raw = await page(before)
            items = _read(raw, read)
            found |= {place(item): item for item in items}
            if len(raw[name]) < self._page_items_max:
                break
            if not items:
                raise VenueUnavailableError(f"a whole page of {name} makes no sense")
            lowest = min(place(item)[0] for item in items)
            if lowest < after_height:
                break
            if lowest == before:
                raise VenueUnavailableError(f"block {lowest} has more {name} than the indexer shows at once")
            before = lowest
        else:
            raise VenueUnavailableError(f"more than {PAGES_MAX} pages of {name}")
        return [item for key, item in found.items() if key[0] >= after_height]

    async def _or_none(self, answer: Awaitable[Any]) -> Any:
        """The answer, or None for the indexer's own "there is none": a 404 of anybody else is an error."""
        try:
            return await answer
        except VenueRefusedError as error:
            if error.code == "404" and error.text.startswith(_OWN_WORDS):
                return None
            raise

    async def _get(self, request_path: str, params: dict[str, Any] | None = None) -> Any:
        """What the library's modules call for every question: again after a failure that may pass."""
        url = f"{self._url}{generate_query_path(request_path, params or {})}"
        delay_seconds = RETRY_DELAY_SECONDS
        for attempt in range(1, self._attempts_max + 1):
            try:
                with metrics.one_call(metrics.INDEXER):
                    return await self._once(url, request_path)
            except (VenueError, _RateLimitedError) as error:
                limited = isinstance(error, _RateLimitedError)
                last = attempt == self._attempts_max
                if isinstance(error, VenueRefusedError) or (last and not limited):
                    raise
                if limited and last:
                    raise VenueRefusedError("429", f"too many requests to {request_path}") from error
                wait_seconds = max(delay_seconds, getattr(error, "after_seconds", 0.0))
                await asyncio.sleep(min(wait_seconds, RETRY_AFTER_SECONDS_MAX))
                delay_seconds *= 2
        raise AssertionError("at least one attempt")

    async def _once(self, url: str, request_path: str) -> Any:
        group = request_path.removeprefix("/v4/").partition("/")[0]
        await self._turn(group if group in REQUESTS_MAX else "")
        if self._http.is_closed:
            raise VenueUnavailableError("the gateway stops")
        try:
            async with asyncio.timeout(self._answer_seconds_max):
                response = await self._http.get(url)
        except (TimeoutError, httpx.TimeoutException):
            raise VenueTimeoutError("no complete answer of the indexer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise VenueUnavailableError(f"the indexer can not be reached: {error or type(error).__name__}") from error
        if response.status_code == 429:
            metrics.count_error(metrics.INDEXER, "limited")
            raise _RateLimitedError(_retry_after_seconds(response.headers.get("Retry-After", "")))
        if response.status_code >= 500:
            raise VenueUnavailableError(f"the indexer answers {response.status_code}")
        if response.status_code != 200:
            raise VenueRefusedError(str(response.status_code), _refusal(response))
        try:
            return json.loads(response.content, parse_float=Decimal)
        except ValueError:
            raise VenueUnavailableError("the indexer's answer is not JSON") from None

    async def _turn(self, group: str) -> None:
        """Wait until one more question of a group may be asked."""
        asked = self._asked[group]
        while True:
            now = time.monotonic()
            while asked and now - asked[0] >= WINDOW_SECONDS:
                asked.popleft()
            if len(asked) < REQUESTS_MAX[group]:
                asked.append(now)
                return
            await asyncio.sleep(WINDOW_SECONDS - (now - asked[0]))


class _RateLimitedError(Exception):
    """The indexer answers 429."""

    def __init__(self, after_seconds: float) -> None:
        self.after_seconds = after_seconds
        super().__init__(f"again after {after_seconds} s")


_OWN_WORDS = "the indexer says: "


def _refusal(response: httpx.Response) -> str:
    """The indexer's own words (`{errors: [{msg}]}`) behind `_OWN_WORDS`; else what little is known."""
    try:
        errors = response.json()["errors"]
        return _OWN_WORDS + "; ".join(str(error["msg"]) for error in errors)
    except (ValueError, KeyError, TypeError):
        return f"{response.url.path} is refused with {response.status_code}"


def _retry_after_seconds(text: str) -> float:
    """The indexer writes milliseconds where HTTP has seconds."""
    return int(text) / 1000 if text.isascii() and text.isdigit() else 1.0


def _read(raw: Any, read: Callable[[Any], T]) -> T:
    """Read an answer; one that makes no sense has failed."""
    try:
        return read(raw)
    except TranslationError as error:
        VENUE_UNDECODABLE.labels(VENUE, metrics.INDEXER).inc()
        raise VenueUnavailableError(f"an answer of the indexer makes no sense: {error}") from error


def _iso(at: datetime) -> str:
    """A time for a query: with Z, since the library leaves a `+` as it is."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
