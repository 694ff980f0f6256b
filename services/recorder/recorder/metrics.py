"""Every metric of the recorder. `stream` is one of `signalbox.streams`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

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
QUERIES = Counter("signalbox_recorder_queries_total", "Queries answered, by outcome.", ["outcome"])
QUERY_SECONDS = Histogram(
    "signalbox_recorder_query_seconds",
    "Time to answer a query.",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10),
)
