"""The commands that wish for a position: target, position. Risk makes the order, as large as what is held asks for."""

from __future__ import annotations

import argparse
import secrets
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from signalbox.client.wishes import venue_of
from signalbox.messages import PositionAction, PositionIntent, TimeInForce

from signalbox_cli import argument_types
from signalbox_cli.commands import add_command
from signalbox_cli.connection import desk_bus, desk_time
from signalbox_cli.following import OneOrder
from signalbox_cli.trading import publish_and_report, simulated
from signalbox_cli.wish_options import add_limit, add_place, add_validity


class Amount(Struct, frozen=True):
    """How much: a quantity, or a share of what is held (0.5 = half)."""

    quantity: Decimal | None = None
    share: Decimal | None = None


def amount(text: str) -> Amount:
    """`100`, or `50%` of the position."""
    if text.endswith("%"):
        return Amount(share=argument_types.decimal_number(text.removesuffix("%")) / 100)
    return Amount(quantity=argument_types.decimal_number(text))


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    target = add_command(
        commands,
        "target",
        "bring a position to a quantity, from wherever it is",
        """
        One order, as large as what is held and what works already leave to do. A target that is met is approved, and
        there is nothing to do. Where orders that work may carry the position there or past it, it is denied: wait for
        them, or cancel them first.

        Exit status: 0 approved, 3 denied, 4 no decision in time (with --valid-until it may wait for its venue).

        Examples:
          signalbox target SPY 250 --follow
          signalbox target SPY -50                       50 short, also from a long position
          signalbox target BTC-USD 0 --valid-until 2026-01-05T21:00:00Z
        """,
    )
    target.add_argument("symbol", type=argument_types.symbol, help="AAPL, 0700.HK (or 700), 'BRK B', BTC-USD")
    target.add_argument("quantity", type=argument_types.decimal_number, help="what is to be held; negative = short")
    _finish(target)
    position = add_command(
        commands,
        "position",
        "open, add to, reduce or close a position",
        """
        The size is reckoned on top of what works already: two halves that are sold at once are a half and a quarter.
        What reduces never turns a position round. What makes no sense (open_long while short, reduce_long where nothing
        is left to reduce) is denied.

        Exit status: 0 approved, 3 denied, 4 no decision in time (with --valid-until it may wait for its venue).

        Examples:
          signalbox position open_long SPY 100 --limit 470.1
          signalbox position reduce_long SPY 50% --follow
          signalbox position close_short BTC-USD
        """,
    )
    actions = [action.value.lower() for action in PositionAction if action is not PositionAction.TARGET]
    position.add_argument("action", type=str.lower, choices=actions, help="what is to become of it")
    position.add_argument("symbol", type=argument_types.symbol, help="AAPL, 0700.HK (or 700), 'BRK B', BTC-USD")
    position.add_argument(
        "amount", type=amount, nargs="?", metavar="QUANTITY|SHARE%", help="100, or 50%% of what is held; close has none"
    )
    _finish(position)


def _finish(parser: argparse.ArgumentParser) -> None:
    add_limit(parser, "a limit order at PRICE")
    add_validity(parser, "how long the order is good for (default DAY)")
    parser.add_argument(
        "--valid-until",
        type=argument_types.time,
        metavar="TIME",
        help="wait for the venue until then, while it is away: 2026-01-05T21:00:00Z (default: it is denied)",
    )
    add_place(parser)
    parser.add_argument("--id", default="", help="the intent's own id, used once, ever (default: a new one)")
    parser.add_argument("--strategy", default="", help="whose order it is")
    parser.add_argument("--note", default="", help="a remark, kept with the intent")
    parser.add_argument("--follow", action="store_true", help="go on until the order is final")
    parser.add_argument("--json", action="store_true", help="print the messages themselves, for programs")
    parser.set_defaults(run=_wish)


def position_intent(arguments: argparse.Namespace, at: datetime) -> PositionIntent:
    """The intent that the options ask for, at desk time `at`."""
    if arguments.command == "target":
        action, wanted = PositionAction.TARGET, Amount(quantity=arguments.quantity)
    else:
        action, wanted = PositionAction(arguments.action.upper()), arguments.amount or Amount()
    return PositionIntent(
        id=arguments.id or f"p-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
        at=at,
        venue=arguments.venue or venue_of(arguments.symbol),
        symbol=arguments.symbol,
        action=action,
        quantity=wanted.quantity,
        share=wanted.share,
        limit_price=arguments.limit,
        time_in_force=TimeInForce(arguments.tif),
        account=arguments.account,
        valid_until=arguments.valid_until,
        strategy=arguments.strategy,
        note=arguments.note,
    )


async def _wish(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, found):
        intent = position_intent(arguments, await desk_time(bus, simulated=simulated(found.desk_file)))
        return await publish_and_report(bus, found.user, intent, OneOrder(intent.id), arguments)
