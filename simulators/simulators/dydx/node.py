"""The validator's gRPC port: broadcast, simulate, transactions, and what of the queries is true here.

Owns the server and the transaction service. It must not know what a transaction does (`chain`) or what the queries
answer (`queries`). A method that nothing here can answer truthfully gets UNIMPLEMENTED.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from v4_proto.cosmos.base.abci.v1beta1.abci_pb2 import GasInfo, Result, TxResponse
from v4_proto.cosmos.tx.v1beta1 import service_pb2
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import Tx

from simulators.dydx.block import GAS_PER_TRANSACTION
from simulators.dydx.chain import Chain
from simulators.dydx.chain_journal import Committed
from simulators.dydx.faults import Faults
from simulators.dydx.queries import Answer, NodeQueries, QueryError
from simulators.dydx.refusals import Code, RefusedError
from simulators.dydx.transactions import transaction_hash

HANG_SECONDS_MAX = 600.0
STOP_GRACE_SECONDS = 0.2
MESSAGE_BYTES_MAX = 4 * 1024 * 1024

Call = grpc.aio.ServicerContext[Any, Any]
Behaviour = Callable[[Any, Call], Awaitable[Any]]

_TX = "/cosmos.tx.v1beta1.Service"


class Node:
    """Serves one chain. Use as an async context manager; `port` is what it listens on."""

    def __init__(self, chain: Chain, faults: Faults, host: str, port: int) -> None:
        self._chain, self._faults = chain, faults
        self._host, self.port = host, port
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> Node:
        """Listen. Raises OSError when the port is taken."""
        server = grpc.aio.server(
            options=(("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX))
        )
        server.add_generic_rpc_handlers((_Methods(self._behaviours()),))
        try:
            self.port = server.add_insecure_port(f"{self._host}:{self.port}")
        except RuntimeError as error:
            raise OSError(f"{self._host}:{self.port} can not be listened on") from error
        self._server = server
        await server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            await self._server.stop(STOP_GRACE_SECONDS)

    # ----------------------------------------------------------------------------------------------------- methods

    def _behaviours(self) -> dict[str, tuple[type[Any], Behaviour]]:
        methods: dict[str, tuple[type[Any], Behaviour]] = {
            f"{_TX}/BroadcastTx": (service_pb2.BroadcastTxRequest, self._broadcast),
            f"{_TX}/Simulate": (service_pb2.SimulateRequest, self._simulate),
            f"{_TX}/GetTx": (service_pb2.GetTxRequest, self._get_tx),
        }
        for name, (request, answer) in NodeQueries(self._chain).answers().items():
            methods[name] = (request, self._query(answer))
        return methods

    def _query(self, answer: Answer) -> Behaviour:
        async def behave(request: Any, call: Call) -> Message:
            await self._faults.running.wait()
            try:
                return answer(request)
            except QueryError as error:
                await call.abort(error.status, error.text)

        return behave

    async def _broadcast(self, request: Any, call: Call) -> Any:
        faults = self._faults
        if request.mode not in (
            service_pb2.BroadcastMode.BROADCAST_MODE_SYNC,
            service_pb2.BroadcastMode.BROADCAST_MODE_ASYNC,
        ):
            mode = service_pb2.BroadcastMode.Name(request.mode)
            await call.abort(
                grpc.StatusCode.UNKNOWN,
                f"unsupported return type {mode}; supported types: sync, async: invalid request",
            )
        await faults.running.wait()
        if faults.delay_broadcast_milliseconds:
            await asyncio.sleep(faults.delay_broadcast_milliseconds / 1000)
        if faults.takes_one("exhaust"):
            await call.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests")
        if faults.takes_one("drop_broadcast"):
            await asyncio.sleep(HANG_SECONDS_MAX)
        if faults.takes_one("rate_limit"):
            refusal = RefusedError(Code.BLOCK_RATE_LIMIT_EXCEEDED, "Rate exceeds configured block rate limit")
            response = _refused(transaction_hash(request.tx_bytes), refusal)
            return service_pb2.BroadcastTxResponse(tx_response=response)
        if faults.refusals:
            told = faults.refusals.pop(0)
            hash_ = transaction_hash(request.tx_bytes)
            response = TxResponse(txhash=hash_, code=told.code, codespace=told.codespace, raw_log=told.text)
            return service_pb2.BroadcastTxResponse(tx_response=response)
        verdict = self._chain.check_tx(request.tx_bytes)
        if faults.takes_one("duplicate_broadcast"):
            verdict = self._chain.check_tx(request.tx_bytes)
        if faults.takes_one("lose_reply"):
            await asyncio.sleep(HANG_SECONDS_MAX)
        response = TxResponse(txhash=verdict.hash)
        if request.mode == service_pb2.BroadcastMode.BROADCAST_MODE_SYNC:
            response = TxResponse(
                txhash=verdict.hash, code=verdict.code, codespace=verdict.codespace, raw_log=verdict.log
            )
        return service_pb2.BroadcastTxResponse(tx_response=response)

    async def _simulate(self, request: Any, call: Call) -> Any:
        await self._faults.running.wait()
        raw = request.tx_bytes or (request.tx.SerializeToString() if request.HasField("tx") else b"")
        if not raw:
            await call.abort(grpc.StatusCode.INVALID_ARGUMENT, "empty txBytes is not allowed")
        try:
            self._chain.simulate(raw)
        except RefusedError as error:
            await call.abort(grpc.StatusCode.UNKNOWN, f"{error.log} with gas used: '{GAS_PER_TRANSACTION // 2}'")
        gas = GasInfo(gas_wanted=0, gas_used=GAS_PER_TRANSACTION)
        return service_pb2.SimulateResponse(gas_info=gas, result=Result())

    async def _get_tx(self, request: Any, call: Call) -> Any:
        await self._faults.running.wait()
        if not request.hash:
            await call.abort(grpc.StatusCode.INVALID_ARGUMENT, "tx hash cannot be empty")
        committed = self._chain.state.committed.get(request.hash.upper().removeprefix("0X"))
        if committed is None:
            await call.abort(grpc.StatusCode.NOT_FOUND, f"tx not found: {request.hash}")
        transaction = Tx.FromString(committed.raw)  # TxRaw and Tx are the same bytes
        return service_pb2.GetTxResponse(tx=transaction, tx_response=_committed(committed, transaction))


class _Methods(grpc.GenericRpcHandler):
    def __init__(self, behaviours: Mapping[str, tuple[type[Any], Behaviour]]) -> None:
        self._handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                behave,
                request_deserializer=request.FromString,
                response_serializer=_serialized,
            )
            for name, (request, behave) in behaviours.items()
        }

    def service(self, call_details: grpc.HandlerCallDetails) -> Any:
        """Return what answers a method: of the others it is said by name that nothing here does."""
        name = call_details.method
        return self._handlers.get(name) or grpc.unary_unary_rpc_method_handler(_unimplemented(name))


def _unimplemented(name: str) -> Any:
    async def behave(_: bytes, call: Call) -> bytes:
        await call.abort(grpc.StatusCode.UNIMPLEMENTED, f"the simulated chain does not answer {name}")

    return behave


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


def _refused(hash_: str, error: RefusedError) -> Any:
    return TxResponse(txhash=hash_, code=error.code.number, codespace=error.code.codespace, raw_log=error.log)


def _committed(committed: Committed, transaction: Any) -> Any:
    packed = AnyMessage()
    packed.Pack(transaction, type_url_prefix="/")
    return TxResponse(
        txhash=committed.hash,
        height=committed.height,
        code=committed.code,
        codespace=committed.codespace,
        raw_log=committed.log,
        gas_wanted=transaction.auth_info.fee.gas_limit,
        gas_used=committed.gas,
        timestamp=f"{committed.time:%Y-%m-%dT%H:%M:%SZ}",
        tx=packed,
    )
