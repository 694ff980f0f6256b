"""`signalbox order ID`: the whole story of an order, or of a list with all its orders: from who wished for it to what
protects what it has made.

Owns what of the record is an order's, and how it is told. All of it is asked of the recorder, as any query is: so the
same can be asked over NATS. It must not know what any of it means for the order (the OMS has said that).
"""

from __future__ import annotations

import argparse
from typing import Any

from signalbox.bus import Bus
from signalbox.client.record import query, sql_text
from signalbox.messages import QueryReply
from signalbox.venues import venue_names

from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.connection import desk_bus
from signalbox_cli.output import complain, show, show_json

LINES_MAX = 5_000
"""Of one story; a query's answer has its own bound."""


_MINE = "(order_id = {id} OR starts_with(order_id, {id} || '.'))"
_MINE_OF_ORDERS = _MINE.replace("order_id", "o.order_id")
_OTHER = "nullif(order_id, {id})"
"""Which order of a list a line is of."""


def _plain(column: str) -> str:
    """A decimal as a person writes it, in SQL."""
    return f"rtrim(rtrim(({column})::VARCHAR, '0'), '.')"


_TERMS = (
    f"concat_ws(' ', side, {_plain('quantity')}, symbol, order_type, {_plain('limit_price')}, {_plain('stop_price')})"
)

_MAY_CHANGE = (("quantity", "quantity"), ("limit", "limit_price"), ("stop", "stop_price"))
_CHANGED = ", ".join(f"'{word} ' || {_plain(column)}" for word, column in _MAY_CHANGE)
_OF_TERMS = ", ".join(f"'{word} ' || {_plain(f'terms.{column}')}" for word, column in _MAY_CHANGE)
"""What of an order may become another, as it is wished for, and as it is in an event."""

STORY = f"""
WITH owner AS (SELECT venue, account FROM commands WHERE {_MINE} LIMIT 1),
decided AS (
    SELECT generation, sequence FROM decisions
    WHERE intent_id = {{id}} OR starts_with(order_id, {{id}} || '.') OR order_id = {{id}}
       OR decision_id IN (SELECT cause FROM order_events WHERE {_MINE} AND type = 'OrderPendingCancel')),
told AS (
    SELECT 1 AS hop, intent_stored_at AS stored_at, "at", coalesce("by", '') AS who, type AS what, generation, sequence,
           concat_ws(' ', CASE WHEN type = 'OrderIntent' THEN concat_ws(' ', {_TERMS}, time_in_force)
                                WHEN type = 'ModifyIntent' THEN concat_ws(' ', order_id, {_CHANGED})
                                WHEN type = 'PositionIntent'
                                THEN concat_ws(' ', action, {_plain("quantity")}, {_plain("share")} || ' of', symbol,
                                               {_plain("limit_price")})
                                ELSE coalesce(nullif(order_id, ''), nullif(symbol, ''), 'all') END,
                     nullif(strategy, ''), nullif(note, '')) AS said,
           intent_id AS id, cause, venue, account
    FROM intents WHERE (generation, sequence) IN (FROM decided)
    UNION ALL
    SELECT 2, stored_at, "at", 'risk', verdict, generation, sequence,
           coalesce(nullif(reason, ''), concat_ws(', ', passed || ' checks passed',
                    'market ' || {_plain("reference_price")})), decision_id, cause, venue, account
    FROM decisions WHERE (generation, sequence) IN (FROM decided)
    UNION ALL
    SELECT 3, stored_at, "at", 'oms', type, generation, sequence,
           concat_ws(' ', {_OTHER}, status,
                     CASE WHEN type IN ('OrderPendingReplace', 'OrderReplaced')
                          THEN concat_ws(' ', {_OF_TERMS}) END,
                     {_plain("fill.quantity")}, '@ ' || {_plain("fill.price")},
                     {_plain("commission")}, currency, nullif(venue_order_id, ''), nullif(reason, '')),
           event_id, cause, venue, account
    FROM order_events WHERE {_MINE}
    UNION ALL
    SELECT 4, stored_at, "at", 'oms', type, generation, sequence, {_OTHER}, command_id, cause, venue, account
    FROM commands WHERE {_MINE}
    UNION ALL
    SELECT 5, stored_at, "at", 'gateway-' || venue, type, generation, sequence,
           concat_ws(' ', {_OTHER}, 'number', attempt_id, nullif(venue_order_id, '')), entry_id, cause, venue,
           (SELECT account FROM owner)
    FROM submissions WHERE {_MINE}
    UNION ALL
    SELECT 6, stored_at, "at", venue, type, generation, sequence,
           concat_ws(' ', {_OTHER}, {_plain("quantity")}, '@ ' || {_plain("price")}, {_plain("commission")}, currency,
                     nullif(venue_order_id, ''), nullif(code, ''), nullif(reason, ''), nullif(refused_by, '')),
           report_id, cause, venue, account
    FROM reports WHERE {_MINE}
    UNION ALL
    SELECT 7, stored_at, "at", 'oms', 'Timer' || what, generation, sequence, concat_ws(' ', 'due', due), timer_id, NULL,
           (SELECT venue FROM owner), (SELECT account FROM owner)
    FROM timers WHERE {_MINE})
SELECT stored_at, round(date_diff('microsecond', lag(stored_at) OVER steps, stored_at) / 1000, 3) AS after_milliseconds,
       "at", who, what, said, id, cause
FROM told WHERE {{owner}} WINDOW steps AS (ORDER BY stored_at, hop, generation, sequence)
ORDER BY stored_at, hop, generation, sequence
"""
"""By the time at which NATS stored each: `after_milliseconds` is since the line before, on the server's clock."""

NOW = f"""
SELECT o.venue, o.account, o.order_id, o.status, o.side, o.quantity, o.filled_quantity AS filled, f.average_price,
       c.fees, o.estimated_commission AS estimated_fees, o.symbol, o.order_type AS type,
       coalesce(o.limit_price, o.stop_price) AS price, o.time_in_force AS tif,
       p.quantity AS position
FROM orders o
LEFT JOIN (SELECT venue, account, order_id,
                  round(sum(quantity::DOUBLE * price::DOUBLE) / sum(quantity)::DOUBLE, 6) AS average_price
           FROM fills WHERE {_MINE} AND quantity > 0 GROUP BY ALL) f USING (venue, account, order_id)
LEFT JOIN (SELECT venue, account, order_id, string_agg({_plain("fee")} || ' ' || currency, ', ') AS fees
           FROM (SELECT venue, account, order_id, currency, sum(commission) AS fee FROM commissions
                 WHERE {_MINE} GROUP BY ALL) GROUP BY ALL) c USING (venue, account, order_id)
LEFT JOIN positions p ON (p.venue, p.account, p.symbol) = (o.venue, o.account, o.symbol)
WHERE {_MINE_OF_ORDERS} AND {{owner}}
ORDER BY o.created_at, o.order_id
"""
PROTECTION = """
SELECT s.order_id, s.status, s.side, s.quantity - s.filled_quantity AS "open", s.stop_price, s.time_in_force AS tif
FROM orders s JOIN positions p ON (p.venue, p.account, p.symbol) = (s.venue, s.account, s.symbol)
WHERE (s.venue, s.account, s.symbol) IN
      (SELECT (venue, account, symbol) FROM orders o
       WHERE (o.order_id = {id} OR starts_with(o.order_id, {id} || '.')) AND {owner})
  AND s.order_type IN ('STOP', 'TRAILING_STOP') AND s.not_before IS NULL
  AND s.status IN ('NEW', 'TRIGGERED', 'PARTIALLY_FILLED', 'PENDING_CANCEL', 'PENDING_REPLACE')
  AND ((p.quantity > 0 AND s.side = 'SELL') OR (p.quantity < 0 AND s.side = 'BUY'))
ORDER BY s.created_at, s.order_id
"""
"""The working stops of the order's symbol that would close what is held now, whoever has sent them."""
STOOD = """
WITH own AS (SELECT * FROM order_events WHERE starts_with(order_id, {id} || '.') AND {owner}),
entry AS (SELECT arg_min(order_id, sequence) AS order_id FROM own WHERE type = 'OrderCreated'),
filled AS (SELECT sequence, "at" FROM own SEMI JOIN entry USING (order_id)
           WHERE type IN ('OrderPartiallyFilled', 'OrderFilled')),
stops AS (SELECT order_id, terms.quantity AS quantity, sequence FROM own
          WHERE type = 'OrderCreated' AND terms.order_type IN ('STOP', 'STOP_LIMIT')),
stood AS (SELECT order_id, min("at") AS "at" FROM own WHERE type IN ('OrderAccepted', 'OrderTriggered') GROUP BY ALL)
SELECT s.order_id, s.quantity, max(f."at") AS filled_at, any_value(a."at") AS stood_at,
       greatest(date_diff('microsecond', max(f."at"), any_value(a."at")) / 1000000, 0) AS unprotected_seconds
FROM stops s JOIN filled f ON f.sequence < s.sequence LEFT JOIN stood a ON a.order_id = s.order_id
GROUP BY s.order_id, s.quantity, s.sequence ORDER BY s.sequence
"""
"""Of a list: how long after the fill that it is for each stop stood at the venue."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    order = add_command(
        commands,
        "order",
        "one order's whole story: intent, decision, commands, reports, fills, and what protects its position now",
        """
        A line for each message of the order, as NATS stored them: `after_milliseconds` is since the line before, `who`
        has said it (the sender, risk, oms, the gateway, the venue). Then what the order is now, with its average price
        and fees, and the working stops that would close the position in its symbol. With --json each line says which
        `part` it is of: story, now, protection, and of a list stood: how long each stop took to stand.

        An order placed elsewhere is called external-..., and may be there in several accounts: name the venue and the
        account then. Every check of its decision: signalbox explain ID.

        Examples:
          signalbox order 7f3a-buy-spy
          signalbox order external-1000123 --venue ibkr --account DU1234567 --json

        Exit status: 0 it was found, 1 nothing is recorded of it.
        """,
    )
    order.add_argument("id", metavar="ID", help="of the order, or of a list: that of its intent")
    order.add_argument("--venue", choices=venue_names(), default="", help="only there")
    order.add_argument("--account", default="", help="only of this account")
    order.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    order.set_defaults(run=_order)


async def _order(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, _):
        story = await _asked(bus, STORY, arguments, LINES_MAX)
        now = await _asked(bus, NOW, arguments)
        protection = await _asked(bus, PROTECTION, arguments)
        stood = await _asked(bus, STOOD, arguments)
    if not story.rows:
        complain(f"nothing is recorded of an order {arguments.id!r}: what came in the last second may not be yet")
        return EXIT_FAILED
    parts = {"story": story, "now": now, "protection": protection, "stood": stood}
    if arguments.json:
        for part, reply in parts.items():
            for row in reply.rows:
                show_json({"part": part, **dict(zip(reply.columns, row, strict=True))})
    else:
        _tell(parts)
    if story.truncated:
        complain(f"only the first {len(story.rows)} lines of its story are shown: all are in the views of the database")
    return 0


async def _asked(bus: Bus, sql: str, arguments: argparse.Namespace, row_limit: int = 1000) -> QueryReply:
    table = "o." if "orders o" in sql else ""
    owner = [
        f"coalesce(nullif({table}{column}, ''), {sql_text(value)}) = {sql_text(value)}"  # what names none is of any
        for column, value in (("venue", arguments.venue), ("account", arguments.account))
        if value
    ]
    return await query(bus, sql.format(id=sql_text(arguments.id), owner=" AND ".join(owner) or "true"), row_limit)


def _tell(parts: dict[str, QueryReply]) -> None:
    story, now, protection = parts["story"], parts["now"], parts["protection"]
    show(story.columns, story.rows, as_json=False, empty="")
    if not now.rows:
        print("it is no order: nothing was sent")
        return
    print("\nnow:")
    show(now.columns, now.rows, as_json=False, empty="")
    if parts["stood"].rows:
        print("\nhow long what had filled was without its stop:")
        show(parts["stood"].columns, parts["stood"].rows, as_json=False, empty="")
    held = [row[now.columns.index("position")] for row in now.rows]
    if any(_is_held(quantity) for quantity in held):
        print("\nwhat protects the position in its symbol now:")
        show(protection.columns, protection.rows, as_json=False, empty="nothing: no stop works against it")


def _is_held(quantity: Any) -> bool:
    return quantity is not None and any(digit in "123456789" for digit in str(quantity))
