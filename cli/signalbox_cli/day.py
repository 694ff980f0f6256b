"""What happened: fills, profit and loss, and the day as a whole. The commands fills, pnl, today.

Owns which questions a day is made of and what of the answers needs somebody's attention. Profit and loss of a symbol is
the OMS's own; that of a strategy is folded here from its own fills, by the OMS's position maths.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from signalbox.bus import Bus
from signalbox.client.record import query, sql_text
from signalbox.desk import load_desk
from signalbox.messages import ServiceStatus, TradingMode
from signalbox.services import SERVICES
from signalbox.venues import venue_names

from signalbox_cli import argument_types
from signalbox_cli.commands import add_command
from signalbox_cli.connection import ask_status, desk_bus, desk_time
from signalbox_cli.made import Marks, made_by_strategy
from signalbox_cli.output import complain, show, show_json
from signalbox_cli.simulated_venues import services_of
from signalbox_cli.totals import add_up
from signalbox_cli.valuing import add_option, as_data, as_lines, rates_now, show_total

STATUS_SECONDS_MAX, STATUS_QUIET_SECONDS_MAX = 1.0, 0.3
ROWS_MAX = 10_000
"""What one answer of the recorder may have; of more fills than that the oldest are left out, and that is said."""
DENIALS_MAX = 10

STRATEGIES = """
(SELECT intent_id, strategy FROM intents WHERE type IN ('OrderIntent', 'PositionIntent', 'OrderListIntent')
 QUALIFY row_number() OVER (PARTITION BY intent_id ORDER BY generation, sequence) = 1)
"""
CLAIMED = """
(SELECT venue, account, execution_id, strategy FROM fills_of_strategies WHERE starts_with(order_id, 'external-'))
"""
"""Of orders that others have placed: what they have filled since they are a strategy's."""
STRATEGY = "coalesce(i.strategy, claimed.strategy, '')"
FILLS = f"""
SELECT f."at", f.venue, f.account, f.symbol, f.side, f.quantity, f.price, f.quantity * f.price AS value, c.commission,
       c.currency, {STRATEGY} AS strategy, f.order_id, f.execution_id
FROM fills f LEFT JOIN commissions c USING (venue, account, execution_id)
LEFT JOIN {STRATEGIES} i ON i.intent_id = split_part(f.order_id, '.', 1)  -- a list's orders are <list>.<leg>
LEFT JOIN {CLAIMED} claimed USING (venue, account, execution_id)
{{where}} ORDER BY f.generation {{way}}, f.sequence {{way}}
"""
POSITIONS_BEFORE = """
(SELECT * FROM position_history SEMI JOIN (
    SELECT max(generation) AS generation, arg_max(sequence, generation) AS sequence
    FROM (SELECT subject, generation, max(sequence) AS sequence FROM position_history
          WHERE "at" < TIMESTAMPTZ '{at}' GROUP BY ALL) GROUP BY subject) USING (generation, sequence))
"""
"""Each position as it last was before a time of the desk's clock."""
PNL = f"""
SELECT p.venue, p.account, p.symbol, p.quantity, p.mark_price AS mark,
       p.realized_pnl - coalesce(b.realized_pnl, 0) AS realized, p.unrealized_pnl AS unrealized,
       p.commission - coalesce(b.commission, 0) AS commission, p.funding - coalesce(b.funding, 0) AS funding,
       coalesce(p.income, 0) - coalesce(b.income, 0) AS income,
       p.realized_pnl - coalesce(b.realized_pnl, 0) + p.unrealized_pnl + p.funding - coalesce(b.funding, 0)
           + coalesce(p.income, 0) - coalesce(b.income, 0) - p.commission + coalesce(b.commission, 0) AS net,
       p.currency, p."at" AS marked
FROM {POSITIONS_BEFORE.format(at="{until}")} p
LEFT JOIN {POSITIONS_BEFORE.format(at="{since}")} b USING (venue, account, symbol)
ORDER BY 1, 2, 3
"""
ACTS = """
SELECT type, venue, account, symbol AS of_symbol, c.symbol AS symbol, c.kind AS kind, c."at" AS "at",
       c.quantity AS quantity, c.cost AS cost, c.numerator AS numerator, c.denominator AS denominator, NULL AS income,
       new_symbol
FROM (SELECT *, unnest(changes) AS c, generate_subscripts(changes, 1) AS number, changes[2].symbol AS new_symbol
      FROM books_acts WHERE outcome = 'BOOKED')
WHERE c."at" < TIMESTAMPTZ '{until}'
UNION ALL
SELECT type, venue, account, symbol, symbol, NULL, a."at", NULL, NULL, NULL, NULL, a.cash[p.currency], NULL
FROM books_acts a JOIN positions p USING (venue, account, symbol)
WHERE outcome = 'BOOKED' AND type IN ('PayDividend', 'BookInterest') AND a.cash[p.currency] IS NOT NULL
  AND a."at" < TIMESTAMPTZ '{until}'
ORDER BY "at"
"""
"""What operators' acts did to positions, and the income that they booked for them: a row each."""
DENIALS = f"""
SELECT checks[1].name AS "check", count(*) AS denials, any_value(reason) AS example, max(intent_id) AS intent
FROM decisions WHERE verdict = 'DENIED' AND "at" >= TIMESTAMPTZ '{{since}}' AND "at" < TIMESTAMPTZ '{{until}}'
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {DENIALS_MAX}
"""
WORKING = """
SELECT order_id, venue, status, side, quantity, filled_quantity AS filled, symbol,
       coalesce(nullif(venue_type, ''), order_type) AS type, coalesce(limit_price, stop_price) AS price,
       coalesce(nullif(venue_time_in_force, ''), time_in_force) AS tif
FROM orders WHERE status NOT IN ('FILLED', 'CANCELED', 'REJECTED', 'DENIED', 'EXPIRED') ORDER BY created_at, order_id
"""
SWITCHES = """
SELECT "at", scope, mode, "by", reason FROM (
SELECT "at", 'desk' AS scope, mode, "by", reason, generation, sequence FROM trading_states
UNION ALL
SELECT "at", concat_ws(' ', coalesce(json_extract_string(act, '$.scope'), 'symbol'),
       CASE coalesce(json_extract_string(act, '$.scope'), 'symbol') WHEN 'venue' THEN venue WHEN 'account' THEN account
       WHEN 'strategy' THEN json_extract_string(act, '$.strategy') ELSE symbol END),
       json_extract_string(act, '$.mode'), "by", reason, generation, sequence
FROM books_acts WHERE type = 'SwitchTrading' AND outcome = 'BOOKED'
UNION ALL
SELECT json_extract_string(payload, '$.at')::TIMESTAMPTZ,
       coalesce(nullif(concat_ws(' ', nullif(json_extract_string(payload, '$.venue'), ''),
                nullif(json_extract_string(payload, '$.account'), ''),
                nullif(json_extract_string(payload, '$.symbol'), ''),
                nullif(json_extract_string(payload, '$.strategy'), '')), ''), 'desk'),
       json_extract_string(payload, '$.mode'), json_extract_string(payload, '$.by'),
       json_extract_string(payload, '$.reason'), generation, sequence
FROM messages WHERE stream = 'TRADE' AND starts_with(subject, 'decision.switched.'))
WHERE "at" >= TIMESTAMPTZ '{since}' AND "at" < TIMESTAMPTZ '{until}'
ORDER BY "at", generation, sequence
"""
REFUSED = """
SELECT order_id, refused_by, reason FROM orders
WHERE status = 'REJECTED'
AND refused_by <> 'VENUE' AND changed_at >= TIMESTAMPTZ '{since}' AND changed_at < TIMESTAMPTZ '{until}'
ORDER BY changed_at
"""
DEAD = """SELECT service, stream, count(*) AS messages FROM dead_letters WHERE "at" >= TIMESTAMPTZ '{since}'
AND "at" < TIMESTAMPTZ '{until}' GROUP BY ALL ORDER BY 1, 2"""
GAPS = ("bars_wait_for", "gaps_that_stay", "data_refused", "unread", "not_offered", "orders_stranded")
"""Details of a gateway's status that say what does not come."""
PNL_SUMS = ("realized", "unrealized", "commission", "funding", "net")
ALWAYS = {"since": "0001-01-01T00:00:00Z", "until": "9999-01-01T00:00:00Z"}

Row = dict[str, Any]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    fills = add_command(
        commands,
        "fills",
        "the desk's executions, in the order in which they were stored",
        'Their exact figures: --json. All there is to know of one: signalbox query "SELECT * FROM fills".',
    )
    fills.add_argument("--symbol", type=argument_types.symbol, help="only this one's")
    fills.add_argument("--venue", choices=venue_names(), default="", help="only this one's")
    fills.add_argument("--strategy", help="only of orders of this strategy")
    fills.add_argument("--last", type=argument_types.count, default=100, metavar="N", help="the last N (default 100)")
    _finish(fills, _fills)
    pnl = add_command(
        commands,
        "pnl",
        "what each symbol and strategy has made: realised, unrealised, funding, income, commission, net",
        """
        net = realized + unrealized + funding + income - commission, in the symbol's currency, marked at `mark`. Of a
        symbol they are the OMS's own figures, flat ones too; of a strategy (no funding) they follow from its own fills,
        by average price, and from acts on the books: a split and a new name of all that hold the symbol, a dividend and
        interest (`income`) by what each holds then. A correction and an adoption are of (none).

        Examples:
          signalbox pnl
          signalbox pnl --by strategy --json
        """,
    )
    pnl.add_argument("--by", choices=("symbol", "strategy"), default="symbol", help="of what (default symbol)")
    add_option(pnl)
    _finish(pnl, _pnl)
    today = add_command(
        commands,
        "today",
        "what happened today: profit and loss, fills, denials, orders, halts, gaps, and what needs attention",
        """
        A day is one of the desk's clock, in UTC, which in a simulation is the simulator's.

        Examples:
          signalbox today
          signalbox today --day 2024-03-05 --json
        """,
    )
    today.add_argument("--day", type=argument_types.day, metavar="YYYY-MM-DD", help="another day (default: today)")
    _finish(today, _today)


def _finish(parser: argparse.ArgumentParser, run: object) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs: every digit, one JSON object a line")
    if run is not _today:
        form.add_argument("--csv", action="store_true", help="comma-separated, with a line of names: every digit")
    parser.set_defaults(run=run)


# ------------------------------------------------------------------------------------------------ what needs attention


@dataclass
class Day:
    """The answers that a day is made of."""

    day: str
    pnl: list[Row] = field(default_factory=list)
    strategies: list[Row] = field(default_factory=list)
    fills: list[Row] = field(default_factory=list)
    denials: list[Row] = field(default_factory=list)
    working: list[Row] = field(default_factory=list)
    switches: list[Row] = field(default_factory=list)
    gaps: list[Row] = field(default_factory=list)
    attention: list[str] = field(default_factory=list)
    total: dict[str, Any] = field(default_factory=dict)
    """Of `pnl`, in one currency, with the rates that it was taken at."""


def gaps(statuses: Iterable[ServiceStatus]) -> list[Row]:
    """What a gateway says does not come, and what it waits for."""
    return [
        {"service": each.service, "what": name, "which": each.details[name]}
        for each in statuses
        for name in GAPS
        if each.details.get(name, "") not in ("", "0")
    ]


def attention(
    answers: Mapping[str, Sequence[ServiceStatus]], day: Day, refused: Sequence[Row], dead: Sequence[Row]
) -> list[str]:
    """A sentence for each thing that somebody has to look at, the gravest first."""
    told = []
    for service, answered in answers.items():
        if not answered:
            told.append(f"{service} does not answer: it does not run, or does not reach NATS")
        told += [f"{service} is not ready: {'; '.join(each.waiting_for)}" for each in answered if not each.ready]
    mode = next(
        (each.details["trading_state"] for each in answers.get("risk", ()) if "trading_state" in each.details), ""
    )
    if mode and mode != TradingMode.ACTIVE:
        told.append(f"trading is {mode}: `signalbox resume` when it may go on")
    switched = next((each.details.get("switched", "") for each in answers.get("risk", ()) if each.active), "")
    if switched:
        told.append(f"trading in {switched}: `signalbox resume` of it when it may go on")
    told += [
        f"order {each['order_id']} is {each['status']}: look at the venue, and at `signalbox order {each['order_id']}`"
        for each in day.working
        if each["status"] in ("UNKNOWN", "HELD")
    ]
    told += [
        f"order {each['order_id']} was approved, and refused by the desk's own {each['refused_by']}: {each['reason']}"
        for each in refused
    ]
    told += [
        f"{each['service']} could not handle {each['messages']} of {each['stream']}: `signalbox dead list`"
        for each in dead
    ]
    told += [f"{each['service']}: {each['what']} {each['which']}" for each in day.gaps]
    return told


# ---------------------------------------------------------------------------------------------------------- questions


async def _rows(bus: Bus, sql: str) -> list[Row]:
    reply = await query(bus, sql, ROWS_MAX)
    if reply.truncated:
        complain(f"only {len(reply.rows)} rows were looked at: there are more than one answer may have")
    return [dict(zip(reply.columns, row, strict=True)) for row in reply.rows]


async def _newest_fills(bus: Bus, where: str, last: int) -> list[Row]:
    reply = await query(bus, f"{FILLS.format(where=where, way='DESC')} LIMIT {last}", ROWS_MAX)
    if reply.truncated:
        complain(f"only the last {len(reply.rows)} fills were looked at: there are more than one answer may have")
    return [dict(zip(reply.columns, row, strict=True)) for row in reversed(reply.rows)]


async def _strategies(bus: Bus, since: str, until: str) -> list[Row]:
    fills = await _newest_fills(bus, f"WHERE f.\"at\" < TIMESTAMPTZ '{until}'", ROWS_MAX)
    before = POSITIONS_BEFORE.format(at=until)
    held = await _rows(bus, f"SELECT venue, account, symbol, multiplier, mark_price FROM {before}")
    acts = await _rows(bus, ACTS.format(until=until))
    marks: Marks = {
        (each["venue"], each["account"], each["symbol"]): (
            Decimal(each["multiplier"]),
            Decimal(each["mark_price"]) if each["mark_price"] is not None else None,
        )
        for each in held
    }
    return [
        {
            "strategy": key[0] or "(none)", "venue": key[1], "account": key[2], "symbol": key[3],
            "quantity": _plain(made.quantity), "realized": _plain(made.realized),
            "unrealized": _plain(made.unrealized), "commission": _plain(made.commission),
            "income": _plain(made.income), "net": _plain(made.net),
        }
        for key, made in sorted(made_by_strategy(fills, marks, since, acts).items())
    ]  # fmt: skip


def _plain(number: Decimal | None) -> str | None:
    if number is None:
        return None
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _show(rows: Sequence[Row], empty: str, *, as_json: bool = False, as_csv: bool = False) -> None:
    columns = tuple(rows[0]) if rows else ()
    show(columns, [tuple(row.values()) for row in rows], as_json=as_json, as_csv=as_csv, empty=empty)


async def _fills(arguments: argparse.Namespace) -> int:
    named = {"f.symbol": arguments.symbol, "f.venue": arguments.venue, STRATEGY: arguments.strategy}
    conditions = [f"{name} = {sql_text(text)}" for name, text in named.items() if text]
    async with desk_bus() as (bus, _):
        rows = await _newest_fills(bus, "WHERE " + " AND ".join(conditions) if conditions else "", arguments.last)
    _show(rows, "no fills", as_json=arguments.json, as_csv=arguments.csv)
    return 0


async def _pnl(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, found):
        by_strategy = arguments.by == "strategy"
        rows = await (_strategies(bus, **ALWAYS) if by_strategy else _rows(bus, PNL.format(**ALWAYS)))
        _show(rows, "nothing was traded", as_json=arguments.json, as_csv=arguments.csv)
        if not by_strategy:
            await show_total(bus, found.desk_file, rows, PNL_SUMS, arguments)
    return 0


async def _today(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, found):
        began = arguments.day or (await desk_time(bus)).replace(hour=0, minute=0, second=0, microsecond=0)
        services = services_of(load_desk(found.desk_file)) if found.desk_file else SERVICES
        day = await _ask(bus, services, began)
        if len(day.pnl) > 1:
            day.total = as_data(add_up(day.pnl, PNL_SUMS, await rates_now(bus, found.desk_file, "")))
    if arguments.json:
        show_json(vars(day))
        return 0
    print(f"{day.day}, by the desk's clock, in UTC")
    for title, rows, empty in (
        ("profit and loss by symbol", day.pnl, "nothing was traded"),
        ("profit and loss by strategy, of its own fills", day.strategies, "nothing was traded"),
        ("fills", day.fills, "none"),
        ("denials", day.denials, "none"),
        ("working orders", day.working, "none"),
        ("trading was switched", day.switches, "not at all"),
        ("gaps", day.gaps, "none that a gateway knows of"),
    ):
        print(f"\n{title}:")
        _show(rows, empty)
        if rows is day.pnl and day.total:
            print("\n".join(as_lines(day.total)))
    print("\nneeds attention:")
    print("\n".join(day.attention) or "nothing that the desk knows of")
    return 0


async def _ask(bus: Bus, services: Iterable[str], began: datetime) -> Day:
    since, until = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (began, began + timedelta(days=1)))
    bounds = {"since": since, "until": until}
    names = tuple(services)
    asked = [ask_status(bus, name, STATUS_SECONDS_MAX, STATUS_QUIET_SECONDS_MAX) for name in names]
    answers = dict(zip(names, await asyncio.gather(*asked), strict=True))
    of_day = f"WHERE f.\"at\" >= TIMESTAMPTZ '{since}' AND f.\"at\" < TIMESTAMPTZ '{until}'"
    summed = (
        "SELECT venue, symbol, side, count(*) AS fills, sum(quantity) AS quantity, sum(value) AS value, "
        f"sum(commission) AS commission FROM ({FILLS.format(where=of_day, way='')}) GROUP BY ALL ORDER BY 1, 2, 3"
    )
    day = Day(
        day=f"{began.astimezone(UTC):%Y-%m-%d}",
        pnl=await _rows(bus, PNL.format(**bounds)),
        strategies=await _strategies(bus, **bounds),
        fills=await _rows(bus, summed),
        denials=await _rows(bus, DENIALS.format(**bounds)),
        working=await _rows(bus, WORKING),
        switches=await _rows(bus, SWITCHES.format(**bounds)),
        gaps=gaps(each for answered in answers.values() for each in answered),
    )
    refused, dead = await _rows(bus, REFUSED.format(**bounds)), await _rows(bus, DEAD.format(**bounds))
    day.attention = attention(answers, day, refused, dead)
    return day
