"""The gateway put together: rebuilt from the streams, then two sessions, commands in, reports, bars and quotes out.

One process trades an account, under its lease; another one connects to the venue only once it has it: TWS refuses a
second session with the same client id, and tells the first one's orders to nobody else.
"""

from __future__ import annotations

import asyncio
import logging

from signalbox.bars import parse_timeframe
from signalbox.clock import DeskClock
from signalbox.errors import ConfigurationError
from signalbox.gateway.account import Account
from signalbox.gateway.link import Link
from signalbox.gateway.outbox import Outbox
from signalbox.gateway.rebuilding import COMMANDS, rebuild
from signalbox.lease import account_lease
from signalbox.messages import MarketDataType
from signalbox.process import Runtime
from signalbox.venue_figures import begin_at_zero, watch_lease

from gateway_ibkr.account import CHANGE_INTERVAL_SECONDS, Figures
from gateway_ibkr.feeds import History, Series
from gateway_ibkr.instruments import Instruments
from gateway_ibkr.market_data import MarketData
from gateway_ibkr.orders import Orders
from gateway_ibkr.orders_link import OrdersLink
from gateway_ibkr.settings import Settings, account_of
from gateway_ibkr.state import OwnState, State, fold_report, state_of
from gateway_ibkr.translate import VENUE
from gateway_ibkr.venue import DATA, ORDERS

log = logging.getLogger(__name__)

CONSUMER = "gateway-ibkr"
CLOCK_RECHECK_SECONDS = 0.02


async def start(settings: Settings, runtime: Runtime) -> None:
    """Start everything; returns once the gateway runs. Raises `ConfigurationError` before anything is connected."""
    account_id = account_of(runtime.desk, settings)
    kind = _data_type(runtime.desk.venues[VENUE].market_data_type)
    timeframes = tuple(parse_timeframe(text) for text in runtime.desk.timeframes)
    bus, clock = runtime.bus, runtime.clock
    lease = account_lease(bus, VENUE, account_id)
    watch_lease(VENUE, account_id, lambda: lease.epoch, lease.is_held)
    await runtime.hold(lease)
    begin_at_zero(VENUE, ORDERS, DATA)
    state = state_of(account_id, OwnState(settings.ibkr_orders_client_id))
    await rebuild(bus, state, fold_report)
    state.own.said_over = frozenset(settings.ended_orders.split())
    if strangers := sorted(state.own.said_over - state.orders.keys()):
        log.error("SIGNALBOX_ENDED_ORDERS names orders that are not in the ledger", extra={"orders": strangers})

    link = Link(bus, clock, VENUE, account_id, lease)
    outbox = Outbox(bus, VENUE, runtime.fail, lease)
    instruments = Instruments(bus, clock, runtime.desk, state)
    figures = Figures(account_id)
    account = Account(bus, clock, link, figures, settings.account_interval_seconds, CHANGE_INTERVAL_SECONDS)
    orders = Orders(bus, clock, state, link, outbox, settings, instruments.contract_of, instruments.why_not_offered)
    orders_link = OrdersLink(clock, state, link, outbox, orders, account, instruments, settings, runtime.desk.mode)
    refused: dict[str, str] = {}
    where = {"mode": runtime.desk.mode.value, "port": str(settings.ibkr_port), "host": settings.ibkr_host}
    runtime.details = lambda: where | _details(link, state, instruments, refused)

    async def market_data() -> None:
        await orders_link.qualified.wait()
        history = History(clock, settings.history_seconds_max)
        feeds = tuple(Series(bus, clock, offered, timeframes, history) for offered in instruments.offered.values())
        for feed in feeds:
            await feed.feed.resume()
        data = MarketData(bus, clock, state, feeds, history, kind, settings, refused)
        async with asyncio.TaskGroup() as group:
            group.create_task(data.run())
            group.create_task(data.quotes.run())
            for feed in feeds:
                group.create_task(feed.feed.run())

    async def readiness() -> None:
        runtime.health.require("venue link")
        while True:
            if link.may_send():
                runtime.health.met("venue link")
            else:
                runtime.health.unmet("venue link", link.described())
            await link.changed(1.0)

    async def stop() -> None:
        link.stop()  # the lease is given back when the session is closed

    await _clock_runs(clock)
    runtime.stop = stop
    await runtime.spawn(outbox.run(), "outbox")
    await runtime.spawn(link.announce(), "link")
    await runtime.spawn(orders_link.run(), "orders session")
    await runtime.spawn(orders.asking.ask_when_due(), "questions")
    await runtime.spawn(account.publish(), "account")
    await runtime.spawn(market_data(), "market data")
    await runtime.spawn(readiness(), "readiness")
    await bus.consume(COMMANDS, CONSUMER, orders.handle)


async def _clock_runs(clock: DeskClock) -> None:
    """Wait for the desk clock: before its first tick it does not know the year."""
    while clock.is_stale():  # noqa: ASYNC110 (a clock has no event)
        await asyncio.sleep(CLOCK_RECHECK_SECONDS)


def _data_type(text: str) -> MarketDataType:
    try:
        return MarketDataType(text)
    except ValueError:
        kinds = ", ".join(kind.value for kind in MarketDataType)
        raise ConfigurationError([f"market_data_type = {text!r} in the desk file: it is one of {kinds}"]) from None


def _details(link: Link, state: State, instruments: Instruments, refused: dict[str, str]) -> dict[str, str]:
    working = sum(not tracked.done for tracked in state.orders.values())
    return {
        "account": state.account,
        "link": link.described(),
        "offered": ", ".join(instruments.offered),
        "not_offered": "; ".join(f"{symbol}: {reason}" for symbol, reason in instruments.left_out.items()),
        "data_refused": "; ".join(f"{symbol}: {reason}" for symbol, reason in refused.items()),
        "orders_known": str(len(state.orders)),
        "orders_not_over": str(working),
        "orders_stranded": ", ".join(sorted(state.own.stranded)),
        "next_order_number": str(state.highest_number + 1),
    }
