"""What the node answers about its state, in the protocol's messages.

Owns the reading of the chain for the query services of the client's stubs: auth, bank, tendermint, clob, perpetuals,
prices, subaccounts, fee tiers, stats, block time. It must not know gRPC's server. What the chain does not have
(staking, governance, rewards, bridges, affiliates, vaults) is not answered at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from signalbox.messages import Liquidity
from v4_proto.cosmos.auth.v1beta1 import query_pb2 as auth
from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount
from v4_proto.cosmos.bank.v1beta1 import query_pb2 as bank
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from v4_proto.dydxprotocol.accountplus import query_pb2 as accountplus
from v4_proto.dydxprotocol.blocktime import query_pb2 as blocktime
from v4_proto.dydxprotocol.feetiers import query_pb2 as feetiers
from v4_proto.dydxprotocol.ratelimit import query_pb2 as ratelimit
from v4_proto.dydxprotocol.stats import query_pb2 as stats
from v4_proto.dydxprotocol.subaccounts import query_pb2 as subaccounts

from simulators.dydx.accounts import Account
from simulators.dydx.authenticators import Authenticator
from simulators.dydx.chain import Chain
from simulators.dydx.fees import TIERS, Tier
from simulators.dydx.market_queries import MarketQueries, QueryError
from simulators.dydx.orders import quantums_of
from simulators.dydx.refusals import Code
from simulators.dydx.transactions import is_address

__all__ = ["Answer", "NodeQueries", "QueryError"]

Answer = Callable[[Any], Message]
SUBACCOUNT_NUMBER_MAX = 128_000
_QUOTE_QUANTUMS = Decimal(1_000_000)


class NodeQueries:
    """Answers queries about one chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def answers(self) -> dict[str, tuple[type[Any], Answer]]:
        """Return the request type and the answer of every method, by its full name."""
        return {
            "/cosmos.auth.v1beta1.Query/Account": (auth.QueryAccountRequest, self._account),
            "/cosmos.auth.v1beta1.Query/AccountInfo": (auth.QueryAccountInfoRequest, self._account_info),
            "/cosmos.bank.v1beta1.Query/Balance": (bank.QueryBalanceRequest, self._balance),
            "/cosmos.bank.v1beta1.Query/AllBalances": (bank.QueryAllBalancesRequest, self._balances),
            "/cosmos.base.tendermint.v1beta1.Service/GetLatestBlock": (
                tendermint.GetLatestBlockRequest,
                self._latest_block,
            ),
            "/cosmos.base.tendermint.v1beta1.Service/GetSyncing": (tendermint.GetSyncingRequest, self._syncing),
            "/cosmos.base.tendermint.v1beta1.Service/GetNodeInfo": (tendermint.GetNodeInfoRequest, self._node_info),
            "/dydxprotocol.accountplus.Query/GetAuthenticators": (
                accountplus.GetAuthenticatorsRequest,
                self._authenticators,
            ),
            "/dydxprotocol.accountplus.Query/GetAuthenticator": (
                accountplus.GetAuthenticatorRequest,
                self._authenticator,
            ),
            "/dydxprotocol.accountplus.Query/Params": (accountplus.QueryParamsRequest, self._smart_accounts),
            "/dydxprotocol.blocktime.Query/PreviousBlockInfo": (
                blocktime.QueryPreviousBlockInfoRequest,
                self._previous_block,
            ),
            "/dydxprotocol.subaccounts.Query/Subaccount": (subaccounts.QueryGetSubaccountRequest, self._subaccount),
            "/dydxprotocol.subaccounts.Query/SubaccountAll": (
                subaccounts.QueryAllSubaccountRequest,
                self._subaccount_all,
            ),
            "/dydxprotocol.subaccounts.Query/GetWithdrawalAndTransfersBlockedInfo": (
                subaccounts.QueryGetWithdrawalAndTransfersBlockedInfoRequest,
                self._blocked,
            ),
            "/dydxprotocol.ratelimit.Query/CapacityByDenom": (
                ratelimit.QueryCapacityByDenomRequest,
                self._capacity,
            ),
            "/dydxprotocol.feetiers.Query/PerpetualFeeParams": (
                feetiers.QueryPerpetualFeeParamsRequest,
                self._fee_params,
            ),
            "/dydxprotocol.feetiers.Query/UserFeeTier": (feetiers.QueryUserFeeTierRequest, self._fee_tier),
            "/dydxprotocol.stats.Query/UserStats": (stats.QueryUserStatsRequest, self._stats),
            **MarketQueries(self._chain).answers(),
        }

    # ---------------------------------------------------------------------------------------------------- accounts

    def _known(self, address: str) -> Account:
        _check_address(address)
        account = self._chain.state.accounts.get(address)
        if account is None:
            raise QueryError(grpc.StatusCode.NOT_FOUND, f"account {address} not found")
        return account

    def _base(self, address: str) -> Any:
        account = self._known(address)
        base = BaseAccount(address=account.address, account_number=account.number, sequence=account.sequence)
        if account.public_key:
            base.pub_key.CopyFrom(_packed(PubKey(key=account.public_key)))
        return base

    def _account(self, request: Any) -> Message:
        return _message(auth.QueryAccountResponse(account=_packed(self._base(request.address))))

    def _account_info(self, request: Any) -> Message:
        return _message(auth.QueryAccountInfoResponse(info=self._base(request.address)))

    def _wallet(self, address: str) -> dict[str, int]:
        _check_address(address)
        account = self._chain.state.accounts.get(address)
        return {} if account is None else account.wallet

    def _balance(self, request: Any) -> Message:
        amount = self._wallet(request.address).get(request.denom, 0)
        return _message(bank.QueryBalanceResponse(balance=Coin(denom=request.denom, amount=str(amount))))

    def _balances(self, request: Any) -> Message:
        wallet = self._wallet(request.address)
        coins = [Coin(denom=denom, amount=str(wallet[denom])) for denom in sorted(wallet) if wallet[denom]]
        return _message(bank.QueryAllBalancesResponse(balances=coins))

    # ---------------------------------------------------------------------------------------------- authenticators

    def _held(self, address: str) -> tuple[Authenticator, ...]:
        if not is_address(address):
            raise QueryError(grpc.StatusCode.INTERNAL, f"decoding bech32 failed: {address}")
        account = self._chain.state.accounts.get(address)
        return account.authenticators if account is not None else ()

    def _authenticators(self, request: Any) -> Message:
        response = accountplus.GetAuthenticatorsResponse()
        for each in self._held(request.account):
            response.account_authenticators.add(id=each.id, type=each.type, config=each.config)
        return _message(response)

    def _authenticator(self, request: Any) -> Message:
        id_, response = request.authenticator_id, accountplus.GetAuthenticatorResponse()
        for each in self._held(request.account):
            if each.id == id_:
                found = response.account_authenticator
                found.id, found.type, found.config = each.id, each.type, each.config
                return _message(response)
        raise QueryError(
            grpc.StatusCode.INTERNAL,
            f"authenticator {id_} not found for account {request.account}: {Code.AUTHENTICATOR_NOT_FOUND.text}",
        )

    def _smart_accounts(self, _: Any) -> Message:
        response = accountplus.QueryParamsResponse()
        response.params.is_smart_account_active = self._chain.smart_accounts.is_active
        return _message(response)

    # ------------------------------------------------------------------------------------------------------ blocks

    def _time(self) -> Timestamp:
        time = Timestamp()
        time.FromDatetime(self._chain.block_time)
        return time

    def _latest_block(self, _: Any) -> Message:
        response = tendermint.GetLatestBlockResponse()
        for header in (response.block.header, response.sdk_block.header):
            header.chain_id, header.height = self._chain.chain_id, self._chain.height
            header.time.CopyFrom(self._time())
        name = f"{self._chain.chain_id}-{self._chain.height}"
        response.block_id.hash = hashlib.sha256(name.encode()).digest()
        return _message(response)

    def _syncing(self, _: Any) -> Message:
        return _message(tendermint.GetSyncingResponse(syncing=False))

    def _node_info(self, _: Any) -> Message:
        response = tendermint.GetNodeInfoResponse()
        response.default_node_info.network = self._chain.chain_id
        response.application_version.name = "signalbox-simulator"
        return _message(response)

    def _previous_block(self, _: Any) -> Message:
        response = blocktime.QueryPreviousBlockInfoResponse()
        response.info.height = self._chain.height
        response.info.timestamp.CopyFrom(self._time())
        return _message(response)

    # ------------------------------------------------------------------------------------------------- subaccounts

    def _subaccount(self, request: Any) -> Message:
        if not is_address(request.owner) or request.number > SUBACCOUNT_NUMBER_MAX:
            raise QueryError(grpc.StatusCode.INVALID_ARGUMENT, "invalid subaccount id")
        response = subaccounts.QuerySubaccountResponse()
        self._write(response.subaccount, request.owner, request.number)
        return _message(response)

    def _subaccount_all(self, _: Any) -> Message:
        response = subaccounts.QuerySubaccountAllResponse()
        for owner, number in self._chain.state.subaccounts.of:
            self._write(response.subaccount.add(), owner, number)
        response.pagination.total = len(response.subaccount)
        return _message(response)

    def _blocked(self, _: Any) -> Message:
        """Nothing ever blocks withdrawals here: no subaccount is below zero for long, and the chain is never out."""
        return _message(subaccounts.QueryGetWithdrawalAndTransfersBlockedInfoResponse())

    def _capacity(self, _: Any) -> Message:
        """No denomination has a limit here."""
        return _message(ratelimit.QueryCapacityByDenomResponse())

    def _write(self, message: Any, owner: str, number: int) -> None:
        message.id.owner, message.id.number, message.margin_enabled = owner, number, True
        found = self._chain.state.subaccounts.get(owner, number)
        if found.usdc:
            message.asset_positions.add(asset_id=0, quantums=signed_bytes(int(found.usdc * _QUOTE_QUANTUMS)))
        for ticker, size in found.sizes().items():
            market = self._chain.book.markets[ticker]
            message.perpetual_positions.add(
                perpetual_id=market.clob_pair_id, quantums=signed_bytes(quantums_of(size, market))
            )

    # -------------------------------------------------------------------------------------------------------- fees

    def _fee_params(self, _: Any) -> Message:
        response = feetiers.QueryPerpetualFeeParamsResponse()
        for tier in TIERS:
            _write_tier(response.params.tiers.add(), tier)
        return _message(response)

    def _fee_tier(self, request: Any) -> Message:
        _check_address(request.user)
        tier = self._chain.state.fees.tier(request.user, self._chain.block_time)
        response = feetiers.QueryUserFeeTierResponse(index=TIERS.index(tier))
        _write_tier(response.tier, tier)
        return _message(response)

    def _stats(self, request: Any) -> Message:
        fees, now = self._chain.state.fees, self._chain.block_time
        response = stats.QueryUserStatsResponse()
        response.stats.taker_notional = int(fees.volume(request.user, now, Liquidity.TAKER) * _QUOTE_QUANTUMS)
        response.stats.maker_notional = int(fees.volume(request.user, now, Liquidity.MAKER) * _QUOTE_QUANTUMS)
        return _message(response)


def signed_bytes(number: int) -> bytes:
    """Write a whole number as the protocol's SerializableInt: a sign byte (2 or 3), then its magnitude, big-endian."""
    magnitude = abs(number)
    return bytes([3 if number < 0 else 2]) + magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big")


def _write_tier(message: Any, tier: Tier) -> None:
    message.name, message.maker_fee_ppm, message.taker_fee_ppm = tier.name, tier.maker_ppm, tier.taker_ppm
    message.absolute_volume_requirement = tier.volume * int(_QUOTE_QUANTUMS)


def _check_address(address: str) -> None:
    if not address:
        raise QueryError(grpc.StatusCode.INVALID_ARGUMENT, "Address cannot be empty")
    if not is_address(address):
        raise QueryError(grpc.StatusCode.INVALID_ARGUMENT, f"decoding bech32 failed: {address}")


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message, type_url_prefix="/")
    return packed


def _message(message: Any) -> Message:
    assert isinstance(message, Message)
    return message
