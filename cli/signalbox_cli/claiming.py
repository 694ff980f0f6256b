"""`signalbox orders claim`: an order placed elsewhere is a strategy's from now on, as an operator says, and why."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets

from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.client.record import query, sql_text
from signalbox.errors import ConfigurationError
from signalbox.messages import BooksActRefused, ClaimOrder, OrderClaimed, OrderEvents

from signalbox_cli.commands import EXIT_DENIED, EXIT_NO_ANSWER
from signalbox_cli.connection import desk_bus, desk_time
from signalbox_cli.output import complain, printable, show_json

ANSWER_SECONDS_MAX = 10.0


def add_claim(orders: argparse.ArgumentParser) -> None:
    """`orders claim ORDER`: the positional words of `orders`."""
    orders.add_argument("what", nargs="?", choices=("claim",), help="say that an external order is a strategy's")
    orders.add_argument("order_id", nargs="?", metavar="ORDER", help="which, as `signalbox orders --external` shows it")
    orders.add_argument("--strategy", default="", help="with claim: whose it is from now on")
    orders.add_argument("--why", default="", help="with claim: the reason, for the record")
    orders.add_argument("--account", default="", help="with claim: where several accounts have one of that id")


async def run_claim(arguments: argparse.Namespace) -> int:
    """Publish the act as an operator, and tell what the OMS makes of it."""
    if not (arguments.order_id and arguments.strategy.strip() and arguments.why.strip()):
        raise ConfigurationError(["say which ORDER, --strategy for whose it is, and --why: all three are kept"])
    async with desk_bus(operator=True) as (bus, found):
        place = await where_it_works(bus, arguments.order_id, arguments.venue, arguments.account)
        if place is None:
            return EXIT_DENIED
        at = await desk_time(bus)
        act = ClaimOrder(
            id=f"b-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            at=at,
            venue=place[0],
            account=place[1],
            reason=arguments.why,
            by=found.user,
            order_id=arguments.order_id,
            strategy=arguments.strategy,
        )
        answer = await _published(bus, act)
    if answer is None:
        complain(
            f"the act {act.id} is stored, but the OMS has not answered within {ANSWER_SECONDS_MAX:g} s: is it running? "
            "(`signalbox status`)"
        )
        return EXIT_NO_ANSWER
    if arguments.json:
        show_json(json.loads(messages.encode(answer)))
    elif isinstance(answer, BooksActRefused):
        complain(printable(f"refused: {answer.reason}"))
    else:
        print(printable(f"{answer.order_id} is {answer.order.strategy}'s from now on, by {answer.act.by}"))
    return EXIT_DENIED if isinstance(answer, BooksActRefused) else 0


async def where_it_works(bus: Bus, order_id: str, venue: str, account: str) -> tuple[str, str] | None:
    """Venue and account of an external order; None = there is none, or several, which is said."""
    named = [("order_id", order_id), ("venue", venue), ("account", account)]
    where = " AND ".join(f"{column} = {sql_text(text)}" for column, text in named if text)
    reply = await query(bus, f"SELECT DISTINCT venue, account FROM orders WHERE {where} ORDER BY ALL")
    if len(reply.rows) == 1:
        return str(reply.rows[0][0]), str(reply.rows[0][1])
    if reply.rows:
        places = ", ".join(f"{row[0]} {row[1]}" for row in reply.rows)
        complain(f"there is an order {order_id!r} in several places: name --venue and --account, of {places}")
    else:
        complain(f"the desk knows no order {order_id!r}: `signalbox orders --external` lists what others have placed")
    return None


async def _published(bus: Bus, act: ClaimOrder) -> OrderClaimed | BooksActRefused | None:
    answered: asyncio.Future[OrderClaimed | BooksActRefused] = asyncio.get_running_loop().create_future()

    async def event(received: Received) -> None:
        message: OrderEvents = messages.decode(received.payload, OrderEvents)
        if isinstance(message, OrderClaimed | BooksActRefused) and message.cause == act.id and not answered.done():
            answered.set_result(message)

    await bus.subscribe(subjects.orders_of(act.venue, act.account), event)
    await bus.publish(subjects.books_act(act.venue, act.account, act.id), act)
    try:
        return await asyncio.wait_for(answered, ANSWER_SECONDS_MAX)
    except TimeoutError:
        return None
