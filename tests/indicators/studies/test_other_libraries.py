"""What two other libraries say of the same bars: TA-Lib 0.8.2 and talipp 2.7.0, taken down once.

400 bars of a seeded walk in whole cents; the values at bars 150 and 400. What they do otherwise at the beginning
(docs/indicators.md) has died out by then as far as the tolerances say. OBV is theirs less the first bar's volume.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from indicators.study_files import find

FORMULAS = find()
EXACT = 1e-9
TOLERANCES = {
    "macd": (1e-2, 1e-8),
    "keltner": (1e-5, 1e-9),
    "ema": (1e-3, 1e-7),
    "atr": (1e-6, 1e-9),
    "adx": (2e-2, 1e-7),
}
"""Where their seeds differ: how far apart at most at bar 150, and at bar 400."""
PARAMETERS = {"obv": {"continuous": 1}}

SAID = {
    ("TA-Lib", "sma"): (100.1235, 93.028),
    ("TA-Lib", "wma"): (100.4040952381, 92.6297142857),
    ("TA-Lib", "ema"): (99.3658340325, 92.9774511915),
    ("TA-Lib", "rsi"): (56.6691089317, 28.7971172785),
    ("TA-Lib", "atr"): (0.5786975983, 0.6039320066),
    ("TA-Lib", "macd.line"): (0.3866591323, -0.3767243777),
    ("TA-Lib", "macd.signal"): (0.4128837148, -0.0954154736),
    ("TA-Lib", "macd.histogram"): (-0.0262245824, -0.2813089041),
    ("TA-Lib", "bollinger.upper"): (101.4429434433, 94.7414946746),
    ("TA-Lib", "bollinger.middle"): (100.1235, 93.028),
    ("TA-Lib", "bollinger.lower"): (98.8040565567, 91.3145053254),
    ("TA-Lib", "donchian.upper"): (100.99, 94.25),
    ("TA-Lib", "donchian.lower"): (98.6, 90.85),
    ("TA-Lib", "adx.adx"): (25.6042083643, 25.6844882042),
    ("TA-Lib", "adx.plus_di"): (21.4464991458, 9.5217059512),
    ("TA-Lib", "adx.minus_di"): (16.58069093, 34.1696667062),
    ("TA-Lib", "stochastic.k"): (60.6299212598, 2.6470588235),
    ("TA-Lib", "stochastic.d"): (78.5039989105, 5.9103517623),
    ("TA-Lib", "cci"): (45.5325951803, -188.646564574),
    ("TA-Lib", "mfi"): (66.487751823, 10.0187623248),
    ("TA-Lib", "zscore"): (0.5555372636, -2.4371245863),
    ("talipp", "sma"): (100.1235, 93.028),
    ("talipp", "wma"): (100.4040952381, 92.6297142857),
    ("talipp", "ema"): (99.3658340325, 92.9774511915),
    ("talipp", "rsi"): (56.6691089317, 28.7971172785),
    ("talipp", "atr"): (0.5786975568, 0.6039320066),
    ("talipp", "macd.line"): (0.3866591323, -0.3767243777),
    ("talipp", "macd.signal"): (0.4128837148, -0.0954154736),
    ("talipp", "macd.histogram"): (-0.0262245825, -0.2813089041),
    ("talipp", "bollinger.upper"): (101.4429434433, 94.7414946746),
    ("talipp", "bollinger.middle"): (100.1235, 93.028),
    ("talipp", "bollinger.lower"): (98.8040565567, 91.3145053254),
    ("talipp", "donchian.upper"): (100.99, 94.25),
    ("talipp", "donchian.middle"): (99.795, 92.55),
    ("talipp", "donchian.lower"): (98.6, 90.85),
    ("talipp", "keltner.upper"): (101.3321456441, 93.8484275364),
    ("talipp", "keltner.middle"): (100.2144479034, 92.6043173819),
    ("talipp", "keltner.lower"): (99.0967501626, 91.3602072274),
    ("talipp", "adx.adx"): (25.6026880394, 25.6844882042),
    ("talipp", "adx.plus_di"): (21.446462981, 9.5217059512),
    ("talipp", "adx.minus_di"): (16.5807613574, 34.1696667062),
    ("talipp", "stochastic.k"): (60.6299212598, 2.6470588235),
    ("talipp", "stochastic.d"): (78.5039989105, 5.9103517623),
    ("talipp", "cci"): (45.5325951803, -188.646564574),
    ("TA-Lib", "obv"): (-3714.0, -19987.0),
}


@pytest.fixture(scope="module")
def bars() -> list[tuple[int, float, float, float, float, float, bool]]:
    walk, made, close = random.Random(7), [], 10_000
    for number in range(400):
        opened = close
        close = max(100, close + walk.randint(-60, 60))
        high, low = max(opened, close) + walk.randint(0, 30), min(opened, close) - walk.randint(0, 30)
        volume = float(walk.randint(1, 900))
        made.append((number // 100 + 1, opened / 100, high / 100, low / 100, close / 100, volume, True))
    return made


@pytest.fixture(scope="module")
def ours(bars: list[tuple[int, float, float, float, float, float, bool]]) -> Callable[[str], dict[str, list[float]]]:
    def columns(name: str) -> dict[str, list[float]]:
        formula = FORMULAS[name]
        parameters = tuple((formula.parameters | PARAMETERS.get(name, {})).values())
        memory, rows = formula.begin, []
        for at in range(len(bars)):
            memory = formula.step(memory, parameters, bars, at)
            rows.append(memory[: len(formula.outputs)])
        return {output: [row[number] for row in rows] for number, output in enumerate(formula.outputs)}

    return columns


@pytest.mark.parametrize(("library", "what"), SAID)
def test_another_library_says_the_same(ours: Callable[[str], dict[str, list[float]]], library: str, what: str) -> None:
    name, _, output = what.partition(".")
    column = ours(name)[output]
    early, late = TOLERANCES.get(name, (EXACT, EXACT))
    assert column[149] == pytest.approx(SAID[library, what][0], abs=early, rel=0 if early > EXACT else EXACT)
    assert column[399] == pytest.approx(SAID[library, what][1], abs=late, rel=0 if late > EXACT else EXACT)


def test_every_study_that_they_have_is_compared() -> None:
    compared = {what.partition(".")[0] for _, what in SAID}
    assert FORMULAS.keys() - compared == {"rolling", "pivot_points", "realized_volatility"}
