"""The command that shows messages as they come: watch.

Owns which of them are shown. How one is told in a line is `telling`'s.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from signalbox import subjects
from signalbox.bus import Bus, Received
from signalbox.client.record import query
from signalbox.client.stored import stored_from
from signalbox.errors import ConfigurationError

from signalbox_cli import argument_types
from signalbox_cli.commands import add_command
from signalbox_cli.connection import desk_bus
from signalbox_cli.output import show_json
from signalbox_cli.telling import line

ORDERS_MAX = 10_000
"""Of so many orders it is kept what they are about: an event of an order says it only once."""
FILTERS = ("symbol", "venue", "account", "strategy", "order", "type")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    watch = add_command(
        commands,
        "watch",
        "print messages as they come, a line each (Ctrl-C ends it)",
        """
        The hour is of the desk's clock, in UTC. --json prints each message as it is, with its subject.

        With --after none is left out, whatever is away meanwhile: each is read from the record, up to a second late,
        and --json tells its place, after which to begin the next time.

        Examples:
          signalbox watch                                  every decision and order event
          signalbox watch --symbol SPY --strategy trend
          signalbox watch --type IntentDenied
          signalbox watch 'md.bar.ibkr.SPY.*' --json
          signalbox watch 'md.quote.>' --count 10
          signalbox watch 'order.>' --after 0.0 --json     all that there ever was, then what comes
        """,
    )
    watch.add_argument(
        "subject",
        nargs="*",
        type=argument_types.subject,
        default=[subjects.ALL_DECISIONS, subjects.ALL_ORDERS],
        help="NATS subjects (default: every decision and order event)",
    )
    watch.add_argument("--count", type=argument_types.count, default=0, metavar="N", help="end after N messages")
    watch.add_argument("--after", metavar="PLACE", help="all that is stored after a place, each once; 0.0 = all of it")
    watch.add_argument("--symbol", type=argument_types.symbol, help="only this one's")
    for name, about in (("venue", "this one's"), ("account", "this one's"), ("strategy", "of intents that name it")):
        watch.add_argument(f"--{name}", default="", help=f"only {about}")
    watch.add_argument("--order", default="", metavar="ID", help="only of this order or intent")
    watch.add_argument("--type", default="", metavar="TYPE", help="only messages of this type: OrderFilled, Bar, ...")
    watch.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    watch.set_defaults(run=_watch)


class Watched:
    """Which messages are wanted. Of orders it remembers what they are about, newest last."""

    def __init__(self, wanted: Mapping[str, str | None]) -> None:
        self._wanted = {name: text for name, text in wanted.items() if text}
        self._orders: dict[str, tuple[str, str]] = {}

    @property
    def asks_about_orders(self) -> bool:
        return not self._wanted.keys().isdisjoint(("symbol", "strategy"))

    def know(self, order_id: str, symbol: str, strategy: str) -> None:
        """Keep what an order is about; beyond `ORDERS_MAX` the oldest is forgotten."""
        self._orders.pop(order_id, None)
        self._orders[order_id] = (symbol, strategy)
        if len(self._orders) > ORDERS_MAX:
            del self._orders[next(iter(self._orders))]

    def wants(self, message: object) -> bool:
        """Whether a message has all that is named; whatever it is."""
        found = self._facts(message) if isinstance(message, dict) else {}
        return all(text in found.get(name, ()) for name, text in self._wanted.items())

    def _facts(self, message: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        parts = [message, *(each for each in (message.get(name) for name in ("intent", "order", "fill")) if each)]
        parts = [each for each in parts if isinstance(each, dict)]
        ids = _all(parts, "order_id", "intent_id", "cause", "id")
        found = {name: _all(parts, name) for name in ("symbol", "venue", "account", "strategy")}
        order_id = message.get("order_id")
        if isinstance(order_id, str) and order_id:
            if isinstance(message.get("order"), dict):
                self.know(order_id, "".join(found["symbol"][:1]), "".join(found["strategy"][:1]))
            symbol, strategy = self._orders.get(order_id, ("", ""))
            found["symbol"], found["strategy"] = (*found["symbol"], symbol), (*found["strategy"], strategy)
        return found | {"order": ids, "type": _all([message], "type")}


def _all(parts: list[dict[str, Any]], *names: str) -> tuple[str, ...]:
    return tuple(part[name] for part in parts for name in names if isinstance(part.get(name), str))


async def _watch(arguments: argparse.Namespace) -> int:
    watched = Watched({name: getattr(arguments, name) for name in FILTERS})
    following = arguments.after is not None
    if following and len(arguments.subject) != 1:
        raise ConfigurationError(["--after follows one subject: say which, for example 'order.>'."])
    seen = 0
    enough = asyncio.Event()

    def show(subject: str, payload: bytes, **place: str) -> None:
        nonlocal seen
        message = parsed(payload)
        if enough.is_set() or not watched.wants(message):
            return
        seen += 1
        if arguments.json:
            show_json({**place, "subject": subject, "message": message})
        else:
            print(line(subject, message), flush=True)
        sys.stdout.flush()
        if seen == arguments.count:
            enough.set()

    async def hear(received: Received) -> None:
        show(received.subject, received.payload)

    async with desk_bus() as (bus, _):
        if watched.asks_about_orders:
            await _learn(bus, watched)
        if following:
            async with aclosing(stored_from(bus, arguments.subject[0], arguments.after)) as coming:
                async for each in coming:
                    show(each.subject, each.payload.encode(), place=each.place)
                    if enough.is_set():
                        return 0
        for subject in arguments.subject:
            await bus.subscribe(subject, hear)
        await enough.wait()
    return 0


async def _learn(bus: Bus, watched: Watched) -> None:
    """What the orders that work are about: their next events do not say."""
    sql = (
        "SELECT o.order_id, o.symbol, i.strategy FROM orders o LEFT JOIN intents i ON i.intent_id = o.order_id "
        "WHERE status NOT IN ('FILLED', 'CANCELED', 'REJECTED', 'DENIED', 'EXPIRED')"
    )
    for order_id, symbol, strategy in (await query(bus, sql, ORDERS_MAX)).rows:
        watched.know(str(order_id), str(symbol or ""), str(strategy or ""))


def parsed(payload: bytes) -> object:
    """The message, or the text that is none."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return payload.decode(errors="replace")
