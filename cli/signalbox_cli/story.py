"""`signalbox order ID`: the whole story of an order, or of a list with all its orders: from who wished for it to what
protects what it has made, now or as of a place in TRADE.

Owns how it is told. What of the record is an order's, the recorder's own macros say (asking.sql), so that any program
can ask the same over NATS. It must not know what any of it means for the order (the OMS has said that).
"""

from __future__ import annotations

import argparse
from decimal import Decimal
from typing import Any

from signalbox.bus import Bus
from signalbox.client.record import query, sql_text
from signalbox.messages import QueryReply
from signalbox.venues import venue_names

from signalbox_cli import argument_types
from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.connection import desk_bus
from signalbox_cli.output import complain, show, show_json
from signalbox_cli.unprotected import Unprotected, unprotected

LINES_MAX = 5_000
"""Of one story; a query's answer has its own bound."""
NOW_PLACE = 2**63 - 1

STORY = """
SELECT stored_at, round(date_diff('microsecond', lag(stored_at) OVER steps, stored_at) / 1000, 3) AS after_milliseconds,
       "at", who, what, said, id, cause
FROM order_story({id}, {place}) WHERE {owner} WINDOW steps AS (ORDER BY stored_at, hop, generation, sequence)
ORDER BY stored_at, hop, generation, sequence
"""
"""By the time at which NATS stored each: `after_milliseconds` is since the line before, on the server's clock."""
NOW = """
SELECT o.venue, o.account, o.order_id, o.status, o.side, o.quantity, o.filled_quantity AS filled, f.average_price,
       c.fees, o.estimated_commission AS estimated_fees, o.symbol, o.order_type AS type,
       coalesce(o.limit_price, o.stop_price) AS price, o.time_in_force AS tif,
       p.quantity AS position
FROM orders_at({place}) o
LEFT JOIN (SELECT venue, account, order_id,
                  round(sum(quantity::DOUBLE * price::DOUBLE) / sum(quantity)::DOUBLE, 6) AS average_price
           FROM (SELECT venue, account, order_id, fill.quantity AS quantity, fill.price AS price FROM order_events
                 WHERE type IN ('OrderPartiallyFilled', 'OrderFilled', 'FillCorrected') AND is_of(order_id, {id})
                   AND is_by(sequence, generation, {place})
                 QUALIFY row_number() OVER (PARTITION BY venue, account, fill.execution_id
                                            ORDER BY generation DESC, fill.revision DESC, sequence DESC) = 1)
           WHERE quantity > 0 GROUP BY ALL) f USING (venue, account, order_id)
LEFT JOIN (SELECT venue, account, order_id, string_agg(written(fee) || ' ' || currency, ', ') AS fees
           FROM (SELECT venue, account, order_id, currency, sum(commission) AS fee
                 FROM (SELECT * FROM order_events
                       WHERE type = 'CommissionBooked' AND is_of(order_id, {id})
                         AND is_by(sequence, generation, {place})
                       QUALIFY row_number() OVER (PARTITION BY venue, account, execution_id
                                                  ORDER BY generation DESC, revision DESC, sequence DESC) = 1)
                 GROUP BY ALL)
           GROUP BY ALL) c USING (venue, account, order_id)
LEFT JOIN positions_at({place}) p ON (p.venue, p.account, p.symbol) = (o.venue, o.account, o.symbol)
WHERE is_of(o.order_id, {id}) AND {owner}
ORDER BY o.created_at, o.order_id
"""
HOPS = "SELECT order_id, hop, milliseconds FROM order_hops({id}, {place}) WHERE {owner}"
PROTECTION = """
SELECT order_id, kind, protects, status, side, "open", symbol, order_type AS type, stop_price, limit_price,
       trail_amount, trail_percent, time_in_force AS tif, held
FROM order_protection({id}, {place}) WHERE {owner}
"""
"""The working exits of the order's symbol: what would close what is held, whoever has sent it."""
STOOD = """
SELECT order_id, quantity, filled_at, stood_at, unprotected_seconds FROM list_stops({id}, {place}) WHERE {owner}
"""
EVENTS = """
SELECT sequence, payload FROM messages
WHERE stream = 'TRADE' AND (generation, sequence) IN (SELECT (generation, sequence) FROM order_events
    WHERE is_of(order_id, {id}) AND is_by(sequence, generation, {place}) AND {owner})
ORDER BY generation, sequence
"""
"""All that the OMS has said of a list: it is folded again, for how long it was without its stop."""

SCHEDULE = """
WITH wished AS (
    SELECT unnest(json_extract(payload, '$.intent.timed[*]')) AS step,
           generate_subscripts(json_extract(payload, '$.intent.timed[*]'), 1) AS number
    FROM (SELECT m.payload::JSON AS payload FROM order_events e
          JOIN messages m ON (m.stream, m.generation, m.sequence) = ('TRADE', e.generation, e.sequence)
          WHERE e.type = 'ListCreated' AND e.order_id = {id} AND {owner})),
told AS (
    SELECT e.type, e."at", m.payload::JSON AS payload FROM order_events e
    JOIN messages m ON (m.stream, m.generation, m.sequence) = ('TRADE', e.generation, e.sequence)
    WHERE e.type IN ('ListScheduled', 'ListStepTaken') AND e.order_id = {id} AND {owner}),
came AS (
    SELECT (payload->>'step')::INTEGER AS number, arg_max(payload->>'due', "at") AS due,
           max(CASE WHEN type = 'ListStepTaken' THEN payload->>'result' END) AS result,
           max(CASE WHEN type = 'ListStepTaken' THEN "at" END) AS taken_at,
           max(CASE WHEN type = 'ListStepTaken' THEN payload->>'reason' END) AS said
    FROM told GROUP BY ALL)
SELECT w.number AS step, w.step->>'action' AS action,
       concat_ws(' ', 'at ' || (w.step->>'at'), 'after ' || (w.step->>'after_seconds') || ' s',
                 'after ' || (w.step->>'after_bars') || ' bars of ' || (w.step->>'timeframe'),
                 'to ' || (w.step->>'stop_price'),
                 'by ' || (w.step->>'$.offset.amount') || ' ' || (w.step->>'$.offset.unit')) AS wished,
       coalesce(c.result, CASE WHEN c.due IS NULL THEN 'TO COME' ELSE 'NEXT' END) AS stands, c.due, c.taken_at, c.said
FROM wished w LEFT JOIN came c USING (number) ORDER BY w.number
"""
"""Of a list: its schedule, what is due next (NEXT), and what was done."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    order = add_command(
        commands,
        "order",
        "an order's or list's whole story: intent, decision, commands, reports, hops, fills, and what protects it",
        """
        A line for each message of the order, as NATS stored them: `after_milliseconds` is since the line before, `who`
        has said it (the sender, risk, oms, the gateway, the venue). Then what the order is now, with its average price
        and fees; how long each hop took, under the names of the metric; and the working exits in its symbol, by kind,
        beside what is held: those that protect first. With --json each line says which `part` it is of: story, now,
        hops, protection, and of a list stood (how long each stop took to stand) and unprotected (the seconds for
        which it was without the stop that it was promised, and since when it is) and schedule (what of it happens at
        times of its own, what is due NEXT, and what was done).

        With --as-of all of it is as it was once TRADE had its message of that sequence. Over NATS, from any language:
        query.sql with FROM order_story('ID', 4711), order_hops, order_protection, list_stops (docs/database.md).

        An order placed elsewhere is called external-..., and may be there in several accounts: name the venue and the
        account then. Every check of its decision: signalbox explain ID.

        Examples:
          signalbox order 7f3a-buy-spy
          signalbox order 7f3a-buy-spy --as-of 4711
          signalbox order external-1000123 --venue ibkr --account DU1234567 --json

        Exit status: 0 it was found, 1 nothing is recorded of it.
        """,
    )
    order.add_argument("id", metavar="ID", help="of the order, or of a list: that of its intent")
    order.add_argument("--venue", choices=venue_names(), default="", help="only there")
    order.add_argument("--account", default="", help="only of this account")
    order.add_argument(
        "--as-of", type=argument_types.count, metavar="SEQUENCE", help="as it was at this sequence of TRADE"
    )
    order.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    order.set_defaults(run=_order)


async def _order(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, _):
        story = await _asked(bus, STORY, arguments, LINES_MAX)
        now = await _asked(bus, NOW, arguments)
        hops = await _asked(bus, HOPS, arguments)
        protection = await _asked(bus, PROTECTION, arguments)
        stood = await _asked(bus, STOOD, arguments)
        schedule = await _asked(bus, SCHEDULE, arguments)
        events = await _asked(bus, EVENTS, arguments, LINES_MAX) if stood.rows else QueryReply()
    if not story.rows:
        complain(f"nothing is recorded of an order {arguments.id!r}: what came in the last second may not be yet")
        return EXIT_FAILED
    bare = None if events.truncated else unprotected(arguments.id, events.rows)
    parts = {"story": story, "now": now, "hops": hops, "protection": protection, "stood": stood, "schedule": schedule}
    if arguments.json:
        for part, reply in parts.items():
            for row in reply.rows:
                show_json({"part": part, **dict(zip(reply.columns, row, strict=True))})
        if bare is not None:
            show_json({"part": "unprotected", "seconds": bare.seconds, "since": bare.since})
    else:
        _tell(parts, bare)
    if story.truncated:
        complain(f"only the first {len(story.rows)} lines of its story are shown: all are in the views of the database")
    return 0


async def _asked(bus: Bus, sql: str, arguments: argparse.Namespace, row_limit: int = 1000) -> QueryReply:
    table = "o." if "orders_at" in sql else ""
    owner = [
        f"coalesce(nullif({table}{column}, ''), {sql_text(value)}) = {sql_text(value)}"  # what names none is of any
        for column, value in (("venue", arguments.venue), ("account", arguments.account))
        if value
    ]
    place = arguments.as_of or NOW_PLACE
    asked = sql.format(id=sql_text(arguments.id), place=place, owner=" AND ".join(owner) or "true")
    return await query(bus, asked, row_limit)


def _tell(parts: dict[str, QueryReply], bare: Unprotected | None) -> None:
    story, now = parts["story"], parts["now"]
    show(story.columns, story.rows, as_json=False, empty="")
    if not now.rows:
        print("it is no order: nothing was sent")
        return
    _part("now", now)
    _part("how long each hop took", parts["hops"])
    _part("what of it happens at times of its own", parts["schedule"])
    _part("how long what had filled was without its stop", parts["stood"])
    if bare is not None:
        print(f"\nin all {bare.seconds:g} s without the stop that it was promised" + _until(bare))
    held = [row[now.columns.index("position")] for row in now.rows]
    if any(_is_held(quantity) for quantity in held):
        print("\nwhat protects the position in its symbol now:")
        empty = "nothing: no stop works against it, and no other exit"
        show(parts["protection"].columns, parts["protection"].rows, as_json=False, empty=empty)
        for line in protection_in_words(parts["protection"]):
            print(line)


def _part(title: str, reply: QueryReply) -> None:
    if reply.rows:
        print(f"\n{title}:")
        show(reply.columns, reply.rows, as_json=False, empty="")


def _until(bare: Unprotected) -> str:
    return f", and it is without since {bare.since:%Y-%m-%dT%H:%M:%SZ}" if bare.since is not None else ""


def protection_in_words(protection: QueryReply) -> list[str]:
    """A sentence for each symbol: how much of what is held a stop protects."""
    of_symbols: dict[str, tuple[Decimal, Decimal]] = {}
    for values in protection.rows:
        row = dict(zip(protection.columns, values, strict=True))
        held, works = of_symbols.get(row["symbol"], (abs(Decimal(row["held"])), Decimal(0)))
        of_symbols[row["symbol"]] = held, works + (Decimal(row["open"]) if row["protects"] else Decimal(0))
    return [
        f"{held:f} {symbol} held: {min(held, works):f} of it protected by stops, {max(held - works, Decimal(0)):f} not"
        for symbol, (held, works) in of_symbols.items()
    ]


def _is_held(quantity: Any) -> bool:
    return quantity is not None and any(digit in "123456789" for digit in str(quantity))
