-- What is written down typed when a message is recorded, so that no query parses JSON over millions of rows. Each statement
-- reads `arrived` (the rows of one batch, as the view `messages` shows them) and fills the table of the name in its heading,
-- `typed_<name>`; the view of that name shows it. The tables are derived: change a statement, and the recorder fills its table
-- anew from the raw record at its next start. `payload` is cut where a message is longer than the record keeps, `whole` is not:
-- what people send is read from the first, what services send from the second.

-- typed: intents
SELECT coalesce(m.intent.id, m.cause) AS intent_id, m.intent.type AS type, m.by AS "by", m.intent."at" AS "at",
       m.intent.venue AS venue, m.intent.account AS account, m.intent.symbol AS symbol, m.intent.side AS side,
       m.intent.quantity AS quantity, m.intent.order_type AS order_type, m.intent.limit_price AS limit_price,
       m.intent.stop_price AS stop_price, m.intent.time_in_force AS time_in_force, m.intent.good_till AS good_till,
       m.intent.outside_regular_hours AS outside_regular_hours, m.intent.reduce_only AS reduce_only,
       m.intent.post_only AS post_only, m.intent.all_or_none AS all_or_none, m.intent.display_quantity AS display_quantity,
       m.intent.not_before AS not_before, m.intent."trigger" AS trigger_method,
       m.intent.trail_amount AS trail_amount, m.intent.trail_percent AS trail_percent, m.intent.limit_offset AS limit_offset,
       m.intent.activation_price AS activation_price,
       m.intent.action AS action, m.intent.share AS share, m.intent.contingency AS contingency, m.intent.legs AS legs,
       m.intent.valid_until AS valid_until, m.intent.order_id AS order_id, m.intent.strategy AS strategy,
       m.intent.note AS note, m.intent.cause AS cause, m.intent_sequence AS intent_sequence,
       nullif(m.intent_stored_at, TIMESTAMPTZ '0001-01-01 00:00:00+00') AS intent_stored_at, subject, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(whole), '{"cause":"VARCHAR","by":"VARCHAR","intent_sequence":"BIGINT",
        "intent_stored_at":"TIMESTAMPTZ",
        "intent":{"id":"VARCHAR","type":"VARCHAR","at":"TIMESTAMPTZ","cause":"VARCHAR","venue":"VARCHAR","account":"VARCHAR",
        "symbol":"VARCHAR","side":"VARCHAR","quantity":"DECIMAL(38,18)",
        "order_type":"VARCHAR","limit_price":"DECIMAL(38,18)","stop_price":"DECIMAL(38,18)","time_in_force":"VARCHAR",
        "good_till":"TIMESTAMPTZ","outside_regular_hours":"BOOLEAN","reduce_only":"BOOLEAN","post_only":"BOOLEAN","valid_until":"TIMESTAMPTZ",
        "all_or_none":"BOOLEAN","display_quantity":"DECIMAL(38,18)","not_before":"TIMESTAMPTZ","trigger":"VARCHAR",
        "trail_amount":"DECIMAL(38,18)","trail_percent":"DECIMAL(38,18)","limit_offset":"DECIMAL(38,18)",
        "activation_price":"DECIMAL(38,18)",
        "order_id":"VARCHAR","strategy":"VARCHAR","note":"VARCHAR","action":"VARCHAR","share":"DECIMAL(38,18)",
        "contingency":"VARCHAR","legs":[{"name":"VARCHAR","side":"VARCHAR","order_type":"VARCHAR","quantity":"DECIMAL(38,18)",
        "share":"DECIMAL(38,18)","limit_price":"DECIMAL(38,18)","stop_price":"DECIMAL(38,18)","time_in_force":"VARCHAR",
        "limit_offset":{"amount":"DECIMAL(38,18)","unit":"VARCHAR"},"stop_offset":{"amount":"DECIMAL(38,18)","unit":"VARCHAR"},
        "reduce_only":"BOOLEAN","post_only":"BOOLEAN",
        "trail_amount":"DECIMAL(38,18)","trail_percent":"DECIMAL(38,18)"}]}}') AS m
      FROM arrived WHERE stream = 'TRADE' AND starts_with(subject, 'decision.')
                     AND NOT starts_with(subject, 'decision.ended.')
                     AND NOT starts_with(subject, 'decision.switched.')
                     AND NOT starts_with(subject, 'decision.limits'));

-- typed: decisions
SELECT m.id AS decision_id, CASE m.type WHEN 'IntentApproved' THEN 'APPROVED' ELSE 'DENIED' END AS verdict, m."at",
       m.by AS "by", m.intent.id AS intent_id, m.intent_sequence,
       nullif(m.intent_stored_at, TIMESTAMPTZ '0001-01-01 00:00:00+00') AS intent_stored_at, m.intent.venue AS venue, m.intent.account AS account,
       m.intent.symbol AS symbol, coalesce(m.intent.side, m."order".side) AS side,
       coalesce(m."order".quantity, m.intent.quantity) AS quantity, m.reason, m.reference_price,
       m.order_id, m.checks, m.passed, m.estimated_commission, m.basis, m.cause, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(whole), '{"id":"VARCHAR","type":"VARCHAR","at":"TIMESTAMPTZ","cause":"VARCHAR",
        "by":"VARCHAR","intent_sequence":"BIGINT","intent_stored_at":"TIMESTAMPTZ","order_id":"VARCHAR","reason":"VARCHAR","reference_price":"DECIMAL(38,18)",
        "estimated_commission":"DECIMAL(38,18)",
        "intent":{"id":"VARCHAR","venue":"VARCHAR","account":"VARCHAR","symbol":"VARCHAR","side":"VARCHAR",
                  "quantity":"DECIMAL(38,18)"},"order":{"side":"VARCHAR","quantity":"DECIMAL(38,18)"},
        "checks":[{"name":"VARCHAR","passed":"BOOLEAN","limit":"VARCHAR","observed":"VARCHAR","source":"VARCHAR",
                   "reason":"VARCHAR"}],"passed":"INTEGER","basis":"JSON"}') AS m
      FROM arrived WHERE stream = 'TRADE' AND starts_with(subject, 'decision.')
                     AND NOT starts_with(subject, 'decision.ended.')
                     AND NOT starts_with(subject, 'decision.switched.')
                     AND NOT starts_with(subject, 'decision.limits'));

-- typed: order_events
SELECT m.id AS event_id, m.type, m."at", m.venue, m.account, m.order_id, m.status,
       CASE WHEN m.type = 'OrderClaimed'
            THEN concat('claimed for ', m."order".strategy, ' by ', m.act."by", ': ', m.act.reason)
            ELSE m.reason END AS reason,
       m.refused_by, m.venue_order_id,
       m."order" AS terms, m.fill, m.cumulative_quantity, m.leaves_quantity, m.execution_id, m.revision, m.commission,
       m.currency, m.funding_id, m.symbol AS funding_symbol, m.amount AS funding_amount, m.cause, stored_at, generation,
       sequence
FROM (SELECT *, json_transform(readable(whole), '{"id":"VARCHAR","type":"VARCHAR","at":"TIMESTAMPTZ","cause":"VARCHAR",
        "venue":"VARCHAR","account":"VARCHAR","order_id":"VARCHAR","status":"VARCHAR","reason":"VARCHAR",
        "refused_by":"VARCHAR","venue_order_id":"VARCHAR","cumulative_quantity":"DECIMAL(38,18)","leaves_quantity":"DECIMAL(38,18)",
        "execution_id":"VARCHAR","revision":"INTEGER","commission":"DECIMAL(38,18)","currency":"VARCHAR",
        "funding_id":"VARCHAR","symbol":"VARCHAR","amount":"DECIMAL(38,18)",
        "order":{"intent_id":"VARCHAR","symbol":"VARCHAR","side":"VARCHAR","quantity":"DECIMAL(38,18)",
                 "order_type":"VARCHAR","limit_price":"DECIMAL(38,18)","stop_price":"DECIMAL(38,18)",
                 "time_in_force":"VARCHAR","good_till":"TIMESTAMPTZ","reduce_only":"BOOLEAN","post_only":"BOOLEAN",
                 "all_or_none":"BOOLEAN","display_quantity":"DECIMAL(38,18)","not_before":"TIMESTAMPTZ","trigger":"VARCHAR",
        "trail_amount":"DECIMAL(38,18)","trail_percent":"DECIMAL(38,18)","limit_offset":"DECIMAL(38,18)",
        "activation_price":"DECIMAL(38,18)",
                 "multiplier":"DECIMAL(38,18)","currency":"VARCHAR","estimated_commission":"DECIMAL(38,18)",
                 "strategy":"VARCHAR","placed_by":"VARCHAR","venue_type":"VARCHAR","venue_time_in_force":"VARCHAR"},
        "act":{"by":"VARCHAR","reason":"VARCHAR"},
        "fill":{"execution_id":"VARCHAR","revision":"INTEGER","order_id":"VARCHAR","symbol":"VARCHAR","side":"VARCHAR",
                "quantity":"DECIMAL(38,18)","price":"DECIMAL(38,18)","at":"TIMESTAMPTZ","liquidity":"VARCHAR"}}') AS m
      FROM arrived WHERE stream = 'TRADE' AND starts_with(subject, 'order.'));

-- typed: position_history
SELECT m.venue, m.account, m.symbol, m.currency, m.multiplier, m.quantity, m.average_price, m.realized_pnl,
       m.unrealized_pnl, m.commission, m.funding, m.income, m.mark_price, m."at",
       -- what of TRADE it contains is in its id
       try_cast(regexp_extract(substr(m.id, length(concat('position/', m.venue, '/', m.account, '/', m.symbol, '/')) + 1), '^[0-9]+')
                AS BIGINT) AS trade_sequence, subject, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(whole), '{"id":"VARCHAR","venue":"VARCHAR","account":"VARCHAR","symbol":"VARCHAR",
        "currency":"VARCHAR","multiplier":"DECIMAL(38,18)","quantity":"DECIMAL(38,18)","average_price":"DECIMAL(38,18)",
        "realized_pnl":"DECIMAL(38,18)","unrealized_pnl":"DECIMAL(38,18)","commission":"DECIMAL(38,18)",
        "funding":"DECIMAL(38,18)","income":"DECIMAL(38,18)","mark_price":"DECIMAL(38,18)","at":"TIMESTAMPTZ"}') AS m
      FROM arrived WHERE stream = 'STATE' AND starts_with(subject, 'position.'));

-- typed: book_history
SELECT m.venue, m.account, m.currency, m.cash, m.realized_pnl, m.commission, m.funding, m.income, m.corrections, m.fills, m.trade_sequence, m."at",
       m.other_cash, subject, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(whole), '{"venue":"VARCHAR","account":"VARCHAR","currency":"VARCHAR",
        "cash":"DECIMAL(38,18)","realized_pnl":"DECIMAL(38,18)","commission":"DECIMAL(38,18)",
        "funding":"DECIMAL(38,18)","income":"DECIMAL(38,18)","corrections":"DECIMAL(38,18)","fills":"BIGINT","other_cash":"MAP(VARCHAR,DECIMAL(38,18))",
        "trade_sequence":"BIGINT","at":"TIMESTAMPTZ"}') AS m
      FROM arrived WHERE stream = 'STATE' AND starts_with(subject, 'book.'));

-- typed: account_history
SELECT m.venue, m.account, m.currency, m.cash, m.net_liquidation, m.available_funds, m.buying_power, m.initial_margin,
       m.maintenance_margin, m.leverage, m.daily_pnl, m.unrealized_pnl, m.realized_pnl, m."at",
       coalesce(list_min([m.said_at.available_funds, m.said_at.net_liquidation, m.said_at.cash,
                          m.said_at.initial_margin, m.said_at.maintenance_margin, m.said_at.buying_power,
                          m.said_at.rates]),
                m."at") AS said_at,
       m.cash_by_currency, m.rates, subject, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(whole), '{"venue":"VARCHAR","account":"VARCHAR","currency":"VARCHAR",
        "cash":"DECIMAL(38,18)","net_liquidation":"DECIMAL(38,18)","available_funds":"DECIMAL(38,18)",
        "buying_power":"DECIMAL(38,18)","initial_margin":"DECIMAL(38,18)","maintenance_margin":"DECIMAL(38,18)",
        "leverage":"DECIMAL(38,18)","daily_pnl":"DECIMAL(38,18)","unrealized_pnl":"DECIMAL(38,18)","realized_pnl":"DECIMAL(38,18)",
        "at":"TIMESTAMPTZ","said_at":{"available_funds":"TIMESTAMPTZ","net_liquidation":"TIMESTAMPTZ",
        "cash":"TIMESTAMPTZ","initial_margin":"TIMESTAMPTZ","maintenance_margin":"TIMESTAMPTZ",
        "buying_power":"TIMESTAMPTZ","rates":"TIMESTAMPTZ"},
        "cash_by_currency":"MAP(VARCHAR,DECIMAL(38,18))","rates":"MAP(VARCHAR,DECIMAL(38,18))"}') AS m
      FROM arrived WHERE stream = 'STATE' AND starts_with(subject, 'account.'));

-- typed: commands
SELECT m.id AS command_id, m.type, m."at", coalesce(m.venue, m."order".venue) AS venue,
       coalesce(m.account, m."order".account) AS account, coalesce(m.order_id, m."order".order_id) AS order_id,
       m."order".symbol AS symbol, m."order".side AS side, m."order".quantity AS quantity, m.venue_order_id, m.deadline,
       m.cause, subject, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(whole), '{"id":"VARCHAR","type":"VARCHAR","at":"TIMESTAMPTZ","cause":"VARCHAR",
        "venue":"VARCHAR","account":"VARCHAR","order_id":"VARCHAR","venue_order_id":"VARCHAR","deadline":"TIMESTAMPTZ",
        "order":{"venue":"VARCHAR","account":"VARCHAR","order_id":"VARCHAR","symbol":"VARCHAR","side":"VARCHAR",
                 "quantity":"DECIMAL(38,18)"}}') AS m
      FROM arrived WHERE stream = 'COMMANDS');

-- typed: submissions
SELECT m.id AS entry_id, m.type, m."at", m.venue, m."order".order_id AS order_id, m.attempt_id, m.venue_order_id,
       m.good_til_block, m.cause, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(whole), '{"id":"VARCHAR","type":"VARCHAR","at":"TIMESTAMPTZ","cause":"VARCHAR",
        "venue":"VARCHAR","attempt_id":"VARCHAR","venue_order_id":"VARCHAR","good_til_block":"BIGINT",
        "order":{"order_id":"VARCHAR"}}') AS m
      FROM arrived WHERE stream = 'LEDGER');

-- typed: reports
SELECT m.id AS report_id, m.type, m."at", m.venue, m.account, 
       coalesce(m.order_id, m.fill.order_id,
                CASE WHEN m.type = 'VenueOrderFound' THEN concat('external-', m.venue_order_id) END) AS order_id,
       m.venue_order_id, coalesce(m.execution_id, m.fill.execution_id) AS execution_id,
       coalesce(m.revision, m.fill.revision) AS revision, coalesce(m.symbol, m.fill.symbol) AS symbol,
       coalesce(m.fill.side, m.side) AS side, coalesce(m.fill.quantity, m.quantity) AS quantity,
       coalesce(m.fill.price, m.limit_price) AS price, m.fill.liquidity AS liquidity, m.commission, m.funding_id,
       m.amount AS funding_amount, m.rate AS funding_rate, m.currency, m.cash, m.code, m.reason,
       m.refused_by, m.received_at, m.cause, stored_at, generation, sequence
FROM (SELECT *, json_transform(readable(whole), '{"id":"VARCHAR","type":"VARCHAR","at":"TIMESTAMPTZ","cause":"VARCHAR",
        "venue":"VARCHAR","account":"VARCHAR","order_id":"VARCHAR","venue_order_id":"VARCHAR","execution_id":"VARCHAR",
        "revision":"INTEGER","commission":"DECIMAL(38,18)","currency":"VARCHAR","cash":"DECIMAL(38,18)","code":"VARCHAR",
        "reason":"VARCHAR","refused_by":"VARCHAR","received_at":"TIMESTAMPTZ","symbol":"VARCHAR","funding_id":"VARCHAR",
        "amount":"DECIMAL(38,18)","rate":"DECIMAL(38,18)","side":"VARCHAR","quantity":"DECIMAL(38,18)",
        "limit_price":"DECIMAL(38,18)",
        "fill":{"execution_id":"VARCHAR","revision":"INTEGER","order_id":"VARCHAR","symbol":"VARCHAR","side":"VARCHAR",
                "quantity":"DECIMAL(38,18)","price":"DECIMAL(38,18)","liquidity":"VARCHAR"}}') AS m
      FROM arrived WHERE stream = 'REPORTS');
