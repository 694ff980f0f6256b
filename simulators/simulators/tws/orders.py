"""Placing, modifying, cancelling and telling orders.

Owns which client's order id means which of the venue's orders. It must not know what makes an order fill (the world)
or which orders are allowed (`order_rules`). An order id belongs to its client: two clients may both have an order 7.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import count

from signalbox.exchange.listing import Listing
from signalbox.exchange.orders import (
    DONE,
    Canceled,
    Expired,
    Filled,
    OrderTerms,
    RefusalReason,
    Rejected,
    VenueOrder,
    VenueOrderEvent,
)
from signalbox.exchange.quoting import SessionEvent
from signalbox.exchange.settlement import SETTLEMENT
from signalbox.order_terms import TRAILING

from simulators.listings import IBKR, traded
from simulators.tws import executions, order_replies, order_rules, replies, times, what_if
from simulators.tws.contracts import Unresolved, resolve
from simulators.tws.faults import Faults
from simulators.tws.holding import HeldOrders, Record
from simulators.tws.order_replies import OrderFacts
from simulators.tws.pacing import WORKING_ORDERS_MAX
from simulators.tws.peers import Peer, Peers
from simulators.tws.place_order import PlaceOrder
from simulators.tws.replies import Message
from simulators.world import World

BY_HAND = 0
"""The client id of orders that no client placed; client 0 is told of them."""

_LOCAL_NUMBERS_FROM = 2_000_000_000  # permanent ids of orders that never reached the venue


class OrderDesk:
    """All clients' orders. Everything a client is told about them goes through here."""

    def __init__(self, world: World, peers: Peers, faults: Faults) -> None:
        self._world, self._peers, self._faults = world, peers, faults
        self._listings = {listing.key: listing for listing in world.listings_of(IBKR)}
        self._records: dict[tuple[int, int], Record] = {}
        self._by_number: dict[int, Record] = {}
        self._held: dict[tuple[int, int], PlaceOrder] = {}
        self._working: dict[int, Record] = {}
        self._slow_cancels: list[int] = []
        self._next_ids: dict[int, int] = {}
        self._local_numbers = count(_LOCAL_NUMBERS_FROM)
        self.held = HeldOrders(world, peers, self._local_numbers)
        self._hand_numbers = count(-1, -1)
        self._binds_by_hand = False
        for order in world.orders_of(IBKR):
            self._record_of(order)

    # ------------------------------------------------------------------------------------------------ order ids

    def next_valid_id(self, client_id: int) -> int:
        """The lowest id that this client has not used."""
        return self._next_ids.get(client_id, 1)

    def roll_back(self, client_id: int, order_id: int) -> None:
        """Forget the ids from `order_id` on, as a gateway does whose order id sequence was reset.

        Orders that still work keep their ids: a client that trusts the id it is given will modify one of them.
        """
        self._next_ids[client_id] = order_id
        for key, record in list(self._records.items()):
            if key[0] == client_id and key[1] >= order_id and not self._works(record):
                del self._records[key]

    def bind_by_hand(self, bind: bool) -> None:
        """Give orders placed by hand an order id of client 0, from now on."""
        self._binds_by_hand = bind

    # --------------------------------------------------------------------------------------------- what clients do

    def place(self, peer: Peer, request: PlaceOrder) -> None:
        """Take message 3: a new order, a whatIf, or new terms of an order that this client has."""
        key = (peer.client_id, request.order_id)
        known = self._records.get(key)
        if known is not None and not request.flag("whatIf"):
            self._modify(peer, known, request)
            return
        found = self._read(peer, request)
        if found is None:
            return
        listing, terms = found
        if request.flag("whatIf"):
            peer.send(what_if.answer(self._world, request, listing, terms, peer.client_id))
            return
        self._next_ids[peer.client_id] = max(self.next_valid_id(peer.client_id), request.order_id + 1)
        if isinstance(terms, Unresolved):
            self._refuse(peer, request, listing, terms)
        elif not request.flag("transmit"):
            self._held[key] = request  # as in a gateway: nobody can transmit it but the client, in this session
        else:
            for each in self._family(peer, request):
                self._enter(peer, each)

    def part(self, client_id: int) -> None:
        """What a client that has gone had not transmitted is gone with its session."""
        self._held = {key: request for key, request in self._held.items() if key[0] != client_id}

    def _read(self, peer: Peer, request: PlaceOrder) -> tuple[Listing, OrderTerms | Unresolved] | None:
        """What is meant; None = the client has been told that it can not be."""
        listing = resolve(traded(self._world.listings_of(IBKR), self._world.now()), request.contract)
        if isinstance(listing, Unresolved):
            peer.send(replies.error(request.order_id, listing.code, listing.text))
            return None
        parent_key = (peer.client_id, request.integer("parentId"))
        record = self._records.get(parent_key)
        if parent_key[1] > 0 and record is None and parent_key not in self._held:
            peer.send(replies.error(request.order_id, 135, f"Can't find order with id ={parent_key[1]}"))
            return None
        tag, parent = f"{peer.client_id}:{request.order_id}", record.perm_id if record is not None else 0
        return listing, order_rules.terms_of(
            request, listing, self._world.accounts_of(IBKR), self._world.now(), tag, parent
        )

    def _family(self, peer: Peer, request: PlaceOrder) -> list[PlaceOrder]:
        """What a request to transmit transmits: its parent, what else waits for that, and the order itself."""
        parent_id, client_id = request.integer("parentId"), peer.client_id
        self._held.pop((client_id, request.order_id), None)
        if parent_id <= 0:
            return [request]
        parent = self._held.pop((client_id, parent_id), None)
        others = [
            self._held.pop(key)
            for key, held in sorted(self._held.items())
            if key[0] == client_id and held.integer("parentId") == parent_id
        ]
        return [*([parent] if parent is not None else []), *others, request]

    def _enter(self, peer: Peer, request: PlaceOrder) -> None:
        """Have the venue take an order, or refuse it."""
        found = self._read(peer, request)
        if found is None:
            return
        listing, terms = found
        is_attached = request.integer("parentId") > 0
        refusal = self._refusal(terms, is_attached=is_attached)
        if self._faults.bare_errors and refusal is None:
            code, text = self._faults.bare_errors.pop(0)
            peer.send(replies.error(request.order_id, code, text))  # and nothing else, ever: there is no order
        elif refusal is not None:
            self._refuse(peer, request, listing, refusal)
        else:
            assert isinstance(terms, OrderTerms)
            self._submit(peer, request, listing, terms)

    def cancel(self, peer: Peer, order_id: int) -> None:
        """Take message 4."""
        key = (peer.client_id, order_id)
        record = self._records.get(key)
        if self._held.pop(key, None) is not None:
            peer.send(replies.error(order_id, 202, "Order Canceled - reason:"))
            return
        if record is None:
            peer.send(replies.error(order_id, 10147, f"OrderId {order_id} that needs to be cancelled is not found."))
            return
        if self.held.cancel(peer, record):
            return
        if record.perm_id in self._slow_cancels:
            self._not_cancelable(peer, order_id, "PendingCancel")
            return
        order = self._world.order(record.perm_id)
        if order is not None and order.status not in DONE and self._faults.takes_one("slow_cancels"):
            self._slow_cancels.append(record.perm_id)
            record.status = "PendingCancel"
            peer.send(self._status_message(record, "PendingCancel", order, order.terms.quantity - order.filled))
            return
        refusal = self._world.cancel(record.perm_id)
        if refusal is None:
            order = self._world.order(record.perm_id)
            assert order is not None
            working = order.terms.quantity - order.filled
            peer.send(self._status_message(record, "PendingCancel", order, working))
        elif record.status in ("Filled", "Cancelled"):
            self._not_cancelable(peer, order_id, record.status)
        else:
            text = "Cancel attempted when order is not in a cancellable state. Order permId ="
            peer.send(replies.error(order_id, 161, f"{text}{record.perm_id}"))

    def _not_cancelable(self, peer: Peer, order_id: int, state: str) -> None:
        text = f"OrderId {order_id} that needs to be cancelled can not be cancelled, state: {state}."
        peer.send(replies.error(order_id, 10148, text))

    def release(self, number: int) -> None:
        """Work an order that was held, under the number that its client knows. Raises KeyError."""
        record, order = self.held.release(number)
        self._remember(record)
        if (peer := self._peers.get(record.client_id)) is not None:
            for message in self._pair(record, order):
                peer.send(message)

    def answer_cancels(self) -> int:
        """Do the cancels that have waited, as TWS does at the open; how many there were."""
        return len([self._world.cancel(self._slow_cancels.pop(0)) for _ in [*self._slow_cancels]])

    def cancel_all(self) -> None:
        """Take message 58: every working order of every client and account."""
        self._held.clear()
        for order, _ in self._working_orders():
            self._world.cancel(order.number)

    def tell_open(self, peer: Peer, *, of_all: bool) -> None:
        """Answer 5 (this client's own; client 0 also those by hand, which it thereby owns) or 16 (everybody's)."""
        self._faults.silent_orders.clear()
        for order, record in self._working_orders():
            if record.client_id == BY_HAND and record.order_id == 0 and peer.client_id == 0 and not of_all:
                self._bind(peer, record)
            if of_all or record.client_id == peer.client_id:
                for message in self._pair(record, order):
                    peer.send(message)
        self.held.tell(peer, of_all=of_all)
        peer.send(replies.open_order_end())

    def tell_completed(self, peer: Peer, *, api_only: bool) -> None:
        """Answer 99: every order that is done, newest first as TWS has them."""
        for order in reversed(self._world.orders_of(IBKR)):
            if order.terms.client_tag == SETTLEMENT:
                continue  # nobody ordered it
            record = self._record_of(order)
            if order.status in DONE and not (api_only and record.client_id == BY_HAND and record.order_id <= 0):
                peer.send(self.completed_message(record, order))
        self.held.tell_completed(peer)
        peer.send(replies.completed_orders_end())

    # ------------------------------------------------------------------------------------------- what the venue says

    async def on_order(self, event: VenueOrderEvent, order: VenueOrder) -> None:
        """Tell the order's client what happened to it; an order at another venue is nobody's here."""
        if order.terms.symbol not in self._listings:
            return
        record = self._record_of(order)
        record.status = order_rules.status_of(order, record.listing.calendar, event.at)
        if isinstance(event, Filled):
            record.last_price = event.price
        peer = self._peers.get(record.client_id)
        if peer is None or order.number in self._faults.silent_orders:
            return
        if record.order_id == 0 and self._binds_by_hand:
            self._bind(peer, record)
        for message in self._messages(record, event, order):
            peer.send(message)
        await peer.drain()

    async def on_session(self, event: SessionEvent) -> None:
        """Tell the orders whose state changes because their market opens or shuts."""
        for order, record in self._working_orders():
            if record.listing.calendar != event.calendar:
                continue
            status = order_rules.status_of(order, event.calendar, event.at)
            peer = self._peers.get(record.client_id)
            changed, record.status = status != record.status, status
            if changed and peer is not None and order.number not in self._faults.silent_orders:
                for message in self._pair(record, order):
                    peer.send(message)
                await peer.drain()

    # ----------------------------------------------------------------------------------------------------- inside

    def _submit(self, peer: Peer, request: PlaceOrder, listing: Listing, terms: OrderTerms) -> None:
        if order_rules.ignores_outside_hours(request, listing):
            text = "Attribute 'Outside Regular Trading Hours' is ignored based on the order type and destination."
            warning = f"Order Event Warning:{text} PlaceOrder is now being processed."
            peer.send(replies.error(request.order_id, 2109, warning))
        if not request.text("tif") and self._faults.takes_one("preset_time_in_force"):
            text = "Order TIF was set to DAY based on order preset."
            peer.send(replies.error(request.order_id, 10349, text))
        now = self._world.now()
        if order_rules.waits_for_the_open(terms, listing.calendar, now):
            peer.send(replies.error(request.order_id, 399, what_if.held_until_open(terms, listing, now)))
        if self._faults.hold_reasons:
            return self._remember(self.held.keep(peer, request, listing, terms, self._faults.hold_reasons.pop(0)))
        swallowed = self._faults.takes_one("swallow_replies")
        order = self._world.submit(terms)
        if swallowed:
            self._faults.silent_orders.add(order.number)
        fields = {**request.fields, "account": terms.account, "tif": order_rules.tif_of(terms)}
        self._remember(Record(peer.client_id, request.order_id, order.number, listing, fields))

    def _refusal(self, terms: OrderTerms | Unresolved, *, is_attached: bool) -> Unresolved | None:
        if isinstance(terms, Unresolved):
            return terms
        if is_attached and self._faults.attached_reject_reasons:
            return order_rules.rejected(self._faults.attached_reject_reasons.pop(0))
        if self._faults.reject_reasons:
            return order_rules.rejected(self._faults.reject_reasons.pop(0))
        side = (terms.account, terms.symbol, terms.side)
        same = sum(
            1
            for order, _ in self._working_orders()
            if (order.terms.account, order.terms.symbol, order.terms.side) == side
        )
        if same >= WORKING_ORDERS_MAX:
            return order_rules.rejected(f"at most {WORKING_ORDERS_MAX} working orders per side of a contract")
        return None

    def _refuse(self, peer: Peer, request: PlaceOrder, listing: Listing, refusal: Unresolved) -> None:
        peer.send(replies.error(request.order_id, refusal.code, refusal.text))
        if refusal.code != 201:
            return  # refused before it became an order
        perm_id = next(self._local_numbers)
        record = Record(peer.client_id, request.order_id, perm_id, listing, request.fields, "Inactive")
        self._remember(record)
        facts = OrderFacts(record.order_id, record.client_id, perm_id, listing, record.fields, "Inactive")
        peer.send(order_replies.open_order(facts))
        quantity = request.number("totalQuantity") or Decimal(0)
        nothing = Decimal(0)
        peer.send(
            replies.order_status(
                record.order_id, "Inactive", nothing, quantity, nothing, perm_id, nothing, record.client_id
            )
        )

    def _modify(self, peer: Peer, record: Record, request: PlaceOrder) -> None:
        """Give a working order new terms. Every error here leaves the order as it was."""
        refusal = self._modify_refusal(peer, record, request)
        if refusal is not None:
            peer.send(replies.error(request.order_id, refusal.code, refusal.text))
            return
        record.fields = {**request.fields, "account": record.fields.get("account", "")}

    def _modify_refusal(self, peer: Peer, record: Record, request: PlaceOrder) -> Unresolved | None:
        order = self._world.order(record.perm_id)
        if record.status == "Filled":
            return Unresolved(104, "Can't modify a filled order.")
        if order is None or order.status in DONE:
            return Unresolved(103, "Duplicate order id")
        listing = resolve(traded(self._world.listings_of(IBKR), self._world.now()), request.contract)
        if isinstance(listing, Unresolved):
            return listing
        terms = order_rules.terms_of(
            request, listing, self._world.accounts_of(IBKR), self._world.now(), order.terms.client_tag
        )
        if isinstance(terms, Unresolved):
            return terms
        if not order_rules.may_become(terms, order.terms) or (
            terms.order_type is not order.terms.order_type and self._faults.takes_one("keep_types")
        ):
            return Unresolved(329, "Order modify failed. Cannot change to the new order type.")
        parent = self._records.get((peer.client_id, request.integer("parentId")))
        is_other = (parent.perm_id if parent is not None else 0) not in (order.terms.parent_number, 0)
        if is_other or not order_rules.same_order(terms, order.terms):
            return Unresolved(105, "Order being modified does not match original order.")
        refusal = self._world.modify(
            order.number,
            quantity=terms.quantity,
            limit_price=terms.limit_price,
            stop_price=terms.stop_price,
            trailing=terms if terms.order_type in TRAILING else None,
        )
        if refusal is None:
            return None
        if refusal.reason is RefusalReason.ORDER_IS_DONE:
            return Unresolved(104, "Can't modify a filled order.")
        return order_rules.rejected(refusal.text)

    def _messages(self, record: Record, event: VenueOrderEvent, order: VenueOrder) -> list[Message]:
        pair = self._pair(record, order)
        match event:
            case Rejected():
                return [replies.error(record.order_id, 201, order_rules.rejected(event.reason).text), *pair]
            case Canceled() | Expired():
                return [
                    replies.error(record.order_id, 202, f"Order Canceled - reason:{order_rules.reason_of(order)}"),
                    *pair,
                ]
            case Filled():
                reckoned = not self._faults.takes_one("commission_not_reckoned")
                ids = (record.order_id, record.client_id)
                fill = executions.live(*ids, record.listing, event, order, reckoned=reckoned, number=record.number)
                if self._faults.takes_one("commission_before_execution"):
                    fill = fill[::-1]
                if self._faults.takes_one("execution_before_status"):
                    return [*fill, *pair]
                return [*pair, *fill]
            case _:
                return pair

    def _pair(self, record: Record, order: VenueOrder) -> list[Message]:
        status = record.status or order_rules.status_of(order, record.listing.calendar, self._world.now())
        fields = {**record.fields, **order_rules.fields_of(order.terms), **record.shown}
        facts = OrderFacts(record.order_id, record.client_id, record.number, record.listing, fields, status)
        left = order.terms.quantity - order.filled
        return [order_replies.open_order(facts), self._status_message(record, status, order, left)]

    def _status_message(self, record: Record, status: str, order: VenueOrder, left: Decimal) -> Message:
        average = order.average_price
        ids = (record.number, record.last_price, record.client_id, order_rules.why_held(order))
        return replies.order_status(record.order_id, status, order.filled, left, average, *ids, self._parent_of(record))

    def _parent_of(self, record: Record) -> int:
        """The order id of the parent, as the client that placed it has it."""
        return int(record.fields.get("parentId") or 0)

    def completed_message(self, record: Record, order: VenueOrder) -> Message:
        """Write message 101 of an order that is done."""
        status = order_rules.status_of(order, record.listing.calendar, order.updated_at)
        words = {
            "Filled": f"Filled Size: {order.filled}",
            "Cancelled": order_rules.reason_of(order) or "Cancelled by Trader",
        }
        facts = OrderFacts(
            record.order_id,
            record.client_id,
            record.number,
            record.listing,
            {**record.fields, **order_rules.fields_of(order.terms)},
            status,
            order.filled,
            times.stamp(order.updated_at),
            words.get(status, f"Rejected: {order.reason}"),
        )
        return order_replies.completed_order(facts)

    def record(self, number: int) -> Record | None:
        """What a permanent id stands for."""
        order = self._world.order(number)
        return None if order is None else self._record_of(order)

    def _record_of(self, order: VenueOrder) -> Record:
        known = self._by_number.get(order.number)
        if known is None:
            client_id, order_id = executions.owner_of(order.terms.client_tag)
            known = Record(client_id, order_id, order.number, self._listings[order.terms.symbol], {})
            known.status = order_rules.status_of(order, known.listing.calendar, order.updated_at)
            self._remember(known)
        return known

    def _working_orders(self) -> list[tuple[VenueOrder, Record]]:
        """Every working order, oldest first; those that have ended since are forgotten on the way."""
        self._working = {number: record for number, record in self._working.items() if self._works(record)}
        found = ((self._world.order(number), record) for number, record in self._working.items())
        return [(order, record) for order, record in found if order is not None]

    def _remember(self, record: Record) -> None:
        self._by_number[record.perm_id] = record
        if self._works(record):
            self._working.setdefault(record.perm_id, record)
        if record.order_id:
            self._records[(record.client_id, record.order_id)] = record
            self._next_ids[record.client_id] = max(self.next_valid_id(record.client_id), record.order_id + 1)

    def _bind(self, peer: Peer, record: Record) -> None:
        record.order_id = next(self._hand_numbers)
        self._remember(record)
        peer.send(replies.order_bound(record.perm_id, record.client_id, record.order_id))

    def _works(self, record: Record) -> bool:
        order = self._world.order(record.perm_id)
        return order is not None and order.status not in DONE
