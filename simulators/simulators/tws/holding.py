"""Orders that TWS has and does not work: until shares are located, or for another reason while they stay Inactive.

Owns which those are, and what is told of them. It must not know what makes an order fill, nor which order id means
which order (`orders`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from signalbox.exchange.listing import Listing
from signalbox.exchange.orders import OrderTerms, VenueOrder

from simulators.tws import order_replies, order_rules, replies, times
from simulators.tws.order_replies import OrderFacts
from simulators.tws.peers import Peer, Peers
from simulators.tws.place_order import PlaceOrder
from simulators.tws.replies import Message
from simulators.world import World

LOCATE = "locate"


@dataclass(slots=True)
class Record:
    """One client's order id and what it stands for. `fields` are the client's own texts, the latest accepted ones."""

    client_id: int
    order_id: int
    perm_id: int
    listing: Listing
    fields: Mapping[str, str]
    status: str = ""
    last_price: Decimal = Decimal(0)
    told_number: int = 0
    """The permanent id that clients know it by, where it is not the world's."""
    why_held: str = ""
    shown: Mapping[str, str] = field(default_factory=dict)
    """Texts that stand over all others: of an order of a kind that is not known here."""

    @property
    def number(self) -> int:
        return self.told_number or self.perm_id


@dataclass(frozen=True, slots=True)
class Held:
    """An order that TWS has and does not work yet."""

    record: Record
    terms: OrderTerms


class HeldOrders:
    """The orders that are held, by the permanent id that clients know."""

    def __init__(self, world: World, peers: Peers, numbers: Iterator[int]) -> None:
        self._world, self._peers, self._numbers = world, peers, numbers
        self._held: dict[int, Held] = {}
        self._ended: list[OrderFacts] = []
        """Those that were cancelled or refused while they were held: the market has never seen them."""
        self.told_numbers: dict[int, int] = {}
        """Of orders that were held first: the permanent id that clients know them by, by the world's."""

    @property
    def numbers(self) -> list[int]:
        return list(self._held)

    @property
    def references(self) -> list[str]:
        return [held.terms.client_reference for held in self._held.values()]

    def keep(self, peer: Peer, request: PlaceOrder, listing: Listing, terms: OrderTerms, why: str) -> Record:
        """Keep an order back: for shares to be located (404, PreSubmitted), or as Inactive for another reason (201)."""
        fields = {**request.fields, "account": terms.account, "tif": order_rules.tif_of(terms)}
        number = next(self._numbers)
        record = Record(peer.client_id, request.order_id, number, listing, fields, told_number=number)
        locating = why == LOCATE
        record.status, record.why_held = ("PreSubmitted", LOCATE) if locating else ("Inactive", "")
        self._held[number] = Held(record, terms)
        text = "Order held while securities are located." if locating else f"Order rejected - reason:{why}"
        peer.send(replies.error(request.order_id, 404 if locating else 201, text))
        self._say(peer, record)
        return record

    def cancel(self, peer: Peer, record: Record) -> bool:
        """Cancel an order that is held; False = it is not."""
        if self._held.pop(record.number, None) is None:
            return False
        record.status, record.why_held = "Cancelled", ""
        self._end(record, "Cancelled by Trader")
        peer.send(replies.error(record.order_id, 202, "Order Canceled - reason:"))
        peer.send(_status(record))
        return True

    def tell(self, peer: Peer, *, of_all: bool) -> None:
        """Tell those of a client, or everybody's, among the open orders."""
        for held in self._held.values():
            if of_all or held.record.client_id == peer.client_id:
                self._say(peer, held.record)

    def tell_completed(self, peer: Peer) -> None:
        """Tell those that have ended while they were held, among the completed orders."""
        for facts in self._ended:
            peer.send(order_replies.completed_order(facts))

    def release(self, number: int) -> tuple[Record, VenueOrder]:
        """Have an order worked that was held. Raises KeyError."""
        held = self._held.pop(number)
        order = self._world.submit(held.terms)
        held.record.perm_id, held.record.status, held.record.why_held = order.number, "", ""
        self.told_numbers[order.number] = number
        return held.record, order

    def refuse(self, number: int, reason: str) -> None:
        """Refuse an order that was held, for good. Raises KeyError."""
        record = self._held.pop(number).record
        record.status, record.why_held = "Inactive", ""
        self._end(record, f"Rejected: {reason}")
        peer = self._peers.get(record.client_id)
        if peer is not None:
            peer.send(replies.error(record.order_id, 201, f"Order rejected - reason:{reason}"))
            self._say(peer, record)

    def _end(self, record: Record, words: str) -> None:
        ids = (record.order_id, record.client_id, record.number)
        ended = (Decimal(0), times.stamp(self._world.now()), words)
        self._ended.append(OrderFacts(*ids, record.listing, record.fields, record.status, *ended))

    def _say(self, peer: Peer, record: Record) -> None:
        ids = (record.order_id, record.client_id, record.number)
        peer.send(order_replies.open_order(OrderFacts(*ids, record.listing, record.fields, record.status)))
        peer.send(_status(record))


def _status(record: Record) -> Message:
    nothing, quantity = Decimal(0), Decimal(record.fields.get("totalQuantity") or 0)
    ids = (record.number, nothing, record.client_id)
    return replies.order_status(record.order_id, record.status, nothing, quantity, nothing, *ids, record.why_held)
