"""The REST answers about the chain's head and its markets.

Owns which market data answers which path. It must not know of subaccounts, HTTP or the websocket.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from simulators.dydx import shapes_markets
from simulators.dydx.candles import RESOLUTIONS, Candles
from simulators.dydx.indexer_view import IndexerView
from simulators.dydx.order_book import Book, book_of
from simulators.dydx.records import ChainMarket
from simulators.dydx.rest_pages import Page, page_of
from simulators.dydx.rest_query import NotFoundError, Query, RefusedQueryError
from simulators.dydx.shapes import Json, iso, text
from simulators.dydx.shapes_markets import DayFigures, book_levels, candle_json, trade_json
from simulators.dydx.trades import Tape, Trade
from simulators.world import World

DAY_FIGURES_KEPT = timedelta(seconds=60)
"""Desk time for which the figures of the last 24 hours are shown before they are worked out anew."""

DAY_FIGURES_AT_ONCE_MAX = 16
"""So many are worked out for one answer: a day of hundreds of markets would have the chain stand still for seconds."""

_DAY = timedelta(days=1)
_NO_DAY = DayFigures(Decimal(0), Decimal(0), 0)
_SPARKLINES = {"ONE_DAY": ("1HOUR", timedelta(days=1)), "SEVEN_DAYS": ("4HOURS", timedelta(days=7))}


class MarketAnswers:
    """Answers questions about markets from the indexer's view and the world."""

    def __init__(self, view: IndexerView, world: World, candles: Candles, tape: Tape) -> None:
        self._view, self._world, self._candles, self._tape = view, world, candles, tape
        self.apart_ticks: dict[str, int] = {}
        """By ticker, how much wider the book's spread is than the quote's, on each side."""
        self._days: dict[str, tuple[datetime, DayFigures]] = {}

    # ----------------------------------------------------------------------------------------------------- the head

    def height(self, _: Query) -> Json:
        """The indexer's own height, which may be behind the chain's."""
        return {"height": str(self._view.height), "time": iso(self._view.time)}

    def time(self, _: Query) -> Json:
        """The desk's time."""
        now = self._world.now()
        return {"iso": iso(now), "epoch": round(now.timestamp(), 3)}

    def screen(self, query: Query) -> Json:
        """Nobody is restricted here."""
        query.address(message="address must be a valid address")
        query.check()
        return {"restricted": False}

    def compliance(self, query: Query) -> Json:
        """Everybody is compliant here."""
        query.address(message="address must be a valid address")
        query.check()
        return {"status": "COMPLIANT"}

    # ------------------------------------------------------------------------------------------------------ markets

    def perpetual_markets(self, query: Query) -> Json:
        """All markets, or one by `ticker` or `market`."""
        limit = query.limit()
        ticker, market = query.ticker(self._view.markets), query.ticker(self._view.markets, "market")
        query.check()
        if ticker and market:
            raise RefusedQueryError([{"msg": "Only one of ticker or market may be provided"}])
        chosen = [ticker or market] if ticker or market else list(self._view.markets)[:limit]
        self._refresh_days([each for each in chosen if each])
        return {"markets": {each: self.market(self._view.markets[each]) for each in chosen if each}}

    def market(self, market: ChainMarket) -> Json:
        """One market as it stands."""
        return shapes_markets.market(
            market,
            None if market.ticker in self._view.withheld_prices else self._view.oracle_prices[market.ticker],
            self._view.next_funding_rate(market.ticker),
            self._view.open_interest(market.ticker),
            self._view.interest(market.ticker),
            self._day(market.ticker),
        )

    def trading(self) -> Json:
        """What of every market may change, as the websocket's `trading` has it."""
        self._refresh_days(list(self._view.markets))
        return {ticker: self.market(market) for ticker, market in self._view.markets.items()}

    def sparklines(self, query: Query) -> Json:
        """The closes of a day or a week, newest first."""
        period = query.choice(
            "timePeriod",
            _SPARKLINES,
            f"timePeriod must be a valid Time Period, one of {','.join(_SPARKLINES)}",
            required=True,
        )
        query.check()
        resolution, lookback = _SPARKLINES[period or "ONE_DAY"]
        since = self._world.now() - lookback
        return {
            ticker: [text(each.close) for each in self._candles.last(ticker, resolution, 1000, since)]
            for ticker in self._view.markets
        }

    def historical_funding(self, query: Query) -> Json:
        """The funding rates of past hours, newest first."""
        ticker, limit = query.ticker(self._view.markets, required=True), query.limit()
        height, at = query.height("effectiveBeforeOrAtHeight"), query.time("effectiveBeforeOrAt")
        query.check()
        found = [
            rate
            for rate in reversed(self._view.funding_rates)
            if rate.ticker == ticker
            and (height is None or rate.effective_at_height <= height)
            and (at is None or rate.effective_at <= at)
        ]
        return {"historicalFunding": [shapes_markets.funding_rate(rate) for rate in found[:limit]]}

    # ---------------------------------------------------------------------------------------------------- the book

    def book(self, query: Query) -> Json:
        """The levels around the world's quote; never crossed, because the indexer uncrosses it for REST."""
        ticker = query.text("ticker")
        query.check()
        market = self._view.markets.get(ticker)
        if market is None:
            raise NotFoundError(f"{ticker} not found in markets of type PERPETUAL")
        return book_levels(self.present_book(market))

    def present_book(self, market: ChainMarket, *, crossed: bool = False) -> Book:
        """Return the book of a market now; empty before its first quote."""
        quote = self._world.quote(market.ticker)
        apart_ticks = self.apart_ticks.get(market.ticker, 0)
        return Book() if quote is None else book_of(quote, market, crossed=crossed, apart_ticks=apart_ticks)

    # ------------------------------------------------------------------------------------------- trades and candles

    def trades(self, query: Query) -> Json:
        """The market's trades, newest first; with `page` oldest first, as the indexer pages."""
        ticker, limit, page = query.ticker(self._view.markets, required=True), query.limit(), query.page()
        height, at = query.height("createdBeforeOrAtHeight"), query.time("createdBeforeOrAt")
        query.check()
        found = [
            trade
            for trade in self._tape.last(ticker or "")
            if (height is None or trade.height <= height) and (at is None or trade.at <= at)
        ]
        shown: Page[Trade] = page_of(found, limit, page)
        return {"trades": [trade_json(each) for each in shown.items], **shown.figures}

    def candles(self, query: Query) -> Json:
        """Candles, newest first, that start in [fromISO, toISO)."""
        ticker, limit = query.ticker(self._view.markets, required=True), query.limit()
        resolution = query.choice(
            "resolution",
            RESOLUTIONS,
            f"resolution must be a valid Candle Resolution, one of {','.join(RESOLUTIONS)}",
            required=True,
        )
        begin, end = query.time("fromISO"), query.time("toISO")
        query.check()
        found = self._candles.last(ticker or "", resolution or "", limit, begin, end)
        return {"candles": [candle_json(each, with_id=True) for each in found]}

    # ------------------------------------------------------------------------------------------------------ figures

    def _day(self, ticker: str) -> DayFigures:
        return self._days[ticker][1] if ticker in self._days else _NO_DAY

    def _refresh_days(self, tickers: list[str]) -> None:
        """Work out the figures that are too old, the oldest first."""
        now = self._world.now()
        never = datetime.min.replace(tzinfo=UTC)
        known_at = {ticker: self._days[ticker][0] if ticker in self._days else never for ticker in tickers}
        old = [ticker for ticker in tickers if known_at[ticker] is never or now - known_at[ticker] >= DAY_FIGURES_KEPT]
        for ticker in sorted(old, key=known_at.__getitem__)[:DAY_FIGURES_AT_ONCE_MAX]:
            self._days[ticker] = (now, self._fresh_day(ticker, now))

    def _fresh_day(self, ticker: str, now: datetime) -> DayFigures:
        hours = self._candles.last(ticker, "1HOUR", 25, now - _DAY)
        if not hours:
            return _NO_DAY
        volume = sum((each.volume_usd for each in hours), Decimal(0))
        return DayFigures(hours[0].close - hours[-1].open, volume, sum(each.trades for each in hours))
