"""What nodes have taken since the last block and not yet put into one.

Owns the accepted transactions in order, the accounts as they will be, the cancels that keep later orders out, and the
cache of bytes that were seen. It must not know the checks.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from simulators.dydx.accounts import Account
from simulators.dydx.orders import PlacedOrder
from simulators.dydx.transactions import Transaction

CACHED_HASHES_MAX = 10_000
TRANSACTIONS_MAX = 5_000


@dataclass(slots=True)
class Mempool:
    """`short_term` and `placements` are orders by id; `cancellations` are of stateful orders; `cancels` id -> GTB."""

    transactions: list[Transaction] = field(default_factory=list)
    accounts: dict[str, Account] = field(default_factory=dict)
    short_term: dict[str, PlacedOrder] = field(default_factory=dict)
    placements: dict[str, PlacedOrder] = field(default_factory=dict)
    cancellations: set[str] = field(default_factory=set)
    cancels: dict[str, int] = field(default_factory=dict)
    _seen: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def has_seen(self, hash_: str) -> bool:
        """Say whether these bytes were accepted before."""
        return hash_ in self._seen

    def accept(self, transaction: Transaction) -> None:
        """Keep a transaction for the next block."""
        self.transactions.append(transaction)
        self._seen[transaction.hash] = None
        while len(self._seen) > CACHED_HASHES_MAX:
            self._seen.popitem(last=False)

    def take(self, height: int) -> list[Transaction]:
        """Hand over everything for block `height`; cancels stay until their good-til-block has passed."""
        transactions, self.transactions = self.transactions, []
        self.accounts.clear()
        self.short_term.clear()
        self.placements.clear()
        self.cancellations.clear()
        self.cancels = {each: block for each, block in self.cancels.items() if block >= height}
        return transactions
