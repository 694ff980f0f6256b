"""How orders leave for the line broker, how it is asked, and what it says of the account."""

from __future__ import annotations

import time
from datetime import datetime

from lines_gateway import decide
from lines_gateway.decide import State, Tracked
from lines_gateway.facts import VENUE, Everything, FiguresSeen, Listed
from lines_gateway.session import Session
from msgspec import Struct
from signalbox.clock import DeskClock
from signalbox.errors import TranslationError, VenueUnavailableError
from signalbox.gateway.actions import Action
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.link import Link
from signalbox.gateway.state import outstanding, take_number
from signalbox.gateway.venue import Canceled, CancelVerdict, Draft, NoRoom, Outcome, Placed
from signalbox.messages import AccountState, Order

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

    # how orders leave

    def compose(self, order: Order, at: datetime) -> Draft:
        listed = self._instruments.one(order.symbol)
        if order.quantity % listed.lot:
            raise TranslationError(f"{order.quantity} is no multiple of {listed.lot}")
        line = {
            "do": "place", "reference": order.order_id, "symbol": order.symbol, "side": order.side,
            "quantity": order.quantity, "order_type": order.order_type, "limit_price": order.limit_price,
            "stop_price": order.stop_price, "time_in_force": order.time_in_force, "good_till": order.good_till,
            "outside_regular_hours": order.outside_regular_hours,
        }  # fmt: skip
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

    # how it is asked

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
        self._seen: FiguresSeen | None = None

    def on_fact(self, fact: FiguresSeen) -> bool:
        changed, self._seen = fact != self._seen, fact
        return changed

    def forget(self) -> None:
        self._seen = None

    def state(self, at: datetime) -> AccountState | None:
        if self._seen is None:
            return None
        figures = {name: getattr(self._seen, name) for name in FiguresSeen.__struct_fields__}
        account_id = f"account/{VENUE}/{self._account}/{at.isoformat()}"
        return AccountState(id=account_id, at=at, venue=VENUE, account=self._account, **figures)
