"""What the control port tells of orders, fills and funding: plain fields. It must not know commands."""

from __future__ import annotations

from simulators.dydx.records import ChainFill, ChainFundingPayment, ChainOrder


def order_fields(order: ChainOrder) -> dict[str, str | int | bool]:
    """Write an order for the control port."""
    return {
        "id": order.id,
        "account": f"{order.address}-{order.subaccount_number}",
        "client_id": order.client_id,
        "order_flags": order.order_flags,
        "symbol": order.ticker,
        "side": order.side.value,
        "size": str(order.size),
        "price": str(order.price),
        "filled": str(order.total_filled),
        "type": order.type,
        "time_in_force": order.time_in_force,
        "reduce_only": order.reduce_only,
        "status": order.status.value,
        "removal_reason": order.removal_reason,
        "good_til_block": order.good_til_block,
        "created_at_height": order.created_at_height,
        "updated_at_height": order.updated_at_height,
    }


def fill_fields(fill: ChainFill) -> dict[str, str | int]:
    """Write a fill for the control port."""
    return {
        "id": fill.id,
        "order_id": fill.order_id,
        "account": account_name_of(fill),
        "symbol": fill.ticker,
        "side": fill.side.value,
        "size": str(fill.size),
        "price": str(fill.price),
        "fee": str(fill.fee),
        "liquidity": fill.liquidity.value,
        "height": fill.created_at_height,
    }


def funding_fields(payment: ChainFundingPayment) -> dict[str, str | int]:
    """Write a funding payment for the control port; `payment` is what the account received."""
    return {
        "account": account_name_of(payment),
        "symbol": payment.ticker,
        "at": payment.created_at.isoformat(),
        "rate": str(payment.rate),
        "payment": str(payment.payment),
        "height": payment.created_at_height,
    }


def account_name_of(of: ChainFill | ChainFundingPayment) -> str:
    """The subaccount that something is of, as address-number."""
    return f"{of.address}-{of.subaccount_number}"
