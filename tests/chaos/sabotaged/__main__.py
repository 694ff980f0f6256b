"""A gateway with one of its guards taken out, which a campaign has to notice. SABOTAGE says whose, and which or none.

Owns what is taken out, in a process that is made for it. It must not know how it is noticed.
"""

from __future__ import annotations

import importlib
import itertools
import os
import time
from typing import Any

from msgspec.structs import replace
from signalbox.gateway import ledger, reports
from signalbox.gateway.ledger import Step
from signalbox.gateway.state import execution_report_id, track

VARIABLE = "SABOTAGE"


def without_claim(_: str) -> None:
    """An order is sent as soon as it is commanded: nothing is written down before, nor looked up."""

    async def claim(bus: Any, state: Any, entry: Any) -> Any:
        return track(state, entry, 0, time.monotonic())

    async def record_sent(*_: Any) -> None:
        pass

    ledger.step_for = lambda state, order_id: Step.CLAIM
    ledger.claim, ledger.record_sent = claim, record_sent


def without_dedupe(_: str) -> None:
    """A fill is reported each time that the venue tells it."""
    times, once = itertools.count(), reports.filled

    def filled(state: Any, fill: Any, *more: Any) -> Any:
        state.reported.pop(execution_report_id(state, "fill", fill.execution_id, fill.revision), None)
        [report] = once(state, fill, *more)
        return [replace(report, id=f"{report.id}/{next(times)}")]

    reports.filled = filled


def without_recovery(venue: str) -> None:
    """The venue is never asked which executions there were."""

    async def none(*_: Any, **__: Any) -> tuple[Any, ...]:
        return ()

    if venue == "ibkr":
        importlib.import_module("gateway_ibkr.venue_orders").OrdersSession.executions = none
    else:
        importlib.import_module("gateway_dydx.venue_indexer").IndexerRest.fills = none


TAKEN_OUT = {"claim": without_claim, "dedupe": without_dedupe, "recovery": without_recovery}


def main() -> None:
    venue, _, guard = os.environ[VARIABLE].partition(":")
    if guard:
        TAKEN_OUT[guard](venue)
    importlib.import_module(f"gateway_{venue}.__main__").main()


if __name__ == "__main__":
    main()
