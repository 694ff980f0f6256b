"""The leverage that the owner of a sub-account has set on the chain, market by market.

The pinned stubs of the protocol are older than this query: its messages are made here, as they are on the wire
(v4-chain: proto/dydxprotocol/clob/query.proto). A chain that does not know the query has no such setting.
"""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from signalbox.errors import VenueRefusedError

from gateway_dydx.facts import LeverageChosen
from gateway_dydx.plans import Subaccount
from gateway_dydx.venue_node import Node

METHOD = "/dydxprotocol.clob.Query/Leverage"
_PACKAGE = "gateway_dydx.leverage"
_STRING, _UINT32, _MESSAGE = 9, 13, 11
_OPTIONAL, _REPEATED = 1, 3


def _messages() -> tuple[Any, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="gateway_dydx_leverage.proto", package=_PACKAGE, syntax="proto3")
    request, entry, response = (file.message_type.add(name=name) for name in ("Request", "Entry", "Response"))
    request.field.add(name="owner", number=1, type=_STRING, label=_OPTIONAL)
    request.field.add(name="number", number=2, type=_UINT32, label=_OPTIONAL)
    entry.field.add(name="clob_pair_id", number=1, type=_UINT32, label=_OPTIONAL)
    entry.field.add(name="custom_imf_ppm", number=2, type=_UINT32, label=_OPTIONAL)
    response.field.add(
        name="clob_pair_leverage", number=1, type=_MESSAGE, label=_REPEATED, type_name=f".{_PACKAGE}.Entry"
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Request")),
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Response")),
    )


_Request, _Response = _messages()


async def leverage(node: Node, subaccount: Subaccount, seconds_max: float) -> LeverageChosen:
    """Ask for the settings of a sub-account. Raises `VenueError` where the chain does not answer."""
    request = _Request(owner=subaccount.address, number=subaccount.number).SerializeToString()
    try:
        call: Any = (await node.ready()).unary_unary(METHOD, response_deserializer=_Response.FromString)
        answer: Any = await node.ask(call(request, timeout=seconds_max))
    except VenueRefusedError as error:
        if error.code == grpc.StatusCode.UNIMPLEMENTED.name:
            return LeverageChosen(ppm_by_clob_pair={})
        raise
    return LeverageChosen(
        ppm_by_clob_pair={each.clob_pair_id: each.custom_imf_ppm for each in answer.clob_pair_leverage}
    )
