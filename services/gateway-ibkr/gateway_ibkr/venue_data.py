"""What the data session asks of the venue: quotes, five-second bars, history."""

from __future__ import annotations

from dataclasses import dataclass

from gateway_ibkr.facts import HistoryBarSeen, VenueContract
from gateway_ibkr.unanswered import Question
from gateway_ibkr.venue import Session, to_vendor


@dataclass(frozen=True)
class DataSession:
    """The venue's words for market data, on one session."""

    session: Session

    async def choose_data_type(self, number: int) -> None:
        """Say which kind of market data is wanted: 1 live, 2 frozen, 3 delayed, 4 delayed frozen."""
        await self.session.turn()
        self.session.client.reqMarketDataType(number)

    def new_request_id(self) -> int:
        """An id for a subscription, which is known before its first answer can come."""
        return self.session.new_request_id()

    async def subscribe_quotes(self, key: int, contract: VenueContract) -> None:
        """Have ticks sent as facts."""
        await self.session.turn()
        self.session.client.reqMktData(key, to_vendor(contract), "", False, False, [])

    async def end_quotes(self, key: int) -> None:
        """Give a line for quotes back."""
        await self.session.turn()
        self.session.client.cancelMktData(key)

    async def subscribe_bars(self, key: int, contract: VenueContract) -> None:
        """Have five-second bars of trades sent as facts, outside regular hours too."""
        await self.session.turn()
        self.session.client.reqRealTimeBars(key, to_vendor(contract), 5, "TRADES", False, [])

    async def end_bars(self, key: int) -> None:
        """Give a bar subscription back."""
        await self.session.turn()
        self.session.client.cancelRealTimeBars(key)

    async def minute_history(
        self, contract: VenueContract, end: str, duration: str, seconds_max: float
    ) -> tuple[HistoryBarSeen, ...]:
        """One-minute bars of trades, early and late hours too; `end` "" is now. Raises as `Session.ask` does."""
        key = self.session.new_request_id()
        client = self.session.client

        def send() -> None:
            client.reqHistoricalData(key, to_vendor(contract), end, duration, "1 min", "TRADES", False, 2, False, [])

        return await self.session.ask(key, send, HistoryBarSeen, Question.HISTORY, seconds_max)
