"""The control port's commands for the IB Gateway simulator: what others do with orders, and its faults on them.

Owns their names and parameters. It must not know how a fault is made (`faults` and the rooms do).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from signalbox.exchange.orders import DONE, OrderTerms
from signalbox.messages import OrderType, Side

from simulators.control import Arguments, Command, CommandError, Kind, Parameter, Reply, execution_fields
from simulators.listings import IBKR
from simulators.tws.elsewhere import Outside
from simulators.tws.gateway import Gateway
from simulators.tws.orders import BY_HAND
from simulators.world import World

COUNT = Parameter("count", Kind.INTEGER, "how many of the next", 1)
SYMBOL = Parameter("symbol", Kind.TEXT, "a symbol of the simulation, such as SPY or 0700.HK")


def listed(world: World, arguments: Arguments) -> str:
    """The symbol that a command names, which must be one of this venue's."""
    symbol: str = arguments["symbol"]
    keys = [listing.key for listing in world.listings_of(IBKR)]
    if symbol not in keys:
        raise CommandError(f"there is no symbol {symbol!r} here; there are {', '.join(keys)}")
    return symbol


_BY_PRICES = {
    (False, False): OrderType.MARKET,
    (True, False): OrderType.LIMIT,
    (False, True): OrderType.STOP,
    (True, True): OrderType.STOP_LIMIT,
}
"""What an order is that has a limit, and a stop."""


class OrderControl:
    """What happens to orders that no client asked for."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway, self._faults, self._world = gateway, gateway.faults, gateway.world

    def commands(self) -> list[Command]:
        """Every command of this class."""
        reason = Parameter("reason", Kind.TEXT, "what error 201 says", "rejected by the control port")
        execution = Parameter("execution_id", Kind.TEXT, "with or without its revision")
        quantity = Parameter("quantity", Kind.NUMBER, "the corrected quantity; left out: the same, 0: a bust", None)
        price = Parameter("price", Kind.NUMBER, "the corrected price; left out: the same", None)
        code_of_order = Parameter("code", Kind.INTEGER, "the error code, such as 10268 or 10311")
        number = Parameter("number", Kind.INTEGER, "the order's permanent id")
        booked = Parameter("booked", Kind.FLAG, "true = cash and positions follow", False)
        return [
            Command(
                "roll_back_order_ids",
                "let nextValidId be lower at a client's next connect",
                self._roll_back,
                (
                    Parameter("client", Kind.INTEGER, "the client id"),
                    Parameter("order_id", Kind.INTEGER, "the next id", 1),
                ),
            ),
            Command("reject_next", "reject the next orders (201)", self._reject_next, (reason, COUNT)),
            Command(
                "reject_next_attached",
                "reject the next orders that are attached to another one (201)",
                self._reject_next_attached,
                (reason, COUNT),
            ),
            Command(
                "attached_in_parts",
                "have orders that are attached to one that fills in part work for that part, or (false) whole",
                self._attached_in_parts,
                (Parameter("in_parts", Kind.FLAG, "true = for the part", True),),
            ),
            Command(
                "hold_next",
                "hold the next orders: 404 and whyHeld=locate, or for another reason 201 and Inactive, still open",
                self._hold_next,
                (Parameter("reason", Kind.TEXT, "locate, or what error 201 says", "locate"), COUNT),
            ),
            Command(
                "error_next",
                "answer the next orders with an error and nothing else: there is no order, no status, no trace",
                self._error_next,
                (code_of_order, Parameter("text", Kind.TEXT, "its text", ""), COUNT),
            ),
            Command(
                "slow_cancels",
                "let the next cancels wait (PendingCancel), as those of a shut market do",
                self._counted("slow_cancels"),
                (COUNT,),
            ),
            Command(
                "keep_types", "refuse the next changes of an order's type (329)", self._counted("keep_types"), (COUNT,)
            ),
            Command(
                "answer_cancels",
                "do the cancels that wait",
                lambda _: {"cancels": self._gateway.orders.answer_cancels()},
            ),
            Command("held", "the orders that are held: their permanent ids, and their clients' references", self._held),
            Command("release", "work an order that is held, from now on", self._release, (number,)),
            Command(
                "refuse_held",
                "refuse an order that is held, for good (201)",
                self._refuse_held,
                (number, reason),
            ),
            Command(
                "swallow_next",
                "take the next orders but say nothing of them until the client asks or reconnects",
                self._counted("swallow_replies"),
                (COUNT,),
            ),
            Command(
                "execution_before_status",
                "send the next executions before their order's status",
                self._counted("execution_before_status"),
                (COUNT,),
            ),
            Command(
                "commission_before_execution",
                "send the next commissions before their executions",
                self._counted("commission_before_execution"),
                (COUNT,),
            ),
            Command(
                "commission_not_reckoned",
                "say -1 for the commissions of the next executions; who asks, or `commission`, gets the true one",
                self._counted("commission_not_reckoned"),
                (COUNT,),
            ),
            Command(
                "commission",
                "tell an execution's commission again, perhaps another one; the books stay, if it is not `booked`",
                self._commission,
                (
                    execution,
                    Parameter("amount", Kind.NUMBER, "left out: the true one; below 0: a rebate", None),
                    booked,
                ),
            ),
            Command(
                "preset_next", "10349 for the next orders without TIF", self._counted("preset_time_in_force"), (COUNT,)
            ),
            Command(
                "correct_execution",
                "send a correction (.02) of an execution; the books stay, if it is not `booked`",
                self._correct,
                (execution, quantity, price, booked),
            ),
            Command(
                "executions",
                "every execution as it is told now, those elsewhere too: its last correction and commission",
                self._told,
                (Parameter("account", Kind.TEXT, "left out: the first account", ""),),
            ),
            Command("send_completed", "send an order's 101 unasked to its client", self._send_completed, (number,)),
            Command(
                "place_by_hand",
                "place an order that no client of the desk placed: a person's, or another API client's",
                self._place_by_hand,
                (
                    SYMBOL,
                    Parameter("side", Kind.TEXT, "BUY or SELL"),
                    Parameter("quantity", Kind.NUMBER, "how many"),
                    Parameter("limit_price", Kind.NUMBER, "left out: a market order, or a stop order", None),
                    Parameter("stop_price", Kind.NUMBER, "left out: it has no stop", None),
                    Parameter("shown_type", Kind.TEXT, "what TWS calls its type; left out: as it is", ""),
                    Parameter("account", Kind.TEXT, "left out: the first account", ""),
                    Parameter("client", Kind.INTEGER, "the API client that places it; 0 = a person", BY_HAND),
                ),
            ),
            Command(
                "trade_elsewhere",
                "have somebody trade a contract that the market here does not have: any type, currency, multiplier",
                self._trade_elsewhere,
                (
                    Parameter("symbol", Kind.TEXT, "its ticker"),
                    Parameter("sec_type", Kind.TEXT, "STK, OPT, FUT, CASH, BAG, ..."),
                    Parameter("currency", Kind.TEXT, "USD, HKD, CAD or EUR", "USD"),
                    Parameter("con_id", Kind.INTEGER, "its number"),
                    Parameter("local_symbol", Kind.TEXT, "left out: the ticker", ""),
                    Parameter("multiplier", Kind.TEXT, "left out: none", ""),
                    Parameter("exchange", Kind.TEXT, "where", "SMART"),
                    Parameter("side", Kind.TEXT, "BUY or SELL"),
                    Parameter("quantity", Kind.NUMBER, "how many"),
                    Parameter("price", Kind.NUMBER, "at what; an option may expire at 0"),
                    Parameter("commission", Kind.NUMBER, "its fee", "1"),
                    Parameter("account", Kind.TEXT, "left out: the first account", ""),
                ),
            ),
            Command("cancel_by_hand", "cancel any order, as its owner would in a window", self._cancel, (number,)),
        ]

    def _roll_back(self, arguments: Arguments) -> Reply:
        if arguments["order_id"] < 1:
            raise CommandError("order_id must be at least 1")
        self._gateway.orders.roll_back(arguments["client"], arguments["order_id"])
        return {"next_valid_id": arguments["order_id"]}

    def _reject_next(self, arguments: Arguments) -> Reply:
        if not 1 <= arguments["count"] <= 1000:
            raise CommandError("count must be from 1 to 1000")
        self._faults.reject_reasons += [arguments["reason"]] * arguments["count"]
        return {"pending": len(self._faults.reject_reasons)}

    def _reject_next_attached(self, arguments: Arguments) -> Reply:
        if not 1 <= arguments["count"] <= 1000:
            raise CommandError("count must be from 1 to 1000")
        self._faults.attached_reject_reasons += [arguments["reason"]] * arguments["count"]
        return {"pending": len(self._faults.attached_reject_reasons)}

    def _attached_in_parts(self, arguments: Arguments) -> Reply:
        self._world.attach_in_parts(arguments["in_parts"])
        return {}

    def _hold_next(self, arguments: Arguments) -> Reply:
        if not 1 <= arguments["count"] <= 1000:
            raise CommandError("count must be from 1 to 1000")
        self._faults.hold_reasons += [arguments["reason"]] * arguments["count"]
        return {"pending": len(self._faults.hold_reasons)}

    def _error_next(self, arguments: Arguments) -> Reply:
        if not 1 <= arguments["count"] <= 1000:
            raise CommandError("count must be from 1 to 1000")
        self._faults.bare_errors += [(arguments["code"], arguments["text"])] * arguments["count"]
        return {"pending": len(self._faults.bare_errors)}

    def _held(self, _: Arguments) -> Reply:
        held = self._gateway.orders.held
        return {"numbers": held.numbers, "references": held.references}

    def _release(self, arguments: Arguments) -> Reply:
        try:
            self._gateway.orders.release(arguments["number"])
        except KeyError:
            raise CommandError(f"order {arguments['number']} is not held") from None
        return {}

    def _refuse_held(self, arguments: Arguments) -> Reply:
        try:
            self._gateway.orders.held.refuse(arguments["number"], arguments["reason"])
        except KeyError:
            raise CommandError(f"order {arguments['number']} is not held") from None
        return {}

    def _counted(self, counter: str) -> Callable[[Arguments], Reply]:
        def run(arguments: Arguments) -> Reply:
            if not 1 <= arguments["count"] <= 1000:
                raise CommandError("count must be from 1 to 1000")
            setattr(self._faults, counter, getattr(self._faults, counter) + arguments["count"])
            return {"pending": getattr(self._faults, counter)}

        return run

    def _correct(self, arguments: Arguments) -> Reply:
        try:
            revised = self._gateway.executions.correct(
                arguments["execution_id"], arguments["quantity"], arguments["price"], booked=arguments["booked"]
            )
        except KeyError:
            raise CommandError(f"there is no execution {arguments['execution_id']!r}") from None
        for execution in self._world.executions_of(IBKR):
            if arguments["booked"] and revised.startswith(f"{execution.execution_id}."):
                self._gateway.accounts.moved(execution.account, execution.symbol)
        return {"execution_id": revised}

    def _commission(self, arguments: Arguments) -> Reply:
        try:
            self._gateway.executions.reckon(arguments["execution_id"], arguments["amount"], booked=arguments["booked"])
        except KeyError:
            raise CommandError(f"there is no execution {arguments['execution_id']!r}") from None
        if arguments["booked"]:
            for account in self._world.accounts_of(IBKR):
                self._gateway.accounts.changed(account)
        return {}

    def _told(self, arguments: Arguments) -> Reply:
        told = self._gateway.executions.told(arguments["account"] or self._world.accounts_of(IBKR)[0])
        return {"executions": [execution_fields(each) for each in told]}

    def _send_completed(self, arguments: Arguments) -> Reply:
        order = self._world.order(arguments["number"])
        record = self._gateway.orders.record(arguments["number"])
        if order is None or record is None or order.status not in DONE:
            raise CommandError(f"there is no completed order {arguments['number']}")
        peer = self._gateway.peers.get(record.client_id)
        if peer is None:
            raise CommandError(f"the order's client {record.client_id} is not connected")
        peer.send(self._gateway.orders.completed_message(record, order))
        return {"client": record.client_id, "order_id": record.order_id}

    def _place_by_hand(self, arguments: Arguments) -> Reply:
        limit, stop, side = arguments["limit_price"], arguments["stop_price"], arguments["side"]
        account = arguments["account"] or self._world.accounts_of(IBKR)[0]
        if account not in self._world.accounts_of(IBKR):
            raise CommandError(f"there is no account {account!r}")
        prices = [price for price in (limit, stop) if price is not None]
        if side not in list(Side) or arguments["quantity"] <= 0 or min(prices, default=1) <= 0:
            raise CommandError("side must be BUY or SELL, quantity and prices above 0")
        client, tag = arguments["client"], ""
        if client < 0:
            raise CommandError("client must be 0 or more")
        if client:
            tag = f"{client}:{self._gateway.orders.next_valid_id(client)}"
        terms = OrderTerms(
            account=account,
            symbol=listed(self._world, arguments),
            side=Side(side),
            quantity=arguments["quantity"],
            order_type=_BY_PRICES[limit is not None, stop is not None],
            limit_price=limit,
            stop_price=stop,
            client_tag=tag,
        )
        number = self._world.submit(terms).number
        record = self._gateway.orders.record(number)
        if arguments["shown_type"] and record is not None:
            record.shown = {"orderType": arguments["shown_type"]}
        return {"number": number}

    def _trade_elsewhere(self, arguments: Arguments) -> Reply:
        account = arguments["account"] or self._world.accounts_of(IBKR)[0]
        if account not in self._world.accounts_of(IBKR) or arguments["side"] not in list(Side):
            raise CommandError("account must be one of the simulator's, side BUY or SELL")
        words = {name: arguments[name] for name in ("symbol", "sec_type", "currency", "con_id", "exchange")}
        more = {name: arguments[name] for name in ("local_symbol", "multiplier")}
        contract = Outside(key=f"{arguments['con_id']}", **words, **more)
        amounts = (arguments["quantity"], arguments["price"], Decimal(arguments["commission"]))
        try:
            execution = self._gateway.elsewhere.trade(account, contract, Side(arguments["side"]), *amounts)
        except (KeyError, InvalidOperation):
            raise CommandError("currency must be one with a rate here, multiplier a number") from None
        self._gateway.accounts.traded_elsewhere(account)
        return {"execution_id": execution.execution_id}

    def _cancel(self, arguments: Arguments) -> Reply:
        order = self._world.order(arguments["number"])
        if order is not None and order not in self._world.orders_of(IBKR):
            raise CommandError(f"order {order.number} is not of this venue: cancel it at its own")
        refusal = self._world.cancel(arguments["number"])
        if refusal is not None:
            raise CommandError(f"order {arguments['number']} can not be cancelled: {refusal.text}")
        return {"number": arguments["number"]}
