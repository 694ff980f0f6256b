"""What the chain knows after a block: accounts, orders, subaccounts, and everything that ever happened.

Owns the memory, and the folding of a block's line into it after a restart. It must not know how blocks are made or who
asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from simulators.dydx.accounts import Account
from simulators.dydx.chain_journal import Committed, Line
from simulators.dydx.fees import FeeSchedule
from simulators.dydx.orders import PlacedOrder
from simulators.dydx.records import (
    ChainFill,
    ChainFundingPayment,
    ChainFundingRate,
    ChainOrderStatus,
    ChainTransfer,
)
from simulators.dydx.subaccounts import Subaccounts

_NEVER = datetime.fromtimestamp(0, UTC)
_LIVE = (ChainOrderStatus.OPEN, ChainOrderStatus.UNTRIGGERED, ChainOrderStatus.BEST_EFFORT_CANCELED)


@dataclass(slots=True)
class ChainState:
    """The committed state. `live` are the ids of orders whose end is still to come, `remembered` of short-term orders
    whose fills the chain has yet to forget.
    """

    height: int = 0
    time: datetime = _NEVER
    executions: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    authenticator_next: int = 0
    """The id of the next authenticator of any account: none is used twice."""
    orders: dict[str, PlacedOrder] = field(default_factory=dict)
    live: dict[str, None] = field(default_factory=dict)
    remembered: dict[str, None] = field(default_factory=dict)
    subaccounts: Subaccounts = field(default_factory=Subaccounts)
    fees: FeeSchedule = field(default_factory=FeeSchedule)
    fills: list[ChainFill] = field(default_factory=list)
    transfers: list[ChainTransfer] = field(default_factory=list)
    funding_rates: list[ChainFundingRate] = field(default_factory=list)
    funding_payments: list[ChainFundingPayment] = field(default_factory=list)
    committed: dict[str, Committed] = field(default_factory=dict)

    def put_account(self, account: Account) -> None:
        """Remember an account's present value."""
        self.accounts[account.address] = account
        for each in account.authenticators:
            self.authenticator_next = max(self.authenticator_next, each.id + 1)

    def put_order(self, order: PlacedOrder) -> None:
        """Remember an order's present value."""
        self.orders[order.id] = order
        if order.status in _LIVE:
            self.live[order.id] = None
        else:
            self.live.pop(order.id, None)
        if order.is_short_term and order.filled:
            self.remembered[order.id] = None
        else:
            self.remembered.pop(order.id, None)

    def add_fill(self, fill: ChainFill) -> None:
        """Book a fill."""
        self.fills.append(fill)
        self.subaccounts.ensure(fill.address, fill.subaccount_number).add_fill(fill)
        self.fees.add_fill(fill)

    def add_transfer(self, transfer: ChainTransfer) -> None:
        """Book a transfer."""
        self.transfers.append(transfer)
        self.subaccounts.add_transfer(transfer)

    def add_funding_payment(self, payment: ChainFundingPayment) -> None:
        """Book a funding payment."""
        self.funding_payments.append(payment)
        self.subaccounts.ensure(payment.address, payment.subaccount_number).add_funding(payment)

    def live_orders(self) -> list[PlacedOrder]:
        """Return the orders whose end is still to come, oldest first."""
        return [self.orders[each] for each in self.live]

    def prunable_orders(self) -> list[PlacedOrder]:
        """Return the orders whose fills are to be forgotten in the present block."""
        remembered = [self.orders[each] for each in self.remembered]
        return [each for each in remembered if each.prunable_height <= self.height]

    def fold(self, line: Line) -> None:
        """Take in a block that was made before this start, in the order in which a block does things."""
        self.height, self.time, self.executions = line.height, line.time, line.executions
        for account in line.accounts:
            self.put_account(account)
        for order in line.orders:
            self.put_order(order)
        for payment in line.funding_payments:
            self.add_funding_payment(payment)
        for transfer in line.transfers:
            self.add_transfer(transfer)
        for fill in line.fills:
            self.add_fill(fill)
        self.funding_rates += line.funding_rates
        for committed in line.committed:
            self.committed[committed.hash] = committed
        self.fees.set_tiers.update(line.tiers)
