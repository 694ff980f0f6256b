"""What makes a subaccount look used: a deposit, orders, fills, a funding payment and transfers, in two blocks.

Owns what is done, and when it is said to have been. Everything is traded in the matching engine and booked like
anybody's, so that what is held is what its history says. It must not know how a block takes an order.

    one block     the deposit and what is bought: a minute before the last full hour, if it is the subaccount's first
    the next one  that hour's funding; a part sold, an order cancelled, a withdrawal, a transfer to the next subaccount
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import count

from msgspec import Struct
from v4_proto.dydxprotocol.clob.order_pb2 import Order
from v4_proto.dydxprotocol.sending.transfer_pb2 import MsgWithdrawFromSubaccount, Transfer
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from simulators.dydx.book import Book
from simulators.dydx.orders import PlacedOrder, order_uuid, quantums_of, subticks_of
from simulators.dydx.records import LONG_TERM, SHORT_TERM, ChainMarket
from simulators.dydx.state import ChainState

WAITING_MAX = 1_000
MARKETS_MAX = 2
PART = Decimal("0.02")
"""Of the deposit, for each market."""
CROSSING, RESTING = Decimal("0.02"), Decimal("-0.5")
"""How far from the oracle's price an order is that fills at once, and one that does not."""
GOOD_TIL_SECONDS = 86_400
GOOD_TIL_BLOCKS = 10
MOVED_QUANTUMS = 1_000_000
"""One USDC."""
BEFORE_THE_HOUR = timedelta(minutes=1)
_FIRST_CLIENT_ID = 3_900_000_000


class Wanted(Struct, frozen=True):
    """A subaccount that is to look used, and with how much."""

    address: str
    number: int
    amount: Decimal


class Usage:
    """Who is to look used next, and what each has to do for it."""

    def __init__(self, state: ChainState, book: Book) -> None:
        self._state, self._book = state, book
        self._opening: list[Wanted] = []
        self._closing: list[tuple[Wanted, datetime | None]] = []
        self._client_ids = count(_FIRST_CLIENT_ID)

    def queue(self, wanted: Wanted) -> bool:
        """Have the next two blocks make it look used; False = too many wait."""
        if len(self._opening) >= WAITING_MAX:
            return False
        self._opening.append(wanted)
        return True

    def opening(self) -> Iterator[tuple[Wanted, datetime | None]]:
        """Those whose first block this is, and the hour of which they are paid funding; None = they have a history."""
        opening, self._opening = self._opening, []
        for wanted in opening:
            hour = None if self._has_history(wanted) else self._state.time.replace(minute=0, second=0, microsecond=0)
            self._closing.append((wanted, hour))
            yield wanted, hour

    def closing(self) -> list[tuple[Wanted, datetime | None]]:
        """Those whose second block this is."""
        closing, self._closing = self._closing, []
        return closing

    def bought(self, wanted: Wanted) -> list[PlacedOrder]:
        """What it buys: in two markets."""
        return [self._order(wanted, market, buys=True, distance=CROSSING) for market in self._markets()]

    def sold(self, wanted: Wanted) -> list[PlacedOrder]:
        """What it sells of that: about half."""
        held = self._state.subaccounts.get(wanted.address, wanted.number).sizes()
        sizes = [
            (market, _on_step(held[market.ticker] / 2, market)) for market in self._markets() if market.ticker in held
        ]
        return [
            self._order(wanted, market, buys=False, distance=-CROSSING, size=size)
            for market, size in sizes
            if size >= market.step_size
        ]

    def rested(self, wanted: Wanted) -> PlacedOrder:
        """An order that rests, to be cancelled."""
        return self._order(wanted, self._markets()[0], buys=True, distance=RESTING, flags=LONG_TERM)

    def moved(self, wanted: Wanted) -> list[object]:
        """Messages that move USDC: to the wallet, and to the next subaccount."""
        sender = SubaccountId(owner=wanted.address, number=wanted.number)
        other = SubaccountId(owner=wanted.address, number=wanted.number + 1 if wanted.number < 127 else 0)
        transfer = Transfer(sender=sender, recipient=other, asset_id=0, amount=MOVED_QUANTUMS)
        withdrawal = MsgWithdrawFromSubaccount(
            sender=sender, recipient=wanted.address, asset_id=0, quantums=MOVED_QUANTUMS
        )
        return [withdrawal, MsgCreateTransfer(transfer=transfer)]

    def _has_history(self, wanted: Wanted) -> bool:
        found = self._state.subaccounts.of.get((wanted.address, wanted.number))
        return found is not None and bool(found.open or found.closed)

    def _markets(self) -> list[ChainMarket]:
        open_ = [each for each in self._book.markets.values() if (each.status, each.market_type) == ("ACTIVE", "CROSS")]
        return open_[:MARKETS_MAX]

    def _order(
        self,
        wanted: Wanted,
        market: ChainMarket,
        *,
        buys: bool,
        distance: Decimal,
        size: Decimal | None = None,
        flags: int = SHORT_TERM,
    ) -> PlacedOrder:
        oracle_price = self._book.oracle_price(market.ticker)
        size = max(_on_step(wanted.amount * PART / oracle_price, market), market.step_size) if size is None else size
        rounding = ROUND_CEILING if distance > 0 else ROUND_FLOOR
        ticks = (oracle_price * (1 + distance) / market.tick_size).to_integral_value(rounding)
        client_id, immediate = next(self._client_ids), flags == SHORT_TERM
        return PlacedOrder(
            id=order_uuid(wanted.address, wanted.number, client_id, market.clob_pair_id, flags),
            address=wanted.address,
            subaccount_number=wanted.number,
            client_id=client_id,
            clob_pair_id=market.clob_pair_id,
            order_flags=flags,
            buys=buys,
            quantums=quantums_of(size, market),
            subticks=subticks_of(ticks * market.tick_size, market),
            time_in_force=Order.TimeInForce.TIME_IN_FORCE_IOC if immediate else 0,
            reduce_only=False,
            good_til_block=self._state.height + GOOD_TIL_BLOCKS if immediate else 0,
            good_til_block_time=0 if immediate else int(self._state.time.timestamp()) + GOOD_TIL_SECONDS,
        )


def begun_at(hour: datetime) -> datetime:
    """When a subaccount has bought what it held at an hour."""
    return hour - BEFORE_THE_HOUR


def _on_step(size: Decimal, market: ChainMarket) -> Decimal:
    return (size / market.step_size).to_integral_value(ROUND_FLOOR) * market.step_size
