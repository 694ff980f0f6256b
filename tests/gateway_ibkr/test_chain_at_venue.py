"""The listing of a share's options, through the real client library."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from gateway_ibkr.chain import listing
from signalbox.errors import SignalboxError, SymbolError
from signalbox.instruments import parse_symbol
from signalbox_cli.__main__ import carry_out
from simulators.world import WorldOptions


@pytest.fixture
def world_options() -> WorldOptions:
    return WorldOptions(symbols=("SPY", "0700.HK"), start=datetime(2024, 3, 5, 15, 0, tzinfo=UTC), seed=7)


async def listed(venue: Any, symbol: str = "SPY", expiry: date | None = None, right: str = "") -> list[str]:
    return await listing(
        Namespace(symbol=symbol, expiry=expiry, right=right, host="127.0.0.1", port=venue.port, client_id=19)
    )


async def test_without_a_day_the_days_are_listed(venue: Any) -> None:
    lines = await listed(venue)
    assert lines[:2] == ["2024-03-08", "2024-03-15"]
    assert "41 strikes" in lines[-1]


async def test_of_a_day_each_symbol_is_one_for_the_desk_file(venue: Any) -> None:
    lines = await listed(venue, expiry=date(2024, 3, 15))
    assert len(lines) == len(set(lines)) == 82
    assert [parse_symbol(line).canonical for line in lines] == lines
    assert lines == sorted(lines, key=lambda line: (line[-8:], line))
    calls = await listed(venue, expiry=date(2024, 3, 15), right="C")
    assert calls == [line for line in lines if line[10] == "C"]


async def test_a_share_without_options_and_a_day_without_any_are_said_so(venue: Any) -> None:
    assert await listed(venue, "0700.HK") == ["there are no options on 700 at SMART"]
    with pytest.raises(SignalboxError, match="No security definition"):
        await listed(venue, expiry=date(2024, 3, 14))
    with pytest.raises(SymbolError):
        await listed(venue, "BTC-USD")


async def test_the_command_prints_it(venue: Any, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["chain", "SPY", "--expiry", "2024-03-15", "--port", str(venue.port)]
    with pytest.raises(SystemExit, match="0"):
        await asyncio.to_thread(carry_out, words)
    assert capsys.readouterr().out.splitlines() == await listed(venue, expiry=date(2024, 3, 15))


def test_where_nobody_listens_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        carry_out(["chain", "SPY", "--port", "1"])
    assert "signalbox: " in capsys.readouterr().err
