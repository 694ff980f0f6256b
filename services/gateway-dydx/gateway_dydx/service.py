"""The gateway put together: rebuilt from the streams, then the node and two websockets; commands in, reports out."""

from __future__ import annotations

import asyncio
import logging
import time
from decimal import Decimal

from signalbox.bars import parse_timeframe
from signalbox.gateway.rebuilding import rebuild
from signalbox.gateway.running import Gateway, described, take_account, until_it_runs
from signalbox.messages import Side
from signalbox.process import Runtime
from signalbox.venue_figures import begin_at_zero

from gateway_dydx import metrics
from gateway_dydx.account import CHANGE_INTERVAL_SECONDS, Figures
from gateway_dydx.asking import Questions, pace_of
from gateway_dydx.data_connections import gathered
from gateway_dydx.instruments import Offered, not_open
from gateway_dydx.keys import KeyOwner
from gateway_dydx.market_data import MarketData, stream_bounds
from gateway_dydx.moves import Moving
from gateway_dydx.orders import Orders
from gateway_dydx.orders_link import OrdersLink
from gateway_dydx.renewing import Renewing
from gateway_dydx.sending import Sending
from gateway_dydx.settings import Settings, endpoints, signing_key, subaccount_to_trade
from gateway_dydx.state import OwnState, fold_report, state_of
from gateway_dydx.trailing import Trailing
from gateway_dydx.translate import VENUE
from gateway_dydx.unread import Unread
from gateway_dydx.venue_indexer import IndexerRest
from gateway_dydx.venue_leverage import leverage
from gateway_dydx.venue_node import Node
from gateway_dydx.venue_permission import KeptPermission

log = logging.getLogger(__name__)


async def start(settings: Settings, runtime: Runtime) -> None:
    """Start everything; returns once the gateway runs. Raises `ConfigurationError` before anything is connected."""
    subaccount = subaccount_to_trade(runtime.desk, settings)
    where = endpoints(settings)
    bus, clock = runtime.bus, runtime.clock
    metrics.nothing_known()
    begin_at_zero(VENUE, metrics.STREAM, metrics.DATA, metrics.INDEXER)
    key = signing_key(settings)
    node = Node(
        where,
        key,
        subaccount.address,
        connect_seconds_max=settings.connect_seconds_max,
        answer_seconds_max=settings.answer_seconds_max,
        broadcast_seconds_max=settings.broadcast_seconds_max,
    )
    timeframes = tuple(parse_timeframe(text) for text in runtime.desk.timeframes)
    await until_it_runs(clock)
    began_seconds = time.monotonic()
    lease = await take_account(runtime, VENUE, subaccount.account)
    metrics.LEASE_WAITED_SECONDS.set(time.monotonic() - began_seconds)
    state = state_of(subaccount.account, OwnState())
    await rebuild(bus, state, fold_report)

    rest = IndexerRest(where.indexer_url, settings.answer_seconds_max)
    figures = Figures(subaccount.account)
    gateway = Gateway[Offered](
        runtime, state, lease, figures, settings.account_interval_seconds, CHANGE_INTERVAL_SECONDS
    )
    instruments = gateway.instruments
    unread = Unread(gateway.parking)
    url, health = where.websocket_url, runtime.health
    data = MarketData(bus, clock, rest, instruments, gateway.gaps, timeframes, url, settings, health, unread)
    permission = KeptPermission(node, subaccount, settings)
    sending = Sending(node, clock, state, lease, permission)

    def reference_price(symbol: str, side: Side) -> Decimal | None:
        return data.best_price(symbol, side) or orders_link.oracle_prices.get(symbol)

    def oracle_price(symbol: str) -> Decimal | None:
        return orders_link.oracle_prices.get(symbol)

    orders = Orders(state, sending, subaccount, settings, instruments, reference_price, oracle_price)
    questions = Questions(clock, state, rest, sending.failure_of, subaccount, settings)
    submission = gateway.submission(orders, questions, pace_of(settings), settings.cancel_wait_seconds_max)
    moving = Moving(clock, state, gateway.link, orders.moves, submission.asking)
    trailing = Trailing(
        bus, clock, state, gateway.link, orders.moves, submission.asking, instruments, oracle_price, sending.budget,
        settings,
    )  # fmt: skip
    at_blocks = (moving, trailing)
    renewing = Renewing(clock, state, gateway.link, orders, submission.asking, sending, at_blocks, submission.act)
    orders_link = OrdersLink(
        clock, state, gateway, questions, submission, renewing, sending, node, rest,
        subaccount, where.websocket_url, stream_bounds(settings), settings, unread,
    )  # fmt: skip
    shown = {"mode": runtime.desk.mode.value, "network": settings.dydx_network.value}
    runtime.details = lambda: {
        **shown,
        **gateway.details(),
        "key": node.permission.text,
        "leverage": described(figures.leverage()),
        "height": str(state.own.height),
        "indexer_lag_blocks": str(state.own.height - state.own.indexer_height),
        "not_open": described(not_open(instruments)),
        "data_refused": gathered(data.why_no_data()),
        "next_client_id": str(state.highest_number + 1),
    }

    async def ask_figures() -> None:
        found = await rest.subaccount(subaccount.address, subaccount.number)
        markets = await rest.markets([])  # while nothing is held too: what is bought next is valued by them at once
        chosen = await leverage(node, subaccount, settings.answer_seconds_max)
        for fact in (*markets, chosen, *((found,) if found is not None else ())):
            gateway.account.on_fact(fact)

    async def connections() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await rest.close()  # the node's channel stays: a command that has begun is finished

    own = {
        "node": orders_link.watch_node(),
        "account stream": orders_link.keep_stream(),
        "orders link": orders_link.run(),
        "renewals": renewing.run(),
        "moves": moving.run(),
        "trailing stops": trailing.run(),
        "market data": data.run(),
        "account figures": gateway.account.keep_said(ask_figures),
        "connections": connections(),
    }
    if key.owner is KeyOwner.TRADER:
        own["trading key"] = permission.keep()
    await gateway.run(submission, own)
