"""What the node answers about markets, prices and limits, in the protocol's messages.

Owns the clob, perpetuals and prices query services. It must not know accounts or gRPC's server.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import grpc
from google.protobuf.message import Message
from v4_proto.dydxprotocol.clob import query_pb2 as clob
from v4_proto.dydxprotocol.clob.clob_pair_pb2 import ClobPair, PerpetualClobMetadata
from v4_proto.dydxprotocol.perpetuals import query_pb2 as perpetuals
from v4_proto.dydxprotocol.prices import query_pb2 as prices

from simulators.dydx import leverage
from simulators.dydx.chain import Chain
from simulators.dydx.margin import EQUITY_TIERS
from simulators.dydx.orders import protocol_order, uuid_of
from simulators.dydx.rate_limits import SHORT_TERM_LIMITS, STATEFUL_LIMITS
from simulators.dydx.records import ChainMarket

PRICE_DIGITS = 12
_PPM = Decimal(1_000_000)


class QueryError(Exception):
    """A query that has no answer: gRPC's status, and a sentence."""

    def __init__(self, status: grpc.StatusCode, text: str) -> None:
        self.status, self.text = status, text
        super().__init__(text)


class MarketQueries:
    """Answers queries about the markets of one chain; a market's ids (clob pair, perpetual, price) are the same."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def answers(self) -> dict[str, tuple[type[Any], Callable[[Any], Message]]]:
        """Return the request type and the answer of every method, by its full name."""
        return {
            "/dydxprotocol.clob.Query/ClobPair": (clob.QueryGetClobPairRequest, self._clob_pair),
            "/dydxprotocol.clob.Query/ClobPairAll": (clob.QueryAllClobPairRequest, self._clob_pair_all),
            "/dydxprotocol.clob.Query/EquityTierLimitConfiguration": (
                clob.QueryEquityTierLimitConfigurationRequest,
                self._equity_tiers,
            ),
            "/dydxprotocol.clob.Query/BlockRateLimitConfiguration": (
                clob.QueryBlockRateLimitConfigurationRequest,
                self._rate_limits,
            ),
            "/dydxprotocol.clob.Query/StatefulOrder": (clob.QueryStatefulOrderRequest, self._stateful_order),
            leverage.METHOD: (leverage.LeverageRequest, self._leverage),
            "/dydxprotocol.perpetuals.Query/Perpetual": (perpetuals.QueryPerpetualRequest, self._perpetual),
            "/dydxprotocol.perpetuals.Query/AllPerpetuals": (perpetuals.QueryAllPerpetualsRequest, self._perpetual_all),
            "/dydxprotocol.perpetuals.Query/AllLiquidityTiers": (
                perpetuals.QueryAllLiquidityTiersRequest,
                self._liquidity_tiers,
            ),
            "/dydxprotocol.prices.Query/MarketPrice": (prices.QueryMarketPriceRequest, self._price),
            "/dydxprotocol.prices.Query/AllMarketPrices": (prices.QueryAllMarketPricesRequest, self._price_all),
        }

    def _market(self, number: int) -> ChainMarket:
        market = self._chain.book.market(number)
        if market is None:
            raise QueryError(grpc.StatusCode.NOT_FOUND, "not found")
        return market

    # -------------------------------------------------------------------------------------------------------- clob

    def _clob_pair(self, request: Any) -> Message:
        return _message(clob.QueryClobPairResponse(clob_pair=_pair(self._market(request.id))))

    def _clob_pair_all(self, _: Any) -> Message:
        response = clob.QueryClobPairAllResponse(clob_pair=[_pair(each) for each in self._chain.markets])
        response.pagination.total = len(self._chain.markets)
        return _message(response)

    def _equity_tiers(self, _: Any) -> Message:
        response = clob.QueryEquityTierLimitConfigurationResponse()
        for least, limit in EQUITY_TIERS:
            tier = response.equity_tier_limit_config.stateful_order_equity_tiers.add(limit=limit)
            quantums = int(least * _PPM)
            tier.usd_tnc_required = bytes([2]) + quantums.to_bytes((quantums.bit_length() + 7) // 8, "big")
        return _message(response)

    def _rate_limits(self, _: Any) -> Message:
        response = clob.QueryBlockRateLimitConfigurationResponse()
        config = response.block_rate_limit_config
        for each in SHORT_TERM_LIMITS:
            config.max_short_term_orders_and_cancels_per_n_blocks.add(limit=each.limit, num_blocks=each.blocks)
        for each in STATEFUL_LIMITS:
            config.max_stateful_orders_per_n_blocks.add(limit=each.limit, num_blocks=each.blocks)
        return _message(response)

    def _stateful_order(self, request: Any) -> Message:
        order = self._chain.state.orders.get(uuid_of(request.order_id))
        if order is None or order.is_short_term or not order.is_working:
            raise QueryError(grpc.StatusCode.NOT_FOUND, "not found")
        response = clob.QueryStatefulOrderResponse(fill_amount=order.filled, triggered=order.triggered)
        response.order_placement.order.CopyFrom(protocol_order(order))
        response.order_placement.placement_index.block_height = order.created_at_height
        return _message(response)

    def _leverage(self, request: Any) -> Message:
        response = leverage.LeverageResponse()
        chosen = self._chain.book.leverage.get((request.owner, request.number), {})
        for ticker, ppm in chosen.items():
            pair = self._chain.book.markets[ticker].clob_pair_id
            response.clob_pair_leverage.add(clob_pair_id=pair, custom_imf_ppm=ppm)
        return _message(response)

    # -------------------------------------------------------------------------------------------------- perpetuals

    def _perpetual(self, request: Any) -> Message:
        response = perpetuals.QueryPerpetualResponse()
        self._write_perpetual(response.perpetual, self._market(request.id))
        return _message(response)

    def _perpetual_all(self, _: Any) -> Message:
        response = perpetuals.QueryAllPerpetualsResponse()
        for market in self._chain.markets:
            self._write_perpetual(response.perpetual.add(), market)
        response.pagination.total = len(response.perpetual)
        return _message(response)

    def _write_perpetual(self, message: Any, market: ChainMarket) -> None:
        message.params.id = message.params.market_id = market.clob_pair_id
        message.params.ticker, message.params.atomic_resolution = market.ticker, market.atomic_resolution
        message.params.liquidity_tier = self._tiers().index(self._tier(market))
        message.params.market_type = 1

    def _tier(self, market: ChainMarket) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        interest = self._chain.interest(market.ticker)
        return (*_margins(market), interest.lower_cap, interest.upper_cap)

    def _tiers(self) -> list[tuple[Decimal, Decimal, Decimal, Decimal]]:
        return list(dict.fromkeys(self._tier(market) for market in self._chain.markets))

    def _liquidity_tiers(self, _: Any) -> Message:
        response = perpetuals.QueryAllLiquidityTiersResponse()
        for number, (initial, maintenance, lower_cap, upper_cap) in enumerate(self._tiers()):
            response.liquidity_tiers.add(
                id=number,
                name=f"{initial.normalize()}",
                initial_margin_ppm=int(initial * _PPM),
                maintenance_fraction_ppm=int(maintenance / initial * _PPM),
                open_interest_lower_cap=int(lower_cap * _PPM),
                open_interest_upper_cap=int(upper_cap * _PPM),
            )
        return _message(response)

    # ------------------------------------------------------------------------------------------------------ prices

    def _price(self, request: Any) -> Message:
        response = prices.QueryMarketPriceResponse()
        self._write_price(response.market_price, self._market(request.id))
        return _message(response)

    def _price_all(self, _: Any) -> Message:
        response = prices.QueryAllMarketPricesResponse()
        for market in self._chain.markets:
            self._write_price(response.market_prices.add(), market)
        response.pagination.total = len(response.market_prices)
        return _message(response)

    def _write_price(self, message: Any, market: ChainMarket) -> None:
        price = self._chain.oracle_price(market.ticker)
        exponent = price.adjusted() - PRICE_DIGITS + 1
        message.id, message.exponent, message.price = market.clob_pair_id, exponent, int(price.scaleb(-exponent))


def _pair(market: ChainMarket) -> Any:
    return ClobPair(
        id=market.clob_pair_id,
        perpetual_clob_metadata=PerpetualClobMetadata(perpetual_id=market.clob_pair_id),
        step_base_quantums=market.step_base_quantums,
        subticks_per_tick=market.subticks_per_tick,
        quantum_conversion_exponent=market.quantum_conversion_exponent,
        status=ClobPair.Status.STATUS_ACTIVE,
    )


def _margins(market: ChainMarket) -> tuple[Decimal, Decimal]:
    return market.initial_margin_fraction, market.maintenance_margin_fraction


def _message(message: Any) -> Message:
    assert isinstance(message, Message)
    return message
