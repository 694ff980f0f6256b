"""The faucet, with the real client."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest
from dydx_v4_client.faucet_client import FaucetClient


async def test_the_client_fills_a_subaccount(indexer: Any, address: str) -> None:
    response = await FaucetClient(indexer.url, api_timeout=5).fill(address, 3, 250.5)
    assert response.status_code == 202
    assert indexer.chain.deposits == [(address, 3, Decimal("250.5"))]


async def test_the_native_token_is_taken_note_of(indexer: Any, address: str) -> None:
    response = await FaucetClient(indexer.url, api_timeout=5).fill_native(address)
    assert response.status_code == 202
    assert indexer.chain.deposits == []


@pytest.mark.parametrize("amount", [0, -1, float("nan"), 10**12])
async def test_a_wrong_amount_is_refused(indexer: Any, address: str, amount: float) -> None:
    body = {"address": address, "subaccountNumber": 0, "amount": str(amount)}
    async with indexer.session.post(f"{indexer.url}/faucet/tokens", json=body) as response:
        assert response.status == 400
        assert (await response.json())["errors"][0]["param"] == "amount"
    assert indexer.chain.deposits == []


async def test_a_wrong_address_is_refused(indexer: Any, address: str) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        await FaucetClient(indexer.url, api_timeout=5).fill(address[:-1] + "q", 0, 1)
