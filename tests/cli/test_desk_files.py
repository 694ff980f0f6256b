"""Desk files made of the shipped one: a replay's, and that of one venue."""

from __future__ import annotations

from pathlib import Path

import pytest
from signalbox.desk import load_desk
from signalbox.errors import ConfigurationError
from signalbox_cli.desk_files import replayed_symbol, with_venue_alone, write_desk_file
from signalbox_cli.local_desk import deploy_folder

SHIPPED = deploy_folder() / "desk.toml"


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("SPY_2011-01_eth.parquet", "SPY"),
        ("700.csv", "0700.HK"),
        ("BRK B_2024.csv", "BRK B"),
        ("TSLA.csv", "TSLA"),
        ("BTC-USD_dydx_trade.parquet", "BTC-USD"),
    ],
)
def test_bars_are_of_the_symbol_that_their_file_is_named_after(name: str, symbol: str) -> None:
    assert replayed_symbol(Path(name)) == symbol


def test_desk_without_a_replay_is_the_shipped_one(tmp_path: Path) -> None:
    assert load_desk(write_desk_file(SHIPPED, tmp_path, None)) == load_desk(SHIPPED)


@pytest.mark.parametrize(
    ("name", "venue"),
    [("AAPL_2024.csv", "ibkr"), ("TSLA_2024.csv", "ibkr"), ("BTC-USD_x.csv", "dydx"), ("SOL-USD.parquet", "dydx")],
)
def test_desk_of_a_replay_trades_its_symbol_alone_at_its_venue(tmp_path: Path, name: str, venue: str) -> None:
    desk = load_desk(write_desk_file(SHIPPED, tmp_path, Path(name)))
    assert [(each.venue, each.symbol) for each in desk.instruments] == [(venue, replayed_symbol(Path(name)))]
    assert list(desk.venues) == [venue]
    assert desk.venues[venue] == load_desk(SHIPPED).venues[venue]
    assert desk.limits == load_desk(SHIPPED).limits


def test_comments_and_order_of_what_stays_are_kept() -> None:
    text = with_venue_alone(SHIPPED.read_text(), "ibkr")
    rest = iter(SHIPPED.read_text().splitlines())
    assert all(line in rest for line in text.splitlines())
    assert "dydx1" not in text
    assert "there are no defaults" in text


def test_replay_at_a_venue_without_account_is_told(tmp_path: Path) -> None:
    source = tmp_path / "ibkr.toml"
    source.write_text(with_venue_alone(SHIPPED.read_text(), "ibkr"))
    with pytest.raises(ConfigurationError, match="venues"):
        write_desk_file(source, tmp_path / "desk", Path("BTC-USD.csv"))
