"""The chain's messages about a subaccount's leverage, which the stubs of the client's protocol package are too old for.

Owns their shapes (v4-chain, proto/dydxprotocol/clob/{query,tx}.proto).
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

METHOD = "/dydxprotocol.clob.Query/Leverage"
_PACKAGE = "dydxprotocol.clob"
"""In a pool of its own: the stubs have the package, too, without these messages."""
_STRING, _UINT32, _MESSAGE = 9, 13, 11
_ONE, _MANY = 1, 3
_SHAPES: dict[str, tuple[tuple[str, int, int, int, str], ...]] = {
    "SubaccountId": (("owner", 1, _STRING, _ONE, ""), ("number", 2, _UINT32, _ONE, "")),
    "LeverageEntry": (("clob_pair_id", 1, _UINT32, _ONE, ""), ("custom_imf_ppm", 2, _UINT32, _ONE, "")),
    "QueryLeverageRequest": (("owner", 1, _STRING, _ONE, ""), ("number", 2, _UINT32, _ONE, "")),
    "QueryLeverageResponse": (("clob_pair_leverage", 1, _MESSAGE, _MANY, "LeverageEntry"),),
    "MsgUpdateLeverage": (
        ("subaccount_id", 1, _MESSAGE, _ONE, "SubaccountId"),
        ("clob_pair_leverage", 2, _MESSAGE, _MANY, "LeverageEntry"),
    ),
}


def _made() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="simulated_leverage.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _SHAPES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, label, of in fields:
            added = message.field.add(name=field, number=number, type=kind, label=label)
            if of:
                added.type_name = f".{_PACKAGE}.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _SHAPES}


_MESSAGES = _made()
LeverageRequest: Any = _MESSAGES["QueryLeverageRequest"]
LeverageResponse: Any = _MESSAGES["QueryLeverageResponse"]
MsgUpdateLeverage: Any = _MESSAGES["MsgUpdateLeverage"]
