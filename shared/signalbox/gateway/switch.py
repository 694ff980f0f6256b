"""The desk's main switch, as a gateway obeys it by itself: also when risk and the OMS are dead.

Owns which trading state holds here, and what it lets through. Risk denies by the same switch; what it approved before
the switch was set, and what has not left yet, is stopped here. It must not know the venue.

Nothing heard yet, and a state that was deleted, mean HALTED, as they do to risk. What bears no operator's seal is not
told (`Bus.watch`). What does, and can not be read, changes nothing: what held before holds, and it is said so.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from msgspec import MsgspecError
from msgspec.structs import replace

from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.messages import ModifyOrder, Order, SubmitOrder, TradingMode, TradingState
from signalbox.metrics import GATEWAY_TRADING_STATE

log = logging.getLogger(__name__)

NOT_SET = "trading is halted: this gateway has heard no trading state"


class Switch:
    """What holds for one account of a gateway."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self.state: TradingState | None = None
        self.unread = ""
        """Why the newest word of an operator does not hold; "" = it does."""
        self._show()

    async def take(self, received: Received | None) -> None:
        """Take the newest genuine state in; None = there is none."""
        if received is None or not received.payload:
            self.state, self.unread = None, ""
            log.error("no trading state: this gateway sends what reduces alone")
        else:
            self._read(received)
        self._show()

    def _read(self, received: Received) -> None:
        try:
            found: TradingState = messages.decode(received.payload, TradingState)
        except MsgspecError as error:
            self.unread = f"{received.stream}:{received.sequence} can not be read ({error})"
            log.error("a trading state can not be read: what held before holds", extra={"what": self.unread})
            return
        name = subjects.operator_of(received.subject)  # what the sender says of himself is not believed
        self.state, self.unread = replace(found, by=name or found.by), ""
        log.info("trading state", extra={"mode": found.mode, "by": self.state.by, "reason": found.reason})

    def _show(self) -> None:
        for mode in TradingMode:
            GATEWAY_TRADING_STATE.labels(self._venue, mode.value).set(1 if mode is self.mode else 0)

    @property
    def mode(self) -> TradingMode:
        return self.state.mode if self.state is not None else TradingMode.HALTED

    def why_not_sent(self, command: SubmitOrder) -> str:
        """Why an order must not be sent now; "" = it may."""
        return "" if command.reduces else self._why()

    def why_not_changed(self, command: ModifyOrder, standing: Order) -> str:
        """Why an order must not be changed now; "" = it may. To make it smaller is no risk to anybody."""
        smaller = command.order.quantity <= standing.quantity
        if command.reduces or (smaller and replace(command.order, quantity=standing.quantity) == standing):
            return ""
        return self._why()

    def _why(self) -> str:
        state = self.state
        if state is None:
            return NOT_SET
        if state.mode is TradingMode.ACTIVE:
            return ""
        told = f"by {state.by}: {state.reason or 'no reason given'}"
        if state.mode is TradingMode.HALTED:
            return f"trading is halted {told}; what it had been approved for before was not sent"
        return f"only orders that reduce a position are sent, {told}; this one was approved before"

    def described(self) -> dict[str, str]:
        """What `signalbox status` tells: which state is obeyed here, by its id."""
        state = self.state
        return {
            "obeys": f"{state.mode.value} by {state.by}" if state is not None else "HALTED, as none is set",
            "obeys_trading_state": state.id if state is not None else "",
            "trading_state_unread": self.unread,
        }


async def watch(bus: Bus, switches: Sequence[Switch]) -> None:
    """Have the switch obeyed by each account of a process; returns once the present one holds."""

    async def take(received: Received | None) -> None:
        for switch in switches:
            await switch.take(received)

    await bus.watch(subjects.TRADING_STATE_BUCKET, f"{subjects.TRADING_STATE_KEY}.*", take)
