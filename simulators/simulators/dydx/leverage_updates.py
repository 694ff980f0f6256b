"""What leverage the chain lets the owner of a subaccount choose.

Owns the checks of an update, which the chain makes in CheckTx and again in the block. It must not know blocks. Source:
v4-chain, protocol/x/clob/types/leverage.go and protocol/x/subaccounts/keeper/leverage.go.
"""

from __future__ import annotations

from typing import Any

from simulators.dydx.book import Book
from simulators.dydx.refusals import Code, RefusedError
from simulators.dydx.state import ChainState

PPM_MAX = 1_000_000


def update(message: Any, book: Book, state: ChainState, *, keeps: bool) -> None:
    """Check an update, and take it if `keeps`. Raises RefusedError."""
    chosen = _chosen(message, book)
    for ticker, ppm in chosen.items():
        market = book.markets[ticker]
        least = int(market.initial_margin_fraction * PPM_MAX)
        if ppm < least:
            raise RefusedError(
                Code.LEVERAGE_EXCEEDS_MAXIMUM,
                f"{ppm} is less than minimum allowed imf ({least}) for perpetual {market.clob_pair_id} resulting in "
                "higher than allowed leverage",
            )
    key = (message.subaccount_id.owner, message.subaccount_id.number)
    before = book.leverage.get(key, {})
    book.leverage[key] = before | chosen
    needed = book.requirements(state.subaccounts.get(*key))
    if needed.equity < needed.initial or not keeps:
        book.leverage[key] = before
    if needed.equity < needed.initial:
        raise RefusedError(
            Code.LEVERAGE_VIOLATES_MARGIN,
            f'subaccount owner:"{key[0]}" number:{key[1]}  violates margin requirements with new leverage',
        )


def _chosen(message: Any, book: Book) -> dict[str, int]:
    """The margins that a message names, by ticker. Raises RefusedError."""
    if not message.HasField("subaccount_id"):
        raise RefusedError(Code.INVALID_CLOB_ADDRESS, "subaccount ID cannot be nil")
    if not message.clob_pair_leverage:
        raise RefusedError(Code.INVALID_LEVERAGE, "clob pair leverage entries cannot be empty")
    found: dict[str, int] = {}
    for entry in message.clob_pair_leverage:
        pair, ppm, market = entry.clob_pair_id, entry.custom_imf_ppm, book.market(entry.clob_pair_id)
        if not 0 < ppm <= PPM_MAX:
            raise RefusedError(Code.INVALID_LEVERAGE, f"imf ppm for clob pair {pair} must be between (0, 1,000,000]")
        if market is not None and market.ticker in found:
            raise RefusedError(Code.INVALID_LEVERAGE, f"duplicate clob pair ID {pair}")
        if market is None:
            raise RefusedError(Code.INVALID_CLOB, f"clob pair ID {pair} does not exist")
        found[market.ticker] = ppm
    return found
