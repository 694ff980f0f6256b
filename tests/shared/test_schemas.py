"""The generated documents: fresh, valid, and true of what travels on the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from signalbox.messages import encode
from signalbox.registry import REGISTRY
from signalbox.schemas import asyncapi, documents, message_types, messages_schema, stream_of, yaml_of

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = messages_schema()
ASYNCAPI = asyncapi()
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


@pytest.mark.parametrize("name", documents())
def test_document_is_what_the_code_says(name: str) -> None:
    path = DOCS / name
    assert path.exists(), f"docs/{name} is missing: run `python -m signalbox.schemas`"
    assert path.read_text(encoding="utf-8") == documents()[name], (
        f"docs/{name} is stale: run `python -m signalbox.schemas`"
    )


def test_json_schema_is_valid_and_every_reference_resolves() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for reference in references(SCHEMA):
        assert resolve(SCHEMA, reference)


def test_yaml_reads_as_the_data_it_was_written_from() -> None:
    assert yaml.safe_load(documents()["asyncapi.yaml"]) == ASYNCAPI


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


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=15)
@given(data=st.data())
def test_every_message_on_the_wire_fits_its_schema(
    kind: Any, data: st.DataObject, any_of: Callable[[Any], Any]
) -> None:
    wire = json.loads(encode(data.draw(any_of(kind))))
    validator = Draft202012Validator({"$ref": f"#/$defs/{kind.__name__}", "$defs": SCHEMA["$defs"]})
    assert [error.message for error in validator.iter_errors(wire)] == []


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
