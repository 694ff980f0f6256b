"""Orders whose stop follows the market, in TWS's words (`TRAIL`, `TRAIL LIMIT`).

Owns what TWS takes of them: a distance (`auxPrice` or `trailingPercent`), and where the stop begins (`trailStopPrice`;
left out: so far behind the market). Pure. It must not know how a stop is moved (`signalbox.exchange.trailing`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypedDict

from signalbox.exchange.orders import OrderTerms
from signalbox.messages import OrderType
from signalbox.order_terms import TRAILING, WITH_STOP

from simulators.tws.contracts import Unresolved, invalid
from simulators.tws.place_order import PRICE_CONDITIONED, PlaceOrder
from simulators.tws.wire import decimal_text

_WITH_LIMIT = OrderType.TRAILING_STOP_LIMIT
_OFF_TICK = Unresolved(110, "The price does not conform to the minimum price variation for this contract.")


class Distances(TypedDict):
    trail_amount: Decimal | None
    trail_percent: Decimal | None
    limit_offset: Decimal | None


def distances(request: PlaceOrder, order_type: OrderType) -> Distances:
    """How far its stop lies behind the market, and its limit behind that."""
    if order_type not in TRAILING:
        return Distances(trail_amount=None, trail_percent=None, limit_offset=None)
    return Distances(
        trail_amount=_amount(request),
        trail_percent=request.number("trailingPercent") or None,
        limit_offset=request.number("lmtPriceOffset") if order_type is _WITH_LIMIT else None,
    )


def stop_of(request: PlaceOrder, order_type: OrderType) -> Decimal | None:
    """Its stop: of one that trails where it begins, if that is said."""
    if order_type in TRAILING:
        return request.number("trailStopPrice") or None
    return request.number("auxPrice") if order_type in WITH_STOP else None


def is_activated(request: PlaceOrder) -> bool:
    """Whether its price condition is one that the venue has: of its own contract, of one that trails, as it wins."""
    if PRICE_CONDITIONED not in request.blocks or request.text("orderType") not in ("TRAIL", "TRAIL LIMIT"):
        return False
    own = request.integer("conditionConId") == request.contract.con_id != 0
    wins = request.flag("conditionIsMore") is (request.text("action") == "SELL")
    return own and wins and not request.flag("conditionsCancelOrder") and request.integer("conditionMethod") == 0


def activation_of(request: PlaceOrder) -> Decimal | None:
    """The price at which its contract has to trade first."""
    return request.number("conditionPrice") if PRICE_CONDITIONED in request.blocks else None


def _amount(request: PlaceOrder) -> Decimal | None:
    """`auxPrice` is the trail's distance, unless it is a percentage."""
    return None if request.number("trailingPercent") else request.number("auxPrice")


def fault(request: PlaceOrder, order_type: OrderType, tick: Decimal, price_max: int) -> Unresolved | None:
    """The error that TWS has for it."""
    percent, begins = request.number("trailingPercent"), request.number("trailStopPrice")
    if order_type not in TRAILING:
        if percent or begins:
            return Unresolved(201, "Order rejected - reason:a trailing percentage, or stop, is of a trailing order")
        return None
    amount, beyond = _amount(request), request.number("lmtPriceOffset")
    for is_wrong, text in (
        (percent and request.number("auxPrice"), "Trailing amount and trailing percent can not be specified together"),
        (percent and not 0 < percent < 100, "Please enter a valid trailing percent"),
        (not percent and (amount is None or not 0 < amount <= price_max), "Please enter a valid trailing amount"),
        (begins and not 0 < begins <= price_max, "Please enter a valid trailing stop price"),
        (
            PRICE_CONDITIONED in request.blocks and not 0 < (activation_of(request) or 0) <= price_max,
            "Please enter a valid condition price",
        ),
        (
            order_type is _WITH_LIMIT and (beyond is None or not 0 <= beyond <= price_max),
            "Please enter a valid limit price offset",
        ),
    ):
        if is_wrong:
            return invalid(text)
    stated = (amount, beyond if order_type is _WITH_LIMIT else None)
    return _OFF_TICK if any(distance is not None and distance % tick for distance in stated) else None


def fields_of(terms: OrderTerms) -> dict[str, str]:
    """The texts of its terms, as TWS shows them: where its stop is now, too."""
    texts = {
        "auxPrice": terms.trail_amount,
        "trailingPercent": terms.trail_percent,
        "trailStopPrice": terms.stop_price,
        "lmtPriceOffset": terms.limit_offset,
    }
    return {name: "" if value is None else decimal_text(value) for name, value in texts.items()}
