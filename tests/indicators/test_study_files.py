"""Studies are found by their place, a user's own too; what is wrong with one is a sentence, and ends nothing later."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from indicators.studied import chosen, studies_of, study, told
from indicators.study_files import FOLDER, find
from signalbox.errors import ConfigurationError
from signalbox.studies import DeskStudy

GAP = """
PARAMETERS = {"scale": 1.0}
OUTPUTS = ("",)

def step(memory, parameters, bars, at):
    return (parameters[0] * (bars[at][1] - bars[at - 1][4]) if at else float("nan"),)

def reach(parameters):
    return 1
"""
BAR = (1, 10.0, 11.0, 9.0, 10.5, 5.0, True)


def test_every_file_of_the_folder_is_a_study() -> None:
    assert set(find()) == {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}


def test_every_study_says_what_it_is() -> None:
    for formula in find().values():
        for part in ("Definition", "Source", "Seed", "Warm-up", "Differs"):
            assert f"\n{part}: " in formula.about, f"{formula.name} does not say its {part}"


def test_file_of_ones_own_is_a_study_by_being_there(tmp_path: Path) -> None:
    (tmp_path / "gap.py").write_text(GAP)
    (tmp_path / "notes.txt").write_text("not one")
    formulas = find(tmp_path)
    assert formulas.keys() - find().keys() == {"gap"}
    studies, mistakes = studies_of([DeskStudy(name="gap", parameters={"scale": 2.0})], formulas)
    assert not mistakes
    state = study(study(chosen(studies, "SPY", "1m"), BAR), (1, 11.0, 11.0, 9.0, 10.0, 5.0, True))
    assert told(state) == {"gap": 1.0}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rsi.py", GAP, "has the name of a study that there is already"),
        ("Gap.py", GAP, "its name must be small letters"),
        ("gap.py", GAP.replace("OUTPUTS", "OUTPUT"), "it has no OUTPUTS"),
        ("gap.py", GAP.replace('("",)', '("up", "up")'), "OUTPUTS must have different names"),
        ("gap.py", GAP.replace('("",)', '("", "up")'), "OUTPUTS must have different names"),
        ("gap.py", GAP.replace("1.0}", '"a"}'), "PARAMETERS must have numbers from 0 on"),
        ("gap.py", GAP.replace("return 1", "return -1"), "whole number of bars"),
        ("gap.py", GAP.replace("return 1", "return 1.5"), "whole number of bars"),
        ("gap.py", GAP + "BEGIN = ()", "a tuple that begins with the outputs"),
        ("gap.py", GAP.replace("def step", "def setp"), "it has no step"),
        ("gap.py", "import no_such_module_anywhere", "No module named"),
        ("gap.py", "raise SystemError('at once')", "SystemError: at once"),
        ("gap.py", "def step(:", "SyntaxError"),
    ],
)
def test_file_that_is_no_study_is_said_at_the_start(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError) as error:
        find(tmp_path)
    assert len(error.value.mistakes) == 1
    assert said in error.value.mistakes[0]
    assert name in error.value.mistakes[0]


def test_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no folder that can be read"):
        find(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "wrong",
    [
        "raise RuntimeError('no')",
        "return 1 / 0",
        "return None",
        "return ()",
        "return ('a',)",
        "return (None,)",
        "return (10 ** 400,)",
        "return [1.0]",
    ],
)
def test_study_of_ones_own_that_fails_is_silent_from_then_on(tmp_path: Path, wrong: str) -> None:
    """Of the series on which it failed; others, and other studies, go on."""
    (tmp_path / "fails.py").write_text(
        f"PARAMETERS = {{}}\nOUTPUTS = ('',)\ndef step(memory, parameters, bars, at):\n"
        f"    if bars[at][4] == 13.0:\n        {wrong}\n    return (bars[at][4],)\n"
    )
    failures: list[str] = []
    formulas = find(tmp_path, failures.append)
    studies, _ = studies_of([DeskStudy(name="fails"), DeskStudy(name="ema")], formulas)
    one, other = chosen(studies, "SPY", "1m"), chosen(studies, "AAPL", "1m")
    said = []
    for close in (10.0, 13.0, 11.0):
        one = study(one, (1, close, close, close, close, 1.0, True))
        other = study(other, BAR)
        said.append(told(one)["fails"])
    assert said == [10.0, None, None]
    assert told(other)["fails"] == 10.5
    assert told(one)["ema"] is not None
    assert failures == ["fails"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (DeskStudy(name="rssi"), r"studies\[1\] asks for rssi, and no file"),
        (DeskStudy(name="fast", formula="rssi"), r"studies\[1\] asks for rssi, and no file"),
        (DeskStudy(name="rsi", parameters={"periods": 7.0}), r"periods is no parameter of rsi: there is period"),
        (DeskStudy(name="rsi", parameters={"period": 7.5}), r"period is 7.5: it counts, and must be a whole number"),
        (DeskStudy(name="rsi", parameters={"period": 0.0}), r"period is 0: it must be above 0"),
        (DeskStudy(name="rsi", parameters={"period": math.nan}), r"period is nan: it must be from 0 to 10000"),
        (DeskStudy(name="rsi", parameters={"period": 1e9}), r"it must be from 0 to 10000"),
    ],
)
def test_what_can_not_be_asked_for_is_said(wanted: DeskStudy, said: str) -> None:
    studies, mistakes = studies_of([wanted], find())
    assert not studies
    assert len(mistakes) == 1
    assert re.search(said, mistakes[0])


def test_parameters_are_those_of_the_desk_and_else_the_studys_own() -> None:
    studies, _ = studies_of([DeskStudy(name="bands", formula="bollinger", parameters={"period": 30.0})], find())
    assert studies[0].parameters == (30, 2.0)
    assert type(studies[0].parameters[0]) is int
    assert studies[0].told_as == ("bands.upper", "bands.middle", "bands.lower")


def test_last_table_of_a_name_that_fits_a_series_counts() -> None:
    wanted = [
        DeskStudy(name="rsi"),
        DeskStudy(name="rsi", parameters={"period": 7.0}, symbols=("BTC-USD",)),
        DeskStudy(name="sma", timeframes=("5m",)),
    ]
    studies, _ = studies_of(wanted, find())

    def periods(symbol: str, timeframe: str) -> dict[str, int]:
        return {each.name: each.parameters[0] for each in chosen(studies, symbol, timeframe).studies}

    assert periods("SPY", "1m") == {"rsi": 14}
    assert periods("BTC-USD", "1m") == {"rsi": 7}
    assert periods("BTC-USD", "5m") == {"rsi": 7, "sma": 20}
