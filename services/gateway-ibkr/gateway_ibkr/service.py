"""The gateway put together: rebuilt from the streams, then two sessions, commands in, reports, bars and quotes out.

One process trades an account, under its lease; another one connects to the venue only once it has it: TWS refuses a
second session with the same client id, and tells the first one's orders to nobody else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from signalbox.bars import parse_timeframe
from signalbox.errors import ConfigurationError
from signalbox.gateway.rebuilding import rebuild
from signalbox.gateway.running import Gateway, described, take_account, until_it_runs
from signalbox.messages import MarketDataType
from signalbox.process import Runtime
from signalbox.venue_figures import begin_at_zero

from gateway_ibkr import metrics
from gateway_ibkr.account import CHANGE_INTERVAL_SECONDS, Figures
from gateway_ibkr.asking import Questions, pace_of
from gateway_ibkr.feeds import History, Series
from gateway_ibkr.instruments import Offered
from gateway_ibkr.market_data import MarketData
from gateway_ibkr.orders import Orders
from gateway_ibkr.orders_link import OrdersLink
from gateway_ibkr.settings import Settings, account_of
from gateway_ibkr.state import OwnState, fold_report, state_of
from gateway_ibkr.translate import VENUE
from gateway_ibkr.venue import DATA, ORDERS

log = logging.getLogger(__name__)


async def start(settings: Settings, runtime: Runtime) -> None:
    """Start everything; returns once the gateway runs. Raises `ConfigurationError` before anything is connected."""
    account_id = account_of(runtime.desk, settings)
    kind = _data_type(runtime.desk.venues[VENUE].market_data_type)
    timeframes = tuple(parse_timeframe(text) for text in runtime.desk.timeframes)
    bus, clock = runtime.bus, runtime.clock
    await until_it_runs(clock)
    lease = await take_account(runtime, VENUE, account_id)
    begin_at_zero(VENUE, ORDERS, DATA)
    metrics.begin_unanswered_at_zero()
    state = state_of(account_id, OwnState(settings.ibkr_orders_client_id))
    await rebuild(bus, state, fold_report)
    state.own.said_over = frozenset(settings.ended_orders.split())
    if strangers := sorted(state.own.said_over - state.orders.keys()):
        log.error("SIGNALBOX_ENDED_ORDERS names orders that are not in the ledger", extra={"orders": strangers})

    gateway = Gateway[Offered](
        runtime, state, lease, Figures(account_id), settings.account_interval_seconds, CHANGE_INTERVAL_SECONDS
    )
    instruments = gateway.instruments
    orders = Orders(state, instruments)
    questions = Questions(clock, state, gateway.link, gateway.parking, settings, orders.open_session)
    submission = gateway.submission(orders, questions, pace_of(settings), settings.cancel_wait_seconds_max)
    orders_link = OrdersLink(clock, state, gateway, orders, questions, submission, settings, runtime.desk.mode)
    refused: dict[str, str] = {}
    silent: Callable[[], dict[str, str]] = dict
    where = {"mode": runtime.desk.mode.value, "port": str(settings.ibkr_port), "host": settings.ibkr_host}
    runtime.details = lambda: {
        **where,
        **gateway.details(),
        "data_refused": described(refused),
        "data_asked_for_again": described(silent() | orders_link.profit.described()),
        "orders_stranded": ", ".join(sorted(state.own.stranded)),
        "next_order_number": str(state.highest_number + 1),
    }

    async def market_data() -> None:
        nonlocal silent
        await instruments.qualified.wait()
        history = History(clock, settings.history_seconds_max, gateway.gaps, gateway.parking)
        feeds = tuple(Series(bus, clock, offered, timeframes, history) for offered in instruments.offered.values())
        for feed in feeds:
            await feed.resume()
        data = MarketData(bus, clock, state, feeds, history, kind, settings, refused, gateway.parking)
        silent = data.described
        async with asyncio.TaskGroup() as group:
            group.create_task(data.run())
            group.create_task(data.quotes.run())
            for feed in feeds:
                group.create_task(feed.feed.run())

    own = {
        "orders session": orders_link.run(),
        "market data": market_data(),
        "account figures": gateway.account.keep_said(orders_link.ask_figures),
    }
    await gateway.run(submission, own)


def _data_type(text: str) -> MarketDataType:
    try:
        return MarketDataType(text)
    except ValueError:
        kinds = ", ".join(kind.value for kind in MarketDataType)
        raise ConfigurationError([f"market_data_type = {text!r} in the desk file: it is one of {kinds}"]) from None
