"""The callbacks of what only options, and prices with several ticks, have; each turned into a fact.

Owns the reading of those. It keeps nothing and decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway_ibkr.facts import ChainSeen, OptionTickSeen, PriceStepSeen
from gateway_ibkr.translate import UNSET_DOUBLE

if TYPE_CHECKING:
    from gateway_ibkr.venue import Session

MARKET_RULE = -7
"""Key of a request that carries no id on the wire, beside those of `venue_callbacks`."""


def _computed(value: float, absent: int) -> float | None:
    """IBKR's own client reads -1, or -2 where -1 is possible, and "unset" as not computed (`ibapi.decoder`)."""
    return None if value in (absent, UNSET_DOUBLE) else value


class OptionCallbacks:
    """Part of what the library calls `wrapper`. The names of the methods are the library's."""

    _session: Session

    def marketRule(self, marketRuleId: int, priceIncrements: list[Any]) -> None:
        for each in priceIncrements:
            self._session.item(MARKET_RULE, PriceStepSeen(low_edge=each.lowEdge, increment=each.increment))
        self._session.end(MARKET_RULE)

    def securityDefinitionOptionParameter(
        self,
        reqId: int,
        exchange: str,
        underlyingConId: str,
        tradingClass: str,
        multiplier: str,
        expirations: list[str],
        strikes: list[float],
    ) -> None:
        self._session.item(
            reqId,
            ChainSeen(
                exchange=exchange,
                trading_class=tradingClass,
                multiplier=multiplier,
                expirations=tuple(expirations),
                strikes=tuple(strikes),
            ),
        )

    def securityDefinitionOptionParameterEnd(self, reqId: int) -> None:
        self._session.end(reqId)

    def tickOptionComputation(
        self,
        reqId: int,
        tickType: int,
        tickAttrib: int,
        impliedVol: float,
        delta: float,
        optPrice: float,
        pvDividend: float,
        gamma: float,
        vega: float,
        theta: float,
        undPrice: float,
    ) -> None:
        self._session.on_fact(
            OptionTickSeen(
                request_id=reqId,
                kind=tickType,
                implied_volatility=_computed(impliedVol, -1),
                delta=_computed(delta, -2),
                price=_computed(optPrice, -1),
                gamma=_computed(gamma, -2),
                vega=_computed(vega, -2),
                theta=_computed(theta, -2),
                underlying_price=_computed(undPrice, -1),
            )
        )
