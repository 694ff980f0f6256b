"""The commands for the desk's books: splits, dividends, new names, interest, what is adopted or corrected."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
from decimal import Decimal
from typing import Any

from signalbox import messages, subjects
from signalbox.borrowing import borrow_interest
from signalbox.bus import Bus, Received
from signalbox.client.record import query, sql_text
from signalbox.client.wishes import venue_of
from signalbox.errors import ConfigurationError
from signalbox.messages import (
    Act,
    AdoptCash,
    AdoptPosition,
    BookInterest,
    BooksActRefused,
    BooksAdjusted,
    CorrectCash,
    CorrectPosition,
    OrderEvents,
    PayDividend,
    RenameSymbol,
    SplitPosition,
)

from signalbox_cli import argument_types
from signalbox_cli.commands import EXIT_DENIED, EXIT_NO_ANSWER, add_command
from signalbox_cli.connection import desk_bus, desk_time
from signalbox_cli.output import complain, printable, show, show_json

ANSWER_SECONDS_MAX = 10.0
HISTORY = """
SELECT act_id, "at", venue, account, type, symbol, outcome, moved, cash, "by", reason, refused
FROM books_acts {where} ORDER BY generation DESC, sequence DESC LIMIT {last}
"""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    books = add_command(
        commands,
        "books",
        "acts on the desk's own books, each with a reason: splits, dividends, what is adopted or corrected by hand",
        """
        For what no order and no execution tells. Each act is booked once, under the name of the operator who sent it,
        or refused with a sentence; `signalbox books list` shows all of them. How each is booked: docs/accounting.md.

        Exit status: 0 it is booked, 3 it was refused, 4 no answer in time (it may be booked yet).

        Examples:
          signalbox books split AAPL 4:1 --effective 2020-08-31T13:30:00Z --reason "4 for 1"
          signalbox books dividend AAPL 0.24 --quantity 300 --reason "record date 10 Feb"
          signalbox books rename FB META --reason "new name"
          signalbox books adopt SPY 120 --reason "20 bought by hand"        the venue's position, if it is 120
          signalbox books adopt USD 98123.45 --cash --venue ibkr --reason "interest of May"
          signalbox books correct AAPL -0.5 --price 412 --reason "cash in lieu"
        """,
    )
    whats = books.add_subparsers(dest="what", required=True, metavar="WHAT")
    number = argument_types.decimal_number
    split = _what(whats, "split", "so many shares become so many", _split)
    split.add_argument("symbol", type=argument_types.symbol)
    split.add_argument("ratio", type=_ratio, metavar="NEW:OLD", help="4:1 = four for one; 1:10 = a reverse split")
    split.add_argument(
        "--effective", required=True, type=argument_types.time, metavar="TIME", help="fills before it are in old shares"
    )
    split.add_argument("--keep-orders", action="store_true", help="the venue adjusts the orders that work")
    dividend = _what(whats, "dividend", "a cash dividend: long gets it, short pays it", _dividend)
    dividend.add_argument("symbol", type=argument_types.symbol)
    dividend.add_argument("amount", type=number, help="a share")
    dividend.add_argument("--quantity", type=number, help="what was held, short < 0 (default: what is held now)")
    dividend.add_argument("--currency", default="", help="default: the position's")
    rename = _what(whats, "rename", "a symbol has a new name", _rename)
    rename.add_argument("symbol", type=argument_types.symbol)
    rename.add_argument("new_symbol", type=argument_types.symbol)
    rename.add_argument("--keep-orders", action="store_true", help="the venue renames the orders that work")
    interest = _what(whats, "interest", "interest received, or paid (below 0)", _interest)
    interest.add_argument("currency")
    interest.add_argument("amount", nargs="?", type=number, help="received, or paid (below 0)")
    interest.add_argument("--borrowed", type=number, metavar="SHARES", help="instead of an amount: how many,")
    interest.add_argument("--price", type=number, help="what each was worth,")
    interest.add_argument("--rate", type=number, help="at which yearly rate (0.125 = 12.5 %%), of 360 days,")
    interest.add_argument("--days", type=argument_types.count, help="for how many days")
    interest.add_argument("--symbol", type=argument_types.symbol, help="of which shares were borrowed")
    adopt = _what(whats, "adopt", "take the venue's figure as the desk's, if it is the one named", _adopt)
    adopt.add_argument("held", metavar="SYMBOL", help="with --cash: a currency")
    adopt.add_argument("expected", type=number, help="what the venue has, as you have seen it there")
    adopt.add_argument("--cash", action="store_true", help="cash, and no position")
    correct = _what(whats, "correct", "book what no execution tells", _correct)
    correct.add_argument("held", metavar="SYMBOL", help="with --cash: a currency")
    correct.add_argument("quantity", type=number, help="bought, or sold (below 0); with --cash: the amount")
    correct.add_argument("--price", type=number, help="of a share: what was paid for it, or what it cost")
    correct.add_argument("--no-cash", action="store_true", help="the shares came or went without money")
    correct.add_argument("--cash", action="store_true", help="cash, and no position")
    listing = whats.add_parser("list", help="the latest acts, and what became of each")
    listing.add_argument("--symbol", type=argument_types.symbol, help="only this one's")
    listing.add_argument("--last", type=argument_types.count, default=20, metavar="N", help="how many (default 20)")
    listing.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    listing.set_defaults(run=_list)


def _what(whats: Any, name: str, about: str, make: object) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = whats.add_parser(name, help=about)
    parser.add_argument("--reason", required=True, type=_reason, help="why, for the record")
    parser.add_argument("--venue", default="", help="default: perpetuals at dydx, the rest at ibkr")
    parser.add_argument("--account", default="", help="default: the desk's only account at that venue")
    parser.add_argument(
        "--id", default="", help="the act's own id: the same again changes nothing (default: a new one)"
    )
    parser.add_argument("--json", action="store_true", help="print what was booked, for programs")
    parser.set_defaults(run=_act, make=make)
    return parser


def _reason(text: str) -> str:
    if not text.strip() or len(text) > 500:
        raise argparse.ArgumentTypeError("say why, in up to 500 characters")
    return text


def _ratio(text: str) -> tuple[Decimal, Decimal]:
    new, colon, old = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError("write it as NEW:OLD: 4:1 makes four of one, 1:10 makes one of ten")
    return argument_types.decimal_number(new), argument_types.decimal_number(old)


def _split(arguments: argparse.Namespace, common: dict[str, Any]) -> Act:
    numerator, denominator = arguments.ratio
    return SplitPosition(
        **common,
        symbol=arguments.symbol,
        numerator=numerator,
        denominator=denominator,
        effective_at=arguments.effective,
        keep_orders=arguments.keep_orders,
    )


def _dividend(arguments: argparse.Namespace, common: dict[str, Any]) -> Act:
    return PayDividend(
        **common,
        symbol=arguments.symbol,
        amount_per_share=arguments.amount,
        quantity=arguments.quantity,
        currency=arguments.currency,
    )


def _rename(arguments: argparse.Namespace, common: dict[str, Any]) -> Act:
    return RenameSymbol(
        **common, symbol=arguments.symbol, new_symbol=arguments.new_symbol, keep_orders=arguments.keep_orders
    )


def _interest(arguments: argparse.Namespace, common: dict[str, Any]) -> Act:
    amount = arguments.amount
    if amount is None:
        amount = borrow_interest(arguments.borrowed, arguments.price, arguments.rate, arguments.days)
    return BookInterest(**common, currency=arguments.currency, amount=amount, symbol=arguments.symbol or "")


def _adopt(arguments: argparse.Namespace, common: dict[str, Any]) -> Act:
    if arguments.cash:
        return AdoptCash(**common, currency=arguments.held, expected=arguments.expected)
    return AdoptPosition(**common, symbol=arguments.held, expected=arguments.expected)


def _correct(arguments: argparse.Namespace, common: dict[str, Any]) -> Act:
    if arguments.cash:
        return CorrectCash(**common, currency=arguments.held, amount=arguments.quantity)
    return CorrectPosition(
        **common,
        symbol=arguments.held,
        quantity=arguments.quantity,
        price=arguments.price,
        moves_cash=not arguments.no_cash,
    )


def check(arguments: argparse.Namespace) -> None:
    """What contradicts itself is told without a desk; a position's name is made the desk's."""
    if arguments.what == "correct" and arguments.cash == (arguments.price is not None):
        raise ConfigurationError(["say --price with a position, and no price with --cash"])
    if arguments.what == "correct" and arguments.cash and arguments.no_cash:
        raise ConfigurationError(["--no-cash is of a position: leave it away with --cash"])
    if arguments.what in ("adopt", "correct") and not arguments.cash:
        arguments.held = argument_types.symbol(arguments.held)
    if arguments.what == "interest":
        parts = [arguments.borrowed, arguments.price, arguments.rate, arguments.days]
        if parts.count(None) != (0 if arguments.amount is None else len(parts)):
            raise ConfigurationError(["say the AMOUNT, or all of --borrowed, --price, --rate and --days: one of both"])
        if arguments.amount is None and not arguments.symbol:
            raise ConfigurationError(["say with --symbol which shares were borrowed"])
    names_none = arguments.what == "interest" and not arguments.symbol
    if not arguments.venue and (names_none or getattr(arguments, "cash", False)):
        raise ConfigurationError(["say at which --venue: a currency is at several"])


async def _act(arguments: argparse.Namespace) -> int:
    check(arguments)
    answer, act_id = await _done(arguments)
    return tell_answer(answer, act_id, as_json=arguments.json)


async def _done(arguments: argparse.Namespace) -> tuple[BooksAdjusted | BooksActRefused | None, str]:
    """What became of an act, and its id."""
    named = getattr(arguments, "symbol", "") or getattr(arguments, "held", "")
    venue = arguments.venue or venue_of(named)
    async with desk_bus(operator=True) as (bus, found):
        at = await desk_time(bus)
        account = arguments.account or await only_account(bus, venue)
        common = {
            "id": arguments.id or f"b-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            "at": at,
            "venue": venue,
            "account": account,
            "reason": arguments.reason,
            "by": found.user,
        }
        return await published(bus, arguments.make(arguments, common)), str(common["id"])


async def only_account(bus: Bus, venue: str) -> str:
    """The one account at a venue that the desk has books of. Raises `ConfigurationError` where it is not one."""
    reply = await query(bus, f"SELECT DISTINCT account FROM books WHERE venue = {sql_text(venue)} ORDER BY 1")
    if len(reply.rows) != 1:
        known = ", ".join(str(row[0]) for row in reply.rows) or "none"
        raise ConfigurationError([f"say which --account at {venue}: the desk has books of {known}"])
    return str(reply.rows[0][0])


async def published(bus: Bus, act: Act) -> BooksAdjusted | BooksActRefused | None:
    """What the OMS makes of an act; None = nothing in time."""
    answered: asyncio.Future[BooksAdjusted | BooksActRefused] = asyncio.get_running_loop().create_future()

    async def event(received: Received) -> None:
        message: OrderEvents = messages.decode(received.payload, OrderEvents)
        if isinstance(message, BooksAdjusted | BooksActRefused) and message.cause == act.id and not answered.done():
            answered.set_result(message)

    await bus.subscribe(subjects.order(act.venue, act.account, subjects.ACTS), event)
    await bus.publish(subjects.books_act(act.venue, act.account, act.id), act)
    try:
        return await asyncio.wait_for(answered, ANSWER_SECONDS_MAX)
    except TimeoutError:
        return None


def tell_answer(answer: BooksAdjusted | BooksActRefused | None, act_id: str, *, as_json: bool) -> int:
    """Tell what became of an act; the exit status."""
    if answer is None:
        complain(
            f"the act {act_id} is stored, but the OMS has not answered within {ANSWER_SECONDS_MAX:g} s: is it running, "
            "and is the id a new one? (`signalbox status`, `signalbox books list`)"
        )
        return EXIT_NO_ANSWER
    if as_json:
        show_json(json.loads(messages.encode(answer)))
    elif isinstance(answer, BooksActRefused):
        complain(printable(f"refused: {answer.reason}"))
    else:
        for change in answer.changes:
            print(printable(f"{change.symbol}: {change.moved:+f}"))
        for currency, amount in answer.cash.items():
            print(printable(f"cash: {amount:+f} {currency}"))
        if answer.left_orders:
            print(printable(f"left to the venue: {', '.join(answer.left_orders)}"))
        print(printable(f"booked as {answer.act.id} by {answer.act.by}"))
    return EXIT_DENIED if isinstance(answer, BooksActRefused) else 0


async def _list(arguments: argparse.Namespace) -> int:
    where = f"WHERE symbol = {sql_text(arguments.symbol)}" if arguments.symbol else ""
    async with desk_bus() as (bus, _):
        reply = await query(bus, HISTORY.format(where=where, last=arguments.last))
    show(reply.columns, reply.rows, as_json=arguments.json, empty="nobody has acted on the books")
    return 0
