"""A chain that ends, or is killed, and starts again: it knows what it knew, and nothing twice."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from dydx_v4_client.network import NodeConfig
from dydx_v4_client.node.client import NodeClient
from simulators.dydx.accounts import USDC_DENOM
from simulators.dydx.chain import Chain
from simulators.dydx.records import CONDITIONAL, LONG_TERM
from v4_proto.dydxprotocol.clob.order_pb2 import Order

IOC = Order.TimeInForce.TIME_IN_FORCE_IOC
START_SECONDS_MAX = 60.0


def everything(chain: Chain) -> dict[str, Any]:
    """What a chain remembers, as it tells it."""
    return {
        "height": chain.height,
        "orders": chain.orders,
        "fills": chain.fills,
        "transfers": chain.transfers,
        "accounts": chain.state.accounts,
        "committed": chain.state.committed,
        "executions": chain.state.executions,
        "subaccounts": [
            (each.usdc, each.open, each.closed, each.number) for each in chain.state.subaccounts.of.values()
        ],
    }


async def trade(bench: Any) -> None:
    """Leave something of everything behind."""
    await bench.place(bench.order(1, size="0.1", time_in_force=IOC))
    await bench.place(bench.order(2, price="90000"))
    await bench.place(bench.order(3, price="95000", flags=LONG_TERM))
    bench.blocks()
    await bench.place(bench.order(4, price="80000", flags=CONDITIONAL, trigger="90000", sells=True, time_in_force=IOC))
    bench.blocks()


@pytest.fixture
def again(bench: Any, world_of: Callable[..., Any], tmp_path: Path) -> Callable[[], Chain]:
    """Start the chain a second time from its files; the first goes on without them."""

    def start() -> Chain:
        bench.chain.close()
        bench.world.close()
        world = world_of(books_file=tmp_path / "books")
        chain = Chain(world, bench.chain.chain_id, tmp_path / "books.chain")
        opened.append((chain, world))
        return chain

    opened: list[tuple[Chain, Any]] = []
    yield start
    for chain, world in opened:
        chain.close()
        world.close()


async def test_a_restart_keeps_all_that_there_is(bench: Any, again: Callable[[], Chain]) -> None:
    await trade(bench)
    before = everything(bench.chain)
    assert everything(again()) == before


async def test_resting_orders_of_before_fill_after_a_restart(bench: Any, again: Callable[[], Chain]) -> None:
    await trade(bench)
    chain = again()
    chain.world.set_price("BTC-USD", Decimal(94_000))
    chain.produce_block()
    assert [each.client_id for each in chain.orders if each.status == "FILLED"] == [1, 3]


async def test_executions_of_before_the_kill_are_found_after_it(bench: Any, again: Callable[[], Chain]) -> None:
    """The matching engine had filled, and no block had told it."""
    await trade(bench)
    bench.world.set_price("BTC-USD", Decimal(94_000))
    fills = len(bench.chain.fills)
    chain = again()
    chain.produce_block()
    assert len(chain.fills) == fills + 1
    chain.produce_block()
    assert len(chain.fills) == fills + 1


async def test_a_kill_before_the_blocks_line_loses_no_order(bench: Any, again: Callable[[], Chain]) -> None:
    """The block had given its orders to the matching engine, and was not written down any more."""
    await trade(bench)
    await bench.place(bench.order(7, size="0.01", time_in_force=IOC))
    await bench.place(bench.order(8, price="90500"))
    await bench.cancel(bench.order_id(2), good_til_block=bench.chain.height + 20)
    bench.chain._journal.close()
    bench.blocks()
    told = everything(bench.chain)
    chain = again()
    assert chain.height == told["height"] - 1
    chain.produce_block()
    assert {each.client_id: (each.status, each.total_filled) for each in chain.orders} == {
        each.client_id: (each.status, each.total_filled) for each in told["orders"]
    }
    assert [(each.order_id, each.size, each.price, each.fee) for each in chain.fills] == [
        (each.order_id, each.size, each.price, each.fee) for each in told["fills"]
    ]


async def test_cash_that_a_line_says_is_moved_once(bench: Any, again: Callable[[], Chain], tmp_path: Path) -> None:
    """The line of the block was written, its cash not moved any more."""
    bench.chain.deposit(bench.address, 0, Decimal(50))
    line = bench.chain._blocks.make(bench.world.now())
    bench.chain._journal.write(line)
    for _ in range(2):
        chain = again()
        account = chain.world.snapshot()[f"{bench.address}-0"]
        assert Decimal(account["cash"]["USD"]) == 100_050
        assert chain.state.subaccounts.get(bench.address, 0).usdc == 100_050


async def test_a_replaced_order_keeps_its_fills_through_a_kill(bench: Any, again: Callable[[], Chain]) -> None:
    await bench.place(bench.order(1, size="0.002", price="99000"))
    bench.blocks()
    bench.world.set_price("BTC-USD", Decimal(98_990))
    block = bench.chain.height + 20
    if bench.world.orders()[0].filled == Decimal("0.002"):
        bench.blocks()
    await bench.place(bench.order(1, size="9", price="98991", good_til_block=block))
    bench.chain._journal.close()
    bench.blocks()
    told = bench.chain_order(1)
    chain = again()
    chain.produce_block()
    (order,) = chain.orders
    assert (order.total_filled, order.size) == (told.total_filled, told.size)
    assert order.total_filled == sum(each.size for each in chain.fills)


# ------------------------------------------------------------------------------------------- a process that is killed


class Simulator:
    """`python -m simulators.dydx` in a process of its own."""

    def __init__(self, books: Path, fund: str) -> None:
        options = ["--grpc-port", "0", "--http-port", "0", "--control-port", "0", "--block-ms", "0"]
        world = ["--books", str(books), "--symbols", "BTC-USD", "--price", "BTC-USD=100000", "--speed", "0"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulators.dydx", *options, *world, "--fund", fund],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        told = self.process.stdout.readline()
        self.grpc_port = int(re.search(r"gRPC on [\d.]+:(\d+)", told)[1])  # type: ignore[index]
        control_port = int(re.search(r"control on [\d.]+:(\d+)", told)[1])  # type: ignore[index]
        self._control = socket.create_connection(("127.0.0.1", control_port), START_SECONDS_MAX)
        self._file = self._control.makefile("rw")

    def tell(self, do: str, **arguments: Any) -> dict[str, Any]:
        self._file.write(json.dumps({"do": do, **arguments}) + "\n")
        self._file.flush()
        reply: dict[str, Any] = json.loads(self._file.readline())
        assert reply.pop("ok"), reply
        return reply

    def kill(self) -> None:
        self._file.close()
        self._control.close()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()  # type: ignore[union-attr]


@contextmanager
def simulator(books: Path, address: str) -> Iterator[Simulator]:
    running = Simulator(books, f"{address}=100000")
    try:
        yield running
    finally:
        running.kill()


async def place(running: Simulator, bench: Any, message: Any) -> Any:
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel:
        client = await NodeClient.connect(NodeConfig(bench.chain.chain_id, "adv4tnt", USDC_DENOM, channel))
        return (await bench.call(lambda: client.place_order(bench.wallet, message))).tx_response


async def test_kill_9_and_a_start_leave_the_chain_as_it_was(bench: Any, tmp_path: Path) -> None:
    books = tmp_path / "killed" / "books"
    with simulator(books, bench.address) as running:
        for client_id in (1, 2):
            message = bench.order(client_id, size="0.01", price="101000" if client_id == 1 else "99000")
            assert (await place(running, bench, message)).code == 0
        running.tell("blocks")
        before = [running.tell(do) for do in ("chain", "chain_orders", "books")]
    with simulator(books, bench.address) as running:
        assert [running.tell(do) for do in ("chain", "chain_orders", "books")] == before
        await asyncio.to_thread(running.tell, "set_price", symbol="BTC-USD", price="98000")
        running.tell("blocks")
        orders = running.tell("chain_orders")["orders"]
        assert [(each["client_id"], each["status"]) for each in orders] == [(1, "FILLED"), (2, "FILLED")]
        assert len(running.tell("books")["executions"]) == 2
