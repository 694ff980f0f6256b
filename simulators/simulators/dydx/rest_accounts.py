"""The REST answers about subaccounts: what they hold, their orders, their positions.

Owns filters and order of results. It must not know HTTP or the websocket.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from simulators.dydx import shapes
from simulators.dydx.indexer_view import IndexerView
from simulators.dydx.records import ChainOrder, ChainPosition, ChainSubaccount
from simulators.dydx.rest_query import NotFoundError, Query, children
from simulators.dydx.shapes import Json, text

SIDES = ("BUY", "SELL")
ORDER_TYPES = (
    "LIMIT",
    "MARKET",
    "STOP_LIMIT",
    "STOP_MARKET",
    "TRAILING_STOP",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TWAP",
    "TWAP_SUBORDER",
)
ORDER_STATUSES = (
    "OPEN",
    "FILLED",
    "CANCELED",
    "BEST_EFFORT_CANCELED",
    "UNTRIGGERED",
    "ERROR",
    "BEST_EFFORT_OPENED",
)
POSITION_STATUSES = ("OPEN", "CLOSED", "LIQUIDATED")
ACTIVE = frozenset({"OPEN", "UNTRIGGERED", "BEST_EFFORT_OPENED"})
"""What a subscriber of a subaccount is told first."""
CANCELS_TOLD_BLOCKS = 20
"""Best-effort cancels are told first, too, while their last block is at most this far back."""


class AccountAnswers:
    """Answers questions about subaccounts from the indexer's view."""

    def __init__(self, view: IndexerView) -> None:
        self._view = view

    # -------------------------------------------------------------------------------------------------- subaccounts

    def address(self, query: Query) -> Json:
        """All subaccounts of an address."""
        address = query.address(message="address must be a valid address")
        query.check()
        accounts = self._view.subaccounts_of(address)
        if not accounts:
            raise NotFoundError(f"No subaccounts found for address {address}")
        return {"subaccounts": [self.subaccount_json(each) for each in accounts], "totalTradingRewards": "0"}

    def subaccount(self, query: Query) -> Json:
        """One subaccount."""
        address, number = query.address(), query.subaccount_number()
        query.check()
        return {"subaccount": self.subaccount_json(self.existing(address, number))}

    def parent_subaccount(self, query: Query) -> Json:
        """A parent subaccount: the sum of its children."""
        address, number = query.address(), query.parent_number()
        query.check()
        accounts = self._children(address, number)
        if not accounts:
            raise NotFoundError(
                f"No subaccounts found for address {address} and parentSubaccountNumber {number}",
            )
        figures = [self._view.equity_and_free_collateral(each) for each in accounts]
        return {
            "subaccount": {
                "address": address,
                "parentSubaccountNumber": number,
                "equity": text(sum((equity for equity, _ in figures), Decimal(0))),
                "freeCollateral": text(sum((free for _, free in figures), Decimal(0))),
                "childSubaccounts": [self.subaccount_json(each) for each in accounts],
            }
        }

    def subaccount_json(self, account: ChainSubaccount) -> Json:
        """Write a subaccount, valued at the indexer's oracle prices."""
        equity, free_collateral = self._view.equity_and_free_collateral(account)
        return shapes.subaccount(account, equity, free_collateral, self._view.oracle_prices, self._view.height)

    def existing(self, address: str, number: int) -> ChainSubaccount:
        """Return a subaccount. Raises NotFoundError."""
        account = self._view.subaccounts.get((address, number))
        if account is None:
            raise NotFoundError(f"No subaccount found with address {address} and subaccountNumber {number}")
        return account

    def _children(self, address: str, parent_number: int) -> list[ChainSubaccount]:
        return self._view.subaccounts_of(address, children(parent_number))

    # ---------------------------------------------------------------------------------------------------- positions

    def asset_positions(self, query: Query) -> Json:
        """The USDC of a subaccount."""
        address, number = query.address(), query.subaccount_number()
        query.check()
        return {"positions": _assets([self.existing(address, number)])}

    def parent_asset_positions(self, query: Query) -> Json:
        """The USDC of a parent subaccount's children."""
        address, number = query.address(), query.parent_number()
        query.check()
        return {"positions": _assets(self._children(address, number))}

    def perpetual_positions(self, query: Query) -> Json:
        """The perpetual positions of a subaccount, newest first."""
        address, number = query.address(), query.subaccount_number()
        account = self._view.subaccounts.get((address, number))
        return self._positions(query, [account] if account else [])

    def parent_perpetual_positions(self, query: Query) -> Json:
        """The perpetual positions of a parent subaccount's children, newest first."""
        address, number = query.address(), query.parent_number()
        return self._positions(query, self._children(address, number))

    def _positions(self, query: Query, accounts: Iterable[ChainSubaccount]) -> Json:
        statuses, limit = query.choices("status", POSITION_STATUSES), query.limit()
        height, at = query.height("createdBeforeOrAtHeight"), query.time("createdBeforeOrAt")
        query.check()
        found: list[tuple[ChainSubaccount, ChainPosition]] = [
            (account, position)
            for account in accounts
            for position in account.positions
            if (statuses is None or ("OPEN" if position.size else "CLOSED") in statuses)
            and (height is None or position.created_at_height <= height)
            and (at is None or position.created_at <= at)
        ]
        found.sort(key=lambda each: each[1].created_at_height, reverse=True)
        oracle = self._view.oracle_prices
        return {
            "positions": [
                shapes.perpetual_position(position, account.subaccount_number, oracle[position.ticker])
                for account, position in found[:limit]
            ]
        }

    # ------------------------------------------------------------------------------------------------------- orders

    def orders(self, query: Query) -> list[Json]:
        """The orders of a subaccount: a bare list."""
        address, number = query.address(), query.subaccount_number()
        return self._orders(query, address, frozenset({number}))

    def parent_orders(self, query: Query) -> list[Json]:
        """The orders of a parent subaccount's children: a bare list."""
        address, number = query.address(), query.parent_number()
        return self._orders(query, address, children(number))

    def order(self, query: Query) -> Json:
        """One order by its uuid."""
        order_id = query.uuid("orderId")
        query.check()
        found = self._view.orders.get(order_id)
        if found is None:
            raise NotFoundError(f"Unable to find order id {order_id}")
        return shapes.order(found)

    def first_orders(self, address: str, numbers: frozenset[int]) -> list[Json]:
        """Return what a new subscriber is told: active orders, and best-effort cancels that may still fill."""
        recent = max(self._view.height - CANCELS_TOLD_BLOCKS, 1)
        orders = self._of(address, numbers)
        active = [each for each in orders if each.status.value in ACTIVE]
        leaving = [each for each in orders if each.status == "BEST_EFFORT_CANCELED" and each.good_til_block > recent]
        return [shapes.order(each) for each in (*_by_end(active), *_by_end(leaving))]

    def _orders(self, query: Query, address: str, numbers: frozenset[int]) -> list[Json]:
        limit, ticker = query.limit(), query.ticker(self._view.markets)
        side, type_ = query.choice("side", SIDES), query.choice("type", ORDER_TYPES)
        included, excluded = query.choices("includeTypes", ORDER_TYPES), query.choices("excludeTypes", ORDER_TYPES)
        statuses = query.choices("status", ORDER_STATUSES)
        block, block_after = query.integer("goodTilBlockBeforeOrAt", 1), query.integer("goodTilBlockAfter", 1)
        time, time_after = query.time("goodTilBlockTimeBeforeOrAt"), query.time("goodTilBlockTimeAfter")
        latest = query.flag("returnLatestOrders")
        query.check()
        found = [
            order
            for order in self._of(address, numbers)
            if (ticker is None or order.ticker == ticker)
            and (side is None or order.side.value == side)
            and (type_ is None or order.type == type_)
            and (included is None or order.type in included)
            and (excluded is None or order.type not in excluded)
            and (statuses is None or order.status.value in statuses)
            and _ends_by_block(order, block, block_after)
            and _ends_by_time(order, time, time_after)
        ]
        return [shapes.order(each) for each in _by_end(found, latest_first=latest is not False)[:limit]]

    def _of(self, address: str, numbers: frozenset[int]) -> list[ChainOrder]:
        return [
            order
            for order in self._view.orders.values()
            if order.address == address and order.subaccount_number in numbers
        ]


def _assets(accounts: Iterable[ChainSubaccount]) -> list[Json]:
    return [shapes.asset_position(each.usdc, each.subaccount_number) for each in accounts if each.usdc]


def _ends_by_block(order: ChainOrder, before_or_at: int | None, after: int | None) -> bool:
    """An order without a last block is in no answer about last blocks."""
    if before_or_at is None and after is None:
        return True
    last = order.good_til_block
    return bool(last) and (before_or_at is None or last <= before_or_at) and (after is None or last > after)


def _ends_by_time(order: ChainOrder, before_or_at: datetime | None, after: datetime | None) -> bool:
    if before_or_at is None and after is None:
        return True
    last = order.good_til_block_time
    if last is None:
        return False
    return (before_or_at is None or last <= before_or_at) and (after is None or last > after)


def _by_end(orders: list[ChainOrder], *, latest_first: bool = True) -> list[ChainOrder]:
    """Sort by last block, then by last time; of the same, the order placed last is the latest."""

    def key(order: ChainOrder) -> tuple[bool, float]:
        ends_at = order.good_til_block_time
        return ends_at is not None, order.good_til_block if ends_at is None else ends_at.timestamp()

    ordered = sorted(orders, key=key)
    return ordered[::-1] if latest_first else ordered
