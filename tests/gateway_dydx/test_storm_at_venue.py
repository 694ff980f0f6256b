"""Everything at once: orders of every kind and cancels, while the venue misbehaves and the gateway is restarted."""

from __future__ import annotations

import os
import random
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from signalbox.messages import LedgerClaimed, OrderType, Side, TimeInForce, VenueFill

STEPS = int(os.environ.get("STORM_STEPS", "40"))
ENDS = ("VenueRejected", "VenueCanceled", "VenueExpired")
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("lose_reply", {}),
    ("drop_broadcast", {}),
    ("duplicate_broadcast", {"count": 2}),
    ("rate_limit", {}),
    ("refuse_sequence", {}),
    ("cut_websockets", {}),
    ("drop_updates", {"count": 5, "channel": "v4_subaccounts"}),
    ("duplicate_updates", {"count": 5, "channel": "v4_subaccounts"}),
    ("reorder_updates", {"count": 2, "channel": "v4_subaccounts"}),
    ("refuse_rest", {"count": 4, "status": 503}),
    ("indexer_behind", {"blocks": 6}),
    ("indexer_behind", {"blocks": 0}),
)


def terms_of(chance: random.Random, price: Decimal) -> dict[str, Any]:
    """An order of any kind, near the market or far from it."""
    side = chance.choice([Side.BUY, Side.SELL])
    quantity = Decimal(chance.randint(1, 400)) / 100
    away = chance.choice([-50, 30, 200, 4000]) * side.sign
    match chance.randrange(4):
        case 0:
            return {"side": side, "quantity": quantity}
        case 1:
            terms: dict[str, Any] = {"order_type": OrderType.LIMIT, "limit_price": price - away}
        case 2:
            terms = {"order_type": OrderType.LIMIT, "limit_price": price - away, "time_in_force": TimeInForce.GTC}
        case _:
            gap = abs(away) * side.sign
            terms = {"order_type": OrderType.STOP, "stop_price": price + gap, "time_in_force": TimeInForce.GTC}
    return terms | {"side": side, "quantity": quantity}


@pytest.fixture
def gateway_settings() -> dict[str, Any]:
    return {"reconcile_seconds": 3.0, "stream_silence_seconds_max": 5.0}


async def test_in_a_storm_every_order_ends_as_the_chain_says_and_every_fill_is_booked_once(desk: Any) -> None:
    seed = int(os.environ.get("STORM_SEED", random.randrange(10**6)))
    chance = random.Random(seed)
    runtime = await desk.start()
    await desk.ready()
    names: list[str] = []
    cancelled: Counter[str] = Counter()
    for _ in range(STEPS):
        match chance.randrange(10):
            case 0 | 1 | 2 | 3:
                names.append(f"s-{len(names)}")
                await desk.submit(names[-1], deadline_seconds=600, **terms_of(chance, desk.venue.price()))
            case 4 | 5 if names:
                name = chance.choice(names)
                cancelled[name] += 1
                await desk.cancel(name, cancelled[name])
            case 6 | 7:
                command, arguments = chance.choice(FAULTS)
                await desk.venue.do(command, **arguments)
            case 8:
                moved = desk.venue.price() + chance.choice([-400, -100, 100, 400])
                await desk.venue.do("set_price", symbol="BTC-USD", price=str(moved))
            case 9 if chance.random() < 0.3:
                await desk.stop(runtime)
                runtime = await desk.start()
        await desk.blocks(chance.randint(0, 8))
    await desk.venue.do("clear_node")
    await desk.venue.do("indexer_behind", blocks=0)

    async def settled(name: str) -> bool:
        """Ended, or working; what is booked is what the chain has, once."""
        reports = await desk.reports(name)
        kinds = Counter(type(each).__name__ for each in reports)
        claims = [entry for entry in await desk.ledger(name) if isinstance(entry, LedgerClaimed)]
        if not claims:
            return kinds["VenueRejected"] == 1
        fills = [each.fill for each in reports if isinstance(each, VenueFill)]
        there = desk.venue.fills(claims[0].venue_order_id)
        over = (
            sum(kinds[kind] for kind in ENDS) == 1 or sum(fill.quantity for fill in fills) == claims[0].order.quantity
        )
        order = desk.venue.order(claims[0].venue_order_id)
        works = order is not None and order.status in ("OPEN", "UNTRIGGERED", "BEST_EFFORT_OPENED")
        same = sorted(fill.execution_id for fill in fills) == sorted(fill.id for fill in there)
        resting = claims[0].good_til_block > 0 and claims[0].order.order_type is OrderType.LIMIT
        return same and (over or works or resting) and not (over and works) and kinds["VenueCommission"] == len(fills)

    for name in names:
        try:
            await desk.eventually(lambda name=name: settled(name), f"the truth about {name}", 40.0)
        except AssertionError as error:
            claims = await desk.ledger(name)
            order = desk.venue.order(claims[0].venue_order_id) if claims else None
            told = "\n".join(map(str, [*await desk.reports(name), *claims, order]))
            raise AssertionError(f"{error}; seed {seed}\n{told}") from None
    doubled = [each for each, count in Counter(each.id for each in await desk.reports()).items() if count > 1]
    assert doubled == [], f"seed {seed}"
    ids = [order.client_id for order in desk.venue.orders()]
    assert len(set(ids)) == len(ids), f"seed {seed}"
