-- What is asked of the record with arguments: positions as of a place, and all there is of one order or list. `place` is a
-- sequence of TRADE, in its newest generation; left away, it is now. What of other streams was stored later than TRADE's message
-- there was not known then. `named` is the id of an order, or of a list with all its orders.

-- A list's own orders are `<list>.<leg>`.
CREATE OR REPLACE MACRO is_of(its_order, named) AS its_order = named OR starts_with(its_order, named || '.');

CREATE OR REPLACE MACRO is_by(its_sequence, its_generation, place) AS
    its_sequence <= place OR its_generation < (SELECT max(generation) FROM typed_order_events);

CREATE OR REPLACE MACRO stored_by(place) AS
    CASE WHEN place >= greatest((SELECT max(sequence) FROM typed_order_events
                                 WHERE generation = (SELECT max(generation) FROM typed_order_events)),
                                (SELECT max(sequence) FROM typed_decisions
                                 WHERE generation = (SELECT max(generation) FROM typed_order_events)))
         THEN TIMESTAMPTZ 'infinity'
         ELSE greatest((SELECT max(stored_at) FROM typed_order_events
                        WHERE sequence <= place AND generation = (SELECT max(generation) FROM typed_order_events)),
                       (SELECT max(stored_at) FROM typed_decisions
                        WHERE sequence <= place AND generation = (SELECT max(generation) FROM typed_order_events))) END;

-- A number as a person writes it.
CREATE OR REPLACE MACRO written(number) AS rtrim(rtrim(number::DECIMAL(38,12)::VARCHAR, '0'), '.');

-- Each position as of a place: the OMS's last word on it that has nothing of what came later. Words on changes that follow each
-- other quickly are one (`oms.publishing`): what TRADE has booked between that word and the place is added to the quantity, and
-- leaves the other figures unknown; where that is more than fills (a correction, an act, the account taken over again), the
-- quantity as well.
CREATE OR REPLACE MACRO positions_at(place) AS TABLE
WITH words AS (SELECT generation, sequence, venue, account, symbol, trade_sequence, stored_at FROM position_history
               WHERE is_by(trade_sequence, generation, place)),
chosen AS (SELECT arg_max(struct_pack(generation := generation, sequence := sequence),
                          struct_pack(a := generation, b := trade_sequence, c := CASE WHEN stored_at <= stored_by(place) THEN sequence ELSE -sequence END)) AS found
           FROM words GROUP BY venue, account, symbol),
told AS (SELECT * FROM position_history SEMI JOIN (SELECT found.generation, found.sequence FROM chosen) AS c
             USING (generation, sequence)),
booked AS (SELECT e.venue, e.account, e.fill.symbol AS symbol, e.sequence, e.type,
                  CASE e.fill.side WHEN 'BUY' THEN e.fill.quantity ELSE -e.fill.quantity END AS quantity
           FROM order_events AS e
           LEFT JOIN told ON (told.venue, told.account, told.symbol) = (e.venue, e.account, e.fill.symbol)
           WHERE e.type IN ('OrderPartiallyFilled', 'OrderFilled', 'FillCorrected') AND e.sequence <= place
             AND e.generation = (SELECT max(generation) FROM typed_order_events)
             AND NOT coalesce(told.generation >= e.generation AND told.trade_sequence >= e.sequence, false)),
taken_over AS (SELECT venue, account, max(sequence) AS sequence FROM order_events
               WHERE type = 'AccountAdopted' AND sequence <= place
                 AND generation = (SELECT max(generation) FROM typed_order_events) GROUP BY ALL),
acts AS (SELECT venue, account, unnest(changes).symbol AS symbol, sequence FROM books_acts
         WHERE outcome = 'BOOKED' AND sequence <= place AND generation = (SELECT max(generation) FROM typed_order_events)),
since AS (SELECT b.venue, b.account, b.symbol, count(*) AS fills, sum(b.quantity) AS quantity, bool_or(type = 'FillCorrected') AS odd
          FROM booked AS b JOIN taken_over AS t ON t.venue = b.venue AND t.account = b.account AND t.sequence < b.sequence
          GROUP BY ALL)
SELECT venue, account, symbol, told.currency, told.multiplier,
       CASE WHEN coalesce(since.odd, false) OR coalesce(taken_over.sequence > told.trade_sequence, false)
                 OR EXISTS (SELECT 1 FROM acts WHERE (acts.venue, acts.account, acts.symbol) = (venue, account, symbol)
                            AND acts.sequence > coalesce(told.trade_sequence, 0)) THEN NULL
            ELSE exactly(coalesce(told.quantity, 0)::DECIMAL(38,18) + coalesce(since.quantity, 0)::DECIMAL(38,18)) END AS quantity,
       CASE WHEN since.fills IS NULL THEN told.average_price END AS average_price,
       CASE WHEN since.fills IS NULL THEN told.realized_pnl END AS realized_pnl,
       CASE WHEN since.fills IS NULL THEN told.unrealized_pnl END AS unrealized_pnl,
       CASE WHEN since.fills IS NULL THEN told.commission END AS commission, told.funding, told.income, told.mark_price,
       told."at", coalesce(since.fills, 0) AS fills_since, told.trade_sequence
FROM told FULL JOIN since USING (venue, account, symbol) LEFT JOIN taken_over USING (venue, account);

-- An order's terms in words, and what of them may become another (of an intent, and in an event's `terms`).
CREATE OR REPLACE MACRO words_of(side, quantity, symbol, order_type, limit_price, stop_price) AS
    concat_ws(' ', side, written(quantity), symbol, order_type, written(limit_price), written(stop_price));
CREATE OR REPLACE MACRO changed_words(quantity, limit_price, stop_price) AS
    concat_ws(' ', 'quantity ' || written(quantity), 'limit ' || written(limit_price), 'stop ' || written(stop_price));

-- A line for each message of an order, or of a list and its orders, in the order in which NATS stored them; `after_milliseconds`
-- is since the line before, on the server's clock.
CREATE OR REPLACE MACRO order_story(named, place := 9223372036854775807) AS TABLE
WITH owner AS (SELECT venue, account FROM commands WHERE is_of(order_id, named) LIMIT 1),
decided AS (
    SELECT generation, sequence FROM decisions
    WHERE (intent_id = named OR is_of(order_id, named)
           OR decision_id IN (SELECT cause FROM order_events WHERE is_of(order_id, named) AND type = 'OrderPendingCancel'))
      AND is_by(sequence, generation, place)),
told AS (
    SELECT 1 AS hop, intent_stored_at AS stored_at, "at", coalesce("by", '') AS who, type AS what, generation, sequence,
           concat_ws(' ', CASE WHEN type = 'OrderIntent'
                               THEN concat_ws(' ', words_of(side, quantity, symbol, order_type, limit_price, stop_price), time_in_force)
                               WHEN type = 'ModifyIntent' THEN concat_ws(' ', order_id, changed_words(quantity, limit_price, stop_price))
                               WHEN type = 'PositionIntent'
                               THEN concat_ws(' ', action, written(quantity), written(share) || ' of', symbol, written(limit_price))
                               WHEN type = 'OrderListIntent' THEN concat_ws(' ', contingency, symbol)
                               ELSE coalesce(nullif(order_id, ''), nullif(symbol, ''), 'all') END,
                     nullif(strategy, ''), nullif(note, '')) AS said,
           intent_id AS id, cause, venue, account
    FROM intents WHERE (generation, sequence) IN (FROM decided)
    UNION ALL
    SELECT 2, stored_at, "at", 'risk', verdict, generation, sequence,
           coalesce(nullif(reason, ''), concat_ws(', ', passed || ' checks passed', 'market ' || written(reference_price))),
           decision_id, cause, venue, account
    FROM decisions WHERE (generation, sequence) IN (FROM decided)
    UNION ALL
    SELECT 3, stored_at, "at", 'oms', type, generation, sequence,
           concat_ws(' ', nullif(order_id, named), status,
                     CASE WHEN type IN ('OrderPendingReplace', 'OrderReplaced', 'OrderClaimed') OR terms.placed_by <> ''
                          THEN concat_ws(' ', changed_words(terms.quantity, terms.limit_price, terms.stop_price),
                                         'trail ' || written(terms.trail_amount), 'trail ' || written(terms.trail_percent) || ' %') END,
                     written(fill.quantity), '@ ' || written(fill.price), written(commission), currency,
                     nullif(venue_order_id, ''), nullif(reason, '')),
           event_id, cause, venue, account
    FROM order_events WHERE is_of(order_id, named) AND is_by(sequence, generation, place)
    UNION ALL
    SELECT 4, stored_at, "at", 'oms', type, generation, sequence, nullif(order_id, named), command_id, cause, venue, account
    FROM commands WHERE is_of(order_id, named) AND stored_at <= stored_by(place)
    UNION ALL
    SELECT 5, stored_at, "at", 'gateway-' || venue, type, generation, sequence,
           concat_ws(' ', nullif(order_id, named), 'number', attempt_id, nullif(venue_order_id, '')), entry_id, cause, venue,
           (SELECT account FROM owner)
    FROM submissions WHERE is_of(order_id, named) AND stored_at <= stored_by(place)
    UNION ALL
    SELECT 6, stored_at, "at", venue, type, generation, sequence,
           concat_ws(' ', nullif(order_id, named), written(quantity), '@ ' || written(price), written(commission), currency,
                     nullif(venue_order_id, ''), nullif(code, ''), nullif(reason, ''), nullif(refused_by, '')),
           report_id, cause, venue, account
    FROM reports WHERE is_of(order_id, named) AND stored_at <= stored_by(place)
    UNION ALL
    SELECT 7, stored_at, "at", 'oms', 'Timer' || what, generation, sequence, concat_ws(' ', 'due', due), timer_id, NULL,
           (SELECT venue FROM owner), (SELECT account FROM owner)
    FROM timers WHERE is_of(order_id, named) AND stored_at <= stored_by(place))
SELECT stored_at, round(date_diff('microsecond', lag(stored_at) OVER steps, stored_at) / 1000, 3) AS after_milliseconds,
       "at", who, what, said, id, cause, venue, account, hop, generation, sequence
FROM told WINDOW steps AS (ORDER BY stored_at, hop, generation, sequence)
ORDER BY stored_at, hop, generation, sequence;

-- How long each hop of an order took, by the server's clock, under the names that the metric `signalbox_order_hop_seconds` has. What
-- a list sends by itself has no decision of its own: `event_to_command` is from the event that made it necessary. A venue may
-- answer before its gateway has stored that it has sent: `venue_to_report` is 0 then.
CREATE OR REPLACE MACRO order_hops(named, place := 9223372036854775807) AS TABLE
WITH sent AS (SELECT order_id, venue, account, min(stored_at) AS command_at FROM commands
              WHERE type = 'SubmitOrder' AND is_of(order_id, named) AND stored_at <= stored_by(place) GROUP BY ALL),
begun AS (SELECT order_id, venue, account, arg_min(cause, sequence) AS cause, arg_min(generation, sequence) AS generation
          FROM order_events WHERE type = 'OrderCreated' AND is_of(order_id, named) AND is_by(sequence, generation, place) GROUP BY ALL),
asked AS (SELECT b.order_id, min(d.intent_stored_at) AS intent_at, min(d.stored_at) AS decision_at
          FROM begun AS b JOIN decisions AS d ON d.decision_id = b.cause GROUP BY ALL),
released AS (SELECT b.order_id, min(e.stored_at) AS event_at
             FROM begun AS b JOIN order_events AS e ON e.event_id = b.cause GROUP BY ALL),
written_at AS (SELECT order_id, min(stored_at) AS sent_at FROM submissions
               WHERE type = 'LedgerSent' AND is_of(order_id, named) AND stored_at <= stored_by(place) GROUP BY ALL),
reported AS (SELECT order_id, venue, account, min(stored_at) AS report_at, arg_min(report_id, stored_at) AS report_id
             FROM reports WHERE is_of(order_id, named) AND stored_at <= stored_by(place) GROUP BY ALL),
booked AS (SELECT r.order_id, r.venue, r.account, min(e.stored_at) AS booked_at FROM reported AS r
           JOIN order_events AS e ON (e.order_id, e.venue, e.account) = (r.order_id, r.venue, r.account) AND e.cause = r.report_id
           WHERE is_by(e.sequence, e.generation, place) GROUP BY ALL),
way AS (SELECT venue, account, order_id, intent_at, decision_at, event_at, command_at, sent_at, report_at, booked_at
        FROM begun LEFT JOIN sent USING (order_id, venue, account) LEFT JOIN asked USING (order_id)
             LEFT JOIN released USING (order_id) LEFT JOIN written_at USING (order_id)
             LEFT JOIN reported USING (order_id, venue, account) LEFT JOIN booked USING (order_id, venue, account))
SELECT venue, account, order_id, hop.name AS hop,
       round(date_diff('microsecond', hop.began, hop.ended) / 1000, 3) AS milliseconds, hop.began AS began_at, hop.ended AS ended_at
FROM (SELECT venue, account, order_id, unnest([
          struct_pack(number := 1, name := 'intent_to_decision', began := intent_at, ended := decision_at),
          struct_pack(number := 2, name := 'decision_to_command', began := decision_at, ended := command_at),
          struct_pack(number := 2, name := 'event_to_command', began := event_at, ended := command_at),
          struct_pack(number := 3, name := 'command_to_venue', began := command_at, ended := sent_at),
          struct_pack(number := 4, name := 'venue_to_report', began := sent_at, ended := greatest(sent_at, report_at)),
          struct_pack(number := 5, name := 'report_to_event', began := report_at, ended := booked_at)]) AS hop FROM way)
WHERE hop.began IS NOT NULL AND hop.ended IS NOT NULL
ORDER BY order_id, hop.number;

-- What is an order's, or a list's, symbol held, and which working orders would close it, whoever has sent them. `protects`: a
-- stop that the venue has and that is to work now, which is what the OMS counts (`oms.protection`).
CREATE OR REPLACE MACRO order_protection(named, place := 9223372036854775807) AS TABLE
SELECT s.venue, s.account, s.symbol, p.quantity AS held, s.order_id,
       CASE WHEN s.order_type IN ('STOP', 'TRAILING_STOP', 'STOP_LIMIT', 'TRAILING_STOP_LIMIT') THEN 'STOP'
            WHEN s.order_type IN ('LIMIT', 'LIMIT_IF_TOUCHED', 'MARKET_IF_TOUCHED') THEN 'TARGET' ELSE 'CLOSE' END AS kind,
       s.order_type IN ('STOP', 'TRAILING_STOP') AND s.not_before IS NULL
           AND s.status IN ('NEW', 'TRIGGERED', 'PARTIALLY_FILLED', 'PENDING_CANCEL', 'PENDING_REPLACE') AS protects,
       s.order_type, s.status, s.side, s.quantity - s.filled_quantity AS "open", s.stop_price, s.limit_price,
       s.trail_amount, s.trail_percent, s.time_in_force
FROM orders_at(place) AS s JOIN positions_at(place) AS p USING (venue, account, symbol)
WHERE EXISTS (SELECT 1 FROM orders_at(place) AS o WHERE is_of(o.order_id, named)
              AND (o.venue, o.account, o.symbol) = (s.venue, s.account, s.symbol))
  AND s.status NOT IN ('FILLED', 'CANCELED', 'REJECTED', 'DENIED', 'EXPIRED')
  AND ((p.quantity > 0 AND s.side = 'SELL') OR (p.quantity < 0 AND s.side = 'BUY'))
ORDER BY protects DESC, s.created_at, s.order_id;

-- Of a list: how long after the fill that it is for each stop stood at the venue; NULL = it did not stand yet.
CREATE OR REPLACE MACRO list_stops(named, place := 9223372036854775807) AS TABLE
WITH own AS (SELECT * FROM order_events WHERE starts_with(order_id, named || '.') AND is_by(sequence, generation, place)),
entry AS (SELECT arg_min(order_id, sequence) AS order_id FROM own WHERE type = 'OrderCreated'),
filled AS (SELECT sequence, "at" FROM own SEMI JOIN entry USING (order_id)
           WHERE type IN ('OrderPartiallyFilled', 'OrderFilled')),
stops AS (SELECT venue, account, order_id, terms.quantity AS quantity, sequence FROM own
          WHERE type = 'OrderCreated' AND terms.order_type IN ('STOP', 'STOP_LIMIT', 'TRAILING_STOP', 'TRAILING_STOP_LIMIT')),
stood AS (SELECT order_id, min("at") AS "at" FROM own WHERE type IN ('OrderAccepted', 'OrderTriggered') GROUP BY ALL)
SELECT s.venue, s.account, s.order_id, s.quantity, max(f."at") AS filled_at, any_value(a."at") AS stood_at,
       CASE WHEN any_value(a."at") IS NOT NULL  -- greatest() would make 0 of NULL
            THEN greatest(date_diff('microsecond', max(f."at"), any_value(a."at")) / 1000000, 0) END AS unprotected_seconds
FROM stops AS s JOIN filled AS f ON f.sequence < s.sequence LEFT JOIN stood AS a ON a.order_id = s.order_id
GROUP BY s.venue, s.account, s.order_id, s.quantity, s.sequence ORDER BY s.sequence;
