"""Messages: what is written is read back, and what makes no sense is refused where it enters."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signalbox import messages
from signalbox.messages import Bar, Intent, Message, OrderIntent, OrderType, Side, decode, encode

BASES = {messages.Message, messages.OrderEvent, messages.VenueReport}
STRUCTS = [
    kind
    for _, kind in inspect.getmembers(messages, inspect.isclass)
    if issubclass(kind, msgspec.Struct) and kind.__module__.startswith(f"{messages.__name__}.") and kind not in BASES
]
MESSAGES = [kind for kind in STRUCTS if issubclass(kind, Message)]
UNIONS = [
    "Act",
    "Intent",
    "Decision",
    "LimitsRuling",
    "Ruling",
    "ListEvents",
    "OrderEvents",
    "Command",
    "Report",
    "LedgerEntry",
]
UNIONS_OF: dict[Any, list[Any]] = {}
for _union in [getattr(messages, name) for name in UNIONS]:
    for _member in get_args(_union):
        UNIONS_OF.setdefault(_member, []).append(_union)

INTENT = OrderIntent(
    id="i-1",
    at=datetime(2026, 7, 15, 14, tzinfo=UTC),
    venue="ibkr",
    symbol="SPY",
    side=Side.BUY,
    quantity=Decimal("1.50"),
    order_type=OrderType.MARKET,
)


def with_field(**changes: Any) -> bytes:
    return json.dumps({**json.loads(encode(INTENT)), **changes}).encode()


def test_the_package_hands_on_all_that_its_modules_say() -> None:
    said = {
        name
        for module in pkgutil.iter_modules(messages.__path__)
        for name, value in vars(importlib.import_module(f"{messages.__name__}.{module.name}")).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith(f"{messages.__name__}.")
    }
    assert said - set(messages.__all__) == set()
    assert {*UNIONS, "Utc", "NEVER", "FINAL_STATUSES"} == set(messages.__all__) - said


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_message_survives_the_wire(kind: Any, data: st.DataObject, any_of: Callable[[Any], Any]) -> None:
    message = data.draw(any_of(kind))
    payload = encode(message)
    assert decode(payload, kind) == message
    for union in UNIONS_OF.get(kind, ()):
        found = decode(payload, union)
        assert type(found) is kind
        assert found == message


def test_every_union_is_read_as_each_of_its_members() -> None:
    assert {union for unions in UNIONS_OF.values() for union in unions} == {getattr(messages, name) for name in UNIONS}


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_message_is_frozen_and_keyword_only(kind: Any) -> None:
    assert kind.__struct_config__.frozen
    assert all(
        parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in inspect.signature(kind).parameters.values()
    )


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_message_is_tagged_with_its_own_name(kind: Any) -> None:
    assert (kind.__struct_config__.tag_field, kind.__struct_config__.tag) == ("type", kind.__name__)


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_only_what_people_write_refuses_unknown_fields(kind: Any) -> None:
    within_a_list = (messages.ListLeg, messages.PriceOffset, messages.TimedStep)
    acts = (*get_args(messages.Act), messages.BooksAct)
    limits = (messages.LimitsProposed, messages.LimitsByScope)
    written_by_people = kind in (*get_args(Intent), *within_a_list, *acts, *limits, messages.QueryRequest)
    assert kind.__struct_config__.forbid_unknown_fields is written_by_people


def test_decimals_are_strings_and_times_have_a_z() -> None:
    wire = json.loads(encode(INTENT))
    assert wire["quantity"] == "1.50"
    assert wire["at"] == "2026-07-15T14:00:00Z"


def test_number_on_the_wire_becomes_exactly_its_digits() -> None:
    assert decode(with_field(quantity=0.1), Intent).quantity == Decimal("0.1")


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"null{", b"\xff\xfe", b"[1,", b"{'a': 1}", b'{"type": "OrderIntent"', b"\x00"]
)
def test_bad_json_is_a_decode_error(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(payload, Intent)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_intent_or_a_decode_error(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(payload, Intent)


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        (b"null", "Expected `object`"),
        (b"{}", "missing required field `type`"),
        (with_field(type="Bar"), "'Bar' is no type of message that belongs here"),
        (with_field(quantity=None), r"\$\.quantity"),
        (with_field(quantity="many"), r"\$\.quantity"),
        (with_field(quantity=[1]), r"\$\.quantity"),
        (with_field(side="HOLD"), r"\$\.side"),
        (with_field(at="2026-07-15T14:00:00"), r"\$\.at"),
        (with_field(at="yesterday"), r"\$\.at"),
        (with_field(colour="red"), "colour"),
        (with_field(symbol=7), r"\$\.symbol"),
    ],
)
def test_wrong_field_is_named_in_the_refusal(payload: bytes, names: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=names):
        decode(payload, Intent)


def test_unknown_field_of_a_market_message_is_ignored() -> None:
    at = datetime(2026, 7, 15, 14, tzinfo=UTC)
    one = Decimal(1)
    bar = Bar(
        id="b",
        at=at,
        venue="ibkr",
        symbol="SPY",
        timeframe="1m",
        start=at,
        open=one,
        high=one,
        low=one,
        close=one,
        volume=one,
    )
    assert decode(json.dumps({**json.loads(encode(bar)), "future": 1}).encode(), Bar) == bar


def test_side_says_what_a_fill_does_to_a_position() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)


@pytest.mark.parametrize("payload", [b'{"a":' * 60_000, b"[" * 60_000, b'"\xff"', b'{"type":"Quote","id":"\xff"}', b""])
@pytest.mark.parametrize("kind", [messages.AccountState, messages.OrderEvents, messages.Lease, messages.SetAside])
def test_whatever_can_not_be_read_is_one_kind_of_error(payload: bytes, kind: Any) -> None:
    """However deep it is nested: who reads stored messages at his start would else never start again."""
    with pytest.raises(msgspec.MsgspecError):
        messages.decode(payload, kind)
