"""The control port's commands for the IB Gateway simulator: its faults on links and
messages. Those on orders: `order_commands`.

Owns their names and parameters. It must not know how a fault is made (`faults`, `server` and the rooms do).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from signalbox.exchange.books import RATES_TO_USD

from simulators.control import Arguments, Command, CommandError, Kind, Parameter, Reply
from simulators.listings import IBKR
from simulators.tws import replies
from simulators.tws.account_values import values
from simulators.tws.faults import MARKET_DATA_FARM, Effect, Rule
from simulators.tws.gateway import FARMS
from simulators.tws.kinds import outbound_named
from simulators.tws.order_commands import COUNT, SYMBOL, OrderControl, listed
from simulators.tws.server import TwsServer
from simulators.tws.settlements import settlement_commands

REFUSE_SECONDS_MAX = 600

_CLIENT = Parameter("client", Kind.INTEGER, "only this client id; left out: all", None)
_KIND = Parameter("kind", Kind.TEXT, "a message such as orderStatus, or its number; left out: any", None)

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
        return [
            *self._link_commands(),
            *self._message_commands(),
            *OrderControl(self._gateway).commands(),
            *settlement_commands(self._world, self._faults),
        ]

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
            Command("not_subscribed", "354/420/10168 for a symbol", self._permission("not_subscribed"), (SYMBOL,)),
            Command("delayed_only", "354/420 live, delayed works", self._permission("delayed_only"), (SYMBOL,)),
            Command("subscribed", "the symbol's market data is back", self._permission(""), (SYMBOL,)),
            Command("bust", "10225: end all live bars, which must be asked for again", self._bust),
            Command("clear", "forget every fault that is set", self._clear),
        ]

    def _message_commands(self) -> list[Command]:
        which = (_KIND, _CLIENT, COUNT)
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
                "deposit",
                "add cash in any currency to an account, or take it away",
                self._deposit,
                (
                    Parameter("amount", Kind.NUMBER, "below 0: a withdrawal"),
                    Parameter("currency", Kind.TEXT, "such as HKD", "USD"),
                    Parameter("account", Kind.TEXT, "left out: the first account", ""),
                ),
            ),
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
        symbol = None if arguments["symbol"] is None else listed(self._world, arguments)
        return {"subscriptions": self._lose(data, symbol)}

    def _lose(self, data: str, symbol: str | None) -> int:
        every = data == "all"
        lost = self._gateway.market_data.lose(symbol, quotes=every or data == "quote", bars=every or data == "bar")
        if every:
            self._gateway.history.drop_all()
        return lost + sum(self._gateway.accounts.lose(kind) for kind in ("account", "pnl") if every or data == kind)

    def _permission(self, state: str) -> Callable[[Arguments], Reply]:
        def run(arguments: Arguments) -> Reply:
            symbol = listed(self._world, arguments)
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

    def _deposit(self, arguments: Arguments) -> Reply:
        account, currency = arguments["account"] or self._world.accounts_of(IBKR)[0], arguments["currency"]
        if account not in self._world.accounts_of(IBKR):
            raise CommandError(f"there is no account {account!r}")
        if currency not in RATES_TO_USD:
            raise CommandError(f"there is no rate for {currency!r}; there are {', '.join(RATES_TO_USD)}")
        self._world.adjust_cash(account, currency, arguments["amount"], "by hand")
        self._gateway.accounts.changed(account)
        return {"cash": self._world.snapshot()[account]["cash"]}
