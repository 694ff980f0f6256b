"""The control port's commands for the indexer: its lag and its faults.

Owns their names and parameters. It must not know how a fault is made.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

from simulators.control import Arguments, Command, CommandError, Kind, Parameter, Reply
from simulators.dydx.garbling import RULES_MAX, Rule
from simulators.dydx.indexer_view import IndexerView
from simulators.dydx.rest_server import RestApi
from simulators.dydx.websocket import WebsocketApi
from simulators.dydx.websocket_channels import MarketChannels
from simulators.dydx.websocket_feed import Feed, UpdateFaults

NUMBER_MAX = 1_000_000
DELAY_MS_MAX = 600_000
APART_TICKS_MAX = 1_000

_COUNT = Parameter("count", Kind.INTEGER, "how many of the next", 1)
_MARKET = Parameter("symbol", Kind.TEXT, "a market such as BTC-USD")
_CARRYING = Parameter("symbol", Kind.TEXT, "only those that carry this market; left out: all", "")
_CHANNEL = Parameter("channel", Kind.TEXT, "only of this channel, such as v4_subaccounts; left out: any", "")


class IndexerControl:
    """Makes the indexer late, silent or wrong."""

    def __init__(
        self, view: IndexerView, rest: RestApi, websocket: WebsocketApi, channels: MarketChannels, feed: Feed
    ) -> None:
        self._view, self._rest, self._websocket, self._channels, self._feed = view, rest, websocket, channels, feed
        self._expiry = view.expiry.rest_blocks, view.expiry.message_blocks

    def commands(self) -> list[Command]:
        """Every command of this class."""
        on = Parameter("on", Kind.FLAG, "false = as it should be again", True)
        return [
            Command("cut_websockets", "end websockets without a word", self._cut, (_CARRYING,)),
            Command(
                "half_open",
                "websockets stay open and say nothing any more, not even to a ping",
                self._half_open,
                (Parameter("next_connections", Kind.INTEGER, "so many new connections too", 0), _CARRYING),
            ),
            Command(
                "delay_updates_ms",
                "websocket updates come so late",
                self._delay,
                (Parameter("milliseconds", Kind.INTEGER, "wall milliseconds; 0 = at once again"),),
            ),
            Command("drop_updates", "lose the next updates", self._rule("drop"), (_COUNT, _CHANNEL)),
            Command(
                "lose_messages",
                "lose the next updates once they have a number",
                self._rule("lose"),
                (_COUNT, _CHANNEL),
            ),
            Command("duplicate_updates", "send the next updates twice", self._rule("duplicate"), (_COUNT, _CHANNEL)),
            Command(
                "reorder_updates",
                "let the next updates be overtaken by what follows them in their channel",
                self._rule("reorder"),
                (_COUNT, _CHANNEL),
            ),
            Command(
                "refuse_subscriptions",
                "answer the next subscriptions with an error, for their first contents can not be fetched",
                self._refuse_subscriptions,
                (_COUNT, _CHANNEL, Parameter("id", Kind.TEXT, "only this one, such as BTC-USD; left out: any", "")),
            ),
            Command(
                "refuse_rest",
                "answer the next REST requests with a status code",
                self._refuse_rest,
                (_COUNT, Parameter("status", Kind.INTEGER, "400 to 599", 503)),
            ),
            Command(
                "indexer_behind",
                "process blocks so late, from the next one on",
                self._behind,
                (Parameter("blocks", Kind.INTEGER, "how many blocks behind the chain; 0 = none"),),
            ),
            Command(
                "rest_rate_limit",
                "REST requests that one address may make in 10 s",
                self._rate_limit,
                (Parameter("requests", Kind.INTEGER, "100 is the public indexer's; 0 = no limit"),),
            ),
            Command(
                "never_expire", "never tell that a short-term order has ended by its last block", self._never, (on,)
            ),
            Command(
                "garble",
                "have a field make no sense, over REST and the websocket; ungarble ends it",
                self._garble,
                (
                    Parameter("field", Kind.TEXT, "as the indexer calls it, such as oraclePrice, size or createdAt"),
                    Parameter("value", Kind.TEXT, "what it says instead; left out: null", ""),
                    Parameter("symbol", Kind.TEXT, "only in rows of this market; left out: of any", ""),
                    Parameter("count", Kind.INTEGER, "in how many rows", NUMBER_MAX),
                ),
            ),
            Command("ungarble", "have every field make sense again", self._ungarble),
            Command(
                "crossed_book",
                "keep a bid above the best ask in the websocket's book",
                self._cross,
                (_MARKET, on),
            ),
            Command(
                "book_apart",
                "have both sides of a book stand further away from each other, over REST and the websocket",
                self._apart,
                (_MARKET, Parameter("ticks", Kind.INTEGER, "on each side; 0 = as the market is again")),
            ),
            Command(
                "lose_removal",
                "a level comes on the websocket, and the message that it is gone again never does",
                self._lose_removal,
                (
                    _MARKET,
                    Parameter("side", Kind.TEXT, "BUY = a bid, SELL = an ask"),
                    Parameter("price", Kind.NUMBER, "where"),
                    Parameter("size", Kind.NUMBER, "how much"),
                ),
            ),
            Command(
                "withhold_oracle_price",
                "tell nobody a market's oracle price any more, while all else goes on",
                self._withhold,
                (Parameter("symbol", Kind.TEXT, "a market such as BTC-USD"), on),
            ),
            Command(
                "late_funding",
                "list funding payments so long after they were paid; the figures have them at once",
                self._late_funding,
                (
                    Parameter("seconds", Kind.INTEGER, "of the market's time; 0 = at once again"),
                    Parameter("symbol", Kind.TEXT, "of this market alone; left out: of all", ""),
                ),
            ),
            Command("indexer", "the indexer's height and lag", self._indexer),
        ]

    def _cut(self, arguments: Arguments) -> Reply:
        return {"connections": self._websocket.cut(arguments["symbol"])}

    def _half_open(self, arguments: Arguments) -> Reply:
        return {"connections": self._websocket.half_open(_bounded(arguments, "next_connections"), arguments["symbol"])}

    def _delay(self, arguments: Arguments) -> Reply:
        self._feed.faults.delay_ms = _bounded(arguments, "milliseconds", DELAY_MS_MAX)
        return {}

    def _rule(self, fault: str) -> Callable[[Arguments], Reply]:
        def run(arguments: Arguments) -> Reply:
            faults: UpdateFaults = self._feed.faults
            setattr(faults, f"{fault}_count", _bounded(arguments, "count"))
            setattr(faults, f"{fault}_channel", arguments["channel"])
            return {}

        return run

    def _refuse_subscriptions(self, arguments: Arguments) -> Reply:
        faults: UpdateFaults = self._feed.faults
        faults.refuse_count = _bounded(arguments, "count")
        faults.refuse_channel, faults.refuse_id = arguments["channel"], arguments["id"]
        return {}

    def _refuse_rest(self, arguments: Arguments) -> Reply:
        status = arguments["status"]
        if not 400 <= status <= 599 or status not in {each.value for each in HTTPStatus}:
            raise CommandError(f"status must be an error of HTTP, from 400 to 599, not {status}")
        self._rest.refuse(_bounded(arguments, "count"), status)
        return {}

    def _behind(self, arguments: Arguments) -> Reply:
        self._view.lag_blocks = _bounded(arguments, "blocks")
        self._view.catch_up()
        return {"height": self._view.height}

    def _rate_limit(self, arguments: Arguments) -> Reply:
        self._rest.limits.points = _bounded(arguments, "requests")
        return {}

    def _never(self, arguments: Arguments) -> Reply:
        rest_blocks, message_blocks = (None, None) if arguments["on"] else self._expiry
        self._view.expiry.rest_blocks, self._view.expiry.message_blocks = rest_blocks, message_blocks
        return {}

    def _garble(self, arguments: Arguments) -> Reply:
        rules = self._feed.garbling.rules
        if len(rules) >= RULES_MAX:
            raise CommandError(f"there are {RULES_MAX} fields already that make no sense: ungarble ends all")
        count = _bounded(arguments, "count")
        rules.append(Rule(arguments["field"], arguments["value"] or None, arguments["symbol"], count))
        return {"rules": len(rules)}

    def _ungarble(self, _: Arguments) -> Reply:
        self._feed.garbling.rules = []
        return {}

    def _market(self, arguments: Arguments) -> str:
        symbol: str = arguments["symbol"]
        if symbol not in self._view.markets:
            raise CommandError(f"there is no market {symbol!r}; there are {', '.join(self._view.markets)}")
        return symbol

    def _apart(self, arguments: Arguments) -> Reply:
        self._channels.set_apart(self._market(arguments), _bounded(arguments, "ticks", APART_TICKS_MAX))
        return {}

    def _lose_removal(self, arguments: Arguments) -> Reply:
        symbol, sides = self._market(arguments), {"BUY": "bids", "SELL": "asks"}
        if arguments["side"] not in sides:
            raise CommandError("side must be BUY or SELL")
        self._channels.lose_removal(symbol, sides[arguments["side"]], arguments["price"], arguments["size"])
        return {}

    def _cross(self, arguments: Arguments) -> Reply:
        symbol = self._market(arguments)
        (self._channels.crossed.add if arguments["on"] else self._channels.crossed.discard)(symbol)
        return {"symbol": symbol}

    def _withhold(self, arguments: Arguments) -> Reply:
        symbol, withheld = arguments["symbol"], self._view.withheld_prices
        if symbol not in self._view.markets:
            raise CommandError(f"there is no market {symbol!r}; there are {', '.join(self._view.markets)}")
        (withheld.add if arguments["on"] else withheld.discard)(symbol)
        return {"withheld": sorted(withheld)}

    def _late_funding(self, arguments: Arguments) -> Reply:
        symbol, late = arguments["symbol"], timedelta(seconds=_bounded(arguments, "seconds"))
        if symbol and symbol not in self._view.markets:
            raise CommandError(f"there is no market {symbol!r}; there are {', '.join(self._view.markets)}")
        self._view.funding_late |= dict.fromkeys([symbol] if symbol else self._view.markets, late)
        return {}

    def _indexer(self, _: Arguments) -> Reply:
        return {"height": self._view.height, "time": self._view.time.isoformat(), "lag_blocks": self._view.lag_blocks}


def _bounded(arguments: Arguments, name: str, most: int = NUMBER_MAX) -> int:
    value: int = arguments[name]
    if not 0 <= value <= most:
        raise CommandError(f"{name} must be from 0 to {most}")
    return value
