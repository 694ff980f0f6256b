"""What can follow from what a venue says of orders: reports, questions, and what is to be put right.

Owns the words in which a venue's `decide` and `reconcile`, which are pure, say it; `submission` does it.
"""

from __future__ import annotations

from msgspec import Struct

from signalbox.messages import Report


class Ask(Struct, frozen=True):
    """Ask the venue what became of the order, soon; `urgent` = at once."""

    order_id: str
    reason: str
    urgent: bool = False


class RecordSent(Struct, frozen=True):
    """The venue has an order that the ledger only has as claimed: write it down as sent."""

    order_id: str


class CancelStray(Struct, frozen=True):
    """The order was reported as never having reached the venue, and works there: cancel it."""

    order_id: str


class CancelAgain(Struct, frozen=True):
    """The venue works an order on as if its cancel had never come: send the cancel again."""

    order_id: str


class Strand(Struct, frozen=True):
    """The venue remembers no more what became of the order: tell an operator."""

    order_id: str


class Park(Struct, frozen=True, kw_only=True):
    """A fact of the venue makes no sense: it is set aside with its reason, and nothing is guessed from it.

    `key` names it among its kind. Nothing is sent for `symbol` ("" = none) until a later fact of this key can be read.
    One that `passes` says nothing of what is now.
    """

    kind: str
    key: str
    reason: str
    text: str
    symbol: str = ""
    passes: bool = False


Action = Report | Ask | RecordSent | CancelStray | CancelAgain | Strand | Park
