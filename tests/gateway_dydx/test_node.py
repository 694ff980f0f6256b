"""The node client over a real gRPC socket: real signatures, deadlines, and three kinds of outcome, never confused.

The server here answers what a test tells it to; that the chain takes these transactions is tested with the simulator.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import coincurve
import grpc
import grpc.aio
import pytest
import uvloop
from gateway_dydx.keys import key_source
from gateway_dydx.plans import (
    CancelPlan,
    ChainTimeInForce,
    Condition,
    OrderFlags,
    OrderIdentity,
    OrderPlan,
    Subaccount,
)
from gateway_dydx.settings import USDC, Endpoints
from gateway_dydx.venue_node import Node, RateLimit, SignedTransaction
from google.protobuf.any_pb2 import Any as ProtoAny
from msgspec.structs import replace
from signalbox.errors import VenueRefusedError, VenueTimeoutError, VenueUnavailableError
from signalbox.messages import Side
from signalbox.settings import Secret
from v4_proto.cosmos.auth.v1beta1 import query_pb2 as auth
from v4_proto.cosmos.auth.v1beta1 import query_pb2_grpc as auth_stubs
from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tendermint_stubs
from v4_proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from v4_proto.cosmos.tx.v1beta1 import service_pb2 as transactions
from v4_proto.cosmos.tx.v1beta1 import service_pb2_grpc as transaction_stubs
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import AuthInfo, SignDoc, TxBody, TxRaw
from v4_proto.dydxprotocol.clob import query_pb2 as clob
from v4_proto.dydxprotocol.clob import query_pb2_grpc as clob_stubs
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgCancelOrder, MsgPlaceOrder

WORDS = "abandon " * 11 + "about"
ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
CHAIN = "localdydxprotocol"
AT = datetime(2026, 3, 2, 12, 0, 0, 123_000, tzinfo=UTC)
ANSWER_SECONDS_MAX = 0.3
ACCOUNT_NUMBER, SEQUENCE = 17, 4

SHORT_TERM = OrderPlan(
    identity=OrderIdentity(
        subaccount=Subaccount(ADDRESS, 2), client_id=99, clob_pair_id=1, flags=OrderFlags.SHORT_TERM
    ),
    side=Side.SELL,
    quantums=3_000_000,
    subticks=700_000,
    time_in_force=ChainTimeInForce.IMMEDIATE_OR_CANCEL,
    reduce_only=True,
    good_til_block=1010,
)
STOP = replace(
    SHORT_TERM,
    identity=replace(SHORT_TERM.identity, flags=OrderFlags.CONDITIONAL),
    side=Side.BUY,
    good_til_block=0,
    good_til_time=datetime(2026, 3, 3, tzinfo=UTC),
    condition=Condition.STOP_LOSS,
    trigger_subticks=600_000,
)


class Chain(auth_stubs.QueryServicer, tendermint_stubs.ServiceServicer, transaction_stubs.ServiceServicer):  # type: ignore[misc]  # untyped
    """Answers as told; `fault` is awaited before every answer."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.code, self.codespace, self.raw_log = 0, "", ""
        self.fault: Callable[[grpc.aio.ServicerContext[Any, Any]], Awaitable[None]] | None = None

    async def _answer(self, context: Any, answer: Any) -> Any:
        if self.fault is not None:
            await self.fault(context)
        return answer

    async def Account(self, request: Any, context: Any) -> Any:
        if request.address != ADDRESS:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"account {request.address} not found")
        packed = ProtoAny()
        packed.Pack(BaseAccount(address=ADDRESS, account_number=ACCOUNT_NUMBER, sequence=SEQUENCE), type_url_prefix="/")
        return await self._answer(context, auth.QueryAccountResponse(account=packed))

    async def GetLatestBlock(self, request: Any, context: Any) -> Any:
        answer = tendermint.GetLatestBlockResponse()
        answer.block.header.height = 1000
        answer.block.header.time.FromDatetime(AT)
        return await self._answer(context, answer)

    async def BroadcastTx(self, request: Any, context: Any) -> Any:
        self.taken.append(request.tx_bytes)
        answer = transactions.BroadcastTxResponse()
        answer.tx_response.code, answer.tx_response.codespace = self.code, self.codespace
        answer.tx_response.raw_log = self.raw_log
        return await self._answer(context, answer)

    async def GetTx(self, request: Any, context: Any) -> Any:
        if request.hash == "MISSING":
            await context.abort(grpc.StatusCode.NOT_FOUND, "tx not found: MISSING")
        answer = transactions.GetTxResponse()
        answer.tx_response.height, answer.tx_response.code = 1001, 3007
        answer.tx_response.codespace = "clob"
        return await self._answer(context, answer)


class Clob(clob_stubs.QueryServicer):  # type: ignore[misc]  # untyped
    async def EquityTierLimitConfiguration(self, request: Any, context: Any) -> Any:
        answer = clob.QueryEquityTierLimitConfigurationResponse()
        for required, limit in ((b"\x02", 0), (b"\x02" + (20_000_000).to_bytes(4, "big"), 4)):
            tier = answer.equity_tier_limit_config.stateful_order_equity_tiers.add()
            tier.usd_tnc_required, tier.limit = required, limit
        return answer

    async def BlockRateLimitConfiguration(self, request: Any, context: Any) -> Any:
        answer = clob.QueryBlockRateLimitConfigurationResponse()
        config = answer.block_rate_limit_config
        config.max_stateful_orders_per_n_blocks.add(num_blocks=1, limit=2)
        config.max_stateful_orders_per_n_blocks.add(num_blocks=100, limit=20)
        config.max_short_term_orders_and_cancels_per_n_blocks.add(num_blocks=5, limit=4000)
        return answer

    async def StatefulOrder(self, request: Any, context: Any) -> Any:
        if request.order_id.client_id != 99:
            await context.abort(grpc.StatusCode.NOT_FOUND, "not found")
        return clob.QueryStatefulOrderResponse()


async def serve(chain: Chain, port: int = 0) -> tuple[Any, int]:
    server = grpc.aio.server()
    auth_stubs.add_QueryServicer_to_server(chain, server)
    tendermint_stubs.add_ServiceServicer_to_server(chain, server)
    transaction_stubs.add_ServiceServicer_to_server(chain, server)
    clob_stubs.add_QueryServicer_to_server(Clob(), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server, port


def make_node(port: int, secure: bool = False) -> Node:
    endpoints = Endpoints(
        chain_id=CHAIN,
        denomination=USDC,
        node=f"127.0.0.1:{port}",
        indexer_url="",
        websocket_url="",
        secure=secure,
    )
    return Node(
        endpoints,
        key_source(Secret(WORDS), None),
        ADDRESS,
        connect_seconds_max=5.0,
        answer_seconds_max=ANSWER_SECONDS_MAX,
        broadcast_seconds_max=ANSWER_SECONDS_MAX,
    )


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Node, Chain]]:
    chain = Chain()
    server, port = await serve(chain)
    node = make_node(port)
    try:
        await node.connect()
        yield node, chain
    finally:
        await node.close()
        await server.stop(None)


def unpacked(signed: SignedTransaction, kind: Any) -> tuple[Any, int]:
    """The message and its sequence, once the signature has been verified as the chain does it."""
    raw = TxRaw.FromString(signed.payload)
    body, auth_info = TxBody.FromString(raw.body_bytes), AuthInfo.FromString(raw.auth_info_bytes)
    [signer], [packed], [signature] = auth_info.signer_infos, body.messages, raw.signatures
    key = PubKey()
    assert signer.public_key.Unpack(key)
    document = SignDoc(
        body_bytes=raw.body_bytes,
        auth_info_bytes=raw.auth_info_bytes,
        chain_id=CHAIN,
        account_number=ACCOUNT_NUMBER,
    ).SerializeToString()
    r, s = signature[:32], signature[32:]
    encoded = coincurve.ecdsa.cdata_to_der(coincurve.ecdsa.deserialize_compact(r + s))
    assert coincurve.PublicKey(key.key).verify(encoded, document)
    message = kind()
    assert packed.type_url == f"/{kind.DESCRIPTOR.full_name}"
    assert packed.Unpack(message)
    assert body.memo == ""
    return message, signer.sequence


# ------------------------------------------------------------------------------------------------------ signing


async def test_a_short_term_order_is_signed_as_planned() -> None:
    async with connected() as (node, _):
        signed = node.prepare_place(SHORT_TERM, AT)
    message, _ = unpacked(signed, MsgPlaceOrder)
    order = message.order
    assert order.order_id.subaccount_id.owner == ADDRESS
    assert order.order_id.subaccount_id.number == 2
    assert (order.order_id.client_id, order.order_id.clob_pair_id, order.order_id.order_flags) == (99, 1, 0)
    assert (order.side, order.quantums, order.subticks, order.time_in_force) == (2, 3_000_000, 700_000, 1)
    assert order.reduce_only
    assert order.good_til_block == 1010
    assert not order.HasField("good_til_block_time")
    assert (order.condition_type, order.conditional_order_trigger_subticks) == (0, 0)
    assert signed.transaction_hash == hashlib.sha256(signed.payload).hexdigest().upper()


async def test_a_stateful_order_has_its_time_its_trigger_and_a_sequence_of_milliseconds() -> None:
    async with connected() as (node, _):
        signed = node.prepare_place(STOP, AT)
    message, sequence = unpacked(signed, MsgPlaceOrder)
    order = message.order
    assert order.good_til_block_time == 1_772_496_000
    assert not order.HasField("good_til_block")
    assert (order.side, order.condition_type, order.conditional_order_trigger_subticks) == (1, 1, 600_000)
    assert sequence == int(AT.timestamp() * 1000)


async def test_no_two_stateful_transactions_have_one_sequence_whatever_the_clock_does() -> None:
    async with connected() as (node, _):
        times = [AT, AT, AT - timedelta(hours=1), AT + timedelta(milliseconds=1), AT + timedelta(seconds=1)]
        sequences = [unpacked(node.prepare_place(STOP, at), MsgPlaceOrder)[1] for at in times]
    assert sequences == sorted(set(sequences))
    assert sequences[-1] == int((AT + timedelta(seconds=1)).timestamp() * 1000)


async def test_cancels_are_signed_as_planned() -> None:
    async with connected() as (node, _):
        short = node.prepare_cancel(CancelPlan(identity=SHORT_TERM.identity, good_til_block=1020), AT)
        stateful = node.prepare_cancel(CancelPlan(identity=STOP.identity, good_til_time=STOP.good_til_time), AT)
    message, _ = unpacked(short, MsgCancelOrder)
    assert (message.order_id.client_id, message.good_til_block) == (99, 1020)
    message, sequence = unpacked(stateful, MsgCancelOrder)
    assert (message.order_id.order_flags, message.good_til_block_time) == (32, 1_772_496_000)
    assert sequence >= 2**40


async def test_nothing_is_signed_before_the_account_is_known() -> None:
    with pytest.raises(VenueUnavailableError):
        make_node(1).prepare_place(SHORT_TERM, AT)


# ---------------------------------------------------------------------------------------------------- broadcasts


async def test_an_accepted_broadcast_has_code_0() -> None:
    async with connected() as (node, chain):
        signed = node.prepare_place(SHORT_TERM, AT)
        result = await node.broadcast(signed)
    assert result.code == 0
    assert result.transaction_hash == signed.transaction_hash
    assert chain.taken == [signed.payload]


async def test_a_refusal_of_the_chain_is_an_answer() -> None:
    async with connected() as (node, chain):
        chain.code, chain.codespace, chain.raw_log = 2003, "clob", "Post-only order would cross"
        result = await node.broadcast(node.prepare_place(SHORT_TERM, AT))
    assert (result.code, result.codespace, result.raw_log) == (2003, "clob", "Post-only order would cross")


async def test_a_reply_that_never_comes_is_unknown_within_the_deadline() -> None:
    async with connected() as (node, chain):

        async def hang(context: Any) -> None:
            await asyncio.Event().wait()

        chain.fault = hang
        began = asyncio.get_running_loop().time()
        with pytest.raises(VenueTimeoutError):
            await node.broadcast(node.prepare_place(SHORT_TERM, AT))
        assert asyncio.get_running_loop().time() - began < 10 * ANSWER_SECONDS_MAX
        assert len(chain.taken) == 1  # it was taken: a second sending would be a second order


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN])
async def test_a_connection_that_breaks_after_the_sending_is_unknown(code: grpc.StatusCode) -> None:
    async with connected() as (node, chain):
        chain.fault = lambda context: context.abort(code, "gone")
        with pytest.raises(VenueTimeoutError):
            await node.broadcast(node.prepare_place(SHORT_TERM, AT))
        assert len(chain.taken) == 1  # and nothing behind our back sent it again


async def test_a_call_that_the_node_turned_away_is_refused() -> None:
    async with connected() as (node, chain):
        chain.fault = lambda context: context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests")
        with pytest.raises(VenueRefusedError) as caught:
            await node.broadcast(node.prepare_place(SHORT_TERM, AT))
    assert caught.value.code == "RESOURCE_EXHAUSTED"


async def test_a_node_that_is_killed_while_it_answers_leaves_an_unknown_outcome() -> None:
    chain = Chain()
    server, port = await serve(chain)
    node = make_node(port)
    try:
        await node.connect()
        taken = asyncio.Event()

        async def hang(context: Any) -> None:
            taken.set()
            await asyncio.Event().wait()

        chain.fault = hang
        sending = asyncio.create_task(node.broadcast(node.prepare_place(SHORT_TERM, AT)))
        async with asyncio.timeout(5):
            await taken.wait()
        await server.stop(None)
        with pytest.raises(VenueTimeoutError):
            await sending
    finally:
        await node.close()


async def test_without_a_connection_nothing_is_sent() -> None:
    chain = Chain()
    server, port = await serve(chain)
    node = make_node(port)
    node._connect_seconds_max = 0.2
    try:
        await node.connect()
        signed = node.prepare_place(SHORT_TERM, AT)
        await server.stop(None)
        async with asyncio.timeout(5):
            while node.is_connected:
                await asyncio.sleep(0.01)
        with pytest.raises(VenueUnavailableError):
            await node.broadcast(signed)
        assert chain.taken == []
    finally:
        await node.close()


async def test_the_channel_recovers_when_the_node_is_back() -> None:
    chain = Chain()
    server, port = await serve(chain)
    node = make_node(port)
    try:
        await node.connect()
        await server.stop(None)
        server, _ = await serve(chain, port)
        result = await node.broadcast(node.prepare_place(SHORT_TERM, AT))
        assert result.code == 0
    finally:
        await node.close()
        await server.stop(None)


class FreezingProxy:
    """Passes connections on until it freezes: those that are open then stay open, and nothing passes any more."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.connections = 0
        self.frozen_up_to = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.add(asyncio.create_task(self._pass_both(reader, writer, self.connections)))

    async def _pass_both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            await asyncio.gather(self._pass(reader, target_writer, number), self._pass(target_reader, writer, number))
        finally:
            target_writer.close()
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while data := await reader.read(65_536):
            if number <= self.frozen_up_to:
                await asyncio.Event().wait()
            writer.write(data)
        writer.close()


async def test_a_half_open_connection_is_left_after_one_missing_answer() -> None:
    chain = Chain()
    server, port = await serve(chain)
    proxy = FreezingProxy(port)
    node = make_node(await proxy.start())
    try:
        await node.connect()
        proxy.frozen_up_to = proxy.connections
        with pytest.raises(VenueTimeoutError):
            await node.latest_block()
        assert not node.is_connected
        assert (await node.latest_block()).height == 1000
        assert proxy.connections == 2
        proxy.frozen_up_to = proxy.connections
        with pytest.raises(VenueTimeoutError):
            await node.broadcast(node.prepare_place(SHORT_TERM, AT))
        assert chain.taken == []
        assert (await node.broadcast(node.prepare_place(SHORT_TERM, AT))).code == 0
    finally:
        await node.close()
        await proxy.close()
        await server.stop(None)


async def test_a_node_whose_certificate_nobody_vouches_for_is_not_talked_to(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not here to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    making = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    assert await making.wait() == 0
    chain, server = Chain(), grpc.aio.server()
    auth_stubs.add_QueryServicer_to_server(chain, server)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    node = make_node(server.add_secure_port("127.0.0.1:0", credentials), secure=True)
    node._connect_seconds_max = 0.5
    await server.start()
    try:
        with pytest.raises(VenueUnavailableError):
            await node.connect()
    finally:
        await node.close()
        await server.stop(None)


# ------------------------------------------------------------------------------------------------------- queries


async def test_queries_have_typed_answers() -> None:
    async with connected() as (node, _):
        account = await node.account(ADDRESS)
        block = await node.latest_block()
        limits = await node.limits()
        found = await node.transaction("ANY")
        missing = await node.transaction("MISSING")
        on_chain = await node.has_stateful_order(STOP.identity)
        not_there = await node.has_stateful_order(replace(STOP.identity, client_id=98))
    assert (account.number, account.sequence) == (ACCOUNT_NUMBER, SEQUENCE)
    assert (block.height, block.at) == (1000, AT)
    assert limits.equity_tiers == ((Decimal(0), 0), (Decimal(20), 4))
    assert limits.stateful_orders == (RateLimit(1, 2), RateLimit(100, 20))
    assert limits.short_term_orders_and_cancels == (RateLimit(5, 4000),)
    assert found is not None
    assert (found.height, found.codespace, found.code) == (1001, "clob", 3007)
    assert missing is None
    assert (on_chain, not_there) == (True, False)


async def test_an_address_that_the_chain_does_not_know_is_a_refusal() -> None:
    async with connected() as (node, _):
        with pytest.raises(VenueRefusedError, match="not found"):
            await node.account("dydx1nobody")


async def test_a_query_without_answer_ends_at_its_deadline() -> None:
    async with connected() as (node, chain):

        async def hang(context: Any) -> None:
            await asyncio.Event().wait()

        chain.fault = hang
        with pytest.raises(VenueTimeoutError):
            await node.latest_block()


async def test_a_node_that_fails_is_not_a_missing_transaction() -> None:
    async with connected() as (node, chain):
        chain.fault = lambda context: context.abort(grpc.StatusCode.INTERNAL, "database")
        with pytest.raises(VenueRefusedError):
            await node.transaction("ANY")


def test_it_works_on_uvloop_as_on_asyncio() -> None:
    async def place() -> int:
        async with connected() as (node, _):
            return (await node.broadcast(node.prepare_place(SHORT_TERM, AT))).code

    assert uvloop.run(place()) == 0
    assert asyncio.run(place()) == 0
