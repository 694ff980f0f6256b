"""The Bus and recorder dashboard: connections to NATS, streams, consumers, storage, dead letters, the database."""

from __future__ import annotations

from dashboards.queries import at_work, changes, during_range, one, quantile, quantile_now, rate
from dashboards.shapes import counts, dead_letters, half_and_most, must_be_zero, rates, should_be_zero, times, totals
from dashboards.specification import GREEN, RED, Dashboard, Query, Row, Unit, Word, lines, number, rising, states, table

CONNECTED = {0: Word("not connected", RED), 1: Word("connected", GREEN)}
STORAGE_USED = "max (signalbox_jetstream_storage_bytes) / max (signalbox_jetstream_storage_limit_bytes)"
STREAM = (("stream", "Stream"),)
CONSUMER = (("stream", "Stream"), ("consumer", "Consumer"))

NOW = Row(
    "Now",
    (
        must_be_zero(
            "Not connected to NATS",
            "Processes that are up and not connected. They reconnect for ever and publish again under the same message "
            "id. Normal: 0.",
            "sum (1 - signalbox_bus_connected)",
            runbook="nats-down",
        ),
        dead_letters(
            'Messages in the stream DEAD: no service could read them. `signalbox query "SELECT * FROM dead_letters"` '
            "shows them with the error. Intents that their senders mistyped are not counted here. Normal: 0."
        ),
        number(
            "Storage used",
            "JetStream's storage of the desk's account, as a share of its limit. A full store refuses every message: "
            "the desk stands still.",
            Unit.SHARE,
            STORAGE_USED,
            steps=rising(0.7, 0.9),
            decimals=1,
            runbook="stream-nearly-full",
        ),
        number(
            "Most waiting for a consumer",
            "Messages stored that the slowest service has not been given yet (the recorder apart).",
            Unit.COUNT,
            'max (signalbox_consumer_pending{consumer!="recorder"})',
            steps=rising(50, 500),
            runbook="consumer-lag-high",
        ),
        number(
            "Recorder behind",
            "Messages stored and not yet committed to the database. Trading does not wait for it.",
            Unit.COUNT,
            "sum (signalbox_recorder_lag_messages)",
            steps=rising(1000, 20000),
            runbook="recorder-lagging",
        ),
        number(
            "Stored, 99 of 100 within",
            "How long a publish takes until JetStream has it, at the slowest service.",
            Unit.SECONDS,
            f"max ({quantile_now(0.99, 'service', 'signalbox_bus_publish_seconds')})",
            steps=rising(0.05, 0.5),
            runbook="order-path-slow",
        ),
        should_be_zero(
            "Slow consumers",
            "Times that a process did not read a live subscription fast enough and lost messages of it, in the time "
            "shown. Normal: 0.",
            during_range("", "signalbox_bus_slow_consumers_total"),
            runbook="slow-consumer",
        ),
        number(
            "Reconnects",
            "Of all processes to NATS, in the time shown.",
            Unit.COUNT,
            during_range("", "signalbox_bus_reconnects_total"),
            steps=rising(1, 20),
            runbook="nats-down",
        ),
    ),
)

STREAMS = Row(
    "Streams and consumers",
    (
        table(
            "Streams",
            "What each stream holds, and how long ago (wall time) its last message was stored. LEDGER, TIMERS and DEAD "
            "are quiet by nature.",
            STREAM,
            Query("max by (stream) (signalbox_stream_messages)", "Messages", unit=Unit.QUANTITY),
            Query("max by (stream) (signalbox_stream_bytes)", "Size", unit=Unit.BYTES),
            Query("max by (stream) (signalbox_stream_last_message_age_seconds)", "Last message", unit=Unit.DURATION),
            sort_by="Size",
            width=12,
            height=11,
        ),
        table(
            "Consumers",
            "What each service's durable consumer has not been given yet, has and has not acknowledged, and was given "
            "again. One in flight at a time keeps the order.",
            CONSUMER,
            Query(
                "max by (stream, consumer) (signalbox_consumer_pending)",
                "Waiting",
                unit=Unit.COUNT,
                steps=rising(50, 500),
            ),
            Query("max by (stream, consumer) (signalbox_consumer_unacknowledged)", "Not acknowledged", unit=Unit.COUNT),
            Query("max by (stream, consumer) (signalbox_consumer_redelivered)", "Given again", unit=Unit.COUNT),
            sort_by="Waiting",
            width=12,
            height=11,
            runbook="consumer-lag-high",
        ),
        rates(
            "Stored each second",
            "How fast each stream grows. A stream with an age limit shrinks too.",
            Query("deriv(signalbox_stream_messages[$__rate_interval]) >= 0", "{{stream}}"),
        ),
        counts(
            "Waiting for consumers",
            "Messages stored that a service has not been given yet.",
            Query("max by (stream, consumer) (signalbox_consumer_pending)", "{{stream}} {{consumer}}"),
            runbook="consumer-lag-high",
        ),
        lines(
            "Storage",
            "JetStream's files, and the limit of the desk's account.",
            Unit.BYTES,
            Query("max (signalbox_jetstream_storage_bytes)", "used"),
            Query("max (signalbox_jetstream_storage_limit_bytes)", "limit"),
            minimum=0,
            runbook="stream-nearly-full",
        ),
        lines(
            "Room used of what an order needs",
            "The used part of each stream that an order leaves messages in. Above 90 % new orders are denied. Streams "
            "of market data are full by design: their oldest goes.",
            Unit.SHARE,
            Query(one("stream", at_work("risk", "signalbox_risk_store_room_used")), "{{stream}}"),
            minimum=0,
            runbook="stream-nearly-full",
        ),
        counts(
            "Waiting for room",
            "Messages that services can not store, because a stream is full or its disk was; and what was dropped "
            "since each process began because newer followed. Normal: none.",
            Query(
                "sum by (service, stream) (signalbox_bus_waiting_for_room)",
                "{{service}} {{stream}}",
                empty_when_healthy="a stream that is full",
            ),
            Query(
                "sum by (service, stream) (signalbox_bus_dropped_total)",
                "dropped {{service}} {{stream}}",
                empty_when_healthy="a stream that is full for a minute",
            ),
            runbook="stream-full",
        ),
    ),
)

CONNECTIONS = Row(
    "Connections",
    (
        states(
            "Connected to NATS",
            "Each process. While NATS is away nothing is lost: what was not stored is published again.",
            Query("min by (service, instance) (signalbox_bus_connected)", "{{service}} {{instance}}"),
            CONNECTED,
            width=8,
            runbook="nats-down",
        ),
        times(
            "Time to store",
            "From a publish until JetStream has it: 99 of 100, by service.",
            Query(quantile(0.99, "service", "signalbox_bus_publish_seconds"), "{{service}}"),
        ),
        counts(
            "Dead letters",
            "Messages parked since each process began, by service and stream.",
            Query(
                "sum by (service, stream) (signalbox_bus_dead_letters_total)",
                "{{service}} {{stream}}",
                empty_when_healthy="a message that is no JSON",
            ),
            runbook="dead-letter-growing",
        ),
        counts(
            "Without a genuine seal",
            "Messages met and not acted upon since each process began, by service and stream. Normal: none.",
            Query(
                "sum by (service, stream) (signalbox_bus_unsealed_total)",
                "{{service}} {{stream}}",
                empty_when_healthy="a decision that nobody has sealed",
            ),
            runbook="unsealed-message",
        ),
        counts(
            "Reconnects and slow consumers",
            "In each interval, by service.",
            Query(changes("service", "signalbox_bus_reconnects_total"), "{{service}} reconnects"),
            Query(changes("service", "signalbox_bus_slow_consumers_total"), "{{service}} slow"),
            width=12,
            runbook="slow-consumer",
        ),
        rates(
            "Publishes",
            "Messages stored by each service, each second.",
            Query(rate("service", "signalbox_bus_publish_seconds_count"), "{{service}}"),
            width=12,
        ),
    ),
)

RECORDER = Row(
    "Recorder",
    (
        rates(
            "Rows committed",
            "Each second, by stream.",
            Query(rate("stream", "signalbox_recorder_rows_total"), "{{stream}}"),
            stacked=True,
        ),
        counts(
            "Behind",
            "Messages stored in each stream and not yet committed.",
            Query("max by (stream) (signalbox_recorder_lag_messages)", "{{stream}}"),
            runbook="recorder-lagging",
        ),
        lines(
            "Size of the database",
            "The file and its log.",
            Unit.BYTES,
            Query("max (signalbox_recorder_database_bytes)", "database"),
            minimum=0,
        ),
        counts(
            "Can it be written",
            "1 while the database can be written, 0 while it can not: a full disk.",
            Query("min (signalbox_recorder_writable)", "writable"),
            runbook="recorder-lagging",
        ),
        times(
            "Time of a commit",
            "Of one batch: half of them, and 99 of 100.",
            *half_and_most("job", "signalbox_recorder_batch_seconds"),
        ),
        times(
            "Queries",
            "SQL over NATS: time to answer, half of them and 95 of 100.",
            *half_and_most("job", "signalbox_recorder_query_seconds", most=0.95),
        ),
        totals(
            "Queries by outcome",
            "In the time shown.",
            Query(during_range("outcome", "signalbox_recorder_queries_total"), "{{outcome}}"),
        ),
        counts(
            "Streams read again",
            "Times in each interval that a stream was read again from its watermark: after each loss of NATS.",
            Query(
                changes("stream", "signalbox_recorder_restarts_total"),
                "{{stream}} again",
                empty_when_healthy="NATS that is killed",
            ),
            width=24,
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="signalbox-bus",
    title="Bus and recorder",
    about="Connections to NATS, streams, consumers, storage, dead letters, and the recorder's database.",
    variables=(),
    rows=(NOW, STREAMS, CONNECTIONS, RECORDER),
    annotations=("trading-state",),
)
