"""The perpetual markets: tick and step follow from the protocol's parameters."""

from __future__ import annotations

import argparse
from decimal import Decimal

import pytest
from simulators.command_line import world_options
from simulators.dydx.__main__ import add_arguments
from simulators.dydx.markets import (
    MARKET_OF_CLOB_PAIR,
    MARKET_OF_TICKER,
    MARKETS,
    market_of,
    step_size,
    tick_size,
    tickers,
)
from simulators.listings import DYDX, PERPETUALS, listing_of


@pytest.mark.parametrize(
    ("ticker", "tick", "step"),
    [
        ("BTC-USD", "1", "0.0001"),
        ("ETH-USD", "0.1", "0.001"),
        ("SOL-USD", "0.01", "0.1"),
        ("DOGE-USD", "0.00001", "100"),
        ("PEPE-USD", "0.0000000001", "10000000"),
    ],
)
def test_tick_and_step_are_those_of_the_live_market(ticker: str, tick: str, step: str) -> None:
    market = MARKET_OF_TICKER[ticker]
    assert (market.tick_size, market.step_size) == (Decimal(tick), Decimal(step))


def test_a_whole_number_is_written_without_an_exponent() -> None:
    assert str(step_size(1_000_000, 1)) == "10000000"
    assert str(tick_size(1_000_000, -9, -10)) == "10"


def test_clob_pairs_and_listings_are_the_same_markets() -> None:
    assert [listing.key for listing in PERPETUALS] == [market.ticker for market in MARKETS]
    assert MARKET_OF_CLOB_PAIR[28] is MARKET_OF_TICKER["PEPE-USD"]
    for market in MARKETS:
        listing = listing_of(market.ticker)
        assert (listing.venue, listing.tick, listing.lot) == (DYDX, market.tick_size, market.step_size)
        assert listing.initial_margin > listing.maintenance_margin > 0
        assert listing.reference_price % listing.tick == 0


def test_there_are_as_many_markets_as_asked_for_each_whole() -> None:
    found = [market_of(ticker) for ticker in tickers(300)]
    assert len({market.clob_pair_id for market in found if market is not None}) == 300
    for market in found:
        assert market is not None
        listing = listing_of(market.ticker)
        assert (listing.tick, listing.lot) == (market.tick_size, market.step_size)
        assert listing.reference_price % listing.tick == 0
        assert listing.reference_price >= 1_000 * listing.tick
        assert 0 < market.maintenance_margin_fraction < market.initial_margin_fraction < 1


@pytest.mark.parametrize("ticker", ["M0-USD", "M10000-USD", "M01-USD", "M1-EUR", "X1-USD"])
def test_no_other_market_is_made_up(ticker: str) -> None:
    assert market_of(ticker) is None


def test_the_command_line_asks_for_so_many() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert len(world_options(parser.parse_args(["--markets", "40"])).symbols) == 40
    assert world_options(parser.parse_args(["--symbols", "M7-USD", "--markets", "1"])).symbols == ("M7-USD", "BTC-USD")
    with pytest.raises(SystemExit):
        parser.parse_args(["--markets", "1001"])
