"""What the schemas say beyond the types of fields: how a number and an id are written, what an order needs, an example.

It changes what msgspec has made of the messages, and knows none but the intents by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from signalbox.messages import OrderType, TimeInForce
from signalbox.order_terms import TRAILING, WITH_LIMIT, WITH_STOP
from signalbox.subjects import INTENT_ID
from signalbox.venues import venue_names

Schema = dict[str, Any]

DECIMAL = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
INTENTS_END, ORDER_TO_SEND = "Intent", "OrderIntentToSend"
SAMPLES = {
    "at": "2024-03-05T15:00:00Z",
    "venue": venue_names()[0],
    "symbol": "SPY",
    "account": "DU1234567",
    "currency": "USD",
    "base_currency": "USD",
    "timeframe": "1m",
    "calendar": "XNYS",
    "exchange": "SMART",
    "service": "risk",
    "by": "alice",
    "order_id": "my-strategy-42",
    "intent_id": "my-strategy-42",
    "id": "my-strategy-42",
    "reason": "a sentence for a person",
    "strategy": "trend",
    "sql": "SELECT * FROM fills",
}
"""What stands in an example, by the name of its field."""


def in_words_of_json_schema(definitions: dict[str, Schema]) -> None:
    """Give every decimal its pattern, and leave out what JSON Schema has no word for: strict readers refuse that."""
    for part in _parts(definitions):
        if part.get("format") == "decimal":
            del part["format"]
            part["pattern"] = DECIMAL
        if isinstance(part.get("discriminator"), dict):
            del part["discriminator"]  # OpenAPI's; the constant `type` of each says the same


def order_to_send() -> Schema:
    """What an order intent must be to be approved, as far as it says by itself; in a denial it may be anything.

    Its id can be a word of a subject; it has the prices of its type and no other, and an end where it is good till one.
    """
    conditions = [
        _needs("limit_price", "order_type", [str(each) for each in OrderType if each in WITH_LIMIT]),
        _needs("stop_price", "order_type", [str(each) for each in OrderType if each in WITH_STOP]),
        _needs("limit_offset", "order_type", [str(OrderType.TRAILING_STOP_LIMIT)]),
        _trail(),
        _needs("good_till", "time_in_force", [str(TimeInForce.GTD)]),
    ]
    ids = {"properties": {"id": {"pattern": f"^{INTENT_ID.pattern}$"}}}
    return {"title": ORDER_TO_SEND, "allOf": [{"$ref": "#/$defs/OrderIntent"}, ids, *conditions]}


def _trail() -> Schema:
    """A trailing order, and no other, has one distance: an amount or a percentage."""
    there, away = {"type": "string"}, {"type": "null"}
    one = [
        {"properties": {field: there, other: away}, "required": [field]}
        for field, other in (("trail_amount", "trail_percent"), ("trail_percent", "trail_amount"))
    ]
    words = [str(each) for each in OrderType if each in TRAILING]
    return {
        "if": {"properties": {"order_type": {"enum": words}}, "required": ["order_type"]},
        "then": {"oneOf": one},
        "else": {"properties": {"trail_amount": away, "trail_percent": away, "activation_price": away}},
    }


def _needs(field: str, word: str, words: list[str]) -> Schema:
    """`field` is there exactly when `word` is one of `words`."""
    return {
        "if": {"properties": {word: {"enum": words}}, "required": [word]},
        "then": {"properties": {field: {"type": "string"}}, "required": [field]},
        "else": {"properties": {field: {"type": "null"}}},
    }


def example(name: str, definitions: dict[str, Schema]) -> Schema:
    """A message of that name with what it needs, and nothing else."""
    definition = definitions[name]
    needed = definition.get("required", [])
    found = {field: _value(field, definition["properties"][field], definitions) for field in needed}
    if "order_type" in found and name.endswith(INTENTS_END):
        found |= {"order_type": str(OrderType.LIMIT), "limit_price": "430.10"}
    return found


def _value(field: str, schema: Schema, definitions: dict[str, Schema]) -> object:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        named = definitions[name]
        return example(name, definitions) if named.get("type") == "object" else _value(field, named, definitions)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _value(field, schema["anyOf"][0], definitions)
    samples: Schema = {"array": [], "object": {}, "integer": 1, "number": 1.5, "boolean": True, "null": None}
    kind = schema.get("type", "null")
    if kind != "string":
        return samples[kind]
    written = "2024-03-05T15:00:00Z" if schema.get("format") == "date-time" else None
    if schema.get("pattern") == DECIMAL:
        written = "100"
    elif written is None and schema.get("contentEncoding") == "base64":
        written = "e30="
    return written or SAMPLES.get(field, "a-text")


def _parts(schema: object) -> Iterator[Schema]:
    if isinstance(schema, dict):
        yield schema
        for each in schema.values():
            yield from _parts(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _parts(each)
