-- What people read. Money, prices and quantities are DECIMAL(38,18) (20 digits before the point; what does not fit, or can not
-- be read, is NULL: the raw payload has it), times TIMESTAMPTZ. Indicator values are DOUBLE, as on the wire.
-- Every view carries the stream's sequence; stored_at is the server's time of storing.

CREATE OR REPLACE VIEW messages AS
SELECT stream, generation, sequence, subject, make_timestamptz(stored_at_ns // 1000) AS stored_at, message_id,
       payload, payload_bytes, payload_size, payload_md5
FROM recorded;

CREATE OR REPLACE VIEW bars AS
SELECT m.venue, m.symbol, m.timeframe, m.start, m."at", m.open, m.high, m.low, m.close, m.volume, m.trades, m.source,
       m.received_at, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"venue":"VARCHAR","symbol":"VARCHAR","timeframe":"VARCHAR",
        "start":"TIMESTAMPTZ","at":"TIMESTAMPTZ","open":"DECIMAL(38,18)","high":"DECIMAL(38,18)","low":"DECIMAL(38,18)",
        "close":"DECIMAL(38,18)","volume":"DECIMAL(38,18)","trades":"BIGINT","source":"VARCHAR",
        "received_at":"TIMESTAMPTZ"}') AS m
      FROM messages WHERE stream = 'BARS');

CREATE OR REPLACE VIEW scores AS
SELECT m.venue, m.symbol, m.timeframe, m.bar_start, m."at", m.close, m.supertrend, m.direction, m.ema, m.atr,
       m.trend_score, m.ema_deviation, m.new_high_score, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"venue":"VARCHAR","symbol":"VARCHAR","timeframe":"VARCHAR",
        "bar_start":"TIMESTAMPTZ","at":"TIMESTAMPTZ","close":"DOUBLE","supertrend":"DOUBLE","direction":"INTEGER",
        "ema":"DOUBLE","atr":"DOUBLE","trend_score":"BIGINT","ema_deviation":"DOUBLE","new_high_score":"BIGINT"}') AS m
      FROM messages WHERE stream = 'SCORES');

-- What was wanted, as its decision has it (symbol and account filled in), by whom: one row a decided intent. One that
-- could not be read has no terms. intent_sequence and intent_stored_at are its place in INTENTS, sequence its decision's.
CREATE OR REPLACE VIEW intents AS SELECT * FROM typed_intents;

CREATE OR REPLACE VIEW decisions AS SELECT * FROM typed_decisions;

CREATE OR REPLACE VIEW checks AS
SELECT decision_id, intent_id, intent_sequence, verdict, number, c.name, c.passed, c."limit", c.observed, c.source, c.reason,
       stored_at, generation, sequence
FROM (SELECT *, unnest(checks) AS c, generate_subscripts(checks, 1) AS number FROM decisions);

CREATE OR REPLACE VIEW order_events AS SELECT * FROM typed_order_events;

-- One row an execution: its last revision.
CREATE OR REPLACE VIEW fills AS
SELECT fill.execution_id AS execution_id, fill.revision AS revision, venue, account, order_id, fill.symbol AS symbol,
       fill.side AS side, fill.quantity AS quantity, fill.price AS price, fill.liquidity AS liquidity, fill."at" AS "at",
       stored_at, generation, sequence
FROM order_events
WHERE type IN ('OrderPartiallyFilled', 'OrderFilled', 'FillCorrected')
QUALIFY row_number() OVER (
    PARTITION BY venue, account, fill.execution_id ORDER BY generation DESC, fill.revision DESC, sequence DESC) = 1;

-- One row an execution: the fee of its last revision.
CREATE OR REPLACE VIEW commissions AS
SELECT execution_id, revision, venue, account, order_id, commission, currency, "at", stored_at, generation, sequence
FROM order_events
WHERE type = 'CommissionBooked'
QUALIFY row_number() OVER (
    PARTITION BY venue, account, execution_id ORDER BY generation DESC, revision DESC, sequence DESC) = 1;

-- One row a payment: what a perpetual paid to an account (below 0: what the account paid).
CREATE OR REPLACE VIEW funding_payments AS
SELECT funding_id, venue, account, funding_symbol AS symbol, funding_amount AS amount, currency, "at", stored_at, generation,
       sequence
FROM order_events
WHERE type = 'FundingBooked'
QUALIFY row_number() OVER (PARTITION BY venue, account, funding_id ORDER BY generation DESC, sequence DESC) = 1;

-- One row an order: its terms, and its status after its last event.
CREATE OR REPLACE VIEW orders AS
SELECT venue, account, order_id, last.status, created.terms.symbol AS symbol, created.terms.side AS side,
       created.terms.quantity AS quantity, created.terms.order_type AS order_type,
       created.terms.limit_price AS limit_price, created.terms.stop_price AS stop_price,
       created.terms.time_in_force AS time_in_force, created.terms.reduce_only AS reduce_only, coalesce(filled.quantity, 0)::DECIMAL(38,18) AS filled_quantity,
       filled.executions, last.reason, last.refused_by, last.venue_order_id, created."at" AS created_at, last."at" AS changed_at,
       last.events, last.generation, last.sequence
FROM (SELECT venue, account, order_id, generation, max(sequence) AS sequence, count(*) AS events,
             arg_max(status, sequence) AS status, arg_max(reason, sequence) AS reason,
             arg_max(venue_order_id, sequence) AS venue_order_id, max_by("at", sequence) AS "at",
             CASE WHEN arg_max(status, sequence) = 'REJECTED'
                  THEN coalesce(arg_max(refused_by, sequence) FILTER (WHERE type = 'OrderRejected'), 'UNSTATED') END AS refused_by
      FROM order_events WHERE NOT starts_with(order_id, '_') GROUP BY ALL) AS last  -- _baseline, _funding ... are no orders
LEFT JOIN (SELECT venue, account, order_id, generation, terms, "at" FROM order_events WHERE type = 'OrderCreated') AS created
    USING (venue, account, order_id, generation)
LEFT JOIN (SELECT venue, account, order_id, generation, sum(quantity) AS quantity, count(*) AS executions
           FROM fills GROUP BY ALL) AS filled
    USING (venue, account, order_id, generation);

CREATE OR REPLACE VIEW position_history AS SELECT * FROM typed_position_history;

CREATE OR REPLACE VIEW positions AS
SELECT * FROM position_history
QUALIFY row_number() OVER (PARTITION BY subject ORDER BY generation DESC, sequence DESC) = 1;

CREATE OR REPLACE VIEW book_history AS SELECT * FROM typed_book_history;

CREATE OR REPLACE VIEW books AS
SELECT * FROM book_history
QUALIFY row_number() OVER (PARTITION BY subject ORDER BY generation DESC, sequence DESC) = 1;

CREATE OR REPLACE VIEW account_history AS SELECT * FROM typed_account_history;

CREATE OR REPLACE VIEW accounts AS
SELECT * FROM account_history
QUALIFY row_number() OVER (PARTITION BY subject ORDER BY generation DESC, sequence DESC) = 1;

CREATE OR REPLACE VIEW instruments AS
SELECT m.venue, m.symbol, m.kind, m.currency, m.exchange, m.calendar, m.tick_size, m.lot_size, m.minimum_quantity,
       m.multiplier, m.initial_margin, m.maintenance_margin, m.venue_id, m.name, m."at", stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"venue":"VARCHAR","symbol":"VARCHAR","kind":"VARCHAR",
        "currency":"VARCHAR","exchange":"VARCHAR","calendar":"VARCHAR","tick_size":"DECIMAL(38,18)",
        "lot_size":"DECIMAL(38,18)","minimum_quantity":"DECIMAL(38,18)","multiplier":"DECIMAL(38,18)",
        "initial_margin":"DECIMAL(38,18)","maintenance_margin":"DECIMAL(38,18)",
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
      FROM messages WHERE stream = 'KV_CONTROL');

CREATE OR REPLACE VIEW dead_letters AS
SELECT m.service, m.stream, m.sequence AS stream_sequence, m.subject, m.error, m.payload AS payload_base64, m.payload_bytes,
       m."at", stored_at, generation, sequence
FROM (SELECT generation, sequence, stored_at, json_transform(readable(payload), '{"service":"VARCHAR","stream":"VARCHAR",
        "sequence":"BIGINT","subject":"VARCHAR","error":"VARCHAR","payload":"VARCHAR","payload_bytes":"BIGINT",
        "at":"TIMESTAMPTZ"}') AS m
      FROM messages WHERE stream = 'DEAD');

-- An intent's way by the server's clock: when each hop's message was stored, and the milliseconds since the hop before.
CREATE OR REPLACE VIEW latencies AS
WITH hop AS (
    SELECT d.order_id, d.generation, d.intent_stored_at AS intent_at, d.stored_at AS decision_at,
           (SELECT min(stored_at) FROM order_events e
            WHERE e.order_id = d.order_id AND e.generation = d.generation AND e.type = 'OrderCreated') AS created_at,
           (SELECT min(stored_at) FROM commands c
            WHERE c.order_id = d.order_id AND c.type = 'SubmitOrder') AS command_at,
           (SELECT min(stored_at) FROM submissions s WHERE s.order_id = d.order_id AND s.type = 'LedgerSent') AS sent_at,
           (SELECT min(stored_at) FROM reports r WHERE r.order_id = d.order_id) AS report_at
    FROM decisions d WHERE d.verdict = 'APPROVED')
SELECT *, round(date_diff('microsecond', intent_at, decision_at) / 1000, 3) AS decision_milliseconds,
       round(date_diff('microsecond', decision_at, created_at) / 1000, 3) AS created_milliseconds,
       round(date_diff('microsecond', created_at, command_at) / 1000, 3) AS command_milliseconds,
       round(date_diff('microsecond', command_at, sent_at) / 1000, 3) AS sent_milliseconds,
       round(date_diff('microsecond', sent_at, report_at) / 1000, 3) AS report_milliseconds,
       round(date_diff('microsecond', intent_at, sent_at) / 1000, 3) AS intent_to_sent_milliseconds
FROM hop;
