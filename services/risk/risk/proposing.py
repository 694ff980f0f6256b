"""Limits that operators propose, from KV_CONTROL: each gets its answer in TRADE, once, between two decisions.

Owns the order of things: the answer is stored before the proposal is acknowledged, under the same lock and condition as
decisions are. What can not be read is parked with its reason, and what was set stays. It must not know what makes a set
good (`risk.limiting`).
"""

from __future__ import annotations

import logging

from msgspec import structs
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.clock import DeskClock
from signalbox.decimals import can_be_reckoned_with
from signalbox.errors import MessageError
from signalbox.lease import OwnLease
from signalbox.messages import LimitsProposed, LimitsRuling, LimitsSet

from risk import metrics
from risk.limiting import refuse
from risk.state import RiskState
from risk.step import step
from risk.trade_log import TradeLog

log = logging.getLogger(__name__)

STREAM, CONSUMER = "KV_CONTROL", "risk"


class Proposals:
    """`await follow()`, once TRADE is rebuilt."""

    def __init__(self, bus: Bus, state: RiskState, clock: DeskClock, lease: OwnLease, trade: TradeLog) -> None:
        self._bus, self._state, self._clock, self._lease, self._trade = bus, state, clock, lease, trade

    async def follow(self) -> None:
        """Answer what waits, and what comes."""
        metrics.show_limits(self._state)
        await self._bus.consume(STREAM, CONSUMER, self.handle)

    async def handle(self, received: Received) -> None:
        """Answer one proposal. It is acknowledged when this returns, and parked when it can not be read."""
        await self._lease.until_held()
        proposed = _read(received)
        async with self._trade.storing:
            rulings = self._ruled(proposed)
            if rulings:
                stored = await self._trade.store([(subjects.limits_ruled(each), each) for each in rulings])
        for ruling in rulings:
            _tell(ruling, stored.sequence)
        metrics.show_limits(self._state)

    def _ruled(self, proposed: LimitsProposed) -> tuple[LimitsRuling, ...]:
        """A fault of ours refuses: what was set stays, and the next proposal has its turn."""
        at, version = self._clock.now(), self._state.rules.limits_version
        try:
            rulings = step(self._state, proposed, at)
        except Exception as error:
            if self._state.rules.limits_version != version:
                raise
            log.exception("limits could not be judged", extra={"proposal": proposed.id})
            return (refuse(self._state, proposed, at, f"risk could not judge it: {type(error).__name__}"),)
        return tuple(each for each in rulings if isinstance(each, LimitsRuling))


def _read(received: Received) -> LimitsProposed:
    """The proposal as the server names its sender, whatever it says of him."""
    name = subjects.operator_of_limits(received.subject)
    proposed: LimitsProposed = messages.decode(received.payload, LimitsProposed)
    if not name or not subjects.INTENT_ID.fullmatch(proposed.id):
        raise MessageError("its id is none, such as l-20260105-1, or nobody knows who sent it")
    if not can_be_reckoned_with(proposed):
        raise MessageError("it holds a number that can not be reckoned with: NaN, infinite, or beyond any size")
    return structs.replace(proposed, by=name)


def _tell(ruling: LimitsRuling, sequence: int) -> None:
    fields = {"proposal": ruling.cause, "by": ruling.by, "version": ruling.version, "decision_sequence": sequence}
    if isinstance(ruling, LimitsSet):
        metrics.LIMITS_PROPOSED.labels(metrics.SET).inc()
        log.info("limits set", extra={**fields, "reason": ruling.reason, "loosened": list(ruling.loosened)})
        return
    metrics.LIMITS_PROPOSED.labels(metrics.REFUSED).inc()
    log.warning("limits refused", extra={**fields, "reason": ruling.reason})
