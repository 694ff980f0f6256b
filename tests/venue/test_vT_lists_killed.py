"""VTx: whatever a list is just about when its gateway dies, or a reply is lost: it ends as if nothing had been."""

from __future__ import annotations

from signalbox.messages import Contingency, ListLeg, OrderStatus, OrderType, Side
from signalbox.order_support import REDUCING

from .desk import Desk
from .held import bought_in_parts, ends_all, goes_flat, is_held_by, orders_of, over


async def test_vT0_killed_while_the_entry_rests(desk: Desk, order_id: str) -> None:
    """A bracket's entry rests; the gateway is killed; the market comes to it.

    The next one tells of the fills, and the exits work for what is held.
    """
    await desk.flat(f"{order_id}-flat")
    entry = f"{order_id}.entry"
    rest = {"order_type": OrderType.LIMIT, "limit_price": desk.bench_market.price("0.98")}
    await desk.bracket(order_id, time_in_force=desk.bench.lasting, **rest)
    await desk.becomes(entry, OrderStatus.NEW)
    await desk.at_venue(entry)
    await desk.bench.settle()
    await desk.kill()
    desk.bench.move("0.97")
    await desk.until_done_at_venue(entry)
    await desk.start()
    await desk.becomes(entry, OrderStatus.FILLED)
    await is_held_by(desk, order_id)
    await ends_all(desk, order_id)


async def test_vT1_killed_while_the_entry_is_filled_in_part(desk: Desk, order_id: str) -> None:
    """A bracket's entry is filled in part, and its exits are under way; the gateway is killed; the rest fills.

    The exits work for all that is held, each part's once.
    """
    await bought_in_parts(desk, order_id)
    await desk.kill()
    await desk.until_done_at_venue(f"{order_id}.entry")
    await desk.start()
    await desk.becomes(f"{order_id}.entry", OrderStatus.FILLED)
    await is_held_by(desk, order_id)
    await ends_all(desk, order_id)


async def test_vT2_target_is_reached_while_dead(desk: Desk, order_id: str) -> None:
    """Stop and target of a bracket work; the gateway is killed; the market rises to the target.

    The next one tells of it: nothing is held, and nothing works.
    """
    await desk.flat(f"{order_id}-flat")
    await desk.protected(order_id)
    await desk.kill()
    desk.bench.move("1.06")
    await desk.until_done_at_venue(f"{order_id}.target")
    await desk.start()
    await desk.becomes(f"{order_id}.target", OrderStatus.FILLED)
    await goes_flat(desk, order_id)


async def test_vT3_stop_is_reached_while_dead(desk: Desk, order_id: str) -> None:
    """Stop and target of a bracket work; the gateway is killed; the market falls to the stop.

    It is sold without the desk; the next gateway tells of it: nothing works.
    """
    await desk.flat(f"{order_id}-flat")
    await desk.protected(order_id)
    await desk.kill()
    desk.bench.move("0.94")
    await desk.until_done_at_venue(f"{order_id}.stop")
    assert desk.bench.position(desk.bench.symbol) == 0
    await desk.start()
    await desk.becomes(f"{order_id}.stop", OrderStatus.FILLED)
    await goes_flat(desk, order_id)


async def test_vT4_killed_between_the_claim_of_an_exit_and_its_sending(desk: Desk, order_id: str) -> None:
    """The entry fills; its stop is claimed, and never reaches the venue; the gateway is killed.

    One stop and one target work for what is held; which orders were sent is known.
    """
    await desk.flat(f"{order_id}-flat")
    entry = f"{order_id}.entry"
    rest = {"order_type": OrderType.LIMIT, "limit_price": desk.bench_market.price("0.98")}
    await desk.bracket(order_id, stop_follows=True, time_in_force=desk.bench.lasting, **rest)
    await desk.becomes(entry, OrderStatus.NEW)
    await desk.at_venue(entry)
    await desk.bench.settle()
    desk.bench.lose_orders()
    desk.bench.move("0.97")
    await desk.until_done_at_venue(entry)
    await desk.becomes(entry, OrderStatus.FILLED)
    await desk.claimed(f"{order_id}.stop")
    await desk.kill()
    await desk.bench.mend()
    await desk.start()
    await is_held_by(desk, order_id)
    assert all(len(desk.bench.placed(key)) <= 1 for leg in ("stop", "target") for key in orders_of(desk, order_id, leg))
    await ends_all(desk, order_id)


async def test_vT5_exits_arrive_and_the_replies_are_lost(desk: Desk, order_id: str) -> None:
    """The entry fills; stop and target reach the venue, and what it says of them is lost.

    They are found there: each works once, for what is held.
    """
    await desk.flat(f"{order_id}-flat")
    await desk.bracket(order_id)
    await desk.becomes(f"{order_id}.entry", OrderStatus.FILLED)
    desk.bench.lose_replies()
    await desk.after(desk.bench.spare_seconds)
    await desk.bench.mend()
    await is_held_by(desk, order_id)
    assert all(len(desk.bench.placed(key)) <= 1 for leg in ("stop", "target") for key in orders_of(desk, order_id, leg))
    await ends_all(desk, order_id)


async def test_vT6_cancel_of_a_list_and_the_replies_are_lost(desk: Desk, order_id: str) -> None:
    """A list is cancelled as one; what the venue says of the cancels is lost; the gateway is killed.

    Nothing of it works, and all of it is CANCELED; what is held stays.
    """
    await desk.flat(f"{order_id}-flat")
    await desk.protected(order_id)
    held = desk.bench.position(desk.bench.symbol)
    desk.bench.lose_replies()
    await desk.cancel(order_id)
    keys = (f"{order_id}.stop", f"{order_id}.target")
    await desk.after(desk.bench.spare_seconds)
    await desk.kill()
    await desk.bench.mend()
    await desk.start()
    await over(desk, order_id)
    assert [desk.status(key) for key in keys] == [OrderStatus.CANCELED] * 2
    assert desk.bench.position(desk.bench.symbol) == held
    await desk.flat(f"{order_id}-out")


async def test_vT7_one_exit_fills_while_the_news_of_it_is_held(desk: Desk, order_id: str) -> None:
    """The target fills while the news of it is on its way, and the market falls to the stop before the desk knows.

    Nothing is sold twice: nothing is held, and nothing works.
    """
    await desk.flat(f"{order_id}-flat")
    await desk.protected(order_id)
    desk.bench.hold_news()
    desk.bench.move("1.06")
    await desk.until_done_at_venue(f"{order_id}.target")
    desk.bench.move("0.90")
    await desk.bench_market.trade()
    await desk.bench.mend()
    await desk.becomes(f"{order_id}.target", OrderStatus.FILLED)
    await goes_flat(desk, order_id)


async def test_vT8_two_legs_without_an_entry_die_together(desk: Desk, order_id: str) -> None:
    """A position is held; of two legs, one of which cancels the other, one fills while the gateway is dead.

    The other one is cancelled, at the latest by the next gateway; nothing is held, and nothing works.
    """
    await desk.flat(f"{order_id}-flat")
    await desk.filled(f"{order_id}-long")
    market, lasting = desk.bench_market, desk.bench.lasting
    reduces = desk.bench.venue in REDUCING
    terms = {"side": Side.SELL, "quantity": desk.bench.small, "time_in_force": lasting, "reduce_only": reduces}
    kind, name = (OrderType.MARKET_IF_TOUCHED, "stop_price") if reduces else (OrderType.LIMIT, "limit_price")
    legs = (
        ListLeg(name="high", order_type=kind, **{name: market.price("1.05")}, **terms),
        ListLeg(name="low", order_type=OrderType.STOP, stop_price=market.price("0.95"), **terms),
    )
    await desk.list_of(order_id, Contingency.OCO, *legs)
    for leg in ("high", "low"):
        await desk.becomes(f"{order_id}.{leg}", OrderStatus.NEW)
        await desk.at_venue(f"{order_id}.{leg}")
    await desk.bench.settle()
    await desk.kill()
    desk.bench.move("1.06")
    await desk.until_done_at_venue(f"{order_id}.high")
    await desk.start()
    await desk.becomes(f"{order_id}.high", OrderStatus.FILLED)
    await goes_flat(desk, order_id)
