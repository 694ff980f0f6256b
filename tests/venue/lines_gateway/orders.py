"""How orders leave for the line broker, how it is asked, and what it says of the account."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from lines_gateway import decide
from lines_gateway.decide import State, Tracked
from lines_gateway.facts import VENUE, Everything, FiguresSeen, Listed
from lines_gateway.session import Session
from msgspec import Struct, structs
from msgspec.structs import asdict
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueUnavailableError
from signalbox.gateway.actions import Action
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.link import Link
from signalbox.gateway.state import outstanding, take_number
from signalbox.gateway.venue import (
    Canceled,
    CancelVerdict,
    Draft,
    NoRoom,
    Outcome,
    Placed,
    refuse_change,
    refuse_external,
)
from signalbox.messages import AccountState, Order
from signalbox.order_support import why_refused

VISIBLE_SECONDS = 0.3


class Answer(Struct, frozen=True):
    """Everything, and which orders it was asked about."""

    asked_about: frozenset[str]
    told: Everything


class Venue:
    """`session` is the session that there is, or None."""

    def __init__(self, clock: DeskClock, state: State, link: Link, instruments: Instruments[Listed]) -> None:
        self._clock, self._state, self._link, self._instruments = clock, state, link, instruments
        self.session: Session | None = None

    compose_change = refuse_change
    cancel_external = refuse_external

    def compose(self, order: Order, at: datetime) -> Draft:
        listed = self._instruments.one(order.symbol)
        odd = f"{order.quantity} is no multiple of {listed.lot}" if order.quantity % listed.lot else ""
        if refused := why_refused(VENUE, listed.kind, order) or odd:
            raise TranslationError(refused)
        line = {"do": "place", "reference": order.order_id, **asdict(order)}
        return Draft(take_number(self._state), line)

    def no_room(self, draft: Draft) -> NoRoom | None:
        return None

    def write_out(self, draft: Draft) -> None:
        return

    async def turn(self) -> None:
        self.open_session()

    async def place(self, tracked: Tracked, draft: Draft) -> Placed:
        self.open_session().send(**draft.terms)  # from `turn` to here nothing has waited
        return Placed(Outcome.SENT)

    async def cancel(self, tracked: Tracked, *, again: bool) -> Canceled:
        self.open_session().send(do="cancel", reference=tracked.order.order_id)
        tracked.own.cancel_sent_seconds = time.monotonic()
        return Canceled(CancelVerdict.ACCEPTED)

    def ends_unwatched(self, tracked: Tracked) -> bool:
        return False

    def open_session(self) -> Session:
        if self.session is None or not self.session.is_open:
            raise VenueUnavailableError("there is no session")
        return self.session

    def may_ask(self) -> bool:
        return self._link.may_send()

    def question(self, key: str, tracked: Tracked | None) -> str:
        return decide.question(tracked) if tracked is not None else ""

    async def ask(self) -> Answer:
        about = outstanding(self._state)
        return Answer(about, await self.open_session().everything())

    def take(self, answers: Answer, due: list[str]) -> list[Action]:
        about, at, seconds = answers.asked_about, self._clock.now(), time.monotonic()
        return decide.reconcile(self._state, answers.told, about, at, seconds, VISIBLE_SECONDS)

    def is_stranded(self, tracked: Tracked) -> bool:
        return False


class Figures:
    """The broker's figures, as it said them last."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._figures: dict[str, Any] = {}
        self._said_at: dict[str, datetime] = {}

    def on_fact(self, fact: FiguresSeen, at: datetime) -> bool:
        said = {name: value for name, value in structs.asdict(fact).items() if value is not None}
        changed = self._figures.items() != (self._figures | said).items()
        self._figures |= said
        self._said_at |= dict.fromkeys(said, at)
        return changed

    def forget(self) -> None:
        self._figures, self._said_at = {}, {}

    def state(self, at: datetime) -> AccountState | None:
        if not self._figures:
            return None
        if "net_liquidation" not in self._figures:
            raise TranslationError(f"the broker has not said what account {self._account} is worth")
        return AccountState(
            id=f"account/{VENUE}/{self._account}/{at.isoformat()}", at=at, venue=VENUE, account=self._account,
            said_at=dict(self._said_at), **self._figures,
        )  # fmt: skip

    def unsaid_since(self, at: datetime) -> bool:
        return False  # everything is asked for all the time
