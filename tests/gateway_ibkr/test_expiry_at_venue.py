"""Options that leave the account without an order: booked at 0, once, and the books agree with the venue afterwards."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox.desk import DeskInstrument
from signalbox.messages import Side, VenueCommission, VenueFill, VenueSnapshot
from simulators.world import WorldOptions

CALL, PUT = "SPY 240315C00450000", "SPY 240315P00450000"
LAST_DAY = datetime(2024, 3, 15, 19, 0, tzinfo=UTC)
ACCOUNT, CASH = "DU1234567", Decimal(1_000_000)
BY_POSITION = pytest.mark.parametrize("by_position", [False, True], ids=["executions", "positions alone"])


@pytest.fixture
def world_options() -> WorldOptions:
    prices = (("SPY", Decimal(450)),)
    return WorldOptions(
        symbols=("SPY", CALL, PUT),
        speed=50.0,
        start=LAST_DAY,
        listed=LAST_DAY - timedelta(minutes=10),
        seed=7,
        prices=prices,
    )


@pytest.fixture
async def trading(desk: Any) -> Any:
    """A gateway that is ready, at a venue that quotes the options."""
    desk.desk = replace(
        desk.desk, instruments=tuple(DeskInstrument(venue="ibkr", symbol=each) for each in ("SPY", CALL, PUT))
    )
    await desk.start()
    await desk.ready()
    await desk.eventually(lambda: desk.venue.world.quote(PUT), "a quote")
    return desk


async def trade(desk: Any, name: str, symbol: str, side: Side, quantity: int) -> None:
    await desk.submit(name, symbol=symbol, side=side, quantity=Decimal(quantity))
    await desk.has(name, "VenueFill", "VenueCommission")


async def books(desk: Any) -> tuple[dict[str, str], Decimal]:
    """Positions and cash that follow from what the gateway has reported, each execution once."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    cash, seen = CASH, set()
    for report in await desk.reports():
        if isinstance(report, VenueCommission):
            cash -= report.commission
        if isinstance(report, VenueFill):
            assert report.fill.execution_id not in seen
            seen.add(report.fill.execution_id)
            signed = report.fill.side.sign * report.fill.quantity
            held[report.fill.symbol] += signed
            cash -= signed * report.fill.price * (report.multiplier or 1)
    return {symbol: f"{quantity:f}" for symbol, quantity in held.items() if quantity}, cash


async def agree(desk: Any) -> None:
    """Wait until that is what the venue's own books say."""

    async def same() -> bool:
        theirs = desk.venue.world.snapshot()[ACCOUNT]
        return await books(desk) == (theirs["positions"], Decimal(theirs["cash"]["USD"]))

    try:
        await desk.eventually(same, "books that agree", 30)
    except AssertionError as error:
        raise AssertionError(f"{error}: {await books(desk)}, {desk.venue.world.snapshot()}") from None


@BY_POSITION
@pytest.mark.parametrize(
    ("symbol", "side", "command"),
    [
        (CALL, Side.BUY, "exercise"),
        (CALL, Side.SELL, "assign"),
        (PUT, Side.BUY, "exercise"),
        (PUT, Side.SELL, "assign"),
    ],
)
async def test_exercise_and_assignment_are_booked_at_zero_beside_the_shares_at_the_strike(
    trading: Any, symbol: str, side: Side, command: str, by_position: bool
) -> None:
    await trading.venue.do("settle_by_position", on=by_position)
    await trade(trading, "option-1", symbol, side, 2)
    await trading.venue.do(command, symbol=symbol, quantity="1")
    await agree(trading)
    left, shares = ("1" if side is Side.BUY else "-1"), ("100" if (symbol == CALL) is (side is Side.BUY) else "-100")
    assert (await books(trading))[0] == {symbol: left, "SPY": shares}


@BY_POSITION
@pytest.mark.parametrize("spot", ["460", "440"], ids=["in the money", "out of the money"])
async def test_what_expires_is_exercised_or_lapses(trading: Any, spot: str, by_position: bool) -> None:
    await trading.venue.do("settle_by_position", on=by_position)
    await trade(trading, "call-1", CALL, Side.BUY, 1)
    trading.venue.world.set_price("SPY", Decimal(spot))
    await over_the_weekend(trading)
    await agree(trading)
    assert (await books(trading))[0] == ({"SPY": "100"} if spot == "460" else {})


@BY_POSITION
async def test_what_expires_while_the_gateway_is_away_is_booked_when_it_is_back(
    trading: Any, by_position: bool
) -> None:
    """The venue tells nothing of the contract any more: its name says which one it was."""
    await trading.venue.do("settle_by_position", on=by_position)
    await trade(trading, "call-1", CALL, Side.SELL, 1)
    trading.venue.world.set_price("SPY", Decimal(460))
    await trading.eventually(lambda: snapshots(trading), "a snapshot")
    await trading.stop(trading.runtimes[0])
    await over_the_weekend(trading)
    await trading.start()
    trading.mark = len(trading.links)
    await trading.ready()
    await agree(trading)
    assert (await books(trading))[0] == {"SPY": "-100"}


async def test_executions_that_come_after_all_are_the_same(trading: Any) -> None:
    await trading.venue.do("settle_by_position", on=True)
    await trade(trading, "call-1", CALL, Side.SELL, 2)
    await trading.venue.do("assign", symbol=CALL, quantity="2")
    await agree(trading)
    await trading.venue.do("settle_by_position", on=False)
    await trading.dropped(11)
    await trading.eventually(lambda: after_drop(trading), "another snapshot")
    await agree(trading)
    (last, *_) = reversed([each for each in await trading.reports() if isinstance(each, VenueSnapshot)])
    booked = {each.fill.execution_id for each in await trading.reports() if isinstance(each, VenueFill)}
    assert set(last.execution_ids) <= booked


async def over_the_weekend(desk: Any) -> None:
    """Let the market run beyond the day on which the options are settled."""
    world = desk.venue.world
    world.set_speed(20_000)
    await desk.eventually(lambda: world.now() >= datetime(2024, 3, 18, 8, 0, tzinfo=UTC), "Monday")
    world.set_speed(50)


async def snapshots(desk: Any) -> int:
    return len([each for each in await desk.reports() if isinstance(each, VenueSnapshot)])


async def after_drop(desk: Any) -> bool:
    return await snapshots(desk) >= 2
