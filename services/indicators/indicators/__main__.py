"""Start the indicator service: `python -m indicators`."""

from __future__ import annotations

from signalbox import process
from signalbox.process import Runtime

from indicators import metrics
from indicators.service import Indicators
from indicators.settings import Settings
from indicators.state import rules_of
from indicators.study_files import find

CAUGHT_UP = "caught up with the stored bars"


async def start(settings: Settings, runtime: Runtime) -> None:
    """Rebuild from the stored bars, then score what comes."""
    runtime.health.require(CAUGHT_UP)
    formulas = find(settings.studies_folder, failed=lambda name: metrics.STUDY_FAILURES.labels(name).inc())
    rules = rules_of(runtime.desk, formulas)
    service = Indicators(runtime.bus, rules, caught_up=lambda: runtime.health.met(CAUGHT_UP))
    runtime.details = service.details
    await service.rebuild()
    await service.consume()
    await runtime.spawn(service.follow(), "follow the partitions of other replicas")


def main() -> None:
    process.run("indicators", Settings, start)


if __name__ == "__main__":
    main()
