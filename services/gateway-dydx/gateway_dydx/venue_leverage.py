"""The leverage that the owner of a sub-account has set on the chain, market by market: asked for, and set.

The pinned stubs of the protocol are older than this: its messages are made here, as they are on the wire (v4-chain:
proto/dydxprotocol/clob/{query,tx}.proto). A chain that does not know the query has no such setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from signalbox.errors import VenueRefusedError

from gateway_dydx.facts import LeverageChosen
from gateway_dydx.plans import Subaccount
from gateway_dydx.venue_node import Node
from gateway_dydx.venue_settling import settled

METHOD = "/dydxprotocol.clob.Query/Leverage"
_PACKAGE = "dydxprotocol.clob"
"""In a pool of its own: the stubs have the package, too, without these messages."""
_STRING, _UINT32, _MESSAGE = 9, 13, 11
_OPTIONAL, _REPEATED = 1, 3


def _messages() -> tuple[Any, Any, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="gateway_dydx_leverage.proto", package=_PACKAGE, syntax="proto3")
    names = ("QueryLeverageRequest", "LeverageEntry", "QueryLeverageResponse", "SubaccountId", "MsgUpdateLeverage")
    request, entry, response, subaccount, update = (file.message_type.add(name=name) for name in names)
    for owned in (request, subaccount):
        owned.field.add(name="owner", number=1, type=_STRING, label=_OPTIONAL)
        owned.field.add(name="number", number=2, type=_UINT32, label=_OPTIONAL)
    entry.field.add(name="clob_pair_id", number=1, type=_UINT32, label=_OPTIONAL)
    entry.field.add(name="custom_imf_ppm", number=2, type=_UINT32, label=_OPTIONAL)
    update.field.add(
        name="subaccount_id", number=1, type=_MESSAGE, label=_OPTIONAL, type_name=f".{_PACKAGE}.SubaccountId"
    )
    for message, number in ((response, 1), (update, 2)):
        message.field.add(
            name="clob_pair_leverage",
            number=number,
            type=_MESSAGE,
            label=_REPEATED,
            type_name=f".{_PACKAGE}.LeverageEntry",
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    wanted = ("QueryLeverageRequest", "QueryLeverageResponse", "MsgUpdateLeverage")
    made = (message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in wanted)
    return next(made), next(made), next(made)


_Request, _Response, _Update = _messages()


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


async def set_leverage(node: Node, subaccount: Subaccount, ppm_by_clob_pair: Mapping[int, int], at: datetime) -> None:
    """Set the initial margins of markets, in parts per million, and wait until that is in a block; the others stay.

    `at` (desk time) makes the transaction's sequence. Raises `VenueError`, with the chain's reason where it refuses.
    """
    update = _Update()
    update.subaccount_id.owner, update.subaccount_id.number = subaccount.address, subaccount.number
    for pair, ppm in ppm_by_clob_pair.items():
        update.clob_pair_leverage.add(clob_pair_id=pair, custom_imf_ppm=ppm)
    await settled(node, node.sign(update, at))
