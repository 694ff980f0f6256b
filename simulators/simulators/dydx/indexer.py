"""The simulated indexer: REST, websocket and faucet on one HTTP port.

Owns the putting together and the market data's way from the world to them. It must not know how the chain decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta

from aiohttp import web
from msgspec import Struct
from signalbox.exchange.quoting import MarketBar
from signalbox.messages import Liquidity

from simulators.control import Command
from simulators.dydx.candles import Candles
from simulators.dydx.faucet import Faucet
from simulators.dydx.indexer_commands import IndexerControl
from simulators.dydx.indexer_view import ChainSource, Expiry, IndexerView, Processed
from simulators.dydx.options import DEFAULT_REST_LIMIT
from simulators.dydx.rest_accounts import AccountAnswers
from simulators.dydx.rest_history import HistoryAnswers
from simulators.dydx.rest_markets import MarketAnswers
from simulators.dydx.rest_others import OtherAnswers
from simulators.dydx.rest_server import RestApi, not_found
from simulators.dydx.trades import Tape
from simulators.dydx.websocket import WebsocketApi
from simulators.dydx.websocket_channels import AccountChannels, FirstContents, MarketChannels
from simulators.dydx.websocket_feed import Feed
from simulators.world import World

FIRST_TRADES_OF = timedelta(minutes=5)
"""What of the past the tape begins with."""
SHUTDOWN_SECONDS_MAX = 1.0

log = logging.getLogger(__name__)


class IndexerOptions(Struct, frozen=True, kw_only=True):
    """How the indexer is set up.

    `lag_blocks`: how far it is behind the chain. `rest_limit`: REST requests of one address in 10 s; 0 = no limit.
    The end of a short-term order by its last block is shown by REST `rest_expiry_blocks`, and told on the websocket
    `expiry_message_blocks` after that block: nothing tells it at once. None = never.
    """

    host: str = "127.0.0.1"
    http_port: int = 0
    lag_blocks: int = 0
    rest_limit: int = DEFAULT_REST_LIMIT
    rest_expiry_blocks: int | None = 25
    expiry_message_blocks: int | None = 60


class Indexer:
    """Serves what the chain and the world do. Use as an async context manager; `http_port` is known inside."""

    def __init__(self, chain: ChainSource, world: World, options: IndexerOptions) -> None:
        self.http_port = options.http_port
        self._options, self._world = options, world
        self._view = IndexerView(chain, options.lag_blocks, _expiry(options))
        self._tape, self._candles = Tape(), Candles(world, self._view.markets)
        self._feed = Feed()
        markets = MarketAnswers(self._view, world, self._candles, self._tape)
        accounts = AccountAnswers(self._view)
        self._channels = MarketChannels(self._feed, self._view, markets)
        AccountChannels(self._feed, self._view)
        first = FirstContents(self._view, markets, accounts, self._channels)
        self._websocket = WebsocketApi(self._feed, first, self._channels.refresh_books)
        self._rest = RestApi(
            markets,
            accounts,
            HistoryAnswers(self._view),
            OtherAnswers(self._view),
            options.rest_limit,
            self._feed.garbling,
        )
        self._faucet = Faucet(self._view.deposit)
        self._control = IndexerControl(self._view, self._rest, self._websocket, self._channels, self._feed)
        self._runner: web.AppRunner | None = None
        self._task: asyncio.Task[None] | None = None
        self._view.on_block.append(self._take_block)
        world.on_bar(self._take_bar)

    def commands(self) -> list[Command]:
        """The control port's commands about the indexer."""
        return self._control.commands()

    async def __aenter__(self) -> Indexer:
        """Listen. Raises OSError when the port is taken."""
        self._begin_tape()
        app = web.Application()
        app.add_routes(self._rest.routes())
        app.add_routes(self._faucet.routes())
        app.add_routes([web.get("/v4/ws", self._websocket.serve), web.route("*", "/{path:.*}", not_found)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS_MAX)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._options.host, self._options.http_port)
        await site.start()
        self.http_port = self._runner.addresses[0][1]
        self._task = asyncio.get_running_loop().create_task(self._websocket.run())
        self._task.add_done_callback(_tell_failure)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._feed.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._websocket.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    # ------------------------------------------------------------------------------------------------- market data

    def _begin_tape(self) -> None:
        now = self._world.now()
        for ticker, market in self._view.markets.items():
            for bar in self._world.history(ticker, now, FIRST_TRADES_OF, 5, regular_hours_only=False):
                self._tape.add_bar(bar, market.step_size, self._view.height)

    async def _take_bar(self, bar: MarketBar) -> None:
        if bar.symbol in self._view.markets:
            self._view.feed(lambda: self._process_bar(bar))

    def _process_bar(self, bar: MarketBar) -> None:
        trades = self._tape.add_bar(bar, self._view.markets[bar.symbol].step_size, self._view.height)
        self._channels.tell_trades(bar.symbol, trades)
        for candle in self._candles.take(bar, trades, self._view.open_interest(bar.symbol)):
            self._channels.tell_candle(candle)

    def _take_block(self, done: Processed) -> None:
        """Put what subaccounts took on the tape; candles stay the market's own, as the world's history is."""
        for fill in done.block.fills:
            if fill.liquidity is Liquidity.TAKER and fill.type in ("LIMIT", "LIQUIDATED"):
                height, at = fill.created_at_height, fill.created_at
                trade = self._tape.add(fill.ticker, fill.side, fill.size, fill.price, at, height, fill.type)
                self._channels.tell_trades(fill.ticker, [trade])


def _expiry(options: IndexerOptions) -> Expiry:
    return Expiry(options.rest_expiry_blocks, options.expiry_message_blocks)


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical("the websocket's batches have stopped", exc_info=task.exception())
