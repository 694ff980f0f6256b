"""Account values, positions, and profit and loss as clients get them.

Owns those subscriptions and when they are due: at once, after a fill, and in TWS's intervals. The first answer has
every value; what follows are those that changed, as TWS sends them: who is told nothing of a value can not tell one
that stands from one that is no longer sent. It must not know how the books come to their figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace
from signalbox.exchange.books import rate
from signalbox.exchange.orders import Filled, VenueOrder, VenueOrderEvent
from signalbox.messages import PositionHeld

from simulators.figures import AccountFigures
from simulators.listings import IBKR
from simulators.tws import replies
from simulators.tws.account_values import Tagged, ledger, summary_values, values
from simulators.tws.contracts import invalid
from simulators.tws.elsewhere import Elsewhere
from simulators.tws.kinds import Inbound
from simulators.tws.pacing import ACCOUNT_SUMMARIES_MAX
from simulators.tws.peers import Peer, Peers
from simulators.tws.replies import Message
from simulators.tws.requests import AccountRequest, AccountSummary, AccountUpdates
from simulators.world import World

UPDATE_INTERVAL = timedelta(minutes=3)
PNL_INTERVAL = timedelta(seconds=1)


class Accounts:
    """All clients' account subscriptions. `due` is called several times a wall second."""

    def __init__(self, world: World, peers: Peers, elsewhere: Elsewhere) -> None:
        self._elsewhere = elsewhere
        self._world, self._peers = world, peers
        self._listings = {listing.key: listing for listing in world.listings_of(IBKR)}
        self._updates: dict[int, str] = {}
        self._said: dict[int, frozenset[Tagged]] = {}
        """What each of those clients was told last."""
        self._summaries: dict[tuple[int, int], AccountSummary] = {}
        self._requests: dict[tuple[int, int], AccountRequest] = {}
        self._positions: set[int] = set()
        self._changed: set[str] = set()
        self._updated_at = self._pnl_at = world.now()

    # ------------------------------------------------------------------------------------------- what clients do

    def subscribe_updates(self, peer: Peer, request: AccountUpdates) -> None:
        """Take message 6: values and portfolio of one account."""
        if not request.subscribe:
            self._updates.pop(peer.client_id, None)
            return
        account = self._account(peer, replies.NO_REQUEST, request.account)
        if account:
            self._updates[peer.client_id] = account
            self._said.pop(peer.client_id, None)
            self._tell(peer, self._update(peer.client_id, account))

    def subscribe_summary(self, peer: Peer, request: AccountSummary) -> None:
        """Take message 62."""
        key = (peer.client_id, request.req_id)
        open_ones = [each for each in self._summaries if each[0] == peer.client_id]
        if key in self._summaries or len(open_ones) >= ACCOUNT_SUMMARIES_MAX:
            cause = "Error processing request.-'b6' : cause - Maximum number of account summary requests exceeded"
            peer.send(replies.error(request.req_id, 322, cause))
            return
        if request.group != "All":
            refusal = invalid(f"Group name '{request.group}' is invalid")
            peer.send(replies.error(request.req_id, refusal.code, refusal.text))
            return
        self._summaries[key] = request
        self._tell(peer, [*self._summary(request), replies.account_summary_end(request.req_id)])

    def unsubscribe_summary(self, peer: Peer, req_id: int) -> None:
        self._summaries.pop((peer.client_id, req_id), None)

    def subscribe_positions(self, peer: Peer) -> None:
        """Take message 61: every account's positions, now and when they change."""
        self._positions.add(peer.client_id)
        for account in self._world.accounts_of(IBKR):
            self._tell(peer, [*self._position_messages(account), *self._outside_messages(account)])
        peer.send(replies.position_end())

    def unsubscribe_positions(self, peer: Peer) -> None:
        self._positions.discard(peer.client_id)

    def subscribe(self, peer: Peer, request: AccountRequest) -> None:
        """Take messages 74, 76, 92 and 94: something of one account under a request id."""
        key = (peer.client_id, request.req_id)
        if key in self._requests:
            text = "Error processing request.-'bK' : cause - Duplicate ticker ID for API query"
            peer.send(replies.error(request.req_id, 322, text))
            return
        if self._account(peer, request.req_id, request.account):
            self._requests[key] = request
            self._tell(peer, [*self._told(request), *_END.get(request.kind, lambda _: [])(request.req_id)])

    def unsubscribe(self, peer: Peer, kind: Inbound, req_id: int) -> None:
        """Take messages 75, 77, 93 and 95."""
        request = self._requests.pop((peer.client_id, req_id), None)
        if request is None and kind in (Inbound.CANCEL_PNL, Inbound.CANCEL_PNL_SINGLE):
            peer.send(replies.error(req_id, 300, f"Can't find EId with tickerId:{req_id}"))

    def lose(self, kind: str) -> int:
        """Lose subscriptions without a word: `account` (values and positions) or `pnl`; return how many."""
        if kind == "account":
            lost = len(self._updates) + len(self._positions)
            self._updates.clear()
            self._positions.clear()
            return lost
        pnl = [key for key, each in self._requests.items() if each.kind in (Inbound.REQ_PNL, Inbound.REQ_PNL_SINGLE)]
        for key in pnl:
            del self._requests[key]
        return len(pnl)

    def forget(self, client_id: int) -> None:
        """Drop everything of a client that has gone."""
        self._updates.pop(client_id, None)
        self._said.pop(client_id, None)
        self._positions.discard(client_id)
        self._summaries = {key: each for key, each in self._summaries.items() if key[0] != client_id}
        self._requests = {key: each for key, each in self._requests.items() if key[0] != client_id}

    # ------------------------------------------------------------------------------------------------- what is due

    async def on_order(self, event: VenueOrderEvent, order: VenueOrder) -> None:
        """A fill changes the account: its subscribers hear of it soon, the positions' at once."""
        if not isinstance(event, Filled) or order.terms.symbol not in self._listings:
            return
        for peer in self.moved(order.terms.account, order.terms.symbol):
            await peer.drain()

    def moved(self, account: str, symbol: str) -> list[Peer]:
        """A position has changed: tell those who subscribed to positions, and return them; the account's soon."""
        self._changed.add(account)
        told = [peer for peer in self._peers if peer.client_id in self._positions]
        for peer in told:
            self._tell(peer, self._position_messages(account, symbol))
        return told

    def changed(self, account: str) -> None:
        """Something else than a fill has changed the account: its subscribers hear of it soon."""
        self._changed.add(account)

    async def due(self, now: datetime) -> None:
        """Send what has changed or come due at desk time `now`."""
        changed, self._changed = self._changed, set()
        if now - self._updated_at >= UPDATE_INTERVAL:
            self._updated_at = now
            changed = set(self._world.accounts_of(IBKR))
        pnl = now - self._pnl_at >= PNL_INTERVAL or bool(changed)
        self._pnl_at = now if pnl else self._pnl_at
        for peer in self._peers:
            self._tell(peer, self._due(peer.client_id, changed, pnl))
            await peer.drain()

    def _due(self, client_id: int, changed: set[str], pnl: bool) -> Iterable[Message]:
        if self._updates.get(client_id) in changed:
            yield from self._update(client_id, self._updates[client_id])
        for (owner, _), summary in self._summaries.items():
            if owner == client_id and changed:
                yield from self._summary(summary)
        for (owner, _), request in self._requests.items():
            if owner != client_id:
                continue
            is_pnl = request.kind in (Inbound.REQ_PNL, Inbound.REQ_PNL_SINGLE)
            if pnl if is_pnl else request.account in changed:
                yield from self._told(request)

    # ------------------------------------------------------------------------------------------------------ inside

    def _tell(self, peer: Peer, messages: Iterable[Message]) -> None:
        for message in messages:
            peer.send(message)

    def _account(self, peer: Peer, req_id: int, account: str) -> str:
        accounts = self._world.accounts_of(IBKR)
        if account in accounts:
            return account
        if not account and len(accounts) == 1:
            return accounts[0]
        cause = f"Invalid account code '{account}'" if account else "The account code is required for this operation"
        refusal = invalid(f"{cause}.")
        peer.send(replies.error(req_id, refusal.code, refusal.text))
        return ""

    def _update(self, client_id: int, account: str) -> Iterable[Message]:
        now = tuple(values(self._figures(account)))
        told = self._said.get(client_id, frozenset())
        self._said[client_id] = frozenset(now)
        for tagged in now:
            if tagged not in told:
                tag, value, currency = tagged
                yield replies.account_value(tag, value, currency, account)
        for each in self._world.positions(account):
            held = each.held
            figures = (each.mark_price, each.market_value, _cost(held), each.unrealized_pnl, each.realized_pnl)
            rounded = (replies.average(figure) for figure in figures)
            yield replies.portfolio_value(self._listings[held.symbol], account, held.quantity, *rounded)
        for outside in self._elsewhere.of(account):
            worth = outside.quantity * outside.mark * outside.contract.units
            gain = worth - outside.quantity * outside.average_cost
            amounts = (outside.mark, worth, outside.average_cost, gain, gain - gain)
            money = (replies.average(amount) for amount in amounts)
            yield replies.portfolio_value(outside.contract, account, outside.quantity, *money)
        yield replies.account_update_time(self._world.now())
        yield replies.account_download_end(account)

    def _summary(self, request: AccountSummary) -> Iterable[Message]:
        for account in self._world.accounts_of(IBKR):
            for tag, value, currency in summary_values(self._figures(account), request.tags):
                yield replies.account_summary(request.req_id, account, tag, value, currency)

    def _position_messages(self, account: str, symbol: str = "") -> Sequence[Message]:
        return [
            replies.position(
                account,
                self._listings[each.held.symbol],
                each.held.quantity,
                replies.average(_cost(each.held)),
            )
            for each in self._world.positions(account)
            if (each.held.symbol == symbol if symbol else each.held.quantity != 0)
        ]

    def _figures(self, account: str) -> AccountFigures:
        """What the account is worth, with what it holds of contracts that the market does not have."""
        figures = self._world.figures(account)
        value = self._elsewhere.worth(account, figures.currency)
        return replace(
            figures,
            net_liquidation=figures.net_liquidation + value,
            gross_position_value=figures.gross_position_value + abs(value),
            available_funds=figures.available_funds + value,
        )

    def traded_elsewhere(self, account: str) -> None:
        """Tell the subscribers of positions, and those of the account soon."""
        self._changed.add(account)
        for peer in self._peers:
            if peer.client_id in self._positions:
                self._tell(peer, self._outside_messages(account))

    def _outside_messages(self, account: str) -> Sequence[Message]:
        return [
            replies.position(account, each.contract, each.quantity, replies.average(each.average_cost))
            for each in self._elsewhere.of(account)
        ]

    def _told(self, request: AccountRequest) -> Iterable[Message]:
        account = request.account or self._world.accounts_of(IBKR)[0]
        figures = self._figures(account)
        if request.kind is Inbound.REQ_PNL:
            pnl = (figures.daily_pnl, figures.unrealized_pnl, figures.realized_pnl)
            yield replies.pnl(request.req_id, *(replies.average(figure) for figure in pnl))
        elif request.kind is Inbound.REQ_PNL_SINGLE:
            yield from self._single(request, account, figures.currency)
        elif request.kind is Inbound.REQ_POSITIONS_MULTI:
            for each in self._world.positions(account):
                listing, held = self._listings[each.held.symbol], each.held
                price = replies.average(_cost(held))
                yield replies.position_multi(request.req_id, account, listing, held.quantity, price, request.model)
        else:
            for tag, value, currency in (*values(figures), *ledger(figures)):
                yield replies.account_update_multi(request.req_id, account, request.model, tag, value, currency)

    def _single(self, request: AccountRequest, account: str, base: str) -> Iterable[Message]:
        for each in self._world.positions(account):
            listing = self._listings[each.held.symbol]
            if listing.con_id == request.con_id:
                fx = rate(listing.currency, base)
                figures = (each.daily_pnl, each.unrealized_pnl, each.realized_pnl, each.market_value)
                yield replies.pnl_single(
                    request.req_id, each.held.quantity, *(replies.average(figure * fx) for figure in figures)
                )


def _cost(held: PositionHeld) -> Decimal:
    """TWS's average cost is of a whole contract."""
    return held.average_price * held.multiplier


_END = {
    Inbound.REQ_POSITIONS_MULTI: lambda req_id: [replies.position_multi_end(req_id)],
    Inbound.REQ_ACCOUNT_UPDATES_MULTI: lambda req_id: [replies.account_update_multi_end(req_id)],
}
