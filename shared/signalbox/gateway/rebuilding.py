"""What is written down of an account's orders, read at the start: claims, then cancels, then reports.

Owns the order of that. To be done under the account's lease: only then is what is written down complete.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.gateway.ledger import LEDGER
from signalbox.gateway.state import AnyState, fold_cancel, fold_ledger
from signalbox.messages import CancelOrder, Command, LedgerEntry, Report
from signalbox.venues import gateway_of

log = logging.getLogger(__name__)

REPORTS, COMMANDS = "REPORTS", "COMMANDS"


async def rebuild(bus: Bus, state: AnyState, fold_report: Callable[[Any, Report], None]) -> None:
    """Fold what the streams have of the account into `state`; `fold_report` is the venue's."""
    acknowledged = await bus.consumer_floor(COMMANDS, gateway_of(state.venue))

    def claim(received: Received) -> None:
        fold_ledger(state, messages.decode(received.payload, LedgerEntry), received.sequence, time.monotonic())

    def cancel(received: Received) -> None:
        command: Command = messages.decode(received.payload, Command)
        if isinstance(command, CancelOrder):
            fold_cancel(state, command, comes_again=received.sequence > acknowledged)

    def report(received: Received) -> None:
        said: Report = messages.decode(received.payload, Report)
        fold_report(state, said)

    await bus.fold(LEDGER, claim, subjects.ledger_of(state.venue))
    await bus.fold(COMMANDS, cancel, subjects.commands_to(state.venue))
    await bus.fold(REPORTS, report, subjects.reports_of(state.venue, state.account))
    log.info("rebuilt", extra={"orders": len(state.orders), "reports": len(state.reported)})
