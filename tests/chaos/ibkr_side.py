"""A campaign's side at IBKR: what is drawn there, and how the venue's books are read.

Owns the simulator's options, orders that IBKR takes, and what people, other programs and IBKR itself do in the account.
It must not know what is killed, nor when.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from signalbox.exchange.orders import DONE, VenueOrderStatus
from signalbox.messages import OrderIntent, OrderListIntent, OrderType, Side, TimeInForce, TriggerMethod
from signalbox.order_terms import AT_ONCE, IF_TOUCHED, IN_AUCTION, WITH_LIMIT, WITH_STOP
from signalbox_cli.ports import free_port

from tests.chaos.differences import wrong_cash, wrong_claims, wrong_fills, wrong_positions
from tests.chaos.ibkr_differences import executed, positions, stranded, wrong_orders
from tests.chaos.ibkr_lots import ACCOUNT, FAULTS, GATEWAY_SETTINGS, MENDING, OTHER_CLIENT, PRICES
from tests.chaos.list_lots import Where, drawn
from tests.chaos.side import Hand, Traded, Written

DAYS = (
    ("2024-03-05T15:00:00Z", ("SPY", "AAPL")),
    ("2024-03-05T15:00:00Z", ("SPY", "AAPL")),
    ("2024-03-05T14:27:00Z", ("SPY", "AAPL")),  # the market opens
    ("2024-03-05T20:52:00Z", ("SPY", "AAPL")),  # it shuts
    ("2024-03-06T00:50:00Z", ("SPY", "AAPL")),  # the day ends, and another begins
    ("2024-03-05T02:00:00Z", ("0700.HK",)),
)
LOTS = {"0700.HK": 100}
ELSEWHERE: tuple[dict[str, Any], ...] = (
    {"symbol": "SPY", "sec_type": "STK", "currency": "CAD", "con_id": 1_001, "exchange": "TSE", "price": "60.5"},
    {"symbol": "SHOP", "sec_type": "STK", "currency": "CAD", "con_id": 1_002, "exchange": "TSE", "price": "104.25"},
    {"symbol": "AAPL", "sec_type": "OPT", "con_id": 1_003, "multiplier": "100", "price": "5.15"},
    {"symbol": "ES", "sec_type": "FUT", "con_id": 1_004, "multiplier": "50", "exchange": "CME", "price": "5100.25"},
    {"symbol": "SAP", "sec_type": "STK", "currency": "EUR", "con_id": 1_005, "exchange": "IBIS", "price": "176.5"},
    {"symbol": "AAPL", "sec_type": "OPT", "con_id": 1_006, "multiplier": "100", "price": "0", "commission": "0"},
)
"""Contracts that are not the desk's, some of them with the ticker of one that is; one trades at 0."""
NAMES = {str(each["con_id"]): f"{each['symbol']}:{each.get('currency', 'USD')}:{each['con_id']}" for each in ELSEWHERE}


class IbkrSide:
    """See `side.VenueSide`."""

    venue, account, gateway, simulator = "ibkr", ACCOUNT, "gateway_ibkr", "simulators.tws"
    keeps_its_books = False  # corrections and orders that TWS holds are in no file
    faults, mending = FAULTS, MENDING
    desk_file = f'\n[venues.ibkr]\naccounts = ["{ACCOUNT}"]\n\n' + "".join(
        f'[[instruments]]\nvenue = "ibkr"\nsymbol = "{symbol}"\n\n' for symbol in PRICES
    )

    def __init__(self, hand: Hand) -> None:
        self._hand, self._chance, self._port = hand, hand.chance, free_port()
        self._start, self._symbols = self._chance.choice(DAYS)
        self.orders = self.fills = 0
        self.standing: Mapping[str, tuple[Decimal, bool]] = {}
        self.traded: Sequence[Traded] = ()

    def options(self, seed: int, folder: Path) -> list[str]:
        return [
            *("--port", str(self._port), "--accounts", ACCOUNT, "--cash", "50000000"),
            *("--symbols", ",".join(PRICES), "--start", self._start),
            *(part for symbol, price in PRICES.items() for part in ("--price", f"{symbol}={price}")),
        ]

    def settings(self) -> dict[str, str]:
        return {"SIGNALBOX_IBKR_PORT": str(self._port), **GATEWAY_SETTINGS}

    # ----------------------------------------------------------------------------------------------- what is drawn

    async def _price(self, symbol: str) -> Decimal:
        with suppress(ValueError):  # there has been no quote yet
            return Decimal((await self._hand.do("quote", symbol=symbol))["last"])
        return Decimal(PRICES[symbol])

    async def draw(self, order_id: str) -> OrderIntent:
        chance, symbol = self._chance, self._chance.choice(self._symbols)
        side, now, price = chance.choice((Side.BUY, Side.SELL)), self._hand.clock.now(), await self._price(symbol)
        away = price * chance.choice((-20, 4, 30, 400)) / 10_000 * side.sign
        lasting = chance.choice((TimeInForce.DAY, TimeInForce.DAY, *TimeInForce))
        kind, terms = chance.randrange(6), dict[str, Any]()
        if kind in (0, 1):
            terms = {"order_type": OrderType.MARKET}
        elif kind == 2:
            terms = {"order_type": chance.choice((OrderType.STOP, OrderType.STOP, *sorted(WITH_STOP)))}
            beyond = -abs(away) if terms["order_type"] in IF_TOUCHED else abs(away)
            terms["stop_price"] = _ticked(symbol, price + beyond * side.sign)
            if terms["order_type"] in WITH_LIMIT:
                terms["limit_price"] = _ticked(symbol, price + beyond * side.sign - away / 4)
            terms["time_in_force"] = chance.choice((TimeInForce.DAY, TimeInForce.GTC))
            terms["trigger"] = chance.choice([*TriggerMethod][:4])
            if chance.random() < 0.25:
                terms = {
                    "order_type": OrderType.TRAILING_STOP,
                    "trail_percent": chance.choice((Decimal("0.2"), Decimal(3))),
                }
        elif kind == 3 and chance.random() < 0.5:
            terms = {"order_type": chance.choice((*sorted(IN_AUCTION), OrderType.MARKET_TO_LIMIT))}
            if terms["order_type"] in WITH_LIMIT:
                terms["limit_price"] = _ticked(symbol, price - away)
        else:
            terms = {"order_type": OrderType.LIMIT, "limit_price": _ticked(symbol, price - away)}
            terms |= {"time_in_force": lasting, "outside_regular_hours": chance.random() < 0.3}
            if lasting not in AT_ONCE and chance.random() < 0.2:
                terms |= chance.choice(({"all_or_none": True}, {"not_before": now + timedelta(seconds=30)}))
            if lasting is TimeInForce.GTD:
                terms["good_till"] = now + timedelta(seconds=chance.choice((3, 12)) * self._hand.speed)
        return OrderIntent(
            id=order_id,
            at=now,
            venue=self.venue,
            account=ACCOUNT,
            symbol=symbol,
            side=side,
            quantity=Decimal(chance.choice((1, 10, 300, 2000)) * LOTS.get(symbol, 1)),
            **terms,
        )

    async def draw_list(self, list_id: str) -> OrderListIntent:
        symbol = self._chance.choice(self._symbols)
        price, now = await self._price(symbol), self._hand.clock.now()
        where = Where(self.venue, ACCOUNT, symbol, now, price, lambda each: _ticked(symbol, each), reduces=False)
        quantity = Decimal(self._chance.choice((1, 10, 300, 2000)) * LOTS.get(symbol, 1))
        return drawn(self._chance, list_id, where, quantity)

    def ticked(self, symbol: str, price: Decimal) -> Decimal:
        return _ticked(symbol, price)

    def lots(self, symbol: str, quantity: Decimal) -> Decimal:
        lot = Decimal(LOTS.get(symbol, 1))
        return max(quantity // lot, Decimal(1)) * lot

    async def jump(self) -> None:
        symbol = self._chance.choice(self._symbols)
        price = await self._price(symbol) * (1000 + self._chance.choice((-25, -4, -1, 1, 4, 25))) / 1000
        self._hand.note(f"price of {symbol} {_ticked(symbol, price)}")
        await self._hand.do("set_price", symbol=symbol, price=str(_ticked(symbol, price)))

    async def others(self) -> None:
        """Somebody else trades, or changes what is traded, or what has been."""
        actions: tuple[Callable[[], Awaitable[str]], ...] = (
            self._by_hand,
            self._by_hand,
            self._elsewhere,
            self._cancel_by_hand,
            self._correct,
            self._correct,
            self._charge_anew,
            self._end_hold,
            self._end_hold,
        )
        try:
            told = await self._chance.choice(actions)()
        except ValueError as error:
            told = f"could not be done: {error}"
        if told:
            self._hand.tell("others", told)

    async def _by_hand(self) -> str:
        symbol, side = self._chance.choice(self._symbols), self._chance.choice(("BUY", "SELL"))
        terms: dict[str, Any] = {"quantity": str(self._chance.choice((1, 7)) * LOTS.get(symbol, 1))}
        if self._chance.random() < 0.4:
            terms["limit_price"] = str(_ticked(symbol, await self._price(symbol)))
        client = self._chance.choice((0, OTHER_CLIENT))
        number = (await self._hand.do("place_by_hand", symbol=symbol, side=side, client=client, **terms))["number"]
        return f"order {number} by client {client}: {side} {symbol} {terms}"

    async def _elsewhere(self) -> str:
        contract, side = self._chance.choice(ELSEWHERE), self._chance.choice(("BUY", "SELL"))
        quantity = str(self._chance.choice((1, 40)))
        await self._hand.do("trade_elsewhere", side=side, quantity=quantity, **contract)
        return f"{side} {quantity} of {contract}"

    async def _cancel_by_hand(self) -> str:
        orders = (await self._hand.do("orders", account=ACCOUNT))["orders"]
        working = [order["number"] for order in orders if order["status"] in ("WORKING", "TRIGGERED")]
        if not working:
            return ""
        number = self._chance.choice(working)
        await self._hand.do("cancel_by_hand", number=number)
        return f"cancel {number} by hand"

    async def _execution(self) -> dict[str, Any] | None:
        """Any execution in a market of the simulation."""
        told = [each for each in await self._told() if each["symbol"] in PRICES and Decimal(each["quantity"])]
        return self._chance.choice(told) if told else None

    async def _correct(self) -> str:
        if (execution := await self._execution()) is None:
            return ""
        lot = LOTS.get(execution["symbol"], 1)
        price, quantity = Decimal(execution["price"]), Decimal(execution["quantity"])
        other: dict[str, str] = self._chance.choice(
            ({"price": str(price + 1)}, {"quantity": "0"}, {"quantity": str(max(quantity - lot, lot))})
        )
        await self._hand.do("correct_execution", execution_id=execution["execution_id"], booked=True, **other)
        return f"correct {execution['execution_id']} to {other}"

    async def _charge_anew(self) -> str:
        if (execution := await self._execution()) is None:
            return ""
        amount = self._chance.choice(("0.35", "0", "-0.2", "12.5"))
        await self._hand.do("commission", execution_id=execution["execution_id"], amount=amount, booked=True)
        return f"charge {amount} for {execution['execution_id']}"

    async def _end_hold(self) -> str:
        numbers = (await self._hand.do("held"))["numbers"]
        if not numbers:
            return ""
        number, works = self._chance.choice(numbers), self._chance.random() < 0.7
        if works:
            await self._hand.do("release", number=number)
        else:
            await self._hand.do("refuse_held", number=number, reason="there are no shares to be had")
        return f"order {number} {'comes to life' if works else 'is refused at last'}"

    async def cut(self) -> None:
        """TWS restarts."""
        await self._hand.do("drop_link", refuse_seconds=str(self._chance.choice(("0.3", "1", "2.5"))))

    async def freeze(self) -> None:
        """TWS loses IBKR, perhaps for longer, and may or may not say that it is back."""
        await self._hand.do("link_lost")
        await asyncio.sleep(self._chance.choice((0.2, 1.5)))
        back: tuple[dict[str, bool] | None, ...] = ({"data_lost": True}, {"data_lost": False}, {"silent": True}, None)
        if (said := self._chance.choice(back)) is not None:
            await self._hand.do("link_restored", **said)

    async def mended(self) -> None:
        while told := await self._end_hold():
            self._hand.note(told)

    # ---------------------------------------------------------------------------------------------- what must hold

    async def _told(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._hand.do("executions", account=ACCOUNT))["executions"]
        return found

    async def wrong(self, written: Written, *, ended: bool) -> list[str]:
        orders = (await self._hand.do("orders", account=ACCOUNT))["orders"]
        held = (await self._hand.do("held"))["references"]
        told = await self._told()
        books = (await self._hand.do("books", account=ACCOUNT))["books"][ACCOUNT]
        self.orders, self.fills = len(orders), len(told)
        self.standing = {
            each["client_reference"]: (
                Decimal(each["quantity"]) - Decimal(each["filled"]),
                each["status"] == VenueOrderStatus.HELD,
            )
            for each in orders
            if VenueOrderStatus(each["status"]) not in DONE
        }
        book = written.state.accounts[self.venue, ACCOUNT]
        done = {each["client_reference"]: Decimal(each["filled"]) for each in orders}
        executions = executed(told)
        self.traded = [Traded(each.order_id, each.quantity) for each in executions]
        stands: Counter[str] = Counter()
        for each in executions:
            stands[each.order_id] += each.quantity  # type: ignore[assignment]
        corrected = {order_id for order_id, filled in done.items() if stands[order_id] < filled}
        elsewhere = positions([each | {"symbol": NAMES[each["symbol"]]} for each in told if each["symbol"] in NAMES])
        return [
            *wrong_claims(written, stranded(written, orders, self._hand.clock.now())),
            *wrong_orders(written, orders, held, corrected, ended=ended),
            *wrong_fills(written, book, executions),
            *wrong_positions(book, {name: Decimal(held) for name, held in books["positions"].items()} | elsewhere),
            *wrong_cash(book, {currency: Decimal(amount) for currency, amount in books["cash"].items()}),
        ]


def _ticked(symbol: str, price: Decimal) -> Decimal:
    """A price that the market has."""
    tick = Decimal("0.2") if symbol.endswith(".HK") else Decimal("0.01")
    return (price / tick).quantize(Decimal(1)) * tick
