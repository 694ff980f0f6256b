"""Past bars, and the ones that are kept up to date.

Owns those requests of all clients. It must not know what the words of a request mean (`bar_requests`) or how bars are
made. TWS leaves out bars without trades, and so does this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from msgspec.structs import replace as replace_bar
from signalbox.errors import CalendarError
from signalbox.exchange.listing import Listing
from signalbox.exchange.quoting import MarketBar
from signalbox.sessions import session_at

from simulators.listings import IBKR, traded
from simulators.market import bar_start
from simulators.tws import bar_requests, replies, times
from simulators.tws.bar_requests import DAY_SECONDS, Span, hmds
from simulators.tws.contracts import Unresolved, invalid, resolve
from simulators.tws.faults import Faults
from simulators.tws.market_data import BUST, regular
from simulators.tws.pacing import HISTORY_OPEN_MAX, HistoryPacing
from simulators.tws.peers import Peer, Peers
from simulators.tws.requests import HeadTimestamp, HistoricalData
from simulators.world import World

HMDS_FARM = "ushmds"
HEAD, HEAD_LOOK = timedelta(days=365), timedelta(days=14)
"""A year back is as far as the past is told; two weeks hold a trading day."""


@dataclass(slots=True)
class Kept:
    """A request that is kept up to date. `bar` is the one now forming, None until the first update.

    The first update takes it from the market's history: whether the bars that the client was given hold the five
    seconds that are just being handed out can not be known otherwise.
    """

    request: HistoricalData
    listing: Listing
    seconds: int
    bar: MarketBar | None = None


class History:
    """All clients' requests for past bars."""

    def __init__(self, world: World, peers: Peers, faults: Faults) -> None:
        self._world, self._peers, self._faults = world, peers, faults
        self._kept: dict[tuple[int, int], Kept] = {}

    def request(self, peer: Peer, request: HistoricalData, pacing: HistoryPacing) -> None:
        """Take message 20."""
        listing = resolve(traded(self._world.listings_of(IBKR), self._world.now()), request.contract)
        answer = self._judge(peer, request, listing, pacing)
        if isinstance(answer, Unresolved):
            peer.send(replies.error(request.req_id, answer.code, answer.text))
            return
        assert isinstance(listing, Listing)
        if request.end and not times.names_zone(request.end):
            text = "Warning: You submitted request with date-time attributes without explicit time zone."
            peer.send(replies.error(request.req_id, 2174, text))
        zone = listing.time_zone
        start, end = times.stamp(answer.start, zone), times.stamp(answer.end, zone)
        if request.what == "SCHEDULE":
            sessions = bar_requests.sessions_in(listing, answer)
            peer.send(replies.historical_schedule(request.req_id, start, end, times.zone_name(zone), sessions))
            return
        bars = self._bars(listing, answer, use_rth=request.use_rth)
        if not bars and not request.keep_up_to_date:
            refusal = hmds(f"HMDS query returned no data: {listing.symbol}@{listing.exchange} Trades")
            peer.send(replies.error(request.req_id, refusal.code, refusal.text))
            return
        rows = [(bar_requests.date_text(bar, listing, request.format_date), bar) for bar in bars]
        peer.send(replies.historical_data(request.req_id, start, end, rows))
        if request.keep_up_to_date:
            key = (peer.client_id, request.req_id)
            self._kept[key] = Kept(request, listing, answer.bar_seconds)

    def cancel(self, peer: Peer, req_id: int) -> None:
        """Take message 25; TWS answers a cancel of nothing with 366."""
        if self._kept.pop((peer.client_id, req_id), None) is None:
            peer.send(replies.error(req_id, 366, f"No historical data query found for ticker id:{req_id}"))
        else:
            done = hmds(f"API historical data query cancelled: {req_id}")
            peer.send(replies.error(req_id, done.code, done.text))

    def head_timestamp(self, peer: Peer, request: HeadTimestamp) -> None:
        """Take message 87: when the contract's data begins, which here is when the market's past does."""
        listing = resolve(traded(self._world.listings_of(IBKR), self._world.now()), request.contract)
        if isinstance(listing, Unresolved):
            peer.send(replies.error(request.req_id, listing.code, listing.text))
            return
        now = self._world.now()
        oldest = Span(now - HEAD, now - HEAD + HEAD_LOOK, DAY_SECONDS)
        bars = self._bars(listing, oldest, use_rth=request.use_rth)
        if not bars:  # less is known than a year: a replayed file, most likely
            bars = self._bars(listing, Span(now - HEAD, now, DAY_SECONDS), use_rth=request.use_rth)
        if not bars:
            refusal = hmds("No head time stamp")
            peer.send(replies.error(request.req_id, refusal.code, refusal.text))
            return
        first = bars[0].start
        text = times.epoch(first) if request.format_date == 2 else f"{first:%Y%m%d-%H:%M:%S}"
        peer.send(replies.head_timestamp(request.req_id, text))

    def forget(self, client_id: int) -> None:
        """Drop everything of a client that has gone."""
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] != client_id}

    def drop_all(self) -> None:
        """Lose every subscription, as after error 1101."""
        self._kept.clear()

    def bust(self) -> int:
        """End everything that is kept up to date with error 10225; return how many."""
        count = len(self._kept)
        for client_id, req_id in tuple(self._kept):
            peer = self._peers.get(client_id)
            if peer is not None:
                peer.send(replies.error(req_id, 10225, BUST))
        self._kept.clear()
        return count

    async def on_bar(self, bar: MarketBar) -> None:
        """Send the forming bar of everything that is kept up to date."""
        if self._faults.silences_data():
            return
        for (client_id, req_id), kept in tuple(self._kept.items()):
            peer = self._peers.get(client_id)
            if peer is None or kept.listing.key != bar.symbol or not bar.volume:
                continue
            if kept.request.use_rth and not regular(kept.listing, bar.start):
                continue
            kept.bar = self._first(kept, bar) if kept.bar is None else _grown(kept, bar)
            date = bar_requests.date_text(kept.bar, kept.listing, kept.request.format_date)
            peer.send(replies.historical_data_update(req_id, date, kept.bar))
            await peer.drain()

    def _judge(
        self, peer: Peer, request: HistoricalData, listing: Listing | Unresolved, pacing: HistoryPacing
    ) -> Span | Unresolved:
        if (peer.client_id, request.req_id) in self._kept:
            cause = "Error processing request.-'bW' : cause - Duplicate ticker ID for API historical data query"
            return Unresolved(322, cause)
        if isinstance(listing, Unresolved):
            return listing
        try:
            span = bar_requests.span_of(request, listing, self._world.now())
        except CalendarError as error:
            return hmds(f"HMDS query returned no data: {error}")
        if isinstance(span, Unresolved):
            return span
        contract = f"{listing.key}@{listing.exchange} {request.what}"
        identity = repr(replace(request, req_id=0))
        if not pacing.history(self._world.now(), contract, identity, span.bar_seconds):
            return hmds("Historical data request pacing violation")
        if self._faults.link_lost:
            return hmds("HMDS query failed: not connected to IBKR")
        if HMDS_FARM in self._faults.farms_down:
            return hmds("HMDS query failed: the historical data farm is disconnected")
        open_ones = sum(1 for client_id, _ in self._kept if client_id == peer.client_id)
        if request.keep_up_to_date and open_ones >= HISTORY_OPEN_MAX:
            return hmds(f"API historical data query cancelled: more than {HISTORY_OPEN_MAX} are open")
        if request.keep_up_to_date and span.bar_seconds > DAY_SECONDS:
            return invalid("Historical data requests with keepUpToDate are not supported for this bar size")
        return span

    def _first(self, kept: Kept, bar: MarketBar) -> MarketBar:
        ends = bar.start + timedelta(seconds=bar.seconds)
        span = Span(ends - timedelta(days=1), ends, kept.seconds)
        return self._bars(kept.listing, span, use_rth=kept.request.use_rth)[-1]

    def _bars(self, listing: Listing, span: Span, *, use_rth: bool) -> tuple[MarketBar, ...]:
        found = self._world.history(
            listing.key, span.end, span.end - span.start, span.source_seconds, regular_hours_only=use_rth
        )
        return tuple(bar for bar in bar_requests.grouped(found, span.bar_seconds, listing) if bar.volume)


def _grown(kept: Kept, bar: MarketBar) -> MarketBar:
    """The forming bar with five more seconds in it, or the next one begun."""
    session = session_at(kept.listing.calendar, bar.start)
    assert session is not None  # a bar has been streamed, so its market was open
    start = bar_start(session, bar.start, kept.seconds, regular_only=kept.request.use_rth)
    if kept.bar is not None and kept.bar.start == start:
        return bar_requests.merge(kept.bar, bar)
    return replace_bar(bar, start=start, seconds=kept.seconds)
