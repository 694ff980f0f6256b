"""Totals in one currency: at which rates, who has said them and when, and when there is none."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from signalbox.bus import Bus
from signalbox.messages import QueryReply
from signalbox_cli import valuing
from signalbox_cli.totals import Rate, Rates, Unknown, add_up
from signalbox_cli.valuing import as_data, as_lines, show_total

NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)
AGE_MAX = timedelta(seconds=300)
SHIPPED = Path(__file__).parents[2] / "deploy" / "desk.toml"


def told(account: str = "DU1", currency: str = "USD", seconds: int = 10, **rates: str) -> dict[str, Any]:
    said_at = (NOW - timedelta(seconds=seconds)).isoformat()
    return {"venue": "ibkr", "account": account, "currency": currency, "rates": rates, "said_at": said_at}


def rates(*rows: dict[str, Any], base: str = "USD", stated_in: str = "USD", **stated: str) -> Rates:
    return Rates(base, rows, {name: Decimal(rate) for name, rate in stated.items()}, stated_in, NOW, AGE_MAX)


def test_the_same_currency_needs_no_rate() -> None:
    found = rates().of("USD")
    assert isinstance(found, Rate)
    assert found.rate == 1


def test_a_venues_rate_has_its_source_and_time() -> None:
    found = rates(told(HKD="0.128")).of("HKD")
    assert found == Rate(Decimal("0.128"), "ibkr (DU1)", NOW - timedelta(seconds=10))


def test_an_account_in_that_currency_says_the_way_back() -> None:
    found = rates(told("DU2", "HKD", USD="8")).of("HKD")
    assert found == Rate(Decimal("0.125"), "ibkr (DU2)", NOW - timedelta(seconds=10))


def test_of_several_the_newest_counts() -> None:
    found = rates(told(seconds=60, HKD="0.1"), told("DU2", seconds=20, HKD="0.2"), told("DU3", seconds=40, HKD="0.3"))
    assert cast(Rate, found.of("HKD")).rate == Decimal("0.2")


def test_the_desk_file_states_what_no_venue_says() -> None:
    assert rates(told(), HKD="0.13").of("HKD") == Rate(Decimal("0.13"), "desk file")
    assert rates(told(HKD="0.128"), HKD="0.13").of("HKD") == Rate(
        Decimal("0.128"), "ibkr (DU1)", NOW - timedelta(0, 10)
    )
    assert rates(base="HKD", stated_in="USD", HKD="0.125").of("USD") == Rate(Decimal(8), "desk file")


def test_rates_stated_in_another_currency_say_nothing() -> None:
    assert isinstance(rates(base="EUR", stated_in="USD", HKD="0.125").of("HKD"), Unknown)


def test_an_old_rate_is_said_to_be_old_and_never_taken() -> None:
    assert rates(told(seconds=301, HKD="0.128")).of("HKD") == Unknown(
        "the rate of HKD in USD is old: it was last said 2026-01-05 14:54:59 UTC"
    )
    assert isinstance(rates(told(seconds=300, HKD="0.128")).of("HKD"), Rate)
    assert rates(told(seconds=301, HKD="0.128"), HKD="0.13").of("HKD") == Rate(Decimal("0.13"), "desk file")


def test_a_rate_that_nobody_says_is_never_1() -> None:
    assert rates(told()).of("HKD") == Unknown(
        "neither a venue nor [fx_rates] of the desk file says what HKD is worth in USD"
    )
    assert isinstance(rates({**told(HKD="1"), "said_at": None}).of("HKD"), Unknown)


@pytest.mark.parametrize("rate", ["0", "-1", "NaN", "Infinity"])
def test_a_rate_that_makes_no_sense_is_none(rate: str) -> None:
    assert isinstance(rates(told(HKD=rate), told("DU2", "HKD", USD=rate)).of("HKD"), Unknown)


def row(currency: str, cash: str | None = "100", worth: str | None = "200") -> dict[str, Any]:
    return {"currency": currency, "cash": cash, "worth": worth}


def test_rows_of_several_currencies_add_up() -> None:
    total = add_up([row("USD"), row("HKD"), row("HKD")], ("cash", "worth"), rates(told(HKD="0.125")))
    assert total.sums == {"cash": Decimal(125), "worth": Decimal(250)}
    assert total.missing == ()


def test_without_a_rate_there_is_no_total() -> None:
    total = add_up([row("USD"), row("HKD")], ("cash",), rates(told()))
    assert total.sums == {"cash": None}
    assert len(total.missing) == 1


def test_a_figure_that_is_not_known_makes_no_0_of_it() -> None:
    total = add_up([row("USD", worth=None), row("USD")], ("cash", "worth"), rates(told()))
    assert total.sums == {"cash": Decimal(200), "worth": None}
    assert as_lines(as_data(total)) == ["in USD: cash 200", "no total, as not all of it is known: worth"]


def test_people_are_told_the_rate_its_source_and_its_time() -> None:
    total = add_up([row("USD"), row("HKD")], ("cash",), rates(told(HKD="0.125")))
    assert as_lines(as_data(total)) == ["in USD: cash 112.5", "1 HKD = 0.125 USD: ibkr (DU1), 2026-01-05 14:59:50 UTC"]
    total = add_up([row("HKD")], ("cash",), rates(HKD="0.13"))
    assert as_lines(as_data(total)) == ["in USD: cash 13", "1 HKD = 0.13 USD: desk file"]
    total = add_up([row("HKD")], ("cash",), rates(told(seconds=301, HKD="0.128")))
    assert as_lines(as_data(total)) == [
        "no total: the rate of HKD in USD is old: it was last said 2026-01-05 14:54:59 UTC"
    ]


def test_programs_get_every_digit() -> None:
    total = add_up([row("USD", "0.000000000000000001"), row("HKD")], ("cash",), rates(told(HKD="0.128")))
    assert as_data(total) == {
        "total_in": "USD",
        "cash": "12.800000000000000001",
        "rates": {
            "HKD": {"rate": "0.128", "source": "ibkr (DU1)", "at": "2026-01-05T14:59:50+00:00"},
            "USD": {"rate": "1", "source": "the same currency", "at": None},
        },
        "missing": [],
    }


class Recorder:
    async def query(self, bus: Bus, sql: str) -> QueryReply:
        rows = [told("DU1", HKD="0.125"), told("DU2", "HKD", USD="8")]
        return QueryReply(columns=tuple(rows[0]), rows=tuple(tuple(each.values()) for each in rows))

    async def desk_time(self, bus: Bus) -> datetime:
        return NOW


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valuing, "query", Recorder().query)
    monkeypatch.setattr(valuing, "desk_time", Recorder().desk_time)


async def printed(capsys: pytest.CaptureFixture[str], rows: list[dict[str, Any]], **arguments: Any) -> str:
    given = argparse.Namespace(**({"base": "", "json": False, "csv": False} | arguments))
    await show_total(cast(Bus, None), SHIPPED, rows, ("cash",), given)
    return capsys.readouterr().out


async def test_a_total_stands_under_a_table_of_several(recorder: None, capsys: pytest.CaptureFixture[str]) -> None:
    both = [row("USD"), row("HKD")]
    assert (await printed(capsys, both)).startswith("\nin USD: cash 112.5\n1 HKD = 0.125 USD: ibkr (DU")
    assert "in HKD: cash 900" in await printed(capsys, both, base="HKD")
    assert '"total_in": "HKD"' in await printed(capsys, both, base="HKD", json=True)


async def test_nothing_is_added_to_what_a_program_or_one_row_says(
    recorder: None, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [row("USD"), row("HKD")]
    assert await printed(capsys, both, json=True) == ""
    assert await printed(capsys, both, csv=True, base="USD") == ""
    assert await printed(capsys, both[:1]) == ""
    assert await printed(capsys, []) == ""
    assert "in HKD: cash 800" in await printed(capsys, both[:1], base="HKD")
