"""The command that has the desk hold nothing: flatten. It goes on until risk says that it is over."""

from __future__ import annotations

import argparse
import asyncio
import secrets

from signalbox.errors import ConfigurationError
from signalbox.messages import Decision, FlattenEnded, FlattenIntent, IntentApproved, OrderEvents

from signalbox_cli import argument_types
from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.connection import desk_bus, desk_time
from signalbox_cli.trading import publish_and_report, simulated


class Flattened:
    """What a flatten leads to: the orders that it cancels, those that close, and its last word."""

    def __init__(self, intent_id: str) -> None:
        self._intent_id, self._decision_id = intent_id, ""
        self._asked: set[tuple[str, str, str]] = set()
        self._ended: asyncio.Future[FlattenEnded] = asyncio.get_running_loop().create_future()

    def begin(self, decision: Decision) -> None:
        self._decision_id = decision.id if isinstance(decision, IntentApproved) else ""

    def take(self, event: OrderEvents) -> bool:
        owner = (event.venue, event.account, event.order_id)
        if event.cause == self._decision_id or event.cause.startswith(f"{self._decision_id}."):  # or a further cancel's
            self._asked.add(owner)
        return owner in self._asked or event.order_id.startswith(f"{self._intent_id}.")

    def take_end(self, ended: FlattenEnded) -> None:
        """Hear how a flatten has ended, this one or another."""
        if ended.cause == self._intent_id and not self._ended.done():
            self._ended.set_result(ended)

    async def wait(self) -> str:
        return ended_in_words(await self._ended)

    @property
    def status(self) -> int:
        """The exit status, once it is over."""
        return 0 if self._ended.done() and self._ended.result().is_flat else EXIT_FAILED


def ended_in_words(ended: FlattenEnded) -> str:
    """`flat`, or a line for each market that is not."""
    if ended.is_flat:
        return f"flat: nothing is held and nothing works any more ({ended.orders} orders and further cancels)"
    told = ["NOT flat:"]
    for each in ended.left:
        works = f", {each.working_orders} orders work" if each.working_orders else ""
        name = each.symbol or "every symbol"
        told.append(f"  {name} at {each.venue} in {each.account}: {each.quantity:f} held{works}: {each.reason}")
    if ended.markets_left > len(ended.left):
        told.append(f"  and {ended.markets_left - len(ended.left)} more")
    return "\n".join(told)


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    flatten = add_command(
        commands,
        "flatten",
        "cancel what works and close what is held: go home flat",
        """
        By default of the whole desk, else of all that has what is named. What works is cancelled; in each market, once
        nothing works there any more, what is held is closed at market, reduce-only. A halted desk can flatten.
        Meanwhile nothing else is sent there. What can not be done yet (a market is closed, a venue away) is waited for,
        for ten minutes, or until --valid-until. If this command is ended the desk goes on alone. Nothing is closed
        where an order works that somebody else has placed (it could turn the position round), unless --external says
        that it is to be cancelled, too.

        Exit status: 0 flat, 1 not flat (and what is left), 3 denied, 4 no decision in time.

        Examples:
          signalbox flatten
          signalbox flatten --venue ibkr --symbol SPY
          signalbox flatten --valid-until 2026-01-06T15:00:00Z
        """,
    )
    flatten.add_argument("--venue", help="at this venue")
    flatten.add_argument("--account", help="in this account")
    flatten.add_argument("--symbol", type=argument_types.symbol, help="in this symbol")
    flatten.add_argument(
        "--valid-until", type=argument_types.time, metavar="TIME", help="how long to wait for what can not be done yet"
    )
    flatten.add_argument("--external", action="store_true", help="cancel what others have placed there, too")
    flatten.add_argument("--id", default="", help="the intent's own id, used once, ever (default: a new one)")
    flatten.add_argument("--note", default="", help="a remark, kept with the intent and its orders")
    flatten.add_argument("--json", action="store_true", help="print the messages themselves, for programs")
    flatten.set_defaults(run=_flatten, follow=True)


async def _flatten(arguments: argparse.Namespace) -> int:
    if "" in (arguments.venue, arguments.account):  # a variable that is not set would flatten everything
        raise ConfigurationError(["an option of flatten is empty: name what is meant, or leave the option out"])
    async with desk_bus() as (bus, found):
        at = await desk_time(bus, simulated=simulated(found.desk_file))
        intent = FlattenIntent(
            id=arguments.id or f"f-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            at=at,
            venue=arguments.venue or "",
            account=arguments.account or "",
            symbol=arguments.symbol or "",
            valid_until=arguments.valid_until,
            external=arguments.external,
            note=arguments.note,
        )
        followed = Flattened(intent.id)
        status = await publish_and_report(bus, found.user, intent, followed, arguments)
        return status if getattr(arguments, "what_if", False) else status or followed.status
