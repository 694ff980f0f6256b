"""Start the indicator service: `python -m indicators`."""

from __future__ import annotations

from signalbox import process
from signalbox.process import Runtime

from indicators.service import Indicators
from indicators.settings import Settings
from indicators.state import rules_of

CAUGHT_UP = "caught up with the stored bars"


async def start(settings: Settings, runtime: Runtime) -> None:
    """Rebuild from the stored bars, then score what comes."""
    runtime.health.require(CAUGHT_UP)
    service = Indicators(runtime.bus, rules_of(runtime.desk), caught_up=lambda: runtime.health.met(CAUGHT_UP))
    runtime.details = service.details
    await service.rebuild()
    await service.consume()
    await runtime.spawn(service.follow(), "follow the partitions of other replicas")


def main() -> None:
    process.run("indicators", Settings, start)


if __name__ == "__main__":
    main()
