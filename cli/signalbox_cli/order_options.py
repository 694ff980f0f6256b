"""The options that say what an order is to be, and the intent that they make.

It must not know how an intent is sent, or what is decided of it.
"""

from __future__ import annotations

import argparse
import secrets
from datetime import datetime
from decimal import Decimal

from signalbox.client.wishes import venue_of
from signalbox.errors import ConfigurationError
from signalbox.messages import AllocationMethod, OrderIntent, OrderType, Side, TimeInForce, TriggerMethod

from signalbox_cli import argument_types
from signalbox_cli.allocating import add_group_options
from signalbox_cli.wish_options import add_limit, add_place, add_validity


def add_order_options(parser: argparse.ArgumentParser) -> None:
    """What is traded, at what price, for how long, and how it is worked."""
    parser.add_argument("side", type=str.lower, choices=("buy", "sell"), help="buy or sell")
    parser.add_argument(
        "quantity",
        type=argument_types.quantity_or_percent,
        help="shares or contracts; with --group also 25%%: so much of what each account holds",
    )
    parser.add_argument("symbol", type=argument_types.symbol, help="AAPL, 0700.HK (or 700), 'BRK B', BTC-USD")
    price = argument_types.decimal_number
    add_limit(parser, "a limit order at PRICE")
    trigger = parser.add_mutually_exclusive_group()
    trigger.add_argument(
        "--stop", type=price, metavar="PRICE", help="a stop order triggered at PRICE; with --limit, a stop-limit order"
    )
    trigger.add_argument(
        "--touch",
        type=price,
        metavar="PRICE",
        help="a market-if-touched order: it takes at the market once PRICE is reached; with --limit, limit-if-touched",
    )
    trigger.add_argument(
        "--on-close", action="store_true", help="in the closing auction: market-on-close; with --limit, limit-on-close"
    )
    trigger.add_argument(
        "--on-open", action="store_true", help="in the opening auction: market-on-open; with --limit, limit-on-open"
    )
    trigger.add_argument(
        "--to-limit",
        action="store_true",
        help="a market-to-limit order: what its first fill leaves rests at the price of that fill",
    )
    how_long = "how long it is good for (default DAY); IOC and FOK take at once, in part or not at all"
    add_validity(parser, how_long, dated=True)
    parser.add_argument(
        "--good-till", type=argument_types.time, metavar="TIME", help="when a GTD order ends: 2026-01-31T21:00:00Z"
    )
    parser.add_argument("--outside-regular-hours", action="store_true", help="may trade before and after the session")
    parser.add_argument("--reduce-only", action="store_true", help="deny it if it would open or add to a position")
    parser.add_argument("--post-only", action="store_true", help="a limit order that rests, or is turned away (dydx)")
    trigger.add_argument(
        "--trail",
        metavar="DISTANCE",
        help="a trailing stop: its stop follows the market, 2.50 or 1.5%% behind; with --limit-offset, it has a limit",
    )
    parser.add_argument("--limit-offset", type=price, metavar="AMOUNT", help="how far beyond its stop the limit lies")
    parser.add_argument(
        "--activation", type=price, metavar="PRICE", help="a trailing stop begins once the market has been at PRICE"
    )
    parser.add_argument("--all-or-none", action="store_true", help="fills whole or not at all, and waits until it can")
    parser.add_argument("--display", type=price, metavar="QUANTITY", help="how much of it is shown at a time")
    parser.add_argument(
        "--not-before", type=argument_types.time, metavar="TIME", help="when it begins to work: 2026-01-31T15:00:00Z"
    )
    parser.add_argument(
        "--trigger",
        type=lambda word: word.upper().replace("-", "_"),
        choices=[method.value for method in TriggerMethod],
        default=TriggerMethod.DEFAULT.value,
        help="what triggers it (default: as its venue does)",
    )
    add_place(parser)
    add_group_options(parser)
    parser.add_argument("--id", default="", help="the intent's own id, used once, ever (default: a new one)")
    parser.add_argument(
        "--strategy", default="", help="whose order it is: `signalbox cancel --all --strategy` asks that"
    )
    parser.add_argument("--note", default="", help="a remark, kept with the intent")


def order_type(arguments: argparse.Namespace) -> OrderType:
    """The order type that the options ask for; raises `ConfigurationError` where they contradict each other.

    Of those that say how it trades the parser lets only one through.
    """
    has_limit = arguments.limit is not None
    if arguments.to_limit:
        if has_limit:
            raise ConfigurationError(
                ["--to-limit gets its limit from its first fill: leave --limit away, or --to-limit"]
            )
        return OrderType.MARKET_TO_LIMIT
    if arguments.trail is not None:
        if has_limit:
            raise ConfigurationError(["the limit of a trailing stop goes with it: say --limit-offset, not --limit"])
        return OrderType.TRAILING_STOP if arguments.limit_offset is None else OrderType.TRAILING_STOP_LIMIT
    if arguments.touch is not None:
        return OrderType.LIMIT_IF_TOUCHED if has_limit else OrderType.MARKET_IF_TOUCHED
    if arguments.stop is not None:
        return OrderType.STOP_LIMIT if has_limit else OrderType.STOP
    if arguments.on_close:
        return OrderType.LIMIT_ON_CLOSE if has_limit else OrderType.MARKET_ON_CLOSE
    if arguments.on_open:
        return OrderType.LIMIT_ON_OPEN if has_limit else OrderType.MARKET_ON_OPEN
    return OrderType.LIMIT if has_limit else OrderType.MARKET


def trail_of(distance: str | None) -> tuple[Decimal | None, Decimal | None]:
    """The amount, or the percentage, of a trail: `2.50` or `1.5%`."""
    if distance is None:
        return None, None
    number = argument_types.decimal_number(distance.removesuffix("%"))
    return (None, number) if distance.endswith("%") else (number, None)


def order_intent(arguments: argparse.Namespace, at: datetime) -> OrderIntent:
    """The intent that the options ask for, at desk time `at`."""
    amount, percent = trail_of(arguments.trail)
    quantity, of_held = arguments.quantity
    method = AllocationMethod(arguments.method or AllocationMethod.EQUAL)
    if of_held is not None:
        method = AllocationMethod.PCT_CHANGE
    return OrderIntent(
        id=arguments.id or f"i-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
        at=at,
        venue=arguments.venue or venue_of(arguments.symbol),
        symbol=arguments.symbol,
        side=Side(arguments.side.upper()),
        quantity=quantity,
        order_type=order_type(arguments),
        limit_price=arguments.limit,
        stop_price=arguments.stop if arguments.touch is None else arguments.touch,
        time_in_force=TimeInForce(arguments.tif),
        good_till=arguments.good_till,
        outside_regular_hours=arguments.outside_regular_hours,
        reduce_only=arguments.reduce_only,
        post_only=arguments.post_only,
        all_or_none=arguments.all_or_none,
        display_quantity=arguments.display,
        not_before=arguments.not_before,
        trigger=TriggerMethod(arguments.trigger),
        trail_amount=amount,
        trail_percent=percent,
        limit_offset=arguments.limit_offset,
        activation_price=arguments.activation,
        account=arguments.account,
        strategy=arguments.strategy,
        note=arguments.note,
        group=arguments.group,
        method=method,
        percent=of_held,
    )
