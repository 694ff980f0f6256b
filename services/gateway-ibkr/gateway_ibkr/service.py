"""The gateway put together: rebuilt from the streams, then two sessions, commands in, reports, bars and quotes out.

One process trades the desk's accounts at IBKR, each under a lease of its own; another one connects to the venue only
once it has them: TWS refuses a second session with the same client id, and tells the first one's orders to nobody else.

Each account has a lane of its own (`Lane`): what is remembered of it, its orders session, its figures, its reports.
Lanes share the instruments and the market data, and nothing else, so that none has to know of another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from signalbox.bars import parse_timeframe
from signalbox.errors import ConfigurationError
from signalbox.gateway import externals
from signalbox.gateway.rebuilding import rebuild
from signalbox.gateway.running import Gateway, Lane, described, run_together, take_account, until_it_runs
from signalbox.gateway.submission import Submission
from signalbox.lease import OwnLease
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
from gateway_ibkr.profit_watch import watch_profits
from gateway_ibkr.settings import Margin, Settings, accounts_of, orders_client_id
from gateway_ibkr.state import OwnState, State, fold_report, state_of
from gateway_ibkr.translate import VENUE
from gateway_ibkr.venue import DATA, ORDERS
from gateway_ibkr.what_if import WhatIf

log = logging.getLogger(__name__)


async def start(settings: Settings, runtime: Runtime) -> None:
    """Start everything; returns once the gateway runs. Raises `ConfigurationError` before anything is connected."""
    accounts = accounts_of(runtime.desk, settings)
    kind = _data_type(runtime.desk.venues[VENUE].market_data_type)
    timeframes = tuple(parse_timeframe(text) for text in runtime.desk.timeframes)
    bus, clock = runtime.bus, runtime.clock
    await until_it_runs(clock)
    # In this order by every process: two of them can not have one each and wait for the other's
    leases = {account: await take_account(runtime, VENUE, account) for account in sorted(accounts)}
    begin_at_zero(VENUE, ORDERS, DATA)
    metrics.begin_unanswered_at_zero()
    traded: list[Traded] = []
    for account in accounts:
        traded.append(await _traded(settings, runtime, account, leases[account], traded))
    watch_profits([each.orders_link.profit for each in traded])
    first = traded[0]
    _tell_strangers(settings, traded)
    gateway, state, instruments = first.gateway, first.state, first.gateway.instruments
    refused: dict[str, str] = {}
    silent: Callable[[], dict[str, str]] = dict
    where = {"mode": runtime.desk.mode.value, "port": str(settings.ibkr_port), "host": settings.ibkr_host}
    runtime.details = lambda: {
        **where,
        **gateway.details(),
        **_details(traded),
        "data_refused": described(refused),
        "data_asked_for_again": described(silent() | _silent_profits(traded)),
        "orders_stranded": ", ".join(sorted({name for each in traded for name in each.state.own.stranded})),
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

    lanes = [Lane(each.gateway, each.submission, each.own_tasks()) for each in traded]
    lanes[0] = Lane(gateway, first.submission, {**lanes[0].own, "market data": market_data()})
    await run_together(runtime, lanes)


@dataclass(frozen=True)
class Traded:
    """One account and its parts."""

    state: State
    gateway: Gateway[Offered]
    submission: Submission
    orders_link: OrdersLink
    questions: Questions
    external_orders_seconds: float
    what_if: WhatIf | None = None

    def own_tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What goes on for it, beside what does for any gateway's account."""
        asks = {"what-if": self.what_if.run()} if self.what_if is not None else {}
        return {
            **asks,
            "orders session": self.orders_link.run(),
            "orders of others": self._others(),
            "account figures": self.gateway.account.keep_said(self.orders_link.ask_figures),
        }

    async def _others(self) -> None:
        """Have the venue asked what others have placed, every while."""
        while True:
            await asyncio.sleep(self.external_orders_seconds)
            self.questions.look_around()
            self.submission.asking.later(externals.QUESTION, urgent=True)


async def _traded(
    settings: Settings, runtime: Runtime, account: str, lease: OwnLease, before: Sequence[Traded]
) -> Traded:
    """Rebuild what is remembered of an account, and put its parts together behind those of the accounts `before`."""
    place, clock = len(before), runtime.clock
    own = OwnState(orders_client_id(settings, place))
    if before:
        found = before[0].state.own
        own.symbols, own.untold, own.calendars = found.symbols, found.untold, found.calendars
        own.marks = found.marks
    state = state_of(account, own)
    await rebuild(runtime.bus, state, fold_report)
    own.said_over = frozenset(settings.ended_orders.split())
    figures = Figures(account)
    gateway = Gateway[Offered](
        runtime,
        state,
        lease,
        figures,
        settings.account_interval_seconds,
        CHANGE_INTERVAL_SECONDS,
        before[0].gateway.instruments if before else None,
    )
    orders = Orders(state, gateway.instruments)
    questions = Questions(clock, state, gateway.link, gateway.parking, settings, orders.open_session)
    submission = gateway.submission(orders, questions, pace_of(settings), settings.cancel_wait_seconds_max)
    mode = runtime.desk.mode
    link = OrdersLink(clock, state, gateway, orders, questions, submission, settings, mode, place)
    asks = settings.ibkr_margin is Margin.WHAT_IF
    what_if = WhatIf(clock, state, gateway, figures, orders) if asks else None
    return Traded(state, gateway, submission, link, questions, settings.external_orders_seconds, what_if)


def _tell_strangers(settings: Settings, traded: Sequence[Traded]) -> None:
    known = {order_id for each in traded for order_id in each.state.orders}
    if strangers := sorted(set(settings.ended_orders.split()) - known):
        log.error("SIGNALBOX_ENDED_ORDERS names orders that are not in the ledger", extra={"orders": strangers})


def _details(traded: Sequence[Traded]) -> dict[str, str]:
    """What is told of the accounts behind the first, and of all of them together."""
    if len(traded) == 1:
        return {}
    orders = [tracked for each in traded for tracked in each.state.orders.values()]
    links = {f"link of {each.state.account}": each.gateway.link.described() for each in traded[1:]}
    unread = {each.state.account: told for each in traded if (told := each.gateway.parking.described())}
    return {
        "account": ", ".join(each.state.account for each in traded),
        **links,
        "unread": described(unread),
        "orders_known": str(len(orders)),
        "orders_not_over": str(sum(not tracked.done for tracked in orders)),
    }


def _silent_profits(traded: Sequence[Traded]) -> dict[str, str]:
    if len(traded) == 1:
        return traded[0].orders_link.profit.described()
    return {
        f"{what} of {each.state.account}": why
        for each in traded
        for what, why in each.orders_link.profit.described().items()
    }


def _data_type(text: str) -> MarketDataType:
    try:
        return MarketDataType(text)
    except ValueError:
        kinds = ", ".join(kind.value for kind in MarketDataType)
        raise ConfigurationError([f"market_data_type = {text!r} in the desk file: it is one of {kinds}"]) from None
