"""JSON on the wire: every message in bytes, and back.

Owns the one encoder and the decoders. It must not know a message.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

_T = TypeVar("_T")
_encoder = msgspec.json.Encoder(decimal_format="string")
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def encode(message: Struct) -> bytes:
    """Encode to JSON: Decimals as strings, times as RFC 3339 with `Z`, bytes as base64."""
    return _encoder.encode(message)


def decode(payload: bytes, kind: type[_T] | Any) -> _T:
    """Decode JSON to `kind` (a struct or a union of them).

    Raises `msgspec.DecodeError` (not JSON) or its subclass `msgspec.ValidationError` (wrong type, unknown field in an
    intent, time without zone, a type or version that `kind` does not have), whose text names the field. A JSON number
    becomes a Decimal of exactly its digits.
    """
    decoder = _decoders.get(kind) or _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    try:
        result: _T = decoder.decode(payload)
    except msgspec.ValidationError as error:
        found, _, where = str(error).partition("Invalid value ")[2].rpartition(" - at ")
        if not where.endswith(".type`"):  # of anything but a tag msgspec says more, and right
            raise
        raise msgspec.ValidationError(
            f"{found} is no type of message that belongs here, nor a version of one that this program knows: "
            f"what wrote it may be newer - at {where}"
        ) from None
    except RecursionError:  # whoever reads what others wrote expects one kind of error
        raise msgspec.DecodeError("brackets are nested too deeply") from None
    except UnicodeError:
        raise msgspec.DecodeError("it is not UTF-8 text") from None
    return result
