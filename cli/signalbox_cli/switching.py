"""`halt` and `resume` of a venue, an account, a strategy or a symbol: an act that books nothing.

Owns which scope the options name, and in whose books the act stands: any account's of the scope. What a switch means
for an order is risk's (`risk.switches`).
"""

from __future__ import annotations

import argparse
import secrets
from dataclasses import dataclass

from signalbox.bus import Bus
from signalbox.client.record import query, sql_text
from signalbox.client.wishes import venue_of
from signalbox.errors import ConfigurationError
from signalbox.messages import BooksAdjusted, SwitchScope, SwitchTrading, TradingMode

from signalbox_cli import argument_types
from signalbox_cli.books import ANSWER_SECONDS_MAX, only_account, published, tell_answer
from signalbox_cli.commands import EXIT_NO_ANSWER
from signalbox_cli.connection import desk_bus, desk_time
from signalbox_cli.output import complain, printable


@dataclass(frozen=True, slots=True)
class Named:
    """The scope that a command names; an empty name is looked up."""

    scope: SwitchScope
    venue: str = ""
    account: str = ""
    symbol: str = ""
    strategy: str = ""

    def in_words(self, venue: str, account: str) -> str:
        """Where, as it stands in a sentence behind `trading`."""
        match self.scope:
            case SwitchScope.STRATEGY:
                return f"of strategy {self.strategy}"
            case SwitchScope.SYMBOL:
                return f"in {self.symbol} at {venue} {account}"
            case SwitchScope.ACCOUNT:
                return f"in account {account} at {venue}"
            case _:
                return f"at {venue}"


def add_scope_options(parser: argparse.ArgumentParser) -> None:
    """The options that name a scope; without any of them it is the desk."""
    parser.add_argument("--symbol", type=argument_types.symbol, help="only of this one, in one account")
    parser.add_argument("--venue", default="", help="all of this one; with --symbol or --account: where that is")
    parser.add_argument("--account", default="", help="all of this one; with --symbol: in which")
    parser.add_argument("--strategy", default="", help="only of intents that name this one, wherever")


def named(arguments: argparse.Namespace) -> Named | None:
    """The scope that the options name; None = the whole desk. Raises `ConfigurationError` where they contradict."""
    symbol, strategy = arguments.symbol or "", arguments.strategy
    venue, account = arguments.venue, arguments.account
    if strategy and (symbol or venue or account):
        raise ConfigurationError(["a strategy is switched wherever it trades: leave the other options away"])
    if strategy:
        return Named(SwitchScope.STRATEGY, strategy=strategy)
    if symbol:
        return Named(SwitchScope.SYMBOL, venue or venue_of(symbol), account, symbol)
    if account:
        return Named(SwitchScope.ACCOUNT, venue, account)
    return Named(SwitchScope.VENUE, venue) if venue else None


async def switch_scope(arguments: argparse.Namespace, wanted: Named, mode: TradingMode) -> int:
    """Publish the act, and say what became of it."""
    if not arguments.reason.strip():
        raise ConfigurationError([f"say why, for the record: a {wanted.scope} is switched with a reason"])
    async with desk_bus(operator=True) as (bus, found):
        at = await desk_time(bus)
        venue, account = await _books_of(bus, wanted)
        act = SwitchTrading(
            id=f"b-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            at=at,
            venue=venue,
            account=account,
            reason=arguments.reason,
            by=found.user,
            scope=wanted.scope,
            symbol=wanted.symbol,
            strategy=wanted.strategy,
            mode=mode,
        )
        answer = await published(bus, act)
    where = wanted.in_words(venue, account)
    if answer is None:
        complain(unanswered_switch(where, mode, act.id))
        return EXIT_NO_ANSWER
    if not isinstance(answer, BooksAdjusted) or arguments.json:
        return tell_answer(answer, act.id, as_json=arguments.json)
    print(printable(f"trading {where} is {mode.value}"))
    return 0


def unanswered_switch(where: str, mode: TradingMode, act_id: str) -> str:
    """What a person is told whose switch of a scope the OMS has not taken yet."""
    instead = "" if mode is TradingMode.ACTIVE else "; `signalbox halt WHY` of the whole desk works without it"
    return printable(
        f"trading {where} is not {mode.value} yet: all but the desk is switched by the OMS, which has not answered "
        f"within {ANSWER_SECONDS_MAX:g} s. The act {act_id} is stored, and in force once the OMS runs again "
        f"(`signalbox status`){instead}"
    )


async def _books_of(bus: Bus, wanted: Named) -> tuple[str, str]:
    """In whose books the act stands: (venue, account)."""
    if wanted.scope is SwitchScope.SYMBOL:
        return wanted.venue, wanted.account or await only_account(bus, wanted.venue)
    conditions = ["true"]
    if wanted.venue:
        conditions.append(f"venue = {sql_text(wanted.venue)}")
    if wanted.account:
        conditions.append(f"account = {sql_text(wanted.account)}")
    reply = await query(
        bus, f"SELECT DISTINCT venue, account FROM books WHERE {' AND '.join(conditions)} ORDER BY 1, 2"
    )
    if not reply.rows or (wanted.account and len(reply.rows) > 1):
        known = ", ".join(f"{venue} {account}" for venue, account in reply.rows) or "none"
        raise ConfigurationError(
            [f"the desk has books of {known} there: say --venue and --account as `signalbox account` shows them"]
        )
    return str(reply.rows[0][0]), str(reply.rows[0][1])
