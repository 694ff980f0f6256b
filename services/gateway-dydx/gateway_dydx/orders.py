"""How orders leave for dYdX: signed and broadcast, under a client id.

Owns what an order is on the chain, first and again, and what is remembered of a broadcast. When an order may leave is
`signalbox.gateway.submission`'s; what becomes of a transaction is `sending`'s.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace
from signalbox.errors import TranslationError, VenueError
from signalbox.gateway.externals import External
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.state import report_id
from signalbox.gateway.venue import Canceled, Draft, NoRoom, Outcome, Placed
from signalbox.messages import MarketState, Order, Side
from signalbox.order_support import why_refused
from signalbox.order_terms import TRAILING

from gateway_dydx import changing
from gateway_dydx.instruments import Offered
from gateway_dydx.moves import Moves
from gateway_dydx.plans import CancelPlan, OrderPlan, PriceBounds, Subaccount, cancel_plan, kept, order_plan, renewed
from gateway_dydx.renewal import renewal
from gateway_dydx.sending import Sending
from gateway_dydx.settings import Settings
from gateway_dydx.state import State, Tracked, take_number
from gateway_dydx.strangers import cancel_plan as cancel_external
from gateway_dydx.trail_prices import beginning, placed_at, stops_beside
from gateway_dydx.translate import VENUE

log = logging.getLogger(__name__)


NO_ORACLE = "the oracle has told no price of {symbol} yet: a stop has nothing to follow"


class Orders:
    """The way out, as the chain takes it."""

    def __init__(
        self,
        state: State,
        sending: Sending,
        subaccount: Subaccount,
        settings: Settings,
        instruments: Instruments[Offered],
        reference_price: Callable[[str, Side], Decimal | None],
        oracle_price: Callable[[str], Decimal | None],
    ) -> None:
        self._state, self._sending, self._subaccount, self._settings = state, sending, subaccount, settings
        self._instruments, self._reference_price = instruments, reference_price
        self._oracle_price = oracle_price
        self.moves = Moves(state, sending, self.plan_of)

    def compose(self, order: Order, at: datetime) -> Draft:
        offered = self._instruments.one(order.symbol)
        takes = offered.instrument.market_state
        if takes is not MarketState.OPEN and not (takes is MarketState.POST_ONLY and order.post_only):
            raise TranslationError(f"dYdX takes no such orders for {order.symbol} now: it is {offered.market.status}")
        if refused := why_refused(VENUE, offered.instrument.kind, order):
            raise TranslationError(refused)
        market = offered.terms
        bounds = self._bounds(self._reference_price(order.symbol, order.side))
        order = self._begun(order, market.tick_size)
        number, height = take_number(self._state, at), self._state.own.height
        plan = order_plan(order, market, self._subaccount, number, bounds, height, at)
        return Draft(number, plan, plan.identity.venue_order_id, plan.good_til_block)

    def _begun(self, order: Order, tick_size: Decimal) -> Order:
        """The order as the chain is given it: of one that trails, the stop where it lies now."""
        if order.order_type not in TRAILING:
            return order
        price = self._oracle_price(order.symbol)
        if price is None:
            raise TranslationError(NO_ORACLE.format(symbol=order.symbol))
        beside = stops_beside(order, price, tick_size, self._state.orders.values(), self._has_triggered)
        return kept(order, placed_at(order, price, tick_size, beside))

    def _has_triggered(self, order_id: str) -> bool:
        return report_id(self._state.venue, self._state.account, "triggered", order_id) in self._state.reported

    def no_room(self, draft: Draft) -> NoRoom | None:
        plan: OrderPlan = draft.terms
        return self._sending.no_room(protects=not plan.takes_profit) if plan.is_stateful else None

    def write_out(self, draft: Draft) -> None:
        try:
            draft.written = self._sending.sign_place(draft.terms)
        except VenueError as error:
            log.warning("the order could not be signed yet", extra={"error": str(error)})

    async def turn(self) -> None:
        return  # the node takes as many as come

    async def place(self, tracked: Tracked, draft: Draft) -> Placed:
        plan: OrderPlan = draft.terms
        if plan.good_til_block and self._state.own.height >= plan.good_til_block:
            # Nothing could fill it; and the indexer would not tell of it
            ended = f"its good-til-block {plan.good_til_block} came before it went, and before its deadline"
            return Placed(Outcome.TOO_LATE, "", ended)
        if draft.written is None:
            self.write_out(draft)
        tracked.own.transaction_hash = draft.written.transaction_hash if draft.written is not None else ""
        placed = await self._sending.place(plan, draft.written)
        if placed.outcome is Outcome.ACCEPTED:
            tracked.own.watched, tracked.own.works_until = True, plan.good_til_block
        elif placed.outcome is Outcome.UNKNOWN:
            tracked.own.watched = tracked.own.rests
            tracked.own.claimed_seconds = time.monotonic()  # nothing is signed for it any more
        return placed

    def compose_change(self, tracked: Tracked, order: Order, at: datetime) -> Draft:
        offered = self._instruments.one(order.symbol)
        takes = offered.instrument.market_state
        if takes is not MarketState.OPEN and not (takes is MarketState.POST_ONLY and order.post_only):
            raise TranslationError(f"dYdX takes no such orders for {order.symbol} now: it is {offered.market.status}")
        if order.order_type in TRAILING:
            order = self._lying(tracked, order, offered.terms.tick_size)
        if not tracked.own.rests:
            return self.moves.compose(tracked, order, offered.instrument.kind, at)
        self.plan_of(tracked, order)
        return Draft(tracked.number, order, again=True)  # the same id: a later version takes the place of an earlier

    def _lying(self, tracked: Tracked, order: Order, tick_size: Decimal) -> Order:
        """The order with the stop where it lies then: not farther from the market than it did."""
        price, stood = self._oracle_price(order.symbol), tracked.own.stop_price
        if price is None:
            raise TranslationError(NO_ORACLE.format(symbol=order.symbol))
        trailed = tracked.order.order_type in TRAILING and stood is not None
        return replace(order, stop_price=beginning(order, price, tick_size, [stood] if trailed and stood else []))

    async def change(self, tracked: Tracked, draft: Draft) -> Placed:
        """The next version of a short-term order, with other terms: what the earlier ones fill counts for it.

        Of one that is kept on the chain, the first of what has to be sent.
        """
        if draft.attempts:
            return await self.moves.begin(tracked, draft)
        order: Order = draft.terms
        if not tracked.own.watched or tracked.own.not_renewed or tracked.filled_at_venue > tracked.filled:
            return Placed(Outcome.UNSENT, "", "what it has filled is not wholly known")
        version = renewal(self._state, tracked, order)
        if version is None:
            return Placed(Outcome.UNSENT, "", "its next version has to wait for the next block")
        plan = renewed(self.plan_of(tracked, replace(order, quantity=version.quantity)), version.good_til_block)
        tracked.own.continues = tracked.own.continues or version.quantity < order.quantity
        tracked.own.good_til_block = plan.good_til_block  # before it goes: from here on some version may live as long
        placed = await self._sending.place(plan, None)
        if placed.outcome is Outcome.ACCEPTED:
            tracked.own.works_until = plan.good_til_block
            changing.taken(self._state, tracked)
            return Placed(Outcome.SENT)  # by this node: the blocks tell
        return replace(placed, again=True) if placed.outcome is Outcome.UNKNOWN else placed

    async def cancel(self, tracked: Tracked, *, again: bool) -> Canceled:
        if tracked.own.move is not None:
            return await self.moves.cancel_all(tracked, tracked.own.move)
        plan = self.cancel_plan(tracked)
        tracked.own.cancel_seconds = time.monotonic()
        return await self._sending.cancel(plan)

    async def cancel_external(self, external: External) -> Canceled:
        """Whoever may trade for the subaccount may cancel what another has placed for it."""
        return await self._sending.cancel(cancel_external(external, self._subaccount, self._state.own.height))

    def ends_unwatched(self, tracked: Tracked) -> bool:
        return tracked.own.is_short_term

    def cancel_plan(self, tracked: Tracked) -> CancelPlan:
        """The cancel of an order, reaching as far as any version of it that may have been sent."""
        return cancel_plan(self.plan_of(tracked), self._state.own.height)

    def plan_of(self, tracked: Tracked, terms: Order | None = None, number: int | None = None) -> OrderPlan:
        """An order's plan again, as it was claimed (or with other terms, or under another number), with the highest
        good-til-block that may be.

        Raises `TranslationError` when the venue does not have the market any more.
        """
        order, offered = tracked.order, self._instruments.offered.get(tracked.order.symbol)
        if offered is None:
            raise TranslationError(f"the venue has no market {order.symbol} any more")
        bounds = self._bounds(offered.terms.tick_size * 1000)  # of a market order only the identity matters now
        height = self._state.own.height
        # Where a trailing stop lies is asked when it is placed: of a cancel only the identity matters
        stop = tracked.own.stop_price or offered.terms.tick_size * 1000
        plan = order_plan(
            kept(terms or order, stop),
            offered.terms,
            self._subaccount,
            number or tracked.number,
            bounds,
            height,
            tracked.claimed_at,
        )
        return replace(plan, good_til_block=tracked.own.good_til_block) if tracked.own.is_short_term else plan

    def _bounds(self, reference_price: Decimal | None) -> PriceBounds:
        return PriceBounds(
            market_slippage_fraction=self._settings.market_slippage_fraction,
            stop_slippage_fraction=self._settings.stop_slippage_fraction,
            reference_price=reference_price,
        )
