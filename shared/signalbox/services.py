"""The services of the desk, a row each: the one list of them.

Owns who they are and how each shares its work. Subjects, consumers, users, permissions, seals and what a local desk
starts are made of it; what can not be made (compose, manifests, Prometheus, images, contracts) is compared with it by
tests/deploy/test_every_service.py. It must not know what a service does.
"""

from __future__ import annotations

from dataclasses import dataclass

from signalbox.venues import VENUES


@dataclass(frozen=True, kw_only=True)
class ServiceRow:
    """One service. `name` is its user, its folder under services/, its image and its job in Prometheus."""

    name: str
    about: str
    venue: str = ""
    """Of a gateway: it works under a lease for each account there."""
    has_lease: bool = False
    """One process works, the others stand by (`signalbox.lease`)."""
    checkpoints: bool = False
    """Its state is a fold of TRADE that ends at a checkpoint; it has a subject, and a seal, of its own for it."""

    @property
    def package(self) -> str:
        """What Python calls it."""
        return self.name.replace("-", "_")


TABLE: tuple[ServiceRow, ...] = (
    *(ServiceRow(name=row.gateway, about=f"orders and market data of {row.name}", venue=row.name) for row in VENUES),
    ServiceRow(name="indicators", about="bars to scores"),
    ServiceRow(name="risk", about="intents to decisions", has_lease=True, checkpoints=True),
    ServiceRow(name="oms", about="decisions and reports to orders and positions", has_lease=True, checkpoints=True),
    ServiceRow(name="recorder", about="streams to DuckDB", has_lease=True),
)

SERVICES = tuple(row.name for row in TABLE)
GATEWAYS = tuple(row.name for row in TABLE if row.venue)
LEASED_SERVICES = tuple(row.name for row in TABLE if row.has_lease)
CHECKPOINTING_SERVICES = tuple(row.name for row in TABLE if row.checkpoints)
