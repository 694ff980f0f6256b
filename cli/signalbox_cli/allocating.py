"""An order, or a bracket, for a group of accounts.

Owns the options for that, and the sharing out of a bracket: an intent for each account, of its part of the entry's
quantity, reckoned before anything is sent by `signalbox.allocation`, from what each account's venue has said last. An
order's quantity risk shares out, in one decision (`OrderIntent.group`).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from signalbox.account_groups import AccountGroup
from signalbox.allocation import allocate
from signalbox.bus import Bus
from signalbox.client.record import query, sql_text
from signalbox.desk import Desk, load_desk
from signalbox.errors import ConfigurationError
from signalbox.messages import AllocationMethod, OrderListIntent

from signalbox_cli.commands import EXIT_DENIED, EXIT_NO_ANSWER
from signalbox_cli.output import show

FIGURES = {
    AllocationMethod.NET_LIQ: "net_liquidation",
    AllocationMethod.AVAILABLE_EQUITY: "available_funds",
}


def add_group_options(parser: argparse.ArgumentParser) -> None:
    """What says that an order is of several accounts."""
    parser.add_argument(
        "--group", default="", help="share the quantity out among the accounts of this [[groups]] of the desk file"
    )
    parser.add_argument(
        "--method",
        choices=[method.value for method in AllocationMethod if method is not AllocationMethod.PCT_CHANGE],
        help="with --group: in equal parts (default), by net liquidation value, or by available funds",
    )


def check_options(arguments: argparse.Namespace) -> None:
    """Raise `ConfigurationError` for options that contradict each other."""
    if arguments.group and arguments.account:
        raise ConfigurationError(["an order is for one --account or for a --group of them: leave one of the two away"])
    percent = arguments.quantity[1] if isinstance(arguments.quantity, tuple) else None
    if percent is not None and not arguments.group:
        raise ConfigurationError(["a percentage is of what each account of a --group holds: name the group"])
    if percent is not None and arguments.method:
        raise ConfigurationError(["--method shares a quantity out: a percentage is of what each account holds"])
    if arguments.method and not arguments.group:
        raise ConfigurationError(["--method says how a --group shares the quantity out: name the group"])


async def for_group(
    bus: Bus,
    desk_file: Path | None,
    intent: OrderListIntent,
    arguments: argparse.Namespace,
    publish: Callable[[OrderListIntent], Awaitable[int]],
) -> int:
    """Publish an intent for each account of the group, and report each; the worst exit status of them."""
    if desk_file is None:
        raise ConfigurationError(
            ["which accounts a --group has is said by the desk file, and there is none here: name one --account"]
        )
    desk, method = load_desk(desk_file), AllocationMethod(arguments.method or AllocationMethod.EQUAL)
    group = group_of(desk, intent.venue, arguments.group)
    parts = allocate(quantity_of(intent), await _lot(bus, intent), await _weights(bus, desk, group, method, intent.at))
    sent = shared_out(intent, parts)
    if not arguments.json:
        names = {each.account: each.id for each in sent}
        rows = [(account, f"{part:f}", names.get(account, "nothing to send")) for account, part in parts.items()]
        show(("account", "quantity", "intent"), rows, as_json=False, as_csv=False, empty="")
    ended = await asyncio.gather(*map(publish, sent))
    return next((status for status in (EXIT_DENIED, EXIT_NO_ANSWER) if status in ended), max(ended))


def group_of(desk: Desk, venue: str, name: str) -> AccountGroup:
    """The group of that name; raises `ConfigurationError`."""
    there = {group.name: group for group in desk.groups if group.venue == venue}
    if name not in there:
        names = f"it has {', '.join(sorted(there))}" if there else "it has none ([[groups]])"
        raise ConfigurationError([f"the desk file has no group {name!r} at {venue}: {names}"])
    return there[name]


def quantity_of(intent: OrderListIntent) -> Decimal:
    """What is shared out: of a bracket the quantity of its entry, which its exits follow."""
    return next(leg.quantity for leg in intent.legs if leg.quantity is not None)


def shared_out(intent: OrderListIntent, parts: Mapping[str, Decimal]) -> list[OrderListIntent]:
    """An intent for each account that gets something, with an id of its own behind the intent's."""
    return [
        _with_quantity(replace(intent, id=f"{intent.id}-{number}", account=account), part)
        for number, (account, part) in enumerate(_given(parts), 1)
    ]


def _given(parts: Mapping[str, Decimal]) -> list[tuple[str, Decimal]]:
    return [(account, part) for account, part in parts.items() if part]


def _with_quantity(intent: OrderListIntent, quantity: Decimal) -> OrderListIntent:
    legs = tuple(replace(leg, quantity=quantity) if leg.quantity is not None else leg for leg in intent.legs)
    return replace(intent, legs=legs)


# ------------------------------------------------------------------------------------------------ what the desk knows


async def _lot(bus: Bus, intent: OrderListIntent) -> Decimal:
    rows = await _rows(
        bus,
        f"SELECT lot_size FROM instruments WHERE venue = {sql_text(intent.venue)} "
        f"AND symbol = {sql_text(intent.symbol)}",
    )
    if not rows or rows[0]["lot_size"] is None:
        raise ConfigurationError([f"{intent.venue} has not said in which lots {intent.symbol} trades"])
    return Decimal(rows[0]["lot_size"]).normalize()


async def _weights(
    bus: Bus, desk: Desk, group: AccountGroup, method: AllocationMethod, at: datetime
) -> dict[str, Decimal]:
    if method is AllocationMethod.EQUAL:
        return dict.fromkeys(group.accounts, Decimal(1))
    told = await _rows(
        bus, f"SELECT account, currency, {FIGURES[method]} AS figure, said_at FROM accounts "
        f"WHERE venue = {sql_text(group.venue)}"
    )  # fmt: skip
    return weights_of(desk, group, told, at)


def weights_of(desk: Desk, group: AccountGroup, told: Sequence[Mapping[str, Any]], at: datetime) -> dict[str, Decimal]:
    """The figure of each account, in the currency of the first; raises `ConfigurationError` for what is not known.

    What is older than risk lets an account's figures be is not known.
    """
    figures = {each["account"]: each for each in told}
    wrong, weights = [], {}
    for account in group.accounts:
        each = figures.get(account)
        if each is None or each["figure"] is None or each["said_at"] is None:
            wrong.append(f"{group.venue} has not said what account {account} has: `signalbox account`")
            continue
        age = at - datetime.fromisoformat(each["said_at"])
        if age > timedelta(seconds=desk.limits.account_age_seconds_max):
            wrong.append(f"what {group.venue} has said of account {account} is {age.total_seconds():.0f} s old")
            continue
        base = figures[group.accounts[0]]["currency"] if group.accounts[0] in figures else ""
        if each["currency"] != base:
            wrong.append(
                f"account {account} is in {each['currency']} and account {group.accounts[0]} in {base or 'nothing'}: "
                "their figures can not be compared, so only --method Equal shares out among them"
            )
            continue
        weights[account] = Decimal(each["figure"])
    if wrong:
        raise ConfigurationError(wrong)
    return weights


async def _rows(bus: Bus, sql: str) -> list[dict[str, Any]]:
    reply = await query(bus, sql)
    return [dict(zip(reply.columns, row, strict=True)) for row in reply.rows]
