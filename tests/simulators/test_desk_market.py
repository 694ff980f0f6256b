"""The simulators of a desk file: its symbols and accounts, and never beside a desk that trades at real venues."""

from __future__ import annotations

import argparse
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from signalbox.errors import ConfigurationError
from simulators.desk_market import follow_desk
from simulators.dydx import __main__ as dydx
from simulators.tws import __main__ as tws

from simulators import __main__ as both

DESK_FILE = Path(__file__).resolve().parents[2] / "deploy/desk.toml"
ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"


def followed(module: Any, *arguments: str, desk: Path = DESK_FILE) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    args = parser.parse_args(["--desk", str(desk), *arguments])
    follow_desk(args, module.SIMULATOR.venues)
    return args


def test_both_venues_have_what_the_desk_trades() -> None:
    args = followed(both)
    assert args.symbols == "SPY,AAPL,0700.HK,BTC-USD,ETH-USD"
    assert (args.accounts, args.fund) == ("DU1234567", [(ADDRESS, Decimal(1_000_000))])


def test_one_venue_has_its_own_symbols() -> None:
    assert followed(tws).symbols == "SPY,AAPL,0700.HK"
    assert followed(dydx).symbols == "BTC-USD,ETH-USD"


def test_a_deposit_that_is_given_is_not_doubled() -> None:
    assert followed(dydx, "--fund", f"{ADDRESS}=5").fund == [(ADDRESS, Decimal(5))]


def test_a_desk_on_the_walls_clock_is_refused(tmp_path: Path) -> None:
    wall = tmp_path / "desk.toml"
    wall.write_text(DESK_FILE.read_text().replace('clock = "simulated"', 'clock = "wall"'))
    with pytest.raises(ConfigurationError, match="trades at real venues"):
        followed(both, desk=wall)


def test_without_a_desk_file_nothing_changes() -> None:
    parser = argparse.ArgumentParser()
    both.add_arguments(parser)
    args = parser.parse_args([])
    before = dict(vars(args))
    follow_desk(args, both.SIMULATOR.venues)
    assert vars(args) == before
