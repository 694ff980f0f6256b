"""The control port's commands for the IB Gateway simulator: its faults.

Owns their names and parameters. It must not know how a fault is made (`faults`, `server` and the rooms do).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from signalbox.exchange.books import RATES_TO_USD
from signalbox.exchange.orders import DONE, OrderTerms
from signalbox.messages import OrderType, Side

from simulators.control import Arguments, Command, CommandError, Kind, Parameter, Reply
from simulators.listings import IBKR
from simulators.tws import replies
from simulators.tws.account_values import values
from simulators.tws.elsewhere import Outside
from simulators.tws.faults import MARKET_DATA_FARM, Effect, Rule
from simulators.tws.gateway import FARMS
from simulators.tws.kinds import outbound_named
from simulators.tws.server import TwsServer
from simulators.tws.settlements import settlement_commands

REFUSE_SECONDS_MAX = 600

_CLIENT = Parameter("client", Kind.INTEGER, "only this client id; left out: all", None)
_KIND = Parameter("kind", Kind.TEXT, "a message such as orderStatus, or its number; left out: any", None)
_COUNT = Parameter("count", Kind.INTEGER, "how many of the next", 1)
_SYMBOL = Parameter("symbol", Kind.TEXT, "a symbol of the simulation, such as SPY or 0700.HK")

LINK_LOST = "Connectivity between IBKR and Trader Workstation has been lost."
DATA_LOST = "Connectivity between IBKR and Trader Workstation has been restored - data lost."
DATA_KEPT = "Connectivity between IBKR and Trader Workstation has been restored - data maintained."


class TwsControl:
    """Makes the gateway misbehave."""

    def __init__(self, server: TwsServer) -> None:
        self._server, self._gateway = server, server.gateway
        self._faults, self._world = server.gateway.faults, server.gateway.world

    def commands(self) -> list[Command]:
        """Every command of this class."""
        return [*self._link_commands(), *self._message_commands(), *self._order_commands()]

    def _link_commands(self) -> list[Command]:
        farm = Parameter("farm", Kind.TEXT, "usfarm, ushmds or secdefil", MARKET_DATA_FARM)
        return [
            Command("clients", "the client ids that are connected", lambda _: {"clients": self._server.clients()}),
            Command(
                "drop_link",
                "close the sockets of a client or of all; refuse new ones for a while",
                self._drop_link,
                (_CLIENT, Parameter("refuse_seconds", Kind.NUMBER, "wall seconds without a listening port", "0")),
            ),
            Command(
                "half_open",
                "accept bytes from now on, answer nothing",
                self._half_open,
                (_CLIENT, Parameter("next_connections", Kind.INTEGER, "so many new connections too", 0)),
            ),
            Command(
                "link_lost",
                "1100, each time anew: the gateway loses IBKR; ticks, bars and history stand still",
                self._link_lost,
            ),
            Command(
                "link_restored",
                "1101 (data lost: every subscription is gone, also to account figures) or 1102 (data kept)",
                self._link_restored,
                (
                    Parameter("data_lost", Kind.FLAG, "true = 1101", False),
                    Parameter("silent", Kind.FLAG, "true = it is back, and no code says so", False),
                ),
            ),
            Command("farm_down", "2103, 2105 or 2157: a farm is disconnected", self._farm(True), (farm,)),
            Command(
                "farm_up",
                "2104, 2106 or 2158: it is back, with what was subscribed to or without",
                self._farm(False),
                (farm, Parameter("data_lost", Kind.FLAG, "true = ticks and bars do not come back with it", False)),
            ),
            Command(
                "competing_session",
                "10197: another session of the user takes the live data, until it is over; then only who asks gets it",
                self._compete,
                (Parameter("over", Kind.FLAG, "true = the other session has ended, of which nobody is told", False),),
            ),
            Command(
                "lose_subscriptions",
                "end subscriptions without a word",
                self._lose_subscriptions,
                (
                    Parameter("data", Kind.TEXT, "quote, bar, account, pnl or all", "all"),
                    Parameter("symbol", Kind.TEXT, "only this symbol's quotes and bars; left out: all", None),
                ),
            ),
            Command(
                "read_only",
                "321: Read-Only API is ticked; orders can not be placed, cancelled or asked about, and no answer ends",
                self._read_only,
                (Parameter("on", Kind.FLAG, "false = it is unticked", True),),
            ),
            Command("not_subscribed", "354/420/10168 for a symbol", self._permission("not_subscribed"), (_SYMBOL,)),
            Command("delayed_only", "354/420 live, delayed works", self._permission("delayed_only"), (_SYMBOL,)),
            Command("subscribed", "the symbol's market data is back", self._permission(""), (_SYMBOL,)),
            Command("bust", "10225: end all live bars, which must be asked for again", self._bust),
            Command("clear", "forget every fault that is set", self._clear),
        ]

    def _message_commands(self) -> list[Command]:
        which = (_KIND, _CLIENT, _COUNT)
        late = Parameter("milliseconds", Kind.INTEGER, "how late; later messages overtake")
        code = Parameter("code", Kind.INTEGER, "the error code")
        text = Parameter("text", Kind.TEXT, "its text", "")
        req_id = Parameter("req_id", Kind.INTEGER, "the request or order it is about", replies.NO_REQUEST)
        all_or_count = Parameter("count", Kind.INTEGER, "how many of the next; left out: all until `clear`", None)
        return [
            Command("delay", "send messages late", self._rule(Effect.DELAY), (late, _KIND, _CLIENT, all_or_count)),
            Command("duplicate", "send messages twice", self._rule(Effect.DUPLICATE), which),
            Command("reorder", "swap messages with what follows them", self._rule(Effect.REORDER), which),
            Command("omit", "lose messages", self._rule(Effect.OMIT), which),
            Command(
                "spoil",
                "put another text into one field of messages: a fact that makes no sense",
                self._rule(Effect.SPOIL),
                (
                    _KIND,
                    Parameter("field", Kind.INTEGER, "its place on the wire, 0 = the message's kind"),
                    Parameter("text", Kind.TEXT, "what stands there", ""),
                    _CLIENT,
                    all_or_count,
                ),
            ),
            Command("error", "send any error message", self._error, (code, text, req_id, _CLIENT)),
            Command(
                "withhold",
                "stop sending one account figure, whoever asks, while the others go on",
                self._withhold,
                (
                    Parameter("tag", Kind.TEXT, "TWS's tag, such as NetLiquidation"),
                    Parameter("on", Kind.FLAG, "false = it is sent again", True),
                ),
            ),
        ]

    def _order_commands(self) -> list[Command]:
        reason = Parameter("reason", Kind.TEXT, "what error 201 says", "rejected by the control port")
        execution = Parameter("execution_id", Kind.TEXT, "with or without its revision")
        quantity = Parameter("quantity", Kind.NUMBER, "the corrected quantity; left out: the same, 0: a bust", None)
        price = Parameter("price", Kind.NUMBER, "the corrected price; left out: the same", None)
        number = Parameter("number", Kind.INTEGER, "the order's permanent id")
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
            Command("reject_next", "reject the next orders (201)", self._reject_next, (reason, _COUNT)),
            Command(
                "hold_next",
                "hold the next orders: 404 and whyHeld=locate, or for another reason 201 and Inactive, still open",
                self._hold_next,
                (Parameter("reason", Kind.TEXT, "locate, or what error 201 says", "locate"), _COUNT),
            ),
            Command("held", "the permanent ids of the orders that are held", self._held),
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
                (_COUNT,),
            ),
            Command(
                "execution_before_status",
                "send the next executions before their order's status",
                self._counted("execution_before_status"),
                (_COUNT,),
            ),
            Command(
                "commission_before_execution",
                "send the next commissions before their executions",
                self._counted("commission_before_execution"),
                (_COUNT,),
            ),
            Command(
                "commission_not_reckoned",
                "say -1 for the commissions of the next executions; who asks, or `commission`, gets the true one",
                self._counted("commission_not_reckoned"),
                (_COUNT,),
            ),
            Command(
                "commission",
                "tell an execution's commission again, perhaps another one; the world's books stay as they are",
                self._commission,
                (execution, Parameter("amount", Kind.NUMBER, "left out: the true one; below 0: a rebate", None)),
            ),
            Command(
                "preset_next", "10349 for the next orders without TIF", self._counted("preset_time_in_force"), (_COUNT,)
            ),
            Command(
                "correct_execution",
                "send a correction (.02) of an execution; the world's books stay as they are",
                self._correct,
                (execution, quantity, price),
            ),
            Command("send_completed", "send an order's 101 unasked to its client", self._send_completed, (number,)),
            Command(
                "place_by_hand",
                "place an order that no client placed",
                self._place_by_hand,
                (
                    _SYMBOL,
                    Parameter("side", Kind.TEXT, "BUY or SELL"),
                    Parameter("quantity", Kind.NUMBER, "how many"),
                    Parameter("limit_price", Kind.NUMBER, "left out: a market order", None),
                    Parameter("account", Kind.TEXT, "left out: the first account", ""),
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
            Command(
                "deposit",
                "add cash in any currency to an account, or take it away",
                self._deposit,
                (
                    Parameter("amount", Kind.NUMBER, "below 0: a withdrawal"),
                    Parameter("currency", Kind.TEXT, "such as HKD", "USD"),
                    Parameter("account", Kind.TEXT, "left out: the first account", ""),
                ),
            ),
            *settlement_commands(self._world, self._faults),
            Command("cancel_by_hand", "cancel any order, as its owner would in a window", self._cancel, (number,)),
        ]

    # ---------------------------------------------------------------------------------------------------- the link

    async def _drop_link(self, arguments: Arguments) -> Reply:
        seconds = arguments["refuse_seconds"]
        seconds = Decimal(seconds)
        if not 0 <= seconds <= REFUSE_SECONDS_MAX:
            raise CommandError(f"refuse_seconds must be from 0 to {REFUSE_SECONDS_MAX}")
        if seconds:
            await self._server.refuse(float(seconds))
        return {"dropped": self._server.cut(arguments["client"])}

    def _half_open(self, arguments: Arguments) -> Reply:
        count = arguments["next_connections"]
        if not 0 <= count <= 1000:
            raise CommandError("next_connections must be from 0 to 1000")
        return {"connections": self._server.half_open(arguments["client"], count)}

    def _link_lost(self, _: Arguments) -> Reply:
        self._faults.link_lost = True
        self._gateway.peers.tell_all(replies.error(replies.NO_REQUEST, 1100, LINK_LOST))
        return {}

    def _link_restored(self, arguments: Arguments) -> Reply:
        self._faults.link_lost = False
        lost = arguments["data_lost"]
        if lost:
            self._lose("all", None)
        code, text = (1101, DATA_LOST) if lost else (1102, DATA_KEPT)
        if not arguments["silent"]:
            self._gateway.peers.tell_all(replies.error(replies.NO_REQUEST, code, text))
        return {"code": code}

    def _farm(self, down: bool) -> Callable[[Arguments], Reply]:
        def run(arguments: Arguments) -> Reply:
            name = arguments["farm"]
            farm = next((each for each in FARMS if each[0] == name), None)
            if farm is None:
                raise CommandError(f"there is no farm {name!r}; there are {', '.join(each[0] for each in FARMS)}")
            (self._faults.farms_down.add if down else self._faults.farms_down.discard)(name)
            if arguments.get("data_lost"):
                self._gateway.market_data.lose(None)
            code, text = farm[2] if down else farm[1]
            self._gateway.peers.tell_all(replies.error(replies.NO_REQUEST, code, f"{text}:{name}"))
            return {"code": code}

        return run

    def _read_only(self, arguments: Arguments) -> Reply:
        self._faults.read_only = arguments["on"]
        return {"read_only": self._faults.read_only}

    def _compete(self, arguments: Arguments) -> Reply:
        self._faults.competing_session = not arguments["over"]
        return {"subscriptions": self._gateway.market_data.compete() if self._faults.competing_session else 0}

    def _lose_subscriptions(self, arguments: Arguments) -> Reply:
        data = arguments["data"]
        if data not in ("all", "quote", "bar", "account", "pnl"):
            raise CommandError(f"there is no data {data!r}; there are quote, bar, account, pnl and all")
        symbol = None if arguments["symbol"] is None else self._listed(arguments)
        return {"subscriptions": self._lose(data, symbol)}

    def _lose(self, data: str, symbol: str | None) -> int:
        every = data == "all"
        lost = self._gateway.market_data.lose(symbol, quotes=every or data == "quote", bars=every or data == "bar")
        if every:
            self._gateway.history.drop_all()
        return lost + sum(self._gateway.accounts.lose(kind) for kind in ("account", "pnl") if every or data == kind)

    def _permission(self, state: str) -> Callable[[Arguments], Reply]:
        def run(arguments: Arguments) -> Reply:
            symbol = self._listed(arguments)
            for name in ("not_subscribed", "delayed_only"):
                symbols: set[str] = getattr(self._faults, name)
                (symbols.add if name == state else symbols.discard)(symbol)
            return {"symbol": symbol}

        return run

    def _bust(self, _: Arguments) -> Reply:
        return {"subscriptions": self._gateway.market_data.bust() + self._gateway.history.bust()}

    def _clear(self, _: Arguments) -> Reply:
        self._faults.clear()
        self._server.half_open_next = 0
        return {}

    # ------------------------------------------------------------------------------------------------ the messages

    def _rule(self, effect: Effect) -> Callable[[Arguments], Reply]:
        def run(arguments: Arguments) -> Reply:
            name, count = arguments["kind"], arguments["count"]
            milliseconds = arguments.get("milliseconds", 0)
            if (count is not None and count < 1) or not 0 <= milliseconds <= 600_000:
                raise CommandError("count must be at least 1, milliseconds from 0 to 600000")
            try:
                kind = None if name is None else outbound_named(name)
            except KeyError:
                raise CommandError(f"there is no message {name!r} that this gateway sends") from None
            place, text = arguments.get("field", 0), arguments.get("text", "")
            if place < 0 or (effect is Effect.SPOIL and place == 0):
                raise CommandError("field must be at least 1: the kind of a message stays")
            try:
                self._faults.add(Rule(effect, kind, arguments["client"], count, milliseconds, place, text))
            except ValueError as error:
                raise CommandError(str(error)) from error
            return {"kind": None if kind is None else kind.name}

        return run

    def _error(self, arguments: Arguments) -> Reply:
        message = replies.error(arguments["req_id"], arguments["code"], arguments["text"])
        told = 0
        for peer in self._gateway.peers:
            if arguments["client"] in (None, peer.client_id):
                peer.send(message)
                told += 1
        return {"clients": told}

    def _withhold(self, arguments: Arguments) -> Reply:
        tags: set[str] = {tag for tag, _, _ in values(self._world.figures(self._world.accounts_of(IBKR)[0]))}
        if arguments["tag"] not in tags:
            raise CommandError(f"there is no tag {arguments['tag']!r}; there are {', '.join(sorted(tags))}")
        (self._faults.withheld_tags.add if arguments["on"] else self._faults.withheld_tags.discard)(arguments["tag"])
        return {"withheld": sorted(self._faults.withheld_tags)}

    # ---------------------------------------------------------------------------------------------------- the orders

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

    def _hold_next(self, arguments: Arguments) -> Reply:
        if not 1 <= arguments["count"] <= 1000:
            raise CommandError("count must be from 1 to 1000")
        self._faults.hold_reasons += [arguments["reason"]] * arguments["count"]
        return {"pending": len(self._faults.hold_reasons)}

    def _held(self, _: Arguments) -> Reply:
        return {"numbers": self._gateway.orders.on_hold()}

    def _release(self, arguments: Arguments) -> Reply:
        try:
            self._gateway.orders.release(arguments["number"])
        except KeyError:
            raise CommandError(f"order {arguments['number']} is not held") from None
        return {}

    def _refuse_held(self, arguments: Arguments) -> Reply:
        try:
            self._gateway.orders.refuse_held(arguments["number"], arguments["reason"])
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
                arguments["execution_id"], arguments["quantity"], arguments["price"]
            )
        except KeyError:
            raise CommandError(f"there is no execution {arguments['execution_id']!r}") from None
        return {"execution_id": revised}

    def _commission(self, arguments: Arguments) -> Reply:
        try:
            self._gateway.executions.reckon(arguments["execution_id"], arguments["amount"])
        except KeyError:
            raise CommandError(f"there is no execution {arguments['execution_id']!r}") from None
        return {}

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
        limit, side = arguments["limit_price"], arguments["side"]
        account = arguments["account"] or self._world.accounts_of(IBKR)[0]
        if account not in self._world.accounts_of(IBKR):
            raise CommandError(f"there is no account {account!r}")
        if side not in list(Side) or arguments["quantity"] <= 0 or (limit is not None and limit <= 0):
            raise CommandError("side must be BUY or SELL, quantity and limit_price above 0")
        terms = OrderTerms(
            account=account,
            symbol=self._listed(arguments),
            side=Side(side),
            quantity=arguments["quantity"],
            order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            limit_price=limit,
        )
        return {"number": self._world.submit(terms).number}

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

    def _deposit(self, arguments: Arguments) -> Reply:
        account, currency = arguments["account"] or self._world.accounts_of(IBKR)[0], arguments["currency"]
        if account not in self._world.accounts_of(IBKR):
            raise CommandError(f"there is no account {account!r}")
        if currency not in RATES_TO_USD:
            raise CommandError(f"there is no rate for {currency!r}; there are {', '.join(RATES_TO_USD)}")
        self._world.adjust_cash(account, currency, arguments["amount"], "by hand")
        self._gateway.accounts.changed(account)
        return {"cash": self._world.snapshot()[account]["cash"]}

    def _cancel(self, arguments: Arguments) -> Reply:
        order = self._world.order(arguments["number"])
        if order is not None and order not in self._world.orders_of(IBKR):
            raise CommandError(f"order {order.number} is not of this venue: cancel it at its own")
        refusal = self._world.cancel(arguments["number"])
        if refusal is not None:
            raise CommandError(f"order {arguments['number']} can not be cancelled: {refusal.text}")
        return {"number": arguments["number"]}

    def _listed(self, arguments: Arguments) -> str:
        symbol: str = arguments["symbol"]
        keys = [listing.key for listing in self._world.listings_of(IBKR)]
        if symbol not in keys:
            raise CommandError(f"there is no symbol {symbol!r} here; there are {', '.join(keys)}")
        return symbol
