"""A simulated broker that speaks lines of JSON: the tiny third venue, on the simulated market that all venues share.

Owns its protocol and its faults. It knows nothing of the gateway's code (`lines_gateway`): what they share is the wire.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from signalbox.exchange.orders import DONE, OrderTerms, VenueOrder
from signalbox.exchange.quoting import MarketQuote
from signalbox.messages import OrderType, Side, TimeInForce, TriggerMethod
from simulators.world import World

BEAT_SECONDS = 0.1


class LineBroker:
    """Serves one account. Use as an async context manager. Faults last until they are set back."""

    def __init__(self, world: World, account: str) -> None:
        self._world, self._account = world, account
        self._writers: set[asyncio.StreamWriter] = set()
        self._told = len(world.executions(account))
        self.frozen = ""
        self.reject_reason, self.rejected = "", 0
        """Why it refuses the next orders, and how many of them."""
        self.unanswered = self.doubled = self.displaced = self.lost = 0
        self.withheld = ""
        """How many questions get no answer; how many lines about orders come three times, late, or never."""
        self.quotes_lost = 0
        """How many quotes are never told."""
        self._late: list[dict[str, Any]] = []

    async def __aenter__(self) -> LineBroker:
        self._world.on_order(self._on_order)
        self._world.on_quote(self._on_quote)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            self._tell({"type": "Beat", "frozen": self.frozen})
            while line := await reader.readline():
                self._take(json.loads(line), writer)
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    def _take(self, line: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        match line["do"]:
            case "ask" if self.frozen or self.unanswered:
                self.unanswered = max(0, self.unanswered - 1)
            case "ask":
                self._write(writer, self._everything(line["key"]))
            case "place":
                self._place(line)
            case "cancel":
                self._cancel(line["reference"])

    def _place(self, line: dict[str, Any]) -> None:
        terms = OrderTerms(
            account=self._account,
            symbol=line["symbol"],
            side=Side(line["side"]),
            quantity=Decimal(line["quantity"]),
            order_type=OrderType(line["order_type"]),
            limit_price=Decimal(line["limit_price"]) if line["limit_price"] else None,
            stop_price=Decimal(line["stop_price"]) if line["stop_price"] else None,
            time_in_force=TimeInForce(line["time_in_force"]),
            good_till=datetime.fromisoformat(line["good_till"]) if line["good_till"] else None,
            outside_regular_hours=line["outside_regular_hours"],
            all_or_none=line["all_or_none"],
            display_quantity=Decimal(line["display_quantity"]) if line["display_quantity"] else None,
            not_before=datetime.fromisoformat(line["not_before"]) if line["not_before"] else None,
            trigger=TriggerMethod(line["trigger"]),
            **{
                name: Decimal(line[name]) if line[name] else None
                for name in ("trail_amount", "trail_percent", "limit_offset", "activation_price")
            },
            client_reference=line["reference"],
        )
        if self.rejected:
            self.rejected -= 1
            refused = {"number": 0, "filled": 0, "status": "REJECTED", "reason": self.reject_reason}
            names = ("reference", "symbol", "side", "quantity")
            self._tell({"type": "OrderSeen", **{name: line[name] for name in names}, **refused})
            return
        self._world.submit(terms)

    def _cancel(self, reference: str) -> None:
        for order in self._orders():
            if order.terms.client_reference == reference and order.status not in DONE:
                self._world.cancel(order.number)
                return
        self._tell({"type": "CancelRefused", "reference": reference, "reason": "there is no such working order"})

    # ------------------------------------------------------------------------------------------------ what it tells

    async def _beat(self) -> None:
        while True:
            self._tell({"type": "Beat", "frozen": self.frozen})
            self._tell(self._figures())
            await asyncio.sleep(BEAT_SECONDS)

    async def _on_quote(self, quote: MarketQuote) -> None:
        if self.quotes_lost > 0:
            self.quotes_lost -= 1
            return
        names = ("symbol", "bid", "ask", "bid_size", "ask_size", "last", "last_size")
        self._tell({"type": "QuoteSeen", **{name: getattr(quote, name) for name in names}})

    async def _on_order(self, event: object, order: VenueOrder) -> None:
        executions = self._world.executions(self._account)
        new, self._told = executions[self._told :], len(executions)
        news = [{"type": "ExecutionSeen", **_execution(each)} for each in new]
        if order.terms.account == self._account:
            news.append({"type": "OrderSeen", **_order(order)})
        for line in news:
            self._news(line)

    def _news(self, line: dict[str, Any]) -> None:
        if self.lost:
            self.lost -= 1
        elif self.displaced:
            self.displaced -= 1
            self._late.append(line)
        elif self.doubled:
            self.doubled -= 1
            for _ in range(3):
                self._tell(line)
        else:
            self._tell(line)
        if not self.displaced:
            while self._late:
                self._tell(self._late.pop())  # the last one first

    def _everything(self, key: int) -> dict[str, Any]:
        held = self._world.positions(self._account)
        return {
            "type": "Everything",
            "key": key,
            "orders": [_order(order) for order in self._orders()],
            "executions": [_execution(each) for each in self._world.executions(self._account)],
            "positions": [
                {"symbol": each.held.symbol, "quantity": each.held.quantity, "average_price": each.held.average_price}
                for each in held
            ],
            "figures": self._figures(),
            "listed": [
                {
                    "symbol": each.key,
                    "kind": each.kind,
                    "currency": each.currency,
                    "calendar": each.calendar,
                    "tick": each.tick,
                    "lot": each.lot,
                }
                for each in self._world.listings
            ],
        }

    def _figures(self) -> dict[str, Any]:
        figures = self._world.figures(self._account)
        names = ("net_liquidation", "available_funds", "buying_power", "initial_margin", "maintenance_margin")
        told = {name: getattr(figures, name) for name in names if name != self.withheld}
        return {"type": "FiguresSeen", "currency": figures.currency, "cash": figures.total_cash, **told}

    def _orders(self) -> Iterator[VenueOrder]:
        return iter(self._world.orders(self._account))

    def _tell(self, line: dict[str, Any]) -> None:
        for writer in list(self._writers):
            self._write(writer, line)

    def _write(self, writer: asyncio.StreamWriter, line: dict[str, Any]) -> None:
        if not writer.is_closing():
            writer.write(msgspec.json.encode(line) + b"\n")


def _order(order: VenueOrder) -> dict[str, Any]:
    terms = order.terms
    return {
        "number": order.number,
        "reference": terms.client_reference,
        "symbol": terms.symbol,
        "side": terms.side,
        "quantity": terms.quantity,
        "filled": order.filled,
        "status": order.status,
        "reason": order.reason,
        "limit_price": terms.limit_price,
    }


def _execution(each: Any) -> dict[str, Any]:
    names = ("execution_id", "number", "symbol", "side", "quantity", "price", "commission", "currency", "at")
    return {"reference": each.client_reference, **{name: getattr(each, name) for name in names}}
