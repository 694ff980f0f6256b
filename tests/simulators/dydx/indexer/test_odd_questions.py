"""What strange programs ask of the indexer: values of a wrong kind, things that never were, a browser's questions."""

from __future__ import annotations

from typing import Any

import pytest


async def test_nothing_was_ever_transferred_to_a_subaccount_that_does_not_exist(indexer: Any, address: str) -> None:
    answer = await indexer.client.account.get_transfer_between(address, 0, address, 1)
    assert answer == {"transfersSubset": [], "totalNetTransfers": "0"}


async def test_an_order_is_asked_for_by_uuid(indexer: Any) -> None:
    errors = (await indexer.get("/orders/no-uuid", expected=400))["errors"]
    assert errors == [{"value": "no-uuid", "msg": "Invalid value", "param": "orderId", "location": "params"}]


async def test_a_page_of_any_origin_may_ask(indexer: Any) -> None:
    asked = {"Origin": "http://page", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-key"}
    async with indexer.session.options(f"{indexer.url}/v4/height", headers=asked) as response:
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "GET" in response.headers["Access-Control-Allow-Methods"]
        assert response.headers["Access-Control-Allow-Headers"] == "x-key"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"channel": ["v4_markets"]}, "Invalid channel: ['v4_markets']"),
        ({"channel": {"of": "markets"}}, "Invalid channel: {'of': 'markets'}"),
        ({"channel": "v4_markets", "id": ["BTC-USD"]}, "Invalid id: ['BTC-USD']"),
        ({"channel": "v4_block_height", "id": 7}, "Invalid id: 7"),
    ],
)
async def test_values_of_a_wrong_kind_are_refused_and_the_connection_goes_on(
    indexer: Any, said: dict[str, Any], answer: str
) -> None:
    socket = await indexer.connect()
    await socket.say(type="subscribe", **said)
    assert (await socket.got("error"))["message"] == answer
    await socket.subscribe("v4_block_height")
