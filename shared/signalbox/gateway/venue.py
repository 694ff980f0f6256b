"""What a venue brings for its gateway: its words for an order, and its answers. The rest is the house's.

Owns the words between the house and a venue, and no rule. `Orders` is how orders leave (`submission` says when),
`Questions` is how a venue is asked what became of them (`asking` says when). What it brings beside them: figures of the
account (`account.Figures`), series of minutes (`feed.Series`), and quotes (`quotes`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from signalbox.errors import TranslationError
from signalbox.gateway.actions import Action
from signalbox.gateway.externals import External
from signalbox.gateway.state import AnyTracked
from signalbox.messages import Attempt, Order

# ---------------------------------------------------------------------------------------------------- how orders leave


@dataclass
class Draft:
    """An order in the venue's words, under a number of its own, before it is claimed."""

    number: int
    terms: Any
    """The venue's."""
    venue_order_id: str = ""
    """What the venue will call it, where that is known before."""
    good_til_block: int = 0
    again: bool = False
    """Of a change: one that may have been sent by another process can be sent again, and is the same then."""
    attempts: tuple[Attempt, ...] = ()
    """Of a change: the numbers that it needs, as `LedgerChangeClaimed` has them; () = its own does."""
    written: Any = None
    """The bytes that would leave now; None = they are made when it is sent."""
    attached: tuple[Draft, ...] = ()
    """What leaves with it, all of it or nothing, under the numbers that follow."""


class NoRoom(Struct, frozen=True):
    """The venue's pace does not allow another order now. `passes`: it soon will, which is worth waiting for.

    `room_at` is when it will, where that is known: whoever wants the order may send it anew then.
    """

    reason: str
    passes: bool
    room_at: datetime | None = None


class Outcome(StrEnum):
    """What became of an order that was to be sent."""

    SENT = "SENT"
    """It left; the venue's word will come."""
    ACCEPTED = "ACCEPTED"
    """It left, and the venue has taken it."""
    REFUSED = "REFUSED"
    """The venue has refused it: it is surely not there."""
    UNSENT = "UNSENT"
    """Surely nothing left: it may be tried again by this process."""
    TOO_LATE = "TOO_LATE"
    """Surely nothing left, and nothing may any more."""
    UNKNOWN = "UNKNOWN"
    """Something may have left: only the venue can tell."""


class Placed(Struct, frozen=True):
    """`code`, `text` and `room_at` (see `NoRoom`) are for the report. `again`: the refusal may pass."""

    outcome: Outcome
    code: str = ""
    text: str = ""
    again: bool = False
    room_at: datetime | None = None


def refuse_change(orders: Orders, tracked: AnyTracked, order: Order, at: datetime) -> Draft:
    """`compose_change` of a venue that changes no orders: its `change` is never asked for."""
    raise TranslationError(f"{order.venue} changes no orders: cancel it, and send another once it has ended")


async def refuse_external(orders: Orders, external: External) -> Canceled:
    """`cancel_external` of a venue that lets nobody cancel what another has placed."""
    return Canceled(CancelVerdict.REFUSED, "", "it was placed elsewhere: cancel it where it was placed")


class CancelVerdict(StrEnum):
    """What became of a cancel that was to be sent."""

    ACCEPTED = "ACCEPTED"
    """It is on its way, by this sending or by an earlier one."""
    GONE = "GONE"
    """The venue has no such order any more: it has ended, and how, only its answers can tell."""
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"
    """It may have left or not: repeating it does no harm."""


class Canceled(Struct, frozen=True):
    """`code` and `text` are for the report; without a code it is the gateway that refuses."""

    verdict: CancelVerdict
    code: str = ""
    text: str = ""


class Orders(Protocol):
    """How the orders of one venue leave."""

    def compose(self, order: Order, at: datetime) -> Draft:
        """Put the order in the venue's words, under a new number. Asked only when READY: what it needs has been learnt.

        Raises `TranslationError`, whose text tells a person why it will never be sent.
        """

    def no_room(self, draft: Draft) -> NoRoom | None:
        """Whether the venue's pace stands in the way; None = it does not."""

    def write_out(self, draft: Draft) -> None:
        """Make its bytes, if that can be done now: the claim is being stored meanwhile. Raises nothing."""

    async def turn(self) -> None:
        """Wait until another message may leave. Raises `VenueError` if there is no way out at present."""

    async def place(self, tracked: AnyTracked, draft: Draft) -> Placed:
        """Have it leave, now. It must not wait before: what the caller has looked at holds until the bytes go."""

    def compose_change(self, tracked: AnyTracked, order: Order, at: datetime) -> Draft:
        """Put an order that works, as it is to be, in the venue's words, under its own number. Asked only when READY.

        Raises `TranslationError`, whose text tells a person why it is not sent.
        """

    async def change(self, tracked: AnyTracked, draft: Draft) -> Placed:
        """Have a change leave, now, as `place`. UNKNOWN with `again`: repeating it does no harm."""

    async def cancel(self, tracked: AnyTracked, *, again: bool) -> Canceled:
        """Have its cancel leave, now; `again` = nobody asked anew. Raises `TranslationError`."""

    async def cancel_external(self, external: External) -> Canceled:
        """Have the cancel of an order that somebody else has placed leave, now; REFUSED where it is not the desk's to
        cancel, with what to do instead."""

    def ends_unwatched(self, tracked: AnyTracked) -> bool:
        """Whether an order ends when the gateway only stops keeping it alive."""


# ------------------------------------------------------------------------------------------- how the venue is asked


class Answers(Protocol):
    """A venue's answers, each of them complete."""

    @property
    def asked_about(self) -> frozenset[str]:
        """The orders that the venue should know of, fixed before the first question."""


class Questions(Protocol):
    """How one venue is asked what became of orders."""

    def may_ask(self) -> bool:
        """Whether it makes sense now."""

    def question(self, key: str, tracked: AnyTracked | None) -> str:
        """What there is to ask about an order, or, by another key, about anything else; "" = nothing (any more)."""

    async def ask(self) -> Any:
        """Ask for everything. Raises `VenueError` unless every answer came completely."""

    def take(self, answers: Any, due: list[str]) -> list[Action]:
        """Take complete answers to `due` questions, and to all others; return what follows."""

    def is_stranded(self, tracked: AnyTracked) -> bool:
        """Whether no answer of the venue can tell any more what became of an order."""
