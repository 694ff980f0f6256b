"""The REST answers about a subaccount's past: fills, trades, transfers, funding payments, profit and loss.

Owns filters and pages. It must not know HTTP or the websocket.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from simulators.dydx import shapes
from simulators.dydx.indexer_view import IndexerView, PnlTick
from simulators.dydx.records import ChainFill, ChainTransfer
from simulators.dydx.rest_pages import page_of
from simulators.dydx.rest_query import PARENT_SUBACCOUNTS, NotFoundError, Query, children
from simulators.dydx.shapes import Json, iso, text
from simulators.dydx.shapes_markets import funding_payment
from simulators.dydx.trade_history import trade_history

FILL_TYPES = ("LIMIT", "LIQUIDATED", "LIQUIDATION", "DELEVERAGED", "OFFSETTING", "TWAP_SUBORDER")
MARKET_TYPES = ("PERPETUAL", "SPOT")
PERIODS = ("DAILY", "WEEKLY", "MONTHLY")


class Span(Struct, frozen=True):
    """What a question about the past limits itself to. None = no limit."""

    height_most: int | None
    at_most: datetime | None
    height_least: int | None = None
    at_least: datetime | None = None

    def holds(self, height: int, at: datetime) -> bool:
        """Tell whether something at `height` and `at` is in it."""
        return (
            (self.height_most is None or height <= self.height_most)
            and (self.at_most is None or at <= self.at_most)
            and (self.height_least is None or height >= self.height_least)
            and (self.at_least is None or at >= self.at_least)
        )


def span_of(query: Query, *, with_least: bool = False) -> Span:
    """Read `createdBeforeOrAt...`, and `createdOnOrAfter...` where it exists."""
    height, at = query.height("createdBeforeOrAtHeight"), query.time("createdBeforeOrAt")
    if not with_least:
        return Span(height, at)
    return Span(height, at, query.height("createdOnOrAfterHeight"), query.time("createdOnOrAfter"))


def _market(query: Query) -> str | None:
    """Read `market`, which goes with `marketType` or not at all."""
    market, market_type = query.raw("market"), query.raw("marketType")
    if market_type and not market:
        query.refuse("market", "market must be provided if marketType is provided")
    if market and not market_type:
        query.refuse("marketType", "marketType must be provided if market is provided")
    query.choice("marketType", MARKET_TYPES, "marketType must be a valid market type (PERPETUAL/SPOT)")
    return market


class HistoryAnswers:
    """Answers questions about the past from the indexer's view."""

    def __init__(self, view: IndexerView) -> None:
        self._view = view

    # -------------------------------------------------------------------------------------------------------- fills

    def fills(self, query: Query) -> Json:
        """The fills of a subaccount, newest first; with `page` oldest first."""
        address, number = query.address(), query.subaccount_number()
        return self._fills(query, address, frozenset({number}))

    def parent_fills(self, query: Query) -> Json:
        """The fills of a parent subaccount's children."""
        address, number = query.address(), query.parent_number()
        return self._fills(query, address, children(number))

    def _fills(self, query: Query, address: str, numbers: frozenset[int]) -> Json:
        limit, page, span = query.limit(), query.page(), span_of(query)
        market = _market(query)
        included, excluded = query.choices("includeTypes", FILL_TYPES), query.choices("excludeTypes", FILL_TYPES)
        query.check()
        self._must_be_listed(query, market)
        found: list[ChainFill] = [
            fill
            for fill in reversed(self._view.fills)
            if fill.address == address
            and fill.subaccount_number in numbers
            and (not market or fill.ticker == market)
            and (included is None or fill.type in included)
            and (excluded is None or fill.type not in excluded)
            and span.holds(fill.created_at_height, fill.created_at)
        ]
        shown = page_of(found, limit, page)
        return {"fills": [shapes.fill(each) for each in shown.items], **shown.figures}

    def trade_history(self, query: Query) -> Json:
        """What each trade of a subaccount did to its position, newest first, on every page."""
        address, number = query.address(), query.subaccount_number()
        return self._trade_history(query, address, frozenset({number}))

    def parent_trade_history(self, query: Query) -> Json:
        """What each trade of a parent subaccount's children did to the child's own position, newest first."""
        address, number = query.address(), query.parent_number()
        return self._trade_history(query, address, children(number))

    def _trade_history(self, query: Query, address: str, numbers: frozenset[int]) -> Json:
        # The figures of a page are told whether one was asked for or not
        limit, page, market = query.limit(), query.page() or 1, _market(query)
        query.check()
        self._must_be_listed(query, market)
        fills = (
            fill
            for fill in self._view.fills
            if fill.address == address and fill.subaccount_number in numbers and (not market or fill.ticker == market)
        )
        shown = page_of(trade_history(fills, self._view.orders), limit, page, oldest_first=False)
        return {"tradeHistory": shown.items, **shown.figures}

    def _must_be_listed(self, query: Query, market: str | None) -> None:
        market_type = query.raw("marketType")
        if market and (market not in self._view.markets or market_type != "PERPETUAL"):
            raise NotFoundError(f"{market} not found in markets of type {market_type}")

    # ---------------------------------------------------------------------------------------------------- transfers

    def transfers(self, query: Query) -> Json:
        """The transfers of a subaccount, newest first."""
        address, number = query.address(), query.subaccount_number()
        limit, page, span = query.limit(), query.page(), span_of(query)
        query.check()
        self._must_exist(address, number)
        numbers = frozenset({number})
        found = self._transfers(lambda each: _is_side(each, address, numbers), span)
        shown = page_of(found, limit, page, oldest_first=False)
        return {
            "transfers": [shapes.transfer(each, shapes.transfer_type(each, address, numbers)) for each in shown.items],
            **shown.figures,
        }

    def parent_transfers(self, query: Query) -> Json:
        """The transfers into and out of a parent subaccount; those between its children are not among them."""
        address, parent = query.address(), query.parent_number()
        limit, page, span = query.limit(), query.page(), span_of(query)
        query.check()
        numbers = children(parent)
        if not self._view.subaccounts_of(address, numbers):
            raise NotFoundError(f"No subaccount found with address {address} and parentSubaccountNumber {parent}")
        found = self._transfers(
            lambda each: _is_side(each, address, numbers) and not _is_inside(each, address, numbers), span
        )
        shown = page_of(found, limit, page, oldest_first=False)
        return {
            "transfers": [
                shapes.transfer(
                    each,
                    shapes.transfer_type(each, address, numbers),
                    number_name="parentSubaccountNumber",
                    modulus=PARENT_SUBACCOUNTS,
                )
                for each in shown.items
            ],
            **shown.figures,
        }

    def transfers_between(self, query: Query) -> Json:
        """The transfers from one subaccount to another and back, newest first, and their sum; none for a stranger."""
        source, recipient = query.text("sourceAddress"), query.text("recipientAddress")
        source_number = query.subaccount_number("sourceSubaccountNumber")
        recipient_number = query.subaccount_number("recipientSubaccountNumber")
        span = span_of(query)
        query.check()
        one, other = (source, source_number), (recipient, recipient_number)
        found = self._transfers(lambda each: _sides(each) in ((one, other), (other, one)), span)
        net = sum((each.size if _sides(each) == (one, other) else -each.size for each in found), Decimal(0))
        numbers = frozenset({source_number})
        return {
            "transfersSubset": [
                shapes.transfer(each, shapes.transfer_type(each, source, numbers)) for each in found[:1000]
            ],
            "totalNetTransfers": text(net),
        }

    def _transfers(self, wanted: Callable[[ChainTransfer], bool], span: Span) -> list[ChainTransfer]:
        return [
            each
            for each in reversed(self._view.transfers)
            if wanted(each) and span.holds(each.created_at_height, each.created_at)
        ]

    # ------------------------------------------------------------------------------------------------------ funding

    def funding_payments(self, query: Query) -> Json:
        """The funding payments of a subaccount, newest first."""
        address, number = query.address(), query.subaccount_number()
        return self._funding_payments(query, address, frozenset({number}))

    def parent_funding_payments(self, query: Query) -> Json:
        """The funding payments of a parent subaccount's children, newest first."""
        address, number = query.address(), query.parent_number()
        return self._funding_payments(query, address, children(number))

    def _funding_payments(self, query: Query, address: str, numbers: frozenset[int]) -> Json:
        limit, page, ticker = query.limit(), query.page(), query.ticker(self._view.markets)
        # The published parameter is `afterOrAt`; the indexer's own check reads `createdOnOrAfter`.
        after, zero = query.time("afterOrAt") or query.time("createdOnOrAfter"), query.flag("showZeroPayments")
        zero = zero or query.flag("zeroPayments")
        query.check()
        found = [
            each
            for each in reversed(self._view.funding_payments)
            if each.address == address
            and each.subaccount_number in numbers
            and (ticker is None or each.ticker == ticker)
            and (after is None or each.created_at >= after)
            and (zero or each.payment)
            and each.created_at + self._view.funding_late.get(each.ticker, timedelta(0)) <= self._view.time
        ]
        shown = page_of(found, limit, page, oldest_first=False)
        indices = self._funding_indices()
        return {
            "fundingPayments": [
                funding_payment(
                    each,
                    self._view.markets[each.ticker].clob_pair_id,
                    indices.get((each.ticker, each.created_at_height), Decimal(0)),
                )
                for each in shown.items
            ],
            **shown.figures,
        }

    def _funding_indices(self) -> dict[tuple[str, int], Decimal]:
        """Return the sum of what one unit has paid since the beginning, at each funding."""
        sums: dict[str, Decimal] = {}
        indices: dict[tuple[str, int], Decimal] = {}
        for rate in self._view.funding_rates:
            sums[rate.ticker] = sums.get(rate.ticker, Decimal(0)) + rate.rate * rate.price
            indices[rate.ticker, rate.effective_at_height] = sums[rate.ticker]
        return indices

    # ---------------------------------------------------------------------------------------------- profit and loss

    def historical_pnl(self, query: Query) -> Json:
        """The hourly figures of a subaccount, newest first."""
        address, number = query.address(), query.subaccount_number()
        limit, page, span = query.limit(), query.page(), span_of(query, with_least=True)
        query.check()
        self._must_exist(address, number)
        shown = page_of(self._ticks(address, frozenset({number}), span), limit, page, oldest_first=False)
        return {"historicalPnl": [_pnl_tick(each) for each in shown.items], **shown.figures}

    def parent_historical_pnl(self, query: Query) -> Json:
        """The hourly figures of a parent subaccount's children together, newest first."""
        address, number = query.address(), query.parent_number()
        limit, span = query.limit(), span_of(query, with_least=True)
        query.check()
        if not self._view.subaccounts_of(address, children(number)):
            raise NotFoundError(f"No subaccounts found with address {address} and parentSubaccountNumber {number}")
        return {"historicalPnl": [_pnl_tick(each) for each in self._ticks(address, children(number), span)[:limit]]}

    def pnl(self, query: Query) -> Json:
        """The hourly or daily figures of a subaccount, newest first."""
        address, number = query.address(), query.subaccount_number()
        limit, page, span = query.limit(), query.page(), span_of(query, with_least=True)
        daily = query.flag("daily")
        query.check()
        self._must_exist(address, number)
        ticks = self._ticks(address, frozenset({number}), span)
        shown = page_of(_days(ticks) if daily else ticks, limit, page, oldest_first=False)
        return {"pnl": [_pnl(each) for each in shown.items], **shown.figures}

    def parent_pnl(self, query: Query) -> Json:
        """The hourly or daily figures of a parent subaccount's children together, newest first."""
        address, number = query.address(), query.parent_number()
        limit, span, daily = query.limit(), span_of(query, with_least=True), query.flag("daily")
        query.check()
        if (address, number) not in self._view.subaccounts:
            raise NotFoundError(f"No subaccount found with address {address} and parentSubaccountNumber {number}")
        ticks = self._ticks(address, children(number), span)
        return {"pnl": [_pnl(each) for each in (_days(ticks) if daily else ticks)[:limit]]}

    def _ticks(self, address: str, numbers: frozenset[int], span: Span) -> list[PnlTick]:
        """Return the ticks of some subaccounts, those of one block added up, newest first."""
        sums: dict[int, PnlTick] = {}
        for (owner, number), ticks in self._view.pnl_ticks.items():
            if owner != address or number not in numbers:
                continue
            for tick in ticks:
                if not span.holds(tick.height, tick.at):
                    continue
                before = sums.get(tick.height, PnlTick(Decimal(0), Decimal(0), tick.at, tick.height))
                equity, transfers = before.equity + tick.equity, before.net_transfers + tick.net_transfers
                sums[tick.height] = PnlTick(equity, transfers, tick.at, tick.height)
        return [sums[height] for height in sorted(sums, reverse=True)]

    # ------------------------------------------------------------------------------------------------------ rewards

    def block_trading_rewards(self, query: Query) -> Json:
        """There are no trading rewards here."""
        query.address(message="address must be a valid address")
        query.limit()
        query.time("startingBeforeOrAt")
        query.height("startingBeforeOrAtHeight")
        query.check()
        return {"rewards": []}

    def trading_reward_aggregations(self, query: Query) -> Json:
        """There are no trading rewards here."""
        query.choice(
            "period", PERIODS, f"period must be a valid Trading Reward Aggregation Period {PERIODS}", required=True
        )
        return self.block_trading_rewards(query)

    def _must_exist(self, address: str, number: int) -> None:
        if (address, number) not in self._view.subaccounts:
            raise NotFoundError(f"No subaccount found with address {address} and subaccountNumber {number}")


Side = tuple[str, int]


def _sides(transfer: ChainTransfer) -> tuple[Side, Side]:
    """Return both subaccounts; a wallet is none."""
    sender = ("", -1) if transfer.type == "DEPOSIT" else (transfer.sender, transfer.sender_subaccount_number)
    recipient = (
        ("", -1) if transfer.type == "WITHDRAWAL" else (transfer.recipient, transfer.recipient_subaccount_number)
    )
    return sender, recipient


def _is_side(transfer: ChainTransfer, address: str, numbers: frozenset[int]) -> bool:
    return any(owner == address and number in numbers for owner, number in _sides(transfer))


def _is_inside(transfer: ChainTransfer, address: str, numbers: frozenset[int]) -> bool:
    return all(owner == address and number in numbers for owner, number in _sides(transfer))


def _days(ticks: list[PnlTick]) -> list[PnlTick]:
    """Return the last tick of each UTC day."""
    last: dict[object, PnlTick] = {}
    for tick in ticks:
        last.setdefault(tick.at.astimezone(UTC).date(), tick)
    return list(last.values())


def _pnl_tick(tick: PnlTick) -> Json:
    return {
        "equity": text(tick.equity),
        "totalPnl": text(tick.equity - tick.net_transfers),
        "netTransfers": text(tick.net_transfers),
        "createdAt": iso(tick.at),
        "blockHeight": str(tick.height),
        "blockTime": iso(tick.at),
    }


def _pnl(tick: PnlTick) -> Json:
    return {
        "equity": text(tick.equity),
        "netTransfers": text(tick.net_transfers),
        "totalPnl": text(tick.equity - tick.net_transfers),
        "createdAt": iso(tick.at),
        "createdAtHeight": str(tick.height),
    }
