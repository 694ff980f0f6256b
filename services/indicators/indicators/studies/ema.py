"""Exponential moving average of the close, of another period than the desk's set has.

Definition: average + alpha * (close - average), alpha = 2 / (period + 1).
Source: Pine v5 reference manual, `ta.ema` (`pine_ema`).
Seed: the first close. It weighs (1 - alpha) to the power of the bars since: after 5 periods less than 0.01 %.
Warm-up: defined from the first bar.
Differs: TA-Lib (EMA) and talipp (EMA) begin at bar `period` with the simple average of the closes so far; they agree to
seven digits after some 10 periods. TradingView's manual seeds as here.
"""

from __future__ import annotations

from math import nan

from indicators.formulas.averages import ema
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 50}
OUTPUTS = ("",)
BEGIN = (nan,)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(average,)."""
    return (ema(memory[0], bars[at][4], 2.0 / (parameters[0] + 1.0)),)
