"""What venues charge for an execution, in the contract's currency: rules of stocks and options, and any other's shape.

Stocks: 0.005 a share, options: 0.65 a contract, both with a minimum of 1.00 an order. Each execution is charged what
its order's fee has grown by: the first one pays at least 1.00, later ones only what exceeds it, so the sum over an
order is right after every execution.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from signalbox.exchange.listing import Listing
from signalbox.messages import InstrumentKind, Liquidity

FeeRule = Callable[[str, Listing, Liquidity, Decimal], Decimal]
"""(account, listing, liquidity, notional) -> fee; below 0 is a rebate."""

COMMISSION_PER_SHARE = Decimal("0.005")
COMMISSION_PER_CONTRACT = Decimal("0.65")
COMMISSION_PER_ORDER_MIN = Decimal("1.00")


def order_fee(filled: Decimal, kind: InstrumentKind = InstrumentKind.STOCK) -> Decimal:
    """Return the fee of an order of which `filled` has been filled."""
    each = COMMISSION_PER_CONTRACT if kind is InstrumentKind.OPTION else COMMISSION_PER_SHARE
    return max(COMMISSION_PER_ORDER_MIN, each * filled) if filled else Decimal(0)


def execution_fee(filled_before: Decimal, quantity: Decimal, kind: InstrumentKind = InstrumentKind.STOCK) -> Decimal:
    """Return one execution's share of its order's fee."""
    return order_fee(filled_before + quantity, kind) - order_fee(filled_before, kind)
