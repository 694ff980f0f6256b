"""What the service remembers: for each series (venue, symbol, timeframe) its last bar and its indicators' memory.

By partition, as bars come: what is known of one partition says nothing of another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from math import floor, log
from types import MappingProxyType

from msgspec import Struct
from signalbox.bars import parse_timeframe
from signalbox.desk import Desk, IndicatorParameters
from signalbox.errors import ConfigurationError
from signalbox.messages import NEVER, Bar, Utc

from indicators.days import TradingDays
from indicators.formulas.indicator_set import EMPTY, Memory, Parameters
from indicators.levels import LevelsMemory
from indicators.studied import Formula, Studied, Study, studies_of

SeriesKey = tuple[str, str, str]
SEED_WEIGHT_MAX = 0.01


class Series(Struct, frozen=True):
    """One series after its last bar, which started at `last_start`."""

    last_start: Utc = NEVER
    memory: Memory = EMPTY
    days: TradingDays | None = None
    """Those of the symbol, once it has had a bar."""
    studied: Studied | None = None
    """What the desk asks for beside the set; None = nothing, or the symbol has had no bar yet."""
    levels: LevelsMemory | None = None
    """Those of its trading day; None = the desk does not ask for them."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the desk file asks for: the formulas' parameters, the timeframes that are scored, and what else is told."""

    parameters: Parameters
    timeframes: frozenset[str]
    studies: tuple[Study, ...] = ()
    levels_timeframes: frozenset[str] = frozenset()
    opening_range: timedelta = timedelta(minutes=15)
    warm_bars: int = field(init=False)
    """From which bar of a series on the set does not depend on where it began."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "warm_bars", settled_bars(self.parameters))


class Ignored(StrEnum):
    """Why a bar changed nothing."""

    TIMEFRAME = "timeframe"  # the desk asks for no scores of that timeframe
    NOT_NEWER = "not_newer"  # a repetition, or older than what was scored already
    OUTSIDE_SESSION = "outside_session"  # after the close or between sessions


@dataclass(frozen=True, slots=True)
class LastScore:
    """Where the last score, or the last levels, of a series stand in SCORES, and of which bar. Sequence 0: none are."""

    sequence: int = 0
    bar_start: Utc = NEVER


@dataclass(slots=True)
class Partition:
    """The series of one partition of BARS, after every bar of it up to stream sequence `folded_sequence`.

    `last_scores`: where scores and levels stand, by subject, as far as known; empty when another process may have
    stored some since.
    `owned`: the last bar of the partition came here.
    """

    series: dict[SeriesKey, Series] = field(default_factory=dict)
    folded_sequence: int = 0
    last_scores: dict[str, LastScore] = field(default_factory=dict)
    owned: bool = False


def key_of(bar: Bar) -> SeriesKey:
    return bar.venue, bar.symbol, bar.timeframe


def parameters_of(parameters: IndicatorParameters) -> Parameters:
    """The formulas' plain tuple of the desk file's parameters; the EMA's period becomes its alpha."""
    return (
        parameters.supertrend_period,
        parameters.supertrend_multiplier,
        2.0 / (parameters.ema_period + 1.0),
        parameters.atr_period,
    )


def settled_bars(parameters: Parameters) -> int:
    """With how many bars each average of the set has forgotten its seed: it weighs less than `SEED_WEIGHT_MAX`."""
    supertrend_period, _, alpha, atr_period = parameters
    wilder = max(period + _forgotten(1.0 / period) for period in (supertrend_period, atr_period))
    return max(wilder, 1 + _forgotten(alpha))


def _forgotten(alpha: float) -> int:
    """After how many values the one before them weighs less than `SEED_WEIGHT_MAX` in an average of this alpha."""
    return 1 if alpha >= 1.0 else floor(log(SEED_WEIGHT_MAX) / log(1.0 - alpha)) + 1


def rules_of(desk: Desk, formulas: Mapping[str, Formula] = MappingProxyType({})) -> Rules:
    """What `desk` asks for; a timeframe may be spelt otherwise there than in messages (`60m` is `1h`).

    Raises `ConfigurationError` for studies that are not among `formulas`, or have other parameters.
    """
    timeframes = frozenset(parse_timeframe(text).text for text in desk.timeframes)
    studies, mistakes = studies_of(desk.studies, formulas)
    if mistakes:
        raise ConfigurationError(mistakes)
    return Rules(
        parameters=parameters_of(desk.indicators),
        timeframes=timeframes,
        studies=studies,
        levels_timeframes=frozenset(desk.levels.timeframes),
        opening_range=timedelta(minutes=desk.levels.opening_range_minutes),
    )
