"""The indexer's JSON: every object that its REST and websocket APIs show, made from the chain's records.

Owns field names, order and text formats. Pure; it must not know who asks, or what is hidden from him.

Sources: `indexer/services/comlink/src/request-helpers/request-transformer.ts` and
`indexer/packages/postgres/src/types/websocket-message-types.ts` of dydxprotocol/v4-chain.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from simulators.dydx.records import (
    SHORT_TERM,
    ChainFill,
    ChainOrder,
    ChainOrderStatus,
    ChainPosition,
    ChainSubaccount,
    ChainTransfer,
)

Json = dict[str, Any]

NAMESPACE = uuid.UUID("0f9da948-a6fb-4c45-9edc-4685c3f3317d")
USDC, USDC_ASSET_ID = "USDC", "0"
REASON_PREFIX = "ORDER_REMOVAL_REASON_"

_ZERO = Decimal(0)


def text(number: Decimal) -> str:
    """Write a number as the indexer does: no exponent, no needless zeros."""
    written = f"{number:f}"
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written in ("-0", "") else written


def iso(at: datetime) -> str:
    """Write a time as the indexer does: UTC, milliseconds, Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


@lru_cache(maxsize=65_536)
def subaccount_id(address: str, number: int) -> str:
    """Return the indexer's uuid of a subaccount."""
    return str(uuid.uuid5(NAMESPACE, f"{address}-{number}"))


def position_id(address: str, number: int, position: ChainPosition) -> str:
    """Return a uuid that stays the same as long as the position is open."""
    name = f"{subaccount_id(address, number)}-{position.ticker}-{position.created_at_height}"
    return str(uuid.uuid5(NAMESPACE, name))


def asset_position_id(address: str, number: int) -> str:
    """Return the uuid of a subaccount's USDC."""
    return str(uuid.uuid5(NAMESPACE, f"{subaccount_id(address, number)}-{USDC_ASSET_ID}"))


def event_id(height: int, index: int) -> str:
    """Return an event's id: block, transaction and event, four bytes each."""
    return f"{height:08x}{2:08x}{index & 0xFFFFFFFF:08x}"


def removal_reason(reason: str) -> str:
    """Return a removal's reason with the protocol's prefix."""
    return reason if reason.startswith(REASON_PREFIX) else REASON_PREFIX + reason


# ------------------------------------------------------------------------------------------------------------ orders


def order(order: ChainOrder) -> Json:
    """Return an order as REST shows it."""
    shown: Json = {
        "id": order.id,
        "subaccountId": subaccount_id(order.address, order.subaccount_number),
        "clientId": str(order.client_id),
        "clobPairId": str(order.clob_pair_id),
        "side": order.side.value,
        "size": text(order.size),
        "totalFilled": text(order.total_filled),
        "price": text(order.price),
        "type": order.type,
        "status": order.status.value,
        "timeInForce": order.time_in_force,
        "reduceOnly": order.reduce_only,
        "orderFlags": str(order.order_flags),
        "clientMetadata": str(order.client_metadata),
        "postOnly": order.post_only,
        "ticker": order.ticker,
        "subaccountNumber": order.subaccount_number,
        "orderRouterAddress": "",
    }
    _add_times(shown, order)
    return shown


def order_message(order: ChainOrder) -> Json:
    """Return an order as the websocket shows it: with the reason of its removal, without a subaccount's number."""
    shown: Json = {
        "id": order.id,
        "subaccountId": subaccount_id(order.address, order.subaccount_number),
        "clientId": str(order.client_id),
        "clobPairId": str(order.clob_pair_id),
        "side": order.side.value,
        "size": text(order.size),
        "price": text(order.price),
        "type": order.type,
        "status": order.status.value,
        "timeInForce": order.time_in_force,
        "postOnly": order.post_only,
        "reduceOnly": order.reduce_only,
        "orderFlags": str(order.order_flags),
        "ticker": order.ticker,
        "clientMetadata": str(order.client_metadata),
    }
    if order.status is not ChainOrderStatus.BEST_EFFORT_OPENED or order.total_filled:
        # The word of a placement comes from a full node's memory, which knows of no fill before the block.
        shown["totalFilled"] = text(order.total_filled)
    if order.status is ChainOrderStatus.BEST_EFFORT_CANCELED:
        shown["totalOptimisticFilled"] = text(order.total_filled)
    if order.removal_reason:
        shown["removalReason"] = removal_reason(order.removal_reason)
    _add_times(shown, order)
    return shown


def _add_times(shown: Json, order: ChainOrder) -> None:
    if order.good_til_block:
        shown["goodTilBlock"] = str(order.good_til_block)
    elif order.good_til_block_time is not None:
        shown["goodTilBlockTime"] = iso(order.good_til_block_time)
    if order.trigger_price is not None:
        shown["triggerPrice"] = text(order.trigger_price)
    if order.order_flags != SHORT_TERM:
        shown["createdAtHeight"] = str(order.created_at_height)
    if order.status is not ChainOrderStatus.BEST_EFFORT_OPENED or order.total_filled:
        shown["updatedAt"] = iso(order.updated_at)
        shown["updatedAtHeight"] = str(order.updated_at_height)


# ------------------------------------------------------------------------------------------------- fills and trades


def fill(fill: ChainFill) -> Json:
    """Return a fill as REST shows it."""
    shown: Json = {
        "id": fill.id,
        "side": fill.side.value,
        "liquidity": fill.liquidity.value,
        "type": fill.type,
        "market": fill.ticker,
        "marketType": "PERPETUAL",
        "price": text(fill.price),
        "size": text(fill.size),
        "fee": text(fill.fee),
        "affiliateRevShare": "0",
        "createdAt": iso(fill.created_at),
        "createdAtHeight": str(fill.created_at_height),
        "clientMetadata": str(fill.client_metadata),
        "subaccountNumber": fill.subaccount_number,
    }
    if fill.order_id:
        shown["orderId"] = fill.order_id
    return shown


def fill_message(fill: ChainFill, clob_pair_id: int, event: str) -> Json:
    """Return a fill as the websocket shows it. `event` is its event's id."""
    shown: Json = {
        "id": fill.id,
        "fee": text(fill.fee),
        "affiliateRevShare": "0",
        "side": fill.side.value,
        "size": text(fill.size),
        "type": fill.type,
        "price": text(fill.price),
        "eventId": event,
        "clobPairId": str(clob_pair_id),
        "createdAt": iso(fill.created_at),
        "liquidity": fill.liquidity.value,
        "quoteAmount": text(fill.price * fill.size),
        "subaccountId": subaccount_id(fill.address, fill.subaccount_number),
        "clientMetadata": str(fill.client_metadata),
        "createdAtHeight": str(fill.created_at_height),
        "transactionHash": "",
        "ticker": fill.ticker,
        "market": fill.ticker,
    }
    if fill.order_id:
        shown["orderId"] = fill.order_id
    return shown


# ------------------------------------------------------------------------------------------------------- subaccounts


def perpetual_position(position: ChainPosition, subaccount_number: int, oracle_price: Decimal) -> Json:
    """Return a position as REST shows it; a closed one has the side and size 0 it ended with."""
    return {
        "market": position.ticker,
        "status": "OPEN" if position.size else "CLOSED",
        "side": _position_side(position),
        "size": text(position.size),
        "maxSize": text(position.max_size),
        "entryPrice": text(position.entry_price),
        "exitPrice": None if position.exit_price is None else text(position.exit_price),
        "realizedPnl": text(position.realized_pnl),
        "unrealizedPnl": text(unrealized_pnl(position, oracle_price)),
        "createdAt": iso(position.created_at),
        "createdAtHeight": str(position.created_at_height),
        "closedAt": None if position.closed_at is None else iso(position.closed_at),
        "sumOpen": text(position.sum_open),
        "sumClose": text(position.sum_close),
        "netFunding": text(position.net_funding),
        "subaccountNumber": subaccount_number,
    }


def perpetual_position_message(position: ChainPosition, address: str, number: int, oracle_price: Decimal) -> Json:
    """Return a position as the websocket shows it."""
    shown: Json = {
        "address": address,
        "subaccountNumber": number,
        "positionId": position_id(address, number, position),
        "market": position.ticker,
        "side": _position_side(position),
        "status": "OPEN" if position.size else "CLOSED",
        "size": text(position.size),
        "maxSize": text(position.max_size),
        "netFunding": text(position.net_funding),
        "entryPrice": text(position.entry_price),
        "sumOpen": text(position.sum_open),
        "sumClose": text(position.sum_close),
        "realizedPnl": text(position.realized_pnl),
        "unrealizedPnl": text(unrealized_pnl(position, oracle_price)),
    }
    if position.exit_price is not None:
        shown["exitPrice"] = text(position.exit_price)
    return shown


def unrealized_pnl(position: ChainPosition, oracle_price: Decimal) -> Decimal:
    """Return what the open part has gained at the oracle's price, in USD."""
    return position.size * (oracle_price - position.entry_price)


def _position_side(position: ChainPosition) -> str:
    return "SHORT" if position.size < 0 or (not position.size and position.max_size < 0) else "LONG"


def asset_position(usdc: Decimal, subaccount_number: int) -> Json:
    """Return the USDC of a subaccount as REST shows it: a side, and a size that is never negative."""
    return {
        "symbol": USDC,
        "side": "LONG" if usdc >= 0 else "SHORT",
        "size": text(abs(usdc)),
        "assetId": USDC_ASSET_ID,
        "subaccountNumber": subaccount_number,
    }


def asset_position_message(usdc: Decimal, address: str, number: int) -> Json:
    """Return the USDC of a subaccount as the websocket shows it."""
    return {
        "address": address,
        "subaccountNumber": number,
        "positionId": asset_position_id(address, number),
        "assetId": USDC_ASSET_ID,
        "symbol": USDC,
        "side": "LONG" if usdc >= 0 else "SHORT",
        "size": text(abs(usdc)),
    }


def subaccount(
    account: ChainSubaccount,
    equity: Decimal,
    free_collateral: Decimal,
    oracle_prices: dict[str, Decimal],
    latest_height: int,
) -> Json:
    """Return a subaccount as REST shows it."""
    positions = {
        each.ticker: perpetual_position(each, account.subaccount_number, oracle_prices[each.ticker])
        for each in account.positions
        if each.size
    }
    assets = {USDC: asset_position(account.usdc, account.subaccount_number)} if account.usdc else {}
    return {
        "address": account.address,
        "subaccountNumber": account.subaccount_number,
        "equity": text(equity),
        "freeCollateral": text(free_collateral),
        "openPerpetualPositions": positions,
        "assetPositions": assets,
        "marginEnabled": True,
        "updatedAtHeight": str(account.updated_at_height),
        "latestProcessedBlockHeight": str(latest_height),
    }


# ----------------------------------------------------------------------------------------------- --------- transfers


def transfer_type(transfer: ChainTransfer, address: str, numbers: frozenset[int]) -> str:
    """Return what a transfer is to the one of its two sides that is asked about."""
    if transfer.sender == address and transfer.sender_subaccount_number in numbers:
        return "WITHDRAWAL" if transfer.type == "WITHDRAWAL" else "TRANSFER_OUT"
    return "DEPOSIT" if transfer.type == "DEPOSIT" else "TRANSFER_IN"


def transfer(transfer: ChainTransfer, type_: str, number_name: str = "subaccountNumber", modulus: int = 0) -> Json:
    """Return a transfer. `modulus` 128 shows parent subaccounts' numbers; a wallet has no number."""
    return {"id": transfer.id, **transfer_message(transfer, type_, number_name, modulus)}


def transfer_message(
    transfer: ChainTransfer, type_: str, number_name: str = "subaccountNumber", modulus: int = 0
) -> Json:
    """Return a transfer as the websocket shows it: without an id."""

    def side(address: str, number: int, *, is_wallet: bool) -> Json:
        if is_wallet:
            return {"address": address}
        return {"address": address, number_name: number % modulus if modulus else number}

    # A wallet that the chain does not name is the one of the other side: the same key holds both.
    from_wallet, to_wallet = transfer.type == "DEPOSIT", transfer.type == "WITHDRAWAL"
    sender, recipient = transfer.sender or transfer.recipient, transfer.recipient or transfer.sender
    return {
        "sender": side(sender, transfer.sender_subaccount_number, is_wallet=from_wallet),
        "recipient": side(recipient, transfer.recipient_subaccount_number, is_wallet=to_wallet),
        "size": text(transfer.size),
        "createdAt": iso(transfer.created_at),
        "createdAtHeight": str(transfer.created_at_height),
        "symbol": USDC,
        "type": type_,
        "transactionHash": transfer.transaction_hash,
    }
