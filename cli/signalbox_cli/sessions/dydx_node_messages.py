"""What of a node's calls goes into a recorded session, and the same said again: protocol buffers to JSON and back.

Owns which calls a gateway needs and which fields of them are kept: of a transaction what it orders, and nothing of who
signed it (signature, key, memo, sequence, account number). Anything else is withheld. Sources: the stubs of v4-chain
and of the Cosmos SDK.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway_dydx.plans import order_uuid
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import DecodeError
from simulators.dydx.leverage import METHOD as LEVERAGE
from simulators.dydx.leverage import LeverageRequest, LeverageResponse
from simulators.dydx.refusals import RefusedError
from simulators.dydx.transactions import decode_transaction, transaction_hash
from v4_proto.cosmos.auth.v1beta1 import query_pb2 as auth
from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint
from v4_proto.cosmos.tx.v1beta1 import service_pb2 as service
from v4_proto.dydxprotocol.clob import query_pb2 as clob
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgCancelOrder, MsgPlaceOrder

from signalbox_cli.sessions.dydx_names import hash_name, uuid_name
from signalbox_cli.sessions.pseudonyms import Pseudonyms

Json = dict[str, Any]

ACCOUNT = "/cosmos.auth.v1beta1.Query/Account"
LATEST_BLOCK = "/cosmos.base.tendermint.v1beta1.Service/GetLatestBlock"
BROADCAST = "/cosmos.tx.v1beta1.Service/BroadcastTx"
TRANSACTION = "/cosmos.tx.v1beta1.Service/GetTx"
EQUITY_TIERS = "/dydxprotocol.clob.Query/EquityTierLimitConfiguration"
RATE_LIMITS = "/dydxprotocol.clob.Query/BlockRateLimitConfiguration"
STATEFUL_ORDER = "/dydxprotocol.clob.Query/StatefulOrder"


@dataclass(frozen=True)
class Naming:
    """What the ids in a call are called instead: the indexer's of orders, and hashes of transactions."""

    order: Callable[[str], str]
    transaction: Callable[[str], str]


@dataclass(frozen=True)
class _Call:
    """One method. `asked` and `told` say what is kept; `said` makes the answer again for a question of today."""

    request: Any
    response: Any
    asked: Callable[[Any, Naming], Json]
    told: Callable[[Any, Pseudonyms], Json]
    said: Callable[[Json, Any], Any]


def naming(names: Pseudonyms) -> Naming:
    """The names of a recording."""
    return Naming(lambda uuid: uuid_name(uuid, names), lambda digest: hash_name(digest, names))


def asked_of_node(method: str, data: bytes, naming: Naming) -> Json | None:
    """What is kept of a call; None = nothing."""
    call = _CALLS.get(method)
    if call is None:
        return None
    try:
        return call.asked(call.request.FromString(data), naming)
    except DecodeError:
        return None


def told_by_node(method: str, data: bytes, names: Pseudonyms) -> Json | None:
    """What is kept of an answer; None = nothing."""
    call = _CALLS.get(method)
    if call is None:
        return None
    try:
        return call.told(call.response.FromString(data), names)
    except DecodeError:
        return None


def said_again(method: str, kept: Json, request: bytes) -> bytes:
    """A kept answer as the node says it to today's request."""
    call = _CALLS[method]
    return bytes(call.said(kept, call.request.FromString(request)).SerializeToString())


def _ordered(request: Any, naming: Naming) -> Json:
    """What a transaction orders: `place` or `cancel` by the indexer's id of the order, or `other`; and its `hash`."""
    kept: Json = {"hash": naming.transaction(transaction_hash(request.tx_bytes))}
    try:
        [message] = decode_transaction(request.tx_bytes).messages
    except (RefusedError, ValueError) as error:
        return {**kept, "other": type(error).__name__}
    if isinstance(message, MsgPlaceOrder):
        return {**kept, "place": {"id": naming.order(order_id_of(message.order.order_id)), **_placed(message.order)}}
    if isinstance(message, MsgCancelOrder):
        return {**kept, "cancel": {"id": naming.order(order_id_of(message.order_id)), **_good_til(message)}}
    return {**kept, "other": type(message).__name__}


def _placed(order: Any) -> Json:
    return {
        "pair": order.order_id.clob_pair_id,
        "flags": order.order_id.order_flags,
        "side": order.side,
        "quantums": str(order.quantums),
        "subticks": str(order.subticks),
        "time_in_force": order.time_in_force,
        "reduce_only": order.reduce_only,
        "condition": order.condition_type,
        "trigger_subticks": str(order.conditional_order_trigger_subticks),
        **_good_til(order),
    }


def _good_til(message: Any) -> Json:
    name = message.WhichOneof("good_til_oneof") or ""
    return {name: getattr(message, name)} if name else {}


def order_id_of(identity: Any) -> str:
    """The indexer's uuid of a chain's order id."""
    owner, number = identity.subaccount_id.owner, identity.subaccount_id.number
    return order_uuid(owner, number, identity.client_id, identity.clob_pair_id, identity.order_flags)


# ----------------------------------------------------------------------------------------------------- one by one


def _nothing(message: Any, names: object) -> Json:
    return {}


def _whole(message: Any, names: Pseudonyms) -> Json:
    return dict(MessageToDict(message, preserving_proto_field_name=True))


def _account(kept: Json, request: Any) -> Any:
    packed = Packed()
    packed.Pack(BaseAccount(address=request.address, account_number=1), type_url_prefix="/")
    return auth.QueryAccountResponse(account=packed)


def _block(answer: Any, names: Pseudonyms) -> Json:
    header = (answer.sdk_block if answer.HasField("sdk_block") else answer.block).header
    return {"height": str(header.height), "time": header.time.ToJsonString()}


def _block_again(kept: Json, request: Any) -> Any:
    answer = tendermint.GetLatestBlockResponse()
    answer.sdk_block.header.height = int(kept["height"])
    answer.sdk_block.header.time.FromJsonString(kept["time"])
    return answer


def _verdict(answer: Any, names: Pseudonyms) -> Json:
    said = answer.tx_response
    text = names.sentence(said.raw_log) if said.code else ""
    return {"code": said.code, "codespace": said.codespace, "raw_log": text, "height": str(said.height)}


def _verdict_again(kind: Any) -> Callable[[Json, Any], Any]:
    def made(kept: Json, request: Any) -> Any:
        answer = kind()
        said = answer.tx_response
        said.code, said.codespace, said.raw_log = kept["code"], kept["codespace"], kept["raw_log"]
        said.height = int(kept["height"])
        said.txhash = transaction_hash(request.tx_bytes) if hasattr(request, "tx_bytes") else request.hash
        return answer

    return made


def _parsed(kind: Any) -> Callable[[Json, Any], Any]:
    return lambda kept, request: ParseDict(kept, kind())


_CALLS: dict[str, _Call] = {
    ACCOUNT: _Call(auth.QueryAccountRequest, auth.QueryAccountResponse, _nothing, _nothing, _account),
    LATEST_BLOCK: _Call(
        tendermint.GetLatestBlockRequest, tendermint.GetLatestBlockResponse, _nothing, _block, _block_again
    ),
    BROADCAST: _Call(
        service.BroadcastTxRequest,
        service.BroadcastTxResponse,
        _ordered,
        _verdict,
        _verdict_again(service.BroadcastTxResponse),
    ),
    TRANSACTION: _Call(
        service.GetTxRequest,
        service.GetTxResponse,
        lambda request, naming: {"hash": naming.transaction(request.hash)},
        _verdict,
        _verdict_again(service.GetTxResponse),
    ),
    EQUITY_TIERS: _Call(
        clob.QueryEquityTierLimitConfigurationRequest,
        clob.QueryEquityTierLimitConfigurationResponse,
        _nothing,
        _whole,
        _parsed(clob.QueryEquityTierLimitConfigurationResponse),
    ),
    RATE_LIMITS: _Call(
        clob.QueryBlockRateLimitConfigurationRequest,
        clob.QueryBlockRateLimitConfigurationResponse,
        _nothing,
        _whole,
        _parsed(clob.QueryBlockRateLimitConfigurationResponse),
    ),
    STATEFUL_ORDER: _Call(
        clob.QueryStatefulOrderRequest,
        clob.QueryStatefulOrderResponse,
        lambda request, naming: {"id": naming.order(order_id_of(request.order_id))},
        _nothing,
        _parsed(clob.QueryStatefulOrderResponse),
    ),
    LEVERAGE: _Call(LeverageRequest, LeverageResponse, _nothing, _whole, _parsed(LeverageResponse)),
}
