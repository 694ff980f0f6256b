"""A contract is its number: what is not on the desk's list is booked as itself, in its own money and multiple."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from signalbox.messages import VenueFill, VenueSnapshot

OPTION = {
    "symbol": "AAPL", "sec_type": "OPT", "con_id": 700_001, "local_symbol": "AAPL  240419C00190000", "multiplier": "100"
}  # fmt: skip
NAMED = "AAPL 240419C00190000:USD:700001"


async def fill_of(desk: Any, symbol: str, count: int = 1) -> VenueFill:
    """Wait for the last of so many fills of a symbol."""

    async def there() -> VenueFill | None:
        fills = [each for each in await desk.reports() if isinstance(each, VenueFill) and each.fill.symbol == symbol]
        return fills[-1] if len(fills) == count else None

    found: VenueFill = await desk.eventually(there, f"{count} fills of {symbol}")
    return found


async def held(desk: Any) -> dict[str, Any]:
    """What the last snapshot says is held."""
    told = [each for each in await desk.reports() if isinstance(each, VenueSnapshot)]
    return {each.symbol: each for each in told[-1].positions}


def cash_of(desk: Any) -> dict[str, Decimal]:
    """The cash of the account at the venue."""
    told = next(iter(desk.venue.world.snapshot().values()))["cash"]
    return {currency: Decimal(amount) for currency, amount in told.items()}


async def reconciled(desk: Any) -> None:
    desk.mark = len(desk.links)
    await desk.dropped(11)
    await desk.ready()


async def test_a_call_bought_by_hand_costs_a_hundred_times_its_price(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("trade_elsewhere", side="BUY", quantity="1", price="5", **OPTION)
    fill = await fill_of(desk, NAMED)
    assert (fill.currency, fill.multiplier, fill.fill.price) == ("USD", Decimal(100), Decimal(5))
    await reconciled(desk)
    position = (await held(desk))[NAMED]
    assert (position.quantity, position.average_price, position.multiplier) == (1, Decimal(5), Decimal(100))


async def test_an_option_expires_at_nothing(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    await desk.venue.do("trade_elsewhere", side="BUY", quantity="1", price="5", **OPTION)
    await fill_of(desk, NAMED)
    await desk.venue.do("trade_elsewhere", side="SELL", quantity="1", price="0", commission="0", **OPTION)
    fill = await fill_of(desk, NAMED, 2)
    assert fill.fill.price == 0
    assert runtime.details()["unread"] == ""


async def test_the_same_ticker_in_another_currency_is_another_contract(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    canadian = {"symbol": "SPY", "sec_type": "STK", "currency": "CAD", "con_id": 700_002, "exchange": "TSE"}
    await desk.venue.do("trade_elsewhere", side="BUY", quantity="7", price="31", **canadian)
    fill = await fill_of(desk, "SPY:CAD:700002")
    assert fill.currency == "CAD"
    await desk.submit("d-1")
    await desk.has("d-1", "VenueFill")
    assert (await fill_of(desk, "SPY")).currency == "USD"
    await reconciled(desk)
    there = await held(desk)
    assert (there["SPY"].quantity, there["SPY:CAD:700002"].quantity) == (10, 7)
    assert there["SPY:CAD:700002"].currency == "CAD"


async def test_the_same_ticker_in_the_same_currency_elsewhere_is_another_contract(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    other = {"symbol": "SPY", "sec_type": "STK", "currency": "USD", "con_id": 700_003, "exchange": "LSEETF"}
    await desk.venue.do("trade_elsewhere", side="SELL", quantity="7", price="31", **other)
    await fill_of(desk, "SPY:USD:700003")


async def test_a_future_settles_below_nothing(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    oil = {"symbol": "CL", "sec_type": "FUT", "con_id": 700_004, "local_symbol": "CLK0", "multiplier": "1000"}
    await desk.venue.do("trade_elsewhere", side="BUY", quantity="1", price="-37.63", exchange="NYMEX", **oil)
    fill = await fill_of(desk, "CLK0:USD:700004")
    assert (fill.fill.price, fill.multiplier) == (Decimal("-37.63"), Decimal(1000))
    assert runtime.details()["unread"] == ""


async def test_an_exchange_of_currencies_says_what_was_bought(desk: Any) -> None:
    """Its quantity is money as well: the venue's cash has changed in both currencies."""
    await desk.start()
    await desk.ready()
    pair = {"symbol": "EUR", "sec_type": "CASH", "con_id": 12_087_792, "local_symbol": "EUR.USD"}
    before = cash_of(desk)
    await desk.venue.do("trade_elsewhere", side="BUY", quantity="100", price="1.08", exchange="IDEALPRO", **pair)
    fill = await fill_of(desk, "EUR.USD:USD:12087792")
    assert (fill.currency, fill.base_currency) == ("USD", "EUR")
    assert cash_of(desk)["EUR"] - before.get("EUR", 0) == fill.fill.quantity
    await desk.submit("d-1")
    await desk.has("d-1", "VenueFill")
    assert (await fill_of(desk, "SPY")).base_currency == ""


async def test_of_a_combination_its_legs_are_booked_and_not_the_whole(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    await desk.venue.do(
        "trade_elsewhere", symbol="AAPL", sec_type="BAG", con_id=28_812_380, side="BUY", quantity="1", price="-0.55"
    )
    await desk.venue.do("trade_elsewhere", side="BUY", quantity="1", price="5", **OPTION)
    await fill_of(desk, NAMED)
    await reconciled(desk)
    fills = [each.fill.symbol for each in await desk.reports() if isinstance(each, VenueFill)]
    assert fills == [NAMED]
    told = [each for each in await desk.reports() if isinstance(each, VenueSnapshot)]
    assert len(told[-1].execution_ids) == 1
    assert runtime.details()["unread"] == ""


async def test_what_may_be_the_desks_own_is_not_booked_under_another_name(desk: Any) -> None:
    """The venue has not told SPY's contract yet; SPY is traded, and it may be that one."""
    await desk.venue.do("spoil", kind="contractDetails", field=13, text="NaN", client=11, count=1)
    runtime = await desk.start()
    await desk.ready()
    before = len(desk.venue.world.executions())
    await desk.venue.do("place_by_hand", symbol="SPY", side="BUY", quantity="10")
    await desk.eventually(lambda: len(desk.venue.world.executions()) > before, "the trade")
    await desk.eventually(lambda: "may be SPY" in runtime.details()["unread"], "it is set aside")
    assert [each for each in await desk.reports() if isinstance(each, VenueFill)] == []
    await reconciled(desk)
    await fill_of(desk, "SPY")
    assert runtime.details()["unread"] == ""
