"""Studies over the bars of one series: which ones, with which parameters, and what each remembers. Pure.

Owns the last bars, as far back as the studies look, and the names under which their outputs are told. It must not know
where a study comes from (`study_files`) nor what it computes (`studies`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite, nan

from msgspec import Struct
from signalbox.studies import PARAMETER_MAX, DeskStudy

from indicators.studies import Bars, Memory, Parameters

StudyBar = tuple[int, float, float, float, float, float, bool]
"""Trading day, open, high, low, close, volume (NaN = not stated), whether it is in regular hours."""

VOLUME_MAX = 1e30
KEPT_BARS_MIN = 64
"""More bars than are looked at are kept, up to twice as many and these, so that they need not be moved at each bar."""


@dataclass(frozen=True, slots=True)
class Formula:
    """What one file of `studies` says."""

    name: str
    about: str
    parameters: dict[str, int | float]
    outputs: tuple[str, ...]
    begin: Memory
    step: Callable[[Memory, Parameters, Bars, int], Memory]
    warm_up: Callable[[Parameters], int]
    reach: Callable[[Parameters], int]


@dataclass(frozen=True, slots=True)
class Study:
    """A formula as a desk wants it: told under `name`, on the named symbols and timeframes (none = on all)."""

    name: str
    formula: Formula
    parameters: Parameters
    symbols: frozenset[str] = frozenset()
    timeframes: frozenset[str] = frozenset()

    def fits(self, symbol: str, timeframe: str) -> bool:
        """Whether it is wanted of this series; a file of bars may have no symbol ("")."""
        return (not self.symbols or symbol in self.symbols) and (not self.timeframes or timeframe in self.timeframes)

    @property
    def told_as(self) -> tuple[str, ...]:
        """The names of its outputs among those of all studies: `rsi`, `bollinger.upper`."""
        return tuple(f"{self.name}.{output}" if output else self.name for output in self.formula.outputs)


class Studied(Struct, frozen=True):
    """The studies of one series after a bar. Bars are only ever added to `bars`, of which the first `end` count here:
    a value from before can be taken on again, and the other way."""

    studies: tuple[Study, ...]
    reach: int = 0
    bars: list[StudyBar] = []
    end: int = 0
    memories: tuple[Memory, ...] = ()
    warm_up: int = 0
    """With how many bars of the series all of them are defined."""


def chosen(studies: Iterable[Study], symbol: str, timeframe: str) -> Studied:
    """The studies of a series before its first bar: of several of one name the last that fits."""
    found = tuple({study.name: study for study in studies if study.fits(symbol, timeframe)}.values())
    return Studied(
        found,
        max((study.formula.reach(study.parameters) for study in found), default=0),
        memories=tuple(study.formula.begin for study in found),
        warm_up=max((each.formula.warm_up(each.parameters) for each in found), default=0),
    )


def study(before: Studied, bar: StudyBar) -> Studied:
    """Take the studies of a series one bar on, whose prices are finite; a volume that can not be one is none."""
    if not 0.0 <= bar[5] < VOLUME_MAX:
        bar = (*bar[:5], nan, bar[6])
    bars, end = before.bars, before.end
    if len(bars) > end or end > 2 * before.reach + KEPT_BARS_MIN:  # another bar was taken here, or enough are kept
        bars = bars[max(0, end - before.reach) : end]
    at = len(bars)
    bars.append(bar)
    memories = tuple(
        study.formula.step(memory, study.parameters, bars, at)
        for study, memory in zip(before.studies, before.memories, strict=True)
    )
    return Studied(before.studies, before.reach, bars, at + 1, memories, before.warm_up)


def told(studied: Studied) -> dict[str, float | None]:
    """What the studies say, by name; None = not defined."""
    said: dict[str, float | None] = {}
    for each, memory in zip(studied.studies, studied.memories, strict=True):
        for name, value in zip(each.told_as, memory, strict=False):  # what is behind the outputs is the study's own
            said[name] = float(value) if isfinite(value) else None
    return said


def studies_of(wanted: Iterable[DeskStudy], formulas: Mapping[str, Formula]) -> tuple[tuple[Study, ...], list[str]]:
    """What a desk file asks for, and a sentence for each thing in it that there is not."""
    studies, mistakes = [], []
    for number, each in enumerate(wanted, 1):
        formula = formulas.get(each.formula or each.name)
        if formula is None:
            mistakes.append(
                f"studies[{number}] asks for {each.formula or each.name}, and no file of that name has a study: "
                f"there is {', '.join(sorted(formulas))}."
            )
            continue
        found = [
            _parameter_mistake(f"studies[{number}].parameters", formula, *item) for item in each.parameters.items()
        ]
        if any(found):
            mistakes += [mistake for mistake in found if mistake]
            continue
        values = formula.parameters | each.parameters
        parameters = tuple(type(formula.parameters[name])(values[name]) for name in formula.parameters)
        studies.append(Study(each.name, formula, parameters, frozenset(each.symbols), frozenset(each.timeframes)))
    return tuple(studies), mistakes


def _parameter_mistake(path: str, formula: Formula, name: str, value: float) -> str:
    if name not in formula.parameters:
        there = ", ".join(formula.parameters) or "none"
        return f"{path}.{name} is no parameter of {formula.name}: there is {there}."
    if not 0 <= value <= PARAMETER_MAX:
        return f"{path}.{name} is {value:g}: it must be from 0 to {PARAMETER_MAX}."
    if not value and formula.parameters[name]:
        return f"{path}.{name} is 0: it must be above 0."
    if isinstance(formula.parameters[name], int) and value != int(value):
        return f"{path}.{name} is {value:g}: it counts, and must be a whole number."
    return ""
