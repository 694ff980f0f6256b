"""The chain's query for a subaccount's leverage, which the stubs of the client's protocol package are too old for.

Owns the messages (v4-chain, proto/dydxprotocol/clob/query.proto: QueryLeverageRequest, QueryLeverageResponse).
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

METHOD = "/dydxprotocol.clob.Query/Leverage"
_PACKAGE = "simulators.dydx.leverage"
_STRING, _UINT32, _MESSAGE = 9, 13, 11
_SHAPES = {
    "QueryLeverageRequest": (("owner", 1, _STRING), ("number", 2, _UINT32)),
    "ClobPairLeverageInfo": (("clob_pair_id", 1, _UINT32), ("custom_imf_ppm", 2, _UINT32)),
    "QueryLeverageResponse": (("clob_pair_leverage", 1, _MESSAGE),),
}


def _made() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="simulated_leverage.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _SHAPES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            added = message.field.add(name=field, number=number, type=kind, label=3 if kind == _MESSAGE else 1)
            if kind == _MESSAGE:
                added.type_name = f".{_PACKAGE}.ClobPairLeverageInfo"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _SHAPES}


_MESSAGES = _made()
LeverageRequest: Any = _MESSAGES["QueryLeverageRequest"]
LeverageResponse: Any = _MESSAGES["QueryLeverageResponse"]
