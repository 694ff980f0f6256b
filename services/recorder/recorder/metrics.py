"""Every metric of the recorder, and those of the bus that it asks for. `stream` and `consumer` are those of
`signalbox.streams`."""

from __future__ import annotations

from math import inf, nan

from prometheus_client import Counter, Gauge, Histogram
from signalbox import subjects
from signalbox.bus.figures import ConsumerFigures, StreamFigures

DEAD = "DEAD"
"""The stream of dead letters."""
_OF_SENDERS = subjects.dead("INTENTS", "")
"""How the subjects begin where what people and programs have sent is parked: a mistake of theirs, and no fault."""

ROWS = Counter("signalbox_recorder_rows_total", "Messages committed to the database.", ["stream"])
LAG = Gauge("signalbox_recorder_lag_messages", "Messages stored in the stream and not yet committed.", ["stream"])
RESTARTS = Counter("signalbox_recorder_restarts_total", "Times a stream was read again from its watermark.", ["stream"])
GENERATIONS = Counter(
    "signalbox_recorder_generations_total", "Times a stream was found recreated or rewound since the start.", ["stream"]
)
BATCH_SECONDS = Histogram(
    "signalbox_recorder_batch_seconds",
    "Time to commit one batch.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
DATABASE_BYTES = Gauge("signalbox_recorder_database_bytes", "Size of the database file and its log.")
WRITABLE = Gauge(
    "signalbox_recorder_writable", "1 while the database can be written, 0 while it can not (a full disk)."
)
WRITE_FAILURES = Counter(
    "signalbox_recorder_write_failures_total", "Times a batch could not be committed and was kept to be tried again."
)
KEEPER_BYTES = Gauge(
    "signalbox_recorder_keeper_resident_bytes",
    "Resident memory of the process that keeps the database, beside the recorder's own; queries' are not in it.",
)
QUERIES = Counter(
    "signalbox_recorder_queries_total",
    "Queries by outcome: ok, error, refused (too many), out_of_time, out_of_memory, put_off, broken, failed.",
    ["outcome"],
)
QUERY_SECONDS = Histogram(
    "signalbox_recorder_query_seconds",
    "Time to answer a query.",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10),
)

# ------------------------------------------------------------------------------------------------ the bus's figures

UNANSWERED = Counter(
    "signalbox_recorder_bus_unanswered_total", "Questions about streams and consumers that JetStream did not answer."
)
STREAM_MESSAGES = Gauge("signalbox_stream_messages", "Messages that the stream holds.", ["stream"])
STREAM_BYTES = Gauge("signalbox_stream_bytes", "Bytes that the stream holds.", ["stream"])
STREAM_AGE_SECONDS = Gauge(
    "signalbox_stream_last_message_age_seconds",
    "Wall time since the stream's last message was stored; not there while it never had one.",
    ["stream"],
)
CONSUMER_PENDING = Gauge(
    "signalbox_consumer_pending", "Messages of the stream that the consumer has still to get.", ["stream", "consumer"]
)
CONSUMER_UNACKNOWLEDGED = Gauge(
    "signalbox_consumer_unacknowledged", "Messages got and not acknowledged yet.", ["stream", "consumer"]
)
CONSUMER_REDELIVERED = Gauge(
    "signalbox_consumer_redelivered",
    "Messages got more than once and still not acknowledged.",
    ["stream", "consumer"],
)
STORAGE_BYTES = Gauge("signalbox_jetstream_storage_bytes", "Bytes on file of all streams together.")
STORAGE_LIMIT_BYTES = Gauge(
    "signalbox_jetstream_storage_limit_bytes", "Bytes that all streams together may take; +Inf = nobody has said."
)
DEAD_LETTERS_STORED = Gauge(
    "signalbox_dead_letters", "Messages that could not be handled and are parked in DEAD; intents are counted apart."
)
UNREADABLE_INTENTS = Gauge(
    "signalbox_unreadable_intents", "Intents in DEAD that could not be read: each was denied, and its sender told."
)


def show_storage(held_bytes: int, limit_bytes: int) -> None:
    """Show how full the desk's account is; a limit below 0 = there is none."""
    STORAGE_BYTES.set(held_bytes)
    STORAGE_LIMIT_BYTES.set(limit_bytes if limit_bytes >= 0 else inf)


def forget_storage() -> None:
    """Show that it is not known how full the desk's account is."""
    STORAGE_BYTES.set(nan)
    STORAGE_LIMIT_BYTES.set(nan)


def show_stream(stream: str, found: StreamFigures) -> None:
    """Show what a stream holds."""
    STREAM_MESSAGES.labels(stream).set(found.messages)
    STREAM_BYTES.labels(stream).set(found.bytes)
    if found.last_message_age_seconds is not None:
        STREAM_AGE_SECONDS.labels(stream).set(found.last_message_age_seconds)
    else:
        STREAM_AGE_SECONDS.remove(stream)
    if stream == DEAD:
        of_senders = sum([count for subject, count in found.by_subject.items() if subject.startswith(_OF_SENDERS)])
        DEAD_LETTERS_STORED.set(found.messages - of_senders)
        UNREADABLE_INTENTS.set(of_senders)


def forget_stream(stream: str) -> None:
    """Show nothing of a stream: what it holds is not known now."""
    for gauge in (STREAM_MESSAGES, STREAM_BYTES, STREAM_AGE_SECONDS):
        gauge.remove(stream)
    if stream == DEAD:
        DEAD_LETTERS_STORED.set(nan)
        UNREADABLE_INTENTS.set(nan)


def show_consumer(stream: str, consumer: str, found: ConsumerFigures) -> None:
    """Show how far a consumer is."""
    CONSUMER_PENDING.labels(stream, consumer).set(found.pending)
    CONSUMER_UNACKNOWLEDGED.labels(stream, consumer).set(found.unacknowledged)
    CONSUMER_REDELIVERED.labels(stream, consumer).set(found.redelivered)


def forget_consumer(stream: str, consumer: str) -> None:
    """Show nothing of a consumer: how far it is is not known now."""
    for gauge in (CONSUMER_PENDING, CONSUMER_UNACKNOWLEDGED, CONSUMER_REDELIVERED):
        gauge.remove(stream, consumer)
