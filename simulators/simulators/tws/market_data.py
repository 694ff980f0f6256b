"""Ticks and 5-second bars: who gets them, live or delayed.

Owns the market-data lines and real-time bar subscriptions of all clients. It must not know prices' origin or history
(`history`). Every message that a quote causes is sent before the clock goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace
from signalbox.errors import CalendarError
from signalbox.exchange.listing import Listing
from signalbox.exchange.option_pricing import greeks, implied_volatility, years_between
from signalbox.exchange.quoting import MarketBar, MarketQuote
from signalbox.sessions import is_open, session_at

from simulators.listings import IBKR, traded
from simulators.option_listings import volatility
from simulators.tws import replies, times
from simulators.tws.contracts import Unresolved, invalid, resolve
from simulators.tws.faults import Faults
from simulators.tws.pacing import MARKET_DATA_LINES_MAX, HistoryPacing
from simulators.tws.peers import Peer, Peers
from simulators.tws.replies import Message, OptionFigures
from simulators.tws.requests import MarketDataRequest, RealTimeBars
from simulators.world import World

LIVE, FROZEN, DELAYED, DELAYED_FROZEN = 1, 2, 3, 4
DELAY = timedelta(minutes=15)
DELAYED_QUOTES_MAX = 1_000
"""Quotes kept per symbol for delayed data: at one a second, the delay and some more."""

GENERIC_TICKS = frozenset(
    {"100", "101", "104", "105", "106", "165", "221", "225", "232", "233", "236", "258", "292", "293", "294", "295"}
    | {"318", "375", "411", "456", "460", "586", "587", "588", "595", "619"}
)
"""What a client may ask for beside the plain ticks; the gateway is simulated and has none of them to send."""

EXCHANGE_MAP = "9c0001"

_PERMISSION = "See link in 'Market Data Connections' dialog for more details."


@dataclass(slots=True)
class Line:
    """One reqMktData. `shown` is the quote that the client saw last."""

    listing: Listing
    kind: int
    shown: MarketQuote | None = None

    @property
    def delayed(self) -> bool:
        return self.kind in (DELAYED, DELAYED_FROZEN)


@dataclass(frozen=True, slots=True)
class BarLine:
    """One reqRealTimeBars."""

    listing: Listing
    use_rth: bool


class MarketData:
    """All clients' ticks and 5-second bars."""

    def __init__(self, world: World, peers: Peers, faults: Faults) -> None:
        self._world, self._peers, self._faults = world, peers, faults
        self._kinds: dict[int, int] = {}
        self._lines: dict[tuple[int, int], Line] = {}
        self._bar_lines: dict[tuple[int, int], BarLine] = {}
        self._listings = {listing.key: listing for listing in world.listings_of(IBKR)}
        self._past: dict[str, deque[MarketQuote]] = {key: deque(maxlen=DELAYED_QUOTES_MAX) for key in self._listings}

    # ------------------------------------------------------------------------------------------- what clients do

    def choose_kind(self, peer: Peer, number: int) -> None:
        """Take message 59: it counts for the requests that follow."""
        if number not in (LIVE, FROZEN, DELAYED, DELAYED_FROZEN):
            refusal = invalid("Invalid market data type")
            peer.send(replies.error(replies.NO_REQUEST, refusal.code, refusal.text))
            return
        self._kinds[peer.client_id] = number

    def subscribe(self, peer: Peer, request: MarketDataRequest) -> None:
        """Take message 1."""
        kind = self._kinds.get(peer.client_id, LIVE)
        listing = resolve(traded(self._world.listings_of(IBKR), self._world.now()), request.contract)
        refusal = self._refusal(peer, request, listing, kind)
        if refusal is not None:
            peer.send(replies.error(request.req_id, refusal.code, refusal.text))
            return
        assert isinstance(listing, Listing)
        if kind in (DELAYED, DELAYED_FROZEN) and listing.key in self._faults.delayed_only:
            text = "Requested market data is not subscribed. Displaying delayed market data."
            peer.send(replies.error(request.req_id, 10167, text))
        line = Line(listing, kind)
        peer.send(replies.market_data_type(request.req_id, kind))
        peer.send(replies.tick_req_params(request.req_id, listing.tick, EXCHANGE_MAP, 3))
        quote = None if self._faults.silences_data() else self._quote_for(line, self._world.now())
        if quote is not None:
            for message in (*ticks(request.req_id, line, quote), *self._computed(request.req_id, line, quote)):
                peer.send(message)
        if request.snapshot or request.regulatory_snapshot:
            peer.send(replies.tick_snapshot_end(request.req_id))
            return
        line.shown = quote
        self._lines[(peer.client_id, request.req_id)] = line

    def unsubscribe(self, peer: Peer, req_id: int) -> None:
        """Take message 2."""
        if self._lines.pop((peer.client_id, req_id), None) is None:
            peer.send(replies.error(req_id, 300, f"Can't find EId with tickerId:{req_id}"))

    def subscribe_bars(self, peer: Peer, request: RealTimeBars, pacing: HistoryPacing) -> None:
        """Take message 50."""
        listing = resolve(traded(self._world.listings_of(IBKR), self._world.now()), request.contract)
        refusal = self._bar_refusal(peer, request, listing, pacing)
        if refusal is not None:
            peer.send(replies.error(request.req_id, refusal.code, refusal.text))
            return
        assert isinstance(listing, Listing)
        self._bar_lines[(peer.client_id, request.req_id)] = BarLine(listing, request.use_rth)

    def unsubscribe_bars(self, peer: Peer, req_id: int) -> None:
        """Take message 51; TWS says nothing either way."""
        self._bar_lines.pop((peer.client_id, req_id), None)

    def forget(self, client_id: int) -> None:
        """Drop everything of a client that has gone."""
        self._kinds.pop(client_id, None)
        self._lines = {key: line for key, line in self._lines.items() if key[0] != client_id}
        self._bar_lines = {key: line for key, line in self._bar_lines.items() if key[0] != client_id}

    def lose(self, symbol: str | None, *, quotes: bool = True, bars: bool = True) -> int:
        """Lose subscriptions without a word, of one symbol or of all; return how many."""
        before = len(self._lines) + len(self._bar_lines)
        if quotes:
            self._lines = {key: line for key, line in self._lines.items() if symbol not in (None, line.listing.key)}
        if bars:
            self._bar_lines = {
                key: line for key, line in self._bar_lines.items() if symbol not in (None, line.listing.key)
            }
        return before - len(self._lines) - len(self._bar_lines)

    def compete(self) -> int:
        """Lose every live subscription to another session of the user, each with error 10197; return how many."""
        lost = [key for key, line in self._lines.items() if not line.delayed] + list(self._bar_lines)
        for client_id, req_id in lost:
            peer = self._peers.get(client_id)
            if peer is not None:
                peer.send(replies.error(req_id, COMPETING.code, COMPETING.text))
        self._lines = {key: line for key, line in self._lines.items() if line.delayed}
        self._bar_lines.clear()
        return len(lost)

    def bust(self) -> int:
        """End every 5-second bar subscription with error 10225; return how many."""
        count = len(self._bar_lines)
        for client_id, req_id in tuple(self._bar_lines):
            peer = self._peers.get(client_id)
            if peer is not None:
                peer.send(replies.error(req_id, 10225, BUST))
        self._bar_lines.clear()
        return count

    # ------------------------------------------------------------------------------------- what the market does

    async def on_quote(self, quote: MarketQuote) -> None:
        """Send what changed to every line of the symbol."""
        if quote.symbol not in self._past:
            return
        self._past[quote.symbol].append(quote)
        if self._faults.silences_data():
            return
        for (client_id, req_id), line in tuple(self._lines.items()):
            if line.listing.key != quote.symbol:
                continue
            peer = self._peers.get(client_id)
            fresh = quote if not line.delayed else self._quote_for(line, quote.at)
            if peer is None or fresh is None:
                continue
            for message in (*ticks(req_id, line, fresh), *self._computed(req_id, line, fresh)):
                peer.send(message)
            line.shown = fresh
            await peer.drain()

    async def on_bar(self, bar: MarketBar) -> None:
        """Send a 5-second bar to whoever asked for the symbol's."""
        if self._faults.silences_data():
            return
        for (client_id, req_id), line in tuple(self._bar_lines.items()):
            peer = self._peers.get(client_id)
            if peer is None or line.listing.key != bar.symbol:
                continue
            if line.use_rth and not regular(line.listing, bar.start):
                continue
            peer.send(replies.real_time_bar(req_id, bar))
            await peer.drain()

    # -------------------------------------------------------------------------------------------------- inside

    def _computed(self, req_id: int, line: Line, quote: MarketQuote) -> Iterator[Message]:
        """Volatility and greeks of an option's bid, ask and last price, and of the model's."""
        listing = line.listing
        if listing.option is None:
            return
        spot, reference = self._world.last(listing.underlying), self._listings[listing.underlying].reference_price
        computed = computations(listing, quote, float(spot), volatility(listing, reference))
        for tick, figures in zip(_DELAYED_COMPUTED if line.delayed else _COMPUTED, computed, strict=True):
            yield replies.tick_option_computation(req_id, tick, figures)

    def _refusal(
        self, peer: Peer, request: MarketDataRequest, listing: Listing | Unresolved, kind: int
    ) -> Unresolved | None:
        if (peer.client_id, request.req_id) in self._lines:
            return Unresolved(102, "Duplicate ticker ID.")
        if isinstance(listing, Unresolved):
            return listing
        wanted = [each.strip() for each in request.generic_ticks.split(",") if each.strip()]
        if wanted and (request.snapshot or request.regulatory_snapshot):
            return invalid("Snapshot market data subscription is not applicable to generic ticks")
        unknown = [each for each in wanted if each.split(":")[0] not in GENERIC_TICKS | {"mdoff"}]
        if unknown:
            legal = ",".join(sorted(GENERIC_TICKS))
            return invalid(f"Incorrect generic tick list of {unknown[0]}. Legal ones for (STK) are: {legal}")
        if len([key for key in self._lines if key[0] == peer.client_id]) >= MARKET_DATA_LINES_MAX:
            return Unresolved(101, "Max number of tickers has been reached")
        live = kind in (LIVE, FROZEN)
        if live and self._faults.competing_session:
            return COMPETING
        if live and listing.key in self._faults.not_subscribed | self._faults.delayed_only:
            text = "Requested market data is not subscribed. Check API status by selecting the Account menu then under"
            return Unresolved(354, f"{text} Management choose Market Data Subscription Manager.")
        if not live and listing.key in self._faults.not_subscribed:
            text = "Requested market data is not subscribed. Delayed market data is not enabled."
            return Unresolved(10168, text)
        return None

    def _bar_refusal(
        self, peer: Peer, request: RealTimeBars, listing: Listing | Unresolved, pacing: HistoryPacing
    ) -> Unresolved | None:
        if (peer.client_id, request.req_id) in self._bar_lines:
            return Unresolved(102, "Duplicate ticker ID.")
        if isinstance(listing, Unresolved):
            return listing
        if self._faults.competing_session:
            return COMPETING
        if request.bar_seconds != 5:
            return invalid("Real time bar size must be 5 seconds")
        if request.what != "TRADES":
            return invalid(f"Real time bars of {request.what!r}: the gateway is simulated and has only TRADES")
        if listing.key in self._faults.not_subscribed | self._faults.delayed_only:
            exchange = "ISLAND" if listing.primary_exchange == "NASDAQ" else listing.primary_exchange
            needs = "Requested market data requires additional subscription for API."
            text = f"Invalid Real-time Query:No market data permissions for {exchange} STK. {needs} {_PERMISSION}"
            return Unresolved(420, text)
        if not pacing.live_bars(self._world.now()):
            return Unresolved(420, "Invalid Real-time Query:Historical data request pacing violation")
        return None

    def _quote_for(self, line: Line, now: datetime) -> MarketQuote | None:
        past = self._past[line.listing.key]
        while len(past) > 1 and past[1].at <= now - DELAY:
            past.popleft()
        # Until the delay has gone by, the oldest there is
        quote = past[0] if line.delayed and past else self._world.quote(line.listing.key)
        if quote is None or line.kind in (FROZEN, DELAYED_FROZEN) or trading(line.listing, now):
            return quote
        nobody = Decimal(0)  # nobody quotes while the market is shut: only frozen data still has the bid and ask
        return replace(quote, bid=nobody, ask=nobody, bid_size=nobody, ask_size=nobody)


COMPETING = Unresolved(10197, "No market data during competing live session")
BUST = "Bust event occurred, current subscription is deactivated. Please resubscribe real-time bars immediately."


def regular(listing: Listing, at: datetime) -> bool:
    """Whether `at` is in regular hours of the listing's exchange."""
    try:
        return is_open(listing.calendar, at)
    except CalendarError:
        return False


def trading(listing: Listing, at: datetime) -> bool:
    """Whether `at` is in a session of the listing's exchange, from its pre-market to the end of its after-hours.

    Options trade in regular hours alone.
    """
    if listing.option is not None:
        return regular(listing, at) and not listing.is_over(at)
    try:
        return session_at(listing.calendar, at) is not None
    except CalendarError:
        return False


_COMPUTED, _DELAYED_COMPUTED = (10, 11, 12, 13), (80, 81, 82, 83)


def computations(
    listing: Listing, quote: MarketQuote, spot: float, volatility: float
) -> tuple[OptionFigures, OptionFigures, OptionFigures, OptionFigures]:
    """What is computed of the bid, the ask, the last price and the model's own: nothing of a price that is not there,
    or that no volatility leads to."""
    assert listing.option is not None
    assert listing.last_trade_at is not None
    terms, years = listing.option, years_between(quote.at, listing.last_trade_at)

    def of(price: Decimal) -> OptionFigures:
        if price <= 0:
            return OptionFigures(None)
        found = implied_volatility(terms, float(price), spot, years)
        if found is None:
            return OptionFigures(float(price))
        return OptionFigures(float(price), found, greeks(terms, spot, years, found), spot)

    model = greeks(terms, spot, years, volatility)
    return of(quote.bid), of(quote.ask), of(quote.last), OptionFigures(model.price, volatility, model, spot)


_PRICE_TICKS = (("bid", "bid_size", 1, 66), ("ask", "ask_size", 2, 67), ("last", "last_size", 4, 68))
_SIZE_TICKS = (("bid_size", 0, 69), ("ask_size", 3, 70), ("last_size", 5, 71), ("volume", 8, 74))
_DAY_TICKS = (("day_high", 6, 72), ("day_low", 7, 73), ("previous_close", 9, 75), ("day_open", 14, 76))
_CAN_FILL_AT_ONCE, _NO_ATTRIBUTES = 1, 0


def ticks(req_id: int, line: Line, quote: MarketQuote) -> Iterator[Message]:
    """Write what differs between the quote that the client saw last and `quote`: prices, then sizes, then the day.

    A delayed line has tick types of its own (66 bid ... 76 open).
    """
    shown = line.shown
    late = line.delayed
    for price, size, live_type, delayed_type in _PRICE_TICKS:
        changed = shown is None or getattr(shown, price) != getattr(quote, price)
        if changed and getattr(quote, price) > 0:
            mask = _NO_ATTRIBUTES if live_type == 4 else _CAN_FILL_AT_ONCE
            yield replies.tick_price(
                req_id, delayed_type if late else live_type, getattr(quote, price), getattr(quote, size), mask
            )
    for size, live_type, delayed_type in _SIZE_TICKS:
        if shown is None or getattr(shown, size) != getattr(quote, size):
            yield replies.tick_size(req_id, delayed_type if late else live_type, getattr(quote, size))
    for price, live_type, delayed_type in _DAY_TICKS:
        value: Decimal = getattr(quote, price)
        if value > 0 and (shown is None or getattr(shown, price) != value):
            yield replies.tick_price(req_id, delayed_type if late else live_type, value, Decimal(0))
    if shown is None or shown.last != quote.last or shown.volume != quote.volume:
        yield replies.tick_string(req_id, 88 if late else 45, times.epoch(quote.at))
