"""The commands that look: orders, positions, account, scores, status."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Coroutine, Mapping, Sequence

from signalbox.client.record import query, sql_text
from signalbox.desk import load_desk
from signalbox.errors import ConfigurationError
from signalbox.messages import OrderStatus, ServiceStatus, TradingMode
from signalbox.services import SERVICES
from signalbox.venues import venue_names

from signalbox_cli import argument_types
from signalbox_cli.claiming import add_claim, run_claim
from signalbox_cli.commands import add_command
from signalbox_cli.connection import ask_status, desk_bus
from signalbox_cli.explaining_scores import run_explain
from signalbox_cli.offline import add_history, run_history, timeframe
from signalbox_cli.output import printable, show
from signalbox_cli.querying import show_reply
from signalbox_cli.simulated_venues import services_of
from signalbox_cli.valuing import add_option, show_total

DESK_FILES = "0 (the desk file's)"
"""How risk says that nobody has set other limits (`risk.limiting.told`)."""
STATUS_SECONDS_MAX = 1.0
STATUS_QUIET_SECONDS_MAX = 0.3
"""Every process of a service answers; no more are expected this long after the last answer."""

ORDERS = """
SELECT order_id, venue, "by", status, side, quantity, filled_quantity AS filled, symbol, order_type AS type,
       coalesce(limit_price, stop_price) AS price, CASE WHEN limit_price IS NOT NULL THEN stop_price END AS stop,
       time_in_force AS tif, changed_at AS changed, refused_by, reason
FROM (SELECT order_id, venue, coalesce(i."by", nullif(placed_by, '')) AS "by", status, strategy,
             coalesce(o.side, i.side) AS side, coalesce(o.quantity, i.quantity) AS quantity,
             coalesce(o.symbol, i.symbol) AS symbol,
             coalesce(nullif(venue_type, ''), o.order_type, i.order_type) AS order_type,
             coalesce(o.limit_price, i.limit_price) AS limit_price,
             coalesce(o.stop_price, i.stop_price) AS stop_price,
             coalesce(nullif(venue_time_in_force, ''), o.time_in_force, i.time_in_force) AS time_in_force,
             filled_quantity, created_at, changed_at, reason,
             CASE status WHEN 'DENIED' THEN 'DESK' ELSE refused_by END AS refused_by
      FROM {orders} o
      LEFT JOIN (SELECT intent_id AS order_id, side, quantity, symbol, order_type, limit_price, stop_price,
                        time_in_force, "by"
                 FROM intents WHERE type IN ('OrderIntent', 'PositionIntent', 'OrderListIntent')
                 QUALIFY row_number() OVER (PARTITION BY intent_id ORDER BY generation, sequence) = 1) i
           USING (order_id))
{where} ORDER BY coalesce(created_at, changed_at), order_id
"""
"""A denied order has no terms of its own: they are its intent's, of a list those of its first leg. Who sent it, the
decision says. What others have placed is shown in the venue's words, by whom the venue says. Of an order that has a
limit and waits for its stop `price` is the limit."""
EXTERNAL = "starts_with(order_id, 'external-')"
WORKING = "status NOT IN ('FILLED', 'CANCELED', 'REJECTED', 'DENIED', 'EXPIRED')"
POSITIONS = """
SELECT venue, account, symbol, quantity, average_price, mark_price, unrealized_pnl, realized_pnl, commission, funding,
       income, currency
FROM {positions} {where} ORDER BY venue, account, symbol
"""
BY_CURRENCY = """
nullif(array_to_string(
    [c || ' ' || rtrim(rtrim({cash}[c]::VARCHAR, '0'), '.') for c in list_sort(map_keys({cash}))], ', '), '')
"""
DESK_CASH = "map_concat(b.other_cash, map([currency], [b.cash]))"
ACCOUNTS = f"""
SELECT a.venue, a.account, a.currency, a.net_liquidation, a.cash,
       CASE WHEN len([c for c in map_keys(b.other_cash) if a.rates[c] IS NULL]) > 0 THEN NULL
            ELSE b.cash + coalesce(round(list_sum(
                [b.other_cash[c]::DOUBLE * a.rates[c]::DOUBLE for c in map_keys(b.other_cash)]), 2), 0)::DECIMAL(18, 2)
       END AS desk_cash,
       {BY_CURRENCY.format(cash="a.cash_by_currency")} AS cash_by_currency,
       {BY_CURRENCY.format(cash=DESK_CASH)} AS desk_cash_by_currency,
       a.available_funds,
       a.buying_power, a.initial_margin, a.maintenance_margin, round(a.leverage, 4) AS leverage, a.daily_pnl,
       a.unrealized_pnl, b.commission, b.funding, b.income, b.corrections, a."at", a.said_at
FROM accounts a LEFT JOIN books b USING (venue, account, currency) {{where}} ORDER BY 1, 2
"""
ACCOUNT_SUMS = ("net_liquidation", "cash", "available_funds", "daily_pnl", "unrealized_pnl")
SCORES = """
SELECT symbol, timeframe, bar_start, close, trend_score AS trend, direction, round(supertrend, 4) AS supertrend,
       round(ema, 4) AS ema, round(atr, 4) AS atr, round(ema_deviation, 2) AS ema_deviation, new_high_score AS new_high,
       state
FROM scores {where}
QUALIFY row_number() OVER (PARTITION BY venue, symbol, timeframe ORDER BY bar_start DESC) <= {last}
ORDER BY timeframe, symbol, bar_start
"""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    orders = add_command(
        commands,
        "orders",
        "the desk's orders and what became of them",
        """
        As of a sequence: as each was once TRADE had its message of that number (`sequence` of signalbox query, of an
        answer to an intent, of a decision). Over NATS, from any language: query.sql with FROM orders_at(4711).

        Orders that others have placed in the account, by hand or with another program, are there as well: external-...,
        with their types as the venue calls them. `claim` makes one a strategy's, from its next fill on; it takes an
        operator, and is kept with who and why. Exit status of claim: 0, 3 refused, 4 no answer in time.

        Examples:
          signalbox orders --working
          signalbox orders --external --working
          signalbox orders claim external-1000123 --strategy trend --why "its stop, placed by hand"
          signalbox orders --status UNKNOWN --status REJECTED
          signalbox orders --denied
          signalbox orders --symbol 700 --as-of 4711 --json
        """,
    )
    orders.add_argument("--working", action="store_true", help="only those that may still trade")
    orders.add_argument(
        "--status", action="append", choices=[str(each) for each in OrderStatus], help="only in this state (repeat it)"
    )
    _add_as_of(orders)
    orders.add_argument(
        "--denied", dest="status", action="append_const", const=OrderStatus.DENIED.value, help="as --status DENIED"
    )
    orders.add_argument("--external", action="store_true", help="only those that others have placed")
    orders.add_argument("--symbol", type=argument_types.symbol, help="only this one's")
    _add_venue(orders)
    add_claim(orders)
    _finish(orders, _orders)
    positions = add_command(
        commands,
        "positions",
        "positions with average price, realised and unrealised PnL",
        """
        Prices and PnL are in the position's own currency; realised PnL is before commission and funding.

        As of a sequence of TRADE: as each was then. What had filled since the OMS last told of it is in the quantity,
        and its other figures are empty. Over NATS, from any language: query.sql with FROM positions_at(4711).

        Examples:
          signalbox positions --venue ibkr
          signalbox positions --as-of 4711 --json
        """,
    )
    positions.add_argument("--all", action="store_true", help="closed ones too")
    _add_as_of(positions)
    _add_venue(positions)
    _add_account(positions)
    _finish(positions, _positions)
    account = add_command(
        commands,
        "account",
        "what the venue says of the account, beside the desk's own cash",
        "Figures are in the account's currency; desk_cash, commission and funding are the desk's own books. Cash in "
        "other currencies is in both totals at the venue's rates, and by itself in *_by_currency. `at` is "
        "when the gateway told them, `said_at` when the venue said the oldest one that risk goes by.",
    )
    _add_venue(account)
    _add_account(account)
    add_option(account)
    _finish(account, _account)
    scores = add_command(
        commands,
        "scores",
        "the latest scores of every symbol; `explain` one, `history` scores a file of bars",
        """
        Examples:
          signalbox scores --symbol SPY --timeframe 5m --last 12
          signalbox scores history SPY_2024.parquet --timeframe 5m | head
          signalbox scores history BTC-USD_2024.csv --timezone UTC
          signalbox scores explain SPY --timeframe 5m --at 2024-03-05T15:05:00Z

        `history` needs no desk: the indicator service's own formulas over a Parquet or CSV file with the columns ts,
        open, high, low, close, volume. It prints one JSON object a bar: ts (start, UTC), the bar, every indicator and
        score; null = not defined yet. `explain` tells what each figure of a score is of, and computes it again from
        the stored bars: exit status 1 where it is another one.
        """,
    )
    scores.add_argument("--symbol", type=argument_types.symbol, help="only this one's")
    scores.add_argument("--timeframe", type=timeframe, help="1m, 5m, ...; of `history`: what to join the bars to")
    scores.add_argument(
        "--last", type=argument_types.count, default=1, metavar="N", help="the last N bars of each (default 1)"
    )
    scores.add_argument(
        "--at",
        type=argument_types.time,
        metavar="TIME",
        help="of `explain`: the bar that starts then (default: the last)",
    )
    add_history(scores)
    _finish(scores, _scores)
    status = add_command(
        commands,
        "status",
        "is each service ready, and if not, what does it wait for",
        """
        A line for each process: of several of risk, oms, recorder or a gateway, one works and the others stand by.
        Where trading is not ACTIVE, the first line says so, who did it and why.

        Exit status: 0 all are ready, 1 not.
        """,
    )
    _finish(status, _status)


def _finish(parser: argparse.ArgumentParser, run: object) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line, for programs: every digit")
    form.add_argument("--csv", action="store_true", help="comma-separated, with a line of names: every digit")
    parser.set_defaults(run=run)


def _add_venue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--venue", choices=venue_names(), default="", help="only this one's")


def _add_as_of(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--as-of", type=argument_types.count, metavar="SEQUENCE", help="as they were at this sequence of TRADE"
    )


def _add_account(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", default="", help="only this one's")


def _of_account(arguments: argparse.Namespace) -> str:
    return f"account = {sql_text(arguments.account)}" if arguments.account else ""


def _at(arguments: argparse.Namespace) -> str:
    return f"venue = {sql_text(arguments.venue)}" if arguments.venue else ""


def _where(*conditions: str) -> str:
    kept = [condition for condition in conditions if condition]
    return "WHERE " + " AND ".join(kept) if kept else ""


async def _show_query(sql: str, arguments: argparse.Namespace, empty: str, row_limit: int = 1000) -> int:
    async with desk_bus() as (bus, _):
        reply = await query(bus, sql, row_limit)
    show_reply(reply, row_limit, as_json=arguments.json, as_csv=arguments.csv, empty=empty)
    return 0


async def _orders(arguments: argparse.Namespace) -> int:
    if arguments.what == "claim":
        return await run_claim(arguments)
    if arguments.strategy or arguments.why or arguments.account:
        raise ConfigurationError(["--strategy, --why and --account go with `orders claim`"])
    symbol = f"symbol = {sql_text(arguments.symbol)}" if arguments.symbol else ""
    states = ", ".join(sql_text(status) for status in arguments.status or ())
    where = _where(
        WORKING if arguments.working else "",
        EXTERNAL if arguments.external else "",
        f"status IN ({states})" if states else "",
        symbol,
        _at(arguments),
    )
    orders = f"orders_at({arguments.as_of})" if arguments.as_of else "orders"
    return await _show_query(ORDERS.format(where=where, orders=orders), arguments, "no orders")


async def _positions(arguments: argparse.Namespace) -> int:
    where = _where("" if arguments.all else "quantity IS DISTINCT FROM 0", _at(arguments), _of_account(arguments))
    positions = f"positions_at({arguments.as_of})" if arguments.as_of else "positions"
    return await _show_query(POSITIONS.format(where=where, positions=positions), arguments, "no positions")


async def _account(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, found):
        reply = await query(bus, ACCOUNTS.format(where=_where(_at(arguments), _of_account(arguments))))
        empty = "no venue has said anything of an account yet"
        show(reply.columns, reply.rows, as_json=arguments.json, as_csv=arguments.csv, empty=empty)
        rows = [dict(zip(reply.columns, row, strict=True)) for row in reply.rows]
        await show_total(bus, found.desk_file, rows, ACCOUNT_SUMS, arguments)
    return 0


def _scores(arguments: argparse.Namespace) -> int | Coroutine[None, None, int]:
    if arguments.what == "explain":
        return run_explain(arguments)
    return run_history(arguments) if arguments.what == "history" else _latest_scores(arguments)


async def _latest_scores(arguments: argparse.Namespace) -> int:
    where = _where(
        f"symbol = {sql_text(arguments.symbol)}" if arguments.symbol else "",
        f"timeframe = {sql_text(arguments.timeframe.text)}" if arguments.timeframe else "",
    )
    return await _show_query(SCORES.format(where=where, last=arguments.last), arguments, "no scores yet")


async def _status(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, found):
        services = services_of(load_desk(found.desk_file)) if found.desk_file else SERVICES
        bounds = STATUS_SECONDS_MAX, STATUS_QUIET_SECONDS_MAX
        answers = await asyncio.gather(*(ask_status(bus, service, *bounds) for service in services))
    if not arguments.json and not arguments.csv:
        _tell_of_the_switch(answers)
    rows = [row for service, answered in zip(services, answers, strict=True) for row in _status_rows(service, answered)]
    told = [(*row, details if arguments.json else _in_words(details)) for row, details in rows]
    columns = ("service", "state", "instance", "work", "waiting for", "details")
    show(columns, told, as_json=arguments.json, as_csv=arguments.csv, empty="")
    return 0 if all(answered and all(each.ready for each in answered) for answered in answers) else 1


def _tell_of_the_switch(answers: Sequence[tuple[ServiceStatus, ...]]) -> None:
    """Say first of all that orders are denied, by whom and why: every service may be ready meanwhile."""
    for each in (each for answered in answers for each in answered if each.active):
        if switched := each.details.get("switched"):
            print(printable(f"trading in {switched}"))
    for each in (each for answered in answers for each in answered if each.active):
        mode = each.details.get("trading_state", TradingMode.ACTIVE)
        if mode != TradingMode.ACTIVE:
            by, reason = each.details.get("trading_state_by"), each.details.get("trading_state_reason")
            since = each.details.get("trading_state_since")
            told = f" by {by} since {since}: {reason}" if by else ""
            print(printable(f"trading is {mode}{told}"))
    for each in (each for answered in answers for each in answered if each.active):
        version = each.details.get("limits_version", DESK_FILES)
        if version != DESK_FILES:
            print(printable(f"limits version {version}"))


def _in_words(details: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in details.items() if value)


def _status_rows(service: str, answered: tuple[ServiceStatus, ...]) -> list[tuple[tuple[str, ...], dict[str, str]]]:
    """A row for each process of a service and its details, the one that works first."""
    if not answered:
        return [((service, "no answer", "", "", "it does not run, or does not reach NATS"), {})]
    return [
        (
            (
                service,
                "ready" if each.ready else "not ready",
                each.instance,
                "works" if each.active else "stands by",
                "; ".join(each.waiting_for) or each.standing_by,
            ),
            each.details,
        )
        for each in sorted(answered, key=lambda each: (not each.active, each.instance))
    ]
