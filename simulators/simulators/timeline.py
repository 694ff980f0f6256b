"""Where a calendar stands: its present or next session, and the boundaries still to cross in it.

Owns the order of boundaries. It must not know what happens at one.
"""

from __future__ import annotations

from datetime import datetime

from signalbox.exchange.quoting import Phase, SessionPhase
from signalbox.sessions import Session, next_session, session_at

from simulators.market import phase_at


class Timeline:
    """One calendar's way through its sessions."""

    def __init__(self, calendar: str, at: datetime) -> None:
        self.calendar = calendar
        self.session: Session
        self._ahead: list[tuple[datetime, SessionPhase | None]] = []
        self.place(at)

    def place(self, at: datetime) -> None:
        """Stand at `at`: boundaries before it are past, one right at it is ahead."""
        session = session_at(self.calendar, at) or next_session(self.calendar, at)
        self._load(session)
        self._ahead = [boundary for boundary in self._ahead if boundary[0] >= at]

    def cross(self, at: datetime) -> list[tuple[Session, datetime, SessionPhase | None]]:
        """Return the boundaries up to and at `at`, in order, once; None marks the start or end of a break."""
        crossed: list[tuple[Session, datetime, SessionPhase | None]] = []
        while self._ahead[0][0] <= at:
            when, phase = self._ahead.pop(0)
            crossed.append((self.session, when, phase))
            if not self._ahead:
                self._load(next_session(self.calendar, self.session.pre_open))
        return crossed

    def is_on(self, at: datetime) -> bool:
        """Say whether the session, from its pre-open to its post-close, is on."""
        return self.session.pre_open <= at < self.session.post_close

    def phase(self, at: datetime) -> Phase:
        """Return what may trade at `at`."""
        return phase_at(self.session, at)

    def _load(self, session: Session) -> None:
        self.session = session
        breaks = [(edge, None) for span in session.breaks for edge in span]
        self._ahead = [
            (session.pre_open, SessionPhase.PRE_OPEN),
            (session.open, SessionPhase.OPEN),
            *breaks,
            (session.close, SessionPhase.CLOSE),
            (session.post_close, SessionPhase.POST_CLOSE),
        ]
