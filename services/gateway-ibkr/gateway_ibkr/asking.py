"""What IBKR is asked about orders: open orders, executions, completed orders, each up to its end marker.

Owns that an answer is complete, and the question about positions: one that our executions do not explain is somebody
else's trade. When it is asked is `signalbox.gateway.asking`'s.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from signalbox.clock import DeskClock
from signalbox.gateway import externals
from signalbox.gateway.actions import Action, Ask
from signalbox.gateway.asking import Pace
from signalbox.gateway.link import Link
from signalbox.gateway.parking import Parking
from signalbox.gateway.state import ZERO, outstanding
from signalbox.messages import Report

from gateway_ibkr import decide, reconcile, settling
from gateway_ibkr.reconcile import Answers
from gateway_ibkr.settings import Settings
from gateway_ibkr.state import State, Tracked
from gateway_ibkr.venue_orders import OrdersSession

log = logging.getLogger(__name__)

MEMORY = timedelta(days=8)
"""TWS can be set to tell executions of seven days; nothing older comes up again."""

GONE_ASKS = 3
"""After so many answers that do not explain it, that options are gone is taken as it is."""
POSITIONS = ""
"""Among the questions, which are order ids: the one about positions."""


def pace_of(settings: Settings) -> Pace:
    """How soon and how often the venue is asked about an order."""
    return Pace(
        ask_seconds=max(settings.acknowledge_seconds_max, settings.visibility_seconds),
        ask_seconds_max=60.0,
        commission_asks_max=5,
    )


class Questions:
    """What is asked over the orders session."""

    def __init__(
        self,
        clock: DeskClock,
        state: State,
        link: Link,
        parking: Parking,
        settings: Settings,
        open_session: Callable[[], OrdersSession],
    ) -> None:
        self._parking = parking
        self._clock, self._state, self._link, self._settings = clock, state, link, settings
        self._open_session = open_session
        self._stated: dict[str, Decimal] = {}
        self._stated_before: dict[str, Decimal] = {}
        """As it was when the venue was last asked."""
        self._gone_asked = 0
        """How often the executions have not explained that options are gone."""
        self._looks_around = False

    def look_around(self) -> None:
        """Ask, when the venue is asked next, what others have placed."""
        self._looks_around = True

    def on_position(self, symbol: str, quantity: Decimal) -> bool:
        """Take a stated position; True = the venue must be asked about it."""
        self._stated[symbol] = quantity
        return self._positions_differ()

    def hold(self, positions: dict[str, Decimal]) -> None:
        """Take complete positions, with which all executions known agree."""
        self._stated, self._state.own.positions = dict(positions), dict(positions)
        self._state.own.knows_positions, self._gone_asked = True, 0

    def _positions_differ(self) -> bool:
        held = self._state.own.positions
        return any(quantity != held.get(symbol, ZERO) for symbol, quantity in self._stated.items())

    def may_ask(self) -> bool:
        return self._link.may_send()

    def question(self, key: str, tracked: Tracked | None) -> str:
        if tracked is not None:
            return decide.question(self._state, tracked)
        if key == externals.QUESTION:
            return "what others have placed" if self._looks_around else externals.question(self._state)
        return "positions differ" if key == POSITIONS and self._positions_differ() else ""

    async def ask(self) -> Answers:
        session = self._open_session()
        self._stated_before, self._looks_around = dict(self._stated), False
        asked_about = outstanding(self._state)
        inactive = frozenset(name for name, tracked in self._state.orders.items() if tracked.own.inactive)
        open_orders = await session.open_orders()
        heard = reconcile.heard_of(self._state)
        executions = await session.executions()
        completed = await session.completed_orders()
        return reconcile.answers_of(
            self._state,
            asked_about,
            inactive,
            (*open_orders, *executions, *completed),
            self._clock.now(),
            heard=heard,
        )

    def take(self, answers: Answers, due: list[str]) -> list[Action]:
        self._parking.answered(reconcile.KINDS, answers.unread)
        actions = reconcile.reconcile(
            self._state,
            answers,
            self._clock.now(),
            wall_seconds=time.monotonic(),
            visibility_seconds=self._settings.visibility_seconds,
        )
        if POSITIONS in due and self._stated != self._stated_before:  # moved since: the answers may be older
            actions.append(Ask(POSITIONS, "positions moved while they were asked about"))
        elif POSITIONS in due and self._positions_differ():
            actions += self._differing()
        return actions

    def _differing(self) -> list[Action]:
        """The executions do not explain the positions: options that have gone may, what is left is taken as stated.

        Options are asked about some more first: their shares, or an execution, may be on their way.
        """
        told: list[Report] = []
        stated = self._state.own.positions | self._stated
        if settling.is_gone(self._state, stated):
            self._gone_asked += 1
            if self._gone_asked < GONE_ASKS:
                return [Ask(POSITIONS, "options are gone, and no execution says how")]
            told = settling.settle(self._state, stated, self._clock.now())
            settling.tell(told)
        self._gone_asked = 0
        if self._positions_differ():
            log.error("positions differ from what the executions explain", extra={"stated": str(self._stated)})
            self.hold(self._state.own.positions | self._stated)
        return [*told]

    def is_stranded(self, tracked: Tracked) -> bool:
        return tracked.order.order_id in self._state.own.stranded
