"""Transactions on the wire: bytes into messages and signer, and the check of the signature.

Owns the Cosmos SDK's envelope (TxRaw, SignDoc, SIGN_MODE_DIRECT) and addresses. It must not know what a message does,
or any account's state.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import bech32
from coincurve import PublicKey
from Crypto.Hash import RIPEMD160
from google.protobuf.message import DecodeError, Message
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from v4_proto.cosmos.tx.signing.v1beta1.signing_pb2 import SignMode
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import AuthInfo, SignDoc, TxBody, TxRaw
from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator, MsgRemoveAuthenticator, TxExtension
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgBatchCancel, MsgCancelOrder, MsgPlaceOrder
from v4_proto.dydxprotocol.sending.transfer_pb2 import MsgDepositToSubaccount, MsgWithdrawFromSubaccount
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer

from simulators.dydx.leverage import MsgUpdateLeverage
from simulators.dydx.refusals import Code, RefusedError

ADDRESS_PREFIX = "dydx"
ADDRESSES_CACHED_MAX = 4_096
CLOB_MESSAGES = (MsgPlaceOrder, MsgCancelOrder, MsgBatchCancel, MsgUpdateLeverage)
AUTHENTICATOR_MESSAGES = (MsgAddAuthenticator, MsgRemoveAuthenticator)
_MESSAGES: dict[str, Any] = {
    f"/{kind.DESCRIPTOR.full_name}": kind
    for kind in (
        *CLOB_MESSAGES,
        *AUTHENTICATOR_MESSAGES,
        MsgCreateTransfer,
        MsgDepositToSubaccount,
        MsgWithdrawFromSubaccount,
        MsgSend,
    )
}
_EXTENSION_URL = f"/{TxExtension.DESCRIPTOR.full_name}"
_PUBKEY_URL = f"/{PubKey.DESCRIPTOR.full_name}"


@dataclass(frozen=True, slots=True)
class Transaction:
    """A decoded transaction; nothing of it has been checked yet but that it can be read."""

    raw: bytes
    hash: str
    """Upper-case hex SHA-256 of the bytes."""
    messages: tuple[Any, ...]
    signer: str
    """The address that the messages name as their sender."""
    public_key: bytes
    sequence: int
    body_bytes: bytes
    auth_info_bytes: bytes
    signatures: tuple[bytes, ...]
    sign_mode: int
    fee: dict[str, int]
    gas_limit: int
    timeout_height: int
    memo: str
    authenticators: tuple[int, ...] = ()
    """Selected for the messages, one each; none = the account's own key signs."""


def transaction_hash(raw: bytes) -> str:
    """Return the hash by which the chain knows these bytes."""
    return hashlib.sha256(raw).hexdigest().upper()


def decode_transaction(raw: bytes) -> Transaction:
    """Decode TxRaw bytes. Raises RefusedError (sdk/2, or sdk/6 for a message type that is not served)."""
    try:
        outer = TxRaw.FromString(raw)
        body, auth = TxBody.FromString(outer.body_bytes), AuthInfo.FromString(outer.auth_info_bytes)
    except DecodeError as error:
        raise RefusedError(Code.TX_DECODE, str(error)) from error
    if not raw or not body.messages:
        raise RefusedError(Code.INVALID_REQUEST, "must contain at least one message")
    messages = tuple(_unpacked(each) for each in body.messages)
    signers = list(dict.fromkeys(_sender(each) for each in messages))
    if len(auth.signer_infos) > 1 or len(signers) > 1:
        raise RefusedError(Code.UNAUTHORIZED, "this simulator takes transactions with one signer")
    info = auth.signer_infos[0] if auth.signer_infos else None
    return Transaction(
        raw=raw,
        hash=transaction_hash(raw),
        messages=messages,
        signer=signers[0],
        public_key=_key(info.public_key) if info is not None else b"",
        sequence=info.sequence if info is not None else 0,
        body_bytes=outer.body_bytes,
        auth_info_bytes=outer.auth_info_bytes,
        signatures=tuple(outer.signatures),
        sign_mode=info.mode_info.single.mode if info is not None else 0,
        fee={coin.denom: _amount(coin.amount) for coin in auth.fee.amount},
        gas_limit=auth.fee.gas_limit,
        timeout_height=body.timeout_height,
        memo=body.memo,
        authenticators=_selected(body),
    )


def verify_signature(transaction: Transaction, account_number: int, chain_id: str) -> None:
    """Check the one signature over the raw bytes as they came. Raises RefusedError sdk/4, sdk/8 or sdk/15."""
    check_signature_count(transaction)
    if not transaction.public_key:
        raise RefusedError(Code.INVALID_PUBKEY, "pubkey on account is not set")
    if address_of(transaction.public_key) != transaction.signer:
        raise RefusedError(
            Code.INVALID_PUBKEY, f"pubKey does not match signer address {transaction.signer} with signer index: 0"
        )
    if transaction.sign_mode != SignMode.SIGN_MODE_DIRECT or not is_signed_by(
        transaction.public_key, transaction, account_number, chain_id
    ):
        raise RefusedError(
            Code.UNAUTHORIZED,
            f"signature verification failed; please verify account number ({account_number}) and chain-id "
            f"({chain_id}): (unable to verify single signer signature)",
        )


def check_signature_count(transaction: Transaction) -> None:
    """Raise RefusedError sdk/15 or sdk/4 unless there is one signature."""
    if not transaction.signatures:
        raise RefusedError(Code.NO_SIGNATURES)
    if len(transaction.signatures) != 1:
        raise RefusedError(
            Code.UNAUTHORIZED, f"invalid number of signer;  expected: 1, got {len(transaction.signatures)}"
        )


def is_signed_by(public_key: bytes, transaction: Transaction, account_number: int, chain_id: str) -> bool:
    """Say whether a key made the first signature, over the raw bytes as they came."""
    document = SignDoc(
        body_bytes=transaction.body_bytes,
        auth_info_bytes=transaction.auth_info_bytes,
        chain_id=chain_id,
        account_number=account_number,
    ).SerializeToString()
    return _signed(public_key, transaction.signatures[0], document)


@lru_cache(ADDRESSES_CACHED_MAX)
def address_of(public_key: bytes) -> str:
    """Return the bech32 address of a compressed secp256k1 public key."""
    digest = RIPEMD160.new(hashlib.sha256(public_key).digest()).digest()
    words = bech32.convertbits(digest, 8, 5)
    assert words is not None  # 20 bytes always convert
    return bech32.bech32_encode(ADDRESS_PREFIX, words)


@lru_cache(ADDRESSES_CACHED_MAX)
def is_address(text: str) -> bool:
    """Say whether a text is an address of this chain."""
    prefix, data = bech32.bech32_decode(text)
    return prefix == ADDRESS_PREFIX and data is not None and bech32.convertbits(data, 5, 8, False) is not None


def is_clob(messages: tuple[Any, ...]) -> bool:
    """Say whether the order book's checks are for this transaction."""
    return any(isinstance(message, CLOB_MESSAGES) for message in messages)


def _amount(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise RefusedError(Code.TX_DECODE, f"invalid coin amount {text!r}")
    return int(text)


def _unpacked(packed: Any) -> Message:
    kind = _MESSAGES.get(packed.type_url)
    if kind is None:
        raise RefusedError(Code.UNKNOWN_REQUEST, f"this simulator does not execute {packed.type_url or 'this message'}")
    try:
        message: Message = kind.FromString(packed.value)
    except DecodeError as error:
        raise RefusedError(Code.TX_DECODE, str(error)) from error
    return message


def _selected(body: Any) -> tuple[int, ...]:
    """The authenticators that a transaction selects: the first extension of that kind counts, as in v4-chain's lib."""
    for packed in body.non_critical_extension_options:
        if packed.type_url == _EXTENSION_URL:
            try:
                return tuple(TxExtension.FromString(packed.value).selected_authenticators)
            except DecodeError as error:
                raise RefusedError(Code.TX_DECODE, str(error)) from error
    return ()


def _sender(message: Any) -> str:
    match message:
        case MsgPlaceOrder():
            owner = message.order.order_id.subaccount_id.owner
        case MsgCancelOrder():
            owner = message.order_id.subaccount_id.owner
        case MsgBatchCancel() | MsgUpdateLeverage():
            owner = message.subaccount_id.owner
        case MsgCreateTransfer():
            owner = message.transfer.sender.owner
        case MsgWithdrawFromSubaccount():
            owner = message.sender.owner
        case MsgSend():
            owner = message.from_address
        case _:
            owner = message.sender
    return str(owner)


def _key(packed: Any) -> bytes:
    if packed.type_url != _PUBKEY_URL:
        return b""
    try:
        return bytes(PubKey.FromString(packed.value).key)
    except DecodeError as error:
        raise RefusedError(Code.TX_DECODE, str(error)) from error


def _signed(public_key: bytes, signature: bytes, document: bytes) -> bool:
    if len(signature) != 64:
        return False
    try:
        key = PublicKey(public_key)
        return bool(key.verify(_der(signature), document))  # hashes with SHA-256, and takes low S only, as the SDK does
    except ValueError:
        return False


def _der(signature: bytes) -> bytes:
    """Write r || s as ASN.1 DER, which coincurve wants."""
    parts = b""
    for part in (signature[:32], signature[32:]):
        number = part.lstrip(b"\x00") or b"\x00"
        if number[0] & 0x80:
            number = b"\x00" + number
        parts += b"\x02" + bytes([len(number)]) + number
    return b"\x30" + bytes([len(parts)]) + parts
