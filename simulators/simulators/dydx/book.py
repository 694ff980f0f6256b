"""The chain's view of the market: oracle prices, whether an order crosses, and whether its owner can pay for it.

Owns the questions between the chain's orders and the simulated world's quotes and executions. It changes nothing, and
must not know blocks or transactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from signalbox.exchange.quoting import MarketQuote

from simulators.dydx.fees import fee_of
from simulators.dydx.funding import rate_estimate
from simulators.dydx.interest import NONE, Interest, initial_fraction
from simulators.dydx.margin import Requirements, is_allowed, requirements
from simulators.dydx.orders import PlacedOrder, price_of, quantums_of, size_of
from simulators.dydx.records import ChainMarket
from simulators.dydx.state import ChainState
from simulators.dydx.subaccounts import Subaccount
from simulators.world import World

_ZERO = Decimal(0)


class Book:
    """Reads the world and the state for one chain."""

    def __init__(self, world: World, state: ChainState, markets: Sequence[ChainMarket]) -> None:
        self._world, self._state = world, state
        self._by_pair = {market.clob_pair_id: market for market in markets}
        self.markets = {market.ticker: market for market in markets}
        self.interest: dict[str, Interest] = {}
        """By ticker, of markets whose margin grows with their open interest. Not kept over restarts."""
        self.leverage: dict[tuple[str, int], dict[str, int]] = {}
        """By subaccount and ticker: the initial margin that its owner chose, in parts per million. Not kept either."""

    def change(self, market: ChainMarket) -> None:
        """Take another value of a market."""
        self._by_pair[market.clob_pair_id] = self.markets[market.ticker] = market

    def is_kept_apart(self, order: PlacedOrder, market: ChainMarket) -> bool:
        """Say whether an order's owner holds what must not be held together with its market."""
        held = self._state.subaccounts.get(order.address, order.subaccount_number).sizes()
        others = [self.markets[ticker] for ticker in held if ticker != market.ticker]
        return bool(others) and any(each.market_type == "ISOLATED" for each in (market, *others))

    def market(self, clob_pair_id: int) -> ChainMarket | None:
        """Return a market, None for a pair that does not exist."""
        return self._by_pair.get(clob_pair_id)

    def oracle_price(self, ticker: str) -> Decimal:
        """Return the oracle's price: the world's last trade, USD."""
        return self._world.last(ticker)

    def oracle_prices(self) -> dict[str, Decimal]:
        """Return every market's oracle price."""
        return {ticker: self._world.last(ticker) for ticker in self.markets}

    def funding_rate(self, ticker: str) -> Decimal:
        """Return the estimate of the next hour's funding rate."""
        oracle, quote = self.oracle_price(ticker), self._world.quote(ticker)
        mid = oracle if quote is None else (quote.bid + quote.ask) / 2
        return rate_estimate(mid, oracle, self.markets[ticker])

    def crosses(self, order: PlacedOrder, market: ChainMarket) -> bool:
        """Say whether an order would take from the present quote."""
        return self._match(order, market) is not None

    def reduces(self, order: PlacedOrder, market: ChainMarket) -> bool:
        """Say whether an order is on the other side of its owner's position."""
        held = self._state.subaccounts.get(order.address, order.subaccount_number).size(market.ticker)
        return held * order.side.sign < 0

    def equity(self, address: str, number: int) -> Decimal:
        """Return a subaccount's net collateral, USD."""
        return self.requirements(self._state.subaccounts.get(address, number)).equity

    def open_interest(self, ticker: str, instead: tuple[Subaccount, Decimal] | None = None) -> Decimal:
        """Return a market's open interest in base units; `instead` = a subaccount would hold that size."""
        sizes = [
            instead[1] if instead is not None and each is instead[0] else each.size(ticker)
            for each in self._state.subaccounts.of.values()
        ]
        long = sum((size for size in sizes if size > 0), _ZERO)
        return self.interest.get(ticker, NONE).others + max(long, long - sum(sizes, _ZERO))

    def fractions(self, subaccount: Subaccount, ticker: str = "", size: Decimal = _ZERO) -> dict[str, Decimal]:
        """Return the initial margins of a subaccount that are not simply the market's: open interest, and leverage.

        With `ticker`: if it held `size` of that market, as the chain looks at an order.
        """
        found = {}
        for name in self.interest.keys() | self.leverage.get((subaccount.address, subaccount.number), {}).keys():
            market, instead = self.markets[name], (subaccount, size) if name == ticker else None
            notional = self.open_interest(name, instead) * self.oracle_price(name)
            chosen_ppm = self.leverage.get((subaccount.address, subaccount.number), {}).get(name, 0)
            known = self.interest.get(name, NONE)
            found[name] = initial_fraction(market.initial_margin_fraction, notional, known, chosen_ppm)
        return found

    def requirements(self, subaccount: Subaccount) -> Requirements:
        """Return a subaccount's equity and margins now."""
        return subaccount.requirements(self.oracle_prices(), self.markets, self.fractions(subaccount))

    def can_pay(self, order: PlacedOrder, market: ChainMarket) -> bool:
        """Say whether the owner could carry the whole rest of an order, filled at its price as a maker."""
        ppm = self._state.fees.tier(order.address, self._state.time).maker_ppm
        return self._can_carry(order, market, size_of(order.remaining, market), price_of(order.subticks, market), ppm)

    def can_match(self, order: PlacedOrder, market: ChainMarket) -> bool:
        """Say whether the owner could carry what an order would take of the present quote."""
        match = self._match(order, market)
        if match is None:
            return True
        price, offered = match
        size = size_of(order.remaining, market)
        if order.reduce_only:
            held = self._state.subaccounts.get(order.address, order.subaccount_number).size(market.ticker)
            size = min(size, abs(held))
        ppm = self._state.fees.tier(order.address, self._state.time).taker_ppm
        return self._can_carry(order, market, min(size, offered), price, ppm)

    def executed_since(self, order_id: str, executions: int) -> int:
        """Return what of an order has executed after the first `executions` of the world, in base quantums."""
        total = 0
        for each in self._world.executions_since(executions):
            if each.client_reference == order_id and each.symbol in self.markets:
                total += quantums_of(each.quantity, self.markets[each.symbol])
        return total

    def _match(self, order: PlacedOrder, market: ChainMarket) -> tuple[Decimal, Decimal] | None:
        """Return the price and size that the quote offers an order, None if it does not reach it."""
        quote: MarketQuote | None = self._world.quote(market.ticker)
        if quote is None:
            return None
        limit = price_of(order.subticks, market)
        if order.buys:
            return (quote.ask, quote.ask_size) if quote.ask <= limit else None
        return (quote.bid, quote.bid_size) if quote.bid >= limit else None

    def _can_carry(self, order: PlacedOrder, market: ChainMarket, size: Decimal, price: Decimal, fee_ppm: int) -> bool:
        prices = self.oracle_prices()
        subaccount = self._state.subaccounts.get(order.address, order.subaccount_number)
        before = self.requirements(subaccount)
        signed, notional = order.side.sign * size, size * price
        sizes = subaccount.sizes()
        sizes[market.ticker] = sizes.get(market.ticker, _ZERO) + signed
        fractions = self.fractions(subaccount, market.ticker, sizes[market.ticker])
        usdc = subaccount.usdc - signed * price - fee_of(notional, fee_ppm)
        after = requirements(usdc, sizes, prices, self.markets, fractions)
        return is_allowed(before, after)
