"""The risk service's settings: those of every service and three waits. Every limit is in the desk file."""

from __future__ import annotations

from signalbox.settings import ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Waits of the transport, in seconds of wall time."""

    link_silence_seconds_max: float = 5.0
    """A gateway sends a heartbeat each second; after this long without one its orders are denied."""
    room_silence_seconds_max: float = 10.0
    """NATS is asked every two seconds how full its streams are; after this long without an answer orders are denied."""
    settle_seconds_max: float = 3.0
    """How long the first decision after a start may wait for heartbeats and prices, which are not stored anywhere."""
