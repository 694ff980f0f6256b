"""The demo: one desk, one trading day faster than real time, orders at every venue of the desk, and then the check.

Owns the day's course. It acts over NATS with the user's and the operator's credentials; of the simulator it only sets
how fast time runs. It fails when an intent has another outcome than its line of the story says (`demo_stories`), or
when anything does not add up.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from signalbox.bus import Bus
from signalbox.errors import SignalboxError
from signalbox.instruments import parse_symbol
from signalbox.messages import OrderStatus
from signalbox.sessions import next_session, session_at

from signalbox_cli.auditing import audit_record, audit_trading
from signalbox_cli.connection import call_control
from signalbox_cli.demo_brackets import PERPETUAL, SHARES, go_home_flat, move_its_stop, tell_bracket
from signalbox_cli.demo_stories import (
    DOLLAR,
    SHARES_REST,
    end_perpetual,
    tell_halt,
    tell_perpetual,
    tell_shares,
)
from signalbox_cli.demo_trader import DemoFailedError, Story, Trader, Watch
from signalbox_cli.local_desk import DeskPlan, LocalDesk
from signalbox_cli.simulated_venues import DYDX, IBKR

FAST, SLOWING, SLOW = 3000.0, 200.0, 10.0
"""Desk seconds per wall second: between the orders (as fast as the desk keeps up), for the last minutes of that, and
while orders are watched. Without the step between, a clock that hears of the change 20 ms late is a minute ahead."""
SLOWING_BEFORE = timedelta(minutes=2)
CLOSING = timedelta(seconds=5)
"""Around the close a late clock must be on the right side of it: whether an order expired depends on it."""
DAY_SECONDS_MAX = 600.0
PROGRESS_SECONDS = 2.0
QUIET_SECONDS, QUIET_SECONDS_MAX = 0.75, 15.0
"""No bar for so long: all have come; and after how long that is not waited for any more."""


@dataclass(frozen=True, kw_only=True)
class DemoPlan:
    """`symbols` is what is traded at each venue; `days` trading days of the first are run."""

    desk: DeskPlan
    symbols: dict[str, str]
    days: int


async def run_demo(plan: DemoPlan) -> int:
    """Run it; 0 only if the story went as told and everything adds up."""
    story = Story()
    desk = LocalDesk(plan.desk, story.say)
    buses: list[Bus] = []
    try:
        venues = {IBKR: "IB Gateway", DYDX: "dYdX"}
        simulated = " and ".join(venues[venue] for venue in plan.desk.venues)
        story.say(f"starting nats-server, the simulated {simulated}, {', '.join(plan.desk.services)}")
        await desk.start()
        for user in ("user", "operator", "auditor"):
            buses.append(await Bus.connect(desk.bus_settings(user)))
        failures = await _trade_a_day(plan, desk, buses, story)
        story.say("checking: decisions, orders, fills, positions, funding and cash against the simulator's own books")
        failures += await audit_trading(desk, buses[2])
        story.say("checking: the database against every message of the streams")
        failures += [f"{name} died" for name in desk.unexpected_exits]
        audit = await audit_record(desk, buses[2], buses[0], failures)
    except SignalboxError as error:
        story.say(f"demo: {error}")
        story.say(f"The logs are in {plan.desk.directory / 'logs'}")
        return 1
    finally:
        for bus in buses:
            await bus.drain()
        await desk.close()
    wrong = [*audit.wrong, *audit.refused]
    for sentence in wrong:
        story.say(f"WRONG: {sentence}")
    story.say(audit.line())
    return 1 if wrong else 0


async def _trade_a_day(plan: DemoPlan, desk: LocalDesk, buses: list[Bus], story: Story) -> list[str]:
    watch = Watch(buses[0])
    await watch.listen()
    traders = {venue: Trader(watch, venue, symbol) for venue, symbol in plan.symbols.items()}
    for trader in traders.values():
        await trader.quote()
    leading = next(iter(traders.values()))
    calendar = parse_symbol(leading.symbol).calendar
    session = session_at(calendar, watch.clock.now()) or next_session(calendar, watch.clock.now())
    story.say(f"the desk {plan.desk.desk.name!r} is ready")
    story.say(f"it is {watch.clock.now():%A %d %B %Y %H:%M} UTC, {leading.symbol} opens {session.open:%H:%M}")
    begin = session.open + timedelta(minutes=5)
    await _run_until(desk, watch, story, begin - SLOWING_BEFORE, FAST)
    await _run_until(desk, watch, story, begin, SLOWING)
    failures: list[str] = []
    try:
        await _tell(plan, desk, traders, buses[1], story)
    except DemoFailedError as error:
        failures.append(str(error))
    end = session
    for _ in range(plan.days - 1):
        end = next_session(calendar, end.post_close)
    await _run_until(desk, watch, story, end.close - SLOWING_BEFORE, FAST)
    await _run_until(desk, watch, story, end.close - CLOSING, SLOWING)
    await _run_until(desk, watch, story, end.close + CLOSING, SLOW)
    await _run_until(desk, watch, story, end.close + timedelta(minutes=1), SLOWING)
    await call_control(desk.control_port, do="set_speed", speed=SLOW)
    await _until_quiet(watch)
    if not failures:
        try:
            await _end(traders, story)
        except DemoFailedError as error:
            failures.append(str(error))
    await call_control(desk.control_port, do="pause")
    return failures


async def _tell(plan: DemoPlan, desk: LocalDesk, traders: dict[str, Trader], operator: Bus, story: Story) -> None:
    """The orders of the day, slowly enough to be watched."""
    await call_control(desk.control_port, do="set_speed", speed=SLOW)
    for venue, trader in traders.items():
        await trader.quote()
        await trader.watch.fresh_account(venue, plan.desk.desk.limits.account_age_seconds_max / 2)
    if IBKR in traders:
        await tell_shares(traders[IBKR], operator, story)
        await tell_bracket(traders[IBKR], story, SHARES, Decimal(20))
        await move_its_stop(traders[IBKR], story, SHARES)
        await go_home_flat(traders[IBKR], story, SHARES, Decimal(20))
    if DYDX in traders:
        await tell_perpetual(traders[DYDX], story)
        await tell_bracket(traders[DYDX], story, PERPETUAL, Decimal("0.02"))
        await go_home_flat(traders[DYDX], story, PERPETUAL, Decimal("0.02"))
        if IBKR not in traders:
            await tell_halt(traders[DYDX], operator, story, Decimal("0.02"), DOLLAR)


async def _end(traders: dict[str, Trader], story: Story) -> None:
    """What the end of the day does to the orders that rested, and what the day's funding came to."""
    if IBKR in traders:
        await traders[IBKR].status(SHARES_REST, OrderStatus.EXPIRED)
        story.say(f"{SHARES_REST}: EXPIRED at the close, as a DAY order does")
    if DYDX in traders:
        await end_perpetual(traders[DYDX], story)


async def _run_until(desk: LocalDesk, watch: Watch, story: Story, target: datetime, speed: float) -> None:
    await call_control(desk.control_port, do="set_speed", speed=speed)
    async with asyncio.timeout(DAY_SECONDS_MAX):
        loop = asyncio.get_running_loop()
        told = loop.time()
        while (now := watch.clock.now()) < target:
            if loop.time() - told > PROGRESS_SECONDS:
                told = loop.time()
                story.progress(f"{now:%d %b %H:%M} UTC  bars {watch.bars}  scores {watch.scores}")
            await asyncio.sleep(0.02)


async def _until_quiet(watch: Watch) -> None:
    """Wait for the bars that are still on their way from a market that ran fast."""
    bars, rounds = -1, int(QUIET_SECONDS_MAX / QUIET_SECONDS)
    for _ in range(rounds):
        if watch.bars == bars:
            return
        bars = watch.bars
        await asyncio.sleep(QUIET_SECONDS)
