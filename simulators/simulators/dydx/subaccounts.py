"""What each subaccount holds: USDC and positions, folded from fills, transfers and funding payments.

Owns the chain's own bookkeeping, apart from the simulated world's: the two must agree. It must not know orders or
blocks; amounts are in USD and base units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from simulators.dydx.margin import Requirements, requirements
from simulators.dydx.records import (
    ChainFill,
    ChainFundingPayment,
    ChainMarket,
    ChainPosition,
    ChainSubaccount,
    ChainTransfer,
)

_ZERO = Decimal(0)


@dataclass(slots=True)
class Subaccount:
    """One subaccount: signed USDC, the open position of each market, and those closed before."""

    address: str
    number: int
    usdc: Decimal = _ZERO
    open: dict[str, ChainPosition] = field(default_factory=dict)
    closed: list[ChainPosition] = field(default_factory=list)
    updated_at_height: int = 0

    def size(self, ticker: str) -> Decimal:
        """Return the signed position."""
        return self.open[ticker].size if ticker in self.open else _ZERO

    def sizes(self) -> dict[str, Decimal]:
        """Return every open position."""
        return {ticker: held.size for ticker, held in self.open.items()}

    def add_fill(self, fill: ChainFill) -> None:
        """Book one fill; one that turns the position round closes it and opens another."""
        signed = fill.side.sign * fill.size
        self.usdc -= signed * fill.price + fill.fee
        self.updated_at_height = fill.created_at_height
        held = self.open.pop(fill.ticker, None)
        if held is not None and held.size * signed < 0:
            closing = min(abs(signed), abs(held.size)).copy_sign(signed)
            held = _reduced(held, closing, fill.price, fill.created_at)
            signed -= closing
            if held.size == 0:
                self.closed.append(held)
                held = None
        if signed:
            held = _increased(held, fill, signed)
        if held is not None:
            self.open[fill.ticker] = held

    def add_funding(self, payment: ChainFundingPayment) -> None:
        """Book one funding payment."""
        self.usdc += payment.payment
        self.updated_at_height = payment.created_at_height
        held = self.open[payment.ticker]
        self.open[payment.ticker] = replace(
            held,
            net_funding=held.net_funding + payment.payment,
            realized_pnl=held.realized_pnl + payment.payment,
        )

    def requirements(
        self, prices: Mapping[str, Decimal], markets: Mapping[str, ChainMarket], fractions: Mapping[str, Decimal]
    ) -> Requirements:
        """Return equity and margin at `prices`; `fractions` are initial margins above the markets' own."""
        return requirements(self.usdc, self.sizes(), prices, markets, fractions)

    def record(
        self, prices: Mapping[str, Decimal], markets: Mapping[str, ChainMarket], fractions: Mapping[str, Decimal]
    ) -> ChainSubaccount:
        """Return the subaccount as the indexer is told."""
        needs = self.requirements(prices, markets, fractions)
        return ChainSubaccount(
            address=self.address,
            subaccount_number=self.number,
            usdc=self.usdc,
            positions=(*self.closed, *self.open.values()),
            equity=needs.equity,
            free_collateral=needs.equity - needs.initial,
            initial_margin=needs.initial,
            maintenance_margin=needs.maintenance,
            updated_at_height=self.updated_at_height,
        )


class Subaccounts:
    """All subaccounts by (address, number)."""

    def __init__(self) -> None:
        self.of: dict[tuple[str, int], Subaccount] = {}

    def get(self, address: str, number: int) -> Subaccount:
        """Return a subaccount; one that nobody has funded is empty."""
        return self.of.get((address, number)) or Subaccount(address, number)

    def ensure(self, address: str, number: int) -> Subaccount:
        """Return a subaccount, made if there is none."""
        return self.of.setdefault((address, number), Subaccount(address, number))

    def add_transfer(self, transfer: ChainTransfer) -> None:
        """Book a transfer on those of its ends that are subaccounts; the others are wallets."""
        if transfer.type != "DEPOSIT":
            self._add(transfer.sender, transfer.sender_subaccount_number, -transfer.size, transfer.created_at_height)
        if transfer.type != "WITHDRAWAL":
            self._add(
                transfer.recipient, transfer.recipient_subaccount_number, transfer.size, transfer.created_at_height
            )

    def _add(self, address: str, number: int, amount: Decimal, height: int) -> None:
        subaccount = self.ensure(address, number)
        subaccount.usdc += amount
        subaccount.updated_at_height = height


def _reduced(held: ChainPosition, signed: Decimal, price: Decimal, at: datetime) -> ChainPosition:
    closed = abs(signed)
    sum_close = held.sum_close + closed
    exit_price = ((held.exit_price or _ZERO) * held.sum_close + price * closed) / sum_close
    direction = 1 if held.size > 0 else -1
    size = held.size + signed
    return replace(
        held,
        size=size,
        sum_close=sum_close,
        exit_price=exit_price,
        realized_pnl=held.realized_pnl + direction * closed * (price - held.entry_price),
        closed_at=at if size == 0 else None,
    )


def _increased(held: ChainPosition | None, fill: ChainFill, signed: Decimal) -> ChainPosition:
    added = abs(signed)
    if held is None:
        return ChainPosition(
            ticker=fill.ticker,
            size=signed,
            entry_price=fill.price,
            exit_price=None,
            max_size=signed,
            sum_open=added,
            sum_close=_ZERO,
            realized_pnl=_ZERO,
            net_funding=_ZERO,
            created_at=fill.created_at,
            created_at_height=fill.created_at_height,
        )
    size, sum_open = held.size + signed, held.sum_open + added
    return replace(
        held,
        size=size,
        sum_open=sum_open,
        entry_price=(held.entry_price * held.sum_open + fill.price * added) / sum_open,
        max_size=size if abs(size) > abs(held.max_size) else held.max_size,
    )
