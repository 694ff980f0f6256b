"""What IBKR's answers to orders that are not placed say of opening a position: a part of its value, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_ibkr.account import Figures
from gateway_ibkr.facts import AccountAnswers, MarginSeen
from gateway_ibkr.margins import AGE_MAX, MarginTold, asked, part, rate_of
from signalbox.messages import Instrument, InstrumentKind, MarginRate, Side

AT = datetime(2024, 3, 5, 15, tzinfo=UTC)


def spy(lot: str = "1") -> Instrument:
    return Instrument(
        id="i",
        at=AT,
        venue="ibkr",
        symbol="SPY",
        kind=InstrumentKind.STOCK,
        currency="USD",
        exchange="SMART",
        calendar="XNYS",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(lot),
        minimum_quantity=Decimal(lot),
    )


@pytest.mark.parametrize(
    ("side", "held", "quantity"),
    [
        (Side.BUY, "0", 25),
        (Side.BUY, "100", 25),
        (Side.SELL, "100", 225),  # it closes 100, and 100 sold short bind what they did
        (Side.BUY, "-30", 85),
        (Side.SELL, "-30", 25),
    ],
)
def test_each_side_is_asked_with_as_much_as_opens_the_same(side: Side, held: str, quantity: float) -> None:
    found = asked("DU1", side, Decimal(held), spy(), Decimal(400))
    assert (found.terms.action, found.terms.quantity, found.terms.account) == (side.value, quantity, "DU1")
    assert found.opened == 10_000


def test_whole_lots_are_asked_about() -> None:
    found = asked("DU1", Side.BUY, Decimal(0), spy("100"), Decimal(30))
    assert (found.terms.quantity, found.opened) == (400, 12_000)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("5000.00", "0.5"),
        ("2500.01", "0.2501"),
        ("15000", "1"),
        ("0", None),
        ("-5", None),
        ("1.79E308", None),
        ("", None),
    ],
)
def test_a_change_is_a_part_of_what_is_opened_or_nothing(change: str, said: str | None) -> None:
    assert part(change, Decimal(10_000)) == (Decimal(said) if said is not None else None)


def test_both_sides_make_a_rate_and_the_larger_counts() -> None:
    opened = Decimal(10_000), Decimal(10_000)
    bought, sold = MarginSeen(initial_change="2500", maintenance_change="2000"), MarginSeen(initial_change="3000")
    rate = rate_of("SPY", bought, sold, opened, AT)
    assert rate is not None
    assert (rate.initial_buying, rate.initial_selling, rate.initial) == (
        Decimal("0.25"),
        Decimal("0.3"),
        Decimal("0.3"),
    )
    assert (rate.maintenance_buying, rate.maintenance_selling) == (Decimal("0.2"), None)
    assert rate_of("SPY", bought, MarginSeen(initial_change="0"), opened, AT) is None
    assert MarginRate(symbol="SPY", said_at=AT, initial_buying=Decimal("0.2")).initial is None


def test_a_rate_that_is_old_is_told_no_more_and_goes_with_its_session() -> None:
    figures = Figures("DU1")
    names = ("NetLiquidation", "TotalCashValue", "AvailableFunds", "BuyingPower", "InitMarginReq", "MaintMarginReq")
    answers = AccountAnswers(positions=(), values={(name, "USD"): "1000" for name in names})
    figures.on_fact(answers, AT)
    rate = MarginRate(symbol="SPY", said_at=AT, initial_buying=Decimal("0.5"), initial_selling=Decimal("0.5"))
    assert figures.on_fact(MarginTold("SPY", rate), AT)

    def told(at: datetime) -> tuple[MarginRate, ...]:
        state = figures.state(at)
        assert state is not None
        return state.margin_rates

    assert told(AT + AGE_MAX) == (rate,)
    assert told(AT + AGE_MAX + timedelta(seconds=1)) == ()
    figures.on_fact(MarginTold("SPY", None), AT)
    assert told(AT) == ()
    figures.on_fact(MarginTold("SPY", rate), AT)
    figures.forget()
    figures.on_fact(answers, AT)
    assert told(AT) == ()
