"""Every metric the indicator service exports. Symbols are those of the desk file: a bounded set."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram
from signalbox.messages import Score

from indicators.readings import Readings

SCORED, UNREADABLE = "scored", "unreadable"
"""What became of a bar, beside the reasons of `state.Ignored`."""

BARS = Counter(
    "signalbox_indicators_bars_total",
    "Bars taken from the bus, by what became of them: scored, unreadable, or why they were ignored.",
    ("timeframe", "outcome"),
)
SCORES = Counter("signalbox_indicators_scores_total", "Scores stored on the bus.", ("timeframe",))
LEVELS = Counter("signalbox_indicators_levels_total", "Levels of the day stored on the bus.", ("timeframe",))
DUPLICATES = Counter(
    "signalbox_indicators_duplicates_total",
    "Scores and levels that the bus had already: bars that were delivered again after a restart.",
    ("timeframe",),
)
REBUILT_BARS = Gauge("signalbox_indicators_rebuilt_bars", "Stored bars that the state was rebuilt from at start.")
SERIES = Gauge("signalbox_indicators_series", "Series (venue, symbol, timeframe) that have been scored.")
STUDY_FAILURES = Counter(
    "signalbox_indicators_study_failures_total",
    "Series on which a study of the user's own raised an error; it says nothing of them any more.",
    ("study",),
)
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
PARTITION_OWNED = Gauge(
    "signalbox_indicators_partition_owned",
    "1 = the last bar of this partition came to this replica.",
    ("partition",),
)
TAKEOVERS = Counter(
    "signalbox_indicators_takeovers_total",
    "Partitions taken over from another replica, or from the process before this one.",
    ("partition",),
)
SCORE = Gauge(
    "signalbox_indicators_score",
    "The last scores of a symbol: bars in the SuperTrend's direction (1m, 5m), (close - EMA) / ATR and new highs (5m).",
    ("venue", "symbol", "score"),
)

_TREND_SCORES = {"1m": "supertrend_m1", "5m": "supertrend_m5"}
_OTHERS_TIMEFRAME = "5m"


def show(venue: str, symbol: str, timeframe: str, bar_end_seconds: float, said: Score | Readings) -> None:
    """Set the gauges of a series."""
    LAST_BAR_TIMESTAMP_SECONDS.labels(venue, symbol, timeframe).set(bar_end_seconds)
    values = {"ema_deviation": said.ema_deviation, "new_high": said.new_high_score}
    for name in _names(timeframe):
        value = values.get(name, said.trend_score)
        if value is None:
            SCORE.remove(venue, symbol, name)
        else:
            SCORE.labels(venue, symbol, name).set(value)


def hide(venue: str, symbol: str, timeframe: str) -> None:
    """Remove the gauges of a series that another replica scores now: here they would stand still and be wrong."""
    LAST_BAR_TIMESTAMP_SECONDS.remove(venue, symbol, timeframe)
    for name in _names(timeframe):
        SCORE.remove(venue, symbol, name)


def _names(timeframe: str) -> list[str]:
    trend = [_TREND_SCORES[timeframe]] if timeframe in _TREND_SCORES else []
    return trend + ["ema_deviation", "new_high"] * (timeframe == _OTHERS_TIMEFRAME)
