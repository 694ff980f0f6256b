"""Writes docs/indicators.md: every indicator, by the docstrings of the files that compute them.

python -m signalbox_cli.indicators_reference > docs/indicators.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from indicators import levels
from indicators.formulas import averages, scores, supertrend
from indicators.studied import Formula
from indicators.study_files import find

HEAD = """# Indicators

<!-- Written by `python -m signalbox_cli.indicators_reference`; a test fails when this is not what it writes. -->

What the desk computes of bars, live and in `signalbox scores history` by the same code. **The set** is computed of
every bar of every timeframe, with the parameters of `[indicators]` in the desk file. **Studies** are what the desk file
asks for beside it, and nothing else is computed:

```toml
[[studies]]
name = "rsi"                      # what it is called in the scores, and the study below, unless `formula` says another

[[studies]]
name = "rsi"                      # of several of one name, the last that fits a series counts
symbols = ["BTC-USD"]             # left out: every symbol
timeframes = ["5m"]               # left out: every timeframe
parameters = { period = 7 }       # left out: those below

[[studies]]
name = "bands"
formula = "bollinger"
parameters = { period = 30, deviations = 2.5 }
```

A score has them in `studies`: `"rsi": 57.3`, `"bands.upper": 471.2`; null = not defined (yet). Of a file:
`signalbox scores history SPY.parquet --study rsi --study bollinger:period=30`, or `--desk DESK.toml`.

Sums over a window are kept without rounding ([decision 70](decisions/0070-studies-are-files.md)): what they say depends
on the bars of the window alone, not on where the desk's memory of the series begins. A bar costs the same however long
the window is, but where it says otherwise.

**A study of your own** is one Python file in a folder that `SIGNALBOX_STUDIES_FOLDER` (the service) and `--studies`
(the command) name. It is run as the service: keep the folder as you keep the service. What it must have is said at the
start; what fails at a bar ends nothing, and is counted (`signalbox_indicators_study_failures_total`). `gap.py`, how far
a bar opened from the last close:

```python
PARAMETERS = {"scale": 1.0}
OUTPUTS = ("",)

def step(memory, parameters, bars, at):
    \"\"\"bars[at] is (trading day, open, high, low, close, volume, whether in regular hours).\"\"\"
    if at == 0:
        return (float("nan"),)
    return (parameters[0] * (bars[at][1] - bars[at - 1][4]),)

def reach(parameters):
    return 1
```

The head of [studies/\\_\\_init\\_\\_.py](../services/indicators/indicators/studies/__init__.py) has the rest.

## Warm or not

Each score says in `state` how far it may be relied upon, and in `why` the reason: WARMING until the series has as many
bars as leave the seed of each average of the set less than 1 % of its weight (54 with the set's own parameters), and
until every study of it is defined; BACKFILL of a bar that the gateway fetched from the venue's history, which is right
and late; else LIVE. The desk keeps seven days of bars and the gateways fetch today's and yesterday's, from pre-market
on: at the open no symbol of theirs is cold unless it hardly traded.

## Levels

`[levels]` of the desk file says of which timeframes' bars the levels of the trading day are told: in each score
(`levels`), and as a message of their own on `ind.levels.<venue>.<symbol>.<timeframe>` (the view `levels`). `signalbox
scores history BARS --session XNYS --levels` has them too.

%s

## The set

"""
SET = (
    ("ema", averages.ema),
    ("atr", averages.average_true_range),
    ("supertrend, direction", supertrend.supertrend),
    ("trend_score", scores.trend_score),
    ("ema_deviation", scores.ema_deviation),
    ("new_high_score", scores.new_high_score),
)
PARTS = ("Definition", "Source", "Seed", "Warm-up", "Differs")


def parts(formula: Formula) -> dict[str, str]:
    """The parts of a study's docstring by name, each one line; "" = what it is."""
    found = re.split(rf"\n({'|'.join(PARTS)}): ", "\n" + formula.about)
    return {name: " ".join(text.split()) for name, text in zip(("", *found[1::2]), found[::2], strict=True)}


def page() -> str:
    """The whole page."""
    about = (levels.__doc__ or "").partition("Definitions. ")[2].strip()
    return HEAD.replace("%s", about) + "\n".join((*_set(), "", "## Studies", "", *_studies()))


def _set() -> Iterator[str]:
    yield "| reading | what it is |"
    yield "|---|---|"
    for name, function in SET:
        text = (function.__doc__ or "").split("\n\n", 1)
        about = " ".join(" ".join(text).split()).replace("|", "\\|")
        yield f"| `{name}` | {about} |"


def _studies() -> Iterator[str]:
    formulas = find()
    yield "| study | parameters | says | defined from bar |"
    yield "|---|---|---|---|"
    for name, formula in formulas.items():
        parameters = ", ".join(f"`{key}` {value:g}" for key, value in formula.parameters.items()) or "-"
        outputs = ", ".join(f"`{name}.{output}`" if output else f"`{name}`" for output in formula.outputs)
        first = "of the second day" if name == "pivot_points" else formula.warm_up(tuple(formula.parameters.values()))
        yield f"| [{name}](#{name}) | {parameters} | {outputs} | {first} |"
    for name, formula in formulas.items():
        said = parts(formula)
        yield f"\n### {name}\n\n{said['']}\n"
        yield from (f"- **{part}**: {said[part]}" for part in PARTS)
    yield ""


if __name__ == "__main__":
    print(page(), end="")
