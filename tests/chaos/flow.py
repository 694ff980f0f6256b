"""A user who trades both venues of a local desk without end, and the desk on which that is done."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from risk.replaying import Difference, Replay
from risk.rules import rules_of
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.clock import FollowingClock
from signalbox.desk import load_desk
from signalbox.messages import (
    CancelIntent,
    ClockTick,
    Contingency,
    FlattenIntent,
    Intent,
    ListLeg,
    MassCancelIntent,
    ModifyIntent,
    OrderIntent,
    OrderListIntent,
    OrderType,
    PositionAction,
    PositionIntent,
    Quote,
    Side,
    TimeInForce,
)
from signalbox.order_support import REDUCING
from signalbox_cli.local_desk import DeskPlan, LocalDesk, deploy_folder
from signalbox_cli.replaying import recorded, replayed
from signalbox_cli.simulated_venues import market_arguments

START = "2024-03-05T15:00:00Z"
INTENT_PAUSE_SECONDS_MAX = 0.12
READY_SECONDS_MAX = 60.0


def desk_in(folder: Path) -> LocalDesk:
    """A desk with both venues, not started yet."""
    desk_file = folder / "desk.toml"
    desk_file.write_text(
        (deploy_folder() / "desk.toml").read_text().replace("open_orders_max = 20", "open_orders_max = 15")
    )
    market = market_arguments(load_desk(desk_file))
    plan = DeskPlan(
        directory=folder,
        desk_file=desk_file,
        simulator_arguments=(*market, "--block-ms", "250", "--start", START, "--speed", "20"),
    )
    return LocalDesk(plan, print)


def decided_again(desk: LocalDesk) -> tuple[Replay, list[Difference]]:
    """Make every decision of its record again; the recorder has stopped."""
    rules = rules_of(desk.plan.desk)
    return replayed(recorded(desk.database_file), {rules.version: rules})


@dataclass(frozen=True)
class Traded:
    """A symbol, what is sent in it at most, and how its prices run."""

    venue: str
    symbol: str
    lots_max: int
    lot: Decimal
    tick: Decimal


TRADED = (
    Traded("ibkr", "SPY", 900, Decimal(1), Decimal("0.01")),
    Traded("dydx", "BTC-USD", 900, Decimal("0.0001"), Decimal(1)),
)
NEAR_TICKS = 2
NEAR, FAR = Decimal("0.0005"), Decimal("0.03")
WISH_EVERY = 6
"""So often an intent is no order and no cancel of one."""
RESTING = (TimeInForce.DAY, TimeInForce.GTC)


class Flow:
    """A user who goes on sending intents: market orders, limits far and near, brackets, changes, cancels, at uneven
    intervals; now and then he cancels all or wishes for a position, and once he flattens.
    """

    def __init__(self, bus: Bus, seed: int) -> None:
        self._bus, self._random = bus, random.Random(seed)
        self._clock = FollowingClock()
        self._quotes: dict[str, Quote] = {}
        self.sent = self._number = 0
        self._resting: list[tuple[Traded, str]] = []
        self._has_flattened = False

    async def listen(self) -> None:
        async def tick(received: Received) -> None:
            self._clock.follow(messages.decode(received.payload, ClockTick))

        async def quote(received: Received) -> None:
            heard = messages.decode(received.payload, Quote)
            if heard.bid is not None:
                self._quotes[heard.venue] = heard

        await self._bus.subscribe(subjects.CLOCK, tick)
        for traded in TRADED:
            await self._bus.subscribe(subjects.quote(traded.venue, traded.symbol), quote)
        async with asyncio.timeout(READY_SECONDS_MAX):
            while len(self._quotes) < len(TRADED):
                await asyncio.sleep(0.02)

    async def send(self, count: int) -> None:
        for _ in range(count):
            intent = self._next()
            await self._bus.publish(subjects.intent(intent), intent)
            self.sent += 1
            await asyncio.sleep(self._random.random() * INTENT_PAUSE_SECONDS_MAX)

    def _next(self) -> Intent:
        self._number += 1
        name = f"chaos-{self._number}"
        if self._number % WISH_EVERY == 0:
            return self._wish(name)
        kind = self._random.choice(("market", "market", "near", "far", "cancel", "change", "bracket"))
        if kind == "cancel" and self._resting:
            traded, order_id = self._resting.pop(self._random.randrange(len(self._resting)))
            return CancelIntent(
                id=name, at=self._clock.now(), venue=traded.venue, symbol=traded.symbol, order_id=order_id
            )
        if kind == "change" and self._resting:
            traded, order_id = self._random.choice(self._resting)
            price = self._price(traded, self._random.choice((Side.BUY, Side.SELL)), FAR)
            where = {"venue": traded.venue, "symbol": traded.symbol, "order_id": order_id}
            return ModifyIntent(id=name, at=self._clock.now(), **where, limit_price=price)
        traded = self._random.choice(TRADED)
        side = self._random.choice((Side.BUY, Side.SELL))
        if kind == "bracket":
            return self._bracket(name, traded, side)
        price = None
        if kind in ("near", "far", "cancel", "change"):
            price = self._price(traded, side, None if kind == "near" else FAR)
            self._resting.append((traded, name))
        return OrderIntent(
            id=name,
            at=self._clock.now(),
            venue=traded.venue,
            symbol=traded.symbol,
            side=side,
            quantity=self._random.randint(1, traded.lots_max) * traded.lot,
            # at dydx a DAY limit is the gateway's to keep alive, a GTC one the chain's
            time_in_force=self._random.choice(RESTING) if price is not None else TimeInForce.DAY,
            order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
            limit_price=price,
        )

    def _price(self, traded: Traded, side: Side, away: Decimal | None) -> Decimal:
        """A price that does not trade at once: so far from the market, or a few ticks."""
        bid = self._quotes[traded.venue].bid
        assert bid is not None
        distance = traded.tick * NEAR_TICKS if away is None else bid * away
        return (bid - side.sign * distance).quantize(traded.tick)

    def _bracket(self, name: str, traded: Traded, side: Side) -> OrderListIntent:
        """At the market, with a stop and one target or two, near enough that the market may come to them.

        With one its exits are attached where the venue can, with two they follow the entry's fill.
        """
        out = Side.SELL if side is Side.BUY else Side.BUY
        touched = traded.venue in REDUCING
        kind, price = (OrderType.MARKET_IF_TOUCHED, "stop_price") if touched else (OrderType.LIMIT, "limit_price")
        exits: dict[str, Any] = {"side": out, "time_in_force": TimeInForce.GTC}
        half = ListLeg(
            name="half", order_type=kind, share=Decimal("0.5"), **{price: self._price(traded, out, NEAR)}, **exits
        )
        legs = (
            ListLeg(
                name="entry",
                side=side,
                order_type=OrderType.MARKET,
                quantity=self._random.randint(1, traded.lots_max) * traded.lot,
            ),
            ListLeg(name="stop", order_type=OrderType.STOP, stop_price=self._price(traded, side, NEAR), **exits),
            *((half,) if self._random.random() < 0.5 else ()),
            ListLeg(name="rest", order_type=kind, **{price: self._price(traded, out, FAR)}, **exits),
        )
        where = {"venue": traded.venue, "symbol": traded.symbol}
        return OrderListIntent(id=name, at=self._clock.now(), contingency=Contingency.BRACKET, legs=legs, **where)

    def _wish(self, name: str) -> Intent:
        """A cancel of all, a position that is wanted, or a flatten: of one market, or of the whole desk."""
        traded = self._random.choice(TRADED)
        where = {"venue": traded.venue, "symbol": traded.symbol} if self._random.random() < 0.7 else {}
        once = () if self._has_flattened else ("flatten", "flatten")
        kind = self._random.choice(("all", "target", "target", "close", "close", *once))
        at = self._clock.now()
        if kind == "all":
            self._resting.clear()
            return MassCancelIntent(id=name, at=at, **where)
        if kind == "flatten":
            self._has_flattened = True  # nothing else is sent in its markets meanwhile: others are to trade, too
            self._resting.clear()
            return FlattenIntent(id=name, at=at, **where)
        wish = {"id": name, "at": at, "venue": traded.venue, "symbol": traded.symbol}
        if kind == "target":
            lots = self._random.randint(-traded.lots_max, traded.lots_max)
            return PositionIntent(**wish, action=PositionAction.TARGET, quantity=lots * traded.lot)
        action = self._random.choice((PositionAction.REDUCE_LONG, PositionAction.REDUCE_SHORT))
        return PositionIntent(**wish, action=action, share=Decimal("0.5"))
