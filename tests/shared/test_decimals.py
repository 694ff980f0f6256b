"""Which texts are numbers of the desk."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox import messages
from signalbox.decimals import can_be_reckoned_with, is_decimal_text, is_sane
from signalbox.messages import IntentDenied, OrderIntent, OrderType, Side


@pytest.mark.parametrize("text", ["0", "1", "-1.50", "+0.05", ".5", "5.", "1e3", "1E-12", "1e30", "0e5"])
def test_what_people_write_is_a_number(text: str) -> None:
    assert is_decimal_text(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "1_000", "१००", "１", "٣", "1e31", "1e400", "-1e999999", "1e-31", "0e999", "1" * 41),
        *("NaN", "sNaN", "Infinity", "-inf", "0." + "0" * 200, "0x10", "1,000", "1e", "e5", ".", "--1"),
    ],
)
def test_what_only_python_takes_for_a_number_is_none(text: str) -> None:
    assert not is_decimal_text(text)


@given(st.text(max_size=100) | st.decimals().map(str))
def test_any_text_is_judged_and_what_is_a_number_can_be_reckoned_with(text: str) -> None:
    if is_decimal_text(text):
        assert abs(Decimal(text) + 1) < Decimal("1e32")


@given(st.decimals())
def test_any_number_is_judged(number: Decimal) -> None:
    assert is_sane(number) in (True, False)


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "1e400", "1e-400"])
def test_a_message_that_holds_such_a_number_at_any_depth_is_seen(text: str) -> None:
    class Inner(msgspec.Struct):
        price: Decimal | None = None

    class Outer(msgspec.Struct):
        name: str
        inner: tuple[Inner, ...] = ()
        by_symbol: dict[str, Decimal] = {}

    well = Outer("a", (Inner(), Inner(Decimal("1.5"))), {"SPY": Decimal(1)})
    assert can_be_reckoned_with(well)
    assert not can_be_reckoned_with(Outer("a", (Inner(), Inner(Decimal(text)))))
    assert not can_be_reckoned_with(Outer("a", (), {"SPY": Decimal(text)}))


def test_no_field_of_any_message_in_which_a_number_stands_is_left_out() -> None:
    """The fields without numbers are passed over by their types; here by what their annotations say."""
    kinds = [kind for kind in vars(messages).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    numbers = [
        (kind, field.name, {"a": Decimal("NaN")} if "dict" in str(field.type) else Decimal("NaN"))
        for kind in kinds
        for field in msgspec.structs.fields(kind)
        if "Decimal" in str(field.type)
    ]
    assert len(numbers) > 50
    for kind, name, number in numbers:
        others: dict[str, Any] = dict.fromkeys(kind.__struct_fields__)
        assert can_be_reckoned_with(kind(**others))
        assert not can_be_reckoned_with(kind(**others | {name: number})), (kind, name)


def test_a_message_in_a_message_is_looked_into() -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    intent = OrderIntent(
        id="a", at=now, venue="v", symbol="s", side=Side.BUY, quantity=Decimal("NaN"), order_type=OrderType.MARKET
    )
    denied = IntentDenied(
        id="d", at=now, intent_sequence=1, intent_stored_at=now, intent=intent, checks=(), reason="no"
    )
    assert not can_be_reckoned_with(denied)
    assert can_be_reckoned_with(msgspec.structs.replace(denied, intent=None))
