"""What an authenticator is, when one may be added, and whether it lets a signed message pass: in v4-chain's words.

Owns the six kinds, their trees and their refusals. Pure. It must not know accounts, blocks or transactions. Source:
protocol/x/accountplus/authenticator of v4-chain (a composite's `config` is JSON, in which Go takes bytes as base64 or
as a list of numbers).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgBatchCancel, MsgCancelOrder, MsgPlaceOrder

from simulators.dydx.refusals import Code, RefusedError

PUBLIC_KEY_BYTES = 33
DATA_BYTES_MAX = 1024
SEPARATOR = ","
UINT32_MAX = (1 << 32) - 1

SIGNATURE = "SignatureVerification"
MESSAGES, SUBACCOUNTS, CLOB_PAIRS = "MessageFilter", "SubaccountFilter", "ClobPairIdFilter"
ALL_OF, ANY_OF = "AllOf", "AnyOf"
TYPES = (SIGNATURE, MESSAGES, SUBACCOUNTS, CLOB_PAIRS, ALL_OF, ANY_OF)


class Authenticator(Struct, frozen=True, kw_only=True):
    """One of an account's; `id` is of the whole chain."""

    id: int
    type: str
    config: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One message of a transaction. `is_signed_by` says whether a public key made the transaction's signature."""

    message: Any
    is_signed_by: Callable[[bytes], bool]
    account_number: int
    sequence: int
    chain_id: str


def check_added(type_: str, config: bytes, id_: str) -> None:
    """Check that an authenticator may be added: every way through it asks for a signature. Raises RefusedError."""
    if type_ not in TYPES:
        raise _unregistered(f"authenticator type {type_} is not registered")
    try:
        is_safe = _asks_for_signature(type_, config, id_)
    except RefusedError as error:
        raise error.under(f"`OnAuthenticatorAdded` failed on authenticator type {type_}") from None
    if not is_safe:
        shown = " ".join(map(str, config))
        raise _unregistered(
            "unsafe: authenticator tree does not require signature verification all possible paths, "
            f"type = {type_}, config = [{shown}]"
        )


def _asks_for_signature(type_: str, config: bytes, id_: str) -> bool:
    if type_ == SIGNATURE:
        if len(config) != PUBLIC_KEY_BYTES:
            raise _unregistered(f"invalid secp256k1 public key size, expected {PUBLIC_KEY_BYTES}, got {len(config)}")
        return True
    if type_ not in (ALL_OF, ANY_OF):
        return False  # a filter's own text is read only when it is used
    parts = _parts(config, "failed to unmarshal sub-authenticator init data")
    if len(parts) <= 1:
        raise RefusedError(Code.INVALID_REQUEST, "no sub-authenticators provided")
    answers = []
    for index, (part_type, part_config) in enumerate(parts):
        if part_type not in TYPES:
            raise RefusedError(
                Code.INVALID_REQUEST,
                "sub-authenticator failed to be added in function `OnAuthenticatorAdded` as type is not registered in "
                "manager",
            )
        try:
            answers.append(_asks_for_signature(part_type, part_config, f"{id_}.{index}"))
        except RefusedError as error:
            raise error.under(
                f"sub-authenticator `OnAuthenticatorAdded` failed (sub-authenticator id = {id_}.{index})"
            ) from None
    return all(answers) if type_ == ANY_OF else any(answers)


def authenticate(type_: str, config: bytes, request: Request, id_: str) -> None:
    """Let a message pass, or raise RefusedError; its text has been read (`initialize`)."""
    message = request.message
    match type_:
        case "SignatureVerification":
            if not request.is_signed_by(config):
                raise RefusedError(
                    Code.SIGNATURE_VERIFICATION,
                    f"signature verification failed; please verify account number ({request.account_number}), sequence "
                    f"({request.sequence}) and chain-id ({request.chain_id})",
                )
        case "MessageFilter":
            url, allowed = f"/{message.DESCRIPTOR.full_name}", config.decode(errors="replace").split(SEPARATOR)
            if url not in allowed:
                raise RefusedError(
                    Code.MESSAGE_TYPE_VERIFICATION,
                    f"message types do not match. Got {url}, Expected {_go_set(allowed)}",
                )
        case "SubaccountFilter":
            numbers = _numbers(config)
            for number in subaccounts_of(message):
                if number not in numbers:
                    raise RefusedError(
                        Code.SUBACCOUNT_VERIFICATION,
                        f"subaccount number {number} not in whitelist {_go_set(numbers)}",
                    )
        case "ClobPairIdFilter":
            numbers = _numbers(config)
            for number in clob_pairs_of(message):
                if number not in numbers:
                    raise RefusedError(
                        Code.CLOB_PAIR_ID_VERIFICATION, f"order id {number} not in whitelist {_go_set(numbers)}"
                    )
        case "AllOf":
            for index, (part_type, part_config) in enumerate(_parts(config)):
                try:
                    authenticate(part_type, part_config, request, f"{id_}.{index}")
                except RefusedError as error:
                    raise RefusedError(Code.ALL_OF_VERIFICATION, error.log) from None
        case _:
            _any_of(config, request, id_)


def _any_of(config: bytes, request: Request, id_: str) -> None:
    refusals = []
    for index, (part_type, part_config) in enumerate(_parts(config)):
        try:
            return authenticate(part_type, part_config, request, f"{id_}.{index}")
        except RefusedError as error:
            refusals.append(f"[{part_type} (id = {id_}.{index})] {error.log}; ")
    raise RefusedError(
        Code.ANY_OF_VERIFICATION, f"all sub-authenticators failed to authenticate: {'; '.join(refusals)}"
    )


def initialize(type_: str, config: bytes) -> None:
    """Read an authenticator's text, which nobody did when it was added. Raises RefusedError."""
    if type_ in (SUBACCOUNTS, CLOB_PAIRS):
        _numbers(config)
    if type_ not in (ALL_OF, ANY_OF):
        return
    for part_type, part_config in _parts(config):
        try:
            initialize(part_type, part_config)
        except RefusedError as error:
            raise error.under(f"failed to initialize sub-authenticator (type = {part_type})") from None


def subaccounts_of(message: Any) -> tuple[int, ...]:
    """Return the numbers that a SubaccountFilter looks at: it lets every message pass that is not of the order book."""
    match message:
        case MsgPlaceOrder():
            return (message.order.order_id.subaccount_id.number,)
        case MsgCancelOrder():
            return (message.order_id.subaccount_id.number,)
        case MsgBatchCancel():
            return (message.subaccount_id.number,)
    return ()


def clob_pairs_of(message: Any) -> tuple[int, ...]:
    """Return the markets that a ClobPairIdFilter looks at: it lets every message pass that is not of the order book."""
    match message:
        case MsgPlaceOrder():
            return (message.order.order_id.clob_pair_id,)
        case MsgCancelOrder():
            return (message.order_id.clob_pair_id,)
        case MsgBatchCancel():
            return tuple(batch.clob_pair_id for batch in message.short_term_cancels)
    return ()


def _numbers(config: bytes) -> list[int]:
    found = []
    for text in config.decode(errors="replace").split(SEPARATOR):
        if not (text.isascii() and text.isdigit()):
            raise _unregistered(f'strconv.ParseUint: parsing "{text}": invalid syntax')
        if int(text) > UINT32_MAX:
            raise _unregistered(f'strconv.ParseUint: parsing "{text}": value out of range')
        found.append(int(text))
    return found


def _parts(
    config: bytes, failure: str = "failed to parse sub-authenticators initialization data"
) -> list[tuple[str, bytes]]:
    try:
        rows = json.loads(config)
        if not isinstance(rows, list):
            raise ValueError("json: cannot unmarshal into Go value of type []types.SubAuthenticatorInitData")
        return [(_text(row.get("type")), _bytes(row.get("config"))) for row in map(_object, rows)]
    except (ValueError, RecursionError) as error:
        raise _unregistered(f"{failure}: {error}") from None


def _object(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise ValueError("json: cannot unmarshal into Go value of type types.SubAuthenticatorInitData")
    return row


def _text(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError("json: cannot unmarshal into Go struct field SubAuthenticatorInitData.type of type string")
    return value or ""


def _bytes(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ValueError("illegal base64 data") from None
    if isinstance(value, list) and all(type(each) is int and 0 <= each <= 255 for each in value):
        return bytes(value)
    raise ValueError("json: cannot unmarshal into Go struct field SubAuthenticatorInitData.config of type []uint8")


def _go_set(members: list[Any]) -> str:
    """Write a set as Go prints its map."""
    return "map[" + " ".join(f"{each}:{{}}" for each in sorted(set(members))) + "]"


def _unregistered(text: str) -> RefusedError:
    """An error that the chain has given no code."""
    return RefusedError(Code.UNDEFINED, text)
