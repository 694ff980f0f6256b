"""The faucet: test USDC for any subaccount, out of nothing, and a history with it for who asks for one.

Owns its requests and refusals. It must not know how the chain credits a subaccount. `"history": true` in the request is
this simulator's own: then the subaccount looks used, with orders, fills, funding and transfers.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

import msgspec
from aiohttp import web

from simulators.dydx.rest_query import SUBACCOUNT_NUMBER_MAX, is_dydx_address
from simulators.dydx.rest_server import reply

AMOUNT_USDC_MAX = Decimal(1_000_000_000)


class Deposit(Protocol):
    """Credit (address, subaccount's number) with an amount of USDC; `used` = with a history."""

    def __call__(self, address: str, number: int, amount: Decimal, *, used: bool) -> None: ...


class Faucet:
    """Answers POST requests under /faucet; 202 = taken."""

    def __init__(self, deposit: Deposit) -> None:
        self._deposit = deposit

    def routes(self) -> list[web.RouteDef]:
        """Every path."""
        return [web.post("/faucet/tokens", self._tokens), web.post("/faucet/native-token", self._native_token)]

    async def _tokens(self, request: web.Request) -> web.Response:
        body = await _body(request)
        address, number, amount = body.get("address"), body.get("subaccountNumber", 0), _amount(body.get("amount"))
        if not isinstance(address, str) or not is_dydx_address(address):
            return _refusal("address must be a valid dydx address", "address")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= SUBACCOUNT_NUMBER_MAX:
            return _refusal("subaccountNumber must be a non-negative integer less than 128001", "subaccountNumber")
        if amount is None:
            return _refusal(f"amount must be above 0 and at most {AMOUNT_USDC_MAX} USDC", "amount")
        used = body.get("history", False)
        if not isinstance(used, bool):
            return _refusal("history must be true or false", "history")
        self._deposit(address, number, amount, used=used)
        return reply({"message": f"{amount} USDC for {address}/{number}{', with a history' if used else ''}"}, 202)

    async def _native_token(self, request: web.Request) -> web.Response:
        address = (await _body(request)).get("address")
        if not isinstance(address, str) or not is_dydx_address(address):
            return _refusal("address must be a valid dydx address", "address")
        return reply({"message": "no transaction costs the native token here: nothing was sent"}, 202)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(await request.read())
    except msgspec.DecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _amount(value: object) -> Decimal | None:
    """Return whole micro-USDC, or None for what is no amount."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 < amount <= AMOUNT_USDC_MAX:
        return None
    return amount.quantize(Decimal("0.000001")) or None


def _refusal(message: str, name: str) -> web.Response:
    return reply({"errors": [{"msg": message, "param": name, "location": "body"}]}, 400)
