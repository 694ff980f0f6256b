"""A recorded session with dYdX as it is played."""

from __future__ import annotations

from collections.abc import Callable

from signalbox_cli.sessions.dydx_script import script_of
from signalbox_cli.sessions.dydx_venue import RecordedDydx
from signalbox_cli.sessions.playing import Commands
from signalbox_cli.sessions.session_file import Session


def venue_of(session: Session, commands: Commands, wall: Callable[[], float]) -> RecordedDydx:
    """The venue of a session. Raises `ConfigurationError` when it can not be played at all."""
    return RecordedDydx(session.header, script_of(session), commands, wall)
