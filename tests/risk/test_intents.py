"""Reading intents: any bytes give an intent or a sentence, never an exception, and never a number that bites later."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from risk.intents import DIGITS_MAX, PAYLOAD_BYTES_MAX, Unreadable, read_head, read_id, read_intent
from signalbox.messages import CancelIntent, MassCancelIntent, OrderIntent

GOOD: dict[str, Any] = {
    "type": "OrderIntent",
    "id": "a",
    "at": "2024-01-02T15:00:00Z",
    "venue": "ibkr",
    "symbol": "SPY",
    "side": "BUY",
    "quantity": "1",
    "order_type": "MARKET",
}


def read(**changes: Any) -> Any:
    body = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return read_intent(json.dumps(body).encode())


def test_a_good_intent_is_read() -> None:
    assert isinstance(read(), OrderIntent)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"colour": "red"}, "unknown field `colour`"),
        ({"quantity": None}, "missing required field `quantity`"),
        ({"quantity": "ten"}, "$.quantity"),
        ({"quantity": True}, "$.quantity"),
        ({"quantity": [1]}, "$.quantity"),
        ({"quantity": "NaN"}, "quantity is NaN"),
        ({"quantity": "\u0967\u0966\u0966"}, "quantity is not written as a number"),
        ({"quantity": "\uff11"}, "quantity is not written as a number"),
        ({"quantity": "1_000"}, "quantity is not written as a number"),
        ({"quantity": " 1"}, "quantity is not written as a number"),
        ({"limit_price": "\u0661"}, "limit_price is not written as a number"),
        ({"quantity": "sNaN"}, "quantity is sNaN"),
        ({"quantity": "-Infinity"}, "quantity is -Infinity"),
        ({"quantity": "1e999999"}, "quantity is too large or too precise"),
        ({"quantity": "1e-999999"}, "quantity is too large or too precise"),
        ({"quantity": "1e16"}, "quantity is too large"),
        ({"quantity": "1e99999999999999999999"}, "$.quantity"),
        ({"limit_price": "0." + "1" * 30}, "limit_price is too large or too precise"),
        ({"stop_price": "9" * 3_000}, "stop_price is too large"),
        ({"display_quantity": "sNaN"}, "display_quantity is sNaN"),
        ({"display_quantity": "1e-999999"}, "display_quantity is too large or too precise"),
        ({"display_quantity": "\u0661"}, "display_quantity is not written as a number"),
        ({"trail_amount": "sNaN"}, "trail_amount is sNaN"),
        ({"trail_percent": "1e-999999"}, "trail_percent is too large or too precise"),
        ({"activation_price": "sNaN"}, "activation_price is sNaN"),
        ({"activation_price": "\u0661"}, "activation_price is not written as a number"),
        ({"limit_offset": "\u0661"}, "limit_offset is not written as a number"),
        ({"side": "HOLD"}, "$.side"),
        ({"at": "2024-01-02T15:00:00"}, "timezone"),
        ({"at": "yesterday"}, "$.at"),
        ({"at": ""}, "$.at"),
        ({"at": 1704200000}, "$.at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at is in the year 1"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "at is in the year 9999"),
        ({"good_till": "9999-12-31T00:00:00Z"}, "good_till is in the year 9999"),
        ({"not_before": "9999-12-31T00:00:00Z"}, "not_before is in the year 9999"),
        ({"note": "x" * 257}, "note has 257 characters"),
        ({"symbol": "x" * 20_000}, "bytes"),
        ({"type": "CancelIntent"}, "unknown field"),
        ({"type": "IntentApproved"}, "'IntentApproved' is no type of message that belongs here"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], word: str) -> None:
    result = read(**changes)
    assert isinstance(result, Unreadable)
    assert word in result.reason


LIST: dict[str, Any] = {
    "type": "OrderListIntent", "id": "l", "venue": "ibkr", "symbol": "SPY", "contingency": "BRACKET", "legs": [],
}  # fmt: skip
LEG = {"name": "stop", "side": "SELL", "order_type": "TRAILING_STOP"}
STEP = {"action": "TRAIL_STOP", "after_seconds": 60}


@pytest.mark.parametrize(
    ("legs", "steps", "word"),
    [
        ([{"trail_percent": "2"}], [{"trail_amount": "2"}], ""),
        ([{"trail_percent": "1e999999"}], [], "trail_percent is too large or too precise"),
        ([{"trail_amount": "\u0661"}], [], "trail_amount is not written as a number"),
        ([], [{"trail_percent": "sNaN"}], "trail_percent is sNaN"),
        ([], [{"trail_amount": "\u0661"}], "trail_amount is not written as a number"),
        ([], [{"stop_price": "1e999999"}], "stop_price is too large or too precise"),
        ([], [{"stop_price": "1_0"}], "stop_price is not written as a number"),
        ([], [{"offset": {"amount": "1e999999", "unit": "R"}}], "amount is too large or too precise"),
        ([], [{"offset": {"amount": " 1", "unit": "R"}}], "amount is not written as a number"),
    ],
)
def test_the_numbers_of_legs_and_steps_are_read_as_those_of_orders(
    legs: list[Any], steps: list[Any], word: str
) -> None:
    body = LIST | {"legs": [LEG | leg for leg in legs], "timed": [STEP | step for step in steps]}
    result = read_intent(json.dumps(body).encode())
    assert isinstance(result, Unreadable) is bool(word)
    assert not word or word in result.reason  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["1e15", "1E+14", "0.000000000001", "12345678.123456789012"])
def test_the_widest_numbers_are_judged_by_their_digits(text: str) -> None:
    number = Decimal(text)
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    within = len(digits) <= DIGITS_MAX and len(digits) + exponent <= 15 and exponent >= -12
    assert isinstance(read(quantity=text), OrderIntent) is within


def test_an_intent_that_leaves_its_time_out_is_of_the_time_at_which_it_was_sent() -> None:
    sent_at = datetime(2024, 1, 2, 15, 30, tzinfo=UTC)
    times = dict.fromkeys(("valid_until", "not_before"), "2024-01-02T23:30:00+08:00")
    body = {name: value for name, value in GOOD.items() if name != "at"} | times
    intent = read_intent(json.dumps(body).encode(), sent_at)
    assert isinstance(intent, OrderIntent)
    assert (intent.at, intent.valid_until, intent.not_before) == (sent_at, sent_at, sent_at)
    for each in (intent.valid_until, intent.not_before):
        assert each is not None
        assert each.tzinfo is UTC
    of_many = read_intent(b'{"type":"MassCancelIntent","id":"m"}', sent_at)
    assert isinstance(of_many, MassCancelIntent)
    assert of_many.at == sent_at
    assert read_intent(json.dumps(GOOD).encode(), sent_at) == read()


def test_a_cancel_need_not_name_the_symbol_of_its_order() -> None:
    intent = read_intent(b'{"type":"CancelIntent","id":"c","venue":"ibkr","order_id":"o"}')
    assert isinstance(intent, CancelIntent)
    assert intent.symbol == ""


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (json.dumps({**GOOD, "side": "HOLD", "order_id": 5}).encode(), "a"),
        (b'{"type":"OrderIntnt","id":"b-1"}', "b-1"),
        (b'{"type":"OrderIntent", "id" : "b-1", "side":"BUY"', "b-1"),
        (b'{"type":"OrderIntent","id":17}', ""),
        (b'{"id":"\xff"}', ""),
        (b'{"id":"' + b"x" * 300 + b'"}', ""),
        (b"[" * 16_000, ""),
        (b"", ""),
        (b"nonsense", ""),
        (b" " * PAYLOAD_BYTES_MAX + b'"id":"late"', ""),
    ],
)
def test_what_can_be_seen_of_the_id_of_what_can_not_be_read_is_seen(payload: bytes, name: str) -> None:
    assert read_id(payload) == name


def test_times_are_turned_to_utc() -> None:
    intent = read(at="2024-01-02T23:00:00+08:00")
    assert intent == read()
    assert intent.at.tzinfo is UTC


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"\x00" * 100,
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{" * 10_000,
        b"[" * 16_000,
        b'{"x":' + b"[" * 16_000,
        b'{"type":"OrderIntent"',
        b'{"type":5}',
        b'{"type":"OrderIntent","id":"\xff"}',
        b'{"type":"OrderIntent","id":"\\ud800"}',
        b"x" * 1_000_000,
        b" " * 1_000_000,
    ],
)
def test_what_is_no_intent_is_unreadable(payload: bytes) -> None:
    result = read_intent(payload)
    assert isinstance(result, Unreadable)
    assert result.reason


MANY: dict[str, Any] = {"type": "MassCancelIntent", "id": "m", "at": "2024-01-02T15:00:00Z"}


def test_a_cancel_of_many_needs_to_name_nothing() -> None:
    result = read_intent(json.dumps(MANY).encode())
    assert isinstance(result, MassCancelIntent)
    assert (result.venue, result.account, result.symbol, result.strategy) == ("", "", "", "")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"venue": "x" * 257}, "venue has 257 characters"),
        ({"account": "x" * 257}, "account has 257 characters"),
        ({"symbol": "x" * 257}, "symbol has 257 characters"),
        ({"strategy": "x" * 257}, "strategy has 257 characters"),
        ({"note": "x" * 257}, "note has 257 characters"),
        ({"note": "x" * 1_000_000}, "bytes"),
        ({"venue": None}, "$.venue"),
        ({"symbol": ["SPY"]}, "$.symbol"),
        ({"order_id": "o-1"}, "unknown field `order_id`"),
        ({"at": "9999-12-31T00:00:00Z"}, "at is in the year 9999"),
    ],
)
def test_what_is_wrong_with_a_cancel_of_many_is_said(changes: dict[str, Any], word: str) -> None:
    result = read_intent(json.dumps({**MANY, **changes}).encode())
    assert isinstance(result, Unreadable)
    assert word in result.reason


def test_a_head_says_whether_an_intent_cancels_one_or_many() -> None:
    one = {"type": "CancelIntent", "id": "c", "order_id": "o-1"}
    heads = [read_head(json.dumps(body).encode()) for body in (GOOD, one, MANY)]
    assert [(head.cancels, head.cancels_many) for head in heads] == [("", False), ("o-1", False), ("", True)]
    assert read_head(b"{").cancels_many is False


def test_a_message_just_within_the_bound_is_read() -> None:
    body = json.dumps(GOOD).encode()
    assert isinstance(read_intent(body + b" " * (PAYLOAD_BYTES_MAX - len(body))), OrderIntent)
    assert isinstance(read_intent(body + b" " * (PAYLOAD_BYTES_MAX - len(body) + 1)), Unreadable)


@given(st.binary(max_size=2000))
@example(b'{"type":"CancelIntent"}')
def test_any_bytes_give_an_intent_or_a_sentence(payload: bytes) -> None:
    result = read_intent(payload)
    assert isinstance(result, Unreadable | msgspec.Struct)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.decimals().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), JSON, max_size=4))
def test_any_values_give_an_intent_or_a_sentence(changes: dict[str, Any]) -> None:
    result = read_intent(json.dumps({**GOOD, **changes}).encode())
    assert isinstance(result, Unreadable | OrderIntent)
    if isinstance(result, OrderIntent):
        assert result.quantity.is_finite()
        assert len(str(result.quantity * result.quantity)) < 80


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"share": "1e999999"}, "share is too large or too precise"),
        ({"share": "NaN"}, "share is NaN"),
        ({"share": "\u0661"}, "share is not written as a number"),
        ({"quantity": "1e16"}, "quantity is too large"),
        ({"limit_price": "Infinity"}, "limit_price is Infinity"),
        ({"side": "BUY"}, "unknown field `side`"),
        ({"action": "FLIP"}, "$.action"),
    ],
)
def test_what_is_wrong_with_a_wish_for_a_position_is_said(changes: dict[str, Any], word: str) -> None:
    wish = {"type": "PositionIntent", "id": "p", "at": "2024-01-02T15:00:00Z", "venue": "ibkr", "symbol": "SPY"}
    result = read_intent(json.dumps({**wish, "action": "REDUCE_LONG", **changes}).encode())
    assert isinstance(result, Unreadable)
    assert word in result.reason


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"percent": "\u0661"}, "percent is not written as a number"),
        ({"percent": "1e999999"}, "percent is too large or too precise"),
        ({"group": "g" * 257}, "group has 257 characters"),
        ({"method": "Fair"}, "$.method"),
    ],
)
def test_what_is_wrong_with_an_order_for_a_group_is_said(changes: dict[str, Any], word: str) -> None:
    result = read_intent(json.dumps({**GOOD, "group": "growth", **changes}).encode())
    assert isinstance(result, Unreadable)
    assert word in result.reason
