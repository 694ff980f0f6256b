"""The desk's orders of which recorded transactions were made, and how two transactions differ. Pure.

Owns what must be the same in an order that is placed again: everything that is money. A bound that a gateway takes from
the market of its moment, and the block until which an order is good, may be a little other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from gateway_dydx import reading
from gateway_dydx.facts import Market
from gateway_dydx.plans import GOOD_TIL_CANCELED, ChainTimeInForce, Condition, OrderFlags
from gateway_dydx.translate import MarketTerms, market_terms, quantity_of
from signalbox.errors import ConfigurationError, TranslationError
from signalbox.messages import Order, OrderType, Side, TimeInForce
from signalbox.order_terms import WITH_LIMIT, WITH_STOP

from signalbox_cli.sessions.session_file import Header
from signalbox_cli.simulated_venues import DYDX

BOUND_FRACTION_MAX = Decimal("0.02")
"""By so much the worst price of a market order may differ: it is made of the book of its moment."""
BLOCKS_MAX = 25
SECONDS_MAX = 120
_EXACT = {
    "pair": "market", "flags": "kind", "side": "side", "quantums": "quantity in quantums", "reduce_only": "reduce-only",
    "time_in_force": "time in force", "condition": "condition", "trigger_subticks": "trigger price in subticks",
}  # fmt: skip

_RESTS, _AT_ONCE = ChainTimeInForce.UNSPECIFIED, ChainTimeInForce.IMMEDIATE_OR_CANCEL
_POSTS = ChainTimeInForce.POST_ONLY
_KINDS = {
    (OrderFlags.SHORT_TERM, _AT_ONCE, Condition.UNSPECIFIED): (OrderType.MARKET, TimeInForce.DAY),
    (OrderFlags.SHORT_TERM, _RESTS, Condition.UNSPECIFIED): (OrderType.LIMIT, TimeInForce.DAY),
    (OrderFlags.SHORT_TERM, _POSTS, Condition.UNSPECIFIED): (OrderType.LIMIT, TimeInForce.DAY),
    (OrderFlags.LONG_TERM, _RESTS, Condition.UNSPECIFIED): (OrderType.LIMIT, TimeInForce.GTC),
    (OrderFlags.LONG_TERM, _POSTS, Condition.UNSPECIFIED): (OrderType.LIMIT, TimeInForce.GTC),
    (OrderFlags.CONDITIONAL, _AT_ONCE, Condition.STOP_LOSS): (OrderType.STOP, TimeInForce.GTC),
    (OrderFlags.CONDITIONAL, _RESTS, Condition.STOP_LOSS): (OrderType.STOP_LIMIT, TimeInForce.GTC),
    (OrderFlags.CONDITIONAL, _AT_ONCE, Condition.TAKE_PROFIT): (OrderType.MARKET_IF_TOUCHED, TimeInForce.GTC),
    (OrderFlags.CONDITIONAL, _RESTS, Condition.TAKE_PROFIT): (OrderType.LIMIT_IF_TOUCHED, TimeInForce.GTC),
}
"""A limit order that is immediate-or-cancel is on the chain what a market order is: it is played as one."""

Terms = Mapping[int, MarketTerms]


def terms_in(markets: object) -> dict[int, MarketTerms]:
    """What converts sizes and prices, by market, of an answer about all markets."""
    found = {}
    for market in reading.markets(markets):
        if isinstance(market, Market):
            try:
                found[market.clob_pair_id] = market_terms(market)
            except TranslationError:
                continue
    return found


def order_of(header: Header, placed: Mapping[str, Any], order_id: str, at: datetime, terms: Terms) -> Order:
    """The desk's order of which a transaction was made at `at`. Raises `ConfigurationError` for none of the desk's."""
    market = terms.get(placed["pair"])
    if market is None:
        raise ConfigurationError([f"{order_id} of the session is of a market that the session does not tell of"])
    kind = _KINDS.get((placed["flags"], placed["time_in_force"], placed["condition"]))
    if kind is None:
        raise ConfigurationError([f"{order_id} of the session is none that this desk places"])
    order_type, time_in_force = kind
    good_till = _end(placed, at) if order_type in WITH_STOP else None
    return Order(
        order_id=order_id,
        intent_id=order_id,
        venue=DYDX,
        account=header.account,
        symbol=market.ticker,
        side=Side.BUY if placed["side"] == 1 else Side.SELL,
        quantity=quantity_of(int(placed["quantums"]), market),
        order_type=order_type,
        limit_price=_price(placed["subticks"], market) if order_type in WITH_LIMIT else None,
        stop_price=_price(placed["trigger_subticks"], market) if order_type in WITH_STOP else None,
        time_in_force=TimeInForce.GTD if good_till is not None else time_in_force,
        good_till=good_till,
        reduce_only=placed["reduce_only"],
        post_only=placed["time_in_force"] == _POSTS,
    )


def _price(subticks: str, market: MarketTerms) -> Decimal:
    return market.tick_size * int(subticks) / market.subticks_per_tick


def _end(placed: Mapping[str, Any], at: datetime) -> datetime | None:
    """When a stop ends by its own terms; None = it was to stand until it is cancelled."""
    end = datetime.fromtimestamp(placed.get("good_til_block_time", 0), UTC)
    return None if abs(at + GOOD_TIL_CANCELED - end) < timedelta(seconds=SECONDS_MAX) else end


def differing_terms(recorded: Mapping[str, Any], written: Mapping[str, Any]) -> list[str]:
    """How two placed orders differ: one phrase for each term."""
    found = [
        f"{words} {recorded.get(name)} was recorded, {written.get(name)} is written"
        for name, words in _EXACT.items()
        if recorded.get(name) != written.get(name)
    ]
    was, now = int(recorded["subticks"]), int(written["subticks"])
    is_bound = recorded["time_in_force"] == ChainTimeInForce.IMMEDIATE_OR_CANCEL
    if abs(was - now) > (was * BOUND_FRACTION_MAX if is_bound else 0):
        found.append(f"price in subticks {was} was recorded, {now} is written")
    for name, most in (("good_til_block", BLOCKS_MAX), ("good_til_block_time", SECONDS_MAX)):
        if abs(recorded.get(name, 0) - written.get(name, 0)) > most:
            found.append(f"{name.replace('_', '-')} {recorded.get(name)} was recorded, {written.get(name)} is written")
    return found
