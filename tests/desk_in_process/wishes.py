"""What somebody may want of a desk, as a campaign draws it: intents of every kind, at both venues.

Owns what is drawn, and how often. It must not know what the desk answers: what a venue does not take is denied.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from signalbox.messages import (
    CancelIntent,
    FlattenIntent,
    Intent,
    MassCancelIntent,
    ModifyIntent,
    OrderIntent,
    OrderType,
    PositionAction,
    PositionIntent,
    Side,
    TimeInForce,
    TriggerMethod,
)
from signalbox.order_support import REDUCING
from signalbox.order_terms import AT_ONCE, IN_AUCTION, TRAILING, WITH_LIMIT, WITH_STOP

from tests.chaos.list_lots import Where, drawn

KINDS = {"order": 8, "list": 12, "change": 6, "cancel": 4, "cancel many": 0.4, "position": 4, "flatten": 0.6}
"""Of so many wishes."""


@dataclass(frozen=True)
class Market:
    venue: str
    symbol: str
    tick: Decimal
    lot: Decimal
    sizes: tuple[int, ...]
    """In lots."""


@dataclass(frozen=True)
class Known:
    """An order, or a list, that was wished for, or that works: what may be changed or cancelled."""

    name: str
    market: Market
    quantity: Decimal | None = None
    has_limit: bool = False
    has_stop: bool = False


@dataclass
class Wishes:
    """`price` says where a market is, `working` which orders work now, those of lists too."""

    chance: random.Random
    markets: Sequence[Market]
    price: Callable[[Market], Decimal]
    working: Callable[[], Sequence[Known]]
    sent: list[Known] = field(default_factory=list)
    number: int = 0

    def next(self, at: datetime) -> tuple[str, Intent]:
        """Another wish, and of what kind it is."""
        kind = self.chance.choices([*KINDS], [*KINDS.values()])[0]
        draw = {
            "order": self._order,
            "list": self._list,
            "change": self._change,
            "cancel": self._cancel,
            "cancel many": self._cancel_many,
            "position": self._position,
            "flatten": self._flatten,
        }[kind]
        self.number += 1
        market = self.chance.choice(self.markets)
        wish = draw({"id": f"w{self.number}", "at": at, "venue": market.venue, "symbol": market.symbol}, market)
        if wish is None:
            return self.next(at)
        if kind in ("order", "list"):
            self.sent.append(Known(wish.id, market))
        return kind, wish

    def _quantity(self, market: Market) -> Decimal:
        return self.chance.choice(market.sizes) * market.lot

    def _near(self, market: Market) -> Decimal:
        away = Decimal(self.chance.choice((-20, -4, -1, 0, 1, 4, 20))) / 1000
        return _ticked(market, self.price(market) * (1 + away))

    def _order(self, carried: dict[str, Any], market: Market) -> Intent:
        types = [each for each in OrderType if each not in IN_AUCTION or market.venue not in REDUCING]
        order_type = self.chance.choice([*types, OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET, OrderType.MARKET])
        terms: dict[str, Any] = {}
        if order_type in WITH_LIMIT:
            terms["limit_price"] = self._near(market)
        if order_type in WITH_STOP:
            terms["stop_price"] = self._near(market)
            terms["trigger"] = self.chance.choice((TriggerMethod.DEFAULT, TriggerMethod.DEFAULT, *TriggerMethod))
        if order_type in TRAILING:
            terms["trail_percent"] = Decimal(self.chance.choice(("0.2", "1")))
        if order_type is OrderType.TRAILING_STOP_LIMIT:
            terms["limit_offset"] = market.tick * 5
        if order_type not in IN_AUCTION and order_type is not OrderType.MARKET:
            lasting = [each for each in TimeInForce if each not in AT_ONCE or order_type is OrderType.LIMIT]
            terms["time_in_force"] = self.chance.choice(lasting)
            if terms["time_in_force"] is TimeInForce.GTD:
                terms["good_till"] = carried["at"] + timedelta(minutes=self.chance.choice((2, 60)))
        if order_type is OrderType.LIMIT and terms["time_in_force"] in (TimeInForce.DAY, TimeInForce.GTC):
            terms["post_only"] = self.chance.random() < 0.2
        return OrderIntent(
            **carried,
            side=self.chance.choice([*Side]),
            quantity=self._quantity(market),
            order_type=order_type,
            reduce_only=self.chance.random() < 0.1,
            **terms,
        )

    def _list(self, carried: dict[str, Any], market: Market) -> Intent:
        where = Where(
            venue=market.venue,
            account="",
            symbol=market.symbol,
            at=carried["at"],
            price=self.price(market),
            ticked=lambda price: _ticked(market, price),
            reduces=market.venue in REDUCING,
        )
        return drawn(self.chance, carried["id"], where, self._quantity(market))

    def _change(self, carried: dict[str, Any], _: Market) -> Intent | None:
        working = self.working()
        if not working:
            return None
        order = self.chance.choice(working)
        terms: dict[str, Any] = {}
        if order.has_limit and self.chance.random() < 0.7:
            terms["limit_price"] = self._near(order.market)
        if order.has_stop and self.chance.random() < 0.7:
            terms["stop_price"] = self._near(order.market)
        if order.quantity is not None and (not terms or self.chance.random() < 0.2):
            more = order.quantity * self.chance.choice((Decimal("0.5"), Decimal(2)))
            terms["quantity"] = max(more // order.market.lot, Decimal(1)) * order.market.lot
        return ModifyIntent(**{**carried, **_where(order)}, order_id=order.name, **terms) if terms else None

    def _cancel(self, carried: dict[str, Any], _: Market) -> Intent | None:
        found = [*self.working(), *self.sent[-4:]]
        if not found:
            return None
        order = self.chance.choice(found)
        return CancelIntent(**{**carried, **_where(order)}, order_id=order.name)

    def _cancel_many(self, carried: dict[str, Any], market: Market) -> Intent:
        return MassCancelIntent(**{**carried, **self._scope(market)})

    def _flatten(self, carried: dict[str, Any], market: Market) -> Intent:
        return FlattenIntent(**{**carried, **self._scope(market)})

    def _scope(self, market: Market) -> dict[str, str]:
        """A symbol, all at a venue, or the whole desk."""
        scopes = ({"symbol": market.symbol, "venue": market.venue}, {"symbol": "", "venue": market.venue})
        return self.chance.choice((scopes[0], scopes[0], scopes[1], {"symbol": "", "venue": ""}))

    def _position(self, carried: dict[str, Any], market: Market) -> Intent:
        action = self.chance.choice([*PositionAction])
        terms: dict[str, Any] = {}
        if action is PositionAction.TARGET:
            terms["quantity"] = self._quantity(market) * self.chance.choice((-1, 0, 1))
        elif action in (PositionAction.REDUCE_LONG, PositionAction.REDUCE_SHORT) and self.chance.random() < 0.5:
            terms["share"] = Decimal("0.5")
        elif "CLOSE" not in action:
            terms["quantity"] = self._quantity(market)
        if self.chance.random() < 0.3:
            terms |= {"limit_price": self._near(market), "time_in_force": TimeInForce.DAY}
        if self.chance.random() < 0.5:
            terms["valid_until"] = carried["at"] + timedelta(minutes=5)
        return PositionIntent(**carried, action=action, **terms)


def _where(order: Known) -> dict[str, str]:
    return {"venue": order.market.venue, "symbol": order.market.symbol}


def _ticked(market: Market, price: Decimal) -> Decimal:
    return (price / market.tick).to_integral_value() * market.tick
