"""Every metric the indicator service exports. Symbols are those of the desk file: a bounded set."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SCORED, UNREADABLE = "scored", "unreadable"
"""What became of a bar, beside the reasons of `state.Ignored`."""

BARS = Counter(
    "signalbox_indicators_bars_total",
    "Bars taken from the bus, by what became of them: scored, unreadable, or why they were ignored.",
    ("timeframe", "outcome"),
)
SCORES = Counter("signalbox_indicators_scores_total", "Scores stored on the bus.", ("timeframe",))
DUPLICATES = Counter(
    "signalbox_indicators_duplicates_total",
    "Scores that the bus had already: bars that were delivered again after a restart.",
    ("timeframe",),
)
REBUILT_BARS = Gauge("signalbox_indicators_rebuilt_bars", "Stored bars that the state was rebuilt from at start.")
SERIES = Gauge("signalbox_indicators_series", "Series (venue, symbol, timeframe) that have been scored.")
SCORE_LATENCY_SECONDS = Histogram(
    "signalbox_indicators_score_latency_seconds",
    "Wall time from the gateway's receipt of a bar to its score being stored.",
    ("timeframe",),
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0),
)
LAST_BAR_TIMESTAMP_SECONDS = Gauge(
    "signalbox_indicators_last_bar_timestamp_seconds",
    "End of the last scored bar, in desk time since 1970: subtract it from the desk's time for its age.",
    ("venue", "symbol", "timeframe"),
)
