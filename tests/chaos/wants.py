"""What a desk is told to do in a campaign: each wish as it is drawn, and approved, as risk would have it.

Owns what has been wished for, under which names. It must not know how a desk is run, nor what comes of it (`campaign`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal

from oms.state import State
from signalbox.messages import (
    CancelIntent,
    FlattenIntent,
    Intent,
    IntentApproved,
    MassCancelIntent,
    ModifyIntent,
    OrderIntent,
    OrderListIntent,
    OrderType,
    PositionAction,
    PositionIntent,
)

from tests.chaos.side import Hand, VenueSide


class Wants:
    """`tell` has the desk be told a decision. `changes` are the approved ones, and the order of each."""

    def __init__(self, hand: Hand, side: VenueSide, tell: Callable[[IntentApproved], Awaitable[None]]) -> None:
        self._hand, self._side, self._tell, self._chance = hand, side, tell, hand.chance
        self.sent: list[str] = []
        self.lists: list[str] = []
        self.changes: dict[str, str] = {}
        self.cancels: Counter[str] = Counter()
        self._symbols: dict[str, str] = {}

    async def order(self) -> None:
        order_id = f"c-{len(self.sent)}"
        await self.place(await self._side.draw(order_id))

    async def order_list(self) -> None:
        await self.place_list(await self._side.draw_list(f"l-{len(self.lists)}"))

    async def place_list(self, intent: OrderListIntent) -> None:
        """Have the desk told to place orders that depend on each other."""
        self.lists.append(intent.id)
        self._symbols[intent.id] = intent.symbol
        legs = (f"{leg.name} {leg.side} {leg.order_type} {leg.quantity or leg.share or ''}" for leg in intent.legs)
        self._hand.tell("lists", f"{intent.id} {intent.contingency} {intent.symbol}: {', '.join(legs)}")
        await self._approve(f"decision/{intent.id}", intent.id, intent)

    async def change(self, state: State) -> None:
        """Another price or another total of any order that works, an exit's too."""
        orders = [state.orders[key] for key in sorted(state.working)]
        ours = [each for each in orders if each.order_id in self._symbols or "." in each.order_id]
        if not ours:
            return
        order = self._chance.choice(ours)
        terms, names = order.order, ("limit_price", "stop_price")
        assert terms is not None
        factor = 1 + self._chance.choice((-4, -1, 1, 4)) / Decimal(1000)
        priced = {name: price * factor for name in names if (price := getattr(terms, name)) is not None}
        wanted = {name: self._side.ticked(terms.symbol, price) for name, price in priced.items()}
        if not wanted or self._chance.random() < 0.3:
            more = self._chance.choice((Decimal("0.5"), Decimal(2)))
            wanted = {"quantity": self._side.lots(terms.symbol, terms.quantity * more)}
        name = f"{order.order_id}-change-{len(self.changes)}"
        await self._modify(name, order.order_id, terms.symbol, **wanted)

    async def _modify(self, name: str, order_id: str, symbol: str, **wanted: Decimal) -> None:
        """Have the desk told to change an order."""
        self._hand.tell("modifies", f"{name} {wanted}")
        self.changes[f"decision/{name}"] = order_id
        given = {"venue": self._side.venue, "account": self._side.account, "symbol": symbol, "order_id": order_id}
        intent = ModifyIntent(id=name, at=self._hand.clock.now(), **given, **wanted)
        await self._approve(f"decision/{name}", order_id, intent)

    async def cancel_many(self) -> None:
        """All that works in a market, as somebody would who stops there, or goes home.

        Of a flatten that is what the OMS does upon its approval; what closes afterwards risk approves, order by order.
        """
        if not self._symbols:
            return
        symbol = self._chance.choice([*self._symbols.values()])
        kind = self._chance.choice((MassCancelIntent, FlattenIntent))
        what = "flattens" if kind is FlattenIntent else "mass cancels"
        name = f"{what.replace(' ', '-')}-{self._hand.counts[what]}"
        self._hand.tell(what, f"{name} of {symbol}")
        where = {"venue": self._side.venue, "account": self._side.account, "symbol": symbol}
        await self._approve(f"decision/{name}", "", kind(id=name, at=self._hand.clock.now(), **where))

    async def place(self, intent: OrderIntent) -> None:
        """Have the desk told to place an order; one at the market now and then as a wish for a position."""
        order_id = intent.id
        self.sent.append(order_id)
        self._symbols[order_id] = intent.symbol
        words = {name: getattr(intent, name) for name in ("side", "quantity", "symbol", "order_type", "time_in_force")}
        words |= {"limit": intent.limit_price, "stop": intent.stop_price, "reduce_only": intent.reduce_only}
        self._hand.tell("orders", f"{order_id} {' '.join(str(each) for each in words.values())}")
        if intent.order_type is OrderType.MARKET and self._chance.random() < 0.3:
            where = {"venue": intent.venue, "account": intent.account, "symbol": intent.symbol}
            wish = PositionIntent(
                id=order_id, at=intent.at, **where, action=PositionAction.TARGET, quantity=intent.quantity
            )
            return await self._approve(f"decision/{order_id}", order_id, wish, intent)
        await self._approve(f"decision/{order_id}", order_id, intent)

    async def cancel(self) -> None:
        names = [*self._symbols]
        if names:
            recent = names[-1:] if self._chance.random() < 0.4 else names[-12:]
            await self.cancel_of(self._chance.choice(recent))

    async def cancel_of(self, order_id: str) -> None:
        self.cancels[order_id] += 1
        name = f"{order_id}-cancel-{self.cancels[order_id]}"
        self._hand.tell("cancels", name)
        intent = CancelIntent(
            id=name,
            at=self._hand.clock.now(),
            venue=self._side.venue,
            account=self._side.account,
            symbol=self._symbols.get(order_id) or self._symbols[order_id.partition(".")[0]],
            order_id=order_id,
        )
        await self._approve(f"decision/{name}", order_id, intent)

    async def _approve(self, decision_id: str, order_id: str, intent: Intent, order: OrderIntent | None = None) -> None:
        decision = IntentApproved(
            id=decision_id, at=intent.at, intent_sequence=1, intent=intent, order_id=order_id, checks=(), order=order
        )
        await self._tell(decision)
