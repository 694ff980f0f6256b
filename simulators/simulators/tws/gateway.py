"""The gateway's rooms wired together, and which of them answers a request.

Owns the dispatch. It must not know sockets (`session`, `server`) or the rules of any request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from signalbox.exchange.listing import Listing

from simulators import option_listings
from simulators.listings import IBKR, traded
from simulators.tws import contracts, replies
from simulators.tws.accounts import Accounts
from simulators.tws.elsewhere import Elsewhere
from simulators.tws.executions import ExecutionLog
from simulators.tws.faults import DEFINITION_FARM, HISTORY_FARM, MARKET_DATA_FARM, Faults
from simulators.tws.history import History
from simulators.tws.kinds import DECLINED, SILENT, Inbound, Outbound
from simulators.tws.market_data import MarketData
from simulators.tws.orders import OrderDesk
from simulators.tws.pacing import HistoryPacing
from simulators.tws.peers import Peer, Peers
from simulators.tws.place_order import PlaceOrder, WireContract
from simulators.tws.requests import (
    AccountRequest,
    AccountSummary,
    AccountUpdates,
    AutoOpenOrders,
    CancelOrder,
    CompletedOrders,
    ContractDetails,
    Executions,
    HeadTimestamp,
    HistoricalData,
    MarketDataRequest,
    MarketDataType,
    Numbered,
    Plain,
    RealTimeBars,
    Request,
    StartApi,
    Texts,
)
from simulators.world import World

ACCOUNTS_LOOK_SECONDS = 0.1
NO_ADVISOR = "FA data operations ignored for non FA customers."
ADVISORS = ("F", "DF")
"""How an advisor's own account begins."""
READ_ONLY = "The API interface is currently in Read-Only mode."
BROKEN = "Connectivity between Trader Workstation and server is broken. It will be restored automatically."

log = logging.getLogger(__name__)


class Gateway:
    """Everything but the sockets. Times are the world's desk time."""

    def __init__(self, world: World) -> None:
        self.world, self.peers, self.faults = world, Peers(), Faults()
        self.orders = OrderDesk(world, self.peers, self.faults)
        self.elsewhere = Elsewhere(world)
        self.executions = ExecutionLog(world, self.peers, self._owner, self.elsewhere, self.faults)
        self.executions.told_numbers = self.orders.held.told_numbers
        self.accounts = Accounts(world, self.peers, self.elsewhere)
        self.market_data = MarketData(world, self.peers, self.faults)
        self.history = History(world, self.peers, self.faults)
        self._pacing: dict[int, HistoryPacing] = {}
        world.on_order(self.orders.on_order)
        world.on_order(self.accounts.on_order)
        world.on_session(self.orders.on_session)
        world.on_bar(self.market_data.on_bar)
        world.on_bar(self.history.on_bar)
        world.on_quote(self.market_data.on_quote)

    async def run(self) -> None:
        """Send account figures when they are due, until cancelled."""
        while True:
            await asyncio.sleep(ACCOUNTS_LOOK_SECONDS)
            await self.accounts.due(self.world.now())

    # ------------------------------------------------------------------------------------------- coming and going

    def greet(self, peer: Peer) -> None:
        """Take in a client that has started its API: what TWS sends unasked."""
        self.peers.add(peer)
        self.faults.silent_orders.clear()
        peer.send(replies.managed_accounts(self.world.accounts_of(IBKR)))
        peer.send(replies.next_valid_id(self.orders.next_valid_id(peer.client_id)))
        if self.faults.link_lost:
            peer.send(replies.error(replies.NO_REQUEST, 2110, BROKEN))
        for message in self.farm_states():
            peer.send(message)

    def farm_states(self) -> list[replies.Message]:
        """Say of each farm whether it is connected."""
        states = []
        for farm, ok, broken in FARMS:
            down = farm in self.faults.farms_down
            code, text = broken if down else ok
            states.append(replies.error(replies.NO_REQUEST, code, f"{text}:{farm}"))
        return states

    def part(self, peer: Peer) -> None:
        """Forget a client that has gone; its orders work on."""
        if self.peers.get(peer.client_id) is not peer:
            return
        self.peers.remove(peer)
        self.faults.held.pop(peer.client_id, None)
        self.orders.part(peer.client_id)
        for room in (self.accounts, self.market_data, self.history):
            room.forget(peer.client_id)

    # --------------------------------------------------------------------------------------------------- dispatch

    def handle(self, peer: Peer, request: Request) -> None:
        """Answer a request, or have it answered."""
        if self.faults.read_only and (refused := _order_number(request)) is not None:
            refusal = contracts.invalid(READ_ONLY)
            peer.send(replies.error(refused, refusal.code, refusal.text))
            return
        match request:
            case PlaceOrder():
                self.orders.place(peer, request)
            case CancelOrder():
                self.orders.cancel(peer, request.order_id)
            case MarketDataRequest():
                self.market_data.subscribe(peer, request)
            case MarketDataType():
                self.market_data.choose_kind(peer, request.number)
            case RealTimeBars():
                self.market_data.subscribe_bars(peer, request, self._pacing_of(peer))
            case HistoricalData():
                self.history.request(peer, request, self._pacing_of(peer))
            case HeadTimestamp():
                self.history.head_timestamp(peer, request)
            case AccountUpdates():
                self.accounts.subscribe_updates(peer, request)
            case AccountSummary():
                self.accounts.subscribe_summary(peer, request)
            case AccountRequest():
                self.accounts.subscribe(peer, request)
            case Executions():
                self.faults.silent_orders.clear()
                self.executions.tell(peer, request)
            case CompletedOrders():
                self.orders.tell_completed(peer, api_only=request.api_only)
            case ContractDetails():
                self._details(peer, request)
            case AutoOpenOrders():
                self._auto_open_orders(peer, request)
            case StartApi():
                peer.send(replies.error(replies.NO_REQUEST, 321, contracts.invalid("API is already started").text))
            case Texts():
                self._texts(peer, request)
            case Numbered():
                self._numbered(peer, request)
            case Plain():
                _PLAIN[request.kind](self, peer)

    def _owner(self, number: int) -> tuple[int, int]:
        record = self.orders.record(number)
        return (0, 0) if record is None else (record.client_id, record.order_id)

    def _pacing_of(self, peer: Peer) -> HistoryPacing:
        return self._pacing.setdefault(peer.client_id, HistoryPacing())

    def _details(self, peer: Peer, request: ContractDetails) -> None:
        found = contracts.matches(self._described(request.contract), request.contract)
        if isinstance(found, contracts.Unresolved):
            peer.send(replies.error(request.req_id, found.code, found.text))
            return
        for listing in found:
            underlying = self._listing(listing.underlying)
            peer.send(contracts.details(request.req_id, listing, self.world.now(), underlying))
        peer.send(contracts.details_end(request.req_id))

    def _listing(self, key: str) -> Listing | None:
        return next((each for each in self.world.listings_of(IBKR) if each.key == key), None)

    def _described(self, wanted: WireContract) -> tuple[Listing, ...]:
        """What a description may mean: where it is of a symbol's options, all of its chain.

        Of the chain only what the simulation was told to list has a market, too.
        """
        listings = traded(self.world.listings_of(IBKR), self.world.now())
        if wanted.sec_type != "OPT" or wanted.con_id or wanted.local_symbol:
            return listings
        own = {each.key: each for each in listings}
        for underlying in listings:
            if underlying.symbol == wanted.symbol and underlying.option is None and underlying.currency == "USD":
                today, spot = self._today(underlying), self.world.last(underlying.key)
                own = {each.key: each for each in option_listings.chain(underlying, spot, today)} | own
        return tuple(own.values())

    def _today(self, listing: Listing) -> date:
        return self.world.now().astimezone(ZoneInfo(listing.time_zone)).date()

    def _option_parameters(self, peer: Peer, request: Texts) -> None:
        symbol, exchange, _, con_id = request.values
        found = [each for each in self.world.listings_of(IBKR) if str(each.con_id) == con_id and each.symbol == symbol]
        if not found or exchange:
            cause = contracts.invalid("Invalid contract id" if not found else "Invalid exchange")
            peer.send(replies.error(request.req_id, cause.code, cause.text))
            return
        days: tuple[date, ...] = ()
        strikes: tuple[Decimal, ...] = ()
        if found[0].currency == "USD" and found[0].option is None:
            days = option_listings.expirations(found[0].calendar, self._today(found[0]))
            strikes = option_listings.strikes(self.world.last(found[0].key))
        told = contracts.option_parameters(request.req_id, found[0], days, strikes, option_listings.MULTIPLIER)
        for message in told if days else told[-1:]:
            peer.send(message)

    def _auto_open_orders(self, peer: Peer, request: AutoOpenOrders) -> None:
        if peer.client_id != 0:
            text = "Only the default client (i.e 0) can auto bind orders."
            peer.send(replies.error(replies.NO_REQUEST, 327, text))
            return
        self.orders.bind_by_hand(request.bind)

    def _texts(self, peer: Peer, request: Texts) -> None:
        value = request.values[0]
        match request.kind:
            case Inbound.REQ_MATCHING_SYMBOLS:
                peer.send(contracts.symbol_samples(request.req_id, self.world.listings_of(IBKR), value))
            case Inbound.REQ_MARKET_RULE:
                number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1
                rule = contracts.market_rule(self.world.listings_of(IBKR), number)
                refusal = replies.error(replies.NO_REQUEST, 321, contracts.invalid("Invalid market rule id").text)
                peer.send(refusal if rule is None else rule)
            case Inbound.REQ_FA:
                accounts = self.world.accounts_of(IBKR)
                advised = any(name.startswith(ADVISORS) for name in accounts) and value in ("1", "2", "3")
                refusal = replies.error(replies.NO_REQUEST, 321, contracts.invalid(NO_ADVISOR).text)
                peer.send(replies.receive_fa(int(value), accounts) if advised else refusal)
            case Inbound.REQ_SMART_COMPONENTS:
                peer.send((Outbound.SMART_COMPONENTS, request.req_id, 0))
            case _:
                self._option_parameters(peer, request)

    def _numbered(self, peer: Peer, request: Numbered) -> None:
        if request.kind in DECLINED:
            code, text = DECLINED[request.kind]
            words = contracts.invalid(text).text if code == 321 else text
            peer.send(replies.error(request.req_id, code, words))
        elif request.kind not in SILENT:
            _NUMBERED[request.kind](self, peer, request.req_id)


def _order_number(request: Request) -> int | None:
    """The number under which TWS refuses a request while Read-Only API is ticked; None = it does not."""
    match request:
        case PlaceOrder() | CancelOrder():
            return request.order_id
        case CompletedOrders() | AutoOpenOrders():
            return replies.NO_REQUEST
        case Plain() if request.kind in ABOUT_ORDERS:
            return replies.NO_REQUEST
    return None


ABOUT_ORDERS = frozenset({Inbound.REQ_OPEN_ORDERS, Inbound.REQ_ALL_OPEN_ORDERS, Inbound.GLOBAL_CANCEL})

FARMS = (
    (
        MARKET_DATA_FARM,
        (2104, "Market data farm connection is OK"),
        (2103, "Market data farm connection is broken"),
    ),
    (HISTORY_FARM, (2106, "HMDS data farm connection is OK"), (2105, "HMDS data farm connection is broken")),
    (DEFINITION_FARM, (2158, "Sec-def data farm connection is OK"), (2157, "Sec-def data farm connection is broken")),
)
"""Farm, what TWS says of it when it is connected, and when it is not."""

_PLAIN: dict[Inbound, Callable[[Gateway, Peer], Any]] = {
    Inbound.REQ_OPEN_ORDERS: lambda gateway, peer: gateway.orders.tell_open(peer, of_all=False),
    Inbound.REQ_ALL_OPEN_ORDERS: lambda gateway, peer: gateway.orders.tell_open(peer, of_all=True),
    Inbound.GLOBAL_CANCEL: lambda gateway, peer: gateway.orders.cancel_all(),
    Inbound.REQ_IDS: lambda gateway, peer: peer.send(
        replies.next_valid_id(gateway.orders.next_valid_id(peer.client_id))
    ),
    Inbound.REQ_MANAGED_ACCOUNTS: lambda gateway, peer: peer.send(
        replies.managed_accounts(gateway.world.accounts_of(IBKR))
    ),
    Inbound.REQ_CURRENT_TIME: lambda gateway, peer: peer.send(replies.current_time(gateway.world.now())),
    Inbound.REQ_POSITIONS: lambda gateway, peer: gateway.accounts.subscribe_positions(peer),
    Inbound.CANCEL_POSITIONS: lambda gateway, peer: gateway.accounts.unsubscribe_positions(peer),
    Inbound.REQ_FAMILY_CODES: lambda gateway, peer: peer.send((Outbound.FAMILY_CODES, 1, "*", "")),
    Inbound.REQ_MKT_DEPTH_EXCHANGES: lambda gateway, peer: peer.send((Outbound.MKT_DEPTH_EXCHANGES, 0)),
    Inbound.REQ_NEWS_PROVIDERS: lambda gateway, peer: peer.send((Outbound.NEWS_PROVIDERS, 0)),
}

_NUMBERED: dict[Inbound, Callable[[Gateway, Peer, int], Any]] = {
    Inbound.CANCEL_MKT_DATA: lambda gateway, peer, req_id: gateway.market_data.unsubscribe(peer, req_id),
    Inbound.CANCEL_REAL_TIME_BARS: lambda gateway, peer, req_id: gateway.market_data.unsubscribe_bars(peer, req_id),
    Inbound.CANCEL_HISTORICAL_DATA: lambda gateway, peer, req_id: gateway.history.cancel(peer, req_id),
    Inbound.CANCEL_ACCOUNT_SUMMARY: lambda gateway, peer, req_id: gateway.accounts.unsubscribe_summary(peer, req_id),
    Inbound.REQ_SOFT_DOLLAR_TIERS: lambda gateway, peer, req_id: peer.send((Outbound.SOFT_DOLLAR_TIERS, req_id, 0)),
    Inbound.REQ_USER_INFO: lambda gateway, peer, req_id: peer.send((Outbound.USER_INFO, req_id, "")),
} | {
    kind: lambda gateway, peer, req_id, kind=kind: gateway.accounts.unsubscribe(peer, kind, req_id)
    for kind in (
        Inbound.CANCEL_POSITIONS_MULTI,
        Inbound.CANCEL_ACCOUNT_UPDATES_MULTI,
        Inbound.CANCEL_PNL,
        Inbound.CANCEL_PNL_SINGLE,
    )
}
