"""`signalbox order ID`: one order's whole story, from who wished for it to what protects what it has made.

Owns what of the record is an order's, and how it is told. All of it is asked of the recorder, as any query is: so the
same can be asked over NATS. It must not know what any of it means for the order (the OMS has said that).
"""

from __future__ import annotations

import argparse
from typing import Any

from signalbox.bus import Bus
from signalbox.messages import QueryReply
from signalbox.venues import venue_names

from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.connection import desk_bus, query, sql_text
from signalbox_cli.output import complain, show, show_json

LINES_MAX = 5_000
"""Of one story; a query's answer has its own bound."""


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
WITH owner AS (SELECT venue, account FROM commands WHERE order_id = {{id}} LIMIT 1),
decided AS (
    SELECT generation, sequence FROM decisions
    WHERE intent_id = {{id}} OR order_id = {{id}}
       OR decision_id IN (SELECT cause FROM order_events WHERE order_id = {{id}} AND type = 'OrderPendingCancel')),
told AS (
    SELECT 1 AS hop, intent_stored_at AS stored_at, "at", coalesce("by", '') AS who, type AS what, generation, sequence,
           concat_ws(' ', CASE WHEN type = 'OrderIntent' THEN concat_ws(' ', {_TERMS}, time_in_force)
                                WHEN type = 'ModifyIntent' THEN concat_ws(' ', order_id, {_CHANGED})
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
           concat_ws(' ', status,
                     CASE WHEN type IN ('OrderPendingReplace', 'OrderReplaced')
                          THEN concat_ws(' ', {_OF_TERMS}) END,
                     {_plain("fill.quantity")}, '@ ' || {_plain("fill.price")},
                     {_plain("commission")}, currency, nullif(venue_order_id, ''), nullif(reason, '')),
           event_id, cause, venue, account
    FROM order_events WHERE order_id = {{id}}
    UNION ALL
    SELECT 4, stored_at, "at", 'oms', type, generation, sequence, NULL, command_id, cause, venue, account
    FROM commands WHERE order_id = {{id}}
    UNION ALL
    SELECT 5, stored_at, "at", 'gateway-' || venue, type, generation, sequence,
           concat_ws(' ', 'number', attempt_id, nullif(venue_order_id, '')), entry_id, cause, venue,
           (SELECT account FROM owner)
    FROM submissions WHERE order_id = {{id}}
    UNION ALL
    SELECT 6, stored_at, "at", venue, type, generation, sequence,
           concat_ws(' ', {_plain("quantity")}, '@ ' || {_plain("price")}, {_plain("commission")}, currency,
                     nullif(venue_order_id, ''), nullif(code, ''), nullif(reason, ''), nullif(refused_by, '')),
           report_id, cause, venue, account
    FROM reports WHERE order_id = {{id}}
    UNION ALL
    SELECT 7, stored_at, "at", 'oms', 'Timer' || what, generation, sequence, concat_ws(' ', 'due', due), timer_id, NULL,
           (SELECT venue FROM owner), (SELECT account FROM owner)
    FROM timers WHERE order_id = {{id}})
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
           FROM fills WHERE order_id = {{id}} AND quantity > 0 GROUP BY ALL) f USING (venue, account, order_id)
LEFT JOIN (SELECT venue, account, order_id, string_agg({_plain("fee")} || ' ' || currency, ', ') AS fees
           FROM (SELECT venue, account, order_id, currency, sum(commission) AS fee FROM commissions
                 WHERE order_id = {{id}} GROUP BY ALL) GROUP BY ALL) c USING (venue, account, order_id)
LEFT JOIN positions p ON (p.venue, p.account, p.symbol) = (o.venue, o.account, o.symbol)
WHERE o.order_id = {{id}} AND {{owner}} ORDER BY 1, 2
"""
PROTECTION = """
SELECT s.order_id, s.status, s.side, s.quantity - s.filled_quantity AS "open", s.stop_price, s.time_in_force AS tif
FROM orders s JOIN positions p ON (p.venue, p.account, p.symbol) = (s.venue, s.account, s.symbol)
WHERE (s.venue, s.account, s.symbol) IN
      (SELECT (venue, account, symbol) FROM orders o WHERE o.order_id = {id} AND {owner})
  AND s.order_type = 'STOP' AND s.status IN ('NEW', 'TRIGGERED', 'PARTIALLY_FILLED', 'PENDING_CANCEL',
                                                 'PENDING_REPLACE')
  AND ((p.quantity > 0 AND s.side = 'SELL') OR (p.quantity < 0 AND s.side = 'BUY'))
ORDER BY s.created_at, s.order_id
"""
"""The working stops of the order's symbol that would close what is held now, whoever has sent them."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    order = add_command(
        commands,
        "order",
        "one order's whole story: intent, decision, commands, reports, fills, and what protects its position now",
        """
        A line for each message of the order, as NATS stored them: `after_milliseconds` is since the line before, `who`
        has said it (the sender, risk, oms, the gateway, the venue). Then what the order is now, with its average price
        and fees, and the working stops that would close the position in its symbol. With --json each line says which
        `part` it is of: story, now, protection.

        An order placed elsewhere is called external-..., and may be there in several accounts: name the venue and the
        account then. Every check of its decision: signalbox explain ID.

        Examples:
          signalbox order 7f3a-buy-spy
          signalbox order external-1000123 --venue ibkr --account DU1234567 --json

        Exit status: 0 it was found, 1 nothing is recorded of it.
        """,
    )
    order.add_argument("id", metavar="ID", help="of the order: that of its intent")
    order.add_argument("--venue", choices=venue_names(), default="", help="only there")
    order.add_argument("--account", default="", help="only of this account")
    order.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    order.set_defaults(run=_order)


async def _order(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, _):
        story = await _asked(bus, STORY, arguments, LINES_MAX)
        now = await _asked(bus, NOW, arguments)
        protection = await _asked(bus, PROTECTION, arguments)
    if not story.rows:
        complain(f"nothing is recorded of an order {arguments.id!r}: what came in the last second may not be yet")
        return EXIT_FAILED
    parts = {"story": story, "now": now, "protection": protection}
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
    held = [row[now.columns.index("position")] for row in now.rows]
    if any(_is_held(quantity) for quantity in held):
        print("\nwhat protects the position in its symbol now:")
        show(protection.columns, protection.rows, as_json=False, empty="nothing: no stop works against it")


def _is_held(quantity: Any) -> bool:
    return quantity is not None and any(digit in "123456789" for digit in str(quantity))
