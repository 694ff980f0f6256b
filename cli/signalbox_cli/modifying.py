"""`signalbox modify`: give an order that works another price or quantity. It publishes what any NATS client could."""

from __future__ import annotations

import argparse
import secrets

from signalbox.errors import ConfigurationError
from signalbox.messages import ModifyIntent

from signalbox_cli import argument_types
from signalbox_cli.commands import EXIT_DENIED, add_command
from signalbox_cli.connection import desk_bus, desk_time
from signalbox_cli.following import OneChange, Parts
from signalbox_cli.trading import finish, publish_and_report, simulated, where_it_is


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    modify = add_command(
        commands,
        "modify",
        "give an order that works another price or quantity",
        """
        Exit status: 0 the change was approved, 3 it was denied or there is no such order, 4 no decision in time.

        What is left out stays as it is. It stays the same order, with what it has filled. Until the venue has answered,
        it is PENDING_REPLACE, and either terms may stand; it can be cancelled meanwhile. Which orders a venue changes:
        docs/order-types.md.

        Examples:
          signalbox modify i-20240305-150000-1a2b3c4d --limit 470.2
          signalbox modify i-20240305-150000-1a2b3c4d --quantity 50 --follow   50 altogether, what has filled included
          signalbox modify i-20240305-150100-5e6f7a8b --stop 428 --limit 427
        """,
    )
    price = argument_types.decimal_number
    modify.add_argument("order_id", metavar="ORDER", help="as `signalbox intent` and `signalbox orders` show it")
    modify.add_argument(
        "--quantity", type=argument_types.decimal_number, help="the new total, what has filled included"
    )
    modify.add_argument("--limit", type=price, metavar="PRICE", help="the new limit")
    modify.add_argument("--stop", type=price, metavar="PRICE", help="the new stop price, or price to be touched")
    modify.add_argument("--venue", help="where it is (default: looked up)")
    modify.add_argument("--symbol", type=argument_types.symbol, help="of the order (default: looked up)")
    modify.add_argument("--note", default="", help="a remark, kept with the intent")
    modify.add_argument("--follow", action="store_true", help="go on until it is known what became of the change")
    finish(modify, _modify)


async def _modify(arguments: argparse.Namespace) -> int:
    if (arguments.quantity, arguments.limit, arguments.stop) == (None, None, None):
        raise ConfigurationError(["say what is to be another: --quantity, --limit or --stop"])
    async with desk_bus() as (bus, found):
        place = await where_it_is(bus, arguments.order_id, arguments.venue or "", arguments.symbol)
        if place is None:
            return EXIT_DENIED
        at = await desk_time(bus, simulated=simulated(found.desk_file))
        intent = ModifyIntent(
            id=f"r-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            at=at,
            venue=place.venue,
            symbol=place.symbol,
            account=place.account,
            order_id=arguments.order_id,
            quantity=arguments.quantity,
            limit_price=arguments.limit,
            stop_price=arguments.stop,
            note=arguments.note,
        )
        followed = Parts(OneChange) if place.is_of_group else OneChange(arguments.order_id)
        return await publish_and_report(bus, found.user, intent, followed, arguments)
