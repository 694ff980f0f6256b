"""The gateway put together: rebuilt from the streams, then the node and two websockets; commands in, reports out."""

from __future__ import annotations

import asyncio
import logging
import time
from decimal import Decimal

from signalbox.bars import parse_timeframe
from signalbox.clock import DeskClock
from signalbox.gateway.account import Account
from signalbox.gateway.link import Link
from signalbox.gateway.outbox import Outbox
from signalbox.gateway.rebuilding import COMMANDS, rebuild
from signalbox.lease import account_lease
from signalbox.messages import Side
from signalbox.process import Runtime
from signalbox.venue_figures import begin_at_zero, watch_lease

from gateway_dydx import metrics
from gateway_dydx.account import CHANGE_INTERVAL_SECONDS, Figures
from gateway_dydx.instruments import Instruments
from gateway_dydx.market_data import MarketData, stream_bounds
from gateway_dydx.orders import Orders
from gateway_dydx.orders_link import OrdersLink
from gateway_dydx.renewing import Renewing
from gateway_dydx.sending import Sending
from gateway_dydx.settings import Settings, endpoints, signing_key, subaccount_to_trade
from gateway_dydx.state import OwnState, State, fold_report, state_of
from gateway_dydx.translate import VENUE
from gateway_dydx.venue_indexer import IndexerRest
from gateway_dydx.venue_node import Node

log = logging.getLogger(__name__)

CONSUMER = "gateway-dydx"
CLOCK_RECHECK_SECONDS = 0.02


async def start(settings: Settings, runtime: Runtime) -> None:
    """Start everything; returns once the gateway runs. Raises `ConfigurationError` before anything is connected."""
    subaccount = subaccount_to_trade(runtime.desk, settings)
    where = endpoints(settings)
    bus, clock = runtime.bus, runtime.clock
    metrics.nothing_known()
    begin_at_zero(VENUE, metrics.STREAM, metrics.DATA, metrics.INDEXER)
    node = Node(
        where,
        signing_key(settings),
        subaccount.address,
        connect_seconds_max=settings.connect_seconds_max,
        answer_seconds_max=settings.answer_seconds_max,
        broadcast_seconds_max=settings.broadcast_seconds_max,
    )
    timeframes = tuple(parse_timeframe(text) for text in runtime.desk.timeframes)
    await _clock_runs(clock)
    lease = account_lease(bus, VENUE, subaccount.account)
    watch_lease(VENUE, subaccount.account, lambda: lease.epoch, lease.is_held)
    began_seconds = time.monotonic()
    await runtime.hold(lease)
    metrics.LEASE_WAITED_SECONDS.set(time.monotonic() - began_seconds)
    state = state_of(subaccount.account, OwnState())
    await rebuild(bus, state, fold_report)

    rest = IndexerRest(where.indexer_url, settings.answer_seconds_max)
    link = Link(bus, clock, VENUE, subaccount.account, lease)
    outbox = Outbox(bus, VENUE, runtime.fail, lease)
    instruments = Instruments(bus, clock, runtime.desk)
    data = MarketData(bus, clock, rest, instruments, timeframes, where.websocket_url, settings)
    figures = Figures(subaccount.account)
    account = Account(bus, clock, link, figures, settings.account_interval_seconds, CHANGE_INTERVAL_SECONDS)
    sending = Sending(node, clock, state, lease)

    def reference_price(symbol: str, side: Side) -> Decimal | None:
        return data.best_price(symbol, side) or orders_link.oracle_prices.get(symbol)

    orders = Orders(
        bus, clock, state, link, outbox, sending, rest, subaccount, settings,
        instruments.terms_of, instruments.why_not_offered, reference_price,
    )  # fmt: skip
    renewing = Renewing(clock, state, link, orders, orders.asking, sending)
    orders_link = OrdersLink(
        clock, state, link, outbox, orders, renewing, sending, account, instruments, node, rest, subaccount,
        where.websocket_url, stream_bounds(settings), settings,
    )  # fmt: skip
    shown = {"mode": runtime.desk.mode.value, "network": settings.dydx_network.value}
    runtime.details = lambda: shown | _details(link, state, instruments)

    async def stop() -> None:
        link.stop()  # the lease is given back when the command that has begun is finished

    async def connections() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await rest.close()  # the node's channel stays: a command that has begun is finished

    async def readiness() -> None:
        runtime.health.require("venue link")
        while True:
            if link.may_send():
                runtime.health.met("venue link")
            else:
                runtime.health.unmet("venue link", link.described())
            await link.changed(1.0)

    await runtime.spawn(outbox.run(), "outbox")
    await runtime.spawn(link.announce(), "link")
    await runtime.spawn(orders_link.watch_node(), "node")
    await runtime.spawn(orders_link.keep_stream(), "account stream")
    await runtime.spawn(orders_link.run(), "orders link")
    await runtime.spawn(orders.asking.ask_when_due(), "questions")
    await runtime.spawn(renewing.run(), "renewals")
    await runtime.spawn(account.publish(), "account")
    await runtime.spawn(data.run(), "market data")
    await runtime.spawn(readiness(), "readiness")
    await runtime.spawn(connections(), "connections")
    runtime.stop = stop
    await bus.consume(COMMANDS, CONSUMER, orders.handle)


async def _clock_runs(clock: DeskClock) -> None:
    """Wait for the desk clock: before its first tick it does not know the year."""
    while clock.is_stale():  # noqa: ASYNC110 (a clock has no event)
        await asyncio.sleep(CLOCK_RECHECK_SECONDS)


def _details(link: Link, state: State, instruments: Instruments) -> dict[str, str]:
    working = sum(not tracked.done for tracked in state.orders.values())
    return {
        "account": state.account,
        "link": link.described(),
        "offered": ", ".join(instruments.offered),
        "not_offered": "; ".join(f"{symbol}: {reason}" for symbol, reason in instruments.left_out.items()),
        "orders_known": str(len(state.orders)),
        "orders_not_over": str(working),
        "height": str(state.own.height),
        "indexer_lag_blocks": str(state.own.height - state.own.indexer_height),
        "next_client_id": str(state.highest_number + 1),
    }
