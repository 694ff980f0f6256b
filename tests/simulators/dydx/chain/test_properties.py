"""Whatever is traded: the chain's subaccounts and the world's books say the same, before and after a restart."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from dydx_v4_client.node.message import cancel_order, order, order_id, place_order
from google.protobuf.any_pb2 import Any as AnyMessage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulators.dydx.chain import Chain
from simulators.dydx.markets import MARKETS
from simulators.dydx.orders import price_of, quantums_of, size_of, subticks_of
from simulators.dydx.refusals import RefusedError
from simulators.dydx.transactions import decode_transaction
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import TxBody, TxRaw

ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"

actions = st.lists(
    st.one_of(
        st.tuples(
            st.just("place"),
            st.integers(1, 6),
            st.sampled_from([1, 2]),
            st.integers(1, 400),
            st.integers(-30, 30),
            st.sampled_from([0, 1, 2]),
            st.booleans(),
            st.sampled_from([0, 64]),
            st.integers(0, 1),
        ),
        st.tuples(st.just("cancel"), st.integers(1, 6)),
        st.tuples(st.just("price"), st.integers(-40, 40)),
        st.tuples(st.just("block"), st.integers(1, 12)),
    ),
    min_size=1,
    max_size=30,
)


class Trader:
    """Does the actions on one chain."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain

    def do(self, name: str, *arguments: int) -> None:
        if name == "block":
            for _ in range(arguments[0]):
                self.chain.produce_block()
        elif name == "price":
            self.chain.world.set_price("BTC-USD", Decimal(100_000 + 100 * arguments[0]))
        else:
            try:
                self._take(self._placed(*arguments) if name == "place" else self._canceled(arguments[0]))
            except RefusedError:
                return

    def _take(self, message: Any) -> None:
        packed = AnyMessage()
        packed.Pack(message, type_url_prefix="/")
        body = TxBody(messages=[packed])
        self.chain.take_unsigned(decode_transaction(TxRaw(body_bytes=body.SerializeToString()).SerializeToString()))

    def _placed(
        self, client_id: int, side: int, size: int, offset: int, tif: int, reduce: bool, flags: int, number: int
    ) -> Any:
        market = self.chain.markets[0]
        good_til = (
            {"good_til_block": self.chain.height + 1 + client_id * 3}
            if flags == 0
            else {"good_til_block_time": int(self.chain.block_time.timestamp()) + 600}
        )
        return place_order(
            order(
                order_id(ADDRESS, number, client_id, 0, flags),
                side,
                size * market.step_base_quantums * 100,
                subticks_of(Decimal(100_000 + 100 * offset), market),
                tif,
                reduce,
                **good_til,
            )
        )

    def _canceled(self, client_id: int) -> Any:
        return cancel_order(order_id(ADDRESS, 0, client_id, 0, 0), good_til_block=self.chain.height + 20)


def books_agree(chain: Chain) -> None:
    """The world's cash and positions are the chain's, exactly; fills add up to positions; orders to fills."""
    snapshot = chain.world.snapshot()
    for (address, number), subaccount in chain.state.subaccounts.of.items():
        book = snapshot[f"{address}-{number}"]
        assert Decimal(book["cash"]["USD"]) == subaccount.usdc
        assert {symbol: Decimal(size) for symbol, size in book["positions"].items()} == subaccount.sizes()
        own = [each for each in chain.fills if (each.address, each.subaccount_number) == (address, number)]
        assert sum((each.side.sign * each.size for each in own), Decimal(0)) == subaccount.size("BTC-USD")
    assert len({each.id for each in chain.fills}) == len(chain.fills)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions)
def test_the_chain_and_the_world_agree(world_of: Callable[..., Any], done: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = {"books_file": Path(folder) / "books", "symbols": ("BTC-USD",)}
        world = world_of(**files)
        chain = Chain(world, "test", Path(folder) / "chain")
        for number in (0, 1):
            chain.deposit(ADDRESS, number, Decimal(20_000))
        chain.produce_block()
        trader = Trader(chain)
        for action in done:
            trader.do(*action)
        chain.produce_block()
        books_agree(chain)
        before = (chain.height, chain.orders, chain.fills, chain.state.subaccounts.of)
        chain.close()
        world.close()
        world = world_of(**files)
        chain = Chain(world, "test", Path(folder) / "chain")
        assert (chain.height, chain.orders, chain.fills, chain.state.subaccounts.of) == before
        chain.produce_block()
        books_agree(chain)
        chain.close()
        world.close()


@given(st.integers(1, 10**15), st.sampled_from([0, 1, 2, 3]))
def test_sizes_and_prices_convert_without_loss(number: int, which: int) -> None:
    market = MARKETS[which]
    assert quantums_of(size_of(number, market), market) == number
    assert subticks_of(price_of(number, market), market) == number
