"""Where messages of the bus are judged by their seals before anything reads them, and sealed before they are sent.

Owns what is done about one that bears none: it is counted and told here; whoever had asked for it parks it or leaves it
out. What a seal is, `signalbox.seals` knows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from signalbox import metrics
from signalbox.bus.received import Received
from signalbox.seals import SEAL_HEADER, Seals

log = logging.getLogger(__name__)


class Sealing:
    """The seals of one connection."""

    def __init__(self, service: str, seals: Seals) -> None:
        self._service, self._seals = service, seals
        self.refused_messages = 0

    def sealed(self, subject: str, headers: Mapping[str, str], payload: bytes) -> dict[str, str]:
        """The headers to send `payload` with: a seal among them where one is due and ours to give."""
        plain = headers
        if SEAL_HEADER in headers:
            plain = {name: value for name, value in headers.items() if name != SEAL_HEADER}
        get = plain.get
        seal = self._seals.seal(subject, lambda name: get(name, ""), payload)
        return {**plain, SEAL_HEADER: seal} if seal else dict(headers)

    def gives(self, subject: str) -> bool:
        """Whether what is sent on `subject` is sealed by us."""
        return bool(self._seals.seal(subject, lambda name: "", b""))

    def judge(self, received: Received) -> str:
        """Why this process must not act upon a message; "" = it may, or it acts upon none that is sealed."""
        if not self._seals.judges:
            return ""
        return self._seals.fault(
            received.subject, received.header, received.payload, received.stream, received.sequence
        )

    def refuse(self, received: Received) -> str:
        """As `judge`; one that must not be acted upon is counted and told."""
        fault = self.judge(received)
        if fault:
            self.refused_messages += 1
            metrics.BUS_UNSEALED.labels(self._service, received.stream).inc()
            where = {"subject": received.subject, "stream": received.stream, "sequence": received.sequence}
            log.error("not acted upon", extra=where | {"message_id": received.message_id, "error": fault})
        return fault
