"""The generated documents: fresh, valid, and true of what travels on the wire."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from signalbox.messages import OrderIntent, OrderType, TimeInForce, decode, encode
from signalbox.order_terms import contradiction
from signalbox.registry import REGISTRY
from signalbox.schemas import asyncapi, documents, message_types, messages_schema, stream_of, yaml_of

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = messages_schema()
ASYNCAPI = asyncapi()
DOCUMENTS = documents()
KINDS = sorted(
    {kind for item in REGISTRY for part in (item.message, item.reply) for kind in message_types(part)},
    key=lambda kind: kind.__name__,
)


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: Any, pointer: str) -> Any:
    for part in pointer.removeprefix("#/").split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_what_the_code_says(name: str) -> None:
    path = DOCS / name
    assert path.exists(), f"docs/{name} is missing: run `python -m signalbox.schemas`"
    assert path.read_text(encoding="utf-8") == DOCUMENTS[name], (
        f"docs/{name} is stale: run `python -m signalbox.schemas`"
    )


def test_json_schema_is_valid_and_every_reference_resolves() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for reference in references(SCHEMA):
        assert resolve(SCHEMA, reference)


def test_yaml_reads_as_the_data_it_was_written_from() -> None:
    assert yaml.safe_load(DOCUMENTS["asyncapi.yaml"]) == ASYNCAPI


words = st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF), min_size=1, max_size=20)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), words),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(words, inner)),
    max_leaves=10,
)


@settings(max_examples=50)
@given(st.dictionaries(words, json_values, min_size=1))
def test_any_data_written_as_yaml_reads_back(data: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_of(data)) == data


@functools.cache  # it costs more than what it looks at
def validator_of(kind: Any) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{kind.__name__}", "$defs": SCHEMA["$defs"]})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=15)
@given(data=st.data())
def test_every_message_on_the_wire_fits_its_schema(
    kind: Any, data: st.DataObject, any_of: Callable[[Any], Any]
) -> None:
    wire = json.loads(encode(data.draw(any_of(kind))))
    assert [error.message for error in validator_of(kind).iter_errors(wire)] == []


def test_schema_refuses_an_intent_with_an_unknown_field() -> None:
    validator = Draft202012Validator({"$ref": "#/$defs/OrderIntent", "$defs": SCHEMA["$defs"]})
    assert not validator.is_valid({"type": "OrderIntent", "colour": "red"})


def test_asyncapi_has_the_shape_of_version_3() -> None:
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= ASYNCAPI["info"].keys()
    assert len(ASYNCAPI["channels"]) == len(REGISTRY)
    for reference in references(ASYNCAPI):
        if reference.startswith("#/"):
            assert resolve(ASYNCAPI, reference)
        else:
            path, pointer = reference.split("#")
            assert resolve(json.loads((DOCS / path).read_text(encoding="utf-8")), pointer.removeprefix("/"))


@pytest.mark.parametrize("name", ASYNCAPI["channels"])
def test_channel_has_messages_an_address_and_its_parameters(name: str) -> None:
    channel = ASYNCAPI["channels"][name]
    assert channel["messages"]
    used = {token[1:-1] for token in channel["address"].split(".") if token.startswith("{")}
    assert used == set(channel.get("parameters", {}))


@pytest.mark.parametrize("name", ASYNCAPI["operations"])
def test_operation_is_of_one_channel_and_its_messages(name: str) -> None:
    operation = ASYNCAPI["operations"][name]
    assert operation["action"] in ("send", "receive")
    channel = operation["channel"]["$ref"]
    assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation.get("messages", []))


def test_stream_of_a_subject_is_told_with_its_readers() -> None:
    intent = ASYNCAPI["channels"]["intent-by-name"]
    assert intent["x-nats-stream"]["name"] == "INTENTS"
    assert intent["x-nats-stream"]["consumers"] == ["risk"]
    assert ASYNCAPI["channels"]["decision"]["x-nats-stream"]["consumers"] == ["oms", "oms-denied", "recorder"]


def test_live_only_subject_has_no_stream() -> None:
    assert stream_of("md.quote.*.*") is None
    assert "x-nats-stream" not in ASYNCAPI["channels"]["md-quote"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_example_of_a_message_is_one(kind: Any) -> None:
    [example] = ASYNCAPI["components"]["messages"][kind.__name__]["examples"]
    payload = json.dumps(example["payload"]).encode()
    union = next(
        part for item in REGISTRY for part in (item.message, item.reply) if part and kind in message_types(part)
    )
    assert isinstance(decode(payload, union), kind)
    shape = ASYNCAPI["components"]["messages"][kind.__name__]["payload"]["schema"]["$ref"].rpartition("/")[2]
    assert valid(shape, example["payload"])


def valid(name: str, message: object) -> bool:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}).is_valid(message)


def test_a_whole_message_is_known_by_its_type() -> None:
    validator = Draft202012Validator(SCHEMA)
    for each in ASYNCAPI["components"]["messages"].values():
        payload = each["examples"][0]["payload"]
        assert validator.is_valid(payload) is ("type" in payload), each["name"]
    assert not validator.is_valid({"type": "Nothing", "id": "a", "at": "2024-03-05T15:00:00Z"})


ORDER = {"type": "OrderIntent", "id": "a", "venue": "ibkr", "symbol": "SPY", "side": "BUY", "quantity": "1"}


@pytest.mark.parametrize("till", [None, "2030-01-01T00:00:00Z"])
@pytest.mark.parametrize("stop", [None, "1"])
@pytest.mark.parametrize("limit", [None, "1"])
@pytest.mark.parametrize(
    "trail",
    [
        {},
        {"trail_amount": "1"},
        {"trail_percent": "1", "limit_offset": "0"},
        {"trail_amount": "1", "trail_percent": "1"},
        {"limit_offset": "0"},
    ],
    ids=["none", "amount", "percent and offset", "both", "offset alone"],
)
def test_the_schema_of_an_order_and_the_desk_refuse_the_same_terms(
    limit: str | None, stop: str | None, till: str | None, trail: dict[str, str]
) -> None:
    for order_type, word in itertools.product(OrderType, TimeInForce):
        terms = {"limit_price": limit, "stop_price": stop, "good_till": till, **trail}
        order = {**ORDER, "order_type": order_type, "time_in_force": word, **terms}
        intent = decode(json.dumps(order).encode(), OrderIntent)
        refused = bool(contradiction(intent)) or (word is TimeInForce.GTD) is (till is None)
        assert valid("OrderIntentToSend", order) is not refused, order
        said = {name: text for name, text in order.items() if text is not None}
        assert valid("OrderIntentToSend", said) is not refused, said
        assert valid("OrderIntent", order)  # in a denial


@pytest.mark.parametrize("change", [{"id": "no spaces"}, {"id": "-a"}, {"id": "x" * 65}, {"quantity": "ten"},
                                    {"quantity": ""}, {"quantity": "1_0"}, {"colour": "red"}])  # fmt: skip
def test_the_schema_refuses_what_the_desk_can_not_read_or_use(change: dict[str, str]) -> None:
    market = {**ORDER, "order_type": "MARKET"}
    assert valid("OrderIntentToSend", market)
    assert not valid("OrderIntentToSend", {**market, **change})


def test_asyncapi_says_where_a_desk_is_and_how_to_come_in() -> None:
    assert ASYNCAPI["servers"].keys() == {"local", "desk"}
    for server in ASYNCAPI["servers"].values():
        assert server["protocol"] == "nats"
        [security] = server["security"]
        assert resolve(ASYNCAPI, security["$ref"])["type"] == "userPassword"
        assert set(re.findall(r"{(\w+)}", server["host"])) == server["variables"].keys()
