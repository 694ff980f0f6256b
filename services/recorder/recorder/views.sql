-- What people read. Money, prices and quantities are DECIMAL(38,18) (20 digits before the point; what does not fit, or can not
-- be read, is NULL: the raw payload has it), times TIMESTAMPTZ. Indicator values are DOUBLE, as on the wire.
-- Every view carries the stream's sequence; stored_at is the server's time of storing.

CREATE OR REPLACE MACRO readable(text) AS CASE WHEN json_valid(text) THEN text END;

CREATE OR REPLACE VIEW messages AS
SELECT stream, generation, sequence, subject, make_timestamptz(stored_at_ns // 1000) AS stored_at, message_id,
       payload, payload_bytes
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
CREATE OR REPLACE VIEW intents AS
SELECT coalesce(m.intent.id, m.cause) AS intent_id, m.intent.type AS type, m.by AS "by", m.intent."at" AS "at",
       m.intent.venue AS venue, m.intent.account AS account, m.intent.symbol AS symbol, m.intent.side AS side,
       m.intent.quantity AS quantity, m.intent.order_type AS order_type, m.intent.limit_price AS limit_price,
       m.intent.stop_price AS stop_price, m.intent.time_in_force AS time_in_force, m.intent.good_till AS good_till,
       m.intent.outside_regular_hours AS outside_regular_hours, m.intent.reduce_only AS reduce_only,
       m.intent.valid_until AS valid_until, m.intent.order_id AS order_id, m.intent.strategy AS strategy,
       m.intent.note AS note, m.intent.cause AS cause, m.intent_sequence AS intent_sequence,
       nullif(m.intent_stored_at, TIMESTAMPTZ '0001-01-01 00:00:00+00') AS intent_stored_at, subject, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"cause":"VARCHAR","by":"VARCHAR","intent_sequence":"BIGINT",
        "intent_stored_at":"TIMESTAMPTZ",
        "intent":{"id":"VARCHAR","type":"VARCHAR","at":"TIMESTAMPTZ","cause":"VARCHAR","venue":"VARCHAR","account":"VARCHAR",
        "symbol":"VARCHAR","side":"VARCHAR","quantity":"DECIMAL(38,18)",
        "order_type":"VARCHAR","limit_price":"DECIMAL(38,18)","stop_price":"DECIMAL(38,18)","time_in_force":"VARCHAR",
        "good_till":"TIMESTAMPTZ","outside_regular_hours":"BOOLEAN","reduce_only":"BOOLEAN","valid_until":"TIMESTAMPTZ",
        "order_id":"VARCHAR","strategy":"VARCHAR","note":"VARCHAR"}}') AS m
      FROM messages WHERE stream = 'TRADE' AND starts_with(subject, 'decision.'));

CREATE OR REPLACE VIEW decisions AS
SELECT m.id AS decision_id, CASE m.type WHEN 'IntentApproved' THEN 'APPROVED' ELSE 'DENIED' END AS verdict, m."at",
       m.by AS "by", m.intent.id AS intent_id, m.intent_sequence,
       nullif(m.intent_stored_at, TIMESTAMPTZ '0001-01-01 00:00:00+00') AS intent_stored_at, m.intent.venue AS venue, m.intent.account AS account,
       m.intent.symbol AS symbol, m.intent.side AS side, m.intent.quantity AS quantity, m.reason, m.reference_price,
       m.order_id, m.checks, m.cause, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"id":"VARCHAR","type":"VARCHAR","at":"TIMESTAMPTZ","cause":"VARCHAR",
        "by":"VARCHAR","intent_sequence":"BIGINT","intent_stored_at":"TIMESTAMPTZ","order_id":"VARCHAR","reason":"VARCHAR","reference_price":"DECIMAL(38,18)",
        "intent":{"id":"VARCHAR","venue":"VARCHAR","account":"VARCHAR","symbol":"VARCHAR","side":"VARCHAR",
                  "quantity":"DECIMAL(38,18)"},
        "checks":[{"name":"VARCHAR","passed":"BOOLEAN","limit":"VARCHAR","observed":"VARCHAR","source":"VARCHAR",
                   "reason":"VARCHAR"}]}') AS m
      FROM messages WHERE stream = 'TRADE' AND starts_with(subject, 'decision.'));

CREATE OR REPLACE VIEW checks AS
SELECT decision_id, intent_id, intent_sequence, verdict, number, c.name, c.passed, c."limit", c.observed, c.source, c.reason,
       stored_at, generation, sequence
FROM (SELECT *, unnest(checks) AS c, generate_subscripts(checks, 1) AS number FROM decisions);

CREATE OR REPLACE VIEW order_events AS
SELECT m.id AS event_id, m.type, m."at", m.venue, m.account, m.order_id, m.status, m.reason, m.refused_by, m.venue_order_id,
       m."order" AS terms, m.fill, m.cumulative_quantity, m.leaves_quantity, m.execution_id, m.revision, m.commission,
       m.currency, m.funding_id, m.symbol AS funding_symbol, m.amount AS funding_amount, m.cause, stored_at, generation,
       sequence
FROM (SELECT *, json_transform(readable(payload), '{"id":"VARCHAR","type":"VARCHAR","at":"TIMESTAMPTZ","cause":"VARCHAR",
        "venue":"VARCHAR","account":"VARCHAR","order_id":"VARCHAR","status":"VARCHAR","reason":"VARCHAR",
        "refused_by":"VARCHAR","venue_order_id":"VARCHAR","cumulative_quantity":"DECIMAL(38,18)","leaves_quantity":"DECIMAL(38,18)",
        "execution_id":"VARCHAR","revision":"INTEGER","commission":"DECIMAL(38,18)","currency":"VARCHAR",
        "funding_id":"VARCHAR","symbol":"VARCHAR","amount":"DECIMAL(38,18)",
        "order":{"intent_id":"VARCHAR","symbol":"VARCHAR","side":"VARCHAR","quantity":"DECIMAL(38,18)",
                 "order_type":"VARCHAR","limit_price":"DECIMAL(38,18)","stop_price":"DECIMAL(38,18)",
                 "time_in_force":"VARCHAR","good_till":"TIMESTAMPTZ","reduce_only":"BOOLEAN",
                 "multiplier":"DECIMAL(38,18)","currency":"VARCHAR"},
        "fill":{"execution_id":"VARCHAR","revision":"INTEGER","order_id":"VARCHAR","symbol":"VARCHAR","side":"VARCHAR",
                "quantity":"DECIMAL(38,18)","price":"DECIMAL(38,18)","at":"TIMESTAMPTZ","liquidity":"VARCHAR"}}') AS m
      FROM messages WHERE stream = 'TRADE' AND starts_with(subject, 'order.'));

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

CREATE OR REPLACE VIEW position_history AS
SELECT m.venue, m.account, m.symbol, m.currency, m.multiplier, m.quantity, m.average_price, m.realized_pnl,
       m.unrealized_pnl, m.commission, m.funding, m.mark_price, m."at", subject, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"venue":"VARCHAR","account":"VARCHAR","symbol":"VARCHAR",
        "currency":"VARCHAR","multiplier":"DECIMAL(38,18)","quantity":"DECIMAL(38,18)","average_price":"DECIMAL(38,18)",
        "realized_pnl":"DECIMAL(38,18)","unrealized_pnl":"DECIMAL(38,18)","commission":"DECIMAL(38,18)",
        "funding":"DECIMAL(38,18)","mark_price":"DECIMAL(38,18)","at":"TIMESTAMPTZ"}') AS m
      FROM messages WHERE stream = 'STATE' AND starts_with(subject, 'position.'));

CREATE OR REPLACE VIEW positions AS
SELECT * FROM position_history
QUALIFY row_number() OVER (PARTITION BY subject ORDER BY generation DESC, sequence DESC) = 1;

CREATE OR REPLACE VIEW book_history AS
SELECT m.venue, m.account, m.currency, m.cash, m.realized_pnl, m.commission, m.funding, m.fills, m.trade_sequence, m."at",
       subject, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"venue":"VARCHAR","account":"VARCHAR","currency":"VARCHAR",
        "cash":"DECIMAL(38,18)","realized_pnl":"DECIMAL(38,18)","commission":"DECIMAL(38,18)",
        "funding":"DECIMAL(38,18)","fills":"BIGINT",
        "trade_sequence":"BIGINT","at":"TIMESTAMPTZ"}') AS m
      FROM messages WHERE stream = 'STATE' AND starts_with(subject, 'book.'));

CREATE OR REPLACE VIEW books AS
SELECT * FROM book_history
QUALIFY row_number() OVER (PARTITION BY subject ORDER BY generation DESC, sequence DESC) = 1;

CREATE OR REPLACE VIEW account_history AS
SELECT m.venue, m.account, m.currency, m.cash, m.net_liquidation, m.available_funds, m.buying_power, m.initial_margin,
       m.maintenance_margin, m.leverage, m.daily_pnl, m.unrealized_pnl, m.realized_pnl, m."at", subject, stored_at,
       generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"venue":"VARCHAR","account":"VARCHAR","currency":"VARCHAR",
        "cash":"DECIMAL(38,18)","net_liquidation":"DECIMAL(38,18)","available_funds":"DECIMAL(38,18)",
        "buying_power":"DECIMAL(38,18)","initial_margin":"DECIMAL(38,18)","maintenance_margin":"DECIMAL(38,18)",
        "leverage":"DECIMAL(38,18)","daily_pnl":"DECIMAL(38,18)","unrealized_pnl":"DECIMAL(38,18)","realized_pnl":"DECIMAL(38,18)",
        "at":"TIMESTAMPTZ"}') AS m
      FROM messages WHERE stream = 'STATE' AND starts_with(subject, 'account.'));

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

CREATE OR REPLACE VIEW commands AS
SELECT m.id AS command_id, m.type, m."at", coalesce(m.venue, m."order".venue) AS venue,
       coalesce(m.account, m."order".account) AS account, coalesce(m.order_id, m."order".order_id) AS order_id,
       m."order".symbol AS symbol, m."order".side AS side, m."order".quantity AS quantity, m.venue_order_id, m.deadline,
       m.cause, subject, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"id":"VARCHAR","type":"VARCHAR","at":"TIMESTAMPTZ","cause":"VARCHAR",
        "venue":"VARCHAR","account":"VARCHAR","order_id":"VARCHAR","venue_order_id":"VARCHAR","deadline":"TIMESTAMPTZ",
        "order":{"venue":"VARCHAR","account":"VARCHAR","order_id":"VARCHAR","symbol":"VARCHAR","side":"VARCHAR",
                 "quantity":"DECIMAL(38,18)"}}') AS m
      FROM messages WHERE stream = 'COMMANDS');

CREATE OR REPLACE VIEW submissions AS
SELECT m.id AS entry_id, m.type, m."at", m.venue, m."order".order_id AS order_id, m.attempt_id, m.venue_order_id,
       m.good_til_block, m.cause, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"id":"VARCHAR","type":"VARCHAR","at":"TIMESTAMPTZ","cause":"VARCHAR",
        "venue":"VARCHAR","attempt_id":"VARCHAR","venue_order_id":"VARCHAR","good_til_block":"BIGINT",
        "order":{"order_id":"VARCHAR"}}') AS m
      FROM messages WHERE stream = 'LEDGER');

CREATE OR REPLACE VIEW reports AS
SELECT m.id AS report_id, m.type, m."at", m.venue, m.account, coalesce(m.order_id, m.fill.order_id) AS order_id,
       m.venue_order_id, coalesce(m.execution_id, m.fill.execution_id) AS execution_id,
       coalesce(m.revision, m.fill.revision) AS revision, coalesce(m.symbol, m.fill.symbol) AS symbol, m.fill.side AS side,
       m.fill.quantity AS quantity, m.fill.price AS price, m.fill.liquidity AS liquidity, m.commission, m.funding_id,
       m.amount AS funding_amount, m.rate AS funding_rate, m.currency, m.cash, m.code, m.reason,
       m.refused_by, m.received_at, m.cause, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(payload), '{"id":"VARCHAR","type":"VARCHAR","at":"TIMESTAMPTZ","cause":"VARCHAR",
        "venue":"VARCHAR","account":"VARCHAR","order_id":"VARCHAR","venue_order_id":"VARCHAR","execution_id":"VARCHAR",
        "revision":"INTEGER","commission":"DECIMAL(38,18)","currency":"VARCHAR","cash":"DECIMAL(38,18)","code":"VARCHAR",
        "reason":"VARCHAR","refused_by":"VARCHAR","received_at":"TIMESTAMPTZ","symbol":"VARCHAR","funding_id":"VARCHAR",
        "amount":"DECIMAL(38,18)","rate":"DECIMAL(38,18)",
        "fill":{"execution_id":"VARCHAR","revision":"INTEGER","order_id":"VARCHAR","symbol":"VARCHAR","side":"VARCHAR",
                "quantity":"DECIMAL(38,18)","price":"DECIMAL(38,18)","liquidity":"VARCHAR"}}') AS m
      FROM messages WHERE stream = 'REPORTS');

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
