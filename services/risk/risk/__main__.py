"""Start the risk service: `python -m risk`. Of several processes one decides, the others stand by."""

from __future__ import annotations

from signalbox import process, subjects
from signalbox.lease import service_lease
from signalbox.process import Runtime

from risk import metrics
from risk.bus_promise import hold_to_durability
from risk.observing import HEARD, Observing
from risk.service import Risk
from risk.settings import Settings
from risk.state import opening_state
from risk.what_if import WhatIfs

REBUILT = "rebuilt from TRADE"


async def start(settings: Settings, runtime: Runtime) -> None:
    """Look around, take the lease, rebuild, then decide. Who stands by is ready once it has heard prices and links."""
    runtime.health.require(REBUILT)
    runtime.health.require(HEARD, also_standing_by=True)
    await hold_to_durability(runtime.bus, runtime.desk, runtime.fail)
    state = opening_state(runtime.desk)
    metrics.show_limits(state)
    metrics.begin_counts(state)
    lease = service_lease(runtime.bus, "risk")
    observing = Observing(runtime.bus, state, runtime.health, settings, runtime.clock)
    service = Risk(runtime.bus, state, runtime.clock, observing, lease)
    runtime.details = service.details
    await observing.start()
    await runtime.spawn(observing.listen(), "listen")
    await runtime.spawn(observing.watch_room(), "look at room")
    await runtime.hold(lease)
    await service.rebuild()
    await runtime.spawn(observing.show(), "show the figures")
    await observing.settle()
    runtime.health.met(REBUILT)
    await service.consume()
    what_ifs = WhatIfs(state, runtime.clock, lease)
    await runtime.bus.serve(subjects.ALL_WHAT_IFS, what_ifs.answer)
    await runtime.spawn(service.watch.run(), "switch what has to be")
    await runtime.spawn(service.log.keep_checkpoints(), "checkpoints")


def main() -> None:
    process.run("risk", Settings, start)


if __name__ == "__main__":
    main()
