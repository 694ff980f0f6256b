"""The commands that trade: intent, cancel, halt, resume. They publish what any NATS client could."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.client.record import query, sql_text
from signalbox.desk import ClockSource, load_desk
from signalbox.errors import ConfigurationError
from signalbox.messages import (
    CancelIntent,
    Decision,
    FlattenEnded,
    Intent,
    IntentApproved,
    LimitsRuling,
    MassCancelIntent,
    OrderEvents,
    Ruling,
    TradingMode,
    TradingState,
    TradingSwitched,
)

from signalbox_cli import argument_types
from signalbox_cli.allocating import check_options
from signalbox_cli.commands import EXIT_DENIED, EXIT_NO_ANSWER, add_command
from signalbox_cli.connection import desk_bus, desk_time
from signalbox_cli.following import Followed, ManyOrders, OneOrder, Parts
from signalbox_cli.order_options import add_order_options, order_intent, order_type
from signalbox_cli.output import complain, show_json
from signalbox_cli.switching import add_scope_options, named, switch_scope
from signalbox_cli.verdicts import is_nothing, show_decision, show_event
from signalbox_cli.whatif import ask_and_report

DECISION_SECONDS_MAX = 10.0
NO_REASON = "no reason was given"


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    intent = add_command(
        commands,
        "intent",
        "publish an order intent and show the decision",
        """
        Exit status: 0 approved, 3 denied, 4 no decision in time (it may still come: see `signalbox orders`).

        Examples:
          signalbox intent buy 100 SPY --follow                          a market order; its events until it is final
          signalbox intent sell 100 700 --limit 290.2                    0700.HK by its number
          signalbox intent sell 50 AAPL --stop 160 --tif GTC
          signalbox intent sell 50 AAPL --stop 160 --limit 158 --tif GTC a stop-limit order: it may not fill in a gap
          signalbox intent sell 50 AAPL --touch 190 --limit 189 --tif GTC takes the profit, at 189 or better
          signalbox intent sell 50 AAPL --trail 1.5% --tif GTC           its stop follows the market
          signalbox intent buy 100 SPY --on-close --json                 in the closing auction, at its price
          signalbox intent buy 100 SPY --on-open --limit 470.1           in the opening auction, at 470.1 or better
          signalbox intent buy 5000 SPY --to-limit                       at the market; the rest waits at that price
          signalbox intent buy 100 SPY --limit 470.1 --tif IOC           what is to be had at once; the rest is over
          signalbox intent buy 0.01 BTC-USD --limit 95000 --tif GTC      a perpetual: at dydx
          signalbox intent buy 100 SPY --group growth --method NetLiq    shared out among the accounts of the group
          signalbox intent sell 25% SPY --group growth                   of what each account holds
        """,
    )
    add_order_options(intent)
    intent.add_argument("--follow", action="store_true", help="go on until the order is final")
    finish(intent, _intent)
    cancel = add_command(
        commands,
        "cancel",
        "ask to cancel an order, a list, or with --all many of them",
        """
        Exit status: 0 the request was approved, 3 it was denied or there is no such order, 4 no decision in time.

        --all is one request for every order that works and has all that is named: by default all of the desk's. It says
        for how many orders it was approved; of none it is approved too. It covers what was approved before it, not what
        others have sent and is not decided yet: where that must not trade either, `signalbox halt` first. What others
        have placed at the venue, by hand or with another program, it leaves alone unless --external says so, or a
        strategy has claimed it.

        Examples:
          signalbox cancel i-20240305-150000-1a2b3c4d --follow
          signalbox cancel --all                                         everything that works
          signalbox cancel --all --venue ibkr --symbol SPY --follow
          signalbox cancel external-1000123                              placed elsewhere; where the venue allows it
          signalbox cancel --all --strategy trend                        of intents that say --strategy trend
        """,
    )
    cancel.add_argument(
        "order_id", nargs="?", metavar="ORDER", help="as `signalbox intent` and `signalbox orders` show it"
    )
    cancel.add_argument("--all", action="store_true", help="every order that works and has what is named")
    cancel.add_argument("--venue", help="where it is (default: looked up); with --all: at this venue")
    cancel.add_argument(
        "--symbol", type=argument_types.symbol, help="of the order (default: looked up); with --all: in this one"
    )
    cancel.add_argument("--account", help="with --all: in this account")
    cancel.add_argument("--strategy", help="with --all: of this strategy")
    cancel.add_argument("--external", action="store_true", help="with --all: what others have placed, too")
    cancel.add_argument("--follow", action="store_true", help="go on until the order is final, or all of them are")
    finish(cancel, _cancel_one_or_many)
    halt = add_command(
        commands,
        "halt",
        "deny every new order (cancels are still taken)",
        """
        In force within 2 s, and recorded under the name of who said it: `operator`, or who --as says and is one. Each
        gateway obeys it by itself, too: what was approved before and has not left is refused there, and only what
        reduces a position, or protects it, is still sent. What works at the venues stays.

        With --venue, --account, --strategy or --symbol only what is in that scope (a symbol is one of an account); of
        all that an order is in the strictest holds, and its decision says which. Such a switch is told to the OMS, and
        holds over restarts until somebody resumes it. While the OMS is down it is stored, not in force (exit status 4):
        halt the desk then, which needs NATS and risk alone. --reducing lets exits through.

        Examples:
          signalbox halt "the feed looks wrong"
          signalbox --as carol halt "lunch"
          signalbox halt "its split is not booked yet" --symbol NVDA
          signalbox halt "maintenance" --venue dydx --reducing
          signalbox halt "it buys the same again" --strategy trend
        """,
    )
    resume = add_command(
        commands,
        "resume",
        "trade again after a halt, of the desk or of what is named",
        """
        In force within 2 s. With --venue, --account, --strategy or --symbol what was said of that scope is over: by
        `halt`, or by a list that was left without its stop and whose policy is HALT (`signalbox status` says which, by
        whom and why). It needs the OMS, as `halt` of a scope does.

        Examples:
          signalbox resume "feed is fine"
          signalbox resume "the stop stands" --symbol SPY
        """,
    )
    halt.add_argument(
        "--reducing", dest="reduce_only", action="store_true", help="let only through what reduces a position"
    )
    resume.add_argument("--reduce-only", action="store_true", help="let only through what reduces a position")
    for switch, mode in ((halt, TradingMode.HALTED), (resume, TradingMode.ACTIVE)):
        switch.add_argument("reason", nargs="?", default="", help=f"why, for the record (else: {NO_REASON})")
        add_scope_options(switch)
        switch.set_defaults(mode=mode)
        finish(switch, _switch)


def finish(parser: argparse.ArgumentParser, run: object) -> None:
    """What every command that publishes has: --json, and what it does."""
    parser.add_argument("--json", action="store_true", help="print the messages themselves, for programs")
    parser.set_defaults(run=run)


async def _intent(arguments: argparse.Namespace) -> int:
    order_type(arguments)  # what contradicts itself is told without a desk
    check_options(arguments)
    async with desk_bus() as (bus, found):
        intent = order_intent(arguments, await desk_time(bus, simulated=simulated(found.desk_file)))
        followed = Parts() if intent.group else OneOrder(intent.id)
        return await publish_and_report(bus, found.user, intent, followed, arguments)


async def _cancel_one_or_many(arguments: argparse.Namespace) -> int:
    named = (arguments.account, arguments.strategy)
    if arguments.all == (arguments.order_id is not None):
        raise ConfigurationError(["say which order to cancel, or --all for every one that works: one of the two"])
    if not arguments.all and (arguments.external or named != (None, None)):
        raise ConfigurationError(["--account, --strategy and --external go with --all: an order is named by its id"])
    if arguments.all and "" in (arguments.venue, *named):  # a variable that is not set would cancel everything
        raise ConfigurationError(["an option of --all is empty: name what is meant, or leave the option out"])
    return await (_cancel_many if arguments.all else _cancel)(arguments)


async def _cancel_many(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, found):
        at = await desk_time(bus, simulated=simulated(found.desk_file))
        intent = MassCancelIntent(
            id=f"m-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            at=at,
            venue=arguments.venue or "",
            account=arguments.account or "",
            symbol=arguments.symbol or "",
            strategy=arguments.strategy or "",
            external=arguments.external,
        )
        return await publish_and_report(bus, found.user, intent, ManyOrders(), arguments)


async def _cancel(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, found):
        place = await where_it_is(bus, arguments.order_id, arguments.venue or "", arguments.symbol)
        if place is None:
            return EXIT_DENIED
        at = await desk_time(bus, simulated=simulated(found.desk_file))
        intent = CancelIntent(
            id=f"c-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            at=at,
            venue=place.venue,
            symbol=place.symbol,
            order_id=arguments.order_id,
            account=place.account,
        )
        followed = Parts() if place.is_of_group else OneOrder(arguments.order_id)
        return await publish_and_report(bus, found.user, intent, followed, arguments)


class Place(NamedTuple):
    """Where an order is. That of a group is in no one account."""

    venue: str
    symbol: str
    account: str
    is_of_group: bool


async def where_it_is(bus: Bus, order_id: str, venue: str, symbol: str | None) -> Place | None:
    """Where an order is, looked up where it is not named; None = nobody knows it, which is said."""
    if venue and symbol:
        return Place(venue, symbol, "", False)
    name = sql_text(order_id)
    placed = f"FROM orders WHERE order_id = {name} AND status != 'DENIED'"
    wanted = (
        "SELECT venue, symbol, account, of_group FROM ("
        f"SELECT venue, symbol, account, false AS of_group {placed} UNION "
        "SELECT venue, symbol, account, type = 'OrderIntent' AND account = '' AS of_group FROM intents "
        f"WHERE intent_id = {name} AND type IN ('OrderIntent', 'PositionIntent', 'OrderListIntent') "
        f"AND NOT EXISTS ({placed}))"
    )
    reply = await query(bus, f"{wanted} WHERE venue = {sql_text(venue)}" if venue else wanted)
    if not reply.rows:
        complain(f"the desk knows no order {order_id!r}: `signalbox orders` lists them")
        return None
    found_venue, found_symbol, account, is_of_group = reply.rows[0]
    return Place(venue or found_venue, symbol or found_symbol, account or "", bool(is_of_group))


def simulated(desk_file: Path | None) -> bool | None:
    """Whether the desk's time is simulated; None = nobody says."""
    return load_desk(desk_file).clock is ClockSource.SIMULATED if desk_file else None


async def publish_and_report(
    bus: Bus, sender: str, intent: Intent, orders: Followed, arguments: argparse.Namespace
) -> int:
    """Publish an intent, show its decision, and with --follow what comes of it; the exit status.

    Where it is only asked what would become of it (`signalbox whatif`), nothing is published.
    """
    if getattr(arguments, "what_if", False):
        return await ask_and_report(bus, intent, arguments)
    decided: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
    shown = asyncio.Event()
    early: list[OrderEvents] = []  # events that overtake the decision they follow from

    async def decision(received: Received) -> None:
        message: Ruling = messages.decode(received.payload, Ruling)
        if isinstance(message, FlattenEnded):
            orders.take_end(message)
            if arguments.json and message.cause == intent.id:
                show_json(json.loads(messages.encode(message)))
            return
        if isinstance(message, LimitsRuling | TradingSwitched):
            return
        # Somebody else may have used the id: that decision is not about what is sent here
        if message.cause == intent.id and message.by == sender and not decided.done():
            decided.set_result(message)

    async def event(received: Received) -> None:
        if not arguments.follow:
            return
        message: OrderEvents = messages.decode(received.payload, OrderEvents)
        if shown.is_set():
            follow(message)
        else:
            early.append(message)

    def follow(message: OrderEvents) -> None:
        if orders.take(message):
            show_event(message, arguments.json)

    await bus.subscribe(subjects.ALL_DECISIONS, decision)
    await bus.subscribe(subjects.ALL_ORDERS, event)
    stored = await bus.publish(subjects.intent(intent), intent)
    try:
        made = await asyncio.wait_for(decided, DECISION_SECONDS_MAX)
    except TimeoutError:
        if stored.duplicate:  # or else it was stored at our own first attempt, whose answer was late
            complain(f"an intent with the id {intent.id!r} was published already: an id is good once, choose another")
            return EXIT_DENIED
        till = getattr(intent, "valid_until", None)
        if till is not None:
            complain(
                f"the intent {intent.id} is stored, and not decided yet: while its venue is away a wish for a position "
                f"waits, until {till.isoformat()} (`signalbox status` says what is away)"
            )
            return EXIT_NO_ANSWER
        complain(
            f"the intent {intent.id} is stored, but there is no decision after {DECISION_SECONDS_MAX:g} s: is risk "
            "running? (`signalbox status`) It will be decided when risk is back, unless it is too old by then."
        )
        return EXIT_NO_ANSWER
    show_decision(made, intent, arguments.json)
    orders.begin(made)
    shown.set()
    for message in early:
        follow(message)
    if not isinstance(made, IntentApproved):
        return EXIT_DENIED
    if arguments.follow and not is_nothing(made):
        told = await orders.wait()
        if told and not arguments.json:
            print(told)
    return 0


async def _switch(arguments: argparse.Namespace) -> int:
    mode = TradingMode.REDUCING if getattr(arguments, "reduce_only", False) else arguments.mode
    if (scope := named(arguments)) is not None:
        return await switch_scope(arguments, scope, mode)
    async with desk_bus(operator=True) as (bus, found):
        state = await set_trading_state(
            bus,
            mode,
            arguments.reason.strip() or NO_REASON,
            found.user,
            at=await desk_time(bus, simulated=simulated(found.desk_file)),
        )
    if arguments.json:
        show_json(json.loads(messages.encode(state)))
    else:
        print(f"trading is {mode.value}")
    return 0


async def set_trading_state(bus: Bus, mode: TradingMode, reason: str, by: str, *, at: datetime) -> TradingState:
    """Write the trading state as the operator `by`; it is in force when risk has seen it, within 2 s.

    The server stores it under the name that it knows; `by` says the same to who reads the message alone.
    """
    state = TradingState(id=f"trading-state/{secrets.token_hex(8)}", at=at, mode=mode, reason=reason, by=by)
    await bus.publish(subjects.TRADING_STATE, state)
    return state
