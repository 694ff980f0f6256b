"""What acts on the books do to what each strategy holds and has made."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from signalbox_cli.made import Made, made_by_strategy

from .test_day import MARKS, SPY, fill

BEFORE, BETWEEN, AFTER = (f"2024-03-05T1{hour}:00:00.000000Z" for hour in (4, 6, 8))
TREND, OTHER, NOBODY = (("trend", *SPY), ("other", *SPY), ("", *SPY))


def act(kind: str | None, at: str = BETWEEN, **changes: Any) -> dict[str, Any]:
    place = dict(zip(("venue", "account", "symbol"), SPY, strict=True))
    figures = {"quantity": "0", "cost": "0", "numerator": "1", "denominator": "1", "income": None, "new_symbol": None}
    return {"type": "", "of_symbol": "SPY", "kind": kind, "at": at, **place, **figures, **changes}


def bought(quantity: str, price: str, strategy: str = "trend", at: str = BEFORE, side: str = "BUY") -> dict[str, Any]:
    return fill(side, quantity, price, strategy, at=at, commission=None)


def made(quantity: str, realized: str, unrealized: str, income: str = "0") -> Made:
    return Made(Decimal(quantity), Decimal(realized), Decimal(unrealized), Decimal(0), Decimal(income))


def test_a_split_is_of_every_strategy_that_holds_and_of_no_fill_after_it() -> None:
    fills = [bought("10", "40"), bought("5", "44", "other"), bought("1", "10", at=AFTER)]
    split = act("SPLIT", numerator="4", denominator="1")
    assert made_by_strategy(fills, MARKS, "", [split]) == {
        TREND: made("41", "0", str(41 * 12 - 410)),
        OTHER: made("20", "0", str(20 * 12 - 220)),
    }


def test_a_fill_that_is_told_late_was_traded_before_the_split() -> None:
    fills = [bought("1", "10", at=AFTER), bought("10", "40")]
    made_by = made_by_strategy(fills, MARKS, "", [act("SPLIT", numerator="4", denominator="1")])
    assert made_by[TREND].quantity == 41


def test_a_new_name_takes_each_strategys_part_at_what_it_cost() -> None:
    moved = [
        act("TRADE", type="RenameSymbol", new_symbol="NEW", quantity="-15", cost="-150"),
        act("TRADE", type="RenameSymbol", new_symbol="NEW", symbol="NEW", quantity="15", cost="150"),
    ]
    fills = [
        bought("10", "8"),
        bought("5", "14", "other"),
        bought("4", "13", at=AFTER, side="SELL") | {"symbol": "NEW"},
    ]
    market = (SPY[0], SPY[1], "NEW")
    found = made_by_strategy(fills, {**MARKS, market: (Decimal(1), Decimal(12))}, "", moved)
    assert found[("trend", *market)] == made("6", "20", "24")
    assert found[("other", *market)] == made("5", "0", "-10")
    assert found[TREND] == found[OTHER] == made("0", "0", "0")


def test_income_goes_by_what_each_holds_then_and_is_of_the_net() -> None:
    fills = [bought("10", "12"), bought("5", "12", "other"), bought("10", "12", at=AFTER, side="SELL")]
    found = made_by_strategy(fills, MARKS, "", [act(None, income="30")])
    assert found == {TREND: made("0", "0", "0", "20"), OTHER: made("5", "0", "0", "10")}
    assert found[OTHER].net == 10
    of_later = made_by_strategy(fills, MARKS, AFTER, [act(None, income="30")])
    assert of_later[OTHER].income == 0


def test_income_of_what_nobody_holds_any_more_is_nobodys() -> None:
    assert made_by_strategy([], MARKS, "", [act(None, income="30")]) == {NOBODY: made("0", "0", "0", "30")}


def test_what_no_order_has_traded_is_nobodys() -> None:
    fills = [bought("10", "12")]
    corrected = made_by_strategy(fills, MARKS, "", [act("TRADE", quantity="3", cost="30")])
    assert corrected == {TREND: made("10", "0", "0"), NOBODY: made("3", "0", "6")}
    adopted = made_by_strategy(fills, MARKS, "", [act("SET", quantity="14", cost="160")])
    assert adopted == {TREND: made("10", "0", "0"), NOBODY: made("4", "0", "8")}
