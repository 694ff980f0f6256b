"""`signalbox bracket`: an entry, its stop and its targets as one intent, as any NATS client could publish it.

Owns what its options mean: the legs are made of it by `signalbox.client`. It must not know what a list leads to
(`signalbox.order_lists`).
"""

from __future__ import annotations

import argparse
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from signalbox.client.wishes import away, bracket
from signalbox.messages import ExitPolicy, OffsetUnit, OrderListIntent, PriceOffset

from signalbox_cli import argument_types, scheduling
from signalbox_cli.allocating import add_group_options, check_options, for_group
from signalbox_cli.commands import add_command
from signalbox_cli.connection import desk_bus, desk_time
from signalbox_cli.following import OneList
from signalbox_cli.trading import publish_and_report, simulated
from signalbox_cli.wish_options import add_limit, add_place, add_validity

_EXIT = re.compile(r"(?P<number>[0-9.]+)(?P<unit>%|t|R|p)?(?:@(?P<share>[0-9.]+)%)?")
_UNITS = {"%": OffsetUnit.PERCENT, "t": OffsetUnit.TICKS, "R": OffsetUnit.R, "p": OffsetUnit.PRICE}
HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Exit:
    """Where a stop or a target lies: a price, or how far from the entry's fill; and for which share."""

    number: Decimal
    unit: OffsetUnit | None
    share: Decimal | None

    @property
    def level(self) -> Decimal | PriceOffset:
        """As `signalbox.client` has it."""
        return self.number if self.unit is None else away(self.number, self.unit)


def exit_of(text: str) -> Exit:
    """Read `440`, `440@50%`, `2%`, `80t` (ticks), `3p` (in the price's currency) or `2R@25%`."""
    found = _EXIT.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no exit: a price (440), or a way from the fill (2%, 3p, 80t, 2R); @50% behind it is for half"
        )
    number = argument_types.decimal_number(found["number"])
    share = argument_types.decimal_number(found["share"]) / HUNDRED if found["share"] else None
    return Exit(number, _UNITS.get(found["unit"] or ""), share)


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands,
        "bracket",
        "publish an entry with its stop and its targets as one intent, and show the decision",
        """
        The exits are sent as the entry fills, each for what has filled, and stand at the venue. A price is absolute
        (440) or a way from the entry's fill: 2%, 3p (in the price's currency), 80t (ticks), 2R (twice the way to the
        stop). @50% = for half of it; a target without a share takes what the others leave. All of it:
        docs/order-lists.md.

        Exit status: 0 approved, 3 denied, 4 no decision in time (it may still come: see `signalbox orders`).

        Examples:
          signalbox bracket buy 100 SPY --stop 420 --target 440@50% --target 450 --follow
          signalbox bracket buy 100 SPY --limit 430 --stop 2% --target 2R@50% --target 4R
          signalbox bracket sell 0.01 BTC-USD --stop 3% --target 6% --policy alarm
          signalbox bracket buy 100 SPY --trail 2% --target 450
          signalbox bracket buy 100 SPY --stop 420 --target 440@50% --target 450 --breakeven-after 30m
          signalbox bracket buy 100 SPY --stop 420 --target 450 --trail-after 1h=2%
          signalbox bracket buy 100 SPY --limit 430 --stop 420 --entry-until 2h --stop-at 15:30=425 --hold-at-most 7d
        """,
    )
    parser.add_argument("side", type=str.lower, choices=("buy", "sell"), help="of the entry")
    parser.add_argument("quantity", type=argument_types.decimal_number, help="shares or contracts")
    parser.add_argument("symbol", type=argument_types.symbol, help="AAPL, 0700.HK (or 700), 'BRK B', BTC-USD")
    stop = parser.add_mutually_exclusive_group(required=True)
    stop.add_argument("--stop", type=exit_of, metavar="AT", help="where the stop of all of it lies")
    stop.add_argument(
        "--trail", metavar="DISTANCE", help="a stop of all of it that follows the market, 2.50 or 1.5%% behind"
    )
    parser.add_argument(
        "--target", type=exit_of, action="append", default=[], metavar="AT", help="where a part is taken (repeatable)"
    )
    add_limit(parser, "the entry's limit")
    add_validity(parser, "how long the entry is good for (default DAY); its exits are good till cancelled")
    parser.add_argument(
        "--policy",
        type=str.upper,
        choices=[policy.value for policy in ExitPolicy],
        default=ExitPolicy.FLATTEN.value,
        help="of a stop that is refused twice: close what it was for at the market (default), leave it to a "
        "person, or that and open nothing more in its symbol until `signalbox resume --symbol`",
    )
    scheduling.add_options(parser)
    add_place(parser)
    add_group_options(parser)
    parser.add_argument("--id", default="", help="the list's own id, used once, ever (default: a new one)")
    parser.add_argument("--strategy", default="", help="whose orders they are")
    parser.add_argument("--note", default="", help="a remark, kept with the intent")
    parser.add_argument("--follow", action="store_true", help="go on until nothing of it works")
    parser.add_argument("--json", action="store_true", help="print the messages themselves, for programs")
    parser.set_defaults(run=_bracket)


def list_intent(arguments: argparse.Namespace, at: datetime) -> OrderListIntent:
    """The intent that the options ask for, at desk time `at`."""
    return bracket(
        arguments.side.upper(),
        arguments.symbol,
        arguments.quantity,
        stop=arguments.stop.level if arguments.stop is not None else None,
        trail=arguments.trail,
        targets=[(each.level, each.share) for each in arguments.target],
        limit=arguments.limit,
        time_in_force=arguments.tif,
        id=arguments.id or f"b-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
        at=at,
        venue=arguments.venue,
        exit_policy=ExitPolicy(arguments.policy),
        timed=scheduling.steps(arguments, at),
        account=arguments.account,
        strategy=arguments.strategy,
        note=arguments.note,
    )


async def _bracket(arguments: argparse.Namespace) -> int:
    check_options(arguments)
    async with desk_bus() as (bus, found):
        intent = list_intent(arguments, await desk_time(bus, simulated=simulated(found.desk_file)))

        async def publish(each: OrderListIntent) -> int:
            return await publish_and_report(bus, found.user, each, OneList(each.id), arguments)

        if arguments.group:
            return await for_group(bus, found.desk_file, intent, arguments, publish)
        return await publish(intent)
