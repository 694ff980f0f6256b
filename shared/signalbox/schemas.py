"""The contract as documents: JSON Schema of every message and an AsyncAPI 3 description of every subject.

`python -m signalbox.schemas` writes `docs/schemas/messages.json` and `docs/asyncapi.yaml`; a test fails when they are
stale. All they say comes from `signalbox.messages`, `signalbox.registry.REGISTRY` and `signalbox.streams.STREAMS`;
nothing is said here that is not said there. No service imports this.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import msgspec

from signalbox.registry import REGISTRY, Declared
from signalbox.schema_terms import ORDER_TO_SEND, example, in_words_of_json_schema, order_to_send
from signalbox.streams import STREAMS, Stream

VERSION = "1.0.0"
"""Of the contract: the first number changes only if a message is retyped, which it must not be."""

PURPOSE = (
    "A trading desk of small services on one NATS bus. Every message is JSON; Decimals are strings, times RFC 3339 in "
    "UTC. What comes from outside (symbols, accounts, order ids) is one subject token each: all but A-Z a-z 0-9 - _ is "
    "%XX of its UTF-8 bytes. Operations name their party in x-party; NATS refuses everyone else."
)

MESSAGES_FILE = "schemas/messages.json"
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"


SERVERS = {
    "local": {
        "host": "127.0.0.1:{port}",
        "protocol": "nats",
        "description": "the desk of `signalbox up`: desk.json in its folder says the port, credentials/ the passwords",
        "variables": {"port": {"default": "4222"}},
        "security": [{"$ref": "#/components/securitySchemes/name"}],
    },
    "desk": {
        "host": "{host}:{port}",
        "protocol": "nats",
        "description": "an installation, with TLS as tls://",
        "variables": {"host": {"default": "nats"}, "port": {"default": "4222"}},
        "security": [{"$ref": "#/components/securitySchemes/name"}],
    },
}
SECURITY = {
    "name": {
        "type": "userPassword",
        "description": "a name and its password (`signalbox people add`); the inbox prefix is _INBOX.<name>",
    }
}


def message_types(message: object) -> tuple[type[msgspec.Struct], ...]:
    """The structs of a struct or union; none for None."""
    if message is None:
        return ()
    found = get_args(message) if isinstance(message, UnionType) else (message,)
    return tuple(kind for kind in found if isinstance(kind, type) and issubclass(kind, msgspec.Struct))


def messages_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) with every message under `$defs` by its name."""
    kinds = {
        kind for declared in REGISTRY for part in (declared.message, declared.reply) for kind in message_types(part)
    }
    _, definitions = msgspec.json.schema_components(_sorted(kinds), ref_template="#/$defs/{name}")
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    in_words_of_json_schema(definitions)
    definitions[ORDER_TO_SEND] = order_to_send()
    return {
        "$schema": SCHEMA_DIALECT,
        "title": "Messages of Signalbox",
        "description": "Any message that has a `type`, which says which one it is.",
        "oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in _sorted(kinds) if _has_type(definitions, kind)],
        "$defs": dict(sorted(definitions.items())),
    }


def _sorted(kinds: Iterable[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    return sorted(kinds, key=lambda kind: kind.__name__)


def _has_type(definitions: dict[str, Any], kind: type[msgspec.Struct]) -> bool:
    return "type" in definitions[kind.__name__]["properties"]


def stream_of(pattern: str) -> Stream | None:
    """The stream that stores what is published on `pattern`, or None if nothing does (core NATS)."""
    return next((stream for stream in STREAMS if any(_covers(filter_, pattern) for filter_ in stream.subjects)), None)


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document."""
    definitions = messages_schema()["$defs"]
    channels = {_channel_name(declared): _channel(declared) for declared in REGISTRY}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Signalbox",
            "version": VERSION,
            "description": PURPOSE,
        },
        "defaultContentType": "application/json",
        "servers": SERVERS,
        "channels": channels,
        "operations": {name: body for declared in REGISTRY for name, body in _operations(declared)},
        "components": {
            "messages": {name: _message(name, definitions) for name in _names()},
            "securitySchemes": SECURITY,
        },
    }


def _names() -> list[str]:
    parts = (part for declared in REGISTRY for part in (declared.message, declared.reply))
    return sorted({kind.__name__ for part in parts for kind in message_types(part)})


def _message(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    definition = definitions[name]
    message: dict[str, Any] = {"name": name, "examples": [{"payload": example(name, definitions)}]}
    if "description" in definition:
        message["summary"] = definition["description"].split("\n")[0]
    if "id" in definition["properties"]:
        message["headers"] = {
            "type": "object",
            "properties": {
                "Nats-Msg-Id": {"type": "string", "description": "the message's id: a second one is absorbed"}
            },
        }
        message["correlationId"] = {"location": "$message.payload#/cause"}
    shape = ORDER_TO_SEND if name == "OrderIntent" else name
    message["payload"] = {"schemaFormat": SCHEMA_FORMAT, "schema": {"$ref": f"./{MESSAGES_FILE}#/$defs/{shape}"}}
    return message


def _channel(declared: Declared) -> dict[str, Any]:
    kinds = message_types(declared.message) + message_types(declared.reply)
    channel: dict[str, Any] = {"address": _address(declared), "summary": declared.about}
    parameters = _parameters(declared)
    if parameters:
        channel["parameters"] = {name: {"description": f"one token: {name}"} for name in parameters}
    channel["messages"] = {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in kinds}
    channel["x-nats-subject"] = declared.pattern
    stream = stream_of(declared.pattern)
    channel["x-nats-delivery"] = "core NATS, at most once" if stream is None else "JetStream, at least once"
    if stream is not None:
        channel["x-nats-stream"] = _stream(stream, declared.pattern)
    return channel


def _stream(stream: Stream, pattern: str) -> dict[str, Any]:
    readers = [
        consumer.name
        for consumer in stream.consumers
        if not consumer.filter_subjects or any(_overlap(filter_, pattern) for filter_ in consumer.filter_subjects)
    ]
    return {
        "name": stream.name,
        "about": stream.about,
        "age_days_max": stream.age_days_max,
        "messages_per_subject_max": stream.per_subject_max,
        "second_on_a_subject": "refused" if stream.refuse_second else "stored",
        "deny_delete": stream.deny_delete,
        "partitions": stream.partitions,
        "duplicate_window_seconds": stream.duplicate_window_seconds,
        "consumers": readers,
    }


def _operations(declared: Declared) -> Iterator[tuple[str, dict[str, Any]]]:
    name = _channel_name(declared)
    reference = f"#/channels/{name}"
    sent = [{"$ref": f"{reference}/messages/{kind.__name__}"} for kind in message_types(declared.message)]
    for action, parties in (("send", declared.written_by), ("receive", declared.read_by)):
        for party in parties:
            body: dict[str, Any] = {"action": action, "channel": {"$ref": reference}, "x-party": party}
            if sent:
                body["messages"] = sent
            replies = message_types(declared.reply)
            if replies:
                body["reply"] = {
                    "channel": {"$ref": reference},
                    "messages": [{"$ref": f"{reference}/messages/{kind.__name__}"} for kind in replies],
                }
            yield f"{party}.{action}.{name}", body


def _channel_name(declared: Declared) -> str:
    words = [token for token in declared.pattern.replace("$", "").split(".") if token != "*"]
    if _parameters(declared)[:1] == ("name",):  # beside the same as its sender publishes it
        words.append("by-name")
    return "-".join(words)


def _parameters(declared: Declared) -> tuple[str, ...]:
    """The names of the wildcards, as `about` lists them behind its colon."""
    named = declared.about.partition(": ")[2]
    names = tuple(name.strip().replace(" ", "_") for name in named.split(",")) if named else ()
    if len(names) != declared.pattern.split(".").count("*"):
        raise ValueError(f"the description of {declared.pattern} must end with a colon and the name of each wildcard")
    return names


def _address(declared: Declared) -> str:
    names = iter(_parameters(declared))
    return ".".join(f"{{{next(names)}}}" if token == "*" else token for token in declared.pattern.split("."))


def _covers(wide: str, narrow: str) -> bool:
    """Say whether every subject of `narrow` is one of `wide`."""
    wanted, found = wide.split("."), narrow.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(found) > index
        if index >= len(found) or (token != "*" and token != found[index]):
            return False
    return len(wanted) == len(found)


def _overlap(one: str, other: str) -> bool:
    """Say whether some subject may match both patterns."""
    for left, right in zip(one.split("."), other.split("."), strict=False):
        if ">" in (left, right):
            return True
        if left != right and "*" not in (left, right):
            return False
    return one.count(".") == other.count(".")


# --------------------------------------------------------------------------------------------------------- writing

_PLAIN_KEY = re.compile(r"(?!(?i:true|false|yes|no|on|off|null|y|n)$)[A-Za-z$_][A-Za-z0-9$_-]*")


def yaml_of(value: object, indent: int = 0) -> str:
    """Write JSON-like data as block YAML. Texts are JSON strings, which YAML reads the same up to U+FFFF."""
    if not isinstance(value, dict | list) or not value:
        return f" {json.dumps(value, ensure_ascii=True)}\n"
    space = "  " * indent
    lines = [] if indent == 0 else ["\n"]
    if isinstance(value, dict):
        for key, item in value.items():
            shown = key if _PLAIN_KEY.fullmatch(key) else json.dumps(key)
            lines.append(f"{space}{shown}:{yaml_of(item, indent + 1)}")
    else:
        lines += [f"{space}-{yaml_of(item, indent + 1)}" for item in value]
    return "".join(lines)


def documents() -> dict[str, str]:
    """Every generated file: its path under `docs/` and its text."""
    return {
        MESSAGES_FILE: json.dumps(messages_schema(), indent=1, ensure_ascii=True) + "\n",
        "asyncapi.yaml": "# Generated by `python -m signalbox.schemas`: do not edit.\n" + yaml_of(asyncapi()),
    }


def main() -> int:
    """Write the documents to `docs/` of the checkout."""
    docs = Path(__file__).resolve().parents[2] / "docs"
    for name, text in documents().items():
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"docs/{name}: {len(text)} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
