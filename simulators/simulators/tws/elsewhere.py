"""Contracts that the simulated market does not have, and what somebody traded of them by hand: options, futures,
combinations, currencies, shares listed elsewhere.

Owns those contracts, their trades and what is held of them; the money is the world's. A combination is told as a whole
and its legs are trades of their own: what is held is the legs. It must not know clients, nor what a price should be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from signalbox.exchange.books import rate
from signalbox.exchange.orders import Execution
from signalbox.messages import Side

from simulators.tws.wire import Value
from simulators.world import World

COMBINATION, CURRENCY_PAIR = "BAG", "CASH"
_NUMBERS_FROM = 1_900_000_000  # permanent ids of orders that no matching has seen


@dataclass(frozen=True, slots=True)
class Outside:
    """A contract in TWS's words. `key` names it in the simulator."""

    key: str
    con_id: int
    symbol: str
    sec_type: str
    currency: str
    exchange: str = "SMART"
    local_symbol: str = ""
    multiplier: str = ""
    expiry: str = ""
    strike: Decimal = Decimal(0)
    right: str = ""

    @property
    def primary_exchange(self) -> str:
        return self.exchange

    @property
    def units(self) -> Decimal:
        """What one of it is worth at a price of 1."""
        return Decimal(self.multiplier or 1)

    def fields(self, exchange: str) -> tuple[Value, ...]:
        """The eleven fields of a contract."""
        name = self.local_symbol or self.symbol
        terms = (self.expiry, self.strike, self.right, self.multiplier)
        return (self.con_id, self.symbol, self.sec_type, *terms, exchange, self.currency, name, self.symbol)


@dataclass(slots=True)
class Holding:
    """What an account holds of a contract; `mark` is what it last traded at."""

    contract: Outside
    quantity: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)
    mark: Decimal = Decimal(0)

    @property
    def average_cost(self) -> Decimal:
        """As TWS says it: with the multiplier."""
        return self.average_price * self.contract.units


@dataclass(slots=True)
class Elsewhere:
    """All trades of such contracts."""

    world: World
    trades: list[tuple[Outside, Execution]] = field(default_factory=list)
    holdings: dict[tuple[str, str], Holding] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(_NUMBERS_FROM))

    def trade(
        self, account: str, contract: Outside, side: Side, quantity: Decimal, price: Decimal, commission: Decimal
    ) -> Execution:
        """Book a trade: its money is the account's from now on. Raises KeyError for a currency without a rate."""
        rate(contract.currency, "USD")
        number = next(self._numbers)
        execution = Execution(
            execution_id=f"{number:08x}.{contract.con_id:08x}.01", number=number, at=self.world.now(), account=account,
            symbol=contract.key, side=side, quantity=quantity, price=price, cumulative=quantity, average_price=price,
            commission=commission, currency=contract.currency, realized_pnl=Decimal(0), client_reference="",
            client_tag="",
        )  # fmt: skip
        self.trades.append((contract, execution))
        if contract.sec_type == COMBINATION:
            return execution
        signed = quantity * side.sign
        self._pay(account, contract.currency, -signed * price * contract.units - commission)
        if contract.sec_type == CURRENCY_PAIR:
            self._pay(account, contract.symbol, signed)
        self._hold(account, contract, signed, price)
        return execution

    def of(self, account: str) -> list[Holding]:
        """What an account holds, or held, of them."""
        return [held for (owner, _), held in self.holdings.items() if owner == account]

    def worth(self, account: str, base: str) -> Decimal:
        """What is held, in the account's money. A pair of currencies is in the cash already."""
        values = (
            held.quantity * held.mark * held.contract.units * rate(held.contract.currency, base)
            for held in self.of(account)
            if held.contract.sec_type != CURRENCY_PAIR
        )
        return sum(values, Decimal(0))

    def _pay(self, account: str, currency: str, amount: Decimal) -> None:
        self.world.adjust_cash(account, currency, amount, "a trade by hand elsewhere")

    def _hold(self, account: str, contract: Outside, signed: Decimal, price: Decimal) -> None:
        held = self.holdings.setdefault((account, contract.key), Holding(contract))
        after = held.quantity + signed
        if held.quantity * signed >= 0 and after:
            held.average_price = (held.average_price * held.quantity + price * signed) / after
        elif after * held.quantity < 0:
            held.average_price = price
        held.quantity, held.mark = after, price
