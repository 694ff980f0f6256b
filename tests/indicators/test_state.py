"""What the desk file asks of the formulas."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from indicators.state import rules_of
from signalbox.desk import load_desk

DESK = Path(__file__).resolve().parents[2] / "deploy/desk.toml"


def test_parameters_of_the_desk_file_reach_the_formulas() -> None:
    desk = load_desk(DESK)
    assert rules_of(desk).parameters == (10, 2.0, pytest.approx(2 / 22), 10)
    changed = msgspec.structs.replace(
        desk,
        indicators=msgspec.structs.replace(
            desk.indicators, supertrend_period=7, supertrend_multiplier=3.0, ema_period=9, atr_period=14
        ),
    )
    assert rules_of(changed).parameters == (7, 3.0, 0.2, 14)


def test_timeframes_are_spelt_as_in_messages() -> None:
    desk = msgspec.structs.replace(load_desk(DESK), timeframes=("1m", "60m"))
    assert rules_of(desk).timeframes == {"1m", "1h"}
