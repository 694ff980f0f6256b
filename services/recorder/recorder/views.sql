-- What people read. Money is DECIMAL(38,18); what is multiplied, prices and quantities, has twelve decimals (a multiplier
-- four), so that DuckDB keeps every digit of quantity * price * multiplier. What does not fit or has more digits than its
-- column, or can not be read, is NULL: the raw payload has it. Times are TIMESTAMPTZ, indicators DOUBLE, as on the wire.
-- Every view carries the stream's sequence; stored_at is the server's time of storing.

CREATE OR REPLACE MACRO exactly(number) AS CASE WHEN number::DECIMAL(38,12) = number THEN number::DECIMAL(38,12) END;

CREATE OR REPLACE VIEW messages AS
SELECT stream, generation, sequence, subject, make_timestamptz(stored_at_ns // 1000) AS stored_at, message_id,
       payload, payload_bytes, payload_size, payload_md5
FROM recorded;

CREATE OR REPLACE VIEW bars AS
SELECT m.venue, m.symbol, m.timeframe, m.start, m."at", exactly(m.open) AS open, exactly(m.high) AS high,
       exactly(m.low) AS low, exactly(m.close) AS close, exactly(m.volume) AS volume, m.trades, m.source,
       m.received_at, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"venue":"VARCHAR","symbol":"VARCHAR","timeframe":"VARCHAR",
        "start":"TIMESTAMPTZ","at":"TIMESTAMPTZ","open":"DECIMAL(38,18)","high":"DECIMAL(38,18)","low":"DECIMAL(38,18)",
        "close":"DECIMAL(38,18)","volume":"DECIMAL(38,18)","trades":"BIGINT","source":"VARCHAR",
        "received_at":"TIMESTAMPTZ"}') AS m
      FROM messages WHERE stream = 'BARS');

CREATE OR REPLACE VIEW scores AS
SELECT m.venue, m.symbol, m.timeframe, m.bar_start, m."at", m.close, m.supertrend, m.direction, m.ema, m.atr,
       m.trend_score, m.ema_deviation, m.new_high_score, m.studies, m.levels, m.state, m.why, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"venue":"VARCHAR","symbol":"VARCHAR","timeframe":"VARCHAR",
        "bar_start":"TIMESTAMPTZ","at":"TIMESTAMPTZ","close":"DOUBLE","supertrend":"DOUBLE","direction":"INTEGER",
        "ema":"DOUBLE","atr":"DOUBLE","trend_score":"BIGINT","ema_deviation":"DOUBLE","new_high_score":"BIGINT",
        "studies":"MAP(VARCHAR, DOUBLE)","levels":"JSON","state":"VARCHAR",
        "why":"VARCHAR"}') AS m
      FROM messages WHERE stream = 'SCORES' AND subject LIKE 'ind.score.%');

CREATE OR REPLACE VIEW levels AS
SELECT m.venue, m.symbol, m.timeframe, m.bar_start, m."at", l.day, l.open, l.high, l.low, l.opening_range_high,
       l.opening_range_low, coalesce(l.opening_range_complete, false) AS opening_range_complete, l.previous_day,
       l.previous_high, l.previous_low, l.previous_close, coalesce(l.previous_complete, false) AS previous_complete,
       l.pre_market_high, l.pre_market_low, l.vwap, stored_at, generation, sequence
FROM (SELECT *, m.levels AS l
      FROM (SELECT *, json_transform(readable(payload), '{"venue":"VARCHAR","symbol":"VARCHAR","timeframe":"VARCHAR",
              "bar_start":"TIMESTAMPTZ","at":"TIMESTAMPTZ","levels":{"day":"DATE","open":"DOUBLE","high":"DOUBLE",
              "low":"DOUBLE","opening_range_high":"DOUBLE","opening_range_low":"DOUBLE",
              "opening_range_complete":"BOOLEAN","previous_day":"DATE","previous_high":"DOUBLE",
              "previous_low":"DOUBLE","previous_close":"DOUBLE","previous_complete":"BOOLEAN",
              "pre_market_high":"DOUBLE","pre_market_low":"DOUBLE","vwap":"DOUBLE"}}') AS m
            FROM messages WHERE stream = 'SCORES' AND subject LIKE 'ind.levels.%'));

-- What was wanted, as its decision has it (symbol and account filled in), by whom: one row a decided intent. One that
-- could not be read has no terms. intent_sequence and intent_stored_at are its place in INTENTS, sequence its decision's.
CREATE OR REPLACE VIEW intents AS
SELECT * REPLACE (exactly(quantity) AS quantity, exactly(limit_price) AS limit_price, exactly(stop_price) AS stop_price)
FROM typed_intents;

CREATE OR REPLACE VIEW decisions AS SELECT * FROM typed_decisions;

CREATE OR REPLACE VIEW checks AS
SELECT decision_id, intent_id, intent_sequence, verdict, number, c.name, c.passed, c."limit", c.observed, c.source, c.reason,
       stored_at, generation, sequence
FROM (SELECT *, unnest(checks) AS c, generate_subscripts(checks, 1) AS number FROM decisions);

CREATE OR REPLACE VIEW order_events AS SELECT * FROM typed_order_events;

-- One row an execution: its last revision.
CREATE OR REPLACE VIEW fills AS
SELECT fill.execution_id AS execution_id, fill.revision AS revision, venue, account, order_id, fill.symbol AS symbol,
       fill.side AS side, exactly(fill.quantity) AS quantity, exactly(fill.price) AS price, fill.liquidity AS liquidity,
       fill."at" AS "at", stored_at, generation, sequence
FROM order_events
WHERE type IN ('OrderPartiallyFilled', 'OrderFilled', 'FillCorrected')
QUALIFY row_number() OVER (
    PARTITION BY venue, account, fill.execution_id ORDER BY generation DESC, fill.revision DESC, sequence DESC) = 1
ORDER BY generation, sequence;

-- The executions of strategies' orders, each with whose its order was when it traded: what others have placed is a
-- strategy's from its claim on.
CREATE OR REPLACE VIEW fills_of_strategies AS
SELECT f.*, s.strategy
FROM fills AS f
ASOF JOIN (SELECT generation, venue, account, order_id, sequence, terms.strategy AS strategy FROM order_events
           WHERE type IN ('OrderCreated', 'OrderClaimed') AND terms.strategy <> '') AS s
    ON f.generation = s.generation AND f.venue = s.venue AND f.account = s.account AND f.order_id = s.order_id
       AND f.sequence >= s.sequence;

-- One row an execution: the fee of its last revision.
CREATE OR REPLACE VIEW commissions AS
SELECT execution_id, revision, venue, account, order_id, commission, currency, "at", stored_at, generation, sequence
FROM order_events
WHERE type = 'CommissionBooked'
QUALIFY row_number() OVER (
    PARTITION BY venue, account, execution_id ORDER BY generation DESC, revision DESC, sequence DESC) = 1
ORDER BY generation, sequence;

-- One row a payment: what a perpetual paid to an account (below 0: what the account paid).
CREATE OR REPLACE VIEW funding_payments AS
SELECT funding_id, venue, account, funding_symbol AS symbol, funding_amount AS amount, currency, "at", stored_at, generation,
       sequence
FROM order_events
WHERE type = 'FundingBooked'
QUALIFY row_number() OVER (PARTITION BY venue, account, funding_id ORDER BY generation DESC, sequence DESC) = 1
ORDER BY generation, sequence;

-- Each event with the terms that an order would have that begins with it. A denied one has none of its own: they are those of
-- the intent whose decision (the event's cause) denied it.
CREATE OR REPLACE VIEW order_beginnings AS
SELECT e.generation, e.sequence, e.type, e."at", coalesce(e.terms.symbol, wanted.symbol) AS symbol,
       coalesce(e.terms.side, wanted.side) AS side, coalesce(e.terms.quantity, wanted.quantity) AS quantity,
       coalesce(e.terms.order_type, wanted.order_type) AS order_type,
       coalesce(e.terms.limit_price, wanted.limit_price) AS limit_price,
       coalesce(e.terms.stop_price, wanted.stop_price) AS stop_price,
       coalesce(e.terms.time_in_force, wanted.time_in_force) AS time_in_force,
       coalesce(e.terms.reduce_only, wanted.reduce_only) AS reduce_only, coalesce(e.terms.post_only, wanted.post_only) AS post_only,
       coalesce(e.terms.all_or_none, wanted.all_or_none) AS all_or_none,
       coalesce(e.terms.display_quantity, wanted.display_quantity) AS display_quantity,
       coalesce(e.terms.not_before, wanted.not_before) AS not_before,
       coalesce(e.terms."trigger", wanted.trigger_method) AS trigger_method,
       coalesce(e.terms.trail_amount, wanted.trail_amount) AS trail_amount,
       coalesce(e.terms.trail_percent, wanted.trail_percent) AS trail_percent,
       coalesce(e.terms.limit_offset, wanted.limit_offset) AS limit_offset,
       coalesce(e.terms.activation_price, wanted.activation_price) AS activation_price,
       e.terms.currency AS currency, exactly(e.terms.estimated_commission) AS estimated_commission,
       coalesce(nullif(e.terms.strategy, ''), wanted.strategy) AS strategy, e.terms.placed_by AS placed_by,
       e.terms.venue_type AS venue_type, e.terms.venue_time_in_force AS venue_time_in_force
FROM order_events AS e
LEFT JOIN (SELECT d.decision_id, i.* REPLACE (
               -- a wish for a position that was sized has the side of its order; of a list it is the first leg
               coalesce(i.side, d.side, i.legs[1].side, CASE WHEN i.action IN ('OPEN_LONG', 'ADD_LONG', 'REDUCE_SHORT', 'CLOSE_SHORT')
                        THEN 'BUY' WHEN i.action <> 'TARGET' THEN 'SELL' END) AS side,
               coalesce(d.quantity, i.legs[1].quantity) AS quantity,
               coalesce(i.order_type, i.legs[1].order_type,
                        CASE WHEN i.action IS NULL THEN NULL WHEN i.limit_price IS NULL THEN 'MARKET' ELSE 'LIMIT' END) AS order_type,
               coalesce(i.limit_price, i.legs[1].limit_price) AS limit_price,
               coalesce(i.stop_price, i.legs[1].stop_price) AS stop_price,
               coalesce(i.time_in_force, i.legs[1].time_in_force) AS time_in_force,
               coalesce(i.reduce_only, i.legs[1].reduce_only) AS reduce_only,
               coalesce(i.post_only, i.legs[1].post_only) AS post_only)
           FROM typed_decisions AS d JOIN typed_intents AS i USING (generation, sequence)
           WHERE d.verdict = 'DENIED' AND i.type IN ('OrderIntent', 'PositionIntent', 'OrderListIntent')) AS wanted
    ON e.type = 'OrderDenied' AND wanted.generation = e.generation AND wanted.decision_id = e.cause;

-- One row an order: its terms as they stand, and its status after its last event. Only what has to be is folded by the
-- order's name; the rest comes from single events, found by their sequence: a million orders take less than half the memory so.
-- As of a place: as they were once TRADE had its message of that sequence, in its newest generation.
CREATE OR REPLACE MACRO orders_at(place) AS TABLE
SELECT folded.venue, folded.account, folded.order_id, closing.status, standing.symbol AS symbol,
       standing.side AS side,
       exactly(standing.quantity) AS quantity,
       standing.order_type AS order_type,
       exactly(standing.limit_price) AS limit_price,
       exactly(standing.stop_price) AS stop_price,
       standing.time_in_force AS time_in_force,
       standing.reduce_only AS reduce_only,
       standing.post_only AS post_only,
       standing.all_or_none AS all_or_none,
       exactly(standing.display_quantity) AS display_quantity,
       standing.not_before AS not_before,
       standing.trigger_method AS trigger_method,
       exactly(standing.trail_amount) AS trail_amount,
       exactly(standing.trail_percent) AS trail_percent,
       exactly(standing.limit_offset) AS limit_offset,
       exactly(standing.activation_price) AS activation_price,
       exactly(coalesce(folded.filled_quantity, 0)::DECIMAL(38,18)) AS filled_quantity, nullif(folded.executions, 0) AS executions,
       folded.reason,  -- DuckDB 2.0 can not compare what a coalesce within a CASE has made
       CASE WHEN closing.status <> 'REJECTED' THEN NULL WHEN folded.refused_by IS NULL THEN 'UNSTATED'
            ELSE folded.refused_by END AS refused_by,
       folded.venue_order_id, standing.currency AS currency, standing.estimated_commission AS estimated_commission,
       standing.strategy, standing.placed_by, standing.venue_type, standing.venue_time_in_force,
       CASE WHEN opening.type = 'OrderCreated' THEN opening."at" END AS created_at,
       closing."at" AS changed_at, folded.events, folded.generation, folded.sequence
FROM (SELECT venue, account, order_id, generation, min(sequence) AS first_sequence, max(sequence) AS sequence, count(*) AS events,
             coalesce(max(sequence) FILTER (WHERE type IN ('OrderCreated', 'OrderReplaced', 'OrderClaimed')), min(sequence)) AS terms_sequence,
             arg_max(cumulative_quantity, sequence) AS filled_quantity,  -- the OMS's own, after corrections
             count(*) FILTER (WHERE type IN ('OrderPartiallyFilled', 'OrderFilled')) AS executions,
             arg_max(reason, sequence) AS reason, arg_max(venue_order_id, sequence) AS venue_order_id,
             max(CASE WHEN type = 'OrderRejected' THEN refused_by END) AS refused_by
      FROM order_events
      WHERE NOT starts_with(order_id, '_') AND NOT starts_with(type, 'List')  -- _baseline, lists ... are no orders
        AND (sequence <= place OR generation < (SELECT max(generation) FROM order_events))
      GROUP BY ALL) AS folded
JOIN order_events AS opening ON opening.generation = folded.generation AND opening.sequence = folded.first_sequence
JOIN order_beginnings AS standing ON standing.generation = folded.generation AND standing.sequence = folded.terms_sequence
JOIN order_events AS closing ON closing.generation = folded.generation AND closing.sequence = folded.sequence;

CREATE OR REPLACE VIEW orders AS SELECT * FROM orders_at(9223372036854775807);

-- An average price is a quotient: it is rounded.
CREATE OR REPLACE VIEW position_history AS
SELECT * REPLACE (exactly(quantity) AS quantity, average_price::DECIMAL(38,12) AS average_price,
                  mark_price::DECIMAL(38,12) AS mark_price, multiplier::DECIMAL(38,4) AS multiplier)
FROM typed_position_history;

-- The last row of each subject is found by its place: a window over whole rows would hold them all in memory.
CREATE OR REPLACE VIEW positions AS
SELECT * FROM position_history SEMI JOIN (
    SELECT max(generation) AS generation, arg_max(sequence, generation) AS sequence
    FROM (SELECT subject, generation, max(sequence) AS sequence FROM position_history GROUP BY ALL) GROUP BY subject
) AS newest USING (generation, sequence);

CREATE OR REPLACE VIEW book_history AS SELECT * FROM typed_book_history;

CREATE OR REPLACE VIEW books AS
SELECT * FROM book_history SEMI JOIN (
    SELECT max(generation) AS generation, arg_max(sequence, generation) AS sequence
    FROM (SELECT subject, generation, max(sequence) AS sequence FROM book_history GROUP BY ALL) GROUP BY subject
) AS newest USING (generation, sequence);

CREATE OR REPLACE VIEW account_history AS SELECT * FROM typed_account_history;

CREATE OR REPLACE VIEW accounts AS
SELECT * FROM account_history SEMI JOIN (
    SELECT max(generation) AS generation, arg_max(sequence, generation) AS sequence
    FROM (SELECT subject, generation, max(sequence) AS sequence FROM account_history GROUP BY ALL) GROUP BY subject
) AS newest USING (generation, sequence);

CREATE OR REPLACE VIEW instruments AS
SELECT m.venue, m.symbol, m.kind, m.currency, m.exchange, m.calendar, m.tick_size, m.lot_size, m.minimum_quantity,
       m.multiplier, m.initial_margin, m.maintenance_margin, coalesce(m.market_state, 'OPEN') AS market_state,
       coalesce(m.is_isolated, false) AS is_isolated, m.venue_id, m.name, m."at", stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"venue":"VARCHAR","symbol":"VARCHAR","kind":"VARCHAR",
        "currency":"VARCHAR","exchange":"VARCHAR","calendar":"VARCHAR","tick_size":"DECIMAL(38,18)",
        "lot_size":"DECIMAL(38,18)","minimum_quantity":"DECIMAL(38,18)","multiplier":"DECIMAL(38,18)",
        "initial_margin":"DECIMAL(38,18)","maintenance_margin":"DECIMAL(38,18)",
        "market_state":"VARCHAR","is_isolated":"BOOLEAN",
        "venue_id":"VARCHAR","name":"VARCHAR","at":"TIMESTAMPTZ"}') AS m
      FROM messages WHERE stream = 'STATE' AND starts_with(subject, 'md.instrument.')
      QUALIFY row_number() OVER (PARTITION BY subject ORDER BY generation DESC, sequence DESC) = 1);

-- What a perpetual will pay at the next hour, each time the venue changed it, and the oracle's price then.
CREATE OR REPLACE VIEW funding_rates AS
SELECT m.venue, m.symbol, m.rate, m.oracle_price, m."at", m.received_at, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"venue":"VARCHAR","symbol":"VARCHAR","rate":"DECIMAL(38,18)",
        "oracle_price":"DECIMAL(38,18)","at":"TIMESTAMPTZ","received_at":"TIMESTAMPTZ"}') AS m
      FROM messages WHERE stream = 'STATE' AND starts_with(subject, 'md.funding.'));

CREATE OR REPLACE VIEW commands AS SELECT * FROM typed_commands;

CREATE OR REPLACE VIEW submissions AS SELECT * FROM typed_submissions;

CREATE OR REPLACE VIEW reports AS SELECT * FROM typed_reports;

CREATE OR REPLACE VIEW timers AS
SELECT CASE WHEN starts_with(subject, 'timer.fired.') THEN 'FIRED' ELSE 'SET' END AS what, m.id AS timer_id, m.order_id,
       m.due, m."at", stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"id":"VARCHAR","order_id":"VARCHAR","due":"TIMESTAMPTZ",
        "at":"TIMESTAMPTZ"}') AS m
      FROM messages WHERE stream = 'TIMERS');

CREATE OR REPLACE VIEW trading_states AS
-- By whom is the subject's last word, which the server wrote; before there were names, what the sender said.
SELECT m.mode, m.reason, coalesce(nullif(split_part(subject, '.', 4), ''), m."by") AS "by", m."at", stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"mode":"VARCHAR","reason":"VARCHAR","by":"VARCHAR",
        "at":"TIMESTAMPTZ"}') AS m
      FROM messages WHERE stream = 'KV_CONTROL' AND starts_with(subject, '$KV.CONTROL.trading-state'));

CREATE OR REPLACE VIEW books_acts AS
SELECT m.act.id AS act_id, m.act.type AS type, CASE m.type WHEN 'BooksActRefused' THEN 'REFUSED' ELSE 'BOOKED' END AS outcome,
       m."at", m.venue, m.account, m.act.symbol AS symbol, m.act."by" AS "by", m.act.reason AS reason, m.reason AS refused,
       m.changes[1].moved AS moved, m.cash, m.left_orders, m.changes, act_text AS act, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"type":"VARCHAR","at":"TIMESTAMPTZ","venue":"VARCHAR","account":"VARCHAR",
        "reason":"VARCHAR","cash":"MAP(VARCHAR,DECIMAL(38,18))","left_orders":["VARCHAR"],
        "act":{"id":"VARCHAR","type":"VARCHAR","symbol":"VARCHAR","by":"VARCHAR","reason":"VARCHAR"},
        "changes":[{"symbol":"VARCHAR","kind":"VARCHAR","at":"TIMESTAMPTZ","moved":"DECIMAL(38,18)",
                    "quantity":"DECIMAL(38,18)","cost":"DECIMAL(38,18)","numerator":"DECIMAL(38,18)",
                    "denominator":"DECIMAL(38,18)"}]}') AS m,
             json_extract(readable(payload), '$.act')::VARCHAR AS act_text
      FROM messages
      WHERE stream = 'TRADE' AND (ends_with(subject, '._acts') OR (
          contains(subject, '.external-') AND json_extract_string(readable(payload), '$.type') = 'OrderClaimed')));

CREATE OR REPLACE VIEW dead_letters AS
SELECT m.service, m.stream, m.sequence AS stream_sequence, m.subject, m.error, m.payload AS payload_base64, m.payload_bytes,
       m."at", stored_at, generation, sequence
FROM (SELECT generation, sequence, stored_at, json_transform(readable(payload), '{"service":"VARCHAR","stream":"VARCHAR",
        "sequence":"BIGINT","subject":"VARCHAR","error":"VARCHAR","payload":"VARCHAR","payload_bytes":"BIGINT",
        "at":"TIMESTAMPTZ"}') AS m
      FROM messages WHERE stream = 'DEAD');

-- An order's way by the server's clock: when each hop's message was stored, and the milliseconds since the hop before. The
-- command is stored before the event that tells of it (decision 33): both are told from the decision on.
-- Each hop in one table of a million names, not one for each hop.
CREATE OR REPLACE VIEW latencies AS
WITH hop AS (
    SELECT decided.*, command_at, sent_at, report_at
    FROM (SELECT order_id, generation, min(intent_stored_at) AS intent_at, min(stored_at) FILTER (hop = 'decision') AS decision_at,
                 min(stored_at) FILTER (hop = 'created') AS created_at
          FROM (SELECT 'decision' AS hop, order_id, generation, intent_stored_at, stored_at FROM decisions
                WHERE verdict = 'APPROVED' AND order_id = intent_id  -- not of a cancel of it
                UNION ALL
                SELECT 'created', order_id, generation, NULL, stored_at FROM order_events WHERE type = 'OrderCreated')
          GROUP BY order_id, generation HAVING decision_at IS NOT NULL) AS decided
    LEFT JOIN
         (SELECT order_id, min(stored_at) FILTER (hop = 'command') AS command_at, min(stored_at) FILTER (hop = 'sent') AS sent_at,
                 min(stored_at) FILTER (hop = 'report') AS report_at
          FROM (SELECT 'command' AS hop, order_id, stored_at FROM commands WHERE type = 'SubmitOrder'
                UNION ALL
                SELECT 'sent', order_id, stored_at FROM submissions WHERE type = 'LedgerSent'
                UNION ALL
                SELECT 'report', order_id, stored_at FROM reports)
          GROUP BY order_id) AS told USING (order_id))
SELECT *, round(date_diff('microsecond', intent_at, decision_at) / 1000, 3) AS decision_milliseconds,
       round(date_diff('microsecond', decision_at, created_at) / 1000, 3) AS created_milliseconds,
       round(date_diff('microsecond', decision_at, command_at) / 1000, 3) AS command_milliseconds,
       round(date_diff('microsecond', command_at, sent_at) / 1000, 3) AS sent_milliseconds,
       round(date_diff('microsecond', sent_at, report_at) / 1000, 3) AS report_milliseconds,
       round(date_diff('microsecond', intent_at, sent_at) / 1000, 3) AS intent_to_sent_milliseconds
FROM hop;
