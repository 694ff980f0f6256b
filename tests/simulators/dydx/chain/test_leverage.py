"""The leverage that the owner of a subaccount sets: taken, or refused in the chain's codes and words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from dydx_v4_client.node.builder import Builder
from dydx_v4_client.node.message import subaccount, transfer
from dydx_v4_client.wallet import Wallet
from simulators.dydx.accounts import USDC_DENOM
from simulators.dydx.leverage import MsgUpdateLeverage


def message(bench: Any, *entries: tuple[int, int], number: int = 0) -> Any:
    made = MsgUpdateLeverage()
    made.subaccount_id.owner, made.subaccount_id.number = bench.address, number
    for pair, ppm in entries:
        made.clob_pair_leverage.add(clob_pair_id=pair, custom_imf_ppm=ppm)
    return made


async def sent(bench: Any, update: Any) -> Any:
    """Broadcast as the client does what costs no gas: with a time as its sequence."""
    builder = Builder(bench.chain.chain_id, USDC_DENOM)
    wallet = Wallet(bench.wallet.key, bench.wallet.account_number, bench.now * 1000 + bench.chain.height)
    transaction = builder.build(wallet, update)
    return (await bench.call(lambda: bench.client.broadcast(transaction))).tx_response


async def test_what_the_owner_chooses_binds_more_margin_from_the_next_block_on(bench: Any) -> None:
    await bench.place(bench.order(1))
    bench.blocks()
    assert bench.chain_order(1).total_filled == Decimal("0.1")
    before = bench.subaccount.initial_margin
    assert (await sent(bench, message(bench, (0, 200_000)))).code == 0
    assert bench.subaccount.initial_margin == before
    bench.blocks()
    assert bench.subaccount.initial_margin == before * 10
    assert bench.chain.book.leverage[bench.address, 0] == {"BTC-USD": 200_000}
    assert (await sent(bench, message(bench, (1, 50_000)))).code == 0
    bench.blocks()
    assert bench.chain.book.leverage[bench.address, 0] == {"BTC-USD": 200_000, "ETH-USD": 50_000}, "others stay"


@pytest.mark.parametrize(
    ("entries", "refusal", "words"),
    [
        ((), ("clob", 11002), "clob pair leverage entries cannot be empty: Invalid update leverage"),
        (((0, 0),), ("clob", 11002), "imf ppm for clob pair 0 must be between (0, 1,000,000]: Invalid update leverage"),
        (((0, 1_000_001),), ("clob", 11002), "imf ppm for clob pair 0 must be between (0, 1,000,000]: Invalid"),
        (((0, 50_000), (0, 60_000)), ("clob", 11002), "duplicate clob pair ID 0: Invalid update leverage"),
        (((77, 50_000),), ("clob", 8), "clob pair ID 77 does not exist: ClobPair ID does not reference a valid CLOB"),
        (
            ((0, 19_999),),
            ("subaccounts", 701),
            "19999 is less than minimum allowed imf (20000) for perpetual 0 resulting in higher than allowed leverage: "
            "leverage exceeds maximum allowed",
        ),
    ],
)
async def test_what_can_not_be_chosen_is_refused_at_once(
    bench: Any, entries: Any, refusal: tuple[str, int], words: str
) -> None:
    response = await sent(bench, message(bench, *entries))
    assert (response.codespace, response.code) == refusal
    assert response.raw_log.startswith(words)
    bench.blocks()
    assert not bench.chain.book.leverage.get((bench.address, 0))


async def test_less_leverage_than_the_positions_allow_is_refused_and_changes_nothing(bench: Any) -> None:
    await bench.place(bench.order(1, size="0.2"))
    bench.blocks()
    away = transfer(subaccount(bench.address, 0), subaccount(bench.address, 1), 0, 85_000_000_000)
    assert (await bench.broadcast(away)).code == 0
    bench.blocks()
    held = bench.subaccount.positions[0].size
    assert held * 100_000 * Decimal("0.9") > bench.subaccount.equity
    response = await sent(bench, message(bench, (0, 900_000)))
    assert (response.codespace, response.code) == ("subaccounts", 703)
    assert "violates margin requirements with new leverage" in response.raw_log
    assert bench.subaccount.initial_margin == held * bench.chain.oracle_price("BTC-USD") * Decimal("0.02")
