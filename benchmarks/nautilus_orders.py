"""What NautilusTrader takes for the same orders, in process: its RiskEngine's look at one, and one's life.

Through its public classes, wired as its own node does it, in the process that measures ours, in turns with it. What
the two do is not the same, and the figures do not say which is better:

- Its RiskEngine checks instrument, precision, quantity, price, notional value, balance and rate of an order that is in
  its cache as an object, and hands it on. Risk holds it against some thirty-five checks of ours, reserves what it may
  come to, and makes the decision with all that it was made on, to be stored and made again.
- Its ExecutionEngine applies OrderSubmitted, OrderAccepted and OrderFilled, which were made beforehand, to the order
  and a position, and updates the account and the portfolio. The OMS makes the events, the command and the timer from a
  decision and two reports, and folds the events into orders and books, in Decimal. Neither stores anything here.

The position never becomes flat, for theirs is copied whole whenever it does.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

PRICE = "470.10"
LOT, HELD = 100, 1_000


class Nautilus:
    """Its engines, with one account and one instrument. Made once: it sets up things of the whole process."""

    def __init__(self) -> None:
        from nautilus_trader.cache.cache import Cache
        from nautilus_trader.common.component import MessageBus, TestClock
        from nautilus_trader.common.factories import OrderFactory
        from nautilus_trader.execution.engine import ExecutionEngine
        from nautilus_trader.model.currencies import USD
        from nautilus_trader.model.data import QuoteTick
        from nautilus_trader.model.identifiers import AccountId, InstrumentId, StrategyId, Symbol, TraderId, Venue
        from nautilus_trader.model.instruments import Equity
        from nautilus_trader.model.objects import Price, Quantity
        from nautilus_trader.portfolio.portfolio import Portfolio
        from nautilus_trader.risk.config import RiskEngineConfig
        from nautilus_trader.risk.engine import RiskEngine

        self._trader, self._strategy, self._account = TraderId("T-001"), StrategyId("S-001"), AccountId("ARCA-001")
        clock, cache = TestClock(), Cache()
        bus = MessageBus(trader_id=self._trader, clock=clock)
        portfolio = Portfolio(msgbus=bus, cache=cache, clock=clock)
        self._execution = ExecutionEngine(msgbus=bus, cache=cache, clock=clock)
        limits = {"SPY.ARCA": 200_000}
        config = RiskEngineConfig(max_order_submit_rate="1000000000/00:00:01", max_notional_per_order=limits)
        self._risk = RiskEngine(portfolio=portfolio, msgbus=bus, cache=cache, clock=clock, config=config)
        self._spy = Equity(
            instrument_id=InstrumentId(Symbol("SPY"), Venue("ARCA")), raw_symbol=Symbol("SPY"), currency=USD,
            price_precision=2, price_increment=Price.from_str("0.01"), lot_size=Quantity.from_int(1), ts_event=0,
            ts_init=0,
        )  # fmt: skip
        cache.add_instrument(self._spy)
        portfolio.update_account(self._funds())
        bid, ask, size = Price.from_str("470.09"), Price.from_str("470.11"), Quantity.from_int(100)
        cache.add_quote_tick(QuoteTick(self._spy.id, bid, ask, size, size, 0, 0))
        self._passed: list[Any] = []
        bus.deregister("ExecEngine.execute", self._execution.execute)  # nothing is sent anywhere
        bus.register("ExecEngine.execute", self._passed.append)
        self._factory = OrderFactory(trader_id=self._trader, strategy_id=self._strategy, clock=clock)
        self._cache, self._usd, self._number = cache, USD, 0
        self.order(HELD)

    def order(self, quantity: int = LOT) -> tuple[float, float]:
        """The microseconds of the next order, which is filled: in the RiskEngine, and in the ExecutionEngine."""
        from nautilus_trader.core.uuid import UUID4
        from nautilus_trader.execution.messages import SubmitOrder
        from nautilus_trader.model.enums import OrderSide
        from nautilus_trader.model.objects import Price, Quantity

        self._number += 1
        side = OrderSide.BUY if self._number % 2 else OrderSide.SELL
        order = self._factory.limit(self._spy.id, side, Quantity.from_int(quantity), Price.from_str(PRICE))
        self._cache.add_order(order)
        submit = SubmitOrder(
            trader_id=self._trader, strategy_id=self._strategy, order=order, command_id=UUID4(), ts_init=0
        )
        judged = _microseconds(lambda: self._risk.execute(submit))
        assert len(self._passed) == self._number, order
        events = self._life(order)
        lived = _microseconds(lambda: [self._execution.process(event) for event in events])
        assert order.is_closed, order
        return judged, lived

    def _life(self, order: Any) -> tuple[Any, ...]:
        from nautilus_trader.core.uuid import UUID4
        from nautilus_trader.model.enums import LiquiditySide
        from nautilus_trader.model.events import OrderAccepted, OrderFilled, OrderSubmitted
        from nautilus_trader.model.identifiers import TradeId, VenueOrderId
        from nautilus_trader.model.objects import Money, Price

        name = {
            "trader_id": self._trader, "strategy_id": self._strategy, "instrument_id": self._spy.id,
            "client_order_id": order.client_order_id, "account_id": self._account, "ts_event": 0, "ts_init": 0,
        }  # fmt: skip
        at_venue = VenueOrderId(str(self._number))
        return (
            OrderSubmitted(event_id=UUID4(), **name),
            OrderAccepted(event_id=UUID4(), venue_order_id=at_venue, **name),
            OrderFilled(
                event_id=UUID4(), venue_order_id=at_venue, trade_id=TradeId(str(self._number)), position_id=None,
                order_side=order.side, order_type=order.order_type, last_qty=order.quantity,
                last_px=Price.from_str(PRICE), currency=self._usd, commission=Money(0, self._usd),
                liquidity_side=LiquiditySide.TAKER, **name,
            ),
        )  # fmt: skip

    def _funds(self) -> Any:
        from nautilus_trader.core.uuid import UUID4
        from nautilus_trader.model.currencies import USD
        from nautilus_trader.model.enums import AccountType
        from nautilus_trader.model.events import AccountState
        from nautilus_trader.model.objects import AccountBalance, Money

        balance = AccountBalance(Money(10**9, USD), Money(0, USD), Money(10**9, USD))
        return AccountState(
            account_id=self._account, account_type=AccountType.MARGIN, base_currency=USD, reported=True,
            balances=[balance], margins=[], info={}, event_id=UUID4(), ts_event=0, ts_init=0,
        )  # fmt: skip


def _microseconds(work: Callable[[], object]) -> float:
    began = perf_counter_ns()
    work()
    return (perf_counter_ns() - began) / 1_000
