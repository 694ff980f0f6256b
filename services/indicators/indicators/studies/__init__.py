"""The studies: indicators beside the set of today, of which a desk computes what its file asks for. One file each.

A study is found by its place: every module of this folder but this one, and every `.py` file of the folder that
`SIGNALBOX_STUDIES_FOLDER` names. The file's name is the study's. It must not know messages, venues, symbols, calendars,
files or clocks, and has

    PARAMETERS                          its parameters by name with their defaults: {"period": 20}; where the default
                                        is a whole number, so is each value, and only where it is 0 may a value be 0
    OUTPUTS                             the names of what it says; ("",) where that is one number
    step(memory, parameters, bars, at)  takes the memory one bar on: pure, a new tuple of plain values
    BEGIN                               the memory before the first bar; left out: nothing is known yet
    warm_up(parameters)                 at which bar of a series its outputs are defined; left out: at the first
    reach(parameters)                   how many bars behind this one `step` looks at; left out: none

A memory begins with the outputs, in their order; what comes behind them is the study's own. NaN is "not defined yet",
and becomes None outside. `parameters` is a tuple in the order of PARAMETERS. `bars[at]` is this bar and `bars[at - 1]`
the one before, each the tuple (trading day, open, high, low, close, volume, whether in regular hours); there are at
least `reach` bars behind this one, or all that the series has had. Prices are finite; a volume that nobody has said is
NaN. Who computes it says its definition, source, seed and warm-up in its docstring, and under "Differs:" how
TradingView, TA-Lib and talipp differ from it: `docs/indicators.md` is made of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Bars = Sequence[tuple[int, float, float, float, float, float, bool]]
Memory = tuple[Any, ...]
Parameters = tuple[Any, ...]
