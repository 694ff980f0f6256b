"""The stateless checks of messages (ValidateBasic), in v4-chain's order and words.

Owns what can be said of a message alone. Pure. Source: protocol/x/clob/types/message_{place_order,cancel_order,
batch_cancel}.go and protocol/x/sending/types of v4-chain.
"""

from __future__ import annotations

from typing import Any

from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator
from v4_proto.dydxprotocol.clob.order_pb2 import Order
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgBatchCancel, MsgCancelOrder, MsgPlaceOrder
from v4_proto.dydxprotocol.sending.transfer_pb2 import MsgDepositToSubaccount, MsgWithdrawFromSubaccount
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer

from simulators.dydx.authenticators import DATA_BYTES_MAX
from simulators.dydx.leverage import MsgUpdateLeverage
from simulators.dydx.records import CONDITIONAL, LONG_TERM, SHORT_TERM
from simulators.dydx.refusals import Code, RefusedError
from simulators.dydx.transactions import is_address, is_clob

SUBACCOUNT_NUMBER_MAX = 128_000
BATCH_CANCELS_MAX = 100
USDC_ASSET_ID = 0


def validate_messages(messages: tuple[Any, ...]) -> None:
    """Check a transaction's messages. Raises RefusedError with the chain's code and words."""
    if is_clob(messages):
        others = [each for each in messages if not isinstance(each, MsgCreateTransfer)]
        if len(others) > 1 or len(messages) > 2:
            raise RefusedError(
                Code.INVALID_REQUEST, "a transaction containing MsgPlaceOrder or MsgCancelOrder may hold only one"
            )
    for message in messages:
        match message:
            case MsgPlaceOrder():
                _place(message.order)
            case MsgCancelOrder():
                _cancel(message)
            case MsgBatchCancel():
                _batch_cancel(message)
            case MsgCreateTransfer():
                _transfer(message.transfer)
            case MsgDepositToSubaccount():
                _address(message.sender)
                _subaccount(message.recipient)
                _amount(message.asset_id, message.quantums)
            case MsgWithdrawFromSubaccount():
                _subaccount(message.sender)
                _address(message.recipient)
                _amount(message.asset_id, message.quantums)
            case MsgUpdateLeverage():
                _subaccount(message.subaccount_id)
            case MsgSend():
                _send(message)
            case MsgAddAuthenticator():
                _add_authenticator(message)


def _place(order: Any) -> None:
    flags = order.order_id.order_flags
    if order.time_in_force == Order.TimeInForce.TIME_IN_FORCE_FILL_OR_KILL:
        raise RefusedError(Code.DEPRECATED_FIELD, "Fill-or-kill has been deprecated")
    _subaccount(order.order_id.subaccount_id)
    if order.side not in Order.Side.values():
        raise RefusedError(Code.INVALID_ORDER_SIDE, f"invalid order side ({order.side})")
    if order.time_in_force not in Order.TimeInForce.values():
        raise RefusedError(Code.INVALID_TIME_IN_FORCE, f"invalid time in force ({order.time_in_force})")
    if order.condition_type not in Order.ConditionType.values():
        raise RefusedError(Code.INVALID_CONDITION_TYPE, f"invalid condition type ({order.condition_type})")
    if order.side == Order.Side.SIDE_UNSPECIFIED:
        raise RefusedError(Code.INVALID_ORDER_SIDE, "UNSPECIFIED is not a valid order side")
    if order.quantums == 0:
        raise RefusedError(Code.INVALID_ORDER_QUANTUMS, "order size quantums cannot be 0")
    if flags == SHORT_TERM:
        if order.good_til_block == 0:
            raise RefusedError(Code.INVALID_GOOD_TIL_BLOCK, "order goodTilBlock cannot be 0")
    elif flags in (LONG_TERM, CONDITIONAL):
        if order.good_til_block_time == 0:
            raise RefusedError(Code.INVALID_GOOD_TIL_BLOCK_TIME, "stateful order goodTilBlockTime cannot be 0")
    else:
        raise RefusedError(Code.INVALID_ORDER_FLAG, f"invalid order flag {flags}")
    immediate = order.time_in_force == Order.TimeInForce.TIME_IN_FORCE_IOC
    if flags == LONG_TERM and immediate:
        raise RefusedError(Code.LONG_TERM_IMMEDIATE)
    if order.reduce_only and not immediate:
        raise RefusedError(Code.REDUCE_ONLY_DISABLED, "reduce only orders must be short term IOC orders")
    if order.subticks == 0:
        raise RefusedError(Code.INVALID_ORDER_SUBTICKS, "order subticks cannot be 0 for this order type")
    _condition(order, flags)


def _condition(order: Any, flags: int) -> None:
    unspecified = order.condition_type == Order.ConditionType.CONDITION_TYPE_UNSPECIFIED
    if flags == CONDITIONAL:
        if unspecified:
            raise RefusedError(Code.INVALID_CONDITION_TYPE, "condition type cannot be unspecified")
        if order.conditional_order_trigger_subticks == 0:
            raise RefusedError(Code.INVALID_TRIGGER_SUBTICKS, "conditional order trigger subticks cannot be 0")
        return
    if not unspecified:
        raise RefusedError(Code.INVALID_CONDITION_TYPE, "condition type specified for non-conditional order")
    if order.conditional_order_trigger_subticks:
        raise RefusedError(
            Code.INVALID_TRIGGER_SUBTICKS,
            "conditional order trigger subticks greater than 0 for non-conditional order",
        )


def _cancel(message: Any) -> None:
    order_id = message.order_id
    _subaccount(order_id.subaccount_id)
    if order_id.order_flags not in (SHORT_TERM, CONDITIONAL, LONG_TERM):
        raise RefusedError(Code.INVALID_ORDER_FLAG, f"orderId: {told(order_id)}")
    if order_id.order_flags == SHORT_TERM:
        if message.good_til_block == 0:
            raise RefusedError(
                Code.INVALID_GOOD_TIL_BLOCK, f"cancellation goodTilBlock cannot be 0, orderId {told(order_id)}"
            )
    elif message.good_til_block_time == 0:
        raise RefusedError(
            Code.INVALID_GOOD_TIL_BLOCK_TIME,
            f"stateful cancellation goodTilBlockTime cannot be 0, {told(order_id)}",
        )


def _batch_cancel(message: Any) -> None:
    _subaccount(message.subaccount_id)
    batches = message.short_term_cancels
    pairs = [batch.clob_pair_id for batch in batches]
    if not pairs:
        raise RefusedError(Code.INVALID_BATCH_CANCEL, "Batch cancel cannot have zero orders specified.")
    if len(set(pairs)) != len(pairs):
        raise RefusedError(
            Code.INVALID_BATCH_CANCEL, "Batch cancel cannot have 2 order batches with the same clob pair id"
        )
    for batch in batches:
        if not batch.client_ids:
            raise RefusedError(Code.INVALID_BATCH_CANCEL, "Order Batch cannot have zero client ids.")
        if len(set(batch.client_ids)) != len(batch.client_ids):
            raise RefusedError(
                Code.INVALID_BATCH_CANCEL, f"Batch Cancel Clob pair id {batch.clob_pair_id} has duplicate client ids"
            )
    count = sum(len(batch.client_ids) for batch in batches)
    if count > BATCH_CANCELS_MAX:
        raise RefusedError(
            Code.INVALID_BATCH_CANCEL,
            f"Batch cancel cannot have over {BATCH_CANCELS_MAX} orders. Order count: {count}",
        )


def _transfer(transfer: Any) -> None:
    _subaccount(transfer.sender)
    _subaccount(transfer.recipient)
    if transfer.sender == transfer.recipient:
        raise RefusedError(Code.SENDER_IS_RECIPIENT, f"Sender is the same as recipient ({transfer.sender.owner})")
    _amount(transfer.asset_id, transfer.amount)


def _amount(asset_id: int, quantums: int) -> None:
    if asset_id != USDC_ASSET_ID:
        raise RefusedError(Code.ONLY_USDC)
    if quantums == 0:
        raise RefusedError(Code.INVALID_TRANSFER_AMOUNT)


def _send(message: Any) -> None:
    for address in (message.from_address, message.to_address):
        if not is_address(address):
            raise RefusedError(Code.INVALID_ADDRESS, f"invalid address: {address}")
    if not message.amount or any(
        not (coin.amount.isascii() and coin.amount.isdigit() and int(coin.amount)) for coin in message.amount
    ):
        raise RefusedError(Code.INVALID_REQUEST, "invalid coins")


def _add_authenticator(message: Any) -> None:
    if not is_address(message.sender):
        raise RefusedError(Code.AUTHENTICATOR_ADDRESS)
    if len(message.data) > DATA_BYTES_MAX:
        raise RefusedError(Code.AUTHENTICATOR_TOO_LONG)


def _subaccount(subaccount: Any) -> None:
    if not is_address(subaccount.owner):
        raise RefusedError(Code.INVALID_SUBACCOUNT_OWNER, f"invalid SubaccountId Owner address ({subaccount.owner})")
    if subaccount.number > SUBACCOUNT_NUMBER_MAX:
        raise RefusedError(Code.INVALID_SUBACCOUNT_NUMBER)


def _address(address: str) -> None:
    if not is_address(address):
        raise RefusedError(Code.INVALID_ACCOUNT_ADDRESS)


def told(order_id: Any) -> str:
    """Write an order id as the chain's logs do."""
    subaccount = order_id.subaccount_id
    return (
        f"{{SubaccountId:{{Owner:{subaccount.owner} Number:{subaccount.number}}} ClientId:{order_id.client_id} "
        f"OrderFlags:{order_id.order_flags} ClobPairId:{order_id.clob_pair_id}}}"
    )
