"""The REST API on HTTP: paths, status codes, headers.

Owns how a question comes in and its answer goes out. It must not know what the answers hold.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from simulators.dydx.garbling import Garbling
from simulators.dydx.rest_accounts import AccountAnswers
from simulators.dydx.rest_history import HistoryAnswers
from simulators.dydx.rest_limits import RestLimits
from simulators.dydx.rest_markets import MarketAnswers
from simulators.dydx.rest_others import OtherAnswers
from simulators.dydx.rest_query import NotFoundError, Query, RefusedQueryError

log = logging.getLogger(__name__)

Answer = Callable[[Query], Any]

_CACHED = "public, max-age=1"
_CACHED_LONGER = "public, max-age=10"
_NOT_CACHED = "no-cache, no-store, no-transform"
_CORS_METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE"


class RestApi:
    """Answers GET requests under /v4."""

    def __init__(
        self,
        markets: MarketAnswers,
        accounts: AccountAnswers,
        history: HistoryAnswers,
        others: OtherAnswers,
        rest_limit: int,
        garbling: Garbling | None = None,
    ) -> None:
        self.garbling = garbling or Garbling()
        self.limits = RestLimits(rest_limit, time.monotonic, time.time)
        self._markets, self._accounts, self._history, self._others = markets, accounts, history, others
        self._refusing_count, self._refusing_status = 0, 0

    def refuse(self, count: int, status: int) -> None:
        """Answer the next `count` requests with `status`."""
        self._refusing_count, self._refusing_status = count, status

    def routes(self) -> list[web.RouteDef]:
        """Every path."""
        made = []
        for path, group, cache, answer in (*self._market_paths(), *self._account_paths(), *self._other_paths()):
            made.append(web.get(f"/v4{path}", self._served(group, cache, answer)))
        return made

    def _market_paths(self) -> tuple[tuple[str, str, str, Answer], ...]:
        markets = self._markets
        return (
            ("/height", "default", "", markets.height),
            ("/time", "default", _NOT_CACHED, markets.time),
            ("/screen", "default", "", markets.screen),
            ("/compliance/screen/{address}", "default", "", markets.compliance),
            ("/perpetualMarkets", "default", _CACHED, markets.perpetual_markets),
            ("/sparklines", "sparklines", _CACHED_LONGER, markets.sparklines),
            ("/perpetualMarketSparklines", "sparklines", _CACHED_LONGER, markets.sparklines),
            ("/historicalFunding/{ticker}", "default", _CACHED_LONGER, markets.historical_funding),
            ("/orderbooks/perpetualMarket/{ticker}", "default", _CACHED, markets.book),
            ("/trades/perpetualMarket/{ticker}", "default", _CACHED, markets.trades),
            ("/candles/perpetualMarkets/{ticker}", "candles", _CACHED, markets.candles),
        )

    def _account_paths(self) -> tuple[tuple[str, str, str, Answer], ...]:
        accounts, history = self._accounts, self._history
        address = "/addresses/{address}"
        return (
            (address, "default", _CACHED, accounts.address),
            (address + "/subaccountNumber/{subaccountNumber}", "default", _CACHED, accounts.subaccount),
            (
                address + "/parentSubaccountNumber/{parentSubaccountNumber}",
                "default",
                _CACHED,
                accounts.parent_subaccount,
            ),
            ("/assetPositions", "default", _CACHED, accounts.asset_positions),
            ("/assetPositions/parentSubaccountNumber", "default", _CACHED, accounts.parent_asset_positions),
            ("/perpetualPositions", "default", _CACHED, accounts.perpetual_positions),
            ("/perpetualPositions/parentSubaccountNumber", "default", _CACHED, accounts.parent_perpetual_positions),
            ("/orders", "orders", _CACHED, accounts.orders),
            ("/orders/parentSubaccountNumber", "orders", _CACHED, accounts.parent_orders),
            ("/orders/{orderId}", "orders", _CACHED, accounts.order),
            ("/fills", "fills", _CACHED, history.fills),
            # The published description says parentSubaccount, the indexer serves parentSubaccountNumber.
            ("/fills/parentSubaccount", "fills", _CACHED, history.parent_fills),
            ("/fills/parentSubaccountNumber", "fills", _CACHED, history.parent_fills),
            ("/tradeHistory", "fills", _CACHED, history.trade_history),
            ("/tradeHistory/parentSubaccountNumber", "fills", _CACHED, history.parent_trade_history),
            ("/transfers", "default", _CACHED, history.transfers),
            ("/transfers/parentSubaccountNumber", "default", _CACHED, history.parent_transfers),
            ("/transfers/between", "default", _CACHED, history.transfers_between),
            ("/fundingPayments", "funding", _CACHED_LONGER, history.funding_payments),
            ("/fundingPayments/parentSubaccount", "funding", _CACHED_LONGER, history.parent_funding_payments),
            ("/fundingPayments/parentSubaccountNumber", "funding", _CACHED_LONGER, history.parent_funding_payments),
            ("/historical-pnl", "historical-pnl", _CACHED_LONGER, history.historical_pnl),
            (
                "/historical-pnl/parentSubaccountNumber",
                "historical-pnl",
                _CACHED_LONGER,
                history.parent_historical_pnl,
            ),
            ("/pnl", "pnl", _CACHED_LONGER, history.pnl),
            ("/pnl/parentSubaccountNumber", "pnl", _CACHED_LONGER, history.parent_pnl),
        )

    def _other_paths(self) -> tuple[tuple[str, str, str, Answer], ...]:
        history, others = self._history, self._others
        return (
            (
                "/historicalBlockTradingRewards/{address}",
                "default",
                _CACHED_LONGER,
                history.block_trading_rewards,
            ),
            (
                "/historicalTradingRewardAggregations/{address}",
                "default",
                _CACHED_LONGER,
                history.trading_reward_aggregations,
            ),
            ("/affiliates/metadata", "default", "no-cache", others.affiliate_metadata),
            ("/affiliates/address", "default", _CACHED_LONGER, others.affiliate_address),
            ("/affiliates/snapshot", "default", _CACHED_LONGER, others.affiliate_snapshot),
            ("/affiliates/total_volume", "default", _CACHED_LONGER, others.affiliate_total_volume),
            ("/vault/v1/megavault/historicalPnl", "default", _CACHED_LONGER, others.megavault_pnl),
            ("/vault/v1/vaults/historicalPnl", "default", _CACHED_LONGER, others.vaults_pnl),
            ("/vault/v1/megavault/positions", "default", _CACHED_LONGER, others.megavault_positions),
            ("/trader/search", "default", _CACHED_LONGER, others.trader_search),
        )

    def _served(self, group: str, cache: str, answer: Answer) -> Callable[[web.Request], Any]:
        async def serve(request: web.Request) -> web.Response:
            verdict = self.limits.take(request.remote or "", group)
            headers = dict(verdict.headers)
            if not verdict.passes:
                return reply({"errors": [{"msg": "Too many requests"}]}, 429, headers)
            if self._refusing_count:
                self._refusing_count -= 1
                reason = HTTPStatus(self._refusing_status).phrase
                return reply({"errors": [{"msg": reason}]}, self._refusing_status, headers)
            if cache:
                headers["Cache-Control"] = cache
            try:
                told = answer(Query(request.match_info, request.query))
                return reply(self.garbling.applied(told, request.match_info.get("ticker", "")), 200, headers)
            except RefusedQueryError as error:
                return reply({"errors": error.errors}, 400, headers)
            except NotFoundError as error:
                return reply({"errors": [{"msg": str(error)}]}, 404, headers)
            except Exception:  # the outer edge: one request fails, the simulator goes on
                log.exception("GET %s failed", request.path_qs)
                return reply({"errors": [{"msg": "Internal Server Error"}]}, 500, headers)

        return serve


def reply(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Make a JSON reply that any web page may read."""
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers={"Access-Control-Allow-Origin": "*", **(headers or {})},
    )


async def not_found(request: web.Request) -> web.Response:
    """Answer a path that does not exist, and a browser's question of what a page may ask."""
    if request.method == "OPTIONS":
        asked = request.headers.get("Access-Control-Request-Headers", "")
        allowed = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": _CORS_METHODS}
        return web.Response(headers=allowed | ({"Access-Control-Allow-Headers": asked} if asked else {}))
    return reply({"error": "Not Found", "errorCode": 404}, 404)
