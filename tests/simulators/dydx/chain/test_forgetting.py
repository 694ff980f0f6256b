"""What a short-term order has filled is remembered until 40 blocks after its good-til-block at the last fill."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from simulators.dydx.chain import Chain
from v4_proto.dydxprotocol.clob.order_pb2 import Order

IOC = Order.TimeInForce.TIME_IN_FORCE_IOC
FULLY_FILLED = 24


async def fill_in_part(bench: Any) -> tuple[Decimal, Decimal, int]:
    """Return an order's size, what it has filled, and the block in which the chain forgets that."""
    offered = bench.world.quote("BTC-USD").ask_size
    message = bench.order(1, size=str(offered + 1))
    assert (await bench.place(message)).code == 0
    bench.blocks()
    assert bench.chain_order(1).total_filled == offered
    return offered + 1, offered, message.good_til_block + 40


async def renew(bench: Any, size: Decimal) -> Any:
    block = bench.chain.height + 40
    return await bench.place(bench.order(1, size=str(size), price="90000", good_til_block=block))


async def renewed_until(bench: Any, size: Decimal, height: int) -> None:
    """Keep the order resting, out of the market's reach, up to a block."""
    while bench.chain.height < height:
        assert (await renew(bench, size)).code == 0
        bench.blocks(min(20, height - bench.chain.height))


def fall(chain: Chain) -> None:
    """Let the market go through the order's price until nothing is left to fill."""
    for price in range(80_000, 79_000, -100):
        chain.world.set_price("BTC-USD", Decimal(price))
        chain.produce_block()


def filled(chain: Chain) -> Decimal:
    return sum((each.size for each in chain.fills), Decimal(0))


async def test_a_renewed_order_fills_its_whole_size_again_once_its_fills_are_forgotten(bench: Any) -> None:
    size, before, prunable = await fill_in_part(bench)
    await renewed_until(bench, size, prunable)
    fall(bench.chain)
    assert filled(bench.chain) == before + size
    assert bench.chain_order(1).total_filled == size
    assert bench.chain_order(1).status == "FILLED"


async def test_a_block_earlier_it_fills_only_what_is_left(bench: Any) -> None:
    size, _, prunable = await fill_in_part(bench)
    await renewed_until(bench, size, prunable - 1)
    fall(bench.chain)
    assert filled(bench.chain) == size


async def test_another_fill_moves_the_forgetting_with_the_good_til_block_of_then(bench: Any) -> None:
    size, before, prunable = await fill_in_part(bench)
    await renewed_until(bench, size, prunable - 30)
    state = bench.chain.state
    offered = bench.world.quote("BTC-USD").ask_size
    again = bench.order(1, size=str(before + offered + 1), good_til_block=bench.chain.height + 41)
    bench.world.set_price("BTC-USD", Decimal(100_100))
    assert (await bench.place(again)).code == 0
    bench.blocks()
    (order,) = state.orders.values()
    assert filled(bench.chain) > before
    assert order.prunable_height == again.good_til_block + 40


async def test_without_fills_nothing_changes(bench: Any) -> None:
    await bench.place(bench.order(1, size="0.5", price="90000"))
    bench.blocks()
    await renewed_until(bench, Decimal("0.5"), bench.chain.height + 100)
    assert not bench.chain.state.remembered
    fall(bench.chain)
    assert filled(bench.chain) == Decimal("0.5")


async def test_forgetting_outlives_a_restart(bench: Any, world_of: Any, tmp_path: Path) -> None:
    """Once between fill and forgetting, once right after the block's line: its order was not restored any more."""
    size, before, prunable = await fill_in_part(bench)
    await renewed_until(bench, size, prunable - 1)

    def again(chain: Chain) -> Chain:
        chain.close()
        chain.world.close()
        return Chain(world_of(books_file=tmp_path / "books"), chain.chain_id, tmp_path / "books.chain")

    chain = again(bench.chain)
    chain._journal.write(chain._blocks.make(chain.world.now()))
    chain = again(again(chain))
    assert chain.height == prunable
    fall(chain)
    assert filled(chain) == before + size
    chain.close()
    chain.world.close()


async def test_an_order_id_is_free_again_once_its_fills_are_forgotten(bench: Any) -> None:
    message = bench.order(1, size="0.1", time_in_force=IOC)
    await bench.place(message)
    bench.blocks()
    told = bench.chain_order(1)

    async def code() -> int:
        again = bench.order(1, size="0.1", time_in_force=IOC, good_til_block=bench.chain.height + 5)
        return int((await bench.place(again)).code)

    bench.blocks(message.good_til_block + 39 - bench.chain.height)
    assert await code() == FULLY_FILLED
    bench.blocks()
    assert bench.chain_order(1) == told, "the indexer hears nothing of it"
    bench.world.set_price("BTC-USD", Decimal(100_000))
    assert await code() == 0
    bench.blocks()
    assert filled(bench.chain) == Decimal("0.2")


async def test_what_is_filled_already_is_refused_until_it_is_forgotten(bench: Any) -> None:
    size, before, prunable = await fill_in_part(bench)
    await renewed_until(bench, size, prunable - 1)
    assert (await renew(bench, before)).code == FULLY_FILLED
    bench.blocks()
    assert (await renew(bench, before)).code == 0
