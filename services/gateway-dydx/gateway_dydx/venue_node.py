"""The validator's gRPC through the library's own builder and wallet: the only file that signs.

Owns the channel, the key, and what a call's failure means. Nothing here blocks the loop: the library's client would,
without a deadline, so its stubs run on a `grpc.aio` channel. It must not know what an order means (`decide.py`).

A broadcast has three outcomes: a code of the chain; surely not sent (`VenueUnavailableError`, `VenueRefusedError`); or
not known (`VenueTimeoutError`): the transaction may be on the chain, whatever the connection says.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import grpc
import grpc.aio
from dydx_v4_client.node import message as messages
from dydx_v4_client.node.builder import Builder, TxOptions
from dydx_v4_client.wallet import Wallet
from msgspec import Struct
from signalbox.errors import VenueRefusedError, VenueTimeoutError, VenueUnavailableError
from v4_proto.cosmos.auth.v1beta1 import query_pb2_grpc as auth_stubs
from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount
from v4_proto.cosmos.auth.v1beta1.query_pb2 import QueryAccountRequest
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tendermint_stubs
from v4_proto.cosmos.tx.v1beta1 import service_pb2_grpc as transaction_stubs
from v4_proto.cosmos.tx.v1beta1.service_pb2 import BroadcastMode, BroadcastTxRequest, GetTxRequest
from v4_proto.dydxprotocol.clob import query_pb2 as clob
from v4_proto.dydxprotocol.clob import query_pb2_grpc as clob_stubs
from v4_proto.dydxprotocol.clob.order_pb2 import OrderId

from gateway_dydx.keys import KeyOwner, KeySource
from gateway_dydx.metrics import NODE, one_call
from gateway_dydx.permissions import Permission
from gateway_dydx.plans import CancelPlan, OrderIdentity, OrderPlan
from gateway_dydx.settings import Endpoints
from gateway_dydx.venue_key import key_of

_Answer = TypeVar("_Answer")

TIMESTAMP_SEQUENCE_MIN = 2**40
"""From here on a sequence is a time in milliseconds (v4-chain: x/accountplus/keeper/timestampnonce.go)."""

QUOTE_QUANTUMS = Decimal(1_000_000)
NOT_ASKED = "the chain has not been asked yet what the trading key may do"
KEEPALIVE_MILLISECONDS = 20_000
CLOSE_SECONDS_MAX = 1.0

_OPTIONS = (
    ("grpc.keepalive_time_ms", KEEPALIVE_MILLISECONDS),  # a half-open connection looks usable for many minutes
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection, and not the one it replaces
    ("grpc.enable_retries", 0),  # what was sent is never sent again behind our back
)


class ChainAccount(Struct, frozen=True):
    """What the chain says of an address: part of every signature."""

    number: int
    sequence: int


class LatestBlock(Struct, frozen=True):
    height: int
    at: datetime


class RateLimit(Struct, frozen=True):
    """So many within so many blocks, for all of an address."""

    blocks: int
    limit: int


class ChainLimits(Struct, frozen=True, kw_only=True):
    """What the chain allows. `equity_tiers`: (equity in USD from which, open stateful orders at most), ascending."""

    equity_tiers: tuple[tuple[Decimal, int], ...]
    stateful_orders: tuple[RateLimit, ...]
    short_term_orders_and_cancels: tuple[RateLimit, ...]


class SignedTransaction(Struct, frozen=True):
    """Ready to be sent; `transaction_hash` names it for ever."""

    payload: bytes
    transaction_hash: str


class BroadcastResult(Struct, frozen=True, kw_only=True):
    """The node's verdict (`venue_errors` says what it means); code 0 = it has taken it in."""

    code: int
    codespace: str
    raw_log: str
    transaction_hash: str


class TransactionFound(Struct, frozen=True, kw_only=True):
    """A transaction that is in a block."""

    height: int
    code: int
    codespace: str
    raw_log: str


class Node:
    """One address's connection to one node. `connect` before everything else; `prepare_*` then needs no network."""

    def __init__(
        self,
        endpoints: Endpoints,
        key: KeySource,
        address: str,
        *,
        connect_seconds_max: float,
        answer_seconds_max: float,
        broadcast_seconds_max: float,
    ) -> None:
        self._endpoints, self._address = endpoints, address
        self._connect_seconds_max, self._answer_seconds_max = connect_seconds_max, answer_seconds_max
        self._broadcast_seconds_max = broadcast_seconds_max
        self._key = key_of(key, address)
        self.permission = Permission(text=NOT_ASKED if key.owner is KeyOwner.TRADER else "the wallet's own key")
        """What a trading key is allowed (`venue_permission` asks); the wallet's own may do everything."""
        self._is_traders = key.owner is KeyOwner.TRADER
        self._builder = Builder(endpoints.chain_id, endpoints.denomination, memo="")
        self._wallet: Wallet | None = None
        self._channel: grpc.aio.Channel | None = None
        self._doubted = False
        self._closing: set[asyncio.Task[None]] = set()
        self._sequence_last = TIMESTAMP_SEQUENCE_MIN

    # ------------------------------------------------------------------------------------------------ connection

    async def connect(self) -> ChainAccount:
        """Open the channel and read the account; again after `close`, or to look at the account anew."""
        if self._channel is None:
            self._channel = self._open_channel()
        account = await self.account(self._address)
        self._wallet = Wallet(self._key, account.number, account.sequence)
        return account

    def _open_channel(self) -> grpc.aio.Channel:
        channel: grpc.aio.Channel
        if self._endpoints.secure:
            credentials = grpc.ssl_channel_credentials()
            channel = grpc.aio.secure_channel(self._endpoints.node, credentials, options=_OPTIONS)
        else:
            channel = grpc.aio.insecure_channel(self._endpoints.node, options=_OPTIONS)
        self._broadcast_stub = transaction_stubs.ServiceStub(channel)
        return channel

    async def close(self) -> None:
        """End the channel; what was on its way has an unknown outcome."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close(grace=CLOSE_SECONDS_MAX)
        for closing in tuple(self._closing):
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    @property
    def is_connected(self) -> bool:
        """Whether the channel can be used now."""
        channel = self._channel
        return channel is not None and not self._doubted and channel.get_state() is grpc.ChannelConnectivity.READY

    def _replace_doubted(self, channel: grpc.aio.Channel) -> grpc.aio.Channel:
        """A new channel for one on which an answer did not come: half-open, it would look usable for a minute more.

        What is still on its way on the old one has until its own deadline.
        """
        self._doubted = False
        closing = asyncio.create_task(channel.close(grace=max(self._answer_seconds_max, self._broadcast_seconds_max)))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._channel = self._open_channel()
        return self._channel

    async def ready(self) -> grpc.aio.Channel:
        """The channel, connected; raises VenueUnavailableError when it does not come about in time."""
        channel = self._channel
        if channel is None:
            raise VenueUnavailableError("the node has not been connected to")
        if self._doubted:
            channel = self._replace_doubted(channel)
        if channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            return channel
        try:
            async with asyncio.timeout(self._connect_seconds_max):
                await channel.channel_ready()
        except TimeoutError:
            raise VenueUnavailableError(f"the node at {self._endpoints.node} can not be reached") from None
        return channel

    @property
    def public_key(self) -> bytes:
        """Of the key that signs."""
        return bytes(Wallet(self._key, 0, 0).public_key.key)

    @property
    def may_not_trade(self) -> str:
        """Why nothing may be signed with a trading key; "" = it may, or the wallet's own key signs."""
        return self.permission.text if self._is_traders and self.permission.id is None else ""

    # --------------------------------------------------------------------------------------------------- queries

    async def account(self, address: str) -> ChainAccount:
        """Read an address's number and sequence; raises VenueRefusedError when the chain does not know it."""
        stub = auth_stubs.QueryStub(await self.ready())
        answer = await self.ask(stub.Account(QueryAccountRequest(address=address), timeout=self._answer_seconds_max))
        found = BaseAccount()
        if not answer.account.Unpack(found):
            raise VenueRefusedError("account", f"{address} is {answer.account.type_url}, no plain account")
        return ChainAccount(found.account_number, found.sequence)

    async def latest_block(self) -> LatestBlock:
        """Read the node's height, and that block's time (UTC)."""
        stub = tendermint_stubs.ServiceStub(await self.ready())
        answer = await self.ask(
            stub.GetLatestBlock(tendermint.GetLatestBlockRequest(), timeout=self._answer_seconds_max)
        )
        block = answer.sdk_block if answer.HasField("sdk_block") else answer.block
        return LatestBlock(block.header.height, block.header.time.ToDatetime(UTC))

    async def limits(self) -> ChainLimits:
        """Read what the chain allows: the published tables differ, so it is asked."""
        stub = clob_stubs.QueryStub(await self.ready())
        seconds = self._answer_seconds_max
        tiers, rates = await asyncio.gather(
            self.ask(
                stub.EquityTierLimitConfiguration(clob.QueryEquityTierLimitConfigurationRequest(), timeout=seconds)
            ),
            self.ask(stub.BlockRateLimitConfiguration(clob.QueryBlockRateLimitConfigurationRequest(), timeout=seconds)),
        )
        config = rates.block_rate_limit_config
        return ChainLimits(
            equity_tiers=tuple(
                (_serialized_integer(tier.usd_tnc_required) / QUOTE_QUANTUMS, tier.limit)
                for tier in tiers.equity_tier_limit_config.stateful_order_equity_tiers
            ),
            stateful_orders=_rate_limits(config.max_stateful_orders_per_n_blocks),
            short_term_orders_and_cancels=_rate_limits(config.max_short_term_orders_and_cancels_per_n_blocks),
        )

    async def transaction(self, transaction_hash: str) -> TransactionFound | None:
        """Look a transaction up; None = this node has it in no block (it may still be on its way)."""
        stub = transaction_stubs.ServiceStub(await self.ready())
        call = stub.GetTx(GetTxRequest(hash=transaction_hash), timeout=self._answer_seconds_max)
        answer = await self._ask_or_none(call)
        if answer is None:
            return None
        said = answer.tx_response
        return TransactionFound(height=said.height, code=said.code, codespace=said.codespace, raw_log=said.raw_log)

    async def has_stateful_order(self, identity: OrderIdentity) -> bool:
        """Say whether a long-term or conditional order is on the chain now, in its committed state."""
        stub = clob_stubs.QueryStub(await self.ready())
        request = clob.QueryStatefulOrderRequest(order_id=_order_id(identity))
        return await self._ask_or_none(stub.StatefulOrder(request, timeout=self._answer_seconds_max)) is not None

    async def ask(self, call: Awaitable[_Answer]) -> _Answer:
        """Await a query; its failure is the venue's, never an empty answer."""
        with one_call(NODE):
            try:
                return await call
            except grpc.aio.AioRpcError as error:
                code, text = error.code(), error.details() or ""
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                self._doubted = True
                raise VenueTimeoutError(f"the node did not answer in time: {text}")
            if code is grpc.StatusCode.UNAVAILABLE:
                raise VenueUnavailableError(f"the node can not be reached: {text}")
            raise VenueRefusedError(code.name, text)

    async def _ask_or_none(self, call: Awaitable[_Answer]) -> _Answer | None:
        try:
            return await self.ask(call)
        except VenueRefusedError as error:
            if error.code == grpc.StatusCode.NOT_FOUND.name:
                return None
            raise

    # ------------------------------------------------------------------------------------------ build, sign, send

    def prepare_place(self, plan: OrderPlan, at: datetime) -> SignedTransaction:
        """Build and sign an order; `at` (desk time) makes a stateful one's sequence. Needs no network."""
        order = messages.order(
            order_id=_order_id(plan.identity),
            side=1 if plan.side.sign > 0 else 2,
            quantums=plan.quantums,
            subticks=plan.subticks,
            time_in_force=int(plan.time_in_force),
            reduce_only=plan.reduce_only,
            **_good_til(plan.good_til_block, plan.good_til_time),
            condition_type=int(plan.condition),
            conditional_order_trigger_subticks=plan.trigger_subticks,
        )
        return self.sign(messages.place_order(order), at if plan.is_stateful else None)

    def prepare_cancel(self, plan: CancelPlan, at: datetime) -> SignedTransaction:
        """Build and sign a cancel; `at` (desk time) makes a stateful one's sequence. Needs no network."""
        cancel = messages.cancel_order(_order_id(plan.identity), **_good_til(plan.good_til_block, plan.good_til_time))
        return self.sign(cancel, at if plan.good_til_time is not None else None)

    def sign(self, message: Any, stateful_at: datetime | None) -> SignedTransaction:
        """Build and sign a message that costs no gas; a time makes its sequence, None = none is looked at."""
        wallet = self._wallet
        if wallet is None:
            raise VenueUnavailableError("the account has not been read from the chain: nothing can be signed")
        if self.may_not_trade:
            raise VenueUnavailableError(self.may_not_trade)
        if stateful_at is not None:
            wallet = Wallet(self._key, wallet.account_number, self._next_sequence(stateful_at))
        # A short-term order's sequence is in its signature but the chain does not look at it
        selected = self.permission.id
        options = None if selected is None else TxOptions([selected], wallet.sequence, wallet.account_number)
        payload: bytes = self._builder.build(wallet, message, tx_options=options).SerializeToString()
        return SignedTransaction(payload, hashlib.sha256(payload).hexdigest().upper())

    def _next_sequence(self, at: datetime) -> int:
        """The time in milliseconds, made unique: two of one moment are one millisecond apart."""
        milliseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        self._sequence_last = max(self._sequence_last + 1, milliseconds)
        return self._sequence_last

    async def broadcast(self, signed: SignedTransaction) -> BroadcastResult:
        """Send, and wait for the node's verdict.

        Raises VenueUnavailableError when there is no connection to send it on and VenueRefusedError when the node
        turned the call away: both times it is surely not on the chain. Raises VenueTimeoutError when that is not known.
        """
        if not self.is_connected:
            await self.ready()
        request = BroadcastTxRequest(tx_bytes=signed.payload, mode=BroadcastMode.BROADCAST_MODE_SYNC)
        with one_call(NODE):
            try:
                answer = await self._broadcast_stub.BroadcastTx(request, timeout=self._broadcast_seconds_max)
            except grpc.aio.AioRpcError as error:
                code, text = error.code(), error.details() or ""
            else:
                said, named = answer.tx_response, signed.transaction_hash
                return BroadcastResult(
                    code=said.code, codespace=said.codespace, raw_log=said.raw_log, transaction_hash=named
                )
            if code in _TURNED_AWAY:
                raise VenueRefusedError(code.name, text)
            self._doubted = code is grpc.StatusCode.DEADLINE_EXCEEDED
            raise VenueTimeoutError(f"what became of the broadcast is not known ({code.name}: {text})")


_TURNED_AWAY = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""Said before the transaction is looked at: by what stands in front of the node, or for a request that is none."""


def _order_id(identity: OrderIdentity) -> OrderId:
    return messages.order_id(
        identity.subaccount.address,
        identity.subaccount.number,
        identity.client_id,
        identity.clob_pair_id,
        int(identity.flags),
    )


def _good_til(block: int, at: datetime | None) -> dict[str, int]:
    """The one of the two that is set: the chain takes a field that is there, even with 0, for the other kind."""
    return {"good_til_block": block} if at is None else {"good_til_block_time": int(at.timestamp())}


def _rate_limits(limits: Any) -> tuple[RateLimit, ...]:
    return tuple(RateLimit(item.num_blocks, item.limit) for item in limits)


def _serialized_integer(data: bytes) -> Decimal:
    """Read the big integer of v4-chain's dtypes/serializable_int.go: a byte of the sign (2 or 3), the magnitude."""
    if not data:
        return Decimal(0)
    return Decimal(int.from_bytes(data[1:], "big")) * (-1 if data[0] == 3 else 1)
