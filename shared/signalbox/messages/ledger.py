"""The gateway's ledger: what it claims before it sends, so that nothing goes out twice."""

from __future__ import annotations

from msgspec import Struct

from signalbox.messages.orders import Order
from signalbox.messages.words import Message, Utc


class LedgerClaimed(Message, frozen=True, kw_only=True):
    """Written before an order is sent: from here on it may be at the venue. `attempt_id` is the venue's own
    number for the attempt (IBKR: the API order id; dYdX: the client id), written down so that a report can be told
    apart. `venue_order_id` is the venue's id where it can be computed beforehand; `good_til_block` is the last block
    that can fill a short-term order (0 = it is none). `attached` are the orders that leave with it, as one: their
    numbers are those that follow its own."""

    venue: str
    order: Order
    attempt_id: str
    venue_order_id: str = ""
    good_til_block: int = 0
    attached: tuple[Order, ...] = ()


class LedgerSent(Message, frozen=True, kw_only=True):
    """Written after the order left on the socket, or after the venue was found to have it."""

    venue: str
    order: Order
    attempt_id: str
    venue_order_id: str = ""


class Attempt(Struct, frozen=True, kw_only=True):
    """A number under which a venue may have the order, and what the venue calls it then; see `LedgerClaimed`."""

    attempt_id: str
    venue_order_id: str = ""


class LedgerChangeClaimed(Message, frozen=True, kw_only=True):
    """Written before a change of an order is sent: from here on the venue may have either. `cause` is the command.

    `order` is all of it as it is to be. Where the venue changes nothing in place, `attempts` are the numbers under
    which it may have the order from here on: as it is, as it is to be, and as it was, should it have to be put back.
    `deadline` is the command's."""

    venue: str
    order: Order
    revision: int
    attempts: tuple[Attempt, ...] = ()
    deadline: Utc | None = None


LedgerEntry = LedgerClaimed | LedgerSent | LedgerChangeClaimed
