"""Order lists as a campaign draws them, of every contingency; what differs from venue to venue comes in as data.

It must not know any venue by name, nor how a desk is run.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from signalbox.messages import (
    Contingency,
    ExitPolicy,
    ListLeg,
    OffsetUnit,
    OrderListIntent,
    OrderType,
    PriceOffset,
    Side,
    TimedAction,
    TimedStep,
    TimeInForce,
)
from signalbox.order_lists import contradiction

SHARES = ((), ("0.5",), ("0.34", "0.33"), ("0.5", "0.5"))
"""Of targets; one more takes the rest, where they leave one."""
NEAR, FAR = (Decimal("0.001"), Decimal("0.004")), Decimal("0.02")
CROSSING, RESTING = Decimal("0.002"), Decimal("-0.001")


@dataclass(frozen=True)
class Where:
    """A market, and how its venue takes exits: `reduces` = reduce-only, and so no limit that rests."""

    venue: str
    account: str
    symbol: str
    at: datetime
    price: Decimal
    ticked: Callable[[Decimal], Decimal]
    reduces: bool


def drawn(chance: random.Random, list_id: str, where: Where, quantity: Decimal) -> OrderListIntent:
    """Any list."""
    kind = chance.choice((Contingency.BRACKET, Contingency.BRACKET, *Contingency))
    side = chance.choice((Side.BUY, Side.SELL))
    if kind in (Contingency.BRACKET, Contingency.OTO):
        legs = (_entry(chance, where, side, quantity), *_exits(chance, where, side, kind))
    else:
        legs = _equals(chance, where, side, kind, quantity)
    with_entry = kind in (Contingency.BRACKET, Contingency.OTO)
    intent = OrderListIntent(
        id=list_id,
        at=where.at,
        venue=where.venue,
        account=where.account,
        symbol=where.symbol,
        contingency=kind,
        legs=legs,
        exit_policy=chance.choice([*ExitPolicy]),
        timed=_timed(chance, where, side) if with_entry and chance.random() < 0.4 else (),
    )
    assert contradiction(intent) == "", contradiction(intent)
    return intent


def _timed(chance: random.Random, where: Where, side: Side) -> tuple[TimedStep, ...]:
    """Some of what may happen to a list at times of its own."""
    closer = where.ticked(where.price * (1 - side.sign * FAR / 4))
    after = {"after_seconds": chance.choice((1, 30, 300))}
    steps = (
        TimedStep(action=TimedAction.BREAK_EVEN, **after),
        TimedStep(action=TimedAction.MOVE_STOP, stop_price=closer, **after),
        TimedStep(action=TimedAction.CANCEL_ENTRY, **after),
        TimedStep(action=TimedAction.CLOSE_POSITION, after_seconds=chance.choice((60, 900))),
    )
    return tuple(chance.sample(steps, chance.choice((1, 1, 2))))


def _entry(chance: random.Random, where: Where, side: Side, quantity: Decimal) -> ListLeg:
    terms: dict[str, Any] = {"order_type": OrderType.MARKET}
    if chance.random() < 0.6:
        price = where.price * (1 + side.sign * chance.choice((CROSSING, CROSSING, RESTING)))
        terms = {"order_type": OrderType.LIMIT, "limit_price": where.ticked(price), "time_in_force": _lasting(chance)}
    return ListLeg(name="entry", side=side, quantity=quantity, **terms)


def _lasting(chance: random.Random) -> TimeInForce:
    return chance.choice((TimeInForce.DAY, TimeInForce.GTC))


def _exits(chance: random.Random, where: Where, side: Side, kind: Contingency) -> list[ListLeg]:
    out = Side.SELL if side is Side.BUY else Side.BUY
    shares = chance.choice(SHARES)
    stop = ListLeg(
        name="stop",
        side=out,
        order_type=OrderType.STOP,
        time_in_force=TimeInForce.GTC,
        share=Decimal("0.4") if kind is Contingency.OTO else None,
        **_price("stop", where, side, -_distance(chance), relative=chance.random() < 0.4),
    )
    if kind is Contingency.OTO:
        shares = ("0.6",)[: chance.randrange(2)]
    elif sum(map(Decimal, shares)) < 1:
        shares = (*shares, "")
    target = OrderType.MARKET_IF_TOUCHED if where.reduces else OrderType.LIMIT
    return [
        stop,
        *(
            ListLeg(
                name=f"target{number}",
                side=out,
                order_type=target,
                time_in_force=_lasting(chance),
                share=Decimal(share) if share else None,
                **_price(
                    "stop" if where.reduces else "limit",
                    where,
                    side,
                    _distance(chance) * number,
                    relative=chance.random() < 0.4,
                ),
            )
            for number, share in enumerate(shares, 1)
        ),
    ]


def _distance(chance: random.Random) -> Decimal:
    return chance.choice((*NEAR, FAR))


def _price(which: str, where: Where, side: Side, wins: Decimal, *, relative: bool) -> dict[str, Any]:
    """A price at which the entry has won (below 0: lost) so much of its own, absolute or relative to its fill."""
    if relative:
        return {f"{which}_offset": PriceOffset(amount=wins * 100, unit=OffsetUnit.PERCENT)}
    return {f"{which}_price": where.ticked(where.price * (1 + side.sign * wins))}


def _equals(
    chance: random.Random, where: Where, side: Side, kind: Contingency, quantity: Decimal
) -> tuple[ListLeg, ListLeg]:
    """A limit on the one side of the market and a stop on the other; of OCO they may trade either way."""
    distance, other = _distance(chance), side
    if kind is Contingency.OCO and chance.random() < 0.4:
        other = Side.SELL if side is Side.BUY else Side.BUY
    limit = where.ticked(where.price * (1 - side.sign * distance))
    stop = where.ticked(where.price * (1 + other.sign * distance))
    return (
        ListLeg(
            name="near",
            side=side,
            order_type=OrderType.LIMIT,
            limit_price=limit,
            quantity=quantity,
            time_in_force=_lasting(chance),
        ),
        ListLeg(
            name="beyond",
            side=other,
            order_type=OrderType.STOP,
            stop_price=stop,
            quantity=quantity,
            time_in_force=TimeInForce.GTC,
        ),
    )
