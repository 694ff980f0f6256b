"""Start the order-management service: `python -m oms`. Of several processes one works, the others stand by."""

from __future__ import annotations

from datetime import timedelta

from signalbox import process
from signalbox.lease import service_lease
from signalbox.process import Runtime

from oms.outcome import Rules
from oms.service import OrderManagement
from oms.settings import Settings

REBUILT = "rebuilt"


async def start(settings: Settings, runtime: Runtime) -> None:
    """Take the lease, fold the stored order events, then take decisions, reports and timers."""
    lease = service_lease(runtime.bus, "oms")
    await runtime.hold(lease)
    runtime.health.require(REBUILT)
    rules = Rules(
        submit_window=timedelta(seconds=settings.submit_window_seconds),
        unknown_grace=timedelta(seconds=settings.unknown_grace_seconds),
        venues=frozenset(runtime.desk.venues),
    )
    service = OrderManagement(runtime.bus, runtime.clock, rules, lease)
    runtime.details = service.details
    await service.rebuild()
    service.shown.watch(runtime.desk)
    await runtime.spawn(service.publisher.run(), "books")
    await runtime.spawn(service.late_fills.run(), "late fills")
    await service.consume()
    await runtime.spawn(service.keep_checkpoints(), "checkpoints")
    runtime.health.met(REBUILT)


def main() -> None:
    process.run("oms", Settings, start)


if __name__ == "__main__":
    main()
