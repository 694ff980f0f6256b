"""A campaign's side at dYdX: what is drawn there, and how the chain's books are read.

Owns the simulator's options, orders that dYdX takes, and what others do there. It must not know what is killed, nor
when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from signalbox.messages import OrderIntent, OrderListIntent, OrderType, Side, TimeInForce
from signalbox.order_terms import IF_TOUCHED, WITH_LIMIT, WITH_STOP
from signalbox_cli.ports import free_port
from simulators.dydx.markets import tickers

from tests.chaos.differences import wrong_cash, wrong_claims, wrong_fills, wrong_positions
from tests.chaos.dydx_differences import WORKING, executed, working, wrong_funding, wrong_orders
from tests.chaos.dydx_lots import (
    ACCOUNT,
    ADDRESS,
    FAULTS,
    GATEWAY_SETTINGS,
    MENDING,
    MORE_MARKETS,
    PATIENCE,
    PRICES,
)
from tests.chaos.list_lots import Where, drawn
from tests.chaos.side import Hand, Traded, Written

LOT = Decimal("0.001")
"""Of both markets."""
BLOCK_MS, BLOCK_OF_MANY_MS = 40, 250
"""So many markets are more work for each block."""


class DydxSide:
    """See `side.VenueSide`."""

    venue, account, gateway, simulator = "dydx", ACCOUNT, "gateway_dydx", "simulators.dydx"
    keeps_its_books = True
    faults, mending = FAULTS, MENDING

    def __init__(self, hand: Hand) -> None:
        self._hand, self._chance = hand, hand.chance
        self._grpc_port, self._http_port = free_port(), free_port()
        self._prices = {symbol: Decimal(price) for symbol, price in PRICES.items()}
        self._markets = MORE_MARKETS if self._chance.random() < 0.06 else 0
        self.orders = self.fills = 0
        self.standing: Mapping[str, tuple[Decimal, bool]] = {}
        self.traded: Sequence[Traded] = ()
        names = dict.fromkeys((*PRICES, *tickers(self._markets)))
        instruments = "".join(f'[[instruments]]\nvenue = "dydx"\nsymbol = "{symbol}"\n\n' for symbol in names)
        self.desk_file = f'\n[venues.dydx]\naccounts = ["{ACCOUNT}"]\n\n{instruments}'

    def options(self, seed: int, folder: Path) -> list[str]:
        prices = [part for symbol, price in PRICES.items() for part in ("--price", f"{symbol}={price}")]
        markets = ["--markets", str(self._markets)] if self._markets else []
        return [
            *("--grpc-port", str(self._grpc_port), "--http-port", str(self._http_port)),
            *("--block-ms", str(BLOCK_OF_MANY_MS if self._markets else BLOCK_MS)),
            *("--rest-limit", "0", "--fund", f"{ADDRESS}=1000000"),
            *("--symbols", ",".join(PRICES), *prices, *markets),
            *("--start", self._chance.choice(("2024-03-05T14:58:00Z", "2024-03-05T23:57:00Z"))),
        ]

    def settings(self) -> dict[str, str]:
        return {
            "SIGNALBOX_DYDX_NODE_URL": f"127.0.0.1:{self._grpc_port}",
            "SIGNALBOX_DYDX_INDEXER_URL": f"http://127.0.0.1:{self._http_port}",
            "SIGNALBOX_DYDX_WEBSOCKET_URL": f"ws://127.0.0.1:{self._http_port}/v4/ws",
            **GATEWAY_SETTINGS,
            **(PATIENCE if self._markets else {}),
        }

    # ----------------------------------------------------------------------------------------------- what is drawn

    async def draw(self, order_id: str) -> OrderIntent:
        chance, side = self._chance, self._chance.choice((Side.BUY, Side.SELL))
        symbol = chance.choice(("BTC-USD", "BTC-USD", "ETH-USD"))
        price, now = self._prices[symbol], self._hand.clock.now()
        away = (price * chance.choice((-6, 2, 15, 300)) / 10_000).quantize(Decimal(1)) * side.sign
        terms: dict[str, Any] = {"order_type": OrderType.MARKET, "reduce_only": chance.random() < 0.2}
        kind = chance.randrange(4)
        if kind == 1:
            lasting = chance.choice(
                (TimeInForce.DAY, TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC)
            )
            terms = {"order_type": OrderType.LIMIT, "limit_price": price - away, "time_in_force": lasting}
            if lasting is TimeInForce.IOC:
                terms["reduce_only"] = chance.random() < 0.3
            elif chance.random() < 0.3:
                terms["post_only"] = True
            if lasting is TimeInForce.GTD:
                terms["good_till"] = now + timedelta(seconds=chance.choice((1, 4)) * self._hand.speed)
        elif kind == 2:
            terms = {"order_type": OrderType.LIMIT, "limit_price": price - away}
        elif kind == 3:
            lasting = chance.choice((TimeInForce.DAY, TimeInForce.GTC))
            order_type = chance.choice((OrderType.STOP, OrderType.STOP, *sorted(WITH_STOP)))
            beyond = -abs(away) if order_type in IF_TOUCHED else abs(away)
            terms = {"order_type": order_type, "stop_price": price + beyond * side.sign, "time_in_force": lasting}
            if order_type in WITH_LIMIT:
                terms["limit_price"] = terms["stop_price"] - (away / 4).quantize(Decimal(1))
            else:
                terms["reduce_only"] = chance.random() < 0.3
        return OrderIntent(
            id=order_id,
            at=now,
            venue=self.venue,
            account=ACCOUNT,
            symbol=symbol,
            side=side,
            quantity=Decimal(chance.choice((1, 20, 300, 2000))) / 1000,
            **terms,
        )

    async def draw_list(self, list_id: str) -> OrderListIntent:
        symbol, now = self._chance.choice(("BTC-USD", "BTC-USD", "ETH-USD")), self._hand.clock.now()
        where = Where(self.venue, ACCOUNT, symbol, now, self._prices[symbol], _ticked, reduces=True)
        return drawn(self._chance, list_id, where, Decimal(self._chance.choice((1, 20, 300))) / 1000)

    def ticked(self, symbol: str, price: Decimal) -> Decimal:
        return _ticked(price)

    def lots(self, symbol: str, quantity: Decimal) -> Decimal:
        return max(quantity // LOT, Decimal(1)) * LOT

    async def jump(self) -> None:
        symbol = self._chance.choice(tuple(self._prices))
        first = Decimal(PRICES[symbol])
        step = first * self._chance.choice((-25, -4, -1, 1, 4, 25)) / 1000
        price = min(max(self._prices[symbol] + step, first * 8 / 10), first * 12 / 10).quantize(Decimal(1))
        self._prices[symbol] = price
        self._hand.note(f"price of {symbol} {price}")
        await self._hand.do("set_price", symbol=symbol, price=str(price))

    async def others(self) -> None:
        """Another program of the account's owner trades, or cancels any order: also one of the desk's."""
        if self._chance.random() < 0.3:
            return await self._cancel_by_owner()
        side, symbol = self._chance.choice(("BUY", "SELL")), self._chance.choice(tuple(PRICES))
        lasting = self._chance.choice(
            (
                {"kind": "SHORT_TERM", "time_in_force": "IOC"},
                {"kind": "SHORT_TERM", "time_in_force": "GTT"},
                {"kind": "LONG_TERM", "time_in_force": "GTT"},
            )
        )
        worse = self._prices[symbol] * self._chance.choice((5, 5, -1, -20)) / 1000 * (1 if side == "BUY" else -1)
        terms = {"symbol": symbol, "side": side, "quantity": "0.05", **lasting}
        terms["price"] = str((self._prices[symbol] + worse).quantize(Decimal(1)))
        self._hand.tell("others", f"external {terms}")
        with suppress(ValueError):  # refused for want of collateral, for example
            await self._hand.do("place_external", account=ACCOUNT, **terms)

    async def _cancel_by_owner(self) -> None:
        orders = (await self._hand.do("chain_orders", account=ACCOUNT))["orders"]
        working = [order["id"] for order in orders if order["status"] in WORKING]
        if working:
            number = self._chance.choice(working)
            self._hand.tell("others", f"cancel {number} by its owner")
            with suppress(ValueError):  # it has ended meanwhile, or is in no block
                await self._hand.do("cancel_external", id=number)

    async def cut(self) -> None:
        raise AssertionError("it is killed")

    async def freeze(self) -> None:
        await self._hand.do("node_frozen", frozen=True)
        await asyncio.sleep(self._chance.choice((0.2, 1.5)))
        await self._hand.do("node_frozen", frozen=False)

    async def mended(self) -> None:
        pass

    # ---------------------------------------------------------------------------------------------- what must hold

    async def wrong(self, written: Written, *, ended: bool) -> list[str]:
        orders = (await self._hand.do("chain_orders", account=ACCOUNT))["orders"]
        told = await self._hand.do("chain_fills", account=ACCOUNT)
        books = (await self._hand.do("books", account=ACCOUNT))["books"][ACCOUNT]
        self.orders, self.fills = len(orders), len(told["fills"])
        self.standing = {name: (left, False) for name, left in working(written, orders).items()}
        self.traded = [Traded(each.order_id, each.quantity) for each in executed(written, told["fills"])]
        book = written.state.accounts[self.venue, ACCOUNT]
        return [
            *wrong_claims(written),
            *wrong_orders(written, orders, ended=ended),
            *wrong_fills(written, book, executed(written, told["fills"])),
            *wrong_funding(book, told["funding"]),
            *wrong_positions(book, {symbol: Decimal(held) for symbol, held in books["positions"].items()}),
            *wrong_cash(book, {"USD": Decimal(str(books["cash"]["USD"]))}),
        ]


def _ticked(price: Decimal) -> Decimal:
    """A price that both markets have."""
    return price.quantize(Decimal(1))
