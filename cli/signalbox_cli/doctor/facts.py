"""What the doctor looks at, as values. None = it was not asked; a `problem` = it was, in vain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from signalbox.desk import Desk
from signalbox.durability import JetStreamServer
from signalbox.messages import Quote, ServiceStatus, VenueLink


@dataclass(frozen=True, kw_only=True)
class SecretSeen:
    """A file that holds a secret. `private` = nobody may read it but who has to; `mistake` = why it is none."""

    path: str
    mode: int
    private: bool
    mistake: str = ""


@dataclass(frozen=True, kw_only=True)
class FileSeen:
    """A file or folder of what the desk does. `open_to_others` = others may use it, or its group may change it."""

    path: str
    mode: int
    open_to_others: bool


@dataclass(frozen=True, kw_only=True)
class NatsSeen:
    """What was seen over NATS as `user`, within a few seconds."""

    url: str
    user: str
    problem: str = ""
    decision_refused: bool = False
    servers: tuple[JetStreamServer, ...] = ()
    servers_problem: str = ""
    clock_offset_seconds: float = 0.0
    """The worst of the servers' clocks, minus this machine's."""
    statuses: Mapping[str, tuple[ServiceStatus, ...]] = field(default_factory=dict)
    """By service, of each of its processes; none = no answer."""
    links: Mapping[tuple[str, str], VenueLink] = field(default_factory=dict)
    """The last heartbeat, by venue and account."""
    quotes: Mapping[tuple[str, str], Quote] = field(default_factory=dict)
    """The last quote, by venue and symbol."""
    unknown_orders: tuple[str, ...] | None = None
    """None = the recorder did not answer."""
    desk_time: datetime | None = None

    def working(self, service: str) -> ServiceStatus | None:
        """The process of a service that works; those that stand by for it say nothing of their work."""
        return next((status for status in self.statuses.get(service, ()) if status.active), None)


@dataclass(frozen=True, kw_only=True)
class PeopleSeen:
    """people.conf, and how those who were added and are not revoked stand with the server, by their names."""

    path: str
    problem: str = ""
    mode: int = 0
    private: bool = True
    is_up_to_date: bool = True
    """Whether the accounts are those that this version writes."""
    added: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unheard: tuple[str, ...] = ()
    """Let in, but what they say does not cross: nats-server has read people.conf only once."""
    untried: tuple[str, ...] = ()
    """Whose password is not here, or with no server to try it at."""


@dataclass(frozen=True, kw_only=True)
class PrometheusSeen:
    """What Prometheus has of the desk."""

    url: str
    problem: str = ""
    up: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By job: instances that answer, and all."""
    alertmanagers: int = 0
    has_watchdog: bool = False
    clock_offset_seconds: Mapping[str, float] = field(default_factory=dict)
    """By venue: its clock minus the gateway's machine's, or minus desk time."""
    drift: Mapping[str, float] = field(default_factory=dict)
    """By venue, account and kind, in one text: how many differences the OMS sees."""


@dataclass(frozen=True, kw_only=True)
class AlertmanagerSeen:
    """What Alertmanager would do with an alert. `ways_out` is by receiver: 0 = whoever it is for is not told."""

    url: str
    problem: str = ""
    ways_out: Mapping[str, int] = field(default_factory=dict)
    watchdog_receivers: tuple[str, ...] | None = None
    """To whom the Watchdog goes; None = it has not arrived."""
    failed_notifications: int = 0
    test_receivers: tuple[str, ...] | None = None
    """To whom the test alert went; None = none was sent."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    desk: Desk
    secrets: tuple[SecretSeen, ...]
    nats: NatsSeen
    prometheus: PrometheusSeen | None
    alertmanager: AlertmanagerSeen | None
    settings: tuple[str, ...] = ()
    """What is wrong with the variables of this environment, as sentences."""
    files: tuple[FileSeen, ...] = ()
    """What the desk of this machine has written; none = it is elsewhere."""
    people: PeopleSeen | None = None
