"""Looks, on a tick and before each decision behind a fact that matters, whether risk has to switch trading by itself.

Owns the order of things: what is to be switched is stored among the decisions, under the same lock and condition, and
is in the state before the next intent is decided. It must not know what pulls a switch (`risk.pulling`).
"""

from __future__ import annotations

import asyncio
import logging

from signalbox import subjects
from signalbox.clock import DeskClock
from signalbox.lease import OwnLease
from signalbox.messages import TradingMode, TradingSwitched

from risk import metrics
from risk.state import RiskState
from risk.step import LossesLooked, SwitchesLooked, SwitchStored, step
from risk.trade_log import TradeLog

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
SWITCHED_AT_ONCE_MAX = 64


class Watch:
    """`await run()` beside the decisions; `await look_if_due()` before each turn of them."""

    def __init__(self, state: RiskState, clock: DeskClock, lease: OwnLease, trade: TradeLog) -> None:
        self._state, self._clock, self._lease, self._trade = state, clock, lease, trade
        self._has_failed = False

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._lease.until_held()
            await self.look()

    async def look_if_due(self) -> None:
        """Look where something has happened that a cause looks at."""
        if self._state.pulls.is_due and self._state.desk.switches.are_on:
            await self.look()

    async def look(self) -> None:
        """Switch what has to be. What was pulled is ended also where nothing pulls any more."""
        if not self._state.desk.switches.are_on and not self._state.pulls.pulled:
            return
        async with self._trade.storing:
            switched = self._looked()
            for first in range(0, len(switched), SWITCHED_AT_ONCE_MAX):
                some = switched[first : first + SWITCHED_AT_ONCE_MAX]
                stored = await self._trade.store([(subjects.switched(each), each) for each in some])
                for sequence, each in enumerate(some, stored.sequence - len(some) + 1):
                    step(self._state, SwitchStored(sequence, each))
                    _tell(each, sequence)
        if switched:
            metrics.show_switches(self._state)

    def _looked(self) -> list[TradingSwitched]:
        """A fault of ours pulls nothing, is told once and counted, and ends nothing."""
        try:
            if self._state.desk.switches.losses:
                step(self._state, LossesLooked(), self._clock.now())  # also where nobody sends anything
            made = step(self._state, SwitchesLooked(self._clock.is_stale()), self._clock.now())
        except Exception:
            metrics.LOOKS_FAILED.inc()
            if not self._has_failed:
                log.exception("risk could not look whether it has to switch trading")
            self._has_failed = True
            return []
        self._has_failed = False
        return [each for each in made if isinstance(each, TradingSwitched)]


def _tell(switched: TradingSwitched, sequence: int) -> None:
    fields = {
        "pulled_by": switched.pulled_by,
        "mode": switched.mode,
        "scope": "/".join(
            part for part in (switched.venue, switched.account, switched.symbol, switched.strategy) if part
        ),
        "by": switched.by,
        "reason": switched.reason,
        "decision_sequence": sequence,
    }
    metrics.SWITCHED.labels(switched.pulled_by, switched.mode).inc()
    if switched.mode is TradingMode.ACTIVE:
        log.info("trading was armed again", extra=fields)
    else:
        log.error("risk has switched trading by itself", extra=fields)
