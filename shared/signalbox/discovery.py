"""Who is there: each process answers NATS's micro protocol, so that `nats micro ls` shows the desk. Pure.

Owns what is told. The shapes are nats-py's own (`nats.micro`); its service is not used: it would answer on any reply
subject (decision 37). It must not know the bus, nor what a service does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from nats.micro.service import EndpointInfo, EndpointStats, ServiceInfo, ServicePing, ServiceStats

from signalbox import subjects
from signalbox.services import TABLE

_ID_CHARACTERS = 22


class Endpoint(Protocol):
    """A subject on which a process answers, and what it has answered (`signalbox.bus.asking.Served`)."""

    subject: str
    questions: int
    failures: int
    last_failure: str
    nanoseconds: int


@dataclass(frozen=True, kw_only=True)
class Present:
    """One process of a service. `instance` is its name among all processes; `started` is wall time."""

    service: str
    version: str
    instance: str
    started: datetime

    @property
    def id(self) -> str:
        """A word of a subject that no other process has."""
        return hashlib.sha256(self.instance.encode()).hexdigest()[:_ID_CHARACTERS]

    @property
    def about(self) -> str:
        """What the service does, in words."""
        return next((row.about for row in TABLE if row.name == self.service), "")

    def subjects_of(self, verb: str) -> tuple[str, str, str]:
        """Where it is asked: with all services, with its like, alone."""
        return (
            subjects.discovery(verb),
            subjects.discovery(verb, self.service),
            subjects.discovery(verb, self.service, self.id),
        )


def told(verb: str, present: Present, endpoints: Sequence[Endpoint]) -> bytes:
    """The answer to one of `subjects.DISCOVERY_VERBS`."""
    who: dict[str, Any] = {"id": present.id, "name": present.service, "version": present.version}
    answer: ServicePing | ServiceInfo | ServiceStats
    if verb == "PING":
        answer = ServicePing(**who, metadata={})
    elif verb == "INFO":
        named = [EndpointInfo(subjects.first_word(each.subject), each.subject, "") for each in endpoints]
        answer = ServiceInfo(**who, description=present.about, endpoints=named)
    else:
        answer = ServiceStats(**who, started=present.started, endpoints=[_counted(each) for each in endpoints])
    return json.dumps(answer.to_dict()).encode()


def _counted(endpoint: Endpoint) -> EndpointStats:
    return EndpointStats(
        name=subjects.first_word(endpoint.subject),
        subject=endpoint.subject,
        queue_group="",
        num_requests=endpoint.questions,
        num_errors=endpoint.failures,
        processing_time=endpoint.nanoseconds,
        average_processing_time=endpoint.nanoseconds // max(1, endpoint.questions),
        last_error=endpoint.last_failure,
    )
